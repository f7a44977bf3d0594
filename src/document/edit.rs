//! Edits that keep every comment, order, quoting and indentation of what they do not
//! touch.
//!
//! An edit splices bytes at the places that the strict load found. It is then
//! checked, not trusted: the result is loaded strictly again, and a second,
//! independent YAML reader must find it equal to the original everywhere but at the
//! path. An edit that fails the check is an error and changes nothing.

use super::emit::{block_lines, entry_lines, flow_text, is_inline, key_text};
use super::tree::{Scalar, line_end};
use super::{
    Diagnostic, Document, Fragment, Node, NodeKind, ScalarStyle, Segment, document_path_text,
};

mod lines;
mod slice;
mod verify;

pub use slice::slice;

use lines::{block_end, line_break, line_of, line_start, spliced, trailing_break, with_break};

/// The name that these checks load texts under; their diagnostics carry no place.
const SOURCE: &str = "document";

/// Sets the value at a path, or adds it.
///
/// Where an object replaces an object, only the keys that differ are written, so that
/// comments inside stay.
///
/// # Errors
/// The text does not load, the path leads through something that is no object or
/// list, or the checked result is not exactly what was asked for.
pub fn set(text: &str, at: &[Segment], value: &Fragment) -> Result<String, Diagnostic> {
    let mut edited = text.to_owned();
    set_unchecked(&mut edited, at, value, 0)?;
    verify::check(text, &edited, at, Some(value))?;
    Ok(edited)
}

/// Removes a key or a list item. Comments above it stay.
///
/// # Errors
/// The text does not load, nothing is at the path, or the checked result is not
/// exactly what was asked for.
pub fn remove(text: &str, at: &[Segment]) -> Result<String, Diagnostic> {
    let mut edited = text.to_owned();
    remove_unchecked(&mut edited, at)?;
    verify::check(text, &edited, at, None)?;
    Ok(edited)
}

fn load(text: &str) -> Result<Document, Diagnostic> {
    Document::load(text, SOURCE).map_err(|mut diagnostics| {
        if diagnostics.is_empty() {
            Diagnostic::error("the document cannot be read")
        } else {
            diagnostics.swap_remove(0)
        }
    })
}

fn refuse(at: &[Segment], summary: &str) -> Diagnostic {
    Diagnostic::error(summary).with_path(document_path_text(at))
}

/// `at[..done]` is known to lead to a node that may be merged into.
fn set_unchecked(
    text: &mut String,
    at: &[Segment],
    value: &Fragment,
    depth: usize,
) -> Result<(), Diagnostic> {
    if depth > 64 {
        return Err(refuse(at, "the value is nested deeper than 64 levels"));
    }
    let document = load(text)?;
    let Some(node) = document.get(at) else {
        let edited = add(&document, at, value)?;
        *text = edited;
        return Ok(());
    };
    match (&node.kind, value) {
        (NodeKind::Mapping(entries), Fragment::Mapping(wanted)) => {
            let shares_a_key = wanted.iter().any(|(key, _)| node.entry(key).is_some());
            if !shares_a_key && !entries.is_empty() && !at.is_empty() {
                *text = replace(&document, at, node, value)?;
                return Ok(());
            }
            let gone: Vec<String> = entries
                .iter()
                .map(|entry| entry.key.text.clone())
                .filter(|key| !wanted.iter().any(|(name, _)| name == key))
                .collect();
            for (key, value) in wanted {
                set_unchecked(
                    text,
                    &below(at, Segment::Key(key.clone())),
                    value,
                    depth + 1,
                )?;
            }
            for key in gone {
                remove_unchecked(text, &below(at, Segment::Key(key)))?;
            }
            Ok(())
        }
        (NodeKind::Sequence(items), Fragment::Sequence(wanted)) if items.len() == wanted.len() => {
            for (index, value) in wanted.iter().enumerate() {
                set_unchecked(text, &below(at, Segment::Index(index)), value, depth + 1)?;
            }
            Ok(())
        }
        (NodeKind::Scalar(scalar), value) if says(scalar, node, value) => Ok(()),
        _ => {
            *text = replace(&document, at, node, value)?;
            Ok(())
        }
    }
}

