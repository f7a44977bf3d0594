//! Users as MySQL and MariaDB know them: counted wrong passwords, several rows of one name,
//! and names that would break a careless statement.

use crate::contract::result_of;
use crate::harness::wait_until;
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::rotation::wait_for_alter;
use crate::scenes::{ROTATE, recover};
use crate::shop::{Account, MariaDbPlugin, Shop, ShopEngine, ShopOptions, account_at};

for_both! {
    counted_wrong_passwords_shut_nobody_out
    all_rows_of_a_user_are_named
    hostile_names_are_names
    looking_at_dead_consumers_writes_no_journal_and_shuts_nobody_out
}

/// A rotation is killed while its change waits for a lock, which is then given back.
#[track_caller]
fn kill_and_recover(shop: &Shop, idle: &Account) {
    let lock = shop.lock_the_user(idle);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(shop);
    rotation.kill();
    drop(lock);
    wait_until("what was left behind has ended", || {
        shop.sessions_of(&shop.managing) == 0
    });
    shop.run(&["recover", "shop/orders", "--explain"])
        .expect_code(0);
    let result = result_of(&recover(shop).expect_code(0));
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, idle.name);
}

/// MySQL counts per user (FAILED_LOGIN_ATTEMPTS), MariaDB for all (`max_password_errors`).
fn counted_wrong_passwords_shut_nobody_out(engine: ShopEngine) {
    let options = ShopOptions {
        own_server: true,
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "counted", options) else {
        return;
    };
    for attempts in 1..=3 {
        match engine {
            ShopEngine::MySql => {
                for account in [&shop.first, &shop.second] {
                    shop.run_sql(&format!(
                        "ALTER USER `{}`@`%` FAILED_LOGIN_ATTEMPTS {attempts} \
                         PASSWORD_LOCK_TIME UNBOUNDED",
                        account.name
                    ));
                }
            }
            _ => drop(shop.run_sql(&format!("SET GLOBAL max_password_errors = {attempts}"))),
        }
        let plan = shop
            .run(&["rotate", "shop/orders", "--plan"])
            .expect_code(0);
        plan.expect_told(&[&format!("after {attempts} wrong password")]);
        let doctor = shop.run(&["doctor", "shop/orders"]).expect_code(0);
        expect_no_foreign_words(&doctor);
        for _ in 0..2 {
            shop.rotate(&[]).expect_code(0);
            shop.assert_current_logs_in("after a rotation");
        }
        kill_and_recover(&shop, &shop.second);
        assert!(shop.logs_in(&shop.current()));
        kill_and_recover(&shop, &shop.first);
        // Whoever is not current was not shut out either.
        let opened = shop.run(&["env", "open", "shop/orders", "db", "--output", "json"]);
        let previous = account_at(&opened.json(), "/previous");
        assert!(shop.logs_in(&previous), "{:?}", shop.login(&previous));
        shop.run(&["doctor", "shop/orders"]).expect_code(0);
    }
}

fn all_rows_of_a_user_are_named(engine: ShopEngine) {
    let options = ShopOptions {
        hosts: &["%", "10.1.%", "app-1.example"],
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "named", options) else {
        return;
    };
    let plan = shop
        .run(&["rotate", "shop/orders", "--plan"])
        .expect_code(0);
    let doctor = shop.run(&["doctor", "shop/orders"]).expect_code(0);
    println!("{}\n{}", plan.told(), doctor.told());
    for run in [plan, doctor] {
        expect_no_foreign_words(&run);
        let named = shop.options.hosts.iter();
        let named: Vec<String> = named
            .map(|host| format!("`{}`@`{host}`", shop.second.name))
            .collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        run.expect_told(&named);
    }
    let before = shop.stored_hash_of(&shop.second);
    shop.rotate(&[]).expect_code(0);
    let after = shop.stored_hash_of(&shop.second);
    assert_eq!(after.split("; ").count(), 3, "{after}");
    for (before, after) in before.split("; ").zip(after.split("; ")) {
        assert_ne!(before, after, "this row was left out");
    }
}

fn hostile_names_are_names(engine: ShopEngine) {
    let names = [
        "it's; DROP",
        "back`tick",
        "back\\slash",
        "\"double\" and space",
        "Grüße 用户 é",
        "percent%and_under",
        "at@host",
        // The longest that MySQL takes.
        "x2345678901234567890123456789012",
        "'',''--\\",
    ];
    for name in names {
        for mariadb_plugin in [MariaDbPlugin::Native, MariaDbPlugin::Ed25519] {
            if engine == ShopEngine::MySql && mariadb_plugin == MariaDbPlugin::Ed25519 {
                continue;
            }
            let options = ShopOptions {
                second_user: Some(name.to_owned()),
                mariadb_plugin,
                ..ShopOptions::default()
            };
            let Some(shop) = Shop::open_on(engine, "odd", options) else {
                return;
            };
            let plan = shop.plan().expect_code(0);
            plan.expect_told(&[name]);
            shop.rotate(&[]).expect_code(0);
            let current = shop.assert_current_logs_in(name);
            assert_eq!(current.name, name);
            let doctor = shop.run(&["doctor", "shop/orders"]).expect_code(0);
            expect_no_foreign_words(&doctor);
            shop.rotate(&[]).expect_code(0);
            let current = shop.assert_current_logs_in(name);
            assert_eq!(current.name, shop.first.name);
            // The name is free again for the other plugin.
            let row = name.replace('`', "``");
            shop.run_sql(&format!("DROP USER `{row}`@`%`"));
        }
    }
}

/// With nothing open there is no journal that could keep count: the store does.
fn looking_at_dead_consumers_writes_no_journal_and_shuts_nobody_out(engine: ShopEngine) {
    let options = ShopOptions {
        own_server: true,
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "counted_down", options) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    match engine {
        ShopEngine::MySql => {
            for account in [&shop.first, &shop.second] {
                shop.run_sql(&format!(
                    "ALTER USER `{}`@`%` FAILED_LOGIN_ATTEMPTS 4 PASSWORD_LOCK_TIME UNBOUNDED",
                    account.name
                ));
            }
        }
        _ => drop(shop.run_sql("SET GLOBAL max_password_errors = 4")),
    }
    let theirs = [&shop.first, &shop.second].map(|one| Account::new(one.name.clone()));
    shop.set_password(&theirs[1]);
    let dead = result_of(&recover(&shop).expect_code(5));
    assert_eq!(dead["paths"][0]["case"], "current-dead", "{dead:#}");
    shop.set_password(&theirs[0]);
    let behind = result_of(&recover(&shop).expect_code(5));
    assert_eq!(behind["paths"][0]["case"], "store-behind", "{behind:#}");
    // From here on one more could be one too many, and it says so.
    for _ in 0..4 {
        let run = recover(&shop).expect_code(6);
        run.expect_told(&["not tried", "two are left to others"]);
        let plan = ["rollback", "shop/orders", "--plan", "--output", "json"];
        shop.run(&plan).expect_code(6);
    }
    for one in &theirs {
        assert!(
            shop.logs_in(one),
            "two wrong passwords were left to others: {:?}",
            shop.login(one)
        );
    }
    shop.run(&["audit", "verify"]).expect_code(0);
}
