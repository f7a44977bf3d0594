//! `recover`: goes on with a rotation that was found open.

use std::sync::Arc;

use serde_json::json;

use super::effects;
use super::evidence::Epoch;
use super::outcome::{
    Advice, ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report,
};
use super::run::{Run, Stop};
use super::subject::Subject;
use super::{Confirmation, Observer, report, rotate};
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, RotationId, Step};
use crate::operations::loading::Head;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{
    Action, Case, Decision, Event, Intent, LockHolder, decide, fold, refuse_locked,
};
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
        Locked::By(holder) => return Ok(locked(&request.environment, &found, &holder)),
    };
    // Whoever held the lock before may have finished it.
    let found = find(workspace, &request.environment).await?;
    let Some((rotation, lines)) = found.open else {
        return nothing_open(workspace, &request.environment, observer).await;
    };
    let path = path_of(rotation, &lines)?;
    let subject = load(workspace, &request.environment, &path).await?;
    let mut run = resume(workspace, observer, &subject, rotation, &lines, &path);
    if let Some(signal) = observer.stop_wanted() {
        return Ok(report::of_run(&run, Ok(Stop::Interrupted { signal })));
    }
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
        }
        describe(&run, decision, &mut report);
        return Ok(report);
    }
    audit_intent(workspace, &request.environment, rotation, decision.case).await?;
    let stopped = run.drive().await;
    run.close_managing().await;
    let mut report = report::of_run(&run, stopped);
    describe(&run, decision, &mut report);
    Ok(report)
}

/// Names the case of an open rotation and what recovering would do. Nothing is changed,
/// not even in the journal, and no lock is taken.
///
/// # Errors
/// What is wrong with the input or the store.
pub async fn explain(
    workspace: &Workspace,
    environment: &EnvironmentName,
    observer: &Observer,
) -> Result<Report, Failure> {
    let found = find(workspace, environment).await?;
    if let Some(holder) = workspace.store.locked_by(&found.environment_id).await? {
        return Ok(locked(environment, &found, &holder));
    }
    let Some((rotation, lines)) = found.open else {
        return nothing_open(workspace, environment, observer).await;
    };
    let path = path_of(rotation, &lines)?;
    let subject = load(workspace, environment, &path).await?;
    let mut run = resume(workspace, observer, &subject, rotation, &lines, &path);
    let evidence = run.gather().await?;
    run.close_managing().await;
    let decision = decide(&run.journal, &evidence, Intent::Recover);
    let mut report = match (decision.action, decision.case) {
        (Action::Park, Some(case)) => {
            let message = run.explain(case);
            report::of_run(&run, Ok(Stop::Parked { case, message }))
        }
        _ => report::planned_recovery(&run, decision),
    };
    describe(&run, decision, &mut report);
    Ok(report)
}

/// What was found and what follows from it, in words.
fn describe(run: &Run<'_>, decision: Decision, report: &mut Report) {
    for of_path in &mut report.paths {
        of_path.consumers = Some(run.consumers_words());
        of_path.meaning = decision.case.map(|case| case.meaning().to_owned());
        of_path.evidence = run.evidence_words();
        of_path.action = Some(decision.action.words().to_owned());
        of_path.advice = decision.case.map(|case| Advice {
            next_best: case.next_best(),
            untouched: decision.action.untouched(),
            wrong_if: case.wrong_if(),
        });
    }
}

fn path_of(rotation: RotationId, lines: &[JournalLine]) -> Result<String, Failure> {
    lines
        .iter()
        .find_map(|line| line.path.clone())
        .ok_or_else(|| {
            Failure::new(
                "store-damaged",
                Exit::NeedsHuman,
                format!("the journal of {rotation} names no path"),
                "keep a copy of the store's folder and restore the last backup",
            )
        })
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
    Subject::read(workspace, name, path).await
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

fn locked(environment: &EnvironmentName, found: &Found, holder: &LockHolder) -> Report {
    let refusal = refuse_locked(environment, holder);
    let error = ErrorReport {
        code: refusal.case.name().to_owned(),
        message: refusal.message,
        remedy: refusal.remedy,
    };
    Report {
        rotation: found.open.as_ref().map(|(rotation, _)| *rotation),
        environment: Some(environment.clone()),
        status: HandOverStatus::Refused,
        error: Some(error),
        exit: ExitCode(Exit::Refused),
        ..Report::nothing_open()
    }
}

/// No rotation is open. Consumers may be down all the same: a login tells.
async fn nothing_open(
    workspace: &Workspace,
    environment: &EnvironmentName,
    observer: &Observer,
) -> Result<Report, Failure> {
    let mut report = Report {
        environment: Some(environment.clone()),
        ..Report::nothing_open()
    };
    for path in rotated_paths(workspace, environment).await? {
        // Without a state there is nothing that consumers could read.
        let Ok(subject) = load(workspace, environment, &path).await else {
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
            remedy: report::remedy(case, environment),
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
            advice: None,
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
