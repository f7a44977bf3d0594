//! Schedules on the command line: settings refused at their places, edits that keep every other
//! byte, pauses, the freeze, and the health that monitors are told.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use handover::model::SlotState;
use handover::operations::hand_over::Observer;
use handover::operations::{
    Turn, Workspace, act_on_turn, note_turn, reconsider_schedules, take_turn,
};
use handover::process::KeyAccess;
use handover::store::Access;
use serde_json::{Value, json};

use crate::shop::{Shop, ShopOptions};
use crate::webhook_receiver::{Got, Receiver};

const WEEKLY: &str = "At 03:00, on Sunday (Europe/Berlin), within 2h";

/// A shop whose settings end with these lines.
#[track_caller]
fn shop_with(name: &str, protect: Option<&'static str>, more: &str) -> Shop {
    let options = ShopOptions {
        protect,
        ..ShopOptions::default()
    };
    let shop = Shop::bare(name, options);
    shop.write_settings(more);
    shop.init();
    shop
}

#[track_caller]
fn json_of(shop: &Shop, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    shop.run(&arguments).expect_code(0).json()
}

#[track_caller]
fn settings(shop: &Shop) -> String {
    let run = shop.run(&["env", "settings", "get", "shop/orders"]);
    run.expect_code(0).stdout
}

#[track_caller]
fn set_weekly(shop: &Shop) -> Value {
    let zone = ["--timezone", "Europe/Berlin"];
    let cron = ["--cron", "0 3 * * SUN"];
    let set = [&["schedule", "set", "shop/orders"], &cron[..], &zone].concat();
    json_of(shop, &set)
}

#[track_caller]
fn assert_members(value: &Value, expected: &[&str]) {
    let object = value.as_object().expect("an object");
    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{value:#}");
}

#[track_caller]
fn assert_never_raw(text: &str) {
    for raw in ['\u{1b}', '\u{202e}', '\u{7}'] {
        assert!(!text.contains(raw), "{text:?}");
    }
}

async fn open(shop: &Shop) -> Workspace {
    let keys = KeyAccess::from_environment();
    let opened = Workspace::open(&shop.store(), &keys, Access::Write).await;
    opened.expect("opens")
}

/// The only schedule has been there for so many days.
fn let_it_be_older(shop: &Shop, days: i64) {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let since = (Utc::now() - TimeDelta::days(days)).timestamp_micros();
    let changed = store.execute("UPDATE schedule SET since = ?1", [since]);
    assert_eq!(changed.expect("updates"), 1);
}

/// What an agent would find to do at a time.
fn turn_at(shop: &Shop, now: DateTime<Utc>) -> Option<Turn> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let workspace = open(shop).await;
        let name = "shop/orders".parse().expect("a name");
        let taken = take_turn(&workspace, name, now).await;
        taken.expect("a turn").turn
    })
}

#[test]
fn settings_of_a_schedule_are_refused_at_their_places() {
    let shop = Shop::open("schedbad", ShopOptions::default());
    shop.write_settings("");
    let good = std::fs::read_to_string(shop.file("settings.yaml")).expect("reads");
    let line = good.lines().count() + 2;
    let revisions = shop.revision_count();
    for (more, place, parts) in [
        (
            "  cron: \"0 3 * *\"",
            (line, 9),
            ["five fields", "0 3 * * SUN"],
        ),
        (
            "  cron: \"MON 3 * * *\"",
            (line, 9),
            ["in the minute", "= help"],
        ),
        (
            "  {every: 30d, cron: \"0 3 * * *\"}",
            (line, 22),
            ["one of", "remove the other one"],
        ),
        (
            "  {every: 30d, timezone: Europe/Berln}",
            (line, 26),
            ["no such time zone", "Europe/Berlin"],
        ),
        (
            "  {every: 30d, window: 0s}",
            (line, 24),
            ["nothing could start", "2h"],
        ),
        (
            "  {every: 30d, missed: never}",
            (line, 24),
            ["run-once", "skip"],
        ),
        (
            "  {once: 2027-03-28 02:30, timezone: Europe/Berlin}",
            (line, 10),
            ["never comes", "03:00:00+02:00"],
        ),
        (
            "  {once: 2020-01-01}",
            (line, 3),
            ["has passed", "handover rotate"],
        ),
        (
            "  {every: 30d, jitter: 40d, window: 1d}",
            (line, 3),
            ["jitter", "longer"],
        ),
        ("  {window: 2h}", (line, 3), ["does not say when", "cron"]),
        (
            "  {every: 30d, paused: {until: soon}}",
            (line, 32),
            ["is no time", "offset"],
        ),
    ] {
        shop.write_settings(&format!("schedule:\n{more}\n"));
        let file = shop.file("settings.yaml").display().to_string();
        let run = shop.run(&["env", "settings", "set", "shop/orders", "-f", &file]);
        let run = run.expect_code(1);
        let place = format!("settings.yaml:{}:{}", place.0, place.1);
        assert!(
            run.stderr.contains(&place),
            "{more} not at {place}: {}",
            run.stderr
        );
        for part in parts {
            assert!(
                run.stderr.contains(part),
                "{more} without {part}: {}",
                run.stderr
            );
        }
    }
    assert_eq!(shop.revision_count(), revisions, "nothing was saved");
}

