//! The decision table, cell by cell and over the whole space of evidence.

use super::*;
use crate::model::ServerIdentity;
use crate::rotation::{Admitted, Event, SinkLook, fold};
use proptest::prelude::*;

const VALID: Standing = standing(1, 0, 0);
const REFUSED: Standing = standing(0, 1, 0);
const UNKNOWN: Standing = standing(0, 0, 1);
const ABSENT: Standing = standing(0, 0, 0);

const fn standing(proven: usize, refused: usize, unknown: usize) -> Standing {
    Standing {
        proven,
        barred: 0,
        expired: 0,
        refused,
        unknown,
        statement_failed: 0,
    }
}

const LOCKED: Standing = Standing { barred: 1, ..VALID };

fn admitted() -> Event {
    Event::Admitted(Admitted {
        secret: "00".repeat(16),
        current: "app_a".to_owned(),
        user: "app_b".to_owned(),
        accounts: [1.into(), 2.into()],
        statements: 1,
        login_limit: None,
        current_limit: None,
        hosts: Vec::new(),
        server: ServerIdentity {
            flavour: crate::model::Flavour::Postgresql,
            gtids: String::new(),
            system: "1".to_owned(),
            timeline: 1,
            position: 1,
            transaction: 1,
            version: 150_000,
        },
        previous_known: true,
        current_known: true,
    })
}

fn confirmed() -> Event {
    Event::ApplyConfirmed {
        unreplicated_at: None,
    }
}

fn sealed() -> Event {
    Event::PendingSealed {
        generation: 2,
        sealed: "envelope".to_owned(),
        salt: "00".repeat(16),
    }
}

fn refused(class: RefusalClass) -> Event {
    Event::ApplyRefused {
        class,
        code: "XX000".to_owned(),
        message: "no".to_owned(),
    }
}

fn unreplicated() -> Event {
    Event::ApplyConfirmed {
        unreplicated_at: Some(42),
    }
}

fn verified() -> Event {
    Event::Verified { nodes: vec![] }
}

fn parked() -> Event {
    Event::Parked {
        case: Case::RefusedFinal,
        message: "no".to_owned(),
    }
}

fn journal(events: &[Event]) -> PathJournal {
    let mut all = vec![admitted()];
    all.extend(events.iter().cloned());
    fold(&all)
}

/// C, P, N as found; everything else in order.
fn found(current: Standing, previous: Standing, pending: Standing) -> Evidence {
    Evidence {
        current,
        previous,
        pending,
        pooled: ABSENT,
        decoy_accepted: false,
        pair_unsound: false,
        server: ServerMatch::Same,
        replication: Replication::NotLooked,
        unnamed_standbys: 0,
        twins: TwinLook::NotLooked,
        waits: 0,
        manager: Manager::Ready,
        gate: GateLook::Open,
        in_parts: false,
        untried: false,
        promotion_unknown: false,
        sink: SinkLook::Confirmed,
    }
}

fn check(events: &[Event], evidence: Evidence, intent: Intent, case: Case, action: Action) {
    let decision = decide(&journal(events), &evidence, intent);
    let expected = Decision {
        case: Some(case),
        action,
    };
    assert_eq!(decision, expected, "{events:?}\n{evidence:?} {intent:?}");
}

use Intent::{Abandon, Recover, Retry, Rotate};

#[test]
fn both_accepted() {
    let evidence = found(VALID, VALID, VALID);
    let sent = [sealed(), Event::ApplySent];
    let applied = [sealed(), Event::ApplySent, confirmed()];
    for events in [&sent[..], &applied[..]] {
        // The change may have arrived between the two logins.
        check(events, evidence, Recover, Case::BothAccepted, Action::Wait);
        let again = Evidence {
            waits: 1,
            ..evidence
        };
        for intent in [Rotate, Recover, Retry, Abandon] {
            check(events, again, intent, Case::BothAccepted, Action::Park);
        }
    }
    // Before S3 a pending password is random: nothing may accept it.
    let unsent = found(VALID, REFUSED, VALID);
    check(
        &[sealed()],
        unsent,
        Recover,
        Case::BothAccepted,
        Action::Park,
    );
}

#[test]
fn both_accepted_by_a_server_that_takes_any_password() {
    let decoy = Evidence {
        decoy_accepted: true,
        ..found(VALID, ABSENT, VALID)
    };
    let applied = [sealed(), Event::ApplySent, confirmed()];
    check(&applied, decoy, Recover, Case::BothAccepted, Action::Park);
    check(&[], decoy, Rotate, Case::BothAccepted, Action::Park);
}

#[test]
fn both_accepted_is_told_from_a_standby_that_lags() {
    let applied = [sealed(), Event::ApplySent, confirmed()];
    let lagging = found(standing(2, 0, 0), standing(1, 1, 0), standing(1, 1, 0));
    check(&applied, lagging, Rotate, Case::NotReplicated, Action::Wait);
    // Three acceptances on two nodes: one node took both.
    let both = Evidence {
        waits: 1,
        ..found(standing(2, 0, 0), standing(1, 1, 0), standing(2, 0, 0))
    };
    check(&applied, both, Rotate, Case::BothAccepted, Action::Park);
}

