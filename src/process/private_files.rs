//! Folders and files that nobody else may read.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use zeroize::Zeroizing;

/// Why a folder or file is not private.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// Others may read or write it.
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    Readable {
        /// Which file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        wanted: u32,
    },
    /// It belongs to somebody else, who could change it at will.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    ForeignOwner {
        /// Which file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It is a file where a folder is needed, or the other way round.
    #[error("{} is not a {wanted}", path.display())]
    WrongKind {
        /// Which path.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// It cannot be looked at.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl PrivacyError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Readable { path, wanted, .. } => {
                format!("chmod {wanted:04o} {}", path.display())
            }
            Self::ForeignOwner { path, .. } => {
                format!("run as the owner, or chown {}", path.display())
            }
            Self::WrongKind { .. } | Self::Io { .. } => "name another path".to_owned(),
        }
    }
}

/// Makes the folder with mode 0700, parents included, unless it is there.
///
/// # Errors
/// See [`PrivacyError`]; a folder that others can read is refused, not mended.
pub fn create_private_folder(path: &Path) -> Result<(), PrivacyError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| io_error(path, source))?;
    check_private_folder(path)
}

/// Checks that only this user can look into the folder.
///
/// # Errors
/// See [`PrivacyError`].
pub fn check_private_folder(path: &Path) -> Result<(), PrivacyError> {
    let metadata = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if !metadata.is_dir() {
        return Err(PrivacyError::WrongKind {
            path: path.to_owned(),
            wanted: "folder",
        });
    }
    check_metadata(path, &metadata, 0o700)
}

/// Checks that only this user can read the file.
///
/// # Errors
/// See [`PrivacyError`].
pub fn check_private_file(path: &Path) -> Result<(), PrivacyError> {
    let metadata = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if !metadata.is_file() {
        return Err(PrivacyError::WrongKind {
            path: path.to_owned(),
            wanted: "file",
        });
    }
    check_metadata(path, &metadata, 0o600)
}

/// Reads a file that nobody else can read. Links are followed, as a mounted secret needs
/// it, and the file that was opened is judged.
///
/// # Errors
/// See [`PrivacyError`].
pub(super) fn read_private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivacyError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read_private_file_with(path, credentials.as_deref())
}

fn read_private_file_with(
    path: &Path,
    credentials: Option<&Path>,
) -> Result<Zeroizing<Vec<u8>>, PrivacyError> {
    let failed = |source| io_error(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(PrivacyError::WrongKind {
            path: path.to_owned(),
            wanted: "file",
        });
    }
    let is_credential = credentials.is_some_and(|folder| is_credential(path, &metadata, folder));
    if !is_credential {
        check_metadata(path, &metadata, 0o600)?;
    }
    let length = usize::try_from(metadata.len()).unwrap_or(0);
    // Read into one piece of memory: one that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    file.read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// A credential that systemd hands to a service belongs to root and shows group bits,
/// since an access list names the service's user. The folder keeps all others out.
fn is_credential(path: &Path, metadata: &fs::Metadata, folder: &Path) -> bool {
    let (Ok(path), Ok(folder)) = (fs::canonicalize(path), fs::canonicalize(folder)) else {
        return false;
    };
    let Ok(around) = fs::metadata(&folder) else {
        return false;
    };
    let is_kept =
        |metadata: &fs::Metadata| metadata.uid() == 0 && metadata.permissions().mode() & 0o027 == 0;
    path.starts_with(&folder) && is_kept(metadata) && is_kept(&around)
}

fn check_metadata(path: &Path, metadata: &fs::Metadata, wanted: u32) -> Result<(), PrivacyError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivacyError::Readable {
            path: path.to_owned(),
            mode,
            wanted,
        });
    }
    // A service manager may hand over a file that belongs to root; nobody else's is trusted.
    let owner = metadata.uid();
    if owner != geteuid().as_raw() && owner != 0 {
        return Err(PrivacyError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    Ok(())
}

fn io_error(path: &Path, source: io::Error) -> PrivacyError {
    PrivacyError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn a_folder_that_others_can_read_is_refused_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        set_mode(folder.path(), 0o750);
        let error = check_private_folder(folder.path()).expect_err("refused");
        assert!(error.to_string().contains("mode 0750"), "{error}");
        assert!(error.remedy().starts_with("chmod 0700 "));
        set_mode(folder.path(), 0o700);
        check_private_folder(folder.path()).expect("private now");
    }

    #[test]
    fn a_file_that_the_group_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        fs::write(&file, "x").expect("written");
        set_mode(&file, 0o640);
        assert!(check_private_file(&file).is_err());
        set_mode(&file, 0o400);
        check_private_file(&file).expect("private now");
        assert!(check_private_folder(&file).is_err());
    }

    /// Only root can show what root's files look like.
    #[test]
    fn a_credential_of_the_service_manager_may_show_group_bits() {
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        fs::write(&file, "x").expect("written");
        set_mode(&file, 0o440);
        set_mode(folder.path(), 0o550);
        let read = |credentials| read_private_file_with(&file, credentials).is_ok();
        assert!(read(Some(folder.path())));
        assert!(!read(None), "group bits outside of the folder");
        let other = tempfile::tempdir().expect("a folder");
        assert!(!read(Some(other.path())), "another folder");
        for mode in [0o444, 0o460, 0o420] {
            set_mode(&file, mode);
            assert!(!read(Some(folder.path())), "{mode:o}");
        }
        set_mode(&file, 0o440);
        set_mode(folder.path(), 0o555);
        assert!(!read(Some(folder.path())), "a folder that all may enter");
        set_mode(&file, 0o400);
        assert!(read(None), "private by itself");
        set_mode(folder.path(), 0o700);
    }
}
