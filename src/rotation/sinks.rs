//! S6: what is known of one file, and its two cases.
//!
//! The rows stand in the table of `decide`; they look at nothing but a promoted path's file.

use serde::{Serialize, Serializer};

use super::Case;
use super::action::Action;
use super::decide::Situation;
use super::evidence::Intent;
use super::progress::Progress;

/// How far a file has come, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkState {
    /// It is to get a text, and nothing speaks against it.
    Due,
    /// It has the text, and its readers were told.
    Confirmed,
    /// The last try failed.
    Failed,
    /// Somebody else's text stood there.
    Foreign,
}

impl SinkState {
    const ALL: [Self; 4] = [Self::Due, Self::Confirmed, Self::Failed, Self::Foreign];

    /// The word, as in the store and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Foreign => "foreign",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }

    /// The case that the last try ended in.
    #[must_use]
    pub fn case(self) -> Option<Case> {
        match self {
            Self::Due | Self::Confirmed => None,
            Self::Failed => Some(Case::SinkFailed),
            Self::Foreign => Some(Case::SinkForeign),
        }
    }
}

impl Serialize for SinkState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What was found of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SinkLook {
    /// It has the text and its readers were told, or there is no file to publish to.
    #[default]
    Confirmed,
    /// It may get the text: nothing, or what was written there last, is what stands there.
    Ready {
        /// An earlier run has tried, and failed.
        failed_before: bool,
    },
    /// It cannot get the text as things are.
    Failed {
        /// This run has tried.
        tried: bool,
    },
    /// Somebody else's text, or somebody else's file, stands there.
    Foreign {
        /// A person has said that it may be overwritten.
        overwrite: bool,
    },
}

/// What S6 does with one file while all is well.
pub(super) fn without_case(look: SinkLook, intent: Intent) -> Option<Action> {
    match look {
        SinkLook::Confirmed => Some(Action::Close),
        SinkLook::Ready {
            failed_before: false,
        } => (intent != Intent::Abandon).then_some(Action::Publish),
        _ => None,
    }
}

/// Somebody else's text stands where ours should: it is never overwritten silently.
pub(super) fn foreign(situation: &Situation<'_>) -> Option<Action> {
    match situation.evidence.sink {
        SinkLook::Foreign { .. } if !is_promoted(situation) => None,
        SinkLook::Foreign { overwrite: true } => Some(Action::Publish),
        SinkLook::Foreign { overwrite: false } => Some(Action::Park),
        _ => None,
    }
}

/// Whoever reads the file still has the old credential, which goes on logging in. A delivery can
/// be repeated without harm; one try in each run, since nothing has changed within it. Giving up
/// ends nothing here: what is promoted has to reach its readers.
pub(super) fn failed(situation: &Situation<'_>) -> Option<Action> {
    let tried = match situation.evidence.sink {
        SinkLook::Confirmed | SinkLook::Foreign { .. } => return None,
        _ if !is_promoted(situation) => return None,
        SinkLook::Ready { .. } => false,
        SinkLook::Failed { tried } => tried,
    };
    let parks = tried || situation.intent == Intent::Abandon;
    Some(if parks { Action::Park } else { Action::Publish })
}

fn is_promoted(situation: &Situation<'_>) -> bool {
    matches!(situation.journal.progress, Progress::Promoted { .. })
}
