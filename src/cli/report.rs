//! Prints plans, progress and reports of hand-overs.

use std::io::{IsTerminal, Write};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::output::Printer;
use super::publish;
use super::style::Role;
use super::{failure, retire};
use crate::model::EnvironmentName;
use crate::operations::hand_over::{
    HandOverStatus, Observer, PathOutcome, PathReport, Progress, Report, SinkReport,
};
use crate::operations::{Exit, Failure};
use crate::rotation::Plan;
use crate::untrusted::Untrusted;

/// Prints progress on standard error while a hand-over runs, where that is a terminal.
pub(super) fn watch(printer: &Printer) -> (Observer, Option<JoinHandle<()>>) {
    if printer.is_json() || !std::io::stderr().is_terminal() {
        return (Observer::default(), None);
    }
    let style = printer.error_style;
    let (sender, mut told) = mpsc::channel(64);
    let task = tokio::spawn(async move {
        let mut waiting = String::new();
        // A terminal that was closed meanwhile takes no words, which is no reason to stop.
        let mut err = std::io::stderr();
        while let Some(progress) = told.recv().await {
            match progress {
                Progress::Done { path, step } => {
                    let mark = style.paint(Role::Ok, "✓");
                    let _ = writeln!(err, "{mark} {} {:<9} {path}", step.code(), step.word());
                }
                Progress::Waiting { path, reason } if waiting != reason => {
                    let mark = style.paint(Role::Warn, "…");
                    let _ = writeln!(err, "{mark} {path}: waiting {reason}");
                    waiting = reason;
                }
                Progress::Begun { .. } | Progress::Waiting { .. } | Progress::Recognised { .. } => {
                }
            }
        }
    });
    (Observer::new(sender), Some(task))
}

/// The plans of all paths, line by line; a path that cannot be reached says so.
pub(super) fn plans_lines(report: &Report) -> Vec<String> {
    let of_path = |path: &PathReport| match (&path.plan, &path.error) {
        (Some(plan), _) => plan_lines(plan),
        (None, Some(error)) => vec![
            format!("left out   {}: {}", path.path, error.message),
            format!("remedy     {}", error.remedy),
        ],
        (None, None) => Vec::new(),
    };
    let mut lines = Vec::new();
    for path in &report.paths {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(of_path(path));
    }
    lines
}

/// The plan of one path, line by line.
fn plan_lines(plan: &Plan) -> Vec<String> {
    let mut lines = vec![
        format!(
            "plan       {} · {}   (revision {})",
            plan.environment, plan.path, plan.revision
        ),
        format!(
            "server     {}   {}, system {}",
            plan.node,
            plan.server.version_words(),
            plan.server.system
        ),
        format!(
            "changes    {}   gets a new password and becomes current",
            plan.user
        ),
        format!("becomes    {}", plan.fate_of_current()),
        format!("statement  {}", Untrusted::new(&plan.statement)),
    ];
    if plan.first_promotion {
        lines.push(format!(
            "first      handover never promoted this secret: agreeing says that no consumer reads {}",
            plan.user
        ));
    }
    for warning in &plan.warnings {
        lines.push(format!("warning    {warning}"));
    }
    for (label, words) in plan.blast_radius() {
        lines.push(format!("{label:<11}{words}"));
    }
    for waived in &plan.waived {
        lines.push(format!("waived     {waived}"));
    }
    lines.push(format!("way back   {}", plan.way_back()));
    lines
}

/// What was found and what recovering would do, line by line.
pub(super) fn recovery_lines(report: &Report) -> Vec<String> {
    let mut lines = paths_lines(report);
    lines.extend(publish::lines(&report.sinks));
    lines
}

fn paths_lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for path in &report.paths {
        let rotation = report.rotation.map(|rotation| rotation.to_string());
        let case = path.case.as_deref().unwrap_or("complete");
        lines.push(format!(
            "{}  {}  {} {case}",
            rotation.unwrap_or_default(),
            path.path,
            path.step.code()
        ));
        let mut add = |label: &str, words: &str| lines.push(format!("  {label:<10}{words}"));
        if let Some(words) = &path.consumers {
            add("CONSUMERS", words);
        }
        for words in &path.evidence {
            add("found", words);
        }
        if let Some(words) = &path.meaning {
            add("means", words);
        }
        if let Some(words) = &path.action {
            add("do", words);
        }
        if let Some(advice) = &path.advice {
            add("or", advice.next_best);
            add("won't", advice.untouched);
            add("wrong if", advice.wrong_if);
        }
    }
    lines
}

/// Prints how a hand-over ended, or why it did not begin.
pub(super) fn finish(
    printer: &Printer,
    environment: EnvironmentName,
    answer: Result<Report, Failure>,
) -> Exit {
    match answer {
        Ok(report) => {
            let exit = print(printer, &report);
            // In JSON they are a part of the one object.
            for one in report.retired.iter().filter(|_| !printer.is_json()) {
                retire::finish(one, printer);
            }
            exit
        }
        Err(failure) if printer.is_json() => {
            print(printer, &Report::failed(Some(environment), &failure))
        }
        Err(failure) => {
            failure::explain(printer, &failure);
            failure.exit
        }
    }
}

