//! `key init`: a new master key and the empty store that it belongs to.

use std::path::{Path, PathBuf, absolute};

use serde_json::json;

use super::workspace::timestamp;
use super::{Exit, Failure, Workspace};
use crate::process::{create_key_file, random_bytes, random_key, requester};
use crate::secret::DataKey;
use crate::store::{Store, StoreError, keys};

/// What was made.
#[derive(Debug, serde::Serialize)]
pub struct KeyInitReport {
    /// The store's folder.
    pub store: PathBuf,
    /// The key file.
    pub file: PathBuf,
    /// By which the slot recognises the key.
    pub key: String,
}

/// Makes a key file and a store whose slot points to it.
///
/// # Errors
/// Refused when there is a store in the folder (a new master key over it would lose
/// every secret in it) or anything at the key file's path.
pub async fn init_key_file(folder: &Path, file: &Path) -> Result<KeyInitReport, Failure> {
    if Store::exists(folder) {
        return Err(Failure::new(
            "store-exists",
            Exit::Refused,
            format!("there is a store in {} already", folder.display()),
            "a new master key would not open it; name another folder with --store",
        ));
    }
    // The slot must be found from every working directory.
    let file = absolute(file).map_err(|error| {
        Failure::new(
            "key-path",
            Exit::Error,
            error.to_string(),
            "name another path",
        )
    })?;
    let key = create_key_file(&file)?;
    let store = Store::create(folder)?;
    let key_id = key.id();
    let report = KeyInitReport {
        store: folder.to_owned(),
        file: file.clone(),
        key: key_id.clone(),
    };
    let path = file.to_string_lossy().into_owned();
    store
        .write(move |transaction| {
            keys::add_slot(transaction, "file", &key_id, Some(&path), &timestamp())?;
            let audit_key = DataKey::new(random_key());
            let purpose = keys::AUDIT_PURPOSE;
            keys::put_data_key(transaction, &key, purpose, &audit_key, random_bytes())?;
            let detail = json!({"kind": "file", "key": key_id, "path": path});
            Workspace::audit(&key, transaction, &requester(), "key.created", None, detail)?;
            Ok::<_, StoreError>(())
        })
        .await?;
    Ok(report)
}
