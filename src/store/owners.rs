//! Which users belong to which rotated secret.
//!
//! A pair has one owner, since two that change the same password cut each other off.
//! Before a server was met its users are known by address and name; from the first
//! contact on by the server's identity and theirs, which no second name for the same
//! host hides. Removing an environment gives up what it owned.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::StoreError;
use crate::model::{AccountId, Node, UserName};
use crate::rotation::Owner;
use crate::secret::SecretId;
use crate::untrusted::Untrusted;

/// The users of a rotated secret, as its document names them.
#[derive(Debug, Clone, Copy)]
pub struct NamedUsers<'a> {
    /// Where.
    pub node: &'a Node,
    /// The managing user.
    pub manager: &'a UserName,
    /// The pair.
    pub pair: [&'a UserName; 2],
}

const OWNER: &str = "SELECT e.project || '/' || e.name, r.path FROM rotated_secret r \
     JOIN environment e ON e.id = r.environment";

fn owner((environment, path): (String, String), user: &str) -> Result<Owner, StoreError> {
    let environment = environment
        .parse()
        .map_err(|_| StoreError::Damaged("an environment has a malformed name".to_owned()))?;
    Ok(Owner {
        environment,
        path,
        user: Untrusted::new(user),
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// The other rotated secret that owns one of these roles (name and identity), if there is one.
///
/// # Errors
/// The store's own.
pub fn of_roles(
    transaction: &Transaction<'_>,
    id: SecretId,
    system: &str,
    roles: &[(String, AccountId)],
) -> Result<Option<Owner>, StoreError> {
    for (user, account) in roles {
        let found = transaction
            .query_row(
                &format!(
                    "{OWNER} JOIN owned_account o ON o.rotated_secret = r.id \
                     WHERE o.system = ?1 AND o.account = ?2 AND r.id <> ?3"
                ),
                params![system, account.as_str(), id.to_string()],
                read,
            )
            .optional()?;
        if let Some(found) = found {
            return owner(found, user).map(Some);
        }
    }
    Ok(None)
}

/// Makes these roles the rotated secret's own, and no others. Whoever asks has looked
/// with [`of_roles`] in the same transaction.
///
/// # Errors
/// The store's own; also when another rotated secret owns one of them.
pub fn claim_roles<'a>(
    transaction: &Transaction<'_>,
    id: SecretId,
    system: &str,
    accounts: impl IntoIterator<Item = &'a AccountId>,
) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM owned_account WHERE rotated_secret = ?1",
        [id.to_string()],
    )?;
    for account in accounts {
        transaction.execute(
            "INSERT INTO owned_account (system, account, rotated_secret) VALUES (?1, ?2, ?3)",
            params![system, account.as_str(), id.to_string()],
        )?;
    }
    Ok(())
}

/// Gives up everything that a removed environment owned.
///
/// # Errors
/// The store's own.
pub(super) fn release(transaction: &Transaction<'_>, environment: &str) -> Result<(), StoreError> {
    for table in ["owned_account", "named_user"] {
        transaction.execute(
            &format!(
                "DELETE FROM {table} WHERE rotated_secret IN \
                 (SELECT id FROM rotated_secret WHERE environment = ?1)"
            ),
            [environment],
        )?;
    }
    Ok(())
}

/// What stands in the way of users that a document names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameConflict {
    /// Another rotated secret has this user in its pair.
    Owned(Owner),
    /// The managing user is one of the pair of this rotated secret, which would change the
    /// managing user's password.
    ManagerInPair(Owner),
    /// One of the pair is the managing user of this rotated secret.
    PairManages(Owner),
}

/// Looks whether the users that a document names are free, by address and name.
///
/// # Errors
/// The store's own.
pub fn name_conflict(
    transaction: &Transaction<'_>,
    id: SecretId,
    users: NamedUsers<'_>,
) -> Result<Option<NameConflict>, StoreError> {
    let find = |user: &UserName, manages: bool| -> Result<Option<Owner>, StoreError> {
        let found = transaction
            .query_row(
                &format!(
                    "{OWNER} JOIN named_user u ON u.rotated_secret = r.id WHERE u.host = ?1 \
                     AND u.port = ?2 AND u.username = ?3 AND u.manages = ?4 AND r.id <> ?5 \
                     ORDER BY r.rowid LIMIT 1"
                ),
                params![
                    host(users.node),
                    users.node.port,
                    user.as_str(),
                    manages,
                    id.to_string()
                ],
                read,
            )
            .optional()?;
        found.map(|found| owner(found, user.as_str())).transpose()
    };
    for user in users.pair {
        if let Some(owner) = find(user, false)? {
            return Ok(Some(NameConflict::Owned(owner)));
        }
        if let Some(owner) = find(user, true)? {
            return Ok(Some(NameConflict::PairManages(owner)));
        }
    }
    Ok(find(users.manager, false)?.map(NameConflict::ManagerInPair))
}

/// Notes the users that a document names, in place of those that it named before.
///
/// # Errors
/// The store's own.
pub fn note_names(
    transaction: &Transaction<'_>,
    id: SecretId,
    users: NamedUsers<'_>,
) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM named_user WHERE rotated_secret = ?1",
        [id.to_string()],
    )?;
    let pair = users.pair.map(|user| (user, false));
    for (user, manages) in pair.into_iter().chain([(users.manager, true)]) {
        transaction.execute(
            "INSERT OR IGNORE INTO named_user (rotated_secret, host, port, username, manages) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                id.to_string(),
                host(users.node),
                users.node.port,
                user.as_str(),
                manages
            ],
        )?;
    }
    Ok(())
}

/// Host names know no capitals; user names do.
fn host(node: &Node) -> String {
    node.host.to_lowercase()
}
