//! The program is killed, and one `recover` brings everything to an end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::contract::{names_case, result_of};
use crate::harness::{Chance, HeldSession, Run, wait_until};
use crate::rotation::{wait_for_alter, waiting_sessions};
use crate::shop::{Shop, ShopOptions};

/// `recover shop/orders --yes`: exit 0, and nothing is open afterwards.
#[track_caller]
pub(crate) fn recover(shop: &Shop, when: &str) -> Run {
    let arguments = ["recover", "shop/orders", "--yes", "--output", "json"];
    let run = shop.run(&arguments);
    assert_eq!(run.code(), Some(0), "{when}: {run:#?}");
    let again = shop.run(&arguments);
    assert_eq!(again.code(), Some(0), "{when}, a second time: {again:#?}");
    if let Ok(value) = serde_json::from_str::<Value>(&again.stdout) {
        assert_eq!(
            value.get("rotation").unwrap_or(&Value::Null),
            &Value::Null,
            "{when}: a rotation is still open: {value:#}"
        );
    }
    run
}

#[test]
fn a_rotation_killed_at_any_moment_is_brought_to_an_end_by_one_recover() {
    let shop = Shop::open("kill", ShopOptions::default());
    survive_kills(&shop, 50);
}

/// Kills so many rotations at random moments; one `recover` brings each to an end.
pub(crate) fn survive_kills(shop: &Shop, kills: usize) {
    let mut chance = Chance::from_environment();
    shop.rotate(&[]).expect_code(0);

    let begun = Instant::now();
    shop.rotate(&[]).expect_code(0);
    let mut usual = begun.elapsed();
    println!("a rotation takes {usual:?}");

    let mut in_time = 0;
    let mut continued = 0;
    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    for number in 1..=kills {
        // S1 takes most of a rotation and leaves nothing open, so every second kill aims
        // at what comes after it.
        let delay = match number % 2 {
            0 => chance.up_to(usual + usual / 10),
            _ => usual / 2 + chance.up_to(usual * 6 / 10),
        };
        let when = format!("kill {number} after {delay:?}");
        let begun = Instant::now();
        let mut rotation = shop.start(&["rotate", "shop/orders", "--yes", "--output", "json"]);
        while !rotation.has_ended() && begun.elapsed() < delay {
            std::thread::sleep(Duration::from_millis(1));
        }
        if rotation.has_ended() {
            // The machine is less busy than before: aim at shorter rotations from now on.
            usual = usual.min(begun.elapsed());
        } else {
            in_time += 1;
        }
        rotation.kill();

        shop.assert_current_logs_in(&format!("{when}, before recover"));
        let recovered = recover(shop, &when);
        shop.assert_current_logs_in(&format!("{when}, after recover"));
        continued += u32::from(result_of(&recovered)["rotation"].is_string());
        *outcomes.entry(summary(&recovered)).or_default() += 1;
    }
    println!("{in_time} of {kills} were killed while they ran; recover said {outcomes:?}");
    assert!(
        in_time >= kills / 2,
        "too few kills met a running rotation: {in_time}"
    );
    assert!(
        continued >= u32::try_from(kills / 10).expect("a few"),
        "recover had too little to do to be tested: {outcomes:?}"
    );

    // A session of a probe that was killed may linger for a moment.
    wait_until("a rotation is possible again", || {
        let run = shop.rotate(&[]);
        assert!(
            run.code() == Some(0) || names_case(&run.json(), "not-drained"),
            "{run:#?}"
        );
        run.code() == Some(0)
    });
    shop.assert_current_logs_in("after one more rotation");
    shop.run(&["audit", "verify"]).expect_code(0);
}

/// What `recover` found and did, to be counted.
fn summary(run: &Run) -> String {
    let result = result_of(run);
    let found = if result["rotation"].is_string() {
        "open"
    } else {
        "nothing open"
    };
    let path = &result["paths"][0];
    format!(
        "{found}: {} {} {}",
        path["status"], path["step"], path["case"]
    )
}

