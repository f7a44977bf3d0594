//! What must be true before a password is changed, and what passes it by.

use serde_json::Value;

use crate::contract::{assert_refused, names_case, result_of};
use crate::harness::{HeldSession, identifier, server, wait_until};
use crate::rotation::names_a_time;
use crate::shop::{Shop, ShopOptions};

#[test]
fn a_session_on_the_idle_user_refuses_the_rotation_and_is_named() {
    let shop = Shop::open("gate", ShopOptions::default());
    let before = shop.verifier_of(&shop.second);
    let session = HeldSession::open(&shop.second.name, &shop.second.password);
    session.run("SET application_name = 'nightly-report'");

    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "not-drained");
        run.expect_told(&[&shop.second.name, "nightly-report", "--waive-drain"]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");

    drop(session);
    wait_until("the session is seen to be gone", || {
        shop.rotate(&[]).code() == Some(0)
    });
    shop.assert_current_logs_in("after the session has gone");
}

#[test]
fn a_waiver_passes_the_gate_and_is_audited_with_its_reason() {
    let shop = Shop::open("waiver", ShopOptions::default());
    let session = HeldSession::open(&shop.second.name, &shop.second.password);
    assert_refused(&shop.rotate(&[]), "not-drained");
    let done = shop
        .rotate(&["--waive-drain", "the report may fail tonight"])
        .expect_code(0);
    assert_eq!(result_of(&done)["status"], "done");
    session.run("SELECT 1");
    shop.run(&["audit", "ls", "--output", "json"])
        .expect_code(0)
        .expect_told(&["the report may fail tonight"]);
    shop.run(&["audit", "verify"]).expect_code(0);
}

#[test]
fn a_masked_view_of_the_sessions_is_not_taken_for_an_empty_one() {
    let shop = Shop::open(
        "masked",
        ShopOptions {
            managing_sees_sessions: false,
            ..ShopOptions::default()
        },
    );
    let before = shop.verifier_of(&shop.second);
    let managing = identifier(&shop.managing.name);
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = result_of(&run.expect_code(4));
        assert!(
            names_case(&result, "not-drained") || names_case(&result, "never-promoted"),
            "{result:#}"
        );
    }
    shop.rotate(&[])
        .expect_told(&[&format!("GRANT pg_read_all_stats TO {managing}")]);
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");

    // What the refusal names does mend it.
    server()
        .sql(&format!("GRANT pg_read_all_stats TO {managing}"))
        .expect("grants");
    shop.rotate(&[]).expect_code(0);
}

#[test]
fn within_the_propagation_of_the_last_promote_a_rotation_is_refused_with_the_time() {
    let shop = Shop::open(
        "propagation",
        ShopOptions {
            propagation: "1h",
            ..ShopOptions::default()
        },
    );
    shop.rotate(&[]).expect_code(0);
    let before = shop.verifier_of(&shop.first);
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "not-drained");
        let told = run.told();
        assert!(names_a_time(&told), "until when? {told}");
    }
    assert_eq!(shop.verifier_of(&shop.first), before, "nothing changed");
    shop.rotate(&["--waive-drain", "consumers were restarted by hand"])
        .expect_code(0);
}

#[test]
fn the_first_rotation_wants_an_acknowledgement() {
    let shop = Shop::open("first", ShopOptions::default());
    let before = shop.verifier_of(&shop.second);
    // Standard input is no terminal, so that nobody can be asked.
    let run = shop.run(&["rotate", "shop/orders", "--output", "json"]);
    assert_eq!(run.code(), Some(4), "{run:#?}");
    let run = run.expect_told(&["--yes"]);
    assert_eq!(result_of(&run)["status"], "refused");
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
}

#[test]
fn a_production_environment_wants_its_name() {
    let shop = Shop::open(
        "production",
        ShopOptions {
            protect: Some("production"),
            ..ShopOptions::default()
        },
    );
    let before = shop.verifier_of(&shop.second);
    for more in [&[][..], &["--confirm", "shop/other"]] {
        let run = shop.rotate(more).expect_code(4);
        assert_eq!(result_of(&run)["status"], "refused", "{run:#?}");
        run.expect_told(&["--confirm", "shop/orders"]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
    shop.plan().expect_code(0);
    shop.rotate(&["--confirm", "shop/orders"]).expect_code(0);
}

#[test]
fn a_managing_user_without_the_right_is_refused_before_any_password_is_made() {
    let shop = Shop::open(
        "noright",
        ShopOptions {
            managing_may_alter: false,
            ..ShopOptions::default()
        },
    );
    let managing = identifier(&shop.managing.name);
    let statement = format!("ALTER ROLE {managing} CREATEROLE");
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = assert_refused(&run, "no-right");
        assert_eq!(result["rotation"], Value::Null, "{result:#}");
        assert_eq!(result["paths"][0]["step"], "S1", "{result:#}");
        run.expect_told(&[&statement]);
    }
    shop.run(&["rotate", "shop/orders", "--plan"])
        .expect_code(4)
        .expect_no_stack_trace()
        .expect_told(&[&statement]);
    let asked = format!("ALTER ROLE {}", identifier(&shop.second.name));
    assert!(
        !server().server_log().contains(&asked),
        "the server was asked to change a password"
    );
    assert_eq!(shop.revision_count(), 1);
}

#[test]
fn an_idle_user_that_may_not_log_in_is_refused_with_the_statement() {
    let shop = Shop::open("nologin", ShopOptions::default());
    let statement = format!("ALTER ROLE {} LOGIN", identifier(&shop.second.name));
    server()
        .sql(&format!(
            "ALTER ROLE {} NOLOGIN",
            identifier(&shop.second.name)
        ))
        .expect("locks");
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "no-such-user");
        run.expect_told(&[&statement]);
    }
    // What the refusal names does mend it.
    server().sql(&statement).expect("unlocks");
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the user was unlocked");
}
