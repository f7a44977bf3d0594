//! Ways back on a server with older data, and while a rotation is open.

use crate::cases::passed;
use crate::rollback::{expect_done, expect_plan, expect_refused, expect_well, rollback};
use crate::scenes::{stop_after_s3, stop_before_s3};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};
use crate::{identity, mysql_down, mysql_world, scenarios_down};

for_both! {
    restored
    a_new_password_that_is_set_already_is_promoted
    an_open_rotation_of_which_nothing_was_sent_makes_room
}

mod postgres {
    use crate::shop::ShopEngine::Postgres;

    #[test]
    fn restored() {
        super::restored(Postgres);
    }

    #[test]
    fn a_new_password_that_is_set_already_is_promoted() {
        super::a_new_password_that_is_set_already_is_promoted(Postgres);
    }

    #[test]
    fn an_open_rotation_of_which_nothing_was_sent_makes_room() {
        super::an_open_rotation_of_which_nothing_was_sent_makes_room(Postgres);
    }
}

const NAMED: [&str; 3] = ["--yes", "--confirm", "shop/orders"];

/// A shop on a server whose older data are put back after two more rotations.
fn put_back(engine: ShopEngine) -> Option<Shop> {
    let rotate = |shop: &Shop| shop.rotate(&[]).expect_code(0);
    if engine == ShopEngine::Postgres {
        let shop = scenarios_down::private_shop("back_restored");
        rotate(&shop);
        let kept = scenarios_down::snapshot(&shop);
        identity::go_on(shop.server());
        rotate(&shop);
        rotate(&shop);
        scenarios_down::put_back(&shop, &kept);
        return Some(shop);
    }
    let shop = Shop::open_on(engine, "back_restored", mysql_world::private())?;
    rotate(&shop);
    let kept = mysql_down::backup(&shop);
    mysql_down::go_on(&shop);
    rotate(&shop);
    rotate(&shop);
    mysql_down::put_back(&shop, &kept);
    Some(shop)
}

fn restored(engine: ShopEngine) {
    let Some(shop) = put_back(engine) else {
        return;
    };
    let stored = shop.current();
    assert!(!shop.logs_in(&stored), "consumers are down");
    let planned = expect_plan(&shop, "restored", &["re-apply", "re-issue"]);
    let offer = &planned["paths"][0]["ways"][0];
    assert_eq!(offer["typed"], true, "{planned:#}");
    let words = offer["words"].to_string();
    assert!(words.contains("accepted as the right one"), "{words}");
    expect_refused(&rollback(&shop, &["--yes"]), "consumers-down");
    expect_done(&rollback(&shop, &NAMED), "re-apply");
    assert!(shop.logs_in(&stored), "consumers read on as they did");
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    assert!(told.contains("server.accepted"), "{told}");
    expect_well(&shop);
    passed(engine, "restored");
}

fn patient() -> ShopOptions {
    ShopOptions {
        own_server: true,
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    }
}

fn a_new_password_that_is_set_already_is_promoted(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "back_open", patient()) else {
        return;
    };
    stop_after_s3(&shop, &shop.second);
    // Consumers are well: what is open is brought to its end first.
    expect_refused(&rollback(&shop, &["--yes"]), "open-rotation");
    shop.set_password(&Account::new(shop.first.name.clone()));
    let planned = expect_plan(&shop, "current-dead", &["re-issue"]);
    assert_eq!(planned["paths"][0]["ways"][0]["typed"], true, "{planned:#}");
    expect_refused(&rollback(&shop, &["--yes"]), "consumers-down");
    let set = shop.stored_hash_of(&shop.second);
    let other = [&NAMED[..], &["--way", "re-apply"]].concat();
    expect_refused(&rollback(&shop, &other), "way-not-offered");
    expect_done(&rollback(&shop, &NAMED), "re-issue");
    let current = shop.assert_current_logs_in("after the way out");
    assert_eq!(current.name, shop.second.name);
    assert_eq!(shop.stored_hash_of(&shop.second), set, "nothing was sent");
    expect_well(&shop);
}

fn an_open_rotation_of_which_nothing_was_sent_makes_room(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "back_unsent", patient()) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    stop_before_s3(&shop, &shop.first);
    shop.set_password(&Account::new(shop.second.name.clone()));
    let ways = ["re-promote", "re-apply", "re-issue"];
    expect_plan(&shop, "current-dead", &ways);
    expect_refused(&rollback(&shop, &["--yes"]), "consumers-down");
    let result = expect_done(&rollback(&shop, &NAMED), "re-promote");
    assert_eq!(result["paths"][0]["user"], shop.first.name.as_str());
    let current = shop.assert_current_logs_in("after the way out");
    assert_eq!(current.name, shop.first.name);
    expect_well(&shop);
}

/// A shop whose outgoing user leaked, was locked and scrambled, and logs in again with the
/// password that it has in the older data.
fn put_back_after_a_leak(name: &str) -> Shop {
    let shop = scenarios_down::private_shop(name);
    let rotate = |more: &[&str]| shop.rotate(more);
    rotate(&[]).expect_code(0);
    let kept = scenarios_down::snapshot(&shop);
    identity::go_on(shop.server());
    rotate(&[]).expect_code(0);
    rotate(&["--compromised", "--reason", "it stood in a log"]).expect_code(0);
    assert!(!shop.logs_in(&shop.first), "it is shut out");
    scenarios_down::put_back(&shop, &kept);
    assert!(shop.logs_in(&shop.first), "the older data let it in again");
    let run = shop.run(&["verify", "shop/orders", "--output", "json"]);
    let found = &run.expect_code(5).json()["environments"][0]["paths"][0];
    let idle = &found["credentials"][1];
    assert_eq!(idle["expected"], "scrambled", "{found:#}");
    assert_eq!(idle["found"], "unlocked", "{found:#}");
    assert_eq!(idle["verdict"], "drifted", "{found:#}");
    shop
}

/// It is told with its command, in the audit log too, and is shut out by that command.
#[track_caller]
fn expect_revived(shop: &Shop) {
    let told = shop.run(&["recover"]).expect_code(5);
    told.expect_told(&[
        "leaked, and it is not locked yet",
        "handover retire shop/orders",
    ]);
    let log = shop
        .run(&["audit", "ls", "--output", "json"])
        .expect_code(0);
    let log = log.json();
    let mut entries = log["entries"].as_array().expect("a list").iter();
    let accepted = entries.find(|one| one["action"] == "server.accepted");
    let revived = &accepted.expect("it is audited")["detail"]["let-in-again"];
    assert_eq!(revived["user"], shop.first.name.as_str(), "{log:#}");
    assert_eq!(revived["was"], "scrambled", "{log:#}");
    let retire = ["retire", "shop/orders", "db", "--yes", "--output", "json"];
    let report = shop.run(&retire).expect_code(0).json();
    assert_eq!(report["stage"], "scrambled", "{report:#}");
    assert!(!shop.logs_in(&shop.first), "it is shut out again");
    shop.run(&["recover"]).expect_code(0);
}

#[test]
fn a_way_back_on_older_data_tells_of_the_leak_that_they_let_in_again() {
    let shop = put_back_after_a_leak("back_revived");
    expect_done(&rollback(&shop, &NAMED), "re-apply");
    expect_revived(&shop);
    expect_well(&shop);
}

#[test]
fn an_accepted_server_tells_of_the_leak_that_it_lets_in_again() {
    let shop = put_back_after_a_leak("accept_revived");
    shop.set_password(&shop.current());
    scenarios_down::accept_server(&shop).expect_code(0);
    expect_revived(&shop);
    expect_well(&shop);
}
