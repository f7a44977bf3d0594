//! Notices to webhooks: told at least once, under one id, in order, signed, and without secrets;
//! and whatever a receiver does, nothing else is changed by it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::drain::QUICK;
use crate::harness::wait_until;
use crate::several::DeadPort;
use crate::shop::{Shop, quoted};
use crate::two_pairs::TwoPairs;
use crate::webhook_receiver::{Got, Receiver, Reply};

const RETIRE: [&str; 6] = ["retire", "shop/orders", "db", "--yes", "--output", "json"];

#[track_caller]
fn outbox(shop: &Shop) -> Vec<Value> {
    let run = shop.run(&["outbox", "ls", "--all", "--output", "json"]);
    let listing = run.expect_code(0).json();
    listing["deliveries"].as_array().expect("a list").clone()
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.got().iter().map(Got::id).collect()
}

#[test]
fn a_rotation_and_a_retirement_are_told_signed_and_without_secrets() {
    let receiver = Receiver::start();
    let shop = receiver.shop("told", "");
    let run = shop.rotate(&["--reason", "a ticket"]).expect_code(0);
    assert_eq!(run.stderr, "", "all was delivered: {run:#?}");
    shop.run(&RETIRE).expect_code(0);
    shop.run(&[&RETIRE[..], &["--undo"]].concat())
        .expect_code(0);
    shop.run(&RETIRE).expect_code(0);
    let got = receiver.got();
    let expected = [
        "rotation.succeeded",
        "retire.locked",
        "retire.undone",
        "retire.locked",
    ];
    assert_eq!(receiver.kinds(), expected);
    for one in &got {
        assert!(one.is_signed_by(&receiver.key), "{one:?}");
        assert!(!one.is_signed_by(&[7; 32]), "the check can fail");
        assert_eq!(one.path, "/hook");
        assert_eq!(one.header("content-type"), "application/json");
        let payload = one.payload();
        assert_eq!(payload["version"], 1, "{payload:#}");
        assert_eq!(payload["id"], one.id().as_str(), "{payload:#}");
        assert_eq!(payload["environment"], "shop/orders", "{payload:#}");
        let entries = payload["audit"]["entries"].as_u64();
        assert!(entries > Some(3), "{payload:#}");
    }
    let rotation = got[0].payload();
    let path = &rotation["data"]["paths"][0];
    assert_eq!(rotation["data"]["rotation"], "R-0001", "{rotation:#}");
    assert_eq!(path["path"], "db", "{rotation:#}");
    assert_eq!(path["status"], "promoted", "{rotation:#}");
    assert_eq!(path["user"], shop.second.name.as_str(), "{rotation:#}");
    assert_eq!(rotation["data"]["revision"], run.json()["revision"]);
    let locked = got[1].payload();
    assert_eq!(locked["data"]["user"], shop.first.name.as_str());
    // The end of the chain that it names is one that the audit log has had.
    let head = got[3].payload()["audit"].clone();
    let status = shop.run(&["status", "--output", "json"]).json();
    assert_eq!(status["audit"], head, "{status:#}");
    // No password, and not the key either, in what was sent and in what is kept.
    let current = shop.current();
    let mut secrets = vec![receiver.secret(), current.password.expose().to_owned()];
    for account in [&shop.first, &shop.second, &shop.managing] {
        secrets.push(account.password.expose().to_owned());
    }
    let kept = std::fs::read(shop.store().join("handover.db")).expect("reads");
    let kept = String::from_utf8_lossy(&kept).into_owned();
    for secret in secrets {
        assert!(got.iter().all(|one| !one.body.contains(&secret)));
        assert!(!kept.contains(&secret));
    }
    assert!(outbox(&shop).iter().all(|one| one["state"] == "delivered"));
    let listed = shop.run(&["outbox", "ls"]).expect_code(0);
    assert!(listed.stdout.contains("Nothing waits"), "{listed:#?}");
}

