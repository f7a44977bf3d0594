//! `handover status`, and `--check` for monitors.

use chrono::{DateTime, Utc};

use super::arguments::StatusArguments;
use super::drain::mark;
use super::output::Printer;
use super::style::Role;
use super::{schedule, table, times};
use crate::drain::Verdict;
use crate::operations::{
    EnvironmentStatus, Exit, Failure, OverlapStatus, PathStatus, SinkStatus, Status, Workspace,
    read_status,
};
use crate::rotation::SinkState;

pub(super) async fn run(
    workspace: &Workspace,
    arguments: StatusArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let status = read_status(workspace, arguments.environment).await?;
    let exit = match arguments.check && !status.healthy {
        true => Exit::NeedsHuman,
        false => Exit::Done,
    };
    if printer.is_json() {
        printer.json(&status);
        return Ok(exit);
    }
    if arguments.check {
        check(printer, &status);
        return Ok(exit);
    }
    let now = Utc::now();
    if status.environments.is_empty() {
        printer
            .line("There is no environment yet. Make one: handover env init PROJECT/NAME -f FILE");
    } else {
        let all = status.environments.iter();
        let rows: Vec<Vec<String>> = all.flat_map(|one| rows(one, now)).collect();
        let head = [
            "ENVIRONMENT",
            "PATH",
            "REVISION",
            "PROMOTED",
            "OVERLAP",
            "ROTATION",
            "SCHEDULE",
        ];
        printer.line(&table::table(&head, &rows));
    }
    for environment in &status.environments {
        if let (Some(rotation), Some(holder)) = (environment.open_rotation, &environment.holder) {
            let mark = printer.style.paint(Role::Warn, "▲");
            printer.line(&format!(
                "{mark} {rotation} on {} is open, begun by {holder}: handover recover {}",
                environment.environment, environment.environment
            ));
        }
    }
    for environment in &status.environments {
        for path in &environment.paths {
            let leak = path.overlap.as_ref().and_then(|one| one.leak.as_ref());
            if let Some(leak) = leak {
                let mark = printer.style.paint(Role::Danger, "▲");
                printer.line(&format!("{mark} {}: {}", leak.state, leak.command));
            }
        }
    }
    if let Some(environment) = status.environments.iter().find(|one| is_unclear(one)) {
        printer.line(&format!(
            "? whether an outgoing user is still in use is not known: handover drain {} (or have \
             it watched: handover agent)",
            environment.environment
        ));
    }
    for environment in &status.environments {
        let behind = environment.sinks.iter();
        for sink in behind.filter(|sink| sink.state != SinkState::Confirmed) {
            let mark = printer.style.paint(Role::Warn, "▲");
            printer.line(&format!("{mark} {}", behind_words(environment, sink)));
        }
    }
    for environment in &status.environments {
        if let Some((words, command)) = environment.backlog_words(Utc::now()) {
            let mark = printer.style.paint(Role::Warn, "▲");
            let name = &environment.environment;
            printer.line(&format!("{mark} notices of {name}: {words}: {command}"));
        }
    }
    health_lines(printer, &status);
    if let Some(freeze) = &status.freeze {
        schedule::freeze_line(printer, freeze, now);
    }
    let is_scheduled = |one: &EnvironmentStatus| one.schedule.is_some();
    if status.agents.is_empty() && status.environments.iter().any(is_scheduled) {
        schedule::no_agent_line(printer);
    }
    let head = match status.audit.head.as_str() {
        "" => "none",
        head => head,
    };
    printer.line(&format!(
        "audit: {} entries, head {head}",
        status.audit.entries
    ));
    Ok(Exit::Done)
}

/// What is not as it should be, and nothing else.
fn check(printer: &Printer, status: &Status) {
    let count = status.environments.len();
    let all = match count {
        1 => "1 environment is as it should be".to_owned(),
        count => format!("{count} environments are as they should be"),
    };
    if status.healthy {
        printer.line(&format!(
            "{} {all}",
            printer.style.paint(Role::Ok, "✓ healthy")
        ));
        return;
    }
    for reason in &status.reasons {
        let mark = printer.style.paint(Role::Danger, "▲");
        printer.line(&format!("{mark} {reason}"));
    }
}

