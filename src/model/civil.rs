//! Civil times: what a clock on a wall shows, and which instant that is where it hangs.

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// Which instant a civil time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Civil {
    /// It comes once.
    Once(DateTime<Utc>),
    /// It comes twice, since the clocks are set back; this is the first time.
    Twice(DateTime<Utc>),
    /// It never comes, since the clocks are set forward over it; this is the instant right
    /// after the jump.
    Skipped(DateTime<Utc>),
}

impl Civil {
    /// The instant that stands for it.
    #[must_use]
    pub fn instant(self) -> DateTime<Utc> {
        let (Self::Once(instant) | Self::Twice(instant) | Self::Skipped(instant)) = self;
        instant
    }
}

/// Finds the instant. A later civil time never has an earlier one.
#[must_use]
pub fn resolve(zone: Tz, civil: NaiveDateTime) -> Civil {
    match zone.from_local_datetime(&civil) {
        LocalResult::Single(time) => Civil::Once(time.to_utc()),
        LocalResult::Ambiguous(first, second) => Civil::Twice(first.min(second).to_utc()),
        LocalResult::None => Civil::Skipped(after_the_jump(zone, civil)),
    }
}

/// The first second at which the clocks show no earlier time. A zone may skip a whole day, and
/// lies at most fourteen hours from UTC, so that forty hours to each side hold the jump.
fn after_the_jump(zone: Tz, civil: NaiveDateTime) -> DateTime<Utc> {
    let shows_it = |time: DateTime<Utc>| time.with_timezone(&zone).naive_local() >= civil;
    let mut before = civil.and_utc() - Duration::hours(40);
    let mut after = civil.and_utc() + Duration::hours(40);
    while after - before > Duration::seconds(1) {
        let middle = before + Duration::seconds((after - before).num_seconds() / 2);
        match shows_it(middle) {
            true => after = middle,
            false => before = middle,
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: Tz, text: &str) -> String {
        let civil = text.parse::<NaiveDateTime>().expect("a civil time");
        let found = resolve(zone, civil);
        let word = match found {
            Civil::Once(_) => "once",
            Civil::Twice(_) => "twice",
            Civil::Skipped(_) => "skipped",
        };
        format!("{word} {}", found.instant().format("%Y-%m-%dT%H:%M:%SZ"))
    }

    #[test]
    fn a_civil_time_comes_once_twice_or_never() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            at(berlin, "2026-11-22T03:00:00"),
            "once 2026-11-22T02:00:00Z"
        );
        assert_eq!(
            at(berlin, "2026-03-29T02:30:00"),
            "skipped 2026-03-29T01:00:00Z"
        );
        assert_eq!(
            at(berlin, "2026-10-25T02:30:00"),
            "twice 2026-10-25T00:30:00Z"
        );
        // A whole day, half an hour, and a jump at midnight.
        let apia = chrono_tz::Pacific::Apia;
        assert_eq!(
            at(apia, "2011-12-30T03:00:00"),
            "skipped 2011-12-30T10:00:00Z"
        );
        let howe = chrono_tz::Australia::Lord_Howe;
        assert_eq!(
            at(howe, "2026-10-04T02:15:00"),
            "skipped 2026-10-03T15:30:00Z"
        );
        let paulo = chrono_tz::America::Sao_Paulo;
        assert_eq!(
            at(paulo, "2018-11-04T00:00:00"),
            "skipped 2018-11-04T03:00:00Z"
        );
    }
}
