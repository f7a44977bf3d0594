//! One environment: its users, their sessions, its revisions and audit entries.
//!
//! ```text
//! ┌ db on localhost:5432 (PostgreSQL 15.18) ───────────────────────┐
//! │ current   orders_b   ● valid     4 sessions   since 4 min      │
//! │ previous  orders_a   ● valid     0 sessions                    │
//! └────────────────────────────────────────────────────────────────┘
//! ┌ ▸ sessions ─────────────┐┌ revisions ──────────────────────────┐
//! └─────────────────────────┘└─────────────────────────────────────┘
//! ┌ audit ─────────────────────────────────────────────────────────┐
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{pane, put, put_all};
use crate::console::model::{Known, Model, Pane, Target};
use crate::console::theme::{Role, Theme};
use crate::console::words;
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
    let users = users(model, status, known, theme, area.width);
    let wanted = u16::try_from(users.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let top = Rect {
        height: wanted.min(area.height / 2).max(3),
        ..area
    };
    let title = format!("{} revision {}", status.environment, status.revision);
    let inside = pane(theme, top, buffer, &title, false);
    put_all(buffer, inside, &users);
    let below = Rect {
        y: top.bottom(),
        height: area.bottom().saturating_sub(top.bottom()),
        ..area
    };
    draw_panes(model, known, theme, below, buffer);
}

/// Three panes where there is room, else the one that has the keys.
fn draw_panes(model: &Model, known: &Known, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if area.width < 100 || area.height < 14 {
        draw_pane(model, known, theme, area, buffer, model.pane);
        return;
    }
    let half = area.width / 2;
    let upper = area.height / 2;
    let left = Rect {
        width: half,
        height: upper,
        ..area
    };
    let right = Rect {
        x: area.x + half,
        width: area.width - half,
        height: upper,
        ..area
    };
    let bottom = Rect {
        y: area.y + upper,
        height: area.height - upper,
        ..area
    };
    draw_pane(model, known, theme, left, buffer, Pane::Sessions);
    draw_pane(model, known, theme, right, buffer, Pane::Revisions);
    draw_pane(model, known, theme, bottom, buffer, Pane::Audit);
}

fn draw_pane(
    model: &Model,
    known: &Known,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    which: Pane,
) {
    let focused = model.pane == which;
    let scroll = if focused { model.scroll } else { 0 };
    let visible = usize::from(area.height.saturating_sub(2));
    let (title, lines) = match which {
        Pane::Sessions => ("sessions", sessions(model, known, theme, scroll, visible)),
        Pane::Revisions => ("revisions", revisions(model, known, theme, scroll, visible)),
        Pane::Audit => (
            "audit, newest first",
            audit(model, known, theme, scroll, visible),
        ),
    };
    let inside = pane(theme, area, buffer, title, focused);
    put_all(buffer, inside, &lines);
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
        let text = format!("{rotation} is open: V recovers · begun by {holder}");
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
            lines.push(user(theme, label, name, look, widths));
        }
        // A gate means something only where a rotation could begin.
        if status.open_rotation.is_none() && status.problem.is_none() {
            lines.extend(gate(look, known, theme, width));
        }
    }
    if status.paths.is_empty() {
        lines.push(plain(
            "This environment has values only; nothing in it is rotated.".to_owned(),
        ));
    }
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
    let (glyph, role) = match standing {
        "valid" => ("●", Role::Ok),
        "refused" | "locked" | "expired" => ("✗", Role::Danger),
        "not probed" => ("·", Role::Muted),
        _ => ("?", Role::Warn),
    };
    let sessions = match look.map(|look| look.sessions.as_ref().map(Vec::len)) {
        None => String::new(),
        Some(None) => "sessions not known".to_owned(),
        Some(Some(1)) => "1 session".to_owned(),
        Some(Some(count)) => format!("{count} sessions"),
    };
    let name = words::cut(name, name_width);
    Line::from(vec![
        Span::styled(format!("  {label:<9}"), theme.style(Role::Muted)),
        Span::styled(format!("{name:<name_width$}  "), theme.style(Role::Text)),
        Span::styled(
            format!("{glyph} {standing:<standing_width$}  "),
            theme.style(role),
        ),
        Span::styled(sessions, theme.style(Role::Text)),
    ])
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

