//! `handover retire`: lock the outgoing user, listen, scramble; and the way back.

use super::arguments::RetireArguments;
use super::output::Printer;
use super::style::Role;
use super::{ask, stopping};
use crate::drain::Ear;
use crate::model::{RetireStep, Stage};
use crate::operations::hand_over::{
    Confirmation, Observer, RetireReport, RetireRequest, RetireStatus, plan_retire, retire,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::client_lines;

pub(super) async fn run(
    workspace: &Workspace,
    arguments: RetireArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut request = RetireRequest {
        environment: arguments.environment,
        path: arguments.path,
        undo: arguments.undo,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
        reason: arguments.reason,
        waiver: arguments.waive_drain,
        end_sessions: arguments.end_sessions,
        by_agent: false,
    };
    if arguments.plan {
        let planned = plan_retire(workspace, &request).await?;
        return Ok(finish(&planned, printer));
    }
    let stop = stopping::listen();
    if request.confirmation == Confirmation::None && ask::can_ask(printer) {
        let planned = plan_retire(workspace, &request).await?;
        if planned.status != RetireStatus::Planned {
            return Ok(finish(&planned, printer));
        }
        for line in lines(&planned) {
            printer.note(&line);
        }
        let name = request.environment.to_string();
        let typed = planned.protected.then_some(name.as_str());
        let question = match planned.step {
            Some(RetireStep::Unlock) => "Let it in again?",
            Some(RetireStep::Scramble) => "Scramble its password? This has no way back.",
            _ => "Lock it?",
        };
        request.confirmation = ask::ask(question, typed);
        // A password that leaked: whose sessions are ended is typed, once.
        if planned.compromised
            && !request.undo
            && request.end_sessions.is_none()
            && !planned.sessions.is_empty()
        {
            let user = planned.user.to_string();
            let question = format!("End its {} sessions as well?", planned.sessions.len());
            if let Confirmation::Named(user) = ask::ask(&question, Some(&user)) {
                request.end_sessions = Some(user);
            }
        }
    }
    let (observer, _held) = stopping::hold(&stop, printer, Observer::default());
    let report = retire(workspace, &request, &observer).await?;
    Ok(finish(&report, printer))
}

/// Prints how it ended.
pub(super) fn finish(report: &RetireReport, printer: &Printer) -> Exit {
    if printer.is_json() {
        printer.json(report);
        return report.exit;
    }
    let is_good = report.exit == Exit::Done;
    let style = match is_good {
        true => printer.style,
        false => printer.error_style,
    };
    let (role, words) = verdict(report);
    let mut all = vec![format!(
        "{}  {} · {}: {}",
        style.paint(role, words),
        report.environment,
        report.path,
        sentence(report)
    )];
    if report.status != RetireStatus::Done {
        let found = lines(report).into_iter().skip(1);
        all.extend(found.map(|line| format!("  {line}")));
    }
    all.extend(
        report
            .warnings
            .iter()
            .map(|words| format!("  warning   {words}")),
    );
    if let Some(error) = &report.error {
        all.push(format!("  {}", error.message));
        all.push(format!("  remedy: {}", error.remedy));
    }
    printer.ending(&all, is_good);
    report.exit
}

fn verdict(report: &RetireReport) -> (Role, &'static str) {
    match report.status {
        RetireStatus::Planned => (Role::Ok, "✓ planned"),
        RetireStatus::Due => (Role::Danger, "▲ leaked"),
        RetireStatus::Done => (Role::Ok, "✓ done"),
        RetireStatus::Nothing => (Role::Ok, "✓ nothing to do"),
        RetireStatus::Waiting if report.listening == Some(Ear::Listening) => {
            (Role::Ok, "… listening")
        }
        RetireStatus::Waiting => (Role::Ok, "… waiting"),
        RetireStatus::Refused => (Role::Warn, "■ refused"),
        RetireStatus::Undone => (Role::Warn, "■ taken back"),
        RetireStatus::Parked => (Role::Danger, "▲ not known"),
        RetireStatus::Unreachable => (Role::Warn, "? unreachable"),
    }
}

fn sentence(report: &RetireReport) -> String {
    let user = &report.user;
    match (report.status, report.stage) {
        (RetireStatus::Waiting, _) => {
            let left = std::time::Duration::from_secs(report.listen_seconds.unwrap_or(0));
            let left = crate::rotation::seconds(left);
            match report.listening {
                Some(Ear::Listening) => {
                    format!("{user} is locked; refused logins are listened for, {left} more")
                }
                _ => format!(
                    "{user} is locked; its server counts no refused logins, so that nobody can be \
                     heard: {left} more are waited"
                ),
            }
        }
        (RetireStatus::Done | RetireStatus::Nothing, Some(Stage::Locked)) => format!(
            "{user} may not log in any more; its password stays: handover retire {} {} --undo",
            report.environment, report.path
        ),
        (RetireStatus::Done, Some(Stage::Scrambled)) => {
            let revision = report
                .revision
                .map(|number| format!(" (revision {number})"));
            format!(
                "the password of {user} is gone{}; the next rotation gives it a new one",
                revision.unwrap_or_default()
            )
        }
        (RetireStatus::Done, _) => format!("{user} may log in again"),
        (RetireStatus::Nothing, Some(Stage::Scrambled)) if report.ended > 0 => {
            format!(
                "{} sessions of {user} were ended; its password is gone already",
                report.ended
            )
        }
        (RetireStatus::Nothing, Some(Stage::Scrambled)) => {
            format!("the password of {user} is scrambled already")
        }
        (RetireStatus::Nothing, _) => format!("{user} may log in"),
        (RetireStatus::Planned, _) => "nothing was changed".to_owned(),
        (RetireStatus::Parked, _) => "a person is needed".to_owned(),
        (RetireStatus::Undone, _) => format!("{user} may log in again"),
        (RetireStatus::Due, _) => "still to be shut out".to_owned(),
        (RetireStatus::Refused | RetireStatus::Unreachable, _) => {
            "this command changed nothing".to_owned()
        }
    }
}

/// What would be done, and to whom.
fn lines(report: &RetireReport) -> Vec<String> {
    let mut lines = vec![format!(
        "plan       {} · {}",
        report.environment, report.path
    )];
    if let Some(words) = &report.statement {
        lines.push(format!("changes    {words}"));
    }
    for (label, words) in client_lines(&report.sessions, &report.seen) {
        lines.push(format!("{label:<11}{words}"));
    }
    for waived in &report.waived {
        lines.push(format!("waived     {waived}"));
    }
    let back = match report.step {
        // What is refused needs no way back.
        _ if report.status != RetireStatus::Planned => None,
        Some(RetireStep::Lock) => Some("the lock is taken back by `--undo`"),
        Some(RetireStep::Unlock) => Some("lock it again by `handover retire`"),
        Some(RetireStep::Scramble) => Some("none: the next rotation gives it a new password"),
        None => None,
    };
    lines.extend(back.map(|words| format!("way back   {words}")));
    lines
}
