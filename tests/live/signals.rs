//! Asked to stop: the running effect is finished and journalled, the exit says how to go
//! on, and a second signal ends at once.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::console::ticks;
use crate::contract::result_of;
use crate::crash::managing_sessions;
use crate::harness::{HeldSession, Run, Running, literal, server, single, wait_until};
use crate::rotation::wait_for_alter;
use crate::shop::{Shop, ShopOptions, account_at};
use crate::terminal::{Start, Terminal};

const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];

/// A shop whose S3 may wait for as long as the test needs.
pub(crate) fn patient(name: &str) -> Shop {
    Shop::open(
        name,
        ShopOptions {
            lock_timeout: "60s",
            statement_timeout: "60s",
            ..ShopOptions::default()
        },
    )
}

/// A superuser's session that holds the role's advisory lock, as another rotation of the
/// same role would.
pub(crate) fn role_lock(role: &str) -> HeldSession {
    let superuser = server().superuser();
    let session = HeldSession::open(&superuser.name, &superuser.password);
    let oid = single(&format!(
        "SELECT oid FROM pg_authid WHERE rolname = {}",
        literal(role)
    ));
    session.run(&format!(
        "SELECT pg_catalog.pg_advisory_lock(x'68616e64'::int, {oid})"
    ));
    session
}

/// Sends a signal and waits until the program's own log says that it was heard.
pub(crate) fn ask_to_stop(shop: &Shop, running: &mut Running, signal: Signal) {
    running.signal(signal);
    wait_until("the signal is heard", || {
        log_of(shop).contains("asked to stop")
    });
}

fn log_of(shop: &Shop) -> String {
    fs::read_to_string(shop.store().join("handover.log")).unwrap_or_default()
}

/// Exit code, the words, and what `recover` says of the rotation that stays open.
#[track_caller]
pub(crate) fn assert_interrupted(run: &Run, code: i32, signal: Signal, step: &str) -> Value {
    assert_eq!(run.code(), Some(code), "{run:#?}");
    let result = result_of(run);
    assert_eq!(result["status"], "interrupted", "{result:#}");
    assert_eq!(result["error"]["code"], "interrupted", "{result:#}");
    assert_eq!(result["paths"][0]["step"], step, "{result:#}");
    let message = result["error"]["message"].as_str().expect("a message");
    assert!(message.contains(signal.as_str()), "{message}");
    assert_eq!(
        result["error"]["remedy"], "handover recover shop/orders",
        "{result:#}"
    );
    result
}

/// The case that `recover` names without doing anything.
#[track_caller]
fn case_of(shop: &Shop) -> String {
    let run = shop.run(&["recover", "shop/orders", "--explain", "--output", "json"]);
    let result = result_of(&run);
    let case = &result["paths"][0]["case"];
    case.as_str()
        .unwrap_or_else(|| panic!("no case: {result:#}"))
        .to_owned()
}

#[track_caller]
fn recover_to_the_second_user(shop: &Shop) {
    let run = shop.run(&["recover", "shop/orders", "--yes", "--output", "json"]);
    assert_eq!(run.code(), Some(0), "{run:#?}");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
}

#[test]
fn asked_to_stop_in_s3_the_statement_is_finished_and_journalled() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let shop = patient("stops3");
        let before = shop.verifier_of(&shop.second);
        let lock = HeldSession::row_lock(&shop.second.name);
        let mut rotation = shop.start(&ROTATE);
        wait_for_alter(&shop);
        ask_to_stop(&shop, &mut rotation, signal);
        drop(lock);
        let run = rotation.finish();
        assert_interrupted(&run, 5, signal, "S3").to_string();
        run.expect_told(&["the new password is set and not promoted"]);
        assert_ne!(shop.verifier_of(&shop.second), before, "it was finished");
        shop.assert_current_logs_in("after the stop");
        assert_eq!(case_of(&shop), "applied", "it was journalled");
        recover_to_the_second_user(&shop);
    }
}

