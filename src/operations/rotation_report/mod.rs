//! `report`: everything that the store knows of one rotation, for whoever has to show it to
//! others: who agreed to what, what was done and proven, and how the overlap ended that
//! followed. No database is asked, and nothing in it is a secret.

mod events;
mod overlap;
mod page;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;
use serde::Serialize;

pub use self::events::Told;
use self::events::told;
pub use self::overlap::{Gap, OverlapStory};
pub use self::page::{Page, Part};
use super::{Exit, Failure, Workspace};
use crate::model::{EnvironmentName, NodeTime, RotationId, Step};
use crate::rotation::{Case, Event, PathJournal, Progress, Way, fold};
use crate::store::{
    AuditEntry, AuditHead, JournalLine, StoreError, audit, journal, keys, rotated_secrets,
};
use crate::untrusted::Untrusted;

/// One rotation from its beginning to the end of its overlap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RotationReport {
    /// Which.
    pub rotation: RotationId,
    /// Of which environment.
    pub environment: EnvironmentName,
    /// When it began, by this host's clock.
    pub opened_at: DateTime<Utc>,
    /// When it ended; `null` while it is open.
    pub closed_at: Option<DateTime<Utc>>,
    /// Who asked (a claim).
    pub requester: Option<Untrusted>,
    /// Why, in the operator's words.
    pub reason: Option<Untrusted>,
    /// The digest of the plan that was agreed to.
    pub plan: Option<String>,
    /// The signed waiver of the drain, bound to that digest.
    pub waiver: Option<Untrusted>,
    /// What consumers read before was said to have leaked.
    pub compromised: bool,
    /// The revision that it started from.
    pub from_revision: Option<u64>,
    /// Its rotated secrets.
    pub paths: Vec<PathStory>,
    /// What was published to files, in order.
    pub files: Vec<Told>,
    /// Its entries in the audit log.
    pub audit: AuditStory,
}

/// What became of one rotated secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathStory {
    /// Which.
    pub path: String,
    /// In one word: `promoted`, `aborted`, `abandoned`, `parked` or `open`.
    pub ended: &'static str,
    /// The last step that was reached.
    pub step: Step,
    /// The case in which it is parked.
    pub case: Option<&'static str>,
    /// The revision that it made.
    pub revision: Option<u64>,
    /// The user that consumers read before.
    pub current: Option<Untrusted>,
    /// The user that became, or was to become, current.
    pub user: Option<Untrusted>,
    /// What the rotation made of each of the two users.
    pub standing: Vec<String>,
    /// Every node that let the new password in, by its clock.
    pub proven: Vec<NodeTime>,
    /// What the server confirmed, statement by statement.
    pub confirmed: Vec<Untrusted>,
    /// All that happened, in order.
    pub events: Vec<Told>,
    /// The overlap that followed; `null` where nothing was promoted.
    pub overlap: Option<OverlapStory>,
}

/// The entries of the audit log that belong to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditStory {
    /// Oldest first.
    pub entries: Vec<AuditEntry>,
    /// The end of the whole chain.
    pub head: AuditHead,
    /// Where the chain is broken; `null` when every entry fits.
    pub problem: Option<String>,
}

/// Reads the report.
///
/// # Errors
/// No such rotation, or the store's own.
pub async fn report_rotation(
    workspace: &Workspace,
    rotation: RotationId,
) -> Result<RotationReport, Failure> {
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let found = journal::find(transaction, rotation)?;
            let (row, environment_id, environment) =
                found.ok_or_else(|| no_such_rotation(rotation))?;
            let lines = journal::lines(transaction, rotation)?;
            let key = keys::data_key(transaction, &master, keys::AUDIT_PURPOSE)?;
            let (head, problem) = match audit::verify(transaction, &key)? {
                Ok(head) => (head, None),
                Err(problem) => (audit::head(transaction)?, Some(problem.to_string())),
            };
            let mut report = RotationReport {
                rotation,
                environment: environment.clone(),
                opened_at: row.opened_at,
                closed_at: row.closed_at,
                requester: None,
                reason: None,
                plan: None,
                waiver: None,
                compromised: false,
                from_revision: None,
                paths: Vec::new(),
                files: lines
                    .iter()
                    .filter(|line| is_of_a_file(line))
                    .map(told)
                    .collect(),
                audit: AuditStory {
                    entries: Vec::new(),
                    head,
                    problem,
                },
            };
            report.take_opening(&lines);
            for path in paths(&lines) {
                let story = path_story(transaction, &environment, &environment_id, path, &lines)?;
                report.paths.push(story);
            }
            report.audit.entries = audit::newest(transaction, Some(&environment), ALL)?
                .into_iter()
                .filter(|entry| belongs(entry, &report))
                .collect();
            Ok(report)
        })
        .await
}

/// More entries than any log has; the store counts in signed numbers.
const ALL: u64 = i64::MAX as u64;

fn no_such_rotation(rotation: RotationId) -> Failure {
    Failure::new(
        "no-such-rotation",
        Exit::Usage,
        format!("there is no rotation {rotation}"),
        "handover env history ENV names the rotation of each revision; those of a removed \
         environment went with it",
    )
}

impl RotationReport {
    /// The report as a page to be read.
    #[must_use]
    pub fn page(&self) -> Page {
        Page::of(self)
    }

