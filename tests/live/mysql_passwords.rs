//! Second passwords of MySQL and MariaDB, and a policy that lets none pass.

use handover::secret::{CACHING_SHA2_SALT_LENGTH, CachingSha2Hash, NativePasswordHash};

use crate::cases::passed;
use crate::contract::assert_refused;
use crate::mysql_scenarios::{
    expect_named, expect_no_foreign_words, expect_remedy, expect_stopped_in, private,
};
use crate::scenes::{expect_completed, expect_parked, needy_on};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    both_accepted
}

/// An administrator gives the idle user a password beside the one that it has.
#[track_caller]
fn set_beside(shop: &Shop, account: &Account) {
    let user = format!("`{}`@`%`", account.name);
    if shop.options.engine == ShopEngine::MySql {
        let salt = [8; CACHING_SHA2_SALT_LENGTH];
        let hash = CachingSha2Hash::derive(&account.password, &salt).expect("derives");
        shop.run_sql(&format!(
            "ALTER USER {user} IDENTIFIED WITH caching_sha2_password AS {} RETAIN CURRENT PASSWORD",
            &*hash.hex_literal()
        ));
        return;
    }
    let stored = shop.stored_hash_of(account);
    let stored = stored.rsplit(' ').next().expect("a hash");
    let hash = NativePasswordHash::derive(&account.password).expect("derives");
    shop.run_sql(&format!(
        "ALTER USER {user} IDENTIFIED VIA mysql_native_password USING '{stored}' \
         OR mysql_native_password USING '{}'",
        hash.as_str()
    ));
}

/// After S3 somebody lets the earlier password in again, beside the new one.
fn both_accepted(engine: ShopEngine) {
    let table = "case_both_table";
    let Some(shop) = needy_on(engine, "case_both", ShopOptions::default(), table) else {
        return;
    };
    shop.rotate(&[]).expect_code(5);
    set_beside(&shop, &shop.second);
    let evidence = [
        "with the pending password: valid",
        "with the previous password: valid",
    ];
    expect_named(&shop, "both-accepted", 0, &evidence);
    shop.assert_current_logs_in("while it is open");
    let run = expect_parked(&shop, "both-accepted");
    expect_no_foreign_words(&run);
    expect_remedy(
        &run.json(),
        &["DISCARD OLD PASSWORD", "handover recover shop/orders"],
    );
    assert_eq!(shop.current().name, shop.first.name, "nothing was promoted");
    // The second password ends; the earlier one is left, and is changed once more.
    match engine {
        ShopEngine::MySql => drop(shop.run_sql(&format!(
            "ALTER USER `{}`@`%` DISCARD OLD PASSWORD",
            shop.second.name
        ))),
        _ => shop.set_password(&shop.second),
    }
    shop.run_sql(&format!("CREATE TABLE shop.{table} (a int)"));
    expect_completed(&shop, &shop.second);
    assert!(!shop.logs_in(&shop.second), "the earlier password is gone");
    passed(engine, "both-accepted");
}

/// A second password that MySQL has retained is dead after the rotation, and so is the one
/// that was set beside it.
#[test]
fn a_retained_password_on_mysql_ends_with_the_rotation() {
    let Some(shop) = Shop::open_on(ShopEngine::MySql, "retained", ShopOptions::default()) else {
        return;
    };
    let beside = Account::new(shop.second.name.clone());
    set_beside(&shop, &beside);
    let both = [&shop.second, &beside];
    assert!(both.iter().all(|account| shop.logs_in(account)));
    let plan = shop
        .run(&["rotate", "shop/orders", "--plan"])
        .expect_code(0);
    println!("{}", plan.told());
    plan.expect_told(&[
        "a second password that MySQL retained",
        "DISCARD OLD PASSWORD",
    ]);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, shop.second.name);
    assert!(both.iter().all(|account| !shop.logs_in(account)));
}

/// MySQL's policies look at no hash, and so there is nothing to refuse.
#[test]
fn policies_of_mysql_let_hashes_pass() {
    let Some(shop) = Shop::open_on(ShopEngine::MySql, "policies", private()) else {
        return;
    };
    shop.run_sql("INSTALL COMPONENT 'file://component_validate_password'");
    shop.run_sql(
        "SET GLOBAL validate_password.policy = STRONG, GLOBAL validate_password.length = 64, \
         GLOBAL password_history = 9, GLOBAL password_reuse_interval = 365, \
         GLOBAL password_require_current = ON",
    );
    let policy = "SELECT VALIDATE_PASSWORD_STRENGTH('short')";
    assert_eq!(shop.run_sql(policy)[0][0].as_deref(), Some("25"));
    for _ in 0..3 {
        shop.rotate(&[]).expect_code(0);
        shop.assert_current_logs_in("under a strong policy");
    }
}

/// A user with several ways to log in is left alone, since a change would end all but one.
#[test]
fn several_ways_to_log_in_are_refused_on_mariadb() {
    let options = ShopOptions::default();
    let Some(shop) = Shop::open_on(ShopEngine::MariaDb, "ways", options) else {
        return;
    };
    let beside = Account::new(shop.second.name.clone());
    set_beside(&shop, &beside);
    let run = shop.rotate(&[]);
    assert_refused(&run, "no-such-user");
    expect_no_foreign_words(&run);
    run.expect_told(&["several ways to log in", "leave it one: ALTER USER"]);
    assert!([&shop.second, &beside].iter().all(|one| shop.logs_in(one)));
    shop.set_password(&beside);
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after one way was left");
    assert!(!shop.logs_in(&beside) && !shop.logs_in(&shop.second));
}

/// A policy of passwords, which MariaDB has refuse all hashes, since it cannot look into
/// them. It says so only to whoever asks.
#[test]
fn refused_password_on_mariadb() {
    let engine = ShopEngine::MariaDb;
    let Some(shop) = Shop::open_on(engine, "case_policy", private()) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    shop.run_sql("INSTALL SONAME 'simple_password_check'");
    let run = shop.rotate(&[]).expect_code(5);
    expect_stopped_in(&run, "refused-password");
    run.expect_told(&["--strict-password-validation", "1290"]);
    expect_named(
        &shop,
        "refused-password",
        0,
        &[
            "with the current password: valid",
            "--strict-password-validation",
            "drop the rejected password and make another",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    let run = expect_parked(&shop, "refused-password");
    let remedy = "SET GLOBAL strict_password_validation = OFF;";
    run.expect_told(&[remedy, "handover recover shop/orders"]);
    assert_eq!(shop.stored_hash_of(&shop.second), before);
    shop.run_sql(remedy);
    expect_completed(&shop, &shop.second);
    passed(engine, "refused-password");
}
