//! Lines of a text, by byte offsets.

use crate::document::tree::{line_end, span_of};
use crate::document::{Node, NodeKind, ScalarStyle};

pub(super) fn spliced(text: &str, start: usize, end: usize, insert: &str) -> String {
    let mut result = String::with_capacity(text.len() + insert.len());
    result.push_str(&text[..start]);
    result.push_str(insert);
    result.push_str(&text[end.max(start)..]);
    result
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |found| found + 1)
}

pub(super) fn line_of(text: &str, at: usize) -> usize {
    span_of(text, at, at).line
}

/// The end of the line on which a node ends, without its line break.
pub(super) fn block_end(text: &str, end: usize) -> usize {
    if end > 0 && text[..end].ends_with('\n') {
        return end - trailing_break(&text[..end]);
    }
    line_end(text, end)
}

pub(super) fn trailing_break(text: &str) -> usize {
    if text.ends_with("\r\n") {
        2
    } else {
        usize::from(text.ends_with('\n'))
    }
}

/// The byte behind the line break at `end`.
pub(super) fn with_break(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    if rest.starts_with("\r\n") {
        end + 2
    } else {
        end + usize::from(rest.starts_with('\n'))
    }
}

pub(super) fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The start of the comment lines directly above a line.
pub(super) fn comments_above(text: &str, line: usize) -> usize {
    let mut start = line;
    while start > 0 {
        let above = line_start(text, start - 1);
        if !text[above..start].trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    start
}

/// Whether the last value above a line is a block whose blank lines belong to it (`|+`, `>+`):
/// then more of them would, if what stands between went away.
pub(super) fn keeps_blank_lines(root: &Node, text: &str, line: usize) -> bool {
    let mut last = root;
    loop {
        let above = match &last.kind {
            NodeKind::Mapping(entries) => {
                let mut values = entries.iter().map(|entry| &entry.value);
                values.rfind(|value| value.span.start < line)
            }
            NodeKind::Sequence(items) => items.iter().rfind(|item| item.span.start < line),
            NodeKind::Scalar(scalar) => {
                let is_block = scalar.style() == ScalarStyle::Block;
                let header = &text[last.span.start..line_end(text, last.span.start)];
                let header = header.split('#').next().unwrap_or_default();
                return is_block && header.contains('+');
            }
        };
        match above {
            Some(value) => last = value,
            None => return false,
        }
    }
}

/// The byte behind the blank lines that begin at `at`.
pub(super) fn after_blank_lines(text: &str, mut at: usize) -> usize {
    while at < text.len() && text[at..line_end(text, at)].trim().is_empty() {
        let next = with_break(text, line_end(text, at));
        if next == at {
            break;
        }
        at = next;
    }
    at
}
