//! The life of one server: a folder, a watchdog, a port of its own; started, stopped,
//! paused, and gone with its owner. What it is a server of is its caller's matter.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::User;

use super::folder::{make_folder, unprivileged_user};
use super::login::LoginOutcome;
use super::watchdog::{Program, Watchdog};
use super::{SandboxError, processes, random_hex};

/// Below the range from which Linux and macOS take ports for outgoing connections.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

/// Two sandboxes may choose the same free port at the same moment; a third attempt
/// that meets a third neighbour is unlikely enough.
const PORT_ATTEMPTS: u32 = 5;

/// How much of a log an error shows.
const LOG_TAIL_LINES: usize = 20;

/// A login as the superuser to the server on a port; it is what shows that a server is ready.
pub(super) type TryLogin<'a> = &'a dyn Fn(u16) -> LoginOutcome;

/// A folder with its watchdog, before there is a server. Dropping it removes the folder.
pub(super) struct Prepared {
    pub(super) folder: PathBuf,
    /// Who runs the server, where the program itself runs as root.
    pub(super) user: Option<User>,
    watchdog: Watchdog,
}

/// Makes a folder below `parent` and starts its watchdog, for the program that `program`
/// describes once the folder is known.
pub(super) fn prepare(
    parent: &Path,
    program: impl FnOnce(&Path) -> Program,
) -> Result<Prepared, SandboxError> {
    let user = unprivileged_user()?;
    let folder = make_folder(parent, user.as_ref())?;
    let watchdog =
        Watchdog::start(&program(&folder), &folder, user.as_ref()).inspect_err(|_| {
            // Only from its start on does the watchdog answer for the folder; a folder
            // that stays behind here is empty, and the first error is the one to show.
            let _ = fs::remove_dir(&folder);
        })?;
    Ok(Prepared {
        folder,
        user,
        watchdog,
    })
}

impl Prepared {
    /// Makes the data folder.
    pub(super) fn initialise(&mut self) -> Result<(), SandboxError> {
        if self.watchdog.initialise()? {
            Ok(())
        } else {
            let what = "the server's data could not be made".to_owned();
            Err(server_error(what, &self.folder))
        }
    }

    /// Starts the server on a port that nobody else takes at the same moment; answers when
    /// it accepts logins.
    pub(super) fn start(
        mut self,
        time_limit: Duration,
        try_login: TryLogin<'_>,
    ) -> Result<Lifecycle, SandboxError> {
        let first_attempt = u32::from_str_radix(&random_hex(2)?, 16).unwrap_or_default();
        let mut attempt = 0;
        loop {
            let port = free_port(first_attempt + attempt * 97)?;
            let started = start_and_wait(
                &mut self.watchdog,
                port,
                &self.folder,
                time_limit,
                try_login,
            );
            match started {
                Ok(process) => {
                    return Ok(Lifecycle {
                        state: Mutex::new(State {
                            watchdog: self.watchdog,
                            process: Some(process),
                        }),
                        port,
                        folder: self.folder,
                        time_limit,
                    });
                }
                Err(SandboxError::Server { log, .. })
                    if attempt + 1 < PORT_ATTEMPTS && log.contains("Address already in use") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A server that was started once. Dropping it ends the server, removes its folder and
/// waits until both are gone; a program that is killed has the same done by the watchdog.
pub(super) struct Lifecycle {
    state: Mutex<State>,
    port: u16,
    folder: PathBuf,
    time_limit: Duration,
}

/// What changes while the server lives.
struct State {
    watchdog: Watchdog,
    /// The server's process, while it runs.
    process: Option<i32>,
}

impl Lifecycle {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// The process id of the running server.
    pub(super) fn process(&self) -> Option<i32> {
        self.state().process
    }

    /// What the server has logged so far.
    pub(super) fn log(&self) -> String {
        read_log(&self.folder, "server.log")
    }

    /// Ends the server at once, as if it had crashed, and answers when it is gone.
    pub(super) fn stop(&self) -> Result<(), SandboxError> {
        let mut state = self.state();
        if let Some(process) = state.process.take() {
            // A paused server would end only after its own time limit.
            processes::signal_family(process, Signal::SIGCONT)?;
            state.watchdog.stop_server()?;
        }
        Ok(())
    }

    /// Starts a stopped server on the same port; answers when it accepts logins.
    pub(super) fn start_again(&self, try_login: TryLogin<'_>) -> Result<(), SandboxError> {
        let mut state = self.state();
        if state.process.is_none() {
            let process = start_and_wait(
                &mut state.watchdog,
                self.port,
                &self.folder,
                self.time_limit,
                try_login,
            )?;
            state.process = Some(process);
        }
        Ok(())
    }

    /// Stops every process of the server for a while.
    pub(super) fn pause(&self) -> Result<(), SandboxError> {
        let process = self.process().ok_or(SandboxError::Stopped)?;
        processes::signal_family(process, Signal::SIGSTOP)
    }

    /// Lets a paused server go on.
    pub(super) fn resume(&self) -> Result<(), SandboxError> {
        let process = self.process().ok_or(SandboxError::Stopped)?;
        processes::signal_family(process, Signal::SIGCONT)
    }

    /// A panic elsewhere leaves nothing half-done here, so a poisoned lock still serves.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "a sandbox's server could not be stopped in order");
        }
        // The watchdog's own drop removes the folder and waits until it is gone.
    }
}

/// What a server has written into `name` in its folder.
pub(super) fn read_log(folder: &Path, name: &str) -> String {
    match fs::read(folder.join(name)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(no log: {error})"),
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

/// Starts the server and tries to log in until that works, the server has ended, or the
/// time is over.
fn start_and_wait(
    watchdog: &mut Watchdog,
    port: u16,
    folder: &Path,
    time_limit: Duration,
    try_login: TryLogin<'_>,
) -> Result<i32, SandboxError> {
    let process = watchdog.start_server(port)?;
    let deadline = Instant::now() + time_limit;
    loop {
        let outcome = try_login(port);
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
    let log = read_log(folder, "server.log");
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
    SandboxError::Server {
        what,
        log: tail.join("\n"),
    }
}
