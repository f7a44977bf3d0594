//! Cases of the decision table on a real server in which consumers are down, another
//! server answers, none does, or what is found fits nothing: each is brought about by what
//! brings it about in life, named by `recover` and by the console, and ended by what its
//! remedy says.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::cases::passed;
use crate::contract::result_of;
use crate::harness::{Run, identifier, server, wait_until};
use crate::identity::{copy_data, go_on, start_server};
use crate::scenes::{
    expect_case, expect_completed, expect_parked, give_table, needy, recover, stop_after_s3,
    stop_before_s3,
};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions, account_at};

/// A shop may be on a server of its own, which the test copies, stops and replaces.
fn private() -> ShopOptions {
    ShopOptions {
        lock_timeout: "60s",
        statement_timeout: "60s",
        server: Some(Arc::new(start_server())),
        ..ShopOptions::default()
    }
}

pub(crate) fn private_shop(name: &str) -> Shop {
    Shop::open(name, private())
}

#[track_caller]
fn expect_remedy(result: &Value, words: &[&str]) {
    let remedy = result["paths"][0]["error"]["remedy"].as_str();
    let remedy = remedy.unwrap_or_else(|| panic!("no remedy: {result:#}"));
    for word in words {
        assert!(remedy.contains(word), "no `{word}` in {remedy}");
    }
}

/// What `env open` answers for one of the pair.
fn opened(shop: &Shop, label: &str) -> Account {
    let words = ["env", "open", "shop/orders", "db", "--output", "json"];
    account_at(
        &shop.run(&words).expect_code(0).json(),
        &format!("/{label}"),
    )
}

fn accepts(shop: &Shop, account: &Account) -> bool {
    let outcome = shop.server().login(&account.name, &account.password);
    outcome.is_accepted()
}

pub(crate) fn accept_server(shop: &Shop) -> Run {
    let words = [
        "doctor",
        "shop/orders",
        "--accept-server",
        "--confirm",
        "shop/orders",
    ];
    shop.run(&words)
}

/// With nothing open: consumers are well again, and the next rotation goes through.
#[track_caller]
fn expect_well(shop: &Shop) {
    let result = result_of(&recover(shop).expect_code(0));
    assert_eq!(result["rotation"], Value::Null, "{result:#}");
    assert_eq!(result["status"], "done", "{result:#}");
    shop.assert_current_logs_in("after the remedy");
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the next rotation");
}

/// A copy of the server's data folder, made while it is stopped.
pub(crate) fn snapshot(shop: &Shop) -> PathBuf {
    let server = shop.server();
    let kept = server.folder().join("snapshot");
    server.stop().expect("stops");
    copy_data(&server.data_folder(), &kept);
    server.start_again().expect("starts");
    kept
}

pub(crate) fn put_back(shop: &Shop, kept: &std::path::Path) {
    let server = shop.server();
    server.stop().expect("stops");
    copy_data(kept, &server.data_folder());
    server.start_again().expect("starts");
}

#[test]
fn both_accepted() {
    let shop = private_shop("case_both");
    let rules = PathBuf::from(shop.single("SHOW hba_file"));
    let sound = fs::read_to_string(&rules).expect("reads");
    let trust = format!("hostssl all {} 127.0.0.1/32 trust\n", shop.second.name);
    let write = |text: &str| {
        fs::write(&rules, text).expect("writes");
        let loaded = || shop.single("SELECT pg_conf_load_time()");
        let before = loaded();
        shop.single("SELECT pg_reload_conf()");
        wait_until("the rules are loaded", || loaded() != before);
    };
    write(&format!("{trust}{sound}"));

    let run = shop.rotate(&[]).expect_code(5);
    let result = result_of(&run);
    assert_eq!(result["paths"][0]["case"], "both-accepted", "{result:#}");
    expect_remedy(
        &result,
        &["pg_hba.conf", "trust", "handover recover shop/orders"],
    );
    expect_case(
        &shop,
        "both-accepted",
        0,
        &[
            "with the pending password: valid",
            "with the previous password: valid",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "both-accepted");
    assert_eq!(shop.current().name, shop.first.name, "nothing was promoted");
    write(&sound);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "both-accepted");
}

