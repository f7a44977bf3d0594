//! `handover rotate`.

use chrono::Utc;

use super::arguments::RotateArguments;
use super::output::Printer;
use super::schedule::freeze_words;
use super::{ask, report, stopping};
use crate::operations::hand_over::{
    self, Confirmation, HandOverStatus, Observer, Report, RetireRequest, RotateRequest, plan,
    rotate,
};
use crate::operations::{Exit, Failure, Workspace, current_freeze};

pub(super) async fn run(
    workspace: Result<Workspace, Failure>,
    arguments: RotateArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let environment = arguments.environment.clone();
    let answer = match workspace {
        Ok(workspace) => hand_over(&workspace, arguments, printer).await,
        Err(failure) => Err(failure),
    };
    Ok(report::finish(printer, environment, answer))
}

/// Ends the sessions that go on with a password that leaked, after whose they are was typed.
async fn end_sessions(
    workspace: &Workspace,
    request: &RotateRequest,
    answer: &mut Report,
) -> Result<(), Failure> {
    for retired in &mut answer.retired {
        if retired.sessions.is_empty() {
            continue;
        }
        let user = retired.user.to_string();
        let question = format!(
            "{} sessions of {user} go on with the password that leaked. End them?",
            retired.sessions.len()
        );
        let Confirmation::Named(user) = ask::ask(&question, Some(&user)) else {
            continue;
        };
        let Ok(path) = retired.path.parse() else {
            continue;
        };
        let again = RetireRequest {
            environment: request.environment.clone(),
            path,
            undo: false,
            confirmation: request.confirmation.clone(),
            reason: request.reason.clone(),
            waiver: None,
            end_sessions: Some(user),
            by_agent: false,
        };
        *retired = hand_over::retire(workspace, &again, &Observer::default()).await?;
    }
    Ok(())
}

async fn hand_over(
    workspace: &Workspace,
    arguments: RotateArguments,
    printer: &Printer,
) -> Result<Report, Failure> {
    let mut request = RotateRequest {
        environment: arguments.environment,
        paths: arguments.paths,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
        reason: arguments.reason,
        waiver: arguments.waive_drain,
        compromised: arguments.compromised,
        scheduled: None,
    };
    if arguments.plan {
        return plan(workspace, &request, &Observer::default()).await;
    }
    let stop = stopping::listen();
    if let Some(freeze) = current_freeze(workspace).await? {
        let now = Utc::now();
        printer.note(&format!(
            "note: {}; this rotation is asked for by hand and goes on",
            freeze_words(&freeze, now)
        ));
    }
    if request.confirmation == Confirmation::None && ask::can_ask(printer) {
        let planned = plan(workspace, &request, &Observer::default()).await?;
        if planned.status != HandOverStatus::Planned {
            return Ok(planned);
        }
        for line in report::plans_lines(&planned) {
            printer.note(&line);
        }
        let name = request.environment.to_string();
        let typed = planned.protected.then_some(name.as_str());
        request.confirmation = ask::ask("Rotate now?", typed);
    }
    let (observer, watching) = report::watch(printer);
    let (observer, _held) = stopping::hold(&stop, printer, observer);
    let answer = rotate(workspace, &request, &observer).await;
    drop(observer);
    if let Some(watching) = watching {
        let _ = watching.await;
    }
    let mut answer = answer?;
    if ask::can_ask(printer) {
        end_sessions(workspace, &request, &mut answer).await?;
    }
    Ok(answer)
}
