//! Rotating and recovering: one driver with an intent.
//!
//! The driver gathers evidence, asks [`decide`](crate::rotation::decide) for the one
//! case and action, performs that action with a journal line before and after it,
//! and begins again. It chooses nothing by itself. A rotation completes, resumes, or
//! parks with a cause; it never disappears.

mod abandon;
mod actions;
mod adopt;
mod apply;
mod claim;
mod confirm;
mod consumers;
mod effects;
mod end_session;
mod evidence;
mod evidence_words;
mod examine;
mod gate;
mod guesses;
mod identify;
mod logins;
mod look;
mod open;
mod outcome;
mod own;
mod preflight;
mod promote;
mod publish;
mod report;
mod resume;
mod retire;
mod roll_back;
mod rotate;
mod rotation;
mod run;
mod subject;
mod unlock;
mod verify;

pub(super) use confirm::missing_agreement;
pub use end_session::{
    EndSessionReport, EndSessionRequest, EndSessionStatus, end_session, plan_end_session,
};
pub(super) use examine::{document_problem, examine};
pub(super) use identify::{Identified, identify};
pub use look::{Depth, Look, PathLook, SessionLook, UserLook, look};
pub use outcome::{Advice, ErrorReport, HandOverStatus, PathOutcome, PathReport, Report, WayOffer};
pub use publish::{
    PublishReport, PublishRequest, PublishStatus, SinkReport, plan_publish, publish,
};
pub use resume::{Purpose, ResumeRequest, explain, list_open, resume};
pub use retire::{
    RetireReport, RetireRequest, RetireStatus, list_leaked, plan_retire, retire, retire_by_settings,
};
pub use roll_back::{RollBackRequest, plan_roll_back, roll_back};
pub use rotate::{RotateRequest, plan, rotate};
pub use verify::{
    CredentialRole, CredentialVerification, Drift, EnvironmentVerification, NodeFinding,
    PathVerification, Verification, verify,
};

use tokio::sync::mpsc;

use crate::model::Step;
use crate::process::{Signal, StopSignal};
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

/// Where progress goes, and where the wish to stop comes from. An observer that does not
/// keep up misses some of the progress, and never holds up the driver.
#[derive(Debug, Clone, Default)]
pub struct Observer {
    progress: Option<mpsc::Sender<Progress>>,
    stop: Option<StopSignal>,
}

impl Observer {
    /// An observer behind a bounded channel.
    #[must_use]
    pub fn new(sender: mpsc::Sender<Progress>) -> Self {
        Self {
            progress: Some(sender),
            stop: None,
        }
    }

    /// The same observer; the driver stops between two actions when `stop` is raised.
    #[must_use]
    pub fn with_stop(mut self, stop: &StopSignal) -> Self {
        self.stop = Some(stop.clone());
        self
    }

    /// The signal that asks the driver to stop, if one does.
    fn stop_wanted(&self) -> Option<Signal> {
        self.stop.as_ref().and_then(StopSignal::wanted)
    }

    /// Waits for something that may be left at any time; `None` when a stop is wanted.
    async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let Some(stop) = &self.stop else {
            return Some(wait.await);
        };
        tokio::select! {
            biased;
            _ = stop.raised() => None,
            answer = wait => Some(answer),
        }
    }

    fn tell(&self, progress: Progress) {
        if let Some(sender) = &self.progress {
            let _ = sender.try_send(progress);
        }
    }
}
