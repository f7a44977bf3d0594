//! The arguments of what watches an overlap.

use std::time::Duration;

use clap::Args;

use crate::document::PropertyPath;
use crate::model::EnvironmentName;
use crate::model::settings::duration;

#[derive(Debug, Args)]
#[command(
    after_help = "Without --watch each node is sampled once, unless an agent, the console or another --watch
samples anyway: then what that one has seen is shown. Quiet time passes only while one of them runs.

A verdict is `active`, `quiet`, `drained` or `unknown`, and unknown is no kind of drained. With
--output json, --watch prints one object a sample; so it does where the output is no terminal.

Examples:
  handover drain shop/orders
  handover drain shop/orders db --watch
  handover drain shop/orders --until-drained --timeout 30h --output json

Exit codes: 0 whatever the verdict; 4 when --until-drained ends before all is drained."
)]
pub(in crate::cli) struct DrainArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    /// The rotated secrets, without `values.`; all of the environment when none is named
    #[arg(value_name = "PATH")]
    pub(in crate::cli) paths: Vec<PropertyPath>,
    /// Go on sampling, and show each sample, until ctrl-c
    #[arg(long)]
    pub(in crate::cli) watch: bool,
    /// Go on sampling, and end as soon as all is drained
    #[arg(long)]
    pub(in crate::cli) until_drained: bool,
    /// End before, after this time, such as 30m; without it there is no limit
    #[arg(long, value_name = "TIME", requires = "until_drained", value_parser = time)]
    pub(in crate::cli) timeout: Option<Duration>,
}

/// A time as settings write it.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| {
        "write a whole number with its unit, such as 500ms, 2s, 15m, 25h or 7d".to_owned()
    })
}
