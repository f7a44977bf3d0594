//! What is said of one overlap: the answer of `handover drain`, as people, scripts and the
//! console read it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::listening::Listening;
use super::retire::Leak;
use crate::model::Stage;
use crate::untrusted::Untrusted;

/// The drain of one overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drain {
    /// The rotated secret.
    pub path: String,
    /// The outgoing user.
    pub user: Untrusted,
    /// The revision that made it the outgoing one.
    pub revision: u64,
    /// The latest promote time of all nodes, by their clocks; `null` when the user was never
    /// promoted away from.
    pub promoted_at: Option<DateTime<Utc>>,
    /// How far the overlap has come.
    pub stage: Stage,
    /// Since when, by this host's clock.
    pub stage_since: DateTime<Utc>,
    /// The user's password leaked.
    pub compromised: bool,
    /// What is still to be done because of that; `null` when nothing is.
    pub leak: Option<Leak>,
    /// What is heard of a locked user; `null` of one that is not.
    pub listening: Option<Listening>,
    /// May its password be changed, may it be locked?
    pub verdict: Verdict,
    /// Why it is not drained, most serious first; empty when it is.
    pub reasons: Vec<String>,
    /// How it is known.
    pub method: Method,
    /// The time for which nobody may have been seen.
    pub window: Window,
    /// What can be seen, and what not.
    pub coverage: Coverage,
    /// How many sessions there are now.
    pub counts: Counts,
    /// How many there were over the whole overlap, oldest first; a point for each change.
    pub history: Vec<HistoryPoint>,
    /// Logins after `propagation` had passed, newest first, the newest 500 of them.
    pub late: Vec<LateLogin>,
    /// Who is still there, by application and client: the worst arrival first, then the
    /// oldest session.
    pub stragglers: Vec<Straggler>,
    /// When it will be empty.
    pub forecast: Forecast,
    /// What locking or rotating has to wait for, in one sentence; `null` when for nothing.
    pub gate: Option<String>,
}

/// May the password of the outgoing user be changed?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Somebody uses it.
    Active,
    /// Nobody is seen, and not for long enough.
    Quiet,
    /// Nobody was seen for the whole window, with complete coverage.
    Drained,
    /// It cannot be said. This is no kind of yes.
    Unknown,
}

impl Verdict {
    /// The word, as in JSON and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quiet => "quiet",
            Self::Drained => "drained",
            Self::Unknown => "unknown",
        }
    }
}

/// How it is known that nobody was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Nothing was seen yet.
    None,
    /// By looking again and again: a login between two looks is not seen.
    Sampled,
    /// Every node also counts, so that no login is missed.
    Counted,
}

/// The time for which nobody may have been seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// `drain.quiet`, in seconds.
    pub required_seconds: u64,
    /// Since when nobody was seen on any node, by this host's clock; `null` while somebody is.
    pub since: Option<DateTime<Utc>>,
    /// How long that is, up to the oldest of the nodes' last samples.
    pub quiet_seconds: u64,
    /// How long it still takes, `propagation` included.
    pub remaining_seconds: u64,
    /// The longest time between two samples in it: what was shorter may have been missed.
    pub resolution_seconds: Option<u64>,
}

/// What can be seen, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// All nodes answer, all their sessions are visible, and no standby is unknown.
    pub complete: bool,
    /// When the oldest of the nodes' last answers was given, by this host's clock.
    pub sampled_at: Option<DateTime<Utc>>,
    /// Node by node.
    pub nodes: Vec<NodeCoverage>,
    /// Standbys that a node feeds and the settings do not name.
    pub unnamed_standbys: Vec<Untrusted>,
    /// Poolers of the settings, behind which clients cannot be seen, with their command.
    pub poolers: Vec<PoolerNote>,
}

/// What one node tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeCoverage {
    /// Which.
    pub node: String,
    /// What may be said by it.
    pub view: View,
    /// When it answered last, by this host's clock.
    pub sampled_at: Option<DateTime<Utc>>,
    /// Sessions of the outgoing user there; `null` where that is not known.
    pub sessions: Option<u64>,
    /// What is wrong, if anything.
    pub problem: Option<String>,
    /// The statement that mends it.
    pub grant: Option<String>,
}

