//! `handover verify`.

use super::arguments::VerifyArguments;
use super::output::Printer;
use super::style::Role;
use crate::operations::hand_over::{CredentialVerification, Drift, PathVerification, verify};
use crate::operations::{Exit, Failure, Workspace};

pub(super) async fn run(
    workspace: &Workspace,
    arguments: VerifyArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let found = verify(workspace, arguments.environments).await?;
    let exit = found.exit();
    if printer.is_json() {
        printer.json(&found);
        return Ok(exit);
    }
    for environment in &found.environments {
        let name = &environment.environment;
        if environment.paths.is_empty() {
            printer.line(&format!("{name} has no rotated secret"));
        }
        for path in &environment.paths {
            let head = format!("{name} · {}", path.path);
            printer.line(&printer.style.paint(Role::Strong, &head));
            for one in &path.credentials {
                printer.line(&credential_line(one, printer));
            }
            for line in verdict_lines(path, printer) {
                printer.line(&line);
            }
            printer.line("");
        }
    }
    let paths = found.environments.iter().flat_map(|one| &one.paths);
    let verdicts: Vec<Drift> = paths.map(|path| path.verdict).collect();
    let fine = verdicts.iter().filter(|one| **one == Drift::AsExpected);
    printer.line(&format!(
        "{} of {} rotated secrets as expected",
        fine.count(),
        verdicts.len()
    ));
    Ok(exit)
}

fn credential_line(one: &CredentialVerification, printer: &Printer) -> String {
    let (role, mark) = mark(one.verdict);
    let places = match one.nodes.len() {
        0 => String::new(),
        1 => " on 1 node".to_owned(),
        count => format!(" on {count} nodes"),
    };
    let told = match one.expected == one.found {
        true => format!("{}{places}", one.found),
        false => format!("{}{places}, expected {}", one.found, one.expected),
    };
    let words = match one.words.as_str() {
        "" => String::new(),
        words => format!(": {words}"),
    };
    format!(
        "  {}  {:<8}  {}  {told}{words}",
        printer.style.paint(role, mark),
        one.role.as_str(),
        one.user
    )
}

fn verdict_lines(path: &PathVerification, printer: &Printer) -> Vec<String> {
    let (role, mark) = mark(path.verdict);
    let words = match path.verdict {
        Drift::AsExpected => "all is as the store expects it",
        Drift::NoState => "nothing is expected yet",
        Drift::Document => "the document cannot be used",
        Drift::Unreachable => "not all could be tried; nothing that was tried differs",
        Drift::Drifted => "something is not as the store left it",
        Drift::CurrentDead => "CONSUMERS ARE DOWN: what they read does not log in",
    };
    let mut lines = vec![format!("  {}  {words}", printer.style.paint(role, mark))];
    lines.extend(
        path.words
            .iter()
            .map(|words| format!("             {words}")),
    );
    lines
}

fn mark(verdict: Drift) -> (Role, &'static str) {
    match verdict {
        Drift::AsExpected => (Role::Ok, "✓ expected"),
        Drift::NoState => (Role::Warn, "? no state"),
        Drift::Document => (Role::Danger, "✗ document"),
        Drift::Unreachable => (Role::Warn, "? unknown "),
        Drift::Drifted => (Role::Danger, "▲ drifted "),
        Drift::CurrentDead => (Role::Danger, "✗ dead    "),
    }
}
