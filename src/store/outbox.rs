//! The outbox: notices and their deliveries. A notice is added in the transaction of the fact
//! that it tells, so that there is neither one without the other.
//!
//! Per environment and webhook the oldest delivery that waits is the only one that may be tried:
//! that is the order.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Row, Transaction, params};
use serde::Serialize;

use super::times::{Micros, micros, time};
use super::{Store, StoreError};
use crate::model::EnvironmentName;

/// What is over is kept for so long, to be looked at.
const KEPT_DAYS: i64 = 90;

/// The right to deliver; it is free again when this is dropped or the process ends.
#[derive(Debug)]
pub struct DelivererLock {
    _file: std::fs::File,
}

impl Store {
    /// Asks to be the one who delivers, and does not wait. `None` while somebody else does:
    /// two of them would break the order.
    ///
    /// # Errors
    /// [`StoreError::CannotWrite`] when the lock file cannot be made.
    pub fn lock_outbox(&self) -> Result<Option<DelivererLock>, StoreError> {
        let file = self.try_lock_file("outbox")?;
        Ok(file.map(|file| DelivererLock { _file: file }))
    }
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// It is tried again, or for the first time.
    Waiting,
    /// The receiver has said that it has it.
    Delivered,
    /// Given up; `outbox retry` tries again.
    Dead,
}

impl DeliveryState {
    /// The word, as in JSON, in the store and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// A notice to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewNotice<'a> {
    /// What tells it from every other.
    pub id: &'a str,
    /// The environment's id.
    pub environment: &'a str,
    /// What it tells.
    pub kind: &'a str,
    /// JSON, without secrets.
    pub payload: &'a str,
    /// When, by this host's clock.
    pub now: DateTime<Utc>,
}

/// One delivery of one notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The notice's place in the order; not part of the JSON.
    #[serde(skip)]
    pub seq: i64,
    /// The notice.
    pub id: String,
    /// Of which environment.
    pub environment: EnvironmentName,
    /// What it tells.
    pub kind: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// To whom.
    pub webhook: String,
    /// How far it has come.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried first; `null` before that.
    pub first_try_at: Option<DateTime<Utc>>,
    /// When it may be tried next; `null` when it is over.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up.
    pub over_at: Option<DateTime<Utc>>,
    /// What came of the last attempt.
    pub answer: Option<String>,
    /// The text that is sent; not part of the JSON.
    #[serde(skip)]
    pub payload: String,
}

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It is tried again then.
    Again(DateTime<Utc>),
    /// It is given up.
    Dead,
}

/// Adds a notice for these webhooks, and drops what has long been over.
///
/// # Errors
/// The store's own.
pub fn enqueue(
    transaction: &Transaction<'_>,
    new: &NewNotice<'_>,
    webhooks: &[&str],
) -> Result<(), StoreError> {
    drop_old(transaction, new.now)?;
    transaction.execute(
        "INSERT INTO notice (id, environment, kind, payload, made_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            new.id,
            new.environment,
            new.kind,
            new.payload,
            Micros(new.now)
        ],
    )?;
    let seq = transaction.last_insert_rowid();
    for webhook in webhooks {
        transaction.execute(
            "INSERT INTO delivery (notice, environment, webhook, state, attempts, next_try_at) \
             VALUES (?1, ?2, ?3, 'waiting', 0, ?4)",
            params![seq, new.environment, webhook, Micros(new.now)],
        )?;
    }
    Ok(())
}

fn drop_old(transaction: &Transaction<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    let before = now - TimeDelta::days(KEPT_DAYS);
    transaction.execute(
        "DELETE FROM notice WHERE made_at < ?1 AND NOT EXISTS (SELECT 1 FROM delivery \
         WHERE notice = seq AND (state = 'waiting' OR over_at >= ?1))",
        [Micros(before)],
    )?;
    transaction.execute(
        "DELETE FROM drain_notice WHERE overlap IN \
         (SELECT id FROM overlap WHERE ended_at IS NOT NULL)",
        [],
    )?;
    Ok(())
}