#[test]
fn restored() {
    let applied = [sealed(), Event::ApplySent, confirmed()];
    for server in [ServerMatch::WentBack, ServerMatch::Other] {
        let sure = |evidence| Evidence { server, ..evidence };
        for previous in [VALID, REFUSED] {
            let older = sure(found(REFUSED, previous, ABSENT));
            check(&[], older, Recover, Case::Restored, Action::Park);
            let older = sure(found(REFUSED, previous, REFUSED));
            check(&applied, older, Recover, Case::Restored, Action::Park);
        }
        // The way out would be N, a superuser, or an answer.
        for (current, previous, pending) in [
            (REFUSED, REFUSED, VALID),
            (REFUSED, UNKNOWN, REFUSED),
            (REFUSED, VALID, UNKNOWN),
            (LOCKED, VALID, REFUSED),
        ] {
            let other = sure(found(current, previous, pending));
            check(&applied, other, Recover, Case::CurrentDead, Action::Park);
        }
    }
}

#[test]
fn store_behind() {
    let behind = found(REFUSED, REFUSED, ABSENT);
    for intent in [Rotate, Recover, Retry, Abandon] {
        check(&[], behind, intent, Case::StoreBehind, Action::Park);
    }
    let waited = [sealed(), Event::ApplySent, Event::Outwaited];
    let never_set = found(REFUSED, REFUSED, REFUSED);
    check(&waited, never_set, Recover, Case::StoreBehind, Action::Park);
    // P that was killed by our own S3 says nothing.
    let ours = found(REFUSED, REFUSED, VALID);
    check(&waited, ours, Recover, Case::CurrentDead, Action::Park);
    // Nobody said that this is the recorded server.
    let unknown = Evidence {
        server: ServerMatch::NotKnown,
        ..behind
    };
    check(&[], unknown, Recover, Case::CurrentDead, Action::Park);
    // One password changed is somebody's deed.
    let one = found(REFUSED, VALID, ABSENT);
    check(&[], one, Recover, Case::CurrentDead, Action::Park);
}

#[test]
fn current_dead() {
    for current in [REFUSED, LOCKED, standing(1, 1, 0)] {
        let evidence = found(current, VALID, ABSENT);
        check(&[], evidence, Rotate, Case::CurrentDead, Action::Park);
        check(
            &[sealed()],
            evidence,
            Recover,
            Case::CurrentDead,
            Action::Park,
        );
        let applied = found(current, REFUSED, VALID);
        let events = [sealed(), Event::ApplySent, confirmed()];
        for intent in [Rotate, Recover, Retry, Abandon] {
            check(&events, applied, intent, Case::CurrentDead, Action::Park);
        }
    }
}

#[test]
fn a_current_that_nobody_knows_is_neither_dead_nor_asked_for() {
    let mut first = admitted();
    if let Event::Admitted(admitted) = &mut first {
        admitted.current_known = false;
        admitted.previous_known = false;
    }
    let evidence = found(ABSENT, ABSENT, ABSENT);
    check(
        std::slice::from_ref(&first),
        evidence,
        Rotate,
        Case::NothingDone,
        Action::SealPending,
    );
    let pending = [first.clone(), sealed()];
    check(
        &pending,
        evidence,
        Rotate,
        Case::PendingUnsent,
        Action::Apply,
    );
    let verified = [first, sealed(), Event::ApplySent, verified()];
    let set = found(ABSENT, ABSENT, VALID);
    check(&verified, set, Rotate, Case::Applied, Action::Promote);
}

#[test]
fn nothing_done() {
    let evidence = found(VALID, VALID, ABSENT);
    check(
        &[],
        evidence,
        Rotate,
        Case::NothingDone,
        Action::SealPending,
    );
    check(&[], evidence, Recover, Case::NothingDone, Action::Release);
    // Releasing changes nothing, so it does not need the database.
    let silent = found(UNKNOWN, UNKNOWN, ABSENT);
    check(&[], silent, Recover, Case::NothingDone, Action::Release);
    check(&[], silent, Abandon, Case::NothingDone, Action::Release);
    check(&[], silent, Rotate, Case::Unreachable, Action::Park);
}

#[test]
fn nothing_done_is_begun_anew_by_a_retry_alone() {
    let evidence = found(VALID, ABSENT, ABSENT);
    check(&[], evidence, Retry, Case::NothingDone, Action::SealPending);
    let shut = Evidence {
        gate: GateLook::Shut,
        ..evidence
    };
    check(&[], shut, Retry, Case::NothingDone, Action::Release);
    let out = Evidence {
        manager: Manager::Out,
        ..shut
    };
    check(&[], out, Retry, Case::ManagerOut, Action::Park);
    let silent = found(UNKNOWN, ABSENT, ABSENT);
    check(&[], silent, Retry, Case::Unreachable, Action::Park);
}

