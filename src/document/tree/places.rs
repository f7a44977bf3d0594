//! Where things stand: granit's marks as ranges, and the corrections that they need.

use super::Span;

/// The span of an event.
pub(super) fn convert(span: &granit_parser::Span) -> Span {
    let start = span.start.byte_offset().unwrap_or(0);
    Span {
        start,
        end: span.end.byte_offset().unwrap_or(start),
        line: span.start.line(),
        column: span.start.col() + 1,
        end_line: span.end.line(),
        end_column: span.end.col() + 1,
    }
}

/// The span of a byte range, counted from the text; for rare places only.
pub(in crate::document) fn span_of(text: &str, start: usize, end: usize) -> Span {
    let (line, column) = position_of(text, start);
    let (end_line, end_column) = position_of(text, end);
    Span {
        start,
        end,
        line,
        column,
        end_line,
        end_column,
    }
}

fn position_of(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..])
        .chars()
        .filter(|letter| *letter != '\u{feff}')
        .count();
    (line, column + 1)
}

/// The end of the line that `at` stands in, without its line break.
pub(in crate::document) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |offset| at + offset);
    if end > at && text.as_bytes()[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

/// A block list's span from its first dash on: where a list is not indented below its
/// key, granit begins it behind that dash. `from` is the end of the token before it.
pub(super) fn starting_at_first_dash(text: &str, from: usize, span: Span) -> Span {
    let bytes = text.as_bytes();
    let mut dash = from;
    while dash < span.start && bytes[dash] != b'-' {
        dash = match bytes[dash] {
            b'#' => line_end(text, dash),
            _ => dash + 1,
        };
    }
    if dash >= span.start {
        return span;
    }
    let near = span_near(text, span, dash, dash);
    Span {
        start: dash,
        line: near.line,
        column: near.column,
        ..span
    }
}

/// A block scalar's span from its header (`|`) to the last line that has text; with `+`
/// to the very end. `from` is the end of the token before it.
pub(super) fn block_scalar_span(text: &str, from: usize, content: Span) -> Span {
    let bytes = text.as_bytes();
    let mut header = from;
    while header < bytes.len() && !matches!(bytes[header], b'|' | b'>') {
        header = match bytes[header] {
            b'#' => line_end(text, header),
            _ => header + 1,
        };
    }
    let header_end = line_end(text, header);
    let keeps = text[header..header_end]
        .split('#')
        .next()
        .is_some_and(|indicators| indicators.contains('+'));
    let end = if keeps {
        // granit may count the indentation of the next line.
        let line = text[..content.end].rfind('\n').map_or(0, |at| at + 1);
        let only_indentation = text[line..content.end].trim().is_empty();
        if only_indentation { line } else { content.end }
    } else {
        let kept = text[..content.end.max(header_end)].trim_end().len();
        line_end(text, kept).min(content.end.max(header_end))
    };
    span_near(text, content, header, end.max(header_end))
}

/// Counts from a known place, so that many block scalars stay cheap.
fn span_near(text: &str, known: Span, start: usize, end: usize) -> Span {
    if known.start < start || known.end < end {
        return span_of(text, start, end);
    }
    let breaks = |from: usize, to: usize| text[from..to].matches('\n').count();
    let column = |at: usize| {
        let line_start = text[..at].rfind('\n').map_or(0, |found| found + 1);
        text[line_start..at]
            .trim_start_matches('\u{feff}')
            .chars()
            .count()
            + 1
    };
    Span {
        start,
        end,
        line: known.line - breaks(start, known.start),
        column: column(start),
        end_line: known.end_line - breaks(end, known.end),
        end_column: column(end),
    }
}
