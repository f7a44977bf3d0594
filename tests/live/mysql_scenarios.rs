//! Cases of the decision table on MySQL and on MariaDB, in which consumers are well: each
//! is brought about by what brings it about in life, named by `recover` and by the
//! console, and ended by what its remedy says.
//!
//! Where passwords themselves are the matter, the scenes are in `mysql_passwords`. MySQL has
//! no `refused-password`: its policies (`validate_password`, the history of
//! passwords) do not look at hashes, and nothing else is ever sent.

use serde_json::Value;

use crate::cases::passed;
use crate::contract::result_of;
use crate::editing::run_with_input;
use crate::harness::{Run, wait_until};
use crate::rotation::wait_for_alter;
use crate::scenes::{
    ROTATE, expect_case, expect_completed, expect_parked, needy_on, recover, rival_sets,
    stop_after_s3, stop_before_s3,
};
use crate::several::DeadPort;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};
use crate::two_pairs::TwoPairs;

for_both! {
    nothing_done
    pending_unsent
    refused_retryable
    refused_final_since_the_right_was_taken_away
    refused_final_since_the_server_is_read_only
    reply_lost
    applied
    verify_failed
    rival_owner
    manager_out
    unreachable_before_anything_was_changed
    unreachable_after_the_password_was_set
    unrecognised
}

/// Whose changes may wait for as long as the test needs.
fn patient() -> ShopOptions {
    ShopOptions {
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    }
}

/// The same on a server that the test may lock, or stop.
pub(crate) fn private() -> ShopOptions {
    ShopOptions {
        own_server: true,
        ..patient()
    }
}

/// Words that mean something on PostgreSQL alone. An operator must not meet them here.
const FOREIGN: [&str; 8] = [
    "pg_",
    "VALID UNTIL",
    "NOLOGIN",
    "superuser",
    "OID",
    "SCRAM",
    "ALTER ROLE",
    "`trust`",
];

/// What an operator is told of an open rotation names nothing of another engine.
#[track_caller]
fn expect_own_words(shop: &Shop) {
    let run = shop.run(&["recover", "shop/orders", "--explain"]);
    if std::env::var_os("HANDOVER_SHOW_WORDS").is_some() {
        println!("{}{}", run.stdout, run.stderr);
    }
    expect_no_foreign_words(&run);
}

#[track_caller]
pub(crate) fn expect_no_foreign_words(run: &Run) {
    let told = run.told();
    for foreign in FOREIGN {
        assert!(!told.contains(foreign), "`{foreign}` in {told}");
    }
}

/// As [`expect_case`], in words of the engine.
#[track_caller]
pub(crate) fn expect_named(shop: &Shop, case: &str, code: i32, evidence: &[&str]) -> Value {
    let result = expect_case(shop, case, code, evidence);
    expect_own_words(shop);
    result
}

#[track_caller]
pub(crate) fn expect_stopped_in(run: &Run, case: &str) {
    assert_eq!(result_of(run)["paths"][0]["case"], case, "{run:#?}");
    expect_no_foreign_words(run);
}

#[track_caller]
pub(crate) fn expect_remedy(result: &Value, words: &[&str]) {
    let remedy = result["paths"][0]["error"]["remedy"].as_str();
    let remedy = remedy.unwrap_or_else(|| panic!("no remedy: {result:#}"));
    for word in words {
        assert!(remedy.contains(word), "no `{word}` in {remedy}");
    }
}

/// The managing user as statements name it.
fn managing(shop: &Shop) -> String {
    format!("`{}`@`%`", shop.managing.name)
}

fn nothing_done(engine: ShopEngine) {
    let dead = DeadPort::take();
    let Some(two) = TwoPairs::open_on(engine, "case_nothing", dead.port) else {
        return;
    };
    let result = result_of(&two.shop.rotate(&[]).expect_code(3));
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    expect_named(
        &two.shop,
        "nothing-done",
        0,
        &["close the rotation; nothing was changed"],
    );
    two.assert_currents_log_in("while it is open");
    let result = result_of(&recover(&two.shop).expect_code(0));
    assert_eq!(result["paths"][1]["status"], "aborted", "{result:#}");
    dead.lead_to(two.shop.port, 0);
    two.shop.rotate(&["reports"]).expect_code(0);
    let users = two.assert_currents_log_in("after the next rotation");
    assert_eq!(users[1], two.fourth.name);
    passed(engine, "nothing-done");
}

