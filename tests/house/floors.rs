//! A room may use only rooms on lower floors.

use crate::source::{Source, closing, tree, words};
use crate::{assert_found, assert_nothing_found};

/// Each room's height. A room may use itself and what is strictly lower.
const HEIGHTS: [(&str, u32); 18] = [
    ("untrusted", 0),
    ("secret", 0),
    ("document", 1),
    ("model", 2),
    ("environment", 10),
    ("rotation", 10),
    ("drain", 10),
    ("schedule", 10),
    ("process", 20),
    ("database", 21),
    ("store", 21),
    ("publish", 21),
    ("operations", 30),
    ("sandbox", 40),
    ("agent", 40),
    ("cli", 41),
    ("console", 41),
    ("main", 50),
];

/// Throw-away servers are for the command line's demo and for tests alone, and the console
/// samples by itself.
const NEVER: [(&str, &str); 2] = [("console", "sandbox"), ("console", "agent")];

fn height(room: &str) -> Option<u32> {
    HEIGHTS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, height)| *height)
}

/// Uses of rooms that are not lower, rooms without a floor, and ways out of a room by
/// `super`, which would pass this check by.
fn misplaced_uses(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let room = source.room();
        let Some(own) = height(room) else {
            found.push(format!("{}: the room {room} has no floor", source.path));
            continue;
        };
        for (line, used) in used_rooms(source) {
            let place = format!("{}:{line}", source.path);
            match height(&used) {
                _ if used == room => {}
                _ if NEVER.contains(&(room, used.as_str())) => {
                    found.push(format!("{place}: {room} must never use {used}"));
                }
                Some(its) if its < own => {}
                Some(_) => found.push(format!("{place}: {room} must not use {used}")),
                None => found.push(format!("{place}: {used} is no room")),
            }
        }
        for at in leaving_supers(source) {
            let line = source.line_of(at);
            found.push(format!("{}:{line}: super leaves {room}", source.path));
        }
    }
    found
}

/// What follows `crate::` (in the binary: `handover::`), with the line.
fn used_rooms(source: &Source) -> Vec<(usize, String)> {
    let root = if source.room() == "main" {
        "handover"
    } else {
        "crate"
    };
    let mut found = Vec::new();
    for at in words(&source.code, root) {
        let after = at + root.len();
        let Some(path) = source.code[after..].strip_prefix("::") else {
            continue;
        };
        let line = source.line_of(at);
        if path.starts_with('{') {
            let group = &path[1..closing(path, 0).saturating_sub(1)];
            for name in first_names(group) {
                found.push((line, name));
            }
        } else {
            found.push((line, identifier(path)));
        }
    }
    found
}

/// The first names of the members of a use group: `a, b::{c, d}` → `a`, `b`.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_i32;
    for member in group.split_inclusive([',', '{', '}']) {
        if depth == 0 {
            let name = identifier(member.trim_start());
            if !name.is_empty() {
                names.push(name);
            }
        }
        depth += match member.chars().next_back() {
            Some('{') => 1,
            Some('}') => -1,
            _ => 0,
        };
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// A chain of `super` that climbs as high as the crate's root or above.
fn leaving_supers(source: &Source) -> Vec<usize> {
    let parts = source.path.split('/').count();
    let is_folder_module = source.path.ends_with("/mod.rs");
    let depth = parts - usize::from(is_folder_module);
    words(&source.code, "super")
        .filter(|at| !source.code[..*at].ends_with("super::"))
        .filter(|at| {
            // `pub(super)` opens a thing for the parent; it uses nothing of it.
            source.code[*at..].starts_with("super::")
        })
        .filter(|at| {
            source.code[*at..]
                .split("::")
                .take_while(|part| *part == "super")
                .count()
                >= depth
        })
        .collect()
}

#[test]
fn rooms_use_only_rooms_on_lower_floors() {
    assert_nothing_found(&misplaced_uses(&tree()));
}

#[test]
fn a_use_of_a_higher_or_neighbouring_room_is_found() {
    let samples = [
        Source::new("store/mod.rs", "use crate::operations::open;"),
        Source::new("drain/mod.rs", "fn f() { crate::rotation::decide() }"),
        Source::new("cli/env.rs", "use crate::{model, console::{view}};"),
        Source::new("console/effects.rs", "use crate::sandbox::Demo;"),
        Source::new("cli/demo.rs", "use crate::sandbox::Demo;"),
        Source::new("attic/mod.rs", ""),
        Source::new("model/mod.rs", "use super::store::Store;"),
        Source::new("model/names.rs", "use super::super::store::Store;"),
        Source::new("database/mod.rs", "use crate::databse::x;"),
        Source::new("main.rs", "use handover::cli; use handover::console;"),
        Source::new(
            "operations/open.rs",
            "use super::progress; use crate::{store, database::{a, b}};",
        ),
    ];
    assert_found(
        &misplaced_uses(&samples),
        &[
            "store must not use operations",
            "drain must not use rotation",
            "cli must not use console",
            "console must never use sandbox",
            "attic has no floor",
            "model/mod.rs:1: super leaves model",
            "model/names.rs:1: super leaves model",
            "databse is no room",
        ],
    );
}
