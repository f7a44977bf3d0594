//! The first rotation of a rotated secret without `state`: who is connected tells which
//! user is idle, and where that cannot be told nothing is changed.

use std::fs;

use serde_json::Value;

use crate::contract::{assert_refused, result_of};
use crate::crash::managing_sessions;
use crate::editing::definition;
use crate::harness::{HeldSession, server, wait_until};
use crate::rotation::wait_for_alter;
use crate::shop::{Account, Shop, ShopOptions};
use crate::terminal::Terminal;

/// A shop of which nobody has written down which user consumers read.
fn without_state(name: &str, options: ShopOptions) -> Shop {
    let shop = Shop::bare(name, options);
    let document = shop.orders_document();
    let (inputs, _) = document.split_once("      state:").expect("has a state");
    let text = format!("{inputs}  after: kept   # what follows\n");
    fs::write(shop.file("orders.yaml"), text).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    shop
}

fn verifiers(shop: &Shop) -> [String; 2] {
    [&shop.first, &shop.second].map(|account| shop.verifier_of(account))
}

fn open(shop: &Shop) -> Value {
    let words = ["env", "open", "shop/orders", "db", "--output", "json"];
    shop.run(&words).expect_code(0).json()
}

/// `rotated` is current with a password of ours; the other one is previous without any.
#[track_caller]
fn expect_adopted(shop: &Shop, rotated: &Account, other: &Account) {
    let current = shop.assert_current_logs_in("after the first rotation");
    assert_eq!(current.name, rotated.name);
    let opened = open(shop);
    assert_eq!(opened["previous"]["username"], other.name.as_str());
    assert!(
        opened["previous"].get("password").is_none(),
        "previous has a password"
    );
    let outcome = server().login(&other.name, &other.password);
    assert!(
        outcome.is_accepted(),
        "the other one is untouched: {outcome:?}"
    );
}

#[test]
fn with_nobody_connected_the_first_user_is_rotated() {
    let shop = without_state("adopt_nobody", ShopOptions::default());
    let [_, second] = verifiers(&shop);
    // Before it nothing can be read, and everything says so in its own words.
    let status = shop.run(&["status", "--output", "json"]).expect_code(0);
    let paths = &status.json()["environments"];
    let orders = paths.as_array().expect("a list").iter();
    let mut orders = orders.filter(|one| one["environment"] == "shop/orders");
    let orders = orders.next().expect("is listed");
    assert_eq!(orders["paths"][0]["current"], Value::Null, "{orders:#}");
    shop.run(&["status"])
        .expect_code(0)
        .expect_told(&["shop/orders"]);
    let whole = shop.run(&["env", "open", "shop/orders", "--output", "json"]);
    let whole = whole.expect_code(0).json();
    assert_eq!(whole["after"], "kept", "the rest can be read: {whole:#}");
    let mut terminal = Terminal::console(&shop);
    terminal.see("no state yet");
    terminal.press("enter").see("no `state` yet");
    terminal.press("esc").see("R rotates who has no session");
    // The same plan as on the command line, and looking changes nothing.
    terminal.press("R").see("gets a new password");
    terminal
        .press("esc")
        .see_not("gets a new password")
        .press("q");
    assert_eq!(terminal.exit_code(), 0);
    assert_eq!(shop.verifier_of(&shop.second), second);

    let plan = result_of(&shop.plan().expect_code(0));
    assert_eq!(
        plan["paths"][0]["user"],
        shop.first.name.as_str(),
        "{plan:#}"
    );
    let result = result_of(&shop.rotate(&[]).expect_code(0));
    assert_eq!(result["paths"][0]["user"], shop.first.name.as_str());
    expect_adopted(&shop, &shop.first, &shop.second);
    assert_eq!(verifiers(&shop)[1], second);

    let text = definition(&shop, "shop/orders");
    for kept in [
        "# The orders service reads this.",
        "greeting: hello   # not a secret",
        "rotateUsers:   # they take turns",
        "after: kept   # what follows",
    ] {
        assert!(text.contains(kept), "no `{kept}` in {text}");
    }
    let status = shop.run(&["status", "shop/orders", "--output", "json"]);
    let status = status.expect_code(0).json();
    let path = &status["environments"][0]["paths"][0];
    assert_eq!(path["current"], shop.first.name.as_str(), "{status:#}");
    assert_eq!(path["previous"], shop.second.name.as_str(), "{status:#}");
    let mut terminal = Terminal::console(&shop);
    terminal.see(&format!("{} promoted", shop.first.name));
    terminal
        .press("enter")
        .see("● valid")
        .see("no password known");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);

    // The second one, whose `previous` has no known password.
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the second rotation");
    assert_eq!(current.name, shop.second.name);
    let previous = crate::shop::account_at(&open(&shop), "/previous");
    assert_eq!(previous.name, shop.first.name);
    assert!(
        server()
            .login(&previous.name, &previous.password)
            .is_accepted()
    );
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the third rotation");
}

