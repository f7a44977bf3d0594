//! `handover retry`: the failed paths of an open rotation, with the same passwords.

use super::arguments::RetryArguments;
use super::output::Printer;
use super::{ask, recover, report, stopping};
use crate::operations::hand_over::{Purpose, ResumeRequest};
use crate::operations::{Exit, Failure, Workspace};

pub(super) async fn run(
    workspace: Result<Workspace, Failure>,
    arguments: RetryArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let environment = arguments.environment.clone();
    let request = ResumeRequest {
        environment: arguments.environment,
        paths: arguments.paths,
        purpose: Purpose::Retry,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
    };
    let answer = match &workspace {
        Ok(workspace) => recover::go_on(workspace, request, printer, &stopping::listen()).await,
        Err(failure) => Err(failure.clone()),
    };
    Ok(report::finish(printer, environment, answer))
}
