//! The lists of an environment: sessions, revisions, audit entries. Of each only the lines that
//! are on the screen are built.

use ratatui::text::{Line, Span};

use super::environments::window;
use crate::console::model::{Known, Model, Target};
use crate::console::theme::{Role, Theme};
use crate::console::words;

pub(super) fn sessions(
    model: &Model,
    target: &Target,
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
    let lines: Vec<Line<'static>> = model
        .listed_sessions(target)
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
        let mut users = look
            .paths
            .iter()
            .flat_map(|path| [&path.previous, &path.current]);
        let words = match users.any(|user| user.sessions.is_none()) {
            true => "sessions are not known",
            false if model.drain(target).is_some() => "no session of the current user was seen",
            false => "no session of either user was seen",
        };
        return vec![Line::from(Span::styled(words, theme.style(Role::Muted)))];
    }
    lines
}

pub(super) fn revisions(
    model: &Model,
    known: &Known,
    theme: &Theme,
    selected: Option<usize>,
    visible: usize,
) -> Vec<Line<'static>> {
    let Some(history) = &known.history else {
        return vec![Line::from(Span::styled(
            "reading …",
            theme.style(Role::Muted),
        ))];
    };
    let shown = window(selected.unwrap_or(0), history.revisions.len(), visible);
    let first = shown.start;
    let rows = history.revisions[shown].iter().enumerate();
    rows.map(|(index, revision)| {
        let is_selected = selected == Some(first + index);
        let style = |role| theme.style(if is_selected { Role::Selection } else { role });
        let mark = if is_selected { "▸" } else { " " };
        let rotation = revision.rotation.map(|rotation| rotation.to_string());
        let age = words::age(revision.created_at, model.now);
        Line::from(vec![
            Span::styled(
                format!("{mark}{:>3}  ", revision.revision),
                style(Role::Title),
            ),
            Span::styled(
                format!(
                    "{age:>7}  {:<9} {:<7} ",
                    revision.cause,
                    rotation.unwrap_or_default()
                ),
                style(Role::Text),
            ),
            Span::styled(
                format!(
                    "{}  {}",
                    revision.author,
                    crate::untrusted::Untrusted::new(revision.reason.as_deref().unwrap_or(""))
                ),
                style(Role::Muted),
            ),
        ])
    })
    .collect()
}

pub(super) fn audit(
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
