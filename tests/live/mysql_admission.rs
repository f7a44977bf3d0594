//! What MySQL and MariaDB make a rotation refuse before any password is made: each refusal
//! says in the engine's words what was found, and what it names does mend it.

use serde_json::Value;

use crate::contract::{assert_refused, names_case, result_of};
use crate::harness::{Run, wait_until};
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::shop::{Shop, ShopEngine, ShopOptions};

for_both! {
    sessions_of_the_idle_user_are_named
    a_masked_view_is_not_taken_for_an_empty_one
    without_the_right_to_change_users
    without_the_right_to_read_accounts
    a_read_only_server
    an_idle_user_that_does_not_exist
    an_idle_user_that_is_locked
    an_idle_user_that_takes_no_password
    an_idle_user_that_must_show_a_certificate
    an_idle_user_that_serves_other_hosts
    what_the_idle_user_lacks_is_given_by_the_remedy
    a_current_user_whose_password_expired
}

/// A rotation and its plan are refused in words of the engine, nothing was changed, and
/// `doctor` does not call it well. Answers the remedy.
#[track_caller]
fn expect_refused(shop: &Shop, case: &str, told: &[&str]) -> String {
    let pair = [&shop.first, &shop.second];
    let before = pair.map(|account| shop.way_in_of(account));
    let mut remedy = String::new();
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = assert_refused(&run, case);
        assert_eq!(result["rotation"], Value::Null, "{result:#}");
        expect_no_foreign_words(&run);
        run.expect_told(told);
        let text = result["paths"][0]["error"]["remedy"].as_str();
        text.expect("a remedy").clone_into(&mut remedy);
    }
    let human = shop
        .run(&["rotate", "shop/orders", "--plan"])
        .expect_code(4);
    show(&human);
    expect_no_foreign_words(&human);
    let doctor = shop.run(&["doctor", "shop/orders"]);
    show(&doctor);
    expect_no_foreign_words(&doctor);
    // That somebody is connected now is no fault of the set-up.
    let is_fault = case != "not-drained" || told.iter().any(|words| words.contains("GRANT"));
    assert_eq!(
        doctor.code(),
        Some(if is_fault { 4 } else { 0 }),
        "{doctor:#?}"
    );
    assert_eq!(pair.map(|account| shop.way_in_of(account)), before);
    remedy
}

/// For who reads along: `HANDOVER_SHOW_WORDS=1 cargo test … -- --nocapture`.
fn show(run: &Run) {
    if std::env::var_os("HANDOVER_SHOW_WORDS").is_some() {
        println!("{}{}", run.stdout, run.stderr);
    }
}

/// What mends it, run as it is named; then the rotation goes through.
#[track_caller]
fn mends(shop: &Shop, remedy: &str) {
    let statements = statements_of(remedy);
    assert!(!statements.contains('…'), "{statements}");
    shop.run_sql(&statements);
    expect_rotated(shop);
}

#[track_caller]
fn expect_rotated(shop: &Shop) {
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the remedy");
    assert_eq!(current.name, shop.second.name);
    shop.run(&["doctor", "shop/orders"]).expect_code(0);
}

/// The statements in a remedy, which may say by whom and what else could be done.
fn statements_of(remedy: &str) -> String {
    let begins = ["GRANT ", "ALTER ", "SET ", "CREATE ", "REVOKE "];
    let begin = begins.iter().filter_map(|word| remedy.find(word)).min();
    let begin = begin.unwrap_or_else(|| panic!("no statement in {remedy}"));
    let statements = &remedy[begin..];
    let end = statements.find("; or ").unwrap_or(statements.len());
    statements[..end].to_owned()
}

fn open(engine: ShopEngine, name: &str) -> Option<Shop> {
    Shop::open_on(engine, name, ShopOptions::default())
}

/// `user`@`%`
fn row(name: &str) -> String {
    format!("`{name}`@`%`")
}

fn sessions_of_the_idle_user_are_named(engine: ShopEngine) {
    let Some(shop) = open(engine, "gate") else {
        return;
    };
    let session = shop.hold_session(&shop.second);
    let told = ["1 session is connected", "127.0.0.1", "--waive-drain"];
    expect_refused(&shop, "not-drained", &told);
    if engine == ShopEngine::MySql {
        println!(
            "{:?}",
            shop.run_sql("show global status like '%connect_attrs%'")
        );
    }
    let waived = shop
        .rotate(&["--waive-drain", "the report may fail tonight"])
        .expect_code(0);
    assert_eq!(result_of(&waived)["status"], "done");
    shop.run(&["audit", "ls", "--output", "json"])
        .expect_code(0)
        .expect_told(&["the report may fail tonight"]);
    drop(session);
    wait_until("the session is gone", || {
        shop.sessions_of(&shop.second) == 0
    });
    shop.rotate(&[]).expect_code(0);
}

