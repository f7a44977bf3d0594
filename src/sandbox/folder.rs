//! What every server needs before it starts: who runs it, its private folder, its
//! certificates.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use super::{Authority, SandboxError, random_hex};

/// The servers refuse to run as root, or warn of it; a plain user runs them directly.
pub(super) fn unprivileged_user() -> Result<Option<User>, SandboxError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    ["postgres", "mysql", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(Some)
        .ok_or(SandboxError::NoUnprivilegedUser)
}

pub(super) fn make_folder(parent: &Path, user: Option<&User>) -> Result<PathBuf, SandboxError> {
    let folder = parent.join(format!("handover-sandbox-{}", random_hex(8)?));
    DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(SandboxError::io("make a folder for the server"))?;
    give_to(&folder, user)?;
    Ok(folder)
}

pub(super) fn give_to(path: &Path, user: Option<&User>) -> Result<(), SandboxError> {
    match user {
        Some(user) => chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(SandboxError::io("give a file to the server's user")),
        None => Ok(()),
    }
}

/// The certificates of the server, and `more` files, each a name and its text. None but the
/// server's user may read them.
pub(super) fn write_files(
    folder: &Path,
    user: Option<&User>,
    authority: &Authority,
    more: &[(&str, &str)],
) -> Result<(), SandboxError> {
    let certificate = authority.issue()?;
    let authority_pem = authority.pem();
    let certificates = [
        ("ca.crt", authority_pem.as_str()),
        ("server.crt", &certificate.certificate_pem),
        ("server.key", &certificate.key_pem),
    ];
    for (name, text) in certificates.iter().chain(more) {
        let path = folder.join(name);
        fs::write(&path, text).map_err(SandboxError::io("write a file for the server"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(SandboxError::io("protect a file of the server"))?;
        give_to(&path, user)?;
    }
    Ok(())
}

/// Adds `text` to a file that is there, whose owner stays who it is.
pub(super) fn append(path: &Path, text: &str) -> Result<(), SandboxError> {
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(SandboxError::io("write the server's configuration"))
}
