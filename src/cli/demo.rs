//! `handover demo`.

use std::io::{self, IsTerminal};

use super::OpenConsole;
use super::arguments::DemoArguments;
use super::output::Printer;
use super::style::Role;
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
        postgres: arguments.postgres,
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

fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whoever asked for the preparation alone says by closing the pipe that it is over.
async fn wait_for_end_of_input() {
    let waiting = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    // An input that cannot be read has ended as well.
    let _ = waiting.await;
}
