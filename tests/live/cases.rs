//! Which case of the decision table was seen on which engine: each scenario notes it when it
//! has come to its end, and `tests/table-of-cases.sh` makes the table of a whole run.

use std::fs::OpenOptions;
use std::io::Write;

use crate::shop::ShopEngine;

/// Notes that a case was brought about, named and brought to its end on an engine. Without
/// `HANDOVER_CASES`, the file of a whole run, there is nothing to note.
pub(crate) fn passed(engine: ShopEngine, case: &str) {
    let Some(file) = std::env::var_os("HANDOVER_CASES") else {
        return;
    };
    // One line in one write, since many tests append at once.
    let line = format!("{}\t{case}\n", name_of(engine));
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .expect("opens the list of cases");
    file.write_all(line.as_bytes()).expect("notes the case");
}

/// As the table names it; PostgreSQL 18 has a column of its own.
fn name_of(engine: ShopEngine) -> &'static str {
    match engine {
        ShopEngine::Postgres if std::env::var_os("HANDOVER_TEST_POSTGRES").is_some() => {
            "postgres-18"
        }
        ShopEngine::Postgres => "postgres",
        ShopEngine::MySql => "mysql",
        ShopEngine::MariaDb => "mariadb",
    }
}
