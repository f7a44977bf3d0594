//! What stands in the journal, and what a rotation has been through by it.
//!
//! The journal is the rotation's only memory: every effect has an intent before it
//! and an outcome after it. Events hold sealed text, never a plaintext.

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::{Case, Way};
use crate::model::{AccountId, NodeTime, ServerIdentity};

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

/// What S1 established for one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// The rotated secret's identity.
    pub secret: String,
    /// The user in `current` (X).
    pub current: String,
    /// The idle user whose password changes (Y).
    pub user: String,
    /// What makes X and Y the same users: their OIDs on PostgreSQL.
    #[serde(alias = "oids")]
    pub accounts: [AccountId; 2],
    /// How many statements the change takes.
    #[serde(default = "one")]
    pub statements: usize,
    /// After how many wrong passwords in a row the server shuts Y out, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_limit: Option<u32>,
    /// The same of X.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_limit: Option<u32>,
    /// From where Y may log in, one for each row `user@host`; empty on PostgreSQL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Which server it was.
    pub server: ServerIdentity,
    /// Whether the store knows a password of Y at all.
    pub previous_known: bool,
    /// Whether the store knows the password of X: not at a first rotation without a state.
    #[serde(default = "known")]
    pub current_known: bool,
}

/// What a journal means that was written before the question was asked.
fn known() -> bool {
    true
}

/// The same of the statements.
fn one() -> usize {
    1
}

/// The way back that somebody agreed to for one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Which.
    pub way: Way,
    /// The case in which it was chosen.
    pub case: Case,
    /// What consumers read did not log in, and somebody typed the environment's name: from
    /// here on it need not log in for the rotation to go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub consumers_down: bool,
    /// What consumers read so far leaked, which was not said when the rotation began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
    /// Who agreed (a claim).
    pub agreed_by: String,
    /// Why a password that leaked is given back to consumers all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
    /// The published file that held the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
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
        /// What consumers read so far leaked: it is locked at once after the promote.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        compromised: bool,
    },
    /// S1 is done for a path.
    Admitted(Admitted),
    /// It is a way back. Where that takes a password which the user has already, that one is
    /// the candidate: there is nothing to make and nothing to send.
    WayChosen(Chosen),
    /// The statement that lets the candidate's user in again is about to be sent.
    UnlockSent,
    /// The server confirmed it.
    UnlockConfirmed {
        /// As for S3: up to where the synchronous standbys have to come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unreplicated_at: Option<i64>,
    },
    /// The server refused it.
    UnlockRefused {
        /// Its code.
        code: String,
        /// The server's words.
        message: String,
    },
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
    /// Where the server counts them: how many wrong passwords of Y we have shown in a row.
    LoginsRefused {
        /// 0 after a login that succeeded.
        in_a_row: u32,
    },
    /// S3: of several statements, one more was confirmed.
    StatementConfirmed {
        /// The rows `user@host` that it changed.
        rows: String,
    },
    /// S3: the server confirmed it.
    ApplyConfirmed {
        /// The WAL position in bytes up to which the synchronous standbys have to come,
        /// where the server warned that the change was applied locally only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unreplicated_at: Option<i64>,
    },
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
    /// Somebody else has changed the user's password; the same pending one is sent once more.
    RivalSeen,
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
    /// S6: a file is about to get the text of a revision. Of the rotation as a whole, as the two
    /// that follow.
    PublishSent {
        /// Which file.
        file: String,
        /// Of which revision.
        revision: u64,
    },
    /// S6: the file has it, and its readers were told.
    Published {
        /// Which file.
        file: String,
        /// Of which revision.
        revision: u64,
    },
    /// S6: the file has it not, or its readers were not told.
    PublishFailed {
        /// Which file.
        file: String,
        /// Why.
        case: Case,
        /// In words.
        message: String,
    },
    /// Ended after S3: a new revision whose `previous` is the pending password stands,
    /// and what consumers read is what it was.
    Abandoned {
        /// Its number.
        revision: u64,
        /// Why.
        case: Case,
    },
    /// The run stopped; a person, or another try, goes on from here.
    Parked {
        /// Why.
        case: Case,
        /// In words.
        message: String,
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
    /// The way back that it is, if it is one.
    pub back: Option<Chosen>,
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
    /// Up to where the synchronous standbys have to come before N is on them.
    pub unreplicated_at: Option<i64>,
    /// How often S3 had been sent when a rival was seen, until a person looked.
    pub rival_seen: Option<u32>,
    /// A rival was seen over the present pending password, which may have been set before
    /// it: whatever has older data than the recorded server may accept it.
    pub overwritten: bool,
    /// Clocks of the nodes at S4.
    pub verified: Vec<NodeTime>,
    /// The last cause of a stop, if the run stopped since the last effect.
    pub parked: Option<Case>,
    /// How many wrong passwords of Y we have shown in a row, where its server counts them.
    pub wrong_logins: u32,
}

