//! `env set` and `env rm`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::contract::result_of;
use crate::harness::{HeldSession, Run};
use crate::shop::{Shop, ShopOptions};

/// A value in standard input, as a pipe gives it.
pub(crate) fn run_with_input(shop: &Shop, arguments: &[&str], input: &str) -> Run {
    let mut child = shop
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("writes");
    let output = child.wait_with_output().expect("ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run {
        status: output.status,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[track_caller]
fn code_of(run: &Run) -> String {
    run.json()["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

pub(crate) fn definition(shop: &Shop, name: &str) -> String {
    shop.run(&["env", "get", name]).expect_code(0).stdout
}

#[test]
fn a_value_is_set_and_every_other_byte_stays() {
    let shop = Shop::open("envset", ShopOptions::default());
    let before = definition(&shop, "shop/orders");
    let run = shop
        .run(&[
            "env",
            "set",
            "shop/orders",
            "greeting",
            "good day",
            "--output",
            "json",
        ])
        .expect_code(0);
    let report = run.json();
    assert_eq!(report["revision"], 2, "{report:#}");
    assert_eq!(report["changed"], true, "{report:#}");
    let after = definition(&shop, "shop/orders");
    assert_eq!(
        after,
        before.replace("greeting: hello   #", "greeting: \"good day\"   #")
    );

    // The same again makes no revision; typed as YAML types it, unless told otherwise.
    let run = shop
        .run(&[
            "env",
            "set",
            "shop/orders",
            "greeting",
            "good day",
            "--output",
            "json",
        ])
        .expect_code(0);
    assert_eq!(run.json()["changed"], false);
    for (value, more, expected) in [
        ("20", None, "20"),
        ("-1.5", None, "-1.5"),
        ("true", None, "true"),
        ("null", None, "null"),
        ("no", None, "\"no\""),
        ("20", Some("--string"), "\"20\""),
    ] {
        let mut arguments = vec!["env", "set", "shop/orders", "pool.size", value];
        arguments.extend(more);
        shop.run(&arguments).expect_code(0);
        let run = shop.run(&[
            "env",
            "open",
            "shop/orders",
            "pool.size",
            "--output",
            "json",
        ]);
        assert_eq!(run.stdout.trim_end(), expected, "{value} {more:?}");
    }
    shop.run(&["env", "history", "shop/orders"])
        .expect_code(0)
        .expect_told(&["edit"]);
    shop.run(&["audit", "verify"]).expect_code(0);
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the edits");
}

#[test]
fn a_secret_is_read_from_standard_input_and_sealed_at_once() {
    const CANARY: &str = "set-canary-4f1d: ${not.a.reference}";
    let shop = Shop::open("envsecret", ShopOptions::default());
    let set = &[
        "env",
        "set",
        "shop/orders",
        "smtp.password",
        "--secret",
        "--output",
        "json",
    ][..];
    let run = run_with_input(&shop, set, &format!("{CANARY}\n")).expect_code(0);
    assert_eq!(run.json()["sealed"], true);
    assert!(!run.told().contains("set-canary"));
    let opened = shop.run(&["env", "open", "shop/orders", "smtp.password"]);
    assert_eq!(opened.stdout, format!("{CANARY}\n"));
    assert!(!definition(&shop, "shop/orders").contains("set-canary"));
    run_with_input(&shop, set, "another").expect_code(0);
    let opened = shop.run(&["env", "open", "shop/orders", "smtp.password"]);
    assert_eq!(opened.stdout, "another\n");
    for entry in fs::read_dir(shop.store()).expect("lists").flatten() {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("set-canary"), "{:?}", entry.path());
    }

    let usage = &[
        "env",
        "set",
        "shop/orders",
        "smtp.password",
        "value",
        "--secret",
    ][..];
    shop.run(usage).expect_code(2);
    shop.run(set).expect_code(2).expect_told(&["no value"]);
    let run = shop
        .run(&[
            "env",
            "set",
            "shop/orders",
            "smtp.password",
            "x",
            "--output",
            "json",
        ])
        .expect_code(4);
    assert_eq!(code_of(&run), "plain-secret");
    for path in ["api.key", "apiToken"] {
        let run = shop
            .run(&["env", "set", "shop/orders", path, "x", "--output", "json"])
            .expect_code(4);
        assert_eq!(code_of(&run), "plain-secret");
        run.expect_told(&["--secret", "--plaintext"]);
    }
    shop.run(&[
        "env",
        "set",
        "shop/orders",
        "sort.key",
        "name",
        "--plaintext",
    ])
    .expect_code(0);
    let reference = "${environments.shop.managing.db.password}";
    shop.run(&["env", "set", "shop/orders", "managing.password", reference])
        .expect_code(0);
}

#[test]
fn what_rotating_writes_is_not_set_by_hand() {
    let shop = Shop::open("envstate", ShopOptions::default());
    let set = |path: &str, value: &str| {
        shop.run(&["env", "set", "shop/orders", path, value, "--output", "json"])
    };
    let rotated = "db[\"fn::rotate::postgres\"]";
    for path in [
        format!("{rotated}.state.current.username"),
        format!("{rotated}.state"),
        rotated.to_owned(),
        "db".to_owned(),
        "db.current.username".to_owned(),
    ] {
        let run = set(&path, "x").expect_code(4);
        assert_eq!(code_of(&run), "state-is-rotated", "{path}");
        run.expect_told(&["`state` is written by rotating"]);
    }
    let port = format!("{rotated}.inputs.database.port");
    set(&port, "5433").expect_code(0);
    set(&port, &shop.port.to_string()).expect_code(0);

    // While a rotation is open its inputs stay as they are; other values may change.
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes", "--output", "json"]);
    crate::rotation::wait_for_alter(&shop);
    let run = set(&port, "5433").expect_code(4);
    assert_eq!(code_of(&run), "open-rotation");
    let rm = &[
        "env",
        "rm",
        "shop/orders",
        "--yes",
        "--confirm",
        "shop/orders",
        "--output",
        "json",
    ][..];
    assert_eq!(code_of(&shop.run(rm).expect_code(4)), "open-rotation");
    let key = shop.home().join("new.key").display().to_string();
    let run = shop
        .run(&["key", "rotate", "--file", &key, "--output", "json"])
        .expect_code(4);
    assert_eq!(code_of(&run), "locked-by");
    assert!(!shop.home().join("new.key").exists());
    rotation.kill();
    let run = set(&port, "5433").expect_code(4);
    assert_eq!(code_of(&run), "open-rotation");
    set("greeting", "meanwhile").expect_code(0);
    // A new master key does not disturb what an open rotation has sealed.
    shop.run(&["key", "rotate", "--file", &key]).expect_code(0);
    drop(lock);
    let recovered = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    assert_eq!(recovered.code(), Some(0), "{recovered:#?}");
    assert!(result_of(&recovered)["rotation"].is_string());
    shop.assert_current_logs_in("after an edit and a new key in the middle");
    assert!(definition(&shop, "shop/orders").contains("greeting: meanwhile"));
}

#[test]
fn a_removed_environment_opens_no_more_and_its_name_is_free() {
    let shop = Shop::open("envrm", ShopOptions::default());
    let rm = |name: &str, more: &[&str]| {
        shop.run(&[&["env", "rm", name, "--output", "json"], more].concat())
    };
    let run = rm("shop/managing", &["--yes"]).expect_code(4);
    assert_eq!(code_of(&run), "referred-to");
    run.expect_told(&["shop/orders"]);
    shop.rotate(&[]).expect_code(0);
    assert_eq!(
        code_of(&rm("shop/orders", &[]).expect_code(4)),
        "not-confirmed"
    );
    let run = rm("shop/orders", &["--yes"]).expect_code(4);
    assert_eq!(code_of(&run), "protected");
    run.expect_told(&[
        &shop.first.name,
        &shop.second.name,
        "stay valid",
        "--confirm shop/orders",
    ]);
    let run = rm("shop/orders", &["--yes", "--confirm", "shop/order"]).expect_code(4);
    assert_eq!(code_of(&run), "name-differs");
    let current = shop.assert_current_logs_in("before it is removed");

    let report = rm("shop/orders", &["--yes", "--confirm", "shop/orders"])
        .expect_code(0)
        .json();
    assert_eq!(report["removed"], true, "{report:#}");
    assert_eq!(report["revisions"], 2, "{report:#}");
    assert_eq!(report["still_valid"][0]["path"], "db", "{report:#}");
    assert!(
        crate::harness::server()
            .login(&current.name, &current.password)
            .is_accepted()
    );
    shop.run(&["env", "open", "shop/orders"]).expect_code(2);
    shop.run(&["audit", "verify"]).expect_code(0);
    shop.run(&["audit", "ls"])
        .expect_code(0)
        .expect_told(&["environment.removed"]);
    rm("shop/orders", &["--yes"]).expect_code(2);

    // Nothing refers to it any more, and its name can be used again.
    rm("shop/managing", &["--yes"]).expect_code(0);
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    assert_eq!(shop.revision_count(), 1);
}