#[test]
fn what_is_set_paused_and_resumed_keeps_every_other_byte() {
    let more = "# who is told\nowners: []   # nobody yet\n# when\nschedule: # agreed on Monday\n    \
                # at night\n    cron:   '30 2 1 * *'   # early\n    timezone: UTC\n# the end\n";
    let shop = shop_with("schedkeep", None, more);
    let before = settings(&shop);

    let planned = json_of(
        &shop,
        &["schedule", "set", "shop/orders", "--window", "6h", "--plan"],
    );
    assert_eq!(planned["done"], false, "{planned:#}");
    assert_eq!(settings(&shop), before, "a plan changes nothing");
    let set = set_weekly(&shop);
    assert_eq!(set["words"], WEEKLY, "{set:#}");
    assert_eq!(set["revision"], 2, "{set:#}");
    assert_eq!(set["next"].as_array().map(Vec::len), Some(3), "{set:#}");
    let weekly = before
        .replace("'30 2 1 * *'", "'0 3 * * SUN'")
        .replace("timezone: UTC", "timezone: Europe/Berlin");
    assert_eq!(settings(&shop), weekly);
    let again = set_weekly(&shop);
    assert_eq!(
        (&again["changed"], &again["revision"]),
        (&json!(false), &json!(2))
    );

    let words = ["--until", "2d", "--reason", "moving"];
    let paused = json_of(&shop, &[&["pause", "shop/orders"], &words[..]].concat());
    assert_eq!(paused["paused"]["reason"], "moving", "{paused:#}");
    assert_ne!(settings(&shop), weekly);
    let listed = json_of(&shop, &["schedule", "ls"]);
    assert_eq!(
        listed["schedules"][0]["paused"], paused["paused"],
        "{listed:#}"
    );
    let resumed = json_of(&shop, &["schedule", "resume", "shop/orders"]);
    assert_eq!(resumed["paused"], Value::Null, "{resumed:#}");
    assert_eq!(settings(&shop), weekly, "a pause leaves nothing behind");

    let every = ["schedule", "set", "shop/orders", "--every", "30d"];
    let every = json_of(&shop, &every);
    assert_eq!(every["words_before"], WEEKLY, "{every:#}");
    assert_eq!(every["words"], "every 30d", "{every:#}");
    let none = json_of(&shop, &["schedule", "set", "shop/orders", "--none"]);
    assert_eq!(none["words"], Value::Null, "{none:#}");
    let left = settings(&shop);
    for comment in ["# who is told\n", "# nobody yet\n", "# the end\n"] {
        assert!(left.contains(comment), "{comment} is gone: {left}");
    }
    let history = json_of(&shop, &["env", "history", "shop/orders"]);
    let causes = history["revisions"].as_array().expect("a list");
    assert!(
        causes[..5].iter().all(|one| one["cause"] == "settings"),
        "{history:#}"
    );
    let audit = shop.run(&["audit", "ls", "shop/orders"]).expect_code(0);
    audit.expect_told(&["schedule.changed", "schedule.paused", "schedule.resumed"]);
    shop.run(&["audit", "verify"]).expect_code(0);
}

