//! The ways back, each on every engine: with a model consumer where consumers are well, and
//! out of an outage where they are not.

use std::sync::Arc;

use handover::sandbox::LoginOutcome;
use serde_json::Value;

use crate::cases::passed;
use crate::consumer::{Consumers, Temper};
use crate::harness::{Chance, Run, wait_until};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions, account_at};

for_both! {
    applications_fail
    back_locked
    back_scrambled
    what_leaked_is_refused_unless_the_glass_is_broken
    what_leaks_now_is_shut_out_after_the_way_back
    current_dead_is_left_by_the_user_that_logs_in
    current_dead_is_mended_by_the_stored_password
    store_behind_gives_the_idle_user_a_new_password
}

mod postgres {
    use crate::shop::ShopEngine::Postgres;

    #[test]
    fn applications_fail() {
        super::applications_fail(Postgres);
    }

    #[test]
    fn back_locked() {
        super::back_locked(Postgres);
    }

    #[test]
    fn back_scrambled() {
        super::back_scrambled(Postgres);
    }

    #[test]
    fn what_leaked_is_refused_unless_the_glass_is_broken() {
        super::what_leaked_is_refused_unless_the_glass_is_broken(Postgres);
    }

    #[test]
    fn what_leaks_now_is_shut_out_after_the_way_back() {
        super::what_leaks_now_is_shut_out_after_the_way_back(Postgres);
    }

    #[test]
    fn current_dead_is_left_by_the_user_that_logs_in() {
        super::current_dead_is_left_by_the_user_that_logs_in(Postgres);
    }

    #[test]
    fn current_dead_is_mended_by_the_stored_password() {
        super::current_dead_is_mended_by_the_stored_password(Postgres);
    }

    #[test]
    fn store_behind_gives_the_idle_user_a_new_password() {
        super::store_behind_gives_the_idle_user_a_new_password(Postgres);
    }
}

