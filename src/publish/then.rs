//! What happens once a file stands: a signal to its reader, or a command.
//!
//! Neither gets a value of the environment: not as an argument, not as a variable. Whoever is
//! told reads the file.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::SinkFault;
use super::folder::Owner;
use crate::model::settings::publish::{Then, ThenSignal};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// How long a command may take.
const LONGEST: Duration = Duration::from_secs(30);
/// How long its output is still read once it has ended: it may have left somebody behind.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How much of its output is kept, and how much of that is shown.
const MOST_KEPT: usize = 64 * 1024;
const MOST_SHOWN: usize = 600;
/// More than a number and a line end.
const LONGEST_PIDFILE: u64 = 32;

/// What a command is given of our own environment: no word of the store or of a key.
const PASSED_ON: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// Tells whoever reads a file. `owner` is the file's; `hidden` are the values in it, which are
/// taken out of whatever a command says.
///
/// # Errors
/// Nobody was told, or nobody knows.
pub async fn announce(
    then: &Then,
    owner: Option<&str>,
    hidden: &[Secret],
) -> Result<(), SinkFault> {
    match then {
        Then::Signal { signal, pidfile } => send(*signal, Path::new(pidfile), owner),
        Then::Command(words) => run(words, hidden).await,
    }
}

fn send(signal: ThenSignal, pidfile: &Path, owner: Option<&str>) -> Result<(), SinkFault> {
    let pid = read_pid(pidfile, Owner::of(owner)?)?;
    let number = match signal {
        ThenSignal::Hup => Signal::SIGHUP,
        ThenSignal::Usr1 => Signal::SIGUSR1,
        ThenSignal::Usr2 => Signal::SIGUSR2,
        ThenSignal::Int => Signal::SIGINT,
        ThenSignal::Term => Signal::SIGTERM,
    };
    let shown = pidfile.display();
    kill(Pid::from_raw(pid), number).map_err(|errno| match errno {
        Errno::ESRCH => SinkFault::not_announced(
            format!("{shown} names process {pid}, and there is none"),
            "start the application, which reads the file then",
        ),
        Errno::EPERM => SinkFault::not_announced(
            format!("{shown} names process {pid}, and this user may send it no signal"),
            "run as root or as that process's user",
        ),
        errno => SinkFault::not_announced(
            format!("process {pid}: {}", errno.desc()),
            "see what the system names",
        ),
    })
}

/// The one number in a file that only root or the owner can have written.
fn read_pid(pidfile: &Path, owner: Owner) -> Result<i32, SinkFault> {
    let shown = pidfile.display();
    let remedy = "see that the application runs and writes its number there";
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(pidfile);
    let opened = opened.map_err(|error| {
        let words = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT) => "is not there".to_owned(),
            Some(Errno::ELOOP) => "is a symbolic link".to_owned(),
            Some(errno) => format!("cannot be read: {}", errno.desc()),
            None => "cannot be read".to_owned(),
        };
        SinkFault::not_announced(format!("the pid file {shown} {words}"), remedy)
    })?;
    let metadata = opened.metadata().map_err(|error| {
        SinkFault::not_announced(
            format!("the pid file {shown} cannot be read: {error}"),
            remedy,
        )
    })?;
    let uid = metadata.uid();
    if !metadata.is_file() || metadata.len() > LONGEST_PIDFILE {
        return Err(SinkFault::not_announced(
            format!("the pid file {shown} holds something else than one number"),
            remedy,
        ));
    }
    if uid != 0 && uid != owner.uid.as_raw() {
        return Err(SinkFault::not_announced(
            format!(
                "the pid file {shown} belongs to uid {uid}, and neither to root nor to the owner \
                 of the sink's file"
            ),
            "let root or the owner write it: whoever writes it chooses who gets the signal",
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(SinkFault::not_announced(
            format!(
                "others can write the pid file {shown} (mode {:04o})",
                metadata.mode() & 0o7777
            ),
            format!("chmod go-w {shown}"),
        ));
    }
    let text = std::io::read_to_string(opened).unwrap_or_default();
    let number = text.trim().parse::<i32>().ok().filter(|pid| *pid > 0);
    let is_ours = number == i32::try_from(std::process::id()).ok();
    number.filter(|_| !is_ours).ok_or_else(|| {
        SinkFault::not_announced(
            format!("the pid file {shown} holds something else than one number"),
            remedy,
        )
    })
}

async fn run(words: &[String], hidden: &[Secret]) -> Result<(), SinkFault> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let shown = Untrusted::new(program);
    let remedy = "see why by hand; the file stands, and the command is run again by the next \
                  delivery";
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        SinkFault::not_announced(
            format!("the command {shown} cannot be run: {error}"),
            "name a program that this user can run; there is no shell",
        )
    })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reading = tokio::spawn(async move { tokio::join!(kept(out), kept(err)) });
    let ended = timeout(LONGEST, child.wait()).await;
    if ended.is_err()
        && let Some(group) = group
    {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let abort = reading.abort_handle();
    let output = tokio::select! {
        read = reading => read.map(|(out, err)| [out, err].concat()).unwrap_or_default(),
        () = sleep(LAST_WORDS) => {
            abort.abort();
            Vec::new()
        }
    };
    let said = match cleaned(&output, hidden) {
        words if words.is_empty() => String::new(),
        words => format!("; it said: {words}"),
    };
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(SinkFault::not_announced(
            format!("the command {shown} failed ({status}){said}"),
            remedy,
        )),
        Ok(Err(error)) => Err(SinkFault::not_announced(
            format!("what became of the command {shown} is not known: {error}"),
            remedy,
        )),
        Err(_) => Err(SinkFault::not_announced(
            format!(
                "the command {shown} did not end within {} s and was killed{said}",
                LONGEST.as_secs()
            ),
            remedy,
        )),
    }
}

/// The beginning of what is said; all of it is read, so that nobody waits for a full pipe.
async fn kept(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else {
        return kept;
    };
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        let room = MOST_KEPT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&piece[..room]);
    }
    kept
}

/// Its words without the values of the file, short and safe to draw.
fn cleaned(output: &[u8], hidden: &[Secret]) -> String {
    let mut text = String::from_utf8_lossy(output).into_owned();
    for value in hidden.iter().filter(|value| !value.expose().is_empty()) {
        text = text.replace(value.expose(), "[secret]");
    }
    let shown: String = text.trim().chars().take(MOST_SHOWN).collect();
    Untrusted::new(&shown).as_str().to_owned()
}
