//! `handover env run`: a command below us that is given an environment's values.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, MissedTickBehavior};

use super::arguments::{EnvRunArguments, OnChange};
use super::output::Printer;
use super::style::Role;
use crate::model::EnvironmentName;
use crate::operations::{ChangeWatch, Exit, Failure, Given, Workspace, read_given};
use crate::process::Redactions;
use crate::process::child::{CommandLine, News, PrivateFiles, Running, Signals, exit_code};
use crate::untrusted::Untrusted;

/// How often the store is asked whether anybody has written to it.
const LOOK: Duration = Duration::from_secs(1);

/// How long a command may take to end before it is started again.
const LONGEST_END: Duration = Duration::from_secs(30);

/// As a shell has them.
const NO_SUCH_PROGRAM: i32 = 127;
const CANNOT_START: i32 = 126;

/// Ends the process with the command's own exit code, which is none of ours.
pub(super) async fn run(
    workspace: Workspace,
    arguments: EnvRunArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let code = Run::begin(workspace, arguments, printer)
        .await?
        .until_it_ends()
        .await?;
    // Files, store and output are settled by now.
    std::process::exit(code)
}

/// A command and what it was given.
struct Run<'a> {
    workspace: Workspace,
    name: EnvironmentName,
    words: Vec<OsString>,
    on_change: OnChange,
    redactions: Option<Redactions>,
    watch: ChangeWatch,
    given: Given,
    files: Option<PrivateFiles>,
    signals: Signals,
    printer: &'a Printer,
}

impl<'a> Run<'a> {
    async fn begin(
        workspace: Workspace,
        arguments: EnvRunArguments,
        printer: &'a Printer,
    ) -> Result<Self, Failure> {
        let name = arguments.environment;
        let watch = ChangeWatch::begin(&workspace).await?;
        let given = read_given(&workspace, &name).await?;
        let mut run = Self {
            workspace,
            name,
            words: arguments.command,
            on_change: arguments.on_change,
            redactions: (!arguments.interactive).then(Redactions::default),
            watch,
            given,
            files: None,
            // Before the command starts, so that its end is not missed.
            signals: Signals::listen().map_err(|error| of_system("signals", &error))?,
            printer,
        };
        run.prepare()?;
        Ok(run)
    }

    /// Makes the given values ready: what is redacted, and the files.
    fn prepare(&mut self) -> Result<(), Failure> {
        for warning in &self.given.warnings {
            let word = self.printer.error_style.paint(Role::Warn, "warning:");
            self.printer
                .note(&format!("{word} {}", Untrusted::new(warning)));
        }
        if let Some(redactions) = &self.redactions {
            redactions.add(self.given.secrets.iter().map(|secret| secret.as_str()));
        }
        if self.given.files.is_empty() {
            return Ok(());
        }
        let files = match self.files.take() {
            Some(files) => files,
            None => {
                let parent = folder_for_files();
                PrivateFiles::create(&parent)
                    .map_err(|error| of_system(&parent.display().to_string(), &error))?
            }
        };
        for (name, text) in &self.given.files {
            files
                .write(name, text)
                .map_err(|error| of_system(name, &error))?;
        }
        self.files = Some(files);
        Ok(())
    }

    fn start(&self) -> Result<Running, i32> {
        let mut variables: Vec<(&str, String)> = Vec::new();
        if let Some(files) = &self.files {
            for (name, _) in &self.given.files {
                variables.push((name, files.path(name).display().to_string()));
            }
        }
        let texts = self.given.variables.iter();
        let texts = texts.map(|(name, text)| (name.as_str(), text.as_str()));
        let paths = variables.iter().map(|(name, path)| (*name, path.as_str()));
        let variables: Vec<(&str, &str)> = texts.chain(paths).collect();
        let started = Running::start(&CommandLine {
            words: &self.words,
            variables: &variables,
            redactions: self.redactions.as_ref(),
        });
        started.map_err(|error| {
            let program = self.words.first().map(|word| word.to_string_lossy());
            let program = program.unwrap_or_default();
            self.printer
                .note(&format!("{}: {error}", Untrusted::new(&program)));
            match error.kind() {
                io::ErrorKind::NotFound => NO_SUCH_PROGRAM,
                _ => CANNOT_START,
            }
        })
    }

