//! The tables, and the versions that they went through.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// "HOVR": tells a handover store from any other SQLite file.
const APPLICATION_ID: i64 = 0x484f_5652;

/// The schema's steps; a store at version n has taken the first n.
const STEPS: &[&str] = &[include_str!("schema_1.sql")];

fn newest() -> i64 {
    i64::try_from(STEPS.len()).expect("few steps")
}

/// Makes all tables in an empty file.
pub(super) fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest())?;
    transaction.commit()?;
    Ok(())
}

/// Checks that this is a store that this program knows.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pragma("application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign);
    }
    let found = pragma("user_version")?;
    let known = newest();
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok(())
}
