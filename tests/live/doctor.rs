//! `handover doctor` on a set-up in which everything is right, and on one spoiled thing
//! after the other. Where a finding has statements, the test runs them.

use handover::sandbox::{Authority, PostgresOptions, PostgresServer};
use serde_json::Value;

use crate::harness::{
    HeldSession, has_rights_since_16, identifier, literal, postgres_options, server, single,
};
use crate::shop::{Shop, ShopOptions};

fn shop(name: &str) -> Shop {
    Shop::open(name, ShopOptions::default())
}

#[track_caller]
fn sql(statements: &str) {
    server().sql(statements).expect("the server takes it");
}

/// The findings of the one rotated secret, after the exit code and the shape were checked.
#[track_caller]
fn findings(shop: &Shop, code: i32) -> Vec<Value> {
    let run = shop
        .run(&["doctor", "shop/orders", "--output", "json"])
        .expect_code(code)
        .expect_no_stack_trace();
    let value = run.json();
    let path = &value["environments"][0]["paths"][0];
    assert_eq!(value["environments"][0]["environment"], "shop/orders");
    assert_eq!(path["path"], "db", "{value:#}");
    let findings = path["findings"].as_array().expect("a list").clone();
    for finding in &findings {
        for member in ["check", "status", "found"] {
            assert!(finding[member].is_string(), "{finding:#}");
        }
        let status = finding["status"].as_str().expect("a status");
        assert!(["ok", "warning", "problem", "unknown"].contains(&status));
        assert!(
            status != "problem" || finding["remedy"].is_string(),
            "{finding:#}"
        );
    }
    findings
}

/// What is not in order: `check status`, in the order of the checks.
fn complaints(findings: &[Value]) -> Vec<String> {
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or("").to_owned();
    let bad = findings.iter().filter(|finding| finding["status"] != "ok");
    bad.map(|finding| format!("{} {}", text(finding, "check"), text(finding, "status")))
        .collect()
}

#[track_caller]
fn remedy(findings: &[Value], check: &str) -> String {
    let mut all = findings.iter();
    let finding = all.find(|one| one["check"] == check && one["status"] != "ok");
    match finding.and_then(|finding| finding["remedy"].as_str()) {
        Some(remedy) => remedy.to_owned(),
        None => panic!("no remedy of {check}: {findings:#?}"),
    }
}

/// One complaint; its statements are run, and then there is none.
#[track_caller]
fn complains_and_is_mended(shop: &Shop, code: i32, complaint: &str) -> String {
    let found = findings(shop, code);
    assert_eq!(complaints(&found), [complaint], "{found:#?}");
    let check = complaint.split(' ').next().unwrap_or_default();
    let statements = remedy(&found, check);
    sql(&statements);
    assert_eq!(
        complaints(&findings(shop, 0)),
        [""; 0],
        "after {statements}"
    );
    statements
}

#[test]
fn a_set_up_in_order_has_no_complaint_before_and_after_a_rotation() {
    let shop = shop("well");
    let verifiers = |shop: &Shop| {
        [
            shop.verifier_of(&shop.first),
            shop.verifier_of(&shop.second),
        ]
    };
    let before = verifiers(&shop);
    assert_eq!(complaints(&findings(&shop, 0)), [""; 0]);
    assert_eq!(verifiers(&shop), before, "nothing changed");
    assert_eq!(shop.revision_count(), 1);
    shop.rotate(&[]).expect_code(0);
    assert_eq!(complaints(&findings(&shop, 0)), [""; 0]);

    // All environments: the one without a rotated secret is left out.
    let run = shop.run(&["doctor", "--output", "json"]).expect_code(0);
    assert_eq!(run.json()["environments"].as_array().map(Vec::len), Some(1));
    let run = shop.run(&["doctor"]).expect_code(0);
    assert!(run.stdout.contains("shop/orders · db"), "{run:#?}");
    assert_eq!(run.stdout.lines().last(), Some("0 problems, 0 warnings"));
}

#[test]
fn a_missing_right_is_named_with_its_statement() {
    let options = ShopOptions {
        managing_may_alter: false,
        ..ShopOptions::default()
    };
    let shop = Shop::open("unfit", options);
    complains_and_is_mended(&shop, 4, "right-to-alter problem");
}

#[test]
fn a_masked_view_is_named_with_its_statement() {
    let options = ShopOptions {
        managing_sees_sessions: false,
        ..ShopOptions::default()
    };
    let shop = Shop::open("blind", options);
    let found = findings(&shop, 4);
    let expected = [
        "session-view problem",
        "sampling warning",
        "connections unknown",
    ];
    assert_eq!(complaints(&found), expected);
    sql(&remedy(&found, "session-view"));
    assert_eq!(complaints(&findings(&shop, 0)), [""; 0]);
}

