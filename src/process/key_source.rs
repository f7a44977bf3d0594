//! Where the master key comes from. Today: a key file that nobody else can read.
//!
//! The keyring and the passphrase are further sources beside this one. A source
//! that fails says so; there is never a silent fall-back to another.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::private_files::{PrivacyError, check_private_file};
use super::random::random_key;
use crate::secret::MasterKey;

/// First word of a key file; its number is the format's version.
const MARK: &str = "handover-key-1";

/// Why the master key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `key init` never overwrites anything.
    #[error("{} exists already; a key file is never overwritten", .0.display())]
    Exists(PathBuf),
    /// The file is not there.
    #[error("the key file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// Somebody else could read it.
    #[error("the key file is not private: {0}")]
    NotPrivate(#[from] PrivacyError),
    /// The file holds something else.
    #[error("{} is not a handover key file", .0.display())]
    Malformed(PathBuf),
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl KeyError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Exists(_) => "name a path that does not exist yet".to_owned(),
            Self::Missing(_) => {
                "restore the file, or name where it is now with HANDOVER_KEY_FILE".to_owned()
            }
            Self::NotPrivate(error) => error.remedy(),
            Self::Malformed(_) => {
                "name the file that `handover key init` made with HANDOVER_KEY_FILE".to_owned()
            }
            Self::Io { .. } => "check the path and its permissions".to_owned(),
        }
    }
}

/// Makes a new master key and writes it to a new file of mode 0600, durably.
///
/// # Errors
/// [`KeyError::Exists`] when anything is at the path, else [`KeyError::Io`].
pub fn create_key_file(path: &Path) -> Result<MasterKey, KeyError> {
    let io_error = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let key = MasterKey::new(random_key());
    let text = Zeroizing::new(format!(
        "{MARK} {} {}\n",
        key.id(),
        Zeroizing::new(STANDARD.encode(key.expose())).as_str()
    ));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => io_error(source),
        })?;
    file.write_all(text.as_bytes()).map_err(io_error)?;
    file.sync_all().map_err(io_error)?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io_error)?;
    }
    Ok(key)
}

/// Reads the master key from its file.
///
/// # Errors
/// See [`KeyError`].
pub fn read_key_file(path: &Path) -> Result<MasterKey, KeyError> {
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing(path.to_owned()),
        _ => KeyError::Io {
            path: path.to_owned(),
            source,
        },
    };
    // Opening first tells a missing file from one that is not private.
    fs::File::open(path).map_err(io_error)?;
    check_private_file(path)?;
    let text = Zeroizing::new(fs::read(path).map_err(io_error)?);
    parse_key(&text).ok_or_else(|| KeyError::Malformed(path.to_owned()))
}

fn parse_key(text: &[u8]) -> Option<MasterKey> {
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
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_file_is_private_reads_back_and_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let made = create_key_file(&path).expect("made");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read_key_file(&path).expect("read").id(), made.id());
        assert!(matches!(create_key_file(&path), Err(KeyError::Exists(_))));
    }

    #[test]
    fn missing_malformed_and_readable_files_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        assert!(matches!(read_key_file(&path), Err(KeyError::Missing(_))));
        create_key_file(&path).expect("made");
        let mut text = fs::read(&path).expect("read");
        text[20] ^= 1;
        fs::write(&path, &text).expect("written");
        assert!(matches!(read_key_file(&path), Err(KeyError::Malformed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).expect("chmod");
        assert!(matches!(read_key_file(&path), Err(KeyError::NotPrivate(_))));
    }
}
