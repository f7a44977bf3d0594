//! Pure rooms name no runtime, file system, environment, network, process, clock or
//! source of randomness: they get all that as arguments.

use crate::source::{Source, closing, tree, words};
use crate::{assert_found, assert_nothing_found};

const PURE_ROOMS: [&str; 8] = [
    "rotation",
    "drain",
    "schedule",
    "environment",
    "model",
    "document",
    "secret",
    "untrusted",
];

/// Parts of the console that are pure as well.
const PURE_PARTS: [&str; 4] = [
    "console/view/",
    "console/view.rs",
    "console/update/",
    "console/update.rs",
];

const FORBIDDEN: [&str; 16] = [
    "tokio",
    "tokio_postgres",
    "rusqlite",
    "nix",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "getrandom",
    "etcetera",
];

/// Modules of the standard library that a grouped use would smuggle in.
const FORBIDDEN_IN_STD: [&str; 5] = ["fs", "env", "net", "process", "thread"];

/// What drawing and deciding in the console must not know, beyond what purity forbids.
/// Reports of operations are data and may be drawn; running an operation takes a
/// workspace.
const FORBIDDEN_IN_CONSOLE: [&str; 9] = [
    "Effects",
    "console::effects",
    "console::terminal",
    "crossterm",
    "crate::database",
    "crate::store",
    "crate::publish",
    "crate::process",
    "Workspace",
];

fn impurities(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let console = PURE_PARTS.iter().any(|part| source.path.starts_with(part));
        if !console && !PURE_ROOMS.contains(&source.room()) {
            continue;
        }
        let more: &[&str] = if console { &FORBIDDEN_IN_CONSOLE } else { &[] };
        for name in FORBIDDEN.iter().chain(more) {
            for at in words(&source.code, name) {
                let line = source.line_of(at);
                found.push(format!("{}:{line}: names {name}", source.path));
            }
        }
        for at in words(&source.code, "std") {
            let Some(path) = source.code[at..].strip_prefix("std::{") else {
                continue;
            };
            let group = &source.code[at..at + 5 + closing(&source.code[at + 5..], 0)];
            for name in FORBIDDEN_IN_STD {
                if !path.is_empty() && words(group, name).next().is_some() {
                    let line = source.line_of(at);
                    found.push(format!("{}:{line}: names std::{name}", source.path));
                }
            }
        }
    }
    found
}

#[test]
fn pure_rooms_name_no_effect_and_no_clock() {
    assert_nothing_found(&impurities(&tree()));
}

#[test]
fn an_effect_in_a_pure_room_is_found() {
    let samples = [
        Source::new("rotation/decide.rs", "fn f() { std::fs::read(p) }"),
        Source::new("model/mod.rs", "use std::{fmt, env};"),
        Source::new("untrusted.rs", "fn f() { Instant::now() }"),
        Source::new("console/view/home.rs", "use crate::store::Revision;"),
        Source::new(
            "console/effects.rs",
            "use crate::store::Revision; use tokio::sync;",
        ),
        Source::new(
            "drain/mod.rs",
            "// tokio\nuse std::{fmt, collections::BTreeMap};",
        ),
        Source::new(
            "schedule/mod.rs",
            "#[cfg(test)]\nmod tests { use std::fs; }",
        ),
    ];
    assert_found(
        &impurities(&samples),
        &[
            "rotation/decide.rs:1: names std::fs",
            "model/mod.rs:1: names std::env",
            "untrusted.rs:1: names Instant::now",
            "console/view/home.rs:1: names crate::store",
        ],
    );
}
