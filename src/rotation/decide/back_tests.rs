//! The rows of the ways back, cell by cell.

use super::super::decide;
use super::*;
use crate::model::{Flavour, ServerIdentity};
use crate::rotation::{
    Admitted, Chosen, Decision, Event, Evidence, Replication, SinkLook, Standing, TwinLook, Way,
    fold,
};
use Intent::{Abandon, Recover, Retry, Rotate};

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

/// A journal of a way back in a case, and what came after the agreement.
fn journal(way: Way, case: Case, more: &[Event]) -> Vec<Event> {
    let consumers_down = matches!(case, Case::Restored | Case::StoreBehind | Case::CurrentDead);
    let mut events = vec![
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
                flavour: Flavour::Postgresql,
                gtids: String::new(),
                system: "1".to_owned(),
                timeline: 1,
                position: 1,
                transaction: 1,
                version: 150_000,
            },
            previous_known: false,
            current_known: true,
        }),
        Event::WayChosen(Chosen {
            way,
            case,
            consumers_down,
            compromised: false,
            agreed_by: "somebody".to_owned(),
            break_glass: None,
            file: None,
        }),
    ];
    events.extend(more.iter().cloned());
    events
}

/// What consumers read, and the candidate; everything else in order.
fn found(current: Standing, pending: Standing) -> Evidence {
    Evidence {
        current,
        previous: ABSENT,
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

#[track_caller]
fn check(events: &[Event], evidence: Evidence, intent: Intent, case: Case, action: Action) {
    let decision = decide(&fold(events), &evidence, intent);
    let expected = Decision {
        case: Some(case),
        action,
    };
    assert_eq!(decision, expected, "{events:?}\n{evidence:?} {intent:?}");
}

fn verified() -> Event {
    Event::Verified { nodes: Vec::new() }
}

#[test]
fn applications_fail() {
    let case = Case::ApplicationsFail;
    let agreed = journal(Way::Repromote, case, &[]);
    let proven = journal(Way::Repromote, case, &[verified()]);
    let good = found(VALID, VALID);
    for intent in [Rotate, Recover, Retry] {
        check(&agreed, good, intent, case, Action::Verify);
        check(&proven, good, intent, case, Action::Promote);
    }
    check(&agreed, good, Abandon, case, Action::Abort);
    // It was good enough before; what is asked of it today has to hold.
    let as_before = Evidence {
        twins: TwinLook::Differ,
        gate: GateLook::Shut,
        ..good
    };
    check(&agreed, as_before, Rotate, case, Action::Verify);
    let unseen = Evidence {
        unnamed_standbys: 1,
        ..good
    };
    check(&agreed, unseen, Rotate, Case::NotReplicated, Action::Park);
    let fails = Evidence {
        pending: Standing {
            statement_failed: 1,
            ..VALID
        },
        ..good
    };
    check(&agreed, fails, Rotate, Case::VerifyFailed, Action::Park);
    let pooled = Evidence {
        pooled: REFUSED,
        ..good
    };
    check(&agreed, pooled, Rotate, Case::PoolerRefuses, Action::Wait);
    let silent = found(VALID, UNKNOWN);
    check(&agreed, silent, Rotate, Case::Unreachable, Action::Park);
    // While consumers are down nobody goes on who has not agreed to that.
    let down = found(REFUSED, VALID);
    check(&agreed, down, Recover, Case::CurrentDead, Action::Park);
    let elsewhere = Evidence {
        server: ServerMatch::Other,
        ..good
    };
    check(&agreed, elsewhere, Rotate, Case::OtherServer, Action::Park);
    let unknown = Evidence {
        promotion_unknown: true,
        ..good
    };
    let action = Action::ReadStoreAgain;
    check(&proven, unknown, Rotate, Case::StoreUnknown, action);
}

#[test]
fn back_locked() {
    let case = Case::BackLocked;
    let agreed = journal(Way::Unretire, case, &[]);
    let sent = journal(Way::Unretire, case, &[Event::UnlockSent]);
    let locked = found(VALID, ABSENT);
    for intent in [Rotate, Recover, Retry] {
        check(&agreed, locked, intent, case, Action::Unlock);
        // Letting it in a second time does no harm.
        check(&sent, locked, intent, case, Action::Unlock);
    }
    check(&sent, locked, Abandon, case, Action::Abort);
    let in_vain = journal(Way::Unretire, case, &vec![Event::UnlockSent; 4]);
    check(&in_vain, locked, Recover, case, Action::Park);
    let refused = Event::UnlockRefused {
        code: "42501".to_owned(),
        message: "no".to_owned(),
    };
    let refused = journal(Way::Unretire, case, &[Event::UnlockSent, refused]);
    check(&refused, locked, Rotate, case, Action::Park);
    for intent in [Recover, Retry] {
        check(&refused, locked, intent, case, Action::Unlock);
    }
    let elsewhere = Evidence {
        server: ServerMatch::WentBack,
        ..locked
    };
    check(&agreed, elsewhere, Recover, Case::OtherServer, Action::Park);
    let out = Evidence {
        manager: Manager::Out,
        ..locked
    };
    check(&agreed, out, Recover, Case::ManagerOut, Action::Park);
    let confirmed = Event::UnlockConfirmed {
        unreplicated_at: None,
    };
    let let_in = journal(Way::Unretire, case, &[Event::UnlockSent, confirmed]);
    check(&let_in, found(VALID, VALID), Recover, case, Action::Verify);
}

#[test]
fn back_scrambled() {
    let case = Case::BackScrambled;
    let agreed = journal(Way::Reissue, case, &[]);
    let good = found(VALID, ABSENT);
    for intent in [Rotate, Recover, Retry] {
        check(&agreed, good, intent, case, Action::SealPending);
    }
    check(&agreed, good, Abandon, case, Action::Release);
    let shut = Evidence {
        gate: GateLook::Shut,
        ..good
    };
    check(&agreed, shut, Recover, case, Action::Release);
    let out = Evidence {
        manager: Manager::Out,
        ..good
    };
    check(&agreed, out, Recover, Case::ManagerOut, Action::Park);
    // Nobody agreed to another password than the one that was known.
    let known = journal(Way::Repromote, Case::ApplicationsFail, &[verified()]);
    let gone = found(VALID, REFUSED);
    check(&known, gone, Recover, case, Action::Park);
    check(&known, gone, Abandon, Case::ApplicationsFail, Action::Abort);
}

/// Each case of dead consumers, after the environment's name was typed.
#[test]
fn what_was_agreed_to_while_consumers_are_down_is_gone_on_with() {
    let down = found(REFUSED, ABSENT);
    for (way, case) in [
        (Way::Reapply, Case::Restored),
        (Way::Reissue, Case::StoreBehind),
        (Way::Reapply, Case::CurrentDead),
        (Way::Reissue, Case::CurrentDead),
    ] {
        let agreed = journal(way, case, &[]);
        for intent in [Rotate, Recover, Retry] {
            check(&agreed, down, intent, case, Action::SealPending);
        }
        let sealed = Event::PendingSealed {
            generation: 2,
            sealed: "envelope".to_owned(),
            salt: "00".to_owned(),
        };
        let sealed = [sealed, Event::ApplySent];
        let unsent = journal(way, case, &sealed[..1]);
        check(&unsent, down, Recover, Case::PendingUnsent, Action::Apply);
        let confirmed = Event::ApplyConfirmed {
            unreplicated_at: None,
        };
        let applied = [&sealed[..], &[confirmed]].concat();
        let applied = journal(way, case, &applied);
        let set = found(REFUSED, VALID);
        check(&applied, set, Recover, Case::Applied, Action::Verify);
    }
    let known = journal(Way::Repromote, Case::CurrentDead, &[]);
    let dead = found(REFUSED, VALID);
    check(&known, dead, Recover, Case::CurrentDead, Action::Verify);
    // What a file holds is sealed with the agreement, and is proven before it is promoted.
    let sealed = Event::PendingSealed {
        generation: 2,
        sealed: "envelope".to_owned(),
        salt: "00".to_owned(),
    };
    for case in [Case::StoreBehind, Case::CurrentDead] {
        let imported = journal(Way::Import, case, std::slice::from_ref(&sealed));
        let proven = journal(Way::Import, case, &[sealed.clone(), verified()]);
        for intent in [Rotate, Recover, Retry] {
            check(&imported, dead, intent, case, Action::Verify);
            check(&proven, dead, intent, case, Action::Promote);
        }
        check(&imported, dead, Abandon, case, Action::Abort);
        // It was right when somebody agreed to it, and nothing else was agreed to.
        let gone = found(REFUSED, REFUSED);
        check(&imported, gone, Recover, Case::BackScrambled, Action::Park);
        let silent = found(REFUSED, UNKNOWN);
        check(&imported, silent, Recover, Case::Unreachable, Action::Park);
        let elsewhere = Evidence {
            server: ServerMatch::Other,
            ..dead
        };
        check(
            &imported,
            elsewhere,
            Recover,
            Case::OtherServer,
            Action::Park,
        );
    }
    // A server that went back once more has not been agreed to.
    let older = Evidence {
        server: ServerMatch::WentBack,
        ..down
    };
    let agreed = journal(Way::Reapply, Case::Restored, &[]);
    check(&agreed, older, Recover, Case::OtherServer, Action::Park);
}

#[test]
fn a_known_password_changes_nothing_until_it_is_promoted() {
    let known = fold(&journal(Way::Repromote, Case::ApplicationsFail, &[]));
    assert!(known.takes_known() && !known.may_have_changed());
    let sealed = Event::PendingSealed {
        generation: 2,
        sealed: "envelope".to_owned(),
        salt: "00".to_owned(),
    };
    let imported = fold(&journal(Way::Import, Case::StoreBehind, &[sealed]));
    assert!(imported.takes_known() && !imported.may_have_changed());
    assert_eq!(imported.progress, Progress::Confirmed);
    assert!(
        imported.pending.is_some(),
        "it is kept until it is promoted"
    );
    let locked = fold(&journal(Way::Unretire, Case::BackLocked, &[]));
    assert!(!locked.may_have_changed());
    let sent = [Event::UnlockSent];
    let sent = fold(&journal(Way::Unretire, Case::BackLocked, &sent));
    assert!(sent.may_have_changed());
}
