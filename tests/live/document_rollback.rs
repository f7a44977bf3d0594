//! `handover env rollback`: an older document, and the states of now.

use serde_json::Value;

use crate::editing::{definition, run_with_input};
use crate::shop::{Shop, ShopOptions};

const JSON: [&str; 2] = ["--output", "json"];

fn shop(name: &str) -> Shop {
    Shop::open(name, ShopOptions::default())
}

fn set(shop: &Shop, path: &str, value: &str) {
    shop.run(&["env", "set", "shop/orders", path, value])
        .expect_code(0);
}

fn roll_back(shop: &Shop, revision: &str, more: &[&str]) -> crate::harness::Run {
    let command = ["env", "rollback", "shop/orders", revision];
    shop.run(&[&command[..], more, &JSON[..]].concat())
}

#[track_caller]
fn refused(shop: &Shop, revision: &str, more: &[&str], code: &str) -> Value {
    let before = shop.revision_count();
    let run = roll_back(shop, revision, more).expect_code(4);
    assert_eq!(run.json()["error"]["code"], code, "{run:#?}");
    assert_eq!(shop.revision_count(), before, "nothing was written");
    run.json()
}

#[test]
fn an_older_document_comes_back_and_the_states_stay() {
    let shop = shop("docback");
    let first = definition(&shop, "shop/orders");
    set(&shop, "greeting", "\"good day\"");
    set(&shop, "pool.size", "20");
    run_with_input(
        &shop,
        &["env", "set", "shop/orders", "smtp.password", "--secret"],
        "first-mail-password\n",
    )
    .expect_code(0);
    shop.rotate(&[]).expect_code(0);
    let current = shop.current();
    let rotated = definition(&shop, "shop/orders");
    let state = |text: &str| {
        let rest = text.split("state:").nth(1).expect("a state");
        rest.split("\n  pool:")
            .next()
            .map(|state| state.trim_end().to_owned())
    };

    let plan = roll_back(&shop, "1", &["--plan"]).expect_code(0).json();
    assert_eq!(plan["status"], "planned", "{plan:#}");
    assert_eq!(plan["revision"], Value::Null);
    let told = |path: &str| {
        let all = plan["differences"].as_array().expect("a list").iter();
        let one = all.clone().find(|one| one["path"] == path);
        one.unwrap_or_else(|| panic!("no {path}: {plan:#}")).clone()
    };
    assert_eq!(told("greeting")["change"], "changed");
    assert_eq!(told("greeting")["after"], "\"hello\"");
    assert_eq!(told("pool.size")["change"], "removed");
    assert_eq!(told("smtp.password")["before"], "[secret]");
    assert_eq!(
        plan["differences"].as_array().map(Vec::len),
        Some(3),
        "{plan:#}"
    );
    let kept = plan["kept"][0]["words"].as_str().expect("words");
    assert!(
        kept.starts_with(&format!("{} stays current", current.name)),
        "{kept}"
    );
    assert!(kept.contains(&format!("had {}", shop.first.name)), "{kept}");
    let diff = plan["diff"].as_str().expect("a text");
    assert!(
        diff.contains("+  greeting: hello   # not a secret"),
        "{diff}"
    );
    for hidden in ["first-mail-password", "ZXNj", current.password.expose()] {
        assert!(!plan.to_string().contains(hidden), "{plan:#}");
    }
    assert_eq!(
        definition(&shop, "shop/orders"),
        rotated,
        "a plan writes nothing"
    );
    assert_eq!(shop.revision_count(), 5);

    refused(&shop, "1", &[], "not-confirmed");
    let done = roll_back(&shop, "1", &["--yes", "--reason", "ticket 4711"]).expect_code(0);
    assert_eq!(done.json()["revision"], 6, "{done:#?}");
    let after = definition(&shop, "shop/orders");
    assert_eq!(state(&after), state(&rotated), "the state is the live one");
    let above = |text: &str| text.split("state:").next().map(str::to_owned);
    assert_eq!(above(&after), above(&first), "every comment is back");
    shop.assert_current_logs_in("after the rollback");
    assert_eq!(shop.current().name, current.name);
    shop.run(&["env", "history", "shop/orders"])
        .expect_code(0)
        .expect_told(&["document-rollback", "ticket 4711"]);
    refused(&shop, "1", &["--yes"], "nothing-to-do");
    // The secret comes back with the revision that had it.
    roll_back(&shop, "4", &["--yes"]).expect_code(0);
    let run = shop.run(&["env", "open", "shop/orders", "smtp.password"]);
    assert_eq!(run.stdout.trim_end(), "first-mail-password");
    shop.run(&["audit", "verify"]).expect_code(0);
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after one more rotation");
}

#[test]
fn settings_come_back_only_when_that_is_said() {
    let shop = shop("docsettings");
    shop.write_settings("protect: production\n");
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
    set(&shop, "greeting", "bye");
    refused(&shop, "1", &["--yes"], "protected");
    refused(
        &shop,
        "1",
        &["--yes", "--confirm", "shop/other"],
        "name-differs",
    );
    let confirmed = ["--yes", "--confirm", "shop/orders"];
    roll_back(&shop, "1", &confirmed).expect_code(0);
    let settings = |shop: &Shop| {
        let run = shop.run(&["env", "settings", "get", "shop/orders"]);
        run.stdout.contains("protect: production")
    };
    assert!(settings(&shop), "they stay");
    let with = [&confirmed[..], &["--settings"]].concat();
    roll_back(&shop, "1", &with).expect_code(0);
    assert!(!settings(&shop), "they are those of revision 1");
}

#[test]
fn what_cannot_be_told_truthfully_is_refused() {
    let shop = shop("docrefused");
    set(&shop, "greeting", "bye");
    let run = roll_back(&shop, "9", &["--yes"]).expect_code(2);
    assert_eq!(run.json()["error"]["code"], "no-such-revision");
    roll_back(&shop, "0", &["--yes"]).expect_code(2);
    // A reference whose target is gone by now.
    let extra = "values:\n  word: text\n";
    std::fs::write(shop.file("extra.yaml"), extra).expect("writes");
    let file = shop.file("extra.yaml").display().to_string();
    shop.run(&["env", "init", "shop/extra", "-f", &file])
        .expect_code(0);
    set(&shop, "word", "${environments.shop.extra.word}");
    set(&shop, "word", "plain");
    shop.run(&["env", "rm", "shop/extra", "--yes"])
        .expect_code(0);
    refused(&shop, "3", &["--yes"], "cannot-evaluate");
    refused(&shop, "3", &["--plan"], "cannot-evaluate");
}

#[test]
fn an_open_rotation_refuses_it() {
    let shop = shop("docopen");
    set(&shop, "greeting", "bye");
    let lock = shop.lock_the_user(&shop.second);
    // Parked: the lock on the user is held for longer than it is waited for.
    let run = shop.rotate(&[]);
    drop(lock);
    assert_ne!(run.code(), Some(0), "{run:#?}");
    let status = shop.run(&["status", "shop/orders", "--output", "json"]);
    let open = status.json()["environments"][0]["open_rotation"].clone();
    assert!(!open.is_null(), "{status:#?}");
    refused(&shop, "1", &["--yes"], "open-rotation");
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    roll_back(&shop, "1", &["--yes"]).expect_code(0);
    shop.assert_current_logs_in("at the end");
}
