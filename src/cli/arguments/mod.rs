//! The arguments, as clap reads them.

mod agent;
mod applications;
mod hand_over;
mod notices;
mod overlap;
mod publish;
mod retire;
mod rollback;
mod schedules;

use std::path::PathBuf;

#[cfg(feature = "sandbox")]
use clap::ValueEnum;
use clap::{Args, Parser, Subcommand};

pub(super) use agent::AgentArguments;
pub(super) use applications::{
    EnvRollbackArguments, EnvRunArguments, OnChange, ReportArguments, ReportFormat, VerifyArguments,
};
pub(super) use hand_over::{AbandonArguments, RecoverArguments, RetryArguments, RotateArguments};
pub(super) use notices::{
    Meant, OutboxCommand, OutboxListArguments, OutboxRetryArguments, WebhookCommand,
    WebhookTestArguments,
};
pub(super) use overlap::DrainArguments;
pub(super) use publish::PublishArguments;
pub(super) use retire::{RetireArguments, TerminateArguments};
pub(super) use rollback::RollbackArguments;
pub(super) use schedules::{
    Agreed, PauseArguments, PauseWords, ResumeArguments, ScheduleCommand, ScheduleNextArguments,
    SchedulePauseArguments, ScheduleResumeArguments, ScheduleSetArguments, ScheduleShowArguments,
};

use super::output::Output;
use crate::document::PropertyPath;
use crate::model::EnvironmentName;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  error
  2  usage, also a path that matches nothing
  3  partial failure
  4  refused, nothing changed (gate, protection, lock, no terminal)
  5  needs a human, or the outcome in the database is unknown
  6  unreachable, nothing changed

Environment:
  HANDOVER_STORE                folder of the store, instead of --store
  HANDOVER_KEY_FILE             where the key file is now, instead of where its slot says
  HANDOVER_PASSPHRASE_FILE      a private file that holds the store's passphrase
  HANDOVER_NEW_PASSPHRASE_FILE  the same for the new passphrase of `key rotate`
  HANDOVER_LOG                  level of the log in the store's folder, for example debug
  NO_COLOR                      no colours when not empty";

/// Hands a database over from one credential to the next without dropping a connection.
#[derive(Debug, Parser)]
#[command(name = "handover", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Folder of the store; without it the XDG data folder
    #[arg(long, global = true, env = "HANDOVER_STORE", value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// How to answer: a table for people, or one JSON object
    #[arg(long, global = true, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub output: Output,

    /// Without a command the console opens
    #[command(subcommand)]
    pub(in crate::cli) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// The master key: make, list, replace
    #[command(subcommand)]
    Key(KeyCommand),
    /// Copies of the whole store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Environments: make, list, read, open, set, remove
    #[command(subcommand)]
    Env(EnvCommand),
    /// Give the idle user a new password and make it current
    Rotate(RotateArguments),
    /// Go on with a rotation that was killed, parked or refused half-way
    Recover(RecoverArguments),
    /// Bring the failed paths of a rotation to their end, with the same new passwords
    Retry(RetryArguments),
    /// Give a path of a rotation up, and record truthfully what the database accepts
    Abandon(AbandonArguments),
    /// Take a way back after a promote, or out of an outage
    Rollback(RollbackArguments),
    /// Give files the newest revision, and tell their readers
    Publish(PublishArguments),
    /// Shut the outgoing user out, step by step: lock it, listen, scramble its password
    Retire(RetireArguments),
    /// End one session of an outgoing user
    Terminate(TerminateArguments),
    /// What the store knows, without asking any database
    Status(StatusArguments),
    /// When environments are rotated by an agent: list, show, set, pause, resume
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Begin nothing by itself: of one environment, or of all
    Pause(PauseArguments),
    /// End a pause, or the freeze of all environments
    Resume(ResumeArguments),
    /// Who still uses the outgoing users, since when, and when they will be gone
    Drain(DrainArguments),
    /// Sample every open overlap until asked to stop
    Agent(AgentArguments),
    /// Look at everything that would refuse a rotation, or make one fail later
    Doctor(DoctorArguments),
    /// Log in with every stored credential, and compare with what the store expects
    Verify(VerifyArguments),
    /// All that the store knows of one rotation, for whoever has to show it to others
    Report(ReportArguments),
    /// The audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Notices to webhooks: which were delivered, which wait, and why
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// The webhooks of an environment
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Print the completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write one page per command into a folder
    Man(ManArguments),
    /// Open the console on a throw-away server, which leaves nothing behind
    #[cfg(feature = "sandbox")]
    Demo(DemoArguments),
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArguments {
    /// Which server to start
    #[arg(long, value_enum, default_value_t = DemoEngine::Postgres, value_name = "ENGINE")]
    pub(in crate::cli) engine: DemoEngine,
    /// Folder of the server's programs; without it PATH, the usual folders, and what `make
    /// servers` got
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) binaries: Option<PathBuf>,
    /// Open no console: print where everything is, and wait until standard input ends
    #[arg(long, hide = true)]
    pub(in crate::cli) prepare_only: bool,
}

