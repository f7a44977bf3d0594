//! A pool of ten sessions drains, on real servers with time compressed in the pool: what is
//! counted at every sample, what is forecast, and when it is said to be over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use handover::sandbox::PostgresServer;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::contract::assert_refused;
use crate::drain::{DRAIN, QUICK, drain_of, sampled};
use crate::harness::{HeldSession, first_value, literal, postgres_options, wait_until};
use crate::shop::{Held, Shop, ShopEngine, ShopOptions};

/// How long each session of the pool lives, in milliseconds: a maximal lifetime that no two
/// reach at the same age, in no order.
const LIVES: [u64; 10] = [
    4_100, 3_300, 4_700, 3_000, 3_800, 4_400, 3_500, 4_900, 3_200, 4_000,
];
/// From the login of one to that of the next.
const STAGGER: Duration = Duration::from_millis(150);
/// Long enough for all logins of the pool, and shorter than the test.
const PROPAGATION: &str = "8s";

/// Where sessions of the pool are, and how to see there that one has gone.
struct Place<'a> {
    node: String,
    open: Box<dyn Fn() -> Held + 'a>,
    count: Box<dyn Fn() -> usize + 'a>,
}

/// What became of one session of the pool, by this host's clock.
struct Life {
    node: String,
    opening: DateTime<Utc>,
    opened: DateTime<Utc>,
    closing: DateTime<Utc>,
    gone: DateTime<Utc>,
}

/// One line of `drain --watch`.
struct Line {
    drain: Value,
    /// Between which moments each node was looked at last, and how many were seen there.
    looks: Vec<(String, DateTime<Utc>, DateTime<Utc>, u64)>,
}

#[test]
fn a_pool_drains_from_a_primary_and_its_standby() {
    let primary = Arc::new(PostgresServer::start(&postgres_options()).expect("starts"));
    let standby = primary.start_standby("replica-1", &[]).expect("starts");
    let options = ShopOptions {
        server: Some(Arc::clone(&primary)),
        ..propagating()
    };
    let shop = Shop::bare("poolnodes", options);
    let nodes = format!("    nodes: [\"127.0.0.1:{}\"]\n", standby.port());
    shop.write_settings(&format!("{nodes}{QUICK}"));
    shop.init();
    wait_until("the standby has the roles", || {
        let login = standby.login(&shop.managing.name, &shop.managing.password);
        login.is_accepted()
    });
    let at = |server: Arc<PostgresServer>| Place {
        node: format!("127.0.0.1:{}", server.port()),
        open: {
            let (server, user) = (Arc::clone(&server), &shop.first);
            Box::new(move || Box::new(HeldSession::at(&server, &user.name, &user.password)))
        },
        count: {
            let query = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = {}",
                literal(&shop.first.name)
            );
            Box::new(move || first_value(&server, &query).parse().expect("a count"))
        },
    };
    drains(&shop, &[at(primary), at(Arc::new(standby))]);
}

mod mysql {
    #[test]
    fn a_pool_drains() {
        super::drains_alone(crate::shop::ShopEngine::MySql);
    }
}

mod mariadb {
    #[test]
    fn a_pool_drains() {
        super::drains_alone(crate::shop::ShopEngine::MariaDb);
    }
}

/// These tell of no session when it began, so that what is known of ages is what was seen.
fn drains_alone(engine: ShopEngine) {
    let Some(shop) = Shop::bare_on(engine, "pool", propagating()) else {
        return;
    };
    shop.write_settings(QUICK);
    shop.init();
    let place = Place {
        node: format!("127.0.0.1:{}", shop.port),
        open: Box::new(|| shop.hold_session(&shop.first)),
        count: Box::new(|| shop.sessions_of(&shop.first)),
    };
    drains(&shop, &[place]);
}

fn propagating() -> ShopOptions {
    ShopOptions {
        propagation: PROPAGATION,
        ..ShopOptions::default()
    }
}

