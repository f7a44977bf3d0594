//! What the store gives back of the documents that it was given.

use std::fs;

use crate::shop::{Shop, ShopOptions};

/// The comments of the orders' document.
const COMMENTS: [&str; 3] = [
    "# The orders service reads this.",
    "# not a secret",
    "# they take turns",
];

#[test]
fn a_definition_keeps_its_comments_and_shows_ciphertext_only() {
    let shop = Shop::bare("comments", ShopOptions::default());
    let inputs = ["managing.yaml", "orders.yaml", "settings.yaml"];
    let before = inputs.map(|name| fs::read(shop.file(name)).expect("reads"));
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    let after = inputs.map(|name| fs::read(shop.file(name)).expect("reads"));
    assert!(before == after, "an input file was changed");

    for rotated in [false, true] {
        if rotated {
            shop.rotate(&[]).expect_code(0);
        }
        let shown = shop.run(&["env", "get", "shop/orders"]).expect_code(0);
        let run = shown.expect_told(&COMMENTS).expect_told(&["ciphertext"]);
        let current = shop.current();
        for secret in [
            &shop.first.password,
            &shop.second.password,
            &current.password,
        ] {
            assert!(
                !run.told().contains(secret.expose()),
                "a plaintext is shown, rotated: {rotated}"
            );
        }
        // The lines that hold no secret stand as they were written.
        let shown: Vec<&str> = run.stdout.lines().map(str::trim_end).collect();
        let document = shop.orders_document();
        let (inputs, _) = document.split_once("      state:").expect("has a state");
        for line in inputs.lines() {
            assert!(shown.contains(&line), "`{line}` is gone in {run:#?}");
        }
    }
}

#[test]
fn secrets_are_shown_only_where_they_are_asked_for() {
    let shop = Shop::open("show", ShopOptions::default());
    let shown = shop
        .run(&["env", "get", "shop/orders", "--show-secrets"])
        .expect_code(0);
    for account in [&shop.first, &shop.second] {
        assert!(shown.stdout.contains(account.password.expose()));
    }
    assert!(
        !shown.stdout.contains(shop.managing.password.expose()),
        "the managing password is never read by consumers"
    );
    let opened = shop
        .run(&["env", "open", "shop/orders", "--output", "json"])
        .expect_code(0);
    assert!(
        !opened.told().contains(shop.managing.password.expose()),
        "the managing password is never read by consumers"
    );
    assert_eq!(opened.json()["greeting"], "hello");
}

#[test]
fn settings_are_given_back_and_can_be_replaced() {
    let shop = Shop::open("settings", ShopOptions::default());
    shop.run(&["env", "settings", "get", "shop/orders"])
        .expect_code(0)
        .expect_told(&["propagation", "verify-full"]);
    let text = fs::read_to_string(shop.file("settings.yaml")).expect("reads");
    let longer = text.replace("propagation: 0s", "propagation: 47m");
    fs::write(shop.file("settings.yaml"), longer).expect("writes");
    // The authority's file was read and stored, so that the store stands on its own.
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.run(&["env", "settings", "get", "shop/orders"])
        .expect_code(0)
        .expect_told(&["47m"]);
    fs::remove_file(shop.file("ca.pem")).expect("removes");
    shop.rotate(&[]).expect_code(0);
}
