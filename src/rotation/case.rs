//! The named situations of a rotation that was found open, and what is said of them.
//!
//! The names are the same in code, tests, JSON, screens and documents.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// The named situations. The names are the same in code, tests, JSON and screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Two different passwords of one user log in: something else answers.
    BothAccepted,
    /// The password that consumers read does not log in.
    CurrentDead,
    /// Stopped before S2.
    NothingDone,
    /// S2 done, S3 not sent.
    PendingUnsent,
    /// S3 refused for a passing reason.
    RefusedRetryable,
    /// S3 refused because of this password.
    RefusedPassword,
    /// S3 refused for good.
    RefusedFinal,
    /// S3 sent, no answer, and not applied.
    ReplyLost,
    /// The new password is set and logs in; not promoted.
    Applied,
    /// A configured statement fails as the new user.
    VerifyFailed,
    /// The outcome of S5 in the store is not known.
    StoreUnknown,
    /// The managing user cannot log in.
    ManagerOut,
    /// Too little answered to say anything.
    Unreachable,
    /// The evidence fits no case.
    Unrecognised,
}

impl Case {
    /// All cases, in the order of the table; the last one is what fits none.
    pub const ALL: [Self; 14] = [
        Self::BothAccepted,
        Self::CurrentDead,
        Self::NothingDone,
        Self::PendingUnsent,
        Self::RefusedRetryable,
        Self::RefusedPassword,
        Self::RefusedFinal,
        Self::ReplyLost,
        Self::Applied,
        Self::VerifyFailed,
        Self::StoreUnknown,
        Self::ManagerOut,
        Self::Unreachable,
        Self::Unrecognised,
    ];

    /// What is done about it, in a few words for the documentation.
    #[must_use]
    pub fn treatment(self) -> &'static str {
        match self {
            Self::BothAccepted | Self::CurrentDead | Self::ManagerOut | Self::Unrecognised => {
                "parked: a person is needed"
            }
            Self::NothingDone => "closed",
            Self::PendingUnsent => "sent if the gate is open, else dropped and closed",
            Self::RefusedRetryable => "the same password is sent again, a few times, then parked",
            Self::RefusedPassword => "another password is made, twice at most, then parked",
            Self::RefusedFinal => "parked; sent again by whoever mended it",
            Self::ReplyLost => "waited out, looked at, and the same password is sent again",
            Self::Applied => "verified and promoted",
            Self::VerifyFailed => "parked; verified again by whoever mended it",
            Self::StoreUnknown => "read again",
            Self::Unreachable => "kept as it is until the database answers",
        }
    }

    /// What else could be done.
    #[must_use]
    pub fn next_best(self) -> &'static str {
        match self {
            Self::BothAccepted => {
                "close the server to `trust` for these users first, then look again"
            }
            Self::CurrentDead => {
                "a superuser sets the stored password again, or lets the user log in again"
            }
            Self::NothingDone | Self::PendingUnsent => "leave it; consumers are not affected",
            Self::RefusedRetryable | Self::ReplyLost | Self::Unreachable => "wait, then look again",
            Self::RefusedPassword => "make the password longer in the settings, then look again",
            Self::RefusedFinal | Self::ManagerOut => "a superuser mends what the server names",
            Self::Applied => "leave it; both users log in, and nobody is affected",
            Self::VerifyFailed => "take the statement out of the settings, if it asks too much",
            Self::StoreUnknown => "restore the last backup of the store",
            Self::Unrecognised => "keep a copy of the store, and ask who else manages these users",
        }
    }

    /// What would make the verdict wrong.
    #[must_use]
    pub fn wrong_if(self) -> &'static str {
        match self {
            Self::BothAccepted => "the server asks nobody for a password from this host alone",
            Self::CurrentDead => "consumers reach another server than this host does",
            Self::NothingDone | Self::PendingUnsent => {
                "this store is older than the database (a restored backup)"
            }
            Self::RefusedRetryable | Self::RefusedPassword | Self::RefusedFinal => {
                "the server said one thing and did another"
            }
            Self::ReplyLost | Self::Applied | Self::VerifyFailed => {
                "a pooler or a proxy answered instead of the server"
            }
            Self::StoreUnknown => "somebody else wrote to the store meanwhile",
            Self::ManagerOut => "the managing user's password in its environment is out of date",
            Self::Unreachable => "only this host cannot reach the database",
            Self::Unrecognised => "somebody changed these users during the look",
        }
    }

    /// The name, as in JSON and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BothAccepted => "both-accepted",
            Self::CurrentDead => "current-dead",
            Self::NothingDone => "nothing-done",
            Self::PendingUnsent => "pending-unsent",
            Self::RefusedRetryable => "refused-retryable",
            Self::RefusedPassword => "refused-password",
            Self::RefusedFinal => "refused-final",
            Self::ReplyLost => "reply-lost",
            Self::Applied => "applied",
            Self::VerifyFailed => "verify-failed",
            Self::StoreUnknown => "store-unknown",
            Self::ManagerOut => "manager-out",
            Self::Unreachable => "unreachable",
            Self::Unrecognised => "unrecognised",
        }
    }

    /// What the case means, in one sentence for an operator.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::BothAccepted => {
                "two different passwords of one user log in: `trust`, LDAP or a pooler answers, not the password"
            }
            Self::CurrentDead => {
                "the password that consumers read does not log in: consumers are down"
            }
            Self::NothingDone => "stopped before a password was made; nothing was changed",
            Self::PendingUnsent => "a new password is sealed but was never sent to the database",
            Self::RefusedRetryable => "the database refused the change for a passing reason",
            Self::RefusedPassword => "the database's password policy rejected the new password",
            Self::RefusedFinal => "the database refused the change for good",
            Self::ReplyLost => "the change was sent, its answer was lost, and it was not applied",
            Self::Applied => "the new password is set and not promoted; nobody is affected",
            Self::VerifyFailed => {
                "the new password logs in, but a configured statement fails; nobody is affected"
            }
            Self::StoreUnknown => "it is not known whether the store took the promotion",
            Self::ManagerOut => "the managing user cannot log in; consumers are not affected",
            Self::Unreachable => "the database does not answer, so nothing is known",
            Self::Unrecognised => "what was found fits no known case",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
