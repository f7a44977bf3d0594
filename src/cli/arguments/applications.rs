//! Arguments of the commands that look after what applications read.

use std::ffi::OsString;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use nix::sys::signal::Signal;

use crate::model::{EnvironmentName, RotationId};

#[derive(Debug, Args)]
#[command(
    after_help = "It changes nothing and takes no lock. A user that was locked or scrambled is looked up and not
tried, since a login that it is refused counts as somebody who still tries. Where the server counts
wrong passwords, none is shown so often that consumers are shut out.

Examples:
  handover verify
  handover verify shop/orders shop/billing
  handover verify --output json

Exit codes for monitors: 0 all is as expected, 5 what consumers read is dead or something drifted,
6 a server does not answer, 1 a document cannot be used; the most serious wins."
)]
pub(in crate::cli) struct VerifyArguments {
    /// The environments, as project/name; without one all that have rotated secrets
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environments: Vec<EnvironmentName>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The older document becomes a new revision. The `state` of every rotated secret stays as it is
now, since the databases do not go back; so do the settings, unless --settings is given. To give
consumers the previous credential, this is not the command: see handover rotate and recover.

Examples:
  handover env rollback shop/orders 3 --plan
  handover env rollback shop/orders 3 --reason \"ticket 4711\"
  handover env rollback shop/orders 3 --settings --yes --confirm shop/orders --output json"
)]
pub(in crate::cli) struct EnvRollbackArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The revision whose document comes back, as `env history` lists it
    #[arg(value_name = "REVISION")]
    pub(in crate::cli) revision: u64,
    /// Its settings come back as well
    #[arg(long)]
    pub(in crate::cli) settings: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
    /// Why; it stands in the audit log and in the history
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Who agreed to what, each step with its time, what was proven and where, how it ended, and the
overlap that followed, with the proof that it drained. No database is asked, and no secret is in it.
What was observed of an overlap is kept until the one after the next begins.

Examples:
  handover report R-0142
  handover report 142 --format markdown > R-0142.md
  handover report R-0142 --output json"
)]
pub(in crate::cli) struct ReportArguments {
    /// The rotation, as R-0142 or 142
    #[arg(value_name = "ROTATION", value_parser = rotation)]
    pub(in crate::cli) rotation: RotationId,
    /// For people: text for a terminal, or a Markdown page; --output json comes before it
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, value_name = "FORMAT")]
    pub(in crate::cli) format: ReportFormat,
}

/// The forms of a report for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    /// For a terminal.
    Table,
    /// A Markdown page.
    Markdown,
}

fn rotation(text: &str) -> Result<RotationId, String> {
    let number = text.parse().map(RotationId).ok();
    let found = number.or_else(|| text.to_uppercase().parse().ok());
    found.ok_or_else(|| "write a rotation as R-0142 or 142".to_owned())
}

#[derive(Debug, Args)]
#[command(
    after_help = "The command gets each scalar of `environmentVariables` as a variable, and for each of `files` a
variable that holds the path of a private file with that text, which is removed at the end. Its exit
code is ours; 128 and the signal's number when a signal ended it, 127 when there is no such program,
126 when it cannot be started. SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on.

In its output each secret value of the environment is replaced by [secret], unless -i is given;
secrets shorter than 3 characters are not looked for, nor what the command makes of one (base64,
a part of it).

When a new revision changes what the command was given, it is noticed within 2 seconds: `restart`
sends SIGTERM, waits (SIGKILL after 30 s) and starts it again; `signal:HUP` writes the files anew and
sends that signal, which changes no variable of a running command; `none` does nothing.

Examples:
  handover env run shop/orders -- ./orders --port 8080
  handover env run shop/orders --on-change signal:HUP -- nginx -g 'daemon off;'
  handover env run shop/orders -i -- psql"
)]
pub(in crate::cli) struct EnvRunArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// What to do when a new revision changes what the command was given: restart, signal:NAME
    /// or none
    #[arg(long, value_name = "ACTION", default_value = "restart", value_parser = on_change)]
    pub(in crate::cli) on_change: OnChange,
    /// Give the command our own input and output, and redact nothing
    #[arg(short, long)]
    pub(in crate::cli) interactive: bool,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub(in crate::cli) command: Vec<OsString>,
}

/// What is done when the values change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum OnChange {
    /// End the command and start it again.
    Restart,
    /// Write its files anew and send it this signal.
    Signal(Signal),
    /// Nothing.
    Nothing,
}

fn on_change(text: &str) -> Result<OnChange, String> {
    match text.split_once(':') {
        None if text == "restart" => Ok(OnChange::Restart),
        None if text == "none" => Ok(OnChange::Nothing),
        Some(("signal", name)) => {
            let name = name.to_uppercase();
            let whole = match name.starts_with("SIG") {
                true => name,
                false => format!("SIG{name}"),
            };
            let signal = Signal::from_str(&whole);
            signal
                .map(OnChange::Signal)
                .map_err(|_| format!("{whole} is no signal"))
        }
        _ => Err("write restart, signal:HUP (or another signal) or none".to_owned()),
    }
}
