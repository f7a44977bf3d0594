//! What happens to an agent between two of its steps: it is killed, frozen, refused for a while,
//! or there before its database.

use chrono::{DateTime, TimeDelta, Utc};
use handover::operations::hand_over::Observer;
use handover::operations::{Workspace, act_on_turn, note_turn, take_turn};
use handover::process::KeyAccess;
use handover::store::Access;
use nix::sys::signal::Signal;
use rusqlite::Connection;

use crate::crash::{impatient, patient};
use crate::harness::{HeldSession, wait_until};
use crate::rotation::wait_for_alter;
use crate::shop::{Shop, ShopOptions};
use crate::webhook_receiver::Receiver;

const AGENT: [&str; 5] = ["agent", "--verify-every", "0s", "--output", "json"];

fn in_seconds(seconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(seconds)
}

#[track_caller]
fn schedule(shop: &Shop, at: DateTime<Utc>, more: &str) {
    let once = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    shop.write_settings(&format!("schedule: {{once: \"{once}\"{more}}}\n"));
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
}

fn store(shop: &Shop) -> Connection {
    Connection::open(shop.store().join("handover.db")).expect("opens the store")
}

fn number(shop: &Shop, query: &str) -> i64 {
    let found = store(shop).query_row(query, [], |row| row.get(0));
    found.expect("counts")
}

fn runs(shop: &Shop) -> Vec<String> {
    let store = store(shop);
    let mut statement = store
        .prepare("SELECT state FROM schedule_run ORDER BY slot")
        .expect("is sound");
    let rows = statement.query_map([], |row| row.get(0)).expect("reads");
    rows.map(|row| row.expect("a word")).collect()
}

async fn open(shop: &Shop) -> Workspace {
    let keys = KeyAccess::from_environment();
    let opened = Workspace::open(&shop.store(), &keys, Access::Write).await;
    opened.expect("opens")
}

/// As if the pause before the next try were over.
fn try_at_once(shop: &Shop) {
    let changed = store(shop).execute_batch(
        "UPDATE schedule_run SET next_try_at = 1 WHERE state = 'open';
         UPDATE schedule SET next_at = 1;",
    );
    changed.expect("writes");
}

/// A turn is taken, something else is set, and then it is acted on.
#[track_caller]
fn begins_nothing_after(name: &str, code: &str, meanwhile: &[&str]) {
    let shop = Shop::open(name, ShopOptions::default());
    schedule(&shop, in_seconds(1), "");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let end = runtime.block_on(async {
        let workspace = open(&shop).await;
        let soon = in_seconds(2);
        let taken = take_turn(&workspace, "shop/orders".parse().expect("a name"), soon).await;
        let turn = taken.expect("takes").turn.expect("a turn");
        shop.run(meanwhile).expect_code(0);
        let ended = act_on_turn(&workspace, &turn, &Observer::default()).await;
        note_turn(&workspace, &turn, ended, soon).await
    });
    let end = end.expect("notes");
    assert_eq!(end.problem.expect("is held").code, code);
    assert_eq!(number(&shop, "SELECT count(*) FROM rotation"), 0);
    // What becomes of the occurrence is said when nothing is held any more.
    assert_eq!(runs(&shop), [""; 0]);
}

#[test]
fn nothing_is_begun_after_a_freeze_that_came_during_s1() {
    begins_nothing_after("latefreeze", "frozen", &["pause", "--all"]);
}

#[test]
fn nothing_is_begun_after_a_pause_that_came_during_s1() {
    begins_nothing_after("latepause", "paused", &["pause", "shop/orders"]);
}

/// Leaves a rotation whose change waits, and whose agent is killed.
fn killed_in_s3(shop: &Shop, lock: HeldSession) {
    schedule(shop, in_seconds(2), "");
    let mut agent = shop.start(&AGENT);
    wait_for_alter(shop);
    agent.kill();
    drop(lock);
}

#[track_caller]
fn goes_on(shop: &Shop) {
    let mut agent = shop.start(&AGENT);
    wait_until("the occurrence is over", || {
        runs(shop).iter().any(|state| state != "open")
    });
    agent.signal(Signal::SIGTERM);
    let run = agent.finish().expect_code(0);
    assert_eq!(runs(shop), ["done"], "{}", run.stdout);
    assert_eq!(number(shop, "SELECT count(*) FROM rotation"), 1);
}

