//! Several ends become one report: its status, its exit code, its error and its revision.

use super::*;

fn environment() -> EnvironmentName {
    "shop/orders".parse().expect("a name")
}

/// An end of a path, with the error that its outcome has in practice.
fn end(path: &str, status: PathOutcome, exit: Exit) -> PathEnd {
    let mut report = PathReport::new(path.to_owned(), status, Step::Preflight);
    let is_well = matches!(
        status,
        PathOutcome::Planned | PathOutcome::Done | PathOutcome::Abandoned
    );
    report.error = (!is_well).then(|| ErrorReport {
        code: format!("code-of-{path}"),
        message: format!("message of {path}"),
        remedy: format!("remedy of {path}"),
    });
    (report, exit)
}

const PLANNED: (PathOutcome, Exit) = (PathOutcome::Planned, Exit::Done);
const DONE: (PathOutcome, Exit) = (PathOutcome::Done, Exit::Done);
const ABANDONED: (PathOutcome, Exit) = (PathOutcome::Abandoned, Exit::Done);
/// Ended by `recover`, as it was asked to.
const ENDED: (PathOutcome, Exit) = (PathOutcome::Aborted, Exit::Done);
/// Ended by `rotate`, which was asked for something else.
const ABORTED: (PathOutcome, Exit) = (PathOutcome::Aborted, Exit::Refused);
const REFUSED: (PathOutcome, Exit) = (PathOutcome::Refused, Exit::Refused);
const PARKED: (PathOutcome, Exit) = (PathOutcome::Parked, Exit::NeedsHuman);
const SILENT: (PathOutcome, Exit) = (PathOutcome::Unreachable, Exit::Unreachable);
const FAILED: (PathOutcome, Exit) = (PathOutcome::Failed, Exit::Error);
/// Stopped by a signal before S3 and after it.
const STOPPED_EARLY: (PathOutcome, Exit) = (PathOutcome::Interrupted, Exit::Refused);
const STOPPED_LATE: (PathOutcome, Exit) = (PathOutcome::Interrupted, Exit::NeedsHuman);

/// Checks in every order, since a report must not depend on it.
#[track_caller]
fn check(ends: &[(PathOutcome, Exit)], status: HandOverStatus, exit: Exit, error: Option<&str>) {
    for turned in 0..ends.len().max(1) {
        let mut named: Vec<PathEnd> = ends
            .iter()
            .zip(["a", "b", "c", "d"])
            .map(|((status, exit), path)| end(path, *status, *exit))
            .collect();
        // An empty list cannot be turned.
        let by = turned.min(named.len());
        named.rotate_left(by);
        let report = together(&environment(), named);
        let code = report.error.as_ref().map(|error| error.code.as_str());
        assert_eq!(
            (report.status, report.exit.0, code),
            (status, exit, error),
            "{ends:?} turned by {turned}"
        );
        let paths: Vec<&str> = report.paths.iter().map(|one| one.path.as_str()).collect();
        assert!(paths.is_sorted(), "{paths:?}");
    }
}

#[test]
fn one_path_gives_the_report_its_own_end() {
    check(&[], HandOverStatus::Done, Exit::Done, None);
    check(&[PLANNED], HandOverStatus::Planned, Exit::Done, None);
    check(&[DONE], HandOverStatus::Done, Exit::Done, None);
    check(&[ABANDONED], HandOverStatus::Done, Exit::Done, None);
    let code = Some("code-of-a");
    check(&[ENDED], HandOverStatus::Done, Exit::Done, code);
    check(&[ABORTED], HandOverStatus::Refused, Exit::Refused, code);
    check(&[REFUSED], HandOverStatus::Refused, Exit::Refused, code);
    check(&[PARKED], HandOverStatus::Parked, Exit::NeedsHuman, code);
    check(
        &[SILENT],
        HandOverStatus::Unreachable,
        Exit::Unreachable,
        code,
    );
    check(&[FAILED], HandOverStatus::Failed, Exit::Error, code);
    let interrupted = HandOverStatus::Interrupted;
    check(&[STOPPED_EARLY], interrupted, Exit::Refused, code);
    check(&[STOPPED_LATE], interrupted, Exit::NeedsHuman, code);
}

