//! The binary: hardens the process, prepares error reports, hands over to the
//! command line.

use std::io::IsTerminal;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use color_eyre::config::{HookBuilder, Theme};
use handover::cli;
use handover::console;
use handover::operations::{Exit, Failure, Workspace};

fn main() -> color_eyre::Result<ExitCode> {
    handover::process::harden();
    install_reports()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let exit = runtime.block_on(cli::run(std::env::args_os().collect(), open_console));
    // A name look-up that hangs in the system must not keep the program from ending.
    runtime.shutdown_background();
    Ok(ExitCode::from(exit as u8))
}

/// The command line and the console do not know each other; here they meet.
fn open_console(
    workspace: Arc<Workspace>,
    banner: Option<String>,
) -> Pin<Box<dyn Future<Output = Result<Exit, Failure>>>> {
    let options = console::Options {
        banner,
        mono: !cli::wants_colour(),
    };
    Box::pin(console::run(workspace, options))
}

/// Reports of faults that are ours; what operators did wrong is told by the command
/// line itself. The library colours even a pipe, so it is told not to.
fn install_reports() -> color_eyre::Result<()> {
    let theme = match std::io::stderr().is_terminal() && cli::wants_colour() {
        true => Theme::dark(),
        false => Theme::new(),
    };
    HookBuilder::new()
        .theme(theme)
        .panic_section("This is a fault of handover. An open rotation is kept: handover recover")
        .display_env_section(false)
        .install()
}
