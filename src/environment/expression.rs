//! The abstract syntax: what a document says, before anything is evaluated.

use std::fmt;

use zeroize::Zeroizing;

use crate::document::{PropertyPath, Segment, Span, document_path_text};
use crate::model::Engine;
use crate::secret::Secret;

/// A parsed document. Its expressions are numbered, which memoisation relies on.
pub struct Environment {
    pub(super) source: String,
    pub(super) description: Option<String>,
    /// Always an object.
    pub(super) values: Expression,
    pub(super) rotated: Vec<RotatedSecret>,
    pub(super) expression_count: usize,
}

impl Environment {
    /// The name that its diagnostics carry.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The top-level `description`.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// All rotated secrets, in the order of the text.
    #[must_use]
    pub fn rotated_secrets(&self) -> &[RotatedSecret] {
        &self.rotated
    }

    /// The expression of a rotated secret.
    pub(super) fn rotation(&self, path: &PropertyPath) -> Option<(&Expression, &Rotation)> {
        let mut expression = &self.values;
        for segment in path.segments() {
            expression = match (&expression.kind, segment) {
                (ExpressionKind::Object(properties), Segment::Key(key)) => {
                    &properties
                        .iter()
                        .find(|property| property.key == *key)?
                        .value
                }
                (ExpressionKind::List(items), Segment::Index(index)) => items.get(*index)?,
                _ => return None,
            };
        }
        match &expression.kind {
            ExpressionKind::Rotate(rotation) => Some((expression, rotation)),
            _ => None,
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("source", &self.source)
            .field("rotated", &self.rotated)
            .finish_non_exhaustive()
    }
}

/// A `fn::rotate` node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedSecret {
    /// Where it stands below `values`.
    pub path: PropertyPath,
    /// Which engine rotates it.
    pub engine: Engine,
    /// The node that holds `inputs` and `state`, from the document's root.
    pub document_path: Vec<Segment>,
    /// Whether `state` is present and not null.
    pub has_state: bool,
    /// Where it stands in the text.
    pub span: Span,
}

/// One expression, with what diagnostics and memoisation need to know of it.
pub(super) struct Expression {
    pub(super) id: usize,
    pub(super) span: Span,
    /// From the document's root.
    pub(super) path: Vec<Segment>,
    pub(super) kind: ExpressionKind,
}

impl Expression {
    /// The path below `values`, as references spell it.
    pub(super) fn reference_text(&self) -> String {
        document_path_text(self.path.get(1..).unwrap_or_default())
    }

    /// The expression of a property, if this is an object that has it.
    pub(super) fn property(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            ExpressionKind::Object(properties) => properties
                .iter()
                .find(|property| property.key == key)
                .map(|property| &property.value),
            _ => None,
        }
    }
}

pub(super) enum ExpressionKind {
    /// Something that was refused when parsing; its value is unknown.
    Invalid,
    Null,
    Bool(bool),
    Number(String),
    Text(Zeroizing<String>),
    /// `text ${path} text`
    Interpolation(Vec<Part>),
    /// `${path}` alone, which keeps the type of what it refers to.
    Symbol(Access),
    List(Vec<Expression>),
    /// In the order of the text; evaluated in the order of keys.
    Object(Vec<Property>),
    Secret(SecretExpression),
    Rotate(Box<Rotation>),
}

pub(super) struct Property {
    pub(super) key: String,
    pub(super) value: Expression,
}

/// Text, then a reference where there is one.
pub(super) struct Part {
    pub(super) text: Zeroizing<String>,
    pub(super) access: Option<Access>,
}

/// A path in `${…}`.
pub(super) struct Access {
    pub(super) steps: Vec<Step>,
}

pub(super) struct Step {
    pub(super) segment: Segment,
    pub(super) span: Span,
}

/// `fn::secret`, and the place of its argument.
pub(super) struct SecretExpression {
    pub(super) argument: Span,
    pub(super) argument_path: Vec<Segment>,
    pub(super) form: SecretArgument,
}

pub(super) enum SecretArgument {
    Plain(Secret),
    Ciphertext(String),
}

/// `fn::rotate`: the provider decides what inputs and state mean.
pub(super) struct Rotation {
    pub(super) inputs: Expression,
    /// Absent where the document has none or null.
    pub(super) state: Option<Expression>,
    /// A state that was refused when parsing is not evaluated.
    pub(super) state_is_valid: bool,
}
