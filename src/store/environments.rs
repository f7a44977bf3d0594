//! Environments: names and their newest revision.
//!
//! A removed environment keeps its rows under its id and gives its name back; only
//! [`remove`] knows of it afterwards, and no function here finds it again.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{StoreError, outbox, owners, schedules};
use crate::model::EnvironmentName;

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRow {
    /// The identity that envelopes are bound to; it survives a rename.
    pub id: String,
    /// The name.
    pub name: EnvironmentName,
    /// The newest revision's number.
    pub head: u64,
}

const COLUMNS: &str = "SELECT id, project, name, head FROM environment";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(String, String, String, u64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

pub(super) fn environment(
    (id, project, name, head): (String, String, String, u64),
) -> Result<EnvironmentRow, StoreError> {
    let name = format!("{project}/{name}")
        .parse()
        .map_err(|_| StoreError::Damaged("an environment has a malformed name".to_owned()))?;
    Ok(EnvironmentRow { id, name, head })
}

/// Adds an environment whose first revision follows in the same transaction.
///
/// # Errors
/// The store's own.
pub fn add(
    transaction: &Transaction<'_>,
    id: &str,
    name: &EnvironmentName,
    now: &str,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO environment (id, project, name, head, created_at) VALUES (?1, ?2, ?3, 0, ?4)",
        params![id, name.project(), name.name(), now],
    )?;
    Ok(())
}

/// Finds an environment by its name.
///
/// # Errors
/// The store's own.
pub fn find(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
) -> Result<Option<EnvironmentRow>, StoreError> {
    transaction
        .query_row(
            &format!("{COLUMNS} WHERE project = ?1 AND name = ?2 AND removed_at IS NULL"),
            params![name.project(), name.name()],
            read,
        )
        .optional()?
        .map(environment)
        .transpose()
}

/// All environments by name.
///
/// # Errors
/// The store's own.
pub fn list(transaction: &Transaction<'_>) -> Result<Vec<EnvironmentRow>, StoreError> {
    let mut statement = transaction.prepare(&format!(
        "{COLUMNS} WHERE removed_at IS NULL ORDER BY project, name"
    ))?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| environment(row?)).collect()
}

/// Marks an environment as removed; its users are free for another one. Its data key is destroyed beside this, by
/// [`keys::destroy_data_key`](super::keys::destroy_data_key).
///
/// # Errors
/// The store's own.
pub fn remove(transaction: &Transaction<'_>, id: &str, now: &str) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE environment SET removed_at = ?2 WHERE id = ?1",
        params![id, now],
    )?;
    schedules::remove(transaction, id)?;
    outbox::give_up(transaction, id)?;
    owners::release(transaction, id)
}
