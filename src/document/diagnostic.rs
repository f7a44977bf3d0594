//! What is wrong, where, and what to do about it.

use super::Span;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document cannot be used as it is.
    Error,
    /// The document works, but probably not as meant.
    Warning,
}

/// Where a finding stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of the text, for example a file or an environment.
    pub source: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The exact range.
    pub span: Span,
}

impl Place {
    /// The place of a span in a named text.
    #[must_use]
    pub fn new(source: &str, span: Span) -> Self {
        Self {
            source: source.to_owned(),
            line: span.line,
            column: span.column,
            span,
        }
    }
}

/// One finding. Its texts never contain a value of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: String,
    /// Where, if it has a place in a text.
    pub place: Option<Box<Place>>,
    /// The path of the node, if it has one.
    pub path: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place; the `with_` functions add what is known.
    #[must_use]
    pub fn error(summary: impl Into<String>) -> Self {
        Self::new(Severity::Error, summary.into())
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(summary: impl Into<String>) -> Self {
        Self::new(Severity::Warning, summary.into())
    }

    fn new(severity: Severity, summary: String) -> Self {
        Self {
            severity,
            summary,
            place: None,
            path: None,
            hint: None,
        }
    }

    /// Says where.
    #[must_use]
    pub fn with_place(mut self, source: &str, span: Span) -> Self {
        self.place = Some(Box::new(Place::new(source, span)));
        self
    }

    /// Says which node.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Whether any finding is an error.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}
