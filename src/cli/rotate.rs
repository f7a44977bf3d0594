//! `handover rotate`.

use super::arguments::RotateArguments;
use super::output::Printer;
use super::{ask, report, stopping};
use crate::operations::hand_over::{
    Confirmation, HandOverStatus, Observer, Report, RotateRequest, plan, rotate,
};
use crate::operations::{Exit, Failure, Workspace};

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
    };
    if arguments.plan {
        return plan(workspace, &request, &Observer::default()).await;
    }
    let stop = stopping::listen();
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
    answer
}
