//! What follows a way back: files that are published to, and what leaked before it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::rollback::{expect_done, expect_refused, result_of, rollback};
use crate::scenes::stop_before_s3;
use crate::shop::{Account, Shop, ShopOptions};
use crate::terminal::{Start, Terminal};
use crate::webhook_receiver::Receiver;

const TEMPLATE: &str = "USER=${db.current.username}\\nPASSWORD=${db.current.password}\\n";

fn settings(shop: &Shop, more: &str) {
    shop.write_settings(more);
    let settings = shop.file("settings.yaml").display().to_string();
    let words = ["env", "settings", "set", "shop/orders", "-f", &settings];
    shop.run(&words).expect_code(0);
}

fn published(name: &str) -> (Shop, std::path::PathBuf) {
    let shop = Shop::open(name, ShopOptions::default());
    let folder = shop.home().join("sinks");
    fs::create_dir(&folder).expect("makes a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
    let file = folder.join("db.env");
    settings(
        &shop,
        &format!(
            "publish:\n  - file: {}\n    template: \"{TEMPLATE}\"\n",
            file.display()
        ),
    );
    shop.rotate(&[]).expect_code(0);
    (shop, file)
}

#[test]
fn a_file_has_the_credential_after_a_way_back() {
    let (shop, file) = published("after_sink");
    let run = rollback(&shop, &["--yes"]);
    let result = expect_done(&run, "re-promote");
    let text = fs::read_to_string(&file).expect("a file");
    assert!(
        text.contains(&format!("USER={}\n", shop.first.name)),
        "the file still names {}: {result:#}",
        shop.second.name
    );
    assert_eq!(result["sinks"][0]["state"], "confirmed", "{result:#}");
    let recovered = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    assert_eq!(result_of(&recovered)["rotation"], Value::Null);
}

#[test]
fn what_leaks_is_shut_out_after_the_file_is_written() {
    let (shop, file) = published("after_leak");
    let leaks = shop.current();
    let run = rollback(&shop, &["--yes", "--compromised"]);
    let result = result_of(&run);
    let text = fs::read_to_string(&file).expect("a file");
    assert!(
        text.contains(&format!("USER={}\n", shop.first.name)),
        "{result:#}"
    );
    assert!(!shop.logs_in(&leaks), "it is shut out: {result:#}");
}

/// A folder stands where the file is to be, and the last rotation waits for it.
fn waits_for_a_file(name: &str) -> (Shop, std::path::PathBuf) {
    let (shop, file) = published(name);
    fs::remove_file(&file).expect("removes");
    fs::create_dir(&file).expect("a folder in its place");
    shop.rotate(&[]).expect_code(3);
    (shop, file)
}

fn open_rotations(shop: &Shop) -> u32 {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let count = "SELECT count(*) FROM rotation WHERE closed_at IS NULL";
    let count = store.query_row(count, [], |row| row.get(0));
    count.expect("counts")
}

#[test]
fn a_file_that_fails_keeps_nobody_from_a_way_back_out_of_an_outage() {
    let (shop, file) = waits_for_a_file("after_failing_file");
    let named = ["--yes", "--confirm", "shop/orders"];
    // While consumers log in, the file comes first.
    expect_refused(&rollback(&shop, &["--plan"]), "open-rotation");
    expect_refused(&rollback(&shop, &named), "open-rotation");

    shop.set_password(&Account::new(shop.current().name));
    for words in [["recover", "--explain"], ["recover", "--yes"]] {
        let [verb, how] = words;
        let told = shop.run(&[verb, "shop/orders", how, "--output", "json"]);
        assert_eq!(told.code(), Some(5), "{told:#?}");
        let told = result_of(&told);
        assert_eq!(told["error"]["code"], "current-dead", "{told:#}");
        assert_eq!(told["paths"][0]["case"], "current-dead", "{told:#}");
        assert_eq!(told["sinks"][0]["case"], "sink-failed", "{told:#}");
    }
    let planned = rollback(&shop, &["--plan"]);
    assert_eq!(planned.code(), Some(0), "{planned:#?}");
    expect_refused(&rollback(&shop, &["--yes"]), "consumers-down");
    assert_eq!(open_rotations(&shop), 1);

    let run = rollback(&shop, &named);
    assert_eq!(run.code(), Some(3), "the file still fails: {run:#?}");
    let result = result_of(&run);
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    shop.assert_current_logs_in("after the way back");
    assert_eq!(open_rotations(&shop), 1, "the way back waits for the file");
    fs::remove_dir(&file).expect("mends");
    let recovered = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    let recovered = result_of(&recovered.expect_code(0));
    assert_eq!(recovered["rotation"], result["rotation"], "{recovered:#}");
    let text = fs::read_to_string(&file).expect("a file");
    let name = shop.current().name;
    assert!(text.contains(&format!("USER={name}\n")), "not {name}");
    crate::rollback::expect_well(&shop);
}

fn in_the_store(shop: &Shop, statement: &str) {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    assert_eq!(store.execute(statement, []).expect("updates"), 1);
}

#[test]
fn what_leaked_stays_leaked_when_the_glass_was_broken() {
    let shop = Shop::open("after_glass", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    in_the_store(
        &shop,
        "UPDATE overlap SET compromised = 1 WHERE ended_at IS NULL",
    );
    let glass = ["--yes", "--break-glass", "everything is down"];
    expect_done(&rollback(&shop, &glass), "re-promote");
    // Consumers read what leaked. The next rotation makes it outgoing once more.
    shop.rotate(&[]).expect_code(0);
    expect_refused(&rollback(&shop, &["--yes"]), "compromised");
}

#[test]
fn what_leaked_stays_leaked_over_two_ways_back() {
    let shop = Shop::open("after_twice", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    in_the_store(
        &shop,
        "UPDATE overlap SET compromised = 1 WHERE ended_at IS NULL",
    );
    let glass = ["--yes", "--break-glass", "everything is down"];
    expect_done(&rollback(&shop, &glass), "re-promote");
    expect_done(&rollback(&shop, &["--yes"]), "re-promote");
    expect_refused(&rollback(&shop, &["--yes"]), "compromised");
}

#[test]
fn a_scramble_that_was_never_sent_leaves_a_way_back() {
    let shop = Shop::open("after_scrambling", ShopOptions::default());
    settings(&shop, "    retire: {mode: ask, listen: 0s}\n");
    shop.rotate(&[]).expect_code(0);
    shop.run(&["retire", "shop/orders", "db", "--yes"])
        .expect_code(0);
    in_the_store(
        &shop,
        "UPDATE overlap SET stage = 'scrambling' WHERE ended_at IS NULL",
    );
    let run = rollback(&shop, &["--plan"]);
    assert_eq!(run.code(), Some(0), "{run:#?}");
}

#[test]
fn a_lock_that_is_taken_back_is_told() {
    let receiver = Receiver::start();
    let shop = receiver.shop("after_unlock", "    retire: {mode: ask, listen: 0s}\n");
    shop.rotate(&[]).expect_code(0);
    shop.run(&["retire", "shop/orders", "db", "--yes"])
        .expect_code(0);
    expect_done(&rollback(&shop, &["--yes"]), "un-retire");
    let expected = [
        "rotation.succeeded",
        "retire.locked",
        "retire.undone",
        "rotation.succeeded",
    ];
    assert_eq!(receiver.kinds(), expected);
    let undone = receiver.got()[2].payload();
    assert_eq!(undone["data"]["path"], "db", "{undone:#}");
    assert_eq!(undone["data"]["user"], shop.first.name.as_str());
}

#[test]
fn a_rotation_that_is_dropped_for_a_way_back_is_told() {
    let receiver = Receiver::start();
    let options = ShopOptions {
        own_server: true,
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    };
    let shop = Shop::open("after_dropped", options);
    shop.rotate(&[]).expect_code(0);
    let key = format!("{{fn::secret: {}}}", receiver.secret());
    receiver.init_key(&shop, &key);
    settings(&shop, &receiver.settings());
    stop_before_s3(&shop, &shop.first);
    shop.set_password(&Account::new(shop.second.name.clone()));
    let named = ["--yes", "--confirm", "shop/orders"];
    expect_done(&rollback(&shop, &named), "re-promote");
    assert_eq!(receiver.kinds(), ["rotation.failed", "rotation.succeeded"]);
}

#[test]
fn no_other_way_is_taken_than_the_one_that_was_shown() {
    let shop = Shop::open("after_shown", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let mut terminal = Terminal::start(
        &shop,
        &Start {
            size: (200, 50),
            shell: Some("\"$HANDOVER\" rollback shop/orders"),
            ..Start::default()
        },
    );
    terminal.see("Take this way back now?");
    let theirs = Account::new(shop.first.name.clone());
    shop.set_password(&theirs);
    let before = shop.stored_hash_of(&shop.first);
    terminal.type_text("yes");
    terminal.press("enter");
    let code = terminal.exit_code();
    let text = terminal.text();
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("re-promote is no way back"), "{text}");
    assert_eq!(shop.stored_hash_of(&shop.first), before, "nobody was asked");
    assert_eq!(shop.current().name, shop.second.name);
}
