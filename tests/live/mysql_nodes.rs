//! Scenarios about nodes on MySQL and MariaDB, on real servers: a replica that is named, one
//! that is not, a session that only a replica has, a node that is another server, and one
//! that does not answer.

use handover::sandbox::{MysqlFlavour, MysqlServer};

use crate::cases::passed;
use crate::contract::{assert_refused, names_case, result_of};
use crate::harness::wait_until;
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::mysql_world::{accepts, hold_session_at, private, show};
use crate::naming::assert_case_is_named;
use crate::several::DeadPort;
use crate::shop::{Shop, ShopEngine, ShopOptions};

for_both! {
    a_named_replica_is_waited_for_and_a_lagging_one_holds_the_promotion_back
    a_replica_that_is_not_named_holds_back_first_the_gate_and_then_the_promotion
    a_session_that_only_the_replica_has_shuts_the_gate
    a_masked_view_of_a_replica_shuts_the_gate_with_the_right_that_opens_it
    a_node_that_is_another_server_is_refused_before_anything_changes
    a_node_that_cannot_be_reached_is_named
}

/// A shop on a primary with one replica, whose settings name it or do not.
#[track_caller]
fn with_replica(
    engine: ShopEngine,
    name: &str,
    named: bool,
    options: ShopOptions,
) -> Option<(Shop, MysqlServer)> {
    let shop = Shop::bare_on(engine, name, options)?;
    let lines = ["report_host = replica-1".to_owned()];
    let replica = shop.mysql_server().start_replica(2, &lines);
    let replica = replica.expect("the replica starts");
    if named {
        shop.write_settings(&nodes(&[replica.port()]));
    }
    shop.init();
    let has_all = replica.wait_until_it_has_all_of(shop.mysql_server());
    has_all.expect("it follows");
    assert!(accepts(&replica, &shop.first), "the users are there");
    Some((shop, replica))
}

/// Lines for the settings of all databases.
fn nodes(ports: &[u16]) -> String {
    let nodes = ports.iter().map(|port| format!("\"127.0.0.1:{port}\""));
    format!("    nodes: [{}]\n", nodes.collect::<Vec<_>>().join(", "))
}

/// Stores the settings with `more` lines at their end.
#[track_caller]
fn set_settings(shop: &Shop, more: &str) {
    shop.write_settings(more);
    let file = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &file])
        .expect_code(0);
}

fn a_named_replica_is_waited_for_and_a_lagging_one_holds_the_promotion_back(engine: ShopEngine) {
    let Some((shop, replica)) = with_replica(engine, "lagging", true, private()) else {
        return;
    };
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after a rotation");
    assert_eq!(current.name, shop.second.name);
    assert!(
        accepts(&replica, &current),
        "promoted before it was applied"
    );

    replica.pause_applying().expect("pauses");
    let before = shop.stored_hash_of(&shop.first);
    let run = shop.rotate(&[]).expect_code(5);
    show(&run);
    expect_no_foreign_words(&run);
    let result = result_of(&run);
    assert_eq!(result["status"], "parked", "{result:#}");
    assert!(names_case(&result, "not-replicated"), "{result:#}");
    let applied = shop.stored_hash_of(&shop.first);
    assert_ne!(applied, before, "the change is on the primary");
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.second.name, "nothing was promoted");
    assert!(accepts(&replica, &current), "on the replica, too");
    assert_case_is_named(&shop, "not-replicated");
    let run = shop.run(&["recover", "shop/orders", "--explain"]);
    show(&run);
    expect_no_foreign_words(&run);
    run.expect_told(&["consumers OK", "on some nodes"]);

    replica.resume_applying().expect("goes on");
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    assert_eq!(
        shop.stored_hash_of(&shop.first),
        applied,
        "the same password"
    );
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, shop.first.name);
    assert!(accepts(&replica, &current), "on every node");
    passed(engine, "not-replicated");
}

fn a_replica_that_is_not_named_holds_back_first_the_gate_and_then_the_promotion(
    engine: ShopEngine,
) {
    let Some((shop, replica)) = with_replica(engine, "unnamed", false, private()) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    for run in [shop.plan(), shop.rotate(&[])] {
        show(&run);
        expect_no_foreign_words(&run);
        assert_refused(&run, "not-drained");
        run.expect_told(&["replica", "not named in the settings", "nodes"]);
    }
    assert_eq!(shop.stored_hash_of(&shop.second), before, "nothing changed");

    let run = shop.rotate(&["--waive-drain", "nobody reads from the replica"]);
    show(&run);
    let run = run.expect_code(5);
    let result = result_of(&run);
    assert!(names_case(&result, "not-replicated"), "{result:#}");
    let applied = shop.stored_hash_of(&shop.second);
    assert_ne!(applied, before, "a waiver passes the gate alone");
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");
    assert_case_is_named(&shop, "not-replicated");
    let run = shop.run(&["recover", "shop/orders", "--explain"]);
    show(&run);
    expect_no_foreign_words(&run);

    // Waiting does not help, naming it does.
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(5);
    set_settings(&shop, &nodes(&[replica.port()]));
    shop.run(&["retry", "shop/orders", "--yes"]).expect_code(0);
    assert_eq!(
        shop.stored_hash_of(&shop.second),
        applied,
        "the same password"
    );
    let current = shop.assert_current_logs_in("after the retry");
    assert_eq!(current.name, shop.second.name);
    assert!(accepts(&replica, &current), "on every node");
    passed(engine, "not-replicated");
}

