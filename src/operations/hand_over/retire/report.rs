//! What is said of a retirement, in the shape that `--output json` prints.

use serde::Serialize;

use super::RetireRequest;
use super::prepare::Prepared;

use crate::drain::Ear;
use crate::drain::leak;
use crate::model::{EnvironmentName, Overlap, RetireStep, SeenClient, Session, Stage};
use crate::operations::Exit;
use crate::operations::hand_over::ErrorReport;
use crate::operations::hand_over::confirm::missing_agreement;
use crate::operations::hand_over::subject::Subject;
use crate::rotation::{LockHolder, PlannedSession};
use crate::untrusted::Untrusted;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetireStatus {
    /// Shown, nothing changed.
    Planned,
    /// The password leaked and the user is not shut out yet; nothing was done now.
    Due,
    /// Done.
    Done,
    /// There is nothing left to do.
    Nothing,
    /// It is locked, and refused logins are still listened for.
    Waiting,
    /// Refused; nothing was changed.
    Refused,
    /// Somebody logged in between the look and the lock, which was taken back.
    Undone,
    /// A person is needed: the outcome in the database is not known.
    Parked,
    /// The database did not answer; nothing was changed.
    Unreachable,
}

/// The report of one retirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetireReport {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which rotated secret.
    pub path: String,
    /// The outgoing user.
    pub user: Untrusted,
    /// How it ended.
    pub status: RetireStatus,
    /// What was done, or would be.
    pub step: Option<RetireStep>,
    /// How far the overlap has come now.
    pub stage: Option<Stage>,
    /// What it does to the user, in words.
    pub statement: Option<String>,
    /// The revision that records a scrambled password.
    pub revision: Option<u64>,
    /// Sessions of the user now.
    pub sessions: Vec<PlannedSession>,
    /// Who was seen as the user while it was watched.
    pub seen: Vec<SeenClient>,
    /// What a waiver passed.
    pub waived: Vec<String>,
    /// What should be known all the same.
    pub warnings: Vec<String>,
    /// How many sessions were ended.
    pub ended: u64,
    /// How long refused logins are still listened for, in seconds.
    pub listen_seconds: Option<u64>,
    /// What went wrong, or what is still to be done.
    pub error: Option<ErrorReport>,
    /// Whether somebody who tries to log in would be heard; absent where it is not locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listening: Option<Ear>,
    /// The user's password leaked.
    pub compromised: bool,
    /// Whether the environment's name has to be typed.
    #[serde(skip)]
    pub protected: bool,
    /// How the command ends.
    #[serde(skip)]
    pub exit: Exit,
}

impl RetireReport {
    pub(super) fn new(subject: &Subject, request: &RetireRequest, status: RetireStatus) -> Self {
        let exit = match status {
            RetireStatus::Planned
            | RetireStatus::Done
            | RetireStatus::Nothing
            | RetireStatus::Waiting => Exit::Done,
            RetireStatus::Refused | RetireStatus::Undone => Exit::Refused,
            RetireStatus::Due | RetireStatus::Parked => Exit::NeedsHuman,
            RetireStatus::Unreachable => Exit::Unreachable,
        };
        Self {
            status,
            protected: subject.protected,
            exit,
            ..Self::nothing_done(
                &request.environment,
                &subject.path.to_string(),
                subject.user().as_str(),
                subject.overlap_of_idle(),
            )
        }
    }

    /// Of a user with which nothing was done yet.
    fn nothing_done(
        environment: &EnvironmentName,
        path: &str,
        user: &str,
        overlap: Option<&Overlap>,
    ) -> Self {
        Self {
            environment: environment.clone(),
            path: path.to_owned(),
            user: Untrusted::new(user),
            status: RetireStatus::Nothing,
            step: None,
            stage: overlap.map(|overlap| overlap.stage),
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
            compromised: overlap.is_some_and(|overlap| overlap.compromised),
            protected: false,
            exit: Exit::Done,
        }
    }

    pub(super) fn with_error(mut self, code: &str, message: String, remedy: String) -> Self {
        self.error = Some(ErrorReport {
            code: code.to_owned(),
            message,
            remedy,
        });
        self
    }
}

