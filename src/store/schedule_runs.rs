//! What came of the occurrences of schedules: a run for each that was acted on, or missed.
//!
//! A run is open until its rotation promoted everything, or until a person is needed. Only an
//! open run changes: whoever comes late changes nothing.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Params, Row, Transaction, params};
use serde::Serialize;

use super::StoreError;
use super::times::{Micros, micros, time};
use crate::model::{RotationId, SlotState};

/// So many runs of an environment are kept, the newest ones.
const KEPT: u32 = 100;

/// What came of one occurrence of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleRun {
    /// The occurrence, without jitter.
    pub slot: DateTime<Utc>,
    /// It stands for all occurrences after this.
    pub after: DateTime<Utc>,
    /// How many these are.
    pub occurrences: u64,
    /// Before this a rotation may start.
    pub until: DateTime<Utc>,
    /// How far it has come.
    pub state: SlotState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; `None` when it is over.
    pub next_try_at: Option<DateTime<Utc>>,
    /// The rotation that was begun for it.
    pub rotation: Option<RotationId>,
    /// What was in the way at the last attempt.
    pub problem: Option<RunProblem>,
    /// When it was begun, or found to be missed.
    pub begun_at: DateTime<Utc>,
    /// When it was over.
    pub over_at: Option<DateTime<Utc>>,
}

/// What was in the way of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunProblem {
    /// By which programs tell it.
    pub code: String,
    /// For people.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

/// A run to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRun {
    /// The occurrence, without jitter.
    pub slot: DateTime<Utc>,
    /// It stands for all occurrences after this.
    pub after: DateTime<Utc>,
    /// How many these are.
    pub occurrences: u64,
    /// Before this a rotation may start.
    pub until: DateTime<Utc>,
    /// When, by this host's clock.
    pub begun_at: DateTime<Utc>,
    /// When it is tried next; a missed one never is.
    pub next_try_at: Option<DateTime<Utc>>,
}

/// Begins the run for an occurrence. Says whether it did: a run of that occurrence that is
/// there already stays as it is, unless it was missed. Then the clock was set back, and what
/// was too late is not any more.
///
/// # Errors
/// The store's own.
pub fn begin(
    transaction: &Transaction<'_>,
    environment_id: &str,
    new: &NewRun,
) -> Result<bool, StoreError> {
    let begun = insert(transaction, environment_id, new, SlotState::Open, None)?;
    drop_older(transaction, environment_id)?;
    Ok(begun)
}

/// Puts on record that an occurrence was missed, and why. A run of that occurrence that was
/// begun stays as it is.
///
/// # Errors
/// The store's own.
pub fn miss(
    transaction: &Transaction<'_>,
    environment_id: &str,
    new: &NewRun,
    problem: &RunProblem,
) -> Result<(), StoreError> {
    insert(
        transaction,
        environment_id,
        new,
        SlotState::Missed,
        Some(problem),
    )?;
    drop_older(transaction, environment_id)
}

/// Forgets what was missed by a clock that ran ahead: by the one that shows `now` it has not
/// come yet.
///
/// # Errors
/// The store's own.
pub fn forget_missed_after(
    transaction: &Transaction<'_>,
    environment_id: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM schedule_run WHERE environment = ?1 AND state = 'missed' AND slot > ?2",
        params![environment_id, Micros(now)],
    )?;
    Ok(())
}

