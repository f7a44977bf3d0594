//! Each thing that may be wrong, and that what nobody asked for is not.

use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};

use super::calendar_tests::schedule;
use super::health::{
    HealthFacts, OverlapFacts, ParkedFacts, ProblemFacts, RotationFacts, ScheduleFacts,
    VerifyHealth, health,
};
use super::{Held, Memory, Remembered};
use crate::model::{EnvironmentName, Paused, Recurrence, RotationId, Schedule, SlotState, Stage};

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-{text}:00Z").parse().expect("a time")
}

fn name() -> EnvironmentName {
    "shop/orders".parse().expect("a name")
}

fn facts(environment: &EnvironmentName) -> HealthFacts<'_> {
    HealthFacts {
        environment,
        now: at("05-10T12:00"),
        has_rotated_secret: true,
        schedule: None,
        last_success: Some(at("05-10T03:01")),
        consecutive_failures: 0,
        problem: None,
        overlaps: Vec::new(),
        rotation: None,
        frozen: Held::No,
        verification: None,
    }
}

fn daily() -> Schedule {
    schedule(chrono_tz::UTC, "0 3 * * *")
}

fn memory() -> Memory {
    Memory {
        since: at("05-01T00:00"),
        rotated_at: Some(at("05-10T03:01")),
        last: Some(Remembered {
            slot: at("05-10T03:00"),
            until: at("05-10T05:00"),
            state: SlotState::Done,
            next_try_at: None,
            was_tried: true,
            has_rotation: true,
        }),
    }
}

fn overlap(stage: Stage) -> OverlapFacts {
    OverlapFacts {
        path: "orders.db".to_owned(),
        user: "app_a".to_owned(),
        is_drained: false,
        stage,
        stage_since: at("05-10T03:01"),
        promoted_at: at("05-10T03:01"),
        propagation: StdDuration::from_secs(900),
        quiet: StdDuration::from_secs(25 * 3600),
        compromised: false,
    }
}

/// A rotation that somebody works on.
fn open_since(opened_at: &str) -> RotationFacts {
    RotationFacts {
        rotation: RotationId(7),
        opened_at: at(opened_at),
        has_waiver: false,
        sent: true,
        is_worked_on: true,
        is_tried_again: false,
        parked: None,
    }
}

#[track_caller]
fn reason(facts: &HealthFacts<'_>, parts: &[&str]) {
    let found = health(facts);
    let [reason] = &found.reasons()[..] else {
        panic!("not one reason: {found:?}");
    };
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
    assert!(!found.is_healthy());
}

#[test]
fn what_goes_by_its_schedule_is_healthy() {
    let (name, schedule, memory) = (name(), daily(), memory());
    let mut facts = facts(&name);
    let without = health(&facts);
    assert!(without.is_healthy(), "{without:?}");
    assert_eq!(without.next_at, None);
    assert_eq!(without.age_seconds, Some(8 * 3600 + 59 * 60));
    facts.schedule = Some(ScheduleFacts {
        schedule: &schedule,
        memory: &memory,
        offset: Duration::minutes(10),
    });
    let with = health(&facts);
    assert!(with.is_healthy(), "{with:?}");
    assert_eq!(with.next_at, Some(at("05-11T03:10")));
    // Within the window it is not overdue.
    facts.now = at("05-11T04:59");
    assert_eq!(health(&facts).overdue_by_seconds, None);
    facts.frozen = Held::ForGood;
    assert_eq!(health(&facts).next_at, None);
    facts.frozen = Held::Until(at("05-12T00:00"));
    assert_eq!(health(&facts).next_at, Some(at("05-12T00:00")));
}

#[test]
fn it_is_overdue_since_the_first_occurrence_that_led_to_nothing() {
    let (name, schedule, mut memory) = (name(), daily(), memory());
    let mut facts = facts(&name);
    facts.now = at("05-13T12:00");
    facts.consecutive_failures = 3;
    facts.problem = Some(ProblemFacts {
        message: "the gate is shut".to_owned(),
        remedy: "handover drain shop/orders".to_owned(),
    });
    memory.last = None;
    facts.schedule = Some(ScheduleFacts {
        schedule: &schedule,
        memory: &memory,
        offset: Duration::zero(),
    });
    let days = 2 * 86_400 + 9 * 3600;
    assert_eq!(health(&facts).overdue_by_seconds, Some(days));
    reason(
        &facts,
        &[
            "overdue by 2d",
            "3 occurrences",
            "the gate is shut: handover drain",
        ],
    );
    facts.problem = None;
    reason(&facts, &[": handover rotate shop/orders"]);
    facts.frozen = Held::ForGood;
    reason(&facts, &["handover resume --all"]);
    facts.last_success = None;
    assert!(health(&facts).never_rotated);
    reason(&facts, &["never rotated"]);
    let paused = Schedule {
        paused: Some(Paused {
            reason: Some("holidays".to_owned()),
            until: Some(at("06-01T00:00")),
        }),
        ..daily()
    };
    facts.schedule = Some(ScheduleFacts {
        schedule: &paused,
        memory: &memory,
        offset: Duration::zero(),
    });
    reason(
        &facts,
        &[
            "paused until 2026-06-01 00:00:00 UTC",
            "handover resume shop/orders",
        ],
    );
    facts.has_rotated_secret = false;
    facts.consecutive_failures = 0;
    assert!(health(&facts).is_healthy());
}

