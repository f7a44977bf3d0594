//! One environment: its users, the drain of the outgoing one, sessions, revisions and audit
//! entries.
//!
//! ```text
//! ┌ shop/orders revision 3 ────────────────────────────────────────┐
//! │ db  promoted 4 h ago  PostgreSQL 15.18 on db-1.example:5432    │
//! │   current   orders_b   ● valid     4 sessions                  │
//! │   previous  orders_a   ● valid     0 sessions                  │
//! └────────────────────────────────────────────────────────────────┘
//! ┌ ▸ [1] drain ───────────────────────────────────────────────────┐
//! └────────────────────────────────────────────────────────────────┘
//! ┌ [2] sessions ───────────┐┌ [3] revisions ──────────────────────┐
//! └─────────────────────────┘└─────────────────────────────────────┘
//! ┌ [4] audit ─────────────────────────────────────────────────────┐
//! ```
//! Where there is no room for all panes, the one that has the keys is shown, with the names of
//! the others in its frame.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{drain, environment_lists as lists, files, pane, put, put_all, schedule_words, tabs};
use crate::console::model::{DrainView, Known, Model, Pane, Target};
use crate::console::theme::{Role, Theme};
use crate::console::words;
use crate::drain::Drain;
use crate::operations::EnvironmentStatus;
use crate::operations::hand_over::{PathLook, UserLook};

pub(super) fn draw(model: &Model, target: &Target, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(status) = model.environment(&target.environment) else {
        let gone = format!("{} is not in the store any more", target.environment);
        put(
            buffer,
            area,
            1,
            &Line::from(Span::styled(gone, theme.style(Role::Warn))),
        );
        return;
    };
    let nothing = Known::default();
    let known = model.known.get(&target.environment).unwrap_or(&nothing);
    let mut users = users(model, status, known, theme, area.width);
    let wanted = u16::try_from(users.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let top = Rect {
        height: wanted.min(area.height.saturating_sub(ONE_LIST)).max(3),
        ..area
    };
    let title = format!("{} revision {}", status.environment, status.revision);
    let inside = pane(theme, top, buffer, &title, false);
    let room = usize::from(inside.height);
    if users.len() > room && room > 3 {
        let hidden = users.len() + 1 - room;
        users.truncate(room - 1);
        let words = format!("  … {hidden} more lines: enlarge the terminal");
        users.push(Line::from(Span::styled(words, theme.style(Role::Warn))));
    }
    put_all(buffer, inside, &users);
    let below = Rect {
        y: top.bottom(),
        height: area.bottom().saturating_sub(top.bottom()),
        ..area
    };
    let panes = Panes {
        model,
        target,
        known,
        theme,
    };
    panes.draw(below, buffer);
}

/// From here on there is room for several panes.
const WIDE: u16 = 100;
/// The lists together, below the drain.
const LISTS: u16 = 14;
/// One list alone.
const ONE_LIST: u16 = 8;
/// What a drain wants at least, with its frame, to stand beside lists.
const LEAST_DRAIN: u16 = 14;

/// How the panes share their rows: the drain gets so many, the lists the rest; `None` where
/// only the pane with the keys has room.
fn rows_of_drain(width: u16, height: u16, without: Option<usize>) -> Option<u16> {
    if width < WIDE {
        return None;
    }
    match without {
        // No drain: a sentence, and the lists as large as they can be.
        Some(lines) => {
            let wanted = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
            (height >= wanted.saturating_add(ONE_LIST)).then_some(wanted)
        }
        None if height >= LEAST_DRAIN + 2 + LISTS => Some(height - LISTS),
        None if height >= LEAST_DRAIN + ONE_LIST => Some(height - ONE_LIST),
        None => None,
    }
}

/// The panes below the users.
struct Panes<'a> {
    model: &'a Model,
    target: &'a Target,
    known: &'a Known,
    theme: &'a Theme,
}

