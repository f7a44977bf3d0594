//! Retiring by the agent, what a locked user is listened for, and what is told of a password
//! that leaked and was not shut out.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::drain::{DRAIN, drain_of};
use crate::harness::wait_until;
use crate::shop::{Shop, ShopEngine, ShopOptions};

const RETIRE: [&str; 6] = ["retire", "shop/orders", "db", "--yes", "--output", "json"];

/// A shop after its first rotation, with these lines for its database in the settings.
fn promoted(name: &str, options: ShopOptions, settings: &str) -> Option<Shop> {
    let shop = Shop::bare_on(options.engine, name, options)?;
    shop.write_settings(&format!("  db:\n{settings}"));
    shop.init();
    shop.rotate(&["--confirm", "shop/orders"]).expect_code(0);
    Some(shop)
}

#[track_caller]
fn overlap(shop: &Shop) -> Value {
    let run = shop.run(&["status", "shop/orders", "--output", "json"]);
    assert_eq!(run.code(), Some(0), "{run:#?}");
    run.json()["environments"][0]["paths"][0]["overlap"].clone()
}

fn is_at(shop: &Shop, stage: &str) -> bool {
    overlap(shop)["stage"] == stage
}

#[test]
fn the_agent_locks_what_has_drained_and_scrambles_it_and_not_what_a_person_let_in() {
    let options = ShopOptions {
        protect: Some("production"),
        ..ShopOptions::default()
    };
    let settings = "    drain: {quiet: 1s, sample: 200ms, max-gap: 1s}\n    \
                    retire: {mode: lock, listen: 2s}\n";
    let shop = promoted("agentlocks", options, settings).expect("PostgreSQL is there");
    let seen = overlap(&shop);
    assert_eq!(seen["stage"], "draining", "{seen:#}");
    assert_eq!(seen["user"], shop.first.name.as_str(), "{seen:#}");
    assert_eq!(seen["compromised"], false, "{seen:#}");
    let mut agent = shop.start(&["agent", "--output", "json"]);
    wait_until("it is locked", || !is_at(&shop, "draining"));
    assert!(!shop.logs_in(&shop.first), "it is locked");
    // PostgreSQL counts no refused logins: nobody is heard, and time passes.
    let seen = drain_of(&shop.run(&DRAIN));
    if seen["stage"] == "locked" {
        assert_eq!(seen["listening"]["state"], "waiting", "{seen:#}");
        assert_eq!(seen["listening"]["source"], Value::Null, "{seen:#}");
    }
    wait_until("it is scrambled", || is_at(&shop, "scrambled"));
    agent.signal(Signal::SIGTERM);
    let run = agent.finish().expect_code(0);
    let lines = run.stdout.lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).expect("one object"))
        .collect();
    let steps: Vec<&str> = lines
        .iter()
        .filter(|line| line["event"] == "retired" && line["status"] == "done")
        .filter_map(|line| line["stage"].as_str())
        .collect();
    assert_eq!(steps, ["locked", "scrambled"], "{lines:#?}");
    let audit = shop.run(&["audit", "ls", "--output", "json"]);
    audit
        .expect_code(0)
        .expect_told(&["retire.lock-done", "retire.mode: lock", "\"agent\""]);
    shop.assert_current_logs_in("after the agent retired the other user");
}

