//! `rotate`: plan, and a new rotation.

use std::sync::Arc;

use serde_json::json;

use super::effects;
use super::evidence::Epoch;
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report};
use super::preflight::{self, Circumstances, Preflight};
use super::run::Run;
use super::subject::Subject;
use super::{Confirmation, Observer, Progress, report};
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, Gate, RotationId, Step};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::process::Signal;
use crate::rotation::{
    AdmitCase, Admitted, Event, GateLook, Intent, Plan, Refusal, admit_unseen, fold, refuse_locked,
};
use crate::store::{Locked, StoreError, journal};

/// What to rotate.
#[derive(Debug, Clone)]
pub struct RotateRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which rotated secret; the only one when it is not named.
    pub path: Option<PropertyPath>,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The signed waiver of the gate.
    pub waiver: Option<String>,
}

/// Shows what a rotation would do. Nothing is changed, no lock is taken.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn plan(
    workspace: &Workspace,
    request: &RotateRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let (subject, open) = load(workspace, request).await?;
    let locked_by = workspace.store.locked_by(&subject.environment_id).await?;
    if let Err(refusal) = admit_unseen(&subject.environment, locked_by.as_ref(), open) {
        return Ok(refused(&subject, &refusal));
    }
    let found = preflight::look(&subject, observer).await?;
    let judged = judge(&subject, &found, request, true);
    close(found).await;
    Ok(match judged {
        Ok(plan) => planned(&subject, plan),
        Err(refusal) => refused(&subject, &refusal),
    })
}

/// Rotates one rotated secret: S1 to S5.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn rotate(
    workspace: &Workspace,
    request: &RotateRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let (subject, _) = load(workspace, request).await?;
    if let Some(report) = unconfirmed(&subject, &request.confirmation) {
        return Ok(report);
    }
    let asked = effects::lock(workspace, &subject.environment_id).await?;
    let _lock = match asked {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => {
            let refusal = refuse_locked(&subject.environment, &holder);
            return Ok(refused(&subject, &refusal));
        }
    };
    // Whoever held the lock before may have promoted: read everything again under it.
    let (subject, open) = load(workspace, request).await?;
    if let Err(refusal) = admit_unseen(&subject.environment, None, open) {
        return Ok(refused(&subject, &refusal));
    }
    tell_step(observer, &subject, Step::Preflight, false);
    let found = preflight::look(&subject, observer).await?;
    // What was looked at may be cut short by the stop, so it is not judged.
    if let Some(signal) = observer.stop_wanted() {
        close(found).await;
        return Ok(interrupted(&subject, signal));
    }
    let plan = match judge(&subject, &found, request, true) {
        Ok(plan) => plan,
        Err(refusal) => {
            close(found).await;
            return Ok(refused(&subject, &refusal));
        }
    };
    tell_step(observer, &subject, Step::Preflight, true);
    let (rotation, admitted) = open_rotation(workspace, &subject, &plan, request).await?;
    let mut run = begin(
        workspace, observer, &subject, found, rotation, admitted, request,
    );
    let stopped = run.drive().await;
    run.close_managing().await;
    let mut report = report::of_run(&run, stopped);
    report.plan = Some(plan);
    Ok(report)
}

async fn load(
    workspace: &Workspace,
    request: &RotateRequest,
) -> Result<(Subject, Option<RotationId>), Failure> {
    let name = request.environment.clone();
    let path = request.path.clone();
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let subject = Subject::load(transaction, &master, &name, path.as_ref())?;
            let open = journal::find_open(transaction, &subject.environment_id)?;
            Ok((subject, open))
        })
        .await
}

fn judge(
    subject: &Subject,
    found: &Preflight,
    request: &RotateRequest,
    acknowledged: bool,
) -> Result<Plan, Refusal> {
    let circumstances = Circumstances {
        acknowledged,
        waiver: request.waiver.as_deref(),
    };
    preflight::judge(subject, found, &circumstances)
}

async fn close(found: Preflight) {
    if let Ok((managing, _)) = found.managing {
        managing.close().await;
    }
}

/// What agreement is missing, if any.
pub(super) fn unconfirmed(subject: &Subject, confirmation: &Confirmation) -> Option<Report> {
    let name = subject.environment.to_string();
    let (code, message, remedy) = match confirmation {
        Confirmation::Named(typed) if *typed == name => return None,
        Confirmation::Named(typed) => (
            "name-differs",
            format!(
                "the name to confirm is {name}, not {}",
                crate::untrusted::Untrusted::new(typed)
            ),
            format!("--yes --confirm {name}"),
        ),
        Confirmation::Yes if subject.protected => (
            "protected",
            format!("{name} is a production environment; its name has to be typed"),
            format!("--yes --confirm {name}"),
        ),
        Confirmation::Yes => return None,
        Confirmation::None => (
            "not-confirmed",
            "nobody agreed, and there is no terminal to ask on".to_owned(),
            if subject.protected {
                format!("look at it with --plan, then agree with --yes --confirm {name}")
            } else {
                "look at it with --plan, then agree with --yes".to_owned()
            },
        ),
    };
    let error = ErrorReport {
        code: code.to_owned(),
        message,
        remedy,
    };
    Some(refused_with(subject, None, error, Exit::Refused))
}

fn refused(subject: &Subject, refusal: &Refusal) -> Report {
    let exit = match refusal.case {
        AdmitCase::Unreachable => Exit::Unreachable,
        AdmitCase::CurrentDead => Exit::NeedsHuman,
        _ => Exit::Refused,
    };
    let error = ErrorReport {
        code: refusal.case.name().to_owned(),
        message: refusal.message.clone(),
        remedy: refusal.remedy.clone(),
    };
    refused_with(subject, Some(refusal.case), error, exit)
}

