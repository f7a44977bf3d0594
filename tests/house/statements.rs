//! SQL lives only where statements are built: in `database/` and `store/`, and in the
//! sandbox's own scripts.

use crate::source::{Source, tree};
use crate::{assert_found, assert_nothing_found};

const ROOMS_OF_SQL: [&str; 3] = ["database", "store", "sandbox"];

/// What a statement begins with. Words of which prose is made as well count only in
/// capitals, as statements are written here.
const STATEMENTS: [&str; 22] = [
    "SELECT ",
    "INSERT INTO ",
    "UPDATE ",
    "DELETE FROM ",
    "MERGE INTO ",
    "TRUNCATE ",
    "ALTER ROLE ",
    "ALTER USER ",
    "ALTER TABLE ",
    "ALTER SYSTEM ",
    "CREATE ROLE ",
    "CREATE USER ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE TRIGGER ",
    "DROP ROLE ",
    "DROP USER ",
    "DROP TABLE ",
    "GRANT ",
    "REVOKE ",
    "PRAGMA ",
    "SET ROLE ",
];

/// Statements of two or more words that no prose has, in any letters' case.
const UNMISTAKABLE: [&str; 7] = [
    "insert into ",
    "delete from ",
    "alter role ",
    "create role ",
    "create table ",
    "drop role ",
    "select * ",
];

fn statements_elsewhere(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        if ROOMS_OF_SQL.contains(&source.room()) {
            continue;
        }
        for (line, literal) in &source.literals {
            let lowered = literal.to_lowercase();
            let statement = STATEMENTS
                .iter()
                .find(|statement| literal.contains(*statement))
                .or_else(|| {
                    UNMISTAKABLE
                        .iter()
                        .find(|statement| lowered.contains(*statement))
                });
            if let Some(statement) = statement {
                found.push(format!("{}:{line}: SQL: {statement}", source.path));
            }
        }
    }
    found
}

#[test]
fn sql_lives_only_where_statements_are_built() {
    assert_nothing_found(&statements_elsewhere(&tree()));
}

#[test]
fn a_statement_elsewhere_is_found_and_prose_is_not() {
    let samples = [
        Source::new("cli/status.rs", "f(\"SELECT count(*) FROM rotations\");"),
        Source::new("operations/rotate.rs", "f(r#\"alter role \"x\" login\"#);"),
        Source::new("store/audit.rs", "f(\"INSERT INTO audit VALUES (?)\");"),
        Source::new(
            "cli/help.rs",
            "f(\"select an environment, update its settings\");",
        ),
        Source::new(
            "cli/mod.rs",
            "// SELECT in a comment\n#[cfg(test)]\nmod tests { const S: &str = \"SELECT 1\"; }",
        ),
    ];
    assert_found(
        &statements_elsewhere(&samples),
        &["cli/status.rs:1", "operations/rotate.rs:1"],
    );
}
