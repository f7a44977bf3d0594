//! Documents to expressions, with the diagnostics of the language.

use zeroize::Zeroizing;

use super::expression::{
    Access, Environment, Expression, ExpressionKind, Part, Property, RotatedSecret, Rotation,
    SecretArgument, SecretExpression, Step,
};
use super::interpolation::{RawPart, split};
use super::rotators;
use crate::document::{
    Accessor, Diagnostic, Document, Entry, Literal, Node, NodeKind, PropertyPath, Scalar,
    ScalarStyle, Segment, Span, by_distance, document_path_text, nearest,
};
use crate::secret::Secret;

const TOP_LEVEL: [&str; 3] = ["description", "imports", "values"];
const RESERVED: [&str; 3] = ["context", "environments", "imports"];
/// Functions of the language without those that take a provider.
const FUNCTIONS: [&str; 11] = [
    "fn::concat",
    "fn::final",
    "fn::fromBase64",
    "fn::fromJSON",
    "fn::join",
    "fn::open",
    "fn::split",
    "fn::toBase64",
    "fn::toJSON",
    "fn::toString",
    "fn::validate",
];

impl Environment {
    /// Parses a document. What was refused is part of the result as an unknown value,
    /// so that one fault hides no other.
    #[must_use]
    pub fn parse(document: &Document) -> (Self, Vec<Diagnostic>) {
        let mut parser = Parser {
            source: document.source(),
            diagnostics: Vec::new(),
            rotated: Vec::new(),
            next_id: 0,
        };
        let mut description = None;
        let mut values = None;
        for entry in document.root().entries().unwrap_or_default() {
            let path = vec![Segment::Key(entry.key.text.clone())];
            match entry.key.text.to_lowercase().as_str() {
                "description" => description = parser.description(&entry.value, &path),
                "imports" => parser.imports(&entry.value, &path),
                "values" => values = Some(parser.values(&entry.value, path)),
                _ => parser.unknown_top_level(entry),
            }
        }
        let values = values.unwrap_or_else(|| {
            let path = vec![Segment::from("values")];
            parser.expression(
                document.root().span,
                path,
                ExpressionKind::Object(Vec::new()),
            )
        });
        let environment = Self {
            source: document.source().to_owned(),
            description,
            values,
            rotated: parser.rotated,
            expression_count: parser.next_id,
        };
        (environment, parser.diagnostics)
    }
}

pub(super) struct Parser<'a> {
    source: &'a str,
    diagnostics: Vec<Diagnostic>,
    rotated: Vec<RotatedSecret>,
    next_id: usize,
}

