//! What operates a rotated secret and is not part of its document.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::model::{AccountId, NodeTime, ServerIdentity};
use crate::rotation::raised;
use crate::secret::SecretId;

/// Who said that a server is the right one, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// When, by this host's clock.
    pub at: String,
    /// Who (a claim).
    pub by: String,
}

/// One rotated secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedSecretRow {
    /// The id in its envelopes.
    pub id: SecretId,
    /// Its path, without `values.`.
    pub path: String,
    /// The highest generation handed out; a process that finds another one than it
    /// was given was overtaken.
    pub generation: u64,
    /// The server that the last rotation was opened or promoted on, as a high-water mark,
    /// or that was accepted since; `None` before the first contact.
    pub server: Option<ServerIdentity>,
    /// OIDs of the users at the last promote, or when their server was accepted since.
    pub accounts: BTreeMap<String, AccountId>,
    /// Every node's clock at the last promote.
    pub promoted: Vec<NodeTime>,
    /// The SHA-256 of the certificate that the server showed last, in hex.
    pub certificate: Option<String>,
    /// When the server was accepted last, and by whom.
    pub accepted: Option<Acceptance>,
}

/// Adds a rotated secret with the generations that its first state uses up.
///
/// # Errors
/// The store's own.
pub fn add(
    transaction: &Transaction<'_>,
    environment: &str,
    id: SecretId,
    path: &str,
    generation: u64,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO rotated_secret (id, environment, path, generation) VALUES (?1, ?2, ?3, ?4)",
        params![id.to_string(), environment, path, generation],
    )?;
    Ok(())
}

const COLUMNS: &str = "SELECT id, path, generation, server, accounts, promoted, accepted, certificate FROM rotated_secret";

type Raw = (
    String,
    String,
    u64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn rotated_secret(
    (id, path, generation, server, accounts, promoted, accepted, certificate): Raw,
) -> Result<RotatedSecretRow, StoreError> {
    let damaged = || {
        StoreError::Damaged(format!(
            "the record of the rotated secret {path} is malformed"
        ))
    };
    Ok(RotatedSecretRow {
        id: SecretId::parse(&id).ok_or_else(damaged)?,
        generation,
        server: parse(server.as_deref()).map_err(|_| damaged())?,
        accounts: parse(accounts.as_deref())
            .map_err(|_| damaged())?
            .unwrap_or_default(),
        promoted: parse(promoted.as_deref())
            .map_err(|_| damaged())?
            .unwrap_or_default(),
        certificate,
        accepted: parse(accepted.as_deref()).map_err(|_| damaged())?,
        path,
    })
}

fn parse<T: serde::de::DeserializeOwned>(
    text: Option<&str>,
) -> Result<Option<T>, serde_json::Error> {
    text.map(serde_json::from_str).transpose()
}

/// Finds a rotated secret by its path.
///
/// # Errors
/// The store's own.
pub fn find(
    transaction: &Transaction<'_>,
    environment: &str,
    path: &str,
) -> Result<Option<RotatedSecretRow>, StoreError> {
    transaction
        .query_row(
            &format!("{COLUMNS} WHERE environment = ?1 AND path = ?2"),
            params![environment, path],
            read,
        )
        .optional()?
        .map(rotated_secret)
        .transpose()
}

/// All rotated secrets of an environment, by path.
///
/// # Errors
/// The store's own.
pub fn list(
    transaction: &Transaction<'_>,
    environment: &str,
) -> Result<Vec<RotatedSecretRow>, StoreError> {
    let mut statement =
        transaction.prepare(&format!("{COLUMNS} WHERE environment = ?1 ORDER BY path"))?;
    let rows = statement.query_map([environment], read)?;
    rows.map(|row| rotated_secret(row?)).collect()
}

/// Hands out the next generation.
///
/// # Errors
/// The store's own.
pub fn next_generation(transaction: &Transaction<'_>, id: SecretId) -> Result<u64, StoreError> {
    Ok(transaction.query_row(
        "UPDATE rotated_secret SET generation = generation + 1 WHERE id = ?1 RETURNING generation",
        [id.to_string()],
        |row| row.get(0),
    )?)
}

/// The highest generation handed out.
///
/// # Errors
/// The store's own.
pub fn generation(transaction: &Transaction<'_>, id: SecretId) -> Result<u64, StoreError> {
    Ok(transaction.query_row(
        "SELECT generation FROM rotated_secret WHERE id = ?1",
        [id.to_string()],
        |row| row.get(0),
    )?)
}

/// Records a promote: which server, which roles, when by each node's clock. The server's
/// mark is raised, as by [`raise_server`].
///
/// # Errors
/// The store's own.
pub fn record_promotion(
    transaction: &Transaction<'_>,
    id: SecretId,
    server: &ServerIdentity,
    accounts: &BTreeMap<String, AccountId>,
    promoted: &[NodeTime],
) -> Result<(), StoreError> {
    raise_server(transaction, id, server)?;
    transaction.execute(
        "UPDATE rotated_secret SET accounts = ?2, promoted = ?3 WHERE id = ?1",
        params![id.to_string(), json(accounts), json(promoted)],
    )?;
    Ok(())
}

/// Raises the mark of the server that was met. Another server, or one that went back,
/// leaves it as it is: only [`accept_server`] puts that in its place.
///
/// # Errors
/// The store's own.
pub fn raise_server(
    transaction: &Transaction<'_>,
    id: SecretId,
    seen: &ServerIdentity,
) -> Result<(), StoreError> {
    let recorded = server(transaction, id)?;
    let mark = raised(recorded.as_ref(), seen);
    if recorded.as_ref() == Some(&mark) {
        return Ok(());
    }
    transaction.execute(
        "UPDATE rotated_secret SET server = ?2 WHERE id = ?1",
        params![id.to_string(), json(&mark)],
    )?;
    Ok(())
}

/// Records the certificate that the server showed; without TLS the last one stays.
///
/// # Errors
/// The store's own.
pub fn record_certificate(
    transaction: &Transaction<'_>,
    id: SecretId,
    certificate: Option<&str>,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE rotated_secret SET certificate = ?2 WHERE id = ?1 \
         AND ?2 IS NOT NULL AND certificate IS NOT ?2",
        params![id.to_string(), certificate],
    )?;
    Ok(())
}

