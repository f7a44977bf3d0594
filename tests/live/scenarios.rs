//! Cases of the decision table on a real server, in which consumers are well: each is
//! brought about by what brings it about in life, named by `recover` and by the console,
//! and ended by what its remedy says.
//!
//! What is not here: cases of standbys, nodes and poolers (`scenarios_nodes`), cases in
//! which consumers are down or the server is another one (`scenarios_down`), and
//! `store-unknown`, whose lost commit only a failpoint makes (the crash matrix).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use handover::rotation::Case;

use crate::cases::passed;
use crate::contract::result_of;
use crate::crash::managing_sessions;
use crate::editing::run_with_input;
use crate::harness::{HeldSession, identifier, literal, server, wait_until};
use crate::rotation::{wait_for_alter, waiting_sessions};
use crate::scenes::{
    ROTATE, expect_case, expect_completed, expect_parked, give_table, needy, recover, rival_sets,
    stop_after_s3, stop_before_s3, verifier,
};
use crate::several::DeadPort;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};
use crate::signals::{patient, role_lock};
use crate::two_pairs::TwoPairs;

#[test]
fn nothing_done() {
    let dead = DeadPort::take();
    let two = TwoPairs::open("case_nothing", dead.port, "");
    let result = result_of(&two.shop.rotate(&[]).expect_code(3));
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    expect_case(
        &two.shop,
        "nothing-done",
        0,
        &["close the rotation; nothing was changed"],
    );
    two.assert_currents_log_in("while it is open");
    let result = result_of(&recover(&two.shop).expect_code(0));
    assert_eq!(result["paths"][1]["status"], "aborted", "{result:#}");
    dead.revive();
    two.shop.rotate(&["reports"]).expect_code(0);
    let users = two.assert_currents_log_in("after the next rotation");
    assert_eq!(users[1], two.fourth.name);
    passed(ShopEngine::Postgres, "nothing-done");
}

#[test]
fn pending_unsent() {
    let shop = patient("case_unsent");
    stop_before_s3(&shop, &shop.second);
    expect_case(
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
    passed(ShopEngine::Postgres, "pending-unsent");
}

#[test]
fn refused_retryable() {
    let shop = Shop::open(
        "case_retryable",
        ShopOptions {
            lock_timeout: "300ms",
            ..ShopOptions::default()
        },
    );
    let before = shop.verifier_of(&shop.second);
    let lock = HeldSession::row_lock(&shop.second.name);
    let run = shop.rotate(&[]).expect_code(5);
    assert_eq!(result_of(&run)["paths"][0]["case"], "refused-retryable");
    run.expect_told(&[
        "55P03",
        "when the obstacle is gone: handover recover shop/orders",
    ]);
    expect_case(
        &shop,
        "refused-retryable",
        0,
        &[
            "with the current password: valid",
            "send the same pending password",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "refused-retryable");
    assert_eq!(shop.verifier_of(&shop.second), before);
    drop(lock);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "refused-retryable");
}

/// A policy of passwords: a module in `check_password_hook` that takes no verifiers, as
/// sites have it. PostgreSQL's own `passwordcheck` cannot be used, since it cannot look
/// into a verifier and lets every one pass but that of the user's own name.
fn build_policy(folder: &Path) -> PathBuf {
    let version = server().sql("SHOW server_version_num").expect("answers");
    let number: u32 = version[0][0]
        .as_deref()
        .expect("a value")
        .parse()
        .expect("a number");
    let source = folder.join("policy.c");
    let module = folder.join("policy.so");
    fs::write(&source, include_str!("policy.c")).expect("writes");
    let built = Command::new("cc")
        .args([
            "-shared",
            "-fPIC",
            &format!("-DVERSION={}", number / 10_000),
            "-o",
        ])
        .args([&module, &source])
        .status();
    assert!(built.expect("runs cc").success());
    module
}

#[test]
fn refused_password() {
    let shop = Shop::open("case_policy", ShopOptions::default());
    let before = shop.verifier_of(&shop.second);
    // The server runs as another user, which has no way into the shop's home.
    let module = build_policy(server().folder());
    let managing = identifier(&shop.managing.name);
    let preload = format!(
        "ALTER ROLE {managing} SET session_preload_libraries = {}",
        literal(&module.display().to_string())
    );
    server().sql(&preload).expect("sets");
    let run = shop.rotate(&[]).expect_code(5);
    assert_eq!(
        result_of(&run)["paths"][0]["case"],
        "refused-password",
        "{run:#?}"
    );
    run.expect_told(&["this site takes no verifiers", "22023"]);
    expect_case(
        &shop,
        "refused-password",
        0,
        &[
            "with the current password: valid",
            "drop the rejected password and make another",
        ],
    );
    shop.assert_current_logs_in("while it is open");
    let run = expect_parked(&shop, "refused-password");
    run.expect_told(&["verifier", "handover recover shop/orders"]);
    assert_eq!(shop.verifier_of(&shop.second), before);
    // The policy is lifted for who changes passwords.
    let lift = format!("ALTER ROLE {managing} RESET session_preload_libraries");
    server().sql(&lift).expect("lifts");
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "refused-password");
}

