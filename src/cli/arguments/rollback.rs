//! Arguments of `handover rollback`.

use clap::Args;

use crate::document::PropertyPath;
use crate::model::EnvironmentName;
use crate::rotation::Way;

#[derive(Debug, Args)]
#[command(
    after_help = "The ways back: re-promote (consumers read the earlier user again, with the password it has),
un-retire (the same, after the user that handover locked was let in again), re-issue (the
earlier user gets a new password), re-apply (the user that consumers read gets its stored
password once more), import (the store is older than a published file: the password that
stands there becomes current). No way back disables or drops a user. Where consumers are down the
environment's name has to be typed, whatever its protection.

Examples:
  handover rollback shop/orders --plan
  handover rollback shop/orders db --reason \"checkout fails since the rotation\"
  handover rollback shop/orders --way re-issue
  handover rollback shop/orders --yes --confirm shop/orders --output json"
)]
pub(in crate::cli) struct RollbackArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The rotated secrets, without `values.`; all of the environment when none is named
    #[arg(value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PropertyPath>,
    /// Show case, evidence and the ways back, and change nothing
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment, and wherever
    /// consumers are down
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
    /// Another way than the recommended one, of those that --plan shows
    #[arg(long, value_name = "WAY")]
    pub(in crate::cli) way: Option<Way>,
    /// What consumers read now leaked: once they read the other user, lock it at once and
    /// scramble its password
    #[arg(long)]
    pub(in crate::cli) compromised: bool,
    /// Give a password that leaked back to consumers all the same, and say why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) break_glass: Option<String>,
    /// Sign a waiver of the drain, with its reason, where a user gets a new password
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) waive_drain: Option<String>,
    /// Why; it stands in the audit log and in the history
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}
