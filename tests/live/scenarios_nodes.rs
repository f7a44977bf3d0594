//! Scenarios about nodes, on real servers: a standby that is named, one that is not, a
//! session that only a standby has, a node that is another server, and nodes that hang.

use std::net::TcpListener;
use std::sync::Arc;

use handover::sandbox::{PostgresServer, SilentServer};

use crate::cases::passed;
use crate::contract::{assert_refused, names_case, result_of};
use crate::harness::{HeldSession, first_value, literal, postgres_options, wait_until};
use crate::naming::assert_case_is_named;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

/// A primary and its standby `replica-1`.
struct Pair {
    primary: Arc<PostgresServer>,
    standby: PostgresServer,
}

impl Pair {
    fn start() -> Self {
        let primary = Arc::new(PostgresServer::start(&postgres_options()).expect("starts"));
        let standby = primary.start_standby("replica-1", &[]).expect("starts");
        let pair = Self { primary, standby };
        wait_until("the standby streams", || {
            let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
            first_value(&pair.primary, streaming) == "1"
        });
        pair
    }

    /// A shop on the primary, whose settings name the standby or do not.
    #[track_caller]
    fn shop(&self, name: &str, named: bool) -> Shop {
        let shop = Shop::bare(name, on(&self.primary));
        if named {
            shop.write_settings(&nodes(&[self.standby.port()]));
        }
        shop.init();
        // The last of it are the managing user and its grants.
        let written = first_value(&self.primary, "SELECT pg_current_wal_insert_lsn()");
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        wait_until("the standby has all that the primary has", || {
            first_value(&self.standby, &replayed) == "t"
        });
        assert!(self.standby_accepts(&shop.first), "the roles are there");
        shop
    }

    fn standby_accepts(&self, account: &Account) -> bool {
        let outcome = self.standby.login(&account.name, &account.password);
        outcome.is_accepted()
    }

    fn pause_replay(&self) {
        self.standby
            .sql("SELECT pg_wal_replay_pause()")
            .expect("pauses");
        wait_until("replay is paused", || {
            first_value(&self.standby, "SELECT pg_get_wal_replay_pause_state()") == "paused"
        });
    }

    fn resume_replay(&self) {
        self.standby
            .sql("SELECT pg_wal_replay_resume()")
            .expect("resumes");
    }
}

fn on(server: &Arc<PostgresServer>) -> ShopOptions {
    ShopOptions {
        server: Some(Arc::clone(server)),
        ..ShopOptions::default()
    }
}

/// Lines for the settings of all databases.
fn nodes(ports: &[u16]) -> String {
    let nodes: Vec<String> = ports
        .iter()
        .map(|port| format!("\"127.0.0.1:{port}\""))
        .collect();
    format!("    nodes: [{}]\n", nodes.join(", "))
}

/// Stores the settings with `more` lines at their end.
#[track_caller]
fn set_settings(shop: &Shop, more: &str) {
    shop.write_settings(more);
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
}

#[test]
fn a_named_standby_is_waited_for_and_a_lagging_one_holds_the_promotion_back() {
    let pair = Pair::start();
    let shop = pair.shop("lagging", true);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after a rotation");
    assert_eq!(current.name, shop.second.name);
    assert!(pair.standby_accepts(&current), "promoted before its replay");

    pair.pause_replay();
    let before = shop.verifier_of(&shop.first);
    let run = shop.rotate(&[]).expect_code(5);
    let result = result_of(&run);
    assert_eq!(result["status"], "parked", "{result:#}");
    assert!(names_case(&result, "not-replicated"), "{result:#}");
    let applied = shop.verifier_of(&shop.first);
    assert_ne!(applied, before, "the change is on the primary");
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.second.name, "nothing was promoted");
    assert!(pair.standby_accepts(&current), "on the standby, too");
    assert_case_is_named(&shop, "not-replicated");
    shop.run(&["recover", "shop/orders", "--explain"])
        .expect_told(&["consumers OK", "on some nodes"]);

    pair.resume_replay();
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    assert_eq!(shop.verifier_of(&shop.first), applied, "the same password");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.first.name);
    assert!(pair.standby_accepts(&current), "on every node");
    passed(ShopEngine::Postgres, "not-replicated");
}

