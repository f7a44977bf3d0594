//! Drains for the tests of `update` and `view`.

use chrono::Duration;

use super::{console, entered, healthy, named, night, user};
use crate::console::message::Message;
use crate::console::model::{DrainView, Model, Pane, Screen};
use crate::drain::{
    Arrival, Counts, Coverage, Drain, Forecast, HistoryPoint, LateLogin, Method, NodeCoverage,
    PoolerNote, Straggler, StragglerSession, Verdict, View, Window,
};
use crate::model::Stage;
use crate::operations::drain::{DrainReport, Sampler};
use crate::untrusted::Untrusted;

const DAY_AND_AN_HOUR: u64 = 90_000;

/// Nobody is there, for long enough, and all nodes say so.
pub(in crate::console) fn drained(of: &str) -> Drain {
    let since = night() - Duration::hours(30);
    Drain {
        path: "db".to_owned(),
        user: Untrusted::new(&user(&named(of), 'a')),
        revision: 3,
        promoted_at: Some(since),
        stage: Stage::Draining,
        stage_since: since,
        compromised: false,
        leak: None,
        listening: None,
        verdict: Verdict::Drained,
        reasons: Vec::new(),
        method: Method::Counted,
        window: Window {
            required_seconds: DAY_AND_AN_HOUR,
            since: Some(night() - Duration::hours(26)),
            quiet_seconds: 26 * 3600,
            remaining_seconds: 0,
            resolution_seconds: Some(31),
        },
        coverage: Coverage {
            complete: true,
            sampled_at: Some(night() - Duration::seconds(4)),
            nodes: vec![
                node("db-1.example:5432", View::Complete),
                node("db-2.example:5432", View::Complete),
            ],
            unnamed_standbys: Vec::new(),
            poolers: Vec::new(),
        },
        counts: Counts::default(),
        history: history(&[12, 12, 11, 9, 4, 2, 0]),
        late: Vec::new(),
        stragglers: Vec::new(),
        forecast: Forecast::Empty,
        gate: None,
    }
}

fn node(name: &str, view: View) -> NodeCoverage {
    NodeCoverage {
        node: name.to_owned(),
        view,
        sampled_at: Some(night() - Duration::seconds(4)),
        sessions: Some(0),
        problem: None,
        grant: None,
    }
}

/// A count for each half hour, beginning 30 hours ago.
fn history(counts: &[u64]) -> Vec<HistoryPoint> {
    let counts = counts.iter().zip(0i32..);
    let points = counts.map(|(count, number)| HistoryPoint {
        at: night() - Duration::hours(30) + Duration::minutes(30) * number,
        sessions: Some(*count),
    });
    points.collect()
}

/// Nobody is there, and not for long enough.
pub(in crate::console) fn quiet_drain(of: &str) -> Drain {
    let mut drain = drained(of);
    let reason = "nobody was seen for 3h 12m of the 25h that are asked for";
    drain.verdict = Verdict::Quiet;
    drain.reasons = vec![reason.to_owned()];
    drain.gate = Some(reason.to_owned());
    drain.method = Method::Sampled;
    drain.window.since = Some(night() - Duration::minutes(192));
    drain.window.quiet_seconds = 192 * 60;
    drain.window.remaining_seconds = DAY_AND_AN_HOUR - 192 * 60;
    let mut points = history(&[12, 12, 11, 12, 12, 9, 9, 8]);
    let later = [
        (14, None),
        (17, Some(8)),
        (21, Some(6)),
        (24, Some(2)),
        (27, Some(0)),
    ];
    points.extend(later.map(|(hours, sessions)| HistoryPoint {
        at: night() - Duration::hours(30) + Duration::hours(hours),
        sessions,
    }));
    drain.history = points;
    drain
}

/// A pool and a forgotten report hold it up.
pub(in crate::console) fn active(of: &str) -> Drain {
    let mut drain = quiet_drain(of);
    drain.verdict = Verdict::Active;
    let reason = "7 sessions of 2 applications are there";
    drain.reasons = vec![
        reason.to_owned(),
        "propagation passes at 02:05:00 UTC on db-1.example:5432".to_owned(),
    ];
    drain.gate = Some(reason.to_owned());
    drain.window.since = None;
    drain.window.quiet_seconds = 0;
    drain.window.remaining_seconds = DAY_AND_AN_HOUR;
    drain.counts = Counts {
        sessions: 7,
        before: 6,
        catching_up: 1,
        ..Counts::default()
    };
    drain.coverage.nodes[0].sessions = Some(6);
    drain.coverage.nodes[1].sessions = Some(1);
    drain.history.truncate(drain.history.len() - 1);
    drain.history.push(HistoryPoint {
        at: night() - Duration::minutes(90),
        sessions: Some(7),
    });
    drain.stragglers = vec![
        straggler("orders-api", "10.0.3.17", Arrival::Before, 5),
        Straggler {
            owner: None,
            ..straggler("psql", "10.0.9.2", Arrival::CatchingUp, 2)
        },
    ];
    drain.forecast = Forecast::Range {
        earliest: night() + Duration::minutes(70),
        latest: night() + Duration::minutes(160),
        basis: "12 sessions of orders-api ended at ages from 28m to 1h 58m".to_owned(),
    };
    drain
}