#[test]
fn whatever_a_receiver_does_each_notice_arrives_under_one_id_and_in_order() {
    let receiver = Receiver::start();
    let shop = receiver.shop("mishaps", "");
    let elsewhere = format!("location: {}\r\n", receiver.url("/elsewhere"));
    let long = "\u{1b}[31m".repeat(100_000);
    receiver.plan([
        Reply::Refuse,
        Reply::Lose,
        Reply::Status("500 Internal Server Error", String::new(), long),
        Reply::Status("302 Found", elsewhere, String::new()),
    ]);
    let run = shop.rotate(&[]).expect_code(0);
    assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
    for part in [
        "1 notice is not delivered yet",
        "handover outbox retry shop/orders",
    ] {
        assert!(run.stderr.contains(part), "{run:#?}");
    }
    // What comes later waits behind it, however well the receiver is by now.
    let told = shop.run(&RETIRE).expect_code(0);
    assert!(told.stderr.contains("waits behind older ones"), "{told:#?}");
    assert_eq!(
        ids(&receiver),
        Vec::<String>::new(),
        "it was refused before"
    );
    for (round, answer) in ["never came", "500 Internal", "302 Found"]
        .iter()
        .enumerate()
    {
        let run = shop.run(&["outbox", "retry", "shop/orders", "--output", "json"]);
        let listing = run.expect_code(1).json();
        let first = &listing["deliveries"][0];
        let words = first["answer"].as_str().expect("words");
        assert!(words.contains(answer), "{listing:#}");
        assert!(
            words.len() < 2000 && !words.contains('\u{1b}'),
            "{listing:#}"
        );
        assert_eq!(first["state"], "waiting", "{listing:#}");
        assert_eq!(listing["deliveries"][1]["attempts"], 0, "{listing:#}");
        assert_eq!(ids(&receiver).len(), round + 1, "{listing:#}");
    }
    shop.run(&["outbox", "retry"]).expect_code(0);
    let got = ids(&receiver);
    assert_eq!(got.len(), 5, "{got:?}");
    assert!(got[..4].iter().all(|id| *id == got[0]), "{got:?}");
    assert_ne!(got[4], got[0], "the later one is told last");
    assert_eq!(
        receiver.kinds()[3..],
        ["rotation.succeeded", "retire.locked"]
    );
    let requests = receiver.got();
    assert!(
        requests.iter().all(|one| one.path == "/hook"),
        "{requests:?}"
    );
    assert!(requests.iter().all(|one| one.is_signed_by(&receiver.key)));
    assert!(requests[..4].iter().all(|one| one.body == requests[0].body));
    let nothing = shop.run(&["outbox", "retry"]).expect_code(0);
    assert!(nothing.stdout.contains("Nothing is left"), "{nothing:#?}");
}

#[test]
fn a_receiver_that_is_gone_is_not_asked_again_and_holds_up_nobody() {
    let receiver = Receiver::start();
    let shop = receiver.shop("gone", "");
    receiver.plan([Reply::status("410 Gone")]);
    let run = shop.rotate(&[]).expect_code(0);
    assert!(run.stderr.contains("410 Gone"), "{run:#?}");
    shop.run(&RETIRE).expect_code(0);
    assert_eq!(receiver.kinds(), ["rotation.succeeded", "retire.locked"]);
    let deliveries = outbox(&shop);
    assert_eq!(deliveries[0]["state"], "dead", "{deliveries:#?}");
    assert_eq!(deliveries[1]["state"], "delivered", "{deliveries:#?}");
    let id = deliveries[0]["id"].as_str().expect("an id");
    let status = shop
        .run(&["status", "shop/orders", "--output", "json"])
        .json();
    let notices = &status["environments"][0]["notices"];
    assert_eq!(notices["dead"], 1, "{status:#}");
    assert_eq!(notices["waiting_since"], Value::Null, "{status:#}");
    shop.run(&["status"])
        .expect_told(&["1 given up: handover outbox ls shop/orders"]);
    shop.run(&["outbox", "retry", id]).expect_code(0);
    assert_eq!(ids(&receiver)[2], id);
    let told = shop.run(&["status"]).stdout;
    assert!(!told.contains("outbox ls"), "{told}");
    shop.run(&["outbox", "retry", "msg_unknown"])
        .expect_code(2)
        .expect_told(&["no notice msg_unknown", "outbox ls"]);
    shop.run(&["audit", "ls"])
        .expect_told(&["outbox.retried", id]);
}

