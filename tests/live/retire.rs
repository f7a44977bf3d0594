//! The outgoing user is shut out, step by step, and the way back, on all engines.

use serde_json::Value;

use crate::harness::{Run, wait_until};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    an_outgoing_user_is_locked_let_in_again_and_scrambled
    a_session_keeps_the_outgoing_user_from_being_locked
    one_session_is_ended_and_no_other
    a_password_that_leaked_is_shut_out_at_once
}

mod postgres {
    use crate::shop::ShopEngine::Postgres;

    #[test]
    fn an_outgoing_user_is_locked_let_in_again_and_scrambled() {
        super::an_outgoing_user_is_locked_let_in_again_and_scrambled(Postgres);
    }

    #[test]
    fn a_session_keeps_the_outgoing_user_from_being_locked() {
        super::a_session_keeps_the_outgoing_user_from_being_locked(Postgres);
    }

    #[test]
    fn one_session_is_ended_and_no_other() {
        super::one_session_is_ended_and_no_other(Postgres);
    }

    #[test]
    fn a_password_that_leaked_is_shut_out_at_once() {
        super::a_password_that_leaked_is_shut_out_at_once(Postgres);
    }
}

/// The one object that a command prints.
#[track_caller]
fn result_of(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

/// A store from before overlaps were kept has none for what was promoted.
#[test]
fn what_was_promoted_before_overlaps_were_kept_is_retired_and_remembered() {
    let shop = promoted(ShopEngine::Postgres, "retire_old", "{mode: ask}").expect("PostgreSQL");
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    store
        .execute_batch("DELETE FROM own_login; DELETE FROM overlap;")
        .expect("forgets");
    drop(store);
    expect(&retire(&shop, &[]), 0, "done", "locked");
    expect(&retire(&shop, &[]), 0, "waiting", "locked");
    // Who knows that it was locked by us rotates to it all the same.
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the rotation to the locked user");
}

const RETIRE: [&str; 6] = ["retire", "shop/orders", "db", "--yes", "--output", "json"];

fn retire(shop: &Shop, more: &[&str]) -> Run {
    shop.run(&[&RETIRE, more].concat())
}

/// A shop after its first rotation, which made `first` the outgoing user.
fn promoted(engine: ShopEngine, name: &str, retire: &str) -> Option<Shop> {
    let shop = Shop::open_on(engine, name, ShopOptions::default())?;
    shop.write_settings(&format!("    retire: {retire}\n"));
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.rotate(&[]).expect_code(0);
    Some(shop)
}

/// What the way in of a user looks like with its password, apart from everything that a lock
/// changes.
fn hash_of(shop: &Shop, account: &Account) -> String {
    shop.stored_hash_of(account)
}

#[track_caller]
fn expect(run: &Run, code: i32, status: &str, stage: &str) -> Value {
    assert_eq!(run.code(), Some(code), "{run:#?}");
    let result = result_of(run);
    assert_eq!(result["status"], status, "{result:#}");
    assert_eq!(result["stage"], stage, "{result:#}");
    result
}

fn an_outgoing_user_is_locked_let_in_again_and_scrambled(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "retire", "{mode: ask, listen: 0s}") else {
        return;
    };
    let before = hash_of(&shop, &shop.first);
    let planned = retire(&shop, &["--plan"]);
    let planned = expect(&planned, 0, "planned", "draining");
    assert_eq!(planned["step"], "lock");
    assert!(
        shop.login(&shop.first).is_accepted(),
        "a plan changes nothing"
    );

    expect(&retire(&shop, &[]), 0, "done", "locked");
    assert!(!shop.login(&shop.first).is_accepted(), "it is locked");
    shop.assert_current_logs_in("while the other user is locked");

    let run = retire(&shop, &["--undo"]);
    expect(&run, 0, "done", "draining");
    assert!(shop.login(&shop.first).is_accepted(), "it is let in again");
    assert_eq!(hash_of(&shop, &shop.first), before, "its password stayed");
    let again = retire(&shop, &["--undo"]);
    expect(&again, 0, "nothing", "draining");

    expect(&retire(&shop, &[]), 0, "done", "locked");
    let revisions = shop.revision_count();
    expect(&retire(&shop, &[]), 0, "done", "scrambled");
    assert_ne!(hash_of(&shop, &shop.first), before, "its password is gone");
    assert_eq!(shop.revision_count(), revisions + 1);
    let opened = shop
        .run(&["env", "open", "shop/orders", "db", "--output", "json"])
        .expect_code(0);
    let opened: Value = serde_json::from_str(&opened.stdout).expect("JSON");
    assert_eq!(
        opened["value"]["previous"]["password"],
        Value::Null,
        "{opened:#}"
    );
    expect(&retire(&shop, &[]), 0, "nothing", "scrambled");
    let gone = retire(&shop, &["--undo"]);
    let gone = expect(&gone, 4, "refused", "scrambled");
    assert_eq!(gone["error"]["code"], "scrambled", "{gone:#}");

    // The next rotation lets it in again, in the statement that sets its password.
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation to the retired user");
    assert_eq!(current.name, shop.first.name);
    shop.run(&["audit", "verify"]).expect_code(0);
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    for action in [
        "retire.lock-sent",
        "retire.unlock-done",
        "retire.scramble-done",
    ] {
        assert!(told.contains(action), "{action}: {told}");
    }
}

