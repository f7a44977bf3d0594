//! Journeys: the real program in a pseudo-terminal, against the real server.

use std::fs;
use std::time::{Duration, Instant};

use handover::sandbox::SilentServer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::crash::managing_sessions;
use crate::harness::{HeldSession, wait_until};
use crate::rotation::wait_for_alter;
use crate::shop::{Shop, ShopOptions};
use crate::terminal::{Start, Terminal};

/// A shop whose ALTER may wait for as long as the test needs.
fn patient(name: &str) -> Shop {
    Shop::open(
        name,
        ShopOptions {
            lock_timeout: "60s",
            statement_timeout: "60s",
            ..ShopOptions::default()
        },
    )
}

/// A rotation that was killed between S3 and S5: the database has taken the new password,
/// and the journal does not know. A writer of the store is held up meanwhile, so that the
/// kill always meets this moment.
fn crashed(name: &str) -> Shop {
    let shop = patient(name);
    let before = shop.verifier_of(&shop.second);
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_for_alter(&shop);
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    store
        .execute_batch("BEGIN IMMEDIATE")
        .expect("holds up writers");
    drop(lock);
    wait_until("the new password is set", || {
        shop.verifier_of(&shop.second) != before
    });
    rotation.kill();
    drop(store);
    wait_for_the_abandoned_session(&shop);
    shop
}

fn wait_for_the_abandoned_session(shop: &Shop) {
    wait_until("the abandoned session has ended", || {
        managing_sessions(shop) == 0
    });
}

fn signal(terminal: &Terminal, signal: Signal) {
    kill(Pid::from_raw(terminal.process()), signal).expect("can be signalled");
}

/// Recovers on the command line, and the second user is current afterwards.
#[track_caller]
fn recover_to_the_second_user(shop: &Shop) {
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
}

#[test]
fn one_environment_is_rotated_in_four_keys() {
    let shop = Shop::open("keys", ShopOptions::default());
    let before = shop.revision_count();
    let mut terminal = Terminal::console(&shop);
    terminal.see("never rotated");
    terminal.press("R").see("gets a new password");
    terminal.press("y").see("DONE");
    assert!(terminal.pressed() <= 4, "{} keys", terminal.pressed());
    terminal.see(&format!("{} is current", shop.second.name));
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, shop.second.name);
    assert_eq!(shop.revision_count(), before + 1);
    // Home shows what happened without being asked.
    terminal.press("esc").see("promoted just now");
    terminal.press("enter").see("● valid");
    terminal.press("tab").see("revisions").see("R-0001");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_given_back();
}

#[test]
fn production_wants_to_be_unlocked_and_its_name_typed() {
    let shop = Shop::open(
        "production",
        ShopOptions {
            protect: Some("production"),
            ..ShopOptions::default()
        },
    );
    let before = shop.verifier_of(&shop.second);
    let mut terminal = Terminal::console(&shop);
    terminal.see("READ-ONLY").see("never rotated");
    terminal.press("R").see("gets a new password");
    terminal.press("y").see("■ READ-ONLY: press U");
    terminal.press("U").see("type shop/orders to agree");
    terminal.type_text("shop/order").press("enter");
    terminal.see("■ type shop/orders to agree");
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
    terminal.press("esc").see_not("type shop/orders");

    let keys = terminal.pressed();
    terminal.press("R").see("type shop/orders to agree");
    terminal.paste("shop/orders\n").see("agree: shop/orders");
    assert_eq!(
        shop.verifier_of(&shop.second),
        before,
        "a paste agrees to nothing"
    );
    terminal.press("enter").see("DONE");
    // `U`, which was pressed before, is the third one.
    assert!(
        terminal.pressed() - keys < 4,
        "{}",
        terminal.pressed() - keys
    );
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, shop.second.name);
}

#[test]
fn a_crashed_rotation_is_recovered_in_three_keys() {
    let shop = crashed("consolecrash");
    let mut terminal = Terminal::console(&shop);
    // What needs a human is selected already.
    terminal.see("▸ ▲ stopped").see("V recovers");
    terminal.press("V").see("APPLIED").see("found").see("do ");
    assert!(terminal.pressed() <= 3, "{} keys", terminal.pressed());
    terminal.press("y").see("DONE");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
    let again = shop
        .run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    again.expect_told(&["no rotation is open"]);
}

