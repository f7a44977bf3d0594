//! What became of the files, in the shape that `--output json` prints.

use serde::Serialize;

use crate::model::EnvironmentName;
use crate::operations::Exit;
use crate::operations::hand_over::ErrorReport;
use crate::rotation::{Action, Case, SinkState};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkReport {
    /// By its absolute path.
    pub file: String,
    /// How far it has come.
    pub state: SinkState,
    /// The case in which it stopped; `null` when all is well.
    pub case: Option<Case>,
    /// The revision that it is to have.
    pub revision: u64,
    /// The revision that it has; `null` where it never had one.
    pub delivered: Option<u64>,
    /// What went wrong.
    pub error: Option<ErrorReport>,
    /// What would be done next; not part of the JSON.
    #[serde(skip)]
    pub next: Option<Action>,
}

impl SinkReport {
    /// Whether it has what it is to have.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.state == SinkState::Confirmed
    }
}

/// How publishing by hand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishStatus {
    /// Shown, nothing changed.
    Planned,
    /// Every file has the newest revision.
    Done,
    /// Some files have it not.
    Partial,
    /// Refused; nothing was changed.
    Refused,
    /// Somebody else's text stands in a file: a person is needed.
    Parked,
}

/// Publishing by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishReport {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its newest revision.
    pub revision: u64,
    /// How it ended.
    pub status: PublishStatus,
    /// What went wrong.
    pub error: Option<ErrorReport>,
    /// Its files.
    pub sinks: Vec<SinkReport>,
    /// Whether the environment's name has to be typed; not part of the JSON.
    #[serde(skip)]
    pub protected: bool,
    /// How the command ends; not part of the JSON.
    #[serde(skip)]
    pub exit: Exit,
}