#[test]
fn a_schedule_is_set_where_there_are_no_settings_and_production_needs_its_name() {
    let shop = Shop::open("schedname", ShopOptions::default());
    let file = shop.file("values.yaml").display().to_string();
    std::fs::write(&file, "values:\n  a: 1\n").expect("writes");
    shop.run(&["env", "init", "shop/plain", "-f", &file])
        .expect_code(0);
    let none = shop.run(&["schedule", "set", "shop/plain", "--every", "30d"]);
    none.expect_code(1)
        .expect_told(&["has no rotated secret", "fn::rotate::postgres"]);
    for command in [["schedule", "pause"], ["schedule", "resume"]] {
        let run = shop.run(&[command[0], command[1], "shop/orders"]);
        run.expect_code(2)
            .expect_told(&["has no schedule", "handover schedule set shop/orders"]);
    }
    let window = ["schedule", "set", "shop/orders", "--window", "2h"];
    shop.run(&window)
        .expect_code(2)
        .expect_told(&["has no schedule"]);

    let guarded = shop_with("schedprod", Some("production"), "");
    let before = settings(&guarded);
    let set = ["schedule", "set", "shop/orders", "--every", "30d"];
    for (more, code) in [
        (&[][..], "not-confirmed"),
        (&["--yes"], "protected"),
        (&["--confirm", "shop/other"], "name-differs"),
    ] {
        let run = guarded.run(&[&set[..], more, &["--output", "json"]].concat());
        let error = run.expect_code(4).json();
        assert_eq!(error["error"]["code"], code, "{error:#}");
        assert!(error["error"]["remedy"].is_string(), "{error:#}");
    }
    assert_eq!(settings(&guarded), before);
    let name = ["--confirm", "shop/orders"];
    guarded.run(&[&set[..], &name].concat()).expect_code(0);
    guarded.run(&["pause", "shop/orders"]).expect_code(4);
    guarded
        .run(&[&["pause", "shop/orders", "--yes"], &name[..]].concat())
        .expect_code(0);
    guarded
        .run(&["resume", "shop/orders", "--yes"])
        .expect_code(4);
    guarded
        .run(&[&["resume", "shop/orders"], &name[..]].concat())
        .expect_code(0);
}

#[test]
fn reasons_are_marked_wherever_they_are_told() {
    let shop = Shop::open("schedwords", ShopOptions::default());
    set_weekly(&shop);
    let hostile = "moving\n\u{1b}[2J\u{202e}house\u{7}";
    let (told, reason) = ("moving␊␛[2J‹U+202E›house␇", ["--reason", hostile]);
    shop.run(&[&["pause", "shop/orders"], &reason[..]].concat())
        .expect_code(0);
    shop.run(&[&["pause", "--all"], &reason[..]].concat())
        .expect_code(0);
    let looks: [&[&str]; 8] = [
        &["schedule", "ls", "--output", "json"],
        &["schedule", "show", "shop/orders"],
        &["schedule", "show", "shop/orders", "--output", "json"],
        &["status"],
        &["status", "--output", "json"],
        &["env", "settings", "get", "shop/orders"],
        &["env", "history", "shop/orders"],
        &["audit", "ls"],
    ];
    for look in looks {
        let run = shop.run(look).expect_code(0);
        assert!(run.stdout.contains(told), "{look:?}: {}", run.stdout);
        assert_never_raw(&run.stdout);
    }
    // What somebody wrote into the settings by hand is marked just so.
    shop.run(&["resume", "--all"]).expect_code(0);
    let text = "schedule: {every: 30d, paused: {reason: \"moving\\n\\e[2J\\u202ehouse\\a\"}}\n";
    shop.write_settings(text);
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
    for look in &looks[..5] {
        let run = shop.run(look).expect_code(0);
        assert_never_raw(&run.stdout);
        assert!(
            look[0] == "status" || run.stdout.contains(told),
            "{look:?}: {}",
            run.stdout
        );
    }
}

