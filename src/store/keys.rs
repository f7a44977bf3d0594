//! Key slots, and the data keys that the master key wraps.

use rusqlite::{OptionalExtension, Transaction, params};

use super::StoreError;
use crate::secret::{DataKey, MasterKey, NONCE_LENGTH, SealError};

/// Where the master key of this store lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// The slot's number in this store.
    pub id: i64,
    /// The kind of source, for example `file`.
    pub kind: String,
    /// By which the slot recognises its key.
    pub key_id: String,
    /// Where the file is, for a key file.
    pub path: Option<String>,
}

/// Records a slot.
///
/// # Errors
/// The store's own.
pub fn add_slot(
    transaction: &Transaction<'_>,
    kind: &str,
    key_id: &str,
    path: Option<&str>,
    now: &str,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO key_slot (kind, key_id, path, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![kind, key_id, path, now],
    )?;
    Ok(())
}

/// The slot in use: the newest one.
///
/// # Errors
/// [`StoreError::Damaged`] when a store has none, else the store's own.
pub fn slot(transaction: &Transaction<'_>) -> Result<KeySlot, StoreError> {
    transaction
        .query_row(
            "SELECT id, kind, key_id, path FROM key_slot ORDER BY id DESC LIMIT 1",
            [],
            |row| {
                Ok(KeySlot {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    key_id: row.get(2)?,
                    path: row.get(3)?,
                })
            },
        )
        .optional()?
        .ok_or_else(|| StoreError::Damaged("it has no key slot".to_owned()))
}

/// The purpose under which an environment's data key is wrapped.
#[must_use]
pub fn environment_purpose(environment_id: &str) -> String {
    format!("environment {environment_id}")
}

/// The purpose of the key that chains the audit log. It is wrapped like the others,
/// so that a new master key does not break the chain.
pub const AUDIT_PURPOSE: &str = "audit";

/// Keeps a data key, wrapped.
///
/// # Errors
/// The store's own.
pub fn put_data_key(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    purpose: &str,
    key: &DataKey,
    nonce: [u8; NONCE_LENGTH],
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO data_key (purpose, wrapped) VALUES (?1, ?2)",
        params![purpose, master.wrap(key, purpose, nonce)],
    )?;
    Ok(())
}

/// Opens a data key.
///
/// # Errors
/// [`StoreError::Damaged`] when it is missing or does not open with the master key
/// that the slot recognised.
pub fn data_key(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    purpose: &str,
) -> Result<DataKey, StoreError> {
    let wrapped: Option<Vec<u8>> = transaction
        .query_row(
            "SELECT wrapped FROM data_key WHERE purpose = ?1",
            [purpose],
            |row| row.get(0),
        )
        .optional()?;
    let wrapped =
        wrapped.ok_or_else(|| StoreError::Damaged(format!("the key for {purpose} is missing")))?;
    master
        .unwrap(&wrapped, purpose)
        .map_err(|error: SealError| {
            StoreError::Damaged(format!("the key for {purpose} does not open: {error}"))
        })
}
