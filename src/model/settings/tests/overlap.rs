//! What holds between promote and retire.

use super::*;

#[test]
fn drain_retire_and_monitor_are_merged_field_by_field() {
    let settings = parse(
        "\
databases:
  \"*\":
    drain: {quiet: 2h, max-gap: 1m, sample: 500ms, gate: block}
    retire: {mode: lock, listen: 0s, then: keep}
    monitor: ${environments.shop.managing.monitor}
  a:
    drain: {sample: 30s}
    retire: {mode: none}
    monitor: ${[\"monitor.login\"]}
  b:
    monitor:
",
    )
    .expect("all of it is supported");
    let of = |text: &str| settings.database(&path(text));
    let all = of("other");
    assert_eq!(all.quiet, Duration::from_secs(7200));
    assert_eq!(all.max_gap, Duration::from_secs(60));
    assert_eq!(all.sample, Duration::from_millis(500));
    let retire = Retire {
        mode: RetireMode::Lock,
        listen: Duration::ZERO,
        then: RetireEnd::Keep,
    };
    assert_eq!(all.retire, retire);
    let monitor = "${environments.shop.managing.monitor}";
    assert_eq!(all.monitor.as_deref(), Some(monitor));
    let own = of("a");
    assert_eq!((own.quiet, own.max_gap), (all.quiet, all.max_gap));
    assert_eq!(own.sample, Duration::from_secs(30));
    let mode = RetireMode::None;
    assert_eq!(own.retire, Retire { mode, ..retire });
    assert_eq!(own.monitor.as_deref(), Some("${[\"monitor.login\"]}"));
    assert_eq!(of("b").monitor.as_deref(), Some(monitor));
    for (word, mode) in [
        ("ask", RetireMode::Ask),
        ("lock", RetireMode::Lock),
        ("none", RetireMode::None),
    ] {
        let text = format!("databases: {{a: {{retire: {{mode: {word}, then: scramble}}}}}}");
        let found = parse(&text).expect("a mode").database(&path("a")).retire;
        assert_eq!((found.mode, found.then), (mode, RetireEnd::Scramble));
    }
}

#[test]
fn what_cannot_be_a_drain_or_a_retirement_is_refused_where_it_stands() {
    for (text, summary, column) in [
        (
            "drain: {sample: 99ms}",
            "the time between samples is 100ms or longer",
            17,
        ),
        (
            "drain: {sample: 0s}",
            "the time between samples is 100ms or longer",
            17,
        ),
        ("drain: {quiet: never}", "expected a duration", 16),
        ("drain: {gate: open}", "expected one of: block", 15),
        ("drain: {gap: 1s}", "unknown property \"gap\"", 9),
        (
            "retire: {mode: drop}",
            "expected one of: ask, lock, none",
            16,
        ),
        (
            "retire: {then: drop}",
            "expected one of: scramble, keep",
            16,
        ),
        ("retire: {listen: 5}", "expected a duration", 18),
        (
            "retire: {when: 5s}",
            "unknown property \"when\"; did you mean \"then\"?",
            10,
        ),
    ] {
        let text = format!("databases:\n  a: {{\n{text}}}\n");
        assert_eq!(findings(&text), [(summary.to_owned(), 3, column)], "{text}");
    }
    assert!(parse("databases: {a: {drain: {sample: 100ms, quiet: 0s}}}").is_ok());
}

#[test]
fn a_gap_has_room_for_two_samples() {
    for (text, line, column) in [
        ("a: {drain: {max-gap: 9999ms}}", 2, 24),
        ("a: {drain: {sample: 301s}}", 2, 23),
        ("a: {drain: {sample: 1m, max-gap: 119s}}", 2, 36),
        ("a: {drain: {max-gap: 0s}}", 2, 24),
        ("\"*\": {drain: {sample: 6m}}", 2, 25),
        (
            "\"*\": {drain: {sample: 1m, max-gap: 2m}}\n  a: {drain: {max-gap: 1m}}",
            3,
            24,
        ),
        (
            "a: {drain: {sample: 2m}}\n  \"*\": {drain: {max-gap: 1m}}",
            2,
            23,
        ),
    ] {
        let text = format!("databases:\n  {text}\n");
        let found = parse(&text).expect_err("it is refused");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let place = found[0].place.as_ref().expect("has a place");
        assert_eq!((place.line, place.column), (line, column), "{text}");
        assert!(
            found[0].summary.contains("shorter than two samples"),
            "{found:?}"
        );
        let hint = found[0].hint.as_deref().unwrap_or_default();
        assert!(hint.starts_with("write max-gap: "), "{hint}");
    }
    let exactly = "databases: {a: {drain: {sample: 250ms, max-gap: 500ms}}}";
    assert!(parse(exactly).is_ok());
    let mended = "databases: {\"*\": {drain: {max-gap: 1h}}, a: {drain: {sample: 30m}}}";
    assert!(parse(mended).is_ok(), "what all have is what counts");
    let needed = parse("databases: {a: {drain: {max-gap: 1s, sample: 750ms}}}");
    let hint = needed.expect_err("it is refused")[0].hint.clone();
    assert!(hint.is_some_and(|hint| hint.contains("max-gap: 1500ms")));
}

#[test]
fn a_monitor_is_a_reference_since_settings_hold_no_secrets() {
    for monitor in [
        "{username: watcher, password: {fn::secret: a-watching-password}}",
        "[watcher]",
        "watcher",
        "\"\"",
        "7",
        "true",
        "\"${a\"",
        "\"${a} b\"",
        "\"x${a}\"",
        "\"${a}${b}\"",
        "\"${}\"",
        "\"$${a}\"",
    ] {
        let text = format!("databases:\n  a:\n    monitor: {monitor}\n");
        let found = parse(&text).expect_err("it is refused");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].summary, "expected a reference to a login");
        let hint = found[0].hint.as_deref().unwrap_or_default();
        assert!(hint.contains("settings hold no secrets"), "{hint}");
        let place = found[0].place.as_ref().expect("has a place");
        assert_eq!((place.line, place.column), (3, 14), "{text}");
    }
}

