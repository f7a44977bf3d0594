//! The processes of a server: who they are, and stopping them for a while.

use std::fs;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::SandboxError;

/// Sends `signal` to `parent` and to its children. The parent comes first, so that no
/// new child is missed when the signal stops processes.
pub(super) fn signal_family(parent: i32, signal: Signal) -> Result<(), SandboxError> {
    send(parent, signal)?;
    for child in children(parent)? {
        send(child, signal)?;
    }
    Ok(())
}

/// A process that is already gone has no need of a signal.
fn send(process: i32, signal: Signal) -> Result<(), SandboxError> {
    match kill(Pid::from_raw(process), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(SandboxError::Io {
            action: "send a signal to the server",
            source: errno.into(),
        }),
    }
}

/// A server's processes put themselves into sessions of their own, so that only the
/// process table knows whose children they are.
fn children(parent: i32) -> Result<Vec<i32>, SandboxError> {
    let pairs = if cfg!(target_os = "linux") {
        process_table_of_linux()?
    } else {
        process_table_by_ps()?
    };
    Ok(pairs
        .into_iter()
        .filter(|(_, its_parent)| *its_parent == parent)
        .map(|(process, _)| process)
        .collect())
}

/// Pairs of process and parent from `/proc`; `ps` is often missing in containers.
fn process_table_of_linux() -> Result<Vec<(i32, i32)>, SandboxError> {
    let entries = fs::read_dir("/proc").map_err(SandboxError::io("read the process table"))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| {
            let process: i32 = entry.file_name().to_str()?.parse().ok()?;
            // A process may end while the table is read: it is then left out.
            let line = fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((process, parent_in_stat(&line)?))
        })
        .collect())
}

/// `pid (name) state parent …`; the name may hold blanks and parentheses itself.
fn parent_in_stat(line: &str) -> Option<i32> {
    let (_, after_name) = line.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn process_table_by_ps() -> Result<Vec<(i32, i32)>, SandboxError> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .output()
        .map_err(SandboxError::io("read the process table with ps"))?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_disturb_the_reading_of_its_parent() {
        assert_eq!(parent_in_stat("12 (sh) S 7 12 12"), Some(7));
        assert_eq!(parent_in_stat("12 (a) R 9 (b) S 7 12"), Some(7));
        assert_eq!(parent_in_stat("12 (sh"), None);
    }

    #[test]
    fn a_child_of_this_program_is_found() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read line"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("starts a shell");
        let own = i32::try_from(std::process::id()).expect("a process id fits");
        let expected = i32::try_from(child.id()).expect("a process id fits");
        let found = children(own).expect("reads the process table");
        drop(child.stdin.take());
        child.wait().expect("ends");
        assert!(found.contains(&expected), "{expected} is not in {found:?}");
    }
}
