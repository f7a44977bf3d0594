//! Several rotated secrets in one rotation: together through S4, promoted in one revision,
//! and what becomes of a path that fails.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::contract::{assert_refused, names_case, result_of};
use crate::harness::{HeldSession, server, wait_until};
use crate::shop::{Account, account_at};
use crate::two_pairs::TwoPairs;

/// One path of a result.
#[track_caller]
pub(crate) fn path_of<'a>(result: &'a Value, path: &str) -> &'a Value {
    let paths = result["paths"].as_array().expect("a list");
    let found = paths.iter().find(|one| one["path"] == path);
    found.unwrap_or_else(|| panic!("no {path}: {result:#}"))
}

/// A port at which nobody listens until [`DeadPort::revive`].
pub(crate) struct DeadPort {
    pub(crate) port: u16,
}

impl DeadPort {
    pub(crate) fn take() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("binds");
        let port = listener.local_addr().expect("an address").port();
        Self { port }
    }

    /// Whoever connects is connected to the shared server.
    pub(crate) fn revive(&self) {
        self.revive_after(0);
    }

    /// The same, after this many connections that are closed at once.
    fn revive_after(&self, closed: usize) {
        self.lead_to(server().port(), closed);
    }

    /// Whoever connects is connected to `port`, but for the first `closed` ones.
    pub(crate) fn lead_to(&self, port: u16, closed: usize) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("binds again");
        thread::spawn(move || {
            for client in listener.incoming().flatten().skip(closed) {
                let there = TcpStream::connect(("127.0.0.1", port)).expect("connects");
                for (mut from, mut to) in [
                    (
                        client.try_clone().expect("clones"),
                        there.try_clone().expect("clones"),
                    ),
                    (there, client),
                ] {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Write);
                    });
                }
            }
        });
    }
}

#[test]
fn several_paths_are_promoted_together_in_one_revision() {
    let two = TwoPairs::open("several", server().port(), "");
    let before = two.shop.revision_count();
    let run = two.shop.rotate(&[]).expect_code(0);
    let result = result_of(&run);
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(two.shop.revision_count(), before + 1, "one revision");
    for (path, user) in [("db", &two.shop.second), ("reports", &two.fourth)] {
        let path = path_of(&result, path);
        assert_eq!(path["status"], "done", "{result:#}");
        assert_eq!(path["revision"], result["revision"], "{result:#}");
        assert_eq!(path["user"], user.name.as_str(), "{result:#}");
    }
    let users = two.assert_currents_log_in("after");
    assert_eq!(
        users,
        [two.shop.second.name.clone(), two.fourth.name.clone()]
    );

    // One of them alone.
    let result = result_of(&two.shop.rotate(&["reports"]).expect_code(0));
    assert_eq!(result["paths"].as_array().map(Vec::len), Some(1));
    let users = two.assert_currents_log_in("after one");
    assert_eq!(
        users,
        [two.shop.second.name.clone(), two.third.name.clone()]
    );
}

#[test]
fn a_refusal_of_one_path_refuses_the_whole_and_changes_nothing() {
    let two = TwoPairs::open("several_gate", server().port(), "");
    let before = two.verifiers();
    let held = HeldSession::open(&two.fourth.name, &two.fourth.password);
    let result = assert_refused(&two.shop.rotate(&[]), "not-drained");
    assert_eq!(path_of(&result, "reports")["case"], "not-drained");
    assert_eq!(path_of(&result, "db")["error"]["code"], "held-back");
    assert_eq!(two.verifiers(), before);
    drop(held);
}

