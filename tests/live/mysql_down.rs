//! Cases of the decision table on MySQL and on MariaDB, in which consumers are down or another
//! server answers: each is brought about by what brings it about in life, named by `recover`
//! and by the console, and ended by what its remedy says.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cases::passed;
use crate::contract::{assert_refused, result_of};
use crate::harness::wait_until;
use crate::identity::copy_data;
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::mysql_world::{
    accept_server, accepts, assert_current_logs_in_at, behind_an_address, expect_needs_human,
    opened, private, promote, show,
};
use crate::scenes::{expect_case, expect_completed, expect_parked, recover, stop_after_s3};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    current_dead_since_the_user_was_locked
    current_dead_since_the_password_expired
    current_dead_while_a_rotation_is_open
    restored
    restored_while_a_rotation_is_open
    store_behind
    other_server_since_a_backup_was_put_back
    other_server_since_a_replica_took_over
    other_server_since_the_address_stands_for_another
}

/// With nothing open: consumers are well again, and the next rotation goes through.
#[track_caller]
fn expect_well(shop: &Shop) {
    let result = result_of(&recover(shop).expect_code(0));
    assert_eq!(result["rotation"], Value::Null, "{result:#}");
    assert_eq!(result["status"], "done", "{result:#}");
    shop.assert_current_logs_in("after the remedy");
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the next rotation");
}

/// A copy of the server's data folder, made while it is stopped.
pub(crate) fn backup(shop: &Shop) -> PathBuf {
    let server = shop.mysql_server();
    let kept = server.folder().join("backup");
    server.stop().expect("stops");
    copy_data(&server.data_folder(), &kept);
    server.start_again().expect("starts");
    kept
}

pub(crate) fn put_back(shop: &Shop, kept: &Path) {
    let server = shop.mysql_server();
    server.stop().expect("stops");
    copy_data(kept, &server.data_folder());
    server.start_again().expect("starts");
}

/// What a server in use does between two rotations.
pub(crate) fn go_on(shop: &Shop) {
    shop.run_sql(
        "CREATE TABLE shop.went_on (x INT PRIMARY KEY AUTO_INCREMENT, y CHAR(200)) \
         ENGINE = InnoDB; \
         INSERT INTO shop.went_on (y) VALUES ('a'), ('b'), ('c'), ('d'); \
         INSERT INTO shop.went_on (y) SELECT a.y FROM shop.went_on a, shop.went_on b, \
         shop.went_on c, shop.went_on d, shop.went_on e, shop.went_on f",
    );
    // The mark is what is on the disk; these servers write their log there once a second.
    let position = |kind: &str| -> u64 {
        let name = format!("SHOW GLOBAL STATUS LIKE 'Innodb%lsn%{kind}%'");
        let also = format!("SHOW GLOBAL STATUS LIKE 'Innodb%log%{kind}%lsn'");
        let rows = [shop.run_sql(&name), shop.run_sql(&also)].concat();
        let value = rows.first().and_then(|row| row[1].clone());
        value.expect("a position").parse().expect("a number")
    };
    let written = position("current");
    wait_until("the log is on the disk", || position("flushed") >= written);
}

/// As statements name it.
fn user(account: &Account) -> String {
    format!("`{}`@`%`", account.name)
}

