//! The strict reading of a settings document.

mod addresses;
mod overlap;
mod publish;
mod schedule;
mod webhooks;

use std::time::Duration;

use super::{Alphabet, Layer, Named, Protection, Settings, TlsMode, TwinCheck, duration, string};
use crate::document::{
    Diagnostic, Document, Literal, Node, PropertyPath, Segment, document_path_text, nearest,
};

/// A timeout beyond this is a mistake, and would overflow what databases accept.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 86_400);

pub(super) fn settings(document: &Document) -> Result<Settings, Vec<Diagnostic>> {
    let mut reader = Reader {
        source: document.source(),
        diagnostics: Vec::new(),
        files: Vec::new(),
        authorities: Vec::new(),
        pauses: Vec::new(),
    };
    let mut settings = Settings {
        source: document.source().to_owned(),
        ..Settings::default()
    };
    let known = [
        "protect",
        "schedule",
        "databases",
        "publish",
        "webhooks",
        "owners",
    ];
    for field in reader.fields(&Field::root(document.root()), &known) {
        match field.name() {
            "protect" => {
                let choices = [
                    ("production", Protection::Production),
                    ("none", Protection::None),
                ];
                settings.protection = reader.choice(&field, &choices).unwrap_or_default();
            }
            "schedule" => settings.schedule = reader.schedule(&field),
            "databases" => {
                reader.databases(&field, &mut settings);
                reader.unused_authorities(&settings);
                reader.gaps_without_room(&settings);
            }
            "owners" => settings.owners = reader.owners(&field),
            "webhooks" => settings.webhooks = reader.webhooks(&field),
            "publish" => settings.sinks = reader.sinks(&field),
            _ => reader.refused_list(&field),
        }
    }
    settings.files = reader.files;
    if reader.diagnostics.is_empty() {
        Ok(settings)
    } else {
        Err(reader.diagnostics)
    }
}

/// A value with its path.
struct Field<'a> {
    node: &'a Node,
    path: Vec<Segment>,
    key_span: crate::document::Span,
}

impl<'a> Field<'a> {
    fn root(node: &'a Node) -> Self {
        Self {
            node,
            path: Vec::new(),
            key_span: node.span,
        }
    }

    fn name(&self) -> &str {
        match self.path.last() {
            Some(Segment::Key(key)) => key,
            _ => "",
        }
    }
}