#[test]
fn success_beside_failure_is_partial_and_never_milder_than_its_worst_path() {
    let partial = Some("partial");
    for (other, exit) in [
        (REFUSED, Exit::Partial),
        (ABORTED, Exit::Partial),
        (SILENT, Exit::Partial),
        (FAILED, Exit::Partial),
        (STOPPED_EARLY, Exit::Partial),
        (PARKED, Exit::NeedsHuman),
        (STOPPED_LATE, Exit::NeedsHuman),
    ] {
        for success in [DONE, ABANDONED, ENDED] {
            check(&[success, other], HandOverStatus::Partial, exit, partial);
            check(
                &[success, success, other],
                HandOverStatus::Partial,
                exit,
                partial,
            );
        }
    }
    check(
        &[DONE, PARKED, SILENT],
        HandOverStatus::Partial,
        Exit::NeedsHuman,
        partial,
    );
}

#[test]
fn without_any_success_the_most_serious_path_speaks() {
    let (a, b) = (Some("code-of-a"), Some("code-of-b"));
    check(
        &[REFUSED, SILENT],
        HandOverStatus::Unreachable,
        Exit::Unreachable,
        b,
    );
    check(
        &[SILENT, FAILED],
        HandOverStatus::Unreachable,
        Exit::Unreachable,
        a,
    );
    check(
        &[SILENT, PARKED],
        HandOverStatus::Parked,
        Exit::NeedsHuman,
        b,
    );
    check(
        &[FAILED, REFUSED],
        HandOverStatus::Refused,
        Exit::Refused,
        b,
    );
    check(
        &[STOPPED_LATE, SILENT],
        HandOverStatus::Interrupted,
        Exit::NeedsHuman,
        a,
    );
    check(
        &[REFUSED, PARKED, SILENT],
        HandOverStatus::Parked,
        Exit::NeedsHuman,
        b,
    );
}

#[test]
fn several_successes_are_one() {
    check(&[DONE, DONE], HandOverStatus::Done, Exit::Done, None);
    check(&[DONE, ABANDONED], HandOverStatus::Done, Exit::Done, None);
    // What was ended says so; it is no failure of what was asked for.
    check(
        &[DONE, ENDED],
        HandOverStatus::Done,
        Exit::Done,
        Some("code-of-b"),
    );
}

#[test]
fn a_plan_has_done_nothing_yet_not_even_in_part() {
    let planned = HandOverStatus::Planned;
    check(&[PLANNED, PLANNED], planned, Exit::Done, None);
    check(&[PLANNED, DONE], planned, Exit::Done, None);
    check(
        &[PLANNED, SILENT],
        planned,
        Exit::Unreachable,
        Some("code-of-b"),
    );
    check(
        &[PLANNED, PARKED],
        planned,
        Exit::NeedsHuman,
        Some("code-of-b"),
    );
}

#[test]
fn a_partial_failure_counts_and_names_what_is_not_done() {
    let mut parked = end("b", PARKED.0, PARKED.1);
    parked.0.case = Some("verify-failed".to_owned());
    let ends = vec![
        end("a", DONE.0, DONE.1),
        parked,
        end("c", SILENT.0, SILENT.1),
    ];
    let error = together(&environment(), ends).error.expect("an error");
    assert_eq!(
        error.message,
        "1 of 3 rotated secrets are done; not done: b (verify-failed), c"
    );
    assert!(error.remedy.contains("handover retry shop/orders"));
}

#[test]
fn an_error_among_several_paths_names_its_own() {
    let message = |ends: Vec<PathEnd>| {
        let report = together(&environment(), ends);
        report.error.expect("an error").message
    };
    assert_eq!(message(vec![end("a", PARKED.0, PARKED.1)]), "message of a");
    assert_eq!(
        message(vec![
            end("a", SILENT.0, SILENT.1),
            end("b", PARKED.0, PARKED.1)
        ]),
        "b: message of b"
    );
}

#[test]
fn the_newest_revision_is_the_one_that_a_report_names() {
    let made = |revision| {
        let mut made = end("a", DONE.0, DONE.1);
        made.0.revision = revision;
        made
    };
    assert_eq!(newest_revision(&[]), None);
    assert_eq!(newest_revision(&[made(None)]), None);
    assert_eq!(
        newest_revision(&[made(Some(7)), made(None), made(Some(9)), made(Some(8))]),
        Some(9)
    );
}
