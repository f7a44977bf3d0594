//! The process that owns a server, so that the server cannot outlive the program.
//!
//! The watchdog is a small shell script in a process group of its own: ctrl-C in the
//! terminal reaches the program and not the server. The server is the watchdog's child.
//! The program holds the only write end of the watchdog's standard input (it is closed
//! on exec, so no other child inherits it); when the program ends, for whatever reason,
//! the kernel closes that end, and the watchdog stops the server and removes its folder.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::unistd::User;

use super::SandboxError;

const SCRIPT: &str = include_str!("watchdog.sh");

/// How a server's programs are called.
pub(super) struct Program {
    /// The words of the command that makes the data folder.
    pub(super) initialise: Vec<String>,
    /// The words of the command that is the server; `--port=<number>` is added to them.
    pub(super) serve: Vec<String>,
    /// The name of the signal that ends the server at once, and whatever belongs to it.
    pub(super) end_by: &'static str,
}

/// A running watchdog. Dropping it ends the server and removes the folder, and waits
/// until both are gone.
pub(super) struct Watchdog {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Watchdog {
    /// Starts the watchdog of `folder`, as `user` when the program runs as root.
    pub(super) fn start(
        program: &Program,
        folder: &Path,
        user: Option<&User>,
    ) -> Result<Self, SandboxError> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg("handover-sandbox-watchdog")
            .arg(folder)
            .arg(program.end_by)
            .arg(shell_words(&program.initialise))
            .arg(shell_words(&program.serve))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            // The folder, and not root's home: a client library inside the server looks
            // there for certificates and gives up when it may not.
            .env("HOME", folder)
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(user) = user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut process = command
            .spawn()
            .map_err(SandboxError::io("start the watchdog (/bin/sh)"))?;
        let orders = process.stdin.take();
        let answers = process.stdout.take().expect("standard output is piped");
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers),
        })
    }

    /// Makes the data folder; says whether that worked.
    pub(super) fn initialise(&mut self) -> Result<bool, SandboxError> {
        Ok(self.ask("initialise")? == "initialised")
    }

    /// Starts the server on `port` and answers its process id. It is not ready yet.
    pub(super) fn start_server(&mut self, port: u16) -> Result<i32, SandboxError> {
        let answer = self.ask(&format!("start {port}"))?;
        answer.parse().map_err(|_| SandboxError::Io {
            action: "read the server's process id",
            source: io::Error::from(io::ErrorKind::InvalidData),
        })
    }

    /// Whether the server's process is still there.
    pub(super) fn server_is_running(&mut self) -> Result<bool, SandboxError> {
        Ok(self.ask("check")? == "running")
    }

    /// Ends the server at once and answers when it is gone; the folder stays.
    pub(super) fn stop_server(&mut self) -> Result<(), SandboxError> {
        self.ask("stop").map(drop)
    }

    fn ask(&mut self, order: &str) -> Result<String, SandboxError> {
        let orders = self.orders.as_mut().ok_or(SandboxError::Stopped)?;
        writeln!(orders, "{order}").map_err(SandboxError::io("give the watchdog an order"))?;
        let mut answer = String::new();
        let read = self
            .answers
            .read_line(&mut answer)
            .map_err(SandboxError::io("read the watchdog's answer"))?;
        if read == 0 {
            return Err(SandboxError::Io {
                action: "read the watchdog's answer",
                source: io::Error::from(io::ErrorKind::UnexpectedEof),
            });
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Err(error) = self.process.wait() {
            tracing::warn!(%error, "could not wait for the watchdog of a sandbox");
        }
    }
}

/// The words of a command as a shell reads them again, none of them looked into.
fn shell_words(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_of_a_command_as_they_are() {
        let words = ["printf", "%s|", "a b", "it's", "$HOME", "`x` \\ \"", ""];
        let words = words.map(str::to_owned);
        let output = Command::new("/bin/sh")
            .args(["-c", "eval \"exec $1\"", "sh", &shell_words(&words)])
            .output()
            .expect("runs a shell");
        let expected = "a b|it's|$HOME|`x` \\ \"||";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