fn a_masked_view_is_not_taken_for_an_empty_one(engine: ShopEngine) {
    let options = || ShopOptions {
        managing_sees_sessions: false,
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "masked", options()) else {
        return;
    };
    let managing = row(&shop.managing.name);
    let grant = match engine {
        ShopEngine::MySql => format!("GRANT SELECT ON performance_schema.* TO {managing}"),
        _ => format!("GRANT PROCESS ON *.* TO {managing}"),
    };
    let remedy = expect_refused(&shop, "not-drained", &[&grant, "none seen means nothing"]);
    // A session that is not seen is one.
    let session = shop.hold_session(&shop.second);
    expect_refused(&shop, "not-drained", &[&grant]);
    drop(session);
    wait_until("the session is gone", || {
        shop.sessions_of(&shop.second) == 0
    });
    mends(&shop, &remedy);
    // The process list serves as well.
    let Some(shop) = Shop::open_on(engine, "masked", options()) else {
        return;
    };
    let managing = row(&shop.managing.name);
    shop.run_sql(&format!("GRANT PROCESS ON *.* TO {managing}"));
    let session = shop.hold_session(&shop.second);
    assert_refused(&shop.rotate(&[]), "not-drained");
    drop(session);
    wait_until("the session is gone", || {
        shop.sessions_of(&shop.second) == 0
    });
    shop.rotate(&[]).expect_code(0);
}

fn without_the_right_to_change_users(engine: ShopEngine) {
    let options = ShopOptions {
        managing_may_alter: false,
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "noright", options) else {
        return;
    };
    let managing = row(&shop.managing.name);
    let grant = format!("as an administrator: GRANT CREATE USER ON *.* TO {managing};");
    let remedy = expect_refused(&shop, "no-right", &[&grant, &shop.second.name]);
    mends(&shop, &remedy);
}

fn without_the_right_to_read_accounts(engine: ShopEngine) {
    let Some(shop) = open(engine, "unread") else {
        return;
    };
    let managing = row(&shop.managing.name);
    shop.run_sql(&format!("REVOKE SELECT ON mysql.* FROM {managing}"));
    let grant = format!("as an administrator: GRANT SELECT ON mysql.* TO {managing};");
    let remedy = expect_refused(&shop, "no-right", &[&grant]);
    mends(&shop, &remedy);
}

/// MySQL protects users that have SYSTEM_USER from whoever has not.
#[test]
fn a_protected_user_on_mysql() {
    let Some(shop) = open(ShopEngine::MySql, "protected") else {
        return;
    };
    for account in [&shop.first, &shop.second] {
        let row = row(&account.name);
        shop.run_sql(&format!("GRANT SYSTEM_USER ON *.* TO {row}"));
    }
    let managing = row(&shop.managing.name);
    let grant = format!("GRANT SYSTEM_USER ON *.* TO {managing};");
    let remedy = expect_refused(&shop, "no-right", &[&grant]);
    mends(&shop, &remedy);
}

fn a_read_only_server(engine: ShopEngine) {
    let options = ShopOptions {
        own_server: true,
        ..ShopOptions::default()
    };
    let Some(shop) = Shop::open_on(engine, "readonly", options) else {
        return;
    };
    let settings: &[&str] = match engine {
        ShopEngine::MySql => &["read_only", "super_read_only"],
        _ => &["read_only"],
    };
    for setting in settings {
        shop.run_sql(&format!("SET GLOBAL {setting} = ON"));
        let told = ["read_only", "name the primary in `inputs.database.host`"];
        expect_refused(&shop, "no-right", &told);
    }
    shop.run_sql("SET GLOBAL read_only = OFF");
    expect_rotated(&shop);
}

fn an_idle_user_that_does_not_exist(engine: ShopEngine) {
    let Some(shop) = open(engine, "absent") else {
        return;
    };
    let second = row(&shop.second.name);
    shop.run_sql(&format!("DROP USER {second}"));
    let create = format!("CREATE USER {second} IDENTIFIED BY …;");
    expect_refused(&shop, "no-such-user", &["does not exist", &create]);
    shop.create_user(&shop.second);
    expect_rotated(&shop);
}

fn an_idle_user_that_is_locked(engine: ShopEngine) {
    let Some(shop) = open(engine, "locked") else {
        return;
    };
    let second = row(&shop.second.name);
    shop.run_sql(&format!("ALTER USER {second} ACCOUNT LOCK"));
    let unlock = format!("ALTER USER {second} ACCOUNT UNLOCK;");
    let remedy = expect_refused(&shop, "no-such-user", &[&unlock, "may not log in"]);
    mends(&shop, &remedy);
}

fn an_idle_user_that_takes_no_password(engine: ShopEngine) {
    let Some(shop) = open(engine, "socket") else {
        return;
    };
    let second = row(&shop.second.name);
    let (by, plugin, ours) = match engine {
        ShopEngine::MySql => ("WITH", "sha256_password", "caching_sha2_password"),
        _ => ("VIA", "unix_socket", "ed25519"),
    };
    shop.run_sql(&format!("ALTER USER {second} IDENTIFIED {by} {plugin}"));
    let remedy = format!("ALTER USER {second} IDENTIFIED {by} {ours} …;");
    expect_refused(&shop, "no-such-user", &[plugin, &remedy]);
    shop.set_password(&shop.second);
    expect_rotated(&shop);
}