impl PathJournal {
    /// Whether S3 may have changed the database.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        match self.progress {
            Progress::Confirmed | Progress::Verified => !self.way().is_some_and(Way::sends_nothing),
            Progress::Locked { sent } => sent,
            Progress::Sent { .. } | Progress::Promoted { .. } | Progress::Abandoned { .. } => true,
            Progress::Begun
            | Progress::Admitted
            | Progress::Pending
            | Progress::Refused { .. }
            | Progress::Aborted => false,
        }
    }

    /// Whether the path has come to its end; at most its books are still open.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.progress,
            Progress::Promoted { .. } | Progress::Aborted | Progress::Abandoned { .. }
        )
    }

    /// Whether the database may hold N, as far as the journal knows.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        matches!(
            self.progress,
            Progress::Sent { .. } | Progress::Confirmed | Progress::Verified
        )
    }

    /// The candidate is a password that its user has already.
    #[must_use]
    pub fn takes_known(&self) -> bool {
        self.way().is_some_and(Way::takes_known)
    }

    fn way(&self) -> Option<Way> {
        self.back.as_ref().map(|back| back.way)
    }

    /// Whether what consumers read has to log in: not where nobody here knows it, and not
    /// where it did not and somebody agreed to go on.
    #[must_use]
    pub fn needs_current(&self) -> bool {
        self.knows_current() && !self.back.as_ref().is_some_and(|back| back.consumers_down)
    }

    /// Whether the store knows what consumers read; a journal without S1 has no reason
    /// to doubt it.
    #[must_use]
    pub fn knows_current(&self) -> bool {
        let admitted = self.admitted.as_ref();
        admitted.is_none_or(|admitted| admitted.current_known)
    }

    /// Whether the store knows a password of Y that the database should have accepted
    /// when the rotation began.
    #[must_use]
    pub fn knows_previous(&self) -> bool {
        let admitted = self.admitted.as_ref();
        admitted.is_none_or(|admitted| admitted.previous_known)
    }
}

/// Folds the events of one path, oldest first, into what they amount to.
#[must_use]
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> PathJournal {
    let mut journal = PathJournal {
        admitted: None,
        back: None,
        progress: Progress::Begun,
        pending: None,
        sends: 0,
        tries: 0,
        refusals: 0,
        drops: 0,
        unreplicated_at: None,
        rival_seen: None,
        overwritten: false,
        verified: Vec::new(),
        parked: None,
        wrong_logins: 0,
    };
    for event in events {
        apply(&mut journal, event);
    }
    journal
}

