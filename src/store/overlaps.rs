//! Overlaps: a row for each promote, of which the newest one of a rotated secret is open.
//!
//! An overlap ends when the next one of its rotated secret begins. Its row is kept; what was
//! observed of it is kept until the one after that begins.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::times::{Micros, time};
use super::{RotatedSecretRow, StoreError, observations};
use crate::model::{AccountId, EnvironmentName, NodeTime, Overlap, Stage};
use crate::secret::SecretId;

/// What a promote makes of the user that it takes consumers away from.
#[derive(Debug, Clone, Copy)]
pub struct NewOverlap<'a> {
    /// The outgoing user.
    pub user: &'a str,
    /// What makes it the same user, where its server was met.
    pub account: Option<&'a AccountId>,
    /// The revision that makes it the outgoing one.
    pub revision: u64,
    /// Every node at the promote.
    pub promoted: &'a [NodeTime],
    /// The password of the outgoing user leaked.
    pub compromised: bool,
    /// When, by this host's clock.
    pub now: DateTime<Utc>,
}

/// An open overlap, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOverlap {
    /// The environment.
    pub environment: EnvironmentName,
    /// The path of the rotated secret.
    pub path: String,
    /// The rotated secret.
    pub secret: SecretId,
    /// The overlap.
    pub overlap: Overlap,
}

/// An overlap, open or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOverlap {
    /// The overlap.
    pub overlap: Overlap,
    /// When the next one began; `None` while it is the open one.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Begins an overlap and ends the open one. What was observed of those before that one is
/// dropped. Answers its number.
///
/// # Errors
/// The store's own.
pub fn open(
    transaction: &Transaction<'_>,
    secret: SecretId,
    new: &NewOverlap<'_>,
) -> Result<i64, StoreError> {
    observations::drop_older(transaction, secret)?;
    transaction.execute(
        "UPDATE overlap SET ended_at = ?2 WHERE rotated_secret = ?1 AND ended_at IS NULL",
        params![secret.to_string(), Micros(new.now)],
    )?;
    let promoted = serde_json::to_string(new.promoted).expect("plain data is JSON");
    transaction.execute(
        "INSERT INTO overlap (rotated_secret, user, account, revision, promoted, opened_at, \
         stage, stage_at, compromised) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?8)",
        params![
            secret.to_string(),
            new.user,
            new.account.map(AccountId::as_str),
            new.revision,
            promoted,
            Micros(new.now),
            Stage::Draining.as_str(),
            new.compromised,
        ],
    )?;
    Ok(transaction.last_insert_rowid())
}

/// The open overlap of a rotated secret.
///
/// # Errors
/// The store's own.
pub fn current(
    transaction: &Transaction<'_>,
    secret: SecretId,
) -> Result<Option<Overlap>, StoreError> {
    transaction
        .query_row(
            &format!(
                "SELECT {COLUMNS} FROM overlap o \
                 WHERE o.rotated_secret = ?1 AND o.ended_at IS NULL"
            ),
            [secret.to_string()],
            read,
        )
        .optional()?
        .map(overlap)
        .transpose()
}

/// The newest overlap in which that user was the outgoing one, open or not.
///
/// # Errors
/// The store's own.
pub fn last_of(
    transaction: &Transaction<'_>,
    secret: SecretId,
    user: &str,
) -> Result<Option<Overlap>, StoreError> {
    transaction
        .query_row(
            &format!(
                "SELECT {COLUMNS} FROM overlap o \
                 WHERE o.rotated_secret = ?1 AND o.user = ?2 ORDER BY o.id DESC LIMIT 1"
            ),
            params![secret.to_string(), user],
            read,
        )
        .optional()?
        .map(overlap)
        .transpose()
}

/// The overlap that a revision's promote opened, and when the next one ended it.
///
/// # Errors
/// The store's own.
pub fn of_revision(
    transaction: &Transaction<'_>,
    secret: SecretId,
    revision: u64,
) -> Result<Option<PastOverlap>, StoreError> {
    let found = transaction
        .query_row(
            &format!(
                "SELECT {COLUMNS}, o.ended_at FROM overlap o \
                 WHERE o.rotated_secret = ?1 AND o.revision = ?2 ORDER BY o.id DESC LIMIT 1"
            ),
            params![secret.to_string(), revision],
            |row| Ok((read(row)?, time(row.get(9)?))),
        )
        .optional()?;
    let Some((raw, ended_at)) = found else {
        return Ok(None);
    };
    Ok(Some(PastOverlap {
        overlap: overlap(raw)?,
        ended_at,
    }))
}

/// The open overlap of `previous`, the outgoing user of a rotated secret. Where it was
/// promoted before overlaps were kept, its overlap is opened here, as it would have been
/// then. `None` where we never promoted it, and where another user is the outgoing one by
/// now, since a person has written another `state`.
///
/// # Errors
/// The store's own.
pub fn overlap_of(
    transaction: &Transaction<'_>,
    record: &RotatedSecretRow,
    previous: &str,
    now: DateTime<Utc>,
) -> Result<Option<Overlap>, StoreError> {
    if let Some(found) = current(transaction, record.id)? {
        return Ok((found.user == previous).then_some(found));
    }
    let Some(last) = record.promoted.iter().map(|at| at.server_time).max() else {
        return Ok(None);
    };
    let told = promote_in_journal(transaction, record.id)?;
    let (revision, at) = match told {
        Some(told) => told,
        // The journal knows the path by another name: the clock of its server has to do.
        None => (newest_revision(transaction, record.id)?, last.min(now)),
    };
    let new = NewOverlap {
        user: previous,
        account: record.accounts.get(previous),
        revision,
        promoted: &record.promoted,
        compromised: false,
        now: at,
    };
    open(transaction, record.id, &new)?;
    current(transaction, record.id)
}

