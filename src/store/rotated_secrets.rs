//! What operates a rotated secret and is not part of its document.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::StoreError;
use crate::model::ServerIdentity;
use crate::rotation::NodeTime;
use crate::secret::SecretId;

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
    /// The server at the last promote; `None` when we never promoted.
    pub server: Option<ServerIdentity>,
    /// OIDs of the users at the last promote.
    pub oids: BTreeMap<String, u32>,
    /// Every node's clock at the last promote.
    pub promoted: Vec<NodeTime>,
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

const COLUMNS: &str = "SELECT id, path, generation, server, oids, promoted FROM rotated_secret";

type Raw = (
    String,
    String,
    u64,
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
    ))
}

fn rotated_secret(
    (id, path, generation, server, oids, promoted): Raw,
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
        oids: parse(oids.as_deref())
            .map_err(|_| damaged())?
            .unwrap_or_default(),
        promoted: parse(promoted.as_deref())
            .map_err(|_| damaged())?
            .unwrap_or_default(),
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

/// Records a promote: which server, which roles, when by each node's clock.
///
/// # Errors
/// The store's own.
pub fn record_promotion(
    transaction: &Transaction<'_>,
    id: SecretId,
    server: &ServerIdentity,
    oids: &BTreeMap<String, u32>,
    promoted: &[NodeTime],
) -> Result<(), StoreError> {
    let json = |value: Result<String, serde_json::Error>| value.expect("plain data is JSON");
    transaction.execute(
        "UPDATE rotated_secret SET server = ?2, oids = ?3, promoted = ?4 WHERE id = ?1",
        params![
            id.to_string(),
            json(serde_json::to_string(server)),
            json(serde_json::to_string(oids)),
            json(serde_json::to_string(promoted)),
        ],
    )?;
    Ok(())
}
