//! Prints what went wrong: place, reason, remedy. Never a stack trace.

use std::io::Write;

use serde_json::json;

use super::output::Printer;
use super::style::Role;
use crate::document::{RenderStyle, SourceText, render};
use crate::operations::{Exit, Failure};

/// Prints a failure in the form that was asked for, and gives its exit code.
pub(super) fn print(printer: &Printer, failure: &Failure) -> Exit {
    if printer.is_json() {
        printer.json(&json!({"error": {
            "code": failure.code,
            "message": failure.message,
            "remedy": failure.remedy,
        }}));
    } else {
        explain(printer, failure);
    }
    failure.exit
}

/// Prints a failure for people, on standard error.
pub(super) fn explain(printer: &Printer, failure: &Failure) {
    if failure.diagnostics.is_empty() {
        error(printer, &failure.message, &failure.remedy);
        return;
    }
    let texts: Vec<SourceText<'_>> = failure
        .sources
        .iter()
        .map(|truth| SourceText {
            source: &truth.name,
            text: &truth.text,
        })
        .collect();
    let style = match printer.error_style.is_coloured() {
        true => RenderStyle::Styled,
        false => RenderStyle::Plain,
    };
    printer.note(render(&failure.diagnostics, &texts, style).trim_end());
    if failure
        .diagnostics
        .iter()
        .all(|diagnostic| diagnostic.hint.is_none())
    {
        printer.note(&format!("remedy: {}", failure.remedy));
    }
}

/// Prints a message and its remedy.
pub(super) fn error(printer: &Printer, message: &str, remedy: &str) {
    let style = printer.error_style;
    printer.note(&format!(
        "{} {message}",
        style.paint(Role::Danger, "error:")
    ));
    printer.note(&format!(
        "{} {remedy}",
        style.paint(Role::Strong, "remedy:")
    ));
}

/// What clap says of a command line that it cannot read, and of `--help`.
pub(super) fn usage(error: &clap::Error, json: bool) -> Exit {
    let asked_for_help = !error.use_stderr();
    if json && !asked_for_help {
        let text = error.to_string();
        let message = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let object = json!({"error": {
            "code": "usage",
            "message": message,
            "remedy": "handover --help",
        }});
        let _ = writeln!(std::io::stdout(), "{object}");
        return Exit::Usage;
    }
    let _ = error.print();
    if asked_for_help {
        Exit::Done
    } else {
        Exit::Usage
    }
}
