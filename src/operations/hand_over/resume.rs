//! Going on with a rotation that was found open: `recover`, `retry`, `abandon`.
//!
//! The three differ in what they are for, not in how they go about it: the same brain
//! names the case of each path, an agreement follows, and the same loop acts.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::claim::Claimed;
use super::confirm::{Asked, unconfirmed};
use super::consumers;
use super::open::{Found, find};
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report};
use super::preflight::{self, Circumstances};
use super::publish;
use super::report::{self, PathEnd};
use super::retire::list_leaked;
use super::rotation::{MOST_AT_ONCE, Rotation};
use super::run::{Run, Stop};
use super::{Confirmation, Observer, effects, rotate};
use crate::document::PropertyPath;
use crate::model::EnvironmentName;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{
    Action, Case, Decision, Event, Intent, LockHolder, Refusal, decide, refuse_locked,
};
use crate::store::{Locked, OpenRotation, journal};

/// What S1 says of a path that has it late.
type Admission = Result<(), Refusal>;

/// What an open rotation is gone on with for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To finish it, whichever way is right.
    Recover,
    /// To bring failed paths to their end with the same pending passwords.
    Retry,
    /// To give one path up and record truthfully what the database accepts.
    Abandon,
}

/// Which rotation to go on with.
#[derive(Debug, Clone)]
pub struct ResumeRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which of its paths; all that are not over when none is named.
    pub paths: Vec<PropertyPath>,
    /// What for.
    pub purpose: Purpose,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
}

impl Purpose {
    pub(super) fn intent(self) -> Intent {
        match self {
            Self::Recover => Intent::Recover,
            Self::Retry => Intent::Retry,
            Self::Abandon => Intent::Abandon,
        }
    }

    /// The command of that name.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Recover => "recover",
            Self::Retry => "retry",
            Self::Abandon => "abandon",
        }
    }
}

/// All open rotations, oldest first.
///
/// # Errors
/// The store's own.
pub async fn list_open(workspace: &Workspace) -> Result<Vec<OpenRotation>, Failure> {
    Ok(workspace.store.read(journal::list_open).await?)
}

/// Goes on with the open rotation of an environment, after the same brain has named
/// the case of each path. With nothing open, `recover` looks whether consumers can log in.
///
/// # Errors
/// What is wrong with the input or the store.
pub async fn resume(
    workspace: &Workspace,
    request: &ResumeRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let waited = waits_for_files(workspace, request).await?;
    let mut report = go_on(workspace, request, observer).await?;
    if waited {
        consumers::add(workspace, observer, &mut report).await?;
    }
    with_leaks(workspace, request, report).await
}

async fn go_on(
    workspace: &Workspace,
    request: &ResumeRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let environment = &request.environment;
    let found = find(workspace, environment).await?;
    let asked = effects::lock(workspace, &found.environment_id).await?;
    let _lock = match asked {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => return Ok(locked(environment, &found, &holder)),
    };
    // Whoever held the lock before may have finished it.
    let Some(open) = find(workspace, environment).await?.open else {
        return consumers::nothing_open(workspace, request, observer).await;
    };
    let asked_for = open.subjects(workspace, request).await?;
    let subjects = &asked_for.subjects;
    let mut rotation = open.resume(workspace, observer, request, subjects);
    if let Some(signal) = observer.stop_wanted() {
        let stops = rotation.runs.iter();
        let stops = stops.map(|_| Ok(Stop::Interrupted { signal })).collect();
        return Ok(report::of_rotation(
            &rotation,
            stops,
            open.others(&asked_for),
        ));
    }
    let mut decisions = look(&mut rotation).await?;
    // Whatever stood in the way of S1 may be gone when it is looked at again.
    let intent = request.purpose.intent();
    let waiting = publish::waiting(workspace, environment, open.number, intent).await?;
    let harmless = !waiting.acts()
        && !rotation.runs.iter().any(begins)
        && decisions
            .iter()
            .all(|one| matches!(one.action, Action::Park | Action::Close));
    let asked = Asked::of(environment, "handover recover --explain", subjects)
        .and_protected(waiting.protected);
    if let (false, Some(mut report)) = (harmless, unconfirmed(&asked, &request.confirmation)) {
        close(&mut rotation).await;
        report.rotation = Some(open.number);
        for (run, decision) in rotation.runs.iter().zip(&decisions) {
            with_path(&mut report, run, |path| {
                path.step = run.journal.progress.step();
                path.case = decision.case.map(|case| case.name().to_owned());
            });
        }
        describe(&rotation, &decisions, &mut report);
        report.sinks = waiting.sinks;
        return Ok(report);
    }
    audit_intent(workspace, request.purpose, &rotation, &decisions).await?;
    let mut others = open.others(&asked_for);
    if request.purpose == Purpose::Retry {
        others.extend(admit_late(workspace, &mut rotation, &mut decisions).await);
    }
    let stops = rotation.drive().await;
    let mut report = report::of_rotation(&rotation, stops, others);
    publish::after_promote(workspace, observer, intent, &mut report).await;
    describe(&rotation, &decisions, &mut report);
    Ok(report)
}