/// Notes what was acted on for occurrences after `latest` as acted on now. It keeps its order, and
/// its rotation.
///
/// # Errors
/// The store's own.
pub fn take_back(
    transaction: &Transaction<'_>,
    environment_id: &str,
    latest: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT slot FROM schedule_run WHERE environment = ?1 AND slot > ?2 \
         AND state IN ('done', 'failed') ORDER BY slot DESC",
    )?;
    let slots = statement.query_map(params![environment_id, Micros(latest)], |row| row.get(0))?;
    let slots: Vec<Micros> = slots.collect::<Result<_, _>>()?;
    // No two runs are of the same time.
    let mut taken = now;
    for slot in slots {
        while find(transaction, environment_id, taken)?.is_some() {
            taken -= TimeDelta::microseconds(1);
        }
        transaction.execute(
            "UPDATE schedule_run SET slot = ?3, after = min(after, ?3 - 1), until = min(until, ?3), \
             begun_at = min(begun_at, ?3), over_at = min(over_at, ?3) \
             WHERE environment = ?1 AND slot = ?2",
            params![environment_id, slot, Micros(taken)],
        )?;
    }
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    environment_id: &str,
    new: &NewRun,
    state: SlotState,
    problem: Option<&RunProblem>,
) -> Result<bool, StoreError> {
    let is_open = state == SlotState::Open;
    let inserted = transaction.execute(
        "INSERT INTO schedule_run (environment, slot, after, occurrences, until, state, \
         attempts, next_try_at, code, problem, remedy, begun_at, over_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (environment, slot) DO UPDATE SET after = ?3, occurrences = ?4, \
         until = ?5, state = ?6, attempts = 0, next_try_at = ?7, rotation = NULL, code = ?8, \
         problem = ?9, remedy = ?10, begun_at = ?11, over_at = ?12 WHERE state = 'missed'",
        params![
            environment_id,
            Micros(new.slot),
            Micros(new.after),
            new.occurrences,
            Micros(new.until),
            state.as_str(),
            micros(new.next_try_at.filter(|_| is_open)),
            problem.map(|one| &one.code),
            problem.map(|one| &one.message),
            problem.map(|one| &one.remedy),
            Micros(new.begun_at),
            micros((!is_open).then_some(new.begun_at)),
        ],
    )?;
    Ok(inserted == 1)
}

/// An open run is kept however old its occurrence is: somebody still works on it.
fn drop_older(transaction: &Transaction<'_>, environment_id: &str) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM schedule_run WHERE environment = ?1 AND state <> 'open' AND slot < \
         (SELECT min(slot) FROM (SELECT slot FROM schedule_run WHERE environment = ?1 \
         ORDER BY slot DESC LIMIT ?2))",
        params![environment_id, KEPT],
    )?;
    Ok(())
}

/// Binds an open run to the rotation that was begun for it, in that one's transaction. Says
/// whether it did: a run has one rotation at most, and how often that is tried is counted anew.
///
/// # Errors
/// The store's own.
pub fn bind(
    transaction: &Transaction<'_>,
    environment_id: &str,
    slot: DateTime<Utc>,
    rotation: RotationId,
) -> Result<bool, StoreError> {
    let bound = transaction.execute(
        "UPDATE schedule_run SET rotation = ?3, attempts = 0 \
         WHERE environment = ?1 AND slot = ?2 AND state = 'open' AND rotation IS NULL",
        params![environment_id, Micros(slot), rotation.0],
    )?;
    Ok(bound == 1)
}

/// An attempt came to nothing; the run stays open and is tried again.
///
/// # Errors
/// The store's own.
pub fn try_again(
    transaction: &Transaction<'_>,
    environment_id: &str,
    slot: DateTime<Utc>,
    next_try_at: DateTime<Utc>,
    problem: &RunProblem,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE schedule_run SET attempts = attempts + 1, next_try_at = ?3, code = ?4, \
         problem = ?5, remedy = ?6 WHERE environment = ?1 AND slot = ?2 AND state = 'open'",
        params![
            environment_id,
            Micros(slot),
            Micros(next_try_at),
            problem.code,
            problem.message,
            problem.remedy,
        ],
    )?;
    Ok(())
}

/// An attempt ended the run. What was in the way of the attempts before it is forgotten.
///
/// # Errors
/// The store's own.
pub fn end(
    transaction: &Transaction<'_>,
    environment_id: &str,
    slot: DateTime<Utc>,
    state: SlotState,
    problem: Option<&RunProblem>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE schedule_run SET state = ?3, attempts = attempts + 1, next_try_at = NULL, \
         code = ?4, problem = ?5, remedy = ?6, over_at = ?7 \
         WHERE environment = ?1 AND slot = ?2 AND state = 'open'",
        params![
            environment_id,
            Micros(slot),
            state.as_str(),
            problem.map(|one| &one.code),
            problem.map(|one| &one.message),
            problem.map(|one| &one.remedy),
            Micros(now),
        ],
    )?;
    Ok(())
}

/// Closes the open run of a schedule that was taken out or changed. One without a rotation
/// leaves nothing behind. The rotation of one that has it goes on without a schedule.
///
/// # Errors
/// The store's own.
pub fn close_open(
    transaction: &Transaction<'_>,
    environment_id: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    give_back(transaction, environment_id)?;
    transaction.execute(
        "UPDATE schedule_run SET state = 'failed', next_try_at = NULL, over_at = ?2, \
         code = 'schedule-changed', \
         problem = 'the schedule was changed or taken out while its rotation was under way', \
         remedy = '`handover status` shows whether the rotation is over; `handover recover` \
         brings one that is not to its end' WHERE environment = ?1 AND state = 'open'",
        params![environment_id, Micros(now)],
    )?;
    Ok(())
}

