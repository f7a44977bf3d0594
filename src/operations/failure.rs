//! What a use case answers when it cannot do what was asked.

use std::path::Path;

use crate::document::{Diagnostic, Severity};
use crate::process::{KeyError, PrivacyError};
use crate::store::{Placed, StoreError};
use crate::untrusted::Untrusted;

/// How a command ends; the most serious wins in the order 5, 3, 6, 4, 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// An error.
    Error = 1,
    /// The command line is wrong, or a path matches nothing.
    Usage = 2,
    /// Some paths succeeded and some did not.
    Partial = 3,
    /// Refused; nothing was changed.
    Refused = 4,
    /// A person is needed, or the outcome after S3 is unknown.
    NeedsHuman = 5,
    /// Unreachable; nothing was changed.
    Unreachable = 6,
}

impl Exit {
    /// The more serious of two ends.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self.rank() >= other.rank() {
            self
        } else {
            other
        }
    }

    /// How serious it is; the higher wins.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Partial => 5,
            Self::NeedsHuman => 6,
        }
    }
}

/// The text that diagnostics point into. It may hold plaintext secrets, so it is
/// only ever drawn through `document::render`.
#[derive(Clone)]
pub struct SourceOfTruth {
    /// The name under which the diagnostics know it.
    pub name: String,
    /// The text.
    pub text: String,
}

impl std::fmt::Debug for SourceOfTruth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SourceOfTruth({})", self.name)
    }
}

/// A refusal or an error, with what mends it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// A stable word for scripts.
    pub code: &'static str,
    /// How the command ends.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Findings with their places, when the input is at fault.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that they point into.
    pub sources: Vec<SourceOfTruth>,
}

impl Failure {
    /// A failure without diagnostics.
    #[must_use]
    pub fn new(
        code: &'static str,
        exit: Exit,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code,
            exit,
            message: message.into(),
            remedy: remedy.into(),
            diagnostics: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// A failure because of what stands in a document.
    #[must_use]
    pub fn in_document(
        code: &'static str,
        diagnostics: Vec<Diagnostic>,
        sources: Vec<SourceOfTruth>,
    ) -> Self {
        let first = diagnostics
            .iter()
            .find(|diagnostic| diagnostic.severity == Severity::Error)
            .or(diagnostics.first());
        let (message, remedy) = match first {
            Some(diagnostic) => (describe(diagnostic), diagnostic.hint.clone()),
            None => ("the document cannot be used".to_owned(), None),
        };
        Self {
            code,
            exit: Exit::Error,
            message,
            remedy: remedy.unwrap_or_else(|| "mend the document at this place".to_owned()),
            diagnostics,
            sources,
        }
    }

    /// The same failure with another end.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// One diagnostic in one line.
fn describe(diagnostic: &Diagnostic) -> String {
    let summary = Untrusted::new(&diagnostic.summary);
    match &diagnostic.place {
        Some(place) => format!(
            "{}:{}:{}: {summary}",
            Untrusted::new(&place.source),
            place.line,
            place.column
        ),
        None => summary.as_str().to_owned(),
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Missing(_) => "no-store",
            StoreError::Exists(_) => "store-exists",
            StoreError::NotPrivate(_) => "not-private",
            StoreError::Newer { .. } => "store-newer",
            StoreError::Foreign => "store-foreign",
            StoreError::Damaged(_) => "store-damaged",
            StoreError::KeyChanged { .. } => "key-changed",
            StoreError::NotEmpty { .. } => "store-not-empty",
            StoreError::BackupExists(_) => "backup-exists",
            StoreError::CannotWrite(_) => "store-unwritable",
            StoreError::Busy => "store-busy",
            StoreError::RotationClosed(_) => "overtaken",
            StoreError::CommitUnknown(_) => "store-unknown",
            StoreError::Other(_) | StoreError::Stopped => "store-failed",
        };
        let exit = match &error {
            StoreError::Exists(_)
            | StoreError::NotEmpty { .. }
            | StoreError::BackupExists(_)
            | StoreError::RotationClosed(_) => Exit::Refused,
            StoreError::CommitUnknown(_) => Exit::NeedsHuman,
            _ => Exit::Error,
        };
        Self::new(code, exit, error.to_string(), error.remedy())
    }
}

impl Placed for Failure {
    fn at(mut self, folder: &Path) -> Self {
        if self.code == "store-unwritable" {
            self.message = format!("{}: {}", folder.display(), self.message);
        }
        self
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let exit = match &error {
            KeyError::Exists(_)
            | KeyError::PassphraseTooShort(_)
            | KeyError::PassphrasesDiffer
            | KeyError::Cancelled
            | KeyError::NoPassphrase(_) => Exit::Refused,
            _ => Exit::Error,
        };
        Self::new(error.code(), exit, error.to_string(), error.remedy())
    }
}

impl From<PrivacyError> for Failure {
    fn from(error: PrivacyError) -> Self {
        Self::new(
            "not-private",
            Exit::Error,
            error.to_string(),
            error.remedy(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_serious_end_wins() {
        let order = [
            Exit::Done,
            Exit::Error,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Partial,
            Exit::NeedsHuman,
        ];
        for pair in order.windows(2) {
            assert_eq!(pair[0].worse(pair[1]), pair[1]);
            assert_eq!(pair[1].worse(pair[0]), pair[1]);
        }
    }
}
