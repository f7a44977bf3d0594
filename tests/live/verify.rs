//! `handover verify`: what the store expects against what the databases accept.

use serde_json::Value;

use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

#[track_caller]
fn verified(shop: &Shop, code: i32) -> Value {
    let run = shop
        .run(&["verify", "shop/orders", "--output", "json"])
        .expect_code(code)
        .expect_no_stack_trace();
    let value = run.json();
    let path = &value["environments"][0]["paths"][0];
    assert_eq!(path["path"], "db", "{value:#}");
    path.clone()
}

/// `expected found verdict` of one credential.
#[track_caller]
fn told(path: &Value, role: &str) -> String {
    let credentials = path["credentials"].as_array().expect("a list");
    let one = credentials.iter().find(|one| one["role"] == role);
    let one = one.unwrap_or_else(|| panic!("no {role}: {path:#}"));
    let word = |member: &str| one[member].as_str().expect("a word").to_owned();
    [word("expected"), word("found"), word("verdict")].join(" ")
}

fn another(account: &Account) -> Account {
    Account::new(account.name.clone())
}

fn each_stage_is_as_expected(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "verifywell", ShopOptions::default()) else {
        return;
    };
    let ways_in = |shop: &Shop| [shop.way_in_of(&shop.first), shop.way_in_of(&shop.second)];
    let fine = "valid valid as-expected";
    let before = ways_in(&shop);
    let path = verified(&shop, 0);
    for role in ["current", "previous", "managing"] {
        assert_eq!(told(&path, role), fine, "{path:#}");
    }
    shop.rotate(&[]).expect_code(0);
    let path = verified(&shop, 0);
    assert_eq!(told(&path, "current"), fine);
    assert_eq!(told(&path, "previous"), fine);
    let retire = [
        "retire",
        "shop/orders",
        "db",
        "--yes",
        "--waive-drain",
        "a test",
    ];
    shop.run(&retire).expect_code(0);
    let locked = ways_in(&shop);
    let path = verified(&shop, 0);
    assert_eq!(told(&path, "previous"), "locked locked as-expected");
    assert_eq!(ways_in(&shop), locked, "looking changes nothing");
    assert_ne!(before, locked, "the rotation and the lock did");
    shop.run(&retire).expect_code(0);
    let path = verified(&shop, 0);
    assert_eq!(told(&path, "previous"), "scrambled locked as-expected");
    shop.assert_current_logs_in("at the end");
}

fn a_rival_is_named_with_what_the_server_tells(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "verifyrival", ShopOptions::default()) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    // The first user is the idle one now.
    shop.set_password(&another(&shop.first));
    let path = verified(&shop, 5);
    assert_eq!(told(&path, "current"), "valid valid as-expected");
    assert_eq!(told(&path, "previous"), "valid refused drifted");
    assert_eq!(path["verdict"], "drifted");
    let words = path["words"].to_string();
    assert!(words.contains("rival-owner: "), "{path:#}");
    match engine {
        ShopEngine::Postgres => assert!(words.contains("PostgreSQL does not tell"), "{path:#}"),
        _ => assert!(words.contains("by the server's clock"), "{path:#}"),
    }
    assert!(words.contains("no other rotated secret"), "{path:#}");
    let run = shop.run(&["verify"]).expect_code(5);
    run.expect_told(&[
        "drifted",
        "rival-owner",
        "0 of 1 rotated secrets as expected",
    ]);
    // What consumers read, too.
    shop.set_password(&another(&shop.second));
    let path = verified(&shop, 5);
    assert_eq!(told(&path, "current"), "valid refused current-dead");
    assert!(
        path["words"].to_string().contains("store-behind: "),
        "{path:#}"
    );
    assert_eq!(shop.revision_count(), 2, "nothing was written");
}

