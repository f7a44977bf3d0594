//! The agent on schedules: what is due is rotated once, whatever happens to whoever does it, and
//! nothing is begun that a person has to agree to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;

use crate::consumer::{Consumers, Temper};
use crate::crash::patient;
use crate::harness::{Chance, HeldSession, Run, Running, wait_until};
use crate::rotation::wait_for_alter;
use crate::scenes::needy;
use crate::shop::{Account, Shop, ShopOptions};
use crate::webhook_receiver::Receiver;

const AGENT: [&str; 5] = ["agent", "--verify-every", "0s", "--output", "json"];

fn in_seconds(seconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(seconds)
}

/// Gives a shop a schedule that falls due once.
#[track_caller]
fn schedule(shop: &Shop, at: DateTime<Utc>, more: &str) {
    let once = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    shop.write_settings(&format!("schedule: {{once: \"{once}\"{more}}}\n"));
    set_settings(shop);
}

#[track_caller]
fn set_settings(shop: &Shop) {
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
}

#[track_caller]
fn lines(run: &Run) -> Vec<Value> {
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("each line is one object"))
        .collect()
}

/// What was told of schedules, in its order.
fn events(lines: &[Value]) -> Vec<&str> {
    let events = lines.iter().filter_map(|line| line["event"].as_str());
    let of_schedules = ["rotation-", "occurrence-", "frozen", "thawed"];
    events
        .filter(|event| of_schedules.iter().any(|part| event.starts_with(part)))
        .collect()
}

fn store(shop: &Shop) -> Connection {
    Connection::open(shop.store().join("handover.db")).expect("opens the store")
}

/// The states of all runs, the oldest first.
fn runs(shop: &Shop) -> Vec<String> {
    let store = store(shop);
    let mut statement = store
        .prepare("SELECT state FROM schedule_run ORDER BY slot")
        .expect("is sound");
    let rows = statement.query_map([], |row| row.get(0)).expect("reads");
    rows.map(|row| row.expect("a word")).collect()
}

fn rotations(shop: &Shop) -> u32 {
    let count = store(shop).query_row("SELECT count(*) FROM rotation", [], |row| row.get(0));
    count.expect("counts")
}

/// Ends an agent as a supervisor does.
#[track_caller]
fn end(mut agent: Running) -> Vec<Value> {
    agent.signal(Signal::SIGTERM);
    lines(&agent.finish().expect_code(0))
}

#[test]
fn what_is_due_is_rotated_and_no_consumer_is_refused() {
    let options = ShopOptions {
        propagation: "3s",
        protect: Some("production"),
        ..ShopOptions::default()
    };
    let shop = Shop::open("fires", options);
    shop.rotate(&["--confirm", "shop/orders"]).expect_code(0);
    let shop = Arc::new(shop);
    let mut chance = Chance::from_environment();
    let tempers = [Temper::Patient, Temper::Calm, Temper::Calm];
    let consumers = Consumers::start(&shop, &tempers, &mut chance);
    let before = shop.revision_count();
    let agent = shop.start(&AGENT);
    let at = in_seconds(5);
    schedule(&shop, at, "");
    wait_until("it is done", || runs(&shop) == ["done"]);
    assert!(Utc::now() >= at, "not before its time");
    let seen = consumers.seen().logins;
    wait_until("consumers have read it", || {
        consumers.seen().logins > seen + 3
    });
    let tally = consumers.stop();
    assert_eq!(tally.refused, Vec::<String>::new(), "{tally:?}");
    let lines = end(agent);
    let told = events(&lines);
    assert_eq!(told.first(), Some(&"rotation-begun"), "{lines:#?}");
    assert_eq!(told.last(), Some(&"rotation-done"), "{lines:#?}");
    // One of the settings, and one of the promote.
    assert_eq!(shop.revision_count(), before + 2);
    assert_eq!(shop.current().name, shop.first.name);
    let audit = shop.run(&["audit", "ls", "--output", "json"]);
    audit
        .expect_code(0)
        .expect_told(&["the schedule of shop/orders, for"]);
}