#[test]
fn an_unreachable_path_is_a_partial_failure_and_retry_starts_it() {
    let dead = DeadPort::take();
    let two = TwoPairs::open("several_dead", dead.port, "");
    let run = two.shop.rotate(&[]).expect_code(3);
    let result = result_of(&run);
    assert_eq!(result["status"], "partial", "{result:#}");
    assert_eq!(path_of(&result, "db")["status"], "done", "{result:#}");
    assert_eq!(
        path_of(&result, "reports")["status"],
        "unreachable",
        "{result:#}"
    );
    assert!(names_case(&result, "unreachable"), "{result:#}");
    let remedy = result["error"]["remedy"].as_str().expect("a remedy");
    assert!(remedy.contains("handover retry shop/orders"), "{result:#}");

    // It is still dead: nothing changes, and the path stays where it is.
    let again = result_of(&two.retry(&[]).expect_code(3));
    assert_eq!(
        path_of(&again, "reports")["status"],
        "unreachable",
        "{again:#}"
    );
    assert_refused(&two.shop.rotate(&["db"]), "open-rotation");

    dead.revive();
    let result = result_of(&two.retry(&[]).expect_code(0));
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(path_of(&result, "reports")["status"], "done", "{result:#}");
    assert_eq!(
        path_of(&result, "reports")["user"],
        two.fourth.name.as_str()
    );
    let users = two.assert_currents_log_in("after the retry");
    assert_eq!(
        users,
        [two.shop.second.name.clone(), two.fourth.name.clone()]
    );
    let recovered = two
        .shop
        .run(&["recover", "shop/orders", "--yes", "--output", "json"])
        .expect_code(0);
    assert_eq!(
        result_of(&recovered)["rotation"],
        Value::Null,
        "nothing is open"
    );
}

/// Settings under which `reports` needs a table that is not there yet.
fn needs_a_table(name: &str) -> String {
    format!("  reports:\n    verify: {{statements: [\"select 1 from {name}\"]}}\n")
}

#[test]
fn a_failed_verification_is_retried_with_the_same_password() {
    let table = "several_needed";
    let two = TwoPairs::open("several_verify", server().port(), &needs_a_table(table));
    let result = result_of(&two.shop.rotate(&[]).expect_code(5));
    assert_eq!(result["status"], "partial", "{result:#}");
    assert_eq!(path_of(&result, "db")["status"], "done", "{result:#}");
    assert_eq!(
        path_of(&result, "reports")["case"],
        "verify-failed",
        "{result:#}"
    );
    let users = two.assert_currents_log_in("while one is parked");
    assert_eq!(
        users,
        [two.shop.second.name.clone(), two.third.name.clone()]
    );
    let applied = two.shop.verifier_of(&two.fourth);

    server()
        .sql(&format!(
            "CREATE TABLE {table} (a int); GRANT SELECT ON {table} TO PUBLIC"
        ))
        .expect("mends");
    let result = result_of(&two.retry(&["reports"]).expect_code(0));
    assert_eq!(path_of(&result, "reports")["status"], "done", "{result:#}");
    assert_eq!(
        two.shop.verifier_of(&two.fourth),
        applied,
        "the same password"
    );
    let users = two.assert_currents_log_in("after the retry");
    assert_eq!(users[1], two.fourth.name);
}

#[test]
fn what_cannot_be_mended_is_abandoned_and_previous_tells_the_truth() {
    let settings = needs_a_table("several_never_made");
    let two = TwoPairs::open("several_abandon", server().port(), &settings);
    two.shop.rotate(&[]).expect_code(5);
    let applied = two.shop.verifier_of(&two.fourth);
    let before = two.shop.revision_count();

    // Nobody agreed: nothing happens.
    let words = ["abandon", "shop/orders", "reports", "--output", "json"];
    two.shop.run(&words).expect_code(4);
    assert_eq!(two.shop.revision_count(), before);

    let result = result_of(
        &two.shop
            .run(&[&words[..], &["--yes"]].concat())
            .expect_code(0),
    );
    let path = path_of(&result, "reports");
    assert_eq!(path["status"], "abandoned", "{result:#}");
    assert_eq!(two.shop.revision_count(), before + 1);
    assert_eq!(
        two.shop.verifier_of(&two.fourth),
        applied,
        "no password changed"
    );
    let users = two.assert_currents_log_in("after abandoning");
    assert_eq!(users[1], two.third.name, "consumers are untouched");
    // The new password is what the database takes from the idle user.
    let previous = account_at(&two.open_at("reports"), "/previous");
    assert_eq!(previous.name, two.fourth.name);
    assert!(
        server()
            .login(&previous.name, &previous.password)
            .is_accepted()
    );
    // The rotation is closed: another one may begin.
    two.shop.rotate(&["db"]).expect_code(0);
}