#[test]
fn restored() {
    let shop = private_shop("case_restored");
    shop.rotate(&[]).expect_code(0);
    let kept = snapshot(&shop);
    go_on(shop.server());
    for _ in 0..2 {
        shop.rotate(&[]).expect_code(0);
    }
    put_back(&shop, &kept);

    assert!(!accepts(&shop, &shop.current()), "consumers are down");
    let result = expect_case(
        &shop,
        "restored",
        5,
        &[
            "CONSUMERS DOWN",
            "with the previous password: refused",
            "the server is older",
        ],
    );
    expect_remedy(
        &result,
        &["handover env open shop/orders", "--accept-server"],
    );
    expect_parked_without_rotation(&shop, "restored");

    for label in ["current", "previous"] {
        shop.set_password(&opened(&shop, label));
    }
    accept_server(&shop).expect_code(0);
    expect_well(&shop);
    passed(ShopEngine::Postgres, "restored");
}

/// The same while a rotation is open: its new password is lost with the rest.
#[test]
fn restored_while_a_rotation_is_open() {
    let shop = private_shop("case_restored_open");
    shop.rotate(&[]).expect_code(0);
    let kept = snapshot(&shop);
    go_on(shop.server());
    for _ in 0..2 {
        shop.rotate(&[]).expect_code(0);
    }
    stop_after_s3(&shop, &shop.first);
    put_back(&shop, &kept);

    assert!(!accepts(&shop, &shop.current()), "consumers are down");
    let evidence = ["with the pending password: refused", "the server is older"];
    let result = expect_case(&shop, "restored", 5, &evidence);
    expect_remedy(
        &result,
        &["handover env open shop/orders", "--accept-server"],
    );
    expect_parked(&shop, "restored");

    for label in ["current", "previous"] {
        shop.set_password(&opened(&shop, label));
    }
    accept_server(&shop).expect_code(0);
    shop.assert_current_logs_in("after the remedy");
    expect_completed(&shop, &shop.first);
    passed(ShopEngine::Postgres, "restored");
}

#[track_caller]
fn expect_parked_without_rotation(shop: &Shop, case: &str) {
    let result = result_of(&expect_parked(shop, case));
    assert_eq!(result["rotation"], Value::Null, "{result:#}");
    assert_eq!(result["status"], "parked", "{result:#}");
}

#[test]
fn store_behind() {
    let shop = Shop::open("case_behind", ShopOptions::default());
    let backup = |name: &str| {
        let file = shop.home().join(name).display().to_string();
        shop.run(&["store", "backup", &file]).expect_code(0);
        file
    };
    let restore = |file: &str| {
        fs::remove_dir_all(shop.store()).expect("the store is lost");
        shop.run(&["store", "restore", file]).expect_code(0);
    };
    shop.rotate(&[]).expect_code(0);
    let older = backup("older.db");
    for _ in 0..2 {
        shop.rotate(&[]).expect_code(0);
    }
    let newer = backup("newer.db");
    restore(&older);

    assert!(!accepts(&shop, &shop.current()), "the store is behind");
    let evidence = ["CONSUMERS DOWN", "with the previous password: refused"];
    let result = expect_case(&shop, "store-behind", 5, &evidence);
    expect_remedy(&result, &["handover store restore"]);
    expect_parked_without_rotation(&shop, "store-behind");

    restore(&newer);
    expect_well(&shop);
    passed(ShopEngine::Postgres, "store-behind");
}

/// A DBA locks the user that consumers read; with nothing open.
#[test]
fn current_dead() {
    let shop = Shop::open("case_dead", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let user = identifier(&shop.second.name);
    let set = |attribute: &str| {
        let statement = format!("ALTER ROLE {user} {attribute}");
        server().sql(&statement).expect("alters");
    };
    set("NOLOGIN");
    let evidence = ["CONSUMERS DOWN", "with the current password: locked"];
    let result = expect_case(&shop, "current-dead", 5, &evidence);
    expect_remedy(&result, &["who changed the password or locked the user"]);
    expect_parked_without_rotation(&shop, "current-dead");
    set("LOGIN");
    expect_well(&shop);
    passed(ShopEngine::Postgres, "current-dead");
}

/// A DBA gives the user that consumers read another password, while a rotation is open.
#[test]
fn current_dead_while_a_rotation_is_open() {
    let shop = crate::signals::patient("case_dead_open");
    stop_after_s3(&shop, &shop.second);
    let stored = shop.current();
    shop.set_password(&Account::new(shop.first.name.clone()));
    let evidence = [
        "CONSUMERS DOWN",
        "with the current password: refused",
        "with the pending password: valid",
    ];
    let result = expect_case(&shop, "current-dead", 5, &evidence);
    expect_remedy(
        &result,
        &[
            "handover env open shop/orders",
            "handover recover shop/orders",
        ],
    );
    expect_parked(&shop, "current-dead");
    assert_eq!(shop.current().name, stored.name, "nothing was promoted");
    shop.set_password(&stored);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "current-dead");
}