fn a_session_that_only_the_replica_has_shuts_the_gate(engine: ShopEngine) {
    let Some((shop, replica)) = with_replica(engine, "far", true, private()) else {
        return;
    };
    let before = shop.stored_hash_of(&shop.second);
    let session = hold_session_at(&replica, &shop.second);
    let place = format!("on 127.0.0.1:{}", replica.port());
    for run in [shop.plan(), shop.rotate(&[])] {
        show(&run);
        expect_no_foreign_words(&run);
        assert_refused(&run, "not-drained");
        run.expect_told(&["1 session is connected", &place, "(connection "]);
    }
    assert_eq!(shop.stored_hash_of(&shop.second), before, "nothing changed");
    drop(session);
    wait_until("the session has ended", || {
        let rows = replica.sql("SHOW FULL PROCESSLIST").expect("answers");
        rows.iter()
            .all(|row| row[1].as_ref() != Some(&shop.second.name))
    });
    shop.rotate(&[]).expect_code(0);
}

/// What the managing user may see is granted once, on the primary, and replicated.
fn a_masked_view_of_a_replica_shuts_the_gate_with_the_right_that_opens_it(engine: ShopEngine) {
    let options = ShopOptions {
        managing_sees_sessions: false,
        ..private()
    };
    let Some((shop, replica)) = with_replica(engine, "masked", true, options) else {
        return;
    };
    let run = shop.rotate(&[]);
    show(&run);
    expect_no_foreign_words(&run);
    assert_refused(&run, "not-drained");
    let right = match engine {
        ShopEngine::MySql => "GRANT SELECT ON performance_schema.* TO",
        _ => "GRANT PROCESS ON *.* TO",
    };
    run.expect_told(&["as an administrator: ", right]);
    shop.run_sql(&format!("{right} `{}`@`%`", shop.managing.name));
    let has_all = replica.wait_until_it_has_all_of(shop.mysql_server());
    has_all.expect("it follows");
    shop.rotate(&[]).expect_code(0);
    assert!(accepts(&replica, &shop.current()), "on every node");
}

/// MySQL's transaction identifiers tell that two servers have nothing in common; MariaDB's do
/// not, so that the pair's passwords have to.
fn a_node_that_is_another_server_is_refused_before_anything_changes(engine: ShopEngine) {
    let Some(shop) = Shop::bare_on(engine, "stranger", private()) else {
        return;
    };
    let Some(other) = Shop::bare_on(engine, "other", private()) else {
        return;
    };
    let other = other.mysql_server();
    // Both are trusted.
    let both = format!("{}{}", shop.mysql_server().ca_pem(), other.ca_pem());
    std::fs::write(shop.file("ca.pem"), both).expect("writes");
    shop.write_settings(&nodes(&[other.port()]));
    shop.init();
    let before = shop.stored_hash_of(&shop.second);
    let place = format!("127.0.0.1:{}", other.port());

    // Where it does not even know the managing user, nothing can be said of it.
    let run = shop.rotate(&[]).expect_code(6);
    show(&run);
    expect_no_foreign_words(&run);
    assert!(names_case(&result_of(&run), "unreachable"), "{run:#?}");
    // MySQL makes up a way in for a user that it does not know, another one each time.
    run.expect_told(&[&place, "let the managing user log in there as well"]);

    for account in [&shop.managing, &shop.first, &shop.second] {
        let (name, password) = (&account.name, account.password.expose());
        let create = format!("CREATE USER `{name}`@`%` IDENTIFIED BY '{password}'");
        other.sql(&create).expect("creates a user");
    }
    let grant = format!("GRANT ALL ON *.* TO `{}`@`%`", shop.managing.name);
    other.sql(&grant).expect("grants");
    if other.flavour() == MysqlFlavour::MySql {
        for run in [shop.plan(), shop.rotate(&[])] {
            show(&run);
            expect_no_foreign_words(&run);
            let result = assert_refused(&run, "other-server");
            assert_eq!(result["paths"][0]["step"], "S1", "{result:#}");
            run.expect_told(&[&place, "another server", "nodes"]);
        }
        assert_eq!(shop.stored_hash_of(&shop.second), before, "nothing changed");
    } else {
        let run = shop.rotate(&[]);
        show(&run);
        expect_no_foreign_words(&run);
        let run = run.expect_code(5);
        assert!(names_case(&result_of(&run), "not-replicated"), "{run:#?}");
        run.expect_told(&["nodes"]);
        let current = shop.current();
        assert_eq!(current.name, shop.first.name, "nothing was promoted");
    }
    shop.assert_current_logs_in("after the refusal");
}

fn a_node_that_cannot_be_reached_is_named(engine: ShopEngine) {
    let dead = DeadPort::take();
    let Some(shop) = Shop::bare_on(engine, "deadnode", ShopOptions::default()) else {
        return;
    };
    shop.write_settings(&nodes(&[dead.port]));
    shop.init();
    let before = shop.stored_hash_of(&shop.second);
    for run in [shop.plan(), shop.rotate(&[])] {
        show(&run);
        expect_no_foreign_words(&run);
        assert_eq!(run.code(), Some(6), "{run:#?}");
        let result = result_of(&run);
        assert_eq!(result["status"], "unreachable", "{result:#}");
        assert!(names_case(&result, "unreachable"), "{result:#}");
        run.expect_told(&[&format!("127.0.0.1:{}", dead.port)]);
    }
    assert_eq!(shop.stored_hash_of(&shop.second), before, "nothing changed");
}