impl Panes<'_> {
    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let without = match self.model.drain(self.target) {
            Some(_) => None,
            None => {
                let width = area.width.saturating_sub(4);
                Some(drain::without(self.model, self.target, self.theme, width).len())
            }
        };
        let Some(rows) = rows_of_drain(area.width, area.height, without) else {
            self.pane(area, buffer, self.model.pane, &Pane::ALL);
            return;
        };
        let (upper, lower) = divided(area, rows);
        self.pane(upper, buffer, Pane::Drain, &[Pane::Drain]);
        if lower.height < LISTS {
            let shown = match self.model.pane {
                Pane::Drain => Pane::Sessions,
                pane => pane,
            };
            self.pane(lower, buffer, shown, &Pane::ALL[1..]);
            return;
        }
        let (upper, bottom) = divided(lower, lower.height / 2);
        let half = upper.width / 2;
        let left = Rect {
            width: half,
            ..upper
        };
        let right = Rect {
            x: upper.x + half,
            width: upper.width - half,
            ..upper
        };
        self.pane(left, buffer, Pane::Sessions, &[Pane::Sessions]);
        self.pane(right, buffer, Pane::Revisions, &[Pane::Revisions]);
        self.pane(bottom, buffer, Pane::Audit, &[Pane::Audit]);
    }

    /// One pane, in a frame that names those which share its place.
    fn pane(&self, area: Rect, buffer: &mut Buffer, shown: Pane, names: &[Pane]) {
        let (model, known, theme) = (self.model, self.known, self.theme);
        let focused = model.pane == shown;
        let scroll = if focused { model.scroll } else { 0 };
        let inside = tabs(theme, area, buffer, shown, names, focused);
        let visible = usize::from(inside.height);
        let lines = match shown {
            Pane::Drain => {
                drain::draw(model, self.target, theme, inside, buffer, focused);
                return;
            }
            Pane::Sessions => lists::sessions(model, self.target, known, theme, scroll, visible),
            Pane::Revisions => {
                let selected = focused.then_some(scroll);
                lists::revisions(model, known, theme, selected, visible)
            }
            Pane::Audit => lists::audit(model, known, theme, scroll, visible),
        };
        put_all(buffer, inside, &lines);
    }
}

fn divided(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let upper = Rect {
        height: rows,
        ..area
    };
    let lower = Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    };
    (upper, lower)
}

fn users(
    model: &Model,
    status: &EnvironmentStatus,
    known: &Known,
    theme: &Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let plain = |text: String| Line::from(Span::styled(text, theme.style(Role::Text)));
    if let Some(problem) = &status.problem {
        lines.extend(marked(theme, "✗", problem, Role::Danger, width));
    }
    if let Some(rotation) = status.open_rotation {
        let holder = status.holder.clone().unwrap_or_default();
        let waits = match status.waited_for().count() {
            0 => String::new(),
            files => format!(" · it waits for {}", words::counted(files as u64, "file")),
        };
        let text = format!("{rotation} is open: V recovers{waits} · begun by {holder}");
        lines.extend(marked(theme, "▲", &text, Role::Danger, width));
    }
    for path in &status.paths {
        let look = known
            .look
            .as_ref()
            .and_then(|look| look.paths.iter().find(|look| look.path == path.path));
        let Some((current, previous)) = path.current.as_ref().zip(path.previous.as_ref()) else {
            lines.push(plain(format!(
                "○ {}: no `state` yet; R rotates the user who has no session",
                path.path
            )));
            continue;
        };
        let since = match path.promoted_at {
            None => "never promoted".to_owned(),
            Some(at) => format!("promoted {}", words::ago(at, model.now)),
        };
        lines.push(Line::from(vec![
            Span::styled(path.path.clone(), theme.style(Role::Title)),
            Span::styled(
                format!("  {since}  {}", place(look)),
                theme.style(Role::Muted),
            ),
        ]));
        let of_path = Target {
            environment: status.environment.clone(),
            path: Some(path.path.clone()),
        };
        let drain = model.drain(&of_path);
        let both = [
            ("current", current, look.map(|look| &look.current)),
            ("previous", previous, look.map(|look| &look.previous)),
        ];
        // The words below each other: who is who must be seen at a glance.
        let name = both.iter().map(|(_, name, _)| name.width()).max();
        let standing = both
            .iter()
            .map(|(_, _, look)| standing(*look).width())
            .max();
        let widths = [name.unwrap_or(0).min(32), standing.unwrap_or(0)];
        for (label, name, look) in both {
            let drain = drain.filter(|_| label == "previous");
            let mut line = user(theme, label, name, look, widths);
            let free = usize::from(width).saturating_sub(line.width() + 2);
            line.push_span(sessions_of(theme, look, drain, free));
            lines.push(line);
        }
        // A gate means something only where a rotation could begin.
        if status.open_rotation.is_some() || status.problem.is_some() {
            continue;
        }
        if drain.is_none() {
            lines.extend(gate(look, known, theme, width));
        }
    }
    if status.paths.is_empty() {
        lines.push(plain(
            "This environment has values only; nothing in it is rotated.".to_owned(),
        ));
    }
    if let Some(entry) = model.timetable.find(&status.environment) {
        let (glyph, word, role) = words::schedule(entry.need);
        let line = schedule_words::in_one_line(model, entry);
        let text = format!("schedule {word}: {line}");
        lines.extend(marked(theme, glyph, &text, role, width));
    }
    lines.extend(files::of_environment(theme, status, model.now, width));
    lines
}