#[test]
fn asked_to_stop_before_s3_nothing_is_sent() {
    let shop = patient("stoplock");
    let before = shop.verifier_of(&shop.second);
    let lock = role_lock(&shop.second.name);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    rotation.signal(Signal::SIGTERM);
    // The lock is still held: the wait for it is left.
    let run = rotation.finish();
    assert_interrupted(&run, 4, Signal::SIGTERM, "S2");
    run.expect_told(&["nothing was changed in the database"]);
    assert_eq!(case_of(&shop), "pending-unsent");
    shop.assert_current_logs_in("after the stop");
    drop(lock);
    wait_until("the abandoned session has ended", || {
        managing_sessions(&shop) == 0
    });
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing was sent");
    recover_to_the_second_user(&shop);
}

#[test]
fn what_was_not_sent_is_given_up_without_blaming_the_gate() {
    let shop = patient("stopgive");
    let lock = role_lock(&shop.second.name);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    rotation.signal(Signal::SIGTERM);
    rotation.finish();
    drop(lock);
    let before = shop.verifier_of(&shop.second);
    let words = ["abandon", "shop/orders", "db", "--yes", "--output", "json"];
    let result = result_of(&shop.run(&words).expect_code(0));
    assert_eq!(result["paths"][0]["status"], "aborted", "{result:#}");
    let message = &result["paths"][0]["error"]["message"];
    let message = message.as_str().expect("a message");
    assert!(message.contains("given up"), "{message}");
    assert!(!message.contains("gate"), "{message}");
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing was sent");
    shop.rotate(&[]).expect_code(0);
}

/// A statement that waits for a lock is bounded by its time-out, and so is the stop.
#[test]
fn asked_to_stop_while_a_statement_waits_its_time_out_is_the_end() {
    let shop = Shop::open(
        "stoptimeout",
        ShopOptions {
            lock_timeout: "2s",
            statement_timeout: "5s",
            ..ShopOptions::default()
        },
    );
    let before = shop.verifier_of(&shop.second);
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    rotation.signal(Signal::SIGTERM);
    let run = rotation.finish();
    assert_interrupted(&run, 4, Signal::SIGTERM, "S3");
    assert_eq!(shop.verifier_of(&shop.second), before, "it was refused");
    drop(lock);
    assert_eq!(case_of(&shop), "refused-retryable", "it was journalled");
    recover_to_the_second_user(&shop);
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let shop = patient("stoptwice");
        let lock = HeldSession::row_lock(&shop.second.name);
        let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
        wait_for_alter(&shop);
        ask_to_stop(&shop, &mut rotation, Signal::SIGTERM);
        // What follows the first one at once is the same news, so it is sent again.
        wait_until("it has ended, though its statement hangs", || {
            rotation.signal(signal);
            rotation.has_ended()
        });
        let run = rotation.finish();
        assert_eq!(run.code(), Some(code), "{run:#?}");
        assert!(
            run.stderr.contains("a second signal ends at once"),
            "{run:#?}"
        );
        run.expect_told(&["handover recover"])
            .expect_no_stack_trace();
        shop.assert_current_logs_in("after the second signal");
        drop(lock);
        wait_until("the abandoned session has ended", || {
            managing_sessions(&shop) == 0
        });
        recover_to_the_second_user(&shop);
    }
}

#[test]
fn asked_to_stop_before_anything_was_begun_no_rotation_is_open() {
    let shop = patient("stopearly");
    // The first thing that a rotation writes, its lock, waits for this.
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    store
        .execute_batch("BEGIN IMMEDIATE")
        .expect("holds up writers");
    let mut rotation = shop.start(&ROTATE);
    let journal = shop.store().join("locks");
    wait_until("the lock file is there", || {
        fs::read_dir(&journal).is_ok_and(|files| files.count() > 0)
    });
    ask_to_stop(&shop, &mut rotation, Signal::SIGTERM);
    drop(store);
    let run = rotation.finish();
    assert_eq!(run.code(), Some(4), "{run:#?}");
    let result = result_of(&run);
    assert_eq!(result["status"], "interrupted", "{result:#}");
    assert!(result["rotation"].is_null(), "{result:#}");
    shop.rotate(&[]).expect_code(0);
}

