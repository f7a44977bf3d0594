//! Retiring the outgoing user in the console, on a real PostgreSQL: a session is ended, the
//! user is locked when it has drained, and let in again.

use crate::drain::{QUICK, rotated};
use crate::harness::{HeldSession, identifier, literal, wait_until};
use crate::shop::Shop;
use crate::terminal::Terminal;

/// By the catalog: a login would be a session that the drain has to wait for.
fn may_log_in(shop: &Shop) -> bool {
    let name = literal(&shop.first.name);
    shop.single(&format!(
        "SELECT rolcanlogin::text FROM pg_roles WHERE rolname = {name}"
    )) == "true"
}

#[test]
fn a_session_is_ended_and_the_user_locked_and_let_in_again() {
    let (shop, session) = rotated("consoleretire", QUICK, |shop| {
        let session = HeldSession::open(&shop.first.name, &shop.first.password);
        let name = literal("orders-api");
        session.run(&format!("SET application_name = {name}"));
        session
    });
    let managing = identifier(&shop.managing.name);
    shop.run_sql(&format!("GRANT pg_signal_backend TO {managing}"));
    let user = shop.first.name.clone();
    let mut terminal = Terminal::console(&shop);
    terminal.see("active · 1 session");
    terminal.press("enter").see("▸ [1] drain").see("orders-api");
    // The console has tried both logins: its own probe may be listed until it is noted.
    terminal.see("● valid  ◑ active · 1 session");

    // While somebody is there the lock is refused, and says what to do.
    terminal.press("L").see("■ refused: not-drained");
    terminal.see("--waive-drain").press("y");
    terminal.see("there is nothing to agree to");
    // Escape and a key at once would be that key with alt.
    terminal.press("esc").see_not("refused: not-drained");
    assert!(may_log_in(&shop), "a refusal changes nothing");

    // The session is ended by its number, and not by less.
    terminal
        .see("▸ ◑ orders-api")
        .see("● valid  ◑ active · 1 session");
    terminal.press("X").see("select one of its sessions");
    terminal.press("enter").see("orders-api ▾");
    terminal.press("j X").see("end session").see("way back");
    let pid = shop.single(&format!(
        "SELECT pid FROM pg_stat_activity WHERE usename = {}",
        literal(&user)
    ));
    terminal.see(&format!("type {pid} to agree"));
    terminal
        .press("enter")
        .see(&format!("■ type {pid} to agree"));
    assert_eq!(shop.sessions_of(&shop.first), 1, "it is still there");
    terminal.type_text(&pid).press("enter");
    terminal
        .see(&format!("✓ session {pid} on "))
        .see("is ended");
    wait_until("nobody is left", || shop.sessions_of(&shop.first) == 0);
    drop(session);

    // A frozen picture holds, and the quiet window goes on behind it.
    terminal.press("p").see("‖ frozen");
    let drained = ["drain", "shop/orders", "--until-drained", "--timeout", "1m"];
    shop.run(&drained).expect_code(0);
    terminal.see_not("● drained").press("p").see("● drained");

    // The safe button is the default.
    terminal.press("L").see(&format!("lock {user}"));
    terminal.press("enter").see_not(&format!("lock {user}"));
    assert!(may_log_in(&shop), "leaving it changes nothing");
    terminal.press("L").see("Z lets it in again").press("y");
    terminal.see("◆ locked for").see("✓ ");
    assert!(!shop.logs_in(&shop.first), "it is locked");
    shop.assert_current_logs_in("while the outgoing user is locked");
    terminal.press("L").see("refused logins are listened for");
    terminal.press("esc").see_not("refused logins");

    terminal
        .press("Z")
        .see("in again")
        .see("with the password it had");
    terminal.press("y").see("◑ draining for");
    assert!(shop.logs_in(&shop.first), "it is let in again");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_cooked();
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    for action in ["session.end-done", "retire.lock-done", "retire.unlock-done"] {
        assert!(told.contains(action), "{action}: {told}");
    }
}
