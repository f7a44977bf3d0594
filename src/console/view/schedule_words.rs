//! Schedules in words: when the next start is, what came of the last one, and what keeps all of
//! them from being acted on.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::console::model::{Model, ScheduleEntry, Screen};
use crate::console::theme::Role;
use crate::console::words;
use crate::model::SlotState;
use crate::operations::{Freeze, RunView};

/// What keeps schedules from being acted on, the worst first.
pub(super) fn standing(model: &Model) -> Vec<(Role, String)> {
    let timetable = &model.timetable;
    let mut lines = Vec::new();
    if timetable.lacks_agent() {
        let words = "▲ no agent: scheduled rotations do not run (handover agent)";
        lines.push((Role::Danger, words.to_owned()));
    }
    if let Some(freeze) = timetable.freeze(model.now) {
        lines.push((Role::Warn, frozen(freeze)));
    }
    let here = *model.screen() == Screen::Schedules;
    if let Some(problem) = timetable.problem.as_ref().filter(|_| here) {
        let words = format!("✗ the schedules could not be read: {}", problem.message);
        lines.push((Role::Danger, words));
    }
    lines
}

fn frozen(freeze: &Freeze) -> String {
    let until = match freeze.until {
        Some(until) => format!("until {}", civil(until, Tz::UTC, freeze.since)),
        None => "until somebody lifts it (handover resume --all)".to_owned(),
    };
    let reason = freeze.reason.as_ref();
    let reason = reason.map(|reason| format!(": {reason}"));
    format!(
        "■ frozen {until} by {}{}",
        freeze.requester,
        reason.unwrap_or_default()
    )
}

/// When, by the clocks of the schedule, with the year where it is far away. Its place is told
/// where it is not UTC.
pub(super) fn civil(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>) -> String {
    let there = short(at, zone, now);
    format!("{there} {}", zone.name())
}

/// As [`civil`], without the place.
pub(super) fn short(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>) -> String {
    let there = at.with_timezone(&zone);
    match (at - now).num_days().abs() {
        0..300 => there.format("%a %-d %b %H:%M").to_string(),
        _ => there.format("%-d %b %Y %H:%M").to_string(),
    }
}

/// When the next start is, as seen from now.
pub(super) fn relative(model: &Model, entry: &ScheduleEntry) -> String {
    match entry.view.next_at {
        Some(next) if next <= model.now => "now".to_owned(),
        Some(next) => format!("in {}", words::until(model.now, next)),
        None => "–".to_owned(),
    }
}

/// What came of the newest occurrence.
pub(super) fn result(model: &Model, run: &RunView) -> (Role, String) {
    let rotation = run.rotation.map(|rotation| rotation.to_string());
    let ago = words::ago(run.over_at.unwrap_or(run.slot), model.now);
    match (run.state, rotation) {
        (SlotState::Done, Some(rotation)) => (Role::Ok, format!("● {rotation} {ago}")),
        (SlotState::Done, None) => (Role::Ok, format!("● done {ago}")),
        (SlotState::Failed, Some(rotation)) => (Role::Danger, format!("✗ {rotation} failed {ago}")),
        (SlotState::Failed, None) => (Role::Danger, format!("✗ failed {ago}")),
        (SlotState::Missed, _) => (Role::Warn, format!("▲ missed {ago}")),
        (SlotState::Open, rotation) => {
            let rotation = rotation.map(|rotation| format!("{rotation} "));
            let again = match run.next_try_at {
                Some(at) if at > model.now => {
                    format!(", again in {}", words::until(model.now, at))
                }
                _ => String::new(),
            };
            let tries = match run.attempts {
                0 => "begins".to_owned(),
                tries => format!("tried {tries}×"),
            };
            let words = format!("◐ {}{tries}{again}", rotation.unwrap_or_default());
            (Role::Pending, words)
        }
    }
}

/// Which key helps where a rotation that should have been was not, and what was in the way.
pub(super) fn behind(model: &Model, entry: &ScheduleEntry) -> String {
    let run = entry.view.last.as_ref();
    let problem = run.and_then(|run| run.problem.as_ref());
    let words = match (problem, run) {
        (Some(problem), _) => problem.message.clone(),
        (None, Some(run)) => result(model, run).1,
        (None, None) => in_one_line(model, entry),
    };
    format!("S shows, R rotates · {words}")
}

/// A schedule in one line: when, and when next.
pub(super) fn in_one_line(model: &Model, entry: &ScheduleEntry) -> String {
    let view = &entry.view;
    if let Some(problem) = &view.problem {
        return problem.clone();
    }
    let next = match (&view.paused, view.next_at) {
        (Some(_), _) => paused(model, entry),
        (None, None) => "no start to come".to_owned(),
        (None, Some(next)) if next <= model.now => "due now".to_owned(),
        (None, Some(next)) => format!(
            "next {} ({})",
            relative(model, entry),
            short(next, entry.zone, model.now)
        ),
    };
    format!("{} · {next}", view.words)
}

/// Until when it is paused, and why.
pub(super) fn paused(model: &Model, entry: &ScheduleEntry) -> String {
    let Some(paused) = &entry.view.paused else {
        return String::new();
    };
    let until = match paused.until {
        Some(until) => format!("until {}", civil(until, entry.zone, model.now)),
        None => "until somebody resumes it".to_owned(),
    };
    let reason = paused.reason.as_ref();
    let reason = reason.map(|reason| format!(": {reason}"));
    format!("{until}{}", reason.unwrap_or_default())
}
