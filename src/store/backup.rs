//! Copies of the store: out of an open one, and into an empty folder.
//!
//! A copy holds what the store holds: data keys wrapped by the master key, and nothing
//! of the master key itself.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{FILE, LOCKS, Store, StoreError, open_read_only, schema};
use crate::process::create_private_folder;

/// What is restored stands under this name until it was checked, so that a restore that
/// was killed leaves no store behind.
const UNCHECKED: &str = "handover.db.restoring";

/// SQLite's own files beside a database file.
const BESIDE: [&str; 3] = ["", "-journal", "-wal"];

impl Store {
    /// Copies the whole store into a new file of mode 0600, while others may go on
    /// using it.
    ///
    /// # Errors
    /// [`StoreError::BackupExists`] when anything is at the path, else the store's own.
    pub async fn back_up(&self, file: PathBuf) -> Result<(), StoreError> {
        self.call(move |connection| {
            create_private_file(&file)?;
            let copied = copy(connection, &file).and_then(|()| make_durable(&file));
            if copied.is_err() {
                remove(&file);
            }
            copied
        })
        .await
    }
}

/// A copy that stands in its new folder and is not a store yet.
pub struct Restoring {
    folder: PathBuf,
    connection: Connection,
}

impl Restoring {
    /// Copies a backup into an empty or absent folder and checks that it is a whole
    /// store of a version that this program knows; an older one is brought up to date.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`], [`StoreError::Foreign`], [`StoreError::Newer`],
    /// [`StoreError::Damaged`], or the store's own.
    pub fn begin(backup: &Path, folder: &Path) -> Result<Self, StoreError> {
        let cannot_read =
            |error: io::Error| StoreError::Other(format!("{}: {error}", backup.display()));
        if !fs::metadata(backup).map_err(cannot_read)?.is_file() {
            return Err(StoreError::Foreign);
        }
        File::open(backup).map_err(cannot_read)?;
        create_private_folder(folder)?;
        let unchecked = folder.join(UNCHECKED);
        // What an earlier attempt left is nobody's store.
        remove(&unchecked);
        check_empty(folder)?;
        let source = open_read_only(backup)?;
        schema::check(&source)?;
        schema::check_integrity(&source)?;
        create_private_file(&unchecked)?;
        // From here on the copy is removed again unless all goes well.
        Self::copy(&source, folder, &unchecked).inspect_err(|_| remove(&unchecked))
    }

    fn copy(source: &Connection, folder: &Path, unchecked: &Path) -> Result<Self, StoreError> {
        copy(source, unchecked)?;
        let mut connection = open_copy(unchecked)?;
        schema::migrate(&mut connection)?;
        schema::check_integrity(&connection)?;
        Ok(Self {
            folder: folder.to_owned(),
            connection,
        })
    }

    /// Runs `work` on the copy in a transaction.
    ///
    /// # Errors
    /// What `work` answers, or the store's own.
    pub fn write<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let answer = work(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(answer)
    }

    /// Makes the copy the folder's store.
    ///
    /// # Errors
    /// The store's own.
    pub fn finish(self) -> Result<(), StoreError> {
        let Self { folder, connection } = self;
        connection
            .close()
            .map_err(|(_, error)| StoreError::from(error))?;
        create_private_folder(&folder.join(LOCKS))?;
        let unchecked = folder.join(UNCHECKED);
        let file = folder.join(FILE);
        make_durable(&unchecked)?;
        // `hard_link` fails where a store has appeared meanwhile; a rename would replace it.
        fs::hard_link(&unchecked, &file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists(folder.clone()),
            _ => StoreError::CannotWrite(format!("{}: {error}", file.display())),
        })?;
        remove(&unchecked);
        make_durable(&file)
    }

    /// Removes the copy again.
    pub fn give_up(self) {
        let unchecked = self.folder.join(UNCHECKED);
        drop(self.connection);
        remove(&unchecked);
    }
}

fn check_empty(folder: &Path) -> Result<(), StoreError> {
    let failed =
        |error: io::Error| StoreError::CannotWrite(format!("{}: {error}", folder.display()));
    match fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(entry) => Err(StoreError::NotEmpty {
            folder: folder.to_owned(),
            found: crate::untrusted::Untrusted::new(
                &entry.map_err(failed)?.file_name().to_string_lossy(),
            )
            .as_str()
            .to_owned(),
        }),
    }
}

fn create_private_file(file: &Path) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map(drop)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::BackupExists(file.to_owned()),
            _ => StoreError::CannotWrite(format!("{}: {error}", file.display())),
        })
}

/// Page by page, on one consistent view of the source.
fn copy(source: &Connection, file: &Path) -> Result<(), StoreError> {
    let mut target = open_copy(file)?;
    let all_at_once = i32::MAX;
    Backup::new(source, &mut target)?.run_to_completion(
        all_at_once,
        Duration::from_millis(50),
        None,
    )?;
    // One file is all that a copy is made of; the store that it becomes sets its own mode.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| StoreError::from(error))
}

fn open_copy(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(connection)
}

/// The file, and its name in the folder.
fn make_durable(file: &Path) -> Result<(), StoreError> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    sync(file)
        .and_then(|()| sync(folder))
        .map_err(|error| StoreError::CannotWrite(format!("{}: {error}", file.display())))
}

fn remove(file: &Path) {
    for suffix in BESIDE {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(PathBuf::from(name));
    }
}