/// A leak that is still to be dealt with.
pub(super) fn due(
    environment: &EnvironmentName,
    path: &str,
    overlap: &Overlap,
) -> Option<RetireReport> {
    let leak = leak(overlap, environment, path)?;
    let report = RetireReport {
        status: RetireStatus::Due,
        exit: Exit::NeedsHuman,
        ..RetireReport::nothing_done(environment, path, &overlap.user, Some(overlap))
    };
    Some(report.with_error("leaked", leak.state, leak.command))
}

/// What would be done.
pub(super) fn planned(
    subject: &Subject,
    request: &RetireRequest,
    prepared: &Prepared,
) -> RetireReport {
    let mut report = RetireReport::new(subject, request, RetireStatus::Planned);
    describe(&mut report, prepared);
    report
}

/// What was looked at before the step.
pub(super) fn describe(report: &mut RetireReport, prepared: &Prepared) {
    report.step = Some(prepared.step);
    report.statement = Some(words(prepared.step, &report.user));
    report.sessions = prepared.sessions.iter().map(planned_session).collect();
    report.seen.clone_from(&prepared.seen);
    report.waived.clone_from(&prepared.waived);
}

fn words(step: RetireStep, user: &Untrusted) -> String {
    match step {
        RetireStep::Lock => {
            format!("{user} may not log in any more; its password and its sessions stay")
        }
        RetireStep::Unlock => format!("{user} may log in again with the password it had"),
        RetireStep::Scramble => {
            format!("{user} gets a random password that nobody keeps, and stays locked")
        }
    }
}

pub(super) fn planned_session(session: &Session) -> PlannedSession {
    PlannedSession {
        node: session.node.to_string(),
        pid: session.pid,
        application: session.application.clone(),
        client: session.client.clone(),
        since: session.started,
    }
}

/// A report that says what agreement is missing, if any is.
pub(super) fn unconfirmed(subject: &Subject, request: &RetireRequest) -> Option<RetireReport> {
    let error = missing_agreement(
        &request.environment,
        subject.protected,
        "--plan",
        &request.confirmation,
    )?;
    let mut report = RetireReport::new(subject, request, RetireStatus::Refused);
    report.error = Some(error);
    Some(report)
}

/// Somebody else works on the environment.
pub(super) fn locked(
    subject: &Subject,
    request: &RetireRequest,
    holder: &LockHolder,
) -> RetireReport {
    let refusal = crate::rotation::refuse_locked(&request.environment, holder);
    let report = RetireReport::new(subject, request, RetireStatus::Refused);
    report.with_error(refusal.case.name(), refusal.message, refusal.remedy)
}

/// Sessions are ended all at once only where a password leaked, and where whose they are was
/// typed right.
pub(super) fn wrong_user(subject: &Subject, request: &RetireRequest) -> Option<RetireReport> {
    let typed = request.end_sessions.as_ref()?;
    let report = RetireReport::new(subject, request, RetireStatus::Refused);
    let user = report.user.clone();
    if !report.compromised {
        let remedy = format!("handover terminate {} --pid NUMBER", request.environment);
        return Some(report.with_error(
            "not-compromised",
            format!(
                "the password of {user} is not known to have leaked, so its sessions are not ended \
                 all at once"
            ),
            remedy,
        ));
    }
    if typed == subject.user().as_str() {
        return None;
    }
    Some(report.with_error(
        "name-differs",
        format!("the outgoing user is {user}, not {}", Untrusted::new(typed)),
        format!("--end-sessions {user}"),
    ))
}

/// Whoever is still connected with a password that leaked.
pub(super) fn note_remaining(
    report: &mut RetireReport,
    request: &RetireRequest,
    lacks: Option<&str>,
) {
    if report.sessions.is_empty() || report.error.is_some() {
        return;
    }
    let (count, user) = (report.sessions.len(), report.user.clone());
    report.exit = Exit::NeedsHuman;
    report.error = Some(ErrorReport {
        code: "sessions-remain".to_owned(),
        message: match count {
            1 => format!("1 session of {user} is still there, and its password leaked"),
            _ => format!("{count} sessions of {user} are still there, and its password leaked"),
        },
        remedy: format!(
            "{}end them all: handover retire {} {} --end-sessions {user}",
            lacks
                .map(|grant| format!("{grant} then "))
                .unwrap_or_default(),
            request.environment,
            request.path
        ),
    });
}
