//! Schedules in all their states, for the tests of `update` and `view`.

use chrono::{DateTime, Duration, TimeZone as _, Utc};

use super::{console, healthy, named, night};
use crate::console::message::Message;
use crate::console::model::{Answer, Model, ScheduleNeed, ScheduleRow, Screen, Target};
use crate::console::update::update;
use crate::model::{RotationId, SlotState};
use crate::operations::{
    AgentRow, Freeze, PausedView, RunProblem, RunView, ScheduleListing, ScheduleReview,
    ScheduleView,
};
use crate::schedule::Health;
use crate::untrusted::Untrusted;

/// A time of the nights after [`night`], a Saturday.
fn at(day: u32, hour: u32) -> DateTime<Utc> {
    let first = Utc.with_ymd_and_hms(2026, 11, 20, hour, 0, 0).single();
    first.expect("a time") + Duration::days(i64::from(day))
}

/// Every Sunday at three in Berlin, within two hours; rotated last Sunday.
pub(in crate::console) fn weekly(text: &str) -> ScheduleView {
    ScheduleView {
        environment: named(text),
        protected: false,
        words: "At 03:00, on Sunday (Europe/Berlin), within 2h".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        next: vec![at(2, 2)],
        next_at: Some(at(2, 2)),
        window_seconds: 7200,
        missed: "run-once",
        paused: None,
        last: Some(run(SlotState::Done, Some(12))),
        runs: Vec::new(),
        cautions: Vec::new(),
        health: Health {
            last_success: Some(at(2, 2) - Duration::days(7)),
            ..Health::default()
        },
        problem: None,
    }
}

fn run(state: SlotState, rotation: Option<u64>) -> RunView {
    let slot = at(2, 2) - Duration::days(7);
    let is_open = state == SlotState::Open;
    RunView {
        slot,
        occurrences: 1,
        state,
        rotation: rotation.map(RotationId),
        attempts: 1,
        next_try_at: None,
        problem: None,
        over_at: (!is_open).then_some(slot + Duration::minutes(2)),
    }
}

fn with(mut view: ScheduleView, mut run: RunView, problem: [&str; 3]) -> ScheduleView {
    let [code, message, remedy] = problem.map(str::to_owned);
    run.problem = Some(RunProblem {
        code,
        message,
        remedy,
    });
    // Whatever it came to, the one before it was rotated.
    view.health.last_success = Some(run.slot - Duration::days(7));
    view.health.consecutive_failures = 1;
    view.last = Some(run);
    view
}

/// What is in the way of most.
const GATE: [&str; 3] = [
    "not-drained",
    "db: 3 sessions are connected as orders_a: \"nightly-report\" from 10.0.3.17",
    "end the sessions, or wait for them: handover drain shop/orders db",
];

pub(in crate::console) fn missed(text: &str) -> ScheduleView {
    with(weekly(text), run(SlotState::Missed, None), GATE)
}

/// The second one in a row.
pub(in crate::console) fn overdue(text: &str) -> ScheduleView {
    let mut view = missed(text);
    view.health.consecutive_failures = 2;
    view.health.overdue_by_seconds = Some(6 * 86_400);
    view
}

pub(in crate::console) fn failed(text: &str) -> ScheduleView {
    let problem = [
        "reply-lost",
        "db: the reply to the ALTER was lost",
        "handover recover shop/payments",
    ];
    with(weekly(text), run(SlotState::Failed, Some(31)), problem)
}

pub(in crate::console) fn trying(text: &str) -> ScheduleView {
    let mut view = weekly(text);
    view.next_at = Some(night());
    view.next.insert(0, night());
    let open = RunView {
        slot: night() - Duration::minutes(40),
        attempts: 5,
        next_try_at: Some(night() + Duration::minutes(4)),
        ..run(SlotState::Open, None)
    };
    with(view, open, GATE)
}

pub(in crate::console) fn paused(text: &str) -> ScheduleView {
    let mut view = weekly(text);
    view.next_at = None;
    view.next = Vec::new();
    view.paused = Some(PausedView {
        reason: Some(Untrusted::new("the warehouse moves")),
        until: None,
    });
    view
}

/// Every thirty days, any time after that.
pub(in crate::console) fn monthly(text: &str) -> ScheduleView {
    let mut view = weekly(text);
    view.words = "every 30d".to_owned();
    view.timezone = "UTC".to_owned();
    view.next = vec![at(5, 14)];
    view.next_at = Some(at(5, 14));
    view.window_seconds = 30 * 86_400;
    view.missed = "skip";
    view.cautions = vec!["its drains take longer than its period".to_owned()];
    view
}

/// Once, and that was.
pub(in crate::console) fn over(text: &str) -> ScheduleView {
    let mut view = weekly(text);
    view.words = "once at 2026-11-15 03:00 Europe/Berlin".to_owned();
    view.next = Vec::new();
    view.next_at = None;
    view
}

/// More starts than there are columns.
pub(in crate::console) fn hourly(text: &str) -> ScheduleView {
    let mut view = weekly(text);
    view.words = "At 0 minutes past the hour (UTC), within 1h".to_owned();
    view.timezone = "UTC".to_owned();
    view.next = (1..=190)
        .map(|hour| night() + Duration::hours(hour))
        .collect();
    view.next_at = view.next.first().copied();
    view.window_seconds = 3600;
    view.last = None;
    view
}

pub(in crate::console) fn broken(text: &str) -> ScheduleView {
    let mut view = weekly(text);
    view.problem = Some("the settings name a key that is not known".to_owned());
    view.protected = true;
    view.words = String::new();
    view.timezone = "UTC".to_owned();
    view.next = Vec::new();
    view.next_at = None;
    view.last = None;
    view
}

