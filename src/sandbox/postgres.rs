//! A real PostgreSQL server on loopback that lives no longer than the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::folder::write_files;
use super::lifecycle::{Lifecycle, prepare};
use super::login::{LoginOutcome, Row, Superuser};
use super::watchdog::Program;
use super::{Authority, PostgresBinaries, SandboxError, random_hex};
use crate::secret::Secret;

mod configuration;
mod door;
mod standby;

use configuration::configure;
pub use door::Door;

/// The macOS C library knows no `C.UTF-8`; plain `C` with UTF-8 encoding sorts the same.
const LOCALE: &str = if cfg!(target_os = "macos") {
    "C"
} else {
    "C.UTF-8"
};

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder of the programs; `None` searches, see [`PostgresBinaries::find`].
    pub binaries: Option<PathBuf>,
    /// Where the server's own folder is made. The user that runs the server must be
    /// able to reach it.
    pub parent_folder: PathBuf,
    /// Lines that are added to `postgresql.conf`; a later line wins over an earlier one.
    pub configuration: Vec<String>,
    /// The lines of `pg_hba.conf`.
    pub host_based_access: Vec<String>,
    /// How long the server may take to accept logins.
    pub time_limit: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            binaries: None,
            parent_folder: PathBuf::from("/tmp"),
            configuration: Vec::new(),
            host_based_access: vec![
                "hostssl all all 127.0.0.1/32 scram-sha-256".to_owned(),
                "hostssl replication all 127.0.0.1/32 scram-sha-256".to_owned(),
            ],
            time_limit: Duration::from_secs(60),
        }
    }
}

/// A running server. Dropping it ends the server, removes its folder and waits until
/// both are gone; a program that is killed has the same done by the watchdog.
pub struct PostgresServer {
    lifecycle: Lifecycle,
    binaries: PostgresBinaries,
    /// Kept for the certificates of standbys, which share it.
    authority: Arc<Authority>,
    authority_pem: String,
    superuser: Superuser,
    door: Door,
}

impl PostgresServer {
    /// Makes a new cluster and starts it; answers when the superuser can log in.
    ///
    /// # Errors
    /// [`SandboxError`]; when the server itself fails, with the end of its log.
    pub fn start(options: &PostgresOptions) -> Result<Self, SandboxError> {
        let binaries = PostgresBinaries::find(options.binaries.as_deref())?;
        let mut prepared = prepare(&options.parent_folder, |folder| program(&binaries, folder))?;
        let authority = Arc::new(Authority::new("handover sandbox authority")?);
        let superuser = Superuser {
            name: "postgres".to_owned(),
            password: Secret::new(format!("sandbox-test-{}", random_hex(12)?)),
        };
        write_files(
            &prepared.folder,
            prepared.user.as_ref(),
            &authority,
            &[("password", superuser.password.expose())],
        )?;
        prepared.initialise()?;
        configure(&prepared.folder, options)?;
        let authority_pem = authority.pem();
        let lifecycle = prepared.start(options.time_limit, &|port| {
            try_superuser(&Door::new(port, &authority_pem), &superuser)
        })?;
        Ok(Self {
            door: Door::new(lifecycle.port(), &authority_pem),
            lifecycle,
            binaries,
            authority,
            authority_pem,
            superuser,
        })
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.lifecycle.port()
    }

    /// The certificate of the authority that vouches for this server.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The same as a file. It lies in the server's folder, which only the user that runs
    /// the server and root may enter.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder().join("ca.crt")
    }

    /// The superuser's name and password.
    #[must_use]
    pub fn superuser(&self) -> &Superuser {
        &self.superuser
    }

    /// The way in, for logins as any role.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The process id of the running server.
    #[must_use]
    pub fn process(&self) -> Option<i32> {
        self.lifecycle.process()
    }

    /// The folder that is removed in the end; it holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.lifecycle.folder()
    }

    /// The cluster's data folder.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn server_log(&self) -> String {
        self.lifecycle.log()
    }

    /// Runs statements as the superuser over verified TLS and answers all their rows.
    /// It blocks; it may be called within a runtime, too.
    ///
    /// # Errors
    /// [`SandboxError::Statement`] with the server's answer.
    pub fn sql(&self, statements: &str) -> Result<Vec<Row>, SandboxError> {
        self.door.run_blocking(&self.superuser, statements)
    }

    /// Tries a login as `role` to the database `postgres`.
    #[must_use]
    pub fn login(&self, role: &str, password: &Secret) -> LoginOutcome {
        self.door.login_blocking(role, password, "postgres")
    }

    /// Ends the server at once, as if it had crashed, and answers when it is gone.
    ///
    /// # Errors
    /// [`SandboxError::Io`] when the watchdog does not answer.
    pub fn stop(&self) -> Result<(), SandboxError> {
        self.lifecycle.stop()
    }

    /// Starts a stopped server on the same port; answers when it accepts logins.
    ///
    /// # Errors
    /// [`SandboxError::Server`] with the end of its log.
    pub fn start_again(&self) -> Result<(), SandboxError> {
        self.lifecycle
            .start_again(&|_| try_superuser(&self.door, &self.superuser))
    }

    /// Stops every process of the server for a while: connections stay open and nothing
    /// answers, as on a host that hangs.
    ///
    /// # Errors
    /// [`SandboxError::Stopped`] when it does not run.
    pub fn pause(&self) -> Result<(), SandboxError> {
        self.lifecycle.pause()
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// [`SandboxError::Stopped`] when it does not run.
    pub fn resume(&self) -> Result<(), SandboxError> {
        self.lifecycle.resume()
    }
}

fn try_superuser(door: &Door, superuser: &Superuser) -> LoginOutcome {
    door.login_blocking(&superuser.name, &superuser.password, "postgres")
}

/// How the programs are called for the cluster in `folder`.
fn program(binaries: &PostgresBinaries, folder: &Path) -> Program {
    let data = folder.join("data");
    let password = folder.join("password");
    let mut initialise = vec![binaries.initdb.display().to_string()];
    initialise.extend(["-D".to_owned(), data.display().to_string()]);
    initialise.extend(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"].map(str::to_owned));
    initialise.push(format!("--pwfile={}", password.display()));
    initialise.extend([format!("--locale={LOCALE}"), "--no-sync".to_owned()]);
    Program {
        initialise,
        serve: vec![
            binaries.postgres.display().to_string(),
            "-D".to_owned(),
            data.display().to_string(),
        ],
        // The immediate shutdown, which also its children take.
        end_by: "QUIT",
    }
}
