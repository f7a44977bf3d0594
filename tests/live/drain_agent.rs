//! The agent on a real PostgreSQL: one at a time, and what its absence means.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::drain::{DRAIN, QUICK, drain_of, rotated, sampled};
use crate::harness::{Run, wait_until};
use crate::shop::Shop;

const AGENT: [&str; 3] = ["agent", "--output", "json"];

/// The lines of an agent that has ended.
#[track_caller]
fn told(run: &Run) -> Vec<Value> {
    assert_eq!(run.code(), Some(0), "{run:#?}");
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("each line is one object"))
        .collect()
}

fn verdicts(lines: &[Value]) -> Vec<&str> {
    let verdicts = lines.iter().filter(|line| line["event"] == "verdict");
    verdicts
        .filter_map(|line| line["verdict"].as_str())
        .collect()
}

#[track_caller]
fn verdict(shop: &Shop) -> String {
    let seen = drain_of(&shop.run(&DRAIN));
    seen["verdict"].as_str().expect("a word").to_owned()
}

#[test]
fn an_agent_samples_until_it_is_asked_to_stop_and_tells_each_change() {
    let (shop, session) = rotated("agentalone", QUICK, |shop| shop.hold_session(&shop.first));
    let mut agent = shop.start(&AGENT);
    wait_until("it samples", || sampled(&shop).0 >= 3);
    let run = shop.run(&DRAIN);
    assert_eq!(run.json()["sampler"], "elsewhere", "{run:#?}");
    assert_eq!(drain_of(&run)["verdict"], "active", "{run:#?}");
    drop(session);
    wait_until("it is drained", || verdict(&shop) == "drained");
    // A new overlap is found without being told: of the other user.
    // Statements of our own that fall on both sides of a sample are taken for somebody's, and
    // the gate says for how long.
    wait_until("the rotation is admitted", || {
        shop.rotate(&[]).code() == Some(0)
    });
    wait_until("the new one is drained", || {
        let run = shop.run(&DRAIN);
        let seen = drain_of(&run);
        let is_new = seen["user"] == shop.second.name.as_str();
        is_new && seen["verdict"] == "drained" && run.json()["sampler"] == "elsewhere"
    });
    let (before, _) = sampled(&shop);
    wait_until("the agent has seen it, too", || {
        sampled(&shop).0 >= before + 5
    });
    agent.signal(Signal::SIGTERM);
    let lines = told(&agent.finish());
    let changes = verdicts(&lines);
    assert_eq!(changes[..2], ["active", "quiet"], "{lines:#?}");
    assert_eq!(changes.last(), Some(&"drained"), "{lines:#?}");
    assert!(!changes.contains(&"unknown"), "{lines:#?}");
    let users = lines.iter().filter(|line| line["event"] == "sampling");
    let users: Vec<&str> = users.filter_map(|line| line["user"].as_str()).collect();
    assert_eq!(users, [&shop.first.name, &shop.second.name], "{lines:#?}");
}

#[test]
fn of_two_agents_one_samples_and_the_other_takes_over() {
    let (shop, ()) = rotated("agenttwo", QUICK, |_| ());
    let mut first = shop.start(&AGENT);
    wait_until("the first samples", || sampled(&shop).0 >= 2);
    let mut second = shop.start(&["agent"]);
    wait_until("both go on", || sampled(&shop).0 >= 15);
    assert!(!second.has_ended());
    first.kill();
    let (before, _) = sampled(&shop);
    wait_until("the second samples", || sampled(&shop).0 >= before + 5);
    second.signal(Signal::SIGINT);
    let run = second.finish().expect_code(0);
    let (waits, samples) = (
        run.stderr.find("sampled by another process"),
        run.stderr.find("sampling the sessions of"),
    );
    assert!(waits.is_some() && waits < samples, "{run:#?}");
}

#[test]
fn an_agent_that_was_stopped_for_longer_than_the_gap_begins_the_window_anew() {
    let settings = "  db:\n    drain: {quiet: 30m, sample: 200ms, max-gap: 1s}\n";
    let (shop, ()) = rotated("agentstopped", settings, |_| ());
    let mut agent = shop.start(&AGENT);
    let since = || {
        let seen = drain_of(&shop.run(&DRAIN));
        assert_eq!(seen["verdict"], "quiet", "{seen:#}");
        seen["window"]["since"].as_str().expect("a time").to_owned()
    };
    wait_until("it samples", || sampled(&shop).0 >= 3);
    let before = since();
    agent.signal(Signal::SIGSTOP);
    wait_until("it is stopped", || agent.is_stopped());
    let (stopped, (samples, runs)) = (Instant::now(), sampled(&shop));
    wait_until("the gap is longer than allowed", || {
        stopped.elapsed() > Duration::from_millis(1500)
    });
    let seen = drain_of(&shop.run(&DRAIN));
    assert_eq!(seen["verdict"], "unknown", "{seen:#}");
    assert_eq!(seen["coverage"]["nodes"][0]["view"], "stale", "{seen:#}");
    agent.signal(Signal::SIGCONT);
    wait_until("it samples again", || sampled(&shop).0 > samples + 2);
    assert_eq!(sampled(&shop).1, runs + 1, "one more stretch");
    assert!(since() > before, "the window begins anew");
    agent.signal(Signal::SIGTERM);
    told(&agent.finish());
}