#[test]
fn a_freeze_holds_agents_and_not_people() {
    let shop = Shop::open("schedfreeze", ShopOptions::default());
    set_weekly(&shop);
    let in_a_week = Utc::now() + TimeDelta::days(8);
    let reason = ["--reason", "change freeze"];
    let planned = json_of(&shop, &["pause", "--all", "--plan"]);
    assert_eq!(planned["done"], false, "{planned:#}");
    assert_eq!(json_of(&shop, &["status"])["freeze"], Value::Null);
    let frozen = json_of(
        &shop,
        &[&["pause", "--all", "--until", "30d"], &reason[..]].concat(),
    );
    assert_eq!(frozen["freeze"]["reason"], "change freeze", "{frozen:#}");
    assert_eq!(turn_at(&shop, in_a_week), None, "the agent begins nothing");
    let status = json_of(&shop, &["status"]);
    assert_eq!(status["freeze"], frozen["freeze"], "{status:#}");
    assert_eq!(
        status["environments"][1]["health"]["frozen"], true,
        "{status:#}"
    );
    let told = [
        "is frozen until",
        "(change freeze)",
        "handover resume --all",
    ];
    for look in [&["status"][..], &["schedule", "ls"], &["schedule", "next"]] {
        shop.run(look).expect_code(0).expect_told(&told);
    }
    let run = shop.rotate(&[]).expect_code(0);
    assert!(
        run.stderr.contains("asked for by hand and goes on"),
        "{run:#?}"
    );
    assert_eq!(run.json()["status"], "done");

    for (until, part) in [("2020-01-01", "has passed"), ("soon", "is no time")] {
        let run = shop.run(&["pause", "--all", "--until", until]);
        run.expect_code(2).expect_told(&[part, "3d"]);
    }
    let lifted = json_of(&shop, &["resume", "--all"]);
    assert_eq!(lifted["freeze"], Value::Null, "{lifted:#}");
    assert_eq!(json_of(&shop, &["resume", "--all"])["changed"], false);
    assert!(turn_at(&shop, in_a_week).is_some(), "they look again");
    let audit = shop.run(&["audit", "ls"]).expect_code(0);
    audit.expect_told(&["freeze.set", "freeze.lifted"]);
}

