//! Where the master key comes from: a key file, the system's keyring or a passphrase.
//!
//! Which one it is stands in the store's key slot. A source that fails says so; there is
//! never a silent fall-back to another, and never a new key because an old one was not
//! found.

mod error;
mod file;
mod keyring;
mod passphrase;

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use error::KeyError;
pub use passphrase::PassphraseParameters;

use super::random::random_key;
use crate::secret::{MasterKey, Secret};

/// First word of a written key; its number is the format's version.
const MARK: &str = "handover-key-1";

/// A source of a master key, as a slot names it. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that nobody else can read.
    File(PathBuf),
    /// An entry in the system's keyring.
    Keyring {
        /// The entry's name.
        entry: String,
    },
    /// A passphrase that is known to a person, or stands in a private file.
    Passphrase(PassphraseParameters),
}

/// Where a new master key shall be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKeySource {
    /// In this new file.
    File(PathBuf),
    /// In the system's keyring.
    Keyring,
    /// In somebody's head.
    Passphrase,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringParameters {
    entry: String,
}

impl KeySource {
    /// Reads what a slot says.
    ///
    /// # Errors
    /// [`KeyError::UnknownKind`] and [`KeyError::BadSlot`].
    pub fn from_slot(
        kind: &str,
        path: Option<&str>,
        parameters: Option<&str>,
    ) -> Result<Self, KeyError> {
        let parameters = parameters.unwrap_or_default();
        match kind {
            "file" => path
                .map(|path| Self::File(path.into()))
                .ok_or(KeyError::BadSlot),
            "keyring" => serde_json::from_str(parameters)
                .map(|KeyringParameters { entry }| Self::Keyring { entry })
                .map_err(|_| KeyError::BadSlot),
            "passphrase" => serde_json::from_str(parameters)
                .map(Self::Passphrase)
                .map_err(|_| KeyError::BadSlot),
            other => Err(KeyError::UnknownKind(
                crate::untrusted::Untrusted::new(other).as_str().to_owned(),
            )),
        }
    }

    /// The slot's word for this kind of source.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Keyring { .. } => "keyring",
            Self::Passphrase(_) => "passphrase",
        }
    }

    /// Where the file is, for a key file.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        match self {
            Self::File(path) => Some(path.to_string_lossy().into_owned()),
            _ => None,
        }
    }

    /// What else the slot has to keep, as JSON.
    #[must_use]
    pub fn parameters(&self) -> Option<String> {
        let text = match self {
            Self::File(_) => return None,
            Self::Keyring { entry } => serde_json::to_string(&KeyringParameters {
                entry: entry.clone(),
            }),
            Self::Passphrase(parameters) => serde_json::to_string(parameters),
        };
        Some(text.expect("plain data is JSON"))
    }

    /// Where the key is, in words.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Keyring { entry } => {
                format!("entry \"{entry}\" of service \"{}\"", keyring::SERVICE)
            }
            Self::Passphrase(parameters) => parameters.describe(),
        }
    }

    /// Fetches the key. Whether it is the right one is for the caller to compare.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn fetch(&self, access: &KeyAccess) -> Result<MasterKey, KeyError> {
        match self {
            Self::File(path) => file::read(access.key_file.as_ref().unwrap_or(path)),
            Self::Keyring { entry } => keyring::read(entry.clone()).await,
            Self::Passphrase(parameters) => {
                let passphrase = passphrase::present(access)?;
                passphrase::derive(passphrase, parameters.clone()).await
            }
        }
    }
}

/// Asks a person for a passphrase and does not show it; the argument is the question.
pub type Ask = Box<dyn Fn(&str) -> Result<Secret, KeyError> + Send + Sync>;

/// What this process was told about where keys are, beyond what the slot says.
#[derive(Default)]
pub struct KeyAccess {
    /// Where the key file is now, instead of where its slot says.
    pub key_file: Option<PathBuf>,
    /// A private file that holds the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// A private file that holds the passphrase of a key that is to be made, where it
    /// must not be the present one.
    pub new_passphrase_file: Option<PathBuf>,
    /// How to ask for a passphrase; `None` where there is nobody to ask.
    pub ask: Option<Ask>,
}

