//! `env rollback`: the document of an older revision as a new revision.
//!
//! What the databases accept does not go back with a document, so the `state` of every rotated
//! secret stays as it is now. Whatever cannot be told truthfully so is refused: a rotated secret
//! that would vanish or come back, and a document that can no longer be opened. A plan is the
//! rollback itself in a transaction that is given up, so that it is refused by the same checks.

mod compose;
mod differences;

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::json;

use self::compose::{Composed, compose};
pub use self::differences::{Difference, DifferenceKind};
use super::environment_set::{check_relying, open_rotation, relying};
use super::hand_over::Confirmation;
use super::loading::Head;
use super::ownership::{check_still_usable, claim_names, inputs, known};
use super::workspace::timestamp;
use super::{Exit, Failure, SourceOfTruth, Workspace, schedules, sinks};
use crate::model::EnvironmentName;
use crate::model::settings::Protection;
use crate::secret::MasterKey;
use crate::store::{NewRevision, Placed, StoreError, journal, revisions};
use crate::untrusted::Untrusted;

/// What to restore.
#[derive(Debug, Clone)]
pub struct DocumentRollback {
    /// Which environment.
    pub name: EnvironmentName,
    /// The revision whose document comes back.
    pub revision: u64,
    /// Its settings as well.
    pub settings: bool,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// What a rollback changes, or has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentRollbackReport {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Whether it was done, or planned only.
    pub status: DocumentRollbackStatus,
    /// The revision that stood before.
    pub head: u64,
    /// The revision whose document comes back.
    pub restored: u64,
    /// The new revision; `null` in a plan.
    pub revision: Option<u64>,
    /// Whether the settings come back, too; else they stay.
    pub settings_restored: bool,
    /// The values that differ, by their path.
    pub differences: Vec<Difference>,
    /// The rotated secrets, whose state stays.
    pub kept: Vec<KeptState>,
    /// Both texts line by line, without secrets.
    pub diff: String,
    /// Whether the environment's name has to be typed; not part of the JSON.
    #[serde(skip)]
    pub protected: bool,
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentRollbackStatus {
    /// Shown, nothing changed.
    Planned,
    /// The new revision stands.
    Done,
}

/// A rotated secret whose state stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptState {
    /// Which.
    pub path: String,
    /// What stays, and why.
    pub words: String,
}

/// What a rollback would change; nothing is written.
///
/// # Errors
/// As for [`roll_back_document`].
pub async fn plan_document_rollback(
    workspace: &Workspace,
    request: &DocumentRollback,
) -> Result<DocumentRollbackReport, Failure> {
    let prepared = prepare(workspace, request).await?;
    let planned = workspace
        .store
        .write(move |transaction| match prepared.carry_out(transaction) {
            Ok(report) => Err::<(), _>(Rehearsal::Planned(Box::new(report))),
            Err(failure) => Err(Rehearsal::Failed(Box::new(failure))),
        })
        .await;
    match planned {
        Err(Rehearsal::Planned(report)) => Ok(DocumentRollbackReport {
            status: DocumentRollbackStatus::Planned,
            revision: None,
            ..*report
        }),
        Err(Rehearsal::Failed(failure)) => Err(*failure),
        Ok(()) => Err(StoreError::Stopped.into()),
    }
}

/// Restores the document.
///
/// # Errors
/// Refused while a rotation is open or nobody agreed, when a rotated secret would vanish or come
/// back, when the older document cannot be opened any more, and when it is the one that stands
/// now; as for `env set` otherwise.
pub async fn roll_back_document(
    workspace: &Workspace,
    request: &DocumentRollback,
    confirmation: &Confirmation,
) -> Result<DocumentRollbackReport, Failure> {
    let prepared = prepare(workspace, request).await?;
    let confirmation = confirmation.clone();
    workspace
        .store
        .write(move |transaction| {
            let report = prepared.carry_out(transaction)?;
            check_confirmed(&report, &confirmation)?;
            Ok(report)
        })
        .await
}

/// How a rehearsal ends: always with an error, so that its transaction leaves no trace.
enum Rehearsal {
    Planned(Box<DocumentRollbackReport>),
    Failed(Box<Failure>),
}

impl From<StoreError> for Rehearsal {
    fn from(error: StoreError) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Placed for Rehearsal {
    fn at(self, folder: &Path) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(Box::new(failure.at(folder))),
            planned @ Self::Planned(_) => planned,
        }
    }
}