#[test]
fn pending_unsent() {
    let evidence = found(VALID, VALID, REFUSED);
    check(
        &[sealed()],
        found(UNKNOWN, UNKNOWN, UNKNOWN),
        Abandon,
        Case::PendingUnsent,
        Action::Abort,
    );
    for intent in [Rotate, Recover, Retry] {
        check(
            &[sealed()],
            evidence,
            intent,
            Case::PendingUnsent,
            Action::Apply,
        );
        let shut = Evidence {
            gate: GateLook::Shut,
            ..evidence
        };
        check(
            &[sealed()],
            shut,
            intent,
            Case::PendingUnsent,
            Action::Abort,
        );
    }
}

#[test]
fn refused_retryable() {
    let evidence = found(VALID, VALID, REFUSED);
    let mut events = vec![sealed()];
    for send in 1..=MOST_TRIES {
        events.extend([Event::ApplySent, refused(RefusalClass::Retryable)]);
        let action = match send {
            MOST_TRIES => Action::Park,
            _ => Action::Apply,
        };
        check(&events, evidence, Rotate, Case::RefusedRetryable, action);
        check(
            &events,
            evidence,
            Abandon,
            Case::RefusedRetryable,
            Action::Abort,
        );
    }
}

#[test]
fn whoever_recovers_after_parking_is_given_new_tries() {
    let evidence = found(VALID, VALID, REFUSED);
    let mut events = vec![sealed()];
    for _ in 0..MOST_TRIES {
        events.extend([Event::ApplySent, refused(RefusalClass::Retryable)]);
    }
    events.push(parked());
    check(
        &events,
        evidence,
        Recover,
        Case::RefusedRetryable,
        Action::Apply,
    );
}

#[test]
fn refused_password() {
    let evidence = found(VALID, VALID, ABSENT);
    let rejected = [sealed(), Event::ApplySent, refused(RefusalClass::Password)];
    check(
        &rejected,
        evidence,
        Rotate,
        Case::RefusedPassword,
        Action::DropPending,
    );
    check(
        &rejected,
        evidence,
        Abandon,
        Case::RefusedPassword,
        Action::Abort,
    );
    let mut events = Vec::new();
    for _ in 0..MOST_DROPS {
        events.extend(rejected.clone());
        events.push(Event::PendingDropped);
    }
    events.extend(rejected);
    check(
        &events,
        evidence,
        Rotate,
        Case::RefusedPassword,
        Action::Park,
    );
}

/// Whoever recovers after the policy was mended gets what the action says: another
/// password, also where the run was killed between the two.
#[test]
fn refused_password_is_followed_by_another_one_in_a_recover() {
    let rejected = [sealed(), Event::ApplySent, refused(RefusalClass::Password)];
    let mut events = rejected.to_vec();
    events.push(Event::PendingDropped);
    let evidence = found(VALID, VALID, ABSENT);
    for intent in [Rotate, Recover, Retry] {
        check(
            &events,
            evidence,
            intent,
            Case::NothingDone,
            Action::SealPending,
        );
    }
    check(
        &events,
        evidence,
        Abandon,
        Case::NothingDone,
        Action::Release,
    );
    let shut = Evidence {
        gate: GateLook::Shut,
        ..evidence
    };
    check(&events, shut, Recover, Case::NothingDone, Action::Release);
    let silent = found(UNKNOWN, UNKNOWN, ABSENT);
    check(&events, silent, Recover, Case::Unreachable, Action::Park);
}

/// A role that is gone is not silence: nothing is sent, and nobody waits for an answer.
#[test]
fn a_user_that_is_gone_or_expired_fits_no_case() {
    let gone = |evidence| Evidence {
        pair_unsound: true,
        ..evidence
    };
    let unsent = gone(found(VALID, ABSENT, ABSENT));
    check(
        &[sealed()],
        unsent,
        Recover,
        Case::Unrecognised,
        Action::Park,
    );
    check(
        &[sealed()],
        unsent,
        Abandon,
        Case::PendingUnsent,
        Action::Abort,
    );
    let applied = [sealed(), Event::ApplySent, confirmed()];
    let lost = gone(found(VALID, UNKNOWN, UNKNOWN));
    check(&applied, lost, Recover, Case::Unrecognised, Action::Park);
    let silent = Evidence {
        manager: Manager::Unreachable,
        ..lost
    };
    check(&applied, silent, Recover, Case::Unreachable, Action::Park);
}

#[test]
fn refused_final() {
    let evidence = found(VALID, VALID, REFUSED);
    let mut events = vec![sealed(), Event::ApplySent, refused(RefusalClass::Final)];
    check(&events, evidence, Rotate, Case::RefusedFinal, Action::Park);
    check(&events, evidence, Recover, Case::RefusedFinal, Action::Park);
    check(
        &events,
        evidence,
        Abandon,
        Case::RefusedFinal,
        Action::Abort,
    );
    events.push(parked());
    check(
        &events,
        evidence,
        Recover,
        Case::RefusedFinal,
        Action::Apply,
    );
}

