//! `abandon` and `retry` where they are refused, and where giving up changes nothing.

use std::sync::Arc;

use serde_json::Value;

use crate::contract::result_of;
use crate::harness::{Run, wait_until};
use crate::identity::start_server;
use crate::scenes::{give_table, needy, recover, stop_after_s3, stop_before_s3, waiting};
use crate::shop::{Shop, ShopOptions};
use crate::signals::patient;

fn abandon(shop: &Shop, path: &str, more: &[&str]) -> Run {
    let words = ["abandon", "shop/orders", path, "--output", "json"];
    shop.run(&[&words, more].concat())
}

fn retry(shop: &Shop, more: &[&str]) -> Run {
    let words = ["retry", "shop/orders", "--output", "json"];
    shop.run(&[&words, more].concat())
}

/// What a refusal must leave alone.
fn state(shop: &Shop) -> (String, String, usize) {
    let [first, second] = [&shop.first, &shop.second].map(|one| shop.verifier_of(one));
    (first, second, shop.revision_count())
}

#[test]
fn with_nothing_open_there_is_nothing_to_abandon_or_to_retry() {
    let shop = Shop::open("way_nothing", ShopOptions::default());
    let before = state(&shop);
    for run in [abandon(&shop, "db", &["--yes"]), retry(&shop, &["--yes"])] {
        let result = result_of(&run.expect_code(4));
        assert_eq!(result["status"], "refused", "{result:#}");
        assert_eq!(result["error"]["code"], "nothing-open", "{result:#}");
        let remedy = &result["error"]["remedy"];
        assert_eq!(remedy, "handover status shop/orders", "{result:#}");
    }
    assert_eq!(state(&shop), before);
    shop.assert_current_logs_in("after the refusals");
}

#[test]
fn a_path_that_is_not_open_is_a_mistake_in_the_command() {
    let shop = patient("way_path");
    stop_after_s3(&shop, &shop.second);
    let before = state(&shop);
    for run in [
        abandon(&shop, "reports", &["--yes"]),
        abandon(&shop, "greeting", &["--yes"]),
        retry(&shop, &["--yes", "reports"]),
    ] {
        let run = run.expect_code(2);
        let result = result_of(&run);
        assert_eq!(result["error"]["code"], "no-such-path", "{result:#}");
        run.expect_told(&["nothing open at", "name one of db"]);
    }
    assert_eq!(state(&shop), before);
    recover(&shop).expect_code(0);
    // It is over: now nothing is open at all.
    abandon(&shop, "db", &["--yes"]).expect_code(4);
}

#[test]
fn abandoning_before_s3_drops_the_password_and_changes_nothing() {
    let shop = patient("way_abort");
    stop_before_s3(&shop, &shop.second);
    let before = state(&shop);
    let run = abandon(&shop, "db", &[]).expect_code(4);
    assert_eq!(
        result_of(&run)["status"],
        "refused",
        "nobody agreed: {run:#?}"
    );

    let run = abandon(&shop, "db", &["--yes"]).expect_code(0);
    let result = result_of(&run);
    assert_eq!(result["paths"][0]["status"], "aborted", "{result:#}");
    assert_eq!(result["revision"], Value::Null, "{result:#}");
    assert_eq!(state(&shop), before);
    let current = shop.assert_current_logs_in("after abandoning");
    assert_eq!(current.name, shop.first.name);
    assert_eq!(
        result_of(&recover(&shop).expect_code(0))["rotation"],
        Value::Null
    );
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the next rotation");
}

fn private() -> ShopOptions {
    ShopOptions {
        lock_timeout: "60s",
        statement_timeout: "60s",
        server: Some(Arc::new(start_server())),
        ..ShopOptions::default()
    }
}

/// The statement was sent, and nobody knows what became of it.
#[test]
fn abandoning_an_unknown_outcome_without_the_database_is_parked() {
    let shop = Shop::open("way_gone_sent", private());
    let lock = shop.lock_the_user(&shop.second);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_until("the ALTER waits", || waiting(&shop) > 0);
    rotation.kill();
    let kept = state(&shop);
    drop(lock);
    wait_until("the abandoned ALTER has ended", || waiting(&shop) == 0);
    shop.server().stop().expect("stops");
    let run = abandon(&shop, "db", &["--yes"]).expect_code(5);
    let result = result_of(&run);
    assert_eq!(result["status"], "parked", "{result:#}");
    assert_eq!(result["paths"][0]["case"], "unreachable", "{result:#}");
    shop.server().start_again().expect("starts");
    assert_eq!(shop.revision_count(), kept.2, "nothing was recorded");
    shop.assert_current_logs_in("after the server came back");
    let result = result_of(&abandon(&shop, "db", &["--yes"]).expect_code(0));
    let ended = result["paths"][0]["status"].as_str();
    assert!(matches!(ended, Some("abandoned" | "aborted")), "{result:#}");
    let current = shop.assert_current_logs_in("after abandoning");
    assert_eq!(current.name, shop.first.name);
}

/// Where the server confirmed S3 the journal knows what to record, and before S3 there is
/// nothing to be asked: neither needs the database, and neither changes it.
#[test]
fn abandoning_what_is_known_needs_no_database() {
    let after = Shop::open("way_gone_after", private());
    stop_after_s3(&after, &after.second);
    let before = Shop::open("way_gone_before", private());
    stop_before_s3(&before, &before.second);
    for (shop, status, more) in [(&after, "abandoned", 1), (&before, "aborted", 0)] {
        let (first, second, revisions) = state(shop);
        shop.server().stop().expect("stops");
        let result = result_of(&abandon(shop, "db", &["--yes"]).expect_code(0));
        assert_eq!(result["paths"][0]["status"], status, "{result:#}");
        shop.server().start_again().expect("starts");
        assert_eq!(state(shop), (first, second, revisions + more));
        let current = shop.assert_current_logs_in("after the server came back");
        assert_eq!(current.name, shop.first.name);
        shop.rotate(&[]).expect_code(0);
        shop.assert_current_logs_in("after the next rotation");
    }
}

#[test]
fn a_production_environment_wants_its_name() {
    let table = "way_production_table";
    let options = ShopOptions {
        protect: Some("production"),
        ..ShopOptions::default()
    };
    let shop = needy("way_production", options, table);
    shop.rotate(&["--confirm", "shop/orders"]).expect_code(5);
    let before = state(&shop);
    // Agreeing without the name, and with another one.
    for more in [&["--yes"][..], &["--yes", "--confirm", "shop/other"]] {
        let run = abandon(&shop, "db", more).expect_code(4);
        assert_eq!(result_of(&run)["status"], "refused", "{run:#?}");
        run.expect_told(&["--confirm", "shop/orders"]);
    }
    assert_eq!(state(&shop), before);
    give_table(shop.server(), table);
    for more in [&["--yes"][..], &["--yes", "--confirm", "shop/other"]] {
        let run = retry(&shop, more).expect_code(4);
        assert_eq!(result_of(&run)["status"], "refused", "{run:#?}");
        run.expect_told(&["--confirm", "shop/orders"]);
    }
    assert_eq!(state(&shop), before);
    let agreed = ["--yes", "--confirm", "shop/orders"];
    let result = result_of(&abandon(&shop, "db", &agreed).expect_code(0));
    assert_eq!(result["paths"][0]["status"], "abandoned", "{result:#}");
    let current = shop.assert_current_logs_in("after abandoning");
    assert_eq!(current.name, shop.first.name);
}