fn below(at: &[Segment], segment: Segment) -> Vec<Segment> {
    let mut path = at.to_vec();
    path.push(segment);
    path
}

/// Whether a scalar already says what is wanted.
fn says(scalar: &Scalar, node: &Node, value: &Fragment) -> bool {
    use super::Literal;
    match (scalar.literal(), value) {
        (Literal::Null, Fragment::Null) => node.span.start != node.span.end,
        (Literal::Bool(old), Fragment::Bool(new)) => old == *new,
        (Literal::Number(_), Fragment::Number(new)) => scalar.text() == new,
        (Literal::String(old), Fragment::String(new)) => old == new,
        _ => false,
    }
}

/// Whether any collection around or at the path is written in flow style.
fn inside_flow(document: &Document, at: &[Segment]) -> bool {
    (0..=at.len()).any(|length| document.get(&at[..length]).is_some_and(|node| node.flow))
}

/// Replaces an existing node.
fn replace(
    document: &Document,
    at: &[Segment],
    node: &Node,
    value: &Fragment,
) -> Result<String, Diagnostic> {
    let Some((last, parent_path)) = at.split_last() else {
        return Err(refuse(
            at,
            "the whole document can only be replaced by an object",
        ));
    };
    let text = document.text();
    let parent = document
        .get(parent_path)
        .ok_or_else(|| refuse(at, "the path leads nowhere"))?;
    let marker =
        marker_end(text, parent, last).ok_or_else(|| refuse(at, "the path leads nowhere"))?;
    let span = node.span;
    let style = match &node.kind {
        NodeKind::Scalar(scalar) => scalar.style(),
        _ => ScalarStyle::Plain,
    };
    if inside_flow(document, parent_path) || (node.flow && is_inline(value)) {
        let space = if span.start == marker { " " } else { "" };
        let flat = flow_text(value, style);
        return Ok(spliced(
            text,
            span.start,
            span.end,
            &format!("{space}{flat}"),
        ));
    }
    let on_own_lines = is_block_collection(node);
    if is_inline(value) && !on_own_lines {
        let space = if span.start == marker { " " } else { "" };
        let flat = flow_text(value, style);
        // `a: |+` reaches over the break behind its last line.
        let end = span.end - trailing_break(&text[span.start..span.end]);
        return Ok(spliced(text, span.start, end, &format!("{space}{flat}")));
    }
    let step = indentation_step(document, parent_path);
    let indent = match parent.kind {
        NodeKind::Sequence(_) => parent.span.column - 1 + 2,
        _ => parent.span.column - 1 + step,
    };
    let line_break = line_break(text);
    let end = block_end(text, span.end);
    if on_own_lines {
        let start = line_start(text, span.start);
        let compact = line_of(text, marker) == line_of(text, span.start);
        if is_inline(value) {
            let flat = flow_text(value, ScalarStyle::Plain);
            if compact {
                return Ok(spliced(text, span.start, end, &flat));
            }
            let without = spliced(text, start, with_break(text, end), "");
            return Ok(spliced(&without, marker, marker, &format!(" {flat}")));
        }
        // A list may stand directly below its key; an object may not.
        let is_list = matches!(value, Fragment::Sequence(_));
        let must_move = !compact && !is_list && span.column <= parent.span.column;
        let column = if must_move { indent } else { span.column - 1 };
        let lines = block_lines(value, column, step).join(line_break);
        return Ok(if compact {
            spliced(text, span.start, end, lines.trim_start())
        } else {
            spliced(text, start, end, &lines)
        });
    }
    // A value on the line of its key gives way to lines below; the comment stays.
    let lines = block_lines(value, indent, step).join(line_break);
    if matches!(parent.kind, NodeKind::Sequence(_)) {
        let rest = &text[span.end..end];
        let space = if span.start == marker { " " } else { "" };
        if rest.trim().is_empty() {
            return Ok(spliced(
                text,
                span.start,
                end,
                &format!("{space}{}", lines.trim_start()),
            ));
        }
    }
    let same_line = line_of(text, marker) == line_of(text, span.start);
    let (cut_start, cut_end) = if same_line {
        (
            marker,
            span.end - trailing_break(&text[span.start..span.end]),
        )
    } else {
        (line_start(text, span.start), end)
    };
    if !same_line {
        return Ok(spliced(text, cut_start, cut_end, &lines));
    }
    let below = spliced(text, end, end, &format!("{line_break}{lines}"));
    Ok(spliced(&below, cut_start, cut_end, ""))
}

