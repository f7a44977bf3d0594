//! The decision table: from what the journal claims and what was found to one case
//! and one action (DESIGN section 6).
//!
//! [`TABLE`] is read from the top; the first case that matches wins, so the order is
//! part of the table. Evidence that fits no case parks as `unrecognised`.

use super::assess::Standing;
use super::case::Case;
use super::journal::{PathJournal, Progress, RefusalClass};

/// How often one pending password may be refused for a passing reason, or sent
/// without an answer, before a person is asked.
const MOST_TRIES: u32 = 4;
/// How many passwords the server's policy may reject before a person is asked.
const MOST_DROPS: u32 = 2;

/// What the run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A rotation that just began.
    Rotate,
    /// A rotation that was found open.
    Recover,
    /// A path that failed, to be brought to its end.
    Retry,
    /// A path that is to be given up.
    Abandon,
}

/// The managing user, as far as this run looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Logged in, or not needed yet.
    Ready,
    /// Its login is refused.
    Out,
    /// The server did not answer.
    Unreachable,
}

/// The gate on the idle user, as far as this run looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateLook {
    /// Open, or a signed waiver passes it.
    Open,
    /// Somebody may still use the user.
    Shut,
}

/// What was found for one path. Standings of passwords that do not exist, or that
/// this run had no reason to probe, are `Standing::default()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// C, the password that consumers read.
    pub current: Standing,
    /// P, the last known password of the idle user.
    pub previous: Standing,
    /// N, the new password.
    pub pending: Standing,
    /// The managing user.
    pub manager: Manager,
    /// The gate.
    pub gate: GateLook,
    /// The commit of S5 was sent and its outcome is not known.
    pub promotion_unknown: bool,
}

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Close the rotation; nothing was done.
    Release,
    /// S2: make and seal a new password.
    SealPending,
    /// S3: send the pending password.
    Apply,
    /// Wait until no statement of ours can still be running, then probe again.
    Outwait,
    /// Drop the pending password; another one will be made.
    DropPending,
    /// S4: record what was proven.
    Verify,
    /// S5: make it current.
    Promote,
    /// Read from the store whether S5 happened.
    ReadStoreAgain,
    /// The rotation is complete.
    Close,
    /// Drop the pending password and end the rotation; nothing was changed.
    Abort,
    /// Record the new password as that of the idle user, and end the path.
    Abandon,
    /// Stop here and name the case; everything is kept.
    Park,
}

impl Action {
    /// What the action leaves alone.
    #[must_use]
    pub fn untouched(self) -> &'static str {
        match self {
            Self::Apply | Self::Outwait => {
                "drop or lock a role, end a session, or touch the user that consumers read"
            }
            _ => "change any password in the database, drop or lock a role, or end a session",
        }
    }

    /// The action in words, for reviews and reports.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Release => "close the rotation; nothing was changed",
            Self::SealPending => "make a new password and seal it",
            Self::Apply => "send the same pending password to the database",
            Self::Outwait => {
                "wait until no statement of ours can still be running, then look again"
            }
            Self::DropPending => "drop the rejected password and make another",
            Self::Verify => "verify the new password, then promote it",
            Self::Promote => "promote the new password",
            Self::ReadStoreAgain => "read from the store whether the promotion happened",
            Self::Close => "close the rotation; it is complete",
            Self::Abort => "drop the pending password and close the rotation; nothing was changed",
            Self::Abandon => {
                "record the new password as `previous` and close; consumers are untouched"
            }
            Self::Park => "keep everything as it is and wait for a person",
        }
    }
}

/// The case that holds and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Which case; `None` when all is well and only the books are to be closed.
    pub case: Option<Case>,
    /// What to do.
    pub action: Action,
}

/// Everything that a row of the table looks at.
struct Situation<'a> {
    journal: &'a PathJournal,
    evidence: &'a Evidence,
    intent: Intent,
}