/// The number of the newest notice; 0 before the first one.
///
/// # Errors
/// The store's own.
pub fn newest(transaction: &Transaction<'_>) -> Result<i64, StoreError> {
    let found = transaction.query_row("SELECT ifnull(max(seq), 0) FROM notice", [], |row| {
        row.get(0)
    })?;
    Ok(found)
}

/// The heads of the queues that are due: of each environment and webhook the oldest delivery
/// that waits, unless its time has not come.
///
/// # Errors
/// The store's own.
pub fn due(transaction: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<Delivery>, StoreError> {
    read_all(
        transaction,
        "d.state = 'waiting' AND d.next_try_at <= ?1 AND e.removed_at IS NULL \
         AND d.notice = (SELECT min(o.notice) FROM delivery o WHERE o.environment = d.environment \
         AND o.webhook = d.webhook AND o.state = 'waiting')",
        params![Micros(now)],
    )
}

/// Whether [`due`] would give anything; cheap while nothing waits.
///
/// # Errors
/// The store's own.
pub fn is_due(transaction: &Transaction<'_>, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let waits = transaction
        .prepare_cached("SELECT 1 FROM delivery WHERE state = 'waiting' AND next_try_at <= ?1")?
        .exists([Micros(now)])?;
    Ok(waits && !due(transaction, now)?.is_empty())
}

/// Writes down what came of an attempt. One that is not waiting any more stays as it is.
///
/// # Errors
/// The store's own.
pub fn record(
    transaction: &Transaction<'_>,
    (id, webhook): (&str, &str),
    outcome: Outcome,
    answer: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (state, next) = match outcome {
        Outcome::Delivered => (DeliveryState::Delivered, now),
        Outcome::Again(next) => (DeliveryState::Waiting, next),
        Outcome::Dead => (DeliveryState::Dead, now),
    };
    let over = (state != DeliveryState::Waiting).then_some(now);
    transaction.execute(
        "UPDATE delivery SET state = ?3, attempts = attempts + 1, \
         first_try_at = ifnull(first_try_at, ?4), next_try_at = ?5, over_at = ?6, answer = ?7 \
         WHERE notice = (SELECT seq FROM notice WHERE id = ?1) AND webhook = ?2 \
         AND state = 'waiting'",
        params![
            id,
            webhook,
            state.as_str(),
            Micros(now),
            Micros(next),
            micros(over),
            answer
        ],
    )?;
    Ok(())
}

/// Which deliveries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Of one environment.
    pub environment: Option<EnvironmentName>,
    /// Of one notice.
    pub id: Option<String>,
}

/// The deliveries, in the order in which their notices were made.
///
/// # Errors
/// The store's own.
pub fn list(transaction: &Transaction<'_>, which: &Which) -> Result<Vec<Delivery>, StoreError> {
    read_all(
        transaction,
        "(?1 IS NULL OR e.project || '/' || e.name = ?1) AND (?2 IS NULL OR n.id = ?2) \
         AND e.removed_at IS NULL",
        params![
            which.environment.as_ref().map(ToString::to_string),
            which.id
        ],
    )
}

/// What an environment's outbox holds that nobody has yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Backlog {
    /// How many deliveries wait.
    pub waiting: u64,
    /// How many were given up.
    pub dead: u64,
    /// When the notice was made that waits for the longest; `null` where none waits.
    pub waiting_since: Option<DateTime<Utc>>,
}

impl Backlog {
    /// A notice that was given up, or that waits for so long, is worth a look.
    const PATIENCE: TimeDelta = TimeDelta::minutes(1);

    /// Whether a person wants to know of it.
    #[must_use]
    pub fn is_worth_telling(&self, now: DateTime<Utc>) -> bool {
        let late = self.waiting_since;
        self.dead > 0 || late.is_some_and(|since| now - since > Self::PATIENCE)
    }
}

