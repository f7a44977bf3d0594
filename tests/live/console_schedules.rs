//! Schedules in the console, on a real PostgreSQL: what nobody acts on, pausing and resuming after
//! a review, a freeze, and a rotation that is not waited for.

use nix::sys::signal::Signal;

use crate::harness::wait_until;
use crate::shop::{Shop, ShopOptions};
use crate::terminal::{Start, Terminal};

/// Two environments on one server; `shop/billing` is production. Both are scheduled.
fn scheduled(name: &str) -> (Shop, Shop) {
    let shop = Shop::open(name, ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let production = ShopOptions {
        protect: Some("production"),
        ..ShopOptions::default()
    };
    let billing = Shop::bare(&format!("{name}_billing"), production);
    let [file, settings] =
        ["orders.yaml", "settings.yaml"].map(|name| billing.file(name).display().to_string());
    let init = [
        "env",
        "init",
        "shop/billing",
        "-f",
        &file,
        "--settings",
        &settings,
    ];
    shop.run(&init).expect_code(0);
    shop.run(&["schedule", "set", "shop/orders", "--every", "30d"])
        .expect_code(0);
    (shop, billing)
}

fn is_paused(shop: &Shop, name: &str) -> bool {
    let run = shop.run(&["schedule", "show", name, "--output", "json"]);
    let shown = run.expect_code(0).json();
    let schedule = &shown["schedules"][0];
    assert_eq!(schedule["environment"], name, "{shown:#}");
    !schedule["paused"].is_null()
}

#[test]
fn schedules_are_shown_paused_resumed_and_run_now() {
    let (shop, _billing) = scheduled("consoleschedules");
    let start = Start {
        size: (110, 30),
        ..Start::default()
    };
    let mut terminal = Terminal::start(&shop, &start);
    // Both screens that count on schedules say that nobody acts on them.
    let nobody = "▲ no agent: scheduled rotations do not run (handover agent)";
    terminal.see(nobody).see("promoted");
    terminal
        .press("S")
        .see("▸ ● planned shop/orders")
        .see(nobody);
    terminal.see("schedule  every 30d").see("29d");
    // What has none is not forgotten, and its key says what to do.
    terminal.press("G").see("▸ ○ none    shop/billing");
    terminal
        .press("P")
        .see("shop/billing has no schedule: handover schedule set");
    let set = ["schedule", "set", "shop/billing", "--cron", "0 3 * * *"];
    let named = ["--timezone", "Europe/Berlin", "--confirm", "shop/billing"];
    shop.run(&[&set[..], &named].concat()).expect_code(0);
    terminal.press("r").see("▸ ● planned shop/billing").see("◆");

    // The safe button is the default.
    terminal.press("G").see("▸ ● planned shop/orders");
    terminal.press("P").see("pause the schedule of shop/orders");
    terminal.see("→ none").see("Pause it (y)").press("enter");
    terminal.see_not("Pause it (y)");
    assert!(
        !is_paused(&shop, "shop/orders"),
        "leaving it changes nothing"
    );

    // A reason is written into the settings with it.
    terminal.press("P").see("↑ writes one").press("up");
    terminal.see("that is the reason").type_text("year-end");
    terminal.see("year-end▏").press("enter").see("Pause it (y)");
    terminal.press("y").see("▸ ‖ paused  shop/orders");
    terminal.see("until somebody resumes it: year-end");
    assert!(is_paused(&shop, "shop/orders"));
    let settings = shop.run(&["env", "settings", "get", "shop/orders"]);
    settings.expect_code(0).expect_told(&["year-end"]);

    // Production is unlocked and named first; the same key resumes.
    terminal
        .press("g g P")
        .see("■ READ-ONLY: press U to unlock it");
    terminal.press("U").see("type shop/billing to agree");
    terminal.type_text("shop/billin").press("enter");
    terminal.see("■ type shop/billing to agree");
    assert!(!is_paused(&shop, "shop/billing"), "half a name is no name");
    terminal
        .type_text("g")
        .press("enter")
        .see("▸ ‖ paused  shop/billing");
    assert!(is_paused(&shop, "shop/billing"));
    terminal
        .press("G P")
        .see("resume the schedule of shop/orders");
    terminal
        .see("paused until somebody resumes it: year-end")
        .press("y");
    terminal.see("▸ ● planned shop/orders");
    assert!(!is_paused(&shop, "shop/orders"));

    // A freeze is everybody's, and told where it matters.
    let freeze = ["pause", "--all", "--until", "3d", "--reason", "audit"];
    shop.run(&freeze).expect_code(0);
    terminal.press("r").see("■ frozen until").see(": audit");
    terminal.see("▸ ■ frozen  shop/orders");
    shop.run(&["resume", "--all"]).expect_code(0);
    terminal.press("r").see("▸ ● planned shop/orders");

    // What is scheduled can be rotated without waiting for it.
    let before = shop.assert_current_logs_in("before it is run now");
    terminal
        .press("R")
        .see("rotate shop/orders")
        .see("Rotate (y)");
    terminal.press("y").see("DONE");
    let after = shop.assert_current_logs_in("after it was run now");
    assert_ne!(before.name, after.name, "it was rotated");
    terminal.press("esc").see("▸ ● planned shop/orders");
    terminal.press("enter").see("● schedule planned: every 30d");

    // Somebody acts on them from here on.
    terminal.press("esc").see(nobody);
    let mut agent = shop.start(&["agent"]);
    wait_until("an agent lives", || {
        let listed = shop.run(&["schedule", "ls", "--output", "json"]);
        listed.json()["agents"] != serde_json::json!([])
    });
    terminal.press("r").see_not(nobody).see("▸ ● planned");
    agent.signal(Signal::SIGTERM);
    agent.finish();
    terminal.press("r").see(nobody);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_given_back();
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    for action in ["schedule.paused", "schedule.resumed"] {
        assert!(told.contains(action), "{action}: {told}");
    }
}