/// Recovering is stopped in the same way, and the next recover goes on.
#[test]
fn a_recover_is_asked_to_stop_like_a_rotation() {
    let shop = patient("stoprecover");
    let lock = role_lock(&shop.second.name);
    let mut rotation = shop.start(&ROTATE);
    wait_for_alter(&shop);
    rotation.kill();
    // The killed one's session may go on waiting for a while.
    let waiting = || {
        let query = format!(
            "SELECT string_agg(pid::text, ',') FROM pg_stat_activity \
             WHERE usename = {} AND wait_event_type = 'Lock'",
            literal(&shop.managing.name)
        );
        let rows = shop.run_sql(&query);
        let pids = rows[0][0].clone().unwrap_or_default();
        pids.split(',').map(str::to_owned).collect::<Vec<String>>()
    };
    let before = waiting();
    let mut recovering = shop.start(&["recover", "shop/orders", "--yes", "--output", "json"]);
    wait_until("the recover waits", || {
        let is_new = |pid: &String| !pid.is_empty() && !before.contains(pid);
        waiting().iter().any(is_new)
    });
    recovering.signal(Signal::SIGTERM);
    let run = recovering.finish();
    assert_interrupted(&run, 4, Signal::SIGTERM, "S2");
    drop(lock);
    wait_until("the abandoned sessions have ended", || {
        managing_sessions(&shop) == 0
    });
    recover_to_the_second_user(&shop);
}

/// `nohup` means that the rotation goes on when the terminal is closed.
#[test]
fn a_hang_up_that_was_ignored_from_the_start_stays_ignored() {
    let shop = patient("nohup");
    let lock = HeldSession::row_lock(&shop.second.name);
    let plain = shop.command(&ROTATE);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .current_dir(shop.home());
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("is set"));
    }
    let mut rotation = Running::start(command);
    wait_for_alter(&shop);
    rotation.signal(Signal::SIGHUP);
    drop(lock);
    let run = rotation.finish().expect_code(0);
    assert_eq!(result_of(&run)["status"], "done");
}

/// Stopped while it waits for the role's lock, which the server then gives to the sleeper:
/// the server ends its session, and a second host with the store's backup goes on.
#[test]
fn stopped_through_two_rotations_it_writes_nothing() {
    let shop = patient("sleep");
    let path = |name: &str| shop.home().join(name).display().to_string();
    let (backup, elsewhere) = (path("backup.db"), path("elsewhere"));
    shop.run(&["store", "backup", &backup]).expect_code(0);
    shop.run(&["store", "restore", &backup, "--store", &elsewhere])
        .expect_code(0);

    let lock = role_lock(&shop.second.name);
    let mut sleeper = shop.start(&ROTATE);
    wait_for_alter(&shop);
    sleeper.signal(Signal::SIGSTOP);
    wait_until("it is stopped", || sleeper.is_stopped());
    drop(lock);
    for _ in 0..2 {
        shop.rotate(&["--store", &elsewhere]).expect_code(0);
    }
    let verifiers = || [&shop.first, &shop.second].map(|account| shop.verifier_of(account));
    let before = verifiers();
    sleeper.signal(Signal::SIGCONT);
    let run = sleeper.finish();
    assert_ne!(run.code(), Some(0), "{run:#?}");
    let result = result_of(&run);
    assert!(result["error"]["message"].is_string(), "{result:#}");
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(5);
    assert_eq!(verifiers(), before, "it wrote");
    let current = shop.run(&[
        "env",
        "open",
        "shop/orders",
        "db",
        "--output",
        "json",
        "--store",
        &elsewhere,
    ]);
    let current = account_at(&current.expect_code(0).json(), "/current");
    let outcome = server().login(&current.name, &current.password);
    assert!(outcome.is_accepted(), "{outcome:?}");
}

/// The console with its standard error in a file, which outlives the terminal.
const WITH_WORDS: &str = "exec \"$HANDOVER\" 2>\"$HOME/words\"";

