//! The invariants of the house, checked by reading the source tree: which room may use
//! which, what the pure ones may not name, where SQL lives, what a type that holds a
//! secret may derive, and how long a file may grow.
//!
//! Test code within the sources is left out. Each check is a function over source files,
//! so that beside the real tree it also reads a small bad sample: a check that could not
//! fail would guard nothing.

mod cases;
mod faults;
mod floors;
mod purity;
mod secrets;
mod source;
mod statements;

use source::Source;

/// Files longer than [`LONGEST`], each with the reason why it is not divided.
const LONG_FILES: [(&str, &str); 0] = [];

/// Lines of a file, its tests left out.
const LONGEST: usize = 500;

fn too_long(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| LONG_FILES.iter().all(|(path, _)| *path != source.path))
        .filter(|source| source.code.trim_end().lines().count() > LONGEST)
        .map(|source| format!("{}: longer than {LONGEST} lines", source.path))
        .collect()
}

#[track_caller]
fn assert_nothing_found(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[track_caller]
fn assert_found(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for text in expected {
        assert!(
            found.iter().any(|finding| finding.contains(text)),
            "`{text}` is not found: {found:#?}"
        );
    }
}

#[test]
fn the_tree_is_really_read() {
    let sources = source::tree();
    for path in ["lib.rs", "main.rs", "secret/mod.rs"] {
        assert!(
            sources.iter().any(|source| source.path == path),
            "{path} was not read"
        );
    }
}

#[test]
fn no_file_is_too_long_without_a_reason() {
    assert_nothing_found(&too_long(&source::tree()));
    for (path, reason) in LONG_FILES {
        assert!(!reason.is_empty(), "{path} is listed without a reason");
    }
    let long = "fn f() {}\n".repeat(LONGEST + 1);
    let short = format!(
        "fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        "fn f() {}\n".repeat(LONGEST)
    );
    let samples = [
        Source::new("store/long.rs", &long),
        Source::new("store/short.rs", &short),
    ];
    assert_found(&too_long(&samples), &["store/long.rs"]);
}
