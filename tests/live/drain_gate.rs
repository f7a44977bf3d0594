//! The gate of a rotation by the stored drain, on real servers: who comes and goes between its
//! steps, and that its own login is nobody's.

use std::sync::Arc;

use handover::sandbox::{PostgresOptions, PostgresServer};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::contract::assert_refused;
use crate::drain::{DRAIN, drain_of, sampled};
use crate::harness::{HeldSession, postgres_options, wait_until};
use crate::shop::{Shop, ShopEngine, ShopOptions};

/// Spans in which a test can wait for everything.
const SETTINGS: &str = "  db:\n    drain: {quiet: 2s, sample: 300ms, max-gap: 1m}\n";
const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];

#[test]
fn who_comes_and_goes_between_the_look_and_the_statement_shuts_the_gate() {
    looked_at_again(ShopEngine::Postgres);
}

for_both! { looked_at_again an_own_login_hides_nobody }

fn looked_at_again(engine: ShopEngine) {
    let Some(shop) = Shop::bare_on(engine, "again", ShopOptions::default()) else {
        return;
    };
    shop.write_settings(SETTINGS);
    shop.init();
    shop.rotate(&[]).expect_code(0);
    // Nobody has watched for long enough.
    assert_refused(&shop.rotate(&[]), "not-drained");
    let mut watching = shop.start(&["drain", "shop/orders", "--watch"]);
    until_drained(&shop);

    let hash = shop.stored_hash_of(&shop.first);
    let lock = shop.hold_the_rotation_lock(&shop.first);
    let rotation = shop.start(&ROTATE);
    wait_until("it waits for the lock", || {
        shop.waiting_sessions_of(&shop.managing) == 1
    });
    let session = shop.hold_session(&shop.first);
    wait_until("the session is seen", || seen_sessions(&shop) == 1);
    drop(session);
    wait_until("it is seen to be gone", || seen_sessions(&shop) == 0);
    drop(lock);
    let run = rotation.finish();
    let result = assert_refused(&run, "pending-unsent");
    assert_eq!(result["paths"][0]["status"], "aborted", "{result:#}");
    run.expect_told(&["the gate is shut", "waits until nobody was seen for"]);
    assert_eq!(shop.stored_hash_of(&shop.first), hash, "nothing changed");
    until_drained(&shop);
    shop.rotate(&[]).expect_code(0);
    assert_ne!(shop.stored_hash_of(&shop.first), hash, "it is a new one");
    watching.signal(Signal::SIGINT);
    watching.finish().expect_code(0);
}

/// A sample may be made between the login of S1 and the answer to what else it asks.
#[test]
fn a_rotation_is_not_refused_for_its_own_login() {
    // A lock on a catalog would disturb the tests on the shared server.
    let shop = counting_alone("ownlogin");
    let _watching = shop.start(&["drain", "shop/orders", "--watch"]);
    until_drained(&shop);
    // What is asked of the twins waits; the login does not, and neither does the sampler.
    let superuser = shop.server().superuser();
    let lock = HeldSession::at(shop.server(), &superuser.name, &superuser.password);
    lock.run("BEGIN; LOCK TABLE pg_catalog.pg_default_acl IN ACCESS EXCLUSIVE MODE");
    let plan = shop.start(&["rotate", "shop/orders", "--plan", "--output", "json"]);
    wait_until("it asks", || shop.waiting_sessions_of(&shop.managing) == 1);
    let before = sampled(&shop).0;
    wait_until("two samples were made", || sampled(&shop).0 >= before + 2);
    drop(lock);
    plan.finish().expect_code(0);
}

/// A shop on a server of its own that counts statements, rotated once.
fn counting_alone(name: &str) -> Shop {
    let options = PostgresOptions {
        configuration: vec!["shared_preload_libraries = 'pg_stat_statements'".to_owned()],
        ..postgres_options()
    };
    let server = PostgresServer::start(&options).expect("starts");
    let options = ShopOptions {
        server: Some(Arc::new(server)),
        ..ShopOptions::default()
    };
    let shop = Shop::bare(name, options);
    shop.run_sql("CREATE EXTENSION pg_stat_statements");
    shop.write_settings(SETTINGS);
    shop.init();
    shop.rotate(&[]).expect_code(0);
    shop
}

/// A session of our own begins before a sample, and its statements run after it.
#[test]
fn an_own_login_around_a_sample_is_nobodys() {
    let shop = counting_alone("ownaround");
    let _watching = shop.start(&["drain", "shop/orders", "--watch"]);
    until_drained(&shop);
    // From now on a second passes between a session's start and its first statement.
    shop.run_sql("ALTER SYSTEM SET post_auth_delay = 1");
    shop.run_sql("SELECT pg_reload_conf()");
    wait_until("it is so", || shop.single("SHOW post_auth_delay") == "1s");
    shop.run(&["doctor", "shop/orders"]).expect_code(0);
    let before = sampled(&shop).0;
    wait_until("two samples were made", || sampled(&shop).0 >= before + 2);
    let seen = drain(&shop);
    assert_eq!(seen["counts"]["unseen_logins"], 0, "{seen:#}");
    assert_eq!(seen["verdict"], "drained", "{seen:#}");
}

/// A login of somebody that was counted stays counted, although one of our own was made since
/// that no sample has counted yet.
fn an_own_login_hides_nobody(engine: ShopEngine) {
    let Some(shop) = Shop::bare_on(engine, "hides", ShopOptions::default()) else {
        return;
    };
    if engine == ShopEngine::MariaDb {
        shop.run_sql("SET GLOBAL userstat = ON");
    }
    shop.write_settings("  db:\n    drain: {quiet: 2s, sample: 600ms, max-gap: 1m}\n");
    shop.init();
    shop.rotate(&[]).expect_code(0);
    let mut watching = shop.start(&["drain", "shop/orders", "--watch"]);
    until_drained(&shop);
    let at = sampled(&shop).0;
    wait_until("a sample was made", || sampled(&shop).0 > at);
    assert!(shop.logs_in(&shop.first));
    // A sample may be under way that did not count it yet.
    wait_until("it is counted", || {
        drain(&shop)["counts"]["unseen_logins"] == 1
    });
    watching.signal(Signal::SIGSTOP);
    wait_until("nobody samples", || watching.is_stopped());
    let seen = drain(&shop);
    assert_eq!(seen["counts"]["unseen_logins"], 1, "{seen:#}");
    shop.run(&["doctor", "shop/orders"]);
    let seen = drain(&shop);
    assert_eq!(seen["counts"]["unseen_logins"], 1, "{seen:#}");
    assert_eq!(seen["verdict"], "quiet", "{seen:#}");
    watching.signal(Signal::SIGCONT);
}

#[track_caller]
fn until_drained(shop: &Shop) {
    wait_until("it is drained", || drain(shop)["verdict"] == "drained");
}

fn seen_sessions(shop: &Shop) -> u64 {
    let sessions = &drain(shop)["counts"]["sessions"];
    sessions.as_u64().expect("a count")
}

#[track_caller]
fn drain(shop: &Shop) -> Value {
    drain_of(&shop.run(&DRAIN))
}
