//! Kills, and statements that nobody waits for any more, on MySQL and on MariaDB.

use crate::contract::result_of;
use crate::crash::{
    find_what_won, impatient, lose_nothing_to_a_lock, managing_sessions, patient, recover,
    send_again_what_was_given_up, survive_kills,
};
use crate::harness::wait_until;
use crate::rotation::wait_for_alter;
use crate::shop::{MariaDbPlugin, Shop, ShopEngine, ShopOptions};

for_both! {
    a_rotation_killed_at_any_moment_is_brought_to_an_end_by_one_recover
    a_statement_that_wins_after_its_client_was_killed_is_found_by_recover
    a_statement_that_still_waits_is_outwaited_by_recover
    a_statement_that_is_given_up_after_its_client_was_killed_is_sent_again
    a_lock_that_outlasts_its_time_out_is_no_loss
}

/// Users of two rows, since MariaDB changes them one by one.
fn a_rotation_killed_at_any_moment_is_brought_to_an_end_by_one_recover(engine: ShopEngine) {
    let options = ShopOptions {
        hosts: &["10.%", "127.0.0.%"],
        mariadb_plugin: MariaDbPlugin::Ed25519,
        ..ShopOptions::default()
    };
    if let Some(shop) = Shop::open_on(engine, "kill", options) {
        survive_kills(&shop, 50);
    }
}

/// A server of the test's own, since a lock of all of it is the one that there is.
fn own_server(options: ShopOptions) -> ShopOptions {
    ShopOptions {
        own_server: true,
        ..options
    }
}

fn a_statement_that_wins_after_its_client_was_killed_is_found_by_recover(engine: ShopEngine) {
    if let Some(shop) = Shop::open_on(engine, "zombie", own_server(patient())) {
        find_what_won(&shop);
    }
}

fn a_statement_that_is_given_up_after_its_client_was_killed_is_sent_again(engine: ShopEngine) {
    if let Some(shop) = Shop::open_on(engine, "givenup", own_server(impatient())) {
        send_again_what_was_given_up(&shop);
    }
}

fn a_lock_that_outlasts_its_time_out_is_no_loss(engine: ShopEngine) {
    if let Some(shop) = Shop::open_on(engine, "locktimeout", own_server(impatient())) {
        lose_nothing_to_a_lock(&shop);
    }
}

/// Whoever recovers while the abandoned statement still waits may believe no login yet.
fn a_statement_that_still_waits_is_outwaited_by_recover(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "outwait", own_server(patient())) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    let lock = shop.lock_the_user(&shop.second);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(&shop);
    rotation.kill();
    let recovering = shop.start(&["recover", "shop/orders", "--yes", "--output", "json"]);
    wait_until("the recovering session is there, too", || {
        managing_sessions(&shop) > 1
    });
    // It waits as well, for the lock on the user; the one change is the abandoned one.
    let changes = shop.run_sql(&format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
         WHERE USER = '{}' AND INFO LIKE 'ALTER USER%'",
        shop.managing.name
    ));
    let changes = changes[0][0].as_deref();
    assert_eq!(changes, Some("1"), "it sent a statement of its own");
    assert_eq!(shop.stored_hash_of(&shop.second), before);
    drop(lock);
    let recovered = result_of(&recovering.finish().expect_code(0));
    assert_eq!(recovered["status"], "done", "{recovered:#}");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
    recover(&shop, "once more");
}
