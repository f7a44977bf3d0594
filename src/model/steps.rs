//! The steps of a rotation (DESIGN: S1 preflight to S6 publish).

use serde::{Serialize, Serializer};

/// How far a rotated secret has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// S1: everything looked at, nothing changed.
    Preflight,
    /// S2: the new password is sealed and durable.
    Pending,
    /// S3: the new password is set in the database.
    Apply,
    /// S4: the new password logs in everywhere.
    Verify,
    /// S5: a new revision makes it `current`.
    Promote,
    /// S6: sinks have it.
    Publish,
}

impl Step {
    /// `S1` to `S6`, as in JSON and on screens.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Preflight => "S1",
            Self::Pending => "S2",
            Self::Apply => "S3",
            Self::Verify => "S4",
            Self::Promote => "S5",
            Self::Publish => "S6",
        }
    }

    /// The step in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Pending => "pending",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Promote => "promote",
            Self::Publish => "publish",
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