impl Parser<'_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic, span: Span, path: &[Segment]) {
        self.diagnostics.push(
            diagnostic
                .with_place(self.source, span)
                .with_path(document_path_text(path)),
        );
    }

    pub(super) fn error(&mut self, summary: impl Into<String>, span: Span, path: &[Segment]) {
        self.report(Diagnostic::error(summary), span, path);
    }

    fn expression(&mut self, span: Span, path: Vec<Segment>, kind: ExpressionKind) -> Expression {
        let id = self.next_id;
        self.next_id += 1;
        Expression {
            id,
            span,
            path,
            kind,
        }
    }

    fn description(&mut self, node: &Node, path: &[Segment]) -> Option<String> {
        match node.literal() {
            Some(Literal::String(text)) => Some(text.to_owned()),
            Some(Literal::Null) => None,
            _ => {
                self.error("description must be a string", node.span, path);
                None
            }
        }
    }

    fn imports(&mut self, node: &Node, path: &[Segment]) {
        let asks_for_nothing = node.is_null() || node.items().is_some_and(<[_]>::is_empty);
        if !asks_for_nothing {
            let diagnostic = Diagnostic::error("imports is not supported yet")
                .with_hint("refer to the values as ${environments.project.name.path}");
            self.report(diagnostic, node.span, path);
        }
    }

    fn unknown_top_level(&mut self, entry: &Entry) {
        let key = &entry.key.text;
        let fields = by_distance(key, TOP_LEVEL).join(", ");
        let summary = format!(
            "Field '{key}' does not exist on Object 'environment'. Existing fields are: {fields}"
        );
        let path = [Segment::Key(key.clone())];
        self.report(Diagnostic::warning(summary), entry.key.span, &path);
    }

    fn values(&mut self, node: &Node, path: Vec<Segment>) -> Expression {
        if node.is_null() {
            return self.expression(node.span, path, ExpressionKind::Object(Vec::new()));
        }
        let Some(entries) = node.entries() else {
            let summary = format!("expected object, got {}", node.type_name());
            self.error(summary, node.span, &path);
            return self.expression(node.span, path, ExpressionKind::Object(Vec::new()));
        };
        let mut properties = Vec::new();
        for entry in entries {
            let key = &entry.key.text;
            let path = below(&path, key);
            if key.starts_with("fn::") {
                let summary = format!("builtin function call {key:?} not allowed at the top level");
                self.error(summary, entry.key.span, &path);
                continue;
            }
            if RESERVED.contains(&key.as_str()) {
                self.error(format!("{key:?} is a reserved key"), entry.key.span, &path);
                continue;
            }
            properties.push(Property {
                key: key.clone(),
                value: self.parse(&entry.value, path),
            });
        }
        self.expression(node.span, path, ExpressionKind::Object(properties))
    }

    fn parse(&mut self, node: &Node, path: Vec<Segment>) -> Expression {
        let kind = match &node.kind {
            NodeKind::Scalar(scalar) => match scalar.literal() {
                Literal::Null => ExpressionKind::Null,
                Literal::Bool(value) => ExpressionKind::Bool(value),
                Literal::Number(number) => ExpressionKind::Number(number),
                Literal::String(text) => self.text(text, scalar, node.span, &path),
            },
            NodeKind::Sequence(items) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let mut path = path.clone();
                    path.push(Segment::Index(index));
                    self.parse(item, path)
                });
                ExpressionKind::List(items.collect())
            }
            NodeKind::Mapping(entries) => self.object(entries, node.span, &path),
        };
        self.expression(node.span, path, kind)
    }

    fn text(
        &mut self,
        text: &str,
        scalar: &Scalar,
        span: Span,
        path: &[Segment],
    ) -> ExpressionKind {
        let (parts, faults) = split(text);
        for fault in faults {
            let place = part_span(scalar, span, &fault.range);
            self.error(fault.summary, place, path);
        }
        let is_symbol =
            matches!(parts.as_slice(), [only] if only.text.is_empty() && only.access.is_some());
        let has_reference = parts.iter().any(|part| part.access.is_some());
        let mut parsed: Vec<Part> = parts
            .into_iter()
            .map(|part| self.part(part, scalar, span, path))
            .collect();
        if is_symbol && let Some(access) = parsed.pop().and_then(|part| part.access) {
            return ExpressionKind::Symbol(access);
        }
        if has_reference {
            return ExpressionKind::Interpolation(parsed);
        }
        let text = parsed
            .pop()
            .map_or_else(Zeroizing::default, |part| part.text);
        ExpressionKind::Text(text)
    }

    fn part(&mut self, part: RawPart, scalar: &Scalar, span: Span, path: &[Segment]) -> Part {
        let access = part.access.map(|accessors| {
            let steps: Vec<Step> = accessors
                .into_iter()
                .map(|Accessor { segment, range }| Step {
                    segment,
                    span: part_span(scalar, span, &range),
                })
                .collect();
            if let Some(Step {
                segment: Segment::Key(root),
                span,
            }) = steps.first()
                && (root == "context" || root == "imports")
            {
                self.error(format!("{root} is not supported yet"), *span, path);
            }
            Access { steps }
        });
        Part {
            text: part.text,
            access,
        }
    }

    fn object(&mut self, entries: &[Entry], span: Span, path: &[Segment]) -> ExpressionKind {
        let function = entries
            .iter()
            .find(|entry| entry.key.text.starts_with("fn::"));
        if let Some(entry) = function {
            if entries.len() == 1 {
                return self.function(entry, span, path);
            }
            let summary = format!(
                "illegal call to builtin function: {:?} must be the only key within its containing object",
                entry.key.text
            );
            self.error(summary, entry.key.span, path);
            return ExpressionKind::Invalid;
        }
        let properties = entries
            .iter()
            .map(|entry| Property {
                key: entry.key.text.clone(),
                value: self.parse(&entry.value, below(path, &entry.key.text)),
            })
            .collect();
        ExpressionKind::Object(properties)
    }

    fn function(&mut self, entry: &Entry, span: Span, path: &[Segment]) -> ExpressionKind {
        let name = entry.key.text.as_str();
        let argument_path = below(path, name);
        if name == "fn::secret" {
            return self.secret(&entry.value, argument_path);
        }
        if name == "fn::rotate" {
            return self.rotate(None, entry, span, path);
        }
        if let Some(provider) = name.strip_prefix("fn::rotate::") {
            return self.rotate(Some(provider), entry, span, path);
        }
        if FUNCTIONS.contains(&name) || name.starts_with("fn::open::") {
            self.error(
                format!("{name} is not supported yet"),
                entry.key.span,
                &argument_path,
            );
            return ExpressionKind::Invalid;
        }
        let rotators: Vec<String> = rotators::functions().collect();
        let known = FUNCTIONS
            .into_iter()
            .chain(["fn::secret", "fn::rotate"])
            .chain(rotators.iter().map(String::as_str));
        let mut diagnostic = Diagnostic::error("'fn::' is a reserved prefix");
        if let Some(near) = nearest(name, known) {
            diagnostic = diagnostic.with_hint(format!("did you mean {near:?}?"));
        }
        self.report(diagnostic, entry.key.span, &argument_path);
        ExpressionKind::Invalid
    }

    fn secret(&mut self, argument: &Node, path: Vec<Segment>) -> ExpressionKind {
        let form = match (argument.literal(), argument.entries()) {
            (Some(Literal::String(text)), _) => SecretArgument::Plain(Secret::new(text.to_owned())),
            (None, Some([entry])) if entry.key.text == "ciphertext" => {
                let Some(Literal::String(text)) = entry.value.literal() else {
                    let path = below(&path, "ciphertext");
                    self.error(
                        "ciphertext must be a string literal",
                        entry.value.span,
                        &path,
                    );
                    return ExpressionKind::Invalid;
                };
                SecretArgument::Ciphertext(text.to_owned())
            }
            _ => {
                let diagnostic = Diagnostic::error("secret values must be string literals")
                    .with_hint("quote a value such as \"123\" or \"true\"");
                self.report(diagnostic, argument.span, &path);
                return ExpressionKind::Invalid;
            }
        };
        ExpressionKind::Secret(SecretExpression {
            argument: argument.span,
            argument_path: path,
            form,
        })
    }

    fn rotate(
        &mut self,
        short: Option<&str>,
        entry: &Entry,
        span: Span,
        path: &[Segment],
    ) -> ExpressionKind {
        let argument = &entry.value;
        let argument_path = below(path, &entry.key.text);
        if argument.entries().is_none() {
            let summary = format!("expected object, got {}", argument.type_name());
            self.error(summary, argument.span, &argument_path);
            return ExpressionKind::Invalid;
        }
        let named = argument.entry("provider");
        let (provider, provider_span) = match (short, named) {
            (Some(short), _) => (short, entry.key.span),
            (None, None) => {
                let summary = "missing provider name ('provider')";
                self.error(summary, argument.span, &argument_path);
                return ExpressionKind::Invalid;
            }
            (None, Some(named)) => match named.value.literal() {
                Some(Literal::String(name)) => (name, named.value.span),
                _ => {
                    let path = below(&argument_path, "provider");
                    self.error(
                        "provider name must be a string literal",
                        named.value.span,
                        &path,
                    );
                    return ExpressionKind::Invalid;
                }
            },
        };
        let Some(inputs) = argument.entry("inputs") else {
            let mut diagnostic = Diagnostic::error("missing provider inputs ('inputs')");
            let keys = argument.entries().unwrap_or_default().iter();
            if let Some(near) = nearest("inputs", keys.map(|entry| entry.key.text.as_str())) {
                diagnostic = diagnostic.with_hint(format!("{near:?} should be \"inputs\""));
            }
            self.report(diagnostic, argument.span, &argument_path);
            return ExpressionKind::Invalid;
        };
        let Some(rotator) = rotators::find(provider) else {
            let diagnostic =
                Diagnostic::error(format!("fn::rotate::{provider} is not supported yet"))
                    .with_hint(rotators::what_there_is());
            self.report(diagnostic, provider_span, &argument_path);
            return ExpressionKind::Invalid;
        };
        self.unknown_arguments(argument, short.is_none(), &argument_path);
        let outer_rotated = std::mem::take(&mut self.rotated);
        let inputs_expression = self.parse(&inputs.value, below(&argument_path, "inputs"));
        let state = argument
            .entry("state")
            .filter(|state| !state.value.is_null());
        let state_is_valid = state.is_none_or(|state| {
            let path = below(&argument_path, "state");
            (rotator.check_state)(self, &state.value, &inputs.value, &path)
        });
        let state_expression =
            state.map(|state| self.parse(&state.value, below(&argument_path, "state")));
        self.refuse_nested(outer_rotated);
        self.rotated.push(RotatedSecret {
            path: PropertyPath(path.get(1..).unwrap_or_default().to_vec()),
            engine: rotator.engine,
            document_path: argument_path,
            has_state: state_expression.is_some(),
            span,
        });
        ExpressionKind::Rotate(Box::new(Rotation {
            inputs: inputs_expression,
            state: state_expression,
            state_is_valid,
        }))
    }

    /// A rotated secret inside another one's inputs could not be addressed by a path.
    fn refuse_nested(&mut self, outer: Vec<RotatedSecret>) {
        for nested in std::mem::replace(&mut self.rotated, outer) {
            let diagnostic = Diagnostic::error("a rotated secret cannot stand inside another one")
                .with_hint("move it to a path of its own and refer to it with ${path}");
            self.report(diagnostic, nested.span, &nested.document_path);
        }
    }

    fn unknown_arguments(&mut self, argument: &Node, long: bool, path: &[Segment]) {
        let known: &[&str] = if long {
            &["inputs", "provider", "state"]
        } else {
            &["inputs", "state"]
        };
        for entry in argument.entries().unwrap_or_default() {
            if !known.contains(&entry.key.text.as_str()) {
                let summary = unknown_property(&entry.key.text, known.iter().copied());
                let path = below(path, &entry.key.text);
                self.report(Diagnostic::warning(summary), entry.key.span, &path);
            }
        }
    }
}

/// `unknown property "x"; did you mean "y"?`
pub(super) fn unknown_property<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown property {name:?}; did you mean {near:?}?"),
        None => format!("unknown property {name:?}"),
    }
}

pub(super) fn below(path: &[Segment], key: &str) -> Vec<Segment> {
    let mut path = path.to_vec();
    path.push(Segment::from(key));
    path
}

/// The place of a part of a scalar, where its text stands in the document as it is;
/// else the place of the whole scalar.
fn part_span(scalar: &Scalar, span: Span, range: &std::ops::Range<usize>) -> Span {
    let text = scalar.text();
    let quotes = match scalar.style() {
        ScalarStyle::Plain => 0,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        ScalarStyle::Block => return span,
    };
    let is_verbatim = span.line == span.end_line
        && span.end - span.start == text.len() + 2 * quotes
        && text.is_char_boundary(range.start)
        && text.is_char_boundary(range.end);
    if !is_verbatim {
        return span;
    }
    let column = span.column + quotes + text[..range.start].chars().count();
    Span {
        start: span.start + quotes + range.start,
        end: span.start + quotes + range.end,
        column,
        end_column: column + text[range.clone()].chars().count(),
        ..span
    }
}
