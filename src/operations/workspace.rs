//! An opened store with its master key: what every use case works on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::{Exit, Failure};
use crate::model::EnvironmentName;
use crate::process::{host_name, read_key_file, requester};
use crate::rotation::LockHolder;
use crate::secret::MasterKey;
use crate::store::{Access, KeySlot, NewAuditEntry, Store, StoreError, audit, keys};

/// An opened store with its master key.
pub struct Workspace {
    /// The store.
    pub store: Store,
    /// The key that wraps all others.
    pub master: Arc<MasterKey>,
    /// Who asks (a claim).
    pub requester: String,
}

impl Workspace {
    /// Opens the store and fetches the master key from the source that its slot
    /// names; `key_file` overrides the slot's path.
    ///
    /// # Errors
    /// Whatever is wrong with the store or the key, each with its remedy. There is no
    /// fall-back to another source.
    pub async fn open(
        folder: &Path,
        key_file: Option<PathBuf>,
        access: Access,
    ) -> Result<Self, Failure> {
        let store = Store::open(folder, access)?;
        let slot = store.read(keys::slot).await?;
        let master = Arc::new(fetch_key(&slot, key_file)?);
        Ok(Self {
            store,
            master,
            requester: requester(),
        })
    }

    /// Us, as the holder of a lock.
    #[must_use]
    pub fn as_holder(&self) -> LockHolder {
        LockHolder {
            holder: self.requester.clone(),
            host: host_name(),
            pid: std::process::id(),
            since: Utc::now(),
        }
    }

    /// Appends an audit entry inside a transaction.
    ///
    /// # Errors
    /// The store's own.
    pub fn audit(
        master: &MasterKey,
        transaction: &rusqlite::Transaction<'_>,
        requester: &str,
        action: &str,
        environment: Option<&EnvironmentName>,
        detail: Value,
    ) -> Result<(), StoreError> {
        let key = keys::data_key(transaction, master, keys::AUDIT_PURPOSE)?;
        audit::append(
            transaction,
            &key,
            &NewAuditEntry {
                requester,
                action,
                environment,
                detail,
                now: &timestamp(),
            },
        )
    }
}

fn fetch_key(slot: &KeySlot, key_file: Option<PathBuf>) -> Result<MasterKey, Failure> {
    if slot.kind != "file" {
        return Err(Failure::new(
            "key-kind",
            Exit::Error,
            format!(
                "key slot {} is of a kind that this program does not know: {}",
                slot.id, slot.kind
            ),
            "use the program that made the store",
        ));
    }
    let path = key_file
        .or_else(|| slot.path.as_ref().map(PathBuf::from))
        .ok_or_else(|| {
            Failure::new(
                "key-missing",
                Exit::Error,
                format!("key slot {} names no file", slot.id),
                "name the key file with HANDOVER_KEY_FILE",
            )
        })?;
    let key = read_key_file(&path)?;
    if key.id() != slot.key_id {
        return Err(Failure::new(
            "key-wrong",
            Exit::Error,
            format!(
                "{} holds key {}, but slot {} of this store needs key {}",
                path.display(),
                key.id(),
                slot.id,
                slot.key_id
            ),
            "name the file that holds the right key with HANDOVER_KEY_FILE",
        ));
    }
    Ok(key)
}

/// Now, as the store writes times.
pub(super) fn timestamp() -> String {
    stored_time(Utc::now())
}

/// A time as the store writes it.
pub(super) fn stored_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