/// What may be said by a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// All sessions are visible.
    Complete,
    /// Some may be hidden: a zero says nothing.
    Masked,
    /// It does not answer.
    Unreachable,
    /// Its last answer is older than `max-gap`.
    Stale,
    /// It was never asked.
    NeverSampled,
}

/// A pooler that hides its clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolerNote {
    /// Its address.
    pub pooler: String,
    /// What it hides, and its command that ends idle server sessions.
    pub note: String,
}

/// How many sessions there are now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them; those that began before the promote, catching up and late together.
    pub sessions: u64,
    /// Began before the promote, or it is not told when.
    pub before: u64,
    /// Began within `propagation` after it.
    pub catching_up: u64,
    /// Began later: somebody still reads the old password.
    pub late: u64,
    /// Prepared transactions, which are counted among the sessions.
    pub prepared: u64,
    /// Late logins in the last `drain.quiet`, those included that have ended or were only
    /// counted.
    pub late_logins: u64,
    /// Logins in the last `drain.quiet` that no sample saw, where the server counts them.
    pub unseen_logins: u64,
}

/// How many sessions there were from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryPoint {
    /// From when on, by this host's clock.
    pub at: DateTime<Utc>,
    /// How many; `null` where nobody looked at any node. Where only some were looked at, the
    /// others count as they were last seen.
    pub sessions: Option<u64>,
}

/// When a session began, as far as the promote is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Before the promote.
    Before,
    /// After it, within `propagation`.
    CatchingUp,
    /// Later.
    Late,
}

/// A login after `propagation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LateLogin {
    /// Where.
    pub node: String,
    /// Its session; `null` where the server only counted it.
    pub pid: Option<i64>,
    /// `application_name`.
    pub application: Option<Untrusted>,
    /// The client's address.
    pub client: Option<Untrusted>,
    /// When it began, or by when at the latest, by the node's clock.
    pub at: DateTime<Utc>,
    /// How many logins this line stands for; more than one where they were only counted.
    pub logins: u64,
    /// Whether its session is still there.
    pub is_there: bool,
}

/// Sessions of one application from one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Straggler {
    /// `application_name`.
    pub application: Untrusted,
    /// The client's address.
    pub client: Option<Untrusted>,
    /// The worst arrival of its sessions.
    pub arrival: Arrival,
    /// Whom to call, by the settings.
    pub owner: Option<String>,
    /// A pooler at that address.
    pub pooler: Option<String>,
    /// What ends them without hurting anybody, in words.
    pub remedy: String,
    /// Its sessions, oldest first.
    pub sessions: Vec<StragglerSession>,
}

/// One session that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StragglerSession {
    /// Where.
    pub node: String,
    /// The backend's process id, on MySQL the connection's; 0 for a prepared transaction.
    pub pid: i64,
    /// `client`, `replication`, `masked`, `prepared transaction`.
    pub kind: &'static str,
    /// The database.
    pub database: Option<Untrusted>,
    /// When it began, by the node's clock, where that is told.
    pub started: Option<DateTime<Utc>>,
    /// How old it is, or at least is.
    pub age_seconds: u64,
    /// Whether it may be older.
    pub at_least: bool,
    /// When it began, as far as the promote is concerned.
    pub arrival: Arrival,
    /// What it does, in the server's word.
    pub state: Option<Untrusted>,
    /// For how long it does that.
    pub state_seconds: Option<u64>,
    /// How old its open transaction is.
    pub transaction_seconds: Option<u64>,
    /// The first word of its last statement.
    pub command: Option<Untrusted>,
}

/// When nobody will be there any more, by the ages at which sessions were seen to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Forecast {
    /// Nobody is there.
    Empty,
    /// Between these two, by this host's clock.
    Range {
        /// At the earliest.
        earliest: DateTime<Utc>,
        /// At the latest.
        latest: DateTime<Utc>,
        /// On what it rests, in words.
        basis: String,
    },
    /// It will not drain by itself.
    Never {
        /// Whose sessions do not end, and why that is thought.
        because: String,
    },
    /// Too little was seen.
    Unknown {
        /// What is missing.
        because: String,
    },
}