#[test]
fn without_a_schedule_it_is_overdue_after_ninety_days_and_never_when_it_never_began() {
    let name = name();
    let mut facts = facts(&name);
    facts.now = at("05-10T03:01") + Duration::days(90);
    assert!(health(&facts).is_healthy());
    facts.now += Duration::days(1);
    assert_eq!(health(&facts).overdue_by_seconds, Some(86_400));
    reason(
        &facts,
        &["not rotated for 91 days", "handover rotate shop/orders"],
    );
    facts.last_success = None;
    let never = health(&facts);
    assert!(never.never_rotated && never.is_healthy(), "{never:?}");
}

#[test]
fn what_was_to_be_done_once_and_was_is_not_overdue_ever() {
    let (name, mut once) = (name(), daily());
    once.recurrence = Recurrence::Once(at("05-10T03:00"));
    let memory = memory();
    let mut facts = facts(&name);
    facts.now = at("12-31T00:00");
    facts.schedule = Some(ScheduleFacts {
        schedule: &once,
        memory: &memory,
        offset: Duration::zero(),
    });
    let done = health(&facts);
    assert!(done.is_healthy() && done.next_at.is_none(), "{done:?}");
    let forgotten = Memory {
        last: None,
        ..memory.clone()
    };
    facts.last_success = None;
    facts.schedule = Some(ScheduleFacts {
        schedule: &once,
        memory: &forgotten,
        offset: Duration::zero(),
    });
    reason(&facts, &["overdue by"]);
    assert_eq!(health(&facts).next_at, Some(facts.now), "it is made up for");
}

#[test]
fn failures_are_told_before_it_is_overdue() {
    let name = name();
    let mut facts = facts(&name);
    facts.consecutive_failures = 1;
    reason(
        &facts,
        &[
            "one occurrence led to no rotation",
            "handover schedule show shop/orders",
        ],
    );
}

#[test]
fn an_overlap_is_stuck_a_day_after_it_could_be_drained() {
    let name = name();
    let mut facts = facts(&name);
    facts.overlaps = vec![overlap(Stage::Draining)];
    let drained = at("05-10T03:01") + Duration::minutes(15) + Duration::hours(25 + 24);
    facts.now = drained;
    assert!(health(&facts).is_healthy());
    facts.now = drained + Duration::seconds(1);
    reason(
        &facts,
        &[
            "app_a of orders.db should have been drained",
            "handover drain shop/orders",
        ],
    );
    facts.overlaps[0].is_drained = true;
    assert!(health(&facts).is_healthy());
    for (stage, part) in [
        (Stage::Locking, "handover retire shop/orders orders.db"),
        (Stage::Scrambling, "handover retire shop/orders orders.db"),
        (Stage::Unlocking, "orders.db --undo"),
    ] {
        facts.overlaps = vec![overlap(stage)];
        facts.now = at("05-10T04:01");
        assert!(health(&facts).is_healthy(), "{stage}");
        facts.now = at("05-10T04:02");
        reason(&facts, &[part]);
    }
    for stage in [Stage::Locked, Stage::Scrambled] {
        facts.overlaps = vec![overlap(stage)];
        facts.now = at("12-31T00:00") - Duration::days(200);
        assert!(health(&facts).is_healthy(), "{stage}");
    }
}

#[test]
fn a_leaked_password_is_told_at_once_until_it_is_worth_nothing() {
    let name = name();
    let mut facts = facts(&name);
    for (stage, is_told) in [
        (Stage::Draining, true),
        (Stage::Locked, true),
        (Stage::Scrambling, true),
        (Stage::Scrambled, false),
    ] {
        facts.overlaps = vec![OverlapFacts {
            compromised: true,
            is_drained: true,
            ..overlap(stage)
        }];
        facts.now = at("05-10T03:01");
        assert_eq!(!health(&facts).is_healthy(), is_told, "{stage}");
    }
    facts.overlaps[0].stage = Stage::Draining;
    reason(&facts, &["leaked", "handover retire shop/orders orders.db"]);
}

#[test]
fn a_waiver_stands_for_a_day_and_what_is_parked_waits_for_a_person() {
    let name = name();
    let mut facts = facts(&name);
    let open = RotationFacts {
        has_waiver: true,
        sent: false,
        is_worked_on: false,
        ..open_since("05-09T11:59")
    };
    facts.rotation = Some(open.clone());
    assert!(health(&facts).expired_waiver);
    reason(
        &facts,
        &[
            "waiver at 2026-05-09 11:59:00 UTC",
            "handover abandon shop/orders",
        ],
    );
    for fine in [
        RotationFacts {
            sent: true,
            ..open.clone()
        },
        RotationFacts {
            has_waiver: false,
            ..open.clone()
        },
        RotationFacts {
            opened_at: at("05-09T12:00"),
            ..open.clone()
        },
    ] {
        facts.rotation = Some(fine);
        assert!(!health(&facts).expired_waiver);
    }
    facts.rotation = Some(RotationFacts {
        has_waiver: false,
        parked: Some(ParkedFacts {
            path: Some("orders.db".to_owned()),
            case: "current-dead".to_owned(),
        }),
        ..open
    });
    facts.consecutive_failures = 1;
    reason(
        &facts,
        &[
            "of orders.db",
            "current-dead",
            "handover recover shop/orders --explain",
        ],
    );
}