fn an_idle_user_that_must_show_a_certificate(engine: ShopEngine) {
    let Some(shop) = open(engine, "x509") else {
        return;
    };
    let [first, second] = [&shop.first, &shop.second].map(|account| row(&account.name));
    shop.run_sql(&format!("ALTER USER {first} REQUIRE SSL"));
    shop.run_sql(&format!("ALTER USER {second} REQUIRE X509"));
    let statement = format!("ALTER USER {second} REQUIRE SSL;");
    let told = [&statement, "a client's certificate besides the password"];
    let remedy = expect_refused(&shop, "no-such-user", &told);
    mends(&shop, &remedy);
}

fn an_idle_user_that_serves_other_hosts(engine: ShopEngine) {
    let Some(shop) = open(engine, "elsewhere") else {
        return;
    };
    let name = &shop.second.name;
    shop.run_sql(&format!("RENAME USER `{name}`@`%` TO `{name}`@`10.%`"));
    let elsewhere = format!("`{name}`@`10.%`");
    let told = [&elsewhere, "no row that serves this host", "127.0.0.1"];
    expect_refused(&shop, "no-such-user", &told);
    shop.run_sql(&format!("RENAME USER `{name}`@`10.%` TO `{name}`@`%`"));
    expect_rotated(&shop);
}

fn what_the_idle_user_lacks_is_given_by_the_remedy(engine: ShopEngine) {
    // Each with the words that must be told of it.
    let common: &[(&str, &str)] = &[
        ("GRANT INSERT ON `we``ird`.* TO {first}", "INSERT"),
        ("ALTER USER {second} REQUIRE SSL", "SSL"),
        (
            "ALTER USER {second} WITH MAX_USER_CONNECTIONS 2",
            "MAX_USER_CONNECTIONS",
        ),
        (
            "ALTER USER {second} WITH MAX_QUERIES_PER_HOUR 900",
            "MAX_QUERIES_PER_HOUR",
        ),
    ];
    let roles: &[(&str, &str)] = match engine {
        ShopEngine::MySql => &[
            ("GRANT {role} TO {first}", "{role}"),
            (
                "GRANT {role} TO {first}, {second}; SET DEFAULT ROLE {role} TO {first}",
                "{role}",
            ),
        ],
        _ => &[
            ("GRANT {role} TO {first}", "{role}"),
            (
                "GRANT {role} TO {first}, {second}; SET DEFAULT ROLE {role} FOR {first}",
                "{role}",
            ),
        ],
    };
    for (statements, words) in common.iter().chain(roles) {
        let Some(shop) = open(engine, "lacks") else {
            return;
        };
        let role = format!("{}_role", shop.first.name);
        let fill = |text: &str| {
            text.replace("{first}", &row(&shop.first.name))
                .replace("{second}", &row(&shop.second.name))
                .replace("{role}", &role)
        };
        shop.run_sql(&format!(
            "CREATE DATABASE IF NOT EXISTS `we``ird`; CREATE ROLE {role}; \
             GRANT SELECT ON `we``ird`.* TO {role}"
        ));
        shop.run_sql(&fill(statements));
        let remedy = expect_refused(&shop, "twins-differ", &[&fill(words)]);
        println!("{statements}: {remedy}");
        mends(&shop, &remedy);
    }
}

/// An idle user's password may have expired, since the rotation gives it a new one; that
/// of the current user means that consumers are down.
fn a_current_user_whose_password_expired(engine: ShopEngine) {
    let Some(shop) = open(engine, "expired") else {
        return;
    };
    let [first, second] = [&shop.first, &shop.second].map(|account| row(&account.name));
    shop.run_sql(&format!("ALTER USER {second} PASSWORD EXPIRE"));
    shop.plan().expect_code(0);
    shop.rotate(&[]).expect_code(0);
    let current = shop.assert_current_logs_in("after the rotation");
    assert_eq!(current.name, shop.second.name);

    shop.run_sql(&format!("ALTER USER {second} PASSWORD EXPIRE"));
    let before = shop.stored_hash_of(&shop.first);
    for run in [shop.plan(), shop.rotate(&[])] {
        let result = result_of(&run.expect_code(5));
        assert!(names_case(&result, "current-dead"), "{result:#}");
    }
    let run = shop.run(&["recover", "shop/orders", "--explain"]);
    show(&run);
    expect_no_foreign_words(&run);
    let run = run.expect_code(5);
    run.expect_told(&["current-dead", "CONSUMERS DOWN", "expired"]);
    assert_eq!(shop.stored_hash_of(&shop.first), before, "nothing changed");
    shop.set_password(&shop.current());
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after an administrator set it again");
    shop.run_sql(&format!("ALTER USER {first} PASSWORD EXPIRE NEVER"));
}