#[test]
fn a_standby_that_is_not_named_holds_back_first_the_gate_and_then_the_promotion() {
    let pair = Pair::start();
    let shop = pair.shop("unnamed", false);
    let before = shop.verifier_of(&shop.second);
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "not-drained");
        run.expect_told(&["replica-1", "not named in the settings", "nodes"]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");

    let run = shop
        .rotate(&["--waive-drain", "nobody reads from the replica"])
        .expect_code(5);
    let result = result_of(&run);
    assert!(names_case(&result, "not-replicated"), "{result:#}");
    let applied = shop.verifier_of(&shop.second);
    assert_ne!(applied, before, "a waiver passes the gate alone");
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");
    assert_case_is_named(&shop, "not-replicated");
    run.expect_told(&["replica-1"]);

    // Waiting does not help, naming it does.
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(5);
    set_settings(&shop, &nodes(&[pair.standby.port()]));
    shop.run(&["retry", "shop/orders", "--yes"]).expect_code(0);
    assert_eq!(shop.verifier_of(&shop.second), applied, "the same password");
    let current = shop.assert_current_logs_in("after the retry");
    assert_eq!(current.name, shop.second.name);
    assert!(pair.standby_accepts(&current), "on every node");
    passed(ShopEngine::Postgres, "not-replicated");
}

#[test]
fn a_session_that_only_the_standby_has_shuts_the_gate() {
    let pair = Pair::start();
    let shop = pair.shop("standbysession", true);
    let before = shop.verifier_of(&shop.second);
    let session = HeldSession::at(&pair.standby, &shop.second.name, &shop.second.password);
    session.run("SET application_name = 'nightly-report'");
    let place = format!("on 127.0.0.1:{}", pair.standby.port());
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_refused(&run, "not-drained");
        run.expect_told(&["nightly-report", &place]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
    drop(session);
    wait_until("the session has ended", || {
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = {}",
            literal(&shop.second.name)
        );
        first_value(&pair.standby, &query) == "0"
    });
    shop.rotate(&[]).expect_code(0);
}

#[test]
fn a_node_that_is_another_server_is_refused_before_anything_changes() {
    let primary = Arc::new(PostgresServer::start(&postgres_options()).expect("starts"));
    let other = Arc::new(PostgresServer::start(&postgres_options()).expect("starts"));
    let shop = Shop::bare("othernode", on(&primary));
    // Both are trusted, and the managing user can log in to both.
    let both = format!("{}{}", primary.ca_pem(), other.ca_pem());
    std::fs::write(shop.file("ca.pem"), both).expect("writes");
    shop.write_settings(&nodes(&[other.port()]));
    shop.init();
    let before = shop.verifier_of(&shop.second);
    let place = format!("127.0.0.1:{}", other.port());

    // Where it does not even know the managing user, nothing can be said of it.
    let run = shop.rotate(&[]).expect_code(6);
    assert!(names_case(&result_of(&run), "unreachable"), "{run:#?}");
    run.expect_told(&[&place, &shop.managing.name]);

    for account in [&shop.managing, &shop.first, &shop.second] {
        shop.create_role_on(&other, account, "LOGIN");
    }
    other
        .sql(&format!(
            "GRANT pg_read_all_stats TO \"{}\"",
            shop.managing.name
        ))
        .expect("grants");
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = assert_refused(&run, "other-server");
        assert_eq!(result["paths"][0]["step"], "S1", "{result:#}");
        run.expect_told(&[&place, "another server", "nodes"]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
    shop.assert_current_logs_in("after the refusal");
}

#[test]
fn a_node_that_cannot_be_reached_is_named() {
    // Bound and let go again, so that nobody listens there.
    let dead = TcpListener::bind(("127.0.0.1", 0)).expect("binds");
    let port = dead.local_addr().expect("an address").port();
    drop(dead);
    let shop = Shop::bare("deadnode", ShopOptions::default());
    shop.write_settings(&nodes(&[port]));
    shop.init();
    let before = shop.verifier_of(&shop.second);
    for run in [shop.plan(), shop.rotate(&[])] {
        assert_eq!(run.code(), Some(6), "{run:#?}");
        let result = result_of(&run);
        assert_eq!(result["status"], "unreachable", "{result:#}");
        assert!(names_case(&result, "unreachable"), "{result:#}");
        run.expect_told(&[&format!("127.0.0.1:{port}")]);
    }
    assert_eq!(shop.verifier_of(&shop.second), before, "nothing changed");
}

/// X with C, Y with P, and the managing user: each node is asked all three.
const QUESTIONS_OF_S1: usize = 3;

/// One after the other, the second question would only be asked after the first one's
/// time-out, which is far longer than this test waits.
#[test]
fn nodes_that_hang_are_asked_side_by_side() {
    let silent = [
        SilentServer::start().expect("listens"),
        SilentServer::start().expect("listens"),
    ];
    let shop = Shop::bare(
        "hangingnodes",
        ShopOptions {
            connect_timeout: "10m",
            ..ShopOptions::default()
        },
    );
    shop.write_settings(&nodes(&[silent[0].port(), silent[1].port()]));
    shop.init();
    let mut rotation = shop.start(&["rotate", "shop/orders", "--yes"]);
    wait_until("every node was asked everything", || {
        silent
            .iter()
            .all(|node| node.connections() == QUESTIONS_OF_S1)
    });
    assert!(!rotation.has_ended(), "it waits for the answers");
    rotation.kill();
}
