//! All open overlaps, the worst first, and who holds up the selected one.
//!
//! ```text
//!   VERDICT    ENVIRONMENT    PATH  USER        SESSIONS  LATE  QUIET LEFT  NODES  FORECAST  HISTORY
//! ▸ ▲ active   shop/billing   db    billing_a          7     4         25h    2/2  25m – 3h  ▃▅▇█▇▅
//!   ? unknown  shop/pay       db    pay_a              ?     0           –    1/2  –         ▃▅░░░░
//!   ◔ quiet    shop/orders    db    orders_b           0     0     21h 48m    2/2  –         ▃▂▁▁▁▁
//!   ● drained  shop/stock     db    stock_b            0     0           –    2/2  –         ▃▁▁▁▁▁
//! ┌ shop/billing db ─────────────────────────────────────────────────────────────────────────┐
//! │ ■ shut: 7 sessions are there                                                             │
//! │     STRAGGLER                 CLIENT           SESSIONS   OLDEST  ARRIVED      OWNER     │
//! └──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! Where it is narrow, columns are dropped: first the history, then the forecast and the path.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::environments::{inset, window};
use super::{drain, drain_list, pane, put, put_all, sparkline};
use crate::console::model::{Model, MonitorRow, Standing, late_logins, nodes_seen};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, pad, right, span};
use crate::drain::{Drain, Forecast};
use crate::model::Stage;

/// Below this there is the table alone.
const LEAST_HEIGHT: u16 = 14;

