//! Long runs under clients that reconnect all the while, for `make soak` alone: rotations
//! one after the other, and crashes at random moments.
//!
//! `HANDOVER_SOAK_MINUTES` says how long, `HANDOVER_TEST_SEED` repeats a run's choices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::consumer::{Consumers, Tally, Temper};
use crate::contract::{names_case, result_of};
use crate::crash::recover;
use crate::harness::{Chance, wait_until};
use crate::shop::{Shop, ShopOptions};

/// Rotations that a soak makes at the least, in all shops together.
const ROTATIONS: usize = 200;

/// Shops that are rotated side by side, since each has to wait for its consumers.
const SHOPS: usize = 4;

/// Shops whose rotations are killed.
const CRASHING_SHOPS: usize = 2;

const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];
const RECOVER: [&str; 5] = ["recover", "shop/orders", "--yes", "--output", "json"];

/// When the soak is over.
fn end() -> Instant {
    let minutes = std::env::var("HANDOVER_SOAK_MINUTES").unwrap_or_else(|_| "1".to_owned());
    let minutes: u64 = minutes.parse().expect("HANDOVER_SOAK_MINUTES is a number");
    Instant::now() + Duration::from_secs(60 * minutes)
}

/// A shop whose consumers have three seconds for what they do within one.
fn open(name: &str) -> Arc<Shop> {
    let shop = Shop::open(
        name,
        ShopOptions {
            propagation: "3s",
            ..ShopOptions::default()
        },
    );
    shop.rotate(&[]).expect_code(0);
    Arc::new(shop)
}

fn assert_none_refused(tally: &Tally) {
    assert_eq!(tally.refused, Vec::<String>::new(), "{tally:?}");
    assert!(tally.logins > 0, "nobody logged in: {tally:?}");
}

/// Runs `work` in shops of its own side by side; answers what all their consumers saw.
fn in_shops(
    name: &str,
    count: usize,
    chance: &mut Chance,
    work: impl Fn(&Shop, Chance) + Sync,
) -> Tally {
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let begun: Vec<_> = (0..count)
            .map(|number| {
                let (mut chance, work) = (chance.split(), &work);
                let shop = open(&format!("{name}{number}"));
                scope.spawn(move || {
                    let tempers = [Temper::Patient, Temper::Calm, Temper::Calm];
                    let consumers = Consumers::start(&shop, &tempers, &mut chance);
                    work(&shop, chance);
                    let tally = consumers.stop();
                    assert_none_refused(&tally);
                    shop.assert_current_logs_in("at the end");
                    shop.run(&["audit", "verify"]).expect_code(0);
                    tally
                })
            })
            .collect();
        for thread in begun {
            let tally = thread.join().expect("no promise is broken");
            sum.logins += tally.logins;
            sum.expired += tally.expired;
        }
    });
    sum
}

#[test]
#[ignore = "soak: it takes minutes, and `make soak` runs it"]
fn two_hundred_rotations_refuse_no_reconnecting_client() {
    let mut chance = Chance::from_environment();
    let end = end();
    let begun = AtomicUsize::new(0);
    let tally = in_shops("soak", SHOPS, &mut chance, |shop, _| {
        let before = shop.revision_count();
        let mut own = 0;
        while begun.fetch_add(1, Ordering::Relaxed) < ROTATIONS || Instant::now() < end {
            wait_until("the consumers have read the last rotation", || {
                let run = shop.rotate(&[]);
                let drained = run.code() == Some(0);
                assert!(
                    drained || names_case(&result_of(&run), "not-drained"),
                    "it failed by something else: {run:#?}"
                );
                if !drained {
                    thread::sleep(Duration::from_millis(200));
                }
                drained
            });
            own += 1;
        }
        assert_eq!(shop.revision_count(), before + own);
    });
    // Each shop counts one more before it sees that it is over.
    let rotations = begun.into_inner() - SHOPS;
    println!(
        "{rotations} rotations, {} logins, 0 refused, {} credentials fetched again",
        tally.logins, tally.expired
    );
    assert!(rotations >= ROTATIONS);
}

#[test]
#[ignore = "soak: it takes minutes, and `make soak` runs it"]
fn crashes_at_random_moments_refuse_no_client() {
    let mut chance = Chance::from_environment();
    let end = end();
    let [rounds, kills, continued] = [const { AtomicUsize::new(0) }; 3];
    let tally = in_shops(
        "soakcrash",
        CRASHING_SHOPS,
        &mut chance,
        |shop, mut chance| {
            let mut usual = Duration::from_secs(1);
            while Instant::now() < end {
                wait_until("a rotation is possible", || {
                    let open = shop.plan().code() == Some(0);
                    if !open {
                        thread::sleep(Duration::from_millis(200));
                    }
                    open
                });
                let mut kill = |words: &[&str], usual: &mut Duration| {
                    let was_killed = kill_within(shop, words, usual, &mut chance);
                    kills.fetch_add(usize::from(was_killed), Ordering::Relaxed);
                    shop.assert_current_logs_in("after a kill");
                    chance.up_to(Duration::from_secs(3)) < Duration::from_secs(1)
                };
                // A recovery is killed too, as often as chance wants it.
                let mut again = kill(&ROTATE, &mut usual);
                while again {
                    again = kill(&RECOVER, &mut usual);
                }
                let recovered = result_of(&recover(shop, "after the kills"));
                let found = usize::from(recovered["rotation"].is_string());
                continued.fetch_add(found, Ordering::Relaxed);
                rounds.fetch_add(1, Ordering::Relaxed);
                shop.assert_current_logs_in("after recover");
            }
        },
    );
    let [rounds, kills, continued] = [rounds, kills, continued].map(AtomicUsize::into_inner);
    println!(
        "{rounds} rounds, {kills} kills, {continued} open rotations brought to an end by recover, \
         {} logins, 0 refused, {} credentials fetched again",
        tally.logins, tally.expired
    );
    assert!(kills > 0 && continued > 0, "nothing was tried");
}

/// Runs the program and kills it at a random moment of its `usual` time; says whether it
/// still ran, and comes closer to its real time when it did not.
fn kill_within(shop: &Shop, words: &[&str], usual: &mut Duration, chance: &mut Chance) -> bool {
    // S1 takes most of a rotation and leaves nothing open, so that about every second kill
    // aims at what comes after it.
    let delay = match chance.up_to(Duration::from_secs(2)) < Duration::from_secs(1) {
        true => chance.up_to(*usual + *usual / 10),
        false => *usual / 2 + chance.up_to(*usual * 6 / 10),
    };
    let begun = Instant::now();
    let mut running = shop.start(words);
    while !running.has_ended() && begun.elapsed() < delay {
        thread::sleep(Duration::from_millis(1));
    }
    let was_killed = !running.has_ended();
    match was_killed {
        // What is never seen to its end may take longer than it was thought to.
        true => *usual += *usual / 50,
        false => *usual = (*usual).min(begun.elapsed()),
    }
    running.kill();
    was_killed
}