/// Names the cases of an open rotation and what going on would do. Nothing is changed,
/// not even in the journal, and no lock is taken.
///
/// # Errors
/// What is wrong with the input or the store.
pub async fn explain(
    workspace: &Workspace,
    request: &ResumeRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let waited = waits_for_files(workspace, request).await?;
    let mut report = look_on(workspace, request, observer).await?;
    if waited {
        consumers::add(workspace, observer, &mut report).await?;
    }
    with_leaks(workspace, request, report).await
}

/// Whether nothing but files is left of the open rotation: then none of its paths is looked at.
async fn waits_for_files(workspace: &Workspace, request: &ResumeRequest) -> Result<bool, Failure> {
    let open = find(workspace, &request.environment).await?.open;
    Ok(request.purpose == Purpose::Recover && open.is_some_and(|open| open.waits_for_files()))
}

/// A run of `rotate --compromised` that was killed after the promote has not locked what
/// leaked. Nobody but a person goes on with that: it is told.
async fn with_leaks(
    workspace: &Workspace,
    request: &ResumeRequest,
    mut report: Report,
) -> Result<Report, Failure> {
    if request.purpose == Purpose::Recover {
        report.retired = list_leaked(workspace, Some(&request.environment)).await?;
    }
    Ok(report)
}

async fn look_on(
    workspace: &Workspace,
    request: &ResumeRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let environment = &request.environment;
    let found = find(workspace, environment).await?;
    if let Some(holder) = workspace.store.locked_by(&found.environment_id).await? {
        return Ok(locked(environment, &found, &holder));
    }
    let Some(open) = found.open else {
        return consumers::nothing_open(workspace, request, observer).await;
    };
    let asked_for = open.subjects(workspace, request).await?;
    let subjects = &asked_for.subjects;
    let mut rotation = open.resume(workspace, observer, request, subjects);
    for run in &mut rotation.runs {
        run.only_looks = true;
    }
    let decisions = look(&mut rotation).await?;
    close(&mut rotation).await;
    let ends = rotation.runs.iter().zip(&decisions);
    let ends = ends.map(|(run, decision)| match (decision.action, decision.case) {
        (Action::Park, Some(case)) => {
            let message = run.explain(case);
            report::of_run(run, Ok(Stop::Parked { case, message }))
        }
        _ => {
            let mut path = report::of_path(run, PathOutcome::Planned);
            path.case = decision.case.map(|case| case.name().to_owned());
            (path, Exit::Done)
        }
    });
    let mut ends: Vec<PathEnd> = ends.collect();
    let exit = ends
        .iter()
        .fold(Exit::Done, |exit, (_, end)| exit.worse(*end));
    ends.extend(open.others(&asked_for));
    let mut report = report::together(environment, ends);
    report.rotation = Some(open.number);
    report.protected = rotation.protected;
    report.exit = ExitCode(exit);
    describe(&rotation, &decisions, &mut report);
    let intent = request.purpose.intent();
    let waiting = publish::waiting(workspace, environment, open.number, intent).await?;
    publish::plan(&mut report, waiting);
    Ok(report)
}

/// Whether S1 of this path is still to come, and is asked for.
fn begins(run: &Run<'_>) -> bool {
    run.intent == Intent::Retry && run.journal.admitted.is_none()
}

/// A path that could not be reached when the rotation began has its S1 now. Answers the
/// paths that are refused; they stay open as they were, and hold up no other. `decisions`
/// stay those of the runs that are left.
async fn admit_late(
    workspace: &Workspace,
    rotation: &mut Rotation<'_>,
    decisions: &mut Vec<Decision>,
) -> Vec<PathEnd> {
    let mut refused = Vec::new();
    let all: Vec<_> = rotation.runs.drain(..).zip(decisions.drain(..)).collect();
    for (mut run, decision) in all {
        if begins(&run) {
            match admit_one(workspace, &mut run).await {
                Ok(Ok(())) => {}
                Ok(Err(refusal)) => {
                    let path = run.subject.path.to_string();
                    refused.push(report::refused(path, run.subject.reported_user(), &refusal));
                    continue;
                }
                Err(failure) => {
                    run.end().await;
                    refused.push(report::of_run(&run, Err(failure)));
                    continue;
                }
            }
        }
        rotation.runs.push(run);
        decisions.push(decision);
    }
    refused
}

