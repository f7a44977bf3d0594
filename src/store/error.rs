//! What can be wrong with the store, each with its remedy.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::model::RotationId;
use crate::process::PrivacyError;
use crate::untrusted::Untrusted;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store in the folder.
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    /// There is a store already.
    #[error("there is a store in {} already", .0.display())]
    Exists(PathBuf),
    /// Others could read it.
    #[error("the store is not private: {0}")]
    NotPrivate(#[from] PrivacyError),
    /// Written by a newer version of the program.
    #[error("the store has schema version {found}; this program knows up to {known}")]
    Newer {
        /// What the file says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The file is something else.
    #[error("the file is not a handover store")]
    Foreign,
    /// The file is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Another process gave the store a new master key after we fetched ours.
    #[error("the master key was changed meanwhile: key slot {slot} needs key {wanted}, not {ours}")]
    KeyChanged {
        /// The slot in use now.
        slot: i64,
        /// The key that it needs.
        wanted: String,
        /// The key that we have.
        ours: String,
    },
    /// The folder that a store shall be restored into holds something.
    #[error("{} is not empty: it holds {found}", folder.display())]
    NotEmpty {
        /// Which folder.
        folder: PathBuf,
        /// The first thing in it.
        found: String,
    },
    /// A backup never overwrites anything.
    #[error("{} exists already; a backup is never overwritten", .0.display())]
    BackupExists(PathBuf),
    /// The disk is full, read-only, or the file may not be written.
    #[error("the store cannot be written: {0}")]
    CannotWrite(String),
    /// Another process holds it for longer than we wait.
    #[error("the store is busy: another process is writing")]
    Busy,
    /// Another process has closed the rotation that this one still works on.
    #[error("{0} was overtaken: another process has gone on with it and closed it")]
    RotationClosed(RotationId),
    /// The commit was attempted and its outcome is not known.
    #[error("it is not known whether the store took the change: {0}")]
    CommitUnknown(String),
    /// Any other error of SQLite, or of a file beside it.
    #[error("the store failed: {0}")]
    Other(String),
    /// The thread that owns the connection is gone.
    #[error("the store was closed")]
    Stopped,
}

impl StoreError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing(_) => {
                "make one with `handover key init --file PATH`, or name its folder with --store"
                    .to_owned()
            }
            Self::Exists(_) => "name another folder with --store, or use this one".to_owned(),
            Self::NotPrivate(error) => error.remedy(),
            Self::Newer { .. } => "use the newer program".to_owned(),
            Self::Foreign => "name the folder of a handover store with --store".to_owned(),
            Self::Damaged(_) => {
                "stop, keep a copy of the folder, and restore the last backup of it".to_owned()
            }
            Self::KeyChanged { .. } => {
                "try again: the command then fetches the new key; `handover key ls` shows the slots"
                    .to_owned()
            }
            Self::NotEmpty { .. } => {
                "name a folder that does not exist yet with --store; nothing is overwritten"
                    .to_owned()
            }
            Self::BackupExists(_) => "name a file that does not exist yet".to_owned(),
            Self::CannotWrite(_) => {
                "make room on the disk of the store's folder, or make the folder writable"
                    .to_owned()
            }
            Self::Busy => "wait for the other process, then try again".to_owned(),
            Self::RotationClosed(_) => {
                "nothing was written; `handover status` shows what the other process did".to_owned()
            }
            Self::CommitUnknown(_) => "run `handover recover`".to_owned(),
            Self::Other(_) | Self::Stopped => {
                "try again; the log in the store's folder says more".to_owned()
            }
        }
    }

    pub(super) fn from_commit(error: rusqlite::Error) -> Self {
        let failed_disk = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
        match Self::from(error) {
            // A disk that failed may have taken all of it before it said so, and whoever
            // opens the store next would find it there.
            Self::CannotWrite(words) if failed_disk => Self::CommitUnknown(words),
            // SQLite rolls these back by itself: nothing was written.
            known @ (Self::Busy | Self::CannotWrite(_)) => known,
            other => Self::CommitUnknown(other.to_string()),
        }
    }
}

/// An error of work on the store, which can be told where the store lies.
pub trait Placed: From<StoreError> {
    /// The same error, with the folder when the store cannot be written there.
    #[must_use]
    fn at(self, folder: &Path) -> Self;
}

impl Placed for StoreError {
    fn at(self, folder: &Path) -> Self {
        match self {
            Self::CannotWrite(words) => Self::CannotWrite(format!("{}: {words}", folder.display())),
            other => other,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let words = Untrusted::new(&error.to_string()).as_str().to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(words),
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure,
            ) => Self::CannotWrite(words),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Other(words),
        }
    }
}
