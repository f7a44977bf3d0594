//! What the daily verification found last of each environment.

use chrono::{DateTime, Utc};
use rusqlite::{Params, Row, Transaction, params};
use serde::Serialize;

use super::times::Micros;
use super::{EnvironmentRow, StoreError, environments};

/// What the verification of one environment found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerificationRow {
    /// The environment's id.
    pub environment_id: String,
    /// When, by this host's clock.
    pub verified_at: DateTime<Utc>,
    /// In one word, e.g. `as-expected`.
    pub verdict: String,
    /// For people; empty where all is as expected.
    pub words: String,
}

/// Puts on record what a verification found, in the place of what the one before it did.
///
/// # Errors
/// The store's own.
pub fn put(transaction: &Transaction<'_>, found: &VerificationRow) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT OR REPLACE INTO verification (environment, verified_at, verdict, words) \
         VALUES (?1, ?2, ?3, ?4)",
        params![
            found.environment_id,
            Micros(found.verified_at),
            found.verdict,
            found.words
        ],
    )?;
    Ok(())
}

/// The environment that is to be verified next, of those with a rotated secret that were not
/// verified after `before`: one that never was comes first, then the one that waits for the
/// longest. Those with an id in `left_out` are left out.
///
/// # Errors
/// The store's own.
pub fn next_due(
    transaction: &Transaction<'_>,
    before: DateTime<Utc>,
    left_out: &[String],
) -> Result<Option<EnvironmentRow>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT e.id, e.project, e.name, e.head FROM environment e \
         LEFT JOIN verification v ON v.environment = e.id WHERE e.removed_at IS NULL \
         AND EXISTS (SELECT 1 FROM rotated_secret r WHERE r.environment = e.id) \
         AND (v.verified_at IS NULL OR v.verified_at <= ?1) \
         ORDER BY v.verified_at NULLS FIRST, e.project, e.name",
    )?;
    let mut rows = statement.query([Micros(before)])?;
    while let Some(row) = rows.next()? {
        let raw = environments::read(row)?;
        if !left_out.contains(&raw.0) {
            return environments::environment(raw).map(Some);
        }
    }
    Ok(None)
}

/// What the last verification of an environment found.
///
/// # Errors
/// The store's own.
pub fn find(
    transaction: &Transaction<'_>,
    environment_id: &str,
) -> Result<Option<VerificationRow>, StoreError> {
    Ok(read_all(transaction, "e.id = ?1", [environment_id])?.pop())
}

/// What the last verification of each environment found, by their names.
///
/// # Errors
/// The store's own.
pub fn list(transaction: &Transaction<'_>) -> Result<Vec<VerificationRow>, StoreError> {
    read_all(transaction, "TRUE ORDER BY e.project, e.name", [])
}

fn read_all(
    transaction: &Transaction<'_>,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<VerificationRow>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT v.environment, v.verified_at, v.verdict, v.words \
         FROM verification v JOIN environment e ON e.id = v.environment \
         WHERE e.removed_at IS NULL AND {condition}"
    ))?;
    let rows = statement.query_map(parameters, read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<VerificationRow> {
    let Micros(verified_at) = row.get(1)?;
    Ok(VerificationRow {
        environment_id: row.get(0)?,
        verified_at,
        verdict: row.get(2)?,
        words: row.get(3)?,
    })
}

#[cfg(test)]
#[path = "verifications_tests.rs"]
mod tests;