/// The open overlaps of all environments, by environment and path.
///
/// # Errors
/// The store's own.
pub fn list_open(transaction: &Transaction<'_>) -> Result<Vec<OpenOverlap>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS}, e.project || '/' || e.name, r.path, r.id FROM overlap o \
         JOIN rotated_secret r ON r.id = o.rotated_secret \
         JOIN environment e ON e.id = r.environment \
         WHERE o.ended_at IS NULL AND e.removed_at IS NULL ORDER BY e.project, e.name, r.path"
    ))?;
    let rows = statement.query_map([], |row| {
        let whose: (String, String, String) = (row.get(9)?, row.get(10)?, row.get(11)?);
        Ok((read(row)?, whose))
    })?;
    rows.map(|row| {
        let (raw, (environment, path, secret)) = row?;
        Ok(OpenOverlap {
            environment: environment.parse().map_err(|_| {
                StoreError::Damaged("an environment has a malformed name".to_owned())
            })?,
            path,
            secret: SecretId::parse(&secret).ok_or_else(|| {
                StoreError::Damaged("a rotated secret has a malformed id".to_owned())
            })?,
            overlap: overlap(raw)?,
        })
    })
    .collect()
}

/// Notes how far an overlap has come. One that has ended stays as it was.
///
/// # Errors
/// The store's own.
pub fn set_stage(
    transaction: &Transaction<'_>,
    id: i64,
    stage: Stage,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let changed = transaction.execute(
        "UPDATE overlap SET stage = ?2, stage_at = ?3 WHERE id = ?1 AND ended_at IS NULL",
        params![id, stage.as_str(), Micros(now)],
    )?;
    match changed {
        1 => Ok(()),
        // Whatever is done to the user must not be forgotten.
        _ => Err(StoreError::Damaged(format!(
            "the overlap {id} is not open, so that nothing can be noted of it"
        ))),
    }
}

/// The outgoing user has a password that is known here again, and may log in: whatever was
/// done to retire it is undone. Another user's overlap stays as it is.
///
/// # Errors
/// The store's own.
pub fn drains_again(
    transaction: &Transaction<'_>,
    secret: SecretId,
    user: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let found = current(transaction, secret)?;
    let retired = found.filter(|one| one.user == user && one.stage != Stage::Draining);
    match retired {
        Some(retired) => set_stage(transaction, retired.id, Stage::Draining, now),
        None => Ok(()),
    }
}

/// The revision of the last promote and when it was, by this host's clock.
fn promote_in_journal(
    transaction: &Transaction<'_>,
    secret: SecretId,
) -> Result<Option<(u64, DateTime<Utc>)>, StoreError> {
    Ok(transaction
        .query_row(
            "SELECT json_extract(j.event, '$.revision'), j.at FROM rotated_secret s \
             JOIN rotation r ON r.environment = s.environment \
             JOIN journal j ON j.rotation = r.id AND j.path = s.path \
             WHERE s.id = ?1 AND json_extract(j.event, '$.event') = 'promoted' \
             ORDER BY j.seq DESC LIMIT 1",
            [secret.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?)
}

fn newest_revision(transaction: &Transaction<'_>, secret: SecretId) -> Result<u64, StoreError> {
    Ok(transaction.query_row(
        "SELECT e.head FROM rotated_secret s JOIN environment e ON e.id = s.environment \
         WHERE s.id = ?1",
        [secret.to_string()],
        |row| row.get(0),
    )?)
}

const COLUMNS: &str = "o.id, o.user, o.account, o.revision, o.promoted, o.opened_at, o.stage, \
     o.stage_at, o.compromised";

/// A row whose texts are still to be read.
struct Raw {
    overlap: Overlap,
    promoted: String,
    stage: String,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let Micros(opened_at) = row.get(5)?;
    let Micros(stage_at) = row.get(7)?;
    Ok(Raw {
        overlap: Overlap {
            id: row.get(0)?,
            user: row.get(1)?,
            account: row.get::<_, Option<String>>(2)?.map(AccountId::new),
            revision: row.get(3)?,
            promoted: Vec::new(),
            opened_at,
            stage: Stage::Draining,
            stage_at,
            compromised: row.get(8)?,
        },
        promoted: row.get(4)?,
        stage: row.get(6)?,
    })
}

fn overlap(raw: Raw) -> Result<Overlap, StoreError> {
    let id = raw.overlap.id;
    let damaged = || StoreError::Damaged(format!("the record of overlap {id} is malformed"));
    let stage = STAGES.iter().find(|stage| stage.as_str() == raw.stage);
    Ok(Overlap {
        promoted: serde_json::from_str(&raw.promoted).map_err(|_| damaged())?,
        stage: *stage.ok_or_else(damaged)?,
        ..raw.overlap
    })
}

const STAGES: [Stage; 6] = [
    Stage::Draining,
    Stage::Locking,
    Stage::Locked,
    Stage::Unlocking,
    Stage::Scrambling,
    Stage::Scrambled,
];

#[cfg(test)]
#[path = "overlap_tests.rs"]
mod tests;
