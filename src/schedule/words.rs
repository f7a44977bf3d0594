//! A schedule as people say it.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::due::usual_window;
use crate::model::settings::in_words;
use crate::model::{CronExpression, MissedRule, Recurrence, Schedule};

/// So many occurrences of one year are looked at to find two that lie close together.
const LOOKED_AT: usize = 200;
const YEAR: TimeDelta = TimeDelta::days(366);

/// A schedule in words, such as `At 03:00, on Sunday (Europe/Berlin), within 2h`.
#[must_use]
pub fn words(schedule: &Schedule) -> String {
    let zone = schedule.timezone;
    let mut words = match &schedule.recurrence {
        Recurrence::Cron(expression) => format!("{} ({zone})", expression.in_words()),
        Recurrence::Every(period) => format!("every {}", in_words(*period)),
        Recurrence::Once(time) => format!("once at {}", civil(*time, zone)),
    };
    match &schedule.recurrence {
        // The usual window is all of the period, which says nothing.
        Recurrence::Every(_) if schedule.window.is_none() => {}
        recurrence => {
            let window = usual_window(schedule);
            words.push_str(", within ");
            words.push_str(&in_words(window));
            if let Recurrence::Cron(expression) = recurrence
                && comes_sooner_than(expression, window)
            {
                words.push_str(" and before the next one");
            }
        }
    }
    if !schedule.jitter.is_zero() {
        words.push_str(&format!(", by up to {} later", in_words(schedule.jitter)));
    }
    if schedule.missed == MissedRule::Skip {
        words.push_str(", skips what it missed");
    }
    words
}

/// An instant as the clocks of a place show it.
fn civil(time: DateTime<Utc>, zone: Tz) -> String {
    let shown = time.with_timezone(&zone).naive_local();
    let format = match shown.format("%S").to_string().as_str() {
        "00" => "%Y-%m-%d %H:%M",
        _ => "%Y-%m-%d %H:%M:%S",
    };
    format!("{} {zone}", shown.format(format))
}

/// Whether one occurrence may come within a window of the one before. The day is any, so that
/// the same schedule is always said in the same words.
fn comes_sooner_than(expression: &CronExpression, window: Duration) -> bool {
    let Ok(window) = TimeDelta::from_std(window) else {
        return true;
    };
    let begin = NaiveDate::default().and_time(NaiveTime::MIN);
    let first = expression.next(begin, true);
    let all = std::iter::successors(first, |last| expression.next(*last, false));
    let of_year = all.take_while(|time| *time < begin + YEAR);
    let all: Vec<NaiveDateTime> = of_year.take(LOOKED_AT).collect();
    all.windows(2).any(|two| two[1] - two[0] < window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(recurrence: Recurrence) -> Schedule {
        Schedule {
            recurrence,
            timezone: chrono_tz::Europe::Berlin,
            window: None,
            jitter: Duration::ZERO,
            missed: MissedRule::RunOnce,
            paused: None,
        }
    }

    fn cron(text: &str) -> Schedule {
        schedule(Recurrence::Cron(text.parse().expect("an expression")))
    }

    #[test]
    fn a_schedule_is_said_in_words() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let weekly = cron("0 3 * * SUN");
        let sunday = "At 03:00, on Sunday (Europe/Berlin), within 2h";
        assert_eq!(words(&weekly), sunday);
        let shifted = Schedule {
            jitter: minutes(10),
            missed: MissedRule::Skip,
            window: Some(minutes(90)),
            ..weekly
        };
        assert_eq!(
            words(&shifted),
            "At 03:00, on Sunday (Europe/Berlin), within 90m, by up to 10m later, skips what it \
             missed"
        );
        assert_eq!(
            words(&cron("0 * * * *")),
            "At minute 0 past every hour (Europe/Berlin), within 2h and before the next one"
        );
        let every = schedule(Recurrence::Every(minutes(30 * 24 * 60)));
        assert_eq!(words(&every), "every 30d");
        let within = Schedule {
            window: Some(minutes(60)),
            ..every
        };
        assert_eq!(words(&within), "every 30d, within 1h");
        let time = "2027-01-10T02:00:00Z".parse().expect("a time");
        assert_eq!(
            words(&schedule(Recurrence::Once(time))),
            "once at 2027-01-10 03:00 Europe/Berlin, within 2h"
        );
    }
}
