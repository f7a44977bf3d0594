//! Whatever the clocks of a place do: nothing is lost, nothing is doubled.

use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, TimeZone, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::Calendar;
use super::civil_oracle_tests::{Meant, OFTEN, SELDOM, Wall};
use crate::model::{MissedRule, Recurrence, Schedule};

/// Twenty places and three years of each; then the years in which a day, or midnight, is
/// missing.
const PLACES: [(&str, i32, i32); 25] = [
    ("Europe/Berlin", 2024, 2027),
    ("America/New_York", 2024, 2027),
    ("America/Sao_Paulo", 2024, 2027),
    ("Pacific/Apia", 2024, 2027),
    ("Australia/Lord_Howe", 2024, 2027),
    ("Africa/Casablanca", 2024, 2027),
    ("Africa/Cairo", 2024, 2027),
    ("America/Santiago", 2024, 2027),
    ("Asia/Kathmandu", 2024, 2027),
    ("Asia/Tehran", 2024, 2027),
    ("Australia/Sydney", 2024, 2027),
    ("Pacific/Chatham", 2024, 2027),
    ("Antarctica/Troll", 2024, 2027),
    ("Atlantic/Azores", 2024, 2027),
    ("Europe/Dublin", 2024, 2027),
    ("America/Havana", 2024, 2027),
    ("Asia/Gaza", 2024, 2027),
    ("America/Nuuk", 2024, 2027),
    ("Pacific/Kwajalein", 2024, 2027),
    ("UTC", 2024, 2027),
    ("Pacific/Apia", 2011, 2012),
    ("America/Sao_Paulo", 2017, 2019),
    ("Pacific/Kwajalein", 1993, 1994),
    ("Asia/Tehran", 2021, 2023),
    ("Asia/Pyongyang", 2015, 2019),
];

pub(super) fn schedule(zone: Tz, expression: &str) -> Schedule {
    Schedule {
        recurrence: Recurrence::Cron(expression.parse().expect("an expression")),
        timezone: zone,
        window: None,
        jitter: StdDuration::ZERO,
        missed: MissedRule::RunOnce,
        paused: None,
    }
}

fn new_year(year: i32) -> DateTime<Utc> {
    let time = Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0);
    time.single().expect("a time")
}

fn zone(name: &str) -> Tz {
    name.parse().expect("a time zone")
}

/// What the calendar says is what the clock showed, read forwards and backwards.
#[track_caller]
fn assert_same(wall: &Wall, zone: Tz, meant: &Meant, from: DateTime<Utc>, until: DateTime<Utc>) {
    let schedule = schedule(zone, meant.text);
    let calendar = Calendar::new(&schedule, from);
    let expected = wall.occurrences(meant, from, until);
    let found = calendar.between(from, until, usize::MAX);
    assert_eq!(found, expected, "{zone} {} from {from}", meant.text);
    let mut before = until - Duration::milliseconds(1);
    let mut back = Vec::new();
    while let Some(time) = calendar.latest(before).filter(|time| *time > from) {
        back.push(time);
        before = time - Duration::milliseconds(1);
    }
    back.reverse();
    assert_eq!(back, expected, "{zone} {} back from {until}", meant.text);
    for time in &expected {
        assert_eq!(calendar.latest(*time), Some(*time), "{zone} {}", meant.text);
        let just_before = *time - Duration::milliseconds(1);
        assert_eq!(
            calendar.next(just_before),
            Some(*time),
            "{zone} {}",
            meant.text
        );
    }
}

#[test]
fn around_each_change_of_the_clocks_nothing_is_lost_and_nothing_is_doubled() {
    let mut changes = 0;
    for (name, first, end) in PLACES {
        let zone = zone(name);
        let wall = Wall::watch(zone, new_year(first), new_year(end));
        for change in wall.changes() {
            changes += 1;
            let (from, until) = (change - Duration::hours(26), change + Duration::hours(26));
            for meant in &OFTEN {
                assert_same(&wall, zone, meant, from, until);
            }
        }
    }
    assert!(changes > 90, "{changes} changes were looked at");
}

#[test]
fn over_whole_years_what_comes_seldom_comes_when_it_should() {
    for (name, first, end) in PLACES {
        let zone = zone(name);
        let wall = Wall::watch(zone, new_year(first), new_year(end));
        for meant in &SELDOM {
            assert_same(&wall, zone, meant, new_year(first), new_year(end));
        }
    }
}

