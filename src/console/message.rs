//! Everything that can happen to the console, and everything it can ask for.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::keys::Key;
use super::model::{Answer, Problem, SessionRef, Target};
use crate::model::{EnvironmentName, RotationId};
use crate::operations::drain::DrainReport;
use crate::operations::hand_over::{Confirmation, Depth, Look, Progress, Report};
use crate::operations::{AuditEntry, History, ScheduleListing, Status};
use crate::rotation::Way;

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) enum Message {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Pasted(String),
    /// The terminal has another size.
    Resized { rows: u16 },
    /// The time; sent with every batch of messages.
    Clock(DateTime<Utc>),
    /// A timer ran out.
    TimeUp(Timer),
    /// The system asks the program to end.
    Terminated,
    /// The status was read.
    Status(Result<Status, Problem>),
    /// The schedules were read.
    Schedules(Result<ScheduleListing, Problem>),
    /// An environment was looked at.
    Looked {
        environment: EnvironmentName,
        result: Result<Look, Problem>,
    },
    /// The drains of an environment were judged anew.
    Drained(Box<DrainReport>),
    /// The history and the audit entries of an environment were read.
    Detail {
        environment: EnvironmentName,
        result: Result<(History, Vec<AuditEntry>), Problem>,
    },
    /// The plan, or the evidence of a recovery, is here.
    Reviewed {
        /// Which review asked.
        number: u64,
        result: Result<Answer, Problem>,
    },
    /// What was agreed to and has no steps to follow is done, or was refused.
    Acted {
        /// Which review was agreed to.
        number: u64,
        result: Result<Answer, Problem>,
    },
    /// The report of a rotation was written to a file, or could not be: where it is, in words.
    Exported(Result<String, Problem>),
    /// The hand-over that runs told something.
    Told(Progress),
    /// The hand-over that runs has ended.
    Ended(Result<Box<Report>, Problem>),
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// Read the status and look at all environments again.
    Refresh,
    /// A text with an age changes.
    Minute,
}

/// Something that has to be done outside the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    // What is read.
    ReadStatus,
    ReadSchedules,
    ReadDetail(EnvironmentName),
    LookAt {
        environment: EnvironmentName,
        depth: Depth,
    },
    /// Sample all open overlaps, from now on for as long as the console is open.
    WatchDrains,
    /// Judge the drains of one environment by what is stored; nothing is sampled for it.
    ReadDrains(EnvironmentName),
    // What is reviewed; nothing is changed by it.
    PlanRotation {
        target: Target,
        review: u64,
    },
    GatherEvidence {
        target: Target,
        review: u64,
    },
    PlanRollBack {
        target: Target,
        review: u64,
    },
    PlanRetire {
        target: Target,
        /// The way back.
        undo: bool,
        review: u64,
    },
    PlanEndSession {
        target: Target,
        session: SessionRef,
        review: u64,
    },
    PlanPublish {
        target: Target,
        review: u64,
    },
    PlanPause {
        target: Target,
        resume: bool,
        review: u64,
    },
    // What changes something; only a review leads here.
    Rotate {
        target: Target,
        confirmation: Confirmation,
    },
    Recover {
        target: Target,
        confirmation: Confirmation,
    },
    RollBack {
        target: Target,
        /// The one that was agreed to: another one is not taken in its place.
        way: Way,
        confirmation: Confirmation,
    },
    Retire {
        target: Target,
        /// The way back.
        undo: bool,
        confirmation: Confirmation,
        review: u64,
    },
    EndSession {
        target: Target,
        session: SessionRef,
        confirmation: Confirmation,
        review: u64,
    },
    Publish {
        target: Target,
        confirmation: Confirmation,
        review: u64,
    },
    Pause {
        target: Target,
        reason: Option<String>,
        confirmation: Confirmation,
        review: u64,
    },
    Resume {
        target: Target,
        confirmation: Confirmation,
        review: u64,
    },
    /// Write the report of a rotation to a new file in the current folder.
    Export(RotationId),
    // The terminal and the clock.
    Copy(String),
    StartTimer {
        timer: Timer,
        after: Duration,
    },
    Suspend,
    Redraw,
    Quit,
}