#[test]
fn an_idle_user_that_expired_or_may_not_log_in_is_mended() {
    let shop = shop("idle");
    let second = identifier(&shop.second.name);
    sql(&format!("ALTER ROLE {second} NOLOGIN"));
    let found = findings(&shop, 4);
    assert_eq!(
        complaints(&found),
        ["previous-role problem", "previous-login warning"]
    );
    sql(&remedy(&found, "previous-role"));

    sql(&format!("ALTER ROLE {second} VALID UNTIL '2001-01-01'"));
    let found = findings(&shop, 4);
    let complaints_found = complaints(&found);
    assert_eq!(complaints_found[0], "previous-role problem", "{found:#?}");
    assert!(complaints_found.contains(&"twins-valid-until problem".to_owned()));
    sql(&remedy(&found, "twins-valid-until"));
    assert_eq!(complaints(&findings(&shop, 0)), [""; 0]);
}

#[test]
fn privileges_that_the_idle_user_lacks_are_given_by_the_statements_named() {
    let shop = shop("lacks");
    let (first, second) = (identifier(&shop.first.name), identifier(&shop.second.name));
    // A name that would end a careless quotation, and one that a terminal would act upon.
    let schema = identifier(&format!("{}\"s; \u{1b}[2J\\", shop.first.name));
    sql(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.\"or\"\"ders\" (id int, secret text); \
         CREATE VIEW {schema}.v AS SELECT 1; CREATE SEQUENCE {schema}.q; \
         CREATE FUNCTION {schema}.f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         REVOKE EXECUTE ON FUNCTION {schema}.f FROM PUBLIC; \
         GRANT USAGE ON SCHEMA {schema} TO {first}; \
         GRANT SELECT, INSERT ON {schema}.\"or\"\"ders\" TO {first} WITH GRANT OPTION; \
         GRANT SELECT ON {schema}.v TO {first}; \
         GRANT UPDATE (secret) ON {schema}.\"or\"\"ders\" TO {first}; \
         GRANT USAGE ON SEQUENCE {schema}.q TO {first}; \
         GRANT EXECUTE ON FUNCTION {schema}.f TO {first}; \
         GRANT CREATE ON DATABASE postgres TO {first}; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {first}; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {first} GRANT SELECT ON TABLES TO pg_monitor; \
         ALTER TABLE {schema}.\"or\"\"ders\" ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY \"own rows\" ON {schema}.\"or\"\"ders\" TO {first} USING (true)"
    ));
    let found = findings(&shop, 4);
    let kinds = [
        "tables",
        "columns",
        "sequences",
        "schemas",
        "functions",
        "databases",
        "default-privileges",
        "policies",
    ];
    let expected: Vec<String> = kinds
        .iter()
        .map(|kind| format!("twins-{kind} problem"))
        .collect();
    assert_eq!(complaints(&found), expected, "{found:#?}");
    for kind in kinds {
        let statements = remedy(&found, &format!("twins-{kind}"));
        assert!(!statements.contains('\u{1b}'), "{statements}");
        sql(&statements);
    }
    assert_eq!(complaints(&findings(&shop, 0)), [""; 0]);
    sql(&format!(
        "DROP SCHEMA {schema} CASCADE; DROP OWNED BY {first}, {second}"
    ));
}

#[test]
fn a_privilege_through_a_group_or_public_is_no_difference() {
    let shop = shop("same");
    let (first, second) = (identifier(&shop.first.name), identifier(&shop.second.name));
    let table = identifier(&format!("{}_t", shop.first.name));
    let group = identifier(&format!("{}_g", shop.first.name));
    sql(&format!(
        "CREATE TABLE {table} (); CREATE ROLE {group}; GRANT {group} TO {first}, {second}; \
         GRANT SELECT ON {table} TO {first}, {group}; GRANT INSERT ON {table} TO {first}, PUBLIC"
    ));
    assert_eq!(complaints(&findings(&shop, 0)), [""; 0]);
    sql(&format!("DROP TABLE {table}"));
}

#[test]
fn memberships_settings_limits_and_attributes_are_compared() {
    let shop = shop("more");
    let (first, second) = (identifier(&shop.first.name), identifier(&shop.second.name));
    let group = identifier(&format!("{}_g", shop.first.name));
    sql(&format!("CREATE ROLE {group}; GRANT {group} TO {second}"));
    complains_and_is_mended(&shop, 0, "twins-memberships warning");

    sql(&format!(
        "ALTER ROLE {first} SET search_path = \"$user\", \"a, b\", public"
    ));
    complains_and_is_mended(&shop, 4, "twins-settings problem");
    let settings = |account: &str| {
        single(&format!(
            "SELECT setconfig::text FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole \
             WHERE rolname = {}",
            literal(account)
        ))
    };
    assert_eq!(settings(&shop.first.name), settings(&shop.second.name));

    sql(&format!("ALTER ROLE {second} CONNECTION LIMIT 5"));
    complains_and_is_mended(&shop, 4, "twins-connection-limit problem");
    sql(&format!("ALTER ROLE {first} CREATEDB"));
    complains_and_is_mended(&shop, 4, "twins-attributes problem");
}

#[test]
fn an_owned_table_is_shared_by_the_statements_named() {
    let shop = shop("owner");
    let first = identifier(&shop.first.name);
    let table = identifier(&format!("{}_t", shop.first.name));
    sql(&format!(
        "CREATE TABLE {table} (); ALTER TABLE {table} OWNER TO {first}"
    ));
    complains_and_is_mended(&shop, 0, "twins-owned-objects warning");
    sql(&format!("DROP TABLE {table}"));
}

