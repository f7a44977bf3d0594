//! The named reasons for not beginning a rotation, and what is said with them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::model::EnvironmentName;
use crate::untrusted::Untrusted;

/// The named reasons for not beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdmitCase {
    /// Another process works on this environment.
    LockedBy,
    /// An earlier rotation is not finished.
    OpenRotation,
    /// The server does not answer.
    Unreachable,
    /// Another rotated secret owns one of the pair.
    OwnedElsewhere,
    /// It is not the server of the last rotation, or an older copy of it.
    OtherServer,
    /// The managing user cannot log in.
    ManagerOut,
    /// The managing user may not change this password.
    NoRight,
    /// The idle user is absent, locked, expired, or another role than before.
    NoSuchUser,
    /// The password that consumers read does not log in.
    CurrentDead,
    /// Y lacks what X has.
    TwinsDiffer,
    /// We never promoted this rotated secret and nobody acknowledged it.
    NeverPromoted,
    /// Somebody may still use the idle user.
    NotDrained,
}

impl AdmitCase {
    /// The name, as in JSON and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LockedBy => "locked-by",
            Self::OpenRotation => "open-rotation",
            Self::Unreachable => "unreachable",
            Self::OwnedElsewhere => "owned-elsewhere",
            Self::OtherServer => "other-server",
            Self::ManagerOut => "manager-out",
            Self::NoRight => "no-right",
            Self::NoSuchUser => "no-such-user",
            Self::CurrentDead => "current-dead",
            Self::TwinsDiffer => "twins-differ",
            Self::NeverPromoted => "never-promoted",
            Self::NotDrained => "not-drained",
        }
    }
}

impl fmt::Display for AdmitCase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for AdmitCase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why a rotation may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which case.
    pub case: AdmitCase,
    /// What was found.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

/// Who holds an environment's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The requester (a claim).
    pub holder: String,
    /// On which host.
    pub host: String,
    /// Which process.
    pub pid: u32,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// The rotated secret that a user belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Of which environment.
    pub environment: EnvironmentName,
    /// Which.
    pub path: String,
    /// The user in question.
    pub user: Untrusted,
}

impl Owner {
    /// What is wrong when another rotated secret asks for this user.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "{} belongs to the rotated secret {} of {}; two that change the same password cut \
             each other's consumers off",
            self.user, self.path, self.environment
        )
    }

    /// What mends it.
    #[must_use]
    pub fn remedy(&self, environment: &EnvironmentName) -> String {
        format!(
            "let consumers read {} of {} (`${{environments.{}.{}.{}}}`), or give {environment} \
             two users of its own",
            self.path,
            self.environment,
            self.environment.project(),
            self.environment.name(),
            self.path
        )
    }
}

/// The refusal while another process works on the environment.
#[must_use]
pub fn refuse_locked(environment: &EnvironmentName, lock: &LockHolder) -> Refusal {
    Refusal {
        case: AdmitCase::LockedBy,
        message: format!(
            "{environment} is locked by {} on {} (process {}) since {}",
            lock.holder,
            lock.host,
            lock.pid,
            lock.since.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        remedy: format!(
            "wait until it is finished; `handover status {environment}` shows how it ended"
        ),
    }
}