#[test]
fn a_gate_that_stays_shut_is_waited_for_and_told_when_the_window_has_passed() {
    let mut receiver = Receiver::start();
    receiver.kinds = "[schedule.*]";
    let shop = receiver.shop("firesmissed", "");
    shop.rotate(&[]).expect_code(0);
    let held = shop.hold_session(&shop.first);
    let (before, hash) = (rotations(&shop), shop.stored_hash_of(&shop.first));
    let settings = std::fs::read_to_string(shop.file("settings.yaml")).expect("reads");
    let once = in_seconds(2).to_rfc3339();
    let settings = format!("{settings}schedule: {{once: \"{once}\", window: 6s}}\n");
    std::fs::write(shop.file("settings.yaml"), settings).expect("writes");
    set_settings(&shop);
    let agent = shop.start(&AGENT);
    wait_until("it is missed", || runs(&shop) == ["missed"]);
    wait_until("it is told", || {
        receiver.kinds().last().map(String::as_str) == Some("schedule.missed")
    });
    drop(held);
    let lines = end(agent);
    assert_eq!(
        events(&lines),
        ["rotation-begun", "rotation-waiting", "occurrence-missed"],
        "{lines:#?}"
    );
    for line in lines.iter().filter(|line| line["code"].is_string()) {
        assert_eq!(line["code"], "not-drained", "{line:#}");
    }
    let got = receiver.got();
    let notice = got.last().expect("was told").payload();
    assert_eq!(notice["data"]["code"], "not-drained", "{notice:#}");
    assert_eq!(notice["data"]["occurrences"], 1, "{notice:#}");
    assert_eq!(rotations(&shop), before, "nothing was begun");
    assert_eq!(shop.stored_hash_of(&shop.first), hash);
}

#[test]
fn nothing_is_begun_while_it_is_paused_or_all_is_frozen() {
    let paused = Shop::open("firespaused", ShopOptions::default());
    schedule(&paused, in_seconds(2), ", paused: true");
    let frozen = Shop::open("firesfrozen", ShopOptions::default());
    let freeze = "INSERT INTO freeze (one, since, until, reason, requester) \
                  VALUES (1, 1, NULL, 'an audit', 'alice')";
    store(&frozen).execute(freeze, []).expect("freezes");
    schedule(&frozen, in_seconds(2), ", window: 2s");
    let agents = [&paused, &frozen].map(|shop| shop.start(&AGENT));
    // Long enough for several looks.
    thread::sleep(Duration::from_secs(6));
    for shop in [&paused, &frozen] {
        assert_eq!(runs(shop), Vec::<String>::new());
        assert_eq!(rotations(shop), 0);
    }
    // What a freeze has held is made up for.
    store(&frozen)
        .execute("DELETE FROM freeze", [])
        .expect("ends it");
    wait_until("it is done", || runs(&frozen) == ["done"]);
    let [of_paused, of_frozen] = agents.map(end);
    assert_eq!(events(&of_paused), Vec::<&str>::new());
    let expected = ["frozen", "thawed", "rotation-begun", "rotation-done"];
    assert_eq!(events(&of_frozen), expected, "{of_frozen:#?}");
}

#[test]
fn what_needs_a_person_is_left_to_one_and_not_tried_again() {
    let table = "fires_parked_table";
    let shop = needy("firesparked", ShopOptions::default(), table);
    let once = in_seconds(3).to_rfc3339();
    shop.write_settings(&format!(
        "  db:\n    verify: {{statements: [\"select 1 from {table}\"]}}\n\
         schedule: {{once: \"{once}\"}}\n"
    ));
    set_settings(&shop);
    let agent = shop.start(&AGENT);
    wait_until("it has failed", || runs(&shop) == ["failed"]);
    let lines_of = |shop: &Shop| -> u32 {
        let count = store(shop).query_row("SELECT count(*) FROM journal", [], |row| row.get(0));
        count.expect("counts")
    };
    let before = lines_of(&shop);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(lines_of(&shop), before, "it was tried again");
    let lines = end(agent);
    let told = events(&lines);
    assert_eq!(told, ["rotation-begun", "rotation-failed"], "{lines:#?}");
    shop.assert_current_logs_in("while it is parked");
    // Nor does an agent that starts anew.
    let agent = shop.start(&AGENT);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(events(&end(agent)), Vec::<&str>::new());
    assert_eq!(lines_of(&shop), before, "it was tried again");
}

