//! States for the tests of `update` and `view`: built in code, because the reports'
//! types are only ever written out and a reader made for tests alone would be one more
//! way to be wrong.

pub(super) mod drain_tests;
pub(super) mod retire_tests;
pub(super) mod roll_back_tests;
pub(super) mod schedule_tests;
pub(super) mod sink_tests;

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use serde_json::json;

use super::model::{Known, Model, Need, Problem, Run, Screen, Target, Verb};
use crate::model::{EnvironmentName, Node, RotationId, ServerIdentity, Step};
use crate::operations::hand_over::{
    Advice, ErrorReport, HandOverStatus, Look, PathLook, PathOutcome, PathReport, Report,
    SessionLook, UserLook,
};
use crate::operations::{AuditEntry, Backlog, EnvironmentStatus, History, PathStatus, Status};
use crate::rotation::{Action, Case, Plan, PlannedSession};
use crate::store::{AuditHead, RevisionSummary};
use crate::untrusted::Untrusted;

/// Two in the morning, when an operator is tired.
pub(super) fn night() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 2, 0, 0)
        .single()
        .expect("a time")
}

pub(super) fn named(text: &str) -> EnvironmentName {
    text.parse().expect("a name")
}

pub(super) fn target(text: &str) -> Target {
    Target {
        environment: named(text),
        path: Some("db".to_owned()),
    }
}

pub(super) fn problem() -> Problem {
    Problem {
        message: "no answer within 5 s from db-1.example:5432".to_owned(),
        remedy: "look whether the database runs".to_owned(),
    }
}

/// A user of an environment: `shop/orders` has `orders_a` and `orders_b`.
fn user(environment: &EnvironmentName, letter: char) -> String {
    format!("{}_{letter}", environment.name())
}

/// A healthy environment.
pub(super) fn healthy(text: &str) -> EnvironmentStatus {
    let environment = named(text);
    EnvironmentStatus {
        revision: 3,
        changed_at: Some(night() - Duration::hours(4)),
        protected: false,
        open_rotation: None,
        sinks: Vec::new(),
        notices: Backlog::default(),
        holder: None,
        paths: vec![PathStatus {
            is_over: false,
            path: "db".to_owned(),
            current: Some(user(&environment, 'b')),
            previous: Some(user(&environment, 'a')),
            promoted_at: Some(night() - Duration::hours(4)),
            propagation_seconds: 300,
            step: None,
            case: None,
            user: None,
            overlap: None,
        }],
        schedule: None,
        health: crate::schedule::Health::default(),
        problem: None,
        environment,
    }
}

/// What was seen of a healthy environment, with as many sessions on the outgoing user.
pub(super) fn looked(text: &str, on_previous: usize) -> Look {
    let environment = named(text);
    let sessions = |count: usize, application: &str| {
        let session = |number: usize| SessionLook {
            pid: 4000 + i64::try_from(number).expect("few"),
            application: Untrusted::new(application),
            client: Some(Untrusted::new("10.0.3.17")),
            since: Some(night() - Duration::minutes(95)),
            kind: None,
        };
        Some((0..count).map(session).collect())
    };
    let gate = match on_previous {
        0 => String::new(),
        count => format!("{count} sessions are connected: \"nightly-report\" from 10.0.3.17"),
    };
    Look {
        at: night(),
        paths: vec![PathLook {
            path: "db".to_owned(),
            node: "db-1.example:5432".to_owned(),
            server: Some("PostgreSQL 15.18".to_owned()),
            current: UserLook {
                user: user(&environment, 'b'),
                standing: "valid".to_owned(),
                sessions: sessions(4, "orders-api"),
            },
            previous: UserLook {
                user: user(&environment, 'a'),
                standing: "valid".to_owned(),
                sessions: sessions(on_previous, "nightly-report"),
            },
            gate,
            fault: None,
        }],
        environment,
    }
}

/// A console whose store holds these environments, each seen to be healthy.
pub(super) fn console(environments: Vec<EnvironmentStatus>) -> Model {
    let mut model = Model::new(None, night());
    for status in &environments {
        if status.paths.iter().any(|path| path.current.is_some()) {
            let name = status.environment.to_string();
            let known = Known {
                look: Some(looked(&name, 0)),
                ..Known::default()
            };
            model.known.insert(status.environment.clone(), known);
        }
    }
    model.status = Some(status(environments));
    model.status_at = Some(night());
    model.selected = model.rows().first().map(|row| row.target.clone());
    model
}

pub(super) fn status(environments: Vec<EnvironmentStatus>) -> Status {
    Status {
        environments,
        healthy: true,
        reasons: Vec::new(),
        agents: Vec::new(),
        freeze: None,
        audit: AuditHead {
            entries: 12,
            head: "5e".repeat(32),
        },
    }
}

/// Three healthy environments; the first one is production.
pub(super) fn quiet() -> Model {
    let mut production = healthy("shop/alpha");
    production.protected = true;
    console(vec![
        production,
        healthy("shop/beta"),
        healthy("shop/gamma"),
    ])
}

