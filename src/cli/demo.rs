//! `handover demo`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::OpenConsole;
use super::arguments::{DemoArguments, DemoEngine};
use super::output::Printer;
use super::style::Role;
use crate::model::Flavour;
use crate::operations::{Exit, Failure};
use crate::sandbox::{Demo, DemoOptions};

/// No signal is handled here on purpose: whatever ends the program while it prepares, the
/// watchdogs of the server and of the folder remove both. The console has its own ways.
pub(super) async fn run(
    arguments: DemoArguments,
    printer: &Printer,
    open_console: OpenConsole,
) -> Result<Exit, Failure> {
    if !arguments.prepare_only && !has_terminal() {
        return Err(Failure::new(
            "no-terminal",
            Exit::Refused,
            "the demo opens the console, and there is no terminal",
            "run it in a terminal: handover demo",
        ));
    }
    let options = DemoOptions {
        engine: match arguments.engine {
            DemoEngine::Postgres => Flavour::Postgresql,
            DemoEngine::Mysql => Flavour::Mysql,
            DemoEngine::Mariadb => Flavour::Mariadb,
        },
        binaries: arguments.binaries,
        cache: fetched_servers(),
    };
    let style = printer.error_style;
    let tell = |words: &str| {
        printer.note(&format!("{} {words}", style.paint(Role::Strong, "demo:")));
    };
    let demo = Demo::prepare(&options, &tell).await?;
    let ended = if arguments.prepare_only {
        printer.json(demo.place());
        wait_for_end_of_input().await;
        Ok(Exit::Done)
    } else {
        open_console(demo.workspace(), Some("demo: throw-away data".to_owned())).await
    };
    tell("removing everything");
    // Waits until the server has ended and the folder is gone.
    drop(demo);
    ended
}

/// Where tests/install-servers.sh keeps what it has fetched. A server that root starts runs
/// as another user, who may not look into root's home.
fn fetched_servers() -> Option<PathBuf> {
    let cache = match nix::unistd::geteuid().is_root() {
        true => PathBuf::from("/var/cache"),
        // Without a home there is nothing that was fetched into it.
        false => etcetera::choose_base_strategy().ok()?.cache_dir(),
    };
    Some(cache.join("handover-tests"))
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whoever asked for the preparation alone says by closing the pipe that it is over.
async fn wait_for_end_of_input() {
    let waiting = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    // An input that cannot be read has ended as well.
    let _ = waiting.await;
}
