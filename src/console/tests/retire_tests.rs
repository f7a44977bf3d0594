//! Reports of retiring an outgoing user and of ending a session, for the tests of `update` and
//! `view`.

use chrono::Duration;

use super::night;
use crate::console::model::{Answer, Target};
use crate::model::{RetireStep, SeenClient, Stage};
use crate::operations::Exit;
use crate::operations::hand_over::{
    EndSessionReport, EndSessionStatus, ErrorReport, RetireReport, RetireStatus,
};
use crate::rotation::PlannedSession;
use crate::untrusted::Untrusted;

fn user(of: &Target) -> Untrusted {
    Untrusted::new(&super::user(&of.environment, 'a'))
}

fn error(code: &str, message: &str, remedy: &str) -> Option<ErrorReport> {
    Some(ErrorReport {
        code: code.to_owned(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    })
}

fn report(of: &Target, status: RetireStatus, stage: Stage) -> RetireReport {
    RetireReport {
        environment: of.environment.clone(),
        path: "db".to_owned(),
        user: user(of),
        status,
        step: None,
        stage: Some(stage),
        statement: None,
        revision: None,
        sessions: Vec::new(),
        seen: Vec::new(),
        waived: Vec::new(),
        warnings: Vec::new(),
        ended: 0,
        listen_seconds: None,
        listening: None,
        error: None,
        compromised: false,
        protected: false,
        exit: Exit::Done,
    }
}

/// What would be done next, from a stage on.
pub(in crate::console) fn planned(of: &Target, step: RetireStep) -> RetireReport {
    let user = user(of);
    let (stage, words) = match step {
        RetireStep::Lock => (
            Stage::Draining,
            format!("{user} may not log in any more; its password and its sessions stay"),
        ),
        RetireStep::Unlock => (
            Stage::Locked,
            format!("{user} may log in again with the password it had"),
        ),
        RetireStep::Scramble => (
            Stage::Locked,
            format!("{user} gets a random password that nobody keeps, and stays locked"),
        ),
    };
    let mut report = report(of, RetireStatus::Planned, stage);
    report.step = Some(step);
    report.statement = Some(words);
    report.seen = vec![SeenClient {
        application: Untrusted::new("nightly-report"),
        client: Some(Untrusted::new("10.0.3.17")),
        sessions: 3,
        last_seen: night() - Duration::hours(26),
    }];
    report
}

/// A lock that nothing waits for, while somebody is connected.
pub(in crate::console) fn planned_leaked(of: &Target) -> RetireReport {
    let mut report = planned(of, RetireStep::Lock);
    report.compromised = true;
    report.sessions = vec![session()];
    report
}

/// It was done.
pub(in crate::console) fn done(of: &Target, stage: Stage) -> RetireReport {
    let mut report = report(of, RetireStatus::Done, stage);
    report.revision = (stage == Stage::Scrambled).then_some(4);
    report
}

/// It is listened for.
pub(in crate::console) fn listening(of: &Target) -> RetireReport {
    let mut report = report(of, RetireStatus::Waiting, Stage::Locked);
    report.listen_seconds = Some(80_000);
    report
}

/// Somebody is there.
pub(in crate::console) fn not_drained(of: &Target) -> RetireReport {
    let mut report = report(of, RetireStatus::Refused, Stage::Draining);
    report.step = Some(RetireStep::Lock);
    report.exit = Exit::Refused;
    report.error = error(
        "not-drained",
        "1 session is connected: \"nightly-report\" from 10.0.3.17 on db-1.example:5432",
        "end the sessions, or wait for them; or sign a waiver with --waive-drain \"REASON\"",
    );
    report
}

/// The settings want nobody to do it.
pub(in crate::console) fn by_nobody(of: &Target) -> RetireReport {
    let mut report = report(of, RetireStatus::Refused, Stage::Draining);
    report.exit = Exit::Refused;
    report.error = error(
        "retire-none",
        "the settings say that nobody retires the outgoing user (`retire.mode: none`)",
        "say `mode: ask` in handover env settings set shop/billing",
    );
    report
}

/// Locked and scrambled, and whoever had the password is still connected.
pub(in crate::console) fn remaining(of: &Target) -> RetireReport {
    let mut report = done(of, Stage::Scrambled);
    report.compromised = true;
    report.exit = Exit::NeedsHuman;
    report.sessions = vec![session()];
    report.error = error(
        "sessions-remain",
        "1 session of billing_a is still there, and its password leaked",
        "end them all: handover retire shop/billing db --end-sessions billing_a",
    );
    report
}

fn session() -> PlannedSession {
    PlannedSession {
        node: "db-1.example:5432".to_owned(),
        pid: 4000,
        application: Untrusted::new("nightly-report"),
        client: Some(Untrusted::new("10.0.3.17")),
        since: Some(night() - Duration::minutes(270)),
    }
}

/// A session that would be ended.
pub(in crate::console) fn to_end(of: &Target) -> EndSessionReport {
    EndSessionReport {
        environment: of.environment.clone(),
        path: Some("db".to_owned()),
        user: Some(user(of)),
        status: EndSessionStatus::Planned,
        session: Some(session()),
        error: None,
        protected: false,
        exit: Exit::Done,
    }
}

/// It was ended.
pub(in crate::console) fn ended(of: &Target) -> EndSessionReport {
    EndSessionReport {
        status: EndSessionStatus::Done,
        ..to_end(of)
    }
}

/// The managing user may not end it.
pub(in crate::console) fn no_right(of: &Target) -> EndSessionReport {
    EndSessionReport {
        status: EndSessionStatus::Refused,
        exit: Exit::Refused,
        error: error(
            "no-right",
            "the managing user may not end it",
            "as a superuser: GRANT pg_signal_backend TO \"manager\"",
        ),
        ..to_end(of)
    }
}

/// What an operation answers a review, by its name in a test.
pub(in crate::console) fn answer(name: &str, of: &Target) -> Option<Answer> {
    let retire = |report| Some(Answer::Retire(Box::new(report)));
    let end = |report| Some(Answer::EndSession(Box::new(report)));
    match name {
        "lock" => retire(planned(of, RetireStep::Lock)),
        "scramble" => retire(planned(of, RetireStep::Scramble)),
        "unlock" => retire(planned(of, RetireStep::Unlock)),
        "locked" => retire(done(of, Stage::Locked)),
        "scrambled" => retire(done(of, Stage::Scrambled)),
        "unlocked" => retire(done(of, Stage::Draining)),
        "listening" => retire(listening(of)),
        "not-drained" => retire(not_drained(of)),
        "remaining" => retire(remaining(of)),
        "to-end" => end(to_end(of)),
        "ended" => end(ended(of)),
        "no-right" => end(no_right(of)),
        _ => super::sink_tests::answer(name, of),
    }
}
