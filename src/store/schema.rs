//! The tables, and the versions that they went through.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// "HOVR": tells a handover store from any other SQLite file.
const APPLICATION_ID: i64 = 0x484f_5652;

/// The schema's steps; a store at version n has taken the first n.
const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
];

fn newest() -> i64 {
    i64::try_from(STEPS.len()).expect("few steps")
}

/// Makes all tables in an empty file.
pub(super) fn create(connection: &mut Connection) -> Result<(), StoreError> {
    take_steps(connection, |_| Ok(()))
}

/// Brings an older store up to date; a newer or foreign one is refused.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if check(connection)? == newest() {
        return Ok(());
    }
    // Asked again under the write lock: another process may be doing the same.
    take_steps(connection, |connection| check(connection).map(drop))
}

/// Takes the missing steps in one transaction, or none of them.
fn take_steps(
    connection: &mut Connection,
    allowed: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    // A step may make a table anew that others refer to. The pragma has no effect inside
    // a transaction, so the references are checked as a whole before the commit.
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    let taken = in_transaction(connection, allowed);
    connection.pragma_update(None, "foreign_keys", "ON")?;
    taken
}

fn in_transaction(
    connection: &mut Connection,
    allowed: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    allowed(&transaction)?;
    let found = pragma(&transaction, "user_version")?;
    let taken = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    let dangling = transaction
        .prepare("PRAGMA foreign_key_check")?
        .exists([])?;
    if dangling {
        return Err(StoreError::Damaged(
            "a row refers to another that is not there".to_owned(),
        ));
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest())?;
    transaction.commit()?;
    Ok(())
}

/// Checks that this is a store that this program knows, and answers its version.
pub(super) fn check(connection: &Connection) -> Result<i64, StoreError> {
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign);
    }
    let found = pragma(connection, "user_version")?;
    let known = newest();
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok(found)
}

/// Checks that this is a store of the newest version, for where it cannot be migrated.
pub(super) fn check_newest(connection: &Connection) -> Result<(), StoreError> {
    match check(connection)? {
        found if found == newest() => Ok(()),
        found => Err(StoreError::CannotWrite(format!(
            "it has schema version {found} and must be brought to version {} first",
            newest()
        ))),
    }
}

/// Reads the whole file and checks that it hangs together.
pub(super) fn check_integrity(connection: &Connection) -> Result<(), StoreError> {
    let answer: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match answer.as_str() {
        "ok" => Ok(()),
        words => Err(StoreError::Damaged(
            crate::untrusted::Untrusted::new(words).as_str().to_owned(),
        )),
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

#[cfg(test)]
pub(super) fn create_version(connection: &Connection, version: usize) -> Result<(), StoreError> {
    for step in &STEPS[..version] {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", version)?;
    Ok(())
}