fn straggler(application: &str, client: &str, arrival: Arrival, sessions: u32) -> Straggler {
    Straggler {
        application: Untrusted::new(application),
        client: Some(Untrusted::new(client)),
        arrival,
        owner: Some("#team-orders".to_owned()),
        pooler: None,
        remedy: "restart it, or wait for the maximal lifetime of its pool's connections".to_owned(),
        sessions: (0..sessions)
            .map(|number| session(number, arrival))
            .collect(),
    }
}

fn session(number: u32, arrival: Arrival) -> StragglerSession {
    let age = 15_600u64.saturating_sub(u64::from(number) * 420);
    StragglerSession {
        node: "db-1.example:5432".to_owned(),
        pid: 4_000 + i64::from(number),
        kind: "client",
        database: Some(Untrusted::new("shop")),
        started: Some(night() - Duration::seconds(i64::try_from(age).expect("short"))),
        age_seconds: age,
        at_least: number == 1,
        arrival,
        state: Some(Untrusted::new(match number % 3 {
            0 => "idle",
            1 => "idle in transaction",
            _ => "active",
        })),
        state_seconds: Some(u64::from(number) * 61 + 5),
        transaction_seconds: (!number.is_multiple_of(3)).then_some(u64::from(number) * 600),
        command: Some(Untrusted::new("SELECT")),
    }
}

/// Somebody still reads the old password.
pub(in crate::console) fn late(of: &str) -> Drain {
    let mut drain = active(of);
    drain.counts = Counts {
        sessions: 8,
        before: 5,
        catching_up: 1,
        late: 2,
        late_logins: 9,
        unseen_logins: 4,
        ..Counts::default()
    };
    let reason = "2 late sessions and 7 more late logins: somebody still reads the old password";
    drain.reasons.insert(0, reason.to_owned());
    drain.gate = Some(reason.to_owned());
    let mut report = straggler("nightly-report", "10.0.7.31", Arrival::Late, 2);
    report.owner = Some("#team-data".to_owned());
    report.remedy =
        "it logs in with the old password again and again: change what it reads".to_owned();
    for session in &mut report.sessions {
        session.age_seconds = 840;
        session.node = "db-2.example:5432".to_owned();
    }
    drain.stragglers.insert(0, report);
    let login = |minutes: i64, pid: Option<i64>, is_there: bool| LateLogin {
        node: "db-2.example:5432".to_owned(),
        pid,
        application: pid.map(|_| Untrusted::new("nightly-report")),
        client: pid.map(|_| Untrusted::new("10.0.7.31")),
        at: night() - Duration::minutes(minutes),
        logins: if pid.is_some() { 1 } else { 4 },
        is_there,
    };
    drain.late = vec![
        login(14, Some(4001), true),
        login(14, Some(4000), true),
        login(44, Some(3711), false),
        login(66, None, false),
    ];
    drain.forecast = Forecast::Never {
        because: "no session of nightly-report from 10.0.7.31 was ever seen to end".to_owned(),
    };
    drain.coverage.poolers = vec![PoolerNote {
        pooler: "pgbouncer-1.example:6432".to_owned(),
        note: "it hides its clients; RECONNECT on its console ends idle server sessions".to_owned(),
    }];
    drain
}

/// The second node hides the sessions of others.
pub(in crate::console) fn masked(of: &str) -> Drain {
    let mut drain = quiet_drain(of);
    let reason = "db-2.example:5432 hides sessions from monitor_a: a zero there says nothing";
    drain.verdict = Verdict::Unknown;
    drain.reasons = vec![reason.to_owned()];
    drain.gate = Some(reason.to_owned());
    drain.window.since = None;
    drain.window.quiet_seconds = 0;
    drain.coverage.complete = false;
    let node = &mut drain.coverage.nodes[1];
    node.view = View::Masked;
    node.problem = Some("it hides sessions from monitor_a".to_owned());
    node.grant = Some("GRANT pg_read_all_stats TO \"monitor_a\"".to_owned());
    drain
}

/// The second node does not answer, and feeds a standby that nobody named.
pub(in crate::console) fn unreachable(of: &str) -> Drain {
    let mut drain = masked(of);
    let reason = "db-2.example:5432 has not answered for 47m";
    drain.reasons = vec![
        reason.to_owned(),
        "10.0.0.19 is fed by db-1.example:5432 and not named in the settings".to_owned(),
    ];
    drain.gate = Some(reason.to_owned());
    drain.method = Method::None;
    drain.window.resolution_seconds = None;
    let node = &mut drain.coverage.nodes[1];
    node.view = View::Unreachable;
    node.sampled_at = Some(night() - Duration::minutes(47));
    node.sessions = None;
    node.problem = Some("no answer within 5 s".to_owned());
    node.grant = None;
    drain.coverage.sampled_at = node.sampled_at;
    drain.coverage.unnamed_standbys = vec![Untrusted::new("10.0.0.19")];
    drain
}