#[test]
fn a_retry_that_would_begin_a_path_asks_for_an_agreement() {
    let dead = DeadPort::take();
    let two = TwoPairs::open_without_state("several_unasked", dead.port, "");
    two.shop.rotate(&[]).expect_code(3);
    dead.revive();
    let before = two.verifiers();
    let run = two.shop.run(&["retry", "shop/orders", "--output", "json"]);
    assert_refused(&run, "not-confirmed");
    assert_eq!(two.verifiers(), before, "nobody agreed");
    let result = result_of(&two.retry(&[]).expect_code(0));
    assert_eq!(path_of(&result, "reports")["status"], "done", "{result:#}");
}

#[test]
fn a_path_of_which_nobody_can_tell_who_reads_it_keeps_no_rotation_open() {
    let dead = DeadPort::take();
    let table = "several_unsettled_needed";
    let settings = format!("  db:\n    verify: {{statements: [\"select 1 from {table}\"]}}\n");
    let two = TwoPairs::open_without_state("several_unsettled", dead.port, &settings);
    two.shop.rotate(&[]).expect_code(5);
    dead.revive();
    let _third = HeldSession::open(&two.third.name, &two.third.password);
    let _fourth = HeldSession::open(&two.fourth.name, &two.fourth.password);
    server()
        .sql(&format!(
            "CREATE TABLE {table} (a int); GRANT SELECT ON {table} TO PUBLIC"
        ))
        .expect("mends");
    let [_, _, third, fourth] = two.verifiers();
    // Beginning it now is refused, and holds up no other path.
    let result = result_of(&two.retry(&[]).expect_code(3));
    let reports = path_of(&result, "reports");
    assert_eq!(reports["error"]["code"], "no-state", "{result:#}");
    assert_eq!(path_of(&result, "db")["status"], "done", "{result:#}");
    // Ending it touches no database, so it needs no answer to who reads it.
    let words = ["recover", "shop/orders", "--yes", "--output", "json"];
    let result = result_of(&two.shop.run(&words).expect_code(0));
    let reports = path_of(&result, "reports");
    assert_eq!(reports["status"], "aborted", "{result:#}");
    assert_eq!(reports["user"], Value::Null, "{result:#}");
    let [_, _, third_now, fourth_now] = two.verifiers();
    assert_eq!([third_now, fourth_now], [third, fourth]);
    two.shop.rotate(&["db"]).expect_code(0);
}

#[test]
fn a_server_that_comes_back_within_s1_does_not_leave_the_idle_user_to_chance() {
    let dead = DeadPort::take();
    let two = TwoPairs::open_without_state("several_chance", dead.port, "");
    // The look at who is connected is the first to come, and gets no answer.
    dead.revive_after(1);
    let _consumer = HeldSession::open(&two.third.name, &two.third.password);
    let before = two.verifiers();
    let words = ["reports", "--waive-drain", "a session of the other user"];
    let run = two.shop.rotate(&words).expect_code(6);
    assert!(names_case(&result_of(&run), "unreachable"));
    assert_eq!(two.verifiers(), before, "nobody knew who reads what");
}

