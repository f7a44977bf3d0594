//! Scenarios in which a commit waits for a synchronous standby that is not there.

use std::sync::Arc;

use handover::sandbox::{PostgresOptions, PostgresServer};

use crate::cases::passed;
use crate::contract::{names_case, result_of};
use crate::harness::{first_value, postgres_options, wait_until};
use crate::naming::assert_case_is_named;
use crate::shop::{Shop, ShopEngine, ShopOptions};

/// A shop on a server of its own, whose commits wait for the standby `missing`.
fn shop_without_its_standby(name: &str, statement_timeout: &'static str) -> Shop {
    let options = PostgresOptions {
        configuration: vec!["synchronous_commit = on".to_owned()],
        ..postgres_options()
    };
    let server = Arc::new(PostgresServer::start(&options).expect("starts"));
    let shop = Shop::open(
        name,
        ShopOptions {
            statement_timeout,
            server: Some(server),
            ..ShopOptions::default()
        },
    );
    want_standby(shop.server(), "missing");
    shop
}

/// Makes commits wait for the standby of this name, or for none.
fn want_standby(server: &PostgresServer, name: &str) {
    server
        .sql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{name}'"
        ))
        .and_then(|_| server.sql("SELECT pg_reload_conf()"))
        .expect("reloads");
    wait_until("the setting is in force", || {
        first_value(server, "SHOW synchronous_standby_names") == name
    });
}

/// The backend whose commit waits for the standby, if one does.
fn waiting_backend(server: &PostgresServer) -> Option<String> {
    let query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let rows = server.sql(query).expect("answers");
    rows.first().and_then(|row| row[0].clone())
}

#[track_caller]
fn recover_to_the_second_user(shop: &Shop, applied: &str) {
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    assert_eq!(shop.verifier_of(&shop.second), applied, "the same password");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name);
}

/// The standby that the server waits for comes, and the settings name it: a fail-over would
/// not lose the password any more, and who is on the standby is seen.
fn standby_comes(shop: &Shop) -> PostgresServer {
    let standby = shop
        .server()
        .start_standby("missing", &[])
        .expect("the standby starts");
    wait_until("the standby is synchronous", || {
        let query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        first_value(shop.server(), query) == "1"
    });
    shop.write_settings(&format!("    nodes: [\"127.0.0.1:{}\"]\n", standby.port()));
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
    standby
}

/// A rotation whose commit no standby confirms: cancelled after the time-out, applied on
/// the primary, and not promoted. Answers the verifier of the new password.
#[track_caller]
fn parked_as_not_replicated(shop: &Shop) -> String {
    let before = shop.verifier_of(&shop.second);
    let run = shop.rotate(&[]).expect_code(5);
    let result = result_of(&run);
    assert_eq!(result["status"], "parked", "{result:#}");
    assert!(names_case(&result, "not-replicated"), "{result:#}");
    assert_eq!(waiting_backend(shop.server()), None, "the wait was ended");
    let applied = shop.verifier_of(&shop.second);
    assert_ne!(applied, before, "applied on this server");
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");
    assert_case_is_named(shop, "not-replicated");
    applied
}

#[test]
fn a_commit_that_no_standby_confirms_is_not_promoted_until_none_is_wanted() {
    let shop = shop_without_its_standby("nosync", "1s");
    let applied = parked_as_not_replicated(&shop);
    // Nothing has changed, so nothing is promoted.
    let run = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    assert_eq!(run.code(), Some(5), "{run:#?}");
    assert!(names_case(&result_of(&run), "not-replicated"), "{run:#?}");
    want_standby(shop.server(), "");
    recover_to_the_second_user(&shop, &applied);
    passed(ShopEngine::Postgres, "not-replicated");
}

#[test]
fn a_commit_that_no_standby_confirmed_is_promoted_once_the_standby_has_it() {
    let shop = shop_without_its_standby("latesync", "1s");
    let applied = parked_as_not_replicated(&shop);
    let standby = standby_comes(&shop);
    recover_to_the_second_user(&shop, &applied);
    let current = shop.current();
    let outcome = standby.login(&current.name, &current.password);
    assert!(outcome.is_accepted(), "on the standby: {outcome:?}");
}

/// A rotation that was killed while its commit waits. The backend stays: while it waits for
/// a standby it notices neither a lost client nor a time-out. Answers the backend.
fn killed_while_its_commit_waits(shop: &Shop) -> String {
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_until("the commit waits for the standby", || {
        waiting_backend(shop.server()).is_some()
    });
    rotation.kill();
    waiting_backend(shop.server()).expect("it still waits")
}

#[test]
fn a_killed_rotations_commit_that_still_waits_is_named_with_what_ends_it() {
    let shop = shop_without_its_standby("killedsync", "60s");
    let before = shop.verifier_of(&shop.second);
    let backend = killed_while_its_commit_waits(&shop);
    let current = shop.assert_current_logs_in("while the commit waits");
    assert_eq!(current.name, shop.first.name);
    assert_case_is_named(&shop, "waiting-for-standby");
    let told = [
        &format!("backend {backend} of 127.0.0.1:{}", shop.port),
        "synchronous_standby_names",
        "pg_cancel_backend",
    ];
    shop.run(&["recover", "shop/orders", "--explain"])
        .expect_told(&told);

    // It is waited for, a while, and never cancelled.
    let run = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    assert_eq!(run.code(), Some(5), "{run:#?}");
    assert!(
        names_case(&result_of(&run), "waiting-for-standby"),
        "{run:#?}"
    );
    run.expect_told(&told);
    assert_eq!(
        waiting_backend(shop.server()).as_ref(),
        Some(&backend),
        "the same backend still waits"
    );
    assert_eq!(
        shop.verifier_of(&shop.second),
        before,
        "nobody sees it before it ends"
    );

    want_standby(shop.server(), "");
    wait_until("the wait has ended", || {
        waiting_backend(shop.server()).is_none()
    });
    let applied = shop.verifier_of(&shop.second);
    assert_ne!(applied, before, "the abandoned statement has won");
    recover_to_the_second_user(&shop, &applied);
    passed(ShopEngine::Postgres, "waiting-for-standby");
}

#[test]
fn a_killed_rotations_commit_that_is_cancelled_holds_on_this_server_alone() {
    let shop = shop_without_its_standby("cancelledsync", "60s");
    let before = shop.verifier_of(&shop.second);
    let backend = killed_while_its_commit_waits(&shop);
    shop.server()
        .sql(&format!("SELECT pg_cancel_backend({backend})"))
        .expect("cancels");
    wait_until("the wait has ended", || {
        waiting_backend(shop.server()).is_none()
    });
    let applied = shop.verifier_of(&shop.second);
    assert_ne!(applied, before, "applied on this server");
    shop.assert_current_logs_in("after the cancel");
    // The server's warning went to a client that is gone.
    assert_case_is_named(&shop, "not-replicated");
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(5)
        .expect_told(&["no synchronous standby", "has confirmed"]);
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");

    let standby = standby_comes(&shop);
    recover_to_the_second_user(&shop, &applied);
    let current = shop.current();
    let outcome = standby.login(&current.name, &current.password);
    assert!(outcome.is_accepted(), "on the standby: {outcome:?}");
}
