//! From one look at a node to what changes in its timeline.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::timeline::{CountedLogins, Ended, LastLook, Run, SeenSession};
use crate::model::{AccountSample, ObservedSession, Sample, Standby};

/// One look at a node, as the sampler made it.
#[derive(Debug, Clone)]
pub struct Looked<'a> {
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// How long after the look before it, by this host's clock that counts suspend; `None`
    /// where this process has made none before.
    pub elapsed: Option<Duration>,
    /// What the node told, or why it told nothing.
    pub answer: Result<(&'a Sample, &'a AccountSample), Silence>,
}

/// Why a node told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// In words.
    pub problem: String,
    /// The statement that mends it, if one does.
    pub grant: Option<String>,
}

/// One change of a node's timeline, as it is stored. A session's key is its number and the
/// time at which it was first seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The last attempt, in place of the one before.
    Looked(LastLook),
    /// What the node told of itself, in place of what it told before.
    Facts {
        /// The standbys that it feeds.
        standbys: Vec<Standby>,
        /// Whether it is one itself.
        receiving: bool,
        /// Whether the outgoing user may log in there.
        can_log_in: Option<bool>,
    },
    /// A new stretch of samples.
    BeginRun(Run),
    /// The newest stretch goes on; in place of what it was.
    ExtendRun(Run),
    /// A session that was not there before.
    Seen(SeenSession),
    /// What a session does has changed.
    Changed {
        /// When it was first seen.
        first_seen: DateTime<Utc>,
        /// What it does now.
        session: ObservedSession,
    },
    /// A session is gone.
    Gone {
        /// Its number.
        pid: i64,
        /// When it was first seen.
        first_seen: DateTime<Utc>,
        /// When it went.
        ended: Ended,
    },
    /// The counter told something new.
    BeginCounter(CountedLogins),
    /// The counter told the same as before, up to now.
    ExtendCounter {
        /// The sample that told it.
        until: DateTime<Utc>,
    },
}
