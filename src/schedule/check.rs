//! What a schedule has to be to make sense for the environment that it is of.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Calendar;
use super::due::usual_window;
use crate::document::{Diagnostic, PropertyPath};
use crate::model::Recurrence;
use crate::model::settings::{Settings, in_words};

/// What is wrong with the schedule of these settings, for an environment with these rotated
/// secrets. `now` is only where its calendar is begun to be looked at.
#[must_use]
pub fn check(settings: &Settings, paths: &[PropertyPath], now: DateTime<Utc>) -> Vec<Diagnostic> {
    let Some(schedule) = settings.schedule() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if paths.is_empty() {
        found.push(
            settings.schedule_finding(
                "nothing is rotated by this schedule: the environment has no rotated secret",
                "remove `schedule`, or add a `fn::rotate::postgres` or `fn::rotate::mysql` to the \
             document"
                    .to_owned(),
            ),
        );
    }
    let usual = usual_window(schedule);
    let has_period = matches!(schedule.recurrence, Recurrence::Every(_));
    if schedule.window.is_none() && !has_period && schedule.jitter >= usual {
        found.push(settings.schedule_finding(
            format!(
                "`jitter` is not shorter than the usual window of {}, so that some environments \
                 would start after it",
                in_words(usual)
            ),
            "write a longer `window`, or a shorter `jitter`".to_owned(),
        ));
    }
    let Some(period) = Calendar::new(schedule, now).shortest_period(now) else {
        return found;
    };
    if schedule.jitter >= period {
        found.push(settings.schedule_finding(
            format!(
                "`jitter` is not shorter than the {} from one occurrence to the next",
                in_words(period)
            ),
            "write a shorter `jitter`".to_owned(),
        ));
    }
    let slowest = paths
        .iter()
        .map(|path| (settings.database(path).propagation, path));
    if let Some((propagation, path)) = slowest.max()
        && period < propagation * 2
    {
        let summary = format!(
            "the schedule recurs after {}, which is shorter than twice the {} that consumers of \
             {path} take to read a new password",
            in_words(period),
            in_words(propagation),
        );
        let hint = format!(
            "let {} or more pass between two rotations, or shorten `drain.propagation` if \
             consumers are quicker",
            in_words(propagation * 2)
        );
        found.push(settings.schedule_finding(summary, hint));
    }
    if let Some(window) = schedule.window
        // One day in a year is an hour shorter.
        && window > period + Duration::from_secs(3600)
    {
        let summary = format!(
            "`window` is longer than the {} from one occurrence to the next",
            in_words(period)
        );
        let hint = format!("write window: {} or shorter", in_words(period));
        found.push(settings.schedule_finding(summary, hint));
    }
    found
}

/// What whoever set a schedule should know though nothing is wrong with it.
#[must_use]
pub fn cautions(settings: &Settings, paths: &[PropertyPath], now: DateTime<Utc>) -> Vec<String> {
    let Some(schedule) = settings.schedule() else {
        return Vec::new();
    };
    let Some(period) = Calendar::new(schedule, now).shortest_period(now) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in paths {
        let database = settings.database(path);
        let drained = database.propagation + database.quiet;
        if period < drained {
            found.push(format!(
                "{path} is drained {} after a promote at the earliest (`drain.propagation` and \
                 `drain.quiet`), and the schedule recurs after {}: the gate will be shut, and \
                 occurrences will be missed",
                in_words(drained),
                in_words(period)
            ));
        }
    }
    found
}
