//! Reads granit's events into a tree and collects what is wrong.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle as ParsedStyle, StructureStyle, options};
use zeroize::Zeroizing;

use super::places::{block_scalar_span, convert, span_of, starting_at_first_dash};
use super::problem::{Problem, problem};
use super::{Entry, Key, Node, NodeKind, Scalar, ScalarStyle, Span};
use crate::document::Literal;

/// The longest text that is read, in bytes.
const LARGEST_TEXT: usize = 4 << 20;
/// The deepest nesting.
const DEEPEST: usize = 64;
const TOO_DEEP: &str = "the document is nested deeper than 64 levels";
/// The most keys and values.
const MOST_NODES: usize = 200_000;

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
            span = starting_at_first_dash(self.text, self.position, span);
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

    fn scalar(&mut self, text: &str, style: ParsedStyle, span: Span) -> Result<(), Problem> {
        let (style, span) = match style {
            ParsedStyle::Plain => (ScalarStyle::Plain, span),
            ParsedStyle::SingleQuoted => (ScalarStyle::SingleQuoted, span),
            ParsedStyle::DoubleQuoted => (ScalarStyle::DoubleQuoted, span),
            ParsedStyle::Literal | ParsedStyle::Folded => (
                ScalarStyle::Block,
                block_scalar_span(self.text, self.position, span),
            ),
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

fn lone_carriage_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}
