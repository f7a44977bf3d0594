//! The decision table: from what the journal claims and what was found to one case
//! and one action (DESIGN section 6).
//!
//! [`TABLE`] is read from the top; the first case that matches wins, so the order is
//! part of the table. Evidence that fits no case parks as `unrecognised`. Every row
//! below `current-dead` may take for granted that C was not found dead; what it needs
//! to be proven it asks for itself, since unknown is never treated as no, nor as yes.

mod back;

use super::action::{Action, Decision};
use super::assess::Standing;
use super::case::Case;
use super::evidence::{Evidence, GateLook, Intent, Manager, Replication, TwinLook};
use super::identity::ServerMatch;
use super::journal::{PathJournal, RefusalClass};
use super::progress::Progress;
use super::sinks;

/// How often one pending password may be refused for a passing reason, or sent
/// without an answer, before a person is asked.
const MOST_TRIES: u32 = 4;
/// How many passwords the server's policy may reject before a person is asked.
const MOST_DROPS: u32 = 2;
/// How often one run waits for replay or for a pooler before a person is asked.
const MOST_WAITS: u32 = 5;

/// Everything that a row of the table looks at.
pub(super) struct Situation<'a> {
    pub(super) journal: &'a PathJournal,
    pub(super) evidence: &'a Evidence,
    pub(super) intent: Intent,
}

