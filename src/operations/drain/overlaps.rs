//! Which overlaps there are. A rotated secret that was promoted before overlaps were kept gets
//! its own when somebody looks for it.

use chrono::Utc;
use rusqlite::Transaction;

use crate::document::{Document, Literal, Segment};
use crate::environment::RotatedSecret;
use crate::model::{EnvironmentName, Overlap};
use crate::operations::loading::Head;
use crate::operations::{Failure, Workspace};
use crate::store::{
    EnvironmentRow, RotatedSecretRow, StoreError, environments, overlaps, rotated_secrets,
};

/// The open overlap of a rotated secret whose outgoing user is still the one of its `state`.
pub(super) fn open_overlap(
    transaction: &Transaction<'_>,
    head: &Head,
    secret: &RotatedSecret,
    record: &RotatedSecretRow,
) -> Result<Option<Overlap>, StoreError> {
    let found = overlaps::current(transaction, record.id)?;
    let previous = outgoing_user(&head.document, secret);
    Ok(found.filter(|overlap| previous.is_none_or(|user| user == overlap.user)))
}

/// Opens the overlaps that are missing, in all environments or in those that are named. A
/// store that cannot be written stays as it is.
pub(in crate::operations) async fn open_missing(
    workspace: &Workspace,
    only: Option<&[EnvironmentName]>,
) -> Result<(), Failure> {
    if !workspace.store.is_writable() {
        return Ok(());
    }
    let only = only.map(<[_]>::to_vec);
    let lacking: Vec<EnvironmentRow> = workspace
        .store
        .read(move |transaction| {
            let mut rows = environments::list(transaction)?;
            rows.retain(|row| only.as_ref().is_none_or(|only| only.contains(&row.name)));
            let mut lacking = Vec::new();
            for row in rows {
                let records = rotated_secrets::list(transaction, &row.id)?;
                if has_missing(transaction, &records)? {
                    lacking.push(row);
                }
            }
            Ok::<_, StoreError>(lacking)
        })
        .await?;
    if lacking.is_empty() {
        return Ok(());
    }
    workspace
        .store
        .write(move |transaction| {
            for row in &lacking {
                open_all(transaction, row)?;
            }
            Ok(())
        })
        .await
}

fn has_missing(
    transaction: &Transaction<'_>,
    records: &[RotatedSecretRow],
) -> Result<bool, StoreError> {
    for record in records.iter().filter(|one| !one.promoted.is_empty()) {
        if overlaps::current(transaction, record.id)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open_all(transaction: &Transaction<'_>, row: &EnvironmentRow) -> Result<(), Failure> {
    // A document that is at fault is told to whoever asks for that environment.
    let Ok(head) = Head::load(transaction, &row.name) else {
        return Ok(());
    };
    for secret in head.environment.rotated_secrets() {
        let text_path = secret.path.to_string();
        let record = rotated_secrets::find(transaction, &row.id, &text_path)?;
        let user = outgoing_user(&head.document, secret);
        if let Some((record, user)) = record.zip(user) {
            overlaps::overlap_of(transaction, &record, &user, Utc::now())?;
        }
    }
    Ok(())
}

/// `previous` of the state. A promote writes it as plain text, so nothing is evaluated.
fn outgoing_user(document: &Document, secret: &RotatedSecret) -> Option<String> {
    let mut path = secret.document_path.clone();
    path.extend(["state", "previous", "username"].map(Segment::from));
    match document.get(&path)?.literal()? {
        Literal::String(name) => Some(name.to_owned()),
        _ => None,
    }
}
