use super::*;

fn parse(text: &str) -> Result<Settings, Vec<Diagnostic>> {
    Settings::parse(&Document::load(text, "settings").expect("it is YAML"))
}

fn findings(text: &str) -> Vec<(String, usize, usize)> {
    parse(text)
        .expect_err("it is refused")
        .into_iter()
        .map(|found| {
            let place = found.place.expect("every finding has a place");
            (found.summary, place.line, place.column)
        })
        .collect()
}

fn path(text: &str) -> PropertyPath {
    text.parse().expect("a good path")
}

#[test]
fn without_a_document_the_defaults_are_safe() {
    let settings = Settings::default();
    let database = settings.database(&path("a"));
    assert_eq!(database.tls, TlsMode::VerifyFull);
    assert_eq!(database.propagation, Duration::from_secs(900));
    assert_eq!(database.quiet, Duration::from_secs(25 * 3600));
    assert_eq!(database.max_gap, Duration::from_secs(600));
    assert_eq!(database.sample, Duration::from_secs(5));
    assert_eq!(database.gate, Gate::Block);
    assert_eq!(database.retire.mode, RetireMode::Ask);
    assert_eq!(database.retire.listen, Duration::from_secs(24 * 3600));
    assert_eq!(database.retire.then, RetireEnd::Scramble);
    assert_eq!(database.monitor, None);
    assert!(settings.owners().is_empty());
    assert_eq!(database.twin, TwinCheck::Strict);
    assert!(database.nodes.is_empty() && database.poolers.is_empty());
    assert_eq!(
        parse("").expect("nothing is asked").database(&path("a")),
        database
    );
}

