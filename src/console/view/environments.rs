//! Home: all environments, what needs a human first.
//!
//! ```text
//!   ▲ stopped        shop/payments  db  PROD  V recovers · R-0001 at S3: applied
//!   ◑ draining       shop/billing   db        3 sessions on billing_a
//!   ● healthy        shop/orders    db        orders_b promoted 4 h ago
//! ```

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{drain, files, put, put_all, schedule_words};
use crate::console::model::{self, Model, Need, Row};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, pad};
use crate::drain::Drain;
use crate::model::Stage;
use crate::rotation::SinkState;

pub(super) fn draw(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let rows = model.rows();
    if rows.is_empty() {
        put_all(buffer, inset(area), &empty(model, theme));
        return;
    }
    let columns = Columns::for_rows(&rows, area.width);
    put(buffer, area, 0, &head(theme, &columns));
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let visible = usize::from(body.height);
    let selected = rows
        .iter()
        .position(|row| Some(&row.target) == model.selected.as_ref())
        .unwrap_or(0);
    let shown = &rows[window(selected, rows.len(), visible)];
    for (at, row) in (0u16..).zip(shown) {
        let is_selected = Some(&row.target) == model.selected.as_ref();
        put(
            buffer,
            body,
            at,
            &line(model, theme, row, &columns, is_selected),
        );
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

/// The rows that are built, which are only those that can be seen. The selection stays
/// in the middle where it can.
pub(super) fn window(selected: usize, count: usize, visible: usize) -> Range<usize> {
    let first = selected
        .saturating_sub(visible / 2)
        .min(count.saturating_sub(visible));
    first..first.saturating_add(visible).min(count)
}

struct Columns {
    name: usize,
    path: usize,
    rest: usize,
}

const STATUS: usize = 20;

impl Columns {
    /// Names get what they need up to a third of the width; the rest is the sentence.
    fn for_rows(rows: &[Row<'_>], width: u16) -> Self {
        let width = usize::from(width);
        let longest = |text: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(text).max().unwrap_or(0);
        let name = longest(&|row| row.target.environment.to_string().width());
        let name = name.clamp(11, (width / 3).max(11));
        let path = longest(&|row| row.target.path.as_deref().unwrap_or_default().width());
        let path = if width < 70 { 0 } else { path.clamp(4, 16) };
        let used = STATUS + name + 2 + if path == 0 { 0 } else { path + 2 } + 6;
        Self {
            name,
            path,
            rest: width.saturating_sub(used),
        }
    }
}

fn head(theme: &Theme, columns: &Columns) -> Line<'static> {
    let mut text = format!("  {:<width$}", "STATUS", width = STATUS - 2);
    text.push_str(&pad("ENVIRONMENT", columns.name + 2));
    if columns.path > 0 {
        text.push_str(&pad("PATH", columns.path + 2));
    }
    text.push_str("      WHAT");
    Line::from(Span::styled(text, theme.style(Role::Muted)))
}

fn line(
    model: &Model,
    theme: &Theme,
    row: &Row<'_>,
    columns: &Columns,
    selected: bool,
) -> Line<'static> {
    let (glyph, word, role) = standing(model, row);
    let mark = if selected { "▸" } else { " " };
    let name = row.target.environment.to_string();
    let mut spans = vec![
        Span::styled(
            pad(&format!("{mark} {glyph} {word}"), STATUS),
            theme.style(role),
        ),
        Span::styled(pad(&name, columns.name + 2), theme.style(Role::Text)),
    ];
    if columns.path > 0 {
        let path = row.target.path.as_deref().unwrap_or("–");
        spans.push(Span::styled(
            pad(path, columns.path + 2),
            theme.style(Role::Muted),
        ));
    }
    spans.push(match row.environment.protected {
        true => Span::styled("PROD  ", theme.style(Role::Danger)),
        false => Span::raw("      "),
    });
    let sentence = words::cut(&sentence(model, row), columns.rest);
    spans.push(Span::styled(sentence, theme.style(Role::Text)));
    Line::from(spans)
}

/// A row's need in words; what nobody has looked at yet is not called healthy.
fn standing(model: &Model, row: &Row<'_>) -> (&'static str, &'static str, Role) {
    let known = model.known.get(&row.target.environment);
    let seen = known.is_some_and(|known| known.look.is_some());
    match row.need {
        Need::Draining => match model.drain(&row.target) {
            // How bad it is; what it is stays one word for all of them.
            Some((view, drain)) => {
                let (_, word, _) = words::need(Need::Draining);
                let (glyph, _, role) = words::standing(model::standing(view, Some(drain)));
                (glyph, word, role)
            }
            None => words::need(Need::Draining),
        },
        Need::Overdue => match model.timetable.find(&row.target.environment) {
            // In which way it is behind.
            Some(entry) => words::schedule(entry.need),
            None => words::need(Need::Overdue),
        },
        Need::Healthy if !seen => words::UNSEEN,
        need => words::need(need),
    }
}

/// Which key helps, and what is the matter. The key comes first: a narrow terminal cuts
/// the end.
fn sentence(model: &Model, row: &Row<'_>) -> String {
    let known = model.known.get(&row.target.environment);
    let look = known
        .and_then(|known| known.look.as_ref())
        .zip(row.path)
        .and_then(|(look, path)| look.paths.iter().find(|look| look.path == path.path));
    let rotation = row
        .environment
        .open_rotation
        .map(|rotation| rotation.to_string());
    let rotation = rotation.unwrap_or_default();
    match (row.need, row.path) {
        (Need::Leaked, Some(path)) => format!(
            "handover retire {} {} · {} may still log in",
            row.target.environment,
            path.path,
            path.previous.as_deref().unwrap_or("?")
        ),
        (Need::Down, Some(path)) => format!(
            "V looks · {} does not log in",
            path.current.as_deref().unwrap_or("?")
        ),
        (Need::Sink, _) => {
            let mut sinks = row.environment.sinks.iter();
            let bad = sinks.find(|sink| sink.state.case().is_some());
            let (file, state) = bad.map_or(("a file", "failed"), |sink| {
                (files::short(&sink.file), sink.state.name())
            });
            match row.environment.waited_for().next() {
                Some(_) => format!("V recovers · {rotation} waits for {file}: {state}"),
                None => format!("W reviews · {file}: {state}"),
            }
        }
        (Need::Open, Some(path)) if path.is_over => {
            let file = row.environment.waited_for().next();
            let file = file.map_or("its files", |sink| files::short(&sink.file));
            format!("V recovers · {rotation} waits for {file}")
        }
        (Need::Open, Some(path)) => {
            let step = path.step.map_or("S1", |step| step.code());
            let why = path
                .case
                .map(|case| format!(": {case}"))
                .unwrap_or_default();
            format!("V recovers · {rotation} at {step}{why}")
        }
        (Need::Running, _) => format!("{rotation} is running here"),
        (Need::Broken, _) => row.environment.problem.clone().unwrap_or_default(),
        (Need::Silent, _) => {
            let fault = look.and_then(|look| look.fault.clone());
            let problem = known.and_then(|known| known.look_problem.as_ref());
            let words = fault.or_else(|| problem.map(|problem| problem.message.clone()));
            let seen = known
                .and_then(|known| known.look.as_ref())
                .map(|look| format!(" (looked {})", words::ago(look.at, model.now)));
            format!("{}{}", words.unwrap_or_default(), seen.unwrap_or_default())
        }
        (Need::Unfinished, _) => "R rotates who has no session".to_owned(),
        (Need::Overdue, Some(_))
            if let Some(entry) = model.timetable.find(&row.target.environment) =>
        {
            schedule_words::behind(model, entry)
        }
        (Need::Overdue, Some(path)) => format!(
            "R rotates · {} old: {}",
            path.promoted_at
                .map(|at| words::age(at, model.now))
                .unwrap_or_default(),
            path.current.as_deref().unwrap_or("?")
        ),
        (Need::Draining, Some(path)) => {
            if let Some((view, drain)) = model.drain(&row.target) {
                let (_, _, words) = drain::summary(view, drain);
                return format!("{words} · {}", drain.user);
            }
            let user = path.previous.as_deref().unwrap_or("?");
            let sessions = look.and_then(|look| look.previous.sessions.as_ref());
            match sessions.map(Vec::len) {
                Some(0) => format!("nobody on {user}; consumers may still be reading it"),
                Some(1) => format!("1 session on {user}"),
                Some(count) => format!("{count} sessions on {user}"),
                None => format!("{user} may still be in use; its sessions are not known"),
            }
        }
        (Need::NeverPromoted, Some(path)) => format!(
            "R rotates · {} as it was taken over",
            path.current.as_deref().unwrap_or("?")
        ),
        (Need::Healthy, Some(path)) => {
            let since = path.promoted_at.map(|at| words::ago(at, model.now));
            let mut sinks = row.environment.sinks.iter();
            let behind = sinks.any(|sink| sink.state == SinkState::Due);
            format!(
                "{}{} promoted {}{}",
                if behind { "W writes files · " } else { "" },
                path.current.as_deref().unwrap_or("?"),
                since.unwrap_or_default(),
                model
                    .drain(&row.target)
                    .map(|(_, drain)| retired(drain))
                    .unwrap_or_default()
            )
        }
        _ => format!("revision {}", row.environment.revision),
    }
}

/// What became of the outgoing user, where something did.
fn retired(drain: &Drain) -> String {
    if drain.stage == Stage::Draining {
        return String::new();
    }
    let (glyph, word, _) = words::stage(drain.stage);
    let leaked = if drain.compromised { ", leaked" } else { "" };
    format!(" · {} {glyph} {word}{leaked}", drain.user)
}

fn empty(model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let text = |text: &str| Line::from(Span::styled(text.to_owned(), theme.style(Role::Text)));
    let strong = |text: &str| Line::from(Span::styled(text.to_owned(), theme.style(Role::Key)));
    match &model.status {
        None => match &model.status_problem {
            None => vec![text("Reading the store …")],
            Some(problem) => vec![
                Line::from(Span::styled(
                    problem.message.clone(),
                    theme.style(Role::Danger),
                )),
                text(&problem.remedy),
            ],
        },
        Some(status) if status.environments.is_empty() => vec![
            text("There is no environment yet. Make one from a file, then come back:"),
            Line::default(),
            strong("  handover env init PROJECT/NAME -f FILE --settings FILE"),
        ],
        Some(_) => vec![text("No row contains these words. esc clears the filter.")],
    }
}

pub(super) fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + 2,
        y: area.y + 1,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(2),
    }
}
