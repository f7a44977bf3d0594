//! An opened store with its master key: what every use case works on.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::Failure;
use super::slot_source::fetch_master;
use crate::model::EnvironmentName;
use crate::process::{KeyAccess, host_name, requester};
use crate::rotation::LockHolder;
use crate::secret::MasterKey;
use crate::store::{Access, NewAuditEntry, Store, StoreError, audit, keys as key_slots};

/// An opened store with its master key.
pub struct Workspace {
    /// The store.
    pub store: Arc<Store>,
    /// The key that wraps all others.
    pub master: Arc<MasterKey>,
    /// Who asks (a claim).
    pub requester: String,
}

impl Workspace {
    /// Opens the store and fetches the master key from the source that its slot
    /// names; `keys` says what this process was told of it beyond the slot.
    ///
    /// # Errors
    /// Whatever is wrong with the store or the key, each with its remedy. There is no
    /// fall-back to another source.
    pub async fn open(folder: &Path, keys: &KeyAccess, access: Access) -> Result<Self, Failure> {
        let store = Arc::new(Store::open(folder, access)?);
        let slot = store.read(key_slots::slot).await?;
        let master = Arc::new(fetch_master(&slot, keys).await?);
        Ok(Self {
            store,
            master,
            requester: requester(),
        })
    }

    /// The same store and key once more, for whoever comes after the first has ended.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            master: Arc::clone(&self.master),
            requester: self.requester.clone(),
        }
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
        let key = key_slots::data_key(transaction, master, key_slots::AUDIT_PURPOSE)?;
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

/// Now, as the store writes times.
pub(super) fn timestamp() -> String {
    stored_time(Utc::now())
}

/// A time as the store writes it.
pub(super) fn stored_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
