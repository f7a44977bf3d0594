//! What makes no sense for the environment that a schedule is of.

use chrono::{DateTime, Utc};

use super::{cautions, check};
use crate::document::{Document, PropertyPath};
use crate::model::settings::Settings;

fn settings(schedule: &str, drain: &str) -> Settings {
    let text = format!(
        "databases:\n  \"*\":\n    drain: {{{drain}}}\n  orders.db:\n    drain: {{propagation: 1h}}\n\
         schedule: {{{schedule}}}\n"
    );
    let document = Document::load(&text, "settings").expect("it is YAML");
    Settings::parse(&document).expect("is good")
}

fn now() -> DateTime<Utc> {
    "2026-03-01T00:00:00Z".parse().expect("a time")
}

fn paths(names: &[&str]) -> Vec<PropertyPath> {
    let parse = |name: &&str| name.parse().expect("a path");
    names.iter().map(parse).collect()
}

fn findings(schedule: &str) -> Vec<(String, String)> {
    let settings = settings(schedule, "propagation: 15m, quiet: 25h");
    let found = check(&settings, &paths(&["billing.db", "orders.db"]), now());
    let told = found.into_iter().map(|one| {
        let place = one.place.expect("has a place");
        assert_eq!(place.line, 6, "{}", one.summary);
        (one.summary, one.hint.expect("says what to do"))
    });
    told.collect()
}

#[test]
fn a_schedule_that_makes_sense_is_taken() {
    for schedule in [
        "cron: 0 3 * * SUN",
        "cron: 30 2 * * *, timezone: Europe/Berlin, window: 24h",
        "every: 2h",
        "cron: 30 2 29 2 *",
        "once: 2027-01-10 03:00, jitter: 1h",
        "cron: 0 */2 * * *, jitter: 119m",
    ] {
        assert_eq!(findings(schedule), [], "{schedule}");
    }
    let nothing = Settings::default();
    assert!(check(&nothing, &[], now()).is_empty());
    assert!(cautions(&nothing, &[], now()).is_empty());
}

#[test]
fn a_period_shorter_than_twice_the_slowest_propagation_is_refused_by_its_path() {
    for schedule in [
        "every: 119m",
        "cron: 0 * * * *",
        "cron: 0 3-4 * * *",
        "cron: \"*/15 * * * *\"",
    ] {
        let found = findings(schedule);
        assert_eq!(found.len(), 1, "{schedule}: {found:?}");
        let (summary, hint) = &found[0];
        assert!(
            summary.contains("twice the 1h that consumers of orders.db"),
            "{summary}"
        );
        assert!(hint.contains("let 2h or more pass"), "{hint}");
    }
    // Twice a year an hour lies between two that are two hours apart.
    let found = findings("cron: \"30 1,3 * * *\", timezone: Europe/Berlin");
    assert_eq!(found.len(), 1, "{found:?}");
    let of_billing = settings("every: 30m", "propagation: 15m");
    assert!(check(&of_billing, &paths(&["billing.db"]), now()).is_empty());
}

#[test]
fn windows_and_jitter_that_reach_the_next_occurrence_are_refused() {
    for (schedule, part) in [
        ("every: 3h, window: 5h", "`window` is longer than the 3h"),
        (
            "cron: 0 3 * * *, window: 26h",
            "`window` is longer than the 1d",
        ),
        ("cron: 0 3 * * *, jitter: 2h", "usual window of 2h"),
        ("once: 2027-01-10 03:00, jitter: 3h", "usual window of 2h"),
        (
            "every: 3h, jitter: 3h",
            "`jitter` is not shorter than the 3h",
        ),
        (
            "cron: 0 */2 * * *, window: 3h, jitter: 2h",
            "`jitter` is not shorter than the 2h",
        ),
    ] {
        let found = findings(schedule);
        assert_eq!(found.len(), 1, "{schedule}: {found:?}");
        assert!(found[0].0.contains(part), "{schedule}: {found:?}");
    }
}

#[test]
fn without_a_rotated_secret_nothing_would_be_rotated() {
    let settings = settings("every: 30d", "propagation: 15m");
    let found = check(&settings, &[], now());
    assert_eq!(found.len(), 1);
    assert!(found[0].summary.contains("no rotated secret"), "{found:?}");
}

#[test]
fn a_gate_that_will_be_shut_is_cautioned_of() {
    let daily = settings("every: 1d", "propagation: 15m, quiet: 25h");
    let told = cautions(&daily, &paths(&["billing.db", "orders.db"]), now());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("billing.db is drained"), "{told:?}");
    assert!(told[1].contains("recurs after 1d"), "{told:?}");
    let weekly = settings("cron: 0 3 * * SUN", "propagation: 15m, quiet: 25h");
    assert!(cautions(&weekly, &paths(&["billing.db"]), now()).is_empty());
    let once = settings("once: 2027-01-10 03:00", "quiet: 25h");
    assert!(cautions(&once, &paths(&["billing.db"]), now()).is_empty());
}
