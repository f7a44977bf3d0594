//! `store restore`: a backup becomes the store of an empty folder.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::slot_source::fetch_master;
use super::{Failure, Workspace};
use crate::process::{KeyAccess, requester};
use crate::secret::MasterKey;
use crate::store::{KeySlot, Restoring, StoreError, audit, environments, journal, keys};

/// What was restored.
#[derive(Debug, serde::Serialize)]
pub struct RestoreReport {
    /// The store's folder.
    pub store: PathBuf,
    /// The slot whose key opens it.
    pub slot: i64,
    /// By which that slot recognises its key.
    pub key: String,
    /// How many environments it holds.
    pub environments: usize,
    /// Rotations that were open when the backup was made.
    pub open_rotations: usize,
    /// Audit entries at the time of the backup.
    pub audit_entries: u64,
}

/// Restores a backup into an empty or absent folder. The copy becomes a store only after
/// it was checked: a whole handover store of a known version that opens with the master
/// key of its slot. Its first new audit entry says that it was restored.
///
/// # Errors
/// Refused when the folder holds anything; else whatever is wrong with the backup or the
/// key. Nothing is left behind then.
pub async fn restore_store(
    folder: &Path,
    backup: &Path,
    access: &KeyAccess,
) -> Result<RestoreReport, Failure> {
    let mut restoring = Restoring::begin(backup, folder)?;
    match take_over(&mut restoring, folder, backup, access).await {
        Ok(report) => {
            restoring.finish()?;
            Ok(report)
        }
        Err(failure) => {
            restoring.give_up();
            Err(failure)
        }
    }
}

async fn take_over(
    restoring: &mut Restoring,
    folder: &Path,
    backup: &Path,
    access: &KeyAccess,
) -> Result<RestoreReport, Failure> {
    let slot = restoring.write(keys::slot)?;
    let master = fetch_master(&slot, access).await?;
    restoring.write(|transaction| check_and_audit(transaction, &master, &slot, folder, backup))
}

fn check_and_audit(
    transaction: &rusqlite::Transaction<'_>,
    master: &MasterKey,
    slot: &KeySlot,
    folder: &Path,
    backup: &Path,
) -> Result<RestoreReport, Failure> {
    keys::check_data_keys(transaction, master)?;
    let head = audit::head(transaction)?;
    let detail = json!({
        "backup": backup.to_string_lossy(),
        "entries-before": head.entries,
        "head-before": head.head,
    });
    let requester = requester();
    let action = "store.restored";
    Workspace::audit(master, transaction, &requester, action, None, detail)?;
    Ok::<_, StoreError>(RestoreReport {
        store: folder.to_owned(),
        slot: slot.id,
        key: slot.key_id.clone(),
        environments: environments::list(transaction)?.len(),
        open_rotations: journal::list_open(transaction)?.len(),
        audit_entries: head.entries,
    })
    .map_err(Failure::from)
}
