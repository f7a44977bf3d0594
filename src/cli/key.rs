//! `handover key init`.

use std::path::Path;

use super::arguments::KeyInitArguments;
use super::output::Printer;
use super::style::Role;
use crate::operations::{Exit, Failure, init_key_file};

pub(super) async fn init(
    folder: &Path,
    arguments: &KeyInitArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = init_key_file(folder, &arguments.file).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} key {} in {}",
        printer.style.paint(Role::Ok, "✓ made"),
        report.key,
        report.file.display()
    ));
    printer.line(&format!("       store in {}", report.store.display()));
    printer.line("Keep a copy of the key file apart from the store: without it nothing in the store can be read.");
    Ok(Exit::Done)
}