#[test]
fn reply_lost() {
    let evidence = found(VALID, VALID, REFUSED);
    let sent = [sealed(), Event::ApplySent];
    check(&sent, evidence, Recover, Case::ReplyLost, Action::Outwait);
    let waited = [sealed(), Event::ApplySent, Event::Outwaited];
    check(&waited, evidence, Recover, Case::ReplyLost, Action::Apply);
    let shut = Evidence {
        gate: GateLook::Shut,
        ..evidence
    };
    check(&waited, shut, Recover, Case::ReplyLost, Action::Abort);
    check(&sent, evidence, Abandon, Case::ReplyLost, Action::Outwait);
    check(&waited, evidence, Abandon, Case::ReplyLost, Action::Abort);
    // Another server's lock proves nothing of a statement on the recorded one.
    let other = Evidence {
        server: ServerMatch::Other,
        ..evidence
    };
    for events in [&sent[..], &waited[..]] {
        for intent in [Recover, Abandon] {
            check(events, other, intent, Case::OtherServer, Action::Park);
        }
    }
}

#[test]
fn reply_lost_too_often_parks() {
    let evidence = found(VALID, VALID, REFUSED);
    let mut events = vec![sealed()];
    for send in 1..=MOST_TRIES {
        events.extend([Event::ApplySent, Event::Outwaited]);
        let action = match send {
            MOST_TRIES => Action::Park,
            _ => Action::Apply,
        };
        check(&events, evidence, Rotate, Case::ReplyLost, action);
    }
}

/// A login proves one row of a user, and several statements change the rows.
#[test]
fn reply_lost_among_several_statements() {
    let lost = [sealed(), Event::ApplySent];
    let outwaited = [sealed(), Event::ApplySent, Event::Outwaited];
    let in_parts = |previous, pending| Evidence {
        in_parts: true,
        ..found(VALID, previous, pending)
    };
    for (previous, pending) in [(REFUSED, VALID), (VALID, REFUSED), (VALID, VALID)] {
        let evidence = in_parts(previous, pending);
        check(&lost, evidence, Recover, Case::ReplyLost, Action::Outwait);
        check(
            &outwaited,
            evidence,
            Recover,
            Case::ReplyLost,
            Action::Apply,
        );
        // Dropping N would lose what some rows may accept by now.
        let shut = Evidence {
            gate: GateLook::Shut,
            ..evidence
        };
        check(&outwaited, shut, Recover, Case::ReplyLost, Action::Park);
    }
    // What consumers read stays; what the rows have is recorded as N where one has it.
    let proven = in_parts(REFUSED, VALID);
    check(&outwaited, proven, Abandon, Case::Applied, Action::Abandon);
    let refused = in_parts(VALID, REFUSED);
    check(&outwaited, refused, Abandon, Case::ReplyLost, Action::Park);
    // Confirmed as a whole, it is as with one statement.
    let applied = [sealed(), Event::ApplySent, confirmed()];
    let whole = found(VALID, REFUSED, VALID);
    check(&applied, whole, Recover, Case::Applied, Action::Verify);
}

/// A server that counts wrong passwords, of which too few are left to try N: it is sent
/// again, and never dropped, since it may be there.
#[test]
fn reply_lost_where_no_guess_is_left() {
    let lost = [sealed(), Event::ApplySent];
    let outwaited = [sealed(), Event::ApplySent, Event::Outwaited];
    let untried = Evidence {
        untried: true,
        ..found(VALID, UNKNOWN, UNKNOWN)
    };
    check(&lost, untried, Recover, Case::ReplyLost, Action::Outwait);
    check(&outwaited, untried, Recover, Case::ReplyLost, Action::Apply);
    let shut = Evidence {
        gate: GateLook::Shut,
        ..untried
    };
    check(&outwaited, shut, Recover, Case::ReplyLost, Action::Park);
    check(
        &outwaited,
        untried,
        Abandon,
        Case::Unreachable,
        Action::Park,
    );
    // Unknown for another reason is still not no.
    let unknown = found(VALID, UNKNOWN, UNKNOWN);
    check(
        &outwaited,
        unknown,
        Recover,
        Case::Unreachable,
        Action::Park,
    );
    let dead = Evidence {
        current: REFUSED,
        ..untried
    };
    check(&outwaited, dead, Recover, Case::CurrentDead, Action::Park);
}

#[test]
fn waiting_for_standby() {
    let mut evidence = Evidence {
        replication: Replication::Waiting,
        ..found(VALID, VALID, REFUSED)
    };
    let sent = [sealed(), Event::ApplySent];
    let case = Case::WaitingForStandby;
    for intent in [Rotate, Recover, Retry, Abandon] {
        check(&sent, evidence, intent, case, Action::Wait);
    }
    evidence.waits = MOST_WAITS;
    check(&sent, evidence, Recover, case, Action::Park);
    // Whoever cancelled it has applied it on the primary alone.
    let cancelled = Evidence {
        replication: Replication::Waiting,
        ..found(VALID, REFUSED, VALID)
    };
    check(&sent, cancelled, Recover, Case::NotReplicated, Action::Wait);
}

