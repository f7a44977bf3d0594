use super::*;
use crate::drain::{Counts, HistoryPoint, PoolerNote, StragglerSession, Window};
use crate::untrusted::Untrusted;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a valid time")
}

fn session(age_seconds: u64, state: &str) -> StragglerSession {
    StragglerSession {
        node: "db-1:5432".to_owned(),
        pid: 4711,
        kind: "client",
        database: Some(Untrusted::new("orders")),
        started: Some(at(0)),
        age_seconds,
        at_least: false,
        arrival: Arrival::Before,
        state: Some(Untrusted::new(state)),
        state_seconds: Some(3),
        transaction_seconds: None,
        command: Some(Untrusted::new("SELECT")),
    }
}

fn straggler(application: &str, client: &str, arrival: Arrival) -> Straggler {
    Straggler {
        application: Untrusted::new(application),
        client: Some(Untrusted::new(client)),
        arrival,
        owner: None,
        pooler: None,
        remedy: "restart it, or wait until its pool has replaced its connections".to_owned(),
        sessions: vec![session(7260, "idle"), session(95, "active")],
    }
}

fn node(name: &str) -> NodeCoverage {
    NodeCoverage {
        node: name.to_owned(),
        view: View::Complete,
        sampled_at: Some(at(98)),
        sessions: Some(2),
        problem: None,
        grant: None,
    }
}

fn active() -> Drain {
    Drain {
        path: "db".to_owned(),
        user: Untrusted::new("orders_a"),
        revision: 12,
        promoted_at: Some(at(0)),
        stage: Stage::Draining,
        stage_since: at(0),
        compromised: false,
        leak: None,
        listening: None,
        verdict: Verdict::Active,
        reasons: vec!["7 sessions are open as orders_a".to_owned()],
        method: Method::Sampled,
        window: Window {
            required_seconds: 90_000,
            since: None,
            quiet_seconds: 0,
            remaining_seconds: 90_000,
            resolution_seconds: Some(5),
        },
        coverage: Coverage {
            complete: true,
            sampled_at: Some(at(98)),
            nodes: vec![node("db-1:5432"), node("db-2:5432")],
            unnamed_standbys: Vec::new(),
            poolers: Vec::new(),
        },
        counts: Counts {
            sessions: 4,
            before: 2,
            late: 2,
            late_logins: 3,
            ..Counts::default()
        },
        history: vec![HistoryPoint {
            at: at(0),
            sessions: Some(4),
        }],
        late: vec![LateLogin {
            node: "db-1:5432".to_owned(),
            pid: Some(4712),
            application: Some(Untrusted::new("cron-report")),
            client: Some(Untrusted::new("10.0.0.9")),
            at: at(60),
            logins: 1,
            is_there: true,
        }],
        stragglers: vec![
            straggler("orders-api", "10.0.0.4", Arrival::Before),
            Straggler {
                owner: Some("team reports, #reports".to_owned()),
                ..straggler("\u{1b}[2Jreport\u{202e}s", "10.0.0.9", Arrival::Late)
            },
        ],
        forecast: Forecast::Range {
            earliest: at(600),
            latest: at(90_000),
            basis: "12 sessions of orders-api were seen to end".to_owned(),
        },
        gate: Some("locking waits until nobody was there for 25h".to_owned()),
    }
}

fn unknown() -> Drain {
    let mut drain = active();
    drain.path = "reports".to_owned();
    drain.verdict = Verdict::Unknown;
    drain.reasons = vec!["db-2:5432 does not say who is there".to_owned()];
    drain.method = Method::None;
    drain.compromised = true;
    drain.coverage = Coverage {
        complete: false,
        nodes: vec![
            node("db-1:5432"),
            NodeCoverage {
                view: View::Masked,
                problem: Some("sessions of others are hidden".to_owned()),
                grant: Some("GRANT pg_read_all_stats TO \"managing\"".to_owned()),
                ..node("db-2:5432")
            },
        ],
        unnamed_standbys: vec![Untrusted::new("replica-9")],
        poolers: vec![PoolerNote {
            pooler: "pgbouncer:6432".to_owned(),
            note: "hides its clients; RECONNECT orders ends idle server connections".to_owned(),
        }],
        ..drain.coverage
    };
    drain.counts = Counts::default();
    drain.stragglers.clear();
    drain.late.clear();
    drain.forecast = Forecast::Empty;
    drain.gate = None;
    drain
}

fn drained() -> Drain {
    let mut drain = unknown();
    drain.verdict = Verdict::Drained;
    drain.reasons.clear();
    drain.compromised = false;
    drain.method = Method::Counted;
    drain.window.since = Some(at(0));
    drain.window.quiet_seconds = 93_784;
    drain.window.remaining_seconds = 0;
    drain.coverage = active().coverage;
    drain
}

fn report(drains: Vec<Drain>) -> DrainReport {
    DrainReport {
        environment: "shop/orders".parse().expect("a name"),
        drains,
        without_overlap: vec!["archive".to_owned()],
        sampler: Sampler::Once,
        problem: None,
    }
}

fn plain(report: &DrainReport, width: Option<usize>) -> Vec<String> {
    lines(report, width, at(100), Style::plain())
}

#[test]
fn a_drain_reads_from_the_verdict_down_to_who_ends_it() {
    let text = plain(&report(vec![active(), unknown(), drained()]), Some(80)).join("\n");
    insta::assert_snapshot!(text);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [20, 40, 60, 80, 200] {
        for line in plain(&report(vec![active(), unknown(), drained()]), Some(width)) {
            assert!(line.width() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn without_a_terminal_nothing_is_cut_or_broken() {
    let text = plain(&report(vec![active(), unknown()]), None).join("\n");
    for part in [
        "GRANT pg_read_all_stats TO \"managing\"",
        "nobody goes on sampling, so that no quiet time passes: run `handover agent`, or leave",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn a_time_has_its_two_largest_units() {
    let spelled = [0, 45, 200, 3600, 11_520, 90_000, 180_000, 86_405].map(spell);
    let expected = ["0s", "45s", "3m 20s", "1h", "3h 12m", "25h", "2d 2h", "24h"];
    assert_eq!(spelled, expected);
}
