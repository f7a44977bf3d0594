//! The decision table, cell by cell and over the whole space of evidence.

use super::*;
use crate::model::ServerIdentity;
use crate::rotation::{Admitted, Event, fold};
use proptest::prelude::*;

const VALID: Standing = standing(1, 0, 0);
const REFUSED: Standing = standing(0, 1, 0);
const UNKNOWN: Standing = standing(0, 0, 1);
const ABSENT: Standing = standing(0, 0, 0);

const fn standing(proven: usize, refused: usize, unknown: usize) -> Standing {
    Standing {
        proven,
        barred: 0,
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
        oids: [1, 2],
        server: ServerIdentity {
            system: "1".to_owned(),
            timeline: 1,
            position: 1,
            transaction: 1,
            version: 150_000,
        },
        previous_known: true,
    })
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
        manager: Manager::Ready,
        gate: GateLook::Open,
        promotion_unknown: false,
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

use Intent::{Recover, Rotate};

#[test]
fn both_accepted() {
    let evidence = found(VALID, VALID, VALID);
    let sent = [sealed(), Event::ApplySent];
    check(&sent, evidence, Recover, Case::BothAccepted, Action::Park);
    let confirmed = [sealed(), Event::ApplySent, Event::ApplyConfirmed];
    check(
        &confirmed,
        evidence,
        Rotate,
        Case::BothAccepted,
        Action::Park,
    );
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
        let events = [sealed(), Event::ApplySent, Event::ApplyConfirmed];
        check(&events, applied, Recover, Case::CurrentDead, Action::Park);
    }
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
    check(&[], silent, Rotate, Case::Unreachable, Action::Park);
}

#[test]
fn pending_unsent() {
    let evidence = found(VALID, VALID, REFUSED);
    for intent in [Rotate, Recover] {
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

#[test]
fn refused_final() {
    let evidence = found(VALID, VALID, REFUSED);
    let mut events = vec![sealed(), Event::ApplySent, refused(RefusalClass::Final)];
    check(&events, evidence, Rotate, Case::RefusedFinal, Action::Park);
    check(&events, evidence, Recover, Case::RefusedFinal, Action::Park);
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
    // A previous password that was expected to be valid and is not: somebody else was here.
    let rival = found(VALID, REFUSED, REFUSED);
    check(&waited, rival, Recover, Case::Unrecognised, Action::Park);
}

#[test]
fn applied() {
    let evidence = found(VALID, REFUSED, VALID);
    let sent = [sealed(), Event::ApplySent];
    check(&sent, evidence, Recover, Case::Applied, Action::Verify);
    let confirmed = [sealed(), Event::ApplySent, Event::ApplyConfirmed];
    check(&confirmed, evidence, Rotate, Case::Applied, Action::Verify);
    let verified = [
        sealed(),
        Event::ApplySent,
        Event::Verified { nodes: vec![] },
    ];
    check(&verified, evidence, Rotate, Case::Applied, Action::Promote);
    // Promoting does not need the managing user.
    let out = Evidence {
        manager: Manager::Out,
        ..evidence
    };
    check(&verified, out, Recover, Case::Applied, Action::Promote);
}

#[test]
fn verify_failed() {
    let failing = Standing {
        statement_failed: 1,
        ..VALID
    };
    let confirmed = [sealed(), Event::ApplySent, Event::ApplyConfirmed];
    let evidence = found(VALID, REFUSED, failing);
    check(
        &confirmed,
        evidence,
        Rotate,
        Case::VerifyFailed,
        Action::Park,
    );
}

#[test]
fn store_unknown() {
    let verified = [
        sealed(),
        Event::ApplySent,
        Event::Verified { nodes: vec![] },
    ];
    let evidence = Evidence {
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
}

#[test]
fn unreachable() {
    let silent = Evidence {
        manager: Manager::Unreachable,
        ..found(UNKNOWN, UNKNOWN, UNKNOWN)
    };
    let confirmed = [sealed(), Event::ApplySent, Event::ApplyConfirmed];
    for events in [&confirmed[..1], &confirmed[..2], &confirmed[..]] {
        check(events, silent, Recover, Case::Unreachable, Action::Park);
    }
}

#[test]
fn unrecognised() {
    let confirmed = [sealed(), Event::ApplySent, Event::ApplyConfirmed];
    let evidence = found(VALID, REFUSED, REFUSED);
    check(
        &confirmed,
        evidence,
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
        Just(Event::ApplyConfirmed),
        Just(refused(RefusalClass::Retryable)),
        Just(refused(RefusalClass::Password)),
        Just(refused(RefusalClass::Final)),
        Just(Event::Outwaited),
        Just(Event::Verified { nodes: vec![] }),
        Just(Event::PendingDropped),
        Just(parked()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever the journal and the evidence, no action breaks a promise.
    #[test]
    fn no_decision_breaks_a_promise(
        events in proptest::collection::vec(any_event(), 0..6),
        current in any_standing(),
        previous in any_standing(),
        pending in any_standing(),
        manager in prop_oneof![
            Just(Manager::Ready), Just(Manager::Out), Just(Manager::Unreachable)
        ],
        shut in any::<bool>(),
        promotion_unknown in any::<bool>(),
        recovering in any::<bool>(),
    ) {
        let gate = if shut { GateLook::Shut } else { GateLook::Open };
        let evidence = Evidence { current, previous, pending, manager, gate, promotion_unknown };
        let intent = if recovering { Recover } else { Rotate };
        let journal = journal(&events);
        let decision = decide(&journal, &evidence, intent);
        match decision.action {
            // Nobody is cut off unknowingly, and unknown is never treated as no.
            Action::Apply => {
                prop_assert_eq!(gate, GateLook::Open);
                prop_assert_eq!(manager, Manager::Ready);
                prop_assert!(current.is_everywhere());
                prop_assert!(journal.pending.is_some() || journal.progress != Progress::Pending);
                if matches!(journal.progress, Progress::Sent { .. }) {
                    prop_assert!(pending.is_nowhere());
                    prop_assert_eq!(&journal.progress, &Progress::Sent { outwaited: true });
                }
            }
            // Consumers can always log in with what is promoted.
            Action::Promote | Action::Verify => {
                prop_assert!(pending.is_everywhere());
                prop_assert!(current.is_everywhere());
                prop_assert_eq!(pending.statement_failed, 0);
                prop_assert!(!promotion_unknown);
            }
            // A password that may be in the database is never dropped.
            Action::Abort | Action::Release => {
                let may_be_set = matches!(
                    journal.progress, Progress::Sent { .. } | Progress::Confirmed | Progress::Verified
                );
                prop_assert!(!may_be_set || pending.is_nowhere());
            }
            _ => {}
        }
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
