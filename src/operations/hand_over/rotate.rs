//! `rotate`: plan, and a new rotation.

mod opening;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, TryStreamExt, stream};

pub(super) use self::opening::admitted;
use self::opening::open_rotation;
use super::adopt;
use super::claim::Claimed;
use super::confirm::{Asked, unconfirmed};
use super::effects;
use super::outcome::{ErrorReport, PathReport, Report};
use super::own::{self, OwnLogins};
use super::preflight::{self, Circumstances, Preflight, twin_look};
use super::publish;
use super::report::{self, PathEnd};
use super::retire::shut_out;
use super::rotation::{MOST_AT_ONCE, Rotation};
use super::run::Run;
use super::subject::Subject;
use super::{Confirmation, Observer, PathOutcome, Progress};
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, Gate, RotationId, Step};
use crate::operations::{Exit, Failure, Workspace};
use crate::process::Signal;
use crate::rotation::{
    AdmitCase, Event, GateLook, Intent, Plan, Refusal, admit_unseen, refuse_locked,
};
use crate::store::{Locked, journal};

/// What to rotate.
#[derive(Debug, Clone)]
pub struct RotateRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which rotated secrets; all of the environment when none is named.
    pub paths: Vec<PropertyPath>,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The signed waiver of the gate.
    pub waiver: Option<String>,
    /// What consumers read now leaked: once the other user is promoted, it is locked at once
    /// and its password scrambled.
    pub compromised: bool,
    /// The occurrence of the schedule that it is for. It is bound to that in the transaction that
    /// opens the rotation, so that no occurrence is rotated for twice.
    pub scheduled: Option<DateTime<Utc>>,
}

/// One rotated secret after S1.
struct Judged<'a> {
    subject: &'a Subject,
    found: Preflight,
    verdict: Result<Plan, Refusal>,
}

impl Judged<'_> {
    fn claimed(&self) -> Option<Claimed> {
        let plan = self.verdict.as_ref().ok()?;
        Some(Claimed::of(self.subject, plan, &self.found))
    }

    fn own_logins(&self) -> OwnLogins {
        let (subject, sessions) = (self.subject, self.found.own_as_idle());
        OwnLogins::new(subject, subject.user(), sessions)
    }
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
    let (mut subjects, open) = load(workspace, request).await?;
    let locked_by = match subjects.first() {
        Some(subject) => workspace.store.locked_by(&subject.environment_id).await?,
        None => None,
    };
    if let Err(refusal) = admit_unseen(&request.environment, locked_by.as_ref(), open) {
        return Ok(refused_unseen(&subjects, request, &refusal));
    }
    adopt::settle(&mut subjects).await?;
    let judged = look(workspace, &subjects, request, observer).await?;
    let report = match whole_refusal(&judged, request) {
        Some(report) => report,
        None => planned(&subjects, request, &judged),
    };
    close(workspace, judged).await;
    Ok(report)
}

/// Rotates rotated secrets: S1 to S5, side by side through S4.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn rotate(
    workspace: &Workspace,
    request: &RotateRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let (subjects, open) = load(workspace, request).await?;
    // Who tries again and again does not put itself in the place of whoever began an open one.
    if request.scheduled.is_some()
        && let Err(refusal) = admit_unseen(&request.environment, None, open)
    {
        return Ok(refused_unseen(&subjects, request, &refusal));
    }
    let asked_of = Asked::of(&request.environment, "handover rotate --plan", &subjects);
    if let Some(report) = unconfirmed(&asked_of, &request.confirmation) {
        return Ok(report);
    }
    let Some(environment_id) = subjects.first().map(|one| one.environment_id.clone()) else {
        return Ok(Report::nothing_open());
    };
    let asked = effects::lock(workspace, &environment_id).await?;
    let _lock = match asked {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => {
            let refusal = refuse_locked(&request.environment, &holder);
            return Ok(refused_unseen(&subjects, request, &refusal));
        }
    };
    // Whoever held the lock before may have promoted: read everything again under it.
    let (mut subjects, open) = load(workspace, request).await?;
    if let Err(refusal) = admit_unseen(&request.environment, None, open) {
        return Ok(refused_unseen(&subjects, request, &refusal));
    }
    tell_step(observer, &subjects, Step::Preflight, false);
    adopt::settle(&mut subjects).await?;
    let judged = look(workspace, &subjects, request, observer).await?;
    // What was looked at may be cut short by the stop, so it is not judged.
    if let Some(signal) = observer.stop_wanted() {
        close(workspace, judged).await;
        return Ok(interrupted(&subjects, request, signal));
    }
    if let Some(report) = whole_refusal(&judged, request) {
        close(workspace, judged).await;
        return Ok(report);
    }
    tell_step(observer, &subjects, Step::Preflight, true);
    let plans: Vec<(String, Plan)> = judged
        .iter()
        .filter_map(|one| Some((one.subject.path.to_string(), one.verdict.clone().ok()?)))
        .collect();
    let number = open_rotation(workspace, request, &environment_id, &judged).await?;
    let (mut rotation, others) = begin(workspace, observer, request, number, judged);
    let stops = rotation.drive().await;
    let mut report = report::of_rotation(&rotation, stops, others);
    publish::after_promote(workspace, observer, Intent::Rotate, &mut report).await;
    for (path, plan) in plans {
        if let Some(of_path) = report.paths.iter_mut().find(|one| one.path == path) {
            of_path.plan = Some(plan);
        }
    }
    if request.compromised {
        shut_out(workspace, request, observer, &mut report).await?;
    }
    Ok(report)
}

