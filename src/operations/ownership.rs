//! Which users a document names, when it is saved: a pair belongs to one rotated secret.
//!
//! Inputs are evaluated from the store alone. Where they cannot be, for example because
//! an environment that they refer to does not exist yet, nothing is known of the users,
//! and the first rotation finds out by their OIDs.

use rusqlite::Transaction;

use super::loading::{EnvironmentKey, Head, StoreLoader};
use super::{Exit, Failure};
use crate::document::Diagnostic;
use crate::environment::Evaluator;
use crate::model::{EnvironmentName, Node, UserName};
use crate::rotation::AdmitCase;
use crate::secret::MasterKey;
use crate::store::owners::{self, NameConflict};
use crate::store::{NamedUsers, environments, rotated_secrets};
use crate::untrusted::Untrusted;

/// Where a rotated secret lives and whom it names, without any password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    path: String,
    pub(super) node: Node,
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

/// Every other rotated secret of the store whose inputs name one of these users, wherever its
/// server is said to be: two names may lead to one server. In words; without passwords.
///
/// # Errors
/// The store's own.
pub(super) fn others_naming(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    but: (&EnvironmentName, &str),
    users: [&UserName; 2],
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for row in environments::list(transaction)? {
        // A document at fault names nobody who could rotate.
        let Ok(places) = places(transaction, master, &row.name) else {
            continue;
        };
        for place in places {
            let is_itself = (&row.name, place.path.as_str()) == but;
            if !is_itself && place.pair.iter().any(|user| users.contains(&user)) {
                found.push(format!("{} of {} at {}", place.path, row.name, place.node));
            }
        }
    }
    Ok(found)
}

/// The inputs of an environment's rotated secrets: where they lead, or why they cannot be
/// used.
pub(super) type Inputs = Vec<(String, Result<Place, Vec<Diagnostic>>)>;

/// The places of an environment's rotated secrets, as far as they are known.
pub(super) fn places(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    name: &EnvironmentName,
) -> Result<Vec<Place>, Failure> {
    let inputs = inputs(transaction, master, name)?;
    Ok(known(inputs))
}

pub(super) fn known(inputs: Inputs) -> Vec<Place> {
    let places = inputs.into_iter();
    places.filter_map(|(_, place)| place.ok()).collect()
}

/// Refuses an edit that makes inputs unusable which could be used before it.
pub(super) fn check_still_usable(before: &Inputs, after: &Inputs) -> Result<(), Failure> {
    for (path, now) in after {
        let Err(diagnostics) = now else {
            continue;
        };
        let mut others = before.iter();
        if !others.any(|(other, was)| other == path && was.is_ok()) {
            continue;
        }
        let first = diagnostics.first();
        let why = first.map_or("they cannot be evaluated", |first| first.summary.as_str());
        let hint = first.and_then(|first| first.hint.clone());
        return Err(Failure::new(
            "bad-inputs",
            Exit::Refused,
            format!(
                "the inputs of {path} could not be used then: {}",
                Untrusted::new(why)
            ),
            hint.unwrap_or_else(|| "set a value with which they can be used".to_owned()),
        ));
    }
    Ok(())
}

/// Evaluates the inputs of all rotated secrets from the store alone.
pub(super) fn inputs(
    transaction: &Transaction<'_>,
    master: &MasterKey,
    name: &EnvironmentName,
) -> Result<Inputs, Failure> {
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
        .map(|secret| {
            let path = secret.path.to_string();
            let read = evaluator.rotation_inputs(&secret.path);
            let place = read.map(|inputs| Place {
                path: path.clone(),
                node: Node {
                    host: inputs.host,
                    port: inputs.port,
                },
                database: inputs.database,
                pair: inputs.users,
                manager: inputs.managing.username,
            });
            (path, place)
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