fn pending_unsent(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_unsent", patient()) else {
        return;
    };
    stop_before_s3(&shop, &shop.second);
    expect_named(
        &shop,
        "pending-unsent",
        0,
        &[
            "with the current password: valid",
            "send the same pending password",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    expect_completed(&shop, &shop.second);
    passed(engine, "pending-unsent");
}

/// A backup holds its lock for longer than a change may wait. What MariaDB answers then leaves
/// open whether the change was made; what the row stores tells that it was not.
fn refused_retryable(engine: ShopEngine) {
    let options = ShopOptions {
        lock_timeout: "1s",
        own_server: true,
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "case_retryable", options) else {
        return;
    };
    let case = "refused-retryable";
    let code = match engine {
        ShopEngine::MySql => "1205",
        // It does not look at `lock_wait_timeout` here, and ends the statement instead.
        _ => "1969",
    };
    let before = shop.stored_hash_of(&shop.second);
    let lock = shop.lock_the_user(&shop.second);
    let run = shop.rotate(&[]).expect_code(5);
    expect_stopped_in(&run, case);
    run.expect_told(&[code, "handover recover shop/orders"]);
    expect_named(
        &shop,
        case,
        0,
        &[
            "with the current password: valid",
            "send the same pending password",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, case);
    assert_eq!(shop.stored_hash_of(&shop.second), before);
    drop(lock);
    expect_completed(&shop, &shop.second);
    passed(engine, case);
}

fn refused_final_since_the_right_was_taken_away(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_final", patient()) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    stop_before_s3(&shop, &shop.second);
    // S1 is over, and nothing looks at rights again but the server itself.
    let managing = managing(&shop);
    shop.run_sql(&format!("REVOKE CREATE USER ON *.* FROM {managing}"));
    let run = expect_parked(&shop, "refused-final");
    expect_no_foreign_words(&run);
    run.expect_told(&["1227", "CREATE USER", "mend what the server names"]);
    expect_named(
        &shop,
        "refused-final",
        0,
        &["with the current password: valid"],
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "refused-final").expect_told(&["1227"]);
    assert_eq!(shop.stored_hash_of(&shop.second), before);
    shop.run_sql(&format!("GRANT CREATE USER ON *.* TO {managing}"));
    expect_completed(&shop, &shop.second);
    passed(engine, "refused-final");
}

/// The primary was made a replica between S1 and S3.
fn refused_final_since_the_server_is_read_only(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_readonly", private()) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    stop_before_s3(&shop, &shop.second);
    let read_only = match engine {
        ShopEngine::MySql => "super_read_only",
        _ => "read_only",
    };
    shop.run_sql(&format!("SET GLOBAL {read_only} = ON"));
    let run = expect_parked(&shop, "refused-final");
    expect_no_foreign_words(&run);
    run.expect_told(&["1290", "read-only"]);
    let told = ["with the current password: valid", "1290"];
    expect_named(&shop, "refused-final", 0, &told);
    shop.assert_current_logs_in("while it is open");
    assert_eq!(shop.stored_hash_of(&shop.second), before);
    shop.run_sql("SET GLOBAL read_only = OFF");
    expect_completed(&shop, &shop.second);
    passed(engine, "refused-final");
}

/// The program is killed while its ALTER waits, and somebody ends what it left behind.
fn reply_lost(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_lost", private()) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    let lock = shop.lock_the_user(&shop.second);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    rotation.kill();
    for session in shop.run_sql(&format!(
        "SELECT id FROM information_schema.processlist WHERE user = '{}'",
        shop.managing.name
    )) {
        let id = session[0].as_ref().expect("an id");
        shop.run_sql(&format!("KILL {id}"));
    }
    wait_until("the abandoned statement is given up", || {
        shop.sessions_of(&shop.managing) == 0
    });
    drop(lock);
    expect_named(
        &shop,
        "reply-lost",
        0,
        &[
            "with the pending password: refused",
            "with the previous password: valid",
            "wait until no statement of ours can still be running",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    assert_eq!(shop.stored_hash_of(&shop.second), before);
    expect_completed(&shop, &shop.second);
    passed(engine, "reply-lost");
}

fn applied(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_applied", private()) else {
        return;
    };
    stop_after_s3(&shop, &shop.second);
    expect_named(
        &shop,
        "applied",
        0,
        &[
            "with the pending password: valid",
            "verify the password by login everywhere, then promote",
        ],
    );
    let current = shop.assert_current_logs_in("while it is open");
    assert_eq!(current.name, shop.first.name);
    expect_completed(&shop, &shop.second);
    passed(engine, "applied");
}

fn verify_failed(engine: ShopEngine) {
    let table = "case_verify_table";
    let Some(shop) = needy_on(engine, "case_verify", ShopOptions::default(), table) else {
        return;
    };
    let run = shop.rotate(&[]).expect_code(5);
    expect_stopped_in(&run, "verify-failed");
    let result = expect_named(&shop, "verify-failed", 5, &[table]);
    expect_remedy(
        &result,
        &[
            "give the user what the statement needs; then: handover recover shop/orders",
            "handover abandon shop/orders db",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    let applied = shop.stored_hash_of(&shop.second);
    expect_parked(&shop, "verify-failed");
    shop.run_sql(&format!("CREATE TABLE shop.{table} (a int)"));
    let result = result_of(&recover(&shop).expect_code(0));
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(
        shop.stored_hash_of(&shop.second),
        applied,
        "the same password"
    );
    shop.assert_current_logs_in("after recover");
    passed(engine, "verify-failed");
}

fn rival_owner(engine: ShopEngine) {
    let table = "case_rival_table";
    let Some(shop) = needy_on(engine, "case_rival", ShopOptions::default(), table) else {
        return;
    };
    shop.rotate(&[]).expect_code(5);
    let applied = shop.stored_hash_of(&shop.second);
    rival_sets(&shop, &shop.second);
    expect_named(
        &shop,
        "rival-owner",
        0,
        &[
            "with the pending password: refused",
            "send the same pending password once more, over whatever somebody else has set",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    // Once more, and the rival comes back: now a person has to find it.
    expect_parked(&shop, "verify-failed");
    assert_eq!(
        shop.stored_hash_of(&shop.second),
        applied,
        "the same password"
    );
    rival_sets(&shop, &shop.second);
    let rivals = shop.stored_hash_of(&shop.second);
    expect_named(
        &shop,
        "rival-owner",
        5,
        &["with the pending password: refused"],
    );
    expect_parked(&shop, "rival-owner")
        .expect_told(&["find who else sets this user's password, and stop it"]);
    assert_eq!(
        shop.stored_hash_of(&shop.second),
        rivals,
        "nothing was sent"
    );
    shop.assert_current_logs_in("while it is parked");
    // It is stopped, and with it everything else is in order.
    shop.run_sql(&format!("CREATE TABLE shop.{table} (a int)"));
    expect_completed(&shop, &shop.second);
    passed(engine, "rival-owner");
}

fn manager_out(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_manager", patient()) else {
        return;
    };
    stop_before_s3(&shop, &shop.second);
    let managing = managing(&shop);
    let renewed = Account::new(shop.managing.name.clone());
    shop.set_password(&renewed);
    shop.run_sql(&format!("ALTER USER {managing} ACCOUNT LOCK"));
    let result = expect_named(
        &shop,
        "manager-out",
        5,
        &["with the current password: valid"],
    );
    expect_remedy(
        &result,
        &["put the managing user's right password into its environment; then: handover recover"],
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "manager-out");
    // The right password alone does not let a locked user in.
    let set = ["env", "set", "shop/managing", "db.password", "--secret"];
    run_with_input(&shop, &set, renewed.password.expose()).expect_code(0);
    expect_parked(&shop, "manager-out").expect_told(&["locked"]);
    shop.run_sql(&format!("ALTER USER {managing} ACCOUNT UNLOCK"));
    expect_completed(&shop, &shop.second);
    passed(engine, "manager-out");
}

fn unreachable_before_anything_was_changed(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_silent", private()) else {
        return;
    };
    stop_before_s3(&shop, &shop.second);
    shop.mysql_server().stop().expect("stops");
    let result = expect_named(&shop, "unreachable", 6, &["CONSUMERS NOT KNOWN"]);
    expect_remedy(
        &result,
        &["when the database answers again: handover recover"],
    );
    let run = recover(&shop).expect_code(6);
    assert_eq!(result_of(&run)["status"], "unreachable", "{run:#?}");
    shop.mysql_server().start_again().expect("starts");
    shop.assert_current_logs_in("after the server came back");
    expect_completed(&shop, &shop.second);
    passed(engine, "unreachable");
}

fn unreachable_after_the_password_was_set(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_gone", private()) else {
        return;
    };
    stop_after_s3(&shop, &shop.second);
    let applied = shop.stored_hash_of(&shop.second);
    shop.mysql_server().stop().expect("stops");
    let evidence = ["with the pending password: unknown"];
    let result = expect_named(&shop, "unreachable", 5, &evidence);
    expect_remedy(
        &result,
        &["when the database answers again: handover recover"],
    );
    expect_parked(&shop, "unreachable");
    shop.mysql_server().start_again().expect("starts");
    assert_eq!(shop.stored_hash_of(&shop.second), applied);
    shop.assert_current_logs_in("after the server came back");
    expect_completed(&shop, &shop.second);
    passed(engine, "unreachable");
}

/// The idle user is dropped while a rotation is open. No case of the table knows that. A
/// user that is made again under its name is the same user to these servers.
fn unrecognised(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "case_dropped", patient()) else {
        return;
    };
    stop_before_s3(&shop, &shop.second);
    shop.run_sql(&format!("DROP USER `{}`@`%`", shop.second.name));
    let evidence = [
        "with the current password: valid",
        "does not exist on the server",
    ];
    let result = expect_named(&shop, "unrecognised", 5, &evidence);
    expect_remedy(&result, &["handover recover shop/orders"]);
    expect_parked(&shop, "unrecognised");
    shop.assert_current_logs_in("while it is open");
    shop.create_user(&shop.second);
    expect_completed(&shop, &shop.second);
    passed(engine, "unrecognised");
}
