//! A piece of a document that is to be written.

use std::fmt;

use super::{Literal, Node, NodeKind};

/// A value to set. It may hold a secret: `Debug` shows its shape only.
#[derive(Clone, PartialEq, Eq)]
pub enum Fragment {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it shall be written.
    Number(String),
    /// A string; quoted where it must be.
    String(String),
    /// Keys in the order in which they shall stand.
    Mapping(Vec<(String, Fragment)>),
    /// Items.
    Sequence(Vec<Fragment>),
}

impl Fragment {
    /// A mapping from literal keys.
    #[must_use]
    pub fn mapping<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    /// What a node says, so that it can be written elsewhere.
    #[must_use]
    pub fn from_node(node: &Node) -> Self {
        match &node.kind {
            NodeKind::Scalar(scalar) => match scalar.literal() {
                Literal::Null => Self::Null,
                Literal::Bool(value) => Self::Bool(value),
                Literal::Number(number) => Self::Number(number.to_owned()),
                Literal::String(text) => Self::string(text),
            },
            NodeKind::Mapping(entries) => Self::Mapping(
                entries
                    .iter()
                    .map(|entry| (entry.key.text.clone(), Self::from_node(&entry.value)))
                    .collect(),
            ),
            NodeKind::Sequence(items) => {
                Self::Sequence(items.iter().map(Self::from_node).collect())
            }
        }
    }

    /// A string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("Null"),
            Self::Bool(_) => formatter.write_str("Bool"),
            Self::Number(_) => formatter.write_str("Number"),
            Self::String(_) => formatter.write_str("String(hidden)"),
            Self::Mapping(entries) => formatter
                .debug_map()
                .entries(entries.iter().map(|(key, value)| (key, value)))
                .finish(),
            Self::Sequence(items) => formatter.debug_list().entries(items).finish(),
        }
    }
}