fn a_session_keeps_the_outgoing_user_from_being_locked(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "retire_held", "{mode: ask}") else {
        return;
    };
    let session = shop.hold_session(&shop.first);
    let refused = expect(&retire(&shop, &[]), 4, "refused", "draining");
    assert_eq!(refused["error"]["code"], "not-drained", "{refused:#}");
    assert!(shop.login(&shop.first).is_accepted(), "nothing was changed");

    let waived = retire(&shop, &["--waive-drain", "it may end tonight"]);
    let waived = expect(&waived, 0, "done", "locked");
    assert_eq!(
        waived["sessions"].as_array().map(Vec::len),
        Some(1),
        "{waived:#}"
    );
    assert_eq!(shop.sessions_of(&shop.first), 1, "a lock ends no session");
    // It is listened for a day, where anybody can be heard.
    let waiting = expect(&retire(&shop, &[]), 0, "waiting", "locked");
    assert!(
        waiting["listen_seconds"].as_u64() > Some(86_000),
        "{waiting:#}"
    );
    let ear = match engine {
        ShopEngine::MySql => "listening",
        ShopEngine::Postgres | ShopEngine::MariaDb => "waiting",
    };
    assert_eq!(waiting["listening"], ear, "{waiting:#}");
    // What has no way back wants nobody there, too, once the time is over.
    shop.write_settings("    retire: {mode: ask, listen: 0s}\n");
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    let refused = expect(&retire(&shop, &[]), 4, "refused", "locked");
    assert_eq!(refused["error"]["code"], "not-drained", "{refused:#}");
    // On MySQL a login with the right password is heard, though nobody sampled meanwhile.
    drop(session);
    assert!(!shop.login(&shop.first).is_accepted());
    if engine == ShopEngine::MySql {
        let tried = expect(&retire(&shop, &[]), 4, "refused", "locked");
        assert_eq!(tried["error"]["code"], "still-tried", "{tried:#}");
    } else {
        wait_until("its session is seen to be gone", || {
            result_of(&retire(&shop, &[]))["stage"] == "scrambled"
        });
    }
}

fn one_session_is_ended_and_no_other(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "terminate", "{mode: ask}") else {
        return;
    };
    let (_first, _second) = (
        shop.hold_session(&shop.first),
        shop.hold_session(&shop.first),
    );
    let refused = expect(&retire(&shop, &[]), 4, "refused", "draining");
    let message = refused["error"]["message"].as_str().expect("a message");
    let word = match engine {
        ShopEngine::Postgres => "pid ",
        ShopEngine::MySql | ShopEngine::MariaDb => "connection ",
    };
    let (_, rest) = message.split_once(word).expect("a session is named");
    let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();

    let end = |pid: &str, more: &[&str]| {
        let words = ["terminate", "shop/orders", "--pid", pid, "--output", "json"];
        shop.run(&[&words, more].concat())
    };
    let unasked = result_of(&end(&pid, &[]).expect_code(4));
    assert_eq!(unasked["error"]["code"], "not-confirmed", "{unasked:#}");
    let nobody = result_of(&end("999999", &["--yes"]).expect_code(4));
    assert_eq!(nobody["error"]["code"], "no-such-session", "{nobody:#}");
    let without = end(&pid, &["--yes"]);
    if without.code() == Some(4) {
        let remedy = result_of(&without)["error"]["remedy"].to_string();
        let (_, grant) = remedy.split_once("GRANT").expect("it names what mends it");
        let grant = grant.replace("\\\"", "\"");
        let grant = grant.trim_end_matches('"').trim_end_matches(';');
        shop.run_sql(&format!("GRANT{grant}"));
        let done = result_of(&end(&pid, &["--yes", "--reason", "a test"]).expect_code(0));
        assert_eq!(done["status"], "done", "{done:#}");
    }
    wait_until("one session is left", || shop.sessions_of(&shop.first) == 1);
    let told = shop.run(&["audit", "ls"]).expect_code(0).stdout;
    assert!(
        told.contains("session.end-sent") && told.contains("session.end-done"),
        "{told}"
    );
}

fn a_password_that_leaked_is_shut_out_at_once(engine: ShopEngine) {
    let Some(shop) = promoted(engine, "leaked", "{mode: none}") else {
        return;
    };
    // The second rotation takes consumers away from the second user, whose password leaked.
    let leaked = shop.current();
    let session = shop.hold_session(&leaked);
    let run = shop.rotate(&["--compromised", "--reason", "it stood in a log"]);
    assert_eq!(run.code(), Some(5), "a session goes on: {run:#?}");
    let result = result_of(&run);
    assert_eq!(result["status"], "done", "{result:#}");
    let retired = &result["retired"][0];
    assert_eq!(retired["stage"], "scrambled", "{result:#}");
    assert_eq!(retired["error"]["code"], "sessions-remain", "{result:#}");
    assert!(!shop.login(&leaked).is_accepted(), "it is shut out");
    shop.assert_current_logs_in("after the leaked password was replaced");
    assert_eq!(shop.sessions_of(&leaked), 1);

    let wrong = retire(&shop, &["--end-sessions", "somebody"]);
    let wrong = result_of(&wrong.expect_code(4));
    assert_eq!(wrong["error"]["code"], "name-differs", "{wrong:#}");
    let back = result_of(&retire(&shop, &["--undo"]).expect_code(4));
    assert_eq!(back["status"], "refused", "{back:#}");
    let ending = retire(&shop, &["--end-sessions", &leaked.name]);
    if ending.code() == Some(5) {
        let result = result_of(&ending);
        let warning = result["warnings"][0]
            .as_str()
            .expect("a warning")
            .to_owned();
        let (_, grant) = warning.split_once("GRANT").expect("it names what mends it");
        shop.run_sql(&format!("GRANT{}", grant.trim_end_matches(';')));
        let ended = retire(&shop, &["--end-sessions", &leaked.name]);
        assert_eq!(result_of(&ended.expect_code(0))["ended"], 1);
    }
    wait_until("nobody is left", || shop.sessions_of(&leaked) == 0);
    drop(session);
}