/// Somebody starts the server without its tables of users, where every password is one. (MySQL
/// takes no connection from outside then.)
#[test]
fn both_accepted_since_mariadb_asks_for_no_password() {
    let engine = ShopEngine::MariaDb;
    let Some(shop) = Shop::open_on(engine, "both", private()) else {
        return;
    };
    stop_after_s3(&shop, &shop.second);
    let server = shop.mysql_server();
    let settings = server.folder().join("my.cnf");
    let sound = fs::read_to_string(&settings).expect("reads");
    let start_with = |text: &str| {
        server.stop().expect("stops");
        fs::write(&settings, text).expect("writes");
        server.start_again().expect("starts");
    };
    start_with(&format!("{sound}skip_grant_tables\n"));
    let evidence = [
        "with the pending password: valid",
        "with the previous password: valid",
    ];
    // It is looked at once more before anybody is called: replication may come in between.
    expect_case(&shop, "both-accepted", 0, &evidence);
    show(&shop.run(&["recover", "shop/orders", "--explain"]));
    let parked = expect_parked(&shop, "both-accepted");
    show(&parked);
    expect_no_foreign_words(&parked);
    parked.expect_told(&["skip_grant_tables", "handover recover shop/orders"]);
    assert_eq!(shop.current().name, shop.first.name, "nothing was promoted");
    start_with(&sound);
    expect_completed(&shop, &shop.second);
    passed(engine, "both-accepted");
}

/// Somebody locks the user that consumers read.
fn current_dead_since_the_user_was_locked(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "dead_locked", ShopOptions::default()) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    let current = user(&shop.current());
    shop.run_sql(&format!("ALTER USER {current} ACCOUNT LOCK"));
    let evidence = ["CONSUMERS DOWN", "with the current password: locked"];
    let remedy = ["who changed the password or locked the user"];
    expect_needs_human(&shop, "current-dead", &evidence, &remedy);
    shop.run_sql(&format!("ALTER USER {current} ACCOUNT UNLOCK"));
    expect_well(&shop);
    passed(engine, "current-dead");
}

fn current_dead_since_the_password_expired(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "dead_expired", ShopOptions::default()) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    let current = shop.current();
    shop.run_sql(&format!("ALTER USER {} PASSWORD EXPIRE", user(&current)));
    let evidence = ["CONSUMERS DOWN", "with the current password: expired"];
    let remedy = ["who changed the password or locked the user"];
    expect_needs_human(&shop, "current-dead", &evidence, &remedy);
    let run = shop.rotate(&[]).expect_code(5);
    expect_no_foreign_words(&run);
    assert_eq!(result_of(&run)["paths"][0]["case"], "current-dead");
    let run = shop.run(&["doctor", "shop/orders"]);
    show(&run);
    let remedy = "set the stored password once more, which ends it: ALTER USER";
    run.expect_told(&[&format!("{remedy} {} IDENTIFIED BY", user(&current))]);
    // That is what ends it; a longer lifetime does not, on MySQL.
    shop.set_password(&current);
    expect_well(&shop);
    passed(engine, "current-dead");
}

/// Somebody gives the user that consumers read another password.
fn current_dead_while_a_rotation_is_open(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "dead_open", private()) else {
        return;
    };
    stop_after_s3(&shop, &shop.second);
    let stored = shop.current();
    shop.set_password(&Account::new(shop.first.name.clone()));
    let evidence = [
        "CONSUMERS DOWN",
        "with the current password: refused",
        "with the pending password: valid",
    ];
    let remedy = [
        "handover env open shop/orders",
        "handover recover shop/orders",
    ];
    expect_needs_human(&shop, "current-dead", &evidence, &remedy);
    assert_eq!(shop.current().name, stored.name, "nothing was promoted");
    shop.set_password(&stored);
    expect_completed(&shop, &shop.second);
    passed(engine, "current-dead");
}

fn restored(engine: ShopEngine) {
    for keeps_gtids in keeps_gtids(engine) {
        let Some(shop) = shop_with_gtids(engine, "restored", *keeps_gtids) else {
            return;
        };
        shop.rotate(&[]).expect_code(0);
        let kept = backup(&shop);
        go_on(&shop);
        for _ in 0..2 {
            shop.rotate(&[]).expect_code(0);
        }
        put_back(&shop, &kept);

        assert!(!shop.logs_in(&shop.current()), "consumers are down");
        let evidence = [
            "CONSUMERS DOWN",
            "with the previous password: refused",
            "the server is older",
        ];
        let remedy = ["handover env open shop/orders", "--accept-server"];
        expect_needs_human(&shop, "restored", &evidence, &remedy);
        for label in ["current", "previous"] {
            shop.set_password(&opened(&shop, label));
        }
        accept_server(&shop).expect_code(0);
        expect_well(&shop);
    }
    passed(engine, "restored");
}

