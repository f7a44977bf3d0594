//! In what two documents differ: by the paths of their values, and line by line. Secrets are
//! compared and never shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use similar::TextDiff;

use super::compose::state_path;
use crate::document::{
    Document, Fragment, Literal, Node, NodeKind, Segment, document_path_text, edit,
};
use crate::environment::{Environment, SecretForm, Unseal};
use crate::operations::Failure;
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// What stands in place of a secret.
const HIDDEN: &str = "[secret]";

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where, as `env set` takes it.
    pub path: String,
    /// What becomes of it.
    pub change: DifferenceKind,
    /// What stands there now; `[secret]` for a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// It is there again.
    Set,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
}

/// The values of a document, but for the states of its rotated secrets.
struct Values {
    plain: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

impl Values {
    fn of(
        document: &Document,
        environment: &Environment,
        key: &dyn Unseal,
    ) -> Result<Self, Failure> {
        let states: Vec<Vec<Segment>> = environment
            .rotated_secrets()
            .iter()
            .map(|secret| state_path(&secret.document_path))
            .collect();
        let mut values = Self {
            plain: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        values.collect(document.root(), &mut Vec::new(), &states);
        for site in environment.secret_sites() {
            let at = &site.document_path;
            if states.iter().any(|state| at.starts_with(state)) {
                continue;
            }
            let secret = match &site.form {
                SecretForm::Plain(plain) => plain.duplicate(),
                // One that does not open differs from whatever else.
                SecretForm::Ciphertext(text) => match key.unseal(text) {
                    Ok(secret) => secret,
                    Err(_) => Secret::new(text.clone()),
                },
            };
            let above = at.get(..at.len().saturating_sub(1)).unwrap_or_default();
            values.secrets.insert(path_text(above), secret);
        }
        Ok(values)
    }

    fn collect(&mut self, node: &Node, path: &mut Vec<Segment>, states: &[Vec<Segment>]) {
        if states.contains(path) {
            return;
        }
        let mut add = |words: &str| self.plain.insert(path_text(path), words.to_owned());
        match &node.kind {
            NodeKind::Mapping(entries) if entries.is_empty() => {
                add("{}");
            }
            NodeKind::Sequence(items) if items.is_empty() => {
                add("[]");
            }
            NodeKind::Scalar(scalar) => {
                add(&shown(&scalar.literal()));
            }
            NodeKind::Mapping(entries) => {
                for entry in entries
                    .iter()
                    .filter(|entry| entry.key.text != "fn::secret")
                {
                    path.push(Segment::Key(entry.key.text.clone()));
                    self.collect(&entry.value, path, states);
                    path.pop();
                }
            }
            NodeKind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Segment::Index(index));
                    self.collect(item, path, states);
                    path.pop();
                }
            }
        }
    }

    fn shown(&self, path: &str) -> Option<String> {
        match self.secrets.contains_key(path) {
            true => Some(HIDDEN.to_owned()),
            false => self.plain.get(path).cloned(),
        }
    }
}

fn path_text(path: &[Segment]) -> String {
    match path.split_first() {
        Some((first, rest)) if *first == "values".into() => document_path_text(rest),
        _ => document_path_text(path),
    }
}

fn shown(literal: &Literal<'_>) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(value) => value.to_string(),
        Literal::Number(number) => (*number).to_string(),
        Literal::String(text) => format!("\"{}\"", Untrusted::new(text)),
    }
}

/// What differs between the document of now and the one that comes.
pub(super) fn differences(
    now: (&Document, &Environment),
    then: (&Document, &Environment),
    key: &dyn Unseal,
) -> Result<Vec<Difference>, Failure> {
    let now = Values::of(now.0, now.1, key)?;
    let then = Values::of(then.0, then.1, key)?;
    let paths = [&now, &then].into_iter().flat_map(|values| {
        let plain = values.plain.keys();
        plain.chain(values.secrets.keys())
    });
    let paths: BTreeSet<&String> = paths.collect();
    let differing = paths.into_iter().filter_map(|path| {
        let is_same = now.plain.get(path) == then.plain.get(path)
            && now.secrets.get(path) == then.secrets.get(path);
        if is_same {
            return None;
        }
        let (before, after) = (now.shown(path), then.shown(path));
        Some(Difference {
            path: path.clone(),
            change: match (&before, &after) {
                (None, _) => DifferenceKind::Set,
                (_, None) => DifferenceKind::Removed,
                _ => DifferenceKind::Changed,
            },
            before,
            after,
        })
    });
    Ok(differing.collect())
}

/// The text with a mark in place of every secret.
pub(super) fn redacted(document: &Document, environment: &Environment) -> Result<String, Failure> {
    let mut text = document.text().to_owned();
    for site in environment.secret_sites() {
        text = edit::set(&text, &site.document_path, &Fragment::string(HIDDEN)).map_err(
            |diagnostic| Failure::in_document("cannot-show", vec![diagnostic], Vec::new()),
        )?;
    }
    Ok(text)
}

/// Both texts line by line.
pub(super) fn unified(now: &str, then: &str, head: u64, restored: u64) -> String {
    TextDiff::from_lines(now, then)
        .unified_diff()
        .context_radius(2)
        .header(
            &format!("revision {head}"),
            &format!("revision {restored} with the states of now"),
        )
        .to_string()
}
