//! A physical standby of a sandbox's server: a real one, that streams over TLS.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::unistd::User;

use super::super::folder::{give_to, write_files};
use super::super::lifecycle::prepare;
use super::super::login::block_on;
use super::configuration::append_configuration;
use super::{Door, PostgresServer, SandboxError, Superuser, program, try_superuser};

/// Folders whose content belongs to the running primary alone; PostgreSQL's manual names
/// them among what a copy leaves out.
const LEFT_EMPTY: [&str; 7] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
];

/// Files that speak of the primary's process.
const LEFT_OUT: [&str; 2] = ["postmaster.pid", "postmaster.opts"];

impl PostgresServer {
    /// Copies this server while it runs and starts the copy as its hot standby, which
    /// calls itself `name` to it and has a certificate of its own by the same authority.
    /// Answers when the standby accepts logins; it may then still be behind.
    ///
    /// `configuration` are lines for the standby's `postgresql.conf`. PostgreSQL 15 or
    /// newer is needed, and a rule of `pg_hba.conf` for the superuser's replication.
    ///
    /// # Errors
    /// [`SandboxError`]; when the standby itself fails, with the end of its log.
    pub fn start_standby(
        &self,
        name: &str,
        configuration: &[String],
    ) -> Result<Self, SandboxError> {
        let parent = self.folder().parent().unwrap_or(Path::new("/tmp"));
        let prepared = prepare(parent, |folder| program(&self.binaries, folder))?;
        let folder = prepared.folder.as_path();
        let superuser = Superuser {
            name: self.superuser.name.clone(),
            password: self.superuser.password.duplicate(),
        };
        let way = format!(
            "127.0.0.1:{}:*:{}:{}",
            self.port(),
            superuser.name,
            superuser.password.expose()
        );
        write_files(
            folder,
            prepared.user.as_ref(),
            &self.authority,
            &[("primary.pgpass", &way)],
        )?;
        self.copy_data(&folder.join("data"), prepared.user.as_ref())?;
        let primary = format!(
            "host=127.0.0.1 port={} user={} passfile={} sslmode=verify-full sslrootcert={} \
             application_name={}",
            self.port(),
            connection_value(&superuser.name),
            connection_value(&folder.join("primary.pgpass").display().to_string()),
            connection_value(&folder.join("ca.crt").display().to_string()),
            connection_value(name),
        );
        let mut lines = vec![format!(
            "primary_conninfo = {}",
            configuration_value(&primary)
        )];
        lines.extend_from_slice(configuration);
        append_configuration(folder, &lines)?;
        let lifecycle = prepared.start(self.lifecycle.time_limit(), &|port| {
            try_superuser(&Door::new(port, &self.authority_pem), &superuser)
        })?;
        Ok(Self {
            door: Door::new(lifecycle.port(), &self.authority_pem),
            lifecycle,
            binaries: self.binaries.clone(),
            authority: Arc::clone(&self.authority),
            authority_pem: self.authority_pem.clone(),
            superuser,
        })
    }

    /// A base backup by the server's own functions, since `pg_basebackup` is not part of
    /// every distribution of the server.
    fn copy_data(&self, to: &Path, user: Option<&User>) -> Result<(), SandboxError> {
        let label = block_on(async {
            let session = self
                .door
                .connect(&self.superuser.name, &self.superuser.password, "postgres")
                .await?;
            // The session that begins a backup has to be the one that ends it.
            session
                .query_typed("SELECT pg_backup_start('standby', true)", &[])
                .await?;
            copy_folder(&self.data_folder(), to, user)
                .map_err(SandboxError::io("copy the primary's data"))?;
            let row = session
                .query_one(
                    "SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)",
                    &[],
                )
                .await?;
            Ok::<String, SandboxError>(row.get(0))
        })?;
        for (name, text) in [("backup_label", label.as_str()), ("standby.signal", "")] {
            let path = to.join(name);
            fs::write(&path, text).map_err(SandboxError::io("write a file for the standby"))?;
            give_to(&path, user)?;
        }
        Ok(())
    }
}

/// Copies a data folder. What vanishes while it is copied is made good by the WAL.
fn copy_folder(from: &Path, to: &Path, user: Option<&User>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    give_to(to, user).map_err(io::Error::other)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = to.join(&name);
        let kind = entry.file_type()?;
        if kind.is_dir() && LEFT_EMPTY.iter().any(|left| name == *left) {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o700))?;
            give_to(&target, user).map_err(io::Error::other)?;
        } else if kind.is_dir() {
            copy_folder(&entry.path(), &target, user)?;
        } else if kind.is_file() && !LEFT_OUT.iter().any(|left| name == *left) {
            match fs::copy(entry.path(), &target) {
                Ok(_) => give_to(&target, user).map_err(io::Error::other)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// A value within a connection string.
fn connection_value(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A value within `postgresql.conf`.
fn configuration_value(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
