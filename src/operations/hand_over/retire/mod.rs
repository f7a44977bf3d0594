//! Retiring the outgoing user: lock it, listen, scramble its password; and the way back.
//!
//! The overlap's stage in the store is the memory: each change of the database has an intent
//! before it and an outcome after it, with an audit entry each. What is to be done is chosen by
//! [`next_step`](crate::drain::next_step) alone.

mod agent;
mod execute;
mod prepare;
mod refusals;
mod report;

pub use agent::retire_by_settings;
pub use report::{RetireReport, RetireStatus};

use super::end_session::{end, sessions_of};
use super::subject::Subject;
use super::{Confirmation, Observer, PathOutcome, Report, RotateRequest};
use crate::database::Ending;
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, Stage};
use crate::operations::drain::{open_missing, sample_once};
use crate::operations::{Exit, Failure, Workspace};
use crate::store::{Locked, overlaps};
use agent::is_due;
use prepare::prepare;

/// What an operator, or the agent, wants.
#[derive(Debug, Clone)]
pub struct RetireRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which rotated secret.
    pub path: PropertyPath,
    /// The way back: let the locked user in again.
    pub undo: bool,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
    /// Why; it stands in the audit log.
    pub reason: Option<String>,
    /// A signed waiver of the drain and of the listening, with its reason.
    pub waiver: Option<String>,
    /// The outgoing user's name, typed: all its sessions are ended. Only where its password
    /// leaked.
    pub end_sessions: Option<String>,
    /// The agent asks: it goes no further than the settings have agreed to.
    pub by_agent: bool,
}

/// Shows what would be done; nothing is changed.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn plan_retire(
    workspace: &Workspace,
    request: &RetireRequest,
) -> Result<RetireReport, Failure> {
    open_missing(workspace, Some(std::slice::from_ref(&request.environment))).await?;
    let subject = Subject::read(workspace, &request.environment, request.path.clone()).await?;
    listen_once_more(workspace, &subject, request).await;
    match prepare(workspace, &subject, request, &Observer::default()).await? {
        Ok(prepared) => {
            let report = report::planned(&subject, request, &prepared);
            prepared.managing.close().await;
            Ok(report)
        }
        Err(report) => Ok(*report),
    }
}

/// Does the next step, with everything looked at again right before it. Where the password
/// leaked, nothing is waited for: the user is locked, its password scrambled, and its sessions
/// ended as far as somebody has agreed to that.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn retire(
    workspace: &Workspace,
    request: &RetireRequest,
    observer: &Observer,
) -> Result<RetireReport, Failure> {
    // What was promoted before overlaps were kept has none yet that could be noted in.
    open_missing(workspace, Some(std::slice::from_ref(&request.environment))).await?;
    let subject = Subject::read(workspace, &request.environment, request.path.clone()).await?;
    if let Some(report) = report::unconfirmed(&subject, request) {
        return Ok(report);
    }
    if let Some(report) = report::wrong_user(&subject, request) {
        return Ok(report);
    }
    let _lock = match super::effects::lock(workspace, &subject.environment_id).await? {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => return Ok(report::locked(&subject, request, &holder)),
    };
    retire_under_lock(workspace, request, observer).await
}

/// The same for whoever holds the environment's lock and has asked for agreement.
///
/// # Errors
/// As for [`retire`].
async fn retire_under_lock(
    workspace: &Workspace,
    request: &RetireRequest,
    observer: &Observer,
) -> Result<RetireReport, Failure> {
    let mut report = step(workspace, request, observer).await?;
    let leaked = |report: &RetireReport| report.compromised && !request.undo;
    if leaked(&report) && report.status == RetireStatus::Done && report.stage == Some(Stage::Locked)
    {
        report = step(workspace, request, observer).await?;
    }
    let is_shut = matches!(report.stage, Some(Stage::Locked | Stage::Scrambled));
    if leaked(&report) && is_shut {
        let subject = Subject::read(workspace, &request.environment, request.path.clone()).await?;
        end_sessions(workspace, &subject, request, &mut report).await?;
    }
    Ok(report)
}

