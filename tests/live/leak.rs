//! No password is left anywhere but in what the operator asked for.

use std::fs;
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::harness::{HeldSession, Run, Running, server};
use crate::shop::{Shop, ShopOptions};

/// Everything that was collected for the search: a name and its text. Bytes that are no
/// text were replaced, which cannot hide a password: those are ASCII.
struct Evidence(Vec<(String, String)>);

impl Evidence {
    /// Where `needle` is found, as it is, in base64 or in hexadecimal.
    fn places_of(&self, needle: &str) -> Vec<&str> {
        assert!(needle.is_ascii(), "{needle}");
        let forms = [
            needle.to_owned(),
            STANDARD.encode(needle).trim_end_matches('=').to_owned(),
            hex::encode(needle),
        ];
        self.0
            .iter()
            .filter(|(_, text)| forms.iter().any(|form| text.contains(form)))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Every file below `folder`, the test's own input files left out.
fn files_below(folder: &Path, left_out: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("lists").flatten() {
        let path: PathBuf = entry.path();
        if path == left_out {
            continue;
        }
        if entry.file_type().expect("has a type").is_dir() {
            files_below(&path, left_out, found);
        } else {
            let bytes = fs::read(&path).expect("reads");
            found.push((path.display().to_string(), bytes));
        }
    }
}

/// Runs the program with its own log turned up as far as it goes, and keeps what it said.
fn run(shop: &Shop, said: &mut Vec<(String, Vec<u8>)>, arguments: &[&str]) -> Run {
    let mut command = shop.command(arguments);
    command
        .env("RUST_LOG", "trace")
        .env("HANDOVER_LOG", "trace");
    let run = Running::start(command).finish();
    let described = format!("output of {arguments:?}");
    said.push((described.clone(), run.stdout.clone().into_bytes()));
    said.push((described, run.stderr.clone().into_bytes()));
    run
}

#[test]
fn no_password_is_found_in_any_log_file_statistic_or_output() {
    let shop = Shop::bare(
        "leak",
        ShopOptions {
            lock_timeout: "200ms",
            ..ShopOptions::default()
        },
    );
    let mut said = Vec::new();
    let path = |name: &str| shop.file(name).display().to_string();
    shop.init_key();
    let (managing, orders, settings) = (
        path("managing.yaml"),
        path("orders.yaml"),
        path("settings.yaml"),
    );
    run(
        &shop,
        &mut said,
        &["env", "init", "shop/managing", "-f", &managing],
    )
    .expect_code(0);
    run(
        &shop,
        &mut said,
        &[
            "env",
            "init",
            "shop/orders",
            "-f",
            &orders,
            "--settings",
            &settings,
        ],
    )
    .expect_code(0);

    let mut passwords = vec![
        shop.managing.password.duplicate(),
        shop.first.password.duplicate(),
        shop.second.password.duplicate(),
    ];
    for _ in 0..3 {
        run(&shop, &mut said, &["rotate", "shop/orders", "--plan"]).expect_code(0);
        run(&shop, &mut said, &["rotate", "shop/orders", "--yes"]).expect_code(0);
        passwords.push(shop.assert_current_logs_in("after a rotation").password);
    }
    // A refusal, a failure and a recovery have texts of their own.
    let session = HeldSession::open(&shop.first.name, {
        // After three rotations the second user is current and the first is idle, with
        // the password of the second rotation.
        &passwords[4]
    });
    run(&shop, &mut said, &["rotate", "shop/orders", "--yes"]).expect_code(4);
    drop(session);
    let lock = HeldSession::row_lock(&shop.first.name);
    let failed = run(&shop, &mut said, &["rotate", "shop/orders", "--yes"]);
    assert_ne!(failed.code(), Some(0), "the row was locked: {failed:#?}");
    drop(lock);
    run(&shop, &mut said, &["recover", "--yes"]).expect_code(0);
    passwords.push(shop.assert_current_logs_in("after recover").password);
    for arguments in [
        &["env", "get", "shop/orders"][..],
        &["env", "get", "shop/managing"],
        &["env", "history", "shop/orders"],
        &["env", "settings", "get", "shop/orders"],
        &["env", "ls"],
        &["status"],
        &["audit", "ls", "--output", "json"],
        &["audit", "verify"],
    ] {
        run(&shop, &mut said, arguments).expect_code(0);
    }

    let planted = shop.store().join("planted-by-the-test");
    fs::write(&planted, "before planted-canary-text after").expect("writes");
    let mut found = said;
    files_below(shop.home(), &shop.file(""), &mut found);
    found.push(("server log".to_owned(), server().server_log().into_bytes()));
    let statistics = server()
        .sql("SELECT query FROM pg_stat_statements")
        .expect("answers");
    let statistics: Vec<String> = statistics.into_iter().flatten().flatten().collect();
    found.push((
        "pg_stat_statements".to_owned(),
        statistics.join("\n").into_bytes(),
    ));
    let evidence = Evidence(
        found
            .into_iter()
            .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned()))
            .collect(),
    );

    // The search is known to find: a planted text, and what each source must hold.
    let places = evidence.places_of("planted-canary-text");
    assert_eq!(places, [planted.display().to_string()]);
    let places = evidence.places_of(&shop.first.name);
    for source in ["server log", "pg_stat_statements", "output of"] {
        assert!(
            places.iter().any(|place| place.starts_with(source)),
            "{source} does not hold the role's name, so that it proves nothing: {places:?}"
        );
    }

    let own_log = evidence
        .0
        .iter()
        .find(|(name, _)| name.ends_with("handover.log"));
    assert!(
        own_log.is_some_and(|(_, text)| !text.is_empty()),
        "the program's own log is empty, so that it proves nothing"
    );

    assert!(passwords.len() >= 7);
    for (number, password) in passwords.iter().enumerate() {
        let places = evidence.places_of(password.expose());
        assert!(
            places.is_empty(),
            "password {number} is found in {places:?}"
        );
    }
}