fn apply(journal: &mut PathJournal, event: &Event) {
    // What was spent on logins changes nothing of where the run stands.
    if !matches!(event, Event::LoginsRefused { .. }) {
        journal.parked = None;
    }
    match event {
        Event::Opened { .. }
        | Event::PublishSent { .. }
        | Event::Published { .. }
        | Event::PublishFailed { .. }
        | Event::Closed => {}
        Event::Admitted(admitted) => {
            journal.admitted = Some(admitted.clone());
            journal.progress = Progress::Admitted;
        }
        Event::WayChosen(chosen) => {
            journal.back = Some(chosen.clone());
            match chosen.way {
                Way::Repromote => journal.progress = Progress::Confirmed,
                Way::Unretire => journal.progress = Progress::Locked { sent: false },
                Way::Reissue | Way::Reapply | Way::Import => {}
            }
        }
        Event::UnlockSent => {
            journal.tries += 1;
            journal.progress = Progress::Locked { sent: true };
        }
        Event::UnlockConfirmed { unreplicated_at } => {
            journal.unreplicated_at = *unreplicated_at;
            journal.progress = Progress::Confirmed;
        }
        Event::UnlockRefused { .. } => journal.refusals += 1,
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
            journal.unreplicated_at = None;
            journal.rival_seen = None;
            journal.overwritten = false;
            // What its user has already is not sent.
            journal.progress = match journal.takes_known() {
                true => Progress::Confirmed,
                false => Progress::Pending,
            };
        }
        Event::ApplySent => {
            journal.sends += 1;
            // How far the standbys had to come was said of the send before this one.
            journal.unreplicated_at = None;
            journal.tries += 1;
            journal.progress = Progress::Sent { outwaited: false };
        }
        // How far it came is told by asking: sending all of them again does no harm.
        Event::StatementConfirmed { .. } => {}
        Event::LoginsRefused { in_a_row } => journal.wrong_logins = *in_a_row,
        Event::ApplyConfirmed { unreplicated_at } => {
            journal.unreplicated_at = *unreplicated_at;
            journal.progress = Progress::Confirmed;
        }
        Event::RivalSeen => {
            journal.rival_seen = Some(journal.sends);
            journal.overwritten = true;
        }
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
        Event::Abandoned { revision, case } => {
            journal.parked = Some(*case);
            journal.progress = Progress::Abandoned {
                revision: *revision,
            };
        }
        Event::Parked { case, .. } => {
            journal.parked = Some(*case);
            // Whoever comes back has mended something, or wants it tried again.
            journal.tries = 0;
            journal.refusals = 0;
            match case {
                Case::RefusedPassword => journal.drops = 0,
                Case::RivalOwner => journal.rival_seen = None,
                _ => {}
            }
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
    fn a_rival_is_counted_from_the_send_before_which_it_was_seen() {
        let seen = [sealed(2), Event::ApplySent, Event::RivalSeen];
        let journal = fold(&seen);
        assert_eq!((journal.rival_seen, journal.sends), (Some(1), 1));
        let mut again = seen.to_vec();
        again.push(Event::ApplySent);
        assert_eq!(fold(&again).rival_seen, Some(1));
        let parked = |case| Event::Parked {
            case,
            message: String::new(),
        };
        again.push(parked(Case::Unreachable));
        assert_eq!(fold(&again).rival_seen, Some(1));
        again.push(parked(Case::RivalOwner));
        assert_eq!(fold(&again).rival_seen, None);
    }

    #[test]
    fn whoever_mends_the_password_settings_is_given_new_passwords() {
        let rejected = Event::Parked {
            case: Case::RefusedPassword,
            message: "too short".to_owned(),
        };
        let events = [sealed(2), Event::PendingDropped, sealed(3), rejected];
        assert_eq!(fold(&events).drops, 0);
    }

    #[test]
    fn an_abandoned_path_is_over_and_has_changed_the_database() {
        let abandoned = Event::Abandoned {
            revision: 3,
            case: Case::VerifyFailed,
        };
        let journal = fold(&[sealed(2), Event::ApplySent, abandoned]);
        assert_eq!(journal.progress, Progress::Abandoned { revision: 3 });
        assert!(journal.is_over() && journal.may_have_changed());
    }

    #[test]
    fn journals_of_before_still_read() {
        let text = r#"{"event":"apply-confirmed"}"#;
        let event: Event = serde_json::from_str(text).expect("reads");
        let confirmed = Event::ApplyConfirmed {
            unreplicated_at: None,
        };
        assert_eq!(event, confirmed);
        assert_eq!(serde_json::to_string(&event).expect("writes"), text);
        let text = r#"{"event":"admitted","secret":"00","current":"a","user":"b","accounts":[1,2],
            "server":{"system":"1","timeline":1,"position":1,"version":150000},
            "previous_known":true}"#;
        let event: Event = serde_json::from_str(text).expect("reads");
        let journal = fold(&[event]);
        assert!(journal.knows_current());
        assert!(
            journal
                .admitted
                .is_some_and(|admitted| admitted.current_known)
        );
    }

    #[test]
    fn a_change_that_no_standby_has_remembers_how_far_they_must_come() {
        let event = Event::ApplyConfirmed {
            unreplicated_at: Some(42),
        };
        let text = serde_json::to_string(&event).expect("writes");
        let event: Event = serde_json::from_str(&text).expect("reads");
        assert_eq!(fold(&[event]).unreplicated_at, Some(42));
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
