//! Edits of the `schedule` in a text of settings. Whatever else stands there stays byte by byte,
//! comments too.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::document::{Diagnostic, Document, Fragment, Literal, NodeKind, Segment, edit};
use crate::model::MissedRule;

/// What says when a schedule's occurrences are, of which it has one.
const WHEN: [&str; 3] = ["cron", "every", "once"];

/// A schedule as it is asked for: what is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSchedule {
    /// A cron expression of five fields.
    pub cron: Option<String>,
    /// A duration, such as 30d.
    pub every: Option<String>,
    /// A time.
    pub once: Option<String>,
    /// By the clocks of which place.
    pub timezone: Option<String>,
    /// How long after its time a rotation may start.
    pub window: Option<String>,
    /// Environments start up to so much later.
    pub jitter: Option<String>,
    /// What becomes of an occurrence that nobody could act on.
    pub missed: Option<MissedRule>,
}

impl NewSchedule {
    /// Whether it says when.
    pub(super) fn says_when(&self) -> bool {
        self.cron.is_some() || self.every.is_some() || self.once.is_some()
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let missed = self.missed.map(|missed| missed.as_str().to_owned());
        [
            ("cron", self.cron.clone()),
            ("every", self.every.clone()),
            ("once", self.once.clone()),
            ("timezone", self.timezone.clone()),
            ("window", self.window.clone()),
            ("jitter", self.jitter.clone()),
            ("missed", missed),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// Sets what is said, and takes out what said when before.
pub(super) fn set(text: &str, new: &NewSchedule) -> Result<String, Diagnostic> {
    let fields = new.fields();
    if keys(text)?.is_empty() {
        let entries = fields.into_iter();
        let entries = entries.map(|(key, value)| (key.to_owned(), Fragment::String(value)));
        return edit::set(text, &[schedule()], &Fragment::Mapping(entries.collect()));
    }
    let mut text = text.to_owned();
    for (key, value) in &fields {
        text = edit::set(&text, &at(key), &Fragment::String(value.clone()))?;
    }
    if !new.says_when() {
        return Ok(text);
    }
    for key in keys(&text)? {
        let is_other = WHEN.contains(&key.as_str()) && !fields.iter().any(|(set, _)| *set == key);
        if is_other {
            text = edit::remove(&text, &at(&key))?;
        }
    }
    Ok(text)
}

/// Takes the schedule out.
pub(super) fn remove(text: &str) -> Result<String, Diagnostic> {
    match Document::load(text, "settings") {
        Ok(document) if document.get(&[schedule()]).is_some() => edit::remove(text, &[schedule()]),
        _ => Ok(text.to_owned()),
    }
}

/// Writes a pause down. The time is written by the schedule's clocks.
pub(super) fn pause(
    text: &str,
    reason: Option<&str>,
    until: Option<DateTime<Utc>>,
    zone: Tz,
) -> Result<String, Diagnostic> {
    let until = until.map(|until| {
        let until = until.with_timezone(&zone);
        until.to_rfc3339_opts(SecondsFormat::Secs, true)
    });
    let parts = [("reason", reason.map(str::to_owned)), ("until", until)];
    let parts = parts
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), Fragment::String(value?))));
    let parts: Vec<(String, Fragment)> = parts.collect();
    let fragment = match parts.is_empty() {
        true => Fragment::Bool(true),
        false => Fragment::Mapping(parts),
    };
    edit::set(text, &at("paused"), &fragment)
}

/// Takes the pause out; what says that there is none stays.
pub(super) fn resume(text: &str) -> Result<String, Diagnostic> {
    let document = load(text)?;
    let literal = match document.get(&at("paused")) {
        None => return Ok(text.to_owned()),
        Some(node) => node.literal(),
    };
    match literal {
        Some(Literal::Null | Literal::Bool(false)) => Ok(text.to_owned()),
        _ => edit::remove(text, &at("paused")),
    }
}

/// The keys that the schedule has, in their order.
fn keys(text: &str) -> Result<Vec<String>, Diagnostic> {
    let document = load(text)?;
    let Some(node) = document.get(&[schedule()]) else {
        return Ok(Vec::new());
    };
    Ok(match &node.kind {
        NodeKind::Mapping(entries) => {
            let keys = entries.iter().map(|entry| entry.key.text.clone());
            keys.collect()
        }
        _ => Vec::new(),
    })
}

fn load(text: &str) -> Result<Document, Diagnostic> {
    Document::load(text, "settings").map_err(|mut diagnostics| match diagnostics.is_empty() {
        true => Diagnostic::error("the settings cannot be read"),
        false => diagnostics.swap_remove(0),
    })
}

fn schedule() -> Segment {
    Segment::from("schedule")
}

fn at(key: &str) -> [Segment; 2] {
    [schedule(), Segment::from(key)]
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
