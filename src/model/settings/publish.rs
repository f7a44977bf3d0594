//! Sinks: files to which an environment is published.

use crate::document::{Segment, Span};

/// One entry of `publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSettings {
    /// The file, by its absolute path.
    pub file: String,
    /// What stands in it, with references into the environment.
    pub template: String,
    /// Whose the file is; without it, of whoever runs handover.
    pub owner: Option<String>,
    /// What happens once the file stands.
    pub then: Option<Then>,
    /// Where its template stands in the settings' document.
    pub template_path: Vec<Segment>,
    /// The same, for whoever shows it.
    pub template_span: Span,
}

/// How whoever reads a file is told that it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// A signal to the process whose number stands in a file.
    Signal {
        /// Which one.
        signal: ThenSignal,
        /// The file, by its absolute path.
        pidfile: String,
    },
    /// A program and its arguments, run without a shell.
    Command(Vec<String>),
}

/// The signals that programs take for a wish to read their files again, or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThenSignal {
    /// SIGHUP
    Hup,
    /// SIGUSR1
    Usr1,
    /// SIGUSR2
    Usr2,
    /// SIGINT
    Int,
    /// SIGTERM, where somebody starts the program again.
    Term,
}

impl ThenSignal {
    /// All of them, by their names in the settings.
    pub const ALL: [(&'static str, Self); 5] = [
        ("HUP", Self::Hup),
        ("USR1", Self::Usr1),
        ("USR2", Self::Usr2),
        ("INT", Self::Int),
        ("TERM", Self::Term),
    ];

    /// As the settings name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, signal)| *signal == self);
        known.map_or("", |(name, _)| name)
    }
}