/// Before PostgreSQL 16 nothing could be reserved, and nothing is asked for.
#[test]
fn a_manager_who_may_not_use_the_reserve_is_warned_where_there_is_one() {
    if has_rights_since_16() {
        let shop = shop("reserve");
        let managing = identifier(&shop.managing.name);
        sql(&format!(
            "REVOKE pg_use_reserved_connections FROM {managing}"
        ));
        let statements = complains_and_is_mended(&shop, 0, "server-full warning");
        assert!(statements.contains(&managing), "{statements}");
    } else {
        let found = findings(&shop("noreserve"), 0);
        let full = found.iter().find(|one| one["check"] == "server-full");
        assert_eq!(full.expect("is looked at")["status"], "ok", "{found:#?}");
    }
}

#[test]
fn a_dead_current_user_is_told_by_the_exit_code() {
    let shop = shop("dead");
    let session = HeldSession::open(&shop.first.name, &shop.first.password);
    sql(&format!(
        "ALTER ROLE {} PASSWORD 'test-canary-other'",
        identifier(&shop.first.name)
    ));
    let found = findings(&shop, 5);
    assert_eq!(complaints(&found), ["current-login problem"]);
    drop(session);
}

#[test]
fn a_server_that_does_not_answer_or_is_not_trusted_is_unreachable() {
    let mut shop = Shop::bare("far", ShopOptions::default());
    shop.port = 1;
    shop.write_orders();
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    assert_eq!(complaints(&findings(&shop, 6))[0], "reachable problem");
    let run = shop.run(&["doctor"]).expect_code(6);
    assert!(run.stdout.contains("not looked at"), "{run:#?}");

    let shop = Shop::bare("distrust", ShopOptions::default());
    let foreign = Authority::new("another authority").expect("makes one");
    std::fs::write(shop.file("ca.pem"), foreign.pem()).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    assert_eq!(complaints(&findings(&shop, 6))[0], "tls problem");
}

#[test]
fn a_document_without_a_state_is_named_and_hides_nothing() {
    let shop = Shop::bare("stateless", ShopOptions::default());
    let document = shop.orders_document();
    let (without, _) = document.split_once("      state:").expect("has a state");
    std::fs::write(shop.file("orders.yaml"), without).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    assert_eq!(complaints(&findings(&shop, 4)), ["document problem"]);
}

#[test]
fn trust_in_the_way_is_found_by_a_wrong_password() {
    let shop = Shop::bare("trusting", ShopOptions::default());
    let options = PostgresOptions {
        host_based_access: vec![
            format!("hostssl all {} 127.0.0.1/32 trust", shop.second.name),
            "hostssl all all 127.0.0.1/32 scram-sha-256".to_owned(),
        ],
        ..postgres_options()
    };
    let private = PostgresServer::start(&options).expect("starts");
    let verifier = |account: &crate::shop::Account| shop.verifier_of(account);
    for (account, attributes) in [
        (&shop.first, "LOGIN"),
        (&shop.second, "LOGIN"),
        (&shop.managing, "LOGIN SUPERUSER"),
    ] {
        let create = format!(
            "CREATE ROLE {} {attributes} PASSWORD {}",
            identifier(&account.name),
            literal(&verifier(account))
        );
        private.sql(&create).expect("creates a role");
    }
    let mut shop = shop;
    shop.port = private.port();
    shop.write_orders();
    std::fs::write(shop.file("ca.pem"), private.ca_pem()).expect("writes");
    shop.init_key();
    shop.init_managing().expect_code(0);
    shop.init_orders().expect_code(0);
    assert_eq!(complaints(&findings(&shop, 4)), ["trust problem"]);
}

#[test]
fn every_node_and_pooler_is_looked_at_by_itself() {
    let shop = shop("dr_places");
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("binds");
    let dead = closed.local_addr().expect("an address").port();
    drop(closed);
    let set = |nodes: &str| {
        let settings = shop.file("settings.yaml").display().to_string();
        shop.write_settings(&format!("  db:\n    {nodes}\n"));
        shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
            .expect_code(0);
    };
    // The same server under its other name is a node in order, and a pooler that lets in.
    let alive = shop.port;
    set(&format!(
        "nodes: [\"localhost:{alive}\"]\n    poolers: [\"localhost:{alive}\"]"
    ));
    let found = findings(&shop, 0);
    let told = |check: &str| found.iter().filter(|one| one["check"] == check).count();
    assert_eq!((told("node"), told("pooler")), (1, 1), "{found:#?}");

    set(&format!(
        "nodes: [\"localhost:{alive}\", \"127.0.0.1:{dead}\"]\n    poolers: [\"127.0.0.1:{dead}\"]"
    ));
    let found = findings(&shop, 6);
    let complaints = complaints(&found);
    for expected in ["node problem", "pooler problem"] {
        assert!(complaints.contains(&expected.to_owned()), "{found:#?}");
    }
    assert_eq!(told("node"), 1, "the node in order is not hidden");
}
