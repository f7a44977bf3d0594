//! When a schedule's occurrences are.
//!
//! A cron expression names civil times. Each of them happens once: one that comes twice
//! happens the first time, and those that the clocks are set forward over happen together, right
//! after the jump. So nothing is lost where a day or an hour is missing, and nothing is doubled
//! where one is repeated.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{Recurrence, Schedule, resolve};

/// The occurrences of a schedule.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'a> {
    schedule: &'a Schedule,
    /// What `every` counts from.
    anchor: DateTime<Utc>,
}

impl<'a> Calendar<'a> {
    /// The calendar of a schedule. `anchor` is what `every` counts from: the last rotation, or
    /// when it was set.
    #[must_use]
    pub fn new(schedule: &'a Schedule, anchor: DateTime<Utc>) -> Self {
        Self { schedule, anchor }
    }

    /// The first occurrence after a time.
    #[must_use]
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.schedule.recurrence {
            Recurrence::Once(time) => Some(*time).filter(|time| *time > after),
            Recurrence::Every(period) => {
                let passed = whole_periods(after - self.anchor, *period);
                self.nth(*period, passed + 1)
            }
            Recurrence::Cron(expression) => {
                let zone = self.schedule.timezone;
                let mut civil = after.with_timezone(&zone).naive_local();
                loop {
                    // Where the clocks were set back, what they show now came before.
                    civil = expression.next(civil, false)?;
                    let instant = resolve(zone, civil).instant();
                    if instant > after {
                        return Some(instant);
                    }
                }
            }
        }
    }

    /// The last occurrence up to and with a time.
    #[must_use]
    pub fn latest(&self, up_to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.schedule.recurrence {
            Recurrence::Once(time) => Some(*time).filter(|time| *time <= up_to),
            Recurrence::Every(period) => match whole_periods(up_to - self.anchor, *period) {
                0 => None,
                passed => self.nth(*period, passed),
            },
            Recurrence::Cron(expression) => {
                let zone = self.schedule.timezone;
                let mut civil = up_to.with_timezone(&zone).naive_local();
                // Where the clocks were set back, what has not come again yet came already.
                civil += up_to - resolve(zone, civil).instant();
                loop {
                    civil = expression.previous(civil)?;
                    let instant = resolve(zone, civil).instant();
                    if instant <= up_to {
                        return Some(instant);
                    }
                    civil -= TimeDelta::minutes(1);
                }
            }
        }
    }

    /// All occurrences after a time and before another one, the first `most` of them.
    #[must_use]
    pub fn between(
        &self,
        after: DateTime<Utc>,
        before: DateTime<Utc>,
        most: usize,
    ) -> Vec<DateTime<Utc>> {
        let first = self.next(after);
        let all = std::iter::successors(first, |last| self.next(*last));
        all.take_while(|time| *time < before).take(most).collect()
    }

    /// The shortest time from one occurrence to the next, of those that come within about two
    /// years; `None` where there are fewer than two.
    #[must_use]
    pub fn shortest_period(&self, from: DateTime<Utc>) -> Option<Duration> {
        if let Recurrence::Every(period) = &self.schedule.recurrence {
            return Some(*period);
        }
        let times = self.between(from, from + TimeDelta::days(800), 1000);
        let gaps = times.windows(2).map(|two| two[1] - two[0]);
        gaps.min().and_then(|gap| gap.to_std().ok())
    }

    fn nth(&self, period: Duration, count: i32) -> Option<DateTime<Utc>> {
        let period = TimeDelta::from_std(period).ok()?;
        self.anchor.checked_add_signed(period.checked_mul(count)?)
    }
}

/// How many periods have passed; a time before the anchor has passed none.
fn whole_periods(passed: TimeDelta, period: Duration) -> i32 {
    let passed = passed.to_std().unwrap_or_default().as_millis();
    let count = passed / period.as_millis().max(1);
    i32::try_from(count).unwrap_or(i32::MAX - 1)
}