/// Prints a report in the form that was asked for.
pub(super) fn print(printer: &Printer, report: &Report) -> Exit {
    if printer.is_json() {
        printer.json(report);
        return report.whole_exit();
    }
    let good = matches!(
        report.status,
        HandOverStatus::Done | HandOverStatus::Planned
    );
    let mut lines = Vec::new();
    if report.status == HandOverStatus::Planned {
        match report.rotation {
            None => lines.extend(plans_lines(report)),
            // Its files are told once, below.
            Some(_) => lines.extend(paths_lines(report)),
        }
    }
    if report.status == HandOverStatus::Partial
        && let Some(error) = &report.error
    {
        lines.push(format!("{}  {}", verdict(printer, report), error.message));
    }
    for path in &report.paths {
        lines.extend(path_lines(printer, report, path));
    }
    lines.extend(publish::lines(&report.sinks));
    if report.paths.is_empty()
        && let Some(error) = &report.error
    {
        lines.push(format!("{} {}", verdict(printer, report), error.message));
        lines.push(format!("  remedy: {}", error.remedy));
    }
    printer.ending(&lines, good);
    report.whole_exit()
}

fn verdict(printer: &Printer, report: &Report) -> String {
    let (role, text) = match report.status {
        HandOverStatus::Planned => (Role::Ok, "✓ planned"),
        HandOverStatus::Done => (Role::Ok, "✓ done"),
        HandOverStatus::Partial => (Role::Warn, "◐ partial"),
        HandOverStatus::Refused => (Role::Warn, "■ refused"),
        HandOverStatus::Parked => (Role::Danger, "▲ parked"),
        HandOverStatus::Interrupted => (Role::Warn, "■ interrupted"),
        HandOverStatus::Unreachable => (Role::Warn, "? unreachable"),
        HandOverStatus::Failed => (Role::Danger, "✗ failed"),
    };
    let good = matches!(
        report.status,
        HandOverStatus::Done | HandOverStatus::Planned
    );
    let style = if good {
        printer.style
    } else {
        printer.error_style
    };
    style.paint(role, text)
}

/// Each path in its own words where they differ from the whole.
fn path_verdict(printer: &Printer, report: &Report, path: &PathReport) -> String {
    if report.status != HandOverStatus::Partial && report.sinks.iter().all(SinkReport::is_confirmed)
    {
        return verdict(printer, report);
    }
    let (role, text) = match path.status {
        PathOutcome::Planned => (Role::Ok, "✓ planned"),
        PathOutcome::Done => (Role::Ok, "✓ done"),
        PathOutcome::Abandoned => (Role::Ok, "✓ abandoned"),
        PathOutcome::Aborted => (Role::Warn, "■ aborted"),
        PathOutcome::Refused => (Role::Warn, "■ refused"),
        PathOutcome::Parked => (Role::Danger, "▲ parked"),
        PathOutcome::Interrupted => (Role::Warn, "■ interrupted"),
        PathOutcome::Unreachable => (Role::Warn, "? unreachable"),
        PathOutcome::Failed => (Role::Danger, "✗ failed"),
    };
    printer.error_style.paint(role, text)
}

fn path_lines(printer: &Printer, report: &Report, path: &PathReport) -> Vec<String> {
    let mut head = path_verdict(printer, report, path);
    if let Some(rotation) = report.rotation {
        head = format!("{head}  {rotation}");
    }
    if let Some(environment) = &report.environment {
        head = format!("{head}  {environment} · {}", path.path);
    }
    let user = path.user.as_deref().unwrap_or_default();
    match path.status {
        PathOutcome::Done => {
            let since = path
                .revision
                .map(|revision| format!(" since revision {revision}"));
            let mut lines = vec![format!(
                "{head}: {user} is current{}",
                since.unwrap_or_default()
            )];
            if !path.unproven_rows.is_empty() {
                lines.push(format!(
                    "  unproven  {}: changed as well, and no login from here goes through it",
                    path.unproven_rows.join(", ")
                ));
            }
            return lines;
        }
        PathOutcome::Planned => {
            return vec![format!("{head}: nothing was changed")];
        }
        PathOutcome::Abandoned => {
            return vec![format!(
                "{head}: abandoned; `previous` is {user} with the new password, consumers are untouched"
            )];
        }
        _ => {}
    }
    if let Some(case) = &path.case {
        head = format!("{head}  {} {case}", path.step.code());
    }
    let mut lines = vec![head];
    lines.extend(
        path.consumers
            .iter()
            .map(|words| format!("  CONSUMERS {words}")),
    );
    lines.extend(
        path.evidence
            .iter()
            .map(|words| format!("  found:  {words}")),
    );
    if let Some(error) = &path.error {
        lines.push(format!("  {}", error.message));
        if let Some(action) = &path.action {
            lines.push(format!("  next:   {action}"));
        }
        lines.push(format!("  remedy: {}", error.remedy));
    }
    let untouched = matches!(
        path.status,
        PathOutcome::Refused | PathOutcome::Aborted | PathOutcome::Unreachable
    );
    if untouched {
        lines.push("  This command changed nothing in the database.".to_owned());
    }
    lines
}
