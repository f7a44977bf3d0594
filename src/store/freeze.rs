//! The freeze: while it holds, nothing is begun by itself. There is one at most.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::StoreError;
use super::times::{Micros, micros, time};

/// A freeze.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// When it began.
    pub since: DateTime<Utc>,
    /// When it runs out; `null`: not before somebody lifts it.
    pub until: Option<DateTime<Utc>>,
    /// Why, in the words of whoever asked for it.
    pub reason: Option<String>,
    /// Who asked for it (a claim).
    pub requester: String,
}

/// Sets the freeze, in the place of the one that there is.
///
/// # Errors
/// The store's own.
pub fn put(transaction: &Transaction<'_>, freeze: &Freeze) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT OR REPLACE INTO freeze (one, since, until, reason, requester) \
         VALUES (1, ?1, ?2, ?3, ?4)",
        params![
            Micros(freeze.since),
            micros(freeze.until),
            freeze.reason,
            freeze.requester
        ],
    )?;
    Ok(())
}

/// Lifts the freeze. Says whether there was one, which may have run out.
///
/// # Errors
/// The store's own.
pub fn clear(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    Ok(transaction.execute("DELETE FROM freeze", [])? > 0)
}

/// The freeze that holds now. One that has run out is none.
///
/// # Errors
/// The store's own.
pub fn current(
    transaction: &Transaction<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Freeze>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT since, until, reason, requester FROM freeze WHERE until IS NULL OR until > ?1",
    )?;
    let found = statement.query_row([Micros(now)], |row| {
        let Micros(since) = row.get(0)?;
        Ok(Freeze {
            since,
            until: time(row.get(1)?),
            reason: row.get(2)?,
            requester: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}

#[cfg(test)]
#[path = "freeze_tests.rs"]
mod tests;