/// What is not as it should be, but a password that leaked, which has been told by then.
fn health_lines(printer: &Printer, status: &Status) {
    for environment in &status.environments {
        let health = &environment.health;
        for (at, reason) in health.reasons.iter().enumerate() {
            // The sentences begin with those of the overlaps.
            if health
                .stuck_overlap
                .get(at)
                .is_some_and(|one| one.compromised)
            {
                continue;
            }
            let mark = printer.style.paint(Role::Warn, "▲");
            printer.line(&format!("{mark} {}: {reason}", environment.environment));
        }
    }
}

/// When it is rotated next, or what is to be told of its schedule before that.
fn scheduled(environment: &EnvironmentStatus, now: DateTime<Utc>) -> String {
    let health = &environment.health;
    if let Some(seconds) = health.overdue_by_seconds {
        return format!("! overdue by {}", times::span(seconds));
    }
    let missed = match health.consecutive_failures {
        0 => String::new(),
        count => format!(", {count} missed"),
    };
    match (&environment.schedule, &health.paused, health.next_at) {
        (None, ..) => "–".to_owned(),
        (Some(_), Some(_), None) => format!("◌ paused{missed}"),
        (Some(_), Some(_), Some(next)) => {
            format!("◌ paused, then {}{missed}", times::relative(next, now))
        }
        (Some(_), None, Some(next)) => format!("{}{missed}", times::relative(next, now)),
        (Some(_), None, None) if health.frozen => format!("◌ frozen{missed}"),
        (Some(_), None, None) => format!("none to come{missed}"),
    }
}

/// A file that has not what it is to have, and what brings it there.
fn behind_words(environment: &EnvironmentStatus, sink: &SinkStatus) -> String {
    let name = &environment.environment;
    let has = match sink.delivered {
        Some(revision) => format!("has revision {revision}"),
        None => "was never written".to_owned(),
    };
    let why = match environment.mends(sink) {
        Some((Some(problem), remedy)) => format!(": {problem}; {remedy}"),
        Some((None, remedy)) => format!(": {remedy}"),
        None => String::new(),
    };
    format!(
        "{} of {name} {has} and is to have {} ({}){why}",
        sink.file,
        sink.wanted,
        sink.state.name()
    )
}

fn rows(environment: &EnvironmentStatus, now: DateTime<Utc>) -> Vec<Vec<String>> {
    let schedule = scheduled(environment, now);
    let name = environment.environment.to_string();
    let revision = environment.revision.to_string();
    if environment.paths.is_empty() {
        let none = "–".to_owned();
        return vec![vec![
            name,
            none.clone(),
            revision,
            none.clone(),
            none.clone(),
            none,
            schedule,
        ]];
    }
    environment
        .paths
        .iter()
        .map(|path| {
            vec![
                name.clone(),
                path.path.clone(),
                revision.clone(),
                path.promoted_at.map_or("never".to_owned(), |time| {
                    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
                }),
                match (&path.overlap, path.promoted_at) {
                    (Some(known), _) => overlap(known),
                    (None, Some(_)) => "? not watched yet".to_owned(),
                    (None, None) => "–".to_owned(),
                },
                rotation(environment, path),
                schedule.clone(),
            ]
        })
        .collect()
}

/// Whether nobody has looked lately who still uses an outgoing user.
fn is_unclear(environment: &EnvironmentStatus) -> bool {
    environment.paths.iter().any(|path| match &path.overlap {
        Some(overlap) => overlap.verdict == Some(Verdict::Unknown),
        None => path.promoted_at.is_some(),
    })
}

/// The outgoing user's stage, and what may be said of its sessions.
fn overlap(overlap: &OverlapStatus) -> String {
    let mut words = format!("{} {}", overlap.user, overlap.stage);
    if let Some(verdict) = overlap.verdict {
        let (_, glyph) = mark(verdict);
        words.push_str(&format!(", {glyph} {}", verdict.as_str()));
    }
    if overlap.compromised {
        words.push_str(", leaked");
    }
    words
}

fn rotation(environment: &EnvironmentStatus, path: &PathStatus) -> String {
    let Some(rotation) = environment.open_rotation else {
        return "● none open".to_owned();
    };
    if path.is_over {
        return format!("● its part of {rotation} is over");
    }
    let step = path
        .step
        .map(|step| format!(" at {}", step.code()))
        .unwrap_or_default();
    match path.case {
        Some(case) => format!("▲ {rotation} parked{step}: {case}"),
        None => format!("◐ {rotation} open{step}"),
    }
}
