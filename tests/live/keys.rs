//! The master key: told apart when it is wrong, missing or another; replaced; and the
//! store copied and restored.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Chance, Run, Running};
use crate::shop::{Shop, ShopOptions};

const PASSPHRASE: &str = "correct horse battery staple";

/// Only a store with one sealed secret; none of these tests needs a database.
#[track_caller]
fn small(name: &str) -> Shop {
    let shop = Shop::bare(name, ShopOptions::default());
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop
}

fn private(shop: &Shop, name: &str, text: &str) -> PathBuf {
    let path = shop.home().join(name);
    fs::write(&path, text).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("protects");
    path
}

fn run_with(shop: &Shop, variables: &[(&str, &Path)], arguments: &[&str]) -> Run {
    let mut command = shop.command(arguments);
    for (name, value) in variables {
        command.env(name, value);
    }
    Running::start(command).finish()
}

fn with(passphrase_file: &Path) -> [(&str, &Path); 1] {
    [("HANDOVER_PASSPHRASE_FILE", passphrase_file)]
}

#[track_caller]
fn assert_opens(shop: &Shop, variables: &[(&str, &Path)], when: &str) {
    let run = run_with(
        shop,
        variables,
        &["env", "open", "shop/managing", "db.password"],
    );
    assert_eq!(run.code(), Some(0), "{when}: {run:#?}");
    assert_eq!(
        run.stdout.trim_end(),
        shop.managing.password.expose(),
        "{when}"
    );
}

#[track_caller]
fn code_of(run: &Run) -> String {
    run.json()["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[track_caller]
fn slots(shop: &Shop) -> Vec<Value> {
    let run = shop.run(&["key", "ls", "--output", "json"]).expect_code(0);
    run.json()["slots"].as_array().expect("a list").clone()
}

#[test]
fn exactly_one_source_is_named() {
    let shop = Shop::bare("onesource", ShopOptions::default());
    for arguments in [
        &["key", "init"][..],
        &["key", "init", "--keyring", "--passphrase"],
        &["key", "init", "--file", "a", "--keyring"],
        &["key", "rotate"],
        &["store"],
        &["key"],
    ] {
        shop.run(arguments).expect_code(2).expect_no_stack_trace();
    }
    assert!(!shop.home().join("a").exists());
}

#[test]
fn a_passphrase_opens_the_store_and_each_failure_has_its_own_name() {
    let shop = Shop::bare("passphrase", ShopOptions::default());
    let right = private(&shop, "right", &format!("{PASSPHRASE}\n"));
    let wrong = private(&shop, "wrong", "correct horse battery stable\n");
    let short = private(&shop, "short", "abc\n");

    let init = &["key", "init", "--passphrase", "--output", "json"][..];
    let none = shop.run(init).expect_code(4);
    assert_eq!(code_of(&none), "passphrase-missing");
    let run = run_with(&shop, &with(&short), init).expect_code(4);
    assert_eq!(code_of(&run), "passphrase-unusable");
    assert!(!shop.store().exists(), "nothing was made");
    run_with(&shop, &with(&right), init).expect_code(0);

    let file = shop.file("managing.yaml").display().to_string();
    let arguments = ["env", "init", "shop/managing", "-f", &file];
    run_with(&shop, &with(&right), &arguments).expect_code(0);
    assert_opens(&shop, &with(&right), "with the passphrase");

    let open = &["env", "open", "shop/managing", "--output", "json"][..];
    let missing = shop.home().join("none");
    fs::set_permissions(&short, fs::Permissions::from_mode(0o644)).expect("opens");
    for (file, code, exit) in [
        (&wrong, "key-wrong", 1),
        (&missing, "passphrase-missing", 1),
        (&short, "not-private", 1),
    ] {
        let run = run_with(&shop, &with(file), open).expect_code(exit);
        assert_eq!(code_of(&run), code);
        run.expect_told(&["slot 1"]);
    }
    let run = shop.run(open).expect_code(4);
    assert_eq!(code_of(&run), "passphrase-missing");
    run.expect_told(&["slot 1", "HANDOVER_PASSPHRASE_FILE"]);

    // Neither the passphrase nor what it seals stands anywhere in the store.
    for entry in fs::read_dir(shop.store()).expect("lists").flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(PASSPHRASE), "{:?}", entry.path());
    }
}

