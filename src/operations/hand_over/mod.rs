//! Rotating and recovering: one driver with an intent.
//!
//! The driver gathers evidence, asks [`decide`](crate::rotation::decide) for the one
//! case and action, performs that action with a journal line before and after it,
//! and begins again. It chooses nothing by itself. A rotation completes, resumes, or
//! parks with a cause; it never disappears.

mod abandon;
mod actions;
mod apply;
mod claim;
mod confirm;
mod effects;
mod evidence;
mod examine;
mod identify;
mod look;
mod open;
mod outcome;
mod preflight;
mod promote;
mod report;
mod resume;
mod rotate;
mod rotation;
mod run;
mod subject;

pub(super) use examine::{document_problem, examine};
pub(super) use identify::{Identified, identify};
pub use look::{Depth, Look, PathLook, SessionLook, UserLook, look};
pub use outcome::{Advice, ErrorReport, HandOverStatus, PathOutcome, PathReport, Report};
pub use resume::{Purpose, ResumeRequest, explain, list_open, resume};
pub use rotate::{RotateRequest, plan, rotate};

use tokio::sync::mpsc;

use crate::model::Step;
use crate::rotation::Case;

/// What the operator agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// Nothing yet: the answer says what would be done.
    None,
    /// Yes, as to everything but a protected environment.
    Yes,
    /// Yes, and this name was typed.
    Named(String),
}

/// Something that an observer may want to see while the driver works.
#[derive(Debug, Clone)]
pub enum Progress {
    /// A step of a path began.
    Begun {
        /// Which path.
        path: String,
        /// Which step.
        step: Step,
    },
    /// A step of a path is done.
    Done {
        /// Which path.
        path: String,
        /// Which step.
        step: Step,
    },
    /// The driver waits.
    Waiting {
        /// Which path.
        path: String,
        /// For what, in words.
        reason: String,
    },
    /// A case other than the plain way forward was recognised.
    Recognised {
        /// Which path.
        path: String,
        /// Which case.
        case: Case,
    },
}

/// Where progress goes; an observer that does not keep up misses some of it, and
/// never holds up the driver.
#[derive(Debug, Clone, Default)]
pub struct Observer(Option<mpsc::Sender<Progress>>);

impl Observer {
    /// An observer behind a bounded channel.
    #[must_use]
    pub fn new(sender: mpsc::Sender<Progress>) -> Self {
        Self(Some(sender))
    }

    fn tell(&self, progress: Progress) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(progress);
        }
    }
}
