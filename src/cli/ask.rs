//! Questions to the operator, where there is a terminal.

use std::io::{self, IsTerminal, Write};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use zeroize::Zeroizing;

use super::output::Printer;
use crate::operations::hand_over::Confirmation;
use crate::process::KeyError;
use crate::secret::Secret;

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
    !printer.is_json() && has_terminal()
}

/// Whether there is a terminal to ask on, whatever the form of the answer.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a passphrase, as a key source needs it.
pub(super) fn passphrase(question: &str) -> Result<Secret, KeyError> {
    match hidden(question) {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) | Err(_) => Err(KeyError::Cancelled),
    }
}

/// Puts the terminal back, however the question ends.
struct RawMode;

impl RawMode {
    fn begin() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
        let _ = writeln!(io::stderr());
    }
}

/// Asks for a line and shows nothing of it; `None` when the operator leaves.
///
/// The keys are read one by one: a terminal that only does not echo would be left so by
/// an interrupt.
pub(super) fn hidden(question: &str) -> io::Result<Option<Secret>> {
    let raw = RawMode::begin()?;
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question}: ");
    let _ = err.flush();
    drop(err);
    // Enough that it need not grow, which would leave copies behind.
    let mut line = Zeroizing::new(String::with_capacity(4096));
    let answer = loop {
        let Event::Key(key) = event::read()? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => break Some(Secret::new(line.as_str().to_owned())),
            // A line end that came before the terminal was raw.
            KeyCode::Char('j') if control => break Some(Secret::new(line.as_str().to_owned())),
            KeyCode::Esc => break None,
            KeyCode::Char('c' | 'd') if control => break None,
            KeyCode::Char('u') if control => line.clear(),
            KeyCode::Backspace => {
                line.pop();
            }
            // What older terminals send for it.
            KeyCode::Char('h') if control => {
                line.pop();
            }
            KeyCode::Char(letter) if !control => line.push(letter),
            _ => {}
        }
    };
    drop(raw);
    Ok(answer)
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