fn sessions(
    model: &Model,
    known: &Known,
    theme: &Theme,
    scroll: usize,
    visible: usize,
) -> Vec<Line<'static>> {
    let Some(look) = &known.look else {
        let words = match known.looking_since {
            Some(_) => "looking …",
            None => "not looked at yet: r looks",
        };
        return vec![Line::from(Span::styled(words, theme.style(Role::Muted)))];
    };
    let all = look.paths.iter().flat_map(|path| {
        [&path.previous, &path.current]
            .into_iter()
            .flat_map(|user| {
                let sessions = user.sessions.iter().flatten();
                sessions.map(move |session| (user, session))
            })
    });
    let lines: Vec<Line<'static>> = all
        .skip(scroll)
        .take(visible)
        .map(|(user, session)| {
            let kind = session.kind.as_deref().unwrap_or("");
            let client = session.client.as_ref().map_or("", |client| client.as_str());
            let age = session.since.map(|since| words::age(since, model.now));
            Line::from(vec![
                Span::styled(
                    format!("{:<12} ", words::cut(&user.user, 12)),
                    theme.style(Role::Text),
                ),
                Span::styled(
                    format!("{:<18} ", words::cut(session.application.as_str(), 18)),
                    theme.style(Role::Text),
                ),
                Span::styled(
                    format!("{client:<15} {:>7}  {kind}", age.unwrap_or_default()),
                    theme.style(Role::Muted),
                ),
            ])
        })
        .collect();
    if lines.is_empty() {
        let users = look
            .paths
            .iter()
            .flat_map(|path| [&path.previous, &path.current]);
        let words = match users.into_iter().any(|user| user.sessions.is_none()) {
            true => "sessions are not known",
            false => "no session of either user was seen",
        };
        return vec![Line::from(Span::styled(words, theme.style(Role::Muted)))];
    }
    lines
}

fn revisions(
    model: &Model,
    known: &Known,
    theme: &Theme,
    scroll: usize,
    visible: usize,
) -> Vec<Line<'static>> {
    let Some(history) = &known.history else {
        return vec![Line::from(Span::styled(
            "reading …",
            theme.style(Role::Muted),
        ))];
    };
    history
        .revisions
        .iter()
        .skip(scroll)
        .take(visible)
        .map(|revision| {
            let rotation = revision.rotation.map(|rotation| rotation.to_string());
            let age = words::age(revision.created_at, model.now);
            Line::from(vec![
                Span::styled(
                    format!("{:>4}  ", revision.revision),
                    theme.style(Role::Title),
                ),
                Span::styled(
                    format!(
                        "{age:>7}  {:<9} {:<7} ",
                        revision.cause,
                        rotation.unwrap_or_default()
                    ),
                    theme.style(Role::Text),
                ),
                Span::styled(
                    format!(
                        "{}  {}",
                        revision.author,
                        crate::untrusted::Untrusted::new(revision.reason.as_deref().unwrap_or(""))
                    ),
                    theme.style(Role::Muted),
                ),
            ])
        })
        .collect()
}

fn audit(
    model: &Model,
    known: &Known,
    theme: &Theme,
    scroll: usize,
    visible: usize,
) -> Vec<Line<'static>> {
    known
        .audit
        .iter()
        .rev()
        .skip(scroll)
        .take(visible)
        .map(|entry| {
            let age = words::age(entry.at, model.now);
            let detail = crate::untrusted::Untrusted::new(&entry.detail.to_string());
            Line::from(vec![
                Span::styled(
                    format!("{:>4}  {age:>7}  ", entry.seq),
                    theme.style(Role::Muted),
                ),
                Span::styled(format!("{:<26} ", entry.action), theme.style(Role::Text)),
                Span::styled(
                    format!("{}  {detail}", entry.requester),
                    theme.style(Role::Muted),
                ),
            ])
        })
        .collect()
}
