//! Schedules: of which environments somebody has to look at the clock, and when next.
//!
//! When a schedule recurs stands in the settings; here stands what was worked out of it, so
//! that one indexed read tells whether anything is due.

use chrono::{DateTime, Utc};
use rusqlite::{Params, Row, Transaction, params};

use super::StoreError;
use super::times::{Micros, micros, time};
use crate::model::EnvironmentName;

/// The schedule of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// The environment's id.
    pub environment_id: String,
    /// The environment.
    pub environment: EnvironmentName,
    /// When it recurs and by which clock; a change of it begins anew.
    pub identity: String,
    /// Occurrences up to here do not count.
    pub since: DateTime<Utc>,
    /// When somebody has to look at it next; `None`: never.
    pub next_at: Option<DateTime<Utc>>,
}

/// Gives an environment a schedule, in the place of the one that it has.
///
/// # Errors
/// The store's own.
pub fn put(
    transaction: &Transaction<'_>,
    environment_id: &str,
    identity: &str,
    since: DateTime<Utc>,
    next_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO schedule (environment, identity, since, next_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (environment) DO UPDATE SET identity = ?2, since = ?3, next_at = ?4",
        params![environment_id, identity, Micros(since), micros(next_at)],
    )?;
    Ok(())
}

/// Takes an environment's schedule out; what its runs came to stays on record.
///
/// # Errors
/// The store's own.
pub fn remove(transaction: &Transaction<'_>, environment_id: &str) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM schedule WHERE environment = ?1",
        [environment_id],
    )?;
    Ok(())
}

/// Sets when somebody has to look at a schedule next.
///
/// # Errors
/// The store's own.
pub fn set_next(
    transaction: &Transaction<'_>,
    environment_id: &str,
    next_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE schedule SET next_at = ?2 WHERE environment = ?1",
        params![environment_id, micros(next_at)],
    )?;
    Ok(())
}

/// Lets no occurrence up to `since` count any more.
///
/// # Errors
/// The store's own.
pub fn set_since(
    transaction: &Transaction<'_>,
    environment_id: &str,
    since: DateTime<Utc>,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE schedule SET since = ?2 WHERE environment = ?1",
        params![environment_id, Micros(since)],
    )?;
    Ok(())
}

/// Whether [`due`] would give anything: one read of an index, since this is asked often.
///
/// # Errors
/// The store's own.
pub fn any_due(transaction: &Transaction<'_>, now: DateTime<Utc>) -> Result<bool, StoreError> {
    // The schedule of an environment goes when that is removed, so that no join is needed.
    let mut statement = transaction.prepare_cached(ANY_DUE)?;
    Ok(statement.exists([Micros(now)])?)
}

const ANY_DUE: &str = "SELECT 1 FROM schedule WHERE next_at <= ?1";

/// The schedules that somebody has to look at, the one that waits for the longest first.
///
/// # Errors
/// [`StoreError::Damaged`] for a row that cannot be read, else the store's own.
pub fn due(
    transaction: &Transaction<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<ScheduleRow>, StoreError> {
    read_all(transaction, DUE, [Micros(now)])
}

const DUE: &str = "s.next_at <= ?1 ORDER BY s.next_at, e.project, e.name";

/// Those of them for which a rotation was begun that is not over.
///
/// # Errors
/// As for [`due`].
pub fn due_and_begun(
    transaction: &Transaction<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<ScheduleRow>, StoreError> {
    read_all(transaction, DUE_AND_BEGUN, [Micros(now)])
}

const DUE_AND_BEGUN: &str = "s.next_at <= ?1 AND EXISTS (SELECT 1 FROM schedule_run r \
     WHERE r.environment = s.environment AND r.state = 'open' AND r.rotation IS NOT NULL) \
     ORDER BY s.next_at, e.project, e.name";

/// The schedule of an environment.
///
/// # Errors
/// As for [`due`].
pub fn find(
    transaction: &Transaction<'_>,
    environment_id: &str,
) -> Result<Option<ScheduleRow>, StoreError> {
    Ok(read_all(transaction, "s.environment = ?1", [environment_id])?.pop())
}

/// All schedules, by the names of their environments.
///
/// # Errors
/// As for [`due`].
pub fn list(transaction: &Transaction<'_>) -> Result<Vec<ScheduleRow>, StoreError> {
    read_all(transaction, "TRUE ORDER BY e.project, e.name", [])
}

fn read_all(
    transaction: &Transaction<'_>,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<ScheduleRow>, StoreError> {
    let mut statement = transaction.prepare_cached(&statement(condition))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn statement(condition: &str) -> String {
    format!(
        "SELECT s.environment, e.project || '/' || e.name, s.identity, s.since, s.next_at \
         FROM schedule s JOIN environment e ON e.id = s.environment \
         WHERE e.removed_at IS NULL AND {condition}"
    )
}

fn read(row: &Row<'_>) -> Result<ScheduleRow, StoreError> {
    let environment: String = row.get(1)?;
    let malformed =
        |_| StoreError::Damaged("a schedule's environment has a malformed name".to_owned());
    let Micros(since) = row.get(3)?;
    Ok(ScheduleRow {
        environment_id: row.get(0)?,
        environment: environment.parse().map_err(malformed)?,
        identity: row.get(2)?,
        since,
        next_at: time(row.get(4)?),
    })
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