/// The client dies while its ALTER waits, and the server carries the ALTER out all the
/// same: the outcome that nobody was told of.
#[test]
fn a_statement_that_wins_after_its_client_was_killed_is_found_by_recover() {
    find_what_won(&Shop::open("zombie", patient()));
}

/// A server that lets a statement wait for as long as a test takes.
pub(crate) fn patient() -> ShopOptions {
    ShopOptions {
        lock_timeout: "60s",
        statement_timeout: "60s",
        ..ShopOptions::default()
    }
}

/// A server that gives a waiting statement up soon.
pub(crate) fn impatient() -> ShopOptions {
    ShopOptions {
        lock_timeout: "1s",
        statement_timeout: "2s",
        ..ShopOptions::default()
    }
}

/// For a [`patient`] shop.
pub(crate) fn find_what_won(shop: &Shop) {
    let lock = shop.lock_the_user(&shop.second);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(shop);
    rotation.kill();
    shop.assert_current_logs_in("after the kill");
    drop(lock);
    wait_until("the abandoned session has ended", || {
        managing_sessions(shop) == 0
    });

    let recovered = result_of(&recover(shop, "after the abandoned ALTER"));
    println!("{recovered:#}");
    assert_eq!(recovered["status"], "done", "{recovered:#}");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
    shop.rotate(&[]).expect_code(0);
}

/// The same, with a server that gives the waiting statement up at the lock time-out.
#[test]
fn a_statement_that_is_given_up_after_its_client_was_killed_is_sent_again() {
    send_again_what_was_given_up(&Shop::open("givenup", impatient()));
}

/// For an [`impatient`] shop.
pub(crate) fn send_again_what_was_given_up(shop: &Shop) {
    let before = shop.stored_hash_of(&shop.second);
    let lock = shop.lock_the_user(&shop.second);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(shop);
    rotation.kill();
    wait_until("the abandoned statement is given up", || {
        waiting_sessions(shop) == 0 && managing_sessions(shop) == 0
    });
    drop(lock);
    assert_eq!(
        shop.stored_hash_of(&shop.second),
        before,
        "nothing was applied"
    );
    shop.assert_current_logs_in("after the statement was given up");

    let recovered = result_of(&recover(shop, "after the given-up ALTER"));
    println!("{recovered:#}");
    assert_eq!(recovered["status"], "done", "{recovered:#}");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
}

/// While a rotation is open, nothing starts a second one.
#[test]
fn an_open_rotation_is_named_and_refuses_a_new_one() {
    let shop = Shop::open("openrotation", patient());
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(&shop);
    rotation.kill();
    for run in [shop.plan(), shop.rotate(&[])] {
        crate::contract::assert_refused(&run, "open-rotation");
        run.expect_told(&["R-0001", "recover"]);
    }
    shop.run(&["status"]).expect_told(&["R-0001"]);
    drop(lock);
    wait_until("the abandoned session has ended", || {
        managing_sessions(&shop) == 0
    });
    recover(&shop, "after the refusals");
    shop.assert_current_logs_in("after recover");
}

/// The user stays locked for longer than the program waits: a failure that is told, that
/// leaves the consumers alone, and that `recover` brings to an end.
#[test]
fn a_lock_that_outlasts_its_time_out_is_no_loss() {
    let options = ShopOptions {
        lock_timeout: "500ms",
        ..impatient()
    };
    lose_nothing_to_a_lock(&Shop::open("locktimeout", options));
}

/// For an [`impatient`] shop.
pub(crate) fn lose_nothing_to_a_lock(shop: &Shop) {
    let lock = shop.lock_the_user(&shop.second);
    let stopped = shop.rotate(&[]);
    assert_ne!(stopped.code(), Some(0), "the user was locked: {stopped:#?}");
    result_of(&stopped);
    shop.assert_current_logs_in("while the user is locked");
    drop(lock);
    recover(shop, "after the lock time-out");
    shop.assert_current_logs_in("after recover");
}

pub(crate) fn managing_sessions(shop: &Shop) -> usize {
    shop.sessions_of(&shop.managing)
}
