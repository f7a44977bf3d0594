//! What an agent tells: one thing a line.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::drain::Verdict;
use crate::model::{EnvironmentName, RetireStep, RotationId, Stage};
use crate::operations::DeliveryState;
use crate::operations::hand_over::{Drift, RetireStatus};
use crate::untrusted::Untrusted;

/// One thing that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum News {
    /// No overlap is open.
    Idle,
    /// The sessions of a user are sampled here from now on.
    Sampling {
        /// Of which environment.
        environment: EnvironmentName,
        /// Of which rotated secret.
        path: String,
        /// Whose.
        user: Untrusted,
        /// On how many nodes.
        nodes: usize,
    },
    /// Another process samples the environment.
    Waiting {
        /// Which.
        environment: EnvironmentName,
    },
    /// What may be said of a user is another thing than before.
    Verdict {
        /// Of which environment.
        environment: EnvironmentName,
        /// Of which rotated secret.
        path: String,
        /// Of whom.
        user: Untrusted,
        /// What may be said now.
        verdict: Verdict,
        /// What was said before; `null` at first.
        before: Option<Verdict>,
        /// Why it is not drained.
        reason: Option<String>,
    },
    /// An outgoing user was retired by one step, or was not.
    Retired {
        /// Of which environment.
        environment: EnvironmentName,
        /// Of which rotated secret.
        path: String,
        /// The outgoing user.
        user: Untrusted,
        /// How it ended.
        status: RetireStatus,
        /// What was done, or would have been.
        step: Option<RetireStep>,
        /// How far it has come.
        stage: Option<Stage>,
        /// What stands in the way, if something does.
        problem: Option<String>,
        /// What mends that.
        remedy: Option<String>,
    },
    /// A notice was sent to a webhook, or could not be.
    Notice {
        /// Of which environment.
        environment: EnvironmentName,
        /// What it tells.
        kind: String,
        /// Its id.
        id: String,
        /// To whom.
        webhook: String,
        /// How far the delivery has come.
        state: DeliveryState,
        /// How often it was tried.
        attempts: u32,
        /// What was answered.
        answer: Option<String>,
        /// When it is tried next; `null` when it is over.
        next_try_at: Option<DateTime<Utc>>,
    },
    /// A rotation is begun for an occurrence of a schedule, or gone on with.
    RotationBegun {
        /// Of which environment.
        environment: EnvironmentName,
        /// The occurrence.
        occurrence: DateTime<Utc>,
        /// The rotation that is gone on with; `null` where one is to be begun.
        rotation: Option<RotationId>,
    },
    /// Everything of an environment was promoted for an occurrence of its schedule.
    RotationDone {
        /// Of which environment.
        environment: EnvironmentName,
        /// The occurrence.
        occurrence: DateTime<Utc>,
        /// The rotation.
        rotation: Option<RotationId>,
    },
    /// Something stands in the way of an occurrence, and it is tried again.
    RotationWaiting {
        /// Of which environment.
        environment: EnvironmentName,
        /// The occurrence.
        occurrence: DateTime<Utc>,
        /// The rotation, if one was begun.
        rotation: Option<RotationId>,
        /// What stands in the way.
        code: String,
        /// In words.
        problem: String,
        /// What mends that.
        remedy: String,
        /// When it is tried again.
        next_try_at: DateTime<Utc>,
    },
    /// An occurrence is left to a person: the rotation that was begun for it did not come to its
    /// end, or, without one, it is missed, since a person is needed before one can begin.
    RotationFailed {
        /// Of which environment.
        environment: EnvironmentName,
        /// The occurrence.
        occurrence: DateTime<Utc>,
        /// The rotation; `null` where none was begun.
        rotation: Option<RotationId>,
        /// What was in the way.
        code: String,
        /// In words.
        problem: String,
        /// What mends that.
        remedy: String,
    },
    /// The window of an occurrence has passed, and nothing was begun in it.
    OccurrenceMissed {
        /// Of which environment.
        environment: EnvironmentName,
        /// The occurrence.
        occurrence: DateTime<Utc>,
        /// How many it stands for.
        occurrences: u64,
        /// What was in the way.
        code: String,
        /// In words.
        problem: String,
        /// What mends that.
        remedy: String,
    },
    /// The credentials of an environment were compared with what the store expects.
    Verified {
        /// Of which environment.
        environment: EnvironmentName,
        /// What that came to.
        verdict: Drift,
        /// What is not as expected; empty where all is.
        words: String,
    },
    /// Nothing is begun and nobody is retired by itself.
    Frozen {
        /// Until then, or until somebody ends it.
        until: Option<DateTime<Utc>>,
        /// Why.
        reason: Option<String>,
    },
    /// The freeze is over.
    Thawed,
    /// Less is known than should be.
    Problem {
        /// Of which environment; `null`: of none alone.
        environment: Option<EnvironmentName>,
        /// Why.
        problem: String,
    },
}
