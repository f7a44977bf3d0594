//! `handover publish`, and what is told of files elsewhere.

use super::arguments::PublishArguments;
use super::output::Printer;
use super::style::Role;
use super::{ask, stopping};
use crate::operations::hand_over::{
    Confirmation, Observer, PublishReport, PublishRequest, PublishStatus, SinkReport, plan_publish,
    publish,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::SinkState;

pub(super) async fn run(
    workspace: &Workspace,
    arguments: PublishArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut request = PublishRequest {
        environment: arguments.environment,
        overwrite: arguments.overwrite,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
        reason: arguments.reason,
    };
    if arguments.plan {
        let planned = plan_publish(workspace, &request).await?;
        return Ok(finish(&planned, printer));
    }
    let stop = stopping::listen();
    if request.confirmation == Confirmation::None && ask::can_ask(printer) {
        let planned = plan_publish(workspace, &request).await?;
        if planned.status != PublishStatus::Planned {
            return Ok(finish(&planned, printer));
        }
        for line in lines(&planned.sinks) {
            printer.note(&line);
        }
        let name = request.environment.to_string();
        let typed = planned.protected.then_some(name.as_str());
        request.confirmation = ask::ask("Write these files?", typed);
    }
    let (observer, _held) = stopping::hold(&stop, printer, Observer::default());
    let report = publish(workspace, &request, &observer).await?;
    Ok(finish(&report, printer))
}

fn finish(report: &PublishReport, printer: &Printer) -> Exit {
    if printer.is_json() {
        printer.json(report);
        return report.exit;
    }
    let is_good = report.exit == Exit::Done;
    let style = match is_good {
        true => printer.style,
        false => printer.error_style,
    };
    let (role, words) = match report.status {
        PublishStatus::Planned => (Role::Ok, "✓ planned"),
        PublishStatus::Done => (Role::Ok, "✓ done"),
        PublishStatus::Partial => (Role::Warn, "◐ partial"),
        PublishStatus::Refused => (Role::Warn, "■ refused"),
        PublishStatus::Parked => (Role::Danger, "▲ parked"),
    };
    let mut all = vec![format!(
        "{}  {}: revision {}",
        style.paint(role, words),
        report.environment,
        report.revision
    )];
    all.extend(lines(&report.sinks));
    if report.sinks.is_empty()
        && let Some(error) = &report.error
    {
        all.push(format!("  {}", error.message));
        all.push(format!("  remedy: {}", error.remedy));
    }
    printer.ending(&all, is_good);
    report.exit
}

/// Each file in a line, and what is wrong with it below.
pub(super) fn lines(sinks: &[SinkReport]) -> Vec<String> {
    let mut lines = Vec::new();
    for sink in sinks {
        let state = match (sink.state, sink.delivered) {
            (SinkState::Confirmed, Some(revision)) => format!("✓ has revision {revision}"),
            (_, delivered) => {
                let has = match delivered {
                    Some(revision) => format!("has revision {revision}"),
                    None => "was never written".to_owned(),
                };
                let case = sink.case.map(|case| format!(" {case}:"));
                let case = case.unwrap_or_default();
                format!("▲{case} {has}, is to have {}", sink.revision)
            }
        };
        lines.push(format!("  file    {}   {state}", sink.file));
        if let Some(action) = sink.next {
            lines.push(format!("  do      {}", action.words()));
        }
        if let Some(error) = &sink.error {
            lines.push(format!("  found   {}", error.message));
            lines.push(format!("  remedy  {}", error.remedy));
        }
    }
    lines
}
