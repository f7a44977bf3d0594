//! `handover terminate`: end one session of an outgoing user.

use super::arguments::TerminateArguments;
use super::ask;
use super::output::Printer;
use super::style::Role;
use crate::operations::hand_over::{
    Confirmation, EndSessionReport, EndSessionRequest, EndSessionStatus, end_session,
    plan_end_session,
};
use crate::operations::{Exit, Failure, Workspace};

pub(super) async fn run(
    workspace: &Workspace,
    arguments: TerminateArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut request = EndSessionRequest {
        environment: arguments.environment,
        paths: arguments.paths,
        pid: arguments.pid,
        node: arguments.node,
        started: None,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
        reason: arguments.reason,
    };
    if arguments.plan {
        return Ok(finish(
            &plan_end_session(workspace, &request).await?,
            printer,
        ));
    }
    if request.confirmation == Confirmation::None && ask::can_ask(printer) {
        let planned = plan_end_session(workspace, &request).await?;
        let (EndSessionStatus::Planned, Some(session)) = (planned.status, &planned.session) else {
            return Ok(finish(&planned, printer));
        };
        for line in lines(&planned) {
            printer.note(&line);
        }
        // What was shown is what is ended: the number may be somebody else's by then.
        request.started = session.since;
        let number = session.pid.to_string();
        if let Confirmation::Named(_) = ask::ask("End this session?", Some(&number)) {
            let name = request.environment.to_string();
            request.confirmation = match planned.protected {
                true => ask::ask("This is a production environment.", Some(&name)),
                false => Confirmation::Yes,
            };
        }
    }
    Ok(finish(&end_session(workspace, &request).await?, printer))
}

fn finish(report: &EndSessionReport, printer: &Printer) -> Exit {
    if printer.is_json() {
        printer.json(report);
        return report.exit;
    }
    let is_good = report.exit == Exit::Done;
    let (role, words) = match report.status {
        EndSessionStatus::Planned => (Role::Ok, "✓ planned"),
        EndSessionStatus::Done => (Role::Ok, "✓ ended"),
        EndSessionStatus::Gone => (Role::Ok, "✓ gone"),
        EndSessionStatus::Refused => (Role::Warn, "■ refused"),
        EndSessionStatus::Parked => (Role::Danger, "▲ not ended"),
        EndSessionStatus::Unreachable => (Role::Warn, "? unreachable"),
    };
    let style = match is_good {
        true => printer.style,
        false => printer.error_style,
    };
    let mut all = vec![format!(
        "{}  {}",
        style.paint(role, words),
        report.environment
    )];
    all.extend(lines(report).into_iter().map(|line| format!("  {line}")));
    if let Some(error) = &report.error {
        all.push(format!("  {}", error.message));
        all.push(format!("  remedy: {}", error.remedy));
    }
    printer.ending(&all, is_good);
    report.exit
}

fn lines(report: &EndSessionReport) -> Vec<String> {
    let Some(session) = &report.session else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if let (Some(path), Some(user)) = (&report.path, &report.user) {
        lines.push(format!("user       {user}   outgoing user of {path}"));
    }
    let application = match session.application.as_str() {
        "" => "no application name".to_owned(),
        name => format!("\"{name}\""),
    };
    let client = session
        .client
        .as_ref()
        .map(|client| format!(" from {client}"));
    lines.push(format!(
        "session    {} on {}: {application}{}",
        session.pid,
        session.node,
        client.unwrap_or_default()
    ));
    if let Some(since) = session.since {
        let since = since.format("%Y-%m-%d %H:%M:%S UTC");
        lines.push(format!("since      {since}"));
    }
    lines
}
