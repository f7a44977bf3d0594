//! Rotations and their journal, the rotation's only memory.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StoreError, sinks};
use crate::model::{EnvironmentName, RotationId};
use crate::rotation::{Event, fold};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLine {
    /// `None` for the rotation as a whole.
    pub path: Option<String>,
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// What.
    pub event: Event,
}

/// A rotation that is not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRotation {
    /// Which.
    pub id: RotationId,
    /// Of which environment.
    pub environment: EnvironmentName,
}

/// A rotation, open or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRow {
    /// Which.
    pub id: RotationId,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// When it ended.
    pub closed_at: Option<DateTime<Utc>>,
}

/// Opens a rotation. At most one per environment can be open.
///
/// # Errors
/// The store's own.
pub fn open_rotation(
    transaction: &Transaction<'_>,
    environment: &str,
    now: &str,
) -> Result<RotationId, StoreError> {
    transaction.execute(
        "INSERT INTO rotation (environment, opened_at) VALUES (?1, ?2)",
        params![environment, now],
    )?;
    let id = u64::try_from(transaction.last_insert_rowid())
        .map_err(|_| StoreError::Damaged("a rotation has a negative number".to_owned()))?;
    Ok(RotationId(id))
}

fn close_rotation(
    transaction: &Transaction<'_>,
    rotation: RotationId,
    now: &str,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE rotation SET closed_at = ?2 WHERE id = ?1",
        params![rotation.0, now],
    )?;
    Ok(())
}

/// Closes a rotation when nothing more is to be done for any of its paths and files, by what the
/// journal and the sinks say in this very transaction. Says whether it was closed.
///
/// # Errors
/// As for [`lines`].
pub fn close_if_over(
    transaction: &Transaction<'_>,
    rotation: RotationId,
    now: &str,
) -> Result<bool, StoreError> {
    let lines = lines(transaction, rotation)?;
    let paths: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.path.as_deref())
        .collect();
    let is_over = |path: &str| {
        let of_path = lines
            .iter()
            .filter(|line| line.path.as_deref() == Some(path));
        fold(of_path.map(|line| &line.event)).is_over()
    };
    if !paths.into_iter().all(is_over) || sinks::hold_open(transaction, rotation)? {
        return Ok(false);
    }
    append(transaction, rotation, None, &Event::Closed, now)?;
    close_rotation(transaction, rotation, now)?;
    Ok(true)
}

/// The open rotation of an environment.
///
/// # Errors
/// The store's own.
pub fn find_open(
    transaction: &Transaction<'_>,
    environment: &str,
) -> Result<Option<RotationId>, StoreError> {
    let id = transaction
        .query_row(
            "SELECT id FROM rotation WHERE environment = ?1 AND closed_at IS NULL",
            [environment],
            |row| row.get(0),
        )
        .optional()?;
    Ok(id.map(RotationId))
}

/// All open rotations, oldest first.
///
/// # Errors
/// The store's own.
pub fn list_open(transaction: &Transaction<'_>) -> Result<Vec<OpenRotation>, StoreError> {
    let mut statement = transaction.prepare(
        "SELECT r.id, e.project || '/' || e.name FROM rotation r \
         JOIN environment e ON e.id = r.environment WHERE r.closed_at IS NULL ORDER BY r.id",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, name) = row?;
        let environment = name
            .parse()
            .map_err(|_| StoreError::Damaged("an environment has a malformed name".to_owned()))?;
        Ok(OpenRotation {
            id: RotationId(id),
            environment,
        })
    })
    .collect()
}

/// The newest rotation of an environment.
///
/// # Errors
/// The store's own.
pub fn latest(
    transaction: &Transaction<'_>,
    environment: &str,
) -> Result<Option<RotationRow>, StoreError> {
    Ok(transaction
        .query_row(
            "SELECT id, opened_at, closed_at FROM rotation WHERE environment = ?1 \
             ORDER BY id DESC LIMIT 1",
            [environment],
            |row| {
                Ok(RotationRow {
                    id: RotationId(row.get(0)?),
                    opened_at: row.get(1)?,
                    closed_at: row.get(2)?,
                })
            },
        )
        .optional()?)
}

/// Appends a line. A closed rotation takes none: whoever closed it went on while the
/// caller slept, and the caller's whole transaction must not happen.
///
/// # Errors
/// [`StoreError::RotationClosed`], else the store's own.
pub fn append(
    transaction: &Transaction<'_>,
    rotation: RotationId,
    path: Option<&str>,
    event: &Event,
    now: &str,
) -> Result<(), StoreError> {
    let event = serde_json::to_string(event).expect("an event is plain data");
    let added = transaction.execute(
        "INSERT INTO journal (rotation, path, at, event) SELECT ?1, ?2, ?3, ?4 \
         WHERE EXISTS (SELECT 1 FROM rotation WHERE id = ?1 AND closed_at IS NULL)",
        params![rotation.0, path, now, event],
    )?;
    match added {
        0 => Err(StoreError::RotationClosed(rotation)),
        _ => Ok(()),
    }
}

/// The lines of a rotation, oldest first.
///
/// # Errors
/// [`StoreError::Damaged`] for a line that cannot be read, else the store's own.
pub fn lines(
    transaction: &Transaction<'_>,
    rotation: RotationId,
) -> Result<Vec<JournalLine>, StoreError> {
    let mut statement = transaction
        .prepare("SELECT path, at, event FROM journal WHERE rotation = ?1 ORDER BY seq")?;
    let rows = statement.query_map([rotation.0], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (path, at, event) = row?;
        let event = serde_json::from_str(&event).map_err(|error| {
            StoreError::Damaged(format!("the journal of {rotation} cannot be read: {error}"))
        })?;
        Ok(JournalLine { path, at, event })
    })
    .collect()
}

/// A rotation by its number, with the identity and the name of its environment.
///
/// # Errors
/// The store's own.
pub fn find(
    transaction: &Transaction<'_>,
    rotation: RotationId,
) -> Result<Option<(RotationRow, String, EnvironmentName)>, StoreError> {
    let found = transaction
        .query_row(
            "SELECT r.opened_at, r.closed_at, e.id, e.project || '/' || e.name FROM rotation r \
             JOIN environment e ON e.id = r.environment WHERE r.id = ?1",
            [rotation.0],
            |row| {
                let row_of = RotationRow {
                    id: rotation,
                    opened_at: row.get(0)?,
                    closed_at: row.get(1)?,
                };
                Ok((row_of, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
            },
        )
        .optional()?;
    let Some((row, environment, name)) = found else {
        return Ok(None);
    };
    let name = name
        .parse()
        .map_err(|_| StoreError::Damaged("an environment has a malformed name".to_owned()))?;
    Ok(Some((row, environment, name)))
}