/// Ten sessions that catch up, and one that is late.
fn drains(shop: &Shop, places: &[Place<'_>]) {
    shop.rotate(&[]).expect_code(0);
    let mut watching = shop.start(&["drain", "shop/orders", "--watch", "--output", "json"]);
    wait_until("each node was looked at", || {
        sampled(shop).0 >= 2 * i64::try_from(places.len()).expect("few")
    });
    let lives = live(places);
    wait_until("it is drained", || verdict(shop) == "drained");

    let opening = Utc::now();
    let late = (places[0].open)();
    let opened = Utc::now();
    wait_until("the late one is seen", || verdict(shop) == "active");
    let hash = shop.stored_hash_of(&shop.first);
    assert_refused(&shop.rotate(&[]), "not-drained");
    assert_eq!(shop.stored_hash_of(&shop.first), hash, "nothing changed");
    let before = sampled(shop).0;
    wait_until("it is told", || sampled(shop).0 >= before + 2);
    watching.signal(Signal::SIGINT);
    let run = watching.finish().expect_code(0);
    drop(late);

    let lines = lines(&run.stdout);
    let is_pools = |line: &&Line| line.looks.iter().all(|(_, _, at, _)| *at < opening);
    let (pools, after): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(is_pools);
    assert_counted(&pools, &lives);
    let end = assert_forecast(&pools, &lives);
    assert_drained_after_the_window(&pools, &lives, end);
    // Late within one sample: whoever looked after the login has seen it.
    let first = after.iter().find(|line| line.looks[0].1 >= opened);
    let first = &first.expect("it was looked at").drain;
    // The line may be read a moment later than that look was made, when the rotation's own login
    // was there and not noted yet.
    assert!(first["counts"]["late"].as_u64() >= Some(1), "{first:#}");
    assert_eq!(first["verdict"], "active", "{first:#}");
    let mut late = first["late"].as_array().expect("a list").iter();
    assert!(late.any(|one| one["is_there"] == true), "{first:#}");
    assert_eq!(first["stragglers"][0]["arrival"], "late", "{first:#}");
}

#[track_caller]
fn verdict(shop: &Shop) -> String {
    let seen = drain_of(&shop.run(&DRAIN));
    seen["verdict"].as_str().expect("a word").to_owned()
}

/// Lets the pool live to its end. Each session's end is seen at its server.
fn live(places: &[Place<'_>]) -> Vec<Life> {
    struct Lent<'a> {
        place: &'a Place<'a>,
        held: Held,
        opening: DateTime<Utc>,
        opened: DateTime<Utc>,
        until: Instant,
    }
    let begins = Instant::now();
    let mut lent: Vec<Lent<'_>> = Vec::new();
    let mut over = Vec::new();
    let mut logins = LIVES.iter().zip(0_u32..).peekable();
    while over.len() < LIVES.len() {
        let login = logins.peek().map(|(_, number)| begins + STAGGER * *number);
        let close = lent.iter().map(|one| one.until).min();
        let due = login.into_iter().chain(close).min().expect("one is there");
        wait_until("the next one is due", || Instant::now() >= due);
        if login == Some(due) {
            let (life, number) = logins.next().expect("was looked at");
            let place = &places[number as usize % places.len()];
            let opening = Utc::now();
            lent.push(Lent {
                place,
                held: (place.open)(),
                opening,
                opened: Utc::now(),
                until: Instant::now() + Duration::from_millis(*life),
            });
            continue;
        }
        let oldest = lent.iter().position(|one| one.until == due);
        let one = lent.swap_remove(oldest.expect("is the one that is due"));
        let others = lent
            .iter()
            .filter(|other| other.place.node == one.place.node);
        let others = others.count();
        let closing = Utc::now();
        drop(one.held);
        wait_until("the session has ended", || (one.place.count)() == others);
        over.push(Life {
            node: one.place.node.clone(),
            opening: one.opening,
            opened: one.opened,
            closing,
            gone: Utc::now(),
        });
    }
    over
}

fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().expect("a time");
    text.parse().expect("a time as RFC 3339 has it")
}

/// The lines in which all nodes had just answered.
fn lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut stale = 0;
    for line in text.lines() {
        let report: Value = serde_json::from_str(line).expect("each line is one object");
        let drain = report["drains"][0].clone();
        if drain["coverage"]["complete"] != true {
            // At the beginning, and where this machine was too slow.
            assert_ne!(drain["verdict"], "drained", "{drain:#}");
            stale += 1;
            continue;
        }
        let nodes = drain["coverage"]["nodes"].as_array().expect("a list");
        let looks = nodes.iter().enumerate().map(|(place, node)| {
            let at = time(&node["sampled_at"]);
            let before = lines.last().map(|line: &Line| &line.looks[place]);
            // One connection looks once after the other: this look began after the last ended.
            let from = match before {
                Some((_, from, same, _)) if *same == at => *from,
                Some((_, _, before, _)) => *before,
                None => DateTime::<Utc>::MIN_UTC,
            };
            let name = node["node"].as_str().expect("a name").to_owned();
            (name, from, at, node["sessions"].as_u64().expect("a count"))
        });
        let looks = looks.collect();
        lines.push(Line { drain, looks });
    }
    assert!(
        lines.len() >= 20 && stale <= lines.len() / 2,
        "{stale} stale"
    );
    lines
}

