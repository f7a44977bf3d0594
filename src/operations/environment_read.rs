//! `env ls`, `env get`, `env open` and `env history`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;
use zeroize::Zeroizing;

use super::loading::{EnvironmentKey, Head, StoreLoader};
use super::workspace::timestamp;
use super::{Exit, Failure, Workspace, notices};
use crate::document::{
    Diagnostic, Document, Fragment, PropertyPath, Segment, edit, has_errors, slice,
};
use crate::environment::{Evaluator, SecretForm, Unseal, Value};
use crate::model::EnvironmentName;
use crate::store::{RevisionSummary, StoreError, environments, revisions, rotated_secrets};

/// Beside the store: the readings that could not be audited, one a line.
const GAP_FILE: &str = "audit-gap";

/// One line of `env ls`.
#[derive(Debug, serde::Serialize)]
pub struct EnvironmentSummary {
    /// The name.
    pub environment: EnvironmentName,
    /// The newest revision.
    pub revision: u64,
    /// Paths of its rotated secrets.
    pub rotated: Vec<String>,
    /// When the newest revision was made.
    pub changed_at: Option<DateTime<Utc>>,
}

/// Lists all environments.
///
/// # Errors
/// The store's own.
pub async fn list_environments(workspace: &Workspace) -> Result<Vec<EnvironmentSummary>, Failure> {
    workspace
        .store
        .read(|transaction| {
            let rows = environments::list(transaction)?;
            rows.into_iter()
                .map(|row| {
                    let rotated = rotated_secrets::list(transaction, &row.id)?;
                    Ok(EnvironmentSummary {
                        changed_at: revisions::created_at(transaction, &row.id, row.head)?,
                        environment: row.name,
                        revision: row.head,
                        rotated: rotated.into_iter().map(|secret| secret.path).collect(),
                    })
                })
                .collect()
        })
        .await
}

/// An environment's definition.
pub struct Definition {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which revision.
    pub revision: u64,
    /// The YAML text, or the part that was asked for.
    pub text: Zeroizing<String>,
    /// That the reading could not be audited, if so.
    pub warnings: Vec<String>,
}

/// The definition with its comments. Sealed values stay `ciphertext` unless
/// `show_secrets`; showing them is audited like opening.
///
/// # Errors
/// A path that matches nothing, no such environment, or the store's own.
pub async fn get_environment(
    workspace: &Workspace,
    name: EnvironmentName,
    path: Option<PropertyPath>,
    show_secrets: bool,
) -> Result<Definition, Failure> {
    let unmarked = match show_secrets {
        true => audit_reading(workspace, &name, "environment.secrets-shown", path.as_ref()).await,
        false => None,
    };
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let mut text = Zeroizing::new(head.revision.document.clone());
            if show_secrets {
                let key = EnvironmentKey::load(transaction, &master, &head.row.id)?;
                text = show_plaintexts(&head, &key)?;
            }
            if let Some(path) = &path {
                text = part(&head, &text, path)?;
            }
            Ok(Definition {
                environment: name,
                revision: head.row.head,
                text,
                warnings: unmarked.into_iter().collect(),
            })
        })
        .await
}

fn show_plaintexts(head: &Head, key: &EnvironmentKey) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(head.revision.document.clone());
    for site in head.environment.secret_sites() {
        let SecretForm::Ciphertext(ciphertext) = &site.form else {
            continue;
        };
        let plain = key.unseal(ciphertext).map_err(|words| {
            Failure::new(
                "cannot-unseal",
                Exit::Error,
                words,
                "check that this store and this key belong together",
            )
        })?;
        let fragment = Fragment::String(plain.expose().to_owned());
        text = Zeroizing::new(edit::set(&text, &site.document_path, &fragment).map_err(
            |diagnostic| Failure::in_document("cannot-show", vec![diagnostic], vec![head.source()]),
        )?);
    }
    Ok(text)
}

fn part(head: &Head, text: &str, path: &PropertyPath) -> Result<Zeroizing<String>, Failure> {
    let document = Document::load(text, head.document.source()).map_err(|diagnostics| {
        Failure::in_document("bad-yaml", diagnostics, vec![head.source()])
    })?;
    let mut segments = vec![Segment::Key("values".to_owned())];
    segments.extend(path.segments().iter().cloned());
    match document.get(&segments) {
        Some(node) => Ok(Zeroizing::new(slice(&document, node))),
        None => Err(Failure::new(
            "no-such-path",
            Exit::Usage,
            format!("{} has nothing at {path}", head.row.name),
            format!(
                "`handover env get {}` shows the whole definition",
                head.row.name
            ),
        )),
    }
}