/// A standby is promoted while a rotation is open: both passwords are there, and it is
/// another server all the same.
#[test]
fn other_server_since_a_standby_was_promoted() {
    let table = "case_failover_table";
    let shop = needy("case_failover", private(), table);
    shop.rotate(&[]).expect_code(5);
    let applied = shop.verifier_of(&shop.second);
    let server = shop.server();
    server.stop().expect("stops");
    // The former primary's own files stand for the standby's: both have the same log.
    fs::write(server.data_folder().join("standby.signal"), "").expect("writes");
    server.start_again().expect("starts");
    server.sql("SELECT pg_promote()").expect("promotes");
    give_table(server, table);

    let evidence = ["with the pending password: valid", "another server answers"];
    let result = expect_case(&shop, "other-server", 5, &evidence);
    expect_remedy(&result, &["handover doctor shop/orders --accept-server"]);
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "other-server");
    assert_eq!(shop.current().name, shop.first.name, "nothing was promoted");

    accept_server(&shop).expect_code(0);
    shop.assert_current_logs_in("after the server was accepted");
    assert_eq!(shop.verifier_of(&shop.second), applied);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "other-server");
}

/// A snapshot from before S3 is put back while a rotation is open: what consumers read
/// is in it, and the new password is not.
#[test]
fn other_server_since_a_snapshot_was_put_back() {
    let table = "case_clone_table";
    let shop = needy("case_clone", private(), table);
    let kept = snapshot(&shop);
    go_on(shop.server());
    shop.rotate(&[]).expect_code(5);
    put_back(&shop, &kept);
    let before = shop.verifier_of(&shop.second);

    let evidence = ["with the pending password: refused", "the server is older"];
    let result = expect_case(&shop, "other-server", 5, &evidence);
    expect_remedy(&result, &["handover doctor shop/orders --accept-server"]);
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "other-server");
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing was sent");

    accept_server(&shop).expect_code(0);
    give_table(shop.server(), table);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "other-server");
}

#[test]
fn unreachable_before_anything_was_changed() {
    let shop = private_shop("case_silent");
    stop_before_s3(&shop, &shop.second);
    shop.server().stop().expect("stops");
    let result = expect_case(&shop, "unreachable", 6, &["CONSUMERS NOT KNOWN"]);
    expect_remedy(
        &result,
        &["when the database answers again: handover recover"],
    );
    let run = recover(&shop).expect_code(6);
    assert_eq!(result_of(&run)["status"], "unreachable", "{run:#?}");
    shop.server().start_again().expect("starts");
    shop.assert_current_logs_in("after the server came back");
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "unreachable");
}

#[test]
fn unreachable_after_the_password_was_set() {
    let shop = private_shop("case_gone");
    stop_after_s3(&shop, &shop.second);
    let applied = shop.verifier_of(&shop.second);
    shop.server().stop().expect("stops");
    let evidence = ["with the pending password: unknown"];
    let result = expect_case(&shop, "unreachable", 5, &evidence);
    expect_remedy(
        &result,
        &["when the database answers again: handover recover"],
    );
    expect_parked(&shop, "unreachable");
    shop.server().start_again().expect("starts");
    assert_eq!(shop.verifier_of(&shop.second), applied);
    shop.assert_current_logs_in("after the server came back");
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "unreachable");
}

/// The idle user is dropped while a rotation is open. No case of the table knows that.
#[test]
fn unrecognised() {
    let shop = crate::signals::patient("case_dropped");
    stop_before_s3(&shop, &shop.second);
    let user = identifier(&shop.second.name);
    server().sql(&format!("DROP ROLE {user}")).expect("drops");
    let evidence = [
        "with the current password: valid",
        "does not exist on the server",
    ];
    let result = expect_case(&shop, "unrecognised", 5, &evidence);
    expect_remedy(&result, &["handover recover shop/orders"]);
    expect_parked(&shop, "unrecognised");
    shop.assert_current_logs_in("while it is open");
    // Another role of the same name is another role, and is not given the password.
    shop.create_role(&shop.second, "LOGIN");
    let before = shop.verifier_of(&shop.second);
    let evidence = ["was dropped and made anew since the rotation began"];
    expect_case(&shop, "unrecognised", 5, &evidence);
    expect_parked(&shop, "unrecognised");
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing was sent");
    // Only giving it up is left, and consumers keep what they read.
    let abandon = ["abandon", "shop/orders", "db", "--yes"];
    shop.run(&abandon).expect_code(0);
    let current = shop.assert_current_logs_in("after abandoning");
    assert_eq!(current.name, shop.first.name);
    passed(ShopEngine::Postgres, "unrecognised");
}