/// At every sample as many were counted as the pool held open, but for what changed within it.
fn assert_counted(lines: &[&Line], lives: &[Life]) {
    let mut sharp = 0;
    for line in lines {
        let drain = &line.drain;
        let mut all = 0;
        for (node, from, at, counted) in &line.looks {
            let here = lives.iter().filter(|life| life.node == *node);
            let least = here.clone();
            let least = least.filter(|life| life.opened <= *from && life.closing >= *at);
            let most = here.filter(|life| life.opening <= *at && life.gone >= *from);
            let bounds = least.count() as u64..=most.count() as u64;
            assert!(bounds.contains(counted), "{bounds:?} at {node}: {drain:#}");
            sharp += usize::from(bounds.start() == bounds.end());
            all += counted;
        }
        let counts = &drain["counts"];
        assert_eq!(counts["sessions"], all, "{drain:#}");
        assert_eq!(
            counts["catching_up"], all,
            "none of them is late: {drain:#}"
        );
        assert_eq!(counts["late_logins"], 0, "{drain:#}");
        assert_eq!(drain["verdict"] == "active", all > 0, "{drain:#}");
        let listed = drain["stragglers"].as_array().expect("a list");
        let listed = listed.iter().flat_map(|one| one["sessions"].as_array());
        assert_eq!(listed.map(Vec::len).sum::<usize>() as u64, all, "{drain:#}");
    }
    let looks: usize = lines.iter().map(|line| line.looks.len()).sum();
    assert!(sharp * 2 >= looks, "only {sharp} of {looks} tell exactly");
    let most = lines
        .iter()
        .map(|line| line.drain["counts"]["sessions"].as_u64());
    assert_eq!(most.max(), Some(Some(10)), "all ten are seen together");
}

/// From half-way on the range holds the true end. Answers when nobody was seen any more.
fn assert_forecast(lines: &[&Line], lives: &[Life]) -> DateTime<Utc> {
    let full = lives.iter().map(|life| life.opened).max().expect("ten");
    let closed = lives.iter().map(|life| life.closing).max().expect("ten");
    let looked = |line: &&&Line| line.looks.iter().map(|(_, from, ..)| *from).min();
    let empty = lines.iter().find(|line| looked(line) >= Some(closed));
    let empty = empty.expect("it was looked at once more");
    assert_eq!(
        empty.drain["forecast"]["kind"], "empty",
        "{:#}",
        empty.drain
    );
    let end = empty.looks.iter().map(|(_, _, at, _)| *at).max();
    let end = end.expect("there is a node");
    let mut told = 0;
    for line in lines.iter().filter(|line| looked(line) >= Some(full)) {
        let left = line.drain["counts"]["sessions"].as_u64().expect("a count");
        if !(1..=5).contains(&left) {
            continue;
        }
        let forecast = &line.drain["forecast"];
        assert_eq!(forecast["kind"], "range", "{left} are left: {forecast:#}");
        let (earliest, latest) = (time(&forecast["earliest"]), time(&forecast["latest"]));
        assert!(
            earliest <= end && closed <= latest,
            "{left} are left, and the last goes from {closed} to {end}: {forecast:#}"
        );
        told += 1;
    }
    assert!(told >= 5, "only {told} forecasts from half-way on");
    end
}

/// `drained` is said no sooner than nobody was there for the window, nor before `propagation`.
fn assert_drained_after_the_window(lines: &[&Line], lives: &[Life], end: DateTime<Utc>) {
    let closed = lives.iter().map(|life| life.closing).max().expect("ten");
    let (mut quiet, mut drained) = (0, 0);
    for line in lines {
        let drain = &line.drain;
        let at = line.looks.iter().map(|(_, _, at, _)| *at).min();
        let at = at.expect("there is a node");
        if drain["verdict"] == "drained" {
            drained += 1;
            assert!(at >= closed + TimeDelta::seconds(2), "{closed}: {drain:#}");
            let promoted = time(&drain["promoted_at"]);
            assert!(at >= promoted + TimeDelta::seconds(8), "{drain:#}");
            assert!(drain["gate"].is_null(), "{drain:#}");
        } else if at >= end {
            quiet += 1;
            assert_eq!(drain["verdict"], "quiet", "{drain:#}");
            let left = drain["window"]["remaining_seconds"].as_u64();
            assert!(left >= Some(1), "{drain:#}");
        }
    }
    assert!(
        quiet >= 3 && drained >= 1,
        "{quiet} quiet, {drained} drained"
    );
}
