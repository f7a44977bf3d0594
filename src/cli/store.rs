//! `handover store …`.

use std::path::Path;

use super::arguments::StoreFileArguments;
use super::output::Printer;
use super::style::Role;
use crate::operations::{Exit, Failure, Workspace, back_up_store, restore_store};
use crate::process::KeyAccess;

pub(super) async fn back_up(
    workspace: &Workspace,
    arguments: &StoreFileArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = back_up_store(workspace, &arguments.file).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} {}",
        printer.style.paint(Role::Ok, "✓ backed up"),
        report.file.display()
    ));
    printer.line(&format!(
        "It opens with key {} of slot {} only, and holds nothing of that key.",
        report.key, report.slot
    ));
    Ok(Exit::Done)
}

pub(super) async fn restore(
    folder: &Path,
    arguments: &StoreFileArguments,
    keys: &KeyAccess,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = restore_store(folder, &arguments.file, keys).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} {} environments, {} audit entries in {}",
        printer.style.paint(Role::Ok, "✓ restored"),
        report.environments,
        report.audit_entries,
        report.store.display()
    ));
    if report.open_rotations > 0 {
        printer.line("A rotation was open when the backup was made: handover recover");
    }
    printer.line(
        "What was rotated since the backup is not in it: compare `handover status` with the databases.",
    );
    Ok(Exit::Done)
}
