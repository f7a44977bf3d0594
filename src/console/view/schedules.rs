//! All schedules: what needs a human first, then by their next start; at the end, dim, what has
//! rotated secrets and no schedule.
//!
//! ```text
//!   NEED       ENVIRONMENT   NEXT    START             Sa Su Mo Tu We Th Fr Sa  LAST
//! ▸ ▲ missed   shop/orders   25h     Sun 29 Nov 03:00  ·  ◆──·  ·  ◆──·  ·  ·   ▲ missed 6 d ago
//!   ● planned  shop/billing  3d      Tue 1 Dec 03:00   ·  ·  ·  ◆  ·  ·  ·  ·   ● R-0007 27 d ago
//!   ○ none     shop/stock    –
//! ┌ shop/orders ────────────────────────────────────────────────────────────────────────────┐
//! │ ▲ missed 6 d ago: the gate is shut: 3 sessions are connected                            │
//! └─────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! Where it is narrow, columns are dropped: first the schedule in words, then the last result,
//! the days and the civil time of the next start.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::environments::{inset, window};
use super::labels::Lines;
use super::schedule_days::{self, Days};
use super::schedule_words::{civil, paused, relative, result, short};
use super::{pane, put, put_all};
use crate::console::model::{Model, ScheduleEntry, ScheduleNeed, ScheduleRow};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, pad};
use crate::model::SlotState;

/// Below this there is the table alone.
const LEAST_HEIGHT: u16 = 14;
/// Rows that the details of the selected schedule want, with their frame.
const DETAILS: u16 = 10;

pub(super) fn draw(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let rows = model.schedule_rows();
    if rows.is_empty() {
        put_all(buffer, inset(area), &empty(model, theme));
        return;
    }
    let selected = model.selected_schedule(&rows).unwrap_or(0);
    let wanted = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let table = Rect {
        height: match area.height {
            height if height < LEAST_HEIGHT => height,
            height => wanted
                .saturating_add(2)
                .min(height.saturating_sub(DETAILS).max(height / 2)),
        },
        ..area
    };
    draw_table(model, theme, &rows, selected, table, buffer);
    if table.height < area.height {
        let below = Rect {
            y: table.bottom(),
            height: area.height - table.height,
            ..area
        };
        draw_selected(model, theme, &rows[selected], below, buffer);
    }
}