type Rule = fn(&Situation<'_>) -> Option<Action>;

/// The table, in its order.
const TABLE: &[(Case, Rule)] = &[
    (Case::BothAccepted, both_accepted),
    (Case::CurrentDead, current_dead),
    (Case::NothingDone, nothing_done),
    (Case::PendingUnsent, pending_unsent),
    (Case::RefusedRetryable, refused_retryable),
    (Case::RefusedPassword, refused_password),
    (Case::RefusedFinal, refused_final),
    (Case::ReplyLost, reply_lost),
    (Case::Applied, applied),
    (Case::VerifyFailed, verify_failed),
    (Case::StoreUnknown, store_unknown),
    (Case::ManagerOut, manager_out),
    (Case::Unreachable, unreachable),
];

/// Names the one case that holds, and the one action.
#[must_use]
pub fn decide(journal: &PathJournal, evidence: &Evidence, intent: Intent) -> Decision {
    // What the journal has ended needs no evidence: only its books are open.
    match journal.progress {
        Progress::Promoted { .. } | Progress::Abandoned { .. } => {
            return Decision {
                case: None,
                action: Action::Close,
            };
        }
        Progress::Aborted => {
            return Decision {
                case: None,
                action: Action::Release,
            };
        }
        _ => {}
    }
    let situation = Situation {
        journal,
        evidence,
        intent,
    };
    let row = TABLE
        .iter()
        .find_map(|(case, rule)| rule(&situation).map(|action| (*case, action)));
    let (case, action) = row.unwrap_or((Case::Unrecognised, Action::Park));
    Decision {
        case: Some(case),
        action,
    }
}

/// N and P are passwords of one user: both cannot be right. Before S3 was sent, N is
/// a random password that nothing may accept.
fn both_accepted(situation: &Situation<'_>) -> Option<Action> {
    let pending = situation.evidence.pending.is_proven_somewhere();
    let previous = situation.evidence.previous.is_proven_somewhere();
    let never_sent = situation.journal.sends == 0;
    (pending && (previous || never_sent)).then_some(Action::Park)
}

fn current_dead(situation: &Situation<'_>) -> Option<Action> {
    let current = &situation.evidence.current;
    (current.refused > 0 || current.barred > 0).then_some(Action::Park)
}

fn nothing_done(situation: &Situation<'_>) -> Option<Action> {
    if !matches!(
        situation.journal.progress,
        Progress::Begun | Progress::Admitted
    ) {
        return None;
    }
    match situation.intent {
        Intent::Recover | Intent::Abandon => Some(Action::Release),
        Intent::Retry
            if situation.evidence.current.is_everywhere()
                && situation.evidence.gate == GateLook::Open =>
        {
            Some(Action::SealPending)
        }
        Intent::Retry => None,
        // S2 touches nothing but the store, so only what consumers read has to be known.
        Intent::Rotate if situation.evidence.current.is_everywhere() => Some(Action::SealPending),
        Intent::Rotate => None,
    }
}

fn pending_unsent(situation: &Situation<'_>) -> Option<Action> {
    if situation.journal.progress != Progress::Pending || !can_apply(situation) {
        return None;
    }
    Some(match situation.evidence.gate {
        GateLook::Open => Action::Apply,
        GateLook::Shut => Action::Abort,
    })
}

/// Everything that sending S3 needs to know, the gate apart.
fn can_apply(situation: &Situation<'_>) -> bool {
    situation.evidence.manager == Manager::Ready && situation.evidence.current.is_everywhere()
}

fn refused_retryable(situation: &Situation<'_>) -> Option<Action> {
    refused_as(situation, RefusalClass::Retryable)?;
    if situation.journal.refusals >= MOST_TRIES {
        return Some(Action::Park);
    }
    if !can_apply(situation) {
        return None;
    }
    Some(match situation.evidence.gate {
        GateLook::Open => Action::Apply,
        GateLook::Shut => Action::Abort,
    })
}

fn refused_password(situation: &Situation<'_>) -> Option<Action> {
    refused_as(situation, RefusalClass::Password)?;
    if situation.journal.drops >= MOST_DROPS {
        return Some(Action::Park);
    }
    Some(Action::DropPending)
}

/// A run that was just refused parks; a person who comes back later, with the
/// reason mended, has the same password sent again.
fn refused_final(situation: &Situation<'_>) -> Option<Action> {
    refused_as(situation, RefusalClass::Final)?;
    let mended = situation.intent != Intent::Rotate
        && situation.journal.parked.is_some()
        && can_apply(situation);
    if !mended {
        return Some(Action::Park);
    }
    Some(match situation.evidence.gate {
        GateLook::Open => Action::Apply,
        GateLook::Shut => Action::Abort,
    })
}

fn refused_as(situation: &Situation<'_>, wanted: RefusalClass) -> Option<()> {
    match &situation.journal.progress {
        Progress::Refused { class, .. } if *class == wanted => Some(()),
        _ => None,
    }
}

/// The answer is unknown. While the old statement may still be running, nothing is
/// believed; afterwards N must be certainly refused and P certainly not disturbed.
fn reply_lost(situation: &Situation<'_>) -> Option<Action> {
    let Progress::Sent { outwaited } = situation.journal.progress else {
        return None;
    };
    if !situation.evidence.pending.is_nowhere() || !can_apply(situation) {
        return None;
    }
    if !outwaited {
        return Some(Action::Outwait);
    }
    let previous_known = situation
        .journal
        .admitted
        .as_ref()
        .is_some_and(|admitted| admitted.previous_known);
    let undisturbed = situation.evidence.previous.is_proven_somewhere() || !previous_known;
    if !undisturbed {
        return None;
    }
    match situation.evidence.gate {
        // The gate was open when S3 was first sent. Whoever came since must not be
        // cut off, and the pending password is not in the database: end it.
        GateLook::Shut => Some(Action::Abort),
        GateLook::Open if situation.journal.tries >= MOST_TRIES => Some(Action::Park),
        GateLook::Open => Some(Action::Apply),
    }
}

/// The commit of S5 was sent and its answer was lost: what the store says decides.
fn store_unknown(situation: &Situation<'_>) -> Option<Action> {
    situation
        .evidence
        .promotion_unknown
        .then_some(Action::ReadStoreAgain)
}

fn verify_failed(situation: &Situation<'_>) -> Option<Action> {
    if !was_sent(situation) || situation.evidence.pending.statement_failed == 0 {
        return None;
    }
    Some(match situation.intent {
        Intent::Abandon => Action::Abandon,
        _ => Action::Park,
    })
}

fn applied(situation: &Situation<'_>) -> Option<Action> {
    if !was_sent(situation)
        || situation.evidence.promotion_unknown
        || situation.evidence.pending.statement_failed > 0
        || !situation.evidence.pending.is_everywhere()
        || !situation.evidence.current.is_everywhere()
    {
        return None;
    }
    if situation.intent == Intent::Abandon {
        return Some(Action::Abandon);
    }
    if situation.journal.progress == Progress::Verified {
        return Some(Action::Promote);
    }
    Some(Action::Verify)
}

fn was_sent(situation: &Situation<'_>) -> bool {
    matches!(
        situation.journal.progress,
        Progress::Sent { .. } | Progress::Confirmed | Progress::Verified
    )
}

fn manager_out(situation: &Situation<'_>) -> Option<Action> {
    let needed = !matches!(
        situation.journal.progress,
        Progress::Confirmed | Progress::Verified
    );
    (needed && situation.evidence.manager == Manager::Out).then_some(Action::Park)
}

/// Unreachable is not no: everything is kept.
fn unreachable(situation: &Situation<'_>) -> Option<Action> {
    let evidence = situation.evidence;
    let unknown = evidence.manager == Manager::Unreachable
        || evidence.current.is_unknown()
        || evidence.pending.is_unknown()
        || evidence.previous.is_unknown();
    unknown.then_some(Action::Park)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
