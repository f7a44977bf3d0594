//! A piece of a document that is to be written.

use std::fmt;

use super::literal::resolve_plain;
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

    /// What a text means where it stands plain in YAML: `8080` is a number, `no` a
    /// string. An empty text is an empty string, which is what was typed.
    #[must_use]
    pub fn from_plain(text: &str) -> Self {
        if text.is_empty() {
            return Self::string(text);
        }
        match resolve_plain(text) {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(value),
            Literal::Number(number) => Self::Number(number),
            Literal::String(text) => Self::string(text),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_text_means_what_it_means_in_yaml() {
        for (text, expected) in [
            ("8080", Fragment::Number("8080".to_owned())),
            ("true", Fragment::Bool(true)),
            ("null", Fragment::Null),
            ("no", Fragment::string("no")),
            ("0123", Fragment::string("0123")),
            ("", Fragment::string("")),
            ("a: b", Fragment::string("a: b")),
        ] {
            assert_eq!(Fragment::from_plain(text), expected, "{text}");
        }
    }
}