#[test]
fn wrong_missing_and_malformed_key_files_are_told_apart_and_nothing_is_lost() {
    let shop = small("toldapart");
    let open = &["env", "open", "shop/managing", "--output", "json"][..];
    let key = fs::read(shop.key_file()).expect("reads");
    let expect = |code: &str| {
        let run = shop.run(open).expect_code(1);
        assert_eq!(code_of(&run), code);
        run.expect_told(&["slot 1", "key rotate"]);
    };
    let aside = shop.home().join("aside");
    fs::rename(shop.key_file(), &aside).expect("moves");
    expect("key-missing");
    fs::create_dir(shop.key_file()).expect("makes");
    expect("not-private");
    fs::remove_dir(shop.key_file()).expect("removes");
    private(&shop, "master.key", "handover-key-1 something else\n");
    expect("key-malformed");
    fs::write(shop.key_file(), &key).expect("writes");
    fs::set_permissions(shop.key_file(), fs::Permissions::from_mode(0o640)).expect("opens");
    expect("not-private");
    fs::set_permissions(shop.key_file(), fs::Permissions::from_mode(0o600)).expect("closes");
    assert_opens(&shop, &[], "with its key again");
    // The slots can be listed without any key.
    fs::remove_file(shop.key_file()).expect("removes");
    assert_eq!(slots(&shop)[0]["kind"], "file");
    assert_opens(
        &shop,
        &[("HANDOVER_KEY_FILE", &aside)],
        "from its new place",
    );
}

