//! The drain of one rotated secret: may the outgoing user be let go, and if not, why not.
//!
//! ```text
//! ▲ active  billing_a · ◑ draining for 4h 10m
//! gate      ■ shut: 7 sessions are there
//! sessions  7     2 before   1 catching up   4 late
//! history   ▃▅▇█▇▆▅▃▂░░░░▂▂▂▂▂▂▂▂▂▂▂   4h 10m, peak 12
//! quiet     0s of 25h · sampled, looks up to 31s apart
//! coverage  ● 2 of 2 nodes tell all · looked just now
//! forecast  will not drain by itself: …
//!
//! what can be selected, see `drain_list`
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::drain_header::Header;
use super::{drain_list, labelled_lines, put_all};
use crate::console::model::{
    DrainView, Model, MonitorRow, Target, is_leaked, late_logins, standing,
};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, counted, span};
use crate::drain::{Drain, Forecast};
use crate::model::Stage;

/// Rows that the list below keeps before the header gives way.
const LEAST_LIST: usize = 5;

pub(super) fn draw(
    model: &Model,
    target: &Target,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    focused: bool,
) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let Some((view, drain)) = model.drain(target) else {
        put_all(buffer, area, &without(model, target, theme, area.width));
        return;
    };
    let rows = usize::from(area.height);
    let header = Header {
        model,
        target,
        view,
        drain,
        theme,
        width: area.width,
        is_below_its_row: false,
    };
    let lines = header.lines(rows.saturating_sub(LEAST_LIST).max(rows.div_ceil(2)).max(2));
    put_all(buffer, area, &lines);
    // A blank line between the two, where there is room for one.
    let gap = usize::from(lines.len() + LEAST_LIST < rows);
    let used = u16::try_from(lines.len() + gap).unwrap_or(u16::MAX);
    let below = Rect {
        y: area.y.saturating_add(used).min(area.bottom()),
        height: area.height.saturating_sub(used),
        ..area
    };
    drain_list::draw(model, drain, theme, below, buffer, focused);
}

/// How many lines the pane needs where there is no drain to show.
pub(super) fn without(
    model: &Model,
    target: &Target,
    theme: &Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let view = model.drains.get(&target.environment);
    if let Some(problem) = view.and_then(|view| view.problem.as_ref()) {
        let style = theme.style(Role::Warn);
        return labelled_lines(theme, "? unknown", problem, style, width);
    }
    let promoted = model.path(target).and_then(|path| path.promoted_at);
    let words = match (view.and_then(|view| view.at), promoted) {
        (_, None) => "○ no overlap: nothing was promoted here yet",
        (None, Some(_)) => "◌ its sessions were not sampled yet",
        (Some(_), Some(_)) => "○ no overlap is open",
    };
    vec![Line::from(Span::styled(words, theme.style(Role::Muted)))]
}

/// What an operator has to know besides who it is, in so many lines: for below the monitor's
/// table.
pub(super) fn essence(
    model: &Model,
    row: &MonitorRow<'_>,
    theme: &Theme,
    width: u16,
    room: usize,
) -> Vec<Line<'static>> {
    let view = row.view;
    let Some(drain) = row.drain else {
        return without(model, &row.target, theme, width);
    };
    let header = Header {
        model,
        target: &row.target,
        view,
        drain,
        theme,
        width,
        is_below_its_row: true,
    };
    header.lines(room)
}

/// A verdict in one line, for where its pane is not on the screen.
pub(super) fn summary(view: &DrainView, drain: &Drain) -> (&'static str, Role, String) {
    let (glyph, word, role) = words::standing(standing(view, Some(drain)));
    let mut parts = vec![word.to_owned()];
    if drain.stage != Stage::Draining {
        let (glyph, word, _) = words::stage(drain.stage);
        parts.push(format!("{glyph} {word}"));
    }
    if drain.compromised && !is_leaked(drain) {
        parts.push("its password leaked".to_owned());
    }
    if drain.counts.sessions > 0 {
        parts.push(counted(drain.counts.sessions, "session"));
    }
    if late_logins(drain) > 0 {
        parts.push(counted(late_logins(drain), "late login"));
    }
    if word == "quiet" {
        parts.push(format!("{} left", span(drain.window.remaining_seconds)));
    }
    if word == "unknown" {
        parts.extend(why_unknown(view, drain));
    }
    (glyph, role, parts.join(" · "))
}

/// The most serious reason for an unknown verdict.
pub(super) fn why_unknown(view: &DrainView, drain: &Drain) -> Option<String> {
    let problem = view.problem.as_ref();
    problem.or(drain.reasons.first()).cloned()
}

/// A forecast in a few words.
pub(super) fn forecast_cell(model: &Model, forecast: &Forecast) -> String {
    let until = |at| words::until(model.now, at);
    match forecast {
        Forecast::Empty => "nobody there".to_owned(),
        Forecast::Range {
            earliest, latest, ..
        } if until(*earliest) == until(*latest) => until(*latest),
        Forecast::Range {
            earliest, latest, ..
        } => format!("{} – {}", until(*earliest), until(*latest)),
        Forecast::Never { .. } => "will not drain".to_owned(),
        Forecast::Unknown { .. } => "not known".to_owned(),
    }
}
