//! Sinks: which revision each file is to have, which one it has, and by what we know our own
//! text again.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rusqlite::{Row, Transaction, params};

use super::StoreError;
use crate::model::RotationId;
use crate::rotation::SinkState;
use crate::secret::SecretId;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkRow {
    /// By its absolute path.
    pub file: String,
    /// How far it has come.
    pub state: SinkState,
    /// The revision that it is to have.
    pub wanted: u64,
    /// The revision that it has.
    pub delivered: Option<u64>,
    /// The text that we know to stand there.
    pub fingerprint: Option<Fingerprint>,
    /// The text that was about to be written: a run that was killed may have written it.
    pub intended: Option<Fingerprint>,
    /// What was found at the last try, and what mends it.
    pub problem: Option<(String, String)>,
    /// The rotation that stays open for it.
    pub rotation: Option<RotationId>,
    /// When it was last tried.
    pub tried_at: Option<DateTime<Utc>>,
    /// When it got what it has.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// A keyed digest of a text: it tells our own text again, and tells nobody what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The first half of a keyed digest.
    #[must_use]
    pub fn of(digest: &[u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let bytes = hex::decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| StoreError::Damaged("a sink has a malformed fingerprint".to_owned()))
    }
}

/// Wants a file to have a revision. The rotation, if one is named, stays open until it has.
///
/// # Errors
/// The store's own.
pub fn want(
    transaction: &Transaction<'_>,
    environment: &str,
    file: &str,
    revision: u64,
    rotation: Option<RotationId>,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO sink (environment, file, state, wanted, rotation) \
         VALUES (?1, ?2, 'due', ?3, ?4) ON CONFLICT (environment, file) DO UPDATE SET \
         state = 'due', wanted = ?3, rotation = ifnull(?4, rotation), problem = NULL, \
         remedy = NULL",
        params![environment, file, revision, rotation.map(|one| one.0)],
    )?;
    Ok(())
}

/// Files that are out of the settings are wanted by nobody; what we wrote there is remembered.
///
/// # Errors
/// The store's own.
pub fn keep_only(
    transaction: &Transaction<'_>,
    environment: &str,
    files: &[&str],
) -> Result<(), StoreError> {
    for row in list(transaction, environment)? {
        if !files.contains(&row.file.as_str()) {
            transaction.execute(
                "UPDATE sink SET state = 'unwanted', rotation = NULL, problem = NULL, \
                 remedy = NULL WHERE environment = ?1 AND file = ?2",
                params![environment, row.file],
            )?;
        }
    }
    Ok(())
}

/// A text is about to be written where `stands` stands.
///
/// # Errors
/// The store's own.
pub fn intend(
    transaction: &Transaction<'_>,
    environment: &str,
    file: &str,
    stands: Option<Fingerprint>,
    intended: Fingerprint,
    now: &str,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE sink SET fingerprint = ?3, intended = ?4, tried_at = ?5 \
         WHERE environment = ?1 AND file = ?2",
        params![
            environment,
            file,
            stands.map(|one| one.to_string()),
            intended.to_string(),
            now
        ],
    )?;
    Ok(())
}

/// The file has the text of a revision, and its readers were told. Where a newer one was saved
/// meanwhile, that one is still due.
///
/// # Errors
/// The store's own.
pub fn confirm(
    transaction: &Transaction<'_>,
    environment: &str,
    file: &str,
    (revision, stands): (u64, Fingerprint),
    now: &str,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE sink SET state = CASE WHEN wanted > ?3 THEN 'due' ELSE 'confirmed' END, \
         wanted = max(wanted, ?3), delivered = ?3, fingerprint = ?4, intended = NULL, problem = NULL, remedy = NULL, rotation = NULL, \
         tried_at = ?5, delivered_at = ?5 WHERE environment = ?1 AND file = ?2",
        params![environment, file, revision, stands.to_string(), now],
    )?;
    Ok(())
}

/// A try has failed. What we know to stand there, and what was about to, stay known.
///
/// # Errors
/// The store's own.
pub fn fail(
    transaction: &Transaction<'_>,
    environment: &str,
    file: &str,
    state: SinkState,
    (problem, remedy): (&str, &str),
    now: &str,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE sink SET state = ?3, problem = ?4, remedy = ?5, tried_at = ?6 \
         WHERE environment = ?1 AND file = ?2",
        params![environment, file, state.name(), problem, remedy, now],
    )?;
    Ok(())
}