#[test]
fn an_entry_of_a_path_is_merged_deeply_over_that_of_all() {
    let text = "\
protect: production
databases:
  \"*\":
    tls: {mode: verify-full, ca: ./ca.pem}
    password: {length: 40, alphabet: url-safe}
    verify: {twin: warn, statements: [\"select 1\"]}
    drain: {propagation: 0s, quiet: 0s, gate: block}
    timeouts: {connect: 500ms}
  orders.db:
    tls: {mode: disable}
    timeouts: {lock: 2s}
publish: []
webhooks: []
owners: []
schedule: {paused: false}
";
    let settings = parse(text).expect("all of it is supported");
    assert_eq!(settings.protection(), Protection::Production);
    let database = settings.database(&path("orders.db"));
    assert_eq!(database.tls, TlsMode::Disable);
    assert_eq!(database.ca.as_deref(), Some("./ca.pem"));
    assert_eq!(database.password_length, 40);
    assert_eq!(database.propagation, Duration::ZERO);
    assert_eq!(database.connect_timeout, Duration::from_millis(500));
    assert_eq!(database.lock_timeout, Duration::from_secs(2));
    assert_eq!(database.statements, ["select 1"]);
    assert_eq!(database.twin, TwinCheck::Warn);
    assert_eq!(settings.database(&path("other")).tls, TlsMode::VerifyFull);
    let ca = ["databases".into(), "*".into(), "tls".into(), "ca".into()];
    assert_eq!(settings.files(), [(ca.to_vec(), "./ca.pem".to_owned())]);
}

#[test]
fn all_problems_are_reported_at_once_with_their_places() {
    let text = "\
protekt: production
databases:
  a:
    tls: {mode: prefer}
    password: {length: 8}
    timeouts: {connect: 5}
    drain: {propagation: soon}
";
    let expected = [
        (
            "unknown property \"protekt\"; did you mean \"protect\"?",
            1,
            1,
        ),
        (
            "expected one of: verify-full, verify-ca, require, disable",
            4,
            17,
        ),
        (
            "a password's length is a whole number from 16 to 128",
            5,
            24,
        ),
        ("expected a duration", 6, 25),
        ("expected a duration", 7, 26),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(summary, line, column)| (summary.to_owned(), line, column))
        .collect();
    assert_eq!(findings(text), expected);
}

#[test]
fn every_tls_mode_has_its_name() {
    for (name, mode) in [
        ("verify-full", TlsMode::VerifyFull),
        ("verify-ca", TlsMode::VerifyCa),
        ("require", TlsMode::Require),
        ("disable", TlsMode::Disable),
    ] {
        let text = format!("databases: {{a: {{tls: {{mode: {name}}}}}}}");
        let settings = parse(&text).expect("it is supported");
        assert_eq!(settings.database(&path("a")).tls, mode, "{name}");
    }
}

#[test]
fn an_authority_that_would_not_be_used_is_refused_where_it_stands() {
    for (text, line, column) in [
        ("databases: {a: {tls: {mode: require, ca: ./x}}}", 1, 42),
        ("databases: {a: {tls: {ca: ./x, mode: require}}}", 1, 27),
        ("databases: {\"*\": {tls: {mode: require, ca: ./x}}}", 1, 44),
        (
            "databases: {a: {tls: {ca: ./x}}, \"*\": {tls: {mode: require}}}",
            1,
            27,
        ),
    ] {
        let found = parse(text).expect_err("it is refused");
        assert_eq!(found.len(), 1, "{text}");
        let place = found[0].place.as_ref().expect("has a place");
        assert_eq!((place.line, place.column), (line, column), "{text}");
        let hint = found[0].hint.as_deref().unwrap_or_default();
        assert!(
            hint.contains("verify-ca") && hint.contains("remove"),
            "{hint}"
        );
    }
    for text in [
        "databases: {\"*\": {tls: {ca: ./x}}, a: {tls: {mode: require}}}",
        "databases: {\"*\": {tls: {mode: require}}, a: {tls: {mode: verify-ca, ca: ./x}}}",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn addresses_are_read_with_and_without_a_port() {
    let text = "databases: {a: {nodes: [Replica-1, replica-2:6543, \"[2001:DB8::1]:5433\", \
                \"[::1]\"], poolers: [10.0.0.7:6432]}, b: {nodes: []}, \"*\": {nodes: [x]}}";
    let settings = parse(text).expect("all are good");
    let shown =
        |nodes: &[Address]| -> Vec<String> { nodes.iter().map(ToString::to_string).collect() };
    let database = settings.database(&path("a"));
    assert_eq!(
        shown(&database.nodes),
        ["replica-1", "replica-2:6543", "[2001:db8::1]:5433", "[::1]"]
    );
    assert_eq!(shown(&database.poolers), ["10.0.0.7:6432"]);
    assert!(
        settings.database(&path("b")).nodes.is_empty(),
        "an empty list takes the nodes of all away"
    );
    assert_eq!(shown(&settings.database(&path("c")).nodes), ["x"]);
    let port = |engine: Engine| database.nodes[0].for_engine(engine).port;
    assert_eq!([port(Engine::Postgres), port(Engine::Mysql)], [5432, 3306]);
    assert_eq!(database.nodes[1].for_engine(Engine::Mysql).port, 6543);
}

#[test]
fn a_malformed_or_repeated_address_is_refused_where_it_stands() {
    for (address, summary) in [
        ("\":5432\"", "the host is missing"),
        ("x:0", "a port is a number from 1 to 65535"),
        ("x:65536", "a port is a number from 1 to 65535"),
        ("\"x:+1\"", "a port is a number from 1 to 65535"),
        ("\"x:\"", "a port is a number from 1 to 65535"),
        ("\"[::1]5432\"", "a port is a number from 1 to 65535"),
        ("\"2001:db8::1\"", "an IPv6 address stands in brackets"),
        ("\"[::1\"", "the brackets hold no IPv6 address"),
        ("\"[10.0.0.1]:1\"", "the brackets hold no IPv6 address"),
        (
            "\"a b:1\"",
            "a host has letters, digits, `-`, `_` and `.` alone",
        ),
        ("/tmp", "a host has letters, digits, `-`, `_` and `.` alone"),
        (
            "\"me@x:1\"",
            "a host has letters, digits, `-`, `_` and `.` alone",
        ),
        ("GOOD", "good stands here twice"),
    ] {
        for list in ["nodes", "poolers"] {
            let text = format!("databases:\n  a:\n    {list}:\n      - good\n      - {address}\n");
            assert_eq!(findings(&text), [(summary.to_owned(), 5, 9)], "{text}");
            assert!(
                parse(&text).expect_err("it is refused")[0].hint.is_some(),
                "{text}"
            );
        }
    }
    let many = "databases: {a: {nodes: [x:0, y:0]}}";
    assert_eq!(findings(many).len(), 2, "all problems at once");
}

/// What an address without a port means is known with the engine alone.
#[test]
fn an_address_with_a_port_and_without_is_a_double_where_that_port_is_the_usual_one() {
    let settings = parse(
        "databases:\n  \"*\":\n    nodes: [x, \"x:3306\"]\n  a:\n    poolers: [\"y:5432\", y, \"y:1\"]\n",
    )
    .expect("both may be meant");
    let found = |secrets: &[(&str, Engine)]| -> Vec<String> {
        let secrets: Vec<_> = secrets
            .iter()
            .map(|(text, engine)| (path(text), *engine))
            .collect();
        let found = settings.check_addresses(&secrets).into_iter();
        found
            .map(|one| {
                assert!(one.place.is_some() && one.hint.is_some(), "{one:?}");
                one.summary
            })
            .collect()
    };
    let on_mysql = "x:3306 stands here twice: without a port it is 3306";
    let on_postgres = "y stands here twice: without a port it is 5432";
    assert_eq!(found(&[("a", Engine::Mysql)]), [on_mysql]);
    assert_eq!(found(&[("a", Engine::Postgres)]), [on_postgres]);
    assert_eq!(found(&[("b", Engine::Postgres)]), [""; 0]);
    assert_eq!(
        found(&[("a", Engine::Postgres), ("b", Engine::Mysql)]),
        [on_postgres, on_mysql]
    );
}

#[test]
fn a_check_of_twins_is_strict_or_a_warning() {
    let text = "databases: {a: {verify: {twin: off}}}";
    assert_eq!(
        findings(text),
        [("expected one of: strict, warn".to_owned(), 1, 32)]
    );
}

#[test]
fn what_asks_for_nothing_is_nothing() {
    let silent =
        "schedule: {}\nowners: \ndatabases: {a: {nodes: [], poolers: , retire: , monitor: }}";
    assert!(parse(silent).is_ok_and(|settings| settings.schedule().is_none()));
}

#[test]
fn an_entry_for_nothing_is_an_error_with_a_guess() {
    let settings = parse("databases: {\"*\": {}, order.db: {}}").expect("it is well formed");
    let found = settings.check_paths(&[path("orders.db")]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].hint.as_deref(),
        Some("did you mean \"orders.db\"?")
    );
    assert!(settings.check_paths(&[path("order.db")]).is_empty());
}

#[test]
fn durations_have_units() {
    assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(duration("0s"), Some(Duration::ZERO));
    for text in [
        "",
        "5",
        "s",
        "5 s",
        "-1s",
        "1.5h",
        "99999999999999999999s",
        "9999999999999999999h",
        "5é",
    ] {
        assert_eq!(duration(text), None, "{text}");
    }
}

mod overlap;
mod publish;
mod schedule;
mod webhooks;
