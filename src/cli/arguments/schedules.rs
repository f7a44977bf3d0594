//! The arguments of what goes on by itself, and of what keeps it from going on.

use clap::{Args, Subcommand, ValueEnum};

use crate::model::{EnvironmentName, MissedRule};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ScheduleCommand {
    /// List all schedules: in words, when they start next, and how they are
    Ls,
    /// Show the schedule of an environment, and what came of its last occurrences
    Show(ScheduleShowArguments),
    /// Set a schedule in the settings, or parts of it; nothing is rotated by that
    Set(ScheduleSetArguments),
    /// Begin nothing by the schedule of an environment; the same as `handover pause ENV`
    Pause(SchedulePauseArguments),
    /// Go on with the schedule of an environment; the same as `handover resume ENV`
    Resume(ScheduleResumeArguments),
    /// List what starts within the next days, the soonest first
    Next(ScheduleNextArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleShowArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleNextArguments {
    /// The environment, as project/name; without it all
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// Within so many days
    #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=366))]
    pub(in crate::cli) days: u32,
}

#[derive(Debug, Args)]
#[command(
    after_help = "It edits `schedule` in the settings and leaves every other byte of them as it is. What is not
named stays as it is. A civil time that the clocks skip happens right after the jump, and one
that comes twice happens once.

Examples:
  handover schedule set shop/orders --cron \"0 3 * * SUN\" --timezone Europe/Berlin
  handover schedule set shop/orders --every 30d --window 12h --jitter 2h
  handover schedule set shop/orders --once \"2027-01-10 03:00\" --timezone Europe/Berlin --plan
  handover schedule set shop/orders --missed skip
  handover schedule set shop/orders --none"
)]
pub(in crate::cli) struct ScheduleSetArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    #[command(flatten)]
    pub(in crate::cli) what: ScheduleParts,
    #[command(flatten)]
    pub(in crate::cli) agreed: Agreed,
}

/// What is set; at least one of it.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(in crate::cli) struct ScheduleParts {
    /// At these times: minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "EXPRESSION", conflicts_with_all = ["every", "once", "none"])]
    pub(in crate::cli) cron: Option<String>,
    /// So long after the last rotation, such as 30d
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["once", "none"])]
    pub(in crate::cli) every: Option<String>,
    /// Once, at this time: with its offset, or by the schedule's time zone
    #[arg(long, value_name = "TIME", conflicts_with = "none")]
    pub(in crate::cli) once: Option<String>,
    /// Take the schedule out
    #[arg(long, conflicts_with_all = ["timezone", "window", "jitter", "missed"])]
    pub(in crate::cli) none: bool,
    /// By the clocks of this place, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) timezone: Option<String>,
    /// How long after its time a rotation may start, such as 2h
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) window: Option<String>,
    /// Environments start up to so much later, each always by the same time
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) jitter: Option<String>,
    /// What becomes of an occurrence that nobody could act on
    #[arg(long, value_enum, value_name = "RULE")]
    pub(in crate::cli) missed: Option<Missed>,
}

/// The rule for what was missed, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum Missed {
    /// One rotation stands for all that were missed, as soon as it may
    RunOnce,
    /// It is told, and the next occurrence is waited for
    Skip,
}

impl From<Missed> for MissedRule {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::RunOnce => Self::RunOnce,
            Missed::Skip => Self::Skip,
        }
    }
}

/// Why and until when.
#[derive(Debug, Args)]
pub(in crate::cli) struct PauseWords {
    /// Go on by itself then: a time with its offset, a civil time, or a duration such as 3d
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<String>,
    /// Why; it is shown wherever the pause is
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}

/// What is agreed to.
#[derive(Debug, Args)]
pub(in crate::cli) struct Agreed {
    /// Show what it would mean, and change nothing
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Agree to it; needed where a rotation would begin at once
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// The environment's name, typed; needed for a production environment
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SchedulePauseArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    #[command(flatten)]
    pub(in crate::cli) words: PauseWords,
    #[command(flatten)]
    pub(in crate::cli) agreed: Agreed,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleResumeArguments {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: EnvironmentName,
    #[command(flatten)]
    pub(in crate::cli) agreed: Agreed,
}

/// One environment, or everything.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Whom {
    /// The environment, as project/name
    #[arg(value_name = "ENV")]
    pub(in crate::cli) environment: Option<EnvironmentName>,
    /// Every environment: a freeze of all that agents begin by themselves
    #[arg(long)]
    pub(in crate::cli) all: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A pause of one environment stands in its settings. With --all no agent begins a rotation or a
step of a retirement; sampling, notices and verification go on, and so does whatever people do
by hand.

Examples:
  handover pause shop/orders --until 3d --reason \"moving house\"
  handover pause --all --until 2027-01-10T06:00:00Z --reason \"change freeze\""
)]
pub(in crate::cli) struct PauseArguments {
    #[command(flatten)]
    pub(in crate::cli) whom: Whom,
    #[command(flatten)]
    pub(in crate::cli) words: PauseWords,
    #[command(flatten)]
    pub(in crate::cli) agreed: Agreed,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  handover resume shop/orders --plan
  handover resume shop/orders --yes
  handover resume --all --yes")]
pub(in crate::cli) struct ResumeArguments {
    #[command(flatten)]
    pub(in crate::cli) whom: Whom,
    #[command(flatten)]
    pub(in crate::cli) agreed: Agreed,
}