#[test]
fn a_rotation_by_hand_is_what_an_open_occurrence_is_for() {
    let shop = Shop::open("fireshand", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let held = shop.hold_session(&shop.first);
    schedule(&shop, in_seconds(2), "");
    let agent = shop.start(&AGENT);
    wait_until("it waits", || runs(&shop) == ["open"]);
    let waits = "SELECT count(*) FROM schedule_run WHERE code = 'not-drained'";
    wait_until("it was refused", || {
        store(&shop).query_row(waits, [], |row| row.get(0)) == Ok(1)
    });
    shop.rotate(&["--waive-drain", "a ticket"]).expect_code(0);
    drop(held);
    // It is looked at again when its pause is over.
    let now = "UPDATE schedule SET next_at = 1";
    store(&shop).execute(now, []).expect("writes");
    let now = "UPDATE schedule_run SET next_try_at = 1";
    store(&shop).execute(now, []).expect("writes");
    wait_until("it is done", || runs(&shop) == ["done"]);
    end(agent);
    assert_eq!(rotations(&shop), 2, "two by hand, none by the schedule");
}

/// What waits for its next try has it at once.
fn skip_pauses(shop: &Shop) {
    let waiting = "UPDATE schedule_run SET next_try_at = 1 WHERE state = 'open' AND attempts > 0 \
                   AND next_try_at > 1";
    if store(shop).execute(waiting, []).expect("writes") > 0 {
        let now = "UPDATE schedule SET next_at = 1";
        store(shop).execute(now, []).expect("writes");
    }
}

#[test]
fn an_agent_killed_at_any_moment_leaves_one_rotation_for_the_next() {
    let shop = Shop::open("fireskilled", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let mut chance = Chance::from_environment();
    let mut open = 0;
    for number in 1..=6 {
        let (before, revisions) = (rotations(&shop), shop.revision_count());
        // The gate may need a moment until a killed probe of ours is gone.
        schedule(&shop, in_seconds(2), "");
        let mut agent = shop.start(&AGENT);
        wait_until("it has begun", || runs(&shop).len() == number);
        thread::sleep(chance.up_to(Duration::from_millis(900)));
        agent.kill();
        let at_the_kill = runs(&shop);
        open += usize::from(at_the_kill.last().map(String::as_str) == Some("open"));
        shop.assert_current_logs_in("after the kill");
        let mut agent = shop.start(&AGENT);
        wait_until("it is done", || {
            // A killed probe may shut the gate for longer than the test has time.
            skip_pauses(&shop);
            runs(&shop).last().map(String::as_str) == Some("done")
        });
        agent.kill();
        assert_eq!(rotations(&shop), before + 1, "after kill {number}");
        assert_eq!(shop.revision_count(), revisions + 2, "after kill {number}");
        shop.assert_current_logs_in("after the next agent");
    }
    println!("{open} of 6 kills met an open run");
}

#[test]
fn an_agent_that_is_killed_while_its_statement_waits_is_gone_on_after() {
    let shop = Shop::open("fireshang", patient());
    let lock = HeldSession::row_lock(&shop.second.name);
    schedule(&shop, in_seconds(2), "");
    let mut agent = shop.start(&AGENT);
    wait_for_alter(&shop);
    // Two agents: the other one leaves alone what the first one drives.
    let other = shop.start(&AGENT);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(rotations(&shop), 1);
    agent.kill();
    drop(lock);
    wait_until("the other one brings it to its end", || {
        runs(&shop) == ["done"]
    });
    let lines = end(other);
    let begun = lines.iter().find(|line| line["event"] == "rotation-begun");
    assert_eq!(begun.expect("was told")["rotation"], "R-0001", "{lines:#?}");
    assert_eq!(rotations(&shop), 1);
    shop.assert_current_logs_in("at the end");
}

#[test]
fn an_agent_that_is_asked_to_stop_ends_after_the_running_step() {
    let shop = Shop::open("firesstopped", patient());
    let lock = HeldSession::row_lock(&shop.second.name);
    schedule(&shop, in_seconds(2), "");
    let mut agent = shop.start(&AGENT);
    wait_for_alter(&shop);
    agent.signal(Signal::SIGTERM);
    thread::sleep(Duration::from_secs(1));
    assert!(!agent.has_ended(), "a statement is on its way");
    drop(lock);
    let told = lines(&agent.finish().expect_code(0));
    assert_eq!(
        events(&told),
        ["rotation-begun", "rotation-waiting"],
        "{told:#?}"
    );
    assert_eq!(told.last().expect("lines")["code"], "interrupted");
    assert_eq!(runs(&shop), ["open"]);
    let agent = shop.start(&AGENT);
    wait_until("the next one brings it to its end", || {
        runs(&shop) == ["done"]
    });
    end(agent);
    assert_eq!(rotations(&shop), 1);
    shop.assert_current_logs_in("at the end");
}

#[test]
fn what_a_rival_has_changed_is_found_by_the_daily_verification_and_told_once() {
    let mut receiver = Receiver::start();
    receiver.kinds = "[verify.*]";
    let shop = receiver.shop("verifiesdaily", "");
    shop.rotate(&[]).expect_code(0);
    shop.set_password(&Account::new(shop.first.name.clone()));
    let mut agent = shop.start(&["agent", "--verify-every", "2s", "--output", "json"]);
    wait_until("it is told", || receiver.kinds() == ["verify.failed"]);
    let looked = |shop: &Shop| -> i64 {
        let newest = "SELECT max(verified_at) FROM verification";
        let row = store(shop).query_row(newest, [], |row| row.get(0));
        row.expect("was verified")
    };
    for _ in 0..2 {
        let before = looked(&shop);
        wait_until("it is verified again", || looked(&shop) > before);
    }
    agent.signal(Signal::SIGTERM);
    let told = lines(&agent.finish().expect_code(0));
    let verdicts = told.iter().filter(|line| line["event"] == "verified");
    assert!(verdicts.clone().count() >= 3, "{told:#?}");
    assert!(
        verdicts
            .into_iter()
            .all(|line| line["verdict"] == "drifted"),
        "{told:#?}"
    );
    assert_eq!(receiver.kinds(), ["verify.failed"], "once");
}

/// What is answered to one request, as it came.
fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
    stream.write_all(request.as_bytes()).expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    answer
}

#[test]
fn metrics_are_served_and_hold_no_secret() {
    let shop = Shop::open("metrics", ShopOptions::default());
    schedule(&shop, in_seconds(2), "");
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        listener.local_addr().expect("has one").port()
    };
    let address = format!("127.0.0.1:{port}");
    let mut agent = shop.start(&["agent", "--metrics", &address]);
    wait_until("it is done", || runs(&shop) == ["done"]);
    let get = |path: &str| ask(port, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    wait_until("it is counted", || {
        get("/metrics").contains("handover_rotation_attempts_total{outcome=\"done\"} 1")
    });
    wait_until("its status is read anew", || {
        get("/metrics").contains("handover_last_success_timestamp_seconds{")
    });
    let text = get("/metrics");
    for part in [
        "HTTP/1.1 200",
        "handover_agents 1",
        "handover_frozen 0",
        "handover_last_success_timestamp_seconds{environment=\"shop/orders\"}",
        "handover_consecutive_failures{environment=\"shop/orders\"} 0",
        "handover_overdue_seconds{environment=\"shop/orders\"} 0",
        "handover_environment_healthy{environment=\"shop/orders\"} 1",
        "# EOF",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    for account in [&shop.first, &shop.second, &shop.managing] {
        assert!(!text.contains(account.password.expose()), "{text}");
    }
    assert!(get("/healthz").contains("200 OK"));
    assert!(get("/other").contains("404"));
    let posted = ask(
        port,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(
        posted.contains("405") && posted.to_lowercase().contains("allow: get"),
        "{posted}"
    );
    assert!(ask(port, "nonsense\r\n\r\n").contains("400"));
    // Whoever asks for nothing keeps nobody else from an answer.
    let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
    assert!(get("/healthz").contains("200 OK"));
    let second = shop.run(&["agent", "--metrics", &address]);
    second
        .expect_code(1)
        .expect_told(&["metrics cannot be served", "--metrics"]);
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
}
