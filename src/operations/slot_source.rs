//! From a key slot of the store to its source and the master key in it.

use super::{Exit, Failure};
use crate::process::{KeyAccess, KeyError, KeySource};
use crate::secret::MasterKey;
use crate::store::KeySlot;

/// Another way for whoever cannot use the source of a slot.
const OTHER_CHOICES: &str = "or choose another source with `handover key rotate` where the key \
     can still be read; no key is made in place of one that was not found";

/// What a slot says of its source.
pub(super) fn source_of(slot: &KeySlot) -> Result<KeySource, Failure> {
    KeySource::from_slot(&slot.kind, slot.path.as_deref(), slot.parameters.as_deref())
        .map_err(|error| explain(slot, error))
}

/// Fetches the master key of a slot, and compares it with what the slot recognises.
///
/// # Errors
/// Whatever is wrong with the source, naming the slot.
pub(super) async fn fetch_master(slot: &KeySlot, access: &KeyAccess) -> Result<MasterKey, Failure> {
    let source = source_of(slot)?;
    let key = source
        .fetch(access)
        .await
        .map_err(|error| explain(slot, error))?;
    if key.id() == slot.key_id {
        return Ok(key);
    }
    let (message, remedy) = match &source {
        KeySource::File(path) => (
            format!(
                "{} holds key {}",
                access.key_file.as_ref().unwrap_or(path).display(),
                key.id()
            ),
            "name the file that holds the right key with HANDOVER_KEY_FILE",
        ),
        KeySource::Keyring { .. } => (
            format!("{} holds key {}", source.place(), key.id()),
            "restore the entry in the keyring, or the backup of the store that belongs to it",
        ),
        KeySource::Passphrase(_) => (
            "the passphrase is wrong".to_owned(),
            "give the passphrase that the key was made with",
        ),
    };
    Err(Failure::new(
        "key-wrong",
        Exit::Error,
        format!(
            "{message}, but key slot {} of this store needs key {}",
            slot.id, slot.key_id
        ),
        remedy,
    ))
}

fn explain(slot: &KeySlot, error: KeyError) -> Failure {
    let mut failure = Failure::from(error);
    failure.message = format!(
        "key slot {} ({}, key {}): {}",
        slot.id,
        crate::untrusted::Untrusted::new(&slot.kind),
        slot.key_id,
        failure.message
    );
    failure.remedy = format!("{}, {OTHER_CHOICES}", failure.remedy);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(kind: &str, path: Option<&str>) -> KeySlot {
        KeySlot {
            id: 3,
            kind: kind.to_owned(),
            key_id: "0123456789abcdef".to_owned(),
            path: path.map(str::to_owned),
            parameters: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            retired_at: None,
        }
    }

    #[tokio::test]
    async fn each_failure_names_the_slot_and_the_other_choices() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("none").display().to_string();
        for (slot, code) in [
            (slot("file", Some(&missing)), "key-missing"),
            (slot("file", None), "key-kind"),
            (slot("kms", None), "key-kind"),
        ] {
            let failure = fetch_master(&slot, &KeyAccess::default())
                .await
                .expect_err("fails");
            assert_eq!(failure.code, code);
            assert!(failure.message.contains("slot 3"), "{}", failure.message);
            assert!(failure.remedy.contains("key rotate"), "{}", failure.remedy);
        }
    }
}
