//! The rows in which consumers are down or fail, and the ways back out of them.
//!
//! Without an agreement all three rows of dead consumers park. A way back that was agreed to
//! is gone on with under the name of the case in which it was chosen, until what follows is
//! what follows in any rotation.

use super::{
    Action, Case, GateLook, Intent, MOST_TRIES, Manager, Progress, ServerMatch, Situation, applied,
    can_apply, is_current_lost, is_current_sound, is_foreign,
};

/// The server went back in time, or is another one, and has not got what consumers
/// read: its data are older than this store. N not being there belongs to it, since
/// with N proven the way out is N. A C that is merely locked was locked by somebody.
pub(super) fn restored(situation: &Situation<'_>) -> Option<Action> {
    if let Some(action) = agreed(situation, Case::Restored) {
        return Some(action);
    }
    let evidence = situation.evidence;
    let older = is_foreign(situation) && is_current_lost(situation);
    let looked = !evidence.pending.is_proven_somewhere()
        && !evidence.pending.is_unknown()
        && !evidence.previous.is_unknown();
    (older && looked).then_some(Action::Park)
}

/// The recorded server refuses both passwords that it accepted when this store last
/// saw it. One changed password is somebody's deed; two are a rotation that this
/// store does not know, so it is the store that is older. After S3 P is dead by our
/// own hand, and says something only while N is certainly not there either.
pub(super) fn store_behind(situation: &Situation<'_>) -> Option<Action> {
    if let Some(action) = agreed(situation, Case::StoreBehind) {
        return Some(action);
    }
    let evidence = situation.evidence;
    let expected = situation.journal.knows_previous();
    let never_set = situation.journal.sends == 0 || evidence.pending.is_nowhere();
    let behind = evidence.server == ServerMatch::Same
        && is_current_lost(situation)
        && expected
        && never_set
        && evidence.previous.is_nowhere();
    behind.then_some(Action::Park)
}

/// A DBA may have locked it on purpose, so nothing is undone here that nobody agreed to.
pub(super) fn current_dead(situation: &Situation<'_>) -> Option<Action> {
    if let Some(action) = agreed(situation, Case::CurrentDead) {
        return Some(action);
    }
    let current = &situation.evidence.current;
    let dead = current.refused > 0 || current.barred > 0;
    (dead && situation.journal.needs_current()).then_some(Action::Park)
}

/// X was good enough before, and logs in with the password that it has.
pub(super) fn applications_fail(situation: &Situation<'_>) -> Option<Action> {
    agreed(situation, Case::ApplicationsFail)
}

/// X is let in again first.
pub(super) fn back_locked(situation: &Situation<'_>) -> Option<Action> {
    agreed(situation, Case::BackLocked)
}

/// X gets a new password. The same holds of a password that was right when somebody agreed to
/// it, and is refused now: nothing is sent in its place that nobody agreed to.
pub(super) fn back_scrambled(situation: &Situation<'_>) -> Option<Action> {
    if let Some(action) = agreed(situation, Case::BackScrambled) {
        return Some(action);
    }
    let gone = situation.journal.takes_known()
        && matches!(
            situation.journal.progress,
            Progress::Confirmed | Progress::Verified
        )
        && !situation.evidence.promotion_unknown
        && situation.evidence.server == ServerMatch::Same
        && situation.evidence.pending.is_nowhere();
    gone.then_some(match situation.intent {
        Intent::Abandon => Action::Abort,
        _ => Action::Park,
    })
}

/// What follows from the agreement to a way back in `case`, if there is one.
fn agreed(situation: &Situation<'_>, case: Case) -> Option<Action> {
    let back = situation.journal.back.as_ref()?;
    if back.case != case {
        return None;
    }
    match &situation.journal.progress {
        Progress::Begun | Progress::Admitted => begin(situation),
        Progress::Locked { .. } => unlock(situation),
        Progress::Confirmed | Progress::Verified if back.way.takes_known() => known(situation),
        _ => None,
    }
}

/// S2. Whoever comes back to what was agreed to goes on with it, once everything that S3 will
/// need is there.
fn begin(situation: &Situation<'_>) -> Option<Action> {
    match situation.intent {
        Intent::Abandon => Some(Action::Release),
        Intent::Rotate => is_current_sound(situation).then_some(Action::SealPending),
        Intent::Recover | Intent::Retry => can_apply(situation).then_some({
            match situation.evidence.gate {
                GateLook::Open => Action::SealPending,
                GateLook::Shut => Action::Release,
            }
        }),
    }
}

/// Sending it again does no harm: whoever may log in may log in.
fn unlock(situation: &Situation<'_>) -> Option<Action> {
    if situation.intent == Intent::Abandon {
        return Some(Action::Abort);
    }
    let evidence = situation.evidence;
    let ready = evidence.manager == Manager::Ready
        && evidence.server == ServerMatch::Same
        && !evidence.pair_unsound
        && is_current_sound(situation);
    let journal = situation.journal;
    // The run that was just refused parks; whoever comes back wants it tried again, also where
    // that run was killed before it had parked.
    let refused = journal.refusals > 0 && situation.intent == Intent::Rotate;
    ready.then_some(match refused || journal.tries >= MOST_TRIES {
        true => Action::Park,
        false => Action::Unlock,
    })
}

/// Nothing was changed but, at most, that X may log in again, which is as it should be.
fn known(situation: &Situation<'_>) -> Option<Action> {
    if situation.evidence.promotion_unknown || is_foreign(situation) {
        return None;
    }
    match situation.intent {
        Intent::Abandon => Some(Action::Abort),
        _ => applied(situation),
    }
}

#[cfg(test)]
#[path = "back_tests.rs"]
mod tests;
