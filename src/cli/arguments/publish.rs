//! Arguments of `publish`.

use clap::Args;

use crate::model::EnvironmentName;

#[derive(Debug, Args)]
#[command(
    after_help = "It gives every file of `publish` in the settings the newest revision, and tells its readers,
as a rotation does after its promote. A file that holds somebody else's text is left as it
is, unless it is named with --overwrite.

Examples:
  handover publish shop/orders --plan
  handover publish shop/orders --yes
  handover publish shop/orders --overwrite /run/orders/db.env --reason \"ticket 4711\"

Exit codes: 0 every file has it, 3 a file has it not, 4 refused, 5 somebody else's text."
)]
pub(in crate::cli) struct PublishArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// Show what would be written, and change nothing
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Overwrite this file, whatever stands in it; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) overwrite: Vec<String>,
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
