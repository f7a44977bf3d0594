//! From a fact to its notice, inside the transaction of the fact. Whoever writes a fact calls one
//! function of this file; which webhooks are told is what the newest settings say.
//!
//! A payload holds no secret: it is made of names, cases, times and counts, and of text from
//! databases that has passed through `Untrusted`.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use rusqlite::Transaction;
use serde_json::{Value, json};

use super::loading::parse_settings;
use super::workspace::stored_time;
use super::{Failure, Workspace};
use crate::drain::{Drain, Forecast, LateLogin, Verdict};
use crate::model::settings::Settings;
use crate::model::{EnvironmentName, NoticeKind, RetireStep, RotationId, SlotState, Stage};
use crate::process::random_bytes;
use crate::rotation::{Case, Event, PathJournal, Progress, fold};
use crate::store::outbox::{self, NewNotice};
use crate::store::{
    EnvironmentRow, JournalLine, StoreError, audit, environments, journal, revisions, schedule_runs,
};
use crate::untrusted::Untrusted;

/// What receivers are told of the payload's shape.
const VERSION: u32 = 1;
/// So many late logins, or lost readings, are listed in one notice.
const LISTED: usize = 100;

/// What has happened to a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RotationFact {
    /// Paths of it were promoted.
    Promoted,
    /// A path of it needs a person.
    Parked,
    /// A path of it was ended without a promote.
    Ended,
    /// A file has what was promoted.
    Published,
    /// A file has it not.
    NotPublished(Case),
}

/// Tells how a rotation stands, by what its journal says in this very transaction.
///
/// # Errors
/// The store's own.
pub(super) fn of_rotation(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    rotation: RotationId,
    fact: RotationFact,
) -> Result<(), StoreError> {
    let lines = journal::lines(transaction, rotation)?;
    if fact == RotationFact::Parked && is_tried_again(transaction, rotation, &lines)? {
        return Ok(());
    }
    let is_closed = lines.iter().any(|line| line.event == Event::Closed);
    let mut events: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for line in &lines {
        if let Some(path) = &line.path {
            events.entry(path).or_default().push(&line.event);
        }
    }
    let paths: Vec<(&str, PathJournal)> = events
        .into_iter()
        .map(|(path, events)| (path, fold(events)))
        .collect();
    let Some(kind) = rotation_kind(fact, is_closed, &paths) else {
        return Ok(());
    };
    let revision = paths.iter().filter_map(|(_, path)| revision_of(path)).max();
    let paths: Vec<Value> = paths
        .iter()
        .map(|(path, journal)| path_value(path, journal))
        .collect();
    let of_all = lines.iter().filter(|line| line.path.is_none());
    let of_all: Vec<&Event> = of_all.map(|line| &line.event).collect();
    let data = json!({
        "rotation": rotation, "revision": revision, "paths": paths,
        "sinks": sinks_value(&of_all),
    });
    enqueue(transaction, environment, kind, &data)
}

/// Whether an agent goes on by itself with what was parked last, so that no person is needed yet.
/// When it gives up, it is told.
fn is_tried_again(
    transaction: &Transaction<'_>,
    rotation: RotationId,
    lines: &[JournalLine],
) -> Result<bool, StoreError> {
    let parked = lines.iter().rev().find_map(|line| match line.event {
        Event::Parked { case, .. } => Some(case),
        _ => None,
    });
    if !parked.is_some_and(Case::may_pass) {
        return Ok(false);
    }
    let run = schedule_runs::of_rotation(transaction, rotation)?;
    Ok(run.is_some_and(|(_, run)| run.state == SlotState::Open))
}

/// How the files stand that the rotation was published to, as its journal says.
fn sinks_value(events: &[&Event]) -> Vec<Value> {
    let mut sinks: BTreeMap<&str, (&str, Option<&str>)> = BTreeMap::new();
    for event in events {
        match event {
            Event::PublishSent { file, .. } => sinks.insert(file, ("due", None)),
            Event::Published { file, .. } => sinks.insert(file, ("confirmed", None)),
            Event::PublishFailed { file, case, .. } => {
                sinks.insert(file, ("failed", Some(case.name())))
            }
            _ => None,
        };
    }
    let value = |(file, (status, case))| json!({"file": Untrusted::new(file), "status": status, "case": case});
    sinks.into_iter().map(value).collect()
}

