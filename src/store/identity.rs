//! The store's own name, by which its keys are told from those of other stores.

use rusqlite::{OptionalExtension, Transaction};

use super::StoreError;

/// Gives a new store its name.
///
/// # Errors
/// The store's own.
pub fn set(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT OR REPLACE INTO store_identity (only, id) VALUES (1, ?1)",
        [id],
    )?;
    Ok(())
}

/// The store's name.
///
/// # Errors
/// [`StoreError::Damaged`] when it has none, else the store's own.
pub fn get(transaction: &Transaction<'_>) -> Result<String, StoreError> {
    transaction
        .query_row("SELECT id FROM store_identity", [], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::Damaged("it has no identity".to_owned()))
}