#[test]
fn not_replicated() {
    let some = found(standing(2, 0, 0), standing(1, 1, 0), standing(1, 1, 0));
    let waiting = Evidence {
        replication: Replication::Waiting,
        ..found(VALID, REFUSED, VALID)
    };
    let plain = [sealed(), Event::ApplySent, confirmed()];
    let local = [sealed(), Event::ApplySent, unreplicated()];
    let proven = [sealed(), Event::ApplySent, unreplicated(), verified()];
    let case = Case::NotReplicated;
    for (events, evidence) in [
        (&plain, some),
        (&local, waiting),
        // It was told that the standbys lack it, and nobody said that they have it.
        (&local, found(VALID, REFUSED, VALID)),
    ] {
        check(events, evidence, Recover, case, Action::Wait);
        let long = Evidence {
            waits: MOST_WAITS,
            ..evidence
        };
        check(events, long, Recover, case, Action::Park);
        check(events, long, Abandon, case, Action::Abandon);
    }
    check(&proven, waiting, Rotate, case, Action::Wait);
    let confirmed = Evidence {
        replication: Replication::Confirmed,
        ..waiting
    };
    check(&proven, confirmed, Rotate, Case::Applied, Action::Promote);
}

#[test]
fn not_replicated_where_it_cannot_be_verified() {
    let unnamed = Evidence {
        unnamed_standbys: 1,
        ..found(VALID, REFUSED, VALID)
    };
    let events = [sealed(), Event::ApplySent, confirmed(), verified()];
    // Waiting names nothing.
    check(&events, unnamed, Rotate, Case::NotReplicated, Action::Park);
}

#[test]
fn applied() {
    let evidence = found(VALID, REFUSED, VALID);
    let sent = [sealed(), Event::ApplySent];
    check(&sent, evidence, Recover, Case::Applied, Action::Verify);
    let confirmed = [sealed(), Event::ApplySent, confirmed()];
    check(&confirmed, evidence, Rotate, Case::Applied, Action::Verify);
    let verified = [sealed(), Event::ApplySent, verified()];
    check(&verified, evidence, Rotate, Case::Applied, Action::Promote);
    // Promoting does not need the managing user.
    let out = Evidence {
        manager: Manager::Out,
        server: ServerMatch::NotKnown,
        ..evidence
    };
    check(&verified, out, Recover, Case::Applied, Action::Promote);
    // Verifying does: it alone sees whether a standby is left out.
    check(&confirmed, out, Recover, Case::ManagerOut, Action::Park);
    let silent = Evidence {
        manager: Manager::Unreachable,
        ..out
    };
    check(&confirmed, silent, Recover, Case::Unreachable, Action::Park);
}

#[test]
fn applied_is_what_an_abandon_closes() {
    let applied = [sealed(), Event::ApplySent, confirmed()];
    let sent = [sealed(), Event::ApplySent];
    let evidence = found(VALID, REFUSED, VALID);
    for events in [&applied[..], &sent[..]] {
        check(events, evidence, Abandon, Case::Applied, Action::Abandon);
    }
    // What the server confirmed needs no login; what it did not confirm does.
    let silent = found(UNKNOWN, UNKNOWN, UNKNOWN);
    check(&applied, silent, Abandon, Case::Applied, Action::Abandon);
    check(&sent, silent, Abandon, Case::Unreachable, Action::Park);
    // It was set by us, whatever a rival did since.
    let rival = found(VALID, REFUSED, REFUSED);
    check(&applied, rival, Abandon, Case::Applied, Action::Abandon);
    let other = Evidence {
        server: ServerMatch::WentBack,
        ..evidence
    };
    check(&applied, other, Abandon, Case::OtherServer, Action::Park);
}

#[test]
fn verify_failed() {
    let failing = Standing {
        statement_failed: 1,
        ..VALID
    };
    let plain = found(VALID, REFUSED, VALID);
    let applied = [sealed(), Event::ApplySent, confirmed()];
    for evidence in [
        found(VALID, REFUSED, failing),
        found(VALID, REFUSED, LOCKED),
        Evidence {
            pooled: failing,
            ..plain
        },
        Evidence {
            twins: TwinLook::Differ,
            ..plain
        },
    ] {
        let case = Case::VerifyFailed;
        for intent in [Rotate, Recover, Retry] {
            check(&applied, evidence, intent, case, Action::Park);
        }
        check(&applied, evidence, Abandon, case, Action::Abandon);
    }
}

#[test]
fn pooler_refuses() {
    let applied = [sealed(), Event::ApplySent, confirmed()];
    let case = Case::PoolerRefuses;
    for pooled in [REFUSED, UNKNOWN, standing(1, 1, 0)] {
        let stale = Evidence {
            pooled,
            ..found(VALID, REFUSED, VALID)
        };
        check(&applied, stale, Recover, case, Action::Wait);
        check(&applied, stale, Abandon, case, Action::Abandon);
        let long = Evidence {
            waits: MOST_WAITS,
            ..stale
        };
        check(&applied, long, Recover, case, Action::Park);
    }
    let fresh = Evidence {
        pooled: VALID,
        ..found(VALID, REFUSED, VALID)
    };
    check(&applied, fresh, Recover, Case::Applied, Action::Verify);
}