/// A path that was given up tells nothing while others go on: how these end tells all.
fn rotation_kind(
    fact: RotationFact,
    is_closed: bool,
    paths: &[(&str, PathJournal)],
) -> Option<NoticeKind> {
    let is_promoted =
        |(_, path): &(&str, PathJournal)| matches!(path.progress, Progress::Promoted { .. });
    Some(match fact {
        RotationFact::Parked => NoticeKind::RotationParked,
        // Files wait for what was promoted: the last one of them tells how it ended.
        RotationFact::Promoted | RotationFact::Published
            if !is_closed && paths.iter().all(is_promoted) =>
        {
            return None;
        }
        RotationFact::Published if !is_closed => return None,
        RotationFact::Promoted | RotationFact::Published if paths.iter().all(is_promoted) => {
            NoticeKind::RotationSucceeded
        }
        RotationFact::Promoted | RotationFact::Published => NoticeKind::RotationPartial,
        RotationFact::NotPublished(Case::SinkForeign) => NoticeKind::RotationParked,
        RotationFact::NotPublished(_) => NoticeKind::RotationPartial,
        RotationFact::Ended if !is_closed => return None,
        RotationFact::Ended if paths.iter().any(is_promoted) => NoticeKind::RotationPartial,
        RotationFact::Ended => NoticeKind::RotationFailed,
    })
}

fn revision_of(journal: &PathJournal) -> Option<u64> {
    match journal.progress {
        Progress::Promoted { revision } | Progress::Abandoned { revision } => Some(revision),
        _ => None,
    }
}

fn path_value(path: &str, journal: &PathJournal) -> Value {
    let status = match journal.progress {
        Progress::Promoted { .. } => "promoted",
        Progress::Aborted => "aborted",
        Progress::Abandoned { .. } => "abandoned",
        _ if journal.parked.is_some() => "parked",
        _ => "open",
    };
    let admitted = journal.admitted.as_ref();
    json!({
        "path": path,
        "status": status,
        "step": journal.progress.step(),
        "case": journal.parked.filter(|_| status == "parked").map(Case::name),
        "user": admitted.map(|admitted| Untrusted::new(&admitted.user)),
        "revision": revision_of(journal),
    })
}

/// Tells that a step of a retirement was done. `detail` is that of its audit entry.
///
/// # Errors
/// The store's own.
pub(super) fn of_retirement(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    step: RetireStep,
    detail: &Value,
) -> Result<(), StoreError> {
    let kind = match step {
        RetireStep::Lock => NoticeKind::RetireLocked,
        RetireStep::Unlock => NoticeKind::RetireUndone,
        RetireStep::Scramble => NoticeKind::RetireScrambled,
    };
    let data = json!({
        "path": detail["path"],
        "user": detail["user"],
        "by": detail["by"],
        "waived": !detail["waiver"].is_null(),
    });
    enqueue(transaction, environment, kind, &data)
}

/// Tells of readings that stand in no audit log; each line is a time, an action and the name of
/// an environment.
///
/// # Errors
/// The store's own.
pub(super) fn of_audit_gap(
    transaction: &Transaction<'_>,
    lines: &[&str],
) -> Result<(), StoreError> {
    let mut missed: BTreeMap<EnvironmentName, Vec<Untrusted>> = BTreeMap::new();
    for line in lines {
        let name = line.split(' ').nth(2).map(str::parse);
        if let Some(Ok(name)) = name {
            missed.entry(name).or_default().push(Untrusted::new(line));
        }
    }
    for (environment, lines) in missed {
        let data = json!({
            "readings": lines.len(),
            "not_audited": lines.iter().take(LISTED).collect::<Vec<_>>(),
        });
        enqueue(transaction, &environment, NoticeKind::AuditGap, &data)?;
    }
    Ok(())
}

/// What one process knows to be told of drains, by environment. What others told stands in the
/// store.
#[derive(Default)]
pub(super) struct DrainNotices {
    environments: HashMap<EnvironmentName, Told>,
}

#[derive(Default)]
struct Told {
    /// The revision at which it was looked who wants to be told.
    revision: u64,
    marks: HashMap<(i64, NoticeKind), HashSet<String>>,
}

/// What may be told of one drain: each item with the mark by which it is told once.
type Tidings = (NoticeKind, Vec<(String, Value)>);