#[test]
fn a_new_master_key_takes_over_and_the_old_one_is_kept_on_record() {
    let shop = small("rotatekey");
    let second = shop.home().join("second.key");
    let path = second.display().to_string();
    let rotate = &["key", "rotate", "--file", &path, "--output", "json"][..];
    let report = shop.run(rotate).expect_code(0).json();
    assert_eq!(report["slot"], 2, "{report:#}");
    assert_eq!(report["rewrapped"], 2, "{report:#}");
    assert_opens(&shop, &[], "with the second key");
    shop.run(&["audit", "verify"]).expect_code(0);
    let old = run_with(
        &shop,
        &[("HANDOVER_KEY_FILE", &shop.key_file())],
        &["status", "--output", "json"],
    )
    .expect_code(1);
    assert_eq!(code_of(&old), "key-wrong");
    old.expect_told(&["slot 2"]);
    shop.run(rotate)
        .expect_code(4)
        .expect_told(&["never overwritten"]);

    let file = private(&shop, "passphrase", PASSPHRASE);
    let other = private(&shop, "other", "another passphrase altogether");
    let with = [("HANDOVER_PASSPHRASE_FILE", file.as_path())];
    run_with(&shop, &with, &["key", "rotate", "--passphrase"]).expect_code(0);
    assert_opens(&shop, &with, "with a passphrase");
    // From passphrase to passphrase: the one in use is not taken for the new one.
    run_with(&shop, &with, &["key", "rotate", "--passphrase"])
        .expect_code(4)
        .expect_told(&["HANDOVER_NEW_PASSPHRASE_FILE"]);
    let both = [with[0], ("HANDOVER_NEW_PASSPHRASE_FILE", other.as_path())];
    run_with(&shop, &both, &["key", "rotate", "--passphrase"]).expect_code(0);
    let with = [("HANDOVER_PASSPHRASE_FILE", other.as_path())];
    assert_opens(&shop, &with, "with another passphrase");
    run_with(&shop, &with, &["audit", "verify"]).expect_code(0);
    run_with(&shop, &with, &["audit", "ls"])
        .expect_code(0)
        .expect_told(&["key.created", "key.rotated"]);

    let slots = slots(&shop);
    let kinds: Vec<&str> = slots
        .iter()
        .filter_map(|slot| slot["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["file", "file", "passphrase", "passphrase"]);
    let in_use: Vec<bool> = slots.iter().map(|slot| slot["in_use"] == true).collect();
    assert_eq!(in_use, [false, false, false, true]);
    assert!(slots[0]["retired_at"].is_string() && slots[3]["retired_at"].is_null());
}

#[test]
fn a_key_rotation_killed_at_any_moment_leaves_a_store_that_opens() {
    const KILLS: u32 = 30;
    let mut chance = Chance::from_environment();
    let shop = small("killkey");
    let begun = Instant::now();
    let first = shop.home().join("key-0");
    shop.run(&["key", "rotate", "--file", &first.display().to_string()])
        .expect_code(0);
    let usual = begun.elapsed();
    let (mut in_time, mut old, mut new) = (0, 0, 0);
    for number in 1..=KILLS {
        let before = slots(&shop).len();
        let file = shop.home().join(format!("key-{number}"));
        let path = file.display().to_string();
        let delay = chance.up_to(usual);
        let begun = Instant::now();
        let mut rotation = shop.start(&["key", "rotate", "--file", &path]);
        while !rotation.has_ended() && begun.elapsed() < delay {
            std::thread::sleep(Duration::from_micros(200));
        }
        in_time += u32::from(!rotation.has_ended());
        rotation.kill();

        let when = format!("kill {number} after {delay:?}");
        assert_opens(&shop, &[], &when);
        let slots = slots(&shop);
        let used: Vec<&Value> = slots.iter().filter(|slot| slot["in_use"] == true).collect();
        assert_eq!(used.len(), 1, "{when}: {slots:#?}");
        if slots.len() > before {
            new += 1;
            assert_eq!(used[0]["place"], path, "{when}");
        } else {
            old += 1;
        }
    }
    println!(
        "{in_time} of {KILLS} were killed while they ran; {old} kept the old key, {new} have the new one"
    );
    assert!(in_time >= KILLS / 3, "too few kills met a running rotation");
    shop.run(&["audit", "verify"]).expect_code(0);
}

#[test]
fn a_backup_holds_everything_but_the_key_and_is_restored_into_an_empty_folder() {
    let shop = small("backup");
    let backup = shop.home().join("backup.db");
    let path = backup.display().to_string();
    shop.run(&["store", "backup", &path]).expect_code(0);
    let mode = fs::metadata(&backup).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = fs::read_to_string(shop.key_file()).expect("reads");
    let key = key.split_whitespace().last().expect("a key").to_owned();
    let bytes = fs::read(&backup).expect("reads");
    assert!(!String::from_utf8_lossy(&bytes).contains(&key));
    shop.run(&["store", "backup", &path])
        .expect_code(4)
        .expect_told(&["never overwritten"]);
    assert_eq!(fs::read(&backup).expect("reads"), bytes);

    // Not over a store, and not without the key.
    let restore = |store: &Path, variables: &[(&str, &Path)]| {
        let store = store.display().to_string();
        run_with(
            &shop,
            variables,
            &[
                "store", "restore", &path, "--store", &store, "--output", "json",
            ],
        )
    };
    let run = restore(&shop.store(), &[]).expect_code(4);
    assert_eq!(code_of(&run), "store-not-empty");
    let new = shop.home().join("new-store");
    let other = Shop::bare("backupother", ShopOptions::default());
    other.init_key();
    let run = restore(&new, &[("HANDOVER_KEY_FILE", &other.key_file())]).expect_code(1);
    assert_eq!(code_of(&run), "key-wrong");
    assert_eq!(fs::read_dir(&new).expect("lists").count(), 0);

    let report = restore(&new, &[]).expect_code(0).json();
    assert_eq!(report["environments"], 1, "{report:#}");
    let store = new.display().to_string();
    let run = shop.run(&[
        "env",
        "open",
        "shop/managing",
        "db.password",
        "--store",
        &store,
    ]);
    assert_eq!(run.stdout.trim_end(), shop.managing.password.expose());
    shop.run(&["audit", "verify", "--store", &store])
        .expect_code(0);
    let entries = shop
        .run(&["audit", "ls", "--output", "json", "--store", &store])
        .expect_code(0)
        .json();
    let actions: Vec<&str> = entries["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["action"].as_str())
        .collect();
    let restored = actions
        .iter()
        .position(|action| *action == "store.restored");
    let backed_up = actions.iter().position(|action| *action == "store.backup");
    assert_eq!(restored, backed_up.map(|at| at + 1), "{actions:?}");

    fs::write(&backup, "not a store at all\n".repeat(400)).expect("writes");
    let run = restore(&shop.home().join("third"), &[]).expect_code(1);
    assert_eq!(code_of(&run), "store-foreign");
}

/// Types `lines` into the program, each at the next question; answers what was shown.
fn typed(shop: &Shop, arguments: &[&str], lines: &[&str]) -> (String, bool) {
    let pair = portable_pty::native_pty_system()
        .openpty(portable_pty::PtySize::default())
        .expect("opens a terminal");
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_handover"));
    command.args(arguments);
    command.env_clear();
    command.env("HOME", shop.home());
    command.env("TERM", "dumb");
    command.env("HANDOVER_STORE", shop.store());
    command.cwd(shop.home());
    let mut child = pair.slave.spawn_command(command).expect("starts");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("reads");
    let mut writer = pair.master.take_writer().expect("writes");
    let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let seen = std::sync::Arc::clone(&shown);
    let reading = std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = reader.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]);
            seen.lock().expect("not poisoned").push_str(&text);
        }
    });
    for (number, line) in lines.iter().enumerate() {
        crate::harness::wait_until("the question is asked", || {
            shown.lock().expect("not poisoned").matches(": ").count() > number
        });
        write!(writer, "{line}\r").expect("types");
    }
    let status = child.wait().expect("ends");
    reading.join().expect("reads");
    let shown = shown.lock().expect("not poisoned").clone();
    (shown, status.success())
}

