//! Key presses, as the pure core sees them.

use std::fmt;

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Escape,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

impl Key {
    /// Reads a key as the command table and the tests write it.
    #[cfg(test)]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let key = match text {
            "enter" => Self::Enter,
            "esc" => Self::Escape,
            "backspace" => Self::Backspace,
            "tab" => Self::Tab,
            "shift-tab" => Self::BackTab,
            "up" => Self::Up,
            "down" => Self::Down,
            "left" => Self::Left,
            "right" => Self::Right,
            "pgup" => Self::PageUp,
            "pgdn" => Self::PageDown,
            "home" => Self::Home,
            "end" => Self::End,
            "space" => Self::Char(' '),
            _ => {
                let (control, rest) = match text.strip_prefix("ctrl-") {
                    Some(rest) => (true, rest),
                    None => (false, text),
                };
                let mut characters = rest.chars();
                let (Some(only), None) = (characters.next(), characters.next()) else {
                    return None;
                };
                if control {
                    Self::Ctrl(only)
                } else {
                    Self::Char(only)
                }
            }
        };
        Some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Char(' ') => "space",
            Self::Char(character) => return write!(formatter, "{character}"),
            Self::Ctrl(character) => return write!(formatter, "ctrl-{character}"),
            Self::Enter => "enter",
            Self::Escape => "esc",
            Self::Backspace => "backspace",
            Self::Tab => "tab",
            Self::BackTab => "shift-tab",
            Self::Up => "up",
            Self::Down => "down",
            Self::Left => "left",
            Self::Right => "right",
            Self::PageUp => "pgup",
            Self::PageDown => "pgdn",
            Self::Home => "home",
            Self::End => "end",
        };
        formatter.write_str(word)
    }
}
