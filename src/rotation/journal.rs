//! What stands in the journal, and what a rotation has been through by it.
//!
//! The journal is the rotation's only memory: every effect has an intent before it
//! and an outcome after it. Events hold sealed text, never a plaintext.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Case;
use crate::model::{Node, ServerIdentity, Step};

/// How the server's refusal of S3 is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalClass {
    /// Lock time-out, `tuple concurrently updated`, too many connections: the same again later.
    Retryable,
    /// The server's policy rejects this password.
    Password,
    /// No right, no such role, read-only server.
    Final,
}

/// A node and its clock at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTime {
    /// Which node.
    pub node: Node,
    /// Its clock.
    pub server_time: DateTime<Utc>,
}

/// What S1 established for one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// The rotated secret's identity.
    pub secret: String,
    /// The user in `current` (X).
    pub current: String,
    /// The idle user whose password changes (Y).
    pub user: String,
    /// OIDs of X and Y.
    pub oids: [u32; 2],
    /// Which server it was.
    pub server: ServerIdentity,
    /// Whether the store knows a password of Y at all.
    pub previous_known: bool,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The rotation began: lock held, plan agreed to.
    Opened {
        /// Who asked (a claim).
        requester: String,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// Digest of the plan that was agreed to.
        plan: String,
        /// The signed waiver of the gate, bound to that digest.
        waiver: Option<String>,
        /// The revision that the rotation started from.
        revision: u64,
    },
    /// S1 is done for a path.
    Admitted(Admitted),
    /// S2: a new password is sealed and durable.
    PendingSealed {
        /// The generation that the store handed out for it.
        generation: u64,
        /// The envelope.
        sealed: String,
        /// The salt of its verifier, in hex.
        salt: String,
    },
    /// S3: the statement is about to be sent.
    ApplySent,
    /// S3: the server confirmed it.
    ApplyConfirmed,
    /// S3: the server refused it, or it was certainly never sent.
    ApplyRefused {
        /// How to take it.
        class: RefusalClass,
        /// SQLSTATE, or a word of ours.
        code: String,
        /// The server's words.
        message: String,
    },
    /// After an unknown answer: no statement of ours can still be running.
    Outwaited,
    /// S4: the new password logs in everywhere and the statements ran.
    Verified {
        /// Every node with its clock.
        nodes: Vec<NodeTime>,
    },
    /// The pending password was rejected by policy and is dropped.
    PendingDropped,
    /// S5: the new revision stands.
    Promoted {
        /// Its number.
        revision: u64,
    },
    /// The run stopped; a person, or another try, goes on from here.
    Parked {
        /// Why.
        case: Case,
        /// In words.
        message: String,
    },
    /// Given up after S3: a revision has the new password as `previous`.
    Abandoned {
        /// Its number.
        revision: u64,
        /// Why.
        case: Case,
    },
    /// Ended before S3; nothing was changed.
    Aborted {
        /// Why.
        case: Case,
        /// In words.
        message: String,
    },
    /// The rotation is over.
    Closed,
}

/// How far one path has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not even S1.
    Begun,
    /// S1 done, or a rejected password dropped: there is no pending.
    Admitted,
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
    /// Given up after S3.
    Abandoned {
        /// The revision that says so.
        revision: u64,
    },
    /// Ended before S3.
    Aborted,
}

impl Progress {
    /// The last step that was reached.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Begun | Self::Admitted => Step::Preflight,
            Self::Pending | Self::Aborted => Step::Pending,
            Self::Sent { .. } | Self::Refused { .. } | Self::Confirmed => Step::Apply,
            Self::Verified => Step::Verify,
            Self::Promoted { .. } | Self::Abandoned { .. } => Step::Promote,
        }
    }
}

/// The pending password of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its generation.
    pub generation: u64,
    /// Its envelope.
    pub sealed: String,
    /// The salt of its verifier, in hex.
    pub salt: String,
}

/// What the journal knows of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathJournal {
    /// S1's findings.
    pub admitted: Option<Admitted>,
    /// How far it came.
    pub progress: Progress,
    /// The pending password, until it is dropped.
    pub pending: Option<Pending>,
    /// How often S3 was sent.
    pub sends: u32,
    /// How often S3 was sent since a person last looked.
    pub tries: u32,
    /// How often the present pending password was refused since a person last looked.
    pub refusals: u32,
    /// How many passwords the server's policy rejected.
    pub drops: u32,
    /// Clocks of the nodes at S4.
    pub verified: Vec<NodeTime>,
    /// The last cause of a stop, if the run stopped since the last effect.
    pub parked: Option<Case>,
}

impl PathJournal {
    /// Whether nothing more is to be done for the path.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.progress,
            Progress::Promoted { .. } | Progress::Abandoned { .. } | Progress::Aborted
        )
    }

    /// Whether S3 may have changed the database.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        match self.progress {
            Progress::Sent { .. }
            | Progress::Confirmed
            | Progress::Verified
            | Progress::Promoted { .. }
            | Progress::Abandoned { .. } => true,
            Progress::Begun
            | Progress::Admitted
            | Progress::Pending
            | Progress::Refused { .. }
            | Progress::Aborted => false,
        }
    }
}

