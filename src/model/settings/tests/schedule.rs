use proptest::prelude::*;

use super::*;
use crate::model::{CronExpression, MissedRule, Paused, Recurrence, Schedule, civil_time};

fn read(text: &str) -> Schedule {
    let settings = parse(&format!("schedule: {text}\n")).expect("is good");
    settings.schedule().expect("has a schedule").clone()
}

/// The one finding: what it says, where, and what it proposes.
#[track_caller]
fn finding(text: &str) -> (String, usize, usize, String) {
    let found = parse(text).expect_err(text);
    let [found] = &found[..] else {
        panic!("{text}: {found:?}");
    };
    let place = found.place.as_ref().expect("has a place");
    let hint = found.hint.clone().unwrap_or_default();
    (found.summary.clone(), place.line, place.column, hint)
}

#[test]
fn every_field_is_read() {
    let text = "\
schedule:
  cron: 0 3 * * sun
  timezone: Europe/Berlin
  window: 3h
  jitter: 20m
  missed: skip
  paused: {reason: the move to the new hall, until: 2027-01-10 03:00}
";
    let settings = parse(text).expect("is good");
    let schedule = settings.schedule().expect("has a schedule");
    let Recurrence::Cron(expression) = &schedule.recurrence else {
        panic!("no expression: {schedule:?}");
    };
    assert_eq!(expression.to_string(), "0 3 * * SUN");
    assert_eq!(schedule.timezone, chrono_tz::Europe::Berlin);
    assert_eq!(schedule.window, Some(Duration::from_secs(3 * 3600)));
    assert_eq!(schedule.jitter, Duration::from_secs(20 * 60));
    assert_eq!(schedule.missed, MissedRule::Skip);
    let paused = Paused {
        reason: Some("the move to the new hall".to_owned()),
        until: Some("2027-01-10T02:00:00Z".parse().expect("a time")),
    };
    assert_eq!(schedule.paused, Some(paused));

    let every = read("{every: 30d}");
    let month = Duration::from_secs(30 * 86_400);
    assert_eq!(every.recurrence, Recurrence::Every(month));
    assert_eq!(every.timezone, chrono_tz::UTC);
    assert_eq!((every.window, every.jitter), (None, Duration::ZERO));
    assert_eq!((every.missed, every.paused), (MissedRule::RunOnce, None));
    // The zone counts wherever it stands.
    let once = read("{once: 2027-01-10 03:00, timezone: Europe/Berlin}");
    let time = "2027-01-10T02:00:00Z".parse().expect("a time");
    assert_eq!(once.recurrence, Recurrence::Once(time));
}

#[test]
fn a_pause_may_have_no_reason_and_no_end() {
    assert_eq!(
        read("{every: 1d, paused: true}").paused,
        Some(Paused::default())
    );
    assert_eq!(read("{every: 1d, paused: false}").paused, None);
    assert_eq!(read("{every: 1d, paused: }").paused, None);
    let with_reason = read("{every: 1d, paused: {reason: holidays, until: }}");
    let paused = with_reason.paused.expect("is paused");
    assert_eq!(
        (paused.reason.as_deref(), paused.until),
        (Some("holidays"), None)
    );
}

#[test]
fn a_schedule_that_says_nothing_is_none() {
    for text in [
        "schedule:",
        "schedule: {}",
        "schedule: {paused: false}",
        "schedule: {cron: }",
    ] {
        assert_eq!(parse(text).expect(text).schedule(), None, "{text}");
    }
}

