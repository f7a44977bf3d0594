//! `handover abandon`: gives one path of an open rotation up.

use super::arguments::AbandonArguments;
use super::output::Printer;
use super::{ask, recover, report, stopping};
use crate::operations::hand_over::{Purpose, ResumeRequest};
use crate::operations::{Exit, Failure, Workspace};

pub(super) async fn run(
    workspace: Result<Workspace, Failure>,
    arguments: AbandonArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let environment = arguments.environment.clone();
    let request = ResumeRequest {
        environment: arguments.environment,
        paths: vec![arguments.path],
        purpose: Purpose::Abandon,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
    };
    let answer = match &workspace {
        Ok(workspace) => recover::go_on(workspace, request, printer, &stopping::listen()).await,
        Err(failure) => Err(failure.clone()),
    };
    Ok(report::finish(printer, environment, answer))
}
