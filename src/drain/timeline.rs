//! What was observed of one overlap, run-length: a row is made where something changed, so
//! that a pool that stays as it is costs nothing, and two operators read the same.
//!
//! All times are by the clock of the node, if not said otherwise.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::{LoginCounter, Node, ObservedSession, OwnSession, SessionKind, Standby};
use crate::untrusted::Untrusted;

/// All observations of one overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Node by node, in the order of the settings.
    pub nodes: Vec<NodeTimeline>,
    /// Sessions of our own as the outgoing user: they are left out of everything.
    pub own: Vec<OwnSession>,
    /// Clients whose ended sessions are not kept one by one any more.
    pub folded: Vec<FoldedClient>,
}

/// The observations of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTimeline {
    /// Which node.
    pub node: Node,
    /// When it was last asked, by this host's clock, and what kept it from an answer.
    pub last: Option<LastLook>,
    /// Stretches of samples without a gap over `max-gap`, oldest first.
    pub runs: Vec<Run>,
    /// Sessions, in the order in which they were first seen.
    pub sessions: Vec<SeenSession>,
    /// What the server counted, a row for each change, oldest first.
    pub counters: Vec<CountedLogins>,
    /// When the server was started, as told by its last sample: connections are numbered anew
    /// from then on.
    pub server_started: Option<DateTime<Utc>>,
    /// The standbys that the node fed at its last sample.
    pub standbys: Vec<Standby>,
    /// Whether it was a standby itself at its last sample.
    pub receiving: bool,
    /// Whether the outgoing user could log in there at its last sample, by the catalog.
    pub can_log_in: Option<bool>,
}

impl NodeTimeline {
    /// A node at which nobody has looked yet.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self {
            node,
            last: None,
            runs: Vec::new(),
            sessions: Vec::new(),
            counters: Vec::new(),
            server_started: None,
            standbys: Vec::new(),
            receiving: false,
            can_log_in: None,
        }
    }
}

/// The last attempt at a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLook {
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// The last answer: of this attempt, or of an earlier one if this one failed.
    pub answered: Option<Answered>,
    /// Why this attempt told nothing, if so, in words.
    pub problem: Option<String>,
    /// The statement that mends a view that is not complete.
    pub grant: Option<String>,
}

/// Both clocks at an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// This host's.
    pub at: DateTime<Utc>,
    /// The node's.
    pub server_time: DateTime<Utc>,
}

/// A stretch of samples of one node, each at most `max-gap` after the one before. A sample
/// with another [`view`](Self::is_complete) begins a new stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its first sample.
    pub from: DateTime<Utc>,
    /// Its last sample.
    pub until: DateTime<Utc>,
    /// How many samples it has.
    pub samples: u64,
    /// The longest time between two of them, by the node's clock or by this host's that counts
    /// suspend, whichever says longer.
    pub longest_gap: Duration,
    /// Whether all sessions could be seen.
    pub is_complete: bool,
}

/// One session as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSession {
    /// What was seen of it last.
    pub session: ObservedSession,
    /// The sample before it was first seen, on this node: where the engine does not tell when
    /// it began, it began after that. `None` when it was there at the first sample.
    pub not_before: Option<DateTime<Utc>>,
    /// The first sample that saw it.
    pub first_seen: DateTime<Utc>,
    /// The last sample that saw it, and the first that did not; `None` while it is there.
    pub ended: Option<Ended>,
}

impl SeenSession {
    /// By what its row is found again.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        let is_prepared = self.session.kind == SessionKind::PreparedTransaction;
        SessionKey {
            pid: self.session.pid,
            first_seen: self.first_seen,
            prepared: is_prepared.then(|| self.session.application.clone()),
        }
    }
}

/// By what the row of a session is found again, on its node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Its number.
    pub pid: i64,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
    /// The identifier of a prepared transaction, of which all have the number 0; `None` for
    /// everything else, whose application may change its name.
    pub prepared: Option<Untrusted>,
}

/// The end of a session lies between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The last sample that is known to have seen it.
    pub last_seen: DateTime<Utc>,
    /// The first sample that did not.
    pub gone_at: DateTime<Utc>,
}

/// What a server counted from one sample to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedLogins {
    /// The first sample that told this.
    pub from: DateTime<Utc>,
    /// The last sample that told this.
    pub until: DateTime<Utc>,
    /// What it told.
    pub counter: LoginCounter,
}

/// Ended sessions of one client that were folded together to keep the store small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedClient {
    /// `application_name`.
    pub application: String,
    /// The client's address.
    pub client: Option<String>,
    /// How many sessions.
    pub sessions: u64,
    /// The youngest age at which one ended, in seconds, where ages were known.
    pub shortest_seconds: Option<u64>,
    /// The oldest age at which one ended.
    pub longest_seconds: Option<u64>,
}
