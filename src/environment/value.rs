//! Values: what expressions evaluate to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::document::Segment;
use crate::secret::Secret;

/// What a value is.
pub enum ValueKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string. Also one that is not secret is kept as a [`Secret`], for it may
    /// have been read from a place that should have held one.
    String(Secret),
    /// Items.
    List(Vec<Arc<Value>>),
    /// Properties, by key.
    Object(BTreeMap<String, Arc<Value>>),
    /// A value that is only known later, or that could not be evaluated.
    Unknown,
}

/// A value. It is shared, never copied.
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// Whether it must not be shown unless asked for.
    pub secret: bool,
    /// Whether it, or a part of it, is unknown.
    pub unknown: bool,
    /// How much would be written if it were printed; shared parts count each time.
    weight: usize,
}

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Without spaces.
    Compact,
    /// Two spaces of indentation.
    Pretty,
}

impl Value {
    /// Makes a value; a part that is unknown makes the whole unknown.
    #[must_use]
    pub fn new(kind: ValueKind, secret: bool) -> Self {
        let (unknown, weight) = match &kind {
            ValueKind::Unknown => (true, 1),
            ValueKind::String(text) => (false, 1 + text.expose().len() / 16),
            ValueKind::List(items) => measure(items.iter()),
            ValueKind::Object(properties) => measure(properties.values()),
            _ => (false, 1),
        };
        Self {
            kind,
            secret,
            unknown,
            weight,
        }
    }

    /// A value that is not known.
    #[must_use]
    pub fn unknown(secret: bool) -> Self {
        Self::new(ValueKind::Unknown, secret)
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Whether it, or a part of it, is secret.
    #[must_use]
    pub fn contains_secret(&self) -> bool {
        self.secret
            || match &self.kind {
                ValueKind::List(items) => items.iter().any(|item| item.contains_secret()),
                ValueKind::Object(properties) => {
                    properties.values().any(|value| value.contains_secret())
                }
                _ => false,
            }
    }

    /// The word that diagnostics use for its type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            ValueKind::Null => "null",
            ValueKind::Bool(_) => "boolean",
            ValueKind::Number(_) => "number",
            ValueKind::String(_) => "string",
            ValueKind::List(_) => "array",
            ValueKind::Object(_) => "object",
            ValueKind::Unknown => "unknown",
        }
    }

    /// The part at a path.
    #[must_use]
    pub fn get(&self, path: &[Segment]) -> Option<&Self> {
        let mut value = self;
        for segment in path {
            value = match (&value.kind, segment) {
                (ValueKind::Object(properties), Segment::Key(key)) => properties.get(key)?,
                (ValueKind::List(items), Segment::Index(index)) => items.get(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_secret(&self) -> Option<&Secret> {
        match &self.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar, as interpolation and `environmentVariables` have it; `None` of a list,
    /// an object, and what is not known.
    #[must_use]
    pub fn scalar_text(&self) -> Option<Zeroizing<String>> {
        let capacity = match &self.kind {
            ValueKind::List(_) | ValueKind::Object(_) | ValueKind::Unknown => return None,
            ValueKind::String(text) => text.expose().len(),
            ValueKind::Null | ValueKind::Bool(_) | ValueKind::Number(_) => 0,
        };
        // It need not grow then, which would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(capacity));
        self.write_text(&mut text);
        Some(text)
    }

    /// The text of every secret scalar in it.
    pub fn secret_texts(&self, found: &mut Vec<Zeroizing<String>>) {
        self.collect_secrets(false, found);
    }

    fn collect_secrets(&self, is_secret: bool, found: &mut Vec<Zeroizing<String>>) {
        let is_secret = is_secret || self.secret;
        match &self.kind {
            ValueKind::List(items) => {
                for item in items {
                    item.collect_secrets(is_secret, found);
                }
            }
            ValueKind::Object(properties) => {
                for value in properties.values() {
                    value.collect_secrets(is_secret, found);
                }
            }
            _ if is_secret => found.extend(self.scalar_text()),
            _ => {}
        }
    }

    /// Writes JSON. Without `reveal`, a secret is `"[secret]"`; an unknown value is
    /// `"[unknown]"` always.
    pub fn write_json(&self, out: &mut Zeroizing<String>, reveal: bool, layout: Layout) {
        self.write(out, reveal, layout, 0);
    }

    fn write(&self, out: &mut Zeroizing<String>, reveal: bool, layout: Layout, depth: usize) {
        if self.secret && !reveal {
            out.push_str("\"[secret]\"");
            return;
        }
        match &self.kind {
            ValueKind::Null => out.push_str("null"),
            ValueKind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            ValueKind::Number(number) => out.push_str(number),
            ValueKind::String(text) => write_string(out, text.expose()),
            ValueKind::Unknown => out.push_str("\"[unknown]\""),
            ValueKind::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(out, index, layout, depth + 1);
                    item.write(out, reveal, layout, depth + 1);
                }
                finish(out, items.is_empty(), layout, depth);
                out.push(']');
            }
            ValueKind::Object(properties) => {
                out.push('{');
                for (index, (key, value)) in properties.iter().enumerate() {
                    separate(out, index, layout, depth + 1);
                    write_string(out, key);
                    out.push_str(if layout == Layout::Pretty { ": " } else { ":" });
                    value.write(out, reveal, layout, depth + 1);
                }
                finish(out, properties.is_empty(), layout, depth);
                out.push('}');
            }
        }
    }

    /// The text that interpolation puts in place of this value.
    pub(super) fn write_text(&self, out: &mut String) {
        match &self.kind {
            ValueKind::Null => {}
            ValueKind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            ValueKind::Number(number) => out.push_str(number),
            ValueKind::String(text) => out.push_str(text.expose()),
            ValueKind::Unknown => out.push_str("[unknown]"),
            ValueKind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_quoted(out, item);
                }
            }
            ValueKind::Object(properties) => {
                for (index, (key, value)) in properties.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_go_string(out, key);
                    out.push('=');
                    write_quoted(out, value);
                }
            }
        }
    }
}

fn measure<'a>(parts: impl Iterator<Item = &'a Arc<Value>>) -> (bool, usize) {
    parts.fold((false, 1), |(unknown, weight), part| {
        (unknown || part.unknown, part.weight.saturating_add(weight))
    })
}

fn separate(out: &mut String, index: usize, layout: Layout, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    new_line(out, layout, depth);
}

fn finish(out: &mut String, is_empty: bool, layout: Layout, depth: usize) {
    if !is_empty {
        new_line(out, layout, depth);
    }
}

fn new_line(out: &mut String, layout: Layout, depth: usize) {
    if layout == Layout::Pretty {
        out.push('\n');
        for _ in 0..depth {
            out.push_str("  ");
        }
    }
}

/// Written by hand so that no copy of a secret stays in an intermediate string.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

fn write_quoted(out: &mut String, value: &Value) {
    let mut text = Zeroizing::new(String::new());
    value.write_text(&mut text);
    write_go_string(out, &text);
}

/// As Go's `%q` writes it, for that is what the language defines.
fn write_go_string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_ascii_control() => {
                out.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            letter if letter.is_control() => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret {
            return formatter.write_str("Secret(hidden)");
        }
        match &self.kind {
            ValueKind::List(items) => formatter.debug_list().entries(items).finish(),
            ValueKind::Object(properties) => formatter.debug_map().entries(properties).finish(),
            ValueKind::Bool(value) => write!(formatter, "{value}"),
            ValueKind::Number(number) => formatter.write_str(number),
            _ => formatter.write_str(self.type_name()),
        }
    }
}
