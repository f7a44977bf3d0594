//! What is asked before something is changed, and what became of it.

use chrono::{DateTime, Utc};

use super::Target;
use crate::console::input::LineInput;
use crate::model::Step;
use crate::operations::hand_over::{
    EndSessionReport, EndSessionStatus, HandOverStatus, PublishReport, PublishStatus, Report,
    RetireReport, RetireStatus, WayOffer,
};
use crate::operations::{Exit, ScheduleReview};
use crate::rotation::Way;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) enum Verb {
    Rotate,
    Recover,
    /// Take one of the ways back.
    RollBack,
    /// Lock the outgoing user, or scramble its password when it was listened for.
    Retire,
    /// Let a locked user in again.
    Undo,
    /// End one session of the outgoing user.
    EndSession,
    /// Give the files of the environment its newest revision.
    Publish,
    /// Begin nothing by its schedule.
    Pause,
    /// Let its schedule go on.
    Resume,
}

/// A review: the plan, then the agreement.
#[derive(Debug, Clone)]
pub(in crate::console) struct Review {
    /// Which of this console's reviews it is: an answer for another one is dropped.
    pub(in crate::console) number: u64,
    pub(in crate::console) verb: Verb,
    pub(in crate::console) target: Target,
    /// Which session is to be ended, where one is.
    pub(in crate::console) session: Option<Box<SessionRef>>,
    pub(in crate::console) stage: Stage,
    /// The way back that was chosen; the recommended one until another one was.
    pub(in crate::console) way: Option<Way>,
    /// What has to be typed, as far as it was.
    pub(in crate::console) typed: LineInput,
    /// Why, where a reason may be written.
    pub(in crate::console) reason: LineInput,
    /// Whether the reason has the keys.
    pub(in crate::console) on_reason: bool,
    /// Whether the button that acts has the focus; the safe one has it first.
    pub(in crate::console) on_act: bool,
}

impl Review {
    /// The ways back that can be agreed to, the recommended one first.
    pub(in crate::console) fn ways(&self) -> &[WayOffer] {
        match &self.stage {
            Stage::Ready(Answer::HandOver(report)) if self.verb == Verb::RollBack => {
                ways_of(report)
            }
            _ => &[],
        }
    }

    /// Whether a reason may be written.
    pub(in crate::console) fn takes_reason(&self) -> bool {
        self.verb == Verb::Pause && matches!(self.stage, Stage::Ready(_))
    }

    /// The reason, if one was written.
    pub(in crate::console) fn reason(&self) -> Option<String> {
        let text = self.reason.text().trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The way back that an agreement takes.
    pub(in crate::console) fn offer(&self) -> Option<&WayOffer> {
        let ways = self.ways();
        let chosen = ways.iter().find(|offer| Some(offer.way) == self.way);
        let recommended = || ways.iter().find(|offer| offer.recommended);
        chosen.or_else(recommended).or_else(|| ways.first())
    }
}

/// A review is of one rotated secret, so that one report of a path has ways.
fn ways_of(report: &Report) -> &[WayOffer] {
    let with_ways = report.paths.iter().find(|path| !path.ways.is_empty());
    with_ways.map_or(&[], |path| &path.ways)
}

/// How far a review has come.
#[derive(Debug, Clone)]
pub(in crate::console) enum Stage {
    /// The plan, or the evidence, is being gathered.
    Asking,
    /// It is here and can be agreed to.
    Ready(Answer),
    /// It was agreed to, and is being done.
    Acting,
    /// It is, or would be, refused; or there is nothing to agree to.
    Closed(Answer),
    /// Nothing could be found out.
    Failed(Problem),
}

/// What an operation answered a review.
#[derive(Debug, Clone)]
pub(in crate::console) enum Answer {
    HandOver(Box<Report>),
    Retire(Box<RetireReport>),
    EndSession(Box<EndSessionReport>),
    Publish(Box<PublishReport>),
    Schedule(Box<ScheduleReview>),
}

impl Answer {
    /// Whether it is a plan that is refused by nothing, and that has something to do.
    pub(in crate::console) fn can_be_agreed_to(&self, verb: Verb) -> bool {
        match self {
            Self::HandOver(report) if verb == Verb::RollBack => {
                report.status == HandOverStatus::Planned && !ways_of(report).is_empty()
            }
            Self::HandOver(report) => report.status == HandOverStatus::Planned,
            Self::Retire(report) => report.status == RetireStatus::Planned,
            Self::EndSession(report) => report.status == EndSessionStatus::Planned,
            Self::Publish(report) => report.status == PublishStatus::Planned,
            Self::Schedule(review) => review.changed && !review.done,
        }
    }

