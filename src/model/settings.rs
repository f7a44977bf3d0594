//! Settings: what operates an environment and is no part of its document.
//!
//! The settings document is strict: an unknown key is an error. A setting whose
//! feature is not built yet is read and checked, and refused at its place when it
//! asks for something; it is never ignored.

use std::collections::BTreeMap;
use std::time::Duration;

use self::publish::SinkSettings;
use super::{Address, Engine, OwnerNote, Schedule, Webhook};
use crate::document::{
    Diagnostic, Document, Literal, Node as DocumentNode, PropertyPath, Segment, Span, nearest,
};

pub mod publish;
mod read;

/// How a change of an environment has to be confirmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// As usual.
    #[default]
    None,
    /// The console opens it read-only; changes need its name typed.
    Production,
}

/// How the server of a database is authenticated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS; certificate and host name are verified.
    #[default]
    VerifyFull,
    /// TLS; the certificate is verified, the host name is not.
    VerifyCa,
    /// TLS; nothing is verified, so that only listeners are kept out.
    Require,
    /// No TLS at all.
    Disable,
}

/// What a difference between the two application users does to a rotation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TwinCheck {
    /// One that consumers would notice refuses it.
    #[default]
    Strict,
    /// Every difference is told, and none refuses it.
    Warn,
}

/// Which characters a new password has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Alphabet {
    /// `A-Za-z0-9-_`
    #[default]
    UrlSafe,
}

/// What happens while the user whose password changes is not drained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gate {
    /// The rotation is refused, unless an operator waives it.
    #[default]
    Block,
}

/// Who retires the outgoing user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RetireMode {
    /// An operator presses the key; the agent never does.
    #[default]
    Ask,
    /// The agent locks it once it is drained.
    Lock,
    /// Nobody: it stays valid until its next rotation.
    None,
}

/// What follows when nobody was refused for the whole time of listening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RetireEnd {
    /// Its password is scrambled.
    #[default]
    Scramble,
    /// It stays locked.
    Keep,
}

/// How the outgoing user is retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retire {
    /// Who does it.
    pub mode: RetireMode,
    /// How long refused logins are listened for once it is locked.
    pub listen: Duration,
    /// What follows.
    pub then: RetireEnd,
}

impl Default for Retire {
    fn default() -> Self {
        Self {
            mode: RetireMode::default(),
            listen: Duration::from_secs(24 * 3600),
            then: RetireEnd::default(),
        }
    }
}

/// The settings of one rotated secret, with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// How the server is authenticated.
    pub tls: TlsMode,
    /// A file of certificate authorities, as written; else those of the system.
    pub ca: Option<String>,
    /// Further addresses at which consumers reach the same database, such as standbys.
    pub nodes: Vec<Address>,
    /// Poolers through which consumers reach it.
    pub poolers: Vec<Address>,
    /// Characters of a new password.
    pub password_length: usize,
    /// Which characters these are.
    pub alphabet: Alphabet,
    /// What a difference between the two users does.
    pub twin: TwinCheck,
    /// Statements that a new login must be able to run.
    pub statements: Vec<String>,
    /// The time that consumers take to read a new current.
    pub propagation: Duration,
    /// How long nobody may have been seen.
    pub quiet: Duration,
    /// The longest time between two samples after which the window does not begin anew.
    pub max_gap: Duration,
    /// The time from one sample to the next.
    pub sample: Duration,
    /// What happens before it is drained.
    pub gate: Gate,
    /// How the outgoing user is retired.
    pub retire: Retire,
    /// The login that samples, as an expression that gives `username` and `password`; else the
    /// managing user.
    pub monitor: Option<String>,
    /// For a connection with its TLS and its login.
    pub connect_timeout: Duration,
    /// For one statement.
    pub statement_timeout: Duration,
    /// For a lock that a statement waits for.
    pub lock_timeout: Duration,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            tls: TlsMode::default(),
            ca: None,
            nodes: Vec::new(),
            poolers: Vec::new(),
            password_length: 32,
            alphabet: Alphabet::default(),
            twin: TwinCheck::default(),
            statements: Vec::new(),
            propagation: Duration::from_secs(15 * 60),
            quiet: Duration::from_secs(25 * 3600),
            max_gap: Duration::from_secs(10 * 60),
            sample: Duration::from_secs(5),
            gate: Gate::default(),
            retire: Retire::default(),
            monitor: None,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(3),
        }
    }
}