/// A rotation of `shop/pay` was killed after the database had taken the new password.
pub(super) fn stopped(name: &str) -> EnvironmentStatus {
    let mut status = healthy(name);
    status.open_rotation = Some(RotationId(7));
    status.holder = Some("alice on ops-1 since 2026-11-21 01:11:04 UTC".to_owned());
    status.paths[0].step = Some(Step::Apply);
    status.paths[0].user = Some(user(&status.environment, 'a'));
    status
}

/// One environment for each need, in the order in which a human is needed.
pub(super) const NEEDS: [(Need, &str); 13] = [
    (Need::Leaked, "shop/leaked"),
    (Need::Down, "shop/down"),
    (Need::Open, "shop/payments"),
    (Need::Sink, "shop/published"),
    (Need::Broken, "shop/broken"),
    (Need::Running, "shop/running"),
    (Need::Silent, "shop/silent"),
    (Need::Unfinished, "shop/new"),
    (Need::Overdue, "shop/warehouse"),
    (Need::Draining, "shop/billing"),
    (Need::NeverPromoted, "shop/taken-over"),
    (Need::Healthy, "shop/orders"),
    (Need::Plain, "shop/managing"),
];

/// A store in which every need occurs.
pub(super) fn every_need() -> Model {
    let mut all: Vec<EnvironmentStatus> = NEEDS.iter().map(|(_, name)| healthy(name)).collect();
    for ((need, name), status) in NEEDS.iter().zip(&mut all) {
        match need {
            Need::Open => {
                *status = stopped(name);
                status.protected = true;
                status.paths[0].case = Some(Case::ReplyLost);
            }
            Need::Broken => {
                status.problem = Some("the settings name a key that is not known".to_owned());
            }
            Need::Running => *status = stopped(name),
            Need::Sink => status.sinks = vec![sink_tests::failed("/run/orders/db.env")],
            Need::Unfinished => {
                status.paths[0].current = None;
                status.paths[0].previous = None;
                status.paths[0].promoted_at = None;
            }
            Need::Overdue => status.paths[0].promoted_at = Some(night() - Duration::days(120)),
            Need::NeverPromoted => status.paths[0].promoted_at = None,
            Need::Healthy => status.protected = true,
            Need::Plain => status.paths.clear(),
            Need::Leaked | Need::Down | Need::Silent | Need::Draining => {}
        }
    }
    let mut model = console(all);
    let known = |model: &mut Model, name: &str, look: Look| {
        model.known.entry(named(name)).or_default().look = Some(look);
    };
    let mut down = looked("shop/down", 0);
    down.paths[0].current.standing = "refused".to_owned();
    known(&mut model, "shop/down", down);
    known(&mut model, "shop/silent", silent("shop/silent"));
    known(&mut model, "shop/billing", looked("shop/billing", 3));
    model.run = Some(running(Verb::Rotate, target("shop/running")));
    let leaked = drain_tests::view(vec![drain_tests::leaked("shop/leaked")]);
    model.drains.insert(named("shop/leaked"), leaked);
    model.selected = model.rows().first().map(|row| row.target.clone());
    model
}

/// A look that got no answer.
pub(super) fn silent(name: &str) -> Look {
    let mut look = looked(name, 0);
    let path = &mut look.paths[0];
    path.server = None;
    path.fault = Some("no answer within 5 s from db-1.example:5432".to_owned());
    for user in [&mut path.current, &mut path.previous] {
        user.sessions = None;
        user.standing = "unknown".to_owned();
    }
    look
}

/// A hand-over that has made the password and waits in its ALTER.
pub(super) fn running(verb: Verb, target: Target) -> Run {
    let began = night() - Duration::seconds(3);
    Run {
        verb,
        target,
        paths: 1,
        before: None,
        way: None,
        done: vec![
            (Step::Preflight, began + Duration::milliseconds(48)),
            (Step::Pending, began + Duration::milliseconds(61)),
        ],
        current: Some(Step::Apply),
        waiting: Some("for a lock that another session holds on the role".to_owned()),
        started: began,
        ended: None,
    }
}

/// The plan of a rotation.
pub(super) fn planned(of: &Target) -> Report {
    let environment = of.environment.clone();
    let mut report = report(of, HandOverStatus::Planned, PathOutcome::Planned);
    report.paths[0].plan = Some(Plan {
        path: "db".to_owned(),
        revision: 3,
        node: Node {
            host: "db-1.example".to_owned(),
            port: 5432,
        },
        server: ServerIdentity {
            flavour: crate::model::Flavour::Postgresql,
            gtids: String::new(),
            system: "7300000000000000001".to_owned(),
            timeline: 1,
            position: 0,
            transaction: 0,
            version: 150_018,
        },
        current: Untrusted::new(&user(&environment, 'b')),
        user: Untrusted::new(&user(&environment, 'a')),
        accounts: [16_385.into(), 16_386.into()],
        rows: Vec::new(),
        statements: 1,
        login_limit: None,
        current_limit: None,
        statement: format!(
            "ALTER ROLE \"{}\" WITH PASSWORD '<verifier>'",
            user(&environment, 'a')
        ),
        sessions: Vec::<PlannedSession>::new(),
        seen: Vec::new(),
        first_promotion: false,
        compromised: false,
        waived: Vec::new(),
        warnings: Vec::new(),
        environment,
    });
    report
}

