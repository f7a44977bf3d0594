//! `${path}` within text, and `$$` for a dollar sign.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::document::{Accessor, AccessorFault, parse_accessors};

/// A piece of text, then a reference where there is one.
pub(super) struct RawPart {
    pub(super) text: Zeroizing<String>,
    pub(super) access: Option<Vec<Accessor>>,
}

/// Splits a text. Every failure still yields parts, so that one fault hides no other.
/// Ranges are bytes of the text.
pub(super) fn split(text: &str) -> (Vec<RawPart>, Vec<AccessorFault>) {
    let mut parts = Vec::new();
    let mut faults = Vec::new();
    let mut literal = String::new();
    let mut position = 0;
    while position < text.len() {
        let rest = &text[position..];
        if rest.starts_with("$$") {
            literal.push('$');
            position += 2;
            continue;
        }
        if let Some(path) = rest.strip_prefix("${") {
            let start = position + 2;
            let (accessors, read, found) = parse_accessors(path, Some('}'));
            faults.extend(found.into_iter().map(|fault| AccessorFault {
                summary: fault.summary,
                range: shifted(&fault.range, start),
            }));
            let accessors = accessors.into_iter().map(|accessor| Accessor {
                segment: accessor.segment,
                range: shifted(&accessor.range, start),
            });
            parts.push(RawPart {
                text: Zeroizing::new(std::mem::take(&mut literal)),
                access: Some(accessors.collect()),
            });
            position = start + read;
            continue;
        }
        let letter = rest.chars().next().expect("the position is before the end");
        literal.push(letter);
        position += letter.len_utf8();
    }
    if !literal.is_empty() || parts.is_empty() {
        parts.push(RawPart {
            text: Zeroizing::new(literal),
            access: None,
        });
    }
    (parts, faults)
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Segment;

    #[test]
    fn text_and_references_alternate() {
        let (parts, faults) = split("a $$ ${b.c}d${[\"34\"]}");
        assert!(faults.is_empty());
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].text.as_str(), "a $ ");
        assert_eq!(parts[1].text.as_str(), "d");
        let steps = parts[1].access.as_ref().expect("a reference");
        assert_eq!(steps[0].segment, Segment::from("34"));
    }

    #[test]
    fn faults_have_their_place_and_do_not_end_the_reading() {
        let (parts, faults) = split("${a b} ${} ${c");
        let found: Vec<_> = faults
            .iter()
            .map(|fault| (fault.summary, fault.range.start))
            .collect();
        assert_eq!(
            found,
            [
                ("missing closing brace '}' in interpolation", 3),
                ("property name must not be empty", 9),
                ("missing closing brace '}' in interpolation", 14),
            ]
        );
        assert_eq!(parts.len(), 3);
    }
}
