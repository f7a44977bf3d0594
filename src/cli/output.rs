//! Where answers go, and in which form.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use serde::Serialize;

use super::style::Style;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

/// Prints answers.
pub(super) struct Printer {
    output: Output,
    /// Of standard output.
    pub(super) style: Style,
    /// Of standard error.
    pub(super) error_style: Style,
    /// Whoever read standard output has gone.
    is_closed: AtomicBool,
}

impl Printer {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            style: Style::for_terminal(&io::stdout()),
            error_style: Style::for_terminal(&io::stderr()),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// One JSON object in one line.
    pub(super) fn json(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("answers are plain data");
        self.line(&text);
    }

    /// One line, or several, on standard output. A reader that went away, as `head`
    /// does, is not an error.
    pub(super) fn line(&self, text: &str) {
        let mut out = io::stdout().lock();
        if writeln!(out, "{text}").is_err() {
            self.is_closed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether nobody reads standard output any more: whatever goes on for its sake may end.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Text as it is, without a line break of ours.
    pub(super) fn text(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// How something ended: on standard output where it went well, else on standard error.
    pub(super) fn ending(&self, lines: &[String], went_well: bool) {
        for line in lines {
            match went_well {
                true => self.line(line),
                false => self.note(line),
            }
        }
    }

    /// A line on standard error.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
