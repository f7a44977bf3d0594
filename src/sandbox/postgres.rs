//! A real PostgreSQL server on loopback that lives no longer than the program.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::cluster::{configure, make_folder, unprivileged_user, write_files};
use super::login::{Door, LoginOutcome, Row, Superuser};
use super::watchdog::Watchdog;
use super::{Authority, PostgresBinaries, SandboxError, processes, random_hex};
use crate::secret::Secret;

mod standby;

/// Below the range from which Linux and macOS take ports for outgoing connections.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

/// Two sandboxes may choose the same free port at the same moment; a third attempt
/// that meets a third neighbour is unlikely enough.
const PORT_ATTEMPTS: u32 = 5;

/// How much of a log an error shows.
const LOG_TAIL_LINES: usize = 20;

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
    state: Mutex<State>,
    binaries: PostgresBinaries,
    port: u16,
    folder: PathBuf,
    /// Kept for the certificates of standbys, which share it.
    authority: Arc<Authority>,
    authority_pem: String,
    superuser: Superuser,
    door: Door,
    time_limit: Duration,
}

/// What changes while the server lives.
struct State {
    watchdog: Watchdog,
    /// The server's process, while it runs.
    process: Option<i32>,
}

impl PostgresServer {
    /// Makes a new cluster and starts it; answers when the superuser can log in.
    ///
    /// # Errors
    /// [`SandboxError`]; when the server itself fails, with the end of its log.
    pub fn start(options: &PostgresOptions) -> Result<Self, SandboxError> {
        let binaries = PostgresBinaries::find(options.binaries.as_deref())?;
        let user = unprivileged_user()?;
        let folder = make_folder(&options.parent_folder, user.as_ref())?;
        let mut watchdog =
            Watchdog::start(&binaries, &folder, user.as_ref()).inspect_err(|_| {
                // Only from its start on does the watchdog answer for the folder; a folder
                // that stays behind here is empty, and the first error is the one to show.
                let _ = fs::remove_dir(&folder);
            })?;
        let authority = Arc::new(Authority::new("handover sandbox authority")?);
        let authority_pem = authority.pem();
        let superuser = Superuser {
            name: "postgres".to_owned(),
            password: Secret::new(format!("sandbox-test-{}", random_hex(12)?)),
        };
        write_files(
            &folder,
            user.as_ref(),
            &authority,
            ("password", superuser.password.expose()),
        )?;
        if !watchdog.initialise()? {
            return Err(server_error("initdb failed".to_owned(), &folder));
        }
        configure(&folder, options)?;
        let (port, door, process) = start_on_free_port(
            &mut watchdog,
            &authority_pem,
            &superuser,
            &folder,
            options.time_limit,
        )?;
        Ok(Self {
            state: Mutex::new(State {
                watchdog,
                process: Some(process),
            }),
            binaries,
            port,
            folder,
            authority,
            authority_pem,
            superuser,
            door,
            time_limit: options.time_limit,
        })
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
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
        self.folder.join("ca.crt")
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
        self.state().process
    }

    /// The folder that is removed in the end; it holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cluster's data folder.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn server_log(&self) -> String {
        read_log(&self.folder)
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
        let mut state = self.state();
        if let Some(process) = state.process.take() {
            // A paused server would end only after its own time limit.
            processes::signal_family(process, Signal::SIGCONT)?;
            state.watchdog.stop_server()?;
        }
        Ok(())
    }

    /// Starts a stopped server on the same port; answers when it accepts logins.
    ///
    /// # Errors
    /// [`SandboxError::Server`] with the end of its log.
    pub fn start_again(&self) -> Result<(), SandboxError> {
        let mut state = self.state();
        if state.process.is_none() {
            let process = start_and_wait(
                &mut state.watchdog,
                self.port,
                &self.door,
                &self.superuser,
                &self.folder,
                self.time_limit,
            )?;
            state.process = Some(process);
        }
        Ok(())
    }

    /// Stops every process of the server for a while: connections stay open and nothing
    /// answers, as on a host that hangs.
    ///
    /// # Errors
    /// [`SandboxError::Stopped`] when it does not run.
    pub fn pause(&self) -> Result<(), SandboxError> {
        let process = self.state().process.ok_or(SandboxError::Stopped)?;
        processes::signal_family(process, Signal::SIGSTOP)
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    /// [`SandboxError::Stopped`] when it does not run.
    pub fn resume(&self) -> Result<(), SandboxError> {
        let process = self.state().process.ok_or(SandboxError::Stopped)?;
        processes::signal_family(process, Signal::SIGCONT)
    }

    /// A panic elsewhere leaves nothing half-done here, so a poisoned lock still serves.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "a sandbox's server could not be stopped in order");
        }
        // The watchdog's own drop removes the folder and waits until it is gone.
    }
}

/// A port that is free now. Who comes too late tries the next one.
fn free_port(start: u32) -> Result<u16, SandboxError> {
    let width = u32::from(LAST_PORT - FIRST_PORT) + 1;
    (0..width)
        .filter_map(|step| u16::try_from((start + step) % width).ok())
        .map(|offset| FIRST_PORT + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(SandboxError::NoFreePort {
            first: FIRST_PORT,
            last: LAST_PORT,
        })
}

/// Starts the server on a port that nobody else takes at the same moment; answers the
/// port, the way in and the process.
fn start_on_free_port(
    watchdog: &mut Watchdog,
    authority_pem: &str,
    superuser: &Superuser,
    folder: &Path,
    time_limit: Duration,
) -> Result<(u16, Door, i32), SandboxError> {
    let first_attempt = u32::from_str_radix(&random_hex(2)?, 16).unwrap_or_default();
    let mut attempt = 0;
    loop {
        let port = free_port(first_attempt + attempt * 97)?;
        let door = Door::new(port, authority_pem);
        match start_and_wait(watchdog, port, &door, superuser, folder, time_limit) {
            Ok(process) => return Ok((port, door, process)),
            Err(SandboxError::Server { log, .. })
                if attempt + 1 < PORT_ATTEMPTS && log.contains("Address already in use") =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Starts the server and tries to log in until that works, the server has ended, or the
/// time is over.
fn start_and_wait(
    watchdog: &mut Watchdog,
    port: u16,
    door: &Door,
    superuser: &Superuser,
    folder: &Path,
    time_limit: Duration,
) -> Result<i32, SandboxError> {
    let process = watchdog.start_server(port)?;
    let deadline = Instant::now() + time_limit;
    loop {
        let outcome = door.login_blocking(&superuser.name, &superuser.password, "postgres");
        if outcome.is_accepted() {
            return Ok(process);
        }
        if !watchdog.server_is_running()? {
            return Err(server_error("the server ended at once".to_owned(), folder));
        }
        if Instant::now() >= deadline {
            let what = format!("the server was not ready after {time_limit:?} ({outcome:?})");
            // The log is read before the server is ended, so that it shows the cause.
            let error = server_error(what, folder);
            watchdog.stop_server()?;
            return Err(error);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn server_error(what: String, folder: &Path) -> SandboxError {
    let log = read_log(folder);
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
    SandboxError::Server {
        what,
        log: tail.join("\n"),
    }
}

fn read_log(folder: &Path) -> String {
    match fs::read(folder.join("server.log")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(no log: {error})"),
    }
}
