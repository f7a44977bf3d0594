//! How the time is read up to which a pause holds.

use super::*;

#[test]
fn until_is_a_time_with_an_offset_a_civil_time_or_a_span() {
    let now: DateTime<Utc> = "2027-01-10T02:00:00Z".parse().expect("a time");
    let berlin = chrono_tz::Europe::Berlin;
    for (text, expected) in [
        ("3d", "2027-01-13T02:00:00+00:00"),
        (" 90m ", "2027-01-10T03:30:00+00:00"),
        ("2027-01-11T00:00:00Z", "2027-01-11T00:00:00+00:00"),
        ("2027-01-11 00:00", "2027-01-10T23:00:00+00:00"),
        ("2027-02-01", "2027-01-31T23:00:00+00:00"),
    ] {
        let found = until_time(text, berlin, now).expect(text);
        assert_eq!(found.to_rfc3339(), expected, "{text}");
    }
    for (text, part) in [
        ("0s", "no time to come"),
        ("99999999999999d", "is no time"),
        ("9999999999d", "no time to come"),
        ("2027-01-10 03:00", "has passed"),
        ("2020-01-01", "has passed"),
        ("2027-03-28 02:30", "never comes"),
        ("soon", "is no time"),
        ("", "is no time"),
    ] {
        let failure = until_time(text, berlin, now).expect_err(text);
        assert!(failure.message.contains(part), "{text}: {failure:?}");
        assert_eq!(failure.exit, Exit::Usage);
    }
}