/// It cannot log in any more.
pub(in crate::console) fn locked(of: &str) -> Drain {
    let mut drain = drained(of);
    drain.stage = Stage::Locked;
    drain.stage_since = night() - Duration::minutes(125);
    drain
}

/// Its password is a random one that nobody keeps.
pub(in crate::console) fn scrambled(of: &str) -> Drain {
    let mut drain = locked(of);
    drain.stage = Stage::Scrambled;
    drain
}

/// Its password leaked, and it may still log in.
pub(in crate::console) fn leaked(of: &str) -> Drain {
    let mut drain = active(of);
    drain.compromised = true;
    drain
}

/// Its password leaked and is shut out, and a session goes on.
pub(in crate::console) fn leaked_and_shut(of: &str) -> Drain {
    let mut drain = leaked(of);
    drain.stage = Stage::Scrambled;
    drain.stage_since = night() - Duration::minutes(5);
    drain
}

/// A pool of a thousand.
pub(in crate::console) fn thousand(of: &str) -> Drain {
    let mut drain = active(of);
    drain.counts.sessions = 1_002;
    drain.counts.before = 1_000;
    drain.counts.catching_up = 2;
    drain.gate = Some("1,002 sessions of 2 applications are there".to_owned());
    drain.reasons.clear();
    drain.stragglers[0] = straggler("orders-api", "10.0.3.17", Arrival::Before, 1_000);
    drain
}

/// Names that would do something to a terminal; they are marks since they came in.
pub(in crate::console) fn hostile(of: &str) -> Drain {
    let mut drain = active(of);
    let group = &mut drain.stragglers[0];
    group.application = Untrusted::new("\u{1b}[31mred\u{7}\r\n\u{202e}gnol\u{200b}注文");
    group.client = Some(Untrusted::new("\u{1b}]0;title\u{7}"));
    for session in &mut group.sessions {
        session.database = Some(Untrusted::new("shop\u{1b}[2J"));
        session.state = Some(Untrusted::new("idle\n"));
    }
    drain
}

/// What arrived just now.
pub(in crate::console) fn view(drains: Vec<Drain>) -> DrainView {
    DrainView {
        report: drains,
        at: Some(night()),
        problem: None,
    }
}

/// What the sampler tells of an environment.
pub(in crate::console) fn sampled(of: &str, drains: Vec<Drain>) -> Message {
    Message::Drained(Box::new(DrainReport {
        environment: named(of),
        drains,
        without_overlap: Vec::new(),
        sampler: Sampler::Here,
        problem: None,
    }))
}

/// The sampler cannot tell anything.
pub(in crate::console) fn not_sampled(of: &str) -> Message {
    Message::Drained(Box::new(DrainReport {
        environment: named(of),
        drains: Vec::new(),
        without_overlap: Vec::new(),
        sampler: Sampler::Here,
        problem: Some("no such key: PAY_MONITOR (set it, or name another)".to_owned()),
    }))
}

/// One environment, opened on its drain.
pub(in crate::console) fn in_drain(drain: Drain) -> Model {
    let mut status = healthy("shop/billing");
    status.paths[0].promoted_at = drain.promoted_at;
    let mut model = entered(console(vec![status]), "shop/billing");
    model
        .drains
        .insert(named("shop/billing"), view(vec![drain]));
    model.pane = Pane::Drain;
    model
}

/// The order in which the monitor shows them.
pub(in crate::console) const WORST_FIRST: [&str; 6] = [
    "shop/billing",
    "shop/orders",
    "shop/catalogue",
    "shop/pay",
    "shop/alpha",
    "shop/stock",
];

/// A console with open overlaps of each kind, and one environment that has none.
pub(in crate::console) fn draining() -> Model {
    let mut names: Vec<&str> = WORST_FIRST.to_vec();
    names.push("shop/zero");
    let mut all: Vec<_> = names.iter().map(|name| healthy(name)).collect();
    all[4].protected = true;
    let mut model = console(all);
    let reports = [
        late("shop/billing"),
        active("shop/orders"),
        masked("shop/catalogue"),
        unreachable("shop/pay"),
        quiet_drain("shop/alpha"),
        locked("shop/stock"),
    ];
    for (name, drain) in WORST_FIRST.iter().zip(reports) {
        model.drains.insert(named(name), view(vec![drain]));
    }
    model.drains.insert(named("shop/zero"), view(Vec::new()));
    model.selected = model.rows().first().map(|row| row.target.clone());
    model
}

/// The monitor on [`draining`].
pub(in crate::console) fn monitoring() -> Model {
    let mut model = draining();
    model.screens.push(Screen::Drains);
    let first = model.monitor_rows().first().map(|row| row.target.clone());
    model.monitor.selected = first;
    model
}

#[test]
fn the_monitor_shows_the_worst_first() {
    let model = monitoring();
    let rows = model.monitor_rows();
    let names: Vec<String> = rows
        .iter()
        .map(|row| row.target.environment.to_string())
        .collect();
    assert_eq!(names, WORST_FIRST);
}