/// Adds what the path names and the document does not have.
fn add(document: &Document, at: &[Segment], value: &Fragment) -> Result<String, Diagnostic> {
    let existing = (0..at.len())
        .rev()
        .find(|length| document.get(&at[..*length]).is_some())
        .unwrap_or(0);
    let (parent_path, missing) = at.split_at(existing);
    let mut wrapped = value.clone();
    for segment in missing[1..].iter().rev() {
        let Segment::Key(key) = segment else {
            return Err(refuse(at, "a list item that is not there cannot be set"));
        };
        wrapped = Fragment::Mapping(vec![(key.clone(), wrapped)]);
    }
    let Segment::Key(key) = &missing[0] else {
        return Err(refuse(at, "a list item that is not there cannot be set"));
    };
    let parent = document
        .get(parent_path)
        .ok_or_else(|| refuse(at, "the path leads nowhere"))?;
    if parent.is_null() {
        let object = Fragment::Mapping(vec![(key.clone(), wrapped)]);
        return replace(document, parent_path, parent, &object);
    }
    let Some(entries) = parent.entries() else {
        return Err(refuse(
            at,
            "the path leads through something that is no object",
        ));
    };
    let text = document.text();
    if inside_flow(document, parent_path) {
        let entry = format!(
            "{}: {}",
            key_text(key),
            flow_text(&wrapped, ScalarStyle::Plain)
        );
        let Some(last) = entries.last() else {
            return Ok(spliced(
                text,
                parent.span.start + 1,
                parent.span.end - 1,
                &entry,
            ));
        };
        let end = last.value.span.end.max(last.key.span.end);
        return Ok(spliced(text, end, end, &format!(", {entry}")));
    }
    let line_break = line_break(text);
    let Some(last) = entries.last() else {
        // Only an empty document is an empty object without brackets.
        let lines = entry_lines(key, &wrapped, 0, indentation_step(document, &[])).join(line_break);
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            line_break
        };
        return Ok(format!("{text}{gap}{lines}{line_break}"));
    };
    let indent = parent.span.column - 1;
    let lines = entry_lines(
        key,
        &wrapped,
        indent,
        indentation_step(document, parent_path),
    );
    let lines = lines.join(line_break);
    let end = last.value.span.end.max(last.key.span.end);
    if end > 0 && text[..end].ends_with('\n') {
        return Ok(spliced(text, end, end, &format!("{lines}{line_break}")));
    }
    let end = line_end(text, end);
    Ok(spliced(text, end, end, &format!("{line_break}{lines}")))
}