/// Locks what leaked and scrambles its password, on every path that was promoted. Its sessions
/// are listed and left: ending them is agreed to by itself. Whoever calls holds the
/// environment's lock.
///
/// # Errors
/// As for [`retire`].
pub(super) async fn shut_out(
    workspace: &Workspace,
    request: &RotateRequest,
    observer: &Observer,
    report: &mut Report,
) -> Result<(), Failure> {
    let promoted: Vec<PropertyPath> = report
        .paths
        .iter()
        .filter(|path| path.status == PathOutcome::Done)
        .filter_map(|path| path.path.parse().ok())
        .collect();
    for path in promoted {
        let retirement = RetireRequest {
            environment: request.environment.clone(),
            path,
            undo: false,
            confirmation: request.confirmation.clone(),
            reason: request.reason.clone(),
            waiver: None,
            end_sessions: None,
            by_agent: false,
        };
        match retire_under_lock(workspace, &retirement, observer).await {
            Ok(mut retired) => {
                // Whatever keeps it from being shut out, the leak is still open.
                if retired.exit != Exit::Done {
                    retired.exit = retired.exit.worse(Exit::NeedsHuman);
                }
                report.retired.push(retired);
            }
            // The promotion stands, and is told; what is left of the leak is told beside it.
            Err(failure) => {
                tracing::error!(error = %failure.message, "what leaked was not shut out");
                report.retired = list_leaked(workspace, Some(&request.environment)).await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Users whose passwords leaked and that are not shut out yet, in one environment or in all: a
/// run that was killed between the promote and the lock leaves them so.
///
/// # Errors
/// The store's own.
pub async fn list_leaked(
    workspace: &Workspace,
    environment: Option<&EnvironmentName>,
) -> Result<Vec<RetireReport>, Failure> {
    let open = workspace.store.read(overlaps::list_open).await?;
    let wanted = open
        .iter()
        .filter(|one| environment.is_none_or(|name| one.environment == *name));
    let due = wanted.filter_map(|one| report::due(&one.environment, &one.path, &one.overlap));
    Ok(due.collect())
}

/// One step. Whoever held the lock before may have promoted, so everything is read again.
async fn step(
    workspace: &Workspace,
    request: &RetireRequest,
    observer: &Observer,
) -> Result<RetireReport, Failure> {
    let subject = Subject::read(workspace, &request.environment, request.path.clone()).await?;
    if request.by_agent && !is_due(workspace, &subject).await? {
        return Ok(RetireReport::new(&subject, request, RetireStatus::Nothing));
    }
    listen_once_more(workspace, &subject, request).await;
    let report = match prepare(workspace, &subject, request, observer).await? {
        Ok(prepared) => execute::execute(workspace, &subject, request, prepared, observer).await?,
        Err(report) => return Ok(*report),
    };
    let is_locked = report.status == RetireStatus::Done && report.stage == Some(Stage::Locked);
    if is_locked && !report.compromised {
        begin_to_listen(workspace, request).await;
    }
    Ok(report)
}

/// Counters are read before a step beyond the lock as well: nobody else may have read them
/// since.
async fn listen_once_more(workspace: &Workspace, subject: &Subject, request: &RetireRequest) {
    let overlap = subject.overlap_of_idle();
    if !request.undo && overlap.is_some_and(|overlap| overlap.stage == Stage::Locked) {
        begin_to_listen(workspace, request).await;
    }
}

/// Counters are read right after the lock: what they counted before is nobody who knocks at it.
/// Where somebody samples all the time, that one reads them.
async fn begin_to_listen(workspace: &Workspace, request: &RetireRequest) {
    let paths = std::slice::from_ref(&request.path);
    if let Err(failure) = sample_once(workspace, &request.environment, paths).await {
        tracing::warn!(error = %failure.message, "no sample was made after the lock");
    }
}

/// Ends what is still connected with the password that leaked, where somebody typed whose
/// sessions these are; else says that they are there.
async fn end_sessions(
    workspace: &Workspace,
    subject: &Subject,
    request: &RetireRequest,
    report: &mut RetireReport,
) -> Result<(), Failure> {
    let (found, faults) = sessions_of(subject).await;
    let agreed = request.end_sessions.is_some();
    let mut lacks = None;
    report.sessions.clear();
    for one in found {
        let ended = match agreed {
            true => end(workspace, &one, request.reason.as_deref()).await?,
            false => Ok(Ending::StillThere),
        };
        match ended {
            Ok(Ending::Ended) => report.ended += 1,
            Ok(Ending::Gone) => {}
            Ok(Ending::NoRight { grant }) => {
                lacks.get_or_insert_with(|| grant.clone());
                report.warnings.push(format!(
                    "the managing user may not end sessions; as {}: {grant}",
                    subject.engine.terms().administrator
                ));
                report.sessions.push(report::planned_session(&one.session));
            }
            Ok(Ending::StillThere) | Err(_) => {
                report.sessions.push(report::planned_session(&one.session));
            }
        }
    }
    report.warnings.dedup();
    report
        .warnings
        .extend(faults.iter().map(ToString::to_string));
    report::note_remaining(report, request, lacks.as_deref());
    Ok(())
}
