//! `handover env run`: what a command is given, what is taken out of its output, how it ends, and
//! what becomes of it when the values change.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::wait_until;
use crate::shop::{Shop, ShopOptions};

/// Longer than it may take until a change is noticed, with what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(10);

fn shop(name: &str) -> Shop {
    let shop = Shop::bare(name, ShopOptions::default());
    let document = format!(
        "{}\x20 environmentVariables:\n\
         \x20   DB_USER: ${{db.current.username}}\n\
         \x20   DB_PASSWORD: ${{db.current.password}}\n\
         \x20   URL: postgres://${{db.current.username}}:${{db.current.password}}@db/orders\n\
         \x20   WORKERS: 4\n\
         \x20   DEBUG: true\n\
         \x20   EMPTY: null\n\
         \x20   LIST: [1]\n\
         \x20 files:\n\
         \x20   CREDENTIALS: \"password=${{db.current.password}}\"\n",
        shop.orders_document()
    );
    fs::write(shop.file("orders.yaml"), document).expect("writes");
    shop.init();
    shop
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_command_gets_variables_and_files_and_its_output_is_redacted() {
    let shop = shop("runvars");
    let script = "echo \"$DB_USER $WORKERS $DEBUG [$EMPTY] [${LIST-unset}]\"; \
                  echo \"p $DB_PASSWORD\" >&2; printf %s \"$DB_PASSWORD\" | cut -c 1-5; \
                  echo \"$URL\"; cat \"$CREDENTIALS\"; echo; stat -c %a \"$CREDENTIALS\"; \
                  echo \"$CREDENTIALS\"; exit 7";
    let command = ["env", "run", "shop/orders", "--", "sh", "-c", script];
    let run = shop.run(&command).expect_code(7);
    let out: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        out[0],
        format!("{} 4 true [] [unset]", shop.first.name),
        "{run:#?}"
    );
    assert_eq!(
        out[2], "[secret]",
        "a value that holds one is one itself: {run:#?}"
    );
    assert_eq!(out[3], "[secret]", "{run:#?}");
    assert_eq!(out[4], "600", "{run:#?}");
    assert!(!Path::new(out[5]).exists(), "it is removed: {run:#?}");
    assert!(run.stderr.contains("p [secret]"), "{run:#?}");
    assert!(run.stderr.contains("environmentVariables.LIST"), "{run:#?}");
    let secret = shop.first.password.expose();
    assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
    let interactive = [
        "env",
        "run",
        "shop/orders",
        "-i",
        "--",
        "sh",
        "-c",
        "echo $DB_PASSWORD",
    ];
    let run = shop.run(&interactive).expect_code(0);
    assert_eq!(run.stdout.trim_end(), secret);
    shop.run(&["audit", "ls"])
        .expect_code(0)
        .expect_told(&["environment.run"]);
}

#[test]
fn the_end_of_the_command_is_ours() {
    let shop = shop("runend");
    let run = |words: &[&str]| {
        let command = [&["env", "run", "shop/orders", "--"], words].concat();
        shop.run(&command)
    };
    run(&["true"]).expect_code(0);
    run(&["sh", "-c", "kill -TERM $$"]).expect_code(143);
    run(&["no-such-program-anywhere"]).expect_code(127);
    run(&["/"]).expect_code(126);
    shop.run(&["env", "run", "shop/ordres", "--", "true"])
        .expect_code(2)
        .expect_told(&["did you mean shop/orders?"]);
    shop.run(&[
        "env",
        "run",
        "shop/orders",
        "--on-change",
        "signal:NONE",
        "--",
        "true",
    ])
    .expect_code(2);
    // A signal reaches the command, which decides what it means.
    for (signal, code) in [(Signal::SIGUSR1, 3), (Signal::SIGTERM, 143)] {
        let ready = shop.home().join(format!("ready-{code}"));
        let script = format!(
            "trap 'echo heard; exit 3' USR1; touch {}; while :; do sleep 0.05; done",
            ready.display()
        );
        let mut running = shop.start(&["env", "run", "shop/orders", "--", "sh", "-c", &script]);
        wait_until("the command is ready", || ready.exists());
        running.signal(signal);
        let run = running.finish().expect_code(code);
        assert_eq!(run.stdout.contains("heard"), code == 3, "{run:#?}");
    }
}

