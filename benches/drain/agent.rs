//! An idle agent with a hundred open overlaps: its share of a core, and its memory.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::wait_until;
use crate::shop::{Account, Shop, ShopOptions};

const OVERLAPS: usize = 100;
/// The budget of its share of a core, in hundredths.
const BUDGET: f64 = 2.0;

/// Measures and prints; answers the shop whose overlaps they are.
pub(crate) fn measure() -> Shop {
    let shop = Shop::bare("hundred", ShopOptions::default());
    shop.init();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= OVERLAPS {
                        break;
                    }
                    begin_overlap(&shop, number);
                }
            });
        }
    });
    let mut agent = shop.start(&["agent"]);
    wait_until("each was sampled three times", || {
        samples(&shop) >= 3 * i64::try_from(OVERLAPS).expect("few")
    });
    let process = process_of_agent(&shop);
    let span = std::env::var("HANDOVER_BENCH_SECONDS").unwrap_or_else(|_| "60".to_owned());
    let span = Duration::from_secs(span.parse().expect("HANDOVER_BENCH_SECONDS is a number"));
    let (began, before, at) = (Instant::now(), used(process), samples(&shop));
    thread::sleep(span);
    let (passed, after) = (began.elapsed(), used(process));
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    let ticks = ticks.ok().flatten().expect("the system has a clock tick");
    let share = 100.0 * (after.ticks - before.ticks) as f64 / ticks as f64 / passed.as_secs_f64();
    let word = if share <= BUDGET { "within" } else { "OVER" };
    println!(
        "an idle agent, {OVERLAPS} overlaps, {passed:.0?}, {} samples: {share:.2} % of a core, \
         {word} the budget of {BUDGET} %; memory {} KiB, then {} KiB",
        samples(&shop) - at,
        before.memory,
        after.memory
    );
    agent.signal(Signal::SIGTERM);
    agent.finish().expect_code(0);
    shop
}

/// One more environment, with a pair of its own that was rotated once.
fn begin_overlap(shop: &Shop, number: usize) {
    let mut text = shop.orders_document();
    for account in [&shop.first, &shop.second] {
        let one = Account {
            name: format!("{}_{number}", account.name),
            password: account.password.duplicate(),
        };
        shop.create_user(&one);
        let names = [&account.name, &one.name].map(|name| format!("\"{name}\""));
        text = text.replace(&names[0], &names[1]);
    }
    let file = shop.file(&format!("{number}.yaml"));
    fs::write(&file, text).expect("writes");
    let (file, settings) = (file.display(), shop.file("settings.yaml"));
    let (file, settings) = (file.to_string(), settings.display().to_string());
    let name = format!("shop/o{number}");
    let init = ["env", "init", &name, "-f", &file, "--settings", &settings];
    shop.run(&init).expect_code(0);
    shop.run(&["rotate", &name, "--yes", "--output", "json"])
        .expect_code(0);
}

fn samples(shop: &Shop) -> i64 {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let sql = "SELECT coalesce(sum(samples), 0) FROM observed_run";
    let found = store.query_row(sql, [], |row| row.get(0));
    found.expect("the store can be read while it is written")
}

/// The program that was started in the folder of this shop.
fn process_of_agent(shop: &Shop) -> i32 {
    let processes = fs::read_dir("/proc").expect("lists");
    let mut processes = processes.filter_map(Result::ok).filter_map(|entry| {
        let process: i32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = fs::read_link(entry.path().join("cwd")).ok()?;
        (folder == shop.home().canonicalize().ok()?).then_some(process)
    });
    processes.next().expect("the agent runs")
}

struct Used {
    ticks: u64,
    memory: u64,
}

fn used(process: i32) -> Used {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("reads");
    let fields = stat.rsplit_once(')').expect("a name in parentheses").1;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |field: &str| field.parse::<u64>().expect("a number");
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("reads");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|text| text.split_whitespace().next());
    Used {
        ticks: number(fields[11]) + number(fields[12]),
        memory: number(memory.expect("a process has memory")),
    }
}
