//! `store backup`: a copy of the whole store while it is in use.

use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use serde_json::json;

use super::{Exit, Failure, Workspace};
use crate::store::keys;

/// What was made.
#[derive(Debug, serde::Serialize)]
pub struct BackupReport {
    /// The copy.
    pub file: PathBuf,
    /// The slot whose key opens it.
    pub slot: i64,
    /// By which that slot recognises its key.
    pub key: String,
}

/// Copies the store into a new private file. It opens with the same master key and holds
/// nothing of it. The audit entry stands in the copy as well.
///
/// # Errors
/// Refused when anything is at the path; else the store's own.
pub async fn back_up_store(workspace: &Workspace, file: &Path) -> Result<BackupReport, Failure> {
    let file = absolute(file).map_err(|error| {
        Failure::new(
            "backup-path",
            Exit::Error,
            error.to_string(),
            "name another path",
        )
    })?;
    if file.symlink_metadata().is_ok() {
        return Err(crate::store::StoreError::BackupExists(file).into());
    }
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let detail = json!({"file": file.to_string_lossy()});
    let slot = workspace
        .store
        .write(move |transaction| {
            // A copy that nobody could open would be found out too late.
            keys::check_data_keys(transaction, &master)?;
            Workspace::audit(
                &master,
                transaction,
                &requester,
                "store.backup",
                None,
                detail,
            )?;
            keys::slot(transaction)
        })
        .await?;
    workspace.store.back_up(file.clone()).await?;
    Ok(BackupReport {
        file,
        slot: slot.id,
        key: slot.key_id,
    })
}
