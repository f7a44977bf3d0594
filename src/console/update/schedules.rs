//! Schedules: what was read of them, and the selection of their screen.

use super::drains::go_to;
use super::moves::shifted;
use crate::console::message::Effect;
use crate::console::model::{Model, Problem, ScheduleRow, Screen, Target, Verb};
use crate::operations::ScheduleListing;

/// What was known before stays readable where nothing could be read now.
pub(super) fn listed(model: &mut Model, result: Result<ScheduleListing, Problem>) -> Vec<Effect> {
    match result {
        Ok(listing) => model.timetable.take(listing, model.now),
        Err(problem) => model.timetable.problem = Some(problem),
    }
    super::moves::keep_selection(model);
    keep_selection(model);
    Vec::new()
}

/// Opens the schedules, or goes back to them where they were opened before.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    if let Some(from) = go_to(model, Screen::Schedules) {
        model.timetable.selected = from;
        model.timetable.row = 0;
    }
    keep_selection(model);
    Vec::new()
}

/// What `P` is about where it is pressed.
pub(in crate::console) fn pause_or_resume(model: &Model) -> Verb {
    let target = model.target();
    let entry = target.and_then(|target| model.timetable.find(&target.environment));
    match entry.is_some_and(|entry| entry.view.paused.is_some()) {
        true => Verb::Resume,
        false => Verb::Pause,
    }
}

/// Moves the selection.
pub(super) fn select(model: &mut Model, rows: isize) {
    let listed = model.schedule_rows();
    let Some(last) = listed.len().checked_sub(1) else {
        return;
    };
    let row = shifted(model.selected_schedule(&listed).unwrap_or(0), rows, last);
    let target = listed[row].target();
    model.timetable.selected = Some(target);
    model.timetable.row = row;
}

/// Keeps a selection whenever there is a row. It follows its environment; when that is gone, the
/// row that took its place is selected.
pub(super) fn keep_selection(model: &mut Model) {
    let listed = model.schedule_rows();
    let before = match model.timetable.selected {
        Some(_) => model.timetable.row,
        None => 0,
    };
    let present = model.selected_schedule(&listed);
    let row = present.unwrap_or(before.min(listed.len().saturating_sub(1)));
    let selected: Option<Target> = listed.get(row).map(ScheduleRow::target);
    // Until the schedules were read nothing is known to be gone.
    if model.timetable.at.is_some() {
        model.timetable.selected = selected;
        model.timetable.row = row;
    }
}
