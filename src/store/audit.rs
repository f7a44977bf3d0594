//! The audit log: append-only, each entry chained to the one before it.
//!
//! The chain shows an edit by anyone who does not have the key, and a missing entry
//! in the middle. It cannot show that its end was cut off: for that the head is
//! shown in `status`, to be kept elsewhere.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::StoreError;
use crate::model::EnvironmentName;
use crate::secret::DataKey;

/// An entry to be written.
#[derive(Debug, Clone)]
pub struct NewAuditEntry<'a> {
    /// Who asked (a claim).
    pub requester: &'a str,
    /// What, for example `rotation.opened`.
    pub action: &'a str,
    /// Where.
    pub environment: Option<&'a EnvironmentName>,
    /// More, without secrets.
    pub detail: Value,
    /// When, by this host's clock.
    pub now: &'a str,
}

/// An entry as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// Who asked (a claim).
    pub requester: String,
    /// What.
    pub action: String,
    /// Where.
    pub environment: Option<String>,
    /// More.
    pub detail: Value,
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditHead {
    /// How many entries there are.
    pub entries: u64,
    /// The last entry's code, in hex; empty when there is none.
    pub head: String,
}

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditProblem {
    /// A number is missing.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// An entry, or the one before it, was changed.
    #[error("entry {0} does not fit the chain: it or its predecessor was changed")]
    Changed(u64),
}

struct Raw {
    seq: u64,
    at: String,
    requester: String,
    action: String,
    environment: Option<String>,
    detail: String,
    mac: Vec<u8>,
}

const COLUMNS: &str = "SELECT seq, at, requester, action, environment, detail, mac FROM audit";

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        seq: row.get(0)?,
        at: row.get(1)?,
        requester: row.get(2)?,
        action: row.get(3)?,
        environment: row.get(4)?,
        detail: row.get(5)?,
        mac: row.get(6)?,
    })
}

impl Raw {
    /// Every field with its length, so that no two entries have the same text.
    fn code(&self, key: &DataKey, previous: &[u8]) -> [u8; 32] {
        let seq = self.seq.to_be_bytes();
        let environment = self.environment.as_deref();
        let fields: [&[u8]; 8] = [
            b"handover audit 1",
            previous,
            &seq,
            self.at.as_bytes(),
            self.requester.as_bytes(),
            self.action.as_bytes(),
            environment.unwrap_or_default().as_bytes(),
            self.detail.as_bytes(),
        ];
        let mut message = Vec::new();
        for field in fields {
            message.extend((field.len() as u64).to_be_bytes());
            message.extend(field);
        }
        key.authenticate(&message)
    }
}

fn last(transaction: &Transaction<'_>) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    Ok(transaction
        .query_row(
            "SELECT seq, mac FROM audit ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?)
}

/// Appends an entry.
///
/// # Errors
/// The store's own.
pub fn append(
    transaction: &Transaction<'_>,
    key: &DataKey,
    entry: &NewAuditEntry<'_>,
) -> Result<(), StoreError> {
    let (seq, previous) = last(transaction)?.unwrap_or_default();
    let raw = Raw {
        seq: seq + 1,
        at: entry.now.to_owned(),
        requester: entry.requester.to_owned(),
        action: entry.action.to_owned(),
        environment: entry.environment.map(ToString::to_string),
        detail: entry.detail.to_string(),
        mac: Vec::new(),
    };
    let mac = raw.code(key, &previous);
    transaction.execute(
        "INSERT INTO audit (seq, at, requester, action, environment, detail, mac) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            raw.seq,
            raw.at,
            raw.requester,
            raw.action,
            raw.environment,
            raw.detail,
            &mac[..]
        ],
    )?;
    Ok(())
}

/// The end of the chain; reads one row, however long the log is.
///
/// # Errors
/// The store's own.
pub fn head(transaction: &Transaction<'_>) -> Result<AuditHead, StoreError> {
    let (entries, mac) = last(transaction)?.unwrap_or_default();
    Ok(AuditHead {
        entries,
        head: hex::encode(mac),
    })
}

/// The newest `count` entries, oldest of them first.
///
/// # Errors
/// The store's own.
pub fn newest(
    transaction: &Transaction<'_>,
    environment: Option<&EnvironmentName>,
    count: u64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let name = environment.map(ToString::to_string);
    let mut statement = transaction.prepare(&format!(
        "{COLUMNS} WHERE ?1 IS NULL OR environment = ?1 ORDER BY seq DESC LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![name, count], read)?;
    let mut entries = rows
        .map(|row| entry(row?))
        .collect::<Result<Vec<_>, StoreError>>()?;
    entries.reverse();
    Ok(entries)
}

fn entry(raw: Raw) -> Result<AuditEntry, StoreError> {
    let damaged = || StoreError::Damaged(format!("audit entry {} cannot be read", raw.seq));
    Ok(AuditEntry {
        at: raw.at.parse().map_err(|_| damaged())?,
        detail: serde_json::from_str(&raw.detail).map_err(|_| damaged())?,
        seq: raw.seq,
        requester: raw.requester,
        action: raw.action,
        environment: raw.environment,
    })
}

/// Walks the whole chain.
///
/// # Errors
/// The store's own; a broken chain is the inner error.
pub fn verify(
    transaction: &Transaction<'_>,
    key: &DataKey,
) -> Result<Result<AuditHead, AuditProblem>, StoreError> {
    let mut statement = transaction.prepare(&format!("{COLUMNS} ORDER BY seq"))?;
    let mut previous = Vec::new();
    let mut entries = 0;
    for row in statement.query_map([], read)? {
        let raw = row?;
        if raw.seq != entries + 1 {
            return Ok(Err(AuditProblem::Missing(entries + 1)));
        }
        let expected = raw.code(key, &previous);
        if !bool::from(expected[..].ct_eq(&raw.mac)) {
            return Ok(Err(AuditProblem::Changed(raw.seq)));
        }
        entries = raw.seq;
        previous = raw.mac;
    }
    Ok(Ok(AuditHead {
        entries,
        head: hex::encode(previous),
    }))
}
