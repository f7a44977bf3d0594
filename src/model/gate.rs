//! The gate: whether the password of a user may be changed.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Session;
use crate::untrusted::Untrusted;

/// Why the gate is shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shut {
    /// Sessions of the user, own probes left out.
    Sessions(Vec<Session>),
    /// The managing user does not see everything; with the statement that mends it.
    MaskedView {
        /// The `GRANT` that gives a complete view.
        grant: Option<String>,
    },
    /// Standbys that a server feeds and the settings do not name: who is there is not seen.
    UnseenStandbys(Vec<Untrusted>),
    /// Nobody is there now, and that is not known for long enough.
    NotDrained {
        /// Why, in the drain's words.
        why: String,
        /// How long it still takes when nobody comes, where that can be said.
        remaining: Option<Duration>,
    },
    /// Consumers may still be reading the old credential.
    Propagating {
        /// When `propagation` will have passed, by the server's clock.
        until: DateTime<Utc>,
        /// How long that is from now.
        remaining: Duration,
    },
}

/// Whether the password of a user may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Nobody uses the user, and that is known.
    Open,
    /// Not now; every reason is named.
    Shut(Vec<Shut>),
}