/// An evaluated value, with its secrets.
pub struct OpenedValue {
    /// The value.
    pub value: Arc<Value>,
    /// What is odd but not wrong, or wrong elsewhere in the environment.
    pub warnings: Vec<String>,
}

/// Evaluates an environment, or one path of it. Managing credentials are never
/// resolved for this, and no database is asked.
///
/// # Errors
/// A path that matches nothing, findings in the document, or the store's own.
pub async fn open_environment(
    workspace: &Workspace,
    name: EnvironmentName,
    path: Option<PropertyPath>,
) -> Result<OpenedValue, Failure> {
    let unmarked = audit_reading(workspace, &name, "environment.opened", path.as_ref()).await;
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let key = EnvironmentKey::load(transaction, &master, &head.row.id)?;
            let loader = StoreLoader {
                transaction,
                master: &master,
            };
            let text_name = name.to_string();
            let evaluator = Evaluator::new(&head.environment, &text_name, &loader, &key);
            let (value, diagnostics) = match &path {
                Some(path) => {
                    let value = evaluator
                        .open_path(path)
                        .map_err(|diagnostics| cannot_open(&head, path, diagnostics))?;
                    (value, Vec::new())
                }
                None => evaluator.open(),
            };
            if has_errors(&diagnostics) {
                return Err(Failure::in_document(
                    "cannot-open",
                    diagnostics,
                    vec![head.source()],
                ));
            }
            Ok(OpenedValue {
                value,
                warnings: unmarked
                    .into_iter()
                    .chain(diagnostics.into_iter().map(|warning| warning.summary))
                    .collect(),
            })
        })
        .await
}

/// A finding without a place in the document is about the path that was asked for.
fn cannot_open(head: &Head, path: &PropertyPath, diagnostics: Vec<Diagnostic>) -> Failure {
    match &diagnostics[..] {
        [only] if only.place.is_none() => Failure::new(
            "no-such-path",
            Exit::Usage,
            format!("{} has nothing at {path}: {}", head.row.name, only.summary),
            format!(
                "`handover env get {}` shows the whole definition",
                head.row.name
            ),
        ),
        _ => Failure::in_document("cannot-open", diagnostics, vec![head.source()]),
    }
}

/// Reading must work even when the store cannot be written; the gap is then marked
/// beside the store, and the next entry that can be written says so. A disk that takes
/// no mark either leaves only the answer, which tells whoever reads.
pub(super) async fn audit_reading(
    workspace: &Workspace,
    name: &EnvironmentName,
    action: &'static str,
    path: Option<&PropertyPath>,
) -> Option<String> {
    let detail = json!({"path": path.map(ToString::to_string)});
    let gap_file = workspace.store.folder().join(GAP_FILE);
    let written = write_reading(workspace, name, action, detail, gap_file.exists()).await;
    let Err(unwritten) = written else {
        let _ = std::fs::remove_file(&gap_file);
        return None;
    };
    tracing::error!(error = %unwritten, action, environment = %name, "a reading was not audited");
    let line = format!("{} {action} {name}\n", timestamp());
    let marked = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&gap_file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    let unmarked = marked.err()?;
    Some(format!(
        "this reading is not in the audit log ({unwritten}), and the gap could not be marked \
         in {}: {unmarked}",
        gap_file.display()
    ))
}

async fn write_reading(
    workspace: &Workspace,
    name: &EnvironmentName,
    action: &'static str,
    detail: serde_json::Value,
    after_gap: bool,
) -> Result<(), StoreError> {
    if !workspace.store.is_writable() {
        return Err(StoreError::CannotWrite(
            "opened for reading only".to_owned(),
        ));
    }
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let gap = after_gap
        .then(|| std::fs::read_to_string(workspace.store.folder().join(GAP_FILE)))
        .transpose()
        .unwrap_or_default();
    let name = name.clone();
    workspace
        .store
        .write(move |transaction| {
            if let Some(gap) = gap {
                let missed: Vec<&str> = gap.lines().collect();
                let detail = json!({"not-audited": missed});
                Workspace::audit(&master, transaction, &requester, "audit.gap", None, detail)?;
                notices::of_audit_gap(transaction, &missed)?;
            }
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&name),
                detail,
            )
        })
        .await
}

/// The revisions of an environment.
#[derive(Debug, Clone, serde::Serialize)]
pub struct History {
    /// Newest first.
    pub revisions: Vec<RevisionSummary>,
}

/// Reads the history.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn environment_history(
    workspace: &Workspace,
    name: EnvironmentName,
) -> Result<History, Failure> {
    workspace
        .store
        .read(move |transaction| {
            let row = environments::find(transaction, &name)?
                .ok_or_else(|| super::loading::no_such_environment(transaction, &name))?;
            Ok(History {
                revisions: revisions::history(transaction, &row.id)?,
            })
        })
        .await
}