async fn admit_one(workspace: &Workspace, run: &mut Run<'_>) -> Result<Admission, Failure> {
    run.close_managing().await;
    let subject = run.subject;
    let found = preflight::look(
        workspace,
        subject,
        preflight::IdlePassword::Tried,
        run.observer,
    )
    .await?;
    run.unnoted.extend(found.own_as_idle());
    let circumstances = Circumstances {
        acknowledged: true,
        waiver: None,
        open_rotation: None,
    };
    let plan = match preflight::judge(subject, &found, &circumstances) {
        Ok(plan) => plan,
        Err(refusal) => {
            if let Ok((managing, _)) = found.managing {
                managing.close().await;
            }
            run.end().await;
            return Ok(Err(refusal));
        }
    };
    let event = Event::Admitted(rotate::admitted(subject, &plan));
    let detail = json!({"user": plan.user, "late": true});
    let claimed = Claimed::of(subject, &plan, &found);
    rotate::take_over(run, found);
    let write = run.journal_write(event.clone(), "rotation.admitted", detail);
    effects::write(workspace, "admitted", move |transaction| {
        claimed.claim(transaction)?;
        write(transaction)?;
        Ok::<_, Failure>(())
    })
    .await?;
    run.take(event);
    Ok(Ok(()))
}

/// What is found of each path, and what follows from it.
async fn look(rotation: &mut Rotation<'_>) -> Result<Vec<Decision>, Failure> {
    let looks: Vec<BoxFuture<'_, _>> = rotation
        .runs
        .iter_mut()
        .map(|run| look_at_one(run).boxed())
        .collect();
    stream::iter(looks)
        .buffered(MOST_AT_ONCE)
        .try_collect()
        .await
}

async fn look_at_one(run: &mut Run<'_>) -> Result<Decision, Failure> {
    let evidence = run.gather().await?;
    let decision = decide(&run.journal, &evidence, run.intent);
    Ok(match decision.case {
        // Without S1 nothing is recorded that could be compared with what is found. It
        // follows the agreement, and says itself what stands in the way.
        Some(Case::Unrecognised) if begins(run) => Decision {
            case: Some(Case::NothingDone),
            action: Action::SealPending,
        },
        _ => decision,
    })
}

async fn close(rotation: &mut Rotation<'_>) {
    for run in &mut rotation.runs {
        run.end().await;
    }
}

fn with_path(report: &mut Report, run: &Run<'_>, change: impl FnOnce(&mut PathReport)) {
    let path = run.subject.path.to_string();
    if let Some(found) = report.paths.iter_mut().find(|one| one.path == path) {
        change(found);
    }
}

/// What was found and what follows from it, in words.
fn describe(rotation: &Rotation<'_>, decisions: &[Decision], report: &mut Report) {
    for (run, decision) in rotation.runs.iter().zip(decisions) {
        with_path(report, run, |path| report::describe(run, *decision, path));
    }
}

async fn audit_intent(
    workspace: &Workspace,
    purpose: Purpose,
    rotation: &Rotation<'_>,
    decisions: &[Decision],
) -> Result<(), Failure> {
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let name = rotation.environment.clone();
    let paths: Vec<_> = rotation
        .runs
        .iter()
        .zip(decisions)
        .map(|(run, decision)| {
            json!({"path": run.subject.path.to_string(), "case": decision.case.map(Case::name)})
        })
        .collect();
    let detail = json!({"rotation": rotation.number, "paths": paths});
    effects::write(workspace, "recover", move |transaction| {
        let action = match purpose {
            Purpose::Recover => "rotation.recover",
            Purpose::Retry => "rotation.retry",
            Purpose::Abandon => "rotation.abandon",
        };
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
    Report {
        rotation: found.open.as_ref().map(|open| open.number),
        environment: Some(environment.clone()),
        status: HandOverStatus::Refused,
        error: Some(ErrorReport::from(&refusal)),
        exit: ExitCode(Exit::Refused),
        ..Report::nothing_open()
    }
}