#[test]
fn a_slow_reader_gets_all_of_the_output() {
    let shop = shop("runslow");
    let mut run = shop
        .command(&["env", "run", "shop/orders", "--", "seq", "1", "20000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let out = run.stdout.take().expect("a pipe");
    // More than one pipe holds, and less than two: the command has ended long before.
    std::thread::sleep(Duration::from_secs(3));
    let lines = BufReader::new(out).lines().count();
    assert_eq!(lines, 20_000);
    assert_eq!(run.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_reader_that_takes_nothing_keeps_nobody_from_ending_it() {
    let shop = shop("runstuck");
    // The command has ended by itself, or waits as well.
    for last in ["20000", "40000"] {
        ends_though_nobody_reads(&shop, last);
    }
}

fn ends_though_nobody_reads(shop: &Shop, last: &str) {
    let mut run = shop
        .command(&["env", "run", "shop/orders", "--", "seq", "1", last])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let pid = Pid::from_raw(i32::try_from(run.id()).expect("a pid"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(run.try_wait().expect("asks"), None, "it waits");
    kill(pid, Signal::SIGTERM).expect("is there");
    wait_until("it ends", || run.try_wait().expect("asks").is_some());
}

#[test]
fn whoever_was_told_to_reload_is_still_restarted() {
    let shop = shop("runreload");
    let file = shop.home().join("reloads");
    let script = format!(
        "trap 'echo reloaded >> {0}' HUP; echo \"$DB_USER\" >> {0}; while :; do sleep 0.05; done",
        file.display()
    );
    let words = [
        "env",
        "run",
        "shop/orders",
        "--on-change",
        "restart",
        "--",
        "sh",
        "-c",
    ];
    let mut run = shop.start(&[&words[..], &[&script]].concat());
    wait_until("it has begun", || lines(&file).len() == 1);
    run.signal(Signal::SIGHUP);
    wait_until("it has reloaded", || lines(&file).len() == 2);
    shop.rotate(&[]).expect_code(0);
    wait_until("it is restarted", || lines(&file).len() == 3);
    assert_eq!(lines(&file)[2], shop.second.name);
    run.signal(Signal::SIGTERM);
    run.finish().expect_code(143);
}

#[test]
fn new_values_restart_it_or_reach_its_files_or_nothing() {
    let shop = shop("runchange");
    let [restarted, signalled, left] = ["restarted", "signalled", "left"].map(|name| {
        let file = shop.home().join(name);
        (name, file)
    });
    let logged = |file: &Path| format!("echo \"$DB_USER $DB_PASSWORD\" >> {}", file.display());
    let stays = format!("{}; exec sleep 600", logged(&restarted.1));
    let reloads = format!(
        "trap 'cat \"$CREDENTIALS\" >> {0}; echo >> {0}' HUP; {1}; while :; do sleep 0.05; done",
        signalled.1.display(),
        logged(&signalled.1)
    );
    let ignores = format!("{}; exec sleep 600", logged(&left.1));
    let start = |on_change: &str, script: &str| {
        let option = ["--on-change", on_change, "--", "sh", "-c", script];
        shop.start(&[&["env", "run", "shop/orders"], &option[..]].concat())
    };
    let mut runs = [
        start("restart", &stays),
        start("signal:HUP", &reloads),
        start("none", &ignores),
    ];
    let files = [&restarted.1, &signalled.1, &left.1];
    wait_until("all have begun", || {
        files.iter().all(|file| lines(file).len() == 1)
    });
    // A revision that changes nothing of what they were given is nothing to them.
    shop.run(&["env", "set", "shop/orders", "greeting", "bye"])
        .expect_code(0);
    shop.rotate(&[]).expect_code(0);
    let begun = Instant::now();
    wait_until("both have noticed", || {
        lines(&restarted.1).len() == 2 && lines(&signalled.1).len() == 2
    });
    assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
    let current = shop.current();
    let password = current.password.expose();
    assert_eq!(
        lines(&restarted.1)[1],
        format!("{} {password}", current.name)
    );
    assert_eq!(lines(&signalled.1)[1], format!("password={password}"));
    assert_eq!(lines(&left.1).len(), 1);
    for run in &mut runs {
        run.signal(Signal::SIGTERM);
    }
    for run in runs {
        let run = run.finish().expect_code(143);
        assert!(!run.stderr.contains(password), "{run:#?}");
    }
    assert_eq!(
        lines(&restarted.1).len(),
        2,
        "whoever asked it to end does not get another"
    );
}