macro_rules! for_all {
    ($($name:ident)*) => {
        for_both! { $($name)* }
        mod postgres {
            $(#[test] fn $name() { super::$name(crate::shop::ShopEngine::Postgres); })*
        }
    };
}

for_all! {
    each_stage_is_as_expected
    a_rival_is_named_with_what_the_server_tells
}

#[test]
fn a_locked_user_that_somebody_lets_in_again_is_a_drift() {
    let shop = Shop::open("verifylock", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let retire = [
        "retire",
        "shop/orders",
        "db",
        "--yes",
        "--waive-drain",
        "a test",
    ];
    shop.run(&retire).expect_code(0);
    let role = crate::harness::identifier(&shop.first.name);
    shop.run_sql(&format!("ALTER ROLE {role} LOGIN"));
    let path = verified(&shop, 5);
    assert_eq!(told(&path, "previous"), "locked unlocked drifted");
    shop.run_sql(&format!("ALTER ROLE {role} NOLOGIN"));
    assert_eq!(
        told(&verified(&shop, 0), "previous"),
        "locked locked as-expected"
    );
    // So is one whose password was scrambled, which the next step locks again.
    shop.run(&retire).expect_code(0);
    shop.run_sql(&format!("ALTER ROLE {role} LOGIN"));
    let path = verified(&shop, 5);
    assert_eq!(told(&path, "previous"), "scrambled unlocked drifted");
    shop.run(&retire).expect_code(0);
    let path = verified(&shop, 0);
    assert_eq!(told(&path, "previous"), "locked locked as-expected");
    // One that lets nobody in that consumers read is worse.
    let role = crate::harness::identifier(&shop.second.name);
    shop.run_sql(&format!("ALTER ROLE {role} NOLOGIN"));
    let path = verified(&shop, 5);
    assert_eq!(told(&path, "current"), "valid locked current-dead");
}

#[test]
fn another_rotated_secret_with_the_same_pair_is_named() {
    let shop = Shop::open("verifypair", ShopOptions::default());
    // By another name of the same host, which no save can tell.
    let document = shop.orders_document().replace("127.0.0.1", "localhost");
    std::fs::write(shop.file("copy.yaml"), document).expect("writes");
    let file = shop.file("copy.yaml").display().to_string();
    shop.run(&["env", "init", "shop/copy", "-f", &file])
        .expect_code(0);
    shop.set_password(&another(&shop.second));
    let path = verified(&shop, 5);
    assert_eq!(told(&path, "previous"), "valid refused drifted");
    let words = path["words"].to_string();
    assert!(words.contains("db of shop/copy at localhost"), "{path:#}");
}

#[test]
fn silence_is_no_drift_and_has_its_own_exit_code() {
    let mut shop = Shop::bare("verifysilent", ShopOptions::default());
    // Nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    shop.port = closed.local_addr().expect("an address").port();
    drop(closed);
    shop.write_orders();
    shop.init();
    let path = verified(&shop, 6);
    assert_eq!(told(&path, "current"), "valid unknown unreachable");
    assert_eq!(path["verdict"], "unreachable");
    shop.run(&["verify", "shop/ordres"])
        .expect_code(2)
        .expect_told(&["did you mean shop/orders?"]);
}

#[test]
fn who_looks_often_shuts_nobody_out() {
    let options = ShopOptions {
        pair_has: "FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME UNBOUNDED",
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(ShopEngine::MySql, "verifycounted", options) else {
        return;
    };
    let path = verified(&shop, 0);
    assert_eq!(told(&path, "current"), "valid valid as-expected");
    assert_eq!(told(&path, "previous"), "valid not tried as-expected");
    let changed = another(&shop.first);
    shop.set_password(&changed);
    for _ in 0..5 {
        let path = verified(&shop, 5);
        assert_eq!(
            told(&path, "current"),
            "valid refused current-dead",
            "{path:#}"
        );
    }
    assert!(
        shop.logs_in(&changed),
        "two wrong passwords were left to others"
    );
}
