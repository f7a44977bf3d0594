//! Which users a document names, when it is saved: a pair belongs to one rotated secret.
//!
//! Inputs are evaluated from the store alone. Where they cannot be, for example because
//! an environment that they refer to does not exist yet, nothing is known of the users,
//! and the first rotation finds out by their OIDs.

use rusqlite::Transaction;

use super::loading::{EnvironmentKey, Head, StoreLoader};
use super::{Exit, Failure};
use crate::environment::Evaluator;
use crate::model::{EnvironmentName, Node, UserName};
use crate::rotation::AdmitCase;
use crate::secret::MasterKey;
use crate::store::owners::{self, NameConflict};
use crate::store::{NamedUsers, rotated_secrets};
use crate::untrusted::Untrusted;

/// Where a rotated secret lives and whom it names, without any password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    path: String,
    node: Node,
    database: String,
    pair: [UserName; 2],
    manager: UserName,
}

impl Place {
    /// Whether both lead to the same users of the same database. The managing user may
    /// change: putting it right is how a rotation that it cannot finish goes on.
    fn is_the_same_pair(&self, other: &Self) -> bool {
        (&self.path, &self.node, &self.database, &self.pair)
            == (&other.path, &other.node, &other.database, &other.pair)
    }
}

/// The places of an environment's rotated secrets, as far as they are known.
pub(super) fn places(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    name: &EnvironmentName,
) -> Result<Vec<Place>, Failure> {
    let head = Head::load(transaction, name)?;
    let key = EnvironmentKey::load(transaction, master, &head.row.id)?;
    let loader = StoreLoader {
        transaction,
        master,
    };
    let text_name = name.to_string();
    let evaluator = Evaluator::new(&head.environment, &text_name, &loader, &key);
    let secrets = head.environment.rotated_secrets().iter();
    Ok(secrets
        .filter_map(|secret| {
            let inputs = evaluator.rotation_inputs(&secret.path).ok()?;
            Some(Place {
                path: secret.path.to_string(),
                node: Node {
                    host: inputs.host,
                    port: inputs.port,
                },
                database: inputs.database,
                pair: inputs.users,
                manager: inputs.managing.username,
            })
        })
        .collect())
}

/// Whether an edit leaves the pairs where an open rotation has found them. What can no
/// longer be evaluated has changed as well.
pub(super) fn are_the_same_pairs(before: &[Place], after: &[Place]) -> bool {
    before.len() == after.len()
        && before
            .iter()
            .zip(after)
            .all(|(before, after)| before.is_the_same_pair(after))
}

/// Notes the users of every rotated secret of an environment whose new revision stands.
///
/// # Errors
/// Refused when one of them belongs elsewhere; the caller's transaction then ends without
/// a trace.
pub(super) fn claim_names(
    transaction: &Transaction<'_>,
    environment_id: &str,
    name: &EnvironmentName,
    places: &[Place],
) -> Result<(), Failure> {
    for place in places {
        let record = rotated_secrets::find(transaction, environment_id, &place.path)?;
        let Some(record) = record else {
            continue;
        };
        if place.pair.contains(&place.manager) {
            return Err(manager_in_pair(&place.manager, &place.path, name));
        }
        let users = NamedUsers {
            node: &place.node,
            manager: &place.manager,
            pair: [&place.pair[0], &place.pair[1]],
        };
        match owners::name_conflict(transaction, record.id, users)? {
            None => owners::note_names(transaction, record.id, users)?,
            Some(NameConflict::Owned(owner)) => {
                return Err(Failure::new(
                    AdmitCase::OwnedElsewhere.name(),
                    Exit::Refused,
                    owner.words(),
                    owner.remedy(name),
                ));
            }
            Some(NameConflict::ManagerInPair(owner)) => {
                return Err(manager_in_pair(
                    &place.manager,
                    &owner.path,
                    &owner.environment,
                ));
            }
            Some(NameConflict::PairManages(owner)) => {
                return Err(Failure::new(
                    "managing-in-pair",
                    Exit::Refused,
                    format!(
                        "{} is the managing user of {} of {}, and rotating would change its \
                         password under it",
                        owner.user, owner.path, owner.environment
                    ),
                    "give this rotated secret two users that manage nothing",
                ));
            }
        }
    }
    Ok(())
}

fn manager_in_pair(manager: &UserName, path: &str, environment: &EnvironmentName) -> Failure {
    Failure::new(
        "managing-in-pair",
        Exit::Refused,
        format!(
            "the managing user {} is one of the pair {path} of {environment}, whose rotation \
             changes its password",
            Untrusted::new(manager.as_str())
        ),
        "name a managing user in `inputs.database.managingUser` that is never rotated",
    )
}