    fn take_opening(&mut self, lines: &[JournalLine]) {
        for line in lines {
            if let Event::Opened {
                requester,
                reason,
                plan,
                waiver,
                revision,
                compromised,
            } = &line.event
            {
                self.requester = Some(Untrusted::new(requester));
                self.reason = reason.as_deref().map(Untrusted::new);
                self.plan = Some(plan.clone());
                self.waiver = waiver.as_deref().map(Untrusted::new);
                self.from_revision = Some(*revision);
                self.compromised = *compromised;
            }
        }
    }
}

fn is_of_a_file(line: &JournalLine) -> bool {
    matches!(
        line.event,
        Event::PublishSent { .. } | Event::Published { .. } | Event::PublishFailed { .. }
    )
}

/// In the order in which the journal names them.
fn paths(lines: &[JournalLine]) -> Vec<&str> {
    let mut paths = Vec::new();
    for path in lines.iter().filter_map(|line| line.path.as_deref()) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn path_story(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    environment_id: &str,
    path: &str,
    lines: &[JournalLine],
) -> Result<PathStory, StoreError> {
    let of_path = lines
        .iter()
        .filter(|line| line.path.as_deref() == Some(path));
    let of_path: Vec<&JournalLine> = of_path.collect();
    let journal = fold(of_path.iter().map(|line| &line.event));
    let (ended, revision) = match &journal.progress {
        Progress::Promoted { revision } => ("promoted", Some(*revision)),
        Progress::Abandoned { revision } => ("abandoned", Some(*revision)),
        Progress::Aborted => ("aborted", None),
        _ if journal.parked.is_some() => ("parked", None),
        _ => ("open", None),
    };
    let record = rotated_secrets::find(transaction, environment_id, path)?;
    let overlap = match (&journal.progress, record) {
        (Progress::Promoted { revision }, Some(record)) => {
            overlap::story(transaction, environment, &record, *revision)?
        }
        _ => None,
    };
    let admitted = journal.admitted.as_ref();
    let current = admitted.map(|one| Untrusted::new(&one.current));
    let user = admitted.map(|one| Untrusted::new(&one.user));
    Ok(PathStory {
        path: path.to_owned(),
        ended,
        step: journal.progress.step(),
        case: journal.parked.map(Case::name),
        revision,
        standing: match (&current, &user) {
            (Some(current), Some(user)) => standing(&journal, current, user),
            _ => Vec::new(),
        },
        current,
        user,
        proven: journal.verified.clone(),
        confirmed: of_path
            .iter()
            .filter_map(|line| match &line.event {
                Event::StatementConfirmed { rows } => Some(Untrusted::new(rows)),
                _ => None,
            })
            .collect(),
        events: of_path.into_iter().map(told).collect(),
        overlap,
    })
}

/// What the rotation made of both users, as far as its journal knows.
fn standing(journal: &PathJournal, current: &Untrusted, user: &Untrusted) -> Vec<String> {
    let with = match journal.back.as_ref().map(|back| back.way) {
        Some(Way::Repromote | Way::Unretire) => "the password it had",
        Some(Way::Import) => "the password that a published file held",
        Some(Way::Reapply) => "the stored password, set once more",
        Some(Way::Reissue) | None => "the new password",
    };
    let untouched = "its password was not touched";
    let (of_user, of_current) = match &journal.progress {
        Progress::Promoted { revision } => (
            format!("current since revision {revision}, with {with}"),
            format!("previous since then; {untouched} by this rotation"),
        ),
        Progress::Abandoned { revision } => (
            format!("previous, with {with}, since revision {revision}"),
            format!("current as before; {untouched}"),
        ),
        Progress::Begun | Progress::Admitted | Progress::Pending | Progress::Aborted => (
            "as before; its password was not changed".to_owned(),
            format!("as before; {untouched}"),
        ),
        Progress::Locked { sent: false } => (
            "still locked; its password was not changed".to_owned(),
            format!("current as before; {untouched}"),
        ),
        Progress::Locked { sent: true } => (
            "whether it may log in again is not known; its password was not changed".to_owned(),
            format!("current as before; {untouched}"),
        ),
        Progress::Sent { .. } => (
            format!("whether it has {with} is not known"),
            format!("as before; {untouched}"),
        ),
        Progress::Refused { .. } => (
            format!("the server refused {with}"),
            format!("as before; {untouched}"),
        ),
        Progress::Confirmed | Progress::Verified => (
            format!("has {with}, and is not promoted yet"),
            format!("as before; {untouched}"),
        ),
    };
    vec![
        format!("{user}: {of_user}"),
        format!("{current}: {of_current}"),
    ]
}

/// Entries of the rotation itself, and of what was done to its outgoing users until the next
/// overlap began.
fn belongs(entry: &AuditEntry, report: &RotationReport) -> bool {
    if entry.detail["rotation"] == serde_json::json!(report.rotation) {
        return true;
    }
    let about_user = entry.action.starts_with("retire.") || entry.action.starts_with("session.");
    about_user
        && report.paths.iter().any(|path| {
            let Some(overlap) = &path.overlap else {
                return false;
            };
            let is_over = overlap.ended_at.is_some_and(|ended| entry.at > ended);
            entry.detail["path"] == path.path && entry.at >= report.opened_at && !is_over
        })
}
