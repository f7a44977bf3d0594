//! Paths to a node, in the property grammar of the Pulumi ESC language:
//! `a.b[0]["x y"]`.
//!
//! Inside quotes `\"` stands for `"`. As an addition `\\` stands for `\`, without
//! which a key that ends in a backslash could not be written.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// One step down a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A path below `values`, as a user types it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyPath(pub Vec<Segment>);

/// Why a text is not a path. The text is what the ESC language says of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{summary}")]
pub struct PathError {
    /// What is wrong.
    pub summary: &'static str,
    /// Where it was noticed, in bytes.
    pub offset: usize,
}

impl PropertyPath {
    /// The steps.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&document_path_text(&self.0))
    }
}

impl FromStr for PropertyPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError {
                summary: "property name must not be empty",
                offset: 0,
            });
        }
        let (accessors, _, faults) = parse_accessors(text, None);
        if let Some(fault) = faults.first() {
            return Err(PathError {
                summary: fault.summary,
                offset: fault.range.start,
            });
        }
        Ok(Self(
            accessors
                .into_iter()
                .map(|accessor| accessor.segment)
                .collect(),
        ))
    }
}

/// Writes a path so that [`PropertyPath::from_str`] reads it back.
#[must_use]
pub fn document_path_text(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        match segment {
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
            Segment::Key(key) if is_plain_name(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Key(key) => {
                let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
                text.push_str(&format!("[\"{escaped}\"]"));
            }
        }
    }
    text
}

fn is_plain_name(key: &str) -> bool {
    let starts_well = key
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || first == '$');
    starts_well
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '$')
}

/// One step of a path with the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accessor {
    /// The step.
    pub segment: Segment,
    /// Its bytes in the text that was parsed.
    pub range: Range<usize>,
}

/// Something wrong in a path; reading goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessorFault {
    /// The text of the ESC language.
    pub summary: &'static str,
    /// Its bytes in the text that was parsed.
    pub range: Range<usize>,
}

/// Reads steps until the terminator or the end.
///
/// Returns the steps, the number of bytes read (with the terminator), and what was
/// wrong. With a terminator, white space ends the path and a missing terminator is a
/// fault.
#[must_use]
pub fn parse_accessors(
    text: &str,
    terminator: Option<char>,
) -> (Vec<Accessor>, usize, Vec<AccessorFault>) {
    let mut accessors: Vec<Accessor> = Vec::new();
    let mut faults = Vec::new();
    let mut position = 0;
    loop {
        let Some(next) = text[position..].chars().next() else {
            if terminator.is_some() {
                faults.push(fault(UNTERMINATED, position..position));
            }
            return (accessors, position, faults);
        };
        if Some(next) == terminator {
            if accessors.is_empty() {
                faults.push(fault(EMPTY_NAME, position..position));
            }
            return (accessors, position + next.len_utf8(), faults);
        }
        if terminator.is_some() && next.is_whitespace() {
            faults.push(fault(UNTERMINATED, position..position));
            return (accessors, position, faults);
        }
        let start = position;
        if next == '[' {
            let (segment, read) = subscript(&text[position..], start, &mut faults);
            position += read;
            let numeric_root = accessors.is_empty()
                && terminator.is_some()
                && matches!(segment, Some(Segment::Index(_)));
            if numeric_root {
                faults.push(fault(NUMERIC_ROOT, start..position));
            }
            if let Some(segment) = segment {
                accessors.push(Accessor {
                    segment,
                    range: start..position,
                });
            }
            continue;
        }
        if next == '.' {
            if accessors.is_empty() {
                faults.push(fault(NUMERIC_ROOT, start..start + 1));
            }
            position += 1;
        } else if !accessors.is_empty() {
            faults.push(fault("expected '.' or '['", start..start + next.len_utf8()));
        }
        let name_start = position;
        let name_length = text[name_start..]
            .find(|letter: char| {
                letter == '.'
                    || letter == '['
                    || Some(letter) == terminator
                    || (terminator.is_some() && letter.is_whitespace())
            })
            .unwrap_or(text.len() - name_start);
        position = name_start + name_length;
        if name_length == 0 {
            faults.push(fault(EMPTY_NAME, start..position));
        }
        accessors.push(Accessor {
            segment: Segment::Key(text[name_start..position].to_owned()),
            range: name_start..position,
        });
    }
}

