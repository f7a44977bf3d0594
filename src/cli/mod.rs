//! The command line: arguments in, tables or JSON out, a truthful exit code.
//!
//! One file per command. This room prints and asks; it decides nothing and knows
//! nothing of the console. What people read goes to standard output, progress and
//! questions to standard error, and with `--output json` exactly one object a
//! hand-over or command goes to standard output, errors included.

mod abandon;
mod agent;
mod arguments;
mod ask;
mod audit;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod drain;
mod environment;
mod environment_edit;
mod environment_rollback;
mod environment_run;
mod failure;
mod key;
mod outbox;
mod output;
mod pages;
mod pause;
mod publish;
mod recover;
mod report;
mod retire;
mod retry;
mod rollback;
mod rotate;
mod rotation_report;
mod runbook;
mod schedule;
mod source;
mod status;
mod stopping;
mod store;
mod style;
mod table;
mod terminate;
mod times;
mod verify;
mod webhook;

use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use etcetera::BaseStrategy;

pub use arguments::Arguments;
pub use style::wants_colour;

use self::arguments::{
    AuditCommand, Command, EnvCommand, KeyCommand, OutboxCommand, ScheduleCommand, SettingsCommand,
    StoreCommand, WebhookCommand,
};
use self::outbox::Opened;
use self::output::Printer;
use crate::operations::{Exit, Failure, Workspace};
use crate::process::{KeyAccess, start_log};
use crate::store::{Access, Store};

/// The whole command line, for help pages and their tests.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Opens the console on a store, with words for its header. The binary hands it in, for
/// this room knows nothing of the console.
pub type OpenConsole =
    fn(Arc<Workspace>, Option<String>) -> Pin<Box<dyn Future<Output = Result<Exit, Failure>>>>;

/// Reads the arguments and does what they say.
pub async fn run(words: Vec<OsString>, open_console: OpenConsole) -> Exit {
    let json = asks_for_json(&words);
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error, json),
    };
    let printer = Printer::new(arguments.output);
    let opened = Opened::default();
    let done = carry_out(arguments, &printer, open_console, &opened).await;
    let exit = done.unwrap_or_else(|failure| failure::print(&printer, &failure));
    // After the answer: whoever waits for it does not wait for a receiver.
    opened.deliver(&printer).await;
    exit
}

async fn carry_out(
    arguments: Arguments,
    printer: &Printer,
    open_console: OpenConsole,
    opened: &Opened,
) -> Result<Exit, Failure> {
    #[cfg(feature = "sandbox")]
    if let Some(Command::Demo(demo)) = arguments.command {
        // It has a store and a log of its own; the operator's are left alone.
        return demo::run(demo, printer, open_console).await;
    }
    // Pages about the command line need no store.
    match &arguments.command {
        Some(Command::Completions(shell)) => return Ok(pages::completions(shell, printer)),
        Some(Command::Man(man)) => return pages::man(man, printer),
        _ => {}
    }
    let folder = store_folder(arguments.store)?;
    if Store::exists(&folder) {
        start_log(&folder);
    }
    let Some(command) = arguments.command else {
        let workspace = opened.open(&folder, &key_access(), Access::Write).await?;
        return open_console(Arc::new(workspace), None).await;
    };
    dispatch(command, folder, printer, opened).await
}

