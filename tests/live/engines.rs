//! Rotations on MySQL and on MariaDB, each test on both: what PostgreSQL's tests promise of
//! consumers holds there, too.

use crate::shop::{MariaDbPlugin, Shop, ShopEngine, ShopOptions};

/// One test of each name for MySQL, and one for MariaDB.
macro_rules! for_both {
    ($($name:ident)*) => {
        mod mysql {
            $(#[test] fn $name() { super::$name(crate::shop::ShopEngine::MySql); })*
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name(crate::shop::ShopEngine::MariaDb); })*
        }
    };
}

for_both! {
    rotations_go_to_and_fro
    rotations_change_all_rows_of_a_user
    a_session_on_the_idle_user_shuts_the_gate
    a_locked_server_makes_the_change_wait
}

fn rotations_go_to_and_fro(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "fro", ShopOptions::default()) else {
        return;
    };
    let before = [&shop.first, &shop.second].map(|account| shop.stored_hash_of(account));
    shop.plan().expect_code(0).expect_told(&[&shop.second.name]);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, shop.second.name);
    assert!(!shop.logs_in(&shop.second), "the old password is gone");
    assert!(shop.logs_in(&shop.first), "the previous user is left alone");
    assert_eq!(shop.stored_hash_of(&shop.first), before[0]);
    assert_ne!(shop.stored_hash_of(&shop.second), before[1]);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation back");
    assert_eq!(current.name, shop.first.name);
    let version = shop.run_sql("SELECT VERSION()")[0][0].clone();
    println!("on {engine:?} {}", version.expect("a version"));
}

fn rotations_change_all_rows_of_a_user(engine: ShopEngine) {
    for mariadb_plugin in [MariaDbPlugin::Native, MariaDbPlugin::Ed25519] {
        let options = ShopOptions {
            hosts: &["10.%", "127.0.0.%"],
            mariadb_plugin,
            ..ShopOptions::default()
        };
        let Some(shop) = Shop::open_on(engine, "rows", options) else {
            return;
        };
        let before = shop.stored_hash_of(&shop.second);
        shop.rotate(&[]).expect_code(0);
        let current = shop.assert_current_logs_in("after the rotation");
        let log = shop.mysql_server().general_log();
        assert!(log.contains(&current.name), "the change is not in the log");
        assert!(!log.contains(current.password.expose()), "a password is");
        let after = shop.stored_hash_of(&shop.second);
        assert_eq!(after.split("; ").count(), 2, "{after}");
        for (before, after) in before.split("; ").zip(after.split("; ")) {
            assert_ne!(before, after, "this row was left out");
        }
    }
}

fn a_session_on_the_idle_user_shuts_the_gate(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "shut", ShopOptions::default()) else {
        return;
    };
    let session = shop.hold_session(&shop.second);
    assert_eq!(shop.sessions_of(&shop.second), 1);
    crate::contract::assert_refused(&shop.rotate(&[]), "not-drained");
    drop(session);
    crate::harness::wait_until("the session is gone", || {
        shop.sessions_of(&shop.second) == 0
    });
    shop.rotate(&[]).expect_code(0);
}

fn a_locked_server_makes_the_change_wait(engine: ShopEngine) {
    let options = ShopOptions {
        own_server: true,
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "lock", options) else {
        return;
    };
    let lock = shop.lock_the_user(&shop.second);
    let rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    crate::rotation::wait_for_alter(&shop);
    drop(lock);
    rotation.finish().expect_code(0);
    shop.assert_current_logs_in("after the lock");
}
