//! Lines of a text, by byte offsets.

use crate::document::tree::{line_end, span_of};

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
