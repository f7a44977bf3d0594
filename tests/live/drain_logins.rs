//! Logins that no sample saw, and the gate of a rotation by the stored drain, on real servers.

use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::contract::assert_refused;
use crate::drain::{DRAIN, drain_of, sampled};
use crate::harness::{HeldSession, wait_until};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};
use crate::terminal::Terminal;

/// Between two samples there is time for a short login.
const SETTINGS: &str = "  db:\n    drain: {quiet: 3s, sample: 600ms, max-gap: 3s}\n";

#[test]
fn a_login_that_no_sample_saw_is_counted_and_shuts_the_gate() {
    counted(ShopEngine::Postgres);
}

for_both! { counted }

fn counted(engine: ShopEngine) {
    let Some(shop) = Shop::bare_on(engine, "unseen", ShopOptions::default()) else {
        return;
    };
    if engine == ShopEngine::MariaDb {
        shop.run_sql("SET GLOBAL userstat = ON");
    }
    shop.write_settings(SETTINGS);
    shop.init();
    shop.rotate(&[]).expect_code(0);
    let _watching = shop.start(&["drain", "shop/orders", "--watch"]);
    let seen = until_drained(&shop);
    assert_eq!(seen["method"], "counted", "{seen:#}");
    let since = since_of(&seen);

    // Neither our own logins as the outgoing user nor those that are refused are somebody's.
    shop.run(&["status", "shop/orders"]).expect_code(0);
    shop.run(&["verify", "shop/orders"]).expect_code(0);
    if engine != ShopEngine::Postgres {
        look_ourselves(&shop);
    }
    let wrong = Account::new(shop.first.name.clone());
    for _ in 0..3 {
        assert!(!shop.logs_in(&wrong));
    }
    let seen = after_two_samples(&shop);
    assert_eq!(seen["verdict"], "drained", "{seen:#}");
    assert_eq!(seen["counts"]["unseen_logins"], 0, "{seen:#}");
    assert_eq!(seen["late"], Value::Array(Vec::new()), "{seen:#}");
    let moved = (since_of(&seen) - since).abs();
    assert!(moved < TimeDelta::milliseconds(500), "it goes on: {moved}");

    let came = Utc::now();
    a_short_login(&shop);
    let rotation = shop.start(&["rotate", "shop/orders", "--yes", "--output", "json"]);
    let seen = drain_of(&shop.run(&DRAIN));
    let refused = rotation.finish();
    assert_refused(&refused, "not-drained");
    assert!(says_how_long(&refused.told()), "{refused:#?}");
    assert_eq!(seen["verdict"], "quiet", "{seen:#}");
    assert_eq!(seen["counts"]["unseen_logins"], 1, "{seen:#}");
    assert_eq!(seen["counts"]["late_logins"], 1, "{seen:#}");
    let late = &seen["late"][0];
    assert!(late["pid"].is_null() && late["logins"] == 1, "{seen:#}");
    assert!(since_of(&seen) >= came, "it begins anew: {seen:#}");
    let reasons = seen["reasons"].to_string();
    assert!(reasons.contains("1 login was counted"), "{seen:#}");
    assert!(reasons.contains("that no sample saw"), "{seen:#}");
    until_drained(&shop);
}

/// Both log in as the outgoing user.
fn look_ourselves(shop: &Shop) {
    shop.run(&["doctor", "shop/orders"]).expect_code(0);
    let mut terminal = Terminal::console(shop);
    terminal.see("promoted").press("enter").see("● valid");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
}

#[track_caller]
fn until_drained(shop: &Shop) -> Value {
    let mut seen = Value::Null;
    wait_until("it is drained", || {
        seen = drain_of(&shop.run(&DRAIN));
        seen["verdict"] == "drained"
    });
    seen
}

/// It is a moment of the server's clock, told by this host's: it moves by milliseconds.
#[track_caller]
fn since_of(seen: &Value) -> DateTime<Utc> {
    let since = seen["window"]["since"].as_str().expect("a time");
    since.parse().expect("as RFC 3339 has it")
}

#[track_caller]
fn after_two_samples(shop: &Shop) -> Value {
    let before = sampled(shop).0;
    wait_until("two more samples", || sampled(shop).0 >= before + 2);
    drain_of(&shop.run(&DRAIN))
}

/// Somebody is there for 50 ms, right after a sample and gone before the next. Returns when
/// that one was made.
fn a_short_login(shop: &Shop) {
    let at = sampled(shop).0;
    wait_until("a sample was made", || sampled(shop).0 > at);
    let at = sampled(shop).0;
    if shop.options.engine == ShopEngine::Postgres {
        let session = HeldSession::open(&shop.first.name, &shop.first.password);
        session.run("SELECT 1");
        thread::sleep(Duration::from_millis(50));
    } else {
        let session = shop.hold_session(&shop.first);
        thread::sleep(Duration::from_millis(50));
        drop(session);
    }
    wait_until("the session has ended", || {
        shop.sessions_of(&shop.first) == 0
    });
    // One may have been under way when it came.
    wait_until("the next sample was made", || sampled(shop).0 >= at + 2);
}

/// Whether a text names seconds.
fn says_how_long(told: &str) -> bool {
    (1..=3).any(|seconds| told.contains(&format!("try again in {seconds} s")))
}
