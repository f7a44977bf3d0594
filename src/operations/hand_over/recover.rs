//! `recover`: goes on with a rotation that was found open.

use std::sync::Arc;

use serde_json::json;

use super::effects;
use super::evidence::Epoch;
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report};
use super::run::Run;
use super::subject::Subject;
use super::{Confirmation, Observer, report, rotate};
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, RotationId, Step};
use crate::operations::loading::Head;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Action, Case, Event, Intent, LockHolder, decide, fold};
use crate::store::{JournalLine, Locked, OpenRotation, journal};

/// What to recover.
#[derive(Debug, Clone)]
pub struct RecoverRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
}

/// All open rotations, oldest first.
///
/// # Errors
/// The store's own.
pub async fn list_open(workspace: &Workspace) -> Result<Vec<OpenRotation>, Failure> {
    Ok(workspace.store.read(journal::list_open).await?)
}

/// Goes on with the open rotation of an environment, after the same brain has named
/// the case. With nothing open, it looks whether consumers can log in.
///
/// # Errors
/// What is wrong with the input or the store.
pub async fn recover(
    workspace: &Workspace,
    request: &RecoverRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let found = find(workspace, &request.environment).await?;
    let asked = effects::lock(workspace, &found.environment_id).await?;
    let _lock = match asked {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => return Ok(locked(request, &found, &holder)),
    };
    // Whoever held the lock before may have finished it.
    let found = find(workspace, &request.environment).await?;
    let Some((rotation, lines)) = found.open else {
        return nothing_open(workspace, request, observer).await;
    };
    let Some(path) = lines.iter().find_map(|line| line.path.clone()) else {
        return Err(Failure::new(
            "store-damaged",
            Exit::NeedsHuman,
            format!("the journal of {rotation} names no path"),
            "keep a copy of the store's folder and restore the last backup",
        ));
    };
    let subject = load(workspace, &request.environment, &path).await?;
    let mut run = resume(workspace, observer, &subject, rotation, &lines, &path);
    let evidence = run.gather().await?;
    let decision = decide(&run.journal, &evidence, Intent::Recover);
    let harmless = matches!(decision.action, Action::Park | Action::Close);
    let unconfirmed = rotate::unconfirmed(&subject, &request.confirmation);
    if let (false, Some(mut report)) = (harmless, unconfirmed) {
        run.close_managing().await;
        report.rotation = Some(rotation);
        for of_path in &mut report.paths {
            of_path.step = run.journal.progress.step();
            of_path.case = decision.case.map(|case| case.name().to_owned());
            of_path.meaning = decision.case.map(|case| case.meaning().to_owned());
            of_path.consumers = Some(run.consumers_words());
            of_path.evidence = run.evidence_words();
            of_path.action = Some(decision.action.words().to_owned());
        }
        return Ok(report);
    }
    audit_intent(workspace, &request.environment, rotation, decision.case).await?;
    let stopped = run.drive().await;
    run.close_managing().await;
    let mut report = report::of_run(&run, stopped);
    for of_path in &mut report.paths {
        of_path.consumers = Some(run.consumers_words());
        of_path.evidence = run.evidence_words();
        of_path.action = Some(decision.action.words().to_owned());
    }
    Ok(report)
}

struct Found {
    environment_id: String,
    open: Option<(RotationId, Vec<JournalLine>)>,
}

async fn find(workspace: &Workspace, name: &EnvironmentName) -> Result<Found, Failure> {
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let open = match journal::find_open(transaction, &head.row.id)? {
                Some(rotation) => Some((rotation, journal::lines(transaction, rotation)?)),
                None => None,
            };
            Ok(Found {
                environment_id: head.row.id,
                open,
            })
        })
        .await
}

async fn load(
    workspace: &Workspace,
    name: &EnvironmentName,
    path: &str,
) -> Result<Subject, Failure> {
    let path: PropertyPath = path.parse().map_err(|_| {
        Failure::new(
            "store-damaged",
            Exit::NeedsHuman,
            "the journal names a malformed path",
            "keep a copy of the store's folder and restore the last backup",
        )
    })?;
    let name = name.clone();
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| Subject::load(transaction, &master, &name, Some(&path)))
        .await
}

