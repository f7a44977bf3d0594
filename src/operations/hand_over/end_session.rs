//! Ending sessions of the outgoing user, one by one: number and start are matched by the
//! server, and each has an audit entry before and after it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::confirm::missing_agreement;
use super::gate::{View, look_at_each_other, see};
use super::logins::application;
use super::subject::Subject;
use super::{Confirmation, ErrorReport, effects};
use crate::database::{Ending, SessionToEnd};
use crate::document::PropertyPath;
use crate::drain;
use crate::model::{
    AccountId, DatabaseFault, EnvironmentName, ManagingFacts, Node, Session, SessionKind,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::PlannedSession;
use crate::untrusted::Untrusted;

/// Which session to end.
#[derive(Debug, Clone)]
pub struct EndSessionRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// The rotated secrets whose outgoing users are meant; all when none is named.
    pub paths: Vec<PropertyPath>,
    /// The backend's process id, on MySQL the connection's.
    pub pid: i64,
    /// Where it is, as `host:port`; needed only where several nodes have that number.
    pub node: Option<String>,
    /// When it began, as it was shown: another one that got its number since is left alone.
    pub started: Option<chrono::DateTime<chrono::Utc>>,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
    /// Why; it stands in the audit log.
    pub reason: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndSessionStatus {
    /// Shown, nothing done.
    Planned,
    /// The server ended it.
    Done,
    /// It was gone before.
    Gone,
    /// Refused; nothing was done.
    Refused,
    /// The server was told, and the session is still there.
    Parked,
    /// A node did not answer.
    Unreachable,
}

/// What became of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndSessionReport {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Whose outgoing user it is.
    pub path: Option<String>,
    /// The outgoing user.
    pub user: Option<Untrusted>,
    /// How it ended.
    pub status: EndSessionStatus,
    /// The session.
    pub session: Option<PlannedSession>,
    /// What went wrong.
    pub error: Option<ErrorReport>,
    /// Whether the environment's name has to be typed.
    #[serde(skip)]
    pub protected: bool,
    /// How the command ends.
    #[serde(skip)]
    pub exit: Exit,
}

/// A session that was found, and what ends it.
pub(super) struct Found<'a> {
    pub(super) subject: &'a Subject,
    pub(super) node: Node,
    pub(super) account: AccountId,
    pub(super) session: Session,
}

/// Shows the session; nothing is done.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn plan_end_session(
    workspace: &Workspace,
    request: &EndSessionRequest,
) -> Result<EndSessionReport, Failure> {
    let subjects = load(workspace, request).await?;
    Ok(match find(&subjects, request).await {
        Ok(found) => report_of(request, &found, EndSessionStatus::Planned),
        Err(report) => *report,
    })
}

/// Ends the session.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn end_session(
    workspace: &Workspace,
    request: &EndSessionRequest,
) -> Result<EndSessionReport, Failure> {
    let subjects = load(workspace, request).await?;
    let found = match find(&subjects, request).await {
        Ok(found) => found,
        Err(report) => return Ok(*report),
    };
    if let Some(error) = missing_agreement(
        &request.environment,
        found.subject.protected,
        "--plan",
        &request.confirmation,
    ) {
        let mut report = report_of(request, &found, EndSessionStatus::Refused);
        report.exit = Exit::Refused;
        report.error = Some(error);
        return Ok(report);
    }
    let ending = end(workspace, &found, request.reason.as_deref()).await?;
    Ok(told(request, &found, ending))
}

/// Ends one session that was found, with its audit entries.
pub(super) async fn end(
    workspace: &Workspace,
    found: &Found<'_>,
    reason: Option<&str>,
) -> Result<Result<Ending, DatabaseFault>, Failure> {
    let subject = found.subject;
    let detail = json!({
        "path": subject.path.to_string(), "user": Untrusted::new(subject.user().as_str()),
        "node": found.node.to_string(), "pid": found.session.pid, "reason": reason,
        "started": found.session.started, "application": found.session.application,
        "client": found.session.client,
    });
    note(workspace, subject, "session.end-sent", detail.clone()).await?;
    let ended = tell_server(found).await;
    let outcome = match &ended {
        Ok(Ending::Ended) => "ended",
        Ok(Ending::Gone) => "gone",
        Ok(Ending::NoRight { .. }) => "no-right",
        Ok(Ending::StillThere) => "still-there",
        Err(_) => "not-known",
    };
    let mut detail = detail;
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("outcome".to_owned(), outcome.into());
    }
    note(workspace, subject, "session.end-done", detail).await?;
    Ok(ended)
}

async fn tell_server(found: &Found<'_>) -> Result<Ending, DatabaseFault> {
    let subject = found.subject;
    let application = application("manage");
    let mut managing = subject
        .database
        .manage(&found.node, &subject.manager, &application)
        .await?;
    let ended = managing
        .end_session(SessionToEnd {
            account: &found.account,
            pid: found.session.pid,
            started: found.session.started,
        })
        .await;
    managing.close().await;
    ended
}

async fn note(
    workspace: &Workspace,
    subject: &Subject,
    action: &'static str,
    detail: Value,
) -> Result<(), Failure> {
    let environment = subject.environment.clone();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    effects::write(workspace, "session-noted", move |transaction| {
        Workspace::audit(
            &master,
            transaction,
            &requester,
            action,
            Some(&environment),
            detail,
        )?;
        Ok::<_, Failure>(())
    })
    .await
}

/// The rotated secrets that have an outgoing user.
async fn load(workspace: &Workspace, request: &EndSessionRequest) -> Result<Vec<Subject>, Failure> {
    let name = request.environment.clone();
    let paths = request.paths.clone();
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| Subject::load_all(transaction, &master, &name, &paths))
        .await
}