/// The statements that take the right to change the second user away, and give it back.
fn rights(shop: &Shop) -> [String; 2] {
    let managing = identifier(&shop.managing.name);
    let second = identifier(&shop.second.name);
    let version: u32 = shop
        .single("SHOW server_version_num")
        .parse()
        .expect("a number");
    // Since PostgreSQL 16 the right is the ADMIN option on the role.
    match version >= 160_000 {
        true => [
            format!("REVOKE {second} FROM {managing}"),
            format!("GRANT {second} TO {managing} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"),
        ],
        false => [
            format!("ALTER ROLE {managing} NOCREATEROLE"),
            format!("ALTER ROLE {managing} CREATEROLE"),
        ],
    }
}

#[test]
fn refused_final_since_the_right_was_taken_away() {
    let shop = patient("case_final");
    let before = shop.verifier_of(&shop.second);
    let [revoke, grant] = rights(&shop);
    let lock = role_lock(&shop.second.name);
    let rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    // S1 is over, S3 waits for the lock.
    server().sql(&revoke).expect("revokes");
    drop(lock);
    let run = rotation.finish().expect_code(5);
    assert_eq!(
        result_of(&run)["paths"][0]["case"],
        "refused-final",
        "{run:#?}"
    );
    run.expect_told(&["42501", "mend what the server names"]);
    expect_case(
        &shop,
        "refused-final",
        0,
        &["with the current password: valid"],
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "refused-final").expect_told(&["42501"]);
    assert_eq!(shop.verifier_of(&shop.second), before);
    server().sql(&grant).expect("grants");
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "refused-final");
}

#[test]
fn refused_final_since_the_server_is_read_only() {
    let shop = patient("case_readonly");
    stop_before_s3(&shop, &shop.second);
    let managing = identifier(&shop.managing.name);
    let read_only = format!("ALTER ROLE {managing} SET default_transaction_read_only = on");
    server().sql(&read_only).expect("sets");
    expect_parked(&shop, "refused-final").expect_told(&["25006"]);
    expect_case(
        &shop,
        "refused-final",
        0,
        &["with the current password: valid"],
    );
    shop.assert_current_logs_in("while it is open");
    let reset = format!("ALTER ROLE {managing} RESET default_transaction_read_only");
    server().sql(&reset).expect("resets");
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "refused-final");
}

#[test]
fn reply_lost() {
    let shop = Shop::open(
        "case_lost",
        ShopOptions {
            lock_timeout: "2s",
            statement_timeout: "4s",
            ..ShopOptions::default()
        },
    );
    let before = shop.verifier_of(&shop.second);
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    rotation.kill();
    wait_until("the abandoned statement is given up", || {
        waiting_sessions(&shop) == 0 && managing_sessions(&shop) == 0
    });
    drop(lock);
    expect_case(
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
    assert_eq!(shop.verifier_of(&shop.second), before);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "reply-lost");
}