pub(super) fn draw(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let rows = model.monitor_rows();
    if rows.is_empty() {
        put_all(buffer, inset(area), &empty(model, theme));
        return;
    }
    let selected = rows
        .iter()
        .position(|row| Some(&row.target) == model.monitor.selected.as_ref())
        .unwrap_or(0);
    let table = Rect {
        height: table_height(area.height, rows.len()),
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

/// Rows that stragglers want before a blank line is worth its row.
const LEAST_GROUPS: usize = 5;

/// The table gets what it needs up to a half; the selected overlap gets the rest.
fn table_height(height: u16, rows: usize) -> u16 {
    if height < LEAST_HEIGHT {
        return height;
    }
    let wanted = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2);
    wanted.min(height / 2)
}

fn draw_table(
    model: &Model,
    theme: &Theme,
    rows: &[MonitorRow<'_>],
    selected: usize,
    area: Rect,
    buffer: &mut Buffer,
) {
    let columns = Columns::for_rows(rows, area.width);
    put(buffer, area, 0, &head(theme, &columns));
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let shown = window(selected, rows.len(), usize::from(body.height));
    for (index, at) in shown.zip(0u16..) {
        let is_selected = index == selected;
        let line = line(model, theme, &rows[index], &columns, is_selected);
        put(buffer, body, at, &line);
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
    path: usize,
    user: usize,
    late: usize,
    left: usize,
    forecast: usize,
    nodes: usize,
    history: usize,
}

const VERDICT: usize = 13;
const SESSIONS: usize = 9;
const LATE: usize = 6;
const LEFT: usize = 12;
/// A history below this says nothing.
const LEAST_HISTORY: usize = 8;

impl Columns {
    /// What matters least is added last, while there is room.
    fn for_rows(rows: &[MonitorRow<'_>], width: u16) -> Self {
        let longest =
            |text: &dyn Fn(&MonitorRow<'_>) -> usize| rows.iter().map(text).max().unwrap_or(0) + 2;
        let user = |row: &MonitorRow<'_>| row.drain.map_or(1, |drain| drain.user.as_str().width());
        let path = |row: &MonitorRow<'_>| row.target.path.as_deref().unwrap_or_default().width();
        let name = longest(&|row| row.target.environment.to_string().width()).clamp(13, 26);
        let mut free = usize::from(width).saturating_sub(VERDICT + name + SESSIONS);
        let mut take = |wanted: usize| match free.checked_sub(wanted) {
            Some(left) => {
                free = left;
                wanted
            }
            None => 0,
        };
        let late = take(LATE);
        let left = |row: &MonitorRow<'_>| row.drain.map_or(0, |drain| left(row, drain).0.width());
        let left = rows.iter().map(left).max().unwrap_or(0) + 1;
        let left = take(left.max(LEFT));
        let user = take(longest(&user).clamp(6, 18));
        let nodes = take(8);
        let path = take(longest(&path).clamp(6, 14));
        let forecast = take(18);
        let history = if free < LEAST_HISTORY {
            0
        } else {
            free.min(48)
        };
        Self {
            name,
            path,
            user,
            late,
            left,
            forecast,
            nodes,
            history,
        }
    }
}

fn head(theme: &Theme, columns: &Columns) -> Line<'static> {
    let mut text = format!("  {}", pad("VERDICT", VERDICT - 2));
    text.push_str(&pad("ENVIRONMENT", columns.name));
    for (words, width) in [("PATH", columns.path), ("USER", columns.user)] {
        if width > 0 {
            text.push_str(&pad(words, width));
        }
    }
    text.push_str(&right("SESSIONS", SESSIONS));
    for (words, width) in [
        ("LATE", columns.late),
        ("QUIET LEFT", columns.left),
        ("NODES", columns.nodes),
    ] {
        if width > 0 {
            text.push_str(&right(words, width));
        }
    }
    for (words, width) in [
        (" FORECAST", columns.forecast),
        ("HISTORY", columns.history),
    ] {
        if width > 0 {
            text.push_str(&pad(words, width));
        }
    }
    Line::from(Span::styled(text, theme.style(Role::Muted)))
}

fn line(
    model: &Model,
    theme: &Theme,
    row: &MonitorRow<'_>,
    columns: &Columns,
    selected: bool,
) -> Line<'static> {
    let (glyph, word, role) = words::standing(row.standing);
    let mark = if selected { "▸" } else { " " };
    let text = |text: String| Span::styled(text, theme.style(Role::Text));
    let muted = |text: String| Span::styled(text, theme.style(Role::Muted));
    let mut spans = vec![
        Span::styled(
            pad(&format!("{mark} {glyph} {word}"), VERDICT),
            theme.style(role),
        ),
        text(pad(&row.target.environment.to_string(), columns.name)),
    ];
    if columns.path > 0 {
        let path = row.target.path.as_deref().unwrap_or("–");
        spans.push(muted(pad(path, columns.path)));
    }
    let Some(drain) = row.drain else {
        let problem = row.view.problem.clone();
        spans.push(Span::styled(
            problem.unwrap_or_default(),
            theme.style(Role::Warn),
        ));
        return Line::from(spans);
    };
    if columns.user > 0 {
        spans.push(text(pad(drain.user.as_str(), columns.user)));
    }
    spans.push(text(right(&sessions(row, drain), SESSIONS)));
    if columns.late > 0 {
        let late = late_logins(drain);
        let late_cell = match (is_sure(row, drain), late) {
            (false, 0) => "?".to_owned(),
            _ => late.to_string(),
        };
        let late_role = if late > 0 { Role::Danger } else { Role::Muted };
        spans.push(Span::styled(
            right(&late_cell, columns.late),
            theme.style(late_role),
        ));
    }
    if columns.left > 0 {
        let (words, role) = left(row, drain);
        spans.push(Span::styled(right(&words, columns.left), theme.style(role)));
    }
    if columns.nodes > 0 {
        let (seen, known) = nodes_seen(drain);
        let role = match drain.coverage.complete {
            true => Role::Muted,
            false => Role::Warn,
        };
        spans.push(Span::styled(
            right(&format!("{seen}/{known}"), columns.nodes),
            theme.style(role),
        ));
    }
    if columns.forecast > 0 {
        let (cell, role) = match &drain.forecast {
            Forecast::Empty => ("–".to_owned(), Role::Muted),
            Forecast::Unknown { .. } => ("?".to_owned(), Role::Muted),
            known @ Forecast::Range { .. } => (drain::forecast_cell(model, known), Role::Text),
            known @ Forecast::Never { .. } => (drain::forecast_cell(model, known), Role::Warn),
        };
        spans.push(Span::styled(
            pad(&format!(" {cell}"), columns.forecast),
            theme.style(role),
        ));
    }
    if let Some(until) = row.view.at.filter(|_| columns.history > 0) {
        let width = columns.history;
        spans.extend(sparkline::spans(theme, &drain.history, until, width));
    }
    Line::from(spans)
}

/// What is left to wait for: the quiet window, until the overlap has come further.
fn left(row: &MonitorRow<'_>, drain: &Drain) -> (String, Role) {
    if drain.stage != Stage::Draining {
        let (glyph, word, role) = words::stage(drain.stage);
        return match drain.compromised {
            true => (format!("{glyph} {word}, leaked"), Role::Danger),
            false => (format!("{glyph} {word}"), role),
        };
    }
    let words = match row.standing {
        Standing::Leaked => "L locks it".to_owned(),
        Standing::Drained => "–".to_owned(),
        Standing::Unknown => "?".to_owned(),
        _ => span(drain.window.remaining_seconds),
    };
    (words, Role::Text)
}

fn is_sure(row: &MonitorRow<'_>, drain: &Drain) -> bool {
    drain.coverage.complete && row.view.problem.is_none()
}

/// A zero is only said where all could be seen.
fn sessions(row: &MonitorRow<'_>, drain: &Drain) -> String {
    match (is_sure(row, drain), drain.counts.sessions) {
        (true, count) => count.to_string(),
        (false, 0) => "?".to_owned(),
        (false, count) => format!("≥{count}"),
    }
}

/// What holds up the selected overlap, and who.
fn draw_selected(
    model: &Model,
    theme: &Theme,
    row: &MonitorRow<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let path = row.target.path.as_deref().unwrap_or_default();
    let title = format!("{} {path}", row.target.environment);
    let inside = pane(theme, area, buffer, title.trim_end(), false);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    let rows = usize::from(inside.height);
    let stragglers = row.drain.map_or(0, |drain| drain.stragglers.len());
    // A blank line and a heading belong to the stragglers.
    let wanted = if stragglers == 0 { 0 } else { stragglers + 2 };
    let head_room = rows.saturating_sub(wanted.min(rows / 2));
    let mut lines = drain::essence(model, row, theme, inside.width, head_room);
    if let Some(drain) = row.drain.filter(|_| stragglers > 0) {
        if lines.len() + wanted.min(LEAST_GROUPS) <= rows {
            lines.push(Line::default());
        }
        let room = rows.saturating_sub(lines.len());
        lines.extend(drain_list::groups(model, drain, theme, inside.width, room));
    }
    put_all(buffer, inside, &lines);
}

fn empty(model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let words = match (model.drains.is_empty(), model.monitor.filter.text()) {
        (true, _) => "No drain was sampled yet.",
        (false, "") => "No overlap is open: no outgoing user has to be waited for.",
        (false, _) => "No row contains these words. esc clears the filter.",
    };
    vec![Line::from(Span::styled(words, theme.style(Role::Text)))]
}