#[test]
fn what_was_verified_on_other_nodes_than_the_settings_name_now_is_not_promoted() {
    let two = TwoPairs::open("several_settings", server().port(), "");
    let set = || {
        let file = two.shop.file("settings.yaml").display().to_string();
        let words = ["env", "settings", "set", "shop/orders", "-f", &file];
        two.shop.run(&words).expect_code(0);
    };
    // The other path holds up the promotion of both.
    let lock = HeldSession::row_lock(&two.fourth.name);
    let mut rotation = two
        .shop
        .start(&["rotate", "shop/orders", "--yes", "--output", "json"]);
    wait_until("one path is verified", || {
        let audit = two.shop.run(&["audit", "ls", "--output", "json"]);
        assert!(!rotation.has_ended(), "it waits for the lock");
        audit.expect_code(0).stdout.contains("rotation.verified")
    });
    let nobody = DeadPort::take();
    two.shop.write_settings(&format!(
        "  db:\n    nodes: [\"127.0.0.1:{}\"]\n",
        nobody.port
    ));
    set();
    drop(lock);
    let result = result_of(&rotation.finish().expect_code(5));
    assert_eq!(result["status"], "parked", "{result:#}");
    let error = &path_of(&result, "db")["error"];
    assert_eq!(error["code"], "settings-changed", "{result:#}");
    let users = two.assert_currents_log_in("with other settings");
    assert_eq!(users, [two.shop.first.name.clone(), two.third.name.clone()]);

    two.shop.write_settings("");
    set();
    let words = ["recover", "shop/orders", "--yes", "--output", "json"];
    two.shop.run(&words).expect_code(0);
    let users = two.assert_currents_log_in("after recover");
    assert_eq!(
        users,
        [two.shop.second.name.clone(), two.fourth.name.clone()]
    );
}

#[test]
fn with_nothing_open_recover_does_not_take_silence_for_health() {
    let dead = DeadPort::take();
    let two = TwoPairs::open("several_silent", dead.port, "");
    let words = ["recover", "shop/orders", "--yes", "--output", "json"];
    let result = result_of(&two.shop.run(&words).expect_code(6));
    assert_eq!(result["status"], "unreachable", "{result:#}");
    assert_eq!(result["rotation"], Value::Null, "nothing is open");
    let reports = path_of(&result, "reports");
    assert_eq!(reports["case"], "unreachable", "{result:#}");
    dead.revive();
    let result = result_of(&two.shop.run(&words).expect_code(0));
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(result["error"], Value::Null, "{result:#}");
}

#[test]
fn what_is_given_up_at_a_first_rotation_leaves_a_document_that_still_works() {
    let settings = needs_a_table("several_first_never_made");
    let two = TwoPairs::open_without_state("several_first", server().port(), &settings);
    two.shop.rotate(&[]).expect_code(5);
    let words = ["abandon", "shop/orders", "reports", "--yes"];
    two.shop.run(&words).expect_code(0);
    // What the other path's consumers read is still to be had.
    let current = account_at(&two.open_at("db"), "/current");
    assert_eq!(current.name, two.shop.second.name);
    two.shop.rotate(&["db"]).expect_code(0);
    two.shop.write_settings("");
    let file = two.shop.file("settings.yaml").display().to_string();
    let words = ["env", "settings", "set", "shop/orders", "-f", &file];
    two.shop.run(&words).expect_code(0);
    two.shop.rotate(&["reports"]).expect_code(0);
    two.assert_currents_log_in("after a first rotation that went through");
}

#[test]
fn a_way_back_of_nobody_named_is_that_of_the_paths_that_are_down() {
    let two = TwoPairs::open("several_back", server().port(), "");
    two.shop.rotate(&[]).expect_code(0);
    let before = two.assert_currents_log_in("after the rotation");
    two.shop.set_password(&Account::new(before[1].clone()));
    let words = [
        "rollback",
        "shop/orders",
        "--yes",
        "--confirm",
        "shop/orders",
    ];
    let run = two.shop.run(&[&words[..], &["--output", "json"]].concat());
    let result = run.expect_code(0).json();
    let paths = result["paths"].as_array().expect("a list");
    assert_eq!(paths.len(), 1, "{result:#}");
    assert_eq!(path_of(&result, "reports")["status"], "done", "{result:#}");
    let after = two.assert_currents_log_in("after the way back");
    assert_eq!(after[0], before[0], "those were well");
    assert_ne!(after[1], before[1]);
}
