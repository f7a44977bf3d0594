//! Fragments as YAML text, in the few notations that every reader agrees on.

use super::{Fragment, ScalarStyle};

/// Whether a fragment takes no lines of its own in block style.
pub(super) fn is_inline(fragment: &Fragment) -> bool {
    match fragment {
        Fragment::Mapping(entries) => entries.is_empty(),
        Fragment::Sequence(items) => items.is_empty(),
        _ => true,
    }
}

/// A fragment on one line.
pub(super) fn flow_text(fragment: &Fragment, style: ScalarStyle) -> String {
    match fragment {
        Fragment::Null => "null".to_owned(),
        Fragment::Bool(value) => value.to_string(),
        Fragment::Number(number) => number.clone(),
        Fragment::String(text) => string_text(text, style),
        Fragment::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{}: {}",
                        key_text(key),
                        flow_text(value, ScalarStyle::Plain)
                    )
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Fragment::Sequence(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| flow_text(item, ScalarStyle::Plain))
                .collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// A collection as lines, each indented by `indent` and without a break at the end.
pub(super) fn block_lines(fragment: &Fragment, indent: usize, step: usize) -> Vec<String> {
    let margin = " ".repeat(indent);
    let mut lines = Vec::new();
    match fragment {
        Fragment::Mapping(entries) => {
            for (key, value) in entries {
                lines.extend(entry_lines(key, value, indent, step));
            }
        }
        Fragment::Sequence(items) => {
            for item in items {
                if is_inline(item) {
                    lines.push(format!("{margin}- {}", flow_text(item, ScalarStyle::Plain)));
                    continue;
                }
                let mut inner = block_lines(item, indent + 2, step).into_iter();
                if let Some(first) = inner.next() {
                    lines.push(format!("{margin}- {}", first.trim_start()));
                }
                lines.extend(inner);
            }
        }
        scalar => lines.push(format!("{margin}{}", flow_text(scalar, ScalarStyle::Plain))),
    }
    lines
}

/// One entry of a block mapping.
pub(super) fn entry_lines(key: &str, value: &Fragment, indent: usize, step: usize) -> Vec<String> {
    let margin = " ".repeat(indent);
    let key = key_text(key);
    if is_inline(value) {
        return vec![format!(
            "{margin}{key}: {}",
            flow_text(value, ScalarStyle::Plain)
        )];
    }
    let mut lines = vec![format!("{margin}{key}:")];
    lines.extend(block_lines(value, indent + step, step));
    lines
}

/// A key, quoted where it must be.
pub(super) fn key_text(key: &str) -> String {
    string_text(key, ScalarStyle::Plain)
}

/// A string, in the wanted notation if that can say it.
fn string_text(text: &str, style: ScalarStyle) -> String {
    if style == ScalarStyle::SingleQuoted && !text.chars().any(needs_escape) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    if style != ScalarStyle::DoubleQuoted && is_safe_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if needs_escape(letter) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Characters that readers treat as line breaks or refuse outside of an escape.
fn needs_escape(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// Whether every reader, old or new, takes the bare text for this very string.
fn is_safe_plain(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
    ];
    let mut letters = text.chars().peekable();
    let starts_well = letters
        .peek()
        .is_some_and(|first| first.is_ascii_alphabetic() || *first == '_');
    if !starts_well || text.ends_with(':') || WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return false;
    }
    text.chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "_-./+=:".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_would_read_as_something_else_are_quoted() {
        for text in [
            "", "null", "No", "12", "-x", "a: b", "a #b", "x:", "*a", "é", " a",
        ] {
            assert!(
                string_text(text, ScalarStyle::Plain).starts_with('"'),
                "{text}"
            );
        }
        for text in ["fn::secret", "ZXNjeAAA+/==", "user1", "db.example.org"] {
            assert_eq!(string_text(text, ScalarStyle::Plain), text);
        }
    }
}
