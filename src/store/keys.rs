//! Key slots, and the data keys that the master key wraps.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::StoreError;
use crate::secret::{DataKey, MasterKey, NONCE_LENGTH, SealError};

/// Where a master key of this store lives, or lived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// The slot's number in this store.
    pub id: i64,
    /// The kind of source: `file`, `keyring` or `passphrase`.
    pub kind: String,
    /// By which the slot recognises its key.
    pub key_id: String,
    /// Where the file is, for a key file.
    pub path: Option<String>,
    /// What else the source needs, as JSON; nothing of it is secret.
    pub parameters: Option<String>,
    /// When it was made, by this host's clock.
    pub created_at: DateTime<Utc>,
    /// When another slot took its place.
    pub retired_at: Option<DateTime<Utc>>,
}

/// A slot to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewSlot<'a> {
    /// The kind of source.
    pub kind: &'a str,
    /// By which the slot recognises its key.
    pub key_id: &'a str,
    /// Where the file is, for a key file.
    pub path: Option<&'a str>,
    /// What else the source needs, as JSON.
    pub parameters: Option<&'a str>,
    /// Now, by this host's clock.
    pub now: &'a str,
}

/// Records a slot, which is in use from now on, and retires the one before it.
///
/// # Errors
/// The store's own.
pub fn add_slot(transaction: &Transaction<'_>, new: &NewSlot<'_>) -> Result<i64, StoreError> {
    transaction.execute(
        "UPDATE key_slot SET retired_at = ?1 WHERE retired_at IS NULL",
        [new.now],
    )?;
    transaction.execute(
        "INSERT INTO key_slot (kind, key_id, path, parameters, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![new.kind, new.key_id, new.path, new.parameters, new.now],
    )?;
    Ok(transaction.last_insert_rowid())
}

const COLUMNS: &str =
    "SELECT id, kind, key_id, path, parameters, created_at, retired_at FROM key_slot";

fn read(row: &Row<'_>) -> rusqlite::Result<KeySlot> {
    Ok(KeySlot {
        id: row.get(0)?,
        kind: row.get(1)?,
        key_id: row.get(2)?,
        path: row.get(3)?,
        parameters: row.get(4)?,
        created_at: row.get(5)?,
        retired_at: row.get(6)?,
    })
}

/// The slot in use, if the store was finished.
///
/// # Errors
/// The store's own.
pub fn find_slot(transaction: &Transaction<'_>) -> Result<Option<KeySlot>, StoreError> {
    Ok(transaction
        .query_row(&format!("{COLUMNS} WHERE retired_at IS NULL"), [], read)
        .optional()?)
}

/// The slot in use.
///
/// # Errors
/// [`StoreError::Damaged`] when a store has none, else the store's own.
pub fn slot(transaction: &Transaction<'_>) -> Result<KeySlot, StoreError> {
    find_slot(transaction)?.ok_or_else(|| StoreError::Damaged("it has no key slot".to_owned()))
}

/// All slots, oldest first.
///
/// # Errors
/// The store's own.
pub fn slots(transaction: &Transaction<'_>) -> Result<Vec<KeySlot>, StoreError> {
    let mut statement = transaction.prepare(&format!("{COLUMNS} ORDER BY id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
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
/// [`StoreError::KeyChanged`] when another process replaced the master key: a data key
/// under the old one could never be opened again. Else the store's own.
pub fn put_data_key(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    purpose: &str,
    key: &DataKey,
    nonce: [u8; NONCE_LENGTH],
) -> Result<(), StoreError> {
    check_unchanged(transaction, master)?;
    transaction.execute(
        "INSERT INTO data_key (purpose, wrapped) VALUES (?1, ?2)",
        params![purpose, master.wrap(key, purpose, nonce)],
    )?;
    Ok(())
}

/// Opens a data key.
///
/// # Errors
/// [`StoreError::KeyChanged`] when another process replaced the master key,
/// [`StoreError::Damaged`] when the data key is missing or does not open with the master
/// key that the slot recognised.
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
    match master.unwrap(&wrapped, purpose) {
        Ok(key) => Ok(key),
        Err(error) => {
            check_unchanged(transaction, master)?;
            Err(does_not_open(purpose, error))
        }
    }
}

/// Destroys a data key: what it sealed can never be opened again in this store.
///
/// # Errors
/// The store's own.
pub fn destroy_data_key(transaction: &Transaction<'_>, purpose: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM data_key WHERE purpose = ?1", [purpose])?;
    Ok(())
}

/// Wraps every data key by another master key, and answers how many there are.
///
/// # Errors
/// As for [`data_key`]; a single key that does not open stops it, so that none is left
/// behind under the old master key.
pub fn rewrap(
    transaction: &Transaction<'_>,
    old: &MasterKey,
    new: &MasterKey,
    mut nonce: impl FnMut() -> [u8; NONCE_LENGTH],
) -> Result<usize, StoreError> {
    check_unchanged(transaction, old)?;
    let purposes = purposes(transaction)?;
    for purpose in &purposes {
        let key = data_key(transaction, old, purpose)?;
        transaction.execute(
            "UPDATE data_key SET wrapped = ?2 WHERE purpose = ?1",
            params![purpose, new.wrap(&key, purpose, nonce())],
        )?;
    }
    Ok(purposes.len())
}

/// Opens every data key and keeps none.
///
/// # Errors
/// As for [`data_key`].
pub fn check_data_keys(
    transaction: &Transaction<'_>,
    master: &MasterKey,
) -> Result<(), StoreError> {
    for purpose in purposes(transaction)? {
        data_key(transaction, master, &purpose)?;
    }
    Ok(())
}

fn purposes(transaction: &Transaction<'_>) -> Result<Vec<String>, StoreError> {
    let mut statement = transaction.prepare("SELECT purpose FROM data_key ORDER BY purpose")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn check_unchanged(transaction: &Transaction<'_>, master: &MasterKey) -> Result<(), StoreError> {
    let slot = slot(transaction)?;
    let ours = master.id();
    if slot.key_id == ours {
        return Ok(());
    }
    Err(StoreError::KeyChanged {
        slot: slot.id,
        wanted: slot.key_id,
        ours,
    })
}

fn does_not_open(purpose: &str, error: SealError) -> StoreError {
    StoreError::Damaged(format!("the key for {purpose} does not open: {error}"))
}