#[test]
fn what_is_no_schedule_is_refused_at_its_place_with_what_to_write() {
    for (text, (line, column), part, hint) in [
        (
            "schedule:\n  cron: 0 3 * *\n",
            (2, 9),
            "has 4",
            "0 3 * * SUN",
        ),
        (
            "schedule:\n  cron: MON 3 * * *\n",
            (2, 9),
            "\"MON\" has no meaning in the minute",
            "write minute",
        ),
        (
            "schedule:\n  cron: 0 3 SUN * *\n",
            (2, 9),
            "in the day of the month",
            "write minute",
        ),
        (
            "schedule:\n  cron: 0 3 * * JAN\n",
            (2, 9),
            "in the day of the week",
            "write minute",
        ),
        (
            "schedule:\n  cron: \"*/0 * * * *\"\n",
            (2, 9),
            "",
            "write minute",
        ),
        (
            "schedule:\n  cron: 60 * * * *\n",
            (2, 9),
            "",
            "write minute",
        ),
        (
            "schedule:\n  cron: 0 24 * * *\n",
            (2, 9),
            "",
            "write minute",
        ),
        ("schedule:\n  cron: 0 3 0 * *\n", (2, 9), "", "write minute"),
        (
            "schedule:\n  cron: 0 3 * 13 *\n",
            (2, 9),
            "",
            "write minute",
        ),
        ("schedule:\n  cron: 0 3 * * 8\n", (2, 9), "", "write minute"),
        (
            "schedule:\n  cron: 5-1 3 * * *\n",
            (2, 9),
            "",
            "write minute",
        ),
        (
            "schedule:\n  cron: 0 3 30 FEB *\n",
            (2, 9),
            "no year has",
            "write minute",
        ),
        (
            "schedule:\n  cron: 99999999999999999999 3 * * *\n",
            (2, 9),
            "",
            "write minute",
        ),
        (
            "schedule:\n  cron: \"0\\03 * * * *\"\n",
            (2, 9),
            "has no meaning in the minute",
            "write minute",
        ),
        (
            "schedule:\n  cron: \"\"\n",
            (2, 9),
            "a string that is not empty",
            "",
        ),
        (
            "schedule:\n  cron: 5\n",
            (2, 9),
            "a string that is not empty",
            "",
        ),
        (
            "schedule:\n  cron: [a]\n",
            (2, 9),
            "a string that is not empty",
            "",
        ),
        (
            "schedule:\n  every: 30d\n  once: 2027-01-10 03:00\n",
            (3, 9),
            "one of `cron`, `every` and `once`",
            "remove the other",
        ),
        (
            "schedule:\n  cron: 0 3 * * *\n  every: 30d\n",
            (3, 10),
            "one of `cron`, `every` and `once`",
            "remove the other",
        ),
        (
            "schedule:\n  every: 59s\n",
            (2, 10),
            "every minute at most",
            "",
        ),
        (
            "schedule:\n  every: 0s\n",
            (2, 10),
            "every minute at most",
            "",
        ),
        (
            "schedule:\n  every: 367d\n",
            (2, 10),
            "longer than 366 days",
            "",
        ),
        (
            "schedule:\n  every: 99999999999999999999d\n",
            (2, 10),
            "expected a duration",
            "such as",
        ),
        (
            "schedule:\n  every: 30\n",
            (2, 10),
            "expected a duration",
            "such as",
        ),
        (
            "schedule:\n  every: 30d\n  timezone: Europe/Berln\n",
            (3, 13),
            "no such time zone",
            "\"Europe/Berlin\"",
        ),
        (
            "schedule:\n  every: 30d\n  timezone: nowhere at all\n",
            (3, 13),
            "no such time zone",
            "IANA",
        ),
        (
            "schedule:\n  every: 30d\n  timezone: 2\n",
            (3, 13),
            "a string that is not empty",
            "",
        ),
        (
            "schedule:\n  every: 30d\n  window: 0s\n",
            (3, 11),
            "nothing could start in it",
            "such as 2h",
        ),
        (
            "schedule:\n  every: 30d\n  jitter: 2h\n  window: 2h\n",
            (2, 3),
            "`jitter` is not shorter than `window`",
            "longer",
        ),
        (
            "schedule:\n  every: 30d\n  missed: run_once\n",
            (3, 11),
            "expected one of: run-once, skip",
            "\"run-once\"",
        ),
        (
            "schedule:\n  every: 30d\n  paused: soon\n",
            (3, 11),
            "expected boolean",
            "",
        ),
        (
            "schedule:\n  every: 30d\n  paused: {untill: 2027-01-10}\n",
            (3, 12),
            "did you mean \"until\"",
            "reason, until",
        ),
        (
            "schedule:\n  every: 30d\n  paused: {until: soon}\n",
            (3, 19),
            "\"soon\" is no time",
            "2027-01-10T03:00:00Z",
        ),
        (
            "schedule:\n  once: 2027-03-28 02:30\n  timezone: Europe/Berlin\n",
            (2, 9),
            "never comes",
            "2027-03-28T03:00:00+02:00",
        ),
        (
            "schedule:\n  once: 2027-10-31 02:30\n  timezone: Europe/Berlin\n",
            (2, 9),
            "comes twice",
            "2027-10-31T00:30:00+00:00",
        ),
        (
            "schedule:\n  once: 2027-02-30\n",
            (2, 9),
            "is no time",
            "2027-01-10 03:00",
        ),
        (
            "schedule:\n  once: 262142-12-31 23:59\n",
            (2, 9),
            "is no time",
            "2027-01-10 03:00",
        ),
        (
            "schedule:\n  once: 0001-01-01T00:00:00Z\n",
            (2, 9),
            "is no time",
            "2027-01-10 03:00",
        ),
        (
            "schedule:\n  crn: 0 3 * * *\n",
            (2, 3),
            "did you mean \"cron\"",
            "there are: cron",
        ),
        (
            "schedule:\n  timezone: Europe/Berlin\n",
            (2, 3),
            "does not say when",
            "every: 30d",
        ),
        (
            "schedule:\n  paused: true\n",
            (2, 3),
            "does not say when",
            "every: 30d",
        ),
        ("schedule: weekly\n", (1, 11), "expected object", ""),
        ("schedule: [0 3 * * *]\n", (1, 11), "expected object", ""),
    ] {
        let found = finding(text);
        assert!(found.0.contains(part), "{text}: {found:?}");
        assert_eq!((found.1, found.2), (line, column), "{text}: {found:?}");
        assert!(found.3.contains(hint), "{text}: {found:?}");
    }
}