#[test]
fn a_receiver_that_hangs_changes_neither_the_answer_of_a_rotation_nor_when_it_comes() {
    let receiver = Receiver::start();
    let shop = receiver.shop("hangs", "");
    receiver.plan([Reply::Hang]);
    let mut command = shop.command(&["rotate", "shop/orders", "--yes", "--output", "json"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("is piped"));
    output.read_line(&mut line).expect("reads");
    let answered = Instant::now();
    let report: Value = serde_json::from_str(&line).expect("one object");
    assert_eq!(report["status"], "done", "{report:#}");
    assert!(child.try_wait().expect("asks").is_none(), "it tries now");
    wait_until("the receiver has been asked", || receiver.got().len() == 1);
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(0));
    // A receiver would be waited for as long as ten seconds.
    assert!(answered.elapsed() < Duration::from_secs(8));
    shop.assert_current_logs_in("with a receiver that hangs");
    let delivery = outbox(&shop)[0].clone();
    assert_eq!(delivery["answer"], "no answer in time", "{delivery:#}");
    shop.run(&["outbox", "retry"]).expect_code(0);
    let got = ids(&receiver);
    assert_eq!((got.len(), &got[0]), (2, &got[1]));
}

#[test]
fn a_receiver_that_is_slow_to_answer_holds_up_no_other_one() {
    let (slow, quick) = (Receiver::start(), Receiver::start());
    let of_quick = quick.settings();
    let (_, of_quick) = of_quick.split_once('\n').expect("a list");
    let shop = Shop::bare("slowhook", crate::shop::ShopOptions::default());
    shop.write_settings(&format!("{}{of_quick}", slow.settings()));
    shop.init();
    slow.init_key(&shop, &format!("{{fn::secret: {}}}", slow.secret()));
    slow.plan((0..9).map(|_| Reply::Hang));
    let mut agent = shop.start(&["agent"]);
    shop.rotate(&[]).expect_code(0);
    wait_until("the slow one is asked again", || slow.got().len() == 2);
    shop.run(&RETIRE).expect_code(0);
    wait_until("the quick one is told", || {
        quick.kinds().iter().any(|kind| kind == "retire.locked")
    });
    let listed = outbox(&shop);
    let of_slow = listed
        .iter()
        .find(|one| one["webhook"] == slow.url("/hook").as_str());
    let attempts = of_slow.expect("is listed")["attempts"].as_u64();
    assert_eq!(attempts, Some(1), "the second one goes on: {listed:#?}");
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
}

