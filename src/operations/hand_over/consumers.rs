//! Whether consumers log in, where no rotation has anything to do with their paths: a login tells.

use super::Observer;
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, Report};
use super::report::{self, PathEnd};
use super::resume::{Purpose, ResumeRequest};
use super::run::Run;
use super::subject::Subject;
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, RotationId};
use crate::operations::loading::Head;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Action, Case, Decision, Intent, decide, fold};

/// No rotation is open. Consumers may be down all the same: a login tells.
pub(super) async fn nothing_open(
    workspace: &Workspace,
    request: &ResumeRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let environment = &request.environment;
    if request.purpose != Purpose::Recover {
        return Err(Failure::new(
            "nothing-open",
            Exit::Refused,
            format!(
                "no rotation is open on {environment}, so there is nothing to {}",
                request.purpose.verb()
            ),
            format!("handover status {environment}"),
        ));
    }
    let ends = ends_of_all(workspace, observer, environment).await?;
    Ok(report::together(environment, ends))
}

/// What consumers read is looked at beside files that were waited for, and is worse than those:
/// the rotation's own paths are over, and nobody else looks at them.
///
/// # Errors
/// What is wrong with the store.
pub(super) async fn add(
    workspace: &Workspace,
    observer: &Observer,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(environment) = report.environment.clone() else {
        return Ok(());
    };
    // Whoever has to agree first, or to wait, is told that first.
    let is_refused = report.status == HandOverStatus::Refused;
    for (path, exit) in ends_of_all(workspace, observer, &environment).await? {
        // Delivering files asks nothing of a database.
        if exit != Exit::NeedsHuman {
            continue;
        }
        if !is_refused {
            report.status = HandOverStatus::Parked;
            report.exit = ExitCode(report.exit.0.worse(exit));
            report.error.clone_from(&path.error);
        }
        match report.paths.iter_mut().find(|one| one.path == path.path) {
            Some(found) => *found = path,
            None => report.paths.push(path),
        }
    }
    Ok(())
}

async fn ends_of_all(
    workspace: &Workspace,
    observer: &Observer,
    environment: &EnvironmentName,
) -> Result<Vec<PathEnd>, Failure> {
    let mut ends = Vec::new();
    for path in rotated_paths(workspace, environment).await? {
        let subject = match Subject::read(workspace, environment, path.clone()).await {
            Ok(subject) => subject,
            // Without a state there is nothing that consumers could read.
            Err(failure) if failure.code == "no-state" => continue,
            Err(failure) => {
                ends.push(report::of_left(path.to_string(), &fold(&[]), &failure));
                continue;
            }
        };
        ends.extend(consumers_end(workspace, observer, &subject).await?);
    }
    Ok(ends)
}

/// With nothing begun there is nothing to do, unless what consumers read is dead, or
/// nobody can tell whether it is.
async fn consumers_end(
    workspace: &Workspace,
    observer: &Observer,
    subject: &Subject,
) -> Result<Option<PathEnd>, Failure> {
    let (intent, number) = (Intent::Recover, RotationId(0));
    let mut run = Run::new(workspace, observer, subject, intent, number, Vec::new());
    let evidence = run.gather_without_journal().await?;
    run.end().await;
    let (case, outcome, exit) = match decide(&run.journal, &evidence, intent) {
        Decision {
            case: Some(case),
            action: Action::Park,
        } => (case, PathOutcome::Parked, Exit::NeedsHuman),
        _ if evidence.current.is_unknown() => (
            Case::Unreachable,
            PathOutcome::Unreachable,
            Exit::Unreachable,
        ),
        _ => return Ok(None),
    };
    let mut of_path = report::of_path(&run, outcome);
    of_path.case = Some(case.name().to_owned());
    of_path.error = Some(ErrorReport {
        code: case.name().to_owned(),
        message: run.explain(case),
        remedy: report::remedy(case, subject.engine, &subject.environment),
    });
    of_path.consumers = Some(run.consumers_words());
    of_path.meaning = Some(case.meaning().to_owned());
    of_path.evidence = run.evidence_words();
    of_path.action = Some(Action::Park.words().to_owned());
    Ok(Some((of_path, exit)))
}

async fn rotated_paths(
    workspace: &Workspace,
    name: &EnvironmentName,
) -> Result<Vec<PropertyPath>, Failure> {
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let secrets = head.environment.rotated_secrets();
            Ok(secrets.iter().map(|secret| secret.path.clone()).collect())
        })
        .await
}