    async fn until_it_ends(mut self) -> Result<i32, Failure> {
        let mut running = match self.start() {
            Ok(running) => running,
            Err(code) => return Ok(code),
        };
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // While it is to be started again: when it is ended by force.
        let mut ending: Option<Instant> = None;
        let mut is_asked_to_end = false;
        loop {
            let force = async move {
                match ending {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let is_watching = ending.is_none() && self.on_change != OnChange::Nothing;
            tokio::select! {
                news = self.signals.next() => match news {
                    News::Child => {}
                    News::Interrupted => is_asked_to_end = true,
                    News::Signal(signal) => {
                        is_asked_to_end |= match signal {
                            Signal::SIGUSR1 | Signal::SIGUSR2 => false,
                            // Many only read their files again; one that ends has ended anyway.
                            Signal::SIGHUP => ending.is_some(),
                            _ => true,
                        };
                        running.signal(signal);
                    }
                },
                () = force => {
                    running.signal(Signal::SIGKILL);
                    ending = Some(Instant::now() + LONGEST_END);
                }
                _ = looks.tick(), if is_watching => {
                    if self.take_change().await {
                        match self.on_change {
                            OnChange::Restart => {
                                self.tell("what it was given has changed: restarting");
                                running.signal(Signal::SIGTERM);
                                ending = Some(Instant::now() + LONGEST_END);
                            }
                            OnChange::Signal(signal) => {
                                self.tell("what it was given has changed: sending the signal");
                                running.signal(signal);
                            }
                            OnChange::Nothing => {}
                        }
                    }
                }
            }
            let ended = running
                .ended()
                .map_err(|error| of_system("the command", &error))?;
            let Some(status) = ended else {
                continue;
            };
            is_asked_to_end |= self.drain(running, !is_asked_to_end).await;
            // Whoever asked us to end, or ended by itself, is not started again.
            if ending.take().is_none() || is_asked_to_end {
                return Ok(exit_code(status));
            }
            running = match self.start() {
                Ok(running) => running,
                Err(code) => return Ok(code),
            };
        }
    }

    /// Passes the rest of the output on. Says whether somebody has asked us to end meanwhile,
    /// which a reader that takes nothing must not keep us from.
    async fn drain(&mut self, running: Running, is_patient: bool) -> bool {
        let draining = running.drain(is_patient);
        tokio::pin!(draining);
        loop {
            tokio::select! {
                () = &mut draining => return false,
                news = self.signals.next() => match news {
                    News::Child | News::Signal(Signal::SIGUSR1 | Signal::SIGUSR2) => {}
                    News::Interrupted | News::Signal(_) => return true,
                },
            }
        }
    }

    /// Whether the command is to be given something else, which is ready then. What cannot be
    /// read just now does not end a command that runs.
    async fn take_change(&mut self) -> bool {
        let changed = self
            .watch
            .changed(&mut self.workspace, &self.name, &self.given)
            .await;
        let prepared = match changed {
            Ok(None) => return false,
            Ok(Some(given)) => {
                self.given = given;
                self.prepare()
            }
            Err(failure) => Err(failure),
        };
        match prepared {
            Ok(()) => true,
            Err(failure) => {
                self.tell(&format!(
                    "{}; the command goes on with what it has",
                    failure.message
                ));
                false
            }
        }
    }

    fn tell(&self, words: &str) {
        self.printer
            .note(&format!("handover: {}: {words}", self.name));
    }
}

/// In memory where the system has such a folder for this user.
fn folder_for_files() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
    runtime.unwrap_or_else(std::env::temp_dir)
}

fn of_system(what: &str, error: &io::Error) -> Failure {
    Failure::new(
        "cannot-run",
        Exit::Error,
        format!("{what}: {error}"),
        "see what the system says, and try again",
    )
}
