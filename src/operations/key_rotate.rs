//! `key rotate`: a new master key for the store.
//!
//! The order makes it safe to be killed anywhere: the new key is at its source, and was
//! read back from there, before one transaction wraps every data key by it and puts the
//! new slot in use. Before that transaction the old key opens the store, after it the
//! new one, and the slot in use says which.

use std::sync::Arc;

use serde_json::json;

use super::key_init::with_absolute_path;
use super::slot_source::source_of;
use super::workspace::timestamp;
use super::{Exit, Failure, Workspace};
use crate::process::{KeyAccess, KeySource, NewKeySource, create_key, probe_source, random_bytes};
use crate::store::{EnvironmentLock, NewSlot, StoreError, environments, identity, keys};

/// What was changed.
#[derive(Debug, serde::Serialize)]
pub struct KeyRotateReport {
    /// The slot in use now.
    pub slot: i64,
    /// The kind of source.
    pub kind: &'static str,
    /// Where the key is, in words.
    pub place: String,
    /// By which the slot recognises the key.
    pub key: String,
    /// How many data keys are wrapped by it.
    pub rewrapped: usize,
    /// The slot that was retired.
    pub retired_slot: i64,
    /// Where the old key is, in words; it still opens older backups.
    pub retired_place: String,
}

/// Gives the store a new master key.
///
/// # Errors
/// Refused while a rotation runs, and when any data key does not open with the present
/// master key; else whatever is wrong with the new source. The store is then as before.
pub async fn rotate_key(
    workspace: &Workspace,
    wanted: NewKeySource,
    access: &KeyAccess,
) -> Result<KeyRotateReport, Failure> {
    let wanted = with_absolute_path(wanted)?;
    let _locks = lock_all(workspace).await?;
    let old = Arc::clone(&workspace.master);
    let (old_slot, id) = workspace
        .store
        .read(move |transaction| {
            keys::check_data_keys(transaction, &old)?;
            Ok::<_, StoreError>((keys::slot(transaction)?, identity::get(transaction)?))
        })
        .await?;
    let old_source = source_of(&old_slot)?;
    probe_source(&wanted).await?;
    let (new, source) = create_key(&wanted, &id, access, Some(&old_source)).await?;
    let new_id = new.id();
    let place = source.place();
    let answer = exchange(workspace, new, source, old_slot.id).await;
    let (slot, kind, rewrapped) = answer.map_err(|error| unused(error, &new_id, &place))?;
    workspace.store.forget_deleted().await;
    Ok(KeyRotateReport {
        slot,
        kind,
        place,
        key: new_id,
        rewrapped,
        retired_slot: old_slot.id,
        retired_place: old_source.place(),
    })
}

/// Everything that the store has to change, at once or not at all.
async fn exchange(
    workspace: &Workspace,
    new: crate::secret::MasterKey,
    source: KeySource,
    old_slot: i64,
) -> Result<(i64, &'static str, usize), StoreError> {
    let old = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    workspace
        .store
        .write(move |transaction| {
            let rewrapped = keys::rewrap(transaction, &old, &new, random_bytes)?;
            let key_id = new.id();
            let (path, parameters) = (source.path(), source.parameters());
            let slot = NewSlot {
                kind: source.kind(),
                key_id: &key_id,
                path: path.as_deref(),
                parameters: parameters.as_deref(),
                now: &timestamp(),
            };
            let slot = keys::add_slot(transaction, &slot)?;
            let detail = json!({
                "slot": slot,
                "kind": source.kind(),
                "key": key_id,
                "place": source.place(),
                "retired-slot": old_slot,
                "retired-key": old.id(),
            });
            Workspace::audit(&new, transaction, &requester, "key.rotated", None, detail)?;
            Ok((slot, source.kind(), rewrapped))
        })
        .await
}

/// A running rotation has the old key in its hands, so none may run.
async fn lock_all(workspace: &Workspace) -> Result<Vec<EnvironmentLock>, Failure> {
    let rows = workspace.store.read(environments::list).await?;
    let mut locks = Vec::new();
    for row in rows {
        match workspace.store.lock_quietly(&row.id).await? {
            Some(lock) => locks.push(lock),
            None => {
                return Err(Failure::new(
                    "locked-by",
                    Exit::Refused,
                    format!("a rotation of {} is running", row.name),
                    "wait until it has ended, then try again; `handover status` says whose it is",
                ));
            }
        }
    }
    Ok(locks)
}

/// The new key exists already; the operator has to know what it is good for.
fn unused(error: StoreError, key: &str, place: &str) -> Failure {
    let is_unknown = matches!(error, StoreError::CommitUnknown(_));
    let mut failure = Failure::from(error);
    if is_unknown {
        failure.remedy = format!(
            "keep the old and the new key ({place}); `handover key ls` says which slot is in use"
        );
    } else {
        failure.message = format!(
            "{}; the new key {key} ({place}) was made and opens nothing",
            failure.message
        );
    }
    failure
}
