//! The checks of a `state` that stands literally in the document.

use super::parse::{Parser, below, unknown_property};
use crate::document::{Diagnostic, Literal, Node, Segment};

/// Checks the state of two users that take turns: `current` and `previous`. Returns
/// whether it may be evaluated.
pub(super) fn check_user_pair(
    parser: &mut Parser<'_>,
    state: &Node,
    inputs: &Node,
    path: &[Segment],
) -> bool {
    let is_function = state.entries().is_some_and(|entries| {
        entries
            .iter()
            .any(|entry| entry.key.text.starts_with("fn::"))
    });
    if state.entries().is_none() || is_function {
        parser.error("rotation state must be an object literal", state.span, path);
        return false;
    }
    warn_unknown(parser, state, &["current", "previous"], path);
    let mut valid = require(parser, state, &["current", "previous"], path);
    let allowed = rotate_users(inputs);
    for (role, required) in [
        ("current", &["username", "password"][..]),
        ("previous", &["username"][..]),
    ] {
        if let Some(entry) = state.entry(role) {
            let path = below(path, role);
            valid &= check_user(parser, &entry.value, required, &path);
            valid &= check_membership(parser, &entry.value, allowed.as_ref(), &path);
        }
    }
    valid && check_distinct(parser, state, path)
}

fn check_user(parser: &mut Parser<'_>, user: &Node, required: &[&str], path: &[Segment]) -> bool {
    if user.entries().is_none() {
        let summary = format!("expected object, got {}", user.type_name());
        parser.error(summary, user.span, path);
        return false;
    }
    warn_unknown(parser, user, &["username", "password"], path);
    let mut valid = require(parser, user, required, path);
    if let Some(name) = user.entry("username")
        && !matches!(name.value.literal(), Some(Literal::String(_)))
    {
        let summary = format!("expected string, got {}", name.value.type_name());
        parser.error(summary, name.value.span, &below(path, "username"));
        valid = false;
    }
    if let Some(password) = user.entry("password") {
        let is_text = matches!(password.value.literal(), Some(Literal::String(_)));
        let is_function = password
            .value
            .entries()
            .is_some_and(|entries| entries.len() == 1 && entries[0].key.text.starts_with("fn::"));
        if !is_text && !is_function {
            let summary = format!("expected string, got {}", password.value.type_name());
            parser.error(summary, password.value.span, &below(path, "password"));
            valid = false;
        }
    }
    valid
}

/// A user that is not in the pair would never be rotated again.
fn check_membership(
    parser: &mut Parser<'_>,
    user: &Node,
    allowed: Option<&[String; 2]>,
    path: &[Segment],
) -> bool {
    let (Some(allowed), Some(name)) = (allowed, literal_text(user, "username")) else {
        return true;
    };
    if allowed.contains(&name) {
        return true;
    }
    let span = user
        .entry("username")
        .map_or(user.span, |entry| entry.value.span);
    let diagnostic = Diagnostic::error(format!("the user {name:?} is not one of rotateUsers"))
        .with_hint(format!("the pair is {:?} and {:?}", allowed[0], allowed[1]));
    parser.report(diagnostic, span, &below(path, "username"));
    false
}

fn check_distinct(parser: &mut Parser<'_>, state: &Node, path: &[Segment]) -> bool {
    let name = |role: &str| literal_text(&state.entry(role)?.value, "username");
    let (Some(current), Some(previous)) = (name("current"), name("previous")) else {
        return true;
    };
    if current != previous {
        return true;
    }
    let diagnostic = Diagnostic::error("current and previous must be different users")
        .with_hint("the users of a pair take turns; name each of them once");
    parser.report(diagnostic, state.span, path);
    false
}

fn rotate_users(inputs: &Node) -> Option<[String; 2]> {
    let users = &inputs.entry("rotateUsers")?.value;
    Some([
        literal_text(users, "username1")?,
        literal_text(users, "username2")?,
    ])
}

/// A string without references. `$$` is left to evaluation.
fn literal_text(node: &Node, key: &str) -> Option<String> {
    match node.entry(key)?.value.literal()? {
        Literal::String(text) if !text.contains('$') => Some(text.to_owned()),
        _ => None,
    }
}

fn warn_unknown(parser: &mut Parser<'_>, node: &Node, known: &[&str], path: &[Segment]) {
    for entry in node.entries().unwrap_or_default() {
        if !known.contains(&entry.key.text.as_str()) {
            let summary = unknown_property(&entry.key.text, known.iter().copied());
            let path = below(path, &entry.key.text);
            parser.report(Diagnostic::warning(summary), entry.key.span, &path);
        }
    }
}

fn require(parser: &mut Parser<'_>, node: &Node, required: &[&str], path: &[Segment]) -> bool {
    let missing: Vec<&str> = required
        .iter()
        .copied()
        .filter(|key| node.entry(key).is_none())
        .collect();
    if missing.is_empty() {
        return true;
    }
    let summary = format!("missing required properties: {}", missing.join(", "));
    parser.error(summary, node.span, path);
    false
}
