//! The table of cases at the end of a test run knows every case of the decision table.

use std::fs;
use std::path::Path;
use std::process::Command;

use handover::rotation::Case;

const LIST: &str = include_str!("../cases.txt");

/// The columns of each line that is no comment.
fn lines() -> Vec<[&'static str; 4]> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            columns.try_into().unwrap_or_else(|columns: Vec<&str>| {
                panic!("not four columns, but {}: {line}", columns.len())
            })
        })
        .collect()
}

#[test]
fn the_list_names_exactly_the_cases_of_the_decision_table() {
    let listed: Vec<&str> = lines().iter().map(|[name, ..]| *name).collect();
    let cases: Vec<&str> = Case::ALL.into_iter().map(Case::name).collect();
    assert_eq!(listed, cases, "tests/cases.txt");
}

#[test]
fn each_case_is_named_where_the_list_says() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for [name, places, _, _] in lines() {
        assert!(!places.is_empty(), "{name} is brought about nowhere");
        for place in places.split(' ') {
            let file = tests.join(place);
            let text = fs::read_to_string(&file);
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let named = format!("\"{name}\"");
            assert!(text.contains(&named), "{place} does not name {name}");
        }
    }
}

/// The second pass is on PostgreSQL 18, where each case stands in a column of its own.
#[test]
fn what_brings_a_case_about_is_run_on_postgres_18_too() {
    let script = include_str!("../on-postgres-18.sh");
    let skipped = |binary: &str| {
        let run = script.split("cargo test").find(|run| run.contains(binary));
        let mut words = run.expect("runs it").split_whitespace();
        let mut skipped = Vec::new();
        while let Some(word) = words.next() {
            if word == "--skip" {
                skipped.extend(words.next());
            }
        }
        assert!(!skipped.is_empty(), "{binary}: the script is read wrongly");
        skipped
    };
    let live = skipped("--test live");
    let matrix = skipped("--test crash_matrix");
    for [name, places, _, _] in lines() {
        let runs = |place: &str| {
            let (binary, file) = place.split_once('/').expect("a folder");
            let skipped = if binary == "live" { &live } else { &matrix };
            let module = file.replace(".rs", "::");
            !skipped.iter().any(|part| module.contains(part))
        };
        let anywhere = places.split(' ').any(runs);
        assert!(anywhere, "{name} is left out on PostgreSQL 18: {places}");
    }
}

/// What the script answers to notes of a run: whether it is content, and what it prints.
fn table(notes: &str, left_out: &str) -> (bool, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("cases-{}-{}", std::process::id(), left_out.len()));
    fs::write(&file, notes).expect("writes");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/table-of-cases.sh");
    let output = Command::new("sh")
        .arg(script)
        .env("HANDOVER_CASES", &file)
        .env("HANDOVER_TESTS_WITHOUT", left_out)
        .output()
        .expect("runs sh");
    fs::remove_file(&file).expect("removes");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("is text");
    (output.status.success(), text)
}

fn notes(engines: &[&str]) -> String {
    let mut text = String::new();
    for [name, _, _, cannot] in lines() {
        let nowhere = cannot.split(':').next().unwrap_or_default();
        for engine in engines {
            if !nowhere.split(' ').any(|one| one == *engine) {
                text.push_str(&format!("{engine}\t{name}\n"));
            }
        }
    }
    text
}

#[test]
fn the_table_is_content_with_a_whole_run_alone() {
    let whole = notes(&["postgres", "postgres-18", "mysql", "mariadb"]);
    let (content, text) = table(&whole, "");
    assert!(content, "{text}");
    assert!(!text.contains("MISSING") && text.contains(" ok"), "{text}");
    assert!(
        text.contains("– waiting-for-standby on mysql mariadb: "),
        "{text}"
    );

    let (content, text) = table(&whole.replace("mariadb\tapplied\n", ""), "");
    assert!(!content, "{text}");
    assert_eq!(text.matches("MISSING").count(), 2, "{text}");

    let (content, text) = table(&notes(&["postgres"]), "postgres-18 mysql mariadb");
    assert!(content, "{text}");
    assert!(text.contains("LEFT OUT"), "{text}");

    let (content, text) = table(&format!("{whole}mysql\tno-such-case\n"), "");
    assert!(!content && text.contains("no-such-case"), "{text}");
}
