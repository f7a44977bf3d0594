//! How much is kept of what was observed.

use rusqlite::{Transaction, params};

use super::super::StoreError;
use crate::drain::Write;
use crate::secret::SecretId;

/// Ended sessions of an overlap that are kept one by one. Older ones are folded by client.
pub const MOST_ENDED_SESSIONS: usize = 10_000;

/// Stretches of samples of an overlap, of all its nodes together.
pub const MOST_RUNS: usize = 2_000;

/// Changes of counters of an overlap, of all its nodes together.
pub const MOST_COUNTERS: usize = 2_000;

/// Clients of an overlap whose ended sessions are folded. Those with the fewest go first:
/// anybody may give an application any name.
pub const MOST_FOLDED: usize = 1_000;

/// Logins of our own of a rotated secret, of both users together.
pub const MOST_OWN_LOGINS: usize = 10_000;

/// Drops what was observed of all overlaps of a rotated secret but the open one, which is
/// about to end, and logins of our own that are older than that.
pub(in super::super) fn drop_older(
    transaction: &Transaction<'_>,
    secret: SecretId,
) -> Result<(), StoreError> {
    let secret = secret.to_string();
    const OLDER: &str = "SELECT n.id FROM observed_node n JOIN overlap o ON o.id = n.overlap \
         WHERE o.rotated_secret = ?1 AND o.ended_at IS NOT NULL";
    for table in ["observed_run", "observed_session", "observed_counter"] {
        let sql = format!("DELETE FROM {table} WHERE node IN ({OLDER})");
        transaction.prepare_cached(&sql)?.execute([&secret])?;
    }
    for table in ["observed_node", "observed_folded"] {
        let sql = format!(
            "DELETE FROM {table} WHERE overlap IN \
             (SELECT id FROM overlap WHERE rotated_secret = ?1 AND ended_at IS NOT NULL)"
        );
        transaction.prepare_cached(&sql)?.execute([&secret])?;
    }
    // Those of a user are noted right before its overlap opens, by the run that opens it.
    transaction
        .prepare_cached(
            "DELETE FROM own_login WHERE rotated_secret = ?1 AND noted_at < \
             (SELECT max(opened_at) FROM overlap \
              WHERE rotated_secret = ?1 AND ended_at IS NOT NULL)",
        )?
        .execute([&secret])?;
    Ok(())
}

/// Keeps every bound that these writes may have passed.
pub(super) fn keep_bounds(
    transaction: &Transaction<'_>,
    overlap: i64,
    writes: &[Write],
) -> Result<(), StoreError> {
    let any = |adds: fn(&Write) -> bool| writes.iter().any(adds);
    if any(|write| matches!(write, Write::BeginRun(_))) {
        for (node, excess) in excess(transaction, overlap, "observed_run", "1", MOST_RUNS)? {
            delete_oldest(transaction, "observed_run", node, excess)?;
        }
    }
    if any(|write| matches!(write, Write::BeginCounter(_))) {
        let found = excess(transaction, overlap, "observed_counter", "1", MOST_COUNTERS)?;
        for (node, excess) in found {
            delete_oldest(transaction, "observed_counter", node, excess)?;
        }
    }
    let has_ended = |write: &Write| match write {
        Write::Gone { .. } => true,
        Write::Seen(seen) => seen.ended.is_some(),
        _ => false,
    };
    if writes.iter().any(has_ended) {
        let ended = "x.gone_at IS NOT NULL";
        let most = MOST_ENDED_SESSIONS;
        let found = excess(transaction, overlap, "observed_session", ended, most)?;
        for (node, excess) in &found {
            fold(transaction, overlap, *node, *excess)?;
        }
        if !found.is_empty() {
            keep_folded(transaction, overlap)?;
        }
    }
    Ok(())
}

