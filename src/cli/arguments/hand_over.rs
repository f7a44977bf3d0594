//! Arguments of the commands that hand a database over.

use std::path::PathBuf;

use clap::Args;

use crate::document::PropertyPath;
use crate::model::EnvironmentName;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover rotate shop/orders --plan
  handover rotate shop/orders --reason \"ticket 4711\"
  handover rotate shop/orders db --yes --confirm shop/orders --output json")]
pub(in crate::cli) struct RotateArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The rotated secrets, without `values.`; all of the environment when none is named
    #[arg(value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PropertyPath>,
    /// Show what would be done, and change nothing
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
    /// Sign a waiver of the drain, with its reason: sessions of the user may be cut off
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) waive_drain: Option<String>,
    /// What consumers read now leaked: after the promote, lock it at once and scramble its
    /// password; its sessions are listed, and ended when its name is typed
    #[arg(long)]
    pub(in crate::cli) compromised: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover retry shop/orders
  handover retry shop/orders reports --yes --output json")]
pub(in crate::cli) struct RetryArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The failed paths, without `values.`; all that are open when none is named
    #[arg(value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PropertyPath>,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Consumers go on with the current user. No password is changed: what the \
database accepts from the
idle user is recorded as `previous`.

Examples:
  handover abandon shop/orders reports
  handover abandon shop/orders reports --yes --output json"
)]
pub(in crate::cli) struct AbandonArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The path to give up, without `values.`
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: PropertyPath,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover recover
  handover recover shop/orders --explain
  handover recover shop/orders --runbook orders.md
  handover recover shop/orders --yes --output json")]
pub(in crate::cli) struct RecoverArguments {
    /// The environment, as project/name; without it all that have an open rotation
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// Show case, evidence and action, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(in crate::cli) explain: bool,
    /// Write what --explain shows to a new Markdown file, with the exact commands
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "yes",
        requires = "environment"
    )]
    pub(in crate::cli) runbook: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
}