fn resume<'a>(
    workspace: &'a Workspace,
    observer: &'a Observer,
    subject: &'a Subject,
    rotation: RotationId,
    lines: &[JournalLine],
    path: &str,
) -> Run<'a> {
    let events: Vec<Event> = lines
        .iter()
        .filter(|line| line.path.as_deref() == Some(path))
        .map(|line| line.event.clone())
        .collect();
    let (reason, waiver) = lines
        .iter()
        .find_map(|line| match &line.event {
            Event::Opened { reason, waiver, .. } => Some((reason.clone(), waiver.clone())),
            _ => None,
        })
        .unwrap_or_default();
    Run {
        workspace,
        observer,
        subject,
        intent: Intent::Recover,
        rotation,
        journal: fold(&events),
        events,
        reason,
        // The waiver was signed for this rotation's plan, so recover may use it.
        waived: waiver.is_some(),
        managing: None,
        facts: None,
        epoch: Epoch::default(),
        own: Vec::new(),
        pending: None,
        gate: None,
        gate_words: String::new(),
        promotion_unknown: false,
    }
}

async fn audit_intent(
    workspace: &Workspace,
    name: &EnvironmentName,
    rotation: RotationId,
    case: Option<Case>,
) -> Result<(), Failure> {
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let name = name.clone();
    let detail = json!({"rotation": rotation, "case": case.map(Case::name)});
    effects::write(workspace, "recover", move |transaction| {
        let action = "rotation.recover";
        Workspace::audit(
            &master,
            transaction,
            &requester,
            action,
            Some(&name),
            detail,
        )
    })
    .await?;
    Ok(())
}

fn locked(request: &RecoverRequest, found: &Found, holder: &LockHolder) -> Report {
    let error = ErrorReport {
        code: "locked-by".to_owned(),
        message: format!(
            "{} is locked by {} on {} (process {}) since {}",
            request.environment,
            holder.holder,
            holder.host,
            holder.pid,
            holder.since.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        remedy: "wait until it is finished".to_owned(),
    };
    Report {
        rotation: found.open.as_ref().map(|(rotation, _)| *rotation),
        environment: Some(request.environment.clone()),
        status: HandOverStatus::Refused,
        error: Some(error),
        exit: ExitCode(Exit::Refused),
        ..Report::nothing_open()
    }
}

/// No rotation is open. Consumers may be down all the same: a login tells.
async fn nothing_open(
    workspace: &Workspace,
    request: &RecoverRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let mut report = Report {
        environment: Some(request.environment.clone()),
        ..Report::nothing_open()
    };
    for path in rotated_paths(workspace, &request.environment).await? {
        // Without a state there is nothing that consumers could read.
        let Ok(subject) = load(workspace, &request.environment, &path).await else {
            continue;
        };
        let mut run = resume(workspace, observer, &subject, RotationId(0), &[], &path);
        let evidence = run.gather().await?;
        run.close_managing().await;
        if evidence.current.refused == 0 && evidence.current.barred == 0 {
            continue;
        }
        let case = Case::CurrentDead;
        let error = ErrorReport {
            code: case.name().to_owned(),
            message: case.meaning().to_owned(),
            remedy: report::remedy(case, &request.environment),
        };
        report.status = HandOverStatus::Parked;
        report.exit = ExitCode(Exit::NeedsHuman);
        report.error = Some(error.clone());
        report.paths.push(PathReport {
            path,
            status: PathOutcome::Parked,
            step: Step::Preflight,
            case: Some(case.name().to_owned()),
            user: Some(report::shown(subject.user())),
            error: Some(error),
            consumers: Some(run.consumers_words()),
            meaning: Some(case.meaning().to_owned()),
            evidence: run.evidence_words(),
            action: Some(Action::Park.words().to_owned()),
        });
    }
    Ok(report)
}

async fn rotated_paths(
    workspace: &Workspace,
    name: &EnvironmentName,
) -> Result<Vec<String>, Failure> {
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let secrets = head.environment.rotated_secrets();
            Ok(secrets
                .iter()
                .map(|secret| secret.path.to_string())
                .collect())
        })
        .await
}
