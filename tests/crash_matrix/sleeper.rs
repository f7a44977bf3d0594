//! A rotation that is stopped (SIGSTOP) while others go on, and continued (SIGCONT): it
//! writes nothing, wherever it was stopped.
//!
//! A stopped process keeps the lock of its store, so others can only go on with another
//! copy of the store, as a second host with a restored backup would, or when somebody
//! removes the lock file by hand. Both are done here.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Run, Running, server, wait_until};
use crate::shop::{Account, Shop, ShopOptions, account_at};

const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];
const RECOVER: [&str; 5] = ["recover", "shop/orders", "--yes", "--output", "json"];

/// The server ends a change that is idle for so long; others wait for it.
fn shop(name: &str) -> Shop {
    Shop::open(
        name,
        ShopOptions {
            lock_timeout: "30s",
            statement_timeout: "30s",
            ..ShopOptions::default()
        },
    )
}

/// Starts a rotation that stops itself at a place, and waits until it has.
fn fall_asleep(shop: &Shop, place: &str) -> Running {
    let mut command = shop.command(&ROTATE);
    command.env("HANDOVER_FAILPOINT", format!("{place}=stop"));
    let mut sleeper = Running::start(command);
    wait_until(&format!("it sleeps at {place}"), || {
        assert!(!sleeper.has_ended(), "{place} is not reached");
        sleeper.is_stopped()
    });
    sleeper
}

/// Continues it and waits for its end: nothing was done, and it says why.
#[track_caller]
fn wake(mut sleeper: Running, place: &str) -> Value {
    sleeper.signal(Signal::SIGCONT);
    let run = sleeper.finish();
    let result = run.json();
    assert_ne!(run.code(), Some(0), "{place}: {result:#}");
    assert_ne!(result["status"], "done", "{place}: {result:#}");
    let words = result["error"]["message"].as_str().unwrap_or_default();
    assert!(!words.is_empty(), "{place}: nothing is said: {result:#}");
    println!("{place}: {} · {words}", result["error"]["code"]);
    result
}

/// What the server keeps for both users.
fn verifiers(shop: &Shop) -> [String; 2] {
    [&shop.first, &shop.second].map(|account| shop.verifier_of(account))
}

/// A second host with the store's backup.
struct Elsewhere<'a> {
    shop: &'a Shop,
    store: PathBuf,
}

impl<'a> Elsewhere<'a> {
    fn restore(shop: &'a Shop) -> Self {
        let backup = shop.home().join("backup.db");
        let store = shop.home().join("elsewhere");
        let as_text = |path: &Path| path.display().to_string();
        shop.run(&["store", "backup", &as_text(&backup)])
            .expect_code(0);
        shop.run(&[
            "store",
            "restore",
            &as_text(&backup),
            "--store",
            &as_text(&store),
        ])
        .expect_code(0);
        Self { shop, store }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let store = self.store.display().to_string();
        self.shop.run(&[arguments, &["--store", &store]].concat())
    }

    fn rotate(&self) {
        self.run(&ROTATE).expect_code(0);
    }

    fn current(&self) -> Account {
        let run = self.run(&["env", "open", "shop/orders", "db", "--output", "json"]);
        account_at(&run.expect_code(0).json(), "/current")
    }

    #[track_caller]
    fn assert_current_logs_in(&self) {
        let current = self.current();
        let outcome = server().login(&current.name, &current.password);
        assert!(outcome.is_accepted(), "{} {outcome:?}", current.name);
    }
}

/// Sleeps at a place while another host rotates both users.
fn sleeps_through_two_rotations(number: usize, place: &str) {
    let shop = shop(&format!("sleeper{number}"));
    let elsewhere = Elsewhere::restore(&shop);
    let sleeper = fall_asleep(&shop, place);
    elsewhere.rotate();
    elsewhere.rotate();
    let before = verifiers(&shop);
    wake(sleeper, place);
    assert_eq!(verifiers(&shop), before, "{place}: it wrote");
    elsewhere.assert_current_logs_in();
    // Recovering the rotation that was slept through writes nothing either.
    let recovered = shop.run(&RECOVER);
    assert_ne!(recovered.code(), Some(0), "{place}: {recovered:#?}");
    assert_eq!(verifiers(&shop), before, "{place}: recover wrote");
    elsewhere.assert_current_logs_in();
}

#[test]
fn whoever_slept_through_two_rotations_writes_nothing() {
    let places = [
        "pending-sealed.after",
        "begin-change.before",
        "begin-change.after",
        "apply-sent.before",
        "apply-sent.after",
        "alter.before",
        "alter.after",
        "commit.before",
        "commit.after",
        "apply-confirmed.after",
    ];
    thread::scope(|scope| {
        let begun: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, place)| scope.spawn(move || sleeps_through_two_rotations(number, place)))
            .collect();
        for (thread, place) in begun.into_iter().zip(places) {
            assert!(thread.join().is_ok(), "{place} broke the promise");
        }
    });
}

/// Consumers still log in with what this store says, but the idle user is another's now.
#[test]
fn whoever_slept_through_one_rotation_finds_the_password_changed() {
    let shop = shop("sleeperonce");
    let elsewhere = Elsewhere::restore(&shop);
    let sleeper = fall_asleep(&shop, "begin-change.before");
    elsewhere.rotate();
    let before = verifiers(&shop);
    let told = wake(sleeper, "begin-change.before");
    assert_eq!(told["error"]["code"], "overtaken", "{told:#}");
    assert_eq!(verifiers(&shop), before, "it wrote");
    elsewhere.assert_current_logs_in();
    shop.assert_current_logs_in("in the store of the sleeper");
}

/// A password that was proven long ago may be dead when it is promoted.
#[test]
fn what_was_proven_before_a_long_sleep_is_proven_again() {
    let shop = shop("sleeperproof");
    let elsewhere = Elsewhere::restore(&shop);
    let sleeper = fall_asleep(&shop, "verified.after");
    elsewhere.rotate();
    // The proof is good for ten seconds, and only time makes it stale.
    thread::sleep(Duration::from_secs(11));
    let before = (verifiers(&shop), shop.revision_count());
    wake(sleeper, "verified.after");
    assert_eq!((verifiers(&shop), shop.revision_count()), before);
    shop.assert_current_logs_in("what consumers read was kept");
    elsewhere.assert_current_logs_in();
}

/// As somebody would who takes the stopped process for dead.
fn remove_lock(shop: &Shop) {
    let locks = shop.store().join("locks");
    for file in fs::read_dir(locks).expect("lists") {
        fs::remove_file(file.expect("lists").path()).expect("removes");
    }
}

#[test]
fn a_removed_lock_file_does_not_let_a_sleeper_write() {
    for (number, place) in ["begin-change.before", "verified.after"].iter().enumerate() {
        for further in [0, 1] {
            let shop = shop(&format!("sleeperlock{number}{further}"));
            let sleeper = fall_asleep(&shop, place);
            remove_lock(&shop);
            shop.run(&RECOVER).expect_code(0);
            for _ in 0..further {
                shop.run(&ROTATE).expect_code(0);
            }
            let before = (verifiers(&shop), shop.revision_count());
            let told = wake(sleeper, place);
            assert_eq!(told["error"]["code"], "overtaken", "{told:#}");
            let after = (verifiers(&shop), shop.revision_count());
            assert_eq!(after, before, "{place}, {further} further: it wrote");
            shop.assert_current_logs_in("after the sleeper woke");
            shop.run(&ROTATE).expect_code(0);
            shop.run(&["audit", "verify"]).expect_code(0);
        }
    }
}