    /// Whether it is of the kind that a review of this verb waits for.
    pub(in crate::console) fn is_for(&self, verb: Verb) -> bool {
        matches!(
            (self, verb),
            (
                Self::HandOver(_),
                Verb::Rotate | Verb::Recover | Verb::RollBack
            ) | (Self::Retire(_), Verb::Retire | Verb::Undo)
                | (Self::EndSession(_), Verb::EndSession)
                | (Self::Publish(_), Verb::Publish)
                | (Self::Schedule(_), Verb::Pause | Verb::Resume)
        )
    }

    /// What went wrong, or has still to be done.
    pub(in crate::console) fn problem(&self) -> Option<Problem> {
        let error = match self {
            Self::HandOver(report) => &report.error,
            Self::Retire(report) => &report.error,
            Self::EndSession(report) => &report.error,
            Self::Publish(report) => &report.error,
            // What goes wrong with a schedule is a failure of the whole.
            Self::Schedule(_) => &None,
        };
        error.as_ref().map(|error| Problem {
            message: error.message.clone(),
            remedy: error.remedy.clone(),
        })
    }

    /// How a command with this answer would end.
    pub(in crate::console) fn exit(&self) -> Exit {
        match self {
            Self::HandOver(report) => report.exit.0,
            Self::Retire(report) => report.exit,
            Self::EndSession(report) => report.exit,
            Self::Publish(report) => report.exit,
            Self::Schedule(_) => Exit::Done,
        }
    }
}

/// A session, by what makes it the same one: its number may be another's later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct SessionRef {
    pub(in crate::console) node: String,
    pub(in crate::console) pid: i64,
    pub(in crate::console) started: Option<DateTime<Utc>>,
}

/// A change without steps to follow, from the agreement to its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Deed {
    /// The review that was agreed to.
    pub(in crate::console) number: u64,
    pub(in crate::console) verb: Verb,
    pub(in crate::console) target: Target,
    /// How it ended, where the console waited for that to be left.
    pub(in crate::console) ended: Option<(Exit, Option<Problem>)>,
}

/// An error of an operation, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Problem {
    pub(in crate::console) message: String,
    pub(in crate::console) remedy: String,
}

/// A hand-over that runs, or the last one that ran.
#[derive(Debug, Clone)]
pub(in crate::console) struct Run {
    pub(in crate::console) verb: Verb,
    pub(in crate::console) target: Target,
    /// How many rotated secrets it is about.
    pub(in crate::console) paths: usize,
    /// The last step that an earlier run had reached, for a recovery.
    pub(in crate::console) before: Option<Step>,
    /// The way back that was agreed to, for a rollback.
    pub(in crate::console) way: Option<Way>,
    /// Steps that are done, with the time they were done at.
    pub(in crate::console) done: Vec<(Step, DateTime<Utc>)>,
    pub(in crate::console) current: Option<Step>,
    pub(in crate::console) waiting: Option<String>,
    pub(in crate::console) started: DateTime<Utc>,
    pub(in crate::console) ended: Option<RunEnd>,
}

/// How a hand-over ended.
#[derive(Debug, Clone)]
pub(in crate::console) enum RunEnd {
    Report(Box<Report>),
    Problem(Problem),
}
