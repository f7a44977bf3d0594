//! `handover report`: a rotation from its plan to the end of its overlap, without a secret.

use serde_json::Value;

use crate::shop::{Shop, ShopEngine, ShopOptions};

#[track_caller]
fn report(shop: &Shop, rotation: &str) -> Value {
    let run = shop.run(&["report", rotation, "--output", "json"]);
    run.expect_code(0).json()
}

#[track_caller]
fn assert_holds_no_secret(shop: &Shop, texts: &[String], canaries: &[String]) {
    assert!(canaries.len() > 3, "{canaries:?}");
    for text in texts {
        for canary in canaries {
            assert!(
                !canary.is_empty() && !text.contains(canary.as_str()),
                "{text}"
            );
        }
        // Neither is what was sealed.
        assert!(!text.contains("ZXNj"), "{text}");
    }
    assert!(shop.is_running());
}

fn a_rotation_is_told_from_its_plan_to_its_retired_user(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "reported", ShopOptions::default()) else {
        return;
    };
    let mut canaries = vec![
        shop.first.password.expose().to_owned(),
        shop.second.password.expose().to_owned(),
        shop.managing.password.expose().to_owned(),
    ];
    shop.rotate(&["--reason", "ticket | 4711"]).expect_code(0);
    canaries.push(shop.current().password.expose().to_owned());
    let retire = [
        "retire",
        "shop/orders",
        "db",
        "--yes",
        "--waive-drain",
        "it is known",
    ];
    shop.run(&retire).expect_code(0);

    let told = report(&shop, "R-0001");
    assert_eq!(told, report(&shop, "1"), "both spellings");
    assert_eq!(told["environment"], "shop/orders");
    assert_eq!(told["reason"], "ticket | 4711");
    assert_eq!(told["from_revision"], 1);
    assert!(
        told["plan"]
            .as_str()
            .is_some_and(|digest| digest.len() > 20),
        "{told:#}"
    );
    let path = &told["paths"][0];
    assert_eq!(path["ended"], "promoted", "{path:#}");
    assert_eq!(path["revision"], 2);
    assert_eq!(path["user"], shop.second.name.as_str());
    assert_eq!(path["proven"].as_array().map(Vec::len), Some(1), "{path:#}");
    let events = path["events"].as_array().expect("a list").iter();
    let events: Vec<&str> = events.filter_map(|one| one["event"].as_str()).collect();
    for event in [
        "admitted",
        "pending-sealed",
        "apply-sent",
        "verified",
        "promoted",
    ] {
        assert!(events.contains(&event), "{event}: {events:?}");
    }
    let overlap = &path["overlap"];
    assert_eq!(overlap["user"], shop.first.name.as_str());
    assert_eq!(overlap["stage"], "locked", "{overlap:#}");
    assert!(overlap["drain"]["verdict"].is_string(), "{overlap:#}");
    assert!(overlap["drain"]["window"].is_object(), "{overlap:#}");
    let entries = told["audit"]["entries"].as_array().expect("a list").iter();
    let actions: Vec<&str> = entries.filter_map(|one| one["action"].as_str()).collect();
    for action in ["rotation.opened", "rotation.promoted", "retire.lock-done"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    let status = shop
        .run(&["status", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(told["audit"]["head"], status["audit"]);
    assert_eq!(told["audit"]["problem"], Value::Null);

    let table = shop.run(&["report", "1"]).expect_code(0).stdout;
    let page = shop
        .run(&["report", "1", "--format", "markdown"])
        .expect_code(0)
        .stdout;
    assert!(table.contains("S5: promoted in revision 2"), "{table}");
    assert!(
        page.starts_with("# Rotation R-0001 of shop/orders\n"),
        "{page}"
    );
    assert!(page.contains("ticket \\| 4711"), "{page}");
    assert_holds_no_secret(&shop, &[told.to_string(), table, page], &canaries);

    // The next one ends the overlap, of which what was observed is kept.
    shop.rotate(&[]).expect_code(0);
    let told = report(&shop, "1");
    let overlap = &told["paths"][0]["overlap"];
    assert!(overlap["ended_at"].is_string(), "{overlap:#}");
    assert!(overlap["drain"].is_object(), "{overlap:#}");
    shop.rotate(&[]).expect_code(0);
    let told = report(&shop, "1");
    let overlap = &told["paths"][0]["overlap"];
    assert_eq!(overlap["drain"], Value::Null, "{overlap:#}");
    assert!(
        overlap["problem"].to_string().contains("not kept any more"),
        "{overlap:#}"
    );
}

macro_rules! for_all {
    ($($name:ident)*) => {
        for_both! { $($name)* }
        mod postgres {
            $(#[test] fn $name() { super::$name(crate::shop::ShopEngine::Postgres); })*
        }
    };
}

for_all! { a_rotation_is_told_from_its_plan_to_its_retired_user }

#[test]
fn a_parked_rotation_tells_its_case_and_a_missing_one_the_way() {
    let shop = Shop::open("reportparked", ShopOptions::default());
    let lock = shop.lock_the_user(&shop.second);
    let run = shop.rotate(&["--reason", "ticket 12"]);
    drop(lock);
    assert_ne!(run.code(), Some(0), "{run:#?}");
    let told = report(&shop, "1");
    let path = &told["paths"][0];
    assert_eq!(path["ended"], "parked", "{path:#}");
    assert!(path["case"].is_string(), "{path:#}");
    assert_eq!(told["closed_at"], Value::Null);
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    let told = report(&shop, "1");
    assert_eq!(told["paths"][0]["ended"], "promoted", "{told:#}");
    let events = told["paths"][0]["events"].to_string();
    assert!(events.contains("parked"), "it is not forgotten: {events}");
    shop.run(&["report", "R-0099"])
        .expect_code(2)
        .expect_told(&["there is no rotation R-0099", "env history"]);
    shop.run(&["report", "last"]).expect_code(2);
}
