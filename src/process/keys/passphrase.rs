//! A master key from a passphrase, by argon2id. The salt and the costs stand in the
//! slot; the passphrase comes from a private file or from a person.

use std::io;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyAccess, KeyError};
use crate::process::private_files::{PrivacyError, read_private_file};
use crate::process::random::random_bytes;
use crate::secret::{MasterKey, Secret};

/// RFC 9106's second choice, for machines that do more than this.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// What a slot may ask of this machine; a store that was tampered with must not make it
/// work for days.
const MOST_MEMORY_KIB: u32 = 4 * 1024 * 1024;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 16;

/// A shorter passphrase could be guessed by whoever has a copy of the store.
const SHORTEST: usize = 12;

/// Salt and costs of a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassphraseParameters {
    salt: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseParameters {
    /// Today's costs and a new salt.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            salt: hex::encode(random_bytes::<16>()),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
        }
    }

    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "argon2id, {} MiB, {} passes",
            self.memory_kib / 1024,
            self.passes
        )
    }

    fn check(&self) -> Result<(), KeyError> {
        let too_much = self.memory_kib > MOST_MEMORY_KIB
            || self.passes > MOST_PASSES
            || self.lanes > MOST_LANES;
        if too_much {
            return Err(KeyError::BadCosts(self.describe()));
        }
        Ok(())
    }
}

/// The passphrase of the key in use.
pub(super) fn present(access: &KeyAccess) -> Result<Secret, KeyError> {
    match (&access.passphrase_file, &access.ask) {
        (Some(file), _) => from_file(file),
        (None, Some(ask)) => ask("Passphrase of the store"),
        (None, None) => Err(KeyError::NoPassphrase("HANDOVER_PASSPHRASE_FILE")),
    }
}

/// The passphrase of a key that is to be made. Where it replaces another passphrase,
/// the file of that one does not count.
pub(super) fn new(access: &KeyAccess, replaces_one: bool) -> Result<Secret, KeyError> {
    let present = access.passphrase_file.as_ref().filter(|_| !replaces_one);
    let file = access.new_passphrase_file.as_ref().or(present);
    let passphrase = match (file, &access.ask) {
        (Some(file), _) => from_file(file)?,
        (None, Some(ask)) => {
            let passphrase = ask("New passphrase")?;
            long_enough(&passphrase)?;
            if ask("The same again")? != passphrase {
                return Err(KeyError::PassphrasesDiffer);
            }
            passphrase
        }
        (None, None) if replaces_one => {
            return Err(KeyError::NoPassphrase("HANDOVER_NEW_PASSPHRASE_FILE"));
        }
        (None, None) => return Err(KeyError::NoPassphrase("HANDOVER_PASSPHRASE_FILE")),
    };
    long_enough(&passphrase)?;
    Ok(passphrase)
}

fn long_enough(passphrase: &Secret) -> Result<(), KeyError> {
    if passphrase.expose().chars().count() < SHORTEST {
        return Err(KeyError::PassphraseTooShort(SHORTEST));
    }
    Ok(())
}

/// An editor ends the line; the passphrase does not include its end.
fn from_file(path: &Path) -> Result<Secret, KeyError> {
    let bytes = read_private_file(path).map_err(|error| match error {
        PrivacyError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
            KeyError::PassphraseFileMissing(path)
        }
        PrivacyError::Io { path, source } => KeyError::Io { path, source },
        other => KeyError::NotPrivate(other),
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyError::PassphraseNotText)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(KeyError::PassphraseNotText);
    }
    Ok(Secret::new(text.to_owned()))
}

/// Takes its time on purpose, and not on the runtime's threads.
pub(super) async fn derive(
    passphrase: Secret,
    parameters: PassphraseParameters,
) -> Result<MasterKey, KeyError> {
    tokio::task::spawn_blocking(move || derive_here(&passphrase, &parameters))
        .await
        .map_err(|_| KeyError::BadCosts("the computation failed".to_owned()))?
}

