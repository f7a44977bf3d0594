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
    assert_eq!(database.gate, Gate::Block);
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
    verify: {twin: off, statements: [\"select 1\"]}
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
fn what_is_not_built_is_refused_only_when_it_asks_for_something() {
    for text in [
        "schedule: {cron: 0 3 * * SUN}",
        "publish: [x]",
        "webhooks: [{url: x}]",
        "owners: [{}]",
        "databases: {a: {nodes: [x:1]}}",
        "databases: {a: {poolers: [x:1]}}",
        "databases: {a: {tls: {mode: require}}}",
        "databases: {a: {verify: {twin: strict}}}",
        "databases: {a: {drain: {quiet: 25h}}}",
        "databases: {a: {drain: {sample: 5s}}}",
        "databases: {a: {drain: {max-gap: 10m}}}",
        "databases: {a: {retire: {mode: ask, listen: 24h, then: scramble}}}",
        "databases: {a: {monitor: \"${a.b}\"}}",
    ] {
        let found = findings(text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].0.ends_with("is not supported yet"), "{found:?}");
    }
    let silent =
        "schedule: {}\ndatabases: {a: {nodes: [], poolers: , retire: {mode: none}, monitor: }}";
    assert!(parse(silent).is_ok());
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
