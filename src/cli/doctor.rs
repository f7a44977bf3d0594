//! `handover doctor`.

use super::arguments::DoctorArguments;
use super::output::Printer;
use super::style::Role;
use crate::operations::{Diagnosis, Exit, Failure, PathDiagnosis, Workspace, diagnose};
use crate::rotation::{Finding, FindingStatus, NOT_LOOKED};

pub(super) async fn run(
    workspace: &Workspace,
    arguments: DoctorArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let diagnosis = diagnose(workspace, arguments.environment).await?;
    let exit = diagnosis.exit();
    if printer.is_json() {
        printer.json(&diagnosis);
        return Ok(exit);
    }
    for environment in &diagnosis.environments {
        if environment.paths.is_empty() {
            let name = &environment.environment;
            printer.line(&format!("{name} has no rotated secret"));
        }
        for path in &environment.paths {
            let head = format!("{} · {}", environment.environment, path.path);
            printer.line(&printer.style.paint(Role::Strong, &head));
            print_path(path, printer);
            printer.line("");
        }
    }
    printer.line(&summary(&diagnosis));
    Ok(exit)
}

/// In the order of the checks; those that had nothing to look at share one line.
fn print_path(path: &PathDiagnosis, printer: &Printer) {
    for finding in path.findings.iter().filter(|one| one.found != NOT_LOOKED) {
        print_finding(finding, printer);
    }
    let skipped: Vec<&str> = path
        .findings
        .iter()
        .filter(|finding| finding.found == NOT_LOOKED)
        .map(|finding| finding.check.name())
        .collect();
    if !skipped.is_empty() {
        let mark = printer.style.paint(Role::Warn, "? unknown");
        printer.line(&format!("  {mark}  {NOT_LOOKED}: {}", skipped.join(", ")));
    }
}

fn print_finding(finding: &Finding, printer: &Printer) {
    let (role, mark) = match finding.status {
        FindingStatus::Ok => (Role::Ok, "✓ ok     "),
        FindingStatus::Warning => (Role::Warn, "▲ warning"),
        FindingStatus::Problem => (Role::Danger, "✗ problem"),
        FindingStatus::Unknown => (Role::Warn, "? unknown"),
    };
    let mark = printer.style.paint(role, mark);
    printer.line(&format!(
        "  {mark}  {:<24}  {}",
        finding.check.name(),
        finding.found
    ));
    if let Some(remedy) = &finding.remedy {
        for (index, line) in remedy.lines().enumerate() {
            let label = if index == 0 { "remedy:" } else { "" };
            printer.line(&format!("               {label:<7} {line}"));
        }
    }
}

fn summary(diagnosis: &Diagnosis) -> String {
    let paths = diagnosis.environments.iter().flat_map(|one| &one.paths);
    let findings: Vec<&Finding> = paths.flat_map(|path| &path.findings).collect();
    let count = |status| findings.iter().filter(|one| one.status == status).count();
    let words = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let unknown = match count(FindingStatus::Unknown) {
        0 => String::new(),
        count => format!(", {count} unknown"),
    };
    format!(
        "{}, {}{unknown}",
        words(count(FindingStatus::Problem), "problem"),
        words(count(FindingStatus::Warning), "warning")
    )
}
