//! The drain on a real PostgreSQL: who is counted, what is seen where, and when it is said
//! that nobody is there any more.

use std::fs;
use std::sync::Arc;

use handover::sandbox::PostgresServer;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{
    HeldSession, Run, first_value, identifier, literal, postgres_options, single, wait_until,
};
use crate::shop::{Account, Shop, ShopOptions, quoted};
use crate::terminal::{Start, Terminal};

/// Spans in which a test can wait for everything.
pub(crate) const QUICK: &str = "  db:\n    drain: {quiet: 2s, sample: 200ms, max-gap: 1s}\n";
/// No quiet time passes within a test.
const SLOW: &str = "  db:\n    drain: {quiet: 1h, sample: 200ms, max-gap: 10s}\n";

pub(crate) const DRAIN: [&str; 4] = ["drain", "shop/orders", "--output", "json"];

/// A shop that was rotated once: its first user is the outgoing one. `prepared` runs right
/// before the rotation.
#[track_caller]
pub(crate) fn rotated<T>(
    name: &str,
    settings: &str,
    prepared: impl FnOnce(&Shop) -> T,
) -> (Shop, T) {
    let shop = Shop::bare(name, ShopOptions::default());
    shop.write_settings(settings);
    shop.init();
    let made = prepared(&shop);
    shop.rotate(&[]).expect_code(0);
    (shop, made)
}

/// The one drain of an answer.
#[track_caller]
pub(crate) fn drain_of(run: &Run) -> Value {
    assert_eq!(run.code(), Some(0), "{run:#?}");
    let report = run.json();
    assert_eq!(report["environment"], "shop/orders", "{report:#}");
    let drains = report["drains"].as_array().expect("a list");
    assert_eq!(drains.len(), 1, "{report:#}");
    drains[0].clone()
}

#[track_caller]
fn drain(shop: &Shop) -> Value {
    drain_of(&shop.run(&DRAIN))
}

fn named(session: &HeldSession, application: &str) {
    session.run(&format!("SET application_name = {}", literal(application)));
}

/// What the samplers of a shop have stored: how many samples, in how many stretches.
pub(crate) fn sampled(shop: &Shop) -> (i64, i64) {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let found = store.query_row(
        "SELECT coalesce(sum(samples), 0), count(*) FROM observed_run",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    );
    found.expect("the store can be read while it is written")
}

fn sessions_end(account: &Account) {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = {}",
        literal(&account.name)
    );
    wait_until("the sessions have ended", || single(&query) == "0");
}

#[test]
fn a_pool_is_counted_and_a_late_login_shows_at_the_next_sample() {
    let (shop, pool) = rotated("drainpool", SLOW, |shop| {
        let open = || {
            let session = HeldSession::open(&shop.first.name, &shop.first.password);
            named(&session, "orders-api");
            session
        };
        (0..10).map(|_| open()).collect::<Vec<_>>()
    });
    let seen = drain(&shop);
    assert_eq!(seen["user"], shop.first.name.as_str(), "{seen:#}");
    assert_eq!(seen["verdict"], "active", "{seen:#}");
    assert_eq!(seen["counts"]["sessions"], 10, "{seen:#}");
    assert_eq!(seen["counts"]["before"], 10, "{seen:#}");
    assert_eq!(seen["counts"]["late"], 0, "{seen:#}");
    assert_eq!(
        seen["stragglers"][0]["application"], "orders-api",
        "{seen:#}"
    );
    assert_eq!(seen["coverage"]["complete"], true, "{seen:#}");

    let late = HeldSession::open(&shop.first.name, &shop.first.password);
    named(&late, "cron\u{1b}[2J\u{202e}");
    let seen = drain(&shop);
    assert_eq!(seen["counts"]["sessions"], 11, "{seen:#}");
    assert_eq!(seen["counts"]["late"], 1, "{seen:#}");
    let application = seen["late"][0]["application"].as_str().expect("a text");
    assert!(application.starts_with("cron"), "{application}");
    assert!(!application.contains(['\u{1b}', '\u{202e}']), "{seen:#}");
    let told = shop.run(&["drain", "shop/orders"]).expect_code(0);
    assert!(!told.stdout.contains(['\u{1b}', '\u{202e}']), "{told:#?}");
    told.expect_told(&["▲ active", "orders-api", "1 of 1 node", "handover agent"]);

    drop(pool);
    drop(late);
    sessions_end(&shop.first);
    let seen = drain(&shop);
    assert_eq!(seen["verdict"], "quiet", "{seen:#}");
    assert_eq!(seen["counts"]["sessions"], 0, "{seen:#}");
    assert_eq!(
        seen["history"].as_array().map(Vec::len),
        Some(3),
        "{seen:#}"
    );
}

