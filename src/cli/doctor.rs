//! `handover doctor`.

use super::arguments::DoctorArguments;
use super::ask;
use super::output::Printer;
use super::style::Role;
use crate::model::{EnvironmentName, ServerIdentity};
use crate::operations::hand_over::Confirmation;
use crate::operations::{
    Diagnosis, Exit, Failure, PathDiagnosis, PathServer, ServerStatus, Workspace, accept_server,
    diagnose, review_server,
};
use crate::rotation::{Finding, FindingStatus, NOT_LOOKED, mark_words};

pub(super) async fn run(
    workspace: &Workspace,
    arguments: DoctorArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    if let (true, Some(name)) = (arguments.accept_server, &arguments.environment) {
        let confirmation = ask::from_options(true, arguments.confirm.as_ref());
        return accept(workspace, name.clone(), confirmation, printer).await;
    }
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

/// Shows what was recorded and what answers, then records what was shown.
async fn accept(
    workspace: &Workspace,
    name: EnvironmentName,
    mut confirmation: Confirmation,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let review = review_server(workspace, name.clone()).await?;
    let asks = review.has_something_to_accept() && ask::can_ask(printer);
    if asks && !matches!(confirmation, Confirmation::Named(_)) {
        for line in review.paths.iter().flat_map(server_lines) {
            printer.note(&line);
        }
        let question = "Is this the right server?";
        confirmation = ask::ask(question, Some(&name.to_string()));
    }
    let review = accept_server(workspace, review, &confirmation).await?;
    let exit = review.exit();
    if printer.is_json() {
        printer.json(&review);
        return Ok(exit);
    }
    for path in &review.paths {
        for line in server_lines(path) {
            printer.line(&line);
        }
        let (role, words) = match path.status {
            ServerStatus::Accepted => (Role::Ok, "✓ accepted"),
            ServerStatus::Same => (Role::Ok, "✓ as recorded; nothing to accept"),
            ServerStatus::NotKnown => (Role::Ok, "✓ recorded by the first rotation"),
            ServerStatus::Unreachable => (Role::Warn, "? not accepted: nothing is known of it"),
            ServerStatus::WentBack
            | ServerStatus::Other
            | ServerStatus::OtherCertificate
            | ServerStatus::OwnedElsewhere => (Role::Danger, "✗ not accepted"),
        };
        printer.line(&format!("  {}", printer.style.paint(role, words)));
        if path.status == ServerStatus::Accepted && path.consumers != Some("valid") {
            printer.line(&format!("  next       handover recover {name}"));
        }
    }
    Ok(exit)
}

fn server_lines(path: &PathServer) -> Vec<String> {
    let mut lines = vec![format!("{} · {}", path.path, path.node)];
    let mut add = |label: &str, words: &str| lines.push(format!("  {label:<11}{words}"));
    let server = |server: &Option<ServerIdentity>| match server {
        Some(server) => format!(
            "system {}, {}, {}",
            server.system,
            mark_words(server),
            server.version_words()
        ),
        None => "nothing".to_owned(),
    };
    add("recorded", &server(&path.recorded));
    add("answers", &server(&path.seen));
    for (label, certificate) in [
        ("was shown", &path.recorded_certificate),
        ("is shown", &path.seen_certificate),
    ] {
        if let Some(fingerprint) = certificate {
            add(label, &format!("certificate SHA-256 {fingerprint}"));
        }
    }
    if let Some(words) = &path.found {
        add("found", words);
    }
    if let Some(words) = path.meaning {
        add("may be", words);
    }
    if let Some(words) = path.consumers {
        add("consumers", &format!("what they read there: {words}"));
    }
    if !path.other_roles.is_empty() {
        let names = path.other_roles.join(", ");
        add("roles", &format!("{names}: other OIDs than recorded"));
    }
    lines
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