#[test]
fn store_unknown() {
    let verified = [sealed(), Event::ApplySent, verified()];
    let evidence = Evidence {
        in_parts: false,
        untried: false,
        promotion_unknown: true,
        ..found(VALID, REFUSED, VALID)
    };
    check(
        &verified,
        evidence,
        Rotate,
        Case::StoreUnknown,
        Action::ReadStoreAgain,
    );
}

#[test]
fn rival_owner() {
    let evidence = found(VALID, REFUSED, REFUSED);
    let case = Case::RivalOwner;
    for reached in [Event::Outwaited, confirmed(), verified()] {
        let mut events = vec![sealed(), Event::ApplySent, reached.clone()];
        check(&events, evidence, Recover, case, Action::ApplyAgain);
        // Seen, and then the line was lost: the one more time is still to come.
        events.push(Event::RivalSeen);
        check(&events, evidence, Recover, case, Action::Apply);
        events.extend([Event::ApplySent, reached]);
        check(&events, evidence, Recover, case, Action::Park);
        // Whoever comes back has stopped the rival.
        events.push(Event::Parked {
            case,
            message: String::new(),
        });
        check(&events, evidence, Recover, case, Action::ApplyAgain);
    }
    // The rival's password is in use.
    let shut = Evidence {
        gate: GateLook::Shut,
        ..evidence
    };
    let waited = [sealed(), Event::ApplySent, Event::Outwaited];
    check(&waited, shut, Recover, case, Action::Park);
    // A rival that puts P back after our S3 is one too.
    let back = found(VALID, VALID, REFUSED);
    let applied = [sealed(), Event::ApplySent, confirmed()];
    check(&applied, back, Recover, case, Action::ApplyAgain);
}

#[test]
fn other_server_may_accept_what_a_rival_has_overwritten() {
    let old = Evidence {
        server: ServerMatch::Other,
        ..found(VALID, ABSENT, ABSENT)
    };
    let seen = [sealed(), Event::ApplySent, confirmed(), Event::RivalSeen];
    for class in [
        RefusalClass::Retryable,
        RefusalClass::Password,
        RefusalClass::Final,
    ] {
        let refused = [&seen[..], &[Event::ApplySent, refused(class)]].concat();
        check(&refused, old, Abandon, Case::OtherServer, Action::Park);
    }
}

#[test]
fn other_server() {
    for server in [ServerMatch::WentBack, ServerMatch::Other] {
        let case = Case::OtherServer;
        let sure = |evidence| Evidence { server, ..evidence };
        let old = sure(found(VALID, VALID, REFUSED));
        let new = sure(found(VALID, REFUSED, VALID));
        check(&[sealed()], old, Rotate, case, Action::Park);
        check(&[], old, Retry, case, Action::Park);
        let refused = [sealed(), Event::ApplySent, refused(RefusalClass::Retryable)];
        check(&refused, old, Recover, case, Action::Park);
        let applied = [sealed(), Event::ApplySent, confirmed()];
        let verified = [sealed(), Event::ApplySent, verified()];
        for evidence in [old, new] {
            check(&applied, evidence, Recover, case, Action::Park);
            check(&verified, evidence, Recover, case, Action::Park);
        }
        // What was never sent may end anywhere.
        let (case, end) = (Case::PendingUnsent, Action::Abort);
        check(&[sealed()], old, Abandon, case, end);
        check(&[], old, Recover, Case::NothingDone, Action::Release);
    }
    // Nobody said which server this is, so nothing is sent.
    let unknown = Evidence {
        server: ServerMatch::NotKnown,
        ..found(VALID, VALID, REFUSED)
    };
    check(
        &[sealed()],
        unknown,
        Recover,
        Case::Unrecognised,
        Action::Park,
    );
}

#[test]
fn manager_out() {
    let evidence = Evidence {
        manager: Manager::Out,
        ..found(VALID, VALID, ABSENT)
    };
    check(
        &[sealed()],
        evidence,
        Recover,
        Case::ManagerOut,
        Action::Park,
    );
    // Whether the standbys have it, only the managing user can see.
    let unseen = Evidence {
        manager: Manager::Out,
        ..found(VALID, REFUSED, VALID)
    };
    check(
        &[sealed(), Event::ApplySent, unreplicated()],
        unseen,
        Recover,
        Case::ManagerOut,
        Action::Park,
    );
}

#[test]
fn unreachable() {
    let silent = Evidence {
        manager: Manager::Unreachable,
        ..found(UNKNOWN, UNKNOWN, UNKNOWN)
    };
    let confirmed = [sealed(), Event::ApplySent, confirmed()];
    for events in [&confirmed[..1], &confirmed[..2], &confirmed[..]] {
        check(events, silent, Recover, Case::Unreachable, Action::Park);
    }
}

#[test]
fn unrecognised() {
    // Nobody looked at anything.
    check(
        &[sealed(), Event::ApplySent, confirmed()],
        found(ABSENT, ABSENT, ABSENT),
        Rotate,
        Case::Unrecognised,
        Action::Park,
    );
}

