//! Moving about: selection, panes, screens, the filter.

use super::{drains, schedules};
use crate::console::keys::Key;
use crate::console::message::Effect;
use crate::console::model::{Model, Pane, Screen, Target};

/// Moves the selection, or scrolls the pane that has the keys.
pub(super) fn by(model: &mut Model, rows: isize) -> Vec<Effect> {
    match model.screen() {
        Screen::Environments => select(model, rows),
        Screen::Drains => drains::select(model, rows),
        Screen::Schedules => schedules::select(model, rows),
        Screen::Environment(_) if model.pane == Pane::Drain => drains::by(model, rows),
        Screen::Environment(_) => {
            let last = lines_of_pane(model).saturating_sub(1);
            model.scroll = shifted(model.scroll, rows, last);
        }
        Screen::Run => {}
    }
    Vec::new()
}

fn select(model: &mut Model, rows: isize) {
    let targets: Vec<Target> = model.rows().into_iter().map(|row| row.target).collect();
    let Some(last) = targets.len().checked_sub(1) else {
        model.selected = None;
        return;
    };
    let present = targets
        .iter()
        .position(|target| Some(target) == model.selected.as_ref());
    let index = shifted(present.unwrap_or(0), rows, last);
    model.selected = Some(targets[index].clone());
    model.selected_row = index;
}

pub(super) fn shifted(index: usize, rows: isize, last: usize) -> usize {
    index.saturating_add_signed(rows).min(last)
}

/// Keeps a selection whenever there is a row. The selection follows its row; when
/// that is gone, the row that took its place is selected.
pub(super) fn keep_selection(model: &mut Model) {
    let targets: Vec<Target> = model.rows().into_iter().map(|row| row.target).collect();
    let present = targets
        .iter()
        .position(|target| Some(target) == model.selected.as_ref());
    let before = match model.selected {
        Some(_) => model.selected_row,
        None => 0,
    };
    let row = present.unwrap_or(before.min(targets.len().saturating_sub(1)));
    model.selected = targets.get(row).cloned();
    model.selected_row = row;
}

fn lines_of_pane(model: &Model) -> usize {
    let Some(target) = model.target() else {
        return 0;
    };
    let Some(known) = model.known.get(&target.environment) else {
        return 0;
    };
    match model.pane {
        Pane::Drain => 0,
        Pane::Sessions => model.listed_sessions(target).count(),
        Pane::Revisions => known
            .history
            .as_ref()
            .map_or(0, |history| history.revisions.len()),
        Pane::Audit => known.audit.len(),
    }
}

/// Gives the keys to another pane.
pub(super) fn pane(model: &mut Model, forward: bool) -> Vec<Effect> {
    let count = Pane::ALL.len();
    let present = Pane::ALL.iter().position(|pane| *pane == model.pane);
    let step = if forward { 1 } else { count - 1 };
    model.pane = Pane::ALL[(present.unwrap_or(0) + step) % count];
    model.scroll = 0;
    Vec::new()
}

/// Gives the keys to the pane of a number.
pub(super) fn numbered_pane(model: &mut Model, key: Key) -> Vec<Effect> {
    let Key::Char(digit) = key else {
        return Vec::new();
    };
    let numbered = ('1'..).zip(Pane::ALL).find(|(number, _)| *number == digit);
    if let Some((_, pane)) = numbered {
        model.pane = pane;
        model.scroll = 0;
    }
    Vec::new()
}

/// Back one screen; a filter is cleared first.
pub(super) fn back(model: &mut Model) -> Vec<Effect> {
    let clears_first = matches!(model.screen(), Screen::Drains | Screen::Schedules);
    if clears_first && !model.filter_here().text().is_empty() {
        model.filter_here_mut().clear();
        drains::keep_selection(model);
        schedules::keep_selection(model);
        return Vec::new();
    }
    if model.screens.len() > 1 {
        model.screens.pop();
        model.scroll = 0;
        return Vec::new();
    }
    model.filter.clear();
    keep_selection(model);
    Vec::new()
}

/// While the filter has the keys, rows narrow with each letter.
pub(super) fn type_filter(model: &mut Model, key: Key) -> Vec<Effect> {
    let filter = model.filter_here_mut();
    match key {
        Key::Char(character) => filter.push(character),
        Key::Backspace => filter.backspace(),
        Key::Enter | Key::Down | Key::Up | Key::Tab => model.filtering = false,
        Key::Escape | Key::Ctrl('c') => {
            filter.clear();
            model.filtering = false;
        }
        _ => {}
    }
    keep_selection(model);
    drains::keep_selection(model);
    schedules::keep_selection(model);
    Vec::new()
}
