//! A command that runs below us: its signals, its output, its files and its end.
//!
//! It is waited for by SIGCHLD and reaped by whoever signals it, so that no signal ever goes to
//! another process that got its number.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal as SystemSignal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::oneshot;

use super::random_bytes;
use super::redact::{Redactions, Redactor};
use super::signals::ignored_from_the_start;

/// How long output is waited for that a grandchild still holds open and says nothing on.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// What a command is.
pub struct CommandLine<'a> {
    /// The program and its arguments.
    pub words: &'a [OsString],
    /// Variables beside those that we have.
    pub variables: &'a [(&'a str, &'a str)],
    /// Its output goes where ours goes, unseen; else these are taken out of it.
    pub redactions: Option<&'a Redactions>,
}

/// A command that was started.
pub struct Running {
    child: Child,
    output: Vec<Output>,
}

/// A stream that is passed on.
struct Output {
    is_done: oneshot::Receiver<()>,
    /// Something was read that its reader has not taken yet.
    is_writing: Arc<AtomicBool>,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// The system's, for example that there is no such program.
    pub fn start(line: &CommandLine<'_>) -> io::Result<Self> {
        let (program, arguments) = line
            .words
            .split_first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(line.variables.iter().copied());
        if line.redactions.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let mut output = Vec::new();
        if let Some(redactions) = line.redactions {
            if let Some(pipe) = child.stdout.take() {
                output.push(pass_on(pipe, io::stdout(), redactions.stream()));
            }
            if let Some(pipe) = child.stderr.take() {
                output.push(pass_on(pipe, io::stderr(), redactions.stream()));
            }
        }
        Ok(Self { child, output })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system's.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal; one that has ended gets none.
    pub fn signal(&mut self, signal: SystemSignal) {
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Waits for the rest of its output: for as long as its reader takes to read it, or only for
    /// a moment.
    pub async fn drain(self, is_patient: bool) {
        for mut output in self.output {
            while tokio::time::timeout(LAST_OUTPUT, &mut output.is_done)
                .await
                .is_err()
                && is_patient
                && output.is_writing.load(Ordering::Relaxed)
            {}
        }
    }
}

/// As a shell tells it: 128 and the number of the signal that ended it.
#[must_use]
pub fn exit_code(status: ExitStatus) -> i32 {
    let by_signal = status.signal().map(|signal| 128 + signal);
    status.code().or(by_signal).unwrap_or(1)
}

/// Copies until the end, in a thread: a terminal that takes nothing must not hold up signals.
fn pass_on(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    mut redactor: Redactor,
) -> Output {
    let (done, is_done) = oneshot::channel();
    let is_writing = Arc::new(AtomicBool::new(false));
    let writing = Arc::clone(&is_writing);
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        let mut shown = Vec::new();
        loop {
            shown.clear();
            let count = match from.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            writing.store(true, Ordering::Relaxed);
            redactor.feed(&chunk[..count], &mut shown);
            // Where nobody reads any more, the command is told by its own pipe.
            if to.write_all(&shown).and_then(|()| to.flush()).is_err() {
                return;
            }
            writing.store(false, Ordering::Relaxed);
        }
        writing.store(true, Ordering::Relaxed);
        redactor.finish(&mut shown);
        let _ = to.write_all(&shown).and_then(|()| to.flush());
        let _ = done.send(());
    });
    Output {
        is_done,
        is_writing,
    }
}

/// Signals for the command, and the news that a child has ended.
pub struct Signals {
    streams: Vec<(SystemSignal, unix::Signal)>,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A child may have ended.
    Child,
    /// The terminal has sent it to the command as well.
    Interrupted,
    /// To be passed on.
    Signal(SystemSignal),
}

impl Signals {
    /// Listens from here on. What was ignored when we began stays ignored, by the command too. A
    /// terminal sends ctrl-c to the command itself, so that it is not passed on a second time.
    ///
    /// # Errors
    /// The system's.
    pub fn listen() -> io::Result<Self> {
        let ignored = ignored_from_the_start();
        let mut streams = Vec::new();
        for signal in [
            SystemSignal::SIGCHLD,
            SystemSignal::SIGTERM,
            SystemSignal::SIGHUP,
            SystemSignal::SIGINT,
            SystemSignal::SIGQUIT,
            SystemSignal::SIGUSR1,
            SystemSignal::SIGUSR2,
        ] {
            let number = signal as i32;
            if ignored & (1 << (number - 1)) == 0 {
                streams.push((signal, unix::signal(SignalKind::from_raw(number))?));
            }
        }
        Ok(Self { streams })
    }

    /// Waits for the next.
    pub async fn next(&mut self) -> News {
        let signal = std::future::poll_fn(|context| {
            for (signal, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*signal);
                }
            }
            std::task::Poll::Pending
        });
        match signal.await {
            SystemSignal::SIGCHLD => News::Child,
            SystemSignal::SIGINT | SystemSignal::SIGQUIT if io::stdin().is_terminal() => {
                News::Interrupted
            }
            signal => News::Signal(signal),
        }
    }
}

/// Files that only the command may read, in a folder that is removed with this.
pub struct PrivateFiles {
    folder: PathBuf,
}

impl PrivateFiles {
    /// Makes the folder, in `parent`.
    ///
    /// # Errors
    /// The system's.
    pub fn create(parent: &Path) -> io::Result<Self> {
        let name = format!("handover-run-{}", hex::encode(random_bytes::<12>()));
        let folder = parent.join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    /// Where the one of this name is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes one, in place of what it held before; whoever reads sees one or the other.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        let new = self.folder.join(format!(".{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        drop(file);
        fs::rename(&new, &path)?;
        Ok(path)
    }
}

impl Drop for PrivateFiles {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_go_with_their_folder() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().expect("makes a folder");
        let files = PrivateFiles::create(parent.path()).expect("makes a folder");
        let path = files.write("CA", "first-text").expect("writes");
        assert_eq!(files.write("CA", "second").expect("writes"), path);
        assert_eq!(fs::read_to_string(&path).expect("reads"), "second");
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode();
        assert_eq!(mode(&path) & 0o777, 0o600);
        assert_eq!(mode(&files.folder) & 0o777, 0o700);
        drop(files);
        assert_eq!(fs::read_dir(parent.path()).expect("is there").count(), 0);
    }

    #[test]
    fn the_end_is_told_as_a_shell_does() {
        assert_eq!(exit_code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }
}
