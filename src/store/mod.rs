//! The store: one SQLite file in a private folder of one host.
//!
//! One file of this room per table. Functions on tables take a transaction that is
//! passed in, so that what belongs together is written together or not at all. A
//! single thread owns the connection; callers send it closures and wait for the
//! answer, so that a slow disk never holds up the runtime. The store knows nothing
//! of the databases under rotation.

pub mod agents;
pub mod audit;
mod backup;
pub mod environments;
mod error;
mod failing_disk;
pub mod freeze;
pub mod identity;
pub mod journal;
pub mod keys;
pub mod locks;
pub mod observations;
pub mod outbox;
pub mod overlaps;
pub mod owners;
pub mod revisions;
pub mod rotated_secrets;
pub mod schedule_runs;
pub mod schedules;
mod schema;
pub mod sinks;
mod times;
pub mod verifications;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

pub use agents::{AgentLock, AgentRow};
pub use audit::{AuditEntry, AuditHead, AuditProblem, NewAuditEntry};
pub use backup::Restoring;
pub use environments::EnvironmentRow;
pub use error::{Placed, StoreError};
pub use freeze::Freeze;
pub use journal::{JournalLine, OpenRotation, RotationRow};
pub use keys::{KeySlot, NewSlot};
pub use locks::{EnvironmentLock, Locked, Place, SamplerLock};
pub use outbox::{Backlog, Delivery, DeliveryState};
pub use overlaps::{NewOverlap, OpenOverlap, PastOverlap};
pub use owners::NamedUsers;
pub use revisions::{NewRevision, RevisionRow, RevisionSummary};
pub use rotated_secrets::{Acceptance, RotatedSecretRow};
pub use schedule_runs::{NewRun, RunProblem, ScheduleRun};
pub use schedules::ScheduleRow;
pub use sinks::{Fingerprint, SinkRow};
pub use verifications::{BadCredential, VerificationRow};

use crate::process::{check_private_file, check_private_folder, create_private_folder};

const FILE: &str = "handover.db";
const LOCKS: &str = "locks";

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// An open store.
pub struct Store {
    folder: PathBuf,
    /// `None` only while the store is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    writable: bool,
}

impl Drop for Store {
    /// Waits until the connection is closed, so that whoever opens the file next finds
    /// it settled.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How far the store had come, to be compared with a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreMark(Mark);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    Version(i64),
    /// When the file and its log were written, and how long they are.
    Files([Option<(SystemTime, u64)>; 2]),
}

/// Whether a store that cannot be written will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The caller is going to write.
    Write,
    /// The caller reads, and must be served even from a read-only disk.
    ReadIfNeedBe,
}

impl Store {
    /// Makes the folder and an empty store in it.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one, else as for [`Store::open`].
    pub fn create(folder: &Path) -> Result<Self, StoreError> {
        create_private_folder(folder)?;
        let file = folder.join(FILE);
        if file.exists() {
            return Err(StoreError::Exists(folder.to_owned()));
        }
        create_private_folder(&folder.join(LOCKS))?;
        // SQLite would make the file with whatever mode the process leaves to it, and
        // gives the files beside it the same mode.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .map_err(|error| StoreError::CannotWrite(format!("{}: {error}", file.display())))?;
        let mut connection = open_file(&file)?;
        schema::create(&mut connection)?;
        Ok(Self::start(folder, connection, true))
    }

    /// Whether there is a store in the folder.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Opens the store in the folder.
    ///
    /// # Errors
    /// A folder that others can read, a missing, foreign, newer or damaged store:
    /// each has its own [`StoreError`].
    pub fn open(folder: &Path, access: Access) -> Result<Self, StoreError> {
        let file = folder.join(FILE);
        if !file.exists() {
            return Err(StoreError::Missing(folder.to_owned()));
        }
        check_private_folder(folder)?;
        check_private_file(&file)?;
        let opened = open_file(&file)
            .and_then(|mut connection| schema::migrate(&mut connection).map(|()| connection));
        match opened {
            Ok(connection) => Ok(Self::start(folder, connection, true)),
            Err(StoreError::CannotWrite(_)) if access == Access::ReadIfNeedBe => {
                let connection = open_read_only(&file).map_err(|error| error.at(folder))?;
                schema::check_newest(&connection)?;
                Ok(Self::start(folder, connection, false))
            }
            Err(error) => Err(error.at(folder)),
        }
    }

