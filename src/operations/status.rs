//! `status`: what the store knows, without asking any database.

use chrono::{DateTime, Utc};

use super::loading::Head;
use super::{Failure, Workspace};
use crate::model::{EnvironmentName, RotationId, Step};
use crate::rotation::{Case, fold};
use crate::store::{AuditHead, StoreError, audit, environments, journal, locks, rotated_secrets};
use rusqlite::Transaction;

/// The whole store at a glance.
#[derive(Debug, serde::Serialize)]
pub struct Status {
    /// All environments, or the one asked for.
    pub environments: Vec<EnvironmentStatus>,
    /// The end of the audit chain, to be noted elsewhere.
    pub audit: AuditHead,
}

/// One environment.
#[derive(Debug, serde::Serialize)]
pub struct EnvironmentStatus {
    /// Which.
    pub environment: EnvironmentName,
    /// Its newest revision.
    pub revision: u64,
    /// Its open rotation.
    pub open_rotation: Option<RotationId>,
    /// Who took the lock for the open rotation, and since when.
    pub holder: Option<String>,
    /// Its rotated secrets.
    pub paths: Vec<PathStatus>,
}

/// One rotated secret.
#[derive(Debug, serde::Serialize)]
pub struct PathStatus {
    /// Which.
    pub path: String,
    /// When it was last promoted, by this server's clock.
    pub promoted_at: Option<DateTime<Utc>>,
    /// The step that an open rotation reached.
    pub step: Option<Step>,
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
    row: crate::store::EnvironmentRow,
) -> Result<EnvironmentStatus, StoreError> {
    let open_rotation = journal::find_open(transaction, &row.id)?;
    let lines = match open_rotation {
        Some(rotation) => journal::lines(transaction, rotation)?,
        None => Vec::new(),
    };
    let paths = rotated_secrets::list(transaction, &row.id)?
        .into_iter()
        .map(|secret| {
            let events: Vec<_> = lines
                .iter()
                .filter(|line| line.path.as_deref() == Some(&secret.path))
                .map(|line| &line.event)
                .collect();
            let journal = (!events.is_empty()).then(|| fold(events));
            PathStatus {
                promoted_at: secret.promoted.first().map(|first| first.server_time),
                step: journal.as_ref().map(|journal| journal.progress.step()),
                case: journal.as_ref().and_then(|journal| journal.parked),
                user: journal
                    .and_then(|journal| journal.admitted)
                    .map(|admitted| crate::untrusted::Untrusted::new(&admitted.user))
                    .map(|user| user.as_str().to_owned()),
                path: secret.path,
            }
        })
        .collect();
    let holder = match open_rotation {
        Some(_) => locks::holder(transaction, &row.id)?,
        None => None,
    };
    Ok(EnvironmentStatus {
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
    })
}