#[test]
fn a_rotation_that_is_open_for_a_month_is_not_healthy() {
    let name = name();
    let mut facts = facts(&name);
    let open = open_since("04-10T12:00");
    let left = [
        "R-0007 is open since 2026-04-10 12:00:00 UTC",
        "shop/orders",
    ];
    facts.rotation = Some(open.clone());
    reason(&facts, &[&left[..], &["more than a day ago"]].concat());
    facts.rotation = Some(RotationFacts {
        is_worked_on: false,
        ..open
    });
    let recover = "nobody goes on with it: handover recover shop/orders";
    reason(&facts, &[&left[..], &[recover]].concat());
}

#[test]
fn a_rotation_that_nobody_goes_on_with_is_told_at_once() {
    let name = name();
    let mut facts = facts(&name);
    let open = open_since("05-10T11:59");
    let left = RotationFacts {
        is_worked_on: false,
        ..open.clone()
    };
    facts.rotation = Some(left.clone());
    reason(&facts, &["nobody goes on with it"]);
    facts.rotation = Some(open);
    assert!(health(&facts).is_healthy(), "a process works on it");
    let tried_again = RotationFacts {
        is_tried_again: true,
        ..left.clone()
    };
    facts.rotation = Some(tried_again.clone());
    assert!(health(&facts).is_healthy(), "an agent will");
    let parked = Some(ParkedFacts {
        path: Some("orders.db".to_owned()),
        case: "locked-out".to_owned(),
    });
    facts.rotation = Some(RotationFacts {
        parked: parked.clone(),
        ..tried_again
    });
    let found = health(&facts);
    assert!(found.is_healthy() && found.parked.is_none(), "{found:?}");
    facts.rotation = Some(RotationFacts { parked, ..left });
    reason(&facts, &["waits for a person (locked-out)"]);
}

#[test]
fn a_verification_is_told_where_it_found_something_wrong() {
    let name = name();
    let mut facts = facts(&name);
    let mut found = VerifyHealth {
        verdict: "unreachable".to_owned(),
        words: String::new(),
        verified_at: at("05-10T06:00"),
        is_bad: false,
    };
    facts.verification = Some(found.clone());
    assert!(health(&facts).is_healthy());
    found.is_bad = true;
    found.verdict = "differs".to_owned();
    found.words = "app_a does not log in".to_owned();
    facts.verification = Some(found);
    reason(
        &facts,
        &[
            "differs",
            "app_a does not log in",
            "handover verify shop/orders",
        ],
    );
}

#[test]
fn what_was_done_at_a_time_that_has_not_come_is_told() {
    let environment = name();
    let (schedule, mut memory) = (daily(), memory());
    let mut facts = facts(&environment);
    facts.last_success = Some(at("05-10T12:59"));
    assert!(
        health(&facts).is_healthy(),
        "clocks are set right by minutes"
    );
    facts.last_success = Some(at("05-10T13:01"));
    let set_right = [
        "the clock was ahead",
        "2026-05-10 13:01",
        "handover rotate shop/orders",
    ];
    reason(&facts, &set_right);
    facts.last_success = Some(at("05-10T03:01"));
    if let Some(last) = &mut memory.last {
        last.slot = at("05-11T03:00");
    }
    facts.schedule = Some(ScheduleFacts {
        schedule: &schedule,
        memory: &memory,
        offset: Duration::zero(),
    });
    let acted_on = [
        "the clock was ahead",
        "2026-05-11 03:00",
        "schedule show shop/orders",
    ];
    reason(&facts, &acted_on);
    assert_eq!(
        health(&facts).next_at,
        Some(at("05-12T03:00")),
        "done is done"
    );
}

#[test]
fn what_is_overdue_is_not_hidden_by_a_clock_that_was_years_ahead() {
    let environment = name();
    let (schedule, mut memory) = (daily(), memory());
    let far = at("05-10T12:00") + Duration::days(3650);
    memory.rotated_at = Some(far);
    if let Some(last) = &mut memory.last {
        last.slot = at("05-08T03:00");
    }
    let mut facts = facts(&environment);
    facts.last_success = Some(far);
    facts.schedule = Some(ScheduleFacts {
        schedule: &schedule,
        memory: &memory,
        offset: Duration::zero(),
    });
    let found = health(&facts);
    assert_eq!(found.overdue_by_seconds, Some(33 * 3600), "{found:?}");
}