/// The one object that a command prints.
#[track_caller]
pub(crate) fn result_of(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

pub(crate) fn rollback(shop: &Shop, more: &[&str]) -> Run {
    let words = ["rollback", "shop/orders", "--output", "json"];
    shop.run(&[&words, more].concat())
}

/// A plan with this case, whose recommended way comes first.
#[track_caller]
pub(crate) fn expect_plan(shop: &Shop, case: &str, ways: &[&str]) -> Value {
    let revisions = shop.revision_count();
    let run = rollback(shop, &["--plan"]);
    assert_eq!(run.code(), Some(0), "{run:#?}");
    let result = result_of(&run);
    let path = &result["paths"][0];
    assert_eq!(result["status"], "planned", "{result:#}");
    assert_eq!(path["case"], case, "{result:#}");
    let offered: Vec<&Value> = path["ways"]
        .as_array()
        .expect("ways")
        .iter()
        .map(|offer| &offer["way"])
        .collect();
    assert_eq!(offered, ways, "{result:#}");
    assert_eq!(path["ways"][0]["recommended"], true, "{result:#}");
    assert_eq!(shop.revision_count(), revisions, "a plan writes nothing");
    let shown = shop.run(&["rollback", "shop/orders", "--plan"]);
    shown
        .expect_code(0)
        .expect_told(&[case, ways[0], "won't", "wrong if"]);
    result
}

/// It is done, by this way.
#[track_caller]
pub(crate) fn expect_done(run: &Run, way: &str) -> Value {
    assert_eq!(run.code(), Some(0), "{run:#?}");
    let result = result_of(run);
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(result["paths"][0]["way"], way, "{result:#}");
    result
}

#[track_caller]
pub(crate) fn expect_refused(run: &Run, error: &str) -> Value {
    assert_eq!(run.code(), Some(4), "{run:#?}");
    let result = result_of(run);
    assert_eq!(result["error"]["code"], error, "{result:#}");
    result
}

/// Nothing is open, and the next rotation goes through.
#[track_caller]
pub(crate) fn expect_well(shop: &Shop) {
    let recovered = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    let result = result_of(&recovered.expect_code(0));
    assert_eq!(result["rotation"], Value::Null, "{result:#}");
    shop.assert_current_logs_in("after the way back");
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the next rotation");
    shop.run(&["audit", "verify"]).expect_code(0);
}

/// A shop after its first rotation: consumers read `second`, and `first` is the way back.
fn promoted(engine: ShopEngine, name: &str) -> Option<Shop> {
    let shop = Shop::open_on(engine, name, ShopOptions::default())?;
    shop.write_settings("    retire: {mode: ask, listen: 0s}\n");
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.rotate(&[]).expect_code(0);
    Some(shop)
}

fn retire(shop: &Shop) {
    let words = ["retire", "shop/orders", "db", "--yes"];
    shop.run(&words).expect_code(0);
}

/// Somebody with another tool gives the user a password of theirs.
fn somebody_changes(shop: &Shop, user: &Account) {
    shop.set_password(&Account::new(user.name.clone()));
}

fn opened(shop: &Shop, label: &str) -> Value {
    let words = ["env", "open", "shop/orders", "db", "--output", "json"];
    shop.run(&words).expect_code(0).json()[label].clone()
}

fn applications_fail(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_apps") else {
        return;
    };
    let shop = Arc::new(shop);
    let hashes = || [&shop.first, &shop.second].map(|one| shop.stored_hash_of(one));
    let before = hashes();
    let mut chance = Chance::from_environment();
    let consumers = Consumers::start(&shop, &[Temper::Hasty, Temper::Patient], &mut chance);
    let seen = |more: u32| {
        let logins = consumers.seen().logins;
        wait_until("consumers log in", || {
            consumers.seen().logins >= logins + more
        });
    };
    seen(2);
    let planned = expect_plan(&shop, "applications-fail", &["re-promote", "re-issue"]);
    let offer = &planned["paths"][0]["ways"][0];
    assert_eq!(offer["changes"], Value::Null, "{planned:#}");
    assert_eq!(offer["typed"], false, "{planned:#}");
    expect_refused(&rollback(&shop, &[]), "not-confirmed");

    let run = rollback(&shop, &["--yes", "--reason", "checkout fails"]);
    let result = expect_done(&run, "re-promote");
    assert_eq!(result["paths"][0]["user"], shop.first.name.as_str());
    seen(4);
    let tally = consumers.stop();
    assert!(tally.refused.is_empty(), "{tally:#?}");
    let current = shop.assert_current_logs_in("after the re-promote");
    assert_eq!(current.name, shop.first.name);
    assert_eq!(
        current.password.expose(),
        shop.first.password.expose(),
        "the password that it had"
    );
    assert_eq!(hashes(), before, "no password was changed");
    assert!(shop.logs_in(&account_at(&opened(&shop, "previous"), "")));
    let history = shop.run(&["env", "history", "shop/orders", "--output", "json"]);
    let history = history.expect_code(0).json().to_string();
    assert!(
        history.contains("\"rollback\"") && history.contains("checkout fails"),
        "{history}"
    );
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    assert!(told.contains("rotation.way-chosen"), "{told}");
    // And forth again, the same way.
    let again = rollback(&shop, &["--yes"]);
    expect_done(&again, "re-promote");
    assert_eq!(shop.current().name, shop.second.name);
    assert_eq!(hashes(), before, "no password was changed");
    expect_well(&shop);
    passed(engine, "applications-fail");
}

fn lock(shop: &Shop, user: &Account) {
    let name = &user.name;
    shop.run_sql(&match shop.options.engine {
        ShopEngine::Postgres => format!("ALTER ROLE \"{name}\" NOLOGIN"),
        ShopEngine::MySql | ShopEngine::MariaDb => {
            format!("ALTER USER '{name}'@'%' ACCOUNT LOCK")
        }
    });
}