/// Forgets the open run for which no rotation was begun, as if its occurrence had never been
/// taken.
///
/// # Errors
/// The store's own.
pub fn give_back(transaction: &Transaction<'_>, environment_id: &str) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM schedule_run WHERE environment = ?1 AND state = 'open' AND rotation IS NULL",
        [environment_id],
    )?;
    Ok(())
}

/// The run for an occurrence.
///
/// # Errors
/// [`StoreError::Damaged`] for a row that cannot be read, else the store's own.
pub fn find(
    transaction: &Transaction<'_>,
    environment_id: &str,
    slot: DateTime<Utc>,
) -> Result<Option<ScheduleRun>, StoreError> {
    let found = read_all(
        transaction,
        "environment = ?1 AND slot = ?2",
        params![environment_id, Micros(slot)],
    )?;
    Ok(found.into_iter().next().map(|(_, run)| run))
}

/// The run for the newest occurrence.
///
/// # Errors
/// As for [`find`].
pub fn newest(
    transaction: &Transaction<'_>,
    environment_id: &str,
) -> Result<Option<ScheduleRun>, StoreError> {
    Ok(list(transaction, environment_id, 1)?.pop())
}

/// The run that stands at a time: the one that is open, else the newest. A clock that was set
/// back since makes some wait until they come again: what was missed later than now, and what
/// is open, later than now and without a rotation.
///
/// # Errors
/// As for [`find`].
pub fn standing(
    transaction: &Transaction<'_>,
    environment_id: &str,
    now: DateTime<Utc>,
) -> Result<Option<ScheduleRun>, StoreError> {
    let found = read_all(
        transaction,
        "environment = ?1 AND NOT (state = 'missed' AND over_at > ?2) \
         AND NOT (state = 'open' AND rotation IS NULL AND slot > ?2) \
         ORDER BY state = 'open' DESC, CASE state WHEN 'open' THEN slot ELSE -slot END LIMIT 1",
        params![environment_id, Micros(now)],
    )?;
    Ok(found.into_iter().next().map(|(_, run)| run))
}

/// The runs of an environment, by their occurrences, the newest first, of which there are
/// `most` at most.
///
/// # Errors
/// As for [`find`].
pub fn list(
    transaction: &Transaction<'_>,
    environment_id: &str,
    most: usize,
) -> Result<Vec<ScheduleRun>, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let found = read_all(
        transaction,
        "environment = ?1 ORDER BY slot DESC LIMIT ?2",
        params![environment_id, most],
    )?;
    Ok(found.into_iter().map(|(_, run)| run).collect())
}

/// The run that a rotation was begun for, and the id of its environment.
///
/// # Errors
/// As for [`find`].
pub fn of_rotation(
    transaction: &Transaction<'_>,
    rotation: RotationId,
) -> Result<Option<(String, ScheduleRun)>, StoreError> {
    Ok(read_all(transaction, "rotation = ?1 ORDER BY slot", [rotation.0])?.pop())
}

fn read_all(
    transaction: &Transaction<'_>,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<(String, ScheduleRun)>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT environment, slot, after, occurrences, until, state, attempts, next_try_at, \
         rotation, code, problem, remedy, begun_at, over_at FROM schedule_run WHERE {condition}"
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, read(row)?));
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<ScheduleRun, StoreError> {
    let state: String = row.get(5)?;
    let malformed =
        |()| StoreError::Damaged("the run of a schedule has a malformed state".to_owned());
    let (Micros(slot), Micros(after)) = (row.get(1)?, row.get(2)?);
    let (Micros(until), Micros(begun_at)) = (row.get(4)?, row.get(12)?);
    let words: [Option<String>; 3] = [row.get(9)?, row.get(10)?, row.get(11)?];
    let problem = match words {
        [Some(code), Some(message), Some(remedy)] => Some(RunProblem {
            code,
            message,
            remedy,
        }),
        _ => None,
    };
    Ok(ScheduleRun {
        slot,
        after,
        occurrences: row.get(3)?,
        until,
        state: state.parse().map_err(malformed)?,
        attempts: row.get(6)?,
        next_try_at: time(row.get(7)?),
        rotation: row.get::<_, Option<u64>>(8)?.map(RotationId),
        problem,
        begun_at,
        over_at: time(row.get(13)?),
    })
}

#[cfg(test)]
#[path = "schedule_run_tests.rs"]
mod tests;
