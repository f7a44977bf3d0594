//! The arguments of what tells those who do not look.

use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::model::EnvironmentName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OutboxCommand {
    /// List the notices that wait or were given up, oldest first
    Ls(OutboxListArguments),
    /// Try at once what is not delivered, what was given up included
    Retry(OutboxRetryArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover outbox ls
  handover outbox ls shop/orders --all --output json")]
pub(in crate::cli) struct OutboxListArguments {
    /// The environment, as project/name; without it all
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// Those that were delivered, too
    #[arg(long)]
    pub(in crate::cli) all: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A notice that comes again has the id that it had before, so that a receiver can tell. In each
environment a webhook is told in order: what is named waits behind older notices that wait.

Examples:
  handover outbox retry
  handover outbox retry shop/orders
  handover outbox retry msg_0123456789abcdef0123456789abcdef

Exit codes: 0 all were delivered, or none waits; 3 some; 1 none."
)]
pub(in crate::cli) struct OutboxRetryArguments {
    /// The environment, as project/name, or the id of one notice; without it all
    #[arg(value_name = "ENV|ID")]
    pub(in crate::cli) which: Option<Meant>,
}

/// An environment or a notice.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Meant {
    Environment(EnvironmentName),
    Notice(String),
}

impl FromStr for Meant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("msg_") {
            return Ok(Self::Notice(text.to_owned()));
        }
        let name = text.parse().map(Self::Environment);
        name.map_err(|error| format!("{error}; a notice is named `msg_…`"))
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WebhookCommand {
    /// Send a notice of the kind `webhook.test` to each webhook of an environment
    Test(WebhookTestArguments),
}

#[derive(Debug, Args)]
#[command(
    after_help = "It is sent whatever `kinds` says, waits behind no other notice, and is not tried again.

Example:
  handover webhook test shop/orders

Exit codes: 0 every webhook took it, 3 some did, 1 none did."
)]
pub(in crate::cli) struct WebhookTestArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
}