#[test]
fn the_agent_leaves_alone_what_the_settings_or_a_person_leave_to_a_person() {
    let quick = "    drain: {quiet: 1s, sample: 200ms, max-gap: 1s}\n";
    let asked = format!("{quick}    retire: {{mode: ask, listen: 0s}}\n");
    let asked = promoted("agentasks", ShopOptions::default(), &asked).expect("PostgreSQL");
    let undone = format!("{quick}    retire: {{mode: lock, listen: 1h}}\n");
    let undone = promoted("agentundone", ShopOptions::default(), &undone).expect("PostgreSQL");
    let drained = |shop: &Shop| overlap(shop)["verdict"] == "drained";
    // A person locks it, and lets it in again: the agent does not contradict.
    let mut first = undone.start(&["agent"]);
    wait_until("the agent locks", || is_at(&undone, "locked"));
    first.signal(Signal::SIGTERM);
    first.finish().expect_code(0);
    undone
        .run(&[&RETIRE[..], &["--undo"]].concat())
        .expect_code(0);
    let mut agents = [&asked, &undone].map(|shop| shop.start(&["agent", "--output", "json"]));
    for shop in [&asked, &undone] {
        wait_until("it is drained", || drained(shop));
        let samples = crate::drain::sampled(shop).0;
        wait_until("the agent has seen it", || {
            crate::drain::sampled(shop).0 > samples + 10
        });
        assert!(is_at(shop, "draining"), "{:#}", overlap(shop));
        assert!(shop.logs_in(&shop.first), "nobody was locked");
    }
    for agent in &mut agents {
        agent.signal(Signal::SIGTERM);
    }
    for agent in agents {
        let run = agent.finish().expect_code(0);
        assert!(!run.stdout.contains("\"retired\""), "{run:#?}");
    }
}

#[test]
fn a_locked_user_of_mysql_is_listened_for_and_who_knocks_is_heard() {
    let options = ShopOptions {
        engine: ShopEngine::MySql,
        ..ShopOptions::default()
    };
    let settings = "    drain: {quiet: 0s, sample: 200ms, max-gap: 1h}\n    \
                    retire: {mode: ask, listen: 1h}\n";
    let Some(shop) = promoted("listens", options, settings) else {
        return;
    };
    shop.run(&RETIRE).expect_code(0);
    let heard = drain_of(&shop.run(&DRAIN))["listening"].clone();
    assert_eq!(heard["state"], "listening", "{heard:#}");
    assert_eq!(heard["source"], "accounts", "{heard:#}");
    assert_eq!(heard["refused"], 0, "{heard:#}");
    assert!(heard["left_seconds"].as_u64() > Some(3500), "{heard:#}");
    assert!(!shop.logs_in(&shop.first), "it is locked");
    wait_until("it is heard", || {
        drain_of(&shop.run(&DRAIN))["listening"]["refused"] == 1
    });
    let told = shop.run(&["drain", "shop/orders"]).expect_code(0);
    told.expect_told(&["listening", "1 login was refused"]);
}

#[test]
fn a_leak_that_was_not_shut_out_is_told_everywhere_with_its_command() {
    let settings = "    retire: {mode: lock, listen: 0s}\n";
    let shop = promoted("leakopen", ShopOptions::default(), settings).expect("PostgreSQL");
    // As a run leaves it that is killed between the promote and the lock.
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let changed = store.execute("UPDATE overlap SET compromised = 1", []);
    assert_eq!(changed.expect("writes"), 1);
    drop(store);
    let command = "handover retire shop/orders db";
    for words in [
        &["status"][..],
        &["drain", "shop/orders"],
        &["recover"],
        &["recover", "shop/orders"],
    ] {
        let run = shop.run(words);
        let told = run.told();
        for part in [command, "leaked", "not locked yet"] {
            assert!(told.contains(part), "{words:?} tells no {part}: {told}");
        }
        let code = if words[0] == "recover" { 5 } else { 0 };
        assert_eq!(run.code(), Some(code), "{run:#?}");
    }
    assert_eq!(overlap(&shop)["leak"]["command"], command);
    let seen = drain_of(&shop.run(&DRAIN));
    assert_eq!(seen["leak"]["command"], command, "{seen:#}");
    // The agent leaves it to a person, whatever the settings say.
    let mut agent = shop.start(&["agent", "--output", "json"]);
    let samples = crate::drain::sampled(&shop).0;
    wait_until("the agent samples", || {
        crate::drain::sampled(&shop).0 > samples
    });
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    assert!(is_at(&shop, "draining"), "{:#}", overlap(&shop));

    shop.run(&RETIRE).expect_code(0);
    assert_eq!(overlap(&shop)["leak"], Value::Null);
    shop.run(&["recover"]).expect_code(0);
}