/// What the outbox holds of each environment, by its id; one that is not named has nothing.
///
/// # Errors
/// The store's own.
pub fn backlogs(transaction: &Transaction<'_>) -> Result<BTreeMap<String, Backlog>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT d.environment, sum(d.state = 'waiting'), sum(d.state = 'dead'), \
         min(CASE d.state WHEN 'waiting' THEN n.made_at END) \
         FROM delivery d JOIN notice n ON n.seq = d.notice \
         WHERE d.state IN ('waiting', 'dead') GROUP BY d.environment",
    )?;
    let mut rows = statement.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let backlog = Backlog {
            waiting: row.get(1)?,
            dead: row.get(2)?,
            waiting_since: time(row.get(3)?),
        };
        found.insert(row.get(0)?, backlog);
    }
    Ok(found)
}

/// Makes what is not delivered due at once, what was given up included. Says how many there
/// are.
///
/// # Errors
/// The store's own.
pub fn again(
    transaction: &Transaction<'_>,
    which: &Which,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    Ok(transaction.execute(
        "UPDATE delivery SET state = 'waiting', attempts = 0, first_try_at = NULL, \
         next_try_at = ?3, over_at = NULL WHERE state <> 'delivered' AND notice IN \
         (SELECT n.seq FROM notice n JOIN environment e ON e.id = n.environment \
         WHERE (?1 IS NULL OR e.project || '/' || e.name = ?1) AND (?2 IS NULL OR n.id = ?2) \
         AND e.removed_at IS NULL)",
        params![
            which.environment.as_ref().map(ToString::to_string),
            which.id,
            Micros(now)
        ],
    )?)
}

/// Gives up what waits of an environment that is removed.
///
/// # Errors
/// The store's own.
pub fn give_up(transaction: &Transaction<'_>, environment: &str) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE delivery SET state = 'dead', over_at = next_try_at, \
         answer = 'the environment was removed' WHERE environment = ?1 AND state = 'waiting'",
        [environment],
    )?;
    Ok(())
}

/// Notes that something is told of an overlap's drain. Says whether it was not told before.
///
/// # Errors
/// The store's own.
pub fn is_first(
    transaction: &Transaction<'_>,
    overlap: i64,
    kind: &str,
    mark: &str,
) -> Result<bool, StoreError> {
    let added = transaction.execute(
        "INSERT OR IGNORE INTO drain_notice (overlap, kind, mark) VALUES (?1, ?2, ?3)",
        params![overlap, kind, mark],
    )?;
    Ok(added == 1)
}

fn read_all(
    transaction: &Transaction<'_>,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Delivery>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT n.id, e.project || '/' || e.name, n.kind, n.made_at, d.webhook, d.state, \
         d.attempts, d.first_try_at, d.next_try_at, d.over_at, d.answer, n.payload, n.seq \
         FROM delivery d JOIN notice n ON n.seq = d.notice \
         JOIN environment e ON e.id = d.environment \
         WHERE {condition} ORDER BY d.notice, d.webhook"
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let id: String = row.get(0)?;
    let damaged = || StoreError::Damaged(format!("the notice {id} is malformed"));
    let environment: String = row.get(1)?;
    let state: String = row.get(5)?;
    let state = STATES.into_iter().find(|one| one.as_str() == state);
    let state = state.ok_or_else(damaged)?;
    let Micros(made_at) = row.get(3)?;
    Ok(Delivery {
        seq: row.get(12)?,
        environment: environment.parse().map_err(|_| damaged())?,
        id,
        kind: row.get(2)?,
        made_at,
        webhook: row.get(4)?,
        state,
        attempts: row.get(6)?,
        first_try_at: time(row.get(7)?),
        next_try_at: time(row.get(8)?).filter(|_| state == DeliveryState::Waiting),
        over_at: time(row.get(9)?),
        answer: row.get(10)?,
        payload: row.get(11)?,
    })
}

const STATES: [DeliveryState; 3] = [
    DeliveryState::Waiting,
    DeliveryState::Delivered,
    DeliveryState::Dead,
];

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
