//! What is stored beside the timelines of nodes: logins of our own, and clients of whose ended
//! sessions only the ages are kept.

use rusqlite::Transaction;

use super::super::StoreError;
use super::super::times::{Micros, time};
use crate::drain::FoldedClient;
use crate::model::{Node, OwnSession};
use crate::untrusted::Untrusted;

/// Logins of our own as the user of an overlap.
pub(super) fn own(
    transaction: &Transaction<'_>,
    overlap: i64,
    most: i64,
) -> Result<Vec<OwnSession>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT l.host, l.port, l.pid, l.started, l.began_at, l.ended_at FROM overlap o \
         JOIN own_login l ON l.rotated_secret = o.rotated_secret AND l.user = o.user \
         WHERE o.id = ?1 ORDER BY l.id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map([overlap, most], |row| {
        let node = Node {
            host: row.get(0)?,
            port: row.get(1)?,
        };
        let (Micros(began_at), Micros(ended_at)) = (row.get(4)?, row.get(5)?);
        let session = OwnSession {
            node,
            pid: row.get(2)?,
            started: time(row.get(3)?),
            span: (began_at, ended_at),
        };
        Ok(session)
    })?;
    let mut own = rows.collect::<Result<Vec<_>, _>>()?;
    own.reverse();
    Ok(own)
}

/// Clients whose ended sessions are not kept one by one any more.
pub(super) fn folded(
    transaction: &Transaction<'_>,
    overlap: i64,
) -> Result<Vec<FoldedClient>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT application, client, sessions, shortest, longest FROM observed_folded \
         WHERE overlap = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([overlap], |row| {
        let safe = |text: String| Untrusted::new(&text).as_str().to_owned();
        Ok(FoldedClient {
            application: safe(row.get(0)?),
            client: row.get::<_, Option<String>>(1)?.map(safe),
            sessions: row.get(2)?,
            shortest_seconds: row.get(3)?,
            longest_seconds: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
