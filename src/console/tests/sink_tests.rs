//! Files that an environment is published to, for the tests of `update` and `view`.

use chrono::Duration;

use super::{console, error, healthy, night};
use crate::console::model::{Answer, Model, Target};
use crate::model::RotationId;
use crate::operations::hand_over::{
    HandOverStatus, PublishReport, PublishStatus, Report, SinkReport,
};
use crate::operations::{Backlog, EnvironmentStatus, Exit, SinkStatus};
use crate::rotation::{Action, Case, SinkState};

pub(in crate::console) const FILE: &str = "/run/orders/db.env";
const OTHER: &str = "/run/orders/pool.ini";

/// A file that has what it is to have.
pub(in crate::console) fn confirmed(file: &str) -> SinkStatus {
    SinkStatus {
        file: file.to_owned(),
        state: SinkState::Confirmed,
        wanted: 3,
        delivered: Some(3),
        delivered_at: Some(night() - Duration::hours(4)),
        rotation: Some(RotationId(7)),
        problem: None,
        remedy: None,
    }
}

/// A file that was not written.
pub(in crate::console) fn failed(file: &str) -> SinkStatus {
    SinkStatus {
        state: SinkState::Failed,
        delivered: Some(2),
        problem: Some(format!("{file} is a folder")),
        remedy: Some("take it away; then: handover publish shop/beta".to_owned()),
        ..confirmed(file)
    }
}

/// A file that is somebody else's.
fn foreign(file: &str) -> SinkStatus {
    SinkStatus {
        state: SinkState::Foreign,
        delivered: None,
        problem: Some(format!(
            "{file} holds a text that handover did not write; it stays as it is"
        )),
        remedy: Some(format!(
            "look at it; then: handover publish shop/beta --overwrite {file}"
        )),
        ..confirmed(file)
    }
}

/// A file that nobody has tried to write yet.
pub(in crate::console) fn due(file: &str) -> SinkStatus {
    SinkStatus {
        state: SinkState::Due,
        delivered: Some(2),
        ..confirmed(file)
    }
}

/// Three environments; the second one is published to these.
pub(in crate::console) fn published(sinks: Vec<SinkStatus>) -> Model {
    let mut production = healthy("shop/alpha");
    production.protected = true;
    production.sinks = vec![confirmed(FILE)];
    let mut beta = healthy("shop/beta");
    beta.sinks = sinks;
    let mut model = console(vec![production, beta, healthy("shop/gamma")]);
    model.selected = Some(super::target("shop/beta"));
    model
}

/// All states at once, and notices that nobody has.
pub(in crate::console) fn every_state() -> Model {
    let sinks = vec![
        confirmed("/run/orders/a.env"),
        due(OTHER),
        failed(FILE),
        foreign("/srv/proxy/userlist.txt"),
    ];
    let mut model = published(sinks);
    let status = model.status.as_mut().expect("a status");
    status.environments[1].notices = backlog();
    model
}

fn backlog() -> Backlog {
    Backlog {
        waiting: 2,
        dead: 1,
        waiting_since: Some(night() - Duration::minutes(2)),
    }
}

/// Promoted by `R-0007`, which waits for its files.
pub(in crate::console) fn waits(sink: SinkStatus) -> EnvironmentStatus {
    let mut status = super::stopped("shop/beta");
    status.paths[0].is_over = true;
    status.sinks = vec![sink];
    status
}

fn sink(state: SinkState, next: Option<Action>) -> SinkReport {
    SinkReport {
        file: FILE.to_owned(),
        state,
        case: None,
        revision: 3,
        delivered: (state == SinkState::Confirmed).then_some(3),
        error: None,
        next,
    }
}

fn bad(case: Case, file: &str) -> SinkReport {
    let (state, message, remedy) = match case {
        Case::SinkForeign => (
            SinkState::Foreign,
            "holds a text that handover did not write; it stays as it is",
            "look at it first",
        ),
        _ => (
            SinkState::Failed,
            "is a folder",
            "take it away; then: handover recover shop/beta",
        ),
    };
    SinkReport {
        file: file.to_owned(),
        state,
        case: Some(case),
        delivered: Some(2),
        error: Some(error(case.name(), &format!("{file} {message}"), remedy)),
        ..sink(state, Some(Action::Park))
    }
}

fn report(of: &Target, status: PublishStatus, sinks: Vec<SinkReport>) -> PublishReport {
    let worst = sinks.iter().find_map(|sink| sink.error.clone());
    PublishReport {
        environment: of.environment.clone(),
        revision: 3,
        status,
        error: worst,
        sinks,
        protected: false,
        exit: match status {
            PublishStatus::Planned | PublishStatus::Done => Exit::Done,
            PublishStatus::Partial => Exit::Partial,
            PublishStatus::Refused => Exit::Refused,
            PublishStatus::Parked => Exit::NeedsHuman,
        },
    }
}

/// What publishing answers, by its name in a test.
pub(in crate::console) fn publishing(name: &str, of: &Target) -> Option<PublishReport> {
    let due = || sink(SinkState::Due, Some(Action::Publish));
    let done = || sink(SinkState::Confirmed, None);
    let foreign = || bad(Case::SinkForeign, OTHER);
    Some(match name {
        "to-write" => report(of, PublishStatus::Planned, vec![due()]),
        "to-write-beside" => report(of, PublishStatus::Planned, vec![due(), foreign()]),
        "written" => report(of, PublishStatus::Done, vec![done()]),
        "not-written" => report(
            of,
            PublishStatus::Partial,
            vec![bad(Case::SinkFailed, FILE)],
        ),
        "foreign" => report(of, PublishStatus::Parked, vec![done(), foreign()]),
        _ => return None,
    })
}

pub(in crate::console) fn answer(name: &str, of: &Target) -> Option<Answer> {
    match publishing(name, of) {
        Some(report) => Some(Answer::Publish(Box::new(report))),
        None => super::schedule_tests::answer(name, of),
    }
}

/// A rotation that is promoted and whose file was written, or not.
pub(in crate::console) fn promoted(of: &Target, is_written: bool) -> Report {
    let mut report = super::done(of);
    if is_written {
        report.sinks = vec![sink(SinkState::Confirmed, None)];
        return report;
    }
    report.sinks = vec![bad(Case::SinkFailed, FILE)];
    report.sinks[0].next = None;
    report.status = HandOverStatus::Partial;
    report.exit.0 = Exit::Partial;
    report.error.clone_from(&report.sinks[0].error);
    report
}

/// What is found of a rotation that waits for nothing but its file.
pub(in crate::console) fn waiting(of: &Target) -> Report {
    let mut report = super::evidence(of);
    report.paths = super::done(of).paths;
    let mut sink = bad(Case::SinkFailed, FILE);
    sink.error = None;
    sink.next = Some(Action::Publish);
    report.sinks = vec![sink];
    report
}