#[test]
fn sessions_of_one_user_mean_that_the_other_is_rotated() {
    for (index, name) in ["adopt_first", "adopt_second"].into_iter().enumerate() {
        let shop = without_state(name, ShopOptions::default());
        let pair = [&shop.first, &shop.second];
        let (used, idle) = (pair[index], pair[1 - index]);
        let before = verifiers(&shop);
        let consumer = HeldSession::open(&used.name, &used.password);
        let result = result_of(&shop.rotate(&[]).expect_code(0));
        assert_eq!(result["paths"][0]["user"], idle.name.as_str(), "{result:#}");
        expect_adopted(&shop, idle, used);
        assert_eq!(
            verifiers(&shop)[index],
            before[index],
            "consumers are untouched"
        );
        consumer.run("SELECT 1");

        // Who still uses the other one is not cut off by the second rotation either.
        assert_refused(&shop.rotate(&[]), "not-drained");
        drop(consumer);
        wait_until("the session is seen to be gone", || {
            shop.rotate(&[]).code() == Some(0)
        });
        let current = shop.assert_current_logs_in("after the second rotation");
        assert_eq!(current.name, used.name);
    }
}

#[test]
fn sessions_of_both_users_refuse_it() {
    let shop = without_state("adopt_both", ShopOptions::default());
    let before = (verifiers(&shop), shop.revision_count());
    let pair = [&shop.first, &shop.second];
    let sessions = pair.map(|one| HeldSession::open(&one.name, &one.password));
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = assert_refused(&run, "no-state");
        assert_eq!(result["rotation"], Value::Null, "{result:#}");
        run.expect_told(&["sessions of both", "state: {current:"]);
    }
    assert_eq!((verifiers(&shop), shop.revision_count()), before);
    drop(sessions);
    wait_until("the sessions are seen to be gone", || {
        shop.rotate(&[]).code() == Some(0)
    });
    expect_adopted(&shop, &shop.first, &shop.second);
}

#[test]
fn a_masked_view_refuses_it() {
    let options = ShopOptions {
        managing_sees_sessions: false,
        ..ShopOptions::default()
    };
    let shop = without_state("adopt_masked", options);
    let before = (verifiers(&shop), shop.revision_count());
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = assert_refused(&run, "no-state");
        assert_eq!(result["rotation"], Value::Null, "{result:#}");
        run.expect_told(&["does not see all sessions", "as a superuser: GRANT"]);
    }
    assert_eq!((verifiers(&shop), shop.revision_count()), before);
}

/// Killed while its ALTER waits, which the server then carries out.
#[test]
fn killed_in_the_middle_it_is_finished_by_recover() {
    let shop = without_state(
        "adopt_killed",
        ShopOptions {
            lock_timeout: "60s",
            statement_timeout: "60s",
            ..ShopOptions::default()
        },
    );
    let consumer = HeldSession::open(&shop.first.name, &shop.first.password);
    let before = verifiers(&shop);
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(&shop);
    rotation.kill();
    // Which user is idle stands in the journal; who is connected by now does not matter.
    let late = HeldSession::open(&shop.second.name, &shop.second.password);
    drop(late);
    drop(lock);
    wait_until("the abandoned session has ended", || {
        managing_sessions(&shop) == 0
    });
    let explain = ["recover", "shop/orders", "--explain"];
    shop.run(&explain)
        .expect_code(0)
        .expect_told(&["applied", "no password of", "is known here"]);
    let recover = ["recover", "shop/orders", "--yes", "--output", "json"];
    let result = result_of(&shop.run(&recover).expect_code(0));
    assert_eq!(result["status"], "done", "{result:#}");
    expect_adopted(&shop, &shop.second, &shop.first);
    assert_eq!(verifiers(&shop)[0], before[0], "consumers are untouched");
    consumer.run("SELECT 1");
    drop(consumer);
    wait_until("the session is seen to be gone", || {
        shop.rotate(&[]).code() == Some(0)
    });
    shop.assert_current_logs_in("after the second rotation");
}