/// How many wrong passwords of this user we have shown in a row, where its server counts.
///
/// # Errors
/// The store's own.
pub fn refused_logins(
    transaction: &Transaction<'_>,
    id: SecretId,
    user: &str,
) -> Result<u32, StoreError> {
    let text: Option<String> = transaction.query_row(
        "SELECT refused_logins FROM rotated_secret WHERE id = ?1",
        [id.to_string()],
        |row| row.get(0),
    )?;
    let counts = refused_counts(text.as_deref(), id)?;
    Ok(counts.get(user).copied().unwrap_or_default())
}

/// One count for each user, as each has one of its own on the server. Before the user that
/// consumers could go back to was tried as well, there was one count alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum RefusedCounts {
    Each(BTreeMap<String, u32>),
    One(String, u32),
}

fn refused_counts(text: Option<&str>, id: SecretId) -> Result<BTreeMap<String, u32>, StoreError> {
    let known: Option<RefusedCounts> = parse(text)
        .map_err(|_| StoreError::Damaged(format!("the refused logins of {id} are malformed")))?;
    Ok(match known {
        None => BTreeMap::new(),
        Some(RefusedCounts::Each(counts)) => counts,
        Some(RefusedCounts::One(user, count)) => BTreeMap::from([(user, count)]),
    })
}

/// Keeps that number.
///
/// # Errors
/// The store's own.
pub fn note_refused_logins(
    transaction: &Transaction<'_>,
    id: SecretId,
    user: &str,
    count: u32,
) -> Result<(), StoreError> {
    let text: Option<String> = transaction.query_row(
        "SELECT refused_logins FROM rotated_secret WHERE id = ?1",
        [id.to_string()],
        |row| row.get(0),
    )?;
    let mut counts = refused_counts(text.as_deref(), id)?;
    counts.insert(user.to_owned(), count);
    transaction.execute(
        "UPDATE rotated_secret SET refused_logins = ?2 WHERE id = ?1",
        params![id.to_string(), json(&counts)],
    )?;
    Ok(())
}

/// The server that is recorded.
///
/// # Errors
/// The store's own.
pub fn server(
    transaction: &Transaction<'_>,
    id: SecretId,
) -> Result<Option<ServerIdentity>, StoreError> {
    let text: Option<String> = transaction.query_row(
        "SELECT server FROM rotated_secret WHERE id = ?1",
        [id.to_string()],
        |row| row.get(0),
    )?;
    parse(text.as_deref())
        .map_err(|_| StoreError::Damaged(format!("the recorded server of {id} is malformed")))
}

/// Puts another server in the place of the recorded one, with the OIDs that the users
/// have there, since a person said that it is the right one.
///
/// # Errors
/// The store's own.
pub fn accept_server(
    transaction: &Transaction<'_>,
    id: SecretId,
    server: &ServerIdentity,
    accounts: &BTreeMap<String, AccountId>,
    acceptance: &Acceptance,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE rotated_secret SET server = ?2, accounts = ?3, accepted = ?4 WHERE id = ?1",
        params![
            id.to_string(),
            json(server),
            json(accounts),
            json(acceptance)
        ],
    )?;
    Ok(())
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data is JSON")
}