type Rule = fn(&Situation<'_>) -> Option<Action>;

/// The table, in its order.
const TABLE: &[(Case, Rule)] = &[
    (Case::BothAccepted, both_accepted),
    (Case::Restored, back::restored),
    (Case::StoreBehind, back::store_behind),
    (Case::CurrentDead, back::current_dead),
    (Case::ApplicationsFail, back::applications_fail),
    (Case::BackLocked, back::back_locked),
    (Case::BackScrambled, back::back_scrambled),
    (Case::NothingDone, nothing_done),
    (Case::PendingUnsent, pending_unsent),
    (Case::RefusedRetryable, refused_retryable),
    (Case::RefusedPassword, refused_password),
    (Case::RefusedFinal, refused_final),
    (Case::ReplyLost, reply_lost),
    (Case::WaitingForStandby, waiting_for_standby),
    (Case::NotReplicated, not_replicated),
    (Case::Applied, applied),
    (Case::VerifyFailed, verify_failed),
    (Case::PoolerRefuses, pooler_refuses),
    (Case::StoreUnknown, store_unknown),
    (Case::RivalOwner, rival_owner),
    (Case::OtherServer, other_server),
    (Case::ManagerOut, manager_out),
    (Case::Unreachable, unreachable),
    (Case::SinkForeign, sinks::foreign),
    (Case::SinkFailed, sinks::failed),
];

/// Names the one case that holds, and the one action.
#[must_use]
pub fn decide(journal: &PathJournal, evidence: &Evidence, intent: Intent) -> Decision {
    // What the journal has ended needs no evidence but its sinks': only its books are open.
    let ended = match journal.progress {
        Progress::Promoted { .. } => sinks::without_case(evidence.sink, intent),
        Progress::Abandoned { .. } => Some(Action::Close),
        Progress::Aborted => Some(Action::Release),
        _ => None,
    };
    if let Some(action) = ended {
        return Decision { case: None, action };
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

/// N and P are passwords of one user, so no node can accept both; before S3 N is a
/// random password that nothing may accept; and a decoy never may.
///
/// Because logins are counted over nodes, one node must have accepted both only when
/// there are more acceptances than nodes: N on the primary and P on a standby that
/// lags is `not-replicated`. The change may arrive between the two probes of a node,
/// so that is looked at a second time before it is believed.
fn both_accepted(situation: &Situation<'_>) -> Option<Action> {
    let Evidence {
        pending, previous, ..
    } = situation.evidence;
    let impossible = situation.evidence.decoy_accepted
        || pending.is_proven_somewhere()
            && situation.journal.sends == 0
            && !situation.journal.takes_known();
    if impossible {
        return Some(Action::Park);
    }
    // A node that said nothing to one of the two cannot be counted on to have differed.
    let answered = |standing: &Standing| standing.proven + standing.refused;
    let nodes = answered(pending).max(answered(previous));
    // Until the last of several statements a retained password may still be P.
    let both = pending.proven > 0 && previous.proven > 0 && !situation.evidence.in_parts;
    if !both || pending.proven + previous.proven <= nodes {
        return None;
    }
    Some(match situation.evidence.waits {
        0 => Action::Wait,
        _ => Action::Park,
    })
}

/// No password was made, so ending it changes nothing and needs no database. Where one was
/// made and the server's policy rejected it, another one is what whoever comes back wants.
fn nothing_done(situation: &Situation<'_>) -> Option<Action> {
    if !matches!(
        situation.journal.progress,
        Progress::Begun | Progress::Admitted
    ) {
        return None;
    }
    match situation.intent {
        Intent::Abandon => Some(Action::Release),
        // A way back was agreed to, and is gone on with.
        Intent::Recover if situation.journal.drops == 0 && situation.journal.back.is_none() => {
            Some(Action::Release)
        }
        // S1 has just looked at everything else, and S2 touches nothing but the store.
        Intent::Rotate => is_current_sound(situation).then_some(Action::SealPending),
        // S1 is long ago: everything that S3 will need is asked for before N is made.
        Intent::Retry | Intent::Recover => {
            if !can_apply(situation) {
                return None;
            }
            Some(match situation.evidence.gate {
                GateLook::Open => Action::SealPending,
                GateLook::Shut => Action::Release,
            })
        }
    }
}

/// A second N would make two candidates, so it is the same N or none.
fn pending_unsent(situation: &Situation<'_>) -> Option<Action> {
    if situation.journal.progress != Progress::Pending {
        return None;
    }
    send_or_end(situation)
}

/// The server refused it, so it was not applied; the obstacle is expected to pass.
fn refused_retryable(situation: &Situation<'_>) -> Option<Action> {
    refused_as(situation, RefusalClass::Retryable)?;
    if situation.intent != Intent::Abandon && situation.journal.refusals >= MOST_TRIES {
        return Some(Action::Park);
    }
    send_or_end(situation)
}

/// Resending the same N loops for ever.
fn refused_password(situation: &Situation<'_>) -> Option<Action> {
    refused_as(situation, RefusalClass::Password)?;
    let ends = situation.intent == Intent::Abandon;
    if !ends && situation.journal.drops >= MOST_DROPS {
        return Some(Action::Park);
    }
    may_drop(situation).then_some(match ends {
        true => Action::Abort,
        false => Action::DropPending,
    })
}

/// A run that was just refused parks; whoever comes back, with the reason mended, has the
/// same password sent again. What keeps it from being sent then has its own name.
fn refused_final(situation: &Situation<'_>) -> Option<Action> {
    refused_as(situation, RefusalClass::Final)?;
    let comes_back = situation.intent != Intent::Rotate && situation.journal.parked.is_some();
    if situation.intent == Intent::Abandon || comes_back {
        return send_or_end(situation);
    }
    Some(Action::Park)
}

fn refused_as(situation: &Situation<'_>, wanted: RefusalClass) -> Option<()> {
    match &situation.journal.progress {
        Progress::Refused { class, .. } if *class == wanted => Some(()),
        _ => None,
    }
}

/// Where N is certainly not in the database, it is sent, or dropped because whoever uses Y
/// must not be cut off, or because it is to end. Dropping it touches the store alone.
fn send_or_end(situation: &Situation<'_>) -> Option<Action> {
    let ends = situation.intent == Intent::Abandon || situation.evidence.gate == GateLook::Shut;
    if ends && (situation.evidence.in_parts || situation.evidence.untried) {
        // Some rows, or all, may have N already: dropping it would lose what they accept.
        return Some(Action::Park);
    }
    if situation.intent == Intent::Abandon {
        return may_drop(situation).then_some(Action::Abort);
    }
    if !can_apply(situation) {
        return None;
    }
    Some(match situation.evidence.gate {
        GateLook::Open => Action::Apply,
        GateLook::Shut => Action::Abort,
    })
}

/// Whether N, last not sent or refused, is certainly not in the database. An earlier send may
/// have set it before a rival overwrote it; then only the recorded server has it not.
fn may_drop(situation: &Situation<'_>) -> bool {
    !situation.journal.overwritten || situation.evidence.server == ServerMatch::Same
}

/// Unknown is not failed. While the old statement may still be running, nothing is
/// believed; afterwards N must be certainly refused and P certainly not disturbed.
fn reply_lost(situation: &Situation<'_>) -> Option<Action> {
    let outwaited = absent_after_send(situation)?;
    if !outwaited {
        return Some(Action::Outwait);
    }
    let evidence = situation.evidence;
    // Of several statements, it is our own that has disturbed it; untried, nobody may ask.
    let undisturbed = evidence.previous.is_proven_somewhere()
        || !situation.journal.knows_previous()
        || (evidence.in_parts && evidence.pending.is_proven_somewhere())
        || evidence.untried;
    let ends = situation.intent == Intent::Abandon || evidence.gate == GateLook::Shut;
    if !undisturbed && situation.intent != Intent::Abandon {
        return None;
    }
    if !ends && situation.journal.tries >= MOST_TRIES {
        return Some(Action::Park);
    }
    // Whoever came since S3 was first sent must not be cut off.
    send_or_end(situation)
}

/// S3 was sent without an answer, the recorded server certainly does not accept N, and none
/// of its backends is known to wait: whether that was waited out. Another server's lock would
/// prove nothing. Of several statements, N that logs in says nothing of rows for other hosts;
/// where N must not be tried, sending it once more is the one way to know what Y has.
fn absent_after_send(situation: &Situation<'_>) -> Option<bool> {
    let Progress::Sent { outwaited } = situation.journal.progress else {
        return None;
    };
    let evidence = situation.evidence;
    let unproven = evidence.untried || evidence.in_parts && !evidence.pending.is_unknown();
    let may_send = unproven && situation.intent != Intent::Abandon;
    let absent = (evidence.pending.is_nowhere() || may_send)
        && evidence.replication != Replication::Waiting
        && evidence.manager == Manager::Ready
        && evidence.server == ServerMatch::Same
        && (situation.intent == Intent::Abandon || is_current_sound(situation));
    absent.then_some(outwaited)
}

/// An abandoned statement may win later, and cancelling it would apply it here alone.
fn waiting_for_standby(situation: &Situation<'_>) -> Option<Action> {
    let waits = matches!(situation.journal.progress, Progress::Sent { .. })
        && !is_foreign(situation)
        && situation.evidence.replication == Replication::Waiting
        && !situation.evidence.pending.is_proven_somewhere();
    waits.then(|| wait_or_park(situation))
}

/// A fail-over would lose N, so it is never promoted so. Replay is waited for; a
/// standby that the settings do not name will not be named by waiting.
fn not_replicated(situation: &Situation<'_>) -> Option<Action> {
    if !is_set(situation) {
        return None;
    }
    let evidence = situation.evidence;
    let lags = evidence.pending.refused > 0 && evidence.pending.is_proven_somewhere();
    // A managing user that cannot be asked is a case of its own.
    let unconfirmed = evidence.replication == Replication::Waiting
        || situation.journal.unreplicated_at.is_some()
            && evidence.replication == Replication::NotLooked
            && evidence.manager == Manager::Ready;
    if lags || unconfirmed {
        return Some(abandon_or(situation, wait_or_park));
    }
    (unnamed_standbys(situation) > 0).then(|| abandon_or(situation, |_| Action::Park))
}

/// P is dead, so the way is forward; there is no hurry.
fn applied(situation: &Situation<'_>) -> Option<Action> {
    if !is_set(situation) || fails_as_user(situation) || pooler_lacks(situation) {
        return None;
    }
    if situation.intent == Intent::Abandon {
        return Some(Action::Abandon);
    }
    let ready = situation.evidence.pending.is_everywhere()
        && is_current_sound(situation)
        && is_replicated(situation);
    // What is verified was seen by the managing user: that this is the recorded server,
    // and that no standby is left out. From there on the logins say enough.
    match situation.journal.progress {
        _ if !ready => None,
        Progress::Verified => Some(Action::Promote),
        _ if situation.evidence.server == ServerMatch::Same => Some(Action::Verify),
        _ => None,
    }
}

/// Promoting would break applications.
fn verify_failed(situation: &Situation<'_>) -> Option<Action> {
    let failed = is_set(situation) && fails_as_user(situation);
    failed.then(|| abandon_or(situation, |_| Action::Park))
}

/// Its cache holds the old verifier; consumers behind it would be refused.
fn pooler_refuses(situation: &Situation<'_>) -> Option<Action> {
    let refuses = is_set(situation) && pooler_lacks(situation);
    refuses.then(|| abandon_or(situation, wait_or_park))
}

/// The commit of S5 was sent and its answer was lost: what the store says decides.
fn store_unknown(situation: &Situation<'_>) -> Option<Action> {
    situation
        .evidence
        .promotion_unknown
        .then_some(Action::ReadStoreAgain)
}

/// The recorded server accepts neither N nor what it should have instead, so somebody
/// else manages this role. The same N is sent once more, over what the rival has set; a
/// second time a person has to find the rival. A shut gate means that the rival's
/// password is in use.
fn rival_owner(situation: &Situation<'_>) -> Option<Action> {
    let evidence = situation.evidence;
    let overwritten = match situation.journal.progress {
        // P that logs in was not disturbed: that is `reply-lost`.
        Progress::Sent { .. } => absent_after_send(situation)? && evidence.previous.is_nowhere(),
        // It was set, and is no longer: whatever logs in now, P included, was set since.
        Progress::Confirmed | Progress::Verified => {
            evidence.pending.is_nowhere()
                && evidence.server == ServerMatch::Same
                && !situation.journal.takes_known()
        }
        _ => false,
    };
    if !overwritten || !can_apply(situation) {
        return None;
    }
    Some(match (evidence.gate, situation.journal.rival_seen) {
        (GateLook::Shut, _) => Action::Park,
        (GateLook::Open, None) => Action::ApplyAgain,
        // It was seen, and nothing was sent since: the one more time is still to come.
        (GateLook::Open, Some(sends)) if situation.journal.sends <= sends => Action::Apply,
        (GateLook::Open, Some(_)) => Action::Park,
    })
}

/// Nothing that was found here says anything of the recorded server, and nothing is
/// sent to this one or promoted on it.
fn other_server(situation: &Situation<'_>) -> Option<Action> {
    is_foreign(situation).then_some(Action::Park)
}

/// Only where the managing user is needed: what was verified can be promoted without.
fn manager_out(situation: &Situation<'_>) -> Option<Action> {
    let needed = situation.journal.progress != Progress::Verified || !is_replicated(situation);
    (needed && situation.evidence.manager == Manager::Out).then_some(Action::Park)
}

/// Unreachable is not no: everything is kept. Where the server did answer and the catalog
/// says why a login tells nothing, it is not silence that has to be mended.
fn unreachable(situation: &Situation<'_>) -> Option<Action> {
    let evidence = situation.evidence;
    if evidence.pair_unsound && evidence.manager == Manager::Ready {
        return None;
    }
    let unknown = evidence.manager == Manager::Unreachable
        || evidence.current.is_unknown()
        || evidence.pending.is_unknown()
        || evidence.previous.is_unknown();
    unknown.then_some(Action::Park)
}

/// Everything that sending S3 needs to know, the gate apart.
fn can_apply(situation: &Situation<'_>) -> bool {
    situation.intent != Intent::Abandon
        && situation.evidence.manager == Manager::Ready
        && situation.evidence.server == ServerMatch::Same
        && !situation.evidence.pair_unsound
        && is_current_sound(situation)
}

/// C logs in everywhere, or need not: nobody here knows what it is, or consumers were down
/// when somebody agreed to go on.
fn is_current_sound(situation: &Situation<'_>) -> bool {
    situation.evidence.current.is_everywhere() || !situation.journal.needs_current()
}

/// C is known, and every node certainly refuses it.
fn is_current_lost(situation: &Situation<'_>) -> bool {
    situation.evidence.current.is_nowhere() && situation.journal.needs_current()
}

/// What answers is certainly not the recorded server as it was.
fn is_foreign(situation: &Situation<'_>) -> bool {
    matches!(
        situation.evidence.server,
        ServerMatch::WentBack | ServerMatch::Other
    )
}

/// N is in the database: a node accepts it, or the server confirmed it and no node of
/// the recorded server contradicts everywhere.
fn is_set(situation: &Situation<'_>) -> bool {
    let evidence = situation.evidence;
    let set = match situation.journal.progress {
        Progress::Sent { .. } => {
            evidence.pending.is_proven_somewhere()
                && (!evidence.in_parts || situation.intent == Intent::Abandon)
        }
        Progress::Confirmed | Progress::Verified => {
            situation.intent == Intent::Abandon || !evidence.pending.is_nowhere()
        }
        _ => false,
    };
    set && !evidence.promotion_unknown && !is_foreign(situation)
}

/// Nothing speaks against every standby having N, as far as the managing user sees.
fn is_replicated(situation: &Situation<'_>) -> bool {
    let evidence = situation.evidence;
    let confirmed = match situation.journal.unreplicated_at {
        Some(_) => evidence.replication == Replication::Confirmed,
        None => evidence.replication != Replication::Waiting,
    };
    confirmed && unnamed_standbys(situation) == 0
}

/// Where consumers are down, no standby that nobody can look at holds a known password back. It
/// may have been set a moment ago, by a rotation that was given up.
fn unnamed_standbys(situation: &Situation<'_>) -> usize {
    match situation.journal.takes_known() && !situation.journal.needs_current() {
        true => 0,
        false => situation.evidence.unnamed_standbys,
    }
}

/// N is right, and Y cannot do with it what consumers need.
fn fails_as_user(situation: &Situation<'_>) -> bool {
    let evidence = situation.evidence;
    let failed = |standing: &Standing| standing.statement_failed > 0 || standing.barred > 0;
    // Whoever was good enough for consumers before may do what it could then.
    let differs = evidence.twins == TwinLook::Differ && !situation.journal.takes_known();
    failed(&evidence.pending) || failed(&evidence.pooled) || differs
}

/// Every node lets Y in with N, and of the poolers that there are one does not.
fn pooler_lacks(situation: &Situation<'_>) -> bool {
    let Evidence {
        pending, pooled, ..
    } = situation.evidence;
    pending.is_everywhere() && pooled.nodes() > 0 && !pooled.is_everywhere()
}

fn abandon_or(situation: &Situation<'_>, otherwise: fn(&Situation<'_>) -> Action) -> Action {
    match situation.intent {
        Intent::Abandon => Action::Abandon,
        _ => otherwise(situation),
    }
}

fn wait_or_park(situation: &Situation<'_>) -> Action {
    match situation.evidence.waits {
        waits if waits < MOST_WAITS => Action::Wait,
        _ => Action::Park,
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