/// All that the transaction needs.
struct Prepared {
    request: DocumentRollback,
    is_locked: bool,
    master: Arc<MasterKey>,
    requester: String,
}

async fn prepare(workspace: &Workspace, request: &DocumentRollback) -> Result<Prepared, Failure> {
    let name = request.name.clone();
    let row = workspace
        .store
        .read(move |transaction| Ok::<_, Failure>(Head::load(transaction, &name)?.row))
        .await?;
    Ok(Prepared {
        request: request.clone(),
        // A rotation that is about to begin has read the document already.
        is_locked: workspace.store.locked_by(&row.id).await?.is_some(),
        master: Arc::clone(&workspace.master),
        requester: workspace.requester.clone(),
    })
}

impl Prepared {
    /// Everything, in the caller's transaction.
    fn carry_out(&self, transaction: &Transaction<'_>) -> Result<DocumentRollbackReport, Failure> {
        let DocumentRollback {
            name,
            revision: restored,
            settings: settings_restored,
            reason,
        } = &self.request;
        let master = &self.master;
        let head = Head::load(transaction, name)?;
        check_revision(&head, *restored)?;
        if self.is_locked || journal::find_open(transaction, &head.row.id)?.is_some() {
            return Err(open_rotation(name, "the document"));
        }
        let Composed {
            document,
            settings,
            files,
            differences,
            kept,
            diff,
        } = compose(transaction, master, &head, &self.request)?;
        let before = inputs(transaction, master, name)?;
        let relying = relying(transaction, master, name, false)?;
        let new = NewRevision {
            document: &document,
            settings: &settings,
            files: &files,
            cause: "document-rollback",
            author: &self.requester,
            reason: reason.as_deref(),
            rotation: None,
            now: &timestamp(),
        };
        let revision = revisions::add(transaction, &head.row.id, &new)?;
        let what = format!("what the document of revision {restored} changes");
        check_relying(transaction, master, &what, &relying)?;
        let after = inputs(transaction, master, name)?;
        check_still_usable(&before, &after)?;
        claim_names(transaction, &head.row.id, name, &known(after))?;
        let truth = SourceOfTruth {
            name: format!("{name} (settings)"),
            text: settings,
        };
        sinks::follow(transaction, master, name, truth.clone())?;
        schedules::follow(transaction, name, truth, Utc::now())?;
        let detail = json!({
            "revision": revision, "restored": restored, "settings": settings_restored,
            "reason": reason,
        });
        let action = "environment.document-rolled-back";
        Workspace::audit(
            master,
            transaction,
            &self.requester,
            action,
            Some(name),
            detail,
        )?;
        Ok(DocumentRollbackReport {
            environment: name.clone(),
            status: DocumentRollbackStatus::Done,
            head: head.row.head,
            restored: *restored,
            revision: Some(revision),
            settings_restored: *settings_restored,
            differences,
            kept,
            diff,
            protected: head.settings.protection() == Protection::Production,
        })
    }
}

fn check_revision(head: &Head, wanted: u64) -> Result<(), Failure> {
    let name = &head.row.name;
    if (1..=head.row.head).contains(&wanted) {
        return Ok(());
    }
    Err(Failure::new(
        "no-such-revision",
        Exit::Usage,
        format!(
            "{name} has no revision {wanted}; its newest is {}",
            head.row.head
        ),
        format!("handover env history {name}"),
    ))
}

fn check_confirmed(
    report: &DocumentRollbackReport,
    confirmation: &Confirmation,
) -> Result<(), Failure> {
    let name = report.environment.to_string();
    let again = format!("handover env rollback {name} {} --yes", report.restored);
    let with_name = format!("{again} --confirm {name}");
    let (code, message, remedy) = match confirmation {
        Confirmation::Named(typed) if *typed == name => return Ok(()),
        Confirmation::Named(typed) => (
            "name-differs",
            format!(
                "the name to confirm is {name}, not {}",
                Untrusted::new(typed)
            ),
            with_name,
        ),
        Confirmation::Yes if !report.protected => return Ok(()),
        Confirmation::Yes => (
            "protected",
            format!("{name} is protected: its name has to be typed"),
            with_name,
        ),
        Confirmation::None => (
            "not-confirmed",
            "nobody agreed to this rollback".to_owned(),
            if report.protected { with_name } else { again },
        ),
    };
    Err(Failure::new(code, Exit::Refused, message, remedy))
}