impl DrainNotices {
    /// Tells what is new in the drains of an environment, each with the number of its overlap.
    /// A store that cannot take it is asked again with the next look.
    pub(super) async fn take(
        &mut self,
        workspace: &Workspace,
        (environment, revision): (&EnvironmentName, u64),
        drains: &[(i64, &Drain)],
    ) {
        if !workspace.store.is_writable() {
            return;
        }
        let told = self.environments.entry(environment.clone()).or_default();
        // Other settings may want to know what nobody wanted to know before.
        if told.revision != revision {
            *told = Told {
                revision,
                marks: HashMap::new(),
            };
        }
        for (overlap, drain) in drains {
            for (kind, items) in tidings(drain, Utc::now()) {
                let known = told.marks.entry((*overlap, kind)).or_default();
                let marks: HashSet<String> = items.iter().map(|(mark, _)| mark.clone()).collect();
                let is_new = |(mark, _): &(String, Value)| !known.contains(mark);
                let new: Vec<_> = items.into_iter().filter(is_new).collect();
                let tidings = (kind, new);
                match tell_drain(workspace, environment, *overlap, common(drain), tidings).await {
                    Ok(()) => *known = marks,
                    Err(error) => tracing::warn!(%error, %kind, "a drain was not told"),
                }
            }
        }
    }
}

async fn tell_drain(
    workspace: &Workspace,
    environment: &EnvironmentName,
    overlap: i64,
    common: Value,
    (kind, items): Tidings,
) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    let name = environment.clone();
    let read = workspace.store.read(move |transaction| {
        let found = newest_settings(transaction, &name)?;
        Ok::<_, StoreError>(found.is_some_and(|(_, settings)| wants(&settings, kind)))
    });
    // A store in which nobody is told of anything is not written for that.
    if !read.await? {
        return Ok(());
    }
    let name = environment.clone();
    let write = workspace.store.write(move |transaction| {
        tell_what_is_new(transaction, &name, overlap, common, (kind, items))
    });
    write.await
}

fn wants(settings: &Settings, kind: NoticeKind) -> bool {
    settings
        .webhooks()
        .iter()
        .any(|webhook| webhook.wants(kind))
}

fn tidings(drain: &Drain, now: DateTime<Utc>) -> Vec<Tidings> {
    let mut found = Vec::new();
    if drain.verdict == Verdict::Drained {
        let value = json!({
            "method": drain.method,
            "quiet_seconds": drain.window.quiet_seconds,
            "required_seconds": drain.window.required_seconds,
        });
        found.push((NoticeKind::DrainDrained, vec![(String::new(), value)]));
    }
    // Nearly everybody stays for a while, and that is no news.
    let passed = u64::try_from((now - drain.stage_since).num_seconds()).unwrap_or(0);
    let is_long = drain.stage == Stage::Draining && passed >= drain.window.required_seconds;
    if let (true, Forecast::Never { because }) = (is_long, &drain.forecast) {
        let value = json!({"because": because, "sessions": drain.counts.sessions});
        found.push((NoticeKind::DrainStuck, vec![(String::new(), value)]));
    }
    let late = drain.late.iter().map(|late| (mark_of(late), json!(late)));
    let late: Vec<(String, Value)> = late.collect();
    if !late.is_empty() {
        found.push((NoticeKind::DrainLateLogin, late));
    }
    found
}

/// Tells one late login from another.
fn mark_of(late: &LateLogin) -> String {
    let pid = late
        .pid
        .map_or_else(|| "counted".to_owned(), |pid| pid.to_string());
    format!("{} {pid} {}", late.node, stored_time(late.at))
}

fn common(drain: &Drain) -> Value {
    json!({
        "path": drain.path,
        "user": drain.user,
        "revision": drain.revision,
        "promoted_at": drain.promoted_at,
        "stage": drain.stage,
        "compromised": drain.compromised,
        "verdict": drain.verdict,
        "complete": drain.coverage.complete,
    })
}

