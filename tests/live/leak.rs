//! No password is left anywhere but in what the operator asked for.

use std::fs;
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use handover::secret::Secret;

use crate::harness::{Run, Running, server, wait_until};
use crate::shop::{Account, Shop, ShopOptions};

/// Everything that was collected for the search: a name and its text. Bytes that are no
/// text were replaced, which cannot hide a password: those are ASCII.
pub(crate) struct Evidence(pub(crate) Vec<(String, String)>);

impl Evidence {
    pub(crate) fn new(found: Vec<(String, Vec<u8>)>) -> Self {
        let texts = found
            .into_iter()
            .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned()));
        Self(texts.collect())
    }

    /// The program's own log is there and says something.
    #[track_caller]
    pub(crate) fn assert_own_log(&self) {
        let mut texts = self.0.iter();
        let own_log = texts.find(|(name, _)| name.ends_with("handover.log"));
        assert!(
            own_log.is_some_and(|(_, text)| !text.is_empty()),
            "the program's own log is empty, so that it proves nothing"
        );
    }

    /// No password is found anywhere.
    #[track_caller]
    pub(crate) fn assert_without(&self, passwords: &[Secret]) {
        for (number, password) in passwords.iter().enumerate() {
            let places = self.places_of(password.expose());
            assert!(
                places.is_empty(),
                "password {number} is found in {places:?}"
            );
        }
    }

    /// Where `needle` is found, as it is, in base64 or in hexadecimal.
    pub(crate) fn places_of(&self, needle: &str) -> Vec<&str> {
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

/// Every regular file below `folder`, the test's own input files left out.
pub(crate) fn files_below(folder: &Path, left_out: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("lists").flatten() {
        let path: PathBuf = entry.path();
        if path == left_out {
            continue;
        }
        let kind = entry.file_type().expect("has a type");
        if kind.is_dir() {
            files_below(&path, left_out, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).expect("reads");
            found.push((path.display().to_string(), bytes));
        }
    }
}

/// Runs the program with its own log turned up as far as it goes, and keeps what it said.
/// What it holds open while it runs lies below the shop's home.
pub(crate) fn run(shop: &Shop, said: &mut Vec<(String, Vec<u8>)>, arguments: &[&str]) -> Run {
    let mut command = shop.command(arguments);
    command
        .env("XDG_RUNTIME_DIR", shop.home())
        .env("RUST_LOG", "trace")
        .env("HANDOVER_LOG", "trace");
    let run = Running::start(command).finish();
    let described = format!("output of {arguments:?}");
    said.push((described.clone(), run.stdout.clone().into_bytes()));
    said.push((described, run.stderr.clone().into_bytes()));
    run
}

/// What was said, and all passwords that were ever used.
pub(crate) struct Story {
    pub(crate) said: Vec<(String, Vec<u8>)>,
    pub(crate) passwords: Vec<Secret>,
}

/// Lives through rotations, a refusal, a failure and a recovery, which have texts of their
/// own, in a shop without a store, whose server gives a waiting statement up soon.
pub(crate) fn live_through(shop: &Shop) -> Story {
    let mut said = Vec::new();
    let path = |name: &str| shop.file(name).display().to_string();
    shop.init_key();
    let (managing, orders, settings) = (
        path("managing.yaml"),
        path("orders.yaml"),
        path("settings.yaml"),
    );
    let init = ["env", "init", "shop/managing", "-f", &managing];
    run(shop, &mut said, &init).expect_code(0);
    let init = ["env", "init", "shop/orders", "-f", &orders];
    let init = [&init[..], &["--settings", &settings]].concat();
    run(shop, &mut said, &init).expect_code(0);

    let mut passwords = vec![
        shop.managing.password.duplicate(),
        shop.first.password.duplicate(),
        shop.second.password.duplicate(),
    ];
    for _ in 0..3 {
        run(shop, &mut said, &["rotate", "shop/orders", "--plan"]).expect_code(0);
        run(shop, &mut said, &["rotate", "shop/orders", "--yes"]).expect_code(0);
        passwords.push(shop.assert_current_logs_in("after a rotation").password);
    }
    // After three rotations the second user is current and the first is idle, with the
    // password of the second rotation.
    let idle = Account {
        name: shop.first.name.clone(),
        password: passwords[4].duplicate(),
    };
    let session = shop.hold_session(&idle);
    run(shop, &mut said, &["rotate", "shop/orders", "--yes"]).expect_code(4);
    drop(session);
    wait_until("the session is gone", || shop.sessions_of(&idle) == 0);
    let lock = shop.lock_the_user(&idle);
    let failed = run(shop, &mut said, &["rotate", "shop/orders", "--yes"]);
    assert_ne!(failed.code(), Some(0), "the user was locked: {failed:#?}");
    drop(lock);
    run(shop, &mut said, &["recover", "--yes"]).expect_code(0);
    passwords.push(shop.assert_current_logs_in("after recover").password);
    for arguments in [
        &["env", "get", "shop/orders"][..],
        &["env", "get", "shop/managing"],
        &["env", "history", "shop/orders"],
        &["env", "settings", "get", "shop/orders"],
        &["env", "ls"],
        &["doctor", "shop/orders"],
        &["status"],
        &["audit", "ls", "--output", "json"],
        &["audit", "verify"],
    ] {
        run(shop, &mut said, arguments).expect_code(0);
    }
    assert!(passwords.len() >= 7);
    Story { said, passwords }
}

#[test]
fn no_password_is_found_in_any_log_file_statistic_or_output() {
    let options = ShopOptions {
        lock_timeout: "200ms",
        ..ShopOptions::default()
    };
    let shop = Shop::bare("leak", options);
    let Story { said, passwords } = live_through(&shop);

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
    let evidence = Evidence::new(found);

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

    evidence.assert_own_log();
    evidence.assert_without(&passwords);
}
