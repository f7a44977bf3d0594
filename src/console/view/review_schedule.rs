//! The reviews of pausing and of resuming a schedule.

use chrono_tz::Tz;
use ratatui::text::Line;

use super::labels::Lines;
use super::schedule_words::{civil, paused};
use crate::console::model::{Model, Review, Verb};
use crate::console::theme::{Role, Theme};
use crate::console::words;
use crate::operations::ScheduleReview;

/// What pausing or resuming means: the next start before and after it, and what becomes of what
/// was, or is, missed meanwhile.
pub(super) fn planned(
    model: &Model,
    review: &Review,
    report: &ScheduleReview,
    theme: &Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    let is_pause = review.verb == Verb::Pause;
    let changes = match is_pause {
        true => "nothing is begun by its schedule until somebody resumes it",
        false => "rotations are begun by its schedule again",
    };
    lines.add("changes", changes, Role::Title);
    lines.add_some("schedule", report.words.as_ref(), Role::Text);
    lines.add("next", &next(model, report), Role::Text);
    match is_pause {
        true => pausing(review, report, &mut lines),
        false => resuming(model, report, &mut lines),
    }
    for caution in &report.cautions {
        lines.add("caution", caution, Role::Warn);
    }
    let back = match is_pause {
        true => "P resumes it; both are a new revision of the settings",
        false => "P pauses it; both are a new revision of the settings",
    };
    lines.add("way back", back, Role::Ok);
    if is_pause {
        let all = "handover pause --all --until TIME freezes all schedules at once";
        lines.add("all", all, Role::Muted);
    }
    lines.done
}

fn next(model: &Model, report: &ScheduleReview) -> String {
    let zone: Tz = model
        .timetable
        .find(&report.environment)
        .map_or(Tz::UTC, |entry| entry.zone);
    let words = |next: Option<_>| match next {
        Some(next) if next <= model.now => "now".to_owned(),
        Some(next) => {
            let until = words::until(model.now, next);
            format!("{} (in {until})", civil(next, zone, model.now))
        }
        None => "none".to_owned(),
    };
    format!(
        "{} → {}",
        words(report.next_before),
        words(report.next_after)
    )
}

fn pausing(review: &Review, report: &ScheduleReview, lines: &mut Lines<'_>) {
    let missed = match report.missed {
        "skip" => "what falls into the pause is told as missed, and not made up for",
        _ => "what falls into the pause is made up for by one rotation when it is resumed",
    };
    lines.add("missed", missed, Role::Warn);
    let stays = "R still rotates; drains and what the outgoing user is due go on";
    lines.add("stays", stays, Role::Ok);
    let reason = review.reason.text();
    match (review.on_reason, reason) {
        (true, reason) => lines.add("reason", &format!("{reason}▏"), Role::Title),
        (false, "") => lines.add("reason", "none: ↑ writes one", Role::Muted),
        (false, reason) => lines.add("reason", reason, Role::Text),
    }
}

fn resuming(model: &Model, report: &ScheduleReview, lines: &mut Lines<'_>) {
    if let Some(entry) = model.timetable.find(&report.environment) {
        let was = paused(model, entry);
        if !was.is_empty() {
            lines.add("was", &format!("paused {was}"), Role::Text);
        }
    }
    let passed = words::counted(report.occurrences, "occurrence");
    match (report.makes_up, report.misses) {
        (true, _) => {
            let words = format!(
                "{passed} passed meanwhile: one rotation makes up for that, as soon as an agent \
                 looks"
            );
            lines.add("missed", &words, Role::Warn);
        }
        (false, true) => {
            let words = format!("{passed} passed meanwhile: told as missed, and not made up for");
            lines.add("missed", &words, Role::Warn);
        }
        (false, false) => lines.add("missed", "nothing that is made up for", Role::Ok),
    }
    if report.frozen {
        let words = "all schedules are frozen; handover resume --all lifts that";
        lines.add("frozen", words, Role::Warn);
    }
    if !report.agent_alive {
        let words = "none lives, and nothing is begun without one: handover agent";
        lines.add("agent", words, Role::Danger);
    }
}

/// There is nothing to agree to.
pub(super) fn closed(theme: &Theme, report: &ScheduleReview, width: u16) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    let words = match &report.paused {
        Some(_) => "● it is paused already",
        None => "● it is not paused",
    };
    lines.head(words.to_owned(), Role::Ok);
    lines.add_some("schedule", report.words.as_ref(), Role::Text);
    lines.done
}
