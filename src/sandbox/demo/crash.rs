//! A rotation that really crashed: this very program, killed between S3 and S5.
//!
//! The settings want the new user to read a table before it is promoted. The demo holds
//! that table locked, so that the rotation sets the password, has it confirmed, and then
//! waits; the journal says when it stands there, and it is killed. No time is guessed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::super::SandboxError;
use super::fixtures::Application;
use super::keeper::Keeper;
use super::server::Server;
use super::{broken, environment, environment_name, rotated_path};
use crate::operations::{Failure, Workspace};
use crate::rotation::Event;
use crate::store::{StoreError, environments, journal};

/// Far more than a rotation takes; the statement that waits for the table gives up
/// after ten seconds anyway.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// The settings' time-out ends the wait for the table; a machine that was that slow is
/// given another chance.
const ATTEMPTS: u32 = 3;

/// Leaves the rotation of `application` crashed after S3 and before S5.
pub(super) async fn crash(
    workspace: &Workspace,
    server: &Server,
    keeper: &mut Keeper,
    application: &Application,
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let stands = attempt(workspace, server, keeper, application).await?;
        if stands {
            return Ok(());
        }
    }
    Err(broken(format!(
        "the rotation of {} could not be stopped between S3 and S5",
        environment_name(application.name)
    )))
}

async fn attempt(
    workspace: &Workspace,
    server: &Server,
    keeper: &mut Keeper,
    application: &Application,
) -> Result<bool, Failure> {
    let held = server.hold(application.name).await?;
    let mut child = rotate(workspace.store.folder(), application)?;
    keeper.watch(child.id())?;
    let begun = Instant::now();
    while !stands_after_apply(workspace, application).await? {
        let ended = child
            .try_wait()
            .map_err(SandboxError::io("look after the rotation"))?;
        if ended.is_some() || begun.elapsed() >= TIME_LIMIT {
            break;
        }
        sleep(POLL).await;
    }
    child
        .kill()
        .await
        .map_err(SandboxError::io("kill the rotation"))?;
    keeper.watch(None)?;
    held.release_without_rotation(application.name).await?;
    stands_after_apply(workspace, application).await
}

/// The ordinary command, as an operator would have typed it.
fn rotate(store: &Path, application: &Application) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(SandboxError::io("find this program"))?;
    let name = environment_name(application.name);
    let child = Command::new(program)
        .arg("--store")
        .arg(store)
        .args(["rotate", &name, "--yes", "--confirm", &name])
        .args(["--reason", "quarterly rotation"])
        .env_clear()
        .env("HOME", store)
        // A kill may leave there what it makes for a moment; it goes with the store.
        .env("TMPDIR", store)
        .current_dir(store)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(SandboxError::io("start a rotation"))?;
    Ok(child)
}

/// Whether the journal's last word is that the server confirmed the new password.
async fn stands_after_apply(
    workspace: &Workspace,
    application: &Application,
) -> Result<bool, Failure> {
    let name = environment(application.name)?;
    let path = rotated_path()?.to_string();
    let stands = workspace
        .store
        .read(move |transaction| {
            let Some(row) = environments::find(transaction, &name)? else {
                return Ok(false);
            };
            let Some(rotation) = journal::find_open(transaction, &row.id)? else {
                return Ok(false);
            };
            let lines = journal::lines(transaction, rotation)?;
            let last = lines
                .iter()
                .rfind(|line| line.path.as_deref() == Some(path.as_str()));
            Ok::<_, StoreError>(
                last.is_some_and(|line| matches!(line.event, Event::ApplyConfirmed { .. })),
            )
        })
        .await?;
    Ok(stands)
}
