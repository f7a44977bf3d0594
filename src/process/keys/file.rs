//! A key file that nobody else can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{KeyError, parse, written};
use crate::process::private_files::{PrivacyError, read_private_file};
use crate::process::random::random_key;
use crate::secret::MasterKey;

/// Makes a new master key and writes it to a new file of mode 0600, durably.
///
/// # Errors
/// [`KeyError::Exists`] when anything is at the path, else [`KeyError::Io`].
pub(super) fn create(path: &Path) -> Result<MasterKey, KeyError> {
    let io_error = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let key = MasterKey::new(random_key());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => io_error(source),
        })?;
    file.write_all(written(&key).as_bytes()).map_err(io_error)?;
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
pub(super) fn read(path: &Path) -> Result<MasterKey, KeyError> {
    let text = read_private_file(path).map_err(|error| match error {
        PrivacyError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
            KeyError::Missing(path)
        }
        PrivacyError::Io { path, source } => KeyError::Io { path, source },
        other => KeyError::NotPrivate(other),
    })?;
    parse(&text).ok_or_else(|| KeyError::Malformed(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_file_is_private_reads_back_and_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let made = create(&path).expect("made");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read(&path).expect("read").id(), made.id());
        assert!(matches!(create(&path), Err(KeyError::Exists(_))));
    }

    #[test]
    fn missing_malformed_and_readable_files_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        assert!(matches!(read(&path), Err(KeyError::Missing(_))));
        create(&path).expect("made");
        let mut text = fs::read(&path).expect("read");
        text[20] ^= 1;
        fs::write(&path, &text).expect("written");
        assert!(matches!(read(&path), Err(KeyError::Malformed(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).expect("chmod");
        assert!(matches!(read(&path), Err(KeyError::NotPrivate(_))));
    }

    #[test]
    fn a_mounted_secret_is_read_through_its_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("..2026_11_21");
        fs::create_dir(&target).expect("made");
        let made = create(&target.join("master.key")).expect("made");
        // As Kubernetes mounts it: name → ..data/name → ..2026_11_21/name.
        let link = |from: &str, to: &str| {
            std::os::unix::fs::symlink(from, folder.path().join(to)).expect("linked");
        };
        link("..2026_11_21", "..data");
        link("..data/master.key", "master.key");
        let path = folder.path().join("master.key");
        assert_eq!(read(&path).expect("read").id(), made.id());
        // The target is judged, not the link, whose own mode says nothing.
        fs::set_permissions(target.join("master.key"), fs::Permissions::from_mode(0o644))
            .expect("chmod");
        assert!(matches!(read(&path), Err(KeyError::NotPrivate(_))));
    }
}