/// The statement that undoes it, as JSON shows it.
fn lets_in(shop: &Shop, user: &Account) -> String {
    let name = &user.name;
    match shop.options.engine {
        ShopEngine::Postgres => format!("ALTER ROLE \\\"{name}\\\" LOGIN"),
        ShopEngine::MySql | ShopEngine::MariaDb => {
            format!("ALTER USER `{name}`@`%` ACCOUNT UNLOCK")
        }
    }
}

fn back_locked(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_locked") else {
        return;
    };
    lock(&shop, &shop.first);
    let run = rollback(&shop, &["--yes"]);
    let refused = expect_refused(&run, "back-locked");
    let remedy = refused["error"]["remedy"].to_string();
    assert!(remedy.contains(&lets_in(&shop, &shop.first)), "{remedy}");
    assert_ne!(shop.login(&shop.first), LoginOutcome::Accepted);
    shop.run_sql(&lets_in(&shop, &shop.first).replace("\\\"", "\""));

    let before = shop.stored_hash_of(&shop.first);
    retire(&shop);
    assert!(!shop.logs_in(&shop.first), "it is locked");
    let planned = expect_plan(&shop, "back-locked", &["un-retire", "re-issue"]);
    assert!(!shop.logs_in(&shop.first), "a plan unlocks nothing");
    let changes = &planned["paths"][0]["ways"][0]["changes"];
    let statement = lets_in(&shop, &shop.first);
    assert_eq!(changes.to_string(), format!("\"{statement}\""));
    expect_done(&rollback(&shop, &["--yes"]), "un-retire");
    let current = shop.assert_current_logs_in("after the un-retire");
    assert_eq!(current.name, shop.first.name);
    assert_eq!(shop.stored_hash_of(&shop.first), before);
    assert!(shop.logs_in(&account_at(&opened(&shop, "previous"), "")));
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    for action in ["rotation.unlock-sent", "rotation.unlock-confirmed"] {
        assert!(told.contains(action), "{action}: {told}");
    }
    expect_well(&shop);
    passed(engine, "back-locked");
}

fn back_scrambled(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_scrambled") else {
        return;
    };
    retire(&shop);
    retire(&shop);
    let outgoing = shop.current();
    expect_plan(&shop, "back-scrambled", &["re-issue"]);
    let run = rollback(&shop, &["--yes", "--way", "re-promote"]);
    expect_refused(&run, "way-not-offered");
    expect_done(&rollback(&shop, &["--yes"]), "re-issue");
    let current = shop.assert_current_logs_in("after the re-issue");
    assert_eq!(current.name, shop.first.name);
    assert!(!shop.logs_in(&shop.first), "the old password is gone");
    assert!(shop.logs_in(&outgoing), "consumers go on meanwhile");

    // The same where somebody else has changed it, with the gate shut at first.
    shop.rotate(&[]).expect_code(0);
    let theirs = Account::new(shop.first.name.clone());
    shop.set_password(&theirs);
    let session = shop.hold_session(&theirs);
    expect_refused(&rollback(&shop, &["--yes"]), "not-drained");
    drop(session);
    wait_until("its session is gone", || shop.sessions_of(&theirs) == 0);
    expect_done(&rollback(&shop, &["--yes"]), "re-issue");
    let current = shop.assert_current_logs_in("after the second re-issue");
    assert_eq!(current.name, shop.first.name);
    expect_well(&shop);
    passed(engine, "back-scrambled");
}

/// Says in the store that what the outgoing user has leaked, as a killed run leaves it.
fn leaked(shop: &Shop) {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let changed = store
        .execute(
            "UPDATE overlap SET compromised = 1 WHERE ended_at IS NULL",
            [],
        )
        .expect("updates");
    assert_eq!(changed, 1);
}

