//! What monitors are told by themselves: what the daily verification finds, and a rotation that is
//! left alone.

use std::net::TcpListener;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use handover::operations::{Workspace, next_to_verify, verify_and_note};
use handover::process::KeyAccess;
use handover::store::Access;
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;

use crate::crash::{patient, recover};
use crate::harness::{HeldSession, wait_until};
use crate::rotation::wait_for_alter;
use crate::shop::{Account, Shop, ShopOptions};
use crate::webhook_receiver::{Got, Receiver};

const CHECK: [&str; 5] = ["status", "shop/orders", "--check", "--output", "json"];

/// A time in the one row of what was verified; `None` where it is empty, or there is no row.
fn time(shop: &Shop, column: &str) -> Option<i64> {
    let store = Connection::open(shop.store().join("handover.db")).expect("opens the store");
    let query = format!("SELECT max({column}) FROM verification");
    let found = store.query_row(&query, [], |row| row.get(0));
    found.expect("reads")
}

fn lock_out(shop: &Shop, account: &Account) {
    shop.run_sql(&format!("ALTER ROLE \"{}\" NOLOGIN", account.name));
}

#[test]
fn a_rotation_that_nobody_goes_on_with_is_not_healthy() {
    let shop = Shop::open("leftalone", patient());
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(&shop);
    shop.run(&CHECK).expect_code(0);
    rotation.kill();
    drop(lock);
    let found = shop.run(&CHECK).expect_code(5).json();
    let [reason] = &found["reasons"].as_array().expect("a list")[..] else {
        panic!("not one reason: {:#}", found["reasons"]);
    };
    let reason = reason.as_str().expect("words");
    assert!(reason.contains("is open since"), "{reason}");
    assert!(reason.contains("handover recover shop/orders"), "{reason}");
    let left = &found["environments"][0]["health"]["left_open"];
    assert_eq!(left["is_driven"], false, "{left:#}");
    recover(&shop, "after it was left alone");
    shop.run(&CHECK).expect_code(0);
}

#[test]
fn what_a_verification_found_is_told_in_words_and_once() {
    let mut receiver = Receiver::start();
    receiver.kinds = "[verify.*]";
    let options = ShopOptions {
        own_server: true,
        ..ShopOptions::default()
    };
    let shop = Shop::bare("toldonce", options);
    shop.write_settings(&receiver.settings());
    shop.init();
    receiver.init_key(&shop, &format!("{{fn::secret: {}}}", receiver.secret()));
    shop.rotate(&[]).expect_code(0);
    lock_out(&shop, &shop.first);
    let mut agent = shop.start(&["agent", "--verify-every", "1s", "--output", "json"]);
    wait_until("the idle user is told", || receiver.kinds().len() == 1);
    shop.server().stop().expect("stops");
    wait_until("nobody has answered", || {
        time(&shop, "tried_at") > time(&shop, "verified_at")
    });
    let verified_at = time(&shop, "verified_at");
    let check = shop.run(&["status", "--check"]).expect_code(5);
    check.expect_told(&["drifted", &shop.first.name]);
    shop.server().start_again().expect("starts");
    wait_until("it is verified again", || {
        time(&shop, "verified_at") > verified_at
    });
    // Had the same been told again, it would have been told before this.
    lock_out(&shop, &shop.second);
    wait_until("the current user is told", || receiver.kinds().len() >= 2);
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    let got: Vec<Value> = receiver.got().iter().map(Got::payload).collect();
    assert_eq!(got.len(), 2, "each is told once: {got:#?}");
    let words = |number: usize| got[number]["data"]["words"].as_str().expect("words");
    for part in [
        "db: previous user",
        &shop.first.name,
        "expected valid",
        &format!("locked on 127.0.0.1:{}", shop.port),
    ] {
        assert!(words(0).contains(part), "{part:?} is not in {:?}", words(0));
    }
    assert!(!words(0).contains(&shop.second.name), "{:?}", words(0));
    assert!(words(1).contains(&shop.second.name), "{:?}", words(1));
    assert_eq!(got[1]["data"]["verdict"], "current-dead");
}

#[test]
fn what_could_not_be_reached_is_verified_sooner_than_tomorrow() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("binds");
    let mut shop = Shop::bare("closedport", ShopOptions::default());
    shop.port = closed.local_addr().expect("an address").port();
    drop(closed);
    shop.write_orders();
    shop.write_settings("");
    shop.init();
    let day = Duration::from_secs(86_400);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (soon, later) = runtime.block_on(async {
        let keys = KeyAccess::from_environment();
        let opened = Workspace::open(&shop.store(), &keys, Access::Write).await;
        let workspace = opened.expect("opens");
        let now = Utc::now();
        let found = next_to_verify(&workspace, day, &mut Vec::new(), now).await;
        let what = found.expect("reads").expect("one that never was verified");
        verify_and_note(&workspace, &what).await.expect("looks");
        let soon = now + TimeDelta::minutes(5);
        let later = now + TimeDelta::minutes(20);
        (
            next_to_verify(&workspace, day, &mut Vec::new(), soon).await,
            next_to_verify(&workspace, day, &mut Vec::new(), later).await,
        )
    });
    assert_eq!(soon.expect("reads"), None, "servers have a moment, too");
    assert!(later.expect("reads").is_some(), "it is looked again");
    assert_eq!(time(&shop, "verified_at"), None, "nothing was verified");
    assert!(time(&shop, "tried_at").is_some());
    shop.run(&CHECK).expect_code(0);
}

#[test]
fn verification_without_a_pause_is_refused() {
    let shop = Shop::bare("toooften", ShopOptions::default());
    let run = shop.run(&["agent", "--verify-every", "1ms"]);
    run.expect_code(2).expect_told(&["1s or more", "0s"]);
}
