//! `status`: what the store knows, without asking any database.

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::loading::Head;
use super::{Failure, Workspace};
use crate::document::{Document, Literal, Segment};
use crate::environment::RotatedSecret;
use crate::model::settings::Protection;
use crate::model::{EnvironmentName, RotationId, Step};
use crate::rotation::{Case, PathJournal, fold};
use crate::store::{
    AuditHead, EnvironmentRow, JournalLine, RotatedSecretRow, StoreError, audit, environments,
    journal, locks, revisions, rotated_secrets,
};
use crate::untrusted::Untrusted;

/// The whole store at a glance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// All environments, or the one asked for.
    pub environments: Vec<EnvironmentStatus>,
    /// The end of the audit chain, to be noted elsewhere.
    pub audit: AuditHead,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EnvironmentStatus {
    /// Which.
    pub environment: EnvironmentName,
    /// Its newest revision.
    pub revision: u64,
    /// When that was made.
    pub changed_at: Option<DateTime<Utc>>,
    /// Whether changes need its name typed.
    pub protected: bool,
    /// Its open rotation.
    pub open_rotation: Option<RotationId>,
    /// Who began the open rotation, where, and since when.
    pub holder: Option<String>,
    /// Its rotated secrets.
    pub paths: Vec<PathStatus>,
    /// Why its document or settings cannot be used, if so.
    pub problem: Option<String>,
}

/// One rotated secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PathStatus {
    /// Which.
    pub path: String,
    /// The user that consumers read; `null` without a `state`.
    pub current: Option<String>,
    /// The other user; `null` without a `state`.
    pub previous: Option<String>,
    /// When it was last promoted, by its server's clock.
    pub promoted_at: Option<DateTime<Utc>>,
    /// How long consumers take to read a new current, in seconds.
    pub propagation_seconds: u64,
    /// The step that an open rotation reached.
    pub step: Option<Step>,
    /// Nothing more is to be done for this path of an open rotation.
    pub is_over: bool,
    /// Why an open rotation stopped.
    pub case: Option<Case>,
    /// The user whose password an open rotation changes.
    pub user: Option<String>,
}

/// Reads the status.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn read_status(
    workspace: &Workspace,
    only: Option<EnvironmentName>,
) -> Result<Status, Failure> {
    workspace
        .store
        .read(move |transaction| {
            let rows = match &only {
                Some(name) => vec![Head::load(transaction, name)?.row],
                None => environments::list(transaction)?,
            };
            let environments = rows
                .into_iter()
                .map(|row| one(transaction, row))
                .collect::<Result<_, StoreError>>()?;
            Ok(Status {
                environments,
                audit: audit::head(transaction)?,
            })
        })
        .await
}

fn one(
    transaction: &Transaction<'_>,
    row: EnvironmentRow,
) -> Result<EnvironmentStatus, StoreError> {
    let open_rotation = journal::find_open(transaction, &row.id)?;
    let lines = match open_rotation {
        Some(rotation) => journal::lines(transaction, rotation)?,
        None => Vec::new(),
    };
    // An environment whose document is at fault must not hide all the others.
    let (head, problem) = match Head::load(transaction, &row.name) {
        Ok(head) => (Some(head), None),
        Err(failure) => (None, Some(failure.message)),
    };
    let paths = rotated_secrets::list(transaction, &row.id)?
        .into_iter()
        .map(|record| path_status(head.as_ref(), &record, &lines))
        .collect();
    let holder = match open_rotation {
        Some(_) => locks::holder(transaction, &row.id)?,
        None => None,
    };
    let protection = head.as_ref().map(|head| head.settings.protection());
    Ok(EnvironmentStatus {
        changed_at: revisions::created_at(transaction, &row.id, row.head)?,
        // What cannot be read is treated with care.
        protected: protection != Some(Protection::None),
        environment: row.name,
        revision: row.head,
        open_rotation,
        holder: holder.map(|holder| {
            format!(
                "{} on {} since {}",
                holder.holder,
                holder.host,
                holder.since.format("%Y-%m-%d %H:%M:%S UTC")
            )
        }),
        paths,
        problem,
    })
}

fn path_status(
    head: Option<&Head>,
    record: &RotatedSecretRow,
    lines: &[JournalLine],
) -> PathStatus {
    let secret = head.and_then(|head| {
        let mut all = head.environment.rotated_secrets().iter();
        all.find(|secret| secret.path.to_string() == record.path)
    });
    let user = |label: &str| user_in_state(&head?.document, secret?, label);
    let propagation = head
        .zip(secret)
        .map(|(head, secret)| head.settings.database(&secret.path).propagation);
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line.path.as_deref() == Some(&record.path))
        .map(|line| &line.event)
        .collect();
    let journal = (!events.is_empty()).then(|| fold(events));
    PathStatus {
        path: record.path.clone(),
        current: user("current"),
        previous: user("previous"),
        promoted_at: record.promoted.first().map(|first| first.server_time),
        propagation_seconds: propagation.map_or(0, |span| span.as_secs()),
        step: journal.as_ref().map(|journal| journal.progress.step()),
        is_over: journal.as_ref().is_some_and(PathJournal::is_over),
        case: journal.as_ref().and_then(|journal| journal.parked),
        user: journal
            .and_then(|journal| journal.admitted)
            .map(|admitted| Untrusted::new(&admitted.user).as_str().to_owned()),
    }
}

/// A user's name as it stands in the state; nothing is unsealed for it.
fn user_in_state(document: &Document, secret: &RotatedSecret, label: &str) -> Option<String> {
    let mut path = secret.document_path.clone();
    path.extend(["state", label, "username"].map(|key| Segment::Key(key.to_owned())));
    match document.get(&path)?.literal()? {
        Literal::String(name) => Some(Untrusted::new(name).as_str().to_owned()),
        _ => None,
    }
}
