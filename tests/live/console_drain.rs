//! The drain in the console, on a real PostgreSQL: in the monitor, in the environment, frozen.

use crate::drain::rotated;
use crate::harness::{HeldSession, literal};
use crate::terminal::Terminal;

/// No quiet time passes within a test.
const SLOW: &str = "  db:\n    drain: {quiet: 1h, sample: 200ms, max-gap: 10s}\n";

#[test]
fn the_console_follows_a_drain_until_nobody_is_there() {
    let (shop, session) = rotated("drainconsole", SLOW, |shop| {
        let session = HeldSession::open(&shop.first.name, &shop.first.password);
        let name = literal("orders-api");
        session.run(&format!("SET application_name = {name}"));
        session
    });
    let mut terminal = Terminal::console(&shop);
    terminal.see("active · 1 session");
    terminal
        .press("d")
        .see("▸ ◑ active")
        .see("STRAGGLER")
        .see("orders-api");
    terminal.press("enter").see("▸ [1] drain").see("orders-api");
    terminal.press("enter").see("orders-api ▾").see("PID");
    // A frozen picture stays, whoever goes.
    terminal.press("p").see("‖ frozen");
    drop(session);
    terminal.press("d").see("▸ ◑ active").see("orders-api");
    terminal.press("p").see("▸ ◔ quiet").see_not("orders-api");
    terminal.press("esc").see("quiet · ");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_cooked();
}
