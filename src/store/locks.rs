//! One lock per environment: an operating-system file lock, so that `kill -9` frees
//! it, and a row that says who holds it. Another one for whoever samples an overlap, and
//! places for work of which little may go on at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};

use super::{LOCKS, Store, StoreError};
use crate::rotation::LockHolder;

/// The lock; it is free again when this is dropped or the process ends.
#[derive(Debug)]
pub struct EnvironmentLock {
    _file: File,
}

/// What asking for the lock gave.
#[derive(Debug)]
pub enum Locked {
    /// It is ours.
    Ours(EnvironmentLock),
    /// Somebody else has it.
    By(LockHolder),
}

impl Store {
    /// Asks for an environment's lock and does not wait for it.
    ///
    /// # Errors
    /// [`StoreError::CannotWrite`] when the lock file cannot be made, else the store's own.
    pub async fn lock(&self, environment: &str, us: LockHolder) -> Result<Locked, StoreError> {
        let (file, asked) = self.ask_for(environment).await?;
        let environment = environment.to_owned();
        match asked {
            Ok(()) => {
                self.write(move |transaction| put(transaction, &environment, &us))
                    .await?;
                Ok(Locked::Ours(EnvironmentLock { _file: file }))
            }
            Err(TryLockError::WouldBlock) => {
                let holder = self
                    .read(move |transaction| holder(transaction, &environment))
                    .await?;
                // The holder writes its row right after it took the lock.
                Ok(Locked::By(holder.unwrap_or(LockHolder {
                    holder: "another process".to_owned(),
                    ..us
                })))
            }
            Err(TryLockError::Error(error)) => Err(self.cannot_lock(&environment, &error)),
        }
    }

    /// Takes an environment's lock and does not say so: whoever began an open rotation
    /// stays on record as its holder. `None` when somebody else has it.
    ///
    /// # Errors
    /// As for [`Store::lock`].
    pub async fn lock_quietly(
        &self,
        environment: &str,
    ) -> Result<Option<EnvironmentLock>, StoreError> {
        let (file, asked) = self.ask_for(environment).await?;
        match asked {
            Ok(()) => Ok(Some(EnvironmentLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.cannot_lock(environment, &error)),
        }
    }

    async fn ask_for(
        &self,
        environment: &str,
    ) -> Result<(File, Result<(), TryLockError>), StoreError> {
        let file = self.open_lock_file(environment)?;
        let mut asked = file.try_lock();
        for _ in 0..5 {
            // Somebody who only looks holds the lock for an instant.
            if !matches!(asked, Err(TryLockError::WouldBlock)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            asked = file.try_lock();
        }
        Ok((file, asked))
    }

    fn open_lock_file(&self, name: &str) -> Result<File, StoreError> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.lock_file(name))
            .map_err(|error| self.cannot_lock(name, &error))
    }

    /// Takes the lock of that name unless somebody else has it.
    pub(super) fn try_lock_file(&self, name: &str) -> Result<Option<File>, StoreError> {
        let file = self.open_lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.cannot_lock(name, &error)),
        }
    }

    /// Whether somebody has the lock of that name at this moment; it is not taken.
    pub(super) fn is_held(&self, name: &str) -> bool {
        let Ok(file) = File::open(self.lock_file(name)) else {
            return false;
        };
        // A shared lock is refused only while somebody holds the exclusive one.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        self.folder().join(LOCKS).join(format!("{name}.lock"))
    }

    fn cannot_lock(&self, name: &str, error: &std::io::Error) -> StoreError {
        let path = self.lock_file(name);
        StoreError::CannotWrite(format!("{}: {error}", path.display()))
    }
}

impl Store {
    /// Who holds an environment's lock at this moment, without taking it.
    ///
    /// # Errors
    /// The store's own.
    pub async fn locked_by(&self, environment: &str) -> Result<Option<LockHolder>, StoreError> {
        if !self.is_held(environment) {
            return Ok(None);
        }
        let environment = environment.to_owned();
        self.read(move |transaction| holder(transaction, &environment))
            .await
    }
}

/// The right to sample an overlap; it is free again when this is dropped or the process ends.
#[derive(Debug)]
pub struct SamplerLock {
    _file: File,
}

impl Store {
    /// Asks to be the one who samples an overlap, and does not wait. `None` when somebody
    /// else samples it, or an earlier one of the same rotated secret: whoever wants to take
    /// over asks again now and then, and reads the store meanwhile.
    ///
    /// # Errors
    /// [`StoreError::CannotWrite`] when the lock file cannot be made, else the store's own.
    pub async fn lock_sampler(&self, overlap: i64) -> Result<Option<SamplerLock>, StoreError> {
        let name = self.sampler_of(overlap).await?;
        let file = self.try_lock_file(&name)?;
        Ok(file.map(|file| SamplerLock { _file: file }))
    }

    /// Whether somebody samples an overlap at this moment.
    ///
    /// # Errors
    /// The store's own.
    pub async fn is_sampled(&self, overlap: i64) -> Result<bool, StoreError> {
        let name = self.sampler_of(overlap).await?;
        Ok(self.is_held(&name))
    }

    /// The name of the lock. It is that of the rotated secret, so that no file is left
    /// behind for each overlap that there ever was.
    async fn sampler_of(&self, overlap: i64) -> Result<String, StoreError> {
        self.read(move |transaction| {
            let secret: String = transaction.query_row(
                "SELECT rotated_secret FROM overlap WHERE id = ?1",
                [overlap],
                |row| row.get(0),
            )?;
            Ok(format!("sampler-{secret}"))
        })
        .await
    }
}

/// A place among few, or a turn; it is free again when this is dropped or the process ends.
#[derive(Debug)]
pub struct Place {
    _file: File,
}

impl Store {
    /// Takes the first free one of so many places of that name, and does not wait. `None`
    /// while all are taken. The name is made of lower-case letters, digits and `-`.
    ///
    /// # Errors
    /// [`StoreError::CannotWrite`] when a lock file cannot be made.
    pub fn take_place(&self, name: &str, among: u32) -> Result<Option<Place>, StoreError> {
        for number in 0..among {
            if let Some(place) = self.take_turn(&format!("{name}-{number}"))? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Takes the one place of that name, and does not wait. `None` while somebody else has
    /// it. The name is made of lower-case letters, digits and `-`.
    ///
    /// # Errors
    /// As for [`Store::take_place`].
    pub fn take_turn(&self, name: &str) -> Result<Option<Place>, StoreError> {
        let file = self.try_lock_file(name)?;
        Ok(file.map(|file| Place { _file: file }))
    }
}

fn put(
    transaction: &Transaction<'_>,
    environment: &str,
    holder: &LockHolder,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT OR REPLACE INTO lock (environment, holder, host, pid, since) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            environment,
            holder.holder,
            holder.host,
            holder.pid,
            holder.since
        ],
    )?;
    Ok(())
}

/// Who took the lock last.
///
/// # Errors
/// The store's own.
pub fn holder(
    transaction: &Transaction<'_>,
    environment: &str,
) -> Result<Option<LockHolder>, StoreError> {
    Ok(transaction
        .query_row(
            "SELECT holder, host, pid, since FROM lock WHERE environment = ?1",
            [environment],
            |row| {
                Ok(LockHolder {
                    holder: row.get(0)?,
                    host: row.get(1)?,
                    pid: row.get(2)?,
                    since: row.get(3)?,
                })
            },
        )
        .optional()?)
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