/// Asked to stop before anything was begun: no rotation is open.
fn interrupted(subject: &Subject, signal: Signal) -> Report {
    let error = ErrorReport {
        code: "interrupted".to_owned(),
        message: format!("{signal}: stopped before anything was begun"),
        remedy: format!("handover rotate {}", subject.environment),
    };
    let mut report = refused_with(subject, None, error, Exit::Refused);
    report.status = HandOverStatus::Interrupted;
    for path in &mut report.paths {
        path.status = PathOutcome::Interrupted;
    }
    report
}

fn refused_with(
    subject: &Subject,
    case: Option<AdmitCase>,
    error: ErrorReport,
    exit: Exit,
) -> Report {
    let (status, outcome) = match exit {
        Exit::Unreachable => (HandOverStatus::Unreachable, PathOutcome::Unreachable),
        Exit::NeedsHuman => (HandOverStatus::Parked, PathOutcome::Parked),
        _ => (HandOverStatus::Refused, PathOutcome::Refused),
    };
    Report {
        rotation: None,
        environment: Some(subject.environment.clone()),
        status,
        revision: None,
        error: Some(error.clone()),
        paths: vec![PathReport {
            path: subject.path.to_string(),
            status: outcome,
            step: Step::Preflight,
            case: case.map(|case| case.name().to_owned()),
            user: Some(report::shown(subject.user())),
            error: Some(error),
            consumers: None,
            meaning: None,
            evidence: Vec::new(),
            action: None,
            advice: None,
        }],
        plan: None,
        protected: subject.protected,
        exit: ExitCode(exit),
    }
}

fn planned(subject: &Subject, plan: Plan) -> Report {
    Report {
        rotation: None,
        environment: Some(subject.environment.clone()),
        status: HandOverStatus::Planned,
        revision: None,
        error: None,
        paths: vec![PathReport {
            path: subject.path.to_string(),
            status: PathOutcome::Planned,
            step: Step::Preflight,
            case: None,
            user: Some(report::shown(subject.user())),
            error: None,
            consumers: None,
            meaning: None,
            evidence: Vec::new(),
            action: None,
            advice: None,
        }],
        plan: Some(plan),
        protected: subject.protected,
        exit: ExitCode(Exit::Done),
    }
}

fn tell_step(observer: &Observer, subject: &Subject, step: Step, done: bool) {
    let path = subject.path.to_string();
    observer.tell(match done {
        true => Progress::Done { path, step },
        false => Progress::Begun { path, step },
    });
}

/// S1's end: lock, plan digest, requester and reason are durable.
async fn open_rotation(
    workspace: &Workspace,
    subject: &Subject,
    plan: &Plan,
    request: &RotateRequest,
) -> Result<(RotationId, Admitted), Failure> {
    let admitted = Admitted {
        secret: subject.record.id.to_string(),
        current: subject.current_user().as_str().to_owned(),
        user: subject.user().as_str().to_owned(),
        oids: plan.oids,
        server: plan.server.clone(),
        previous_known: subject.previous.password.is_some(),
    };
    let opened = Event::Opened {
        requester: workspace.requester.clone(),
        reason: request.reason.clone(),
        plan: plan.digest(),
        waiver: request.waiver.clone(),
        revision: subject.revision,
    };
    let detail = json!({
        "plan": plan.digest(),
        "reason": request.reason,
        "waiver": request.waiver,
        "waived": plan.waived,
        "first-promotion-acknowledged": plan.first_promotion,
        "user": plan.user,
    });
    let environment = subject.environment.clone();
    let environment_id = subject.environment_id.clone();
    let path = subject.path.to_string();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let first = Event::Admitted(admitted.clone());
    let rotation = effects::write(workspace, "opened", move |transaction| {
        let now = timestamp();
        let rotation = journal::open_rotation(transaction, &environment_id, &now)?;
        journal::append(transaction, rotation, None, &opened, &now)?;
        journal::append(transaction, rotation, Some(&path), &first, &now)?;
        let mut detail = detail;
        detail["rotation"] = json!(rotation);
        detail["path"] = json!(path);
        let action = "rotation.opened";
        Workspace::audit(
            &master,
            transaction,
            &requester,
            action,
            Some(&environment),
            detail,
        )?;
        Ok::<_, StoreError>(rotation)
    })
    .await?;
    Ok((rotation, admitted))
}

fn begin<'a>(
    workspace: &'a Workspace,
    observer: &'a Observer,
    subject: &'a Subject,
    found: Preflight,
    rotation: RotationId,
    admitted: Admitted,
    request: &RotateRequest,
) -> Run<'a> {
    let events = vec![Event::Admitted(admitted)];
    let (managing, facts) = match found.managing {
        Ok((managing, facts)) => (Some(managing), Some(facts)),
        Err(_) => (None, None),
    };
    let gate = match found.gate {
        Gate::Shut(_) if request.waiver.is_none() => GateLook::Shut,
        Gate::Open | Gate::Shut(_) => GateLook::Open,
    };
    Run {
        workspace,
        observer,
        subject,
        intent: Intent::Rotate,
        rotation,
        journal: fold(&events),
        events,
        reason: request.reason.clone(),
        waived: request.waiver.is_some(),
        managing,
        facts,
        epoch: Epoch {
            current: Some(found.current),
            previous: found.previous,
            ..Epoch::default()
        },
        own: found.own,
        pending: None,
        gate: Some(gate),
        gate_words: String::new(),
        promotion_unknown: false,
    }
}