#[test]
fn owners_say_whom_to_call_in_the_order_of_the_document() {
    let settings = parse(
        "\
owners:
  - {match: {application: \"orders-*\"}, contact: \"#orders\"}
  - match: {client: 10.1.2.3/8}
    contact: Alice, 4711
  - {match: {application: x, client: \"2001:db8::7\"}, contact: y}
",
    )
    .expect("all are good");
    let network = |text: &str| Some(text.parse().expect("a network"));
    let note = |application: Option<&str>, client, contact: &str| OwnerNote {
        application: application.map(str::to_owned),
        client,
        contact: contact.to_owned(),
    };
    let expected = [
        note(Some("orders-*"), None, "#orders"),
        note(None, network("10.0.0.0/8"), "Alice, 4711"),
        note(Some("x"), network("2001:db8::7/128"), "y"),
    ];
    assert_eq!(settings.owners(), expected);
}

#[test]
fn an_owner_that_says_nothing_or_something_else_is_refused_where_it_stands() {
    let needs = "an owner needs a `match` that is not empty, and a `contact`";
    for (owner, summary, column) in [
        ("{}", needs, 5),
        ("{contact: x}", needs, 5),
        ("{match: {}, contact: x}", needs, 5),
        ("{match: , contact: x}", needs, 5),
        ("{match: {application: x}}", needs, 5),
        (
            "{match: {application: \"\"}, contact: x}",
            "expected a string that is not empty, got string",
            27,
        ),
        (
            "{match: {application: x}, contact: [x]}",
            "expected a string that is not empty, got array",
            40,
        ),
        (
            "{match: {client: 10.0.0.0/33}, contact: x}",
            "expected a network",
            22,
        ),
        (
            "{match: {client: orders}, contact: x}",
            "expected a network",
            22,
        ),
        (
            "{match: {user: x}, contact: x}",
            "unknown property \"user\"",
            14,
        ),
        (
            "{match: {client: 10.0.0.7}, contact: x, who: y}",
            "unknown property \"who\"",
            45,
        ),
        ("x", "expected object, got string", 5),
    ] {
        let text = format!("owners:\n  - {owner}\n");
        assert_eq!(findings(&text), [(summary.to_owned(), 2, column)], "{text}");
    }
    assert_eq!(
        findings("owners: {a: b}"),
        [("expected array, got object".to_owned(), 1, 9)]
    );
    assert_eq!(
        findings("owners: [{}, {}]").len(),
        2,
        "all problems at once"
    );
}