/// The same while a rotation is open: its new password is lost with the rest.
fn restored_while_a_rotation_is_open(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "restored_open", private()) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    let kept = backup(&shop);
    go_on(&shop);
    for _ in 0..2 {
        shop.rotate(&[]).expect_code(0);
    }
    stop_after_s3(&shop, &shop.first);
    put_back(&shop, &kept);

    assert!(!shop.logs_in(&shop.current()), "consumers are down");
    let evidence = ["with the pending password: refused", "the server is older"];
    let remedy = ["handover env open shop/orders", "--accept-server"];
    expect_needs_human(&shop, "restored", &evidence, &remedy);
    for label in ["current", "previous"] {
        shop.set_password(&opened(&shop, label));
    }
    accept_server(&shop).expect_code(0);
    shop.assert_current_logs_in("after the remedy");
    expect_completed(&shop, &shop.first);
    passed(engine, "restored");
}

fn store_behind(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "behind", ShopOptions::default()) else {
        return;
    };
    let copy = |name: &str| {
        let file = shop.home().join(name).display().to_string();
        shop.run(&["store", "backup", &file]).expect_code(0);
        file
    };
    let restore = |file: &str| {
        fs::remove_dir_all(shop.store()).expect("the store is lost");
        shop.run(&["store", "restore", file]).expect_code(0);
    };
    shop.rotate(&[]).expect_code(0);
    let older = copy("older.db");
    for _ in 0..2 {
        shop.rotate(&[]).expect_code(0);
    }
    let newer = copy("newer.db");
    restore(&older);

    assert!(!shop.logs_in(&shop.current()), "the store is behind");
    let evidence = ["CONSUMERS DOWN", "with the previous password: refused"];
    let remedy = ["handover store restore"];
    expect_needs_human(&shop, "store-behind", &evidence, &remedy);
    restore(&newer);
    expect_well(&shop);
    passed(engine, "store-behind");
}

/// MySQL may be told to keep no transaction identifiers; then its redo log alone tells.
fn keeps_gtids(engine: ShopEngine) -> &'static [bool] {
    match engine {
        ShopEngine::MySql => &[true, false],
        _ => &[true],
    }
}

fn shop_with_gtids(engine: ShopEngine, name: &str, keeps_gtids: bool) -> Option<Shop> {
    let shop = Shop::bare_on(engine, name, private())?;
    if !keeps_gtids {
        // One step at a time, as the server wants it; a restart keeps them.
        let steps = ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"];
        for step in steps {
            shop.run_sql(&format!("SET PERSIST gtid_mode = {step}"));
        }
        shop.run_sql("RESET BINARY LOGS AND GTIDS");
        let gtids = shop.run_sql("SELECT @@global.gtid_executed");
        assert_eq!(gtids, [[Some(String::new())]], "none is kept");
    }
    shop.init();
    Some(shop)
}

/// A backup from before S3 is put back while a rotation is open: what consumers read is in
/// it, and the new password is not.
fn other_server_since_a_backup_was_put_back(engine: ShopEngine) {
    for keeps_gtids in keeps_gtids(engine) {
        let Some(shop) = shop_with_gtids(engine, "older", *keeps_gtids) else {
            return;
        };
        let kept = backup(&shop);
        go_on(&shop);
        stop_after_s3(&shop, &shop.second);
        put_back(&shop, &kept);
        let before = shop.stored_hash_of(&shop.second);

        let evidence = ["with the pending password: refused", "the server is older"];
        let remedy = ["handover doctor shop/orders --accept-server"];
        expect_needs_human(&shop, "other-server", &evidence, &remedy);
        shop.assert_current_logs_in("while it is open");
        assert_eq!(
            shop.stored_hash_of(&shop.second),
            before,
            "nothing was sent"
        );
        accept_server(&shop).expect_code(0);
        expect_completed(&shop, &shop.second);
    }
    passed(engine, "other-server");
}