#[test]
fn what_the_journal_ended_is_only_closed() {
    let evidence = found(UNKNOWN, UNKNOWN, UNKNOWN);
    let promoted = journal(&[sealed(), Event::ApplySent, Event::Promoted { revision: 2 }]);
    assert_eq!(decide(&promoted, &evidence, Recover).action, Action::Close);
    let abandoned = journal(&[
        sealed(),
        Event::ApplySent,
        Event::Abandoned {
            revision: 2,
            case: Case::Applied,
        },
    ]);
    assert_eq!(decide(&abandoned, &evidence, Recover).action, Action::Close);
    let aborted = journal(&[
        sealed(),
        Event::Aborted {
            case: Case::PendingUnsent,
            message: String::new(),
        },
    ]);
    assert_eq!(decide(&aborted, &evidence, Recover).action, Action::Release);
}

fn any_standing() -> impl Strategy<Value = Standing> {
    (0usize..3, 0usize..3, 0usize..3, 0usize..2, 0usize..2).prop_map(
        |(proven, refused, unknown, barred, failed)| Standing {
            proven,
            barred: barred.min(proven),
            expired: 0,
            refused,
            unknown,
            statement_failed: failed.min(proven),
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(sealed()),
        Just(Event::ApplySent),
        Just(confirmed()),
        Just(unreplicated()),
        Just(Event::RivalSeen),
        Just(refused(RefusalClass::Retryable)),
        Just(refused(RefusalClass::Password)),
        Just(refused(RefusalClass::Final)),
        Just(Event::Outwaited),
        Just(verified()),
        Just(Event::PendingDropped),
        Just(parked()),
    ]
}

fn any_server() -> impl Strategy<Value = ServerMatch> {
    prop_oneof![
        4 => Just(ServerMatch::Same),
        1 => Just(ServerMatch::WentBack),
        1 => Just(ServerMatch::Other),
        1 => Just(ServerMatch::NotKnown),
    ]
}

fn any_look() -> impl Strategy<Value = (Replication, TwinLook, usize, u32)> {
    (
        prop_oneof![
            Just(Replication::NotLooked),
            Just(Replication::Confirmed),
            Just(Replication::Waiting)
        ],
        prop_oneof![
            Just(TwinLook::NotLooked),
            Just(TwinLook::Alike),
            Just(TwinLook::Differ)
        ],
        0usize..2,
        0..=MOST_WAITS,
    )
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let standings = (
        any_standing(),
        any_standing(),
        any_standing(),
        any_standing(),
    );
    let manager = prop_oneof![
        3 => Just(Manager::Ready),
        1 => Just(Manager::Out),
        1 => Just(Manager::Unreachable),
    ];
    let gate = prop_oneof![Just(GateLook::Open), Just(GateLook::Shut)];
    let seldom = || proptest::bool::weighted(0.1);
    let rare = (seldom(), seldom(), seldom());
    (standings, manager, gate, rare, any_server(), any_look()).prop_map(
        |(standings, manager, gate, rare, server, look)| {
            let (current, previous, pending, pooled) = standings;
            let (decoy_accepted, promotion_unknown, pair_unsound) = rare;
            let (replication, twins, unnamed_standbys, waits) = look;
            Evidence {
                current,
                previous,
                pending,
                pooled,
                decoy_accepted,
                pair_unsound,
                server,
                replication,
                unnamed_standbys,
                twins,
                waits,
                manager,
                gate,
                in_parts: false,
                untried: false,
                promotion_unknown,
                sink: SinkLook::Confirmed,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the journal and the evidence, no action breaks a promise.
    #[test]
    fn no_decision_breaks_a_promise(
        events in proptest::collection::vec(any_event(), 0..6),
        evidence in any_evidence(),
        intent in prop_oneof![Just(Rotate), Just(Recover), Just(Retry), Just(Abandon)],
        knows_current in proptest::bool::weighted(0.8),
    ) {
        let mut journal = journal(&events);
        if let Some(admitted) = &mut journal.admitted {
            admitted.current_known = knows_current;
        }
        let decision = decide(&journal, &evidence, intent);
        let Evidence { current, pending, pooled, .. } = evidence;
        let foreign = matches!(evidence.server, ServerMatch::WentBack | ServerMatch::Other);
        match decision.action {
            // Nobody is cut off unknowingly, and unknown is never treated as no.
            Action::Apply | Action::ApplyAgain => {
                prop_assert_eq!(evidence.gate, GateLook::Open);
                prop_assert_eq!(evidence.manager, Manager::Ready);
                prop_assert_eq!(evidence.server, ServerMatch::Same);
                prop_assert!(current.is_everywhere() || !knows_current);
                prop_assert!(intent != Abandon && !evidence.decoy_accepted);
                prop_assert!(journal.pending.is_some() || journal.progress != Progress::Pending);
                if journal.is_sent() {
                    prop_assert!(pending.is_nowhere());
                    prop_assert_ne!(&journal.progress, &Progress::Sent { outwaited: false });
                }
            }
            // Consumers can always log in with what is promoted, after a fail-over too.
            Action::Promote | Action::Verify => {
                prop_assert!(pending.is_everywhere());
                prop_assert!(pooled == ABSENT || pooled.is_everywhere());
                prop_assert!(current.is_everywhere() || !knows_current);
                prop_assert_eq!(pending.statement_failed + pooled.statement_failed, 0);
                prop_assert!(!evidence.promotion_unknown && !foreign);
                prop_assert!(evidence.replication != Replication::Waiting);
                prop_assert!(evidence.unnamed_standbys == 0);
                prop_assert!(evidence.twins != TwinLook::Differ);
                prop_assert!(intent != Abandon && !evidence.decoy_accepted);
            }
            // A password that may be in the database is never dropped.
            Action::Abort | Action::Release | Action::DropPending => {
                let outwaited = Progress::Sent { outwaited: true };
                prop_assert!(
                    !journal.is_sent() || pending.is_nowhere() && journal.progress == outwaited
                );
            }
            // It is recorded as what Y has only where it was set, for whoever asked for it.
            Action::Abandon => {
                prop_assert_eq!(intent, Abandon);
                let unconfirmed = matches!(journal.progress, Progress::Sent { .. });
                prop_assert!(journal.is_sent() && !foreign && !evidence.promotion_unknown);
                prop_assert!(!unconfirmed || pending.is_proven_somewhere());
            }
            Action::Wait => prop_assert!(evidence.waits < MOST_WAITS),
            _ => {}
        }
        // While consumers are down, nothing is done that a person did not look at; what
        // was only begun may be closed.
        if knows_current && current.refused + current.barred > 0 {
            let still = matches!(decision.action, Action::Park | Action::Wait);
            prop_assert!(still, "{:?}", decision);
        }
    }
}

/// What S6 does with a file of a promoted path.
fn check_sink(sink: SinkLook, intent: Intent, case: Option<Case>, action: Action) {
    let journal = journal(&[sealed(), Event::Promoted { revision: 2 }]);
    let decision = decide(&journal, &Evidence::of_sink(sink), intent);
    assert_eq!(decision, Decision { case, action }, "{sink:?} {intent:?}");
}

#[test]
fn a_file_that_may_be_written_is_written_and_one_that_has_it_is_left() {
    let ready = SinkLook::Ready {
        failed_before: false,
    };
    for intent in [Rotate, Recover, Retry] {
        check_sink(ready, intent, None, Action::Publish);
    }
    for intent in [Rotate, Abandon] {
        check_sink(SinkLook::Confirmed, intent, None, Action::Close);
    }
}

#[test]
fn sink_failed() {
    let case = Some(Case::SinkFailed);
    let before = SinkLook::Ready {
        failed_before: true,
    };
    let now = |tried| SinkLook::Failed { tried };
    for intent in [Rotate, Recover, Retry] {
        check_sink(before, intent, case, Action::Publish);
        check_sink(now(false), intent, case, Action::Publish);
        check_sink(now(true), intent, case, Action::Park);
    }
    // What is promoted cannot be given up any more.
    let due = SinkLook::Ready {
        failed_before: false,
    };
    for look in [due, before, now(false), now(true)] {
        check_sink(look, Abandon, case, Action::Park);
    }
}

#[test]
fn sink_foreign() {
    let case = Some(Case::SinkForeign);
    for intent in [Rotate, Recover, Retry, Abandon] {
        let look = |overwrite| SinkLook::Foreign { overwrite };
        check_sink(look(false), intent, case, Action::Park);
        check_sink(look(true), intent, case, Action::Publish);
    }
}

/// Before S5 there is nothing to publish, whatever stands in a file.
#[test]
fn a_file_is_no_matter_of_a_path_that_is_not_promoted() {
    let foreign = SinkLook::Foreign { overwrite: false };
    for events in [
        vec![],
        vec![sealed()],
        vec![sealed(), Event::ApplySent],
        vec![sealed(), Event::ApplySent, confirmed(), verified()],
    ] {
        let quiet = found(VALID, REFUSED, VALID);
        let with_file = Evidence {
            sink: foreign,
            ..quiet
        };
        let of = |evidence| decide(&journal(&events), &evidence, Recover);
        assert_eq!(of(quiet), of(with_file), "{events:?}");
    }
}

/// The table in the README is this one, or this test says what to put there.
#[test]
fn the_table_in_the_readme_is_the_one_of_the_code() {
    let mut table = String::from("| case | situation | what is done |\n|---|---|---|\n");
    for case in Case::ALL {
        let (name, meaning, treatment) = (case.name(), case.meaning(), case.treatment());
        table.push_str(&format!("| `{name}` | {meaning} | {treatment} |\n"));
    }
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&table),
        "the README must hold this table:\n{table}"
    );
}

#[test]
fn all_cases_stand_in_the_order_of_the_table() {
    let of_table: Vec<Case> = TABLE.iter().map(|(case, _)| *case).collect();
    assert_eq!(of_table, Case::ALL[..Case::ALL.len() - 1]);
    assert_eq!(Case::ALL.last(), Some(&Case::Unrecognised));
}
