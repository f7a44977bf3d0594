//! The settings of a PostgreSQL cluster.

use std::fs;
use std::path::Path;

use super::super::folder::append;
use super::super::{PostgresOptions, SandboxError};

/// The server's configuration, below the sandbox's folder.
const FILE: &str = "data/postgresql.conf";

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

/// initdb has made the files; their owner stays who it is.
pub(super) fn configure(folder: &Path, options: &PostgresOptions) -> Result<(), SandboxError> {
    append(&folder.join(FILE), CONFIGURATION)?;
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
    append(&folder.join(FILE), &format!("\n{}\n", lines.join("\n")))
}