#[test]
fn the_agent_tries_again_after_a_pause_and_a_killed_one_sends_under_the_same_id() {
    let receiver = Receiver::start();
    let shop = receiver.shop("agentdelivers", "");
    let failing = || Reply::status("500 Internal Server Error");
    receiver.plan([failing(), failing()]);
    let mut agent = shop.start(&["agent"]);
    shop.rotate(&[]).expect_code(0);
    wait_until("it is delivered by itself", || {
        outbox(&shop).iter().all(|one| one["state"] == "delivered")
    });
    assert_eq!(ids(&receiver).len(), 3, "{:?}", receiver.got());
    agent.signal(Signal::SIGTERM);
    let run = agent.finish().expect_code(0);
    assert!(run.stderr.contains("delivered"), "{run:#?}");

    // Another one waits, and the store takes no entry while the agent delivers it.
    receiver.plan([failing()]);
    shop.run(&RETIRE).expect_code(0);
    let before = (receiver.got().len(), receiver.finished());
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let mut agent = shop.start(&["agent"]);
    wait_until("it is there", || {
        let status = shop.run(&["status", "--output", "json"]).json();
        status["agents"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    });
    store.execute_batch("BEGIN IMMEDIATE").expect("locks");
    wait_until("its answer was read", || {
        receiver.got().len() > before.0 && receiver.finished() > before.1
    });
    agent.kill();
    store.execute_batch("ROLLBACK").expect("unlocks");
    assert_eq!(outbox(&shop)[1]["state"], "waiting", "nothing was noted");
    let mut agent = shop.start(&["agent"]);
    wait_until("it is delivered again", || {
        outbox(&shop).iter().all(|one| one["state"] == "delivered")
    });
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    let of_second = &ids(&receiver)[3..];
    assert!(of_second.len() >= 3, "{of_second:?}");
    assert!(
        of_second.iter().all(|id| *id == of_second[0]),
        "{of_second:?}"
    );
}

#[test]
fn a_drain_is_told_once_and_each_late_login_once() {
    let mut receiver = Receiver::start();
    receiver.kinds = "[drain.*, rotation.failed]";
    let shop = receiver.shop("drains", QUICK);
    shop.rotate(&[]).expect_code(0);
    let session = shop.hold_session(&shop.first);
    let mut agent = shop.start(&["agent"]);
    let count = |kind: &str| receiver.kinds().iter().filter(|one| *one == kind).count();
    wait_until("the late login is told", || count("drain.late_login") == 1);
    wait_until("it is told that it stays", || count("drain.stuck") == 1);
    drop(session);
    wait_until("the drain is told", || count("drain.drained") == 1);
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    // Another process that samples knows what was told.
    let mut agent = shop.start(&["agent"]);
    let samples = crate::drain::sampled(&shop).0;
    wait_until("it samples", || {
        crate::drain::sampled(&shop).0 > samples + 5
    });
    let session = shop.hold_session(&shop.first);
    wait_until("the next one is told", || count("drain.late_login") == 2);
    drop(session);
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    for kind in ["drain.drained", "drain.stuck"] {
        assert_eq!(count(kind), 1, "{:?}", receiver.kinds());
    }
    let got = receiver.got();
    let of = |kind: &str| {
        let mut found = got.iter().filter(|one| one.kind() == kind);
        found.next().expect("was told").payload()["data"].clone()
    };
    let late = of("drain.late_login");
    assert_eq!(late["logins"], 1, "{late:#}");
    assert_eq!(late["user"], shop.first.name.as_str(), "{late:#}");
    assert!(late["late"][0]["pid"].is_i64(), "{late:#}");
    let stuck = of("drain.stuck");
    let because = stuck["because"].as_str().expect("words");
    assert!(because.contains("old password"), "{stuck:#}");
    let drained = of("drain.drained");
    assert_eq!(drained["required_seconds"], 2, "{drained:#}");
    assert_eq!(drained["complete"], true, "{drained:#}");
}

#[test]
fn what_needs_a_person_is_told_and_what_was_given_up() {
    let receiver = Receiver::start();
    let shop = receiver.shop("parks", "");
    let fails = format!(
        "SELECT CASE WHEN current_user = '{}' THEN 1 / (length(current_user) - {}) END",
        shop.second.name,
        shop.second.name.len()
    );
    let settings = format!("  db:\n    verify: {{statements: [{}]}}\n", quoted(&fails));
    set_settings(&shop, &format!("{settings}{}", receiver.settings()));
    shop.rotate(&[]).expect_code(5);
    let parked = receiver.got()[0].payload();
    assert_eq!(parked["type"], "rotation.parked", "{parked:#}");
    let path = &parked["data"]["paths"][0];
    assert_eq!(path["status"], "parked", "{parked:#}");
    assert_eq!(path["case"], "verify-failed", "{parked:#}");
    shop.run(&["abandon", "shop/orders", "db", "--yes"])
        .expect_code(0);
    let failed = receiver.got()[1].payload();
    assert_eq!(failed["type"], "rotation.failed", "{failed:#}");
    assert_eq!(failed["data"]["paths"][0]["status"], "abandoned");
    // Readings that were not audited are told with the first one that is.
    let gap = "2026-01-01T00:00:00Z environment.opened shop/orders\n";
    std::fs::write(shop.store().join("audit-gap"), gap).expect("writes");
    shop.run(&["env", "open", "shop/managing"]).expect_code(0);
    let told = receiver.got()[2].payload();
    assert_eq!(told["type"], "audit.gap", "{told:#}");
    assert_eq!(told["data"]["not_audited"][0], gap.trim_end(), "{told:#}");
}

#[test]
fn a_webhook_can_be_tried_and_what_is_wrong_with_it_is_named() {
    let receiver = Receiver::start();
    let shop = receiver.shop("tried", "");
    let test = ["webhook", "test", "shop/orders", "--output", "json"];
    let tried = shop.run(&test).expect_code(0).json();
    assert_eq!(tried["webhooks"][0]["is_delivered"], true, "{tried:#}");
    let got = receiver.got();
    assert_eq!((got.len(), got[0].kind().as_str()), (1, "webhook.test"));
    assert!(got[0].is_signed_by(&receiver.key));
    assert_eq!(
        outbox(&shop),
        Vec::<Value>::new(),
        "it is beside the outbox"
    );
    let change_key = |key: &str| {
        shop.run(&["env", "rm", "shop/hooks", "--yes"])
            .expect_code(0);
        receiver.init_key(&shop, key);
    };
    for (key, part) in [
        ("{fn::secret: first-password}", "begin with `whsec_`"),
        ("{fn::secret: whsec_no!}", "not base64"),
        ("plain", "plain string"),
    ] {
        change_key(key);
        let run = shop.run(&["webhook", "test", "shop/orders"]);
        run.expect_code(1)
            .expect_told(&["not delivered", part, "webhook test"]);
    }
    assert_eq!(receiver.got().len(), 1, "nothing was sent");
    shop.run(&["webhook", "test", "shop/managing"])
        .expect_code(2)
        .expect_told(&["no webhook", "env settings set"]);
    // Another authority than the settings name is not trusted.
    change_key(&format!("{{fn::secret: {}}}", receiver.secret()));
    let other = Receiver::start();
    let settings = other.settings().replace(&other.url(""), &receiver.url(""));
    set_settings(&shop, &settings);
    shop.run(&["webhook", "test", "shop/orders"])
        .expect_code(1)
        .expect_told(&["cannot be reached", "certificate"]);
    assert_eq!(receiver.got().len(), 1, "nothing was sent");
    set_settings(&shop, &receiver.settings());
    shop.run(&["webhook", "test", "shop/orders"]).expect_code(0);
}

#[test]
fn a_rotation_that_is_done_in_part_is_told_so_and_so_is_its_end() {
    let receiver = Receiver::start();
    let dead = DeadPort::take();
    let two = TwoPairs::open("toldinpart", dead.port, &receiver.settings());
    let key = format!("{{fn::secret: {}}}", receiver.secret());
    receiver.init_key(&two.shop, &key);
    two.shop.rotate(&[]).expect_code(3);
    dead.revive();
    two.retry(&[]).expect_code(0);
    assert_eq!(
        receiver.kinds(),
        ["rotation.partial", "rotation.succeeded"],
        "{:#?}",
        receiver.got()
    );
    let statuses = |index: usize| {
        let payload = receiver.got()[index].payload();
        let paths = payload["data"]["paths"].as_array().expect("a list").clone();
        let of = |path: &Value| path["status"].as_str().expect("a word").to_owned();
        paths.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(statuses(0), ["promoted", "parked"]);
    assert_eq!(statuses(1), ["promoted", "promoted"]);
}

#[test]
fn what_waits_for_a_webhook_that_the_settings_name_no_more_is_given_up() {
    let receiver = Receiver::start();
    let shop = receiver.shop("renamed", "");
    receiver.plan([Reply::Refuse]);
    shop.rotate(&[]).expect_code(0);
    set_settings(&shop, "");
    shop.run(&["outbox", "retry"]).expect_code(1);
    let delivery = outbox(&shop)[0].clone();
    assert_eq!(delivery["state"], "dead", "{delivery:#}");
    let answer = delivery["answer"].as_str().expect("words");
    assert!(answer.contains("do not name this webhook"), "{delivery:#}");
    assert_eq!(ids(&receiver), Vec::<String>::new());
    set_settings(&shop, &receiver.settings());
    shop.run(&["outbox", "retry"]).expect_code(0);
    assert_eq!(receiver.kinds(), ["rotation.succeeded"]);
}

#[track_caller]
fn set_settings(shop: &Shop, more: &str) {
    shop.write_settings(more);
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
}
