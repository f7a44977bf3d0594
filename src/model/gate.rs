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
    /// Whoever looks does not see everything; with the statement that mends it.
    MaskedView {
        /// Who looks.
        viewer: Viewer,
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

/// Who looks for sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// The managing user.
    Managing,
    /// The login that the settings name as `monitor`.
    Monitor {
        /// Its name, where that could be read.
        user: Option<Untrusted>,
        /// Why it could not look at all, if so.
        problem: Option<String>,
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
