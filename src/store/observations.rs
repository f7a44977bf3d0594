//! What was observed of overlaps, run-length, and which sessions were our own.
//!
//! What is stored of one overlap is bounded: whatever is oldest goes first, and of the node
//! that has most of it, so that a busy node does not take what is known of a quiet one.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};

use super::StoreError;
use super::times::{Micros, micros};
use crate::drain::{Timeline, Write};
use crate::model::{Node, OwnSession};
use crate::secret::SecretId;

mod beside;
mod retention;
mod rows;

pub(super) use retention::drop_older;
pub use retention::{MOST_COUNTERS, MOST_ENDED_SESSIONS, MOST_FOLDED, MOST_OWN_LOGINS, MOST_RUNS};

/// As a bound: none.
const ALL: i64 = -1;
/// How much of each kind a glance takes.
const NEWEST: i64 = 100;

/// All that was observed of an overlap, logins of our own as its user included. Its nodes
/// stand in the order in which they were first asked.
///
/// # Errors
/// [`StoreError::Damaged`] for a row that cannot be read, else the store's own.
pub fn load(transaction: &Transaction<'_>, overlap: i64) -> Result<Timeline, StoreError> {
    Ok(Timeline {
        nodes: rows::nodes(transaction, overlap, ALL)?,
        own: beside::own(transaction, overlap, ALL)?,
        folded: beside::folded(transaction, overlap)?,
    })
}

/// The newest part of what was observed of an overlap, of which there is never more than so
/// much, however long it was observed; and whether that is all of its ended sessions.
///
/// # Errors
/// As for [`load`].
pub fn load_newest(
    transaction: &Transaction<'_>,
    overlap: i64,
) -> Result<(Timeline, bool), StoreError> {
    let nodes = rows::nodes(transaction, overlap, NEWEST)?;
    let is_all = nodes.iter().all(|node| {
        let ended = node.sessions.iter().filter(|one| one.ended.is_some());
        i64::try_from(ended.count()).is_ok_and(|count| count < NEWEST)
    });
    let timeline = Timeline {
        nodes,
        own: beside::own(transaction, overlap, NEWEST)?,
        folded: Vec::new(),
    };
    Ok((timeline, is_all))
}

/// Stores changes of one node's timeline and drops what is too old to be kept. Answers
/// whether the overlap is still open: of one that has ended nothing more is stored.
///
/// # Errors
/// The store's own.
pub fn write(
    transaction: &Transaction<'_>,
    overlap: i64,
    node: &Node,
    writes: &[Write],
) -> Result<bool, StoreError> {
    if !rows::is_open(transaction, overlap)? {
        return Ok(false);
    }
    let node = rows::node_number(transaction, overlap, node)?;
    for write in writes {
        rows::apply(transaction, node, write)?;
    }
    retention::keep_bounds(transaction, overlap, writes)?;
    Ok(true)
}

/// Notes logins of our own as `user`, one of the pair of a rotated secret, so that whoever
/// samples it leaves them out. `now` is by this host's clock.
///
/// # Errors
/// The store's own.
pub fn note_own_logins(
    transaction: &Transaction<'_>,
    secret: SecretId,
    user: &str,
    sessions: &[OwnSession],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let mut statement = transaction.prepare_cached(
        "INSERT INTO own_login (rotated_secret, user, host, port, pid, started, noted_at, \
         began_at, ended_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for session in sessions {
        statement.execute(params![
            secret.to_string(),
            user,
            session.node.host,
            session.node.port,
            session.pid,
            micros(session.started),
            Micros(now),
            Micros(session.span.0),
            Micros(session.span.1),
        ])?;
    }
    retention::keep_own_logins(transaction, secret)
}

#[cfg(test)]
#[path = "observation_tests.rs"]
mod tests;
