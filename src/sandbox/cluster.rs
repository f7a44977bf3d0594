//! What a cluster consists of before its server starts: who runs it, its private folder,
//! its certificates and its configuration.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use super::{Authority, PostgresOptions, SandboxError, random_hex};

/// The server's own settings; durability is left out because the data is thrown away.
const CONFIGURATION: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = '../server.crt'
ssl_key_file = '../server.key'
password_encryption = 'scram-sha-256'
log_statement = 'all'
log_connections = on
log_disconnections = on
log_line_prefix = '%m [%p] user=%u app=%a '
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 300
shared_buffers = 64MB
";

/// PostgreSQL refuses to run as root; a plain user runs it directly.
pub(super) fn unprivileged_user() -> Result<Option<User>, SandboxError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
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

/// Everything the server needs beside its data folder, and one more file of secrets.
pub(super) fn write_files(
    folder: &Path,
    user: Option<&User>,
    authority: &Authority,
    (secret_name, secret): (&str, &str),
) -> Result<(), SandboxError> {
    let certificate = authority.issue()?;
    for (name, text) in [
        ("ca.crt", authority.pem().as_str()),
        ("server.crt", &certificate.certificate_pem),
        ("server.key", &certificate.key_pem),
        (secret_name, secret),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(SandboxError::io("write a file for the server"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(SandboxError::io("protect a file of the server"))?;
        give_to(&path, user)?;
    }
    Ok(())
}

/// initdb has made the files; their owner stays who it is.
pub(super) fn configure(folder: &Path, options: &PostgresOptions) -> Result<(), SandboxError> {
    append(folder, CONFIGURATION)?;
    append_configuration(folder, &options.configuration)?;
    let data = folder.join("data");
    let mut access = options.host_based_access.join("\n");
    access.push('\n');
    fs::write(data.join("pg_hba.conf"), access)
        .map_err(SandboxError::io("write the server's access rules"))?;
    fs::remove_file(folder.join("password")).map_err(SandboxError::io("remove the password file"))
}

/// Adds lines to `postgresql.conf`; a later line wins over an earlier one.
pub(super) fn append_configuration(folder: &Path, lines: &[String]) -> Result<(), SandboxError> {
    append(folder, &format!("\n{}\n", lines.join("\n")))
}

fn append(folder: &Path, text: &str) -> Result<(), SandboxError> {
    OpenOptions::new()
        .append(true)
        .open(folder.join("data/postgresql.conf"))
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(SandboxError::io("write the server's configuration"))
}
