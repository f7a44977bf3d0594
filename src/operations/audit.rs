//! `audit ls` and `audit verify`.

use std::sync::Arc;

use super::{Exit, Failure, Workspace};
use crate::model::EnvironmentName;
use crate::store::{AuditEntry, AuditHead, audit, keys};

/// Entries of the audit log.
#[derive(Debug, serde::Serialize)]
pub struct AuditListing {
    /// Oldest first.
    pub entries: Vec<AuditEntry>,
}

/// The newest entries.
///
/// # Errors
/// The store's own.
pub async fn list_audit(
    workspace: &Workspace,
    environment: Option<EnvironmentName>,
    count: u64,
) -> Result<AuditListing, Failure> {
    workspace
        .store
        .read(move |transaction| {
            Ok(AuditListing {
                entries: audit::newest(transaction, environment.as_ref(), count)?,
            })
        })
        .await
}

/// Walks the whole chain.
///
/// # Errors
/// A broken chain, naming the first entry that does not fit, or the store's own.
pub async fn verify_audit(workspace: &Workspace) -> Result<AuditHead, Failure> {
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let key = keys::data_key(transaction, &master, keys::AUDIT_PURPOSE)?;
            audit::verify(transaction, &key)?.map_err(|problem| {
                Failure::new(
                    "audit-broken",
                    Exit::Error,
                    format!("the audit log was tampered with: {problem}"),
                    "keep a copy of the store, and compare with the heads that were noted elsewhere",
                )
            })
        })
        .await
}