async fn load(
    workspace: &Workspace,
    request: &RotateRequest,
) -> Result<(Vec<Subject>, Option<RotationId>), Failure> {
    let name = request.environment.clone();
    let paths = request.paths.clone();
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let subjects = Subject::load_all(transaction, &master, &name, &paths)?;
            let open = match subjects.first() {
                Some(subject) => journal::find_open(transaction, &subject.environment_id)?,
                None => None,
            };
            Ok((subjects, open))
        })
        .await
}

/// S1 of all paths at once.
async fn look<'a>(
    workspace: &Workspace,
    subjects: &'a [Subject],
    request: &RotateRequest,
    observer: &Observer,
) -> Result<Vec<Judged<'a>>, Failure> {
    let looks = subjects
        .iter()
        .map(|subject| look_at_one(workspace, subject, request, observer).boxed());
    let looks: Vec<BoxFuture<'_, _>> = looks.collect();
    stream::iter(looks)
        .buffered(MOST_AT_ONCE)
        .try_collect()
        .await
}

async fn look_at_one<'a>(
    workspace: &Workspace,
    subject: &'a Subject,
    request: &RotateRequest,
    observer: &Observer,
) -> Result<Judged<'a>, Failure> {
    let found =
        preflight::look(workspace, subject, preflight::IdlePassword::Tried, observer).await?;
    let circumstances = Circumstances {
        acknowledged: true,
        waiver: request.waiver.as_deref(),
        open_rotation: None,
    };
    let mut verdict = preflight::judge(subject, &found, &circumstances);
    if let Ok(plan) = &mut verdict {
        plan.compromised = request.compromised;
    }
    Ok(Judged {
        subject,
        found,
        verdict,
    })
}

/// Nothing is begun of what was looked at.
async fn close(workspace: &Workspace, judged: Vec<Judged<'_>>) {
    own::note(workspace, judged.iter().map(Judged::own_logins)).await;
    for one in judged {
        if let Ok((managing, _)) = one.found.managing {
            managing.close().await;
        }
    }
}

