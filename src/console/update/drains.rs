//! Drains: what the sampler tells, the monitor's selection, and what is selected in one drain.

use super::moves::shifted;
use crate::console::message::Effect;
use crate::console::model::{Cursor, Entry, Model, Pane, Screen, Target, entries, group_of};
use crate::operations::drain::DrainReport;

/// A frozen picture stays as it is; what comes meanwhile is kept for when it goes on, as
/// sampling does not stop: a freeze longer than `max-gap` would begin the quiet window anew.
pub(super) fn drained(model: &mut Model, report: DrainReport) -> Vec<Effect> {
    if model.frozen {
        model.held.insert(report.environment.clone(), report);
        return Vec::new();
    }
    let now = model.now;
    let view = model.drains.entry(report.environment).or_default();
    // What was found before stays readable where nothing was found now; it is not called a
    // verdict any more.
    if report.problem.is_none() || !report.drains.is_empty() {
        view.report = report.drains;
        view.at = Some(now);
    }
    view.problem = report.problem;
    super::moves::keep_selection(model);
    keep_selection(model);
    Vec::new()
}

/// The picture goes on: with what came while it held.
pub(super) fn thaw(model: &mut Model) {
    for (environment, report) in std::mem::take(&mut model.held) {
        if model.environment(&environment).is_some() {
            drained(model, report);
        }
    }
}

/// Opens the monitor, or goes back to it where it was opened before.
pub(super) fn monitor(model: &mut Model) -> Vec<Effect> {
    if let Some(from) = go_to(model, Screen::Drains) {
        let selected = from.filter(|target| model.drain(target).is_some());
        model.monitor.selected = selected;
    }
    keep_selection(model);
    Vec::new()
}

/// Opens a screen, or goes back to it where it was opened before. Answers, where it was opened,
/// from which environment: it opens at the top, where the worst is, but from an environment on
/// that one.
pub(super) fn go_to(model: &mut Model, screen: Screen) -> Option<Option<Target>> {
    match model.screens.iter().position(|before| *before == screen) {
        Some(at) => {
            model.screens.truncate(at + 1);
            None
        }
        None => {
            let from = match model.screen() {
                Screen::Environment(target) => Some(target.clone()),
                _ => None,
            };
            model.screens.push(screen);
            Some(from)
        }
    }
}

/// Moves the monitor's selection.
pub(super) fn select(model: &mut Model, rows: isize) {
    let targets = targets(model);
    let Some(last) = targets.len().checked_sub(1) else {
        return;
    };
    let selected = model.monitor.selected.as_ref();
    let present = targets.iter().position(|target| Some(target) == selected);
    let row = shifted(present.unwrap_or(0), rows, last);
    model.monitor.selected = Some(targets[row].clone());
    model.monitor.row = row;
}

/// Keeps what is selected where it is now: in the monitor and in the open drain.
pub(super) fn keep_selection(model: &mut Model) {
    let targets = targets(model);
    let selected = model.monitor.selected.as_ref();
    let present = targets.iter().position(|target| Some(target) == selected);
    let before = match selected {
        Some(_) => model.monitor.row,
        None => 0,
    };
    let row = present.unwrap_or(before.min(targets.len().saturating_sub(1)));
    model.monitor.selected = targets.get(row).cloned();
    model.monitor.row = row;
    with_entries(model, Cursor::keep);
}

fn targets(model: &Model) -> Vec<Target> {
    let rows = model.monitor_rows().into_iter();
    rows.map(|row| row.target).collect()
}

/// Moves within the drain of the open environment.
pub(super) fn by(model: &mut Model, rows: isize) {
    with_entries(model, |cursor, entries| {
        let Some(last) = entries.len().checked_sub(1) else {
            return;
        };
        let row = shifted(cursor.position(entries), rows, last);
        cursor.select(row, entries);
    });
}

/// Shows or hides the sessions of the selected group.
pub(super) fn unfold(model: &mut Model) -> Vec<Effect> {
    with_entries(model, |cursor, before| {
        let Some(Entry::Straggler(group) | Entry::Session(group, _)) =
            before.get(cursor.position(before))
        else {
            return;
        };
        let name = group_of(group);
        let row = before.iter().position(
            |entry| matches!(entry, Entry::Straggler(straggler) if group_of(straggler) == name),
        );
        // The group has the selection then, which its sessions come and go below.
        cursor.select(row.unwrap_or(0), before);
        if !cursor.expanded.remove(&name) {
            cursor.expanded.insert(name);
        }
    });
    Vec::new()
}

/// An environment opens on its drain where there is one; on the pane that was read last where
/// that is neither the drain nor the sessions.
pub(super) fn choose_pane(model: &mut Model, target: &Target) {
    model.cursor = Cursor::default();
    let has_drain = model.drain(target).is_some();
    let from_monitor = *model.screen() == Screen::Drains;
    model.pane = match model.pane {
        pane @ (Pane::Revisions | Pane::Audit) if !from_monitor => pane,
        _ if has_drain || from_monitor => Pane::Drain,
        _ => Pane::Sessions,
    };
}

/// Gives what can be selected in the open drain, with the cursor that is in it.
fn with_entries(model: &mut Model, act: impl FnOnce(&mut Cursor, &[Entry<'_>])) {
    let open = model.screens.iter().rev().find_map(|screen| match screen {
        Screen::Environment(target) => Some(target),
        _ => None,
    });
    let mut cursor = model.cursor.clone();
    if let Some((_, drain)) = open.and_then(|target| model.drain(target)) {
        act(&mut cursor, &entries(drain, &model.cursor.expanded));
    }
    model.cursor = cursor;
}
