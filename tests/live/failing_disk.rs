//! What consumers read is there even when the disk takes nothing any more.
//!
//! The program runs under a file-size limit of zero, so that each of its writes to a file
//! is refused by the system. That holds for root too, whom no permission stops.

use std::fs;
use std::process::Command;

use crate::harness::{Run, Running};
use crate::shop::{Shop, ShopOptions};

const OPEN: [&str; 5] = ["env", "open", "shop/orders", "greeting", "--output=json"];

/// Runs the program where no file can be written.
#[track_caller]
fn run_without_disk(shop: &Shop, arguments: &[&str]) -> Run {
    let program = shop.command(arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(shop.home());
    Running::start(command).finish()
}

#[test]
fn open_works_on_a_disk_that_takes_nothing_and_says_that_nobody_wrote_it_down() {
    let shop = Shop::open("nodisk", ShopOptions::default());
    let run = run_without_disk(&shop, &OPEN).expect_code(0);
    assert_eq!(run.stdout.trim(), "\"hello\"", "{run:#?}");
    run.expect_told(&["is not in the audit log", "audit-gap", "File too large"]);
    shop.run(&["audit", "verify"]).expect_code(0);
}

#[test]
fn a_command_runs_on_a_disk_that_takes_nothing() {
    let shop = Shop::open("nodiskrun", ShopOptions::default());
    let variable = [
        "env",
        "set",
        "shop/orders",
        "environmentVariables.WORD",
        "first",
    ];
    shop.run(&variable).expect_code(0);
    let command = ["env", "run", "shop/orders", "--", "sh", "-c", "echo $WORD"];
    let run = run_without_disk(&shop, &command).expect_code(0);
    assert_eq!(run.stdout.trim(), "first", "{run:#?}");
    run.expect_told(&["is not in the audit log"]);
}

#[test]
fn a_rotation_on_a_disk_that_takes_nothing_names_the_place_and_the_way_on() {
    let shop = Shop::open("nodiskrotate", ShopOptions::default());
    let folder = shop.store().display().to_string();
    let before = shop.verifier_of(&shop.second);
    run_without_disk(&shop, &["rotate", "shop/orders", "--yes"])
        .expect_code(1)
        .expect_no_stack_trace()
        .expect_told(&[&folder, "cannot be written", "make room on the disk"]);
    assert_eq!(shop.verifier_of(&shop.second), before);
    shop.assert_current_logs_in("after the refused rotation");
    shop.rotate(&[]).expect_code(0);
}

/// The main file alone may be two rotations old: then its `current` is refused by the
/// database, and nothing said is better than that.
#[test]
fn open_does_not_answer_from_a_file_whose_newest_changes_it_cannot_read() {
    let shop = Shop::open("nolog", ShopOptions::default());
    let main = shop.store().join("handover.db");
    let log = shop.store().join("handover.db-wal");
    // Held open by a reader, the log is not emptied into the main file.
    let reader = rusqlite::Connection::open(&main).expect("opens the store");
    let count = |reader: &rusqlite::Connection| -> u64 {
        let sql = "SELECT count(*) FROM revision";
        reader.query_row(sql, [], |row| row.get(0)).expect("counts")
    };
    count(&reader);
    shop.rotate(&[]).expect_code(0);
    let kept = fs::read(&log).expect("the log is there");
    let old = fs::read(&main).expect("the main file is there");
    drop(reader);
    // As a copy that left out what SQLite shares between processes.
    fs::write(&main, old).expect("writes");
    fs::write(&log, &kept).expect("writes");
    let _ = fs::remove_file(shop.store().join("handover.db-shm"));
    run_without_disk(&shop, &OPEN)
        .expect_code(1)
        .expect_told(&["the newest changes stand in", "handover.db-wal"]);
    shop.assert_current_logs_in("with the disk back");
}