fn derive_here(
    passphrase: &Secret,
    parameters: &PassphraseParameters,
) -> Result<MasterKey, KeyError> {
    parameters.check()?;
    let salt = hex::decode(&parameters.salt).map_err(|_| KeyError::BadSlot)?;
    let failed = |error: argon2::Error| KeyError::BadCosts(error.to_string());
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(
        parameters.memory_kib,
        parameters.passes,
        parameters.lanes,
        Some(key.len()),
    )
    .map_err(failed)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), &salt, &mut key[..])
        .map_err(failed)?;
    Ok(MasterKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    fn cheap(salt: &str) -> PassphraseParameters {
        PassphraseParameters {
            salt: salt.to_owned(),
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    const SALT: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn the_same_passphrase_and_salt_give_the_same_key_and_no_others_do() {
        let id = |passphrase: &str, salt: &str| {
            derive_here(&secret(passphrase), &cheap(salt))
                .expect("derives")
                .id()
        };
        assert_eq!(id("correct horse", SALT), id("correct horse", SALT));
        assert_ne!(id("correct horse", SALT), id("correct horsf", SALT));
        assert_ne!(
            id("correct horse", SALT),
            id("correct horse", "ff0102030405060708090a0b0c0d0e0f")
        );
    }

    #[test]
    fn costs_beyond_reason_are_refused_before_they_are_paid() {
        let mut parameters = cheap(SALT);
        parameters.memory_kib = u32::MAX;
        assert!(matches!(
            derive_here(&secret("x"), &parameters),
            Err(KeyError::BadCosts(_))
        ));
    }

    fn file(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        path
    }

    #[test]
    fn a_file_loses_one_line_end_and_must_be_private_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "p", b"correct horse \n");
        assert_eq!(from_file(&path).expect("reads"), secret("correct horse "));
        for bad in [&b""[..], b"\n", b"two\nlines\n", b"\xff\xfe"] {
            let path = file(folder.path(), "p", bad);
            assert!(matches!(from_file(&path), Err(KeyError::PassphraseNotText)));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(from_file(&path), Err(KeyError::NotPrivate(_))));
        let none = folder.path().join("none");
        assert!(matches!(
            from_file(&none),
            Err(KeyError::PassphraseFileMissing(_))
        ));
    }

    fn asking(answers: &[&str]) -> KeyAccess {
        let answers: Vec<String> = answers.iter().rev().map(|&text| text.to_owned()).collect();
        let answers = std::sync::Mutex::new(answers);
        KeyAccess::default().with_prompt(Box::new(move |_| {
            let next = answers.lock().expect("not poisoned").pop();
            next.map(Secret::new).ok_or(KeyError::Cancelled)
        }))
    }

    #[test]
    fn a_new_passphrase_is_asked_for_twice_and_must_be_long() {
        let long = "correct horse battery";
        assert_eq!(
            new(&asking(&[long, long]), false).expect("agrees"),
            secret(long)
        );
        assert!(matches!(
            new(&asking(&[long, "something else"]), false),
            Err(KeyError::PassphrasesDiffer)
        ));
        assert!(matches!(
            new(&asking(&["short", "short"]), false),
            Err(KeyError::PassphraseTooShort(_))
        ));
        assert!(matches!(
            new(&KeyAccess::default(), false),
            Err(KeyError::NoPassphrase(_))
        ));
    }

    #[test]
    fn the_passphrase_in_use_is_never_taken_for_the_new_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let access = KeyAccess {
            passphrase_file: Some(file(folder.path(), "old", b"the old passphrase")),
            ..KeyAccess::default()
        };
        assert!(matches!(
            new(&access, true),
            Err(KeyError::NoPassphrase("HANDOVER_NEW_PASSPHRASE_FILE"))
        ));
        assert_eq!(
            new(&access, false).expect("there is no other"),
            secret("the old passphrase")
        );
        let access = KeyAccess {
            new_passphrase_file: Some(file(folder.path(), "new", b"the new passphrase")),
            ..access
        };
        assert_eq!(
            new(&access, true).expect("reads"),
            secret("the new passphrase")
        );
        assert_eq!(
            present(&access).expect("reads"),
            secret("the old passphrase")
        );
    }
}