impl KeyAccess {
    /// What the environment variables say, and nobody to ask.
    #[must_use]
    pub fn from_environment() -> Self {
        let file = |name| {
            std::env::var_os(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        Self {
            key_file: file("HANDOVER_KEY_FILE"),
            passphrase_file: file("HANDOVER_PASSPHRASE_FILE"),
            new_passphrase_file: file("HANDOVER_NEW_PASSPHRASE_FILE"),
            ask: None,
        }
    }

    /// The same with somebody to ask.
    #[must_use]
    pub fn with_prompt(mut self, ask: Ask) -> Self {
        self.ask = Some(ask);
        self
    }
}

/// Makes a new master key, stores it at its source, durably, and reads it back.
/// `replaces` is the source in use, whose passphrase must not be taken for the new one.
///
/// # Errors
/// See [`KeyError`]; nothing that existed before is changed.
pub async fn create_key(
    wanted: &NewKeySource,
    store: &str,
    access: &KeyAccess,
    replaces: Option<&KeySource>,
) -> Result<(MasterKey, KeySource), KeyError> {
    let (key, source, back) = match wanted {
        NewKeySource::File(path) => {
            let key = file::create(path)?;
            let back = file::read(path)?;
            (key, KeySource::File(path.clone()), back)
        }
        NewKeySource::Keyring => {
            let key = MasterKey::new(random_key());
            // The key's own id in the name: a new key never takes the place of an old
            // one, whose slot may still be in use when this process is killed.
            let entry = format!("{store} {}", key.id());
            keyring::create(entry.clone(), &key).await?;
            let back = keyring::read(entry.clone()).await?;
            (key, KeySource::Keyring { entry }, back)
        }
        NewKeySource::Passphrase => {
            let replaces_one = matches!(replaces, Some(KeySource::Passphrase(_)));
            let passphrase = passphrase::new(access, replaces_one)?;
            let parameters = PassphraseParameters::generate();
            let key = passphrase::derive(passphrase.duplicate(), parameters.clone()).await?;
            let back = passphrase::derive(passphrase, parameters.clone()).await?;
            (key, KeySource::Passphrase(parameters), back)
        }
    };
    if back.id() != key.id() {
        return Err(KeyError::NotKept(source.place()));
    }
    Ok((key, source))
}

/// Checks, without keeping anything, whether the source could take a key now.
///
/// # Errors
/// See [`KeyError`].
pub async fn probe_source(wanted: &NewKeySource) -> Result<(), KeyError> {
    match wanted {
        NewKeySource::Keyring => keyring::probe().await,
        NewKeySource::File(path) if path.symlink_metadata().is_ok() => {
            Err(KeyError::Exists(path.clone()))
        }
        NewKeySource::File(_) | NewKeySource::Passphrase => Ok(()),
    }
}

/// The key in writing.
fn written(key: &MasterKey) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "{MARK} {} {}\n",
        key.id(),
        Zeroizing::new(STANDARD.encode(key.expose())).as_str()
    ))
}

fn parse(text: &[u8]) -> Option<MasterKey> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    if words.next()? != MARK {
        return None;
    }
    let id = words.next()?;
    let decoded = Zeroizing::new(STANDARD.decode(words.next()?).ok()?);
    let bytes: [u8; 32] = decoded.as_slice().try_into().ok()?;
    let key = MasterKey::new(Zeroizing::new(bytes));
    (words.next().is_none() && key.id() == id).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_says_its_source_and_reads_it_back() {
        let sources = [
            KeySource::File("/etc/handover.key".into()),
            KeySource::Keyring {
                entry: "store key".to_owned(),
            },
            KeySource::Passphrase(PassphraseParameters::generate()),
        ];
        for source in sources {
            let read = KeySource::from_slot(
                source.kind(),
                source.path().as_deref(),
                source.parameters().as_deref(),
            );
            assert_eq!(read.expect("reads"), source);
        }
    }

    #[test]
    fn a_slot_that_says_too_little_or_something_unknown_is_refused() {
        for (kind, path, parameters) in [
            ("file", None, None),
            ("keyring", None, Some("{}")),
            ("passphrase", None, Some("{\"salt\":\"00\"}")),
            ("passphrase", Some("/p"), None),
        ] {
            let refused = KeySource::from_slot(kind, path, parameters);
            assert!(matches!(refused, Err(KeyError::BadSlot)), "{kind}");
        }
        assert!(matches!(
            KeySource::from_slot("kms", None, None),
            Err(KeyError::UnknownKind(_))
        ));
    }

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let key = MasterKey::new(random_key());
        let text = written(&key);
        assert_eq!(parse(text.as_bytes()).expect("reads").id(), key.id());
        let longer = format!("{} more", text.as_str());
        for other in ["", "handover-key-2 a b", longer.as_str()] {
            assert!(parse(other.as_bytes()).is_none(), "{}", other.len());
        }
    }

    #[tokio::test]
    async fn a_new_key_comes_back_from_its_source() {
        let folder = tempfile::tempdir().expect("a folder");
        let access = KeyAccess::default();
        let wanted = NewKeySource::File(folder.path().join("master.key"));
        let (key, source) = create_key(&wanted, "s", &access, None).await.expect("made");
        assert_eq!(source.fetch(&access).await.expect("read").id(), key.id());
        assert!(matches!(
            create_key(&wanted, "s", &access, None).await,
            Err(KeyError::Exists(_))
        ));
        assert!(matches!(
            probe_source(&wanted).await,
            Err(KeyError::Exists(_))
        ));
    }
}
