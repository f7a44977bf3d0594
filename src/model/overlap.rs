//! The overlap: the time in which both users of a pair are valid, from promote to retire.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, Node};

/// How far an overlap has come. Each change of the database has an intent before it, so that
/// whoever comes after a killed run knows what to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The outgoing user may log in; its sessions are sampled.
    Draining,
    /// The statement that locks it may have been sent.
    Locking,
    /// It cannot log in. Its password is untouched, so this can be undone.
    Locked,
    /// The statement that unlocks it may have been sent.
    Unlocking,
    /// The statement that scrambles its password may have been sent.
    Scrambling,
    /// Its password is a random one that nobody keeps.
    Scrambled,
}

impl Stage {
    /// The word, as in JSON, in the store and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Locking => "locking",
            Self::Locked => "locked",
            Self::Unlocking => "unlocking",
            Self::Scrambling => "scrambling",
            Self::Scrambled => "scrambled",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// One change of the outgoing user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetireStep {
    /// It may not log in any more; its password stays.
    Lock,
    /// It may log in again.
    Unlock,
    /// It gets a random password that nobody keeps.
    Scramble,
}

/// A node and its clock at a moment, such as that of the promote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTime {
    /// Which node.
    pub node: Node,
    /// Its clock.
    pub server_time: DateTime<Utc>,
    /// The number of a connection that was made then, where the engine numbers them: on MySQL
    /// and MariaDB, which tell no session's start, a higher number began later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<i64>,
}

/// One overlap of a rotated secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// Its number in the store.
    pub id: i64,
    /// The outgoing user.
    pub user: String,
    /// What makes it the same user, where its server was met.
    pub account: Option<AccountId>,
    /// The revision that made it the outgoing one.
    pub revision: u64,
    /// Every node at the promote.
    pub promoted: Vec<NodeTime>,
    /// When it began, by this host's clock.
    pub opened_at: DateTime<Utc>,
    /// How far it has come.
    pub stage: Stage,
    /// Since when, by this host's clock.
    pub stage_at: DateTime<Utc>,
    /// The password of the outgoing user leaked: it is not to be given back.
    pub compromised: bool,
}

impl Overlap {
    /// The promote by the clock of `node`; by the latest of all clocks where that node was
    /// not there yet.
    #[must_use]
    pub fn promoted_on(&self, node: &Node) -> Option<&NodeTime> {
        let on_node = self.promoted.iter().find(|at| at.node == *node);
        on_node.or_else(|| self.promoted.iter().max_by_key(|at| at.server_time))
    }
}
