//! Names and texts within statements that people read: exact, and safe to draw.

use crate::untrusted::Untrusted;

/// Quotes by doubling; characters that must not reach a terminal are written as escapes,
/// which the server reads back exactly.
pub(super) fn identifier(name: &str) -> String {
    quote(name, '"')
}

pub(super) fn literal(text: &str) -> String {
    if is_plain(text) && text.contains('\\') {
        // Right with either value of `standard_conforming_strings`.
        return format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    }
    quote(text, '\'')
}

fn quote(text: &str, mark: char) -> String {
    let doubled = text.replace(mark, &format!("{mark}{mark}"));
    if is_plain(text) {
        return format!("{mark}{doubled}{mark}");
    }
    let escaped: String = doubled
        .chars()
        .map(|character| match character {
            '\\' => "\\\\".to_owned(),
            plain if is_plain(plain.encode_utf8(&mut [0; 4])) => plain.to_string(),
            other => format!("\\+{:06X}", u32::from(other)),
        })
        .collect();
    format!("U&{mark}{escaped}{mark}")
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|character| {
        let mut buffer = [0; 4];
        let one: &str = character.encode_utf8(&mut buffer);
        Untrusted::new(one).as_str() == one
    })
}

/// Takes the server's own list of names apart: quoted names, or bare words.
pub(super) fn list_of_names(value: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted),
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        names.push(name);
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    names
}

/// The name up to its closing quote, and what follows.
fn quoted_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return (name, &text[at + 1..]);
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names_and_are_safe_to_draw() {
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(
            identifier("a\u{1b}[2J\\\"b"),
            "U&\"a\\+00001B[2J\\\\\"\"b\""
        );
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), "E'a\\\\b'");
        assert_eq!(literal("\u{202e}"), "U&'\\+00202E'");
    }
}