#[test]
fn applied() {
    let shop = patient("case_applied");
    stop_after_s3(&shop, &shop.second);
    expect_case(
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
    passed(ShopEngine::Postgres, "applied");
}

#[test]
fn verify_failed() {
    let table = "case_verify_table";
    let shop = needy("case_verify", ShopOptions::default(), table);
    let run = shop.rotate(&[]).expect_code(5);
    assert_eq!(
        result_of(&run)["paths"][0]["case"],
        "verify-failed",
        "{run:#?}"
    );
    let result = expect_case(&shop, "verify-failed", 5, &[table]);
    let remedy = result["paths"][0]["error"]["remedy"].as_str();
    let remedy = remedy.expect("a remedy");
    for words in [
        "give the user what the statement needs; then: handover recover shop/orders",
        "handover abandon shop/orders db",
    ] {
        assert!(remedy.contains(words), "no `{words}` in {remedy}");
    }
    shop.assert_current_logs_in("while it is open");
    let applied = shop.verifier_of(&shop.second);
    expect_parked(&shop, "verify-failed");
    give_table(server(), table);
    let result = result_of(&recover(&shop).expect_code(0));
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(shop.verifier_of(&shop.second), applied, "the same password");
    shop.assert_current_logs_in("after recover");
    passed(ShopEngine::Postgres, "verify-failed");
}

#[test]
fn rival_owner() {
    let table = "case_rival_table";
    let shop = needy("case_rival", ShopOptions::default(), table);
    shop.rotate(&[]).expect_code(5);
    let applied = shop.verifier_of(&shop.second);
    rival_sets(&shop, &shop.second);
    expect_case(
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
    assert_eq!(shop.verifier_of(&shop.second), applied, "the same password");
    rival_sets(&shop, &shop.second);
    let rivals = shop.verifier_of(&shop.second);
    expect_case(
        &shop,
        "rival-owner",
        5,
        &["with the pending password: refused"],
    );
    expect_parked(&shop, "rival-owner")
        .expect_told(&["find who else sets this user's password, and stop it"]);
    assert_eq!(shop.verifier_of(&shop.second), rivals, "nothing was sent");
    shop.assert_current_logs_in("while it is parked");
    // It is stopped, and with it everything else is in order.
    give_table(server(), table);
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "rival-owner");
}

#[test]
fn manager_out() {
    let shop = patient("case_manager");
    stop_before_s3(&shop, &shop.second);
    let managing = identifier(&shop.managing.name);
    let renewed = Account::new(shop.managing.name.clone());
    let password = literal(&verifier(&renewed));
    let lock = format!("ALTER ROLE {managing} NOLOGIN PASSWORD {password}");
    server().sql(&lock).expect("locks");
    let result = expect_case(
        &shop,
        "manager-out",
        5,
        &["with the current password: valid"],
    );
    let remedy = result["paths"][0]["error"]["remedy"].as_str();
    assert_eq!(
        remedy,
        Some(
            "put the managing user's right password into its environment; then: \
             handover recover shop/orders"
        )
    );
    shop.assert_current_logs_in("while it is open");
    expect_parked(&shop, "manager-out");
    // The right password alone does not let a locked user in.
    let set = ["env", "set", "shop/managing", "db.password", "--secret"];
    run_with_input(&shop, &set, renewed.password.expose()).expect_code(0);
    expect_parked(&shop, "manager-out");
    let unlock = format!("ALTER ROLE {managing} LOGIN");
    server().sql(&unlock).expect("unlocks");
    expect_completed(&shop, &shop.second);
    passed(ShopEngine::Postgres, "manager-out");
}

/// Their scenes are in `scenarios_nodes`, `rollback` and `sinks`, or need a failpoint of the crash
/// matrix.
const ELSEWHERE: [Case; 9] = [
    Case::ApplicationsFail,
    Case::BackLocked,
    Case::BackScrambled,
    Case::WaitingForStandby,
    Case::NotReplicated,
    Case::PoolerRefuses,
    Case::StoreUnknown,
    Case::SinkForeign,
    Case::SinkFailed,
];

/// A case that joins the table has to be produced too.
#[test]
fn every_case_of_the_table_has_a_scenario() {
    let scenarios = [
        include_str!("scenarios.rs"),
        include_str!("scenarios_down.rs"),
    ]
    .concat();
    let squeezed: String = scenarios.split_whitespace().collect();
    for case in Case::ALL
        .into_iter()
        .filter(|case| !ELSEWHERE.contains(case))
    {
        let named = format!("expect_case(&shop,\"{case}\"");
        let of_two = format!("expect_case(&two.shop,\"{case}\"");
        assert!(
            squeezed.contains(&named) || squeezed.contains(&of_two),
            "no scenario of {case}"
        );
    }
}