/// Every session of the outgoing user of one rotated secret, own probes included, and the
/// nodes that did not answer.
pub(super) async fn sessions_of(subject: &Subject) -> (Vec<Found<'_>>, Vec<DatabaseFault>) {
    let managed = async {
        let application = application("manage");
        let mut managing = subject
            .database
            .manage(&subject.node, &subject.manager, &application)
            .await?;
        let facts = managing
            .facts(subject.current_user(), subject.user())
            .await?;
        managing.close().await;
        Ok::<ManagingFacts, DatabaseFault>(facts)
    };
    let (managed, others) = tokio::join!(managed, look_at_each_other(subject));
    let looks = std::iter::once((subject.node.clone(), managed)).chain(others);
    let (mut answered, mut faults) = (Vec::new(), Vec::new());
    for (node, look) in looks {
        match look {
            Ok(facts) => answered.push((node, facts)),
            Err(fault) => faults.push(fault),
        }
    }
    let mut found = Vec::new();
    for View { node, facts, .. } in see(subject, answered).await {
        let Some(role) = &facts.roles[1] else {
            continue;
        };
        for session in drain::foreign_sessions(&facts.sessions, &[]) {
            found.push(Found {
                subject,
                node: node.clone(),
                account: role.account.clone(),
                session,
            });
        }
    }
    (found, faults)
}

/// The one session that is meant; the error is a report why there is none.
async fn find<'a>(
    subjects: &'a [Subject],
    request: &EndSessionRequest,
) -> Result<Found<'a>, Box<EndSessionReport>> {
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for subject in subjects.iter().filter(|subject| !subject.is_unsettled) {
        let (found, silent) = sessions_of(subject).await;
        all.extend(found);
        faults.extend(silent);
    }
    let is_meant = |found: &Found<'_>| {
        found.session.pid == request.pid
            && found.session.kind != SessionKind::PreparedTransaction
            && (request.node.as_ref()).is_none_or(|node| *node == found.node.to_string())
            && (request.started).is_none_or(|started| found.session.started == Some(started))
    };
    let mut meant: Vec<Found<'a>> = all.into_iter().filter(is_meant).collect();
    let nobody = |status, exit, code: &str, message: String, remedy: String| {
        Box::new(EndSessionReport {
            environment: request.environment.clone(),
            path: None,
            user: None,
            status,
            session: None,
            error: Some(ErrorReport {
                code: code.to_owned(),
                message,
                remedy,
            }),
            protected: subjects.iter().any(|subject| subject.protected),
            exit,
        })
    };
    let look = format!("handover drain {}", request.environment);
    match (meant.len(), faults.first()) {
        (1, _) => Ok(meant.remove(0)),
        (0, Some(fault)) => Err(nobody(
            EndSessionStatus::Unreachable,
            Exit::Unreachable,
            "unreachable",
            format!("session {} was not found, and {fault}", request.pid),
            look,
        )),
        (0, None) => Err(nobody(
            EndSessionStatus::Refused,
            Exit::Refused,
            "no-such-session",
            format!(
                "no session {} of an outgoing user of {} is there",
                request.pid, request.environment
            ),
            look,
        )),
        _ => {
            let places: Vec<String> = meant
                .iter()
                .map(|found| format!("--node {} ({})", found.node, found.subject.path))
                .collect();
            Err(nobody(
                EndSessionStatus::Refused,
                Exit::Refused,
                "several-sessions",
                format!("several nodes have a session {}", request.pid),
                format!("say which: {}", places.join(", ")),
            ))
        }
    }
}

fn report_of(
    request: &EndSessionRequest,
    found: &Found<'_>,
    status: EndSessionStatus,
) -> EndSessionReport {
    let session = &found.session;
    EndSessionReport {
        environment: request.environment.clone(),
        path: Some(found.subject.path.to_string()),
        user: Some(Untrusted::new(found.subject.user().as_str())),
        status,
        session: Some(PlannedSession {
            node: found.node.to_string(),
            pid: session.pid,
            application: session.application.clone(),
            client: session.client.clone(),
            since: session.started,
        }),
        error: None,
        protected: found.subject.protected,
        exit: Exit::Done,
    }
}

fn told(
    request: &EndSessionRequest,
    found: &Found<'_>,
    ending: Result<Ending, DatabaseFault>,
) -> EndSessionReport {
    let look = format!("handover drain {}", request.environment);
    let (status, exit, error) = match ending {
        Ok(Ending::Ended) => (EndSessionStatus::Done, Exit::Done, None),
        Ok(Ending::Gone) => (EndSessionStatus::Gone, Exit::Done, None),
        Ok(Ending::NoRight { grant }) => (
            EndSessionStatus::Refused,
            Exit::Refused,
            Some((
                "no-right",
                "the managing user may not end it".to_owned(),
                format!("as {}: {grant}", found.subject.engine.terms().administrator),
            )),
        ),
        Ok(Ending::StillThere) => (
            EndSessionStatus::Parked,
            Exit::NeedsHuman,
            Some((
                "still-there",
                "the server was told to end it, and it is still there".to_owned(),
                look,
            )),
        ),
        Err(fault) => (
            EndSessionStatus::Parked,
            Exit::NeedsHuman,
            Some(("not-known", fault.to_string(), look)),
        ),
    };
    let mut report = report_of(request, found, status);
    report.exit = exit;
    report.error = error.map(|(code, message, remedy)| ErrorReport {
        code: code.to_owned(),
        message,
        remedy,
    });
    report
}
