//! A pair belongs to one rotated secret: from the first save on by address and name, from
//! the first contact on by its OIDs.

use std::fs;

use crate::harness::{HeldSession, Run, identifier, server};
use crate::shop::{Shop, ShopOptions};

fn shop(name: &str) -> Shop {
    Shop::open(name, ShopOptions::default())
}

/// Makes `shop/billing` of the orders' document, with one text in place of another.
pub(crate) fn init_billing(shop: &Shop, from: &str, to: &str) -> Run {
    let document = shop.orders_document();
    assert!(document.contains(from), "{document}");
    let file = shop.file("billing.yaml");
    fs::write(&file, document.replace(from, to)).expect("writes");
    let (file, settings) = (file.display(), shop.file("settings.yaml"));
    shop.run(&[
        "env",
        "init",
        "shop/billing",
        "-f",
        &file.to_string(),
        "--settings",
        &settings.display().to_string(),
        "--output",
        "json",
    ])
}

#[track_caller]
pub(crate) fn code_of(run: &Run) -> String {
    let code = run.json()["error"]["code"].clone();
    code.as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_second_owner_of_a_pair_is_refused_when_it_is_saved() {
    let shop = shop("twice");
    let run = init_billing(&shop, "greeting: hello", "greeting: again").expect_code(4);
    assert_eq!(code_of(&run), "owned-elsewhere");
    run.expect_told(&[&shop.first.name, "db of shop/orders"]);
    shop.run(&["env", "get", "shop/billing"]).expect_code(2);

    // Names are exact: another letter is another user. The host's letters do not matter,
    // and one shared user is enough.
    let capital = shop.first.name.to_uppercase();
    let document = shop.orders_document();
    assert!(document.contains(&shop.first.name));
    let run = init_billing(&shop, &shop.first.name, &capital).expect_code(4);
    run.expect_told(&[&shop.second.name]);

    // Once the other environment is gone, its users are free.
    let rm = ["env", "rm", "shop/orders", "--yes"];
    shop.run(&[&rm[..], &["--confirm", "shop/orders"]].concat())
        .expect_code(0);
    init_billing(&shop, "greeting: hello", "greeting: again").expect_code(0);
}

#[test]
fn a_managing_user_in_a_pair_is_refused() {
    let shop = shop("manages");
    let set = |environment: &str, path: &str, value: &str| {
        shop.run(&["env", "set", environment, path, value, "--output", "json"])
    };
    let inputs = "db[\"fn::rotate::postgres\"].inputs";
    let manager = format!("{inputs}.database.managingUser.username");
    let run = set("shop/orders", &manager, &shop.second.name).expect_code(4);
    assert_eq!(code_of(&run), "bad-inputs");
    run.expect_told(&["managing user cannot be one of rotateUsers"]);
    assert_eq!(shop.revision_count(), 1);

    let file = shop.file("billing.yaml").display().to_string();
    let init_code = |document: String| {
        fs::write(&file, document).expect("writes");
        let init = [
            "env",
            "init",
            "shop/billing",
            "-f",
            &file,
            "--output",
            "json",
        ];
        code_of(&shop.run(&init).expect_code(4))
    };
    // One of the pair of another rotated secret manages nothing.
    let managing = "${environments.shop.managing.db.username}";
    let document = shop
        .orders_document()
        .replace(&shop.first.name, "somebody_else")
        .replace(&shop.second.name, "nobody_else");
    let managed_by_first = document.replace(managing, &shop.first.name);
    assert_eq!(init_code(managed_by_first), "managing-in-pair");
    // The managing user of another rotated secret is no application user either.
    let rotates_manager = document.replace("somebody_else", &shop.managing.name);
    let rotates_manager = rotates_manager.replace(managing, "another_manager");
    assert_eq!(init_code(rotates_manager), "managing-in-pair");
}

/// The name of the host is another one, so that nothing is known before the first contact.
#[test]
fn a_second_owner_under_another_name_of_the_host_is_refused_by_its_oids() {
    let shop = shop("alias");
    init_billing(&shop, "host: 127.0.0.1", "host: localhost").expect_code(0);
    shop.rotate(&[]).expect_code(0);
    let verifiers = || [&shop.first, &shop.second].map(|account| shop.verifier_of(account));
    let before = verifiers();
    let run = shop
        .run(&["rotate", "shop/billing", "--yes", "--output", "json"])
        .expect_code(4);
    assert_eq!(
        run.json()["paths"][0]["case"],
        "owned-elsewhere",
        "{run:#?}"
    );
    run.expect_told(&["db of shop/orders"]);
    assert_eq!(verifiers(), before);
    let run = shop.run(&["doctor", "shop/billing", "--output", "json"]);
    run.expect_told(&["belongs to the rotated secret db of shop/orders"]);
}

#[test]
fn an_open_rotation_keeps_its_inputs_even_behind_a_reference() {
    let shop = Shop::bare("behind", ShopOptions::default());
    let document = shop.orders_document();
    let document = document
        .replace("greeting: hello", "place: {port: 1}\n  greeting: hello")
        .replace("port: 1}", &format!("port: {}}}", shop.port))
        .replace(
            &format!("         port: {}", shop.port),
            "         port: ${place.port}",
        );
    assert!(document.contains("${place.port}"), "{document}");
    fs::write(shop.file("orders.yaml"), document).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    let set = |value: &str| {
        let path = ["env", "set", "shop/orders", "place.port", value];
        shop.run(&[&path[..], &["--output", "json"]].concat())
    };
    set("1").expect_code(0);
    set(&shop.port.to_string()).expect_code(0);

    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes", "--output", "json"]);
    crate::rotation::wait_for_alter(&shop);
    rotation.kill();
    assert_eq!(code_of(&set("1").expect_code(4)), "open-rotation");
    drop(lock);
    shop.run(&["recover", "shop/orders", "--yes", "--output", "json"])
        .expect_code(0);
    set("1").expect_code(0);
}

#[test]
fn twins_that_differ_are_refused_with_what_mends_them_or_told_in_the_plan() {
    let shop = shop("differ");
    let first = identifier(&shop.first.name);
    let table = identifier(&format!("{}_t", shop.first.name));
    let sql = |statements: &str| server().sql(statements).expect("the server takes it");
    sql(&format!(
        "CREATE TABLE {table} (a int); GRANT SELECT ON {table} TO {first}"
    ));
    let run = shop.rotate(&[]).expect_code(4);
    let report = run.json();
    assert_eq!(report["paths"][0]["case"], "twins-differ", "{report:#}");
    let remedy = report["error"]["remedy"]
        .as_str()
        .expect("a remedy")
        .to_owned();

    shop.write_settings("    verify: {twin: warn}\n");
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    let run = shop
        .run(&["rotate", "shop/orders", "--plan"])
        .expect_code(0);
    run.expect_told(&["warning", "has what", "lacks"]);

    sql(&remedy);
    shop.write_settings("");
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.rotate(&[]).expect_code(0);
    sql(&format!("DROP TABLE {table}"));
}