async fn dispatch(
    command: Command,
    folder: PathBuf,
    printer: &Printer,
    opened: &Opened,
) -> Result<Exit, Failure> {
    let keys = key_access();
    let open = async |access| opened.open(&folder, &keys, access).await;
    match command {
        Command::Key(KeyCommand::Init(source)) => key::init(&folder, source, &keys, printer).await,
        Command::Key(KeyCommand::Ls) => key::list(&folder, printer).await,
        Command::Key(KeyCommand::Rotate(source)) => {
            key::rotate(&open(Access::Write).await?, source, &keys, printer).await
        }
        Command::Store(StoreCommand::Backup(named)) => {
            store::back_up(&open(Access::Write).await?, &named, printer).await
        }
        Command::Store(StoreCommand::Restore(named)) => {
            store::restore(&folder, &named, &keys, printer).await
        }
        Command::Env(command) => match command {
            EnvCommand::Init(init) => {
                environment::init(&open(Access::Write).await?, init, printer).await
            }
            EnvCommand::Ls => environment::list(&open(Access::ReadIfNeedBe).await?, printer).await,
            EnvCommand::Get(get) => {
                environment::get(&open(Access::ReadIfNeedBe).await?, get, printer).await
            }
            EnvCommand::Open(named) => {
                environment::open(&open(Access::ReadIfNeedBe).await?, named, printer).await
            }
            EnvCommand::Run(arguments) => {
                let workspace = open(Access::ReadIfNeedBe).await?;
                environment_run::run(workspace, arguments, printer).await
            }
            EnvCommand::Set(set) => {
                // Whatever is wrong with the value is said before any key is asked for.
                let request = environment_edit::request(set)?;
                environment_edit::set(&open(Access::Write).await?, request, printer).await
            }
            EnvCommand::Rollback(arguments) => {
                let workspace = open(Access::Write).await?;
                environment_rollback::run(&workspace, arguments, printer).await
            }
            EnvCommand::Rm(named) => {
                environment_edit::remove(&open(Access::Write).await?, named, printer).await
            }
            EnvCommand::History(named) => {
                environment::history(&open(Access::ReadIfNeedBe).await?, named, printer).await
            }
            EnvCommand::Settings(SettingsCommand::Get(named)) => {
                environment::get_settings(&open(Access::ReadIfNeedBe).await?, named, printer).await
            }
            EnvCommand::Settings(SettingsCommand::Set(set)) => {
                environment::set_settings(&open(Access::Write).await?, set, printer).await
            }
        },
        Command::Rotate(arguments) => {
            let workspace = open(Access::Write).await;
            rotate::run(workspace, arguments, printer).await
        }
        Command::Retry(arguments) => {
            let workspace = open(Access::Write).await;
            retry::run(workspace, arguments, printer).await
        }
        Command::Abandon(arguments) => {
            let workspace = open(Access::Write).await;
            abandon::run(workspace, arguments, printer).await
        }
        Command::Recover(arguments) => {
            let workspace = open(Access::Write).await;
            recover::run(workspace, arguments, printer).await
        }
        Command::Rollback(arguments) => {
            let workspace = open(Access::Write).await;
            rollback::run(workspace, arguments, printer).await
        }
        Command::Publish(arguments) => {
            publish::run(&open(Access::Write).await?, arguments, printer).await
        }
        Command::Retire(arguments) => {
            retire::run(&open(Access::Write).await?, arguments, printer).await
        }
        Command::Terminate(arguments) => {
            terminate::run(&open(Access::Write).await?, arguments, printer).await
        }
        Command::Status(arguments) => {
            status::run(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Schedule(command) => match command {
            ScheduleCommand::Ls => {
                schedule::list(&open(Access::ReadIfNeedBe).await?, printer).await
            }
            ScheduleCommand::Show(named) => {
                schedule::show(&open(Access::ReadIfNeedBe).await?, named, printer).await
            }
            ScheduleCommand::Next(arguments) => {
                schedule::next(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
            }
            ScheduleCommand::Set(arguments) => {
                pause::set(&open(Access::Write).await?, arguments, printer).await
            }
            ScheduleCommand::Pause(arguments) => {
                pause::pause_one(&open(Access::Write).await?, arguments, printer).await
            }
            ScheduleCommand::Resume(arguments) => {
                pause::resume_one(&open(Access::Write).await?, arguments, printer).await
            }
        },
        Command::Pause(arguments) => {
            pause::pause(&open(Access::Write).await?, arguments, printer).await
        }
        Command::Resume(arguments) => {
            pause::resume(&open(Access::Write).await?, arguments, printer).await
        }
        Command::Drain(arguments) => {
            drain::run(open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Agent(arguments) => {
            agent::run(open(Access::Write).await?, &arguments, printer).await
        }
        Command::Doctor(arguments) => {
            let access = match arguments.accept_server {
                true => Access::Write,
                false => Access::ReadIfNeedBe,
            };
            doctor::run(&open(access).await?, arguments, printer).await
        }
        Command::Verify(arguments) => {
            verify::run(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Report(arguments) => {
            rotation_report::run(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Audit(AuditCommand::Ls(arguments)) => {
            audit::list(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Audit(AuditCommand::Verify) => {
            audit::verify(&open(Access::ReadIfNeedBe).await?, printer).await
        }
        Command::Outbox(OutboxCommand::Ls(arguments)) => {
            outbox::list(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Outbox(OutboxCommand::Retry(arguments)) => {
            outbox::retry(&open(Access::Write).await?, arguments, printer).await
        }
        Command::Webhook(WebhookCommand::Test(arguments)) => {
            webhook::test(&open(Access::ReadIfNeedBe).await?, arguments, printer).await
        }
        Command::Completions(_) | Command::Man(_) => unreachable!("they need no store"),
        #[cfg(feature = "sandbox")]
        Command::Demo(_) => unreachable!("the demo has a store of its own"),
    }
}

/// `--store`, else `HANDOVER_STORE` (both by the argument), else the XDG data folder.
fn store_folder(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return Ok(folder);
    }
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(
            "no-home",
            Exit::Error,
            format!("the data folder cannot be found: {error}"),
            "name the store's folder with --store",
        )
    })?;
    Ok(strategy.data_dir().join("handover"))
}

/// A passphrase is asked for where somebody sits; the question goes to standard error.
fn key_access() -> KeyAccess {
    let access = KeyAccess::from_environment();
    match ask::has_terminal() {
        true => access.with_prompt(Box::new(ask::passphrase)),
        false => access,
    }
}

/// A command line that cannot be parsed must still answer in the format it asks for.
fn asks_for_json(words: &[OsString]) -> bool {
    let followed = words
        .windows(2)
        .any(|pair| pair[0] == "--output" && pair[1] == "json");
    followed || words.iter().any(|word| word == "--output=json")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The help of every command, one below the other.
    #[test]
    fn the_help_is_as_it_was() {
        fn add(command: &mut clap::Command, text: &mut String) {
            let help = command.render_long_help().to_string();
            text.push_str(&format!("==== {}\n{help}\n", command.get_name()));
            for inner in command.get_subcommands_mut() {
                if !inner.is_hide_set() && inner.get_name() != "help" {
                    add(inner, text);
                }
            }
        }
        let mut text = String::new();
        // The store's folder may stand in the environment of whoever runs the tests.
        let mut command = command()
            .term_width(100)
            .mut_arg("store", |store| store.hide_env_values(true));
        add(&mut command, &mut text);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
