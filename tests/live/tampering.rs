//! The audit log notices a hand that was in the store.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::harness::{Run, Running};
use crate::shop::{Shop, ShopOptions};

/// The audit table, found in the store as an intruder would find it.
struct AuditTable {
    database: PathBuf,
    name: String,
    columns: Vec<String>,
    rows: u32,
}

fn audit_table(store: &Path) -> AuditTable {
    let databases = fs::read_dir(store)
        .expect("lists the store")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0")));
    for database in databases {
        let connection = Connection::open(&database).expect("opens");
        let name = connection.query_row(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%audit%'",
            [],
            |row| row.get::<_, String>(0),
        );
        if let Ok(name) = name {
            let columns = connection
                .prepare(&format!("SELECT name FROM pragma_table_info('{name}')"))
                .and_then(|mut statement| {
                    statement
                        .query_map([], |row| row.get(0))?
                        .collect::<Result<Vec<String>, _>>()
                })
                .expect("lists the columns");
            let rows = connection
                .query_row(&format!("SELECT count(*) FROM {name}"), [], |row| {
                    row.get(0)
                })
                .expect("counts");
            return AuditTable {
                database,
                name,
                columns,
                rows,
            };
        }
    }
    panic!("no audit table in {}", store.display());
}

/// Opens the database as an intruder with the file in hands: no trigger, no check.
fn break_in(table: &AuditTable) -> Connection {
    let connection = Connection::open(&table.database).expect("opens");
    let triggers = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()
        })
        .expect("lists the triggers");
    assert!(!triggers.is_empty(), "append-only is enforced by triggers");
    for trigger in triggers {
        connection
            .execute_batch(&format!("DROP TRIGGER \"{trigger}\""))
            .expect("drops");
    }
    connection
        .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
        .expect("sets");
    connection
}

/// A value of the same type that is another one.
fn changed(value: Value) -> Value {
    match value {
        Value::Null => Value::Text("forged".to_owned()),
        Value::Integer(number) => Value::Integer(number + 1_000_000),
        Value::Real(number) => Value::Real(number + 1.0),
        Value::Text(text) => Value::Text(format!("{text}x")),
        Value::Blob(mut bytes) => {
            match bytes.last_mut() {
                Some(last) => *last ^= 1,
                None => bytes.push(1),
            }
            Value::Blob(bytes)
        }
    }
}

/// `audit verify` over another store folder, with the shop's key.
fn verify(shop: &Shop, store: &Path) -> Run {
    let mut command = shop.command(&["audit", "verify"]);
    command.env("HANDOVER_STORE", store);
    Running::start(command).finish()
}

fn copy_of(shop: &Shop, name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = shop.home().join(name);
    fs::create_dir(&copy).expect("makes a folder");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).expect("protects");
    for entry in fs::read_dir(shop.store()).expect("lists").flatten() {
        if entry.file_type().expect("has a type").is_file() {
            // The copy keeps the permissions of the file.
            fs::copy(entry.path(), copy.join(entry.file_name())).expect("copies");
        }
    }
    copy
}

#[test]
fn a_change_of_any_column_of_an_audit_entry_is_noticed() {
    let shop = Shop::open("tamper", ShopOptions::default());
    for _ in 0..2 {
        shop.rotate(&[]).expect_code(0);
    }
    let untouched = copy_of(&shop, "untouched");
    verify(&shop, &untouched).expect_code(0);
    let original = audit_table(&shop.store());
    assert!(original.rows >= 4, "too few entries to hide a change in");

    let mut tried = 0;
    for column in &original.columns {
        let copy = copy_of(&shop, &format!("changed-{column}"));
        let table = audit_table(&copy);
        let connection = break_in(&table);
        let (row, value): (i64, Value) = connection
            .query_row(
                &format!(
                    "SELECT rowid, \"{column}\" FROM {} ORDER BY rowid LIMIT 1 OFFSET {}",
                    table.name,
                    table.rows / 2
                ),
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("reads an entry");
        connection
            .execute(
                &format!(
                    "UPDATE {} SET \"{column}\" = ?1 WHERE rowid = ?2",
                    table.name
                ),
                (changed(value), row),
            )
            .expect("forges");
        drop(connection);
        let run = verify(&shop, &copy);
        assert!(
            matches!(run.code(), Some(1 | 5)),
            "a change of {column} was not noticed: {run:#?}"
        );
        run.expect_no_stack_trace();
        tried += 1;
    }
    assert!(tried >= 4, "the table has only {tried} columns");

    let copy = copy_of(&shop, "removed");
    let table = audit_table(&copy);
    let removed = break_in(&table)
        .execute(
            &format!(
                "DELETE FROM {name} WHERE rowid = \
                 (SELECT rowid FROM {name} ORDER BY rowid LIMIT 1 OFFSET 1)",
                name = table.name
            ),
            [],
        )
        .expect("removes");
    assert_eq!(removed, 1);
    let run = verify(&shop, &copy);
    assert!(
        matches!(run.code(), Some(1 | 5)),
        "a removed entry was not noticed: {run:#?}"
    );
}

#[test]
fn the_audit_log_takes_no_change_through_its_own_triggers() {
    let shop = Shop::open("append", ShopOptions::default());
    let table = audit_table(&shop.store());
    let connection = Connection::open(&table.database).expect("opens");
    let column = table.columns.last().expect("has columns");
    for statement in [
        format!("DELETE FROM {}", table.name),
        format!("UPDATE {} SET \"{column}\" = \"{column}\"", table.name),
    ] {
        let answer = connection.execute(&statement, []);
        assert!(answer.is_err(), "{statement} was taken: {answer:?}");
    }
}
