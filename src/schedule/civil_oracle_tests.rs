//! The calendar as somebody would keep it who sits before a clock on the wall and writes down
//! when it showed each minute for the first time. It uses nothing of what it is compared with:
//! neither how a civil time becomes an instant, nor the reader of expressions.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// An expression, and what it means.
#[derive(Clone, Copy)]
pub(super) struct Meant {
    /// As written.
    pub(super) text: &'static str,
    /// Which days it names.
    pub(super) day: fn(NaiveDate) -> bool,
    /// Which minutes of such a day.
    pub(super) minutes: fn(u32) -> bool,
}

fn last_of_month(day: NaiveDate) -> bool {
    day.succ_opt()
        .is_none_or(|next| next.month() != day.month())
}

fn is(day: NaiveDate, weekday: chrono::Weekday) -> bool {
    day.weekday() == weekday
}

/// Expressions that come seldom, so that whole years of them are few.
pub(super) const SELDOM: [Meant; 9] = [
    Meant {
        text: "30 2 * * SUN",
        day: |day| is(day, chrono::Weekday::Sun),
        minutes: |minute| minute == 150,
    },
    Meant {
        text: "0 0 * * 6,7",
        day: |day| is(day, chrono::Weekday::Sat) || is(day, chrono::Weekday::Sun),
        minutes: |minute| minute == 0,
    },
    Meant {
        text: "15 1 L * *",
        day: last_of_month,
        minutes: |minute| minute == 75,
    },
    Meant {
        text: "30 2 * * SUN#2",
        day: |day| is(day, chrono::Weekday::Sun) && (8..15).contains(&day.day()),
        minutes: |minute| minute == 150,
    },
    Meant {
        text: "0 4 * * MON#1",
        day: |day| is(day, chrono::Weekday::Mon) && day.day() < 8,
        minutes: |minute| minute == 240,
    },
    Meant {
        text: "30 2 29 2 *",
        day: |day| (day.month(), day.day()) == (2, 29),
        minutes: |minute| minute == 150,
    },
    Meant {
        text: "45 23 * * 5L",
        day: |day| {
            is(day, chrono::Weekday::Fri) && (day + Duration::days(7)).month() != day.month()
        },
        minutes: |minute| minute == 23 * 60 + 45,
    },
    // Either day will do, as ever in cron.
    Meant {
        text: "30 1 13 * FRI",
        day: |day| is(day, chrono::Weekday::Fri) || day.day() == 13,
        minutes: |minute| minute == 90,
    },
    Meant {
        text: "0 12 30 DEC *",
        day: |day| (day.month(), day.day()) == (12, 30),
        minutes: |minute| minute == 720,
    },
];

/// Expressions that come often.
pub(super) const OFTEN: [Meant; 5] = [
    Meant {
        text: "* * * * *",
        day: |_| true,
        minutes: |_| true,
    },
    Meant {
        text: "*/15 * * * *",
        day: |_| true,
        minutes: |minute| minute % 15 == 0,
    },
    Meant {
        text: "0 * * * *",
        day: |_| true,
        minutes: |minute| minute % 60 == 0,
    },
    Meant {
        text: "10-50/20 0-3,23 * * *",
        day: |_| true,
        minutes: |minute| {
            [10, 30, 50].contains(&(minute % 60)) && (minute / 60 < 4 || minute / 60 == 23)
        },
    },
    Meant {
        text: "59 * 1-31 * *",
        day: |_| true,
        minutes: |minute| minute % 60 == 59,
    },
];

/// The clock of a place over some time.
pub(super) struct Wall {
    /// Stretches over which the clock goes on as it should: from when, up to when, and how much
    /// later than UTC it is.
    stretches: Vec<(DateTime<Utc>, DateTime<Utc>, Duration)>,
}

impl Wall {
    /// Looks at it from some time before `from`, so that what is shown again is known to be.
    pub(super) fn watch(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let ahead = |time: DateTime<Utc>| {
            let offset = zone.offset_from_utc_datetime(&time.naive_utc()).fix();
            Duration::seconds(i64::from(offset.local_minus_utc()))
        };
        let mut begun = from - Duration::days(3);
        let mut stretches = Vec::new();
        let mut time = begun;
        while time < until {
            let next = time + Duration::minutes(30);
            if ahead(next) != ahead(time) {
                let mut turn = time;
                while ahead(turn) == ahead(time) {
                    turn += Duration::minutes(1);
                }
                stretches.push((begun, turn, ahead(time)));
                begun = turn;
                time = turn;
            } else {
                time = next;
            }
        }
        stretches.push((begun, time, ahead(begun)));
        Self { stretches }
    }

    /// When the clock was set.
    pub(super) fn changes(&self) -> Vec<DateTime<Utc>> {
        let later = self.stretches.iter().skip(1);
        later.map(|(begun, ..)| *begun).collect()
    }

    /// When what is meant happens, after a time and before another one.
    pub(super) fn occurrences(
        &self,
        meant: &Meant,
        after: DateTime<Utc>,
        before: DateTime<Utc>,
    ) -> Vec<DateTime<Utc>> {
        let mut shown: Option<NaiveDateTime> = None;
        let mut found: Vec<DateTime<Utc>> = Vec::new();
        for (begun, ended, ahead) in &self.stretches {
            let shows = |time: &DateTime<Utc>| time.naive_utc() + *ahead;
            // The first minute that was never shown before, which it may have jumped over.
            let mut civil = shown.unwrap_or(shows(begun));
            // Only days that are asked for are gone through minute by minute.
            civil = civil.max(shows(&after) - Duration::days(3));
            let end = shows(ended).min(shows(&before) + Duration::days(3));
            while civil < end {
                let day = civil.date();
                if !(meant.day)(day) {
                    civil = (day + Duration::days(1)).and_time(chrono::NaiveTime::MIN);
                    continue;
                }
                let minute = (civil - day.and_time(chrono::NaiveTime::MIN)).num_minutes();
                if (meant.minutes)(u32::try_from(minute).expect("a minute of a day")) {
                    let instant = (civil - *ahead).and_utc().max(*begun);
                    if instant > after && instant < before && found.last() != Some(&instant) {
                        found.push(instant);
                    }
                }
                civil += Duration::minutes(1);
            }
            shown = Some(shown.unwrap_or(shows(begun)).max(shows(ended)));
        }
        found
    }
}
