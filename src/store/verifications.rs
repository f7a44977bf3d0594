//! What the daily verification found last of each environment.

use chrono::{DateTime, Utc};
use rusqlite::{Params, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::times::{Micros, micros, time};
use super::{EnvironmentRow, StoreError, environments};

/// What the verification of one environment found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerificationRow {
    /// The environment's id.
    pub environment_id: String,
    /// When a look last said something, by this host's clock; `None`: none ever did.
    pub verified_at: Option<DateTime<Utc>>,
    /// When the last look was.
    pub tried_at: DateTime<Utc>,
    /// In one word, e.g. `as-expected`.
    pub verdict: String,
    /// For people; empty where all is as expected.
    pub words: String,
    /// The credentials that are not as expected, by path and role.
    pub bad: Vec<BadCredential>,
}

/// A credential that is not as the store left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadCredential {
    /// The rotated secret.
    pub path: String,
    /// What it is for, in its word.
    pub role: String,
    /// What that amounts to, in its word.
    pub verdict: String,
    /// For people.
    pub words: String,
}

impl BadCredential {
    /// Whether the same credential is wrong in the same way, whatever the words are.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |one: &Self| [&one.path, &one.role, &one.verdict].map(String::clone);
        key(self) == key(other)
    }
}

/// Puts on record what a verification found, in the place of what the one before it did.
///
/// # Errors
/// The store's own.
pub fn put(transaction: &Transaction<'_>, found: &VerificationRow) -> Result<(), StoreError> {
    let malformed = |error: serde_json::Error| StoreError::Damaged(error.to_string());
    let bad = serde_json::to_string(&found.bad).map_err(malformed)?;
    transaction.execute(
        "INSERT OR REPLACE INTO verification \
         (environment, verified_at, tried_at, verdict, words, bad) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            found.environment_id,
            micros(found.verified_at),
            Micros(found.tried_at),
            found.verdict,
            found.words,
            bad
        ],
    )?;
    Ok(())
}

/// The environment that is to be verified next, of those with a rotated secret that were not
/// verified after `before`, or not tried after `tried_before` where the last look said nothing:
/// one that never was comes first, then the one that waits for the longest. Those with an id in
/// `left_out` are left out.
///
/// # Errors
/// The store's own.
pub fn next_due(
    transaction: &Transaction<'_>,
    before: DateTime<Utc>,
    tried_before: DateTime<Utc>,
    left_out: &[String],
) -> Result<Option<EnvironmentRow>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT e.id, e.project, e.name, e.head FROM environment e \
         LEFT JOIN verification v ON v.environment = e.id WHERE e.removed_at IS NULL \
         AND EXISTS (SELECT 1 FROM rotated_secret r WHERE r.environment = e.id) \
         AND (v.tried_at IS NULL OR v.tried_at <= CASE WHEN v.verified_at = v.tried_at \
         THEN ?1 ELSE ?2 END) ORDER BY v.tried_at NULLS FIRST, e.project, e.name",
    )?;
    let mut rows = statement.query([Micros(before), Micros(tried_before)])?;
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
        "SELECT v.environment, v.verified_at, v.tried_at, v.verdict, v.words, v.bad \
         FROM verification v JOIN environment e ON e.id = v.environment \
         WHERE e.removed_at IS NULL AND {condition}"
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<VerificationRow, StoreError> {
    let Micros(tried_at) = row.get(2)?;
    let bad: String = row.get(5)?;
    let malformed =
        |_| StoreError::Damaged("what a verification found has a malformed list".to_owned());
    Ok(VerificationRow {
        environment_id: row.get(0)?,
        verified_at: time(row.get(1)?),
        tried_at,
        verdict: row.get(3)?,
        words: row.get(4)?,
        bad: serde_json::from_str(&bad).map_err(malformed)?,
    })
}

#[cfg(test)]
#[path = "verifications_tests.rs"]
mod tests;