struct Reader<'a> {
    source: &'a str,
    diagnostics: Vec<Diagnostic>,
    files: Vec<(Vec<Segment>, String)>,
    /// Each `ca`, and the entry that it stands in.
    authorities: Vec<(Field<'a>, String)>,
    /// Each `sample` and `max-gap`, and the entry that it stands in.
    pauses: Vec<(Field<'a>, String)>,
}

impl<'a> Reader<'a> {
    fn error(&mut self, field: &Field<'_>, summary: impl Into<String>, hint: Option<String>) {
        let diagnostic = Diagnostic::error(summary)
            .with_place(self.source, field.node.span)
            .with_path(document_path_text(&field.path));
        self.diagnostics.push(match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        });
    }

    fn wrong_type(&mut self, field: &Field<'_>, expected: &str) {
        let summary = format!("expected {expected}, got {}", field.node.type_name());
        self.error(field, summary, None);
    }

    fn not_supported(&mut self, field: &Field<'_>, what: &str) {
        let hint = Some("remove it; nothing would act on it".to_owned());
        self.error(field, format!("{what} is not supported yet"), hint);
    }

    /// The known fields of an object; others are errors. Null is an empty object.
    fn fields<'n>(&mut self, object: &Field<'n>, known: &[&str]) -> Vec<Field<'n>> {
        let mut fields = self.all_fields(object);
        fields.retain(|field| {
            if known.contains(&field.name()) {
                return true;
            }
            let name = field.name();
            let summary = match nearest(name, known.iter().copied()) {
                Some(near) => format!("unknown property {name:?}; did you mean {near:?}?"),
                None => format!("unknown property {name:?}"),
            };
            self.diagnostics.push(
                Diagnostic::error(summary)
                    .with_place(self.source, field.key_span)
                    .with_path(document_path_text(&field.path))
                    .with_hint(format!("there are: {}", known.join(", "))),
            );
            false
        });
        fields
    }

    fn all_fields<'n>(&mut self, object: &Field<'n>) -> Vec<Field<'n>> {
        if object.node.is_null() {
            return Vec::new();
        }
        let Some(entries) = object.node.entries() else {
            self.wrong_type(object, "object");
            return Vec::new();
        };
        entries
            .iter()
            .map(|entry| {
                let mut path = object.path.clone();
                path.push(Segment::Key(entry.key.text.clone()));
                Field {
                    node: &entry.value,
                    path,
                    key_span: entry.key.span,
                }
            })
            .collect()
    }

    fn text(&mut self, field: &Field<'_>) -> Option<String> {
        let text = string(field.node).filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong_type(field, "a string that is not empty");
        }
        text
    }

    /// The items of an array. Null is an empty one.
    fn items<'n>(&mut self, field: &Field<'n>) -> Option<Vec<Field<'n>>> {
        if field.node.is_null() {
            return Some(Vec::new());
        }
        let Some(items) = field.node.items() else {
            self.wrong_type(field, "array");
            return None;
        };
        let item = |(index, node): (usize, &'n Node)| {
            let mut path = field.path.clone();
            path.push(Segment::Index(index));
            Field {
                node,
                path,
                key_span: node.span,
            }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    fn texts(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        let items = self.items(field)?;
        items.iter().map(|item| self.text(item)).collect()
    }

    fn choice<T: Copy>(&mut self, field: &Field<'_>, choices: &[(&str, T)]) -> Option<T> {
        let text = string(field.node);
        let found = choices
            .iter()
            .find(|(name, _)| text.as_deref() == Some(*name));
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = text
                .as_deref()
                .and_then(|text| nearest(text, names.iter().copied()));
            let hint = near.map(|near| format!("did you mean {near:?}?"));
            self.error(
                field,
                format!("expected one of: {}", names.join(", ")),
                hint,
            );
        }
        found.map(|(_, value)| *value)
    }

    fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        match field.node.literal() {
            Some(Literal::Bool(value)) => Some(value),
            _ => {
                self.wrong_type(field, "boolean");
                None
            }
        }
    }

    fn duration(&mut self, field: &Field<'_>) -> Option<Duration> {
        let found = string(field.node).and_then(|text| duration(&text));
        match found {
            Some(found) if found <= LONGEST_WAIT => Some(found),
            Some(_) => {
                self.error(field, "the duration is longer than 366 days", None);
                None
            }
            None => {
                let hint = "write a whole number with its unit, such as 500ms, 2s, 15m, 25h or 7d";
                self.error(field, "expected a duration", Some(hint.to_owned()));
                None
            }
        }
    }

    fn timeout(&mut self, field: &Field<'_>) -> Option<Duration> {
        let found = self.duration(field)?;
        if found.is_zero() || found > LONGEST_TIMEOUT {
            self.error(
                field,
                "a timeout is longer than 0s and not longer than 1h",
                None,
            );
            return None;
        }
        Some(found)
    }

    /// A list of a feature that is not built: only an empty one asks for nothing.
    fn refused_list(&mut self, field: &Field<'_>) {
        if field.node.is_null() {
            return;
        }
        match field.node.items() {
            None => self.wrong_type(field, "array"),
            Some([]) => {}
            Some(_) => self.not_supported(field, field.name()),
        }
    }

    fn databases(&mut self, databases: &Field<'a>, settings: &mut Settings) {
        for field in self.all_fields(databases) {
            let layer = self.layer(&field);
            if field.name() == "*" {
                settings.for_all = layer;
                continue;
            }
            match field.name().parse::<PropertyPath>() {
                Ok(path) => {
                    let named = Named {
                        layer,
                        key: field.name().to_owned(),
                        span: field.key_span,
                    };
                    if settings.by_path.insert(path, named).is_some() {
                        self.error(&field, "the same path stands here twice", None);
                    }
                }
                Err(why) => {
                    let hint = "write the path of a rotated secret, such as orders.db, or \"*\"";
                    self.error(&field, why.to_string(), Some(hint.to_owned()));
                }
            }
        }
    }

    fn layer(&mut self, database: &Field<'a>) -> Layer {
        let mut layer = Layer::default();
        let known = [
            "tls", "nodes", "poolers", "password", "verify", "drain", "retire", "monitor",
            "timeouts",
        ];
        for field in self.fields(database, &known) {
            match field.name() {
                "tls" => self.tls(&field, &mut layer, database.name()),
                "nodes" => layer.nodes = self.addresses(&field, &mut layer.alike),
                "poolers" => layer.poolers = self.addresses(&field, &mut layer.alike),
                "password" => self.password(&field, &mut layer),
                "verify" => self.verify(&field, &mut layer),
                "drain" => self.drain(&field, &mut layer, database.name()),
                "retire" => self.retire(&field, &mut layer),
                "monitor" => layer.monitor = self.monitor(&field),
                _ => self.timeouts(&field, &mut layer),
            }
        }
        layer
    }

    fn tls(&mut self, tls: &Field<'a>, layer: &mut Layer, database: &str) {
        for field in self.fields(tls, &["mode", "ca"]) {
            if field.name() == "ca" {
                layer.ca = self.text(&field);
                if let Some(name) = &layer.ca {
                    self.files.push((field.path.clone(), name.clone()));
                    self.authorities.push((field, database.to_owned()));
                }
                continue;
            }
            let choices = [
                ("verify-full", TlsMode::VerifyFull),
                ("verify-ca", TlsMode::VerifyCa),
                ("require", TlsMode::Require),
                ("disable", TlsMode::Disable),
            ];
            layer.tls = self.choice(&field, &choices);
        }
    }

    /// An authority under `require` would not be used, and whoever wrote it thinks that
    /// it is. One that is inherited from "*" by an entry with `require` misleads nobody.
    fn unused_authorities(&mut self, settings: &Settings) {
        for (field, database) in std::mem::take(&mut self.authorities) {
            let own = database
                .parse::<PropertyPath>()
                .ok()
                .filter(|_| database != "*")
                .and_then(|path| settings.by_path.get(&path)?.layer.tls);
            let mode = own.or(settings.for_all.tls).unwrap_or_default();
            if mode == TlsMode::Require {
                let hint = "say `mode: verify-ca` or `mode: verify-full` to have the certificate \
                     verified by it, or remove `ca`";
                self.error(
                    &field,
                    "`ca` is not used with `mode: require`, which verifies no certificate",
                    Some(hint.to_owned()),
                );
            }
        }
    }

    fn password(&mut self, password: &Field<'_>, layer: &mut Layer) {
        for field in self.fields(password, &["length", "alphabet"]) {
            if field.name() == "alphabet" {
                layer.alphabet = self.choice(&field, &[("url-safe", Alphabet::UrlSafe)]);
                continue;
            }
            let length = match field.node.literal() {
                Some(Literal::Number(number)) => number.parse::<usize>().ok(),
                _ => None,
            };
            layer.password_length = length.filter(|length| (16..=128).contains(length));
            if layer.password_length.is_none() {
                self.error(
                    &field,
                    "a password's length is a whole number from 16 to 128",
                    None,
                );
            }
        }
    }

    fn verify(&mut self, verify: &Field<'_>, layer: &mut Layer) {
        for field in self.fields(verify, &["twin", "statements"]) {
            if field.name() == "statements" {
                layer.statements = self.texts(&field);
                continue;
            }
            let choices = [("strict", TwinCheck::Strict), ("warn", TwinCheck::Warn)];
            layer.twin = self.choice(&field, &choices);
        }
    }

    fn timeouts(&mut self, timeouts: &Field<'_>, layer: &mut Layer) {
        for field in self.fields(timeouts, &["connect", "statement", "lock"]) {
            let timeout = self.timeout(&field);
            match field.name() {
                "connect" => layer.connect_timeout = timeout,
                "statement" => layer.statement_timeout = timeout,
                _ => layer.lock_timeout = timeout,
            }
        }
    }
}
