//! `handover recover`.

use super::arguments::RecoverArguments;
use super::output::Printer;
use super::{ask, failure, report, retire, runbook, stopping};
use crate::model::EnvironmentName;
use crate::operations::hand_over::{
    Confirmation, HandOverStatus, Observer, Purpose, Report, ResumeRequest, explain, list_leaked,
    list_open, resume,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::process::StopSignal;

pub(super) async fn run(
    workspace: Result<Workspace, Failure>,
    arguments: RecoverArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let workspace = match workspace {
        Ok(workspace) => workspace,
        Err(failure) => return Ok(fail(printer, arguments.environment, &failure)),
    };
    let environments = match &arguments.environment {
        Some(environment) => vec![environment.clone()],
        None => match unfinished(&workspace).await {
            Ok(names) => names,
            Err(failure) => return Ok(fail(printer, None, &failure)),
        },
    };
    if environments.is_empty() {
        print_nothing_open(printer);
        return Ok(Exit::Done);
    }
    let stop = stopping::listen();
    let mut exit = Exit::Done;
    for environment in environments {
        let one = one(&workspace, environment.clone(), &arguments, printer, &stop).await;
        exit = exit.worse(match one {
            Ok(report) => print_one(printer, &report),
            Err(failure) => fail(printer, Some(environment), &failure),
        });
    }
    Ok(exit)
}

/// Environments with an open rotation, oldest first, and those with a user whose password
/// leaked and that is not shut out.
async fn unfinished(workspace: &Workspace) -> Result<Vec<EnvironmentName>, Failure> {
    let open = list_open(workspace).await?.into_iter();
    let mut names: Vec<EnvironmentName> = open.map(|open| open.environment).collect();
    for leaked in list_leaked(workspace, None).await? {
        if !names.contains(&leaked.environment) {
            names.push(leaked.environment);
        }
    }
    Ok(names)
}

async fn one(
    workspace: &Workspace,
    environment: EnvironmentName,
    arguments: &RecoverArguments,
    printer: &Printer,
    stop: &StopSignal,
) -> Result<Report, Failure> {
    let request = ResumeRequest {
        environment,
        paths: Vec::new(),
        purpose: Purpose::Recover,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
    };
    if arguments.explain || arguments.runbook.is_some() {
        let seen = explain(workspace, &request, &Observer::default()).await?;
        if let Some(file) = &arguments.runbook {
            runbook::write(file, &seen)?;
        }
        return Ok(seen);
    }
    go_on(workspace, request, printer, stop).await
}

/// Asks where somebody can answer, then goes on with the open rotation.
pub(super) async fn go_on(
    workspace: &Workspace,
    mut request: ResumeRequest,
    printer: &Printer,
    stop: &StopSignal,
) -> Result<Report, Failure> {
    let may_ask = ask::can_ask(printer) && stop.wanted().is_none();
    if request.confirmation == Confirmation::None && may_ask {
        let seen = explain(workspace, &request, &Observer::default()).await?;
        if seen.status != HandOverStatus::Planned {
            // There is nothing to agree to.
            return Ok(seen);
        }
        for line in report::recovery_lines(&seen) {
            printer.note(&line);
        }
        let name = request.environment.to_string();
        let typed = seen.protected.then_some(name.as_str());
        request.confirmation = ask::ask("Do this now?", typed);
    }
    let (observer, watching) = report::watch(printer);
    let (observer, _held) = stopping::hold(stop, printer, observer);
    let answer = resume(workspace, &request, &observer).await;
    drop(observer);
    if let Some(watching) = watching {
        let _ = watching.await;
    }
    answer
}

fn print_one(printer: &Printer, report: &Report) -> Exit {
    let nothing_open = report.rotation.is_none()
        && report.status == HandOverStatus::Done
        && report.paths.is_empty();
    if printer.is_json() {
        return report::print(printer, report);
    }
    match nothing_open {
        true => print_nothing_open(printer),
        false => drop(report::print(printer, report)),
    }
    for one in &report.retired {
        retire::finish(one, printer);
    }
    report.whole_exit()
}

fn print_nothing_open(printer: &Printer) {
    if printer.is_json() {
        printer.json(&Report::nothing_open());
    } else {
        printer.line("No rotation is open.");
    }
}

fn fail(printer: &Printer, environment: Option<EnvironmentName>, failure: &Failure) -> Exit {
    if printer.is_json() {
        return report::print(printer, &Report::failed(environment, failure));
    }
    failure::explain(printer, failure);
    failure.exit
}
