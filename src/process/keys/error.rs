//! Why the master key cannot be had, each with its remedy.

use std::io;
use std::path::PathBuf;

use crate::process::private_files::PrivacyError;

/// Why the master key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file is never overwritten.
    #[error("{} exists already; a key file is never overwritten", .0.display())]
    Exists(PathBuf),
    /// The file is not there.
    #[error("the key file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// Somebody else could read the file.
    #[error("the file is not private: {0}")]
    NotPrivate(PrivacyError),
    /// The source holds something else.
    #[error("{0} holds no handover key")]
    Malformed(String),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The slot is of a kind that this program does not know.
    #[error("sources of the kind {0} are not known to this program")]
    UnknownKind(String),
    /// The slot does not say what its kind needs.
    #[error("the slot does not say where its key is")]
    BadSlot,
    /// There is no keyring to ask.
    #[error("no keyring can be reached: {0}")]
    KeyringUnreachable(String),
    /// The keyring refuses to be read or written.
    #[error("the keyring is locked or refuses access: {0}")]
    KeyringLocked(String),
    /// A locked keyring answers the same as an empty one.
    #[error("the keyring has no such entry, or it is locked: {0}")]
    KeyringEmpty(String),
    /// It did not answer in time.
    #[error("the keyring did not answer within {0} s; it may be asking for its password")]
    KeyringSilent(u64),
    /// Any other answer of the keyring.
    #[error("the keyring failed: {0}")]
    KeyringFailed(String),
    /// What was stored does not come back.
    #[error("the key does not come back from its source as it was stored: {0}")]
    NotKept(String),
    /// There is no file with the passphrase, and nobody to ask.
    #[error("a passphrase is needed, {0} is not set, and there is no terminal to ask on")]
    NoPassphrase(&'static str),
    /// The file with the passphrase is not there.
    #[error("the passphrase file {} does not exist", .0.display())]
    PassphraseFileMissing(PathBuf),
    /// Not UTF-8, or with a control character in it.
    #[error("the passphrase is not text of one line")]
    PassphraseNotText,
    /// Too short to guard anything.
    #[error("the passphrase has fewer than {0} characters")]
    PassphraseTooShort(usize),
    /// The second time was not the first.
    #[error("the two passphrases are not the same")]
    PassphrasesDiffer,
    /// The operator left the question.
    #[error("no passphrase was given")]
    Cancelled,
    /// The passphrase cannot be turned into a key.
    #[error("the slot's costs of a passphrase cannot be met: {0}")]
    BadCosts(String),
}

impl KeyError {
    /// A stable word for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists(_) => "key-exists",
            Self::Missing(_) | Self::KeyringEmpty(_) => "key-missing",
            Self::NotPrivate(_) => "not-private",
            Self::Malformed(_) => "key-malformed",
            Self::Io { .. } | Self::KeyringFailed(_) | Self::NotKept(_) => "key-unreadable",
            Self::UnknownKind(_) | Self::BadSlot => "key-kind",
            Self::KeyringUnreachable(_) => "keyring-unreachable",
            Self::KeyringLocked(_) => "keyring-locked",
            Self::KeyringSilent(_) => "keyring-silent",
            Self::NoPassphrase(_) | Self::PassphraseFileMissing(_) | Self::Cancelled => {
                "passphrase-missing"
            }
            Self::PassphraseNotText
            | Self::PassphraseTooShort(_)
            | Self::PassphrasesDiffer
            | Self::BadCosts(_) => "passphrase-unusable",
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Exists(_) => "name a path that does not exist yet",
            Self::Missing(_) => "restore the file, or name where it is now with HANDOVER_KEY_FILE",
            Self::NotPrivate(error) => return error.remedy(),
            Self::Malformed(_) => {
                "restore the key that `handover key init` made; for a key file, \
                 HANDOVER_KEY_FILE names where it is now"
            }
            Self::Io { .. } => "check the path and its permissions",
            Self::UnknownKind(_) => "use the program that made the store",
            Self::BadSlot => "restore the last backup of the store",
            Self::KeyringUnreachable(_) => {
                "log in to a session that has a keyring (DBUS_SESSION_BUS_ADDRESS names its bus)"
            }
            Self::KeyringLocked(_) | Self::KeyringSilent(_) => "unlock the keyring, then try again",
            Self::KeyringEmpty(_) => {
                "unlock the keyring of the user who made the store, then try again"
            }
            Self::KeyringFailed(_) | Self::NotKept(_) => "check the keyring, then try again",
            Self::NoPassphrase(_) => {
                "name a private file that holds the passphrase in that variable, or run in a \
                 terminal"
            }
            Self::PassphraseFileMissing(_) => "restore the file, or name another",
            Self::PassphraseNotText => "use printable characters and one line",
            Self::PassphraseTooShort(_) => "choose a longer one, for example six random words",
            Self::PassphrasesDiffer | Self::Cancelled => "try again",
            Self::BadCosts(_) => "use a machine with more memory",
        }
        .to_owned()
    }
}
