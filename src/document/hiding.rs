//! Which parts of a text may hold a secret and must not be drawn.
//!
//! With a tree the values are known exactly. Without one, for a text that is not
//! valid YAML, the decision is lexical and errs on the side of hiding.

use std::ops::Range;

use super::tree::{Problem, line_end, read};
use super::{Node, NodeKind};

/// What stands in place of a value.
pub(super) const HIDDEN: &str = "‹hidden›";

const SUSPICIOUS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "ciphertext",
    "credential",
    "private",
    "apikey",
    "api_key",
    "api-key",
];

fn is_suspicious(text: &str) -> bool {
    let lower = text.to_lowercase();
    SUSPICIOUS.iter().any(|word| lower.contains(word))
}

/// Decides for all lines of one text.
pub(super) struct Hiding<'a> {
    text: &'a str,
    /// Sorted ranges to hide, or nothing if there is no tree.
    ranges: Option<Vec<Range<usize>>>,
}

impl<'a> Hiding<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (root, problems) = read(text);
        // A node's range leaves out its anchor and its tag, which would then be shown.
        let is_exact = problems.iter().all(Problem::leaves_ranges_exact);
        let ranges = root.filter(|_| is_exact).map(|root| {
            let mut ranges = Vec::new();
            collect(&root, false, text, &mut ranges);
            ranges.sort_unstable_by_key(|range| (range.start, range.end));
            ranges
        });
        Self { text, ranges }
    }

    /// The parts of one line that must be hidden, in order, as offsets in the text.
    pub(super) fn of_line(&self, line: Range<usize>) -> Vec<Range<usize>> {
        match &self.ranges {
            Some(ranges) => ranges
                .iter()
                .filter(|range| range.start < line.end && range.end > line.start)
                .map(|range| range.start.max(line.start)..range.end.min(line.end))
                .collect(),
            None => self.guess(line),
        }
    }

    fn guess(&self, line: Range<usize>) -> Vec<Range<usize>> {
        let content = &self.text[line.clone()];
        let indent = content.len() - content.trim_start().len();
        let value_start = key_length(content);
        let shown = match value_start {
            // Without a key the line may be the inside of anything.
            None => indent,
            Some(length) if is_suspicious(content) => {
                let key_is_harmless_to_show = !self.is_inside_secret(&line);
                if key_is_harmless_to_show {
                    length
                } else {
                    indent
                }
            }
            Some(_) if self.is_inside_secret(&line) => indent,
            Some(_) => return Vec::new(),
        };
        if content[shown..].trim().is_empty() {
            return Vec::new();
        }
        let space = content[shown..].len() - content[shown..].trim_start().len();
        std::iter::once(line.start + shown + space..line.end).collect()
    }

    /// Whether a line that this one is nested in, or an unfinished one above, names a
    /// secret: what looks like a key may then be a part of it.
    fn is_inside_secret(&self, line: &Range<usize>) -> bool {
        let content = &self.text[line.clone()];
        let mut indent = content.len() - content.trim_start().len();
        for above in self.text[..line.start].lines().rev() {
            if above.trim().is_empty() {
                continue;
            }
            let suspicious = is_suspicious(above);
            if suspicious && is_unfinished(above) {
                return true;
            }
            let own = above.len() - above.trim_start().len();
            if own < indent {
                if suspicious {
                    return true;
                }
                indent = own;
            }
        }
        false
    }
}

/// The length of `indentation key:` if the line begins with a simple key.
fn key_length(line: &str) -> Option<usize> {
    let body = line.trim_start();
    let body = body.strip_prefix("- ").map_or(body, str::trim_start);
    let start = line.len() - body.len();
    let colon = body
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| body[at + 1..].is_empty() || body[at + 1..].starts_with([' ', '\t', '\r']))?;
    let simple = body[..colon]
        .chars()
        .all(|letter| letter.is_alphanumeric() || "_-.:\"'".contains(letter));
    (simple && colon > 0).then_some(start + colon + 1)
}

/// Whether quotes or brackets opened on a line stay open.
fn is_unfinished(line: &str) -> bool {
    let count = |wanted: char| line.matches(wanted).count();
    count('"') % 2 == 1
        || count('\'') % 2 == 1
        || count('{') != count('}')
        || count('[') != count(']')
}

/// Adds the scalars below suspicious keys, and all that is below `fn::secret`.
fn collect(node: &Node, hidden: bool, text: &str, ranges: &mut Vec<Range<usize>>) {
    match &node.kind {
        NodeKind::Scalar(_) if hidden => {
            ranges.push(node.span.start..with_comment(text, node.span.end));
        }
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(items) => {
            for item in items {
                collect(item, hidden, text, ranges);
            }
        }
        NodeKind::Mapping(entries) => {
            for entry in entries {
                if entry.key.text == "fn::secret" {
                    let span = entry.value.span;
                    ranges.push(span.start..with_comment(text, span.end));
                    continue;
                }
                let hidden = hidden || is_suspicious(&entry.key.text);
                collect(&entry.value, hidden, text, ranges);
            }
        }
    }
}

/// A comment behind a secret often holds the one before it.
fn with_comment(text: &str, end: usize) -> usize {
    let line_end = line_end(text, end);
    if text[end..line_end].trim_start().starts_with('#') {
        line_end
    } else {
        end
    }
}
