//! What is wrong with a text.

use super::Span;
use crate::document::Diagnostic;

/// A finding before it knows the name of its text.
pub(in crate::document) struct Problem {
    summary: String,
    hint: String,
    span: Span,
}

impl Problem {
    /// Whether the tree's ranges still cover all of the text's values.
    pub(in crate::document) fn leaves_ranges_exact(&self) -> bool {
        self.summary.starts_with("duplicate key")
    }

    pub(super) fn into_diagnostic(self, source: &str) -> Diagnostic {
        Diagnostic::error(self.summary)
            .with_place(source, self.span)
            .with_hint(self.hint)
    }
}

/// A problem and its remedy.
pub(super) fn problem(summary: &str, hint: &str, span: Span) -> Problem {
    Problem {
        summary: summary.to_owned(),
        hint: hint.to_owned(),
        span,
    }
}
