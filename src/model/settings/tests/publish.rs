//! Sinks as the settings name them.

use super::*;
use crate::model::settings::publish::{Then, ThenSignal};

#[test]
fn a_sink_is_a_file_a_template_an_owner_and_what_follows() {
    let settings = parse(
        "\
publish:
  - file: /run/orders/db.env
    template: |
      PASSWORD=${orders.db.current.password}
    owner: orders
    then: {signal: HUP, pidfile: /run/orders.pid}
  - file: /run/orders/url
    template: ${orders.url}
    then: {command: [systemctl, reload, orders]}
  - {file: /a, template: \"x\", owner: \"1000\"}
",
    )
    .expect("all of it is known");
    let [first, second, third] = settings.sinks() else {
        panic!("three sinks: {:?}", settings.sinks());
    };
    assert_eq!(first.file, "/run/orders/db.env");
    assert_eq!(first.template, "PASSWORD=${orders.db.current.password}\n");
    assert_eq!(first.owner.as_deref(), Some("orders"));
    let signal = ThenSignal::Hup;
    let pidfile = "/run/orders.pid".to_owned();
    assert_eq!(first.then, Some(Then::Signal { signal, pidfile }));
    let words = ["systemctl", "reload", "orders"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(second.then, Some(Then::Command(words)));
    assert_eq!((third.owner.as_deref(), &third.then), (Some("1000"), &None));
    assert!(parse("publish:").expect("nothing").sinks().is_empty());
}

#[test]
fn what_is_no_sink_is_refused_where_it_stands() {
    for (text, summary) in [
        ("{template: x}", "a sink needs a `file` and a `template`"),
        ("{file: /x}", "a sink needs a `file` and a `template`"),
        ("{}", "a sink needs a `file` and a `template`"),
        ("x", "expected object, got string"),
        (
            "{file: x, template: x}",
            "expected an absolute path of a file",
        ),
        (
            "{file: /, template: x}",
            "expected an absolute path of a file",
        ),
        (
            "{file: /a/, template: x}",
            "expected an absolute path of a file",
        ),
        (
            "{file: /a/../b, template: x}",
            "expected an absolute path of a file",
        ),
        (
            "{file: /a//b, template: x}",
            "expected an absolute path of a file",
        ),
        (
            "{file: \"/a\\nb\", template: x}",
            "there is a control character in it",
        ),
        (
            "{file: \"/${a}\", template: x}",
            "values of the environment have no place here, since others see it",
        ),
        (
            "{file: /x, template: x, then: {command: [a, \"${b}\"]}}",
            "values of the environment have no place here, since others see it",
        ),
        (
            "{file: /x, template: x, then: {command: []}}",
            "expected a program",
        ),
        (
            "{file: /x, template: x, then: {signal: HUP}}",
            "`then` is either a `signal` with its `pidfile`, or a `command`",
        ),
        (
            "{file: /x, template: x, then: {signal: HUP, pidfile: /p, command: [a]}}",
            "`then` is either a `signal` with its `pidfile`, or a `command`",
        ),
        (
            "{file: /x, template: x, then: {signal: KILL, pidfile: /p}}",
            "expected one of: HUP, USR1, USR2, INT, TERM",
        ),
        (
            "{file: /x, template: x, mode: 1}",
            "unknown property \"mode\"",
        ),
    ] {
        let found = findings(&format!("publish: [{text}]"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].0, summary, "{text}");
    }
    let twice = findings("publish: [{file: /x, template: a}, {file: /x, template: b}]");
    assert_eq!(twice[0].0, "/x stands here twice");
}