/// An address that stands in a list with a port and without.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alike {
    /// Where this is the usual port, both are the same.
    port: u16,
    found: Diagnostic,
}

/// What one entry of `databases` says; nothing where it is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Layer {
    tls: Option<TlsMode>,
    ca: Option<String>,
    nodes: Option<Vec<Address>>,
    poolers: Option<Vec<Address>>,
    alike: Vec<Alike>,
    password_length: Option<usize>,
    alphabet: Option<Alphabet>,
    twin: Option<TwinCheck>,
    statements: Option<Vec<String>>,
    propagation: Option<Duration>,
    quiet: Option<Duration>,
    max_gap: Option<Duration>,
    sample: Option<Duration>,
    gate: Option<Gate>,
    retire_mode: Option<RetireMode>,
    retire_listen: Option<Duration>,
    retire_end: Option<RetireEnd>,
    monitor: Option<String>,
    connect_timeout: Option<Duration>,
    statement_timeout: Option<Duration>,
    lock_timeout: Option<Duration>,
}

impl Layer {
    fn apply(&self, settings: &mut DatabaseSettings) {
        fn put<T: Clone>(from: Option<&T>, to: &mut T) {
            if let Some(value) = from {
                to.clone_from(value);
            }
        }
        put(self.tls.as_ref(), &mut settings.tls);
        if self.ca.is_some() {
            settings.ca.clone_from(&self.ca);
        }
        put(self.nodes.as_ref(), &mut settings.nodes);
        put(self.poolers.as_ref(), &mut settings.poolers);
        put(self.password_length.as_ref(), &mut settings.password_length);
        put(self.alphabet.as_ref(), &mut settings.alphabet);
        put(self.twin.as_ref(), &mut settings.twin);
        put(self.statements.as_ref(), &mut settings.statements);
        put(self.propagation.as_ref(), &mut settings.propagation);
        put(self.quiet.as_ref(), &mut settings.quiet);
        put(self.max_gap.as_ref(), &mut settings.max_gap);
        put(self.sample.as_ref(), &mut settings.sample);
        put(self.gate.as_ref(), &mut settings.gate);
        put(self.retire_mode.as_ref(), &mut settings.retire.mode);
        put(self.retire_listen.as_ref(), &mut settings.retire.listen);
        put(self.retire_end.as_ref(), &mut settings.retire.then);
        if self.monitor.is_some() {
            settings.monitor.clone_from(&self.monitor);
        }
        put(self.connect_timeout.as_ref(), &mut settings.connect_timeout);
        put(
            self.statement_timeout.as_ref(),
            &mut settings.statement_timeout,
        );
        put(self.lock_timeout.as_ref(), &mut settings.lock_timeout);
    }
}

/// An entry of `databases` that names a path.
#[derive(Debug, Clone)]
struct Named {
    layer: Layer,
    /// The key as written, and where.
    key: String,
    span: Span,
}

/// The settings of one environment.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    source: String,
    protection: Protection,
    for_all: Layer,
    by_path: BTreeMap<PropertyPath, Named>,
    owners: Vec<OwnerNote>,
    webhooks: Vec<Webhook>,
    sinks: Vec<SinkSettings>,
    schedule: Option<(Schedule, Span)>,
    files: Vec<(Vec<Segment>, String)>,
}

impl Settings {
    /// Reads a settings document.
    ///
    /// # Errors
    /// All problems at once, each with its place.
    pub fn parse(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        read::settings(document)
    }

    /// How changes have to be confirmed.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// Whom to call about a client, in the order in which they are written.
    #[must_use]
    pub fn owners(&self) -> &[OwnerNote] {
        &self.owners
    }

