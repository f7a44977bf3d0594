//! Which servers a rotation of an environment puts to work, so that few are at one at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::model::EnvironmentName;
use crate::operations::ownership::inputs;
use crate::operations::{Failure, Workspace};
use crate::store::{environments, rotated_secrets};

/// Names for the servers of an environment, in their order. A server goes by its address, and
/// beside that by its identity where it is on record: so it is the same one under two names, and
/// under one name before and after it was first met.
///
/// # Errors
/// A document that cannot be read, or the store's own. What cannot be evaluated names no server:
/// nothing will be connected to.
pub async fn servers_of(
    workspace: &Workspace,
    environment: EnvironmentName,
) -> Result<Vec<String>, Failure> {
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let mut names = BTreeSet::new();
            for (_, place) in inputs(transaction, &master, &environment)? {
                let Ok(place) = place else { continue };
                let host = place.node.host.to_lowercase();
                names.insert(name_of("address", &format!("{host}:{}", place.node.port)));
            }
            if let Some(row) = environments::find(transaction, &environment)? {
                for record in rotated_secrets::list(transaction, &row.id)? {
                    if let Some(server) = record.server {
                        names.insert(name_of("identity", &server.system));
                    }
                }
            }
            Ok::<_, Failure>(names.into_iter().collect())
        })
        .await
}

/// A name that a file may have.
fn name_of(kind: &str, text: &str) -> String {
    let digest = Sha256::digest(format!("{kind} {text}").as_bytes());
    format!("server-{}", hex::encode(&digest[..16]))
}
