//! What a decision is made from: the intent, and what was found for one path.

use super::assess::Standing;
use super::identity::ServerMatch;
use super::sinks::SinkLook;

/// What the run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A rotation that just began.
    Rotate,
    /// A rotation that was found open: finish what was begun, begin nothing new.
    Recover,
    /// The failed paths of a partial failure: also a path that never had a password made.
    Retry,
    /// End it: keep what consumers read, and record honestly what the idle user has.
    Abandon,
}

/// The managing user, as far as this run looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Logged in, or not needed yet.
    Ready,
    /// Its login is refused.
    Out,
    /// The server did not answer.
    Unreachable,
}

/// The gate on the idle user, as far as this run looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateLook {
    /// Open, or a signed waiver passes it.
    Open,
    /// Somebody may still use the user.
    Shut,
}

/// Whether the synchronous standbys have the change of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replication {
    /// Nobody looked, or there was no reason to.
    #[default]
    NotLooked,
    /// They have it, or there are none.
    Confirmed,
    /// The change was applied locally and they have not got it, or a statement of ours
    /// still waits for one of them.
    Waiting,
}

/// The privileges of Y against those of X, at S4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TwinLook {
    /// Nobody looked.
    #[default]
    NotLooked,
    /// Y may do what X may.
    Alike,
    /// Y lacks something that X has.
    Differ,
}

/// What was found for one path. Standings of passwords that do not exist, or that
/// this run had no reason to probe, are `Standing::default()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// C, the password that consumers read, over all nodes.
    pub current: Standing,
    /// P, the last known password of the idle user, over all nodes.
    pub previous: Standing,
    /// N, the new password, over all nodes; poolers apart.
    pub pending: Standing,
    /// N through the poolers; the default where there are none.
    pub pooled: Standing,
    /// A random password, which nothing may accept, logs in.
    pub decoy_accepted: bool,
    /// The catalog shows that a user of the pair is gone, is another role than the recorded
    /// one, or has expired: a refused login then says nothing of its password.
    pub pair_unsound: bool,
    /// Whether this is the server that was recorded at S1.
    pub server: ServerMatch,
    /// Whether the synchronous standbys have the change.
    pub replication: Replication,
    /// Standbys that the server reports and the settings do not name: N cannot be
    /// verified on them.
    pub unnamed_standbys: usize,
    /// Privileges of Y against X.
    pub twins: TwinLook,
    /// How often this run has already waited for replay or for a pooler.
    pub waits: u32,
    /// The managing user.
    pub manager: Manager,
    /// The gate.
    pub gate: GateLook,
    /// S3 takes several statements, was sent, and not confirmed as a whole: a login proves
    /// one of the rows that they change, and the others may not have N.
    pub in_parts: bool,
    /// S3 was sent and not answered, and N was not tried: the server shuts the user out after
    /// so many wrong passwords that a guess is not ours to make.
    pub untried: bool,
    /// The commit of S5 was sent and its outcome is not known.
    pub promotion_unknown: bool,
    /// After S5: a file that it is published to.
    pub sink: SinkLook,
}

impl Evidence {
    /// After S5, where no database is asked any more.
    #[must_use]
    pub fn of_sink(sink: SinkLook) -> Self {
        Self {
            current: Standing::default(),
            previous: Standing::default(),
            pending: Standing::default(),
            pooled: Standing::default(),
            decoy_accepted: false,
            pair_unsound: false,
            server: ServerMatch::NotKnown,
            replication: Replication::NotLooked,
            unnamed_standbys: 0,
            twins: TwinLook::NotLooked,
            waits: 0,
            manager: Manager::Ready,
            gate: GateLook::Open,
            in_parts: false,
            untried: false,
            promotion_unknown: false,
            sink,
        }
    }
}
