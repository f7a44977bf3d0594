//! The rotated secrets that a command looks at which changes nothing: those of the environments
//! that are named, or all of the store.

use super::loading::Head;
use super::{Failure, Workspace};
use crate::document::PropertyPath;
use crate::model::EnvironmentName;
use crate::store::{environments, rotated_secrets};

/// The rotated secrets of one environment, or why its document cannot be used.
pub(super) struct Patient {
    pub(super) environment: EnvironmentName,
    /// With the failure come the paths that the store has on record.
    pub(super) paths: Result<Vec<PropertyPath>, (Failure, Vec<String>)>,
}

/// The named environments, each once, or without a name all that have rotated secrets.
///
/// # Errors
/// No such environment, or the store's own.
pub(super) async fn patients(
    workspace: &Workspace,
    only: Vec<EnvironmentName>,
) -> Result<Vec<Patient>, Failure> {
    workspace
        .store
        .read(move |transaction| {
            let mut rows = Vec::new();
            for name in &only {
                let row = match &only[..] {
                    // What is wrong with the only document is the answer, with its places.
                    [_] => Head::load(transaction, name)?.row,
                    _ => environments::find(transaction, name)?
                        .ok_or_else(|| super::loading::no_such_environment(transaction, name))?,
                };
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
            if only.is_empty() {
                rows = environments::list(transaction)?;
            }
            let mut patients = Vec::new();
            for row in rows {
                let recorded = rotated_secrets::list(transaction, &row.id)?;
                // An environment whose document is at fault must not hide the others.
                let paths = match Head::load(transaction, &row.name) {
                    Ok(head) => {
                        let all = head.environment.rotated_secrets().iter();
                        Ok(all.map(|secret| secret.path.clone()).collect::<Vec<_>>())
                    }
                    Err(failure) => {
                        let all = recorded.into_iter().map(|record| record.path);
                        Err((failure, all.collect::<Vec<_>>()))
                    }
                };
                let is_empty = match &paths {
                    Ok(paths) => paths.is_empty(),
                    Err((_, paths)) => paths.is_empty(),
                };
                if !only.is_empty() || !is_empty {
                    patients.push(Patient {
                        environment: row.name,
                        paths,
                    });
                }
            }
            Ok(patients)
        })
        .await
}