/// The files that an environment is published to, by their paths.
///
/// # Errors
/// The store's own.
pub fn list(transaction: &Transaction<'_>, environment: &str) -> Result<Vec<SinkRow>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT file, state, wanted, delivered, fingerprint, intended, problem, remedy, rotation, \
         tried_at, delivered_at FROM sink WHERE environment = ?1 AND state <> 'unwanted' \
         ORDER BY file",
    )?;
    let rows = statement.query_map([environment], read)?;
    rows.map(|row| sink(row?)).collect()
}

/// Whether every file of a rotated secret's environment has a revision that is no older than
/// `revision`.
///
/// # Errors
/// The store's own.
pub fn are_confirmed(
    transaction: &Transaction<'_>,
    secret: SecretId,
    revision: u64,
) -> Result<bool, StoreError> {
    let behind: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM rotated_secret r JOIN sink s ON s.environment = r.environment \
         WHERE r.id = ?1 AND s.state <> 'unwanted' \
         AND (s.delivered IS NULL OR s.delivered < ?2))",
        params![secret.to_string(), revision],
        |row| row.get(0),
    )?;
    Ok(!behind)
}

/// A file has the text of a newer revision already, since that is the same.
///
/// # Errors
/// The store's own.
pub fn still_has(
    transaction: &Transaction<'_>,
    environment: &str,
    file: &str,
    revision: u64,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE sink SET wanted = ?3, delivered = ?3 WHERE environment = ?1 AND file = ?2",
        params![environment, file, revision],
    )?;
    Ok(())
}

/// Whether a rotation has to stay open for a file.
///
/// # Errors
/// The store's own.
pub fn hold_open(transaction: &Transaction<'_>, rotation: RotationId) -> Result<bool, StoreError> {
    Ok(transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM sink WHERE rotation = ?1)",
        [rotation.0],
        |row| row.get(0),
    )?)
}

/// A rotation stays open for none of its files any more. Answers which those were.
///
/// # Errors
/// The store's own.
pub fn release(
    transaction: &Transaction<'_>,
    rotation: RotationId,
) -> Result<Vec<String>, StoreError> {
    let mut statement = transaction
        .prepare_cached("UPDATE sink SET rotation = NULL WHERE rotation = ?1 RETURNING file")?;
    let files = statement.query_map([rotation.0], |row| row.get(0))?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// A rotation stays open for a file; what is to be written there is as it was.
///
/// # Errors
/// The store's own.
pub fn wait_for(
    transaction: &Transaction<'_>,
    environment: &str,
    file: &str,
    rotation: RotationId,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE sink SET rotation = ?3 WHERE environment = ?1 AND file = ?2",
        params![environment, file, rotation.0],
    )?;
    Ok(())
}

/// A row whose texts are still to be read.
struct Raw {
    file: String,
    state: String,
    wanted: u64,
    delivered: Option<u64>,
    fingerprint: Option<String>,
    intended: Option<String>,
    problem: Option<String>,
    remedy: Option<String>,
    rotation: Option<u64>,
    tried_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        file: row.get(0)?,
        state: row.get(1)?,
        wanted: row.get(2)?,
        delivered: row.get(3)?,
        fingerprint: row.get(4)?,
        intended: row.get(5)?,
        problem: row.get(6)?,
        remedy: row.get(7)?,
        rotation: row.get(8)?,
        tried_at: row.get(9)?,
        delivered_at: row.get(10)?,
    })
}

fn sink(raw: Raw) -> Result<SinkRow, StoreError> {
    let damaged = || StoreError::Damaged("a sink has a malformed state".to_owned());
    Ok(SinkRow {
        state: SinkState::parse(&raw.state).ok_or_else(damaged)?,
        fingerprint: raw.fingerprint.as_deref().map(str::parse).transpose()?,
        intended: raw.intended.as_deref().map(str::parse).transpose()?,
        problem: raw.problem.zip(raw.remedy),
        rotation: raw.rotation.map(RotationId),
        file: raw.file,
        wanted: raw.wanted,
        delivered: raw.delivered,
        tried_at: raw.tried_at,
        delivered_at: raw.delivered_at,
    })
}

#[cfg(test)]
#[path = "sinks_tests.rs"]
mod tests;