fn place(look: Option<&PathLook>) -> String {
    match look {
        None => "not looked at yet".to_owned(),
        Some(look) => match &look.server {
            Some(server) => format!("{} on {}", server, look.node),
            None => look.node.clone(),
        },
    }
}

fn standing(look: Option<&UserLook>) -> &str {
    match look.map_or("", |look| look.standing.as_str()) {
        "" => "not probed",
        standing => standing,
    }
}

fn user(
    theme: &Theme,
    label: &str,
    name: &str,
    look: Option<&UserLook>,
    [name_width, standing_width]: [usize; 2],
) -> Line<'static> {
    let standing = standing(look);
    let (glyph, role) = words::login(standing).unwrap_or(("?", Role::Warn));
    let name = words::cut(name, name_width);
    Line::from(vec![
        Span::styled(format!("  {label:<9}"), theme.style(Role::Muted)),
        Span::styled(format!("{name:<name_width$}  "), theme.style(Role::Text)),
        Span::styled(
            format!("{glyph} {standing:<standing_width$}  "),
            theme.style(role),
        ),
    ])
}

/// A drain knows more of its sessions than one look.
fn sessions_of(
    theme: &Theme,
    look: Option<&UserLook>,
    drain: Option<(&DrainView, &Drain)>,
    width: usize,
) -> Span<'static> {
    if let Some((view, drain)) = drain {
        let (glyph, role, words) = drain::summary(view, drain);
        let words = words::cut(&format!("{glyph} {words}"), width);
        return Span::styled(words, theme.style(role));
    }
    let words = match look.map(|look| look.sessions.as_ref().map(Vec::len)) {
        None => String::new(),
        Some(None) => "sessions not known".to_owned(),
        Some(Some(count)) => words::counted(count as u64, "session"),
    };
    Span::styled(words, theme.style(Role::Text))
}

fn gate(look: Option<&PathLook>, known: &Known, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let fault = look.and_then(|look| look.fault.as_deref());
    let problem = known.look_problem.as_ref();
    let fault = fault.or(problem.map(|problem| problem.message.as_str()));
    let (glyph, role, words) = match (fault, look.map(|look| look.gate.as_str())) {
        (Some(fault), _) => ("?", Role::Warn, fault.to_owned()),
        (None, None) => return Vec::new(),
        (None, Some("")) => ("●", Role::Ok, "the gate is open: R can rotate".to_owned()),
        (None, Some(words)) => ("■", Role::Draining, format!("the gate is shut: {words}")),
    };
    marked(theme, glyph, &words, role, width).collect()
}

/// A glyph and its sentence, over as many lines as that needs.
fn marked(
    theme: &Theme,
    glyph: &str,
    words: &str,
    role: Role,
    width: u16,
) -> impl Iterator<Item = Line<'static>> {
    let style = theme.style(role);
    let glyph = glyph.to_owned();
    words::wrap(words, usize::from(width).saturating_sub(6).max(10))
        .into_iter()
        .enumerate()
        .map(move |(index, part)| {
            let glyph = if index == 0 { &glyph } else { " " };
            Line::from(Span::styled(format!("  {glyph} {part}"), style))
        })
}