/// A refusal of any path refuses the whole before anything changes; a path that cannot
/// be reached holds up no other.
fn whole_refusal(judged: &[Judged<'_>], request: &RotateRequest) -> Option<Report> {
    let refusals = judged.iter().filter_map(|one| one.verdict.as_ref().err());
    let (unreachable, refused): (Vec<_>, Vec<_>) =
        refusals.partition(|refusal| refusal.case == AdmitCase::Unreachable);
    if refused.is_empty() && unreachable.len() < judged.len() {
        return None;
    }
    let ends = judged.iter().map(|one| match &one.verdict {
        Err(refusal) => report::refused(
            one.subject.path.to_string(),
            one.subject.reported_user(),
            refusal,
        ),
        Ok(_) => held_back(one.subject),
    });
    let mut report = report::together(&request.environment, ends.collect());
    report.protected = is_protected(judged.iter().map(|one| one.subject));
    Some(report)
}

/// A path that could be rotated, were it not for another one.
fn held_back(subject: &Subject) -> PathEnd {
    let path = subject.path.to_string();
    let mut report = PathReport::new(path, PathOutcome::Refused, Step::Preflight);
    report.user = subject.reported_user().map(report::shown);
    report.error = Some(ErrorReport {
        code: "held-back".to_owned(),
        message: "nothing was changed here, since another path was refused".to_owned(),
        remedy: format!(
            "mend the other path, or rotate this one alone: handover rotate {} {}",
            subject.environment, subject.path
        ),
    });
    (report, Exit::Refused)
}

/// The refusals that need no look at any database hold for all paths.
fn refused_unseen(subjects: &[Subject], request: &RotateRequest, refusal: &Refusal) -> Report {
    let ends = subjects
        .iter()
        .map(|subject| report::refused(subject.path.to_string(), subject.reported_user(), refusal));
    let mut report = report::together(&request.environment, ends.collect());
    report.error = Some(ErrorReport::from(refusal));
    report.protected = is_protected(subjects.iter());
    report
}

/// Asked to stop before anything was begun: no rotation is open.
fn interrupted(subjects: &[Subject], request: &RotateRequest, signal: Signal) -> Report {
    let error = ErrorReport {
        code: "interrupted".to_owned(),
        message: format!("{signal}: stopped before anything was begun"),
        remedy: format!("handover rotate {}", request.environment),
    };
    let ends = subjects.iter().map(|subject| {
        let path = subject.path.to_string();
        let mut report = PathReport::new(path, PathOutcome::Interrupted, Step::Preflight);
        report.user = subject.reported_user().map(report::shown);
        report.error = Some(error.clone());
        (report, Exit::Refused)
    });
    let mut report = report::together(&request.environment, ends.collect());
    report.error = Some(error.clone());
    report.protected = is_protected(subjects.iter());
    report
}

fn is_protected<'a>(mut subjects: impl Iterator<Item = &'a Subject>) -> bool {
    subjects.any(|subject| subject.protected)
}

fn planned(subjects: &[Subject], request: &RotateRequest, judged: &[Judged<'_>]) -> Report {
    let ends = judged.iter().map(|one| {
        let path = one.subject.path.to_string();
        match &one.verdict {
            Ok(plan) => report::planned(path, one.subject.user(), plan.clone()),
            Err(refusal) => report::refused(path, one.subject.reported_user(), refusal),
        }
    });
    let mut report = report::together(&request.environment, ends.collect());
    report.protected = is_protected(subjects.iter());
    report
}

fn tell_step(observer: &Observer, subjects: &[Subject], step: Step, done: bool) {
    for subject in subjects {
        let path = subject.path.to_string();
        observer.tell(match done {
            true => Progress::Done { path, step },
            false => Progress::Begun { path, step },
        });
    }
}

/// The admitted paths with what S1 has already seen; the others stay parked.
fn begin<'a>(
    workspace: &'a Workspace,
    observer: &'a Observer,
    request: &RotateRequest,
    number: RotationId,
    judged: Vec<Judged<'a>>,
) -> (Rotation<'a>, Vec<PathEnd>) {
    let mut rotation = Rotation {
        number,
        environment: request.environment.clone(),
        protected: is_protected(judged.iter().map(|one| one.subject)),
        runs: Vec::new(),
    };
    let mut others = Vec::new();
    for one in judged {
        let subject = one.subject;
        let plan = match one.verdict {
            Ok(plan) => plan,
            Err(refusal) => {
                let path = subject.path.to_string();
                others.push(report::refused(path, subject.reported_user(), &refusal));
                continue;
            }
        };
        let events = vec![Event::Admitted(admitted(subject, &plan))];
        let mut run = Run::new(workspace, observer, subject, Intent::Rotate, number, events);
        run.reason = request.reason.clone();
        run.compromised = request.compromised;
        run.waived = request.waiver.is_some();
        take_over(&mut run, one.found);
        rotation.runs.push(run);
    }
    (rotation, others)
}

/// What S1 has seen need not be looked at again.
pub(super) fn take_over(run: &mut Run<'_>, found: Preflight) {
    if let Ok((managing, facts)) = found.managing {
        run.managing = Some(managing);
        run.facts = Some(facts);
    }
    run.gate = Some(match found.gate {
        Gate::Shut(_) if !run.waived => GateLook::Shut,
        Gate::Open | Gate::Shut(_) => GateLook::Open,
    });
    run.others = found.others;
    if let Some(twins) = &found.twins {
        run.twins = twin_look(run.subject, twins);
    }
    run.epoch.current = Some(found.current);
    run.epoch.previous = found.previous;
    // What kept an earlier look of this run from an answer is over.
    run.epoch.fault = None;
    run.own = found.own;
}
