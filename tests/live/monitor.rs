//! A login of its own looks for sessions (`monitor` in the settings): what it sees is enough
//! for the gate, and what it cannot see is told with its own remedy.

use serde_json::Value;

use crate::contract::{assert_refused, result_of};
use crate::harness::{HeldSession, identifier, server, wait_until};
use crate::shop::{Account, Shop, ShopOptions, quoted};

/// A shop whose managing user sees nobody's sessions, and whose monitoring user has `rights`.
fn watched(name: &str, rights: &str) -> (Shop, Account) {
    let options = ShopOptions {
        managing_sees_sessions: false,
        ..ShopOptions::default()
    };
    let shop = Shop::bare(name, options);
    let monitor = Account::new(format!("{}_monitor", shop.managing.name));
    shop.create_role(&monitor, "LOGIN");
    let role = identifier(&monitor.name);
    if !rights.is_empty() {
        shop.run_sql(&format!("GRANT {rights} TO {role}"));
    }
    let document = format!(
        "values:\n  login:\n    username: {}\n    password:\n      fn::secret: {}\n",
        quoted(&monitor.name),
        quoted(monitor.password.expose()),
    );
    std::fs::write(shop.file("monitor.yaml"), document).expect("writes");
    shop.write_settings("    monitor: ${environments.shop.monitor.login}\n");
    shop.init_key();
    shop.init_managing().expect_code(0);
    let file = shop.file("monitor.yaml").display().to_string();
    shop.run(&["env", "init", "shop/monitor", "-f", &file])
        .expect_code(0);
    shop.init_orders().expect_code(0);
    (shop, monitor)
}

/// The finding of one check.
#[track_caller]
fn finding(shop: &Shop, code: i32, check: &str) -> Value {
    let run = shop.run(&["doctor", "shop/orders", "--output", "json"]);
    assert_eq!(run.code(), Some(code), "{run:#?}");
    let report = run.json();
    let findings = &report["environments"][0]["paths"][0]["findings"];
    let mut findings = findings.as_array().expect("a list").iter();
    let found = findings.find(|one| one["check"] == check);
    found.unwrap_or_else(|| panic!("{report:#}")).clone()
}

#[test]
fn a_complete_view_of_the_monitor_is_enough_for_the_gate_and_for_a_lock() {
    let (shop, monitor) = watched("monitored", "pg_read_all_stats");
    for check in ["session-view", "sampling"] {
        let found = finding(&shop, 0, check);
        assert_eq!(found["status"], "ok", "{found:#}");
        let words = found["found"].as_str().expect("words");
        assert!(words.contains(&monitor.name), "{found:#}");
    }
    // Whom the monitor sees shuts the gate, although the managing user is told nothing of it.
    let session = HeldSession::open(&shop.second.name, &shop.second.password);
    session.run("SET application_name = 'nightly-report'");
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "not-drained");
        run.expect_told(&["nightly-report"]);
    }
    drop(session);
    wait_until("the session is seen to be gone", || {
        shop.rotate(&[]).code() == Some(0)
    });
    // The same look before a lock, and after it.
    let session = HeldSession::open(&shop.first.name, &shop.first.password);
    let retire = ["retire", "shop/orders", "db", "--yes", "--output", "json"];
    shop.run(&retire)
        .expect_code(4)
        .expect_told(&["not-drained"]);
    drop(session);
    wait_until("it is locked", || shop.run(&retire).code() == Some(0));
    assert!(!shop.logs_in(&shop.first), "it is locked");
    shop.assert_current_logs_in("after the lock");
}

#[test]
fn a_monitor_that_is_masked_too_is_named_with_its_own_grant() {
    let (shop, monitor) = watched("monitormasked", "");
    let grant = format!("GRANT pg_read_all_stats TO {}", identifier(&monitor.name));
    let found = finding(&shop, 4, "sampling");
    assert_eq!(found["status"], "problem", "{found:#}");
    let remedy = found["remedy"].as_str().expect("a remedy").to_owned();
    assert!(remedy.contains(&grant), "{found:#}");
    let run = shop.rotate(&[]);
    let refusal = assert_refused(&run, "not-drained");
    let told = refusal.to_string();
    assert!(told.contains("the monitoring user"), "{refusal:#}");
    run.expect_told(&[&grant]);
    server().sql(&remedy).expect("grants");
    assert_eq!(finding(&shop, 0, "sampling")["status"], "ok");
    shop.rotate(&[]).expect_code(0);
}

#[test]
fn a_monitor_that_cannot_log_in_is_named_and_shuts_the_gate_of_a_blind_managing_user() {
    let (shop, monitor) = watched("monitorout", "pg_read_all_stats");
    let role = identifier(&monitor.name);
    shop.run_sql(&format!("ALTER ROLE {role} NOLOGIN"));
    let found = finding(&shop, 4, "sampling");
    assert_eq!(found["status"], "problem", "{found:#}");
    let run = shop.rotate(&[]);
    assert_refused(&run, "not-drained");
    run.expect_told(&["could not look", &monitor.name]);
    // Where the managing user sees all, a monitor that is out is no reason to refuse.
    let managing = identifier(&shop.managing.name);
    shop.run_sql(&format!("GRANT pg_read_all_stats TO {managing}"));
    let found = finding(&shop, 0, "sampling");
    assert_eq!(found["status"], "warning", "{found:#}");
    shop.rotate(&[]).expect_code(0);
}

#[test]
fn what_counts_logins_and_who_may_end_sessions_are_remarks() {
    let shop = Shop::open("remarks", ShopOptions::default());
    let counting = finding(&shop, 0, "counting");
    assert_eq!(counting["status"], "ok", "{counting:#}");
    let words = counting["found"].as_str().expect("words");
    assert!(words.contains("pg_stat_statements"), "{counting:#}");
    let found = finding(&shop, 0, "right-to-end-sessions");
    let words = found["found"].as_str().expect("words").to_owned();
    let managing = identifier(&shop.managing.name);
    assert_eq!(found["status"], "ok", "{found:#}");
    if words.contains("may not") {
        let (_, grant) = words.split_once("GRANT").expect("it names what mends it");
        shop.run_sql(&format!("GRANT{}", grant.trim_end_matches(';')));
    } else {
        panic!("{managing} was not given the right: {found:#}");
    }
    let found = finding(&shop, 0, "right-to-end-sessions");
    let words = found["found"].as_str().expect("words");
    assert!(words.contains("may end sessions"), "{found:#}");
    let result = result_of(&shop.plan().expect_code(0));
    assert_eq!(result["status"], "planned", "{result:#}");
}

#[test]
fn a_monitor_that_cannot_log_in_is_a_drift() {
    let (shop, monitor) = watched("monitordrift", "pg_read_all_stats");
    let verified = |code: i32| {
        let run = shop.run(&["verify", "shop/orders", "--output", "json"]);
        let report = run.expect_code(code).json();
        let path = report["environments"][0]["paths"][0].clone();
        let credentials = path["credentials"].as_array().expect("a list").iter();
        let mut ours = credentials.filter(|one| one["role"] == "monitor");
        ours.next().unwrap_or_else(|| panic!("{path:#}")).clone()
    };
    let found = verified(0);
    assert_eq!(found["user"], monitor.name.as_str(), "{found:#}");
    assert_eq!(found["found"], "valid", "{found:#}");
    let role = identifier(&monitor.name);
    server()
        .sql(&format!("ALTER ROLE {role} NOLOGIN"))
        .expect("alters");
    let found = verified(5);
    assert_eq!(found["found"], "refused", "{found:#}");
    assert_eq!(found["verdict"], "drifted", "{found:#}");
}
