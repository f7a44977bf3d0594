//! The demo's private folder, and the process that removes it when the program is gone.
//!
//! As root the server's watchdog runs as an unprivileged user and could not remove the
//! store, which belongs to us. So the outer folder has a keeper of its own, which runs as
//! we do, waits until the server's watchdog has done its part, and removes the rest.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::super::folder::unprivileged_user;
use super::super::{SandboxError, random_hex};

const SCRIPT: &str = include_str!("keeper.sh");

/// The private folder. Dropping it removes it and waits until it is gone; the server in
/// it has to be dropped before.
pub(super) struct Keeper {
    folder: PathBuf,
    process: Child,
    orders: Option<ChildStdin>,
}

impl Keeper {
    /// Makes a private folder below `parent` and starts its keeper.
    pub(super) fn start(parent: &Path) -> Result<Self, SandboxError> {
        let folder = parent.join(format!("handover-demo-{}", random_hex(8)?));
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(SandboxError::io("make the demo's folder"))?;
        let started = let_server_user_pass(&folder).and_then(|()| start_keeper(&folder));
        let mut process = started.inspect_err(|_| {
            // Nobody else answers for the folder yet; it is empty.
            let _ = fs::remove_dir(&folder);
        })?;
        let orders = process.stdin.take();
        Ok(Self {
            folder,
            process,
            orders,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names the child process that must not outlive the program; `None` when there is
    /// none any more.
    pub(super) fn watch(&mut self, child: Option<u32>) -> Result<(), SandboxError> {
        let orders = self.orders.as_mut().ok_or(SandboxError::Stopped)?;
        let written = match child {
            Some(process) => writeln!(orders, "child {process}"),
            None => writeln!(orders, "child"),
        };
        written.map_err(SandboxError::io("give the demo's keeper an order"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Err(error) = self.process.wait() {
            tracing::warn!(%error, "could not wait for the demo's keeper");
        }
    }
}

/// As root, the user that runs the server may make its own folder in ours, and remove it
/// in the end; it may not list ours, nor touch what is not its own (the sticky bit), and
/// the store stays closed to it.
fn let_server_user_pass(folder: &Path) -> Result<(), SandboxError> {
    let Some(user) = unprivileged_user()? else {
        return Ok(());
    };
    chown(folder, None, Some(user.gid.as_raw()))
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o1730)))
        .map_err(SandboxError::io(
            "let the server's user into the demo's folder",
        ))
}

fn start_keeper(folder: &Path) -> Result<Child, SandboxError> {
    Command::new("/bin/sh")
        .arg("-c")
        .arg(SCRIPT)
        .arg("handover-demo-keeper")
        .arg(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        // Ctrl-C in the terminal ends the program; the keeper then does its work.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(SandboxError::io("start the demo's keeper (/bin/sh)"))
}
