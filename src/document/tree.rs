//! The strict load: YAML events to a tree in which every key and value knows its
//! bytes, line and column.
//!
//! Refused, with place and remedy: duplicate keys, keys that are not strings, tabs
//! as indentation, anchors, aliases, merge keys and tags, several documents, NUL,
//! and documents beyond the limits below. An empty document is an empty mapping.

use std::fmt;

use zeroize::Zeroizing;

use super::literal::{Literal, resolve_plain};
use super::{Diagnostic, Segment};

mod places;
mod problem;
mod read;

pub(super) use places::{line_end, span_of};
pub(super) use problem::Problem;
pub(super) use read::read;

/// A range of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte behind the last one.
    pub end: usize,
    /// Line of the start, from 1.
    pub line: usize,
    /// Column of the start in characters, from 1.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column behind the last character.
    pub end_column: usize,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|` or `>`
    Block,
}

/// A scalar's text without its notation.
pub struct Scalar {
    text: Zeroizing<String>,
    style: ScalarStyle,
}

impl Scalar {
    /// The text. It may be a secret.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How it is written.
    #[must_use]
    pub fn style(&self) -> ScalarStyle {
        self.style
    }

    /// What it means.
    #[must_use]
    pub fn literal(&self) -> Literal<'_> {
        match self.style {
            ScalarStyle::Plain => resolve_plain(&self.text),
            _ => Literal::String(&self.text),
        }
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scalar({:?}, hidden)", self.style)
    }
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A key and its value.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// What a node is.
#[derive(Debug)]
pub enum NodeKind {
    /// A single value.
    Scalar(Scalar),
    /// Keys and values in the order of the text.
    Mapping(Vec<Entry>),
    /// Items.
    Sequence(Vec<Node>),
}

/// A value with its place.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands. A block collection ends with its last child, a block scalar
    /// begins with its `|` or `>`.
    pub span: Span,
    /// Whether a collection is written as `{…}` or `[…]`.
    pub flow: bool,
}

impl Node {
    /// The entries, if it is a mapping.
    #[must_use]
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            NodeKind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The meaning, if it is a scalar.
    #[must_use]
    pub fn literal(&self) -> Option<Literal<'_>> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar.literal()),
            _ => None,
        }
    }

    /// Whether it is `null` or nothing at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.literal(), Some(Literal::Null))
    }

    /// The word that diagnostics use for its type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.literal().type_name(),
            NodeKind::Mapping(_) => "object",
            NodeKind::Sequence(_) => "array",
        }
    }

    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key.text == key)
    }

    /// The node below, along a path.
    #[must_use]
    pub fn get(&self, path: &[Segment]) -> Option<&Self> {
        let mut node = self;
        for segment in path {
            node = match segment {
                Segment::Key(key) => &node.entry(key)?.value,
                Segment::Index(index) => node.items()?.get(*index)?,
            };
        }
        Some(node)
    }
}

/// A text that was loaded strictly, and its tree.
pub struct Document {
    source: String,
    text: Zeroizing<String>,
    root: Node,
}

impl Document {
    /// Loads a text. `source` is its name in diagnostics.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn load(text: &str, source: &str) -> Result<Self, Vec<Diagnostic>> {
        let (root, problems) = read(text);
        if !problems.is_empty() {
            return Err(problems
                .into_iter()
                .map(|problem| problem.into_diagnostic(source))
                .collect());
        }
        let Some(root) = root else {
            return Err(vec![Diagnostic::error("the document cannot be read")]);
        };
        Ok(Self {
            source: source.to_owned(),
            text: Zeroizing::new(text.to_owned()),
            root,
        })
    }

    /// The name in diagnostics.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text as it was loaded.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole tree.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The node at a path.
    #[must_use]
    pub fn get(&self, path: &[Segment]) -> Option<&Node> {
        self.root.get(path)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Document")
            .field("source", &self.source)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
