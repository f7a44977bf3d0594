//! `publish`: the newest revision of an environment to all of its files, by hand.

use std::sync::Arc;

use serde_json::json;

use super::deliver::{Delivery, Which};
use super::is_protected;
use super::report::{PublishReport, PublishStatus};
use crate::model::EnvironmentName;
use crate::operations::hand_over::confirm::missing_agreement;
use crate::operations::hand_over::{Confirmation, ErrorReport, Observer, effects};
use crate::operations::loading::Head;
use crate::operations::{Exit, Failure, SourceOfTruth, Workspace, sinks};
use crate::rotation::{Action, Case, Intent, refuse_locked};
use crate::store::Locked;

/// What an operator wants.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Files that may be overwritten, whatever stands in them.
    pub overwrite: Vec<String>,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// Shows what would be written where; nothing is changed.
///
/// # Errors
/// What is wrong with the input or the store.
pub async fn plan_publish(
    workspace: &Workspace,
    request: &PublishRequest,
) -> Result<PublishReport, Failure> {
    let observer = Observer::default();
    let mut report = begun(workspace, request).await?;
    report.sinks = delivery(workspace, request, &observer).look().await?;
    let acts = report
        .sinks
        .iter()
        .any(|sink| sink.next == Some(Action::Publish));
    weigh(&mut report);
    if acts {
        report.status = PublishStatus::Planned;
        report.exit = Exit::Done;
    }
    Ok(report)
}

/// Gives every file the newest revision, one after the other.
///
/// # Errors
/// What is wrong with the input or the store; a file that fails is a report.
pub async fn publish(
    workspace: &Workspace,
    request: &PublishRequest,
    observer: &Observer,
) -> Result<PublishReport, Failure> {
    let environment = &request.environment;
    let mut report = begun(workspace, request).await?;
    let look = "handover publish --plan";
    let missing = missing_agreement(environment, report.protected, look, &request.confirmation);
    if let Some(error) = missing {
        return Ok(refused(report, error));
    }
    let environment_id = environment_id(workspace, environment).await?;
    let _lock = match effects::lock(workspace, &environment_id).await? {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => {
            let refusal = refuse_locked(environment, &holder);
            return Ok(refused(report, ErrorReport::from(&refusal)));
        }
    };
    ask(workspace, request).await?;
    report.sinks = delivery(workspace, request, observer).all().await?;
    weigh(&mut report);
    Ok(report)
}

fn delivery<'a>(
    workspace: &'a Workspace,
    request: &'a PublishRequest,
    observer: &'a Observer,
) -> Delivery<'a> {
    Delivery {
        workspace,
        observer,
        environment: &request.environment,
        which: Which::All,
        intent: Intent::Retry,
        overwrite: &request.overwrite,
        reason: request.reason.as_deref(),
    }
}

async fn begun(workspace: &Workspace, request: &PublishRequest) -> Result<PublishReport, Failure> {
    let environment = request.environment.clone();
    let wanted = request.overwrite.clone();
    let name = environment.clone();
    let read = workspace.store.read(move |transaction| {
        let head = Head::load(transaction, &name)?;
        let files = head.settings.sinks().iter().map(|sink| sink.file.clone());
        Ok::<_, Failure>((head.row.head, files.collect::<Vec<_>>()))
    });
    let (revision, files) = read.await?;
    if files.is_empty() {
        return Err(Failure::new(
            "no-sink",
            Exit::Usage,
            format!("the settings of {environment} publish to no file"),
            format!(
                "add `publish: [{{file: …, template: …}}]`: handover env settings set \
                 {environment} -f FILE"
            ),
        ));
    }
    if let Some(file) = wanted.iter().find(|file| !files.contains(file)) {
        return Err(Failure::new(
            "no-such-sink",
            Exit::Usage,
            format!(
                "the settings of {environment} do not publish to {}",
                crate::untrusted::Untrusted::new(file)
            ),
            format!("there are: {}", files.join(", ")),
        ));
    }
    Ok(PublishReport {
        protected: is_protected(workspace, &environment).await?,
        environment,
        revision,
        status: PublishStatus::Done,
        error: None,
        sinks: Vec::new(),
        exit: Exit::Done,
    })
}

async fn environment_id(
    workspace: &Workspace,
    environment: &EnvironmentName,
) -> Result<String, Failure> {
    let name = environment.clone();
    let read = workspace
        .store
        .read(move |transaction| Ok::<_, Failure>(Head::load(transaction, &name)?.row.id));
    read.await
}

/// That it was asked for is written down. Texts may have become others since the last save,
/// where they refer to other environments.
async fn ask(workspace: &Workspace, request: &PublishRequest) -> Result<(), Failure> {
    let name = request.environment.clone();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let detail = json!({"overwrite": request.overwrite, "reason": request.reason});
    effects::write(workspace, "publish-asked", move |transaction| {
        let head = Head::load(transaction, &name)?;
        let truth = SourceOfTruth {
            name: format!("{name} (settings)"),
            text: head.revision.settings,
        };
        sinks::follow(transaction, &master, &name, truth)?;
        let action = "publish.asked";
        Workspace::audit(
            &master,
            transaction,
            &requester,
            action,
            Some(&name),
            detail,
        )?;
        Ok(())
    })
    .await
}

fn refused(mut report: PublishReport, error: ErrorReport) -> PublishReport {
    report.status = PublishStatus::Refused;
    report.error = Some(error);
    report.exit = Exit::Refused;
    report
}

/// The most serious of the files is how the whole ended.
fn weigh(report: &mut PublishReport) {
    let of = |case| report.sinks.iter().find(|sink| sink.case == Some(case));
    let due = || report.sinks.iter().find(|sink| !sink.is_confirmed());
    let worst = of(Case::SinkForeign)
        .or_else(|| of(Case::SinkFailed))
        .or_else(due);
    (report.status, report.exit) = match worst {
        None => return,
        Some(sink) if sink.case == Some(Case::SinkForeign) => {
            (PublishStatus::Parked, Exit::NeedsHuman)
        }
        Some(_) => (PublishStatus::Partial, Exit::Partial),
    };
    report.error = worst.and_then(|sink| sink.error.clone());
}
