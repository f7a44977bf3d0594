//! The agents that run on this store: a number, its file lock, and a row that says who has it.
//!
//! The lock says that an agent lives, and `kill -9` frees it; the row only says which one.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};
use serde::Serialize;

use super::{Store, StoreError};
use crate::rotation::LockHolder;

/// Numbers that agents can have.
const NUMBERS: u32 = 64;
/// How often all numbers are tried.
const ROUNDS: u32 = 6;

/// An agent's number; it is free again when this is dropped or the process ends.
#[derive(Debug)]
pub struct AgentLock {
    _file: std::fs::File,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentRow {
    /// Its number, from 0 on.
    pub number: u32,
    /// Whose it is (a claim).
    pub holder: String,
    /// On which host.
    pub host: String,
    /// Which process.
    pub pid: u32,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Store {
    /// Takes the first free number and says who has it.
    ///
    /// # Errors
    /// [`StoreError::Other`] when there are too many agents, [`StoreError::CannotWrite`] when
    /// a lock file cannot be made, else the store's own.
    pub async fn enlist_agent(&self, us: LockHolder) -> Result<AgentLock, StoreError> {
        for round in 0..ROUNDS {
            if round > 0 {
                // Somebody who only looks holds a lock for an instant.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            for number in 0..NUMBERS {
                let Some(file) = self.try_lock_file(&lock_of(number))? else {
                    continue;
                };
                // A failed write drops the file, and so frees the number.
                self.write(move |transaction| put(transaction, number, &us))
                    .await?;
                return Ok(AgentLock { _file: file });
            }
        }
        Err(StoreError::Other(format!(
            "{NUMBERS} agents run on it already; end one of them first"
        )))
    }

    /// The agents that run at this moment, by their numbers. Nobody's number is taken by it.
    ///
    /// # Errors
    /// The store's own.
    pub async fn living_agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        // The locks are looked at first: the row of a number that was taken meanwhile would
        // still name the agent that had it before.
        let held: BTreeSet<u32> = (0..NUMBERS)
            .filter(|number| self.is_held(&lock_of(*number)))
            .collect();
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<AgentRow> = self.read(list).await?;
        let living = rows.into_iter().filter(|row| held.contains(&row.number));
        Ok(living.collect())
    }
}

fn lock_of(number: u32) -> String {
    format!("agent-{number}")
}

fn put(transaction: &Transaction<'_>, number: u32, us: &LockHolder) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT OR REPLACE INTO agent (number, holder, host, pid, since) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![number, us.holder, us.host, us.pid, us.since],
    )?;
    Ok(())
}

fn list(transaction: &Transaction<'_>) -> Result<Vec<AgentRow>, StoreError> {
    let mut statement = transaction
        .prepare_cached("SELECT number, holder, host, pid, since FROM agent ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        Ok(AgentRow {
            number: row.get(0)?,
            holder: row.get(1)?,
            host: row.get(2)?,
            pid: row.get(3)?,
            since: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
