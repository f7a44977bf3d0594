//! Reads granit's events into a tree and collects what is wrong.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle as ParsedStyle, StructureStyle, options};
use zeroize::Zeroizing;

use super::{Entry, Key, Node, NodeKind, Scalar, ScalarStyle, Span};
use crate::document::{Diagnostic, Literal};

/// The longest text that is read, in bytes.
const LARGEST_TEXT: usize = 4 << 20;
/// The deepest nesting.
const DEEPEST: usize = 64;
const TOO_DEEP: &str = "the document is nested deeper than 64 levels";
/// The most keys and values.
const MOST_NODES: usize = 200_000;

/// A finding before it knows the name of its text.
pub(in crate::document) struct Problem {
    summary: String,
    hint: String,
    span: Span,
}

impl Problem {
    /// Whether the tree's ranges still cover all of the text's values.
    pub(in crate::document) fn leaves_ranges_exact(&self) -> bool {
        self.summary.starts_with("duplicate key")
    }

    pub(super) fn into_diagnostic(self, source: &str) -> Diagnostic {
        Diagnostic::error(self.summary)
            .with_place(source, self.span)
            .with_hint(self.hint)
    }
}

/// Reads as much as there is: a tree, where the syntax allows one, and all problems.
pub(in crate::document) fn read(text: &str) -> (Option<Node>, Vec<Problem>) {
    let mut reader = Reader {
        text,
        problems: Vec::new(),
        open: Vec::new(),
        root: None,
        nodes: 0,
        documents: 0,
        position: 0,
    };
    if let Err(problem) = reader.read_all() {
        reader.problems.push(problem);
        return (None, reader.problems);
    }
    let end = text.len();
    let root = reader.root.take().unwrap_or_else(|| empty_mapping(end));
    let root = if root.is_null() {
        empty_mapping(end)
    } else {
        root
    };
    (Some(root), reader.problems)
}

fn empty_mapping(at: usize) -> Node {
    Node {
        kind: NodeKind::Mapping(Vec::new()),
        span: Span {
            start: at,
            end: at,
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 1,
        },
        flow: false,
    }
}

/// A collection whose end has not been read.
struct Open {
    node: Node,
    key: Option<Key>,
    seen: HashMap<String, Span>,
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    /// The end of the last token, from which a block scalar's header is searched.
    position: usize,
}