/// Folds the events of one path, oldest first, into what they amount to.
#[must_use]
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> PathJournal {
    let mut journal = PathJournal {
        admitted: None,
        progress: Progress::Begun,
        pending: None,
        sends: 0,
        tries: 0,
        refusals: 0,
        drops: 0,
        verified: Vec::new(),
        parked: None,
    };
    for event in events {
        apply(&mut journal, event);
    }
    journal
}

fn apply(journal: &mut PathJournal, event: &Event) {
    journal.parked = None;
    match event {
        Event::Opened { .. } | Event::Closed => {}
        Event::Admitted(admitted) => {
            journal.admitted = Some(admitted.clone());
            journal.progress = Progress::Admitted;
        }
        Event::PendingSealed {
            generation,
            sealed,
            salt,
        } => {
            journal.pending = Some(Pending {
                generation: *generation,
                sealed: sealed.clone(),
                salt: salt.clone(),
            });
            journal.progress = Progress::Pending;
        }
        Event::ApplySent => {
            journal.sends += 1;
            journal.tries += 1;
            journal.progress = Progress::Sent { outwaited: false };
        }
        Event::ApplyConfirmed => journal.progress = Progress::Confirmed,
        Event::ApplyRefused {
            class,
            code,
            message,
        } => {
            journal.refusals += 1;
            journal.progress = Progress::Refused {
                class: *class,
                code: code.clone(),
                message: message.clone(),
            };
        }
        Event::Outwaited => journal.progress = Progress::Sent { outwaited: true },
        Event::Verified { nodes } => {
            journal.verified.clone_from(nodes);
            journal.progress = Progress::Verified;
        }
        Event::PendingDropped => {
            journal.drops += 1;
            journal.refusals = 0;
            journal.pending = None;
            journal.progress = Progress::Admitted;
        }
        Event::Promoted { revision } => {
            journal.progress = Progress::Promoted {
                revision: *revision,
            };
        }
        Event::Parked { case, .. } => {
            journal.parked = Some(*case);
            // Whoever comes back has mended something, or wants it tried again.
            journal.tries = 0;
            journal.refusals = 0;
        }
        Event::Abandoned { revision, .. } => {
            journal.progress = Progress::Abandoned {
                revision: *revision,
            };
        }
        Event::Aborted { case, .. } => {
            journal.parked = Some(*case);
            journal.progress = Progress::Aborted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(generation: u64) -> Event {
        Event::PendingSealed {
            generation,
            sealed: format!("envelope {generation}"),
            salt: "00".to_owned(),
        }
    }

    #[test]
    fn an_unanswered_send_is_neither_done_nor_undone() {
        let journal = fold(&[sealed(2), Event::ApplySent]);
        assert_eq!(journal.progress, Progress::Sent { outwaited: false });
        assert!(journal.may_have_changed());
        let journal = fold(&[sealed(2), Event::ApplySent, Event::Outwaited]);
        assert_eq!(journal.progress, Progress::Sent { outwaited: true });
        assert_eq!(journal.pending.map(|pending| pending.generation), Some(2));
    }

    #[test]
    fn a_dropped_password_is_gone_and_counted() {
        let journal = fold(&[sealed(2), Event::ApplySent, Event::PendingDropped]);
        assert_eq!(journal.pending, None);
        assert_eq!(journal.drops, 1);
        assert_eq!(journal.progress, Progress::Admitted);
    }

    #[test]
    fn parking_gives_a_new_budget_of_tries() {
        let refused = Event::ApplyRefused {
            class: RefusalClass::Retryable,
            code: "55P03".to_owned(),
            message: "lock time-out".to_owned(),
        };
        let parked = Event::Parked {
            case: Case::RefusedRetryable,
            message: "busy".to_owned(),
        };
        let journal = fold(&[sealed(2), Event::ApplySent, refused, parked]);
        assert_eq!((journal.sends, journal.tries, journal.refusals), (1, 0, 0));
    }

    #[test]
    fn parking_keeps_the_progress_and_the_pending_password() {
        let parked = Event::Parked {
            case: Case::Unreachable,
            message: "no answer".to_owned(),
        };
        let journal = fold(&[sealed(2), parked]);
        assert_eq!(journal.parked, Some(Case::Unreachable));
        assert_eq!(journal.progress, Progress::Pending);
        assert!(journal.pending.is_some());
    }

    #[test]
    fn events_survive_their_json() {
        let event = Event::ApplyRefused {
            class: RefusalClass::Retryable,
            code: "55P03".to_owned(),
            message: "lock time-out".to_owned(),
        };
        let text = serde_json::to_string(&event).expect("writes");
        assert!(text.contains("\"event\":\"apply-refused\""), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("reads"), event);
    }
}
