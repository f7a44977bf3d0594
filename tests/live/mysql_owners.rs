//! Whose a pair is on MySQL and MariaDB, and the first rotation of one without `state`: who is
//! connected tells which user is idle, and where that cannot be told nothing is changed.

use std::fs;

use serde_json::Value;

use crate::contract::{assert_refused, result_of};
use crate::harness::wait_until;
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::mysql_world::show;
use crate::ownership::{code_of, init_billing};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    a_second_owner_of_a_pair_is_refused_when_it_is_saved_or_met
    with_nobody_connected_the_first_user_is_rotated
    sessions_of_one_user_mean_that_the_other_is_rotated
    sessions_of_both_users_refuse_it
    a_masked_view_refuses_it
}

fn a_second_owner_of_a_pair_is_refused_when_it_is_saved_or_met(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "owner", ShopOptions::default()) else {
        return;
    };
    let run = init_billing(&shop, "greeting: hello", "greeting: again").expect_code(4);
    show(&run);
    assert_eq!(code_of(&run), "owned-elsewhere");
    run.expect_told(&[&shop.first.name, "db of shop/orders"]);

    // Under another name of the host it is known by the server's identity, once it was met.
    init_billing(&shop, "host: 127.0.0.1", "host: localhost").expect_code(0);
    shop.rotate(&[]).expect_code(0);
    let before = hashes(&shop);
    let rotate = ["rotate", "shop/billing", "--yes", "--output", "json"];
    let run = shop.run(&rotate).expect_code(4);
    show(&run);
    expect_no_foreign_words(&run);
    let result = run.json();
    assert_eq!(result["paths"][0]["case"], "owned-elsewhere", "{run:#?}");
    run.expect_told(&["db of shop/orders"]);
    assert_eq!(hashes(&shop), before, "nothing was changed");
    let run = shop.run(&["doctor", "shop/billing"]);
    expect_no_foreign_words(&run);
    run.expect_told(&["belongs to the rotated secret db of shop/orders"]);
}

/// A shop of which nobody has written down which user consumers read.
fn without_state(engine: ShopEngine, name: &str, options: ShopOptions) -> Option<Shop> {
    let shop = Shop::bare_on(engine, name, options)?;
    let document = shop.orders_document();
    let (inputs, _) = document.split_once("      state:").expect("has a state");
    fs::write(shop.file("orders.yaml"), inputs).expect("writes");
    shop.init();
    Some(shop)
}

fn hashes(shop: &Shop) -> [String; 2] {
    [&shop.first, &shop.second].map(|account| shop.stored_hash_of(account))
}

/// `rotated` is current with a password of ours; the other one is previous without any.
#[track_caller]
fn expect_adopted(shop: &Shop, rotated: &Account, other: &Account) {
    let current = shop.assert_current_logs_in("after the first rotation");
    assert_eq!(current.name, rotated.name);
    let words = ["env", "open", "shop/orders", "db", "--output", "json"];
    let previous = shop.run(&words).expect_code(0).json()["previous"].clone();
    assert_eq!(previous["username"], other.name.as_str());
    assert!(previous.get("password").is_none(), "it has a password");
    assert!(shop.logs_in(other), "the other one is untouched");
}

fn with_nobody_connected_the_first_user_is_rotated(engine: ShopEngine) {
    let Some(shop) = without_state(engine, "nobody", ShopOptions::default()) else {
        return;
    };
    let before = hashes(&shop);
    let run = shop.run(&["rotate", "shop/orders", "--plan"]);
    show(&run);
    expect_no_foreign_words(&run);
    run.expect_code(0).expect_told(&[&shop.first.name]);
    let result = result_of(&shop.rotate(&[]).expect_code(0));
    assert_eq!(result["paths"][0]["user"], shop.first.name.as_str());
    expect_adopted(&shop, &shop.first, &shop.second);
    assert_eq!(hashes(&shop)[1], before[1]);
    for idle in [&shop.second, &shop.first] {
        shop.rotate(&[]).expect_code(0);
        let current = shop.assert_current_logs_in("after a later rotation");
        assert_eq!(current.name, idle.name);
    }
}

fn sessions_of_one_user_mean_that_the_other_is_rotated(engine: ShopEngine) {
    for (index, name) in ["on_first", "on_second"].into_iter().enumerate() {
        let Some(shop) = without_state(engine, name, ShopOptions::default()) else {
            return;
        };
        let pair = [&shop.first, &shop.second];
        let (used, idle) = (pair[index], pair[1 - index]);
        let before = hashes(&shop);
        let consumer = shop.hold_session(used);
        let result = result_of(&shop.rotate(&[]).expect_code(0));
        assert_eq!(result["paths"][0]["user"], idle.name.as_str(), "{result:#}");
        expect_adopted(&shop, idle, used);
        assert_eq!(hashes(&shop)[index], before[index], "untouched");
        // Who still uses the other one is not cut off by the second rotation either.
        assert_refused(&shop.rotate(&[]), "not-drained");
        drop(consumer);
        wait_until("the session is gone", || shop.sessions_of(used) == 0);
        shop.rotate(&[]).expect_code(0);
        let current = shop.assert_current_logs_in("after the second rotation");
        assert_eq!(current.name, used.name);
    }
}

fn sessions_of_both_users_refuse_it(engine: ShopEngine) {
    let Some(shop) = without_state(engine, "on_both", ShopOptions::default()) else {
        return;
    };
    let before = (hashes(&shop), shop.revision_count());
    let sessions = [&shop.first, &shop.second].map(|one| shop.hold_session(one));
    for run in [shop.plan(), shop.rotate(&[])] {
        show(&run);
        expect_no_foreign_words(&run);
        let result = assert_refused(&run, "no-state");
        assert_eq!(result["rotation"], Value::Null, "{result:#}");
        run.expect_told(&["sessions of both", "state: {current:"]);
    }
    assert_eq!((hashes(&shop), shop.revision_count()), before);
    drop(sessions);
    wait_until("the sessions are gone", || {
        shop.sessions_of(&shop.first) + shop.sessions_of(&shop.second) == 0
    });
    shop.rotate(&[]).expect_code(0);
    expect_adopted(&shop, &shop.first, &shop.second);
}

fn a_masked_view_refuses_it(engine: ShopEngine) {
    let options = ShopOptions {
        managing_sees_sessions: false,
        ..ShopOptions::default()
    };
    let Some(shop) = without_state(engine, "blind", options) else {
        return;
    };
    let before = (hashes(&shop), shop.revision_count());
    for run in [shop.plan(), shop.rotate(&[])] {
        show(&run);
        expect_no_foreign_words(&run);
        let result = assert_refused(&run, "no-state");
        assert_eq!(result["rotation"], Value::Null, "{result:#}");
        run.expect_told(&["does not see all sessions", "as an administrator: GRANT"]);
    }
    assert_eq!((hashes(&shop), shop.revision_count()), before);
    let right = match engine {
        ShopEngine::MySql => "SELECT ON performance_schema.*",
        _ => "PROCESS ON *.*",
    };
    shop.run_sql(&format!("GRANT {right} TO `{}`@`%`", shop.managing.name));
    shop.rotate(&[]).expect_code(0);
    expect_adopted(&shop, &shop.first, &shop.second);
}