/// A console in which S3 waits for the row of its user.
fn console_in_s3(shop: &Shop, script: &'static str) -> Terminal {
    let mut terminal = Terminal::start(
        shop,
        &Start {
            shell: Some(script),
            ..Start::default()
        },
    );
    terminal.see("never rotated");
    terminal.press("R").see("gets a new password").press("y");
    wait_for_alter(shop);
    terminal
}

/// The words on standard error: what was finished, and how to go on.
#[track_caller]
fn assert_told_how_to_go_on(shop: &Shop, signal: &str) {
    let words = fs::read_to_string(shop.home().join("words")).expect("reads");
    for expected in [
        signal,
        "the new password is set and not promoted",
        "handover recover shop/orders",
    ] {
        assert!(words.contains(expected), "no `{expected}` in {words}");
    }
    assert!(!words.contains("panicked"), "{words}");
}

#[test]
fn a_console_that_is_asked_to_end_finishes_the_running_effect() {
    let shop = patient("stopconsole");
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut terminal = console_in_s3(&shop, WITH_WORDS);
    kill(Pid::from_raw(terminal.process()), Signal::SIGTERM).expect("can be signalled");
    terminal.see("stopping as soon as the running step has ended");
    drop(lock);
    assert_eq!(terminal.exit_code(), 5);
    terminal.assert_given_back();
    assert_told_how_to_go_on(&shop, "SIGTERM");
    assert_eq!(case_of(&shop), "applied");
    recover_to_the_second_user(&shop);
}

#[test]
fn a_console_that_is_asked_twice_ends_at_once() {
    let shop = patient("twiceconsole");
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut terminal = console_in_s3(&shop, WITH_WORDS);
    let process = Pid::from_raw(terminal.process());
    kill(process, Signal::SIGTERM).expect("can be signalled");
    terminal.see("stopping as soon as the running step has ended");
    // What follows the first one at once is the same news, so it is sent until it is gone.
    wait_until("it has ended", || {
        let _ = kill(process, Signal::SIGTERM);
        terminal.has_ended()
    });
    assert_eq!(terminal.exit_code(), 143);
    terminal.assert_given_back();
    shop.assert_current_logs_in("after the second signal");
    drop(lock);
    wait_until("the abandoned session has ended", || {
        managing_sessions(&shop) == 0
    });
    recover_to_the_second_user(&shop);
}

/// By the hang-up that the system sends, and without it by what the terminal itself says.
#[test]
fn a_closed_terminal_lets_the_running_effect_finish() {
    let unheard = "trap '' HUP; exec \"$HANDOVER\" 2>\"$HOME/words\"";
    for script in [WITH_WORDS, unheard] {
        let shop = patient("closed");
        let lock = HeldSession::row_lock(&shop.second.name);
        let mut terminal = console_in_s3(&shop, script);
        terminal.close();
        let before = ticks(terminal.process());
        // That it does not read a dead terminal over and over can only be seen by waiting.
        thread::sleep(Duration::from_secs(2));
        let used = ticks(terminal.process()) - before;
        assert!(used <= 20, "{used} ticks of 200 with nothing to do");
        drop(lock);
        assert_eq!(terminal.exit_code(), 5, "{script}");
        assert_told_how_to_go_on(&shop, "SIGHUP");
        assert_eq!(case_of(&shop), "applied", "{script}");
        recover_to_the_second_user(&shop);
    }
}

#[test]
fn a_closed_terminal_with_nothing_running_is_left_at_once() {
    let shop = patient("closedidle");
    let mut terminal = Terminal::start(
        &shop,
        &Start {
            shell: Some("trap '' HUP; exec \"$HANDOVER\" 2>\"$HOME/words\""),
            ..Start::default()
        },
    );
    terminal.see("never rotated");
    terminal.close();
    assert_eq!(terminal.exit_code(), 1);
    let words = fs::read_to_string(shop.home().join("words")).expect("reads");
    assert!(!words.contains("panicked"), "{words}");
}