/// One agent, which lives.
pub(in crate::console) fn agent() -> AgentRow {
    AgentRow {
        number: 0,
        holder: "handover".to_owned(),
        host: "ops-1".to_owned(),
        pid: 4711,
        since: night() - Duration::days(3),
    }
}

pub(in crate::console) fn freeze() -> Freeze {
    Freeze {
        since: night() - Duration::hours(2),
        until: Some(at(4, 12)),
        reason: Some("year-end closing".to_owned()),
        requester: "alice".to_owned(),
    }
}

pub(in crate::console) fn listing(schedules: Vec<ScheduleView>) -> ScheduleListing {
    ScheduleListing {
        schedules,
        agents: vec![agent()],
        freeze: None,
    }
}

pub(in crate::console) fn listed(listing: ScheduleListing) -> Message {
    Message::Schedules(Ok(listing))
}

/// What is read when the three environments of `quiet` are scheduled, by its name in a test.
pub(in crate::console) fn of_three(name: &str) -> Message {
    let production = |view: ScheduleView| ScheduleView {
        protected: true,
        ..view
    };
    let mut read = listing(vec![production(weekly("shop/alpha")), monthly("shop/beta")]);
    match name {
        "paused" => {
            read.schedules = vec![production(paused("shop/alpha")), paused("shop/beta")];
        }
        "missed" => read.schedules = vec![missed("shop/beta"), weekly("shop/alpha")],
        "none" => read.schedules.clear(),
        "frozen" => read.freeze = Some(freeze()),
        "nobody" => read.agents.clear(),
        _ => {}
    }
    listed(read)
}

/// What pausing a schedule would mean.
pub(in crate::console) fn to_pause(of: &Target) -> ScheduleReview {
    ScheduleReview {
        environment: of.environment.clone(),
        protected: false,
        done: false,
        changed: true,
        revision: 3,
        words_before: Some(weekly("shop/any").words),
        words: Some(weekly("shop/any").words),
        timezone: "Europe/Berlin".to_owned(),
        missed: "run-once",
        paused: Some(PausedView {
            reason: None,
            until: None,
        }),
        next_before: Some(at(2, 2)),
        next_after: None,
        next: Vec::new(),
        makes_up: false,
        misses: false,
        occurrences: 0,
        frozen: false,
        agent_alive: true,
        cautions: Vec::new(),
    }
}

/// What resuming it would mean, after so many occurrences.
pub(in crate::console) fn to_resume(of: &Target, occurrences: u64) -> ScheduleReview {
    let at_once = occurrences > 0;
    ScheduleReview {
        paused: None,
        next_before: None,
        next_after: Some(if at_once { night() } else { at(2, 2) }),
        next: vec![at(2, 2)],
        makes_up: at_once,
        occurrences,
        ..to_pause(of)
    }
}

/// What an operation answers a review, by its name in a test.
pub(in crate::console) fn answer(name: &str, of: &Target) -> Option<Answer> {
    let done = |review| ScheduleReview {
        done: true,
        revision: 4,
        ..review
    };
    let review = match name {
        "to-pause" => to_pause(of),
        "paused" => done(to_pause(of)),
        "paused-already" => ScheduleReview {
            changed: false,
            ..to_pause(of)
        },
        "to-resume" => to_resume(of, 0),
        "to-make-up" => ScheduleReview {
            agent_alive: false,
            ..to_resume(of, 2)
        },
        "resumed" => done(to_resume(of, 0)),
        "made-up" => done(to_resume(of, 2)),
        _ => return None,
    };
    Some(Answer::Schedule(Box::new(review)))
}

/// Schedules in all their states, in the order of the screen.
pub(in crate::console) const ORDER: [(ScheduleNeed, &str); 11] = [
    (ScheduleNeed::Failed, "shop/payments"),
    (ScheduleNeed::Overdue, "shop/stock"),
    (ScheduleNeed::Missed, "shop/orders"),
    (ScheduleNeed::Broken, "shop/broken"),
    (ScheduleNeed::Trying, "shop/billing"),
    (ScheduleNeed::Planned, "shop/hourly"),
    (ScheduleNeed::Planned, "shop/catalogue"),
    (ScheduleNeed::Planned, "shop/monthly"),
    (ScheduleNeed::Over, "shop/once"),
    (ScheduleNeed::Paused, "shop/warehouse"),
    (ScheduleNeed::Without, "shop/forgotten"),
];

/// A store with schedules in all their states, of which the schedules screen is open.
pub(in crate::console) fn scheduling() -> Model {
    let mut names: Vec<&str> = ORDER.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    let mut all: Vec<_> = names.iter().map(|name| healthy(name)).collect();
    for status in &mut all {
        status.protected = *status.environment.name() == *"orders";
    }
    let mut model = console(all);
    let views = vec![
        trying("shop/billing"),
        broken("shop/broken"),
        weekly("shop/catalogue"),
        hourly("shop/hourly"),
        monthly("shop/monthly"),
        over("shop/once"),
        ScheduleView {
            protected: true,
            ..missed("shop/orders")
        },
        failed("shop/payments"),
        overdue("shop/stock"),
        paused("shop/warehouse"),
    ];
    update(&mut model, listed(listing(views)));
    model.screens.push(Screen::Schedules);
    let first = model.schedule_rows().first().map(ScheduleRow::target);
    model.timetable.selected = first;
    model
}
