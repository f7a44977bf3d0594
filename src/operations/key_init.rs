//! `key init`: a new master key and the empty store that it belongs to.

use std::path::{Path, PathBuf, absolute};

use serde_json::json;

use super::workspace::timestamp;
use super::{Exit, Failure, Workspace};
use crate::process::{
    KeyAccess, NewKeySource, create_key, create_private_folder, probe_source, random_bytes,
    random_key, requester,
};
use crate::secret::DataKey;
use crate::store::{Access, NewSlot, Store, StoreError, identity, keys};

/// What was made.
#[derive(Debug, serde::Serialize)]
pub struct KeyInitReport {
    /// The store's folder.
    pub store: PathBuf,
    /// The kind of source.
    pub kind: &'static str,
    /// Where the key is, in words.
    pub place: String,
    /// The key file, for a file.
    pub file: Option<String>,
    /// By which the slot recognises the key.
    pub key: String,
}

/// Makes a master key, stores it at its source, and makes a store whose slot names it.
/// The key is at its source before the store refers to it.
///
/// # Errors
/// Refused when there is a store in the folder (a new master key over it would lose
/// every secret in it) or anything at the key file's path; else whatever is wrong with
/// the source.
pub async fn init_key(
    folder: &Path,
    wanted: NewKeySource,
    access: &KeyAccess,
) -> Result<KeyInitReport, Failure> {
    let exists = Store::exists(folder);
    if exists && is_finished(folder).await? {
        return Err(Failure::new(
            "store-exists",
            Exit::Refused,
            format!("there is a store in {} already", folder.display()),
            "a new master key would not open it; `handover key rotate` gives it another one, \
             --store names another folder",
        ));
    }
    let wanted = with_absolute_path(wanted)?;
    probe_source(&wanted).await?;
    let is_new = !folder.exists();
    // A folder that will be refused must not leave a key behind that nothing refers to.
    create_private_folder(folder)?;
    let id = hex::encode(random_bytes::<16>());
    let made = create_key(&wanted, &id, access, None).await;
    if made.is_err() && is_new {
        // Nor a source that fails a folder; one that holds anything is not removed by this.
        let _ = std::fs::remove_dir(folder);
    }
    let (key, source) = made?;
    let store = match exists {
        true => Store::open(folder, Access::Write)?,
        false => Store::create(folder)?,
    };
    let report = KeyInitReport {
        store: folder.to_owned(),
        kind: source.kind(),
        place: source.place(),
        file: source.path(),
        key: key.id(),
    };
    store
        .write(move |transaction| {
            if keys::find_slot(transaction)?.is_some() {
                // Another `key init` was faster; its key stays.
                return Err(StoreError::Exists(PathBuf::from("this folder")));
            }
            identity::set(transaction, &id)?;
            let key_id = key.id();
            let (path, parameters) = (source.path(), source.parameters());
            let slot = NewSlot {
                kind: source.kind(),
                key_id: &key_id,
                path: path.as_deref(),
                parameters: parameters.as_deref(),
                now: &timestamp(),
            };
            keys::add_slot(transaction, &slot)?;
            let audit_key = DataKey::new(random_key());
            let purpose = keys::AUDIT_PURPOSE;
            keys::put_data_key(transaction, &key, purpose, &audit_key, random_bytes())?;
            let detail = json!({"kind": source.kind(), "key": key_id, "place": source.place()});
            Workspace::audit(&key, transaction, &requester(), "key.created", None, detail)
        })
        .await?;
    Ok(report)
}

/// A store without a slot is what a `key init` left that was killed.
async fn is_finished(folder: &Path) -> Result<bool, Failure> {
    let store = Store::open(folder, Access::ReadIfNeedBe)?;
    Ok(store.read(keys::find_slot).await?.is_some())
}

/// The slot must be found from every working directory.
pub(super) fn with_absolute_path(wanted: NewKeySource) -> Result<NewKeySource, Failure> {
    match wanted {
        NewKeySource::File(path) => absolute(path).map(NewKeySource::File).map_err(|error| {
            Failure::new(
                "key-path",
                Exit::Error,
                error.to_string(),
                "name another path",
            )
        }),
        other => Ok(other),
    }
}