/// How many rows each node has to give up, so that no more than `most` are left of the
/// overlap: as long as there are too many, the node that has most of them gives one.
fn excess(
    transaction: &Transaction<'_>,
    overlap: i64,
    table: &str,
    which: &str,
    most: usize,
) -> Result<Vec<(i64, usize)>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT n.id, count(*) FROM observed_node n JOIN {table} x ON x.node = n.id AND {which} \
         WHERE n.overlap = ?1 GROUP BY n.id"
    ))?;
    let rows = statement.query_map([overlap], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let counts: Vec<(i64, usize)> = rows.collect::<Result<_, _>>()?;
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let mut left: Vec<usize> = counts.iter().map(|(_, count)| *count).collect();
    for _ in most..total {
        if let Some(largest) = left.iter_mut().max() {
            *largest -= 1;
        }
    }
    let given = counts
        .iter()
        .zip(left)
        .map(|((node, count), left)| (*node, count - left));
    Ok(given.filter(|(_, excess)| *excess > 0).collect())
}

fn delete_oldest(
    transaction: &Transaction<'_>,
    table: &str,
    node: i64,
    excess: usize,
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "DELETE FROM {table} WHERE id IN \
         (SELECT id FROM {table} WHERE node = ?1 ORDER BY id LIMIT ?2)"
    ))?;
    statement.execute(params![node, excess])?;
    Ok(())
}

/// The ended sessions of a node that are to be folded, oldest end first.
const OLDEST_ENDED: &str = "SELECT id FROM observed_session \
     WHERE node = ?1 AND gone_at IS NOT NULL ORDER BY gone_at, id LIMIT ?2";

/// Folds ended sessions by client, those of our own left out, and deletes them. An end lies
/// between two samples, and so does a start that the engine does not tell; of a session that
/// was there at the first sample no age is known then.
fn fold(
    transaction: &Transaction<'_>,
    overlap: i64,
    node: i64,
    excess: usize,
) -> Result<(), StoreError> {
    let mut add = transaction.prepare_cached(&format!(
        "INSERT INTO observed_folded (overlap, application, client, sessions, shortest, longest) \
         SELECT ?3, application, client, count(*), \
          max(0, min(last_seen - latest)) / 1000000, \
          max(0, max(gone_at - earliest) + 999999) / 1000000 FROM \
         (SELECT s.application, s.client, s.last_seen, s.gone_at, \
           iif(aged, ifnull(s.started, s.not_before), NULL) AS earliest, \
           iif(aged, ifnull(s.started, s.first_seen), NULL) AS latest \
          FROM (SELECT *, started IS NOT NULL OR not_before IS NOT NULL AS aged \
                FROM observed_session WHERE id IN ({OLDEST_ENDED})) s \
          JOIN observed_node n ON n.id = s.node JOIN overlap o ON o.id = n.overlap \
          WHERE NOT EXISTS \
          (SELECT 1 FROM own_login l WHERE l.rotated_secret = o.rotated_secret \
           AND l.user = o.user AND l.pid = s.pid AND l.host = n.host AND l.port = n.port \
           AND (l.started IS NULL OR s.started IS NULL OR l.started = s.started))) \
         WHERE true GROUP BY application, client \
         ON CONFLICT (overlap, application, ifnull(client, ''), client IS NULL) DO UPDATE SET \
          sessions = sessions + excluded.sessions, \
          shortest = ifnull(min(shortest, excluded.shortest), ifnull(shortest, excluded.shortest)), \
          longest = ifnull(max(longest, excluded.longest), ifnull(longest, excluded.longest))"
    ))?;
    add.execute(params![node, excess, overlap])?;
    let mut delete = transaction.prepare_cached(&format!(
        "DELETE FROM observed_session WHERE id IN ({OLDEST_ENDED})"
    ))?;
    delete.execute(params![node, excess])?;
    Ok(())
}

fn keep_folded(transaction: &Transaction<'_>, overlap: i64) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM observed_folded WHERE id IN (SELECT id FROM observed_folded \
         WHERE overlap = ?1 ORDER BY sessions DESC, id DESC LIMIT -1 OFFSET ?2)",
    )?;
    statement.execute(params![overlap, MOST_FOLDED])?;
    Ok(())
}

/// Keeps the bound of logins of our own.
pub(super) fn keep_own_logins(
    transaction: &Transaction<'_>,
    secret: SecretId,
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM own_login WHERE id IN (SELECT id FROM own_login \
         WHERE rotated_secret = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
    )?;
    statement.execute(params![secret.to_string(), MOST_OWN_LOGINS])?;
    Ok(())
}
