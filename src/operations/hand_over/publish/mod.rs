//! S6: the files of an environment get the new credential, and their readers are told.
//!
//! The store is the memory: the fingerprint of what is about to be written is durable before the
//! file is, and the outcome after it, so that a run that was killed in between finds its own text
//! again. What is done with a file is chosen by [`decide`](crate::rotation::decide); delivering
//! the same text once more does no harm, and its readers may be told twice.

mod by_hand;
mod deliver;
mod report;

pub use by_hand::{PublishRequest, plan_publish, publish};
pub use report::{PublishReport, PublishStatus, SinkReport};

use self::deliver::{Delivery, Which};
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, Report};
use super::{Observer, Progress};
use crate::model::settings::Protection;
use crate::model::{EnvironmentName, RotationId, Step};
use crate::operations::loading::Head;
use crate::operations::notices::{self, RotationFact};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Action, Case, Intent};
use crate::store::{journal, sinks};

/// S6 of a rotation whose runs have stopped, told in their report.
pub(super) async fn after_promote(
    workspace: &Workspace,
    observer: &Observer,
    intent: Intent,
    report: &mut Report,
) {
    let (Some(rotation), Some(environment)) = (report.rotation, report.environment.clone()) else {
        return;
    };
    let promoted: Vec<String> = report
        .paths
        .iter()
        .filter(|path| path.status == PathOutcome::Done)
        .map(|path| path.path.clone())
        .collect();
    let delivery = Delivery {
        workspace,
        observer,
        environment: &environment,
        which: Which::Of(rotation),
        intent,
        overwrite: &[],
        reason: None,
    };
    let is_waited_for = is_waited_for(workspace, rotation).await.unwrap_or(true);
    let tell = |done: bool| {
        for path in promoted.iter().filter(|_| is_waited_for).cloned() {
            let step = Step::Publish;
            observer.tell(match done {
                true => Progress::Done { path, step },
                false => Progress::Begun { path, step },
            });
        }
    };
    tell(false);
    match delivery.all().await {
        Ok(found) => {
            let all = found.iter().all(SinkReport::is_confirmed);
            if all && !found.is_empty() {
                tell(true);
                let paths = report.paths.iter_mut();
                for path in paths.filter(|path| path.status == PathOutcome::Done) {
                    path.step = Step::Publish;
                }
            }
            report.sinks = found;
            weigh(report);
        }
        Err(failure) => {
            let mut error = ErrorReport::from(&failure);
            error.remedy = format!("{}; then: handover recover {environment}", error.remedy);
            report.exit = ExitCode(report.exit.0.worse(Exit::Partial));
            report.status = HandOverStatus::Partial;
            report.error.get_or_insert(error);
        }
    }
    let is_over = |status| {
        use PathOutcome::{Abandoned, Aborted, Done};
        matches!(status, Done | Abandoned | Aborted)
    };
    if report.paths.iter().all(|path| is_over(path.status))
        && let Err(failure) = close_what_is_over(workspace, &environment, rotation).await
    {
        tracing::warn!(error = %failure.message, "the rotation stays open");
    }
}

async fn is_waited_for(workspace: &Workspace, rotation: RotationId) -> Result<bool, Failure> {
    let waits = workspace
        .store
        .read(move |transaction| sinks::hold_open(transaction, rotation));
    Ok(waits.await?)
}

/// A file that was taken out of the settings holds no rotation open any more.
async fn close_what_is_over(
    workspace: &Workspace,
    environment: &EnvironmentName,
    rotation: RotationId,
) -> Result<(), Failure> {
    let is_due = workspace.store.read(move |transaction| {
        let open = journal::list_open(transaction)?;
        let is_open = open.iter().any(|one| one.id == rotation);
        Ok::<_, Failure>(is_open && !sinks::hold_open(transaction, rotation)?)
    });
    if is_due.await? {
        let environment = environment.clone();
        let closing = workspace.store.write(move |transaction| {
            if journal::close_if_over(transaction, rotation, &timestamp())? {
                let fact = RotationFact::Published;
                notices::of_rotation(transaction, &environment, rotation, fact)?;
            }
            Ok::<_, Failure>(())
        });
        closing.await?;
    }
    Ok(())
}

/// What going on with a rotation would do with its files.
pub(super) struct Waiting {
    /// Whether the environment's name has to be typed.
    pub(super) protected: bool,
    /// Its files.
    pub(super) sinks: Vec<SinkReport>,
}

impl Waiting {
    /// Whether something would be written or sent.
    pub(super) fn acts(&self) -> bool {
        let mut sinks = self.sinks.iter();
        sinks.any(|sink| sink.next == Some(Action::Publish))
    }
}

/// Looks at the files that a rotation waits for; nothing is changed.
///
/// # Errors
/// The store's own.
pub(super) async fn waiting(
    workspace: &Workspace,
    environment: &EnvironmentName,
    rotation: RotationId,
    intent: Intent,
) -> Result<Waiting, Failure> {
    let delivery = Delivery {
        workspace,
        observer: &Observer::default(),
        environment,
        which: Which::Of(rotation),
        intent,
        overwrite: &[],
        reason: None,
    };
    Ok(Waiting {
        protected: is_protected(workspace, environment).await?,
        sinks: delivery.look().await?,
    })
}

async fn is_protected(
    workspace: &Workspace,
    environment: &EnvironmentName,
) -> Result<bool, Failure> {
    let name = environment.clone();
    let read = workspace.store.read(move |transaction| {
        let head = Head::load(transaction, &name)?;
        Ok::<_, Failure>(head.settings.protection() == Protection::Production)
    });
    read.await
}

/// Tells of files that are waited for, in a report that changes nothing.
pub(super) fn plan(report: &mut Report, waiting: Waiting) {
    report.protected |= waiting.protected;
    let acts = waiting.acts();
    report.sinks = waiting.sinks;
    match acts
        && matches!(
            report.status,
            HandOverStatus::Done | HandOverStatus::Planned
        ) {
        true => report.status = HandOverStatus::Planned,
        false => weigh(report),
    }
}

/// The most serious of the files has its say in how the whole ended.
fn weigh(report: &mut Report) {
    let of_case = |case: Case| {
        let mut sinks = report.sinks.iter();
        sinks.find(|sink| sink.case == Some(case))
    };
    let due = || report.sinks.iter().find(|sink| !sink.is_confirmed());
    let Some(worst) = of_case(Case::SinkForeign)
        .or_else(|| of_case(Case::SinkFailed))
        .or_else(due)
    else {
        return;
    };
    let (status, exit) = match worst.case {
        Some(Case::SinkForeign) => (HandOverStatus::Parked, Exit::NeedsHuman),
        _ => (HandOverStatus::Partial, Exit::Partial),
    };
    if report.error.is_none() {
        report.error.clone_from(&worst.error);
    }
    if report.status == HandOverStatus::Done {
        report.status = status;
    }
    report.exit = ExitCode(report.exit.0.worse(exit));
}
