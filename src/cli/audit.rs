//! `handover audit …`.

use serde_json::json;

use super::arguments::AuditListArguments;
use super::output::Printer;
use super::style::Role;
use super::table;
use crate::operations::{Exit, Failure, Workspace, list_audit, verify_audit};
use crate::untrusted::Untrusted;

pub(super) async fn list(
    workspace: &Workspace,
    arguments: AuditListArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let listing = list_audit(workspace, arguments.environment, arguments.last).await?;
    if printer.is_json() {
        printer.json(&listing);
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = listing
        .entries
        .into_iter()
        .map(|entry| {
            vec![
                entry.seq.to_string(),
                entry.at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                entry.requester,
                entry.action,
                entry.environment.unwrap_or_default(),
                Untrusted::new(&entry.detail.to_string())
                    .as_str()
                    .to_owned(),
            ]
        })
        .collect();
    let head = [
        "ENTRY",
        "WHEN",
        "BY (CLAIMED)",
        "ACTION",
        "ENVIRONMENT",
        "DETAIL",
    ];
    printer.line(&table::table(&head, &rows));
    Ok(Exit::Done)
}

pub(super) async fn verify(workspace: &Workspace, printer: &Printer) -> Result<Exit, Failure> {
    let head = verify_audit(workspace).await?;
    if printer.is_json() {
        printer.json(&json!({"intact": true, "entries": head.entries, "head": head.head}));
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} {} entries, head {}",
        printer.style.paint(Role::Ok, "✓ intact"),
        head.entries,
        head.head
    ));
    printer.line("The chain cannot show that its end was cut off: compare the head with one that was noted elsewhere.");
    Ok(Exit::Done)
}