fn draw_table(
    model: &Model,
    theme: &Theme,
    rows: &[ScheduleRow<'_>],
    selected: usize,
    area: Rect,
    buffer: &mut Buffer,
) {
    let columns = Columns::for_rows(rows, area.width);
    let days = Days::within(columns.days, model.now);
    put(buffer, area, 0, &head(theme, &columns, days.as_ref()));
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let shown = window(selected, rows.len(), usize::from(body.height));
    for (index, at) in shown.zip(0u16..) {
        let is_selected = index == selected;
        let row = Drawn {
            model,
            theme,
            columns: &columns,
            days: days.as_ref(),
        };
        put(buffer, body, at, &row.line(&rows[index], is_selected));
        if is_selected {
            let whole = Rect {
                y: body.y + at,
                height: 1,
                ..body
            };
            // One style for the whole row: colours inside a selection would be blocks.
            buffer.set_style(whole, theme.style(Role::Selection));
        }
    }
}

/// The width of each column; zero where it is dropped.
#[derive(Default)]
struct Columns {
    name: usize,
    next: usize,
    start: usize,
    days: usize,
    last: usize,
    words: usize,
}

const NEED: usize = 12;
const NEXT: usize = 9;
const START: usize = 17;
const LAST: usize = 24;
/// Words in fewer columns than this say nothing.
const LEAST_WORDS: usize = 14;

impl Columns {
    /// What matters least is added last, while there is room.
    fn for_rows(rows: &[ScheduleRow<'_>], width: u16) -> Self {
        let names = rows.iter().map(|row| row.environment.to_string().width());
        let name = names.max().unwrap_or(0) + 2;
        let mut free = usize::from(width).saturating_sub(NEED);
        let name = name.clamp(13, 28).min(free);
        free -= name;
        let mut take = |wanted: usize| match free.checked_sub(wanted) {
            Some(left) => {
                free = left;
                wanted
            }
            None => 0,
        };
        let next = take(NEXT);
        let start = take(START);
        let [wide, narrow] = schedule_days::WIDTHS;
        let days = match take(wide) {
            0 => take(narrow),
            wide => wide,
        };
        let last = take(LAST);
        let words = if free < LEAST_WORDS { 0 } else { free };
        Self {
            name,
            next,
            start,
            days,
            last,
            words,
        }
    }
}

fn head(theme: &Theme, columns: &Columns, days: Option<&Days>) -> Line<'static> {
    let mut text = format!("  {}", pad("NEED", NEED - 2));
    let days = days.map(Days::heading).unwrap_or_default();
    for (words, width) in [
        ("ENVIRONMENT", columns.name),
        ("NEXT", columns.next),
        ("START", columns.start),
    ] {
        if width > 0 {
            text.push_str(&pad(words, width));
        }
    }
    text.push_str(&days);
    for (words, width) in [("LAST", columns.last), ("SCHEDULE", columns.words)] {
        if width > 0 {
            text.push_str(&pad(words, width));
        }
    }
    Line::from(Span::styled(text, theme.style(Role::Muted)))
}

/// What the rows of one table share.
struct Drawn<'a> {
    model: &'a Model,
    theme: &'a Theme,
    columns: &'a Columns,
    days: Option<&'a Days>,
}

impl Drawn<'_> {
    fn line(&self, row: &ScheduleRow<'_>, selected: bool) -> Line<'static> {
        let Self { model, columns, .. } = *self;
        let (glyph, word, role) = words::schedule(row.need);
        let mark = if selected { "▸" } else { " " };
        let of_row = match row.need {
            ScheduleNeed::Without => Role::Muted,
            _ => Role::Text,
        };
        let mut spans = Vec::new();
        let mut add = |text: &str, width: usize, role: Role| {
            if width > 0 {
                spans.push(Span::styled(pad(text, width), self.theme.style(role)));
            }
        };
        add(&format!("{mark} {glyph} {word}"), NEED, role);
        add(&row.environment.to_string(), columns.name, of_row);
        let Some(entry) = row.entry else {
            add("–", columns.next, of_row);
            return Line::from(spans);
        };
        let next = entry.view.next_at;
        let left = match next {
            Some(next) if next > model.now => words::until(model.now, next),
            _ => relative(model, entry),
        };
        add(&left, columns.next, of_row);
        let start = next.map(|next| short(next, entry.zone, model.now));
        add(start.as_deref().unwrap_or("–"), columns.start, Role::Muted);
        if let Some(days) = self.days {
            spans.extend(days.marks(Some(entry), self.theme));
        }
        let mut add = |text: &str, width: usize, role: Role| {
            if width > 0 {
                spans.push(Span::styled(pad(text, width), self.theme.style(role)));
            }
        };
        match row.last() {
            Some(run) => {
                let (role, words) = result(model, run);
                add(&words, columns.last, role);
            }
            None => add("–", columns.last, Role::Muted),
        }
        match &entry.view.problem {
            Some(problem) => add(problem, columns.words, Role::Danger),
            None => add(&entry.view.words, columns.words, of_row),
        }
        Line::from(spans)
    }
}

/// What is the matter with the selected schedule first, then all that is known of it.
fn draw_selected(
    model: &Model,
    theme: &Theme,
    row: &ScheduleRow<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let inside = pane(theme, area, buffer, &row.environment.to_string(), false);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    let mut lines = Lines::new(theme, inside.width);
    match row.entry {
        Some(entry) => known(model, entry, &mut lines),
        None => forgotten(model, row, &mut lines),
    }
    put_all(buffer, inside, &lines.done);
}

