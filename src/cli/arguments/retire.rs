//! Arguments of the commands that end the use of the outgoing user.

use clap::Args;

use crate::document::PropertyPath;
use crate::model::EnvironmentName;

#[derive(Debug, Args)]
#[command(
    after_help = "The first time it locks the outgoing user once that is drained: nobody can log in as it any
more, open sessions go on, and its password stays, so that --undo lets it in again. After
`retire.listen` the same command scrambles its password; then there is no way back but a
new password by the next rotation.

Examples:
  handover retire shop/orders db --plan
  handover retire shop/orders db --reason \"ticket 4711\"
  handover retire shop/orders db --undo
  handover retire shop/orders db --yes --confirm shop/orders --output json"
)]
pub(in crate::cli) struct RetireArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The rotated secret, without `values.`
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: PropertyPath,
    /// Let the locked user in again
    #[arg(long)]
    pub(in crate::cli) undo: bool,
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
    /// Sign a waiver of the drain and of the listening, with its reason
    #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
    pub(in crate::cli) waive_drain: Option<String>,
    /// The outgoing user's name, typed: end all its sessions; only where its password leaked
    #[arg(long, value_name = "USER", conflicts_with = "undo")]
    pub(in crate::cli) end_sessions: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover terminate shop/orders --pid 4711
  handover terminate shop/orders db --pid 4711 --node replica-1:5432 --yes")]
pub(in crate::cli) struct TerminateArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The rotated secrets whose outgoing users are meant; all when none is named
    #[arg(value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PropertyPath>,
    /// The session's process id, on MySQL and MariaDB its connection's
    #[arg(long, value_name = "N")]
    pub(in crate::cli) pid: i64,
    /// Where it is, as `handover drain` shows it, when several nodes have that number
    #[arg(long, value_name = "HOST:PORT")]
    pub(in crate::cli) node: Option<String>,
    /// Show the session, and do nothing
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}
