//! Times as people read them: by the clocks of a place with the offset, and from now on.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// A time by the clocks of the place of that name, by UTC where there is none, and how far away
/// it is: `Sun 2027-01-10 03:00 +01:00, in 3 d 4 h`.
pub(super) fn moment(time: DateTime<Utc>, zone: &str, now: DateTime<Utc>) -> String {
    format!("{}, {}", clock(time, zone), relative(time, now))
}

/// The time alone.
pub(super) fn clock(time: DateTime<Utc>, zone: &str) -> String {
    let zone: Tz = zone.parse().unwrap_or(Tz::UTC);
    let local = time.with_timezone(&zone);
    let format = match local.timestamp() % 60 {
        0 => "%a %Y-%m-%d %H:%M %:z",
        _ => "%a %Y-%m-%d %H:%M:%S %:z",
    };
    local.format(format).to_string()
}

/// How far away a time is.
pub(super) fn relative(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (time - now).num_seconds();
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {}", span(seconds.unsigned_abs())),
        _ => format!("{} ago", span(seconds.unsigned_abs())),
    }
}

/// A span in its two largest units: `3 d 4 h`.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, of: &str, small: u64, unit: &str| match small {
        0 => format!("{large} {of}"),
        _ => format!("{large} {of} {small} {unit}"),
    };
    match (days, hours, minutes) {
        (1.., _, _) => two(days, "d", hours % 24, "h"),
        (_, 1.., _) => two(hours, "h", minutes % 60, "min"),
        (_, _, 1..) => format!("{minutes} min"),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_by_its_clock_and_from_now_on() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let now = at("2027-01-06T22:00:00Z");
        for (time, zone, expected) in [
            (
                "2027-01-10T02:00:00Z",
                "Europe/Berlin",
                "Sun 2027-01-10 03:00 +01:00, in 3 d 4 h",
            ),
            (
                "2027-01-06T20:58:59Z",
                "UTC",
                "Wed 2027-01-06 20:58:59 +00:00, 1 h 1 min ago",
            ),
            (
                "2027-01-06T22:00:00Z",
                "nowhere",
                "Wed 2027-01-06 22:00 +00:00, now",
            ),
            (
                "2027-01-08T22:00:00Z",
                "Asia/Tokyo",
                "Sat 2027-01-09 07:00 +09:00, in 2 d",
            ),
            (
                "2027-01-06T22:00:40Z",
                "UTC",
                "Wed 2027-01-06 22:00:40 +00:00, in 40 s",
            ),
            (
                "2027-01-06T22:07:00Z",
                "UTC",
                "Wed 2027-01-06 22:07 +00:00, in 7 min",
            ),
        ] {
            assert_eq!(moment(at(time), zone, now), expected);
        }
    }
}