fn known(model: &Model, entry: &ScheduleEntry, lines: &mut Lines<'_>) {
    let view = &entry.view;
    if let Some(problem) = &view.problem {
        lines.add("problem", problem, Role::Danger);
        let remedy = format!("handover env settings set {}", view.environment);
        lines.add("remedy", &remedy, Role::Key);
    }
    if let Some(seconds) = view.health.overdue_by_seconds {
        let words = format!(
            "it should have been rotated {} ago",
            words::span(seconds / 60 * 60)
        );
        lines.add("overdue", &words, Role::Warn);
    }
    if let Some(run) = &view.last {
        let (role, words) = result(model, run);
        let of = civil(run.slot, entry.zone, model.now);
        let more = match run.occurrences {
            0 | 1 => String::new(),
            count => format!(" and {} before it", count - 1),
        };
        lines.add("last", &format!("{words}, of {of}{more}"), role);
        if let Some(problem) = run
            .problem
            .as_ref()
            .filter(|_| run.state != SlotState::Done)
        {
            lines.add("why", &problem.message, Role::Text);
            lines.add("remedy", &problem.remedy, Role::Key);
        }
    }
    if view.problem.is_some() {
        return;
    }
    if view.paused.is_some() {
        lines.add("paused", &paused(model, entry), Role::Readonly);
    }
    lines.add("schedule", &view.words, Role::Title);
    match view.next_at {
        Some(next) => {
            let later = view.next.iter().filter(|later| **later > next);
            let later: Vec<String> = later
                .take(2)
                .map(|later| short(*later, entry.zone, model.now))
                .collect();
            let then = match later.is_empty() {
                true => String::new(),
                false => format!("; then {}", later.join(", ")),
            };
            let words = format!(
                "{}: {}{then}",
                relative(model, entry),
                civil(next, entry.zone, model.now)
            );
            lines.add("next", &words, Role::Text);
        }
        None if view.paused.is_some() => lines.add("next", "none until P resumes it", Role::Text),
        None => lines.add("next", "no start to come", Role::Text),
    }
    let window = format!(
        "a rotation may start within {}; {}",
        words::span(view.window_seconds),
        missed(view.missed)
    );
    lines.add("window", &window, Role::Text);
    for caution in &view.cautions {
        lines.add("caution", caution, Role::Warn);
    }
}

/// What becomes of an occurrence that nobody could act on.
fn missed(rule: &str) -> &'static str {
    match rule {
        "skip" => "what nobody could act on is skipped",
        _ => "what nobody could act on is made up for once",
    }
}

fn forgotten(model: &Model, row: &ScheduleRow<'_>, lines: &mut Lines<'_>) {
    let paths = row.status.map_or(&[][..], |status| &status.paths);
    let count = words::counted(paths.len() as u64, "rotated secret");
    let words = format!("none: {count} that nobody rotates but by hand (R)");
    lines.add("schedule", &words, Role::Warn);
    let promoted = paths.iter().map(|path| path.promoted_at).min().flatten();
    let since = match promoted {
        Some(at) => format!("promoted {}", words::ago(at, model.now)),
        None => "never promoted".to_owned(),
    };
    lines.add("last", &since, Role::Text);
    let remedy = format!("handover schedule set {} --every 30d", row.environment);
    lines.add("remedy", &remedy, Role::Key);
}

fn empty(model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let timetable = &model.timetable;
    let words = match (timetable.at, timetable.filter.text()) {
        (None, _) if timetable.problem.is_some() => "The schedules are not known.",
        (None, _) => "Reading the store …",
        (Some(_), "") => "No environment has a rotated secret: there is nothing to schedule.",
        (Some(_), _) => "No row contains these words. esc clears the filter.",
    };
    vec![Line::from(Span::styled(words, theme.style(Role::Text)))]
}
