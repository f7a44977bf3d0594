//! How far one path of a rotation has come, by its journal.

use super::journal::RefusalClass;
use crate::model::Step;

/// How far one path has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not even S1.
    Begun,
    /// S1 done, or a rejected password dropped: there is no pending.
    Admitted,
    /// A known password is the candidate, and we have locked its user.
    Locked {
        /// Whether the statement that lets it in again may have been sent.
        sent: bool,
    },
    /// S2 done, S3 not sent.
    Pending,
    /// S3 sent, no answer known.
    Sent {
        /// Whether it was waited out that the statement may still be running.
        outwaited: bool,
    },
    /// S3 refused.
    Refused {
        /// How to take it.
        class: RefusalClass,
        /// SQLSTATE, or a word of ours.
        code: String,
        /// The server's words.
        message: String,
    },
    /// S3 confirmed.
    Confirmed,
    /// S4 done.
    Verified,
    /// S5 done.
    Promoted {
        /// The new revision.
        revision: u64,
    },
    /// Ended before S3.
    Aborted,
    /// Ended after S3; consumers read what they read before.
    Abandoned {
        /// The revision that records the pending password as `previous`.
        revision: u64,
    },
}

impl Progress {
    /// The last step that was reached.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Begun | Self::Admitted | Self::Locked { sent: false } => Step::Preflight,
            Self::Locked { sent: true } => Step::Apply,
            Self::Pending | Self::Aborted => Step::Pending,
            Self::Sent { .. } | Self::Refused { .. } | Self::Confirmed | Self::Abandoned { .. } => {
                Step::Apply
            }
            Self::Verified => Step::Verify,
            Self::Promoted { .. } => Step::Promote,
        }
    }
}
