//! `handover key …`.

use std::path::Path;

use super::arguments::KeySourceArguments;
use super::output::Printer;
use super::style::Role;
use super::table;
use crate::operations::{Exit, Failure, Workspace, init_key, list_keys, rotate_key};
use crate::process::{KeyAccess, NewKeySource};

/// What the one option says that clap lets through.
fn wanted(arguments: KeySourceArguments) -> NewKeySource {
    match arguments {
        KeySourceArguments {
            file: Some(path), ..
        } => NewKeySource::File(path),
        KeySourceArguments { keyring: true, .. } => NewKeySource::Keyring,
        _ => NewKeySource::Passphrase,
    }
}

/// What to do so that the key is not lost.
fn advice(kind: &str) -> &'static str {
    match kind {
        "file" => {
            "Keep a copy of the key file apart from the store: without it nothing in the store \
             can be read."
        }
        "keyring" => {
            "The key lives and dies with this keyring: without it nothing in the store can be \
             read."
        }
        _ => "Nobody can restore a passphrase that was forgotten: write it down in a safe place.",
    }
}

pub(super) async fn init(
    folder: &Path,
    arguments: KeySourceArguments,
    keys: &KeyAccess,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = init_key(folder, wanted(arguments), keys).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} key {} ({}: {})",
        printer.style.paint(Role::Ok, "✓ made"),
        report.key,
        report.kind,
        report.place
    ));
    printer.line(&format!("       store in {}", report.store.display()));
    printer.line(advice(report.kind));
    Ok(Exit::Done)
}

pub(super) async fn list(folder: &Path, printer: &Printer) -> Result<Exit, Failure> {
    let listing = list_keys(folder).await?;
    if printer.is_json() {
        printer.json(&listing);
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = listing
        .slots
        .into_iter()
        .map(|slot| {
            let state = match slot.retired_at {
                None => "● in use".to_owned(),
                Some(at) => format!("○ retired {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
            };
            vec![
                slot.slot.to_string(),
                slot.kind,
                slot.key,
                slot.created_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                state,
                slot.place,
            ]
        })
        .collect();
    let head = ["SLOT", "KIND", "KEY", "MADE", "STATE", "PLACE"];
    printer.line(&table::table(&head, &rows));
    Ok(Exit::Done)
}

pub(super) async fn rotate(
    workspace: &Workspace,
    arguments: KeySourceArguments,
    keys: &KeyAccess,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = rotate_key(workspace, wanted(arguments), keys).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} slot {}: key {} ({}: {}), {} data keys wrapped anew",
        printer.style.paint(Role::Ok, "✓ rotated"),
        report.slot,
        report.key,
        report.kind,
        report.place,
        report.rewrapped
    ));
    printer.line(&format!(
        "The key of slot {} ({}) opens older backups only: keep it as long as these.",
        report.retired_slot, report.retired_place
    ));
    printer.line(advice(report.kind));
    Ok(Exit::Done)
}
