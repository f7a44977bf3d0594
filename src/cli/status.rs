//! `handover status`.

use chrono::Utc;

use super::arguments::StatusArguments;
use super::drain::mark;
use super::output::Printer;
use super::style::Role;
use super::table;
use crate::drain::Verdict;
use crate::operations::{
    EnvironmentStatus, Exit, Failure, OverlapStatus, PathStatus, SinkStatus, Workspace, read_status,
};
use crate::rotation::SinkState;

pub(super) async fn run(
    workspace: &Workspace,
    arguments: StatusArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let status = read_status(workspace, arguments.environment).await?;
    if printer.is_json() {
        printer.json(&status);
        return Ok(Exit::Done);
    }
    if status.environments.is_empty() {
        printer
            .line("There is no environment yet. Make one: handover env init PROJECT/NAME -f FILE");
    } else {
        let rows: Vec<Vec<String>> = status.environments.iter().flat_map(rows).collect();
        let head = [
            "ENVIRONMENT",
            "PATH",
            "REVISION",
            "PROMOTED",
            "OVERLAP",
            "ROTATION",
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

fn rows(environment: &EnvironmentStatus) -> Vec<Vec<String>> {
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