/// The primary is lost while a rotation is open, and a replica takes its address: both
/// passwords are there, and it is another server all the same.
fn other_server_since_a_replica_took_over(engine: ShopEngine) {
    let Some(mut shop) = Shop::bare_on(engine, "failover", private()) else {
        return;
    };
    let replica = shop.mysql_server().start_replica(2, &[]);
    let replica = replica.expect("the replica starts");
    let address = behind_an_address(&mut shop, &[]);
    // Consumers go to the address alone; the replica is only there to take over.
    shop.write_settings(&format!("    nodes: [\"127.0.0.1:{}\"]\n", replica.port()));
    shop.init();
    let primary = shop.mysql_server();
    replica.wait_until_it_has_all_of(primary).expect("follows");
    stop_after_s3(&shop, &shop.second);
    replica.wait_until_it_has_all_of(primary).expect("follows");
    primary.stop().expect("stops");
    promote(&replica);
    address.point_to(&replica);

    let evidence = ["with the pending password: valid", "another server answers"];
    let remedy = ["handover doctor shop/orders --accept-server"];
    expect_needs_human(&shop, "other-server", &evidence, &remedy);
    let current = assert_current_logs_in_at(&replica, &shop, "while it is open");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");
    let run = shop.run(&["doctor", "shop/orders"]);
    show(&run);
    expect_no_foreign_words(&run);
    let has_all = match engine {
        ShopEngine::MySql => "a fail-over to a replica that has all that was recorded",
        _ => "a replica that took over",
    };
    run.expect_told(&[has_all]);

    accept_server(&shop).expect_code(0);
    let result = result_of(&recover(&shop).expect_code(0));
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    let current = assert_current_logs_in_at(&replica, &shop, "after recover");
    assert_eq!(current.name, shop.second.name, "it was completed");
    shop.rotate(&[]).expect_code(0);
    assert_current_logs_in_at(&replica, &shop, "after the next rotation");
    passed(engine, "other-server");
}

/// With nothing open: a server with the same users and none of the data takes the address.
fn other_server_since_the_address_stands_for_another(engine: ShopEngine) {
    let Some(mut shop) = Shop::bare_on(engine, "another", private()) else {
        return;
    };
    let Some(another) = Shop::bare_on(engine, "stand_in", private()) else {
        return;
    };
    let another = another.mysql_server();
    let address = behind_an_address(&mut shop, &[another]);
    shop.init();
    shop.rotate(&[]).expect_code(0);
    let pair = ["current", "previous"].map(|label| opened(&shop, label));
    for account in pair.iter().chain([&shop.managing]) {
        let password = account.password.expose();
        let create = format!("CREATE USER {} IDENTIFIED BY '{password}'", user(account));
        another.sql(&create).expect("creates a user");
    }
    for account in &pair {
        let grant = format!("GRANT SELECT ON shop.* TO {}", user(account));
        another.sql(&grant).expect("grants");
    }
    let grant = format!("GRANT ALL ON *.* TO {}", user(&shop.managing));
    another.sql(&grant).expect("grants");
    address.point_to(another);

    let run = shop.rotate(&[]);
    show(&run);
    expect_no_foreign_words(&run);
    let result = assert_refused(&run, "other-server");
    assert_eq!(result["paths"][0]["step"], "S1", "{result:#}");
    run.expect_told(&[
        "another server",
        "logs in there",
        "handover doctor shop/orders --accept-server",
    ]);
    assert!(accepts(another, &pair[0]), "nothing was changed");
    accept_server(&shop).expect_code(0);
    shop.rotate(&[]).expect_code(0);
    let current = assert_current_logs_in_at(another, &shop, "after the next rotation");
    assert_eq!(current.name, pair[1].name);
    passed(engine, "other-server");
}
