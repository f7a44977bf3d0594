//! Rotations that succeed: many in a row under consumers, two at once, a hostile name.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::consumer::Temper::{Calm, Hasty, Patient};
use crate::consumer::{Consumers, Temper};
use crate::contract::{assert_refused, names_case, result_of};
use crate::harness::{Chance, HeldSession, literal, single, wait_until};
use crate::shop::{Shop, ShopOptions};

#[test]
fn thirty_rotations_in_a_row_refuse_no_consumer() {
    let shop = Shop::open("thirty", propagating());
    refuse_no_consumer(shop, 30, &[Hasty, Patient, Hasty, Patient, Calm]);
}

/// Consumers have time to read what a rotation promoted.
pub(crate) fn propagating() -> ShopOptions {
    ShopOptions {
        propagation: "2s",
        ..ShopOptions::default()
    }
}

/// So many rotations of a [`propagating`] shop in a row, and each login of a consumer works.
pub(crate) fn refuse_no_consumer(shop: Shop, rotations: usize, tempers: &[Temper]) {
    let mut chance = Chance::from_environment();
    let shop = Arc::new(shop);
    let before = shop.revision_count();
    let consumers = Consumers::start(&shop, tempers, &mut chance);
    let mut waited_for = 0;
    for number in 1..=rotations {
        let mut waited = false;
        wait_until("the consumers have read the last rotation", || {
            let run = shop.rotate(&[]);
            let result = result_of(&run);
            if run.code() == Some(0) {
                assert_eq!(result["status"], "done", "{result:#}");
                return true;
            }
            assert!(
                names_case(&result, "not-drained"),
                "rotation {number} failed by something else: {run:#?}"
            );
            waited = true;
            std::thread::sleep(Duration::from_millis(100));
            false
        });
        waited_for += usize::from(waited);
    }
    let tally = consumers.stop();
    println!("{tally:?}, {waited_for} rotations had to wait");
    assert!(
        waited_for >= rotations / 2,
        "the propagation of the rotation before was not respected: {waited_for}"
    );
    assert_eq!(shop.revision_count(), before + rotations);
    assert_eq!(tally.refused, Vec::<String>::new(), "{tally:?}");
    let logins = usize::try_from(tally.logins).expect("a count");
    assert!(
        logins >= rotations * 10 / 3,
        "too few logins to mean anything: {tally:?}"
    );
}

#[test]
fn of_two_rotations_at_once_one_works_and_the_other_names_the_holder() {
    let shop = Shop::open(
        "two",
        ShopOptions {
            lock_timeout: "60s",
            statement_timeout: "60s",
            ..ShopOptions::default()
        },
    );
    let lock = HeldSession::row_lock(&shop.second.name);
    let holder = shop.start(&["rotate", "shop/orders", "--yes", "--output", "json"]);
    wait_for_alter(&shop);

    let other = shop.rotate(&[]);
    let refused = assert_refused(&other, "locked-by");
    assert_eq!(refused["rotation"], Value::Null, "{refused:#}");
    let told = other.told();
    assert!(told.contains("since"), "since when? {told}");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .expect("reads the user")
        .expect("this user has a name");
    assert!(told.contains(&user.name), "who? {told}");
    assert!(names_a_time(&told), "since when? {told}");
    // A reader does not need the lock.
    shop.assert_current_logs_in("while a rotation holds the lock");

    drop(lock);
    let done = result_of(&holder.finish().expect_code(0));
    assert_eq!(done["status"], "done", "{done:#}");
    shop.assert_current_logs_in("after the holder is done");
}

#[test]
fn a_role_with_a_hostile_name_is_rotated_like_any_other() {
    let name = "we\"ird; DROP".to_owned();
    let shop = Shop::open(
        "hostile",
        ShopOptions {
            second_user: Some(name.clone()),
            ..ShopOptions::default()
        },
    );
    shop.plan().expect_code(0).expect_told(&[&name]);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, name);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation back");
    assert_eq!(current.name, shop.first.name);
    let roles = single(&format!(
        "SELECT count(*) FROM pg_roles WHERE rolname IN ({}, {}, {})",
        literal(&shop.first.name),
        literal(&shop.second.name),
        literal(&shop.managing.name)
    ));
    assert_eq!(roles, "3", "nothing was dropped");
}

/// Waits until a managing session stands in its ALTER behind the test's lock.
pub(crate) fn wait_for_alter(shop: &Shop) {
    wait_until("the managing session waits in its ALTER", || {
        waiting_sessions(shop) > 0
    });
}

pub(crate) fn waiting_sessions(shop: &Shop) -> usize {
    shop.waiting_sessions_of(&shop.managing)
}

/// Whether a text holds something like `12:34`.
pub(crate) fn names_a_time(text: &str) -> bool {
    text.as_bytes().windows(5).any(|window| {
        window[2] == b':' && [0, 1, 3, 4].iter().all(|at| window[*at].is_ascii_digit())
    })
}
