//! `view(&Model, …)`: from the state to cells. Pure: no IO, no clock, no effects.
//!
//! ```text
//! ┌ header: where, badges, how old the data is ┐
//! │ what keeps schedules from being acted on   │
//! │ screen                                     │
//! │ …                        overlay over it   │
//! │ toast                                      │
//! └ footer: keys that matter here              ┘
//! ```

mod bars;
mod drain;
mod drain_header;
mod drain_list;
mod drain_monitor;
mod drain_words;
mod environment;
mod environment_lists;
mod environments;
mod files;
mod help;
mod labels;
mod review;
mod review_publish;
mod review_retire;
mod review_roll_back;
mod review_schedule;
mod run;
mod schedule_days;
mod schedule_words;
mod schedules;
mod sparkline;
#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::model::{Model, Overlay, Pane, Screen};
use super::theme::{Role, Theme};
use super::words;

/// Below this the screens cannot be read.
const SMALLEST: (u16, u16) = (40, 10);

/// Draws the whole console; answers where the cursor stands, if it is shown.
pub(super) fn view(
    model: &Model,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    buffer.set_style(area, theme.style(Role::Text));
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(theme, area, buffer);
        return None;
    }
    let header = Rect { height: 1, ..area };
    let footer = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    let toast = Rect {
        y: area.bottom() - 2,
        height: 1,
        ..area
    };
    let screen = Rect {
        y: area.y + 1,
        height: area.height - 3,
        ..area
    };
    bars::header(model, theme, header, buffer);
    let screen = bars::standing(model, theme, screen, buffer);
    match model.screen() {
        Screen::Environments => environments::draw(model, theme, screen, buffer),
        Screen::Environment(target) => environment::draw(model, target, theme, screen, buffer),
        Screen::Drains => drain_monitor::draw(model, theme, screen, buffer),
        Screen::Schedules => schedules::draw(model, theme, screen, buffer),
        Screen::Run => run::draw(model, theme, screen, buffer),
    }
    let mut cursor = bars::toast(model, theme, toast, buffer);
    bars::footer(model, theme, footer, buffer);
    match &model.overlay {
        Some(Overlay::Help) => help::draw(model, theme, screen, buffer),
        Some(Overlay::Review(review)) => {
            cursor = review::draw(model, review, theme, screen, buffer);
        }
        Some(Overlay::Leave) => run::draw_leave(model, theme, screen, buffer),
        None => {}
    }
    cursor
}

fn too_small(theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (width, height) = SMALLEST;
    let words = format!(
        "enlarge to {width}x{height} (now {}x{})",
        area.width, area.height
    );
    let style = theme.style(Role::Warn);
    put(buffer, area, 0, &Line::from(Span::styled(words, style)));
}

/// Draws a line at a row of an area, cut to its width; rows outside are left out.
fn put(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height {
        buffer.set_line(area.x, area.y + row, line, area.width);
    }
}

/// Draws lines from the top of an area; what does not fit is left out.
fn put_all(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>]) {
    for (row, line) in (0u16..).zip(lines) {
        put(buffer, area, row, line);
    }
}

/// A frame in the middle of the screen; answers its inside.
fn dialog(theme: &Theme, screen: Rect, buffer: &mut Buffer, title: &str, size: (u16, u16)) -> Rect {
    let width = size.0.min(screen.width);
    let height = size.1.min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    buffer.set_style(area, theme.style(Role::Text));
    let block = Block::bordered()
        .border_style(theme.style(Role::BorderFocus))
        .title(Span::styled(format!(" {title} "), theme.style(Role::Title)));
    let inside = block.inner(area);
    block.render(area, buffer);
    Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    }
}

/// A labelled line: the label in its own column.
fn labelled<'a>(theme: &Theme, label: &'a str, text: String, style: Style) -> Line<'a> {
    Line::from(vec![
        Span::styled(format!("{label:<10}"), theme.style(Role::Muted)),
        Span::styled(text, style),
    ])
}

/// Labelled text over as many lines as it needs.
fn labelled_lines(
    theme: &Theme,
    label: &'static str,
    text: &str,
    style: Style,
    width: u16,
) -> Vec<Line<'static>> {
    let width = usize::from(width).saturating_sub(10).max(10);
    words::wrap(text, width)
        .into_iter()
        .enumerate()
        .map(|(index, part)| labelled(theme, if index == 0 { label } else { "" }, part, style))
        .collect()
}

/// The frame of a pane with the names of all that share its place; answers its inside. The
/// number in brackets is the key that shows a pane.
fn tabs(
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    shown: Pane,
    names: &[Pane],
    focused: bool,
) -> Rect {
    let role = if focused {
        Role::BorderFocus
    } else {
        Role::Border
    };
    let mut title = vec![Span::raw(" ")];
    for (number, pane) in (1..).zip(Pane::ALL) {
        if !names.contains(&pane) {
            continue;
        }
        let name = match pane {
            Pane::Drain => "drain",
            Pane::Sessions => "sessions",
            Pane::Revisions => "revisions",
            Pane::Audit => "audit",
        };
        let (mark, role) = match (pane == shown, focused) {
            (true, true) => ("▸ ", Role::Title),
            (true, false) => ("", Role::Title),
            (false, _) => ("", Role::Muted),
        };
        title.push(Span::styled(
            format!("{mark}[{number}] {name}"),
            theme.style(role),
        ));
        let is_last = names.last() == Some(&pane);
        title.push(Span::raw(if is_last { " " } else { "  " }));
    }
    let block = Block::bordered()
        .border_style(theme.style(role))
        .title(Line::from(title));
    let inside = block.inner(area);
    block.render(area, buffer);
    inside
}

/// A pane's frame; answers its inside.
fn pane(theme: &Theme, area: Rect, buffer: &mut Buffer, title: &str, focused: bool) -> Rect {
    let role = if focused {
        Role::BorderFocus
    } else {
        Role::Border
    };
    let mark = if focused { "▸ " } else { "" };
    let block = Block::bordered()
        .border_style(theme.style(role))
        .title(Span::styled(
            format!(" {mark}{title} "),
            theme.style(Role::Title),
        ));
    let inside = block.inner(area);
    block.render(area, buffer);
    inside
}