const UNTERMINATED: &str = "missing closing brace '}' in interpolation";
const EMPTY_NAME: &str = "property name must not be empty";
const NUMERIC_ROOT: &str = "the root property must be a string subscript or a name";

fn fault(summary: &'static str, range: Range<usize>) -> AccessorFault {
    AccessorFault { summary, range }
}

/// Reads `[0]` or `["key"]`; always reads at least the bracket.
fn subscript(
    text: &str,
    offset: usize,
    faults: &mut Vec<AccessorFault>,
) -> (Option<Segment>, usize) {
    let Some(quoted) = text.strip_prefix("[\"") else {
        let Some(end) = text.find(']') else {
            faults.push(fault(
                "subscript is missing closing bracket ']'",
                offset..offset + text.len(),
            ));
            return (None, text.len());
        };
        let digits = &text[1..end];
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let index = digits.parse().ok().filter(|_| is_number);
        if index.is_none() {
            faults.push(fault("invalid list index", offset..offset + end + 1));
        }
        return (index.map(Segment::Index), end + 1);
    };
    let mut key = String::new();
    let mut letters = quoted.char_indices();
    while let Some((position, letter)) = letters.next() {
        if letter == '\\' && quoted[position + 1..].starts_with(['"', '\\']) {
            let (_, escaped) = letters.next().expect("a letter follows, as was just seen");
            key.push(escaped);
            continue;
        }
        if letter != '"' {
            key.push(letter);
            continue;
        }
        let read = 2 + position + 1;
        if text[read..].starts_with(']') {
            return (Some(Segment::Key(key)), read + 1);
        }
        faults.push(fault(
            "subscript is missing closing bracket ']'",
            offset..offset + read,
        ));
        return (Some(Segment::Key(key)), read);
    }
    faults.push(fault(
        "key subscript is missing closing quote '\"'",
        offset..offset + text.len(),
    ));
    (Some(Segment::Key(key)), text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Segment> {
        text.parse::<PropertyPath>().expect("a good path").0
    }

    #[test]
    fn names_indices_and_quoted_keys_are_read() {
        assert_eq!(
            read("a.my-b[0][\"x y\"].c"),
            [
                "a".into(),
                "my-b".into(),
                0.into(),
                "x y".into(),
                "c".into()
            ]
        );
        assert_eq!(read("[\"\\\"baz\"]"), ["\"baz".into()]);
    }

    #[test]
    fn keys_are_quoted_as_the_language_quotes_them() {
        let path = ["values".into(), "a".into(), "fn::join".into(), 1.into()];
        assert_eq!(document_path_text(&path), "values.a[\"fn::join\"][1]");
        assert_eq!(document_path_text(&["0lead".into()]), "[\"0lead\"]");
        assert_eq!(document_path_text(&["".into()]), "[\"\"]");
    }

    #[test]
    fn bad_paths_say_what_is_wrong() {
        for (text, summary) in [
            ("", EMPTY_NAME),
            ("a..b", EMPTY_NAME),
            (".a", NUMERIC_ROOT),
            ("a[", "subscript is missing closing bracket ']'"),
            ("a[\"x", "key subscript is missing closing quote '\"'"),
            ("a[x]", "invalid list index"),
        ] {
            let error = text.parse::<PropertyPath>().expect_err("a bad path");
            assert_eq!(error.summary, summary, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_path_is_read_back_as_it_was(segments in prop::collection::vec(
            prop_oneof![
                ".{0,8}".prop_map(Segment::Key),
                "[a-z\\\\\".\\[\\]: ]{0,6}".prop_map(Segment::Key),
                any::<usize>().prop_map(Segment::Index),
            ],
            1..6,
        )) {
            let path = PropertyPath(segments);
            prop_assert_eq!(path.to_string().parse::<PropertyPath>(), Ok(path));
        }

        #[test]
        fn reading_any_text_ends(text in ".{0,40}") {
            let _ = text.parse::<PropertyPath>();
            let (_, read, _) = parse_accessors(&text, Some('}'));
            prop_assert!(read <= text.len());
        }
    }
}
