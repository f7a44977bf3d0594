//! Revisions: immutable, numbered versions of an environment and its settings.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::StoreError;
use crate::model::RotationId;

/// A revision to be written.
#[derive(Debug)]
pub struct NewRevision<'a> {
    /// The sealed document.
    pub document: &'a str,
    /// The settings' text; empty when none were given.
    pub settings: &'a str,
    /// The files that the settings name, as they were at save.
    pub files: &'a BTreeMap<String, String>,
    /// `init`, `settings` or `rotation`.
    pub cause: &'a str,
    /// Who asked (a claim).
    pub author: &'a str,
    /// Why, in the operator's words.
    pub reason: Option<&'a str>,
    /// The rotation that promoted it.
    pub rotation: Option<RotationId>,
    /// Now, by this host's clock.
    pub now: &'a str,
}

/// A whole revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    /// Its number, from 1.
    pub number: u64,
    /// The sealed document.
    pub document: String,
    /// The settings' text.
    pub settings: String,
    /// The files that the settings name.
    pub files: BTreeMap<String, String>,
}

/// What history shows of a revision.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RevisionSummary {
    /// Its number, from 1.
    pub revision: u64,
    /// What made it.
    pub cause: String,
    /// Who asked (a claim).
    pub author: String,
    /// Why.
    pub reason: Option<String>,
    /// The rotation that promoted it.
    pub rotation: Option<RotationId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The rotation that promoted a revision, if one did.
///
/// # Errors
/// The store's own.
pub fn rotation_of(
    transaction: &Transaction<'_>,
    environment: &str,
    number: u64,
) -> Result<Option<RotationId>, StoreError> {
    let found = transaction
        .query_row(
            "SELECT rotation FROM revision WHERE environment = ?1 AND number = ?2",
            params![environment, number],
            |row| row.get::<_, Option<u64>>(0),
        )
        .optional()?;
    Ok(found.flatten().map(RotationId))
}

/// Writes the next revision of an environment and makes it the head.
///
/// # Errors
/// The store's own.
pub fn add(
    transaction: &Transaction<'_>,
    environment: &str,
    new: &NewRevision<'_>,
) -> Result<u64, StoreError> {
    let head: u64 = transaction.query_row(
        "UPDATE environment SET head = head + 1 WHERE id = ?1 RETURNING head",
        [environment],
        |row| row.get(0),
    )?;
    let files = serde_json::to_string(new.files).expect("names and texts are JSON");
    transaction.execute(
        "INSERT INTO revision (environment, number, document, settings, files, cause, author, \
         reason, rotation, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            environment,
            head,
            new.document,
            new.settings,
            files,
            new.cause,
            new.author,
            new.reason,
            new.rotation.map(|rotation| rotation.0),
            new.now
        ],
    )?;
    Ok(head)
}

/// One revision.
///
/// # Errors
/// [`StoreError::Damaged`] when it is missing, else the store's own.
pub fn get(
    transaction: &Transaction<'_>,
    environment: &str,
    number: u64,
) -> Result<RevisionRow, StoreError> {
    let row = transaction
        .query_row(
            "SELECT document, settings, files FROM revision WHERE environment = ?1 AND number = ?2",
            params![environment, number],
            |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)),
        )
        .optional()?;
    let missing = || StoreError::Damaged(format!("revision {number} is missing"));
    let (document, settings, files) = row.ok_or_else(missing)?;
    let files = serde_json::from_str(&files)
        .map_err(|_| StoreError::Damaged(format!("revision {number} has malformed files")))?;
    Ok(RevisionRow {
        number,
        document,
        settings,
        files,
    })
}

/// The history of an environment, newest first.
///
/// # Errors
/// The store's own.
pub fn history(
    transaction: &Transaction<'_>,
    environment: &str,
) -> Result<Vec<RevisionSummary>, StoreError> {
    let mut statement = transaction.prepare(
        "SELECT number, cause, author, reason, rotation, created_at FROM revision \
         WHERE environment = ?1 ORDER BY number DESC",
    )?;
    let rows = statement.query_map([environment], |row| {
        Ok(RevisionSummary {
            revision: row.get(0)?,
            cause: row.get(1)?,
            author: row.get(2)?,
            reason: row.get(3)?,
            rotation: row.get::<_, Option<u64>>(4)?.map(RotationId),
            created_at: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When a revision was made.
///
/// # Errors
/// The store's own.
pub fn created_at(
    transaction: &Transaction<'_>,
    environment: &str,
    number: u64,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(transaction
        .query_row(
            "SELECT created_at FROM revision WHERE environment = ?1 AND number = ?2",
            params![environment, number],
            |row| row.get(0),
        )
        .optional()?)
}