#[test]
fn a_passphrase_and_a_secret_are_asked_for_and_never_shown() {
    let shop = Shop::bare("typed", ShopOptions::default());
    let init = &["key", "init", "--passphrase"][..];
    let (shown, done) = typed(&shop, init, &[PASSPHRASE, "something else altogether"]);
    assert!(!done && shown.contains("not the same"), "{shown}");
    let (shown, done) = typed(&shop, init, &["\u{3}"]);
    assert!(
        !done && shown.contains("no passphrase was given"),
        "{shown}"
    );
    assert!(!shop.store().exists());
    let (shown, done) = typed(&shop, init, &[PASSPHRASE, &format!("x\u{8}{PASSPHRASE}")]);
    assert!(done && !shown.contains("battery"), "{shown}");

    let file = private(&shop, "right", PASSPHRASE);
    let document = shop.file("managing.yaml").display().to_string();
    let arguments = ["env", "init", "shop/managing", "-f", &document];
    run_with(&shop, &with(&file), &arguments).expect_code(0);
    let set = &["env", "set", "shop/managing", "db.password", "--secret"][..];
    let value = "typed-canary";
    let (shown, done) = typed(&shop, set, &[value, value, PASSPHRASE]);
    assert!(done && !shown.contains("canary"), "{shown}");
    let opened = run_with(
        &shop,
        &with(&file),
        &["env", "open", "shop/managing", "db.password"],
    );
    assert_eq!(opened.stdout.trim_end(), value);
}