#[test]
fn the_gate_refuses_and_names_the_session() {
    let shop = Shop::open("consolegate", ShopOptions::default());
    let before = shop.verifier_of(&shop.second);
    let session = HeldSession::open(&shop.second.name, &shop.second.password);
    session.run("SET application_name = 'nightly-report'");
    let mut terminal = Terminal::console(&shop);
    terminal.see("never rotated");
    terminal.press("R").see("would be refused: not-drained");
    terminal.see("nightly-report");
    terminal.press("y").see("there is nothing to agree to");
    terminal.press("tab enter esc enter").see("nightly-report");
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
    shop.assert_current_logs_in("after the refusal");
}

#[test]
fn a_review_survives_every_resize() {
    let shop = Shop::open("resize", ShopOptions::default());
    let mut terminal = Terminal::console(&shop);
    terminal.see("never rotated");
    terminal.press("R").see("gets a new password");
    terminal
        .resize(60, 15)
        .see("more lines")
        .see("Leave it (esc)");
    terminal.resize(20, 5).see("enlarge to 40x10");
    terminal.resize(1, 1).wait_until_idle();
    terminal.resize(120, 40).see("gets a new password");
    assert_eq!(shop.revision_count(), 1, "a resize agrees to nothing");
    terminal.press("y").see("DONE");
    shop.assert_current_logs_in("after the rotation");
}

#[test]
fn leaving_in_mid_rotation_waits_for_its_end_if_asked_to() {
    let shop = patient("quitwait");
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut terminal = Terminal::console(&shop);
    terminal.see("never rotated");
    terminal.press("R").see("gets a new password").press("y");
    wait_for_alter(&shop);
    terminal.press("q").see("a rotation is running");
    // Staying is the default.
    terminal.press("enter").see_not("a rotation is running");
    terminal.press("q").see("a rotation is running");
    terminal.press("w").see_not("a rotation is running");
    drop(lock);
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_given_back();
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, shop.second.name, "the rotation was completed");
}

#[test]
fn leaving_in_mid_rotation_at_once_loses_nothing() {
    let shop = patient("quitnow");
    let lock = HeldSession::row_lock(&shop.second.name);
    let mut terminal = Terminal::console(&shop);
    terminal.see("never rotated");
    terminal.press("R").see("gets a new password").press("y");
    wait_for_alter(&shop);
    terminal.press("q").see("a rotation is running");
    terminal.press("Q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_given_back();
    shop.assert_current_logs_in("after leaving");
    drop(lock);
    wait_for_the_abandoned_session(&shop);
    recover_to_the_second_user(&shop);
}

#[test]
fn a_panic_gives_the_terminal_back_and_says_whose_fault_it_is() {
    let shop = Shop::open("panic", ShopOptions::default());
    let mut terminal = Terminal::start(
        &shop,
        &Start {
            variables: vec![("HANDOVER_TEST_PANIC", "1".to_owned())],
            ..Start::default()
        },
    );
    terminal.see("never rotated");
    assert!(terminal.line_settings().contains("-icanon"), "raw mode");
    terminal.press("ctrl-p");
    assert_ne!(terminal.exit_code(), 0);
    terminal.assert_given_back();
    let text = terminal.text();
    assert!(text.contains("a panic on purpose"), "{text}");
    assert!(text.contains("handover recover"), "{text}");
}

#[test]
fn being_asked_to_end_gives_the_terminal_back() {
    let shop = Shop::open("sigterm", ShopOptions::default());
    for asked in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut terminal = Terminal::console(&shop);
        terminal.see("never rotated");
        assert!(terminal.screen().alternate_screen());
        assert!(terminal.line_settings().contains("-icanon"), "raw mode");
        signal(&terminal, asked);
        assert_eq!(terminal.exit_code(), 1, "{asked}");
        terminal.assert_given_back();
    }
}

#[test]
fn it_can_be_stopped_and_continued() {
    let shop = Shop::open("suspend", ShopOptions::default());
    let mut terminal = Terminal::start(
        &shop,
        &Start {
            // Only below a shell with jobs can a program be stopped.
            shell: Some("set -m; \"$HANDOVER\"; echo STOPPED; read line; fg; echo \"ENDED $?\""),
            ..Start::default()
        },
    );
    terminal.see("never rotated");
    terminal.press("ctrl-z").see("STOPPED");
    terminal.assert_given_back();
    terminal.press("enter").see("never rotated");
    assert!(terminal.screen().alternate_screen());
    terminal.press("j").see("▸ · values only");
    terminal.press("q").see("ENDED 0");
    terminal.assert_given_back();
    assert_eq!(terminal.exit_code(), 0);
}

