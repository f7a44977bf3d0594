//! The report of a hand-over, in the shape that `--output json` prints.

use serde::Serialize;

use super::{RetireReport, SinkReport};
use crate::model::{EnvironmentName, RotationId, Step};
use crate::operations::{Exit, Failure};
use crate::rotation::{Plan, Refusal, Way};

/// How a hand-over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandOverStatus {
    /// Shown, nothing changed.
    Planned,
    /// Done.
    Done,
    /// Some paths are done, some are not.
    Partial,
    /// Refused; nothing was changed.
    Refused,
    /// A person is needed.
    Parked,
    /// Asked to stop by a signal; it stays open and `recover` goes on with it.
    Interrupted,
    /// The database did not answer; nothing was changed.
    Unreachable,
    /// An error.
    Failed,
}

/// How one path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathOutcome {
    /// Shown, nothing changed.
    Planned,
    /// Promoted.
    Done,
    /// Ended before S3; nothing was changed.
    Aborted,
    /// Given up after S3: `previous` has the new password, consumers are untouched.
    Abandoned,
    /// Refused; nothing was changed.
    Refused,
    /// A person is needed.
    Parked,
    /// Asked to stop by a signal; it stays open and `recover` goes on with it.
    Interrupted,
    /// The database did not answer; nothing was changed.
    Unreachable,
    /// An error.
    Failed,
}

/// What went wrong and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    /// A stable word.
    pub code: String,
    /// What was found.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

impl From<&Failure> for ErrorReport {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code.to_owned(),
            message: failure.message.clone(),
            remedy: failure.remedy.clone(),
        }
    }
}

impl From<&Refusal> for ErrorReport {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.case.name().to_owned(),
            message: refusal.message.clone(),
            remedy: refusal.remedy.clone(),
        }
    }
}

/// What an operator weighs before agreeing to a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What else could be done.
    pub next_best: &'static str,
    /// What the action leaves alone.
    pub untouched: &'static str,
    /// What would make the verdict wrong.
    pub wrong_if: &'static str,
}

/// One way back that could be taken now, and what somebody weighs before agreeing to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WayOffer {
    /// Which.
    pub way: Way,
    /// It is what is done unless another one is chosen; the next best follows it.
    pub recommended: bool,
    /// What it does, in words.
    pub words: String,
    /// The statement that is sent, with a mark in place of a password; absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// What it leaves alone.
    pub untouched: &'static str,
    /// What would make it the wrong way.
    pub wrong_if: &'static str,
    /// The environment's name has to be typed, wherever it is.
    pub typed: bool,
}

/// One rotated secret in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathReport {
    /// Its path.
    pub path: String,
    /// How it ended.
    pub status: PathOutcome,
    /// The last step reached.
    pub step: Step,
    /// The case in which it stopped; `null` when all is well.
    pub case: Option<String>,
    /// The user whose password is changed.
    pub user: Option<String>,
    /// The revision that promoted or abandoned it, if one did.
    pub revision: Option<u64>,
    /// The rows `user@host` that were changed and that no login from here proves; absent
    /// where there are none, as always on PostgreSQL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproven_rows: Vec<String>,
    /// The way back that is taken, or would be; absent where none is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// All ways back that could be taken, the recommended one first; absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<WayOffer>,
    /// What went wrong.
    pub error: Option<ErrorReport>,
    /// The plan, for people; not part of the JSON.
    #[serde(skip)]
    pub plan: Option<Plan>,
    /// Whether consumers can log in, in words for people; not part of the JSON.
    #[serde(skip)]
    pub consumers: Option<String>,
    /// What the case means, in words for people; not part of the JSON.
    #[serde(skip)]
    pub meaning: Option<String>,
    /// What was found, in words for people; not part of the JSON.
    #[serde(skip)]
    pub evidence: Vec<String>,
    /// What will be done next, in words for people; not part of the JSON.
    #[serde(skip)]
    pub action: Option<String>,
    /// What else an operator weighs; not part of the JSON.
    #[serde(skip)]
    pub advice: Option<Advice>,
}

impl PathReport {
    /// A path of which nothing more is said yet.
    #[must_use]
    pub fn new(path: String, status: PathOutcome, step: Step) -> Self {
        Self {
            path,
            status,
            step,
            case: None,
            user: None,
            revision: None,
            unproven_rows: Vec::new(),
            way: None,
            ways: Vec::new(),
            error: None,
            plan: None,
            consumers: None,
            meaning: None,
            evidence: Vec::new(),
            action: None,
            advice: None,
        }
    }
}

/// A whole hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its number, once it was opened.
    pub rotation: Option<RotationId>,
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// How it ended.
    pub status: HandOverStatus,
    /// The revision that it made, if it made one.
    pub revision: Option<u64>,
    /// What went wrong as a whole.
    pub error: Option<ErrorReport>,
    /// Its rotated secrets.
    pub paths: Vec<PathReport>,
    /// The files that it is published to; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkReport>,
    /// What became of the users whose passwords leaked; absent unless that was said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<RetireReport>,
    /// Whether the environment's name has to be typed; not part of the JSON.
    #[serde(skip)]
    pub protected: bool,
    /// The exit code that belongs to it.
    #[serde(skip)]
    pub exit: ExitCode,
}

/// [`Exit`] with the traits that a report needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub Exit);

impl Report {
    /// How the command ends, what became of users whose passwords leaked included.
    #[must_use]
    pub fn whole_exit(&self) -> Exit {
        let retired = self.retired.iter();
        retired.fold(self.exit.0, |exit, one| exit.worse(one.exit))
    }

    /// A hand-over that never began.
    #[must_use]
    pub fn failed(environment: Option<EnvironmentName>, failure: &Failure) -> Self {
        let status = match failure.exit {
            Exit::Refused => HandOverStatus::Refused,
            Exit::NeedsHuman => HandOverStatus::Parked,
            Exit::Unreachable => HandOverStatus::Unreachable,
            _ => HandOverStatus::Failed,
        };
        Self {
            rotation: None,
            environment,
            status,
            revision: None,
            error: Some(ErrorReport::from(failure)),
            paths: Vec::new(),
            sinks: Vec::new(),
            retired: Vec::new(),
            protected: false,
            exit: ExitCode(failure.exit),
        }
    }

    /// No rotation is open.
    #[must_use]
    pub fn nothing_open() -> Self {
        Self {
            rotation: None,
            environment: None,
            status: HandOverStatus::Done,
            revision: None,
            error: None,
            paths: Vec::new(),
            sinks: Vec::new(),
            retired: Vec::new(),
            protected: false,
            exit: ExitCode(Exit::Done),
        }
    }
}