#[test]
fn monitors_are_told_what_is_not_as_it_should_be() {
    let mut receiver = Receiver::start();
    receiver.kinds = "[schedule.*]";
    let shop = receiver.shop("schedhealth", "");
    let healthy = shop.run(&["status", "--check"]).expect_code(0);
    assert!(healthy.stdout.contains("✓ healthy"), "{healthy:#?}");
    // Its windows are far from now, whenever this runs.
    let nightly = format!("0 {} * * *", (Utc::now().hour() + 12) % 24);
    shop.run(&[
        "schedule",
        "set",
        "shop/orders",
        "--cron",
        &nightly,
        "--missed",
        "skip",
    ])
    .expect_code(0)
    .expect_told(&["no agent is alive", "handover agent"]);
    let check = shop.run(&["status", "--check"]).expect_code(5);
    check.expect_told(&["no agent is alive, and 1 schedule waits for one: handover agent"]);
    shop.run(&["status"])
        .expect_code(0)
        .expect_told(&["no agent is alive"]);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let agent = runtime.block_on(async {
        let workspace = open(&shop).await;
        let us = workspace.as_holder();
        workspace.store.enlist_agent(us).await.expect("a number")
    });
    let status = json_of(&shop, &["status", "--check"]);
    assert_eq!(
        (&status["healthy"], &status["reasons"]),
        (&json!(true), &json!([]))
    );
    assert_members(
        &status["agents"][0],
        &["number", "holder", "host", "pid", "since"],
    );
    drop(agent);

    // Two nights without anybody.
    let_it_be_older(&shop, 3);
    let now = Utc::now();
    assert_eq!(turn_at(&shop, now - TimeDelta::days(1)), None);
    assert_eq!(turn_at(&shop, now), None);
    let run = shop
        .run(&["status", "--check", "--output", "json"])
        .expect_code(5);
    let health = &run.json()["environments"][2]["health"];
    let failures = health["consecutive_failures"].as_u64();
    assert!(failures >= Some(2), "{health:#}");
    let reason = health["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("led to no rotation"), "{reason}");
    assert!(reason.contains("handover"), "what helps: {reason}");
    let shown = shop
        .run(&["schedule", "show", "shop/orders"])
        .expect_code(0);
    shown.expect_told(&["! missed", "while no agent was alive", "OCCURRENCE"]);

    shop.run(&["outbox", "retry"]).expect_code(0);
    let kinds = ["schedule.missed", "schedule.missed", "schedule.overdue"];
    assert_eq!(receiver.kinds(), kinds);
    let got: Vec<Value> = receiver.got().iter().map(Got::payload).collect();
    for one in &got {
        assert_members(
            &one["data"],
            &[
                "occurrence",
                "occurrences",
                "code",
                "reason",
                "remedy",
                "last_rotated_at",
            ],
        );
        assert_eq!(one["data"]["code"], "nobody-there", "{one:#}");
    }
    // A rotation by hand makes it well again.
    shop.rotate(&[]).expect_code(0);
    let status = json_of(&shop, &["status"]);
    let health = &status["environments"][2]["health"];
    assert_eq!(health["never_rotated"], false, "{status:#}");
    assert!(health["last_success"].is_string(), "{status:#}");
}

#[test]
fn the_answers_have_the_promised_members() {
    let shop = Shop::open("schedjson", ShopOptions::default());
    let listing = ["schedules", "agents", "freeze"];
    for look in [
        &["schedule", "ls"][..],
        &["schedule", "show", "shop/orders"],
    ] {
        let empty = json_of(&shop, look);
        assert_members(&empty, &listing);
        assert_eq!(empty["schedules"], json!([]));
        let shown = shop.run(look).expect_code(0);
        shown.expect_told(&["handover schedule set"]);
    }
    shop.run(&["schedule", "next"])
        .expect_code(0)
        .expect_told(&["handover schedule set"]);
    let review = set_weekly(&shop);
    assert_members(
        &review,
        &[
            "environment",
            "protected",
            "done",
            "changed",
            "revision",
            "words_before",
            "words",
            "timezone",
            "missed",
            "paused",
            "next_before",
            "next_after",
            "next",
            "makes_up",
            "misses",
            "occurrences",
            "frozen",
            "agent_alive",
            "cautions",
        ],
    );
    // One occurrence has been acted on.
    let_it_be_older(&shop, 8);
    let turn = turn_at(&shop, Utc::now()).expect("a turn");
    let shown = json_of(&shop, &["schedule", "show", "shop/orders"]);
    let view = &shown["schedules"][0];
    assert_members(
        view,
        &[
            "environment",
            "protected",
            "words",
            "timezone",
            "next",
            "next_at",
            "window_seconds",
            "missed",
            "paused",
            "last",
            "runs",
            "cautions",
            "health",
            "problem",
        ],
    );
    assert_members(
        &view["last"],
        &[
            "slot",
            "occurrences",
            "state",
            "rotation",
            "attempts",
            "next_try_at",
            "problem",
            "over_at",
        ],
    );
    assert_eq!(view["runs"][0], view["last"], "{view:#}");
    assert_eq!(view["last"]["state"], "open", "{view:#}");
    assert_eq!(view["last"]["slot"], json!(turn.slot), "{view:#}");
    assert_members(
        &view["health"],
        &[
            "last_success",
            "age_seconds",
            "never_rotated",
            "next_at",
            "overdue_by_seconds",
            "consecutive_failures",
            "stuck_overlap",
            "expired_waiver",
            "parked",
            "left_open",
            "paused",
            "frozen",
            "verify",
            "reasons",
        ],
    );
    let next = json_of(&shop, &["schedule", "next", "shop/orders", "--days", "30"]);
    assert_members(&next, &["from", "days", "starts", "agents", "freeze"]);
    for start in next["starts"].as_array().expect("a list") {
        assert_members(start, &["environment", "at", "schedule", "timezone"]);
    }
    let freeze = json_of(&shop, &["pause", "--all"]);
    assert_members(
        &freeze,
        &["done", "changed", "freeze", "schedules", "begin_at_once"],
    );
    assert_members(
        &freeze["freeze"],
        &["since", "until", "reason", "requester"],
    );
    let status = json_of(&shop, &["status"]);
    assert_members(
        &status,
        &[
            "environments",
            "healthy",
            "reasons",
            "agents",
            "freeze",
            "audit",
        ],
    );

    // With the environment its schedule goes, and what was being tried.
    let confirm = ["--yes", "--confirm", "shop/orders"];
    shop.run(&[&["env", "rm", "shop/orders"], &confirm[..]].concat())
        .expect_code(0);
    assert_eq!(json_of(&shop, &["schedule", "ls"])["schedules"], json!([]));
    assert_eq!(turn_at(&shop, Utc::now() + TimeDelta::days(9)), None);
}

/// Setting a time of day that was some hours ago, and as if it had been so for days: one
/// occurrence has passed, and nobody acted on it.
#[track_caller]
fn set_hours_ago(shop: &Shop, hours: i64, missed: &str) {
    let ago = Utc::now() - TimeDelta::hours(hours);
    let cron = ago.format("%M %H * * *").to_string();
    let set = ["schedule", "set", "shop/orders", "--cron", &cron];
    json_of(shop, &[&set[..], &["--missed", missed]].concat());
    let_it_be_older(shop, 3);
}

#[test]
fn nobody_begins_a_rotation_without_agreeing_to_it() {
    let shop = Shop::open("schedagree", ShopOptions::default());
    let resume = ["resume", "shop/orders"];
    let make_up = ["schedule", "set", "shop/orders", "--missed", "run-once"];
    for (missed, act) in [("run-once", &resume[..]), ("skip", &make_up)] {
        set_hours_ago(&shop, 6, missed);
        if act == resume {
            json_of(&shop, &["pause", "shop/orders"]);
        }
        let before = settings(&shop);
        let planned = json_of(&shop, &[act, &["--plan"]].concat());
        assert_eq!(planned["makes_up"], true, "{planned:#}");
        let run = shop.run(&[act, &["--output", "json"]].concat());
        let error = &run.expect_code(4).json()["error"];
        assert_eq!(error["code"], "not-confirmed", "{error:#}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("rotated at once"), "{message}");
        let remedy = error["remedy"].as_str().expect("a remedy");
        assert!(remedy.ends_with("--yes"), "{remedy}");
        assert_eq!(settings(&shop), before, "{act:?}");
        let done = json_of(&shop, &[act, &["--yes"]].concat());
        assert_eq!(done["makes_up"], true, "{done:#}");
        json_of(&shop, &["schedule", "set", "shop/orders", "--none"]);
    }
    // What begins nothing at once is nobody's to be asked for.
    set_hours_ago(&shop, 6, "skip");
    json_of(&shop, &["pause", "shop/orders"]);
    let resumed = json_of(&shop, &resume);
    assert_eq!(
        (&resumed["makes_up"], &resumed["misses"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn what_was_done_by_a_clock_far_ahead_does_not_end_the_schedule() {
    let shop = Shop::open("schedclock", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    set_hours_ago(&shop, 3, "run-once");
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let now = runtime.block_on(async {
        let workspace = open(&shop).await;
        let name = "shop/orders".parse().expect("a name");
        // The agent acts by a clock that shows ten years later.
        let far = Utc::now() + TimeDelta::days(3650);
        let taken = take_turn(&workspace, name, far).await.expect("takes");
        let turn = taken.turn.expect("a turn");
        let ended = act_on_turn(&workspace, &turn, &Observer::default()).await;
        let end = note_turn(&workspace, &turn, ended, far).await;
        assert_eq!(end.expect("notes").state, SlotState::Done);
        let promoted = far.timestamp_micros();
        let changed = store.execute(
            "UPDATE overlap SET opened_at = ?1 WHERE ended_at IS NULL",
            [promoted],
        );
        assert_eq!(changed.expect("updates"), 1);
        // The clock is right again, and that is noticed.
        let now = Utc::now();
        let looked = reconsider_schedules(&workspace, now).await;
        assert_eq!(looked.expect("looks"), 1);
        now
    });
    let view = &json_of(&shop, &["schedule", "show", "shop/orders"])["schedules"][0];
    assert_eq!(view["last"]["state"], "done", "{view:#}");
    assert_eq!(turn_at(&shop, now), None, "it counts once");
    let next: DateTime<Utc> = serde_json::from_value(view["next_at"].clone()).expect("a time");
    assert!(next < now + TimeDelta::days(1), "{view:#}");
    assert!(turn_at(&shop, next).is_some(), "and no more");
    let reason = view["health"]["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("the clock was ahead"), "{reason}");
    assert!(
        reason.contains("handover rotate shop/orders mends it"),
        "{reason}"
    );
    shop.rotate(&[]).expect_code(0);
    let view = &json_of(&shop, &["schedule", "show", "shop/orders"])["schedules"][0];
    assert_eq!(view["health"]["reasons"], json!([]), "{view:#}");
}