#[test]
fn texts_without_end_are_refused_at_once_and_not_said_again() {
    let long = "9".repeat(10_000);
    for field in [
        "cron", "every", "once", "timezone", "window", "missed", "paused",
    ] {
        let when = match field {
            "cron" | "every" | "once" => "",
            _ => "every: 30d, ",
        };
        for text in [long.clone(), format!("* * * * {long}"), format!("a{long}")] {
            let settings = format!("schedule: {{{when}{field}: \"{text}\"}}");
            let found = parse(&settings).expect_err(field);
            assert!(found.iter().all(|one| one.summary.len() < 700), "{field}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange_for_an_expression_or_a_time(
        text in prop_oneof![
            any::<String>(),
            "[-0-9*,/#LW? a-zA-Z:.+TZ]{0,40}",
            "([-0-9*,/#LWA-Z]{1,5} ){4}[-0-9*,/#LWA-Z]{1,5}",
            "[+-]?[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}[T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{2})?Z?",
        ],
        zone in prop::sample::select(&chrono_tz::TZ_VARIANTS),
    ) {
        let begin = "2026-03-29T01:30:00".parse().expect("a time");
        if let Ok(expression) = text.parse::<CronExpression>() {
            let again = expression.to_string().parse::<CronExpression>();
            prop_assert_eq!(again.as_ref(), Ok(&expression));
            if let Some(next) = expression.next(begin, false) {
                prop_assert!(next > begin);
                prop_assert_eq!(expression.previous(next), Some(next));
            }
            prop_assert!(!expression.in_words().is_empty());
        }
        let _ = civil_time(&text, zone);
        let _ = crate::model::time_zone(&text);
        let _ = Document::load(&format!("schedule: {{cron: '{text}'}}"), "settings")
            .map(|document| Settings::parse(&document).is_ok());
    }
}