fn what_leaked_is_refused_unless_the_glass_is_broken(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_leaked") else {
        return;
    };
    leaked(&shop);
    for more in [
        &["--plan"][..],
        &["--yes"],
        &["--yes", "--way", "re-promote"],
    ] {
        let refused = expect_refused(&rollback(&shop, more), "compromised");
        let remedy = refused["error"]["remedy"].to_string();
        assert!(
            remedy.contains("handover rotate shop/orders db"),
            "{remedy}"
        );
    }
    let current = shop.assert_current_logs_in("after the refusals");
    assert_eq!(current.name, shop.second.name, "nothing was promoted");
    let glass = ["--yes", "--break-glass", "everything is down"];
    expect_done(&rollback(&shop, &glass), "re-promote");
    assert_eq!(shop.current().name, shop.first.name);
    let told = shop.run(&["audit", "ls", "--output", "json"]);
    let told = told.expect_code(0).stdout;
    assert!(told.contains("everything is down"), "{told}");
    expect_well(&shop);
}

fn what_leaks_now_is_shut_out_after_the_way_back(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_leaks") else {
        return;
    };
    let leaks = shop.current();
    let run = rollback(&shop, &["--yes", "--compromised"]);
    let result = expect_done(&run, "re-promote");
    assert_eq!(result["retired"][0]["stage"], "scrambled", "{result:#}");
    assert!(!shop.logs_in(&leaks), "it is shut out");
    let current = shop.assert_current_logs_in("after the way back");
    assert_eq!(current.name, shop.first.name);
    expect_well(&shop);
}

fn current_dead_is_left_by_the_user_that_logs_in(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_dead") else {
        return;
    };
    somebody_changes(&shop, &shop.second);
    let ways = ["re-promote", "re-apply", "re-issue"];
    let planned = expect_plan(&shop, "current-dead", &ways);
    assert_eq!(planned["paths"][0]["ways"][0]["typed"], true, "{planned:#}");
    expect_refused(&rollback(&shop, &["--yes"]), "consumers-down");
    let wrong = ["--yes", "--confirm", "shop/other"];
    expect_refused(&rollback(&shop, &wrong), "name-differs");
    let named = ["--yes", "--confirm", "shop/orders"];
    expect_done(&rollback(&shop, &named), "re-promote");
    let current = shop.assert_current_logs_in("after the re-promote");
    assert_eq!(current.name, shop.first.name);
    // A password that was found to be refused is no longer said to be known.
    let previous = opened(&shop, "previous");
    assert_eq!(previous["password"], Value::Null, "{previous:#}");
    expect_well(&shop);
}

fn current_dead_is_mended_by_the_stored_password(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_reapply") else {
        return;
    };
    let stored = shop.current();
    somebody_changes(&shop, &shop.second);
    assert!(!shop.logs_in(&stored), "consumers are down");
    let other = shop.stored_hash_of(&shop.first);
    let named = ["--yes", "--confirm", "shop/orders", "--way", "re-apply"];
    expect_done(&rollback(&shop, &named), "re-apply");
    assert!(shop.logs_in(&stored), "consumers read on as they did");
    let current = shop.assert_current_logs_in("after the re-apply");
    assert_eq!(current.name, shop.second.name);
    assert_eq!(current.password.expose(), stored.password.expose());
    assert_eq!(shop.stored_hash_of(&shop.first), other);
    assert!(shop.logs_in(&account_at(&opened(&shop, "previous"), "")));
    expect_well(&shop);
}

fn store_behind_gives_the_idle_user_a_new_password(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "back_behind") else {
        return;
    };
    somebody_changes(&shop, &shop.first);
    somebody_changes(&shop, &shop.second);
    expect_plan(&shop, "store-behind", &["re-issue"]);
    expect_refused(&rollback(&shop, &["--yes"]), "consumers-down");
    let named = ["--yes", "--confirm", "shop/orders"];
    expect_done(&rollback(&shop, &named), "re-issue");
    let current = shop.assert_current_logs_in("after the re-issue");
    assert_eq!(current.name, shop.first.name);
    let previous = opened(&shop, "previous");
    assert_eq!(previous["password"], Value::Null, "{previous:#}");
    expect_well(&shop);
}