#[test]
fn what_was_begun_is_gone_on_with_under_a_freeze() {
    let shop = Shop::open("begunfrozen", patient());
    killed_in_s3(&shop, HeldSession::row_lock(&shop.second.name));
    shop.run(&["pause", "--all"]).expect_code(0);
    goes_on(&shop);
}

#[test]
fn what_was_begun_is_gone_on_with_though_its_schedule_was_edited() {
    let shop = Shop::open("begunedited", patient());
    killed_in_s3(&shop, HeldSession::row_lock(&shop.second.name));
    shop.run(&["schedule", "set", "shop/orders", "--cron", "0 3 * * SUN"])
        .expect_code(0);
    goes_on(&shop);
}

/// The gate may have been shut for hours before a rotation was begun.
#[test]
fn tries_before_a_rotation_was_begun_are_not_counted_for_it() {
    let shop = Shop::open("manytries", patient());
    let lock = HeldSession::row_lock(&shop.second.name);
    schedule(&shop, in_seconds(2), "");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let workspace = open(&shop).await;
        let name = "shop/orders".parse().expect("a name");
        let taken = take_turn(&workspace, name, in_seconds(3)).await;
        assert!(taken.expect("takes").turn.is_some());
    });
    let many = store(&shop).execute("UPDATE schedule_run SET attempts = 30", []);
    assert_eq!(many.expect("writes"), 1);
    try_at_once(&shop);
    let mut agent = shop.start(&AGENT);
    wait_for_alter(&shop);
    assert_eq!(number(&shop, "SELECT attempts FROM schedule_run"), 0);
    agent.kill();
    drop(lock);
    goes_on(&shop);
}

/// A lock that somebody holds on the user's row passes by itself.
#[test]
fn a_passing_refusal_is_tried_again_and_needs_no_person() {
    let mut receiver = Receiver::start();
    receiver.kinds = "[rotation.*, schedule.*]";
    let shop = Shop::bare("passing", impatient());
    shop.write_settings(&receiver.settings());
    shop.init();
    receiver.init_key(&shop, &format!("{{fn::secret: {}}}", receiver.secret()));
    let lock = HeldSession::row_lock(&shop.second.name);
    let once = in_seconds(2).to_rfc3339();
    shop.run(&["schedule", "set", "shop/orders", "--once", &once])
        .expect_code(0);
    let mut agent = shop.start(&AGENT);
    let tried = "SELECT count(*) FROM schedule_run WHERE attempts = 1";
    wait_until("it was tried", || number(&shop, tried) == 1);
    assert_eq!(runs(&shop), ["open"]);
    shop.run(&["status", "--check"]).expect_code(0);
    drop(lock);
    try_at_once(&shop);
    wait_until("it is done", || runs(&shop) == ["done"]);
    wait_until("it is told", || !receiver.kinds().is_empty());
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    assert_eq!(receiver.kinds(), ["rotation.succeeded"]);
}

/// The host loses its power in the middle of a rotation, and the agent is up before the database.
#[test]
fn an_agent_that_is_up_before_its_database_goes_on_when_that_is_there() {
    let options = ShopOptions {
        own_server: true,
        ..patient()
    };
    let shop = Shop::open("reboot", options);
    let lock = HeldSession::row_lock_at(shop.server(), &shop.second.name);
    schedule(&shop, in_seconds(2), "");
    let mut agent = shop.start(&AGENT);
    wait_for_alter(&shop);
    agent.kill();
    shop.server().stop().expect("stops");
    drop(lock);
    let mut agent = shop.start(&AGENT);
    let tried = "SELECT count(*) FROM schedule_run WHERE attempts >= 1";
    wait_until("it was tried", || number(&shop, tried) == 1);
    assert_eq!(runs(&shop), ["open"]);
    shop.server().start_again().expect("starts");
    try_at_once(&shop);
    wait_until("it is done", || runs(&shop) == ["done"]);
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
}

#[test]
fn a_silent_database_does_not_keep_an_agent_from_ending() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let mut shop = Shop::bare("silentagent", ShopOptions::default());
    shop.port = silent.local_addr().expect("an address").port();
    shop.write_orders();
    shop.write_settings("");
    shop.init();
    schedule(&shop, in_seconds(2), "");
    let mut agent = shop.start(&AGENT);
    let accepted = silent.accept().expect("it is asked");
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    drop(accepted);
    assert_eq!(runs(&shop), ["open"]);
}
