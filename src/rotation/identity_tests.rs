//! Each answer by its name, and that a mark only rises.

use super::*;

fn server(system: &str, timeline: i64, position: i64, transaction: i64) -> ServerIdentity {
    ServerIdentity {
        flavour: Flavour::Postgresql,
        gtids: String::new(),
        system: system.to_owned(),
        timeline,
        position,
        transaction,
        version: 150_018,
    }
}

fn mark() -> ServerIdentity {
    server("7", 2, 1000, 50)
}

#[track_caller]
fn check(seen: &ServerIdentity, expected: ServerMatch, meaning: &str) {
    let mark = mark();
    assert_eq!(match_server(Some(&mark), seen), expected);
    match describe_server(Some(&mark), seen) {
        Some((_, words)) => assert!(!meaning.is_empty() && words.contains(meaning), "{words}"),
        None => assert_eq!(meaning, "", "something has to be said of {seen:?}"),
    }
}

#[test]
fn not_known() {
    assert_eq!(match_server(None, &mark()), ServerMatch::NotKnown);
    assert_eq!(describe_server(None, &mark()), None);
}

#[test]
fn same() {
    check(&mark(), ServerMatch::Same, "");
    check(&server("7", 2, 1001, 51), ServerMatch::Same, "");
    // A minor upgrade in place changes the version alone.
    let patched = ServerIdentity {
        version: 150_019,
        ..mark()
    };
    check(&patched, ServerMatch::Same, "");
}

#[test]
fn went_back() {
    check(&server("7", 2, 999, 50), ServerMatch::WentBack, "a clone");
    check(&server("7", 2, 999, 99), ServerMatch::WentBack, "a clone");
    check(
        &server("7", 2, 2000, 49),
        ServerMatch::WentBack,
        "that was written to",
    );
    check(
        &server("7", 1, 2000, 99),
        ServerMatch::WentBack,
        "former primary",
    );
}

#[test]
fn other() {
    check(&server("8", 2, 2000, 99), ServerMatch::Other, "another");
    check(&server("7", 3, 1000, 50), ServerMatch::Other, "a fail-over");
    check(
        &server("7", 3, 999, 50),
        ServerMatch::Other,
        "a point in time",
    );
    let upgraded = ServerIdentity {
        version: 170_002,
        ..server("8", 1, 5, 5)
    };
    check(&upgraded, ServerMatch::Other, "an upgrade");
}

#[test]
fn a_mark_is_raised_by_its_own_server_and_by_nobody_else() {
    let mark = mark();
    let raise = |seen: &ServerIdentity| raised(Some(&mark), seen);
    assert_eq!(raised(None, &mark), mark);
    assert_eq!(raise(&server("7", 2, 1500, 60)), server("7", 2, 1500, 60));
    for seen in [
        server("7", 2, 999, 60),
        server("7", 2, 1500, 49),
        server("7", 1, 1500, 60),
        server("7", 3, 1500, 60),
        server("8", 2, 1500, 60),
    ] {
        assert_eq!(raise(&seen), mark, "{seen:?}");
    }
}

/// A mark that an older version recorded has no transaction.
#[test]
fn a_mark_without_a_transaction_is_never_behind_it() {
    let text = r#"{"system":"7","timeline":2,"position":1000,"version":150018}"#;
    let old: ServerIdentity = serde_json::from_str(text).expect("is read");
    assert_eq!(match_server(Some(&old), &mark()), ServerMatch::Same);
    assert_eq!(raised(Some(&old), &mark()), mark());
}

#[test]
fn a_log_position_reads_as_the_server_writes_it() {
    assert_eq!(log_position(0x16_b374_d848), "16/B374D848");
    assert_eq!(log_position(0), "0/0");
}