#[test]
fn a_path_that_was_never_promoted_is_named_with_what_to_do() {
    let shop = Shop::open("drainnever", ShopOptions::default());
    let report = shop.run(&DRAIN).expect_code(0).json();
    assert_eq!(report["drains"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(report["without_overlap"][0], "db", "{report:#}");
    shop.run(&["drain", "shop/orders", "db"])
        .expect_code(0)
        .expect_told(&["was never promoted", "handover rotate shop/orders db"]);
    shop.run(&["drain", "shop/orders", "--until-drained"])
        .expect_code(4)
        .expect_told(&["was never promoted"]);
    shop.run(&["drain", "shop/orders", "dv"])
        .expect_code(2)
        .expect_told(&["did you mean db?"]);
}

#[test]
fn waiting_for_a_drain_ends_at_its_time_or_when_all_is_drained() {
    let (shop, session) = rotated("drainuntil", QUICK, |shop| {
        HeldSession::open(&shop.first.name, &shop.first.password)
    });
    let until = |timeout: &str| {
        let more = ["--until-drained", "--timeout", timeout];
        shop.run(&[&DRAIN[..], &more].concat())
    };
    let run = until("1s");
    assert_eq!(run.code(), Some(4), "{run:#?}");
    assert_eq!(run.json()["drains"][0]["verdict"], "active", "{run:#?}");
    drop(session);
    let run = until("60s");
    let seen = drain_of(&run);
    assert_eq!(seen["verdict"], "drained", "{seen:#}");
    assert_eq!(seen["reasons"], Value::Array(Vec::new()), "{seen:#}");
    let quiet = seen["window"]["quiet_seconds"].as_u64().expect("a number");
    assert!(quiet >= 2, "{seen:#}");
}

#[test]
fn following_prints_a_line_for_each_sample_until_ctrl_c() {
    let (shop, _) = rotated("drainwatch", SLOW, |_| ());
    let mut watching = shop.start(&["drain", "shop/orders", "--watch"]);
    wait_until("there are some samples", || sampled(&shop).0 >= 5);
    watching.signal(Signal::SIGINT);
    let run = watching.finish().expect_code(0);
    let lines: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is one object"))
        .collect();
    assert!(lines.len() >= 4, "{lines:#?}");
    let last = lines.last().expect("there are some");
    assert_eq!(last["sampler"], "here", "{last:#}");
    assert_eq!(last["drains"][0]["verdict"], "quiet", "{last:#}");
}

#[test]
fn on_a_terminal_following_draws_in_place() {
    let (shop, session) = rotated("draindraw", SLOW, |shop| {
        let session = HeldSession::open(&shop.first.name, &shop.first.password);
        named(&session, "orders-api");
        session
    });
    let start = Start {
        shell: Some("exec \"$HANDOVER\" drain shop/orders --watch"),
        ..Start::default()
    };
    let mut terminal = Terminal::start(&shop, &start);
    terminal.see("◑ active").see("orders-api");
    drop(session);
    terminal.see("◔ quiet").see_not("orders-api");
    assert_eq!(terminal.text().matches("shop/orders · db").count(), 1);
    terminal.press("ctrl-c");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_cooked();
}

#[test]
fn a_monitor_that_sees_half_is_unknown_until_it_is_mended() {
    let shop = Shop::bare("drainmonitor", ShopOptions::default());
    let watcher = Account::new(format!("{}_watcher", shop.managing.name));
    shop.create_role(&watcher, "LOGIN");
    let mut managing = fs::read_to_string(shop.file("managing.yaml")).expect("reads");
    managing.push_str(&format!(
        "  monitor: {{username: {}, password: {{fn::secret: {}}}}}\n",
        quoted(&watcher.name),
        quoted(watcher.password.expose())
    ));
    fs::write(shop.file("managing.yaml"), managing).expect("writes");
    let monitored =
        |path: &str| format!("{SLOW}    monitor: ${{environments.shop.managing.{path}}}\n");
    shop.write_settings(&monitored("monitor"));
    shop.init();
    shop.rotate(&[]).expect_code(0);

    let statement = format!("GRANT pg_read_all_stats TO {}", identifier(&watcher.name));
    let seen = drain(&shop);
    assert_eq!(seen["verdict"], "unknown", "{seen:#}");
    let node = &seen["coverage"]["nodes"][0];
    assert_eq!(node["view"], "masked", "{seen:#}");
    let grant = node["grant"].as_str().expect("a statement");
    assert!(grant.starts_with(&statement), "{grant}");
    shop.run(&["drain", "shop/orders"])
        .expect_code(0)
        .expect_told(&["? unknown", &statement]);
    shop.run_sql(grant);
    assert_eq!(drain(&shop)["verdict"], "quiet");

    // A login that leads nowhere is named with its settings and its path.
    shop.write_settings(&monitored("monitr"));
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
    let run = shop.run(&DRAIN);
    assert_eq!(drain_of(&run)["verdict"], "unknown", "{run:#?}");
    run.expect_told(&[
        "`monitor` in the settings of shop/orders",
        "samples db",
        "monitr",
    ]);
}

#[test]
fn a_session_on_the_standby_alone_is_active_and_a_standby_that_is_away_is_unknown() {
    let primary = Arc::new(PostgresServer::start(&postgres_options()).expect("starts"));
    let standby = primary.start_standby("replica-1", &[]).expect("starts");
    let shop = Shop::bare(
        "drainstandby",
        ShopOptions {
            server: Some(Arc::clone(&primary)),
            ..ShopOptions::default()
        },
    );
    shop.write_settings(&format!(
        "    nodes: [\"127.0.0.1:{}\"]\n{SLOW}",
        standby.port()
    ));
    shop.init();
    wait_until("the standby has the roles", || {
        let login = standby.login(&shop.managing.name, &shop.managing.password);
        login.is_accepted()
    });
    let session = HeldSession::at(&standby, &shop.first.name, &shop.first.password);
    shop.rotate(&[]).expect_code(0);

    let seen = drain(&shop);
    assert_eq!(seen["verdict"], "active", "{seen:#}");
    assert_eq!(seen["counts"]["sessions"], 1, "{seen:#}");
    let place = format!("127.0.0.1:{}", standby.port());
    let node = &seen["stragglers"][0]["sessions"][0]["node"];
    assert_eq!(node, place.as_str(), "{seen:#}");
    drop(session);
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = {}",
        literal(&shop.first.name)
    );
    wait_until("it has ended", || first_value(&standby, &query) == "0");
    assert_eq!(drain(&shop)["verdict"], "quiet");

    standby.stop().expect("stops");
    let seen = drain(&shop);
    assert_eq!(seen["verdict"], "unknown", "{seen:#}");
    assert_eq!(seen["coverage"]["complete"], false, "{seen:#}");
    assert_eq!(
        seen["coverage"]["nodes"][1]["view"], "unreachable",
        "{seen:#}"
    );
}