fn remove_unchecked(text: &mut String, at: &[Segment]) -> Result<(), Diagnostic> {
    let document = load(text)?;
    let nowhere = || refuse(at, "the path leads nowhere");
    let (last, parent_path) = at.split_last().ok_or_else(nowhere)?;
    let parent = document.get(parent_path).ok_or_else(nowhere)?;
    let index = match last {
        Segment::Key(key) => parent
            .entries()
            .and_then(|entries| entries.iter().position(|entry| entry.key.text == *key)),
        Segment::Index(index) => parent
            .items()
            .filter(|items| *index < items.len())
            .map(|_| *index),
    }
    .ok_or_else(nowhere)?;
    let count = parent
        .entries()
        .map_or_else(|| parent.items().map_or(0, <[Node]>::len), <[_]>::len);
    if count == 1 && (parent.flow || !parent_path.is_empty()) {
        let empty = match last {
            Segment::Key(_) => Fragment::Mapping(Vec::new()),
            Segment::Index(_) => Fragment::Sequence(Vec::new()),
        };
        if parent_path.is_empty() {
            *text = spliced(
                text,
                parent.span.start,
                parent.span.end,
                &flow_text(&empty, ScalarStyle::Plain),
            );
        } else {
            *text = replace(&document, parent_path, parent, &empty)?;
        }
        return Ok(());
    }
    let bounds = |index: usize| match &parent.kind {
        NodeKind::Mapping(entries) => {
            let entry = &entries[index];
            (
                entry.key.span.start,
                entry.value.span.end.max(entry.key.span.end),
            )
        }
        NodeKind::Sequence(items) if parent.flow => {
            (items[index].span.start, items[index].span.end)
        }
        NodeKind::Sequence(items) => {
            let dash = dash_before(document.text(), parent, items, index);
            (dash, items[index].span.end.max(dash + 1))
        }
        NodeKind::Scalar(_) => (0, 0),
    };
    let (start, end) = bounds(index);
    if parent.flow {
        let (from, to) = if index + 1 < count {
            (start, bounds(index + 1).0)
        } else {
            (bounds(index - 1).1, end)
        };
        *text = spliced(text, from, to, "");
        return Ok(());
    }
    let line = line_start(text, start);
    let alone_on_line = text[line..start]
        .trim_start_matches('\u{feff}')
        .trim()
        .is_empty();
    if alone_on_line {
        let mut end = with_break(text, block_end(text, end));
        if lines::keeps_blank_lines(document.root(), text, line) {
            end = lines::after_blank_lines(text, end);
        }
        // A byte order mark in front of the first key stays.
        let line = if text[line..].starts_with('\u{feff}') {
            line + 3
        } else {
            line
        };
        *text = spliced(text, line, end, "");
        return Ok(());
    }
    let next = bounds(index + 1).0;
    let until = if text[end..next].trim().is_empty() {
        next
    } else {
        end
    };
    *text = spliced(text, start, until, "");
    Ok(())
}

/// The dash of an item: the first one behind the item before it.
fn dash_before(text: &str, parent: &Node, items: &[Node], index: usize) -> usize {
    let mut at = match index {
        0 => parent.span.start,
        _ => items[index - 1].span.end,
    };
    let bytes = text.as_bytes();
    while at < bytes.len() && bytes[at] != b'-' {
        at = if bytes[at] == b'#' {
            line_end(text, at)
        } else {
            at + 1
        };
    }
    at
}

/// The byte behind the `:` or `-` that a value follows.
fn marker_end(text: &str, parent: &Node, segment: &Segment) -> Option<usize> {
    match segment {
        Segment::Key(key) => {
            let entry = parent.entry(key)?;
            let from = entry.key.span.end;
            // `{a, b}`: a key without a colon has no value to replace.
            let to = entry.value.span.start.max(from);
            let colon = text[from..].find(':')?;
            let end = from + colon + 1;
            (entry.value.span.start == entry.value.span.end || end <= to).then_some(end)
        }
        Segment::Index(index) => {
            let items = parent.items()?;
            if parent.flow {
                return items
                    .get(*index)
                    .map(|item| item.span.start.saturating_sub(1));
            }
            Some(dash_before(text, parent, items, *index) + 1)
        }
    }
}

fn is_block_collection(node: &Node) -> bool {
    !node.flow && !matches!(node.kind, NodeKind::Scalar(_))
}

/// How far nested objects are indented around a path; 2 where there is no example.
fn indentation_step(document: &Document, at: &[Segment]) -> usize {
    for length in (0..=at.len()).rev() {
        let Some(node) = document.get(&at[..length]) else {
            continue;
        };
        if let Some(step) = step_of(node) {
            return step;
        }
    }
    2
}

fn step_of(node: &Node) -> Option<usize> {
    let entries = node.entries().filter(|_| !node.flow)?;
    entries.iter().find_map(|entry| {
        let is_nested = is_block_collection(&entry.value) && entry.value.entries().is_some();
        (is_nested && entry.value.span.line > entry.key.span.line)
            .then(|| entry.value.span.column.checked_sub(node.span.column))
            .flatten()
            .filter(|step| *step > 0)
    })
}

#[cfg(test)]
mod tests;