/// Colours that a terminal would draw; 39 and 49 only take colours back.
fn colours(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let codes = text.split("\u{1b}[").skip(1).filter_map(|rest| {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != ';')?;
        rest[end..].starts_with('m').then(|| rest[..end].to_owned())
    });
    codes
        .filter(|code| {
            code.split(';')
                .filter_map(|part| part.parse().ok())
                .any(|part: u32| matches!(part, 30..=38 | 40..=48 | 90..=97 | 100..=107))
        })
        .collect()
}

#[test]
fn no_color_draws_no_colour_and_keeps_the_selection() {
    let shop = Shop::open("nocolor", ShopOptions::default());
    let selected_is_reversed = |terminal: &Terminal| {
        let row = terminal.row_of("▸");
        let screen = terminal.screen();
        (0..80).all(|column| screen.cell(row, column).is_some_and(vt100::Cell::inverse))
    };
    let mut plain = Terminal::start(
        &shop,
        &Start {
            variables: vec![("NO_COLOR", "1".to_owned())],
            ..Start::default()
        },
    );
    plain.see("never rotated").press("j").see("▸ · values only");
    plain.press("k R").see("gets a new password").press("esc");
    plain.see_not("gets a new password").wait_until_idle();
    assert_eq!(colours(&plain.bytes()), Vec::<String>::new());
    assert!(selected_is_reversed(&plain), "{}", plain.text());

    // The same with colours, so that the check above is known to be able to fail.
    let mut coloured = Terminal::console(&shop);
    coloured.see("never rotated").wait_until_idle();
    assert!(!colours(&coloured.bytes()).is_empty());
}

#[test]
fn without_a_terminal_it_says_so() {
    let shop = Shop::open("noterminal", ShopOptions::default());
    shop.run(&[])
        .expect_code(4)
        .expect_told(&["the console needs a terminal", "handover --help"])
        .expect_no_stack_trace();
}

/// A shop whose database takes connections and never says a word.
fn silent(name: &str, connect_timeout: &'static str) -> (Shop, SilentServer) {
    let server = SilentServer::start().expect("listens");
    let mut shop = Shop::bare(
        name,
        ShopOptions {
            connect_timeout,
            ..ShopOptions::default()
        },
    );
    shop.port = server.port();
    shop.write_orders();
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    (shop, server)
}

#[test]
fn while_every_database_is_silent_the_console_answers_keys() {
    let (shop, server) = silent("silent", "60s");
    let begun = Instant::now();
    let mut terminal = Terminal::console(&shop);
    terminal.see("never rotated").see("1 not seen yet");
    let written = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    let reading = written.find("Reading").expect("a frame before any answer");
    let rows = written.find("never rotated").expect("the rows");
    assert!(reading < rows, "the first frame waits for no IO");
    terminal.press("j").see("▸ · values only");
    terminal.press("k").see("▸ ○ never rotated");
    terminal
        .press("enter")
        .see("not looked at yet")
        .see("looking …");
    terminal.press("esc R").see("looking at the database");
    terminal.press("esc").see_not("looking at the database");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "a look came to its end, so it was not shown that nothing waits for it"
    );
    drop(server);
}

#[test]
fn a_silent_database_is_told_apart_from_a_healthy_one() {
    let (shop, server) = silent("silentrow", "1s");
    let mut terminal = Terminal::console(&shop);
    terminal.see("? no answer");
    terminal.press("enter").see("sessions are not known");
    drop(server);
}

#[test]
fn idle_it_writes_nothing_and_uses_no_processor() {
    const IDLE: Duration = Duration::from_secs(20);
    let shop = Shop::open("idle", ShopOptions::default());
    let mut terminal = Terminal::console(&shop);
    terminal
        .see("never rotated")
        .see("● live")
        .wait_until_idle();
    let before = (terminal.bytes().len(), ticks(terminal.process()));
    // That nothing happens can only be seen by waiting.
    std::thread::sleep(IDLE);
    let after = (terminal.bytes().len(), ticks(terminal.process()));
    assert_eq!(after.0, before.0, "bytes written while idle");
    // A console that drew or looked sixty times in a second would use ten times as much; less
    // than this is what a busy machine adds to whatever wakes up.
    assert!(after.1 - before.1 <= 10, "ticks: {before:?}, {after:?}");
    // It was idle, not dead.
    terminal.press("j").see("▸ · values only");
}

/// The processor time that a process has used, in ticks of the system (10 ms).
pub(crate) fn ticks(process: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("is running");
    // The name in parentheses may hold blanks; what follows it is plain.
    let (_, rest) = stat.rsplit_once(')').expect("has a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |field: usize| -> u64 { fields[field].parse().expect("a number") };
    // utime and stime are fields 14 and 15 of the line, the state being field 3.
    number(11) + number(12)
}
