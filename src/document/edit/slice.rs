//! The part of a text that belongs to one node.

use super::lines::{block_end, comments_above, indentation, line_start};
use crate::document::{Document, Node, NodeKind, ScalarStyle};

/// The source text of a node, with its comments, without its indentation.
#[must_use]
pub fn slice(document: &Document, node: &Node) -> String {
    let text = document.text();
    let span = node.span;
    let is_block = match &node.kind {
        NodeKind::Scalar(scalar) => scalar.style() == ScalarStyle::Block,
        _ => !node.flow,
    };
    if !is_block || span.start == span.end {
        return text[span.start..span.end].to_owned();
    }
    let end = block_end(text, span.end);
    let header = matches!(&node.kind, NodeKind::Scalar(_));
    let line_start = line_start(text, span.start);
    let first_on_line = text[line_start..span.start]
        .trim_start_matches('\u{feff}')
        .chars()
        .all(|letter| letter == ' ');
    let start = if header || !first_on_line {
        span.start
    } else {
        comments_above(text, line_start)
    };
    let margin = if header {
        text[span.start..end]
            .lines()
            .skip(1)
            .filter(|line| !line.trim().is_empty())
            .map(indentation)
            .min()
            .unwrap_or(0)
            .saturating_sub(2)
    } else {
        span.column - 1
    };
    let mut sliced = String::new();
    for line in text[start..end].lines() {
        let cut = indentation(line).min(margin);
        sliced.push_str(&line[cut..]);
        sliced.push('\n');
    }
    sliced
}