/// The engines of the demo, as they are typed.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum DemoEngine {
    /// PostgreSQL
    Postgres,
    /// MySQL
    Mysql,
    /// MariaDB
    Mariadb,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeyCommand {
    /// Make a new master key, and the empty store that it belongs to
    Init(KeySourceArguments),
    /// List the key slots; this needs no key
    Ls,
    /// Replace the master key; all data keys are wrapped anew at once
    #[command(after_help = "The old key still opens older backups; keep it as long as these.")]
    Rotate(KeySourceArguments),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct KeySourceArguments {
    /// Write the key to this new file, which nobody else can read
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Keep the key in the system's keyring
    #[arg(long)]
    pub(in crate::cli) keyring: bool,
    /// Derive the key from a passphrase (HANDOVER_PASSPHRASE_FILE, or asked for)
    #[arg(long)]
    pub(in crate::cli) passphrase: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StoreCommand {
    /// Copy the store, while it is in use, into a new file; the same master key opens it
    Backup(StoreFileArguments),
    /// Make a backup the store of an empty or absent folder (--store)
    Restore(StoreFileArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StoreFileArguments {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EnvCommand {
    /// Make an environment from a file; plaintext secrets are sealed at once
    Init(EnvInitArguments),
    /// List all environments
    Ls,
    /// Show the definition with its comments; sealed values stay sealed
    Get(EnvGetArguments),
    /// Show the evaluated values, secrets included
    Open(EnvPathArguments),
    /// Run a command with the environment's variables and files, and restart it when they change
    Run(EnvRunArguments),
    /// Set one value, or add it; every other byte of the document stays
    Set(EnvSetArguments),
    /// Restore the document of an older revision; rotated secrets keep their state
    Rollback(EnvRollbackArguments),
    /// Remove an environment and destroy the key of its secrets
    Rm(EnvRemoveArguments),
    /// Show the revisions, newest first
    History(EnvNameArguments),
    /// What operates the environment and is not part of its document
    #[command(subcommand)]
    Settings(SettingsCommand),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EnvInitArguments {
    /// The new environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The document; `-` reads standard input. The file is not changed
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// The settings
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) settings: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EnvGetArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// Only this part, without `values.`
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: Option<PropertyPath>,
    /// Show the plaintext of sealed values; this is audited
    #[arg(long)]
    pub(in crate::cli) show_secrets: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EnvPathArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// Only this value, without `values.`
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: Option<PropertyPath>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover env set shop/orders pool.size 20
  handover env set shop/orders greeting 2.0 --string
  pass show smtp | handover env set shop/orders smtp.password --secret")]
pub(in crate::cli) struct EnvSetArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// Where, without `values.`
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: PropertyPath,
    /// A number, a boolean, null or a string, as YAML reads it
    #[arg(
        value_name = "VALUE",
        required_unless_present = "secret",
        conflicts_with = "secret",
        allow_negative_numbers = true
    )]
    pub(in crate::cli) value: Option<String>,
    /// Seal the value, which is read from standard input or asked for, never an argument
    #[arg(long)]
    pub(in crate::cli) secret: bool,
    /// Take VALUE as a string, whatever it looks like
    #[arg(long, conflicts_with = "secret")]
    pub(in crate::cli) string: bool,
    /// VALUE is no secret, though its key looks like one
    #[arg(long, conflicts_with = "secret")]
    pub(in crate::cli) plaintext: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EnvRemoveArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed when its users were handed over, or in production
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EnvNameArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SettingsCommand {
    /// Show the settings
    Get(EnvNameArguments),
    /// Replace the settings by a new revision
    Set(SettingsSetArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SettingsSetArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The settings; `-` reads standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover status
  handover status shop/orders --output json
  handover status --check

Exit codes of --check: 0 all is as it should be, 5 something is not; it is said what.")]
pub(in crate::cli) struct StatusArguments {
    /// The environment, as project/name; without it all
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// For monitors: say what is not as it should be, and end with 5 if anything is
    #[arg(long)]
    pub(in crate::cli) check: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "It changes nothing and takes no lock. It tries one wrong password as the idle user of
each rotated secret, which must be refused: one failed login.

With --accept-server it shows the recorded server and the one that answers now, asks for the
environment's name to be typed, and records what it has shown. No database is changed.

Examples:
  handover doctor shop/orders
  handover doctor shop/orders --accept-server
  handover doctor shop/orders --accept-server --confirm shop/orders --output json

Exit codes: 0 ok or warnings only, 4 a rotation would be refused, 5 what consumers read
does not log in, 6 unreachable."
)]
pub(in crate::cli) struct DoctorArguments {
    /// The environment, as project/name; without it all that have rotated secrets
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// Say that the server which answers now is the right one, though it is not the recorded one
    #[arg(long, requires = "environment")]
    pub(in crate::cli) accept_server: bool,
    /// The environment's name, typed; needed to accept a server where nobody can be asked
    #[arg(long, value_name = "NAME", requires = "accept_server")]
    pub(in crate::cli) confirm: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// List the newest entries
    Ls(AuditListArguments),
    /// Walk the whole chain and name the first entry that was changed
    Verify,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AuditListArguments {
    /// Only entries of this environment
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// How many of the newest entries
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    pub(in crate::cli) last: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  handover completions bash > /etc/bash_completion.d/handover")]
pub(in crate::cli) struct CompletionsArguments {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(in crate::cli) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ManArguments {
    /// Write one page per command into this folder
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) folder: Option<PathBuf>,
}