    /// Who is told what happens, in the order in which they are written.
    #[must_use]
    pub fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// The files to which the environment is published, in the order in which they are written.
    #[must_use]
    pub fn sinks(&self) -> &[SinkSettings] {
        &self.sinks
    }

    /// When it is rotated by itself, if it is.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref().map(|(schedule, _)| schedule)
    }

    /// A finding about the schedule as a whole.
    #[must_use]
    pub fn schedule_finding(&self, summary: impl Into<String>, hint: String) -> Diagnostic {
        let found = Diagnostic::error(summary)
            .with_path(crate::document::document_path_text(&[Segment::from(
                "schedule",
            )]))
            .with_hint(hint);
        match &self.schedule {
            Some((_, span)) => found.with_place(&self.source, *span),
            None => found,
        }
    }

    /// What holds for one rotated secret: its own entry over `"*"` over the defaults.
    #[must_use]
    pub fn database(&self, path: &PropertyPath) -> DatabaseSettings {
        let mut settings = DatabaseSettings::default();
        self.for_all.apply(&mut settings);
        if let Some(named) = self.by_path.get(path) {
            named.layer.apply(&mut settings);
        }
        settings
    }

    /// The files that are read and stored at a save: where each stands in the
    /// document, and its name as written.
    #[must_use]
    pub fn files(&self) -> &[(Vec<Segment>, String)] {
        &self.files
    }

    /// Addresses that stand in a list twice, now that the engines are known.
    #[must_use]
    pub fn check_addresses(&self, secrets: &[(PropertyPath, Engine)]) -> Vec<Diagnostic> {
        let engines = |path: Option<&PropertyPath>| -> Vec<Engine> {
            let those = secrets
                .iter()
                .filter(|(one, _)| path.is_none_or(|path| path == one));
            those.map(|(_, engine)| *engine).collect()
        };
        let named = self.by_path.iter();
        let layers = named
            .map(|(path, named)| (engines(Some(path)), &named.layer))
            .chain([(engines(None), &self.for_all)]);
        layers
            .flat_map(|(engines, layer)| {
                let same = layer.alike.iter().filter(move |alike| {
                    engines
                        .iter()
                        .any(|engine| engine.usual_port() == alike.port)
                });
                same.map(|alike| alike.found.clone())
            })
            .collect()
    }

    /// Entries of `databases` that name none of an environment's rotated secrets.
    #[must_use]
    pub fn check_paths(&self, paths: &[PropertyPath]) -> Vec<Diagnostic> {
        let known: Vec<String> = paths.iter().map(ToString::to_string).collect();
        self.by_path
            .iter()
            .filter(|(path, _)| !paths.contains(path))
            .map(|(path, named)| {
                let key = &named.key;
                let near = nearest(&path.to_string(), known.iter().map(String::as_str));
                let hint = match near {
                    Some(near) => format!("did you mean {near:?}?"),
                    None if known.is_empty() => "the environment has none".to_owned(),
                    None => format!("there are: {}; or use \"*\" for all", known.join(", ")),
                };
                Diagnostic::error(format!(
                    "{key:?} is not a rotated secret of the environment"
                ))
                .with_place(&self.source, named.span)
                .with_path(crate::document::document_path_text(&[
                    Segment::from("databases"),
                    Segment::Key(key.clone()),
                ]))
                .with_hint(hint)
            })
            .collect()
    }
}

/// Reads `500ms`, `2s`, `15m`, `25h`, `7d`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A duration as it is written in settings, in its largest whole unit.
#[must_use]
pub fn in_words(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let unit = units
        .iter()
        .find(|(_, size)| milliseconds > 0 && milliseconds.is_multiple_of(*size));
    match unit {
        Some((unit, size)) => format!("{}{unit}", milliseconds / size),
        None if milliseconds == 0 => "0s".to_owned(),
        None => format!("{milliseconds}ms"),
    }
}

/// The text of a string, `off` and `none` included.
fn string(node: &DocumentNode) -> Option<String> {
    match node.literal() {
        Some(Literal::String(text)) => Some(text.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