impl Reader<'_> {
    fn read_all(&mut self) -> Result<(), Problem> {
        if self.text.len() > LARGEST_TEXT {
            return Err(problem(
                "the document is longer than 4 MiB",
                "split it into several environments",
                Span {
                    line: 1,
                    column: 1,
                    end_line: 1,
                    end_column: 1,
                    ..Span::default()
                },
            ));
        }
        if let Some(at) = self.text.find('\0') {
            return Err(problem(
                "the document contains a NUL character",
                "remove it; in a quoted string write \\0",
                span_of(self.text, at, at + 1),
            ));
        }
        if let Some(at) = lone_carriage_return(self.text) {
            return Err(problem(
                "a carriage return stands without a line feed",
                "end lines with LF or CRLF",
                span_of(self.text, at, at + 1),
            ));
        }
        let limits = options! {
            block_nesting_limit: 200,
            flow_nesting_limit: 200,
            emit_comments: false,
            emit_unresolved_aliases: true,
        };
        for event in Parser::new_from_str_with_options(self.text, limits) {
            match event {
                Ok((event, span)) => self.event(event, &convert(&span))?,
                Err(error) => {
                    let at = error.marker().byte_offset().unwrap_or(self.text.len());
                    return Err(self.syntax_problem(&error.info(), at));
                }
            }
        }
        Ok(())
    }

    fn syntax_problem(&self, message: &str, at: usize) -> Problem {
        let span = span_of(self.text, at, at);
        if message.contains("tab") {
            return problem("tabs cannot indent", "indent with spaces", span);
        }
        if message.contains("recursion limit") {
            return problem(TOO_DEEP, "flatten it", span);
        }
        let message = message.split(" at char ").next().unwrap_or(message);
        problem(
            &format!("this is not valid YAML: {message}"),
            "check indentation, quotes and brackets at and above this place",
            span,
        )
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(problem(
                        "there is more than one document",
                        "keep one document per file; remove what follows `---`",
                        *span,
                    ));
                }
                self.position = span.end;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), span);
                self.scalar(&text, style, *span)?;
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.problems.push(problem(
                    "aliases are not supported",
                    "write the value out, or refer to it with ${path}; quote a text that begins with `*`",
                    *span,
                ));
                self.position = span.end;
                self.finish(null_node(*span))?;
            }
            Event::MappingStart(style, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), span);
                self.start(NodeKind::Mapping(Vec::new()), style, *span)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), span);
                self.start(NodeKind::Sequence(Vec::new()), style, *span)?;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let mut done = self.open.pop().expect("granit closes what it opened").node;
                close(&mut done, span);
                if done.flow {
                    self.position = span.end;
                }
                self.finish(done)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse_properties(&mut self, anchor: usize, tagged: bool, span: &Span) {
        if anchor != 0 {
            self.problems.push(problem(
                "anchors are not supported",
                "remove the `&name`; refer to a value with ${path}",
                *span,
            ));
        }
        if tagged {
            self.problems.push(problem(
                "tags are not supported",
                "remove the `!tag`; quote a value that shall be a string",
                *span,
            ));
        }
    }

    fn start(&mut self, kind: NodeKind, style: StructureStyle, span: Span) -> Result<(), Problem> {
        if self.open.len() >= DEEPEST {
            return Err(problem(TOO_DEEP, "flatten it", span));
        }
        let flow = style == StructureStyle::Flow;
        let mut span = span;
        if flow {
            self.position = span.end;
        } else if matches!(kind, NodeKind::Sequence(_)) && self.is_inside_mapping() {
            span = self.starting_at_first_dash(span);
        }
        self.open.push(Open {
            node: Node { kind, span, flow },
            key: None,
            seen: HashMap::new(),
        });
        Ok(())
    }

    fn is_inside_mapping(&self) -> bool {
        let open = self.open.last();
        open.is_some_and(|open| matches!(open.node.kind, NodeKind::Mapping(_)))
    }

    /// Where a list is not indented below its key, granit begins it behind its dash.
    fn starting_at_first_dash(&self, span: Span) -> Span {
        let bytes = self.text.as_bytes();
        let mut dash = self.position;
        while dash < span.start && bytes[dash] != b'-' {
            dash = match bytes[dash] {
                b'#' => line_end(self.text, dash),
                _ => dash + 1,
            };
        }
        if dash >= span.start {
            return span;
        }
        let near = self.span_near(span, dash, dash);
        Span {
            start: dash,
            line: near.line,
            column: near.column,
            ..span
        }
    }

    fn scalar(&mut self, text: &str, style: ParsedStyle, span: Span) -> Result<(), Problem> {
        let (style, span) = match style {
            ParsedStyle::Plain => (ScalarStyle::Plain, span),
            ParsedStyle::SingleQuoted => (ScalarStyle::SingleQuoted, span),
            ParsedStyle::DoubleQuoted => (ScalarStyle::DoubleQuoted, span),
            ParsedStyle::Literal | ParsedStyle::Folded => {
                (ScalarStyle::Block, self.block_scalar_span(span))
            }
        };
        self.position = span.end;
        // granit shows a missing value as `~` that takes no room.
        let text = if span.start == span.end && style == ScalarStyle::Plain {
            ""
        } else {
            text
        };
        self.finish(Node {
            kind: NodeKind::Scalar(Scalar {
                text: Zeroizing::new(text.to_owned()),
                style,
            }),
            span,
            flow: false,
        })
    }

    /// From the header (`|`) to the last line that has text; with `+` to the very end.
    fn block_scalar_span(&self, content: Span) -> Span {
        let bytes = self.text.as_bytes();
        let mut header = self.position;
        while header < bytes.len() && !matches!(bytes[header], b'|' | b'>') {
            header = match bytes[header] {
                b'#' => line_end(self.text, header),
                _ => header + 1,
            };
        }
        let header_end = line_end(self.text, header);
        let keeps = self.text[header..header_end]
            .split('#')
            .next()
            .is_some_and(|indicators| indicators.contains('+'));
        let end = if keeps {
            // granit may count the indentation of the next line.
            let line = self.text[..content.end].rfind('\n').map_or(0, |at| at + 1);
            let only_indentation = self.text[line..content.end].trim().is_empty();
            if only_indentation { line } else { content.end }
        } else {
            let kept = self.text[..content.end.max(header_end)].trim_end().len();
            line_end(self.text, kept).min(content.end.max(header_end))
        };
        self.span_near(content, header, end.max(header_end))
    }

    /// Counts from a known place, so that many block scalars stay cheap.
    fn span_near(&self, known: Span, start: usize, end: usize) -> Span {
        if known.start < start || known.end < end {
            return span_of(self.text, start, end);
        }
        let breaks = |from: usize, to: usize| self.text[from..to].matches('\n').count();
        let column = |at: usize| {
            let line_start = self.text[..at].rfind('\n').map_or(0, |found| found + 1);
            self.text[line_start..at]
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

    /// Hands a finished node to the collection that it stands in.
    fn finish(&mut self, node: Node) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(problem(
                "the document has more than 200,000 keys and values",
                "split it into several environments",
                node.span,
            ));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let entries = match &mut open.node.kind {
            NodeKind::Sequence(items) => {
                items.push(node);
                return Ok(());
            }
            NodeKind::Mapping(entries) => entries,
            NodeKind::Scalar(_) => return Ok(()),
        };
        if let Some(key) = open.key.take() {
            entries.push(Entry { key, value: node });
            return Ok(());
        }
        let span = node.span;
        let NodeKind::Scalar(scalar) = node.kind else {
            self.problems.push(problem(
                "object keys must be strings",
                "a list or an object cannot be a key",
                span,
            ));
            open.key = Some(Key {
                text: String::new(),
                span,
            });
            return Ok(());
        };
        if scalar.style == ScalarStyle::Plain && scalar.text.as_str() == "<<" {
            self.problems.push(problem(
                "merge keys are not supported",
                "write the values out, or refer to them with ${path}",
                span,
            ));
        } else if !matches!(scalar.literal(), Literal::String(_)) {
            self.problems.push(problem(
                "object keys must be strings",
                "quote the key",
                span,
            ));
        }
        let text = scalar.text.to_string();
        if let Some(first) = open.seen.get(&text) {
            self.problems.push(problem(
                &format!("duplicate key {text:?}"),
                &format!(
                    "it stands at {}:{} already; remove one of the two",
                    first.line, first.column
                ),
                span,
            ));
        } else {
            open.seen.insert(text.clone(), span);
        }
        open.key = Some(Key { text, span });
        Ok(())
    }
}

/// A flow collection ends with its bracket, a block collection with its last child.
fn close(node: &mut Node, end: &Span) {
    let last = if node.flow {
        Some(*end)
    } else {
        match &node.kind {
            NodeKind::Mapping(entries) => entries.last().map(|entry| {
                let (key, value) = (entry.key.span, entry.value.span);
                if value.end >= key.end { value } else { key }
            }),
            NodeKind::Sequence(items) => items.last().map(|item| item.span),
            NodeKind::Scalar(_) => None,
        }
    };
    if let Some(last) = last {
        node.span.end = last.end.max(node.span.start);
        node.span.end_line = last.end_line;
        node.span.end_column = last.end_column;
    }
}

fn null_node(span: Span) -> Node {
    Node {
        kind: NodeKind::Scalar(Scalar {
            text: Zeroizing::new(String::new()),
            style: ScalarStyle::Plain,
        }),
        span,
        flow: false,
    }
}

fn problem(summary: &str, hint: &str, span: Span) -> Problem {
    Problem {
        summary: summary.to_owned(),
        hint: hint.to_owned(),
        span,
    }
}

fn convert(span: &granit_parser::Span) -> Span {
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

fn lone_carriage_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}
