//! Questions to the operator, where there is a terminal.

use std::io::{self, IsTerminal, Write};

use super::output::Printer;
use crate::operations::hand_over::Confirmation;

/// What the options of a command agree to.
pub(super) fn from_options(yes: bool, confirm: Option<&String>) -> Confirmation {
    match (yes, confirm) {
        (true, Some(name)) => Confirmation::Named(name.clone()),
        (true, None) => Confirmation::Yes,
        (false, _) => Confirmation::None,
    }
}

/// Whether there is somebody to ask.
pub(super) fn can_ask(printer: &Printer) -> bool {
    !printer.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a yes, or for a name to be typed. The safe answer is the default.
pub(super) fn ask(question: &str, name_to_type: Option<&str>) -> Confirmation {
    let hint = match name_to_type {
        Some(name) => format!("type {name} to go on, anything else to leave"),
        None => "type yes to go on, anything else to leave".to_owned(),
    };
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question} ({hint}): ");
    let _ = err.flush();
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer).is_err() {
        return Confirmation::None;
    }
    let answer = answer.trim();
    match name_to_type {
        Some(name) if answer == name => Confirmation::Named(name.to_owned()),
        None if answer == "yes" => Confirmation::Yes,
        _ => Confirmation::None,
    }
}
