//! What is noted and told of looks, some of which say nothing.

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn look(path: &str, role: &'static str, verdict: Drift) -> Look {
    Look {
        path: path.to_owned(),
        role: Some(role),
        verdict,
        is_mute: verdict == Drift::Unreachable,
        words: format!("{path}: {role} user is {}", verdict.as_str()),
    }
}

/// One look after the other; says of each whether it is told.
fn told(rows: &mut Vec<VerificationRow>, looks: &[Look]) -> bool {
    let next = row("one", rows.last(), looks, at(rows.len() as i64));
    let is_told = turned_bad(rows.last(), &next);
    rows.push(next);
    is_told
}

#[test]
fn the_worst_path_is_the_verdict_and_only_what_is_wrong_is_told() {
    let looks = [
        look("a", "current", Drift::AsExpected),
        look("b", "current", Drift::Unreachable),
        look("c", "previous", Drift::Drifted),
    ];
    let found = summary(&looks);
    assert_eq!(found.verdict, Drift::Drifted);
    let words = "b: current user is unreachable. c: previous user is drifted";
    assert_eq!(found.words, words);
    assert_eq!(summary(&[]).verdict, Drift::AsExpected);
    let many: Vec<Look> = (0..7)
        .map(|_| look("c", "previous", Drift::Drifted))
        .collect();
    assert!(summary(&many).words.contains("And 2 more"));
}

#[test]
fn what_is_wrong_is_told_once_though_nobody_answers_in_between() {
    let bad = [
        look("db", "current", Drift::AsExpected),
        look("db", "previous", Drift::Drifted),
    ];
    let silent = [
        look("db", "current", Drift::Unreachable),
        look("db", "previous", Drift::Unreachable),
    ];
    let both = [
        look("db", "current", Drift::CurrentDead),
        look("db", "previous", Drift::Drifted),
    ];
    let well = [
        look("db", "current", Drift::AsExpected),
        look("db", "previous", Drift::AsExpected),
    ];
    let mut rows = Vec::new();
    assert!(told(&mut rows, &bad));
    assert!(!told(&mut rows, &silent));
    let silent_row = rows.last().expect("a row").clone();
    assert_eq!(silent_row.verdict, "drifted");
    assert_eq!(silent_row.words, "db: previous user is drifted");
    assert_eq!(silent_row.verified_at, Some(at(0)));
    assert_eq!(silent_row.tried_at, at(1));
    assert!(!told(&mut rows, &bad));
    assert!(told(&mut rows, &both), "a second one is told");
    assert_eq!(rows.last().expect("a row").verdict, "current-dead");
    assert!(!told(&mut rows, &bad), "one of two is well again");
    assert!(!told(&mut rows, &well));
    let row = rows.last().expect("a row");
    assert_eq!(
        (row.verdict.as_str(), row.words.as_str()),
        ("as-expected", "")
    );
    assert!(told(&mut rows, &bad), "it was well in between");
}

#[test]
fn a_look_that_says_nothing_leaves_what_is_known() {
    let well = [look("db", "current", Drift::AsExpected)];
    let silent = [look("db", "current", Drift::Unreachable)];
    let mut rows = Vec::new();
    told(&mut rows, &silent);
    let first = rows.last().expect("a row");
    assert_eq!(
        (first.verdict.as_str(), first.verified_at),
        ("unreachable", None)
    );
    told(&mut rows, &well);
    told(&mut rows, &silent);
    let last = rows.last().expect("a row");
    assert_eq!(last.verdict, "as-expected");
    assert_eq!((last.verified_at, last.tried_at), (Some(at(1)), at(2)));
}

#[test]
fn what_is_well_again_is_not_bad_since_another_path_is_silent() {
    let bad = [
        look("a", "current", Drift::CurrentDead),
        look("b", "current", Drift::AsExpected),
    ];
    let half = [
        look("a", "current", Drift::AsExpected),
        look("b", "current", Drift::Unreachable),
    ];
    let mut rows = Vec::new();
    assert!(told(&mut rows, &bad));
    assert!(!told(&mut rows, &half));
    let last = rows.last().expect("a row");
    assert!(last.bad.is_empty());
    assert_eq!(last.verdict, "unreachable");
}