fn tell_what_is_new(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    overlap: i64,
    mut data: Value,
    (kind, items): Tidings,
) -> Result<(), StoreError> {
    let Some((row, settings)) = newest_settings(transaction, environment)? else {
        return Ok(());
    };
    if !wants(&settings, kind) {
        return Ok(());
    }
    let mut new = Vec::new();
    for (mark, value) in items {
        if outbox::is_first(transaction, overlap, kind.as_str(), &mark)? {
            new.push(value);
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    if kind == NoticeKind::DrainLateLogin {
        let logins = new.iter().filter_map(|late| late["logins"].as_u64());
        data["logins"] = json!(logins.sum::<u64>());
        new.truncate(LISTED);
        data["late"] = Value::Array(new);
    } else if let (Some(data), Some(Value::Object(more))) = (data.as_object_mut(), new.pop()) {
        data.extend(more);
    }
    put(transaction, &row, &settings, kind, &data)
}

/// Tells what became of an occurrence of a schedule, or what a verification found. `data` is made
/// of names, times, counts and words without secrets.
///
/// # Errors
/// The store's own.
pub(super) fn of_schedule(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    kind: NoticeKind,
    data: &Value,
) -> Result<(), Failure> {
    Ok(enqueue(transaction, environment, kind, data)?)
}

/// Adds a notice for the webhooks that want it.
fn enqueue(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    kind: NoticeKind,
    data: &Value,
) -> Result<(), StoreError> {
    match newest_settings(transaction, environment)? {
        Some((row, settings)) => put(transaction, &row, &settings, kind, data),
        None => Ok(()),
    }
}

fn put(
    transaction: &Transaction<'_>,
    row: &EnvironmentRow,
    settings: &Settings,
    kind: NoticeKind,
    data: &Value,
) -> Result<(), StoreError> {
    let wanting = settings.webhooks().iter().filter(|one| one.wants(kind));
    let webhooks: Vec<&str> = wanting.map(|webhook| webhook.url.as_str()).collect();
    if webhooks.is_empty() {
        return Ok(());
    }
    let (id, now) = (new_id(), Utc::now());
    let payload = payload(transaction, &id, &row.name, kind, data)?;
    let new = NewNotice {
        id: &id,
        environment: &row.id,
        kind: kind.as_str(),
        payload: &payload,
        now,
    };
    outbox::enqueue(transaction, &new, &webhooks)
}

/// The body that receivers get, with the end of the audit chain as it is now.
pub(super) fn payload(
    transaction: &Transaction<'_>,
    id: &str,
    environment: &EnvironmentName,
    kind: NoticeKind,
    data: &Value,
) -> Result<String, StoreError> {
    let payload = json!({
        "version": VERSION,
        "type": kind,
        "timestamp": stored_time(Utc::now()),
        "id": id,
        "environment": environment,
        "audit": audit::head(transaction)?,
        "data": data,
    });
    Ok(payload.to_string())
}

/// What tells a notice from every other.
pub(super) fn new_id() -> String {
    format!("msg_{}", hex::encode(random_bytes::<16>()))
}

/// Settings that cannot be read tell nobody, and must not keep the fact from being written.
fn newest_settings(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
) -> Result<Option<(EnvironmentRow, Settings)>, StoreError> {
    let Some(row) = environments::find(transaction, environment)? else {
        return Ok(None);
    };
    let revision = revisions::get(transaction, &row.id, row.head)?;
    let read: Result<Settings, Failure> = parse_settings("settings", &revision.settings);
    match read {
        Ok(settings) => Ok(Some((row, settings))),
        Err(failure) => {
            tracing::warn!(%environment, error = %failure.message, "nobody is told: no settings");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(progress: Progress) -> (&'static str, PathJournal) {
        let mut journal = fold(std::iter::empty());
        journal.progress = progress;
        ("db", journal)
    }

    #[test]
    fn a_rotation_has_succeeded_with_all_of_its_paths_and_failed_with_none() {
        let promoted = || at(Progress::Promoted { revision: 2 });
        let (open, aborted) = (|| at(Progress::Verified), || at(Progress::Aborted));
        let kind = |fact, closed, paths: &[_]| rotation_kind(fact, closed, paths);
        use NoticeKind::{RotationFailed, RotationParked, RotationPartial, RotationSucceeded};
        use RotationFact::{Ended, NotPublished, Parked, Promoted, Published};
        for (fact, closed, paths, expected) in [
            (
                Promoted,
                true,
                vec![promoted(), promoted()],
                Some(RotationSucceeded),
            ),
            (
                Promoted,
                false,
                vec![promoted(), open()],
                Some(RotationPartial),
            ),
            // Files still wait, or have just got theirs.
            (Promoted, false, vec![promoted()], None),
            (Published, false, vec![promoted()], None),
            (Published, false, vec![promoted(), open()], None),
            (Published, true, vec![promoted()], Some(RotationSucceeded)),
            (
                Published,
                true,
                vec![promoted(), aborted()],
                Some(RotationPartial),
            ),
            (
                NotPublished(Case::SinkFailed),
                false,
                vec![promoted()],
                Some(RotationPartial),
            ),
            (
                NotPublished(Case::SinkForeign),
                false,
                vec![promoted()],
                Some(RotationParked),
            ),
            (
                Promoted,
                true,
                vec![promoted(), aborted()],
                Some(RotationPartial),
            ),
            (Parked, false, vec![open()], Some(RotationParked)),
            (Ended, false, vec![aborted(), open()], None),
            (
                Ended,
                true,
                vec![aborted(), aborted()],
                Some(RotationFailed),
            ),
            (
                Ended,
                true,
                vec![aborted(), promoted()],
                Some(RotationPartial),
            ),
        ] {
            assert_eq!(kind(fact, closed, &paths), expected, "{fact:?} {paths:?}");
        }
    }
}
