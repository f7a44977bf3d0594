//! Colour roles of the command line. Every status has a glyph and a word as well.

use std::io::IsTerminal;

/// What a text means; screens never name a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ok,
    Warn,
    Danger,
    Strong,
}

/// Whether and how to colour one stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    coloured: bool,
}

impl Style {
    /// For a stream that is, or is not, a terminal.
    pub(super) fn for_terminal(stream: &impl IsTerminal) -> Self {
        Self {
            coloured: stream.is_terminal() && wants_colour(),
        }
    }

    /// Without any colour.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { coloured: false }
    }

    pub(super) fn is_coloured(self) -> bool {
        self.coloured
    }

    /// The text in its role.
    pub(super) fn paint(self, role: Role, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match role {
            Role::Ok => "32",
            Role::Warn => "33",
            Role::Danger => "31;1",
            Role::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A non-empty `NO_COLOR` turns colours off; so does a dumb terminal.
#[must_use]
pub fn wants_colour() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !no_colour && !dumb
}