#[test]
fn each_half_hour_comes_once_on_each_day_that_there_is() {
    for (name, first, end) in PLACES {
        let zone = zone(name);
        let wall = Wall::watch(zone, new_year(first), new_year(end) + Duration::days(5));
        for change in wall.changes() {
            let (from, until) = (change - Duration::days(3), change + Duration::days(3));
            let every = Meant {
                text: "",
                day: |_| true,
                minutes: |minute| minute % 30 == 0,
            };
            let all = wall.occurrences(&every, from, until);
            let mut by_schedule = Vec::new();
            for half in 0..48 {
                let text = format!("{} {} * * *", half % 2 * 30, half / 2);
                let schedule = schedule(zone, &text);
                let found = Calendar::new(&schedule, from).between(from, until, usize::MAX);
                // Never twice within a day, and never a day left out, whatever the clocks do. Where
                // a day is missing, what would have been on it comes right before the next day's.
                let shortest = Duration::hours(if first < 2012 { 0 } else { 21 });
                for two in found.windows(2) {
                    let apart = two[1] - two[0];
                    let is_day = apart > shortest && apart <= Duration::hours(26);
                    assert!(is_day, "{zone} {text}: {two:?}");
                }
                by_schedule.extend(found);
            }
            by_schedule.sort();
            by_schedule.dedup();
            assert!(by_schedule == all, "{zone} at {change}");
        }
    }
}

#[test]
fn a_day_that_does_not_exist_is_made_up_for_at_the_jump() {
    for (name, day, next, expression) in [
        // Friday, 30 December 2011 was left out.
        (
            "Pacific/Apia",
            "2011-12-30T09:59:59Z",
            "2011-12-30T10:00:00Z",
            "0 3 30 12 *",
        ),
        (
            "Pacific/Apia",
            "2011-12-24T09:59:59Z",
            "2011-12-30T10:00:00Z",
            "0 3 * * FRI",
        ),
        // 21 August 1993 was, and the clock went from midnight to midnight.
        (
            "Pacific/Kwajalein",
            "1993-08-21T11:59:59Z",
            "1993-08-21T12:00:00Z",
            "30 17 21 8 *",
        ),
        (
            "America/Sao_Paulo",
            "2018-11-04T02:59:59Z",
            "2018-11-04T03:00:00Z",
            "0 0 4 11 *",
        ),
    ] {
        let time = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let schedule = schedule(zone(name), expression);
        let found = Calendar::new(&schedule, time(day)).next(time(day));
        assert_eq!(found, Some(time(next)), "{name} {expression}");
    }
}

proptest! {
    #[test]
    fn next_and_latest_agree_at_any_time(
        place in 0..PLACES.len(),
        expression in 0..SELDOM.len() + OFTEN.len(),
        second in 0..365 * 86_400_i64,
        milliseconds in 0..1000_i64,
    ) {
        let (name, first, _) = PLACES[place];
        let all: Vec<Meant> = SELDOM.into_iter().chain(OFTEN).collect();
        let schedule = schedule(zone(name), all[expression].text);
        let time = new_year(first) + Duration::seconds(second)
            + Duration::milliseconds(milliseconds);
        let calendar = Calendar::new(&schedule, time);
        let next = calendar.next(time).expect("there is a next one");
        let latest = calendar.latest(time).expect("there was one");
        prop_assert!(latest <= time && time < next);
        prop_assert_eq!(calendar.next(latest), Some(next));
        prop_assert_eq!(calendar.latest(next - Duration::milliseconds(1)), Some(latest));
        prop_assert_eq!(next.timestamp() % 60, 0, "on the minute");
    }

    #[test]
    fn what_recurs_every_so_often_does_so_from_its_anchor(
        seconds in 60..366 * 86_400_u64,
        passed in -1_000_000..1_000_000_000_i64,
    ) {
        let mut every = schedule(Tz::UTC, "0 0 * * *");
        let period = StdDuration::from_secs(seconds);
        every.recurrence = Recurrence::Every(period);
        let anchor = new_year(2024);
        let calendar = Calendar::new(&every, anchor);
        let time = anchor + Duration::seconds(passed);
        let next = calendar.next(time).expect("there is always a next one");
        prop_assert!(next > time && next > anchor);
        let period = Duration::from_std(period).expect("fits");
        prop_assert_eq!((next - anchor).num_seconds() % period.num_seconds(), 0);
        let latest = calendar.latest(time);
        prop_assert_eq!(latest, Some(next - period).filter(|latest| *latest > anchor));
    }
}