    fn start(folder: &Path, mut connection: Connection, writable: bool) -> Self {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let thread = std::thread::spawn(move || {
            while let Ok(job) = waiting.recv() {
                job(&mut connection);
            }
        });
        Self {
            folder: folder.to_owned(),
            jobs: Some(jobs),
            thread: Some(thread),
            writable,
        }
    }

    /// The folder that the store lives in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the store could be opened for writing.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Runs `work` in a transaction and commits it when `work` succeeds.
    ///
    /// # Errors
    /// What `work` answers, or the store's own, with the folder where that cannot be
    /// written; [`StoreError::CommitUnknown`] when the commit itself failed, so that its
    /// outcome has to be read again.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Placed + Send + 'static,
    {
        let written = self.call(move |connection| {
            failing_disk::before_write(connection).map_err(StoreError::from)?;
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(StoreError::from)?;
            let answer = work(&transaction)?;
            failing_disk::before_commit(&transaction).map_err(StoreError::from)?;
            transaction.commit().map_err(StoreError::from_commit)?;
            Ok(answer)
        });
        written.await.map_err(|error: E| error.at(&self.folder))
    }

    /// Runs `work` on one consistent view of the store.
    ///
    /// # Errors
    /// What `work` answers, or the store's own.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.call(move |connection| {
            let transaction = connection.transaction().map_err(StoreError::from)?;
            work(&transaction)
        })
        .await
    }

    /// Something that changes when another process has written to the store. What this process
    /// writes itself does not count where the store can be written.
    ///
    /// # Errors
    /// The store's own.
    pub async fn mark(&self) -> Result<StoreMark, StoreError> {
        if !self.writable {
            // A file that was opened as one that never changes has the same version for ever.
            let file = self.folder.join(FILE);
            let log = self.folder.join(format!("{FILE}-wal"));
            let look = |path: &Path| {
                let found = std::fs::metadata(path).ok()?;
                Some((found.modified().ok()?, found.len()))
            };
            return Ok(StoreMark(Mark::Files([look(&file), look(&log)])));
        }
        let version = self.call(|connection| {
            Ok::<_, StoreError>(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
        });
        Ok(StoreMark(Mark::Version(version.await?)))
    }

    /// Empties the write-ahead log into the main file, so that what was deleted is in
    /// neither. A reader elsewhere may keep it from happening, which the next commit
    /// makes up for.
    pub async fn forget_deleted(&self) {
        let emptied: Result<(), StoreError> = self
            .call(|connection| {
                Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
            })
            .await;
        if let Err(error) = emptied {
            tracing::warn!(%error, "the write-ahead log was not emptied");
        }
    }

    async fn call<T, E>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, waiting) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let _ = answer.send(work(connection));
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Stopped)?;
        jobs.send(job).map_err(|_| StoreError::Stopped)?;
        waiting.await.map_err(|_| StoreError::Stopped)?
    }
}

fn open_file(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL makes each commit durable before it is answered: the promise that a
    // password is safe before the database hears of it rests on this line.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    // A data key that was destroyed, or wrapped anew, leaves no copy in a free page.
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(connection)
}

/// A read-only disk cannot hold the files that SQLite shares between processes; what
/// stands in the main file can still be read, unless there is something newer beside it.
fn open_read_only(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let plain = Connection::open_with_flags(file, flags).and_then(|connection| {
        connection
            .query_row("SELECT 1", [], |_| Ok(()))
            .map(|()| connection)
    });
    if let Ok(connection) = plain {
        return Ok(connection);
    }
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::CannotWrite(format!(
            "the newest changes stand in {}, which cannot be read without writing beside it",
            log.display()
        )));
    }
    let path = file
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    Ok(Connection::open_with_flags(
        format!("file:{path}?immutable=1"),
        flags,
    )?)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