/// The evidence of a recovery that waits for the agreement.
pub(super) fn evidence(of: &Target) -> Report {
    let mut report = report(of, HandOverStatus::Planned, PathOutcome::Planned);
    let user = user(&of.environment, 'a');
    report.rotation = Some(RotationId(7));
    let path = &mut report.paths[0];
    path.step = Step::Apply;
    path.case = Some(Case::Applied.name().to_owned());
    path.meaning = Some(Case::Applied.meaning().to_owned());
    path.evidence = vec![
        format!("{user}, new password: valid on db-1.example:5432"),
        format!("{user}, old password: refused on db-1.example:5432"),
        "what consumers read logs in on every node".to_owned(),
    ];
    path.action = Some(Action::Verify.words().to_owned());
    path.advice = Some(Advice {
        next_best: Case::Applied.next_best(crate::model::Engine::Postgres),
        untouched: Action::Verify.untouched(),
        wrong_if: Case::Applied.wrong_if(crate::model::Engine::Postgres),
    });
    report
}

/// A rotation that the gate refuses.
pub(super) fn refused(of: &Target) -> Report {
    let mut report = report(of, HandOverStatus::Refused, PathOutcome::Refused);
    report.error = Some(error(
        "not-drained",
        "1 session is connected: \"nightly-report\" from 10.0.3.17 on db-1.example:5432 (pid 4000) since 2026-11-21 00:25:00 UTC",
        "end the sessions, or wait for them",
    ));
    report
}

/// A hand-over that came to its end.
pub(super) fn done(of: &Target) -> Report {
    let mut report = report(of, HandOverStatus::Done, PathOutcome::Done);
    report.rotation = Some(RotationId(7));
    report.revision = Some(4);
    report.paths[0].revision = Some(4);
    report.paths[0].step = Step::Promote;
    report
}

/// A hand-over that needs a person.
pub(super) fn parked(of: &Target) -> Report {
    let mut report = report(of, HandOverStatus::Parked, PathOutcome::Parked);
    let error = error(
        "manager-out",
        "the managing user cannot log in: 28P01 password authentication failed",
        "put the managing user's right password into its environment; then: handover recover shop/pay",
    );
    report.rotation = Some(RotationId(7));
    report.paths[0].case = Some(error.code.clone());
    report.paths[0].error = Some(error.clone());
    report.error = Some(error);
    report
}

fn error(code: &str, message: &str, remedy: &str) -> ErrorReport {
    ErrorReport {
        code: code.to_owned(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    }
}

fn report(of: &Target, status: HandOverStatus, outcome: PathOutcome) -> Report {
    Report {
        environment: Some(of.environment.clone()),
        status,
        paths: vec![PathReport {
            user: Some(user(&of.environment, 'a')),
            consumers: Some("OK: they read payments_a, which logs in".to_owned()),
            ..PathReport::new("db".to_owned(), outcome, Step::Preflight)
        }],
        ..Report::nothing_open()
    }
}

/// What is read of an environment when it is entered.
pub(super) fn detail(text: &str) -> (History, Vec<AuditEntry>) {
    let revision = |number: u64, cause: &str, days: i64| RevisionSummary {
        revision: number,
        cause: cause.to_owned(),
        author: "alice".to_owned(),
        reason: None,
        rotation: (cause == "rotate").then_some(RotationId(number)),
        created_at: night() - Duration::days(days),
    };
    let entry = |seq: u64, action: &str, hours: i64| AuditEntry {
        seq,
        at: night() - Duration::hours(hours),
        requester: "alice@ops-1".to_owned(),
        action: action.to_owned(),
        environment: Some(text.to_owned()),
        detail: json!({"rotation": "R-0003", "path": "db"}),
    };
    let history = History {
        revisions: vec![
            revision(3, "rotate", 0),
            revision(2, "rotate", 92),
            revision(1, "init", 200),
        ],
    };
    let audit = vec![
        entry(10, "rotation.opened", 5),
        entry(11, "rotation.applied", 4),
        entry(12, "rotation.promoted", 4),
    ];
    (history, audit)
}

/// The environment screen, with everything read.
pub(super) fn entered(mut model: Model, text: &str) -> Model {
    let (history, audit) = detail(text);
    let known = model.known.entry(named(text)).or_default();
    known.history = Some(history);
    known.audit = audit;
    model.selected = Some(target(text));
    model.screens.push(Screen::Environment(target(text)));
    model
}

#[test]
fn the_store_of_every_need_has_them_in_their_order() {
    let model = every_need();
    let needs: Vec<(Need, String)> = model
        .rows()
        .iter()
        .map(|row| (row.need, row.target.environment.to_string()))
        .collect();
    let expected: Vec<(Need, String)> = NEEDS
        .iter()
        .map(|(need, name)| (*need, (*name).to_owned()))
        .collect();
    assert_eq!(needs, expected);
    assert_eq!(model.screen(), &Screen::Environments);
}
