//! Header, toast and footer.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::put;
use crate::console::commands::{Entry, Scope, TABLE, disabled, is_here};
use crate::console::model::{Model, Screen, Verb};
use crate::console::theme::{Role, Theme};
use crate::console::words;

/// Where the operator is, badges, and how old the data is.
pub(super) fn header(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.style(Role::Header));
    let mut left = vec![Span::styled(" handover ", theme.style(Role::Title))];
    for screen in &model.screens {
        let name = match screen {
            Screen::Environments => "environments".to_owned(),
            Screen::Environment(target) => target.environment.to_string(),
            Screen::Run => match model.run.as_ref().map(|run| run.verb) {
                Some(Verb::Recover) => "recovery".to_owned(),
                _ => "rotation".to_owned(),
            },
        };
        left.push(Span::raw(format!("▸ {name} ")));
    }
    if let Some(banner) = &model.banner {
        left.push(Span::styled(
            format!(" {banner} "),
            theme.style(Role::Banner),
        ));
        left.push(Span::raw(" "));
    }
    if let Some(target) = model.target()
        && model.status.is_some()
        && model.is_protected(&target.environment)
    {
        left.push(Span::styled(" PROD ", theme.style(Role::Production)));
        left.push(Span::raw(" "));
        left.push(match model.is_read_only(&target.environment) {
            true => Span::styled(" READ-ONLY ", theme.style(Role::Readonly)),
            false => Span::styled(" UNLOCKED ", theme.style(Role::Unlocked)),
        });
    }
    put(buffer, area, 0, &Line::from(left));
    let (role, text) = liveness(model);
    let text = format!(" {text} ");
    let width = u16::try_from(text.width())
        .unwrap_or(area.width)
        .min(area.width);
    let right = Rect {
        x: area.right() - width,
        width,
        ..area
    };
    let style = theme.style(Role::Header).patch(theme.style(role));
    put(buffer, right, 0, &Line::from(Span::styled(text, style)));
}

/// How old what is drawn is; the word changes at most once a minute.
fn liveness(model: &Model) -> (Role, String) {
    if let Some(problem) = &model.status_problem {
        return (Role::Danger, format!("✗ store: {}", problem.message));
    }
    let Some(at) = model.status_at else {
        return (Role::Muted, "◌ reading the store".to_owned());
    };
    let newest = match model.screen() {
        Screen::Environment(target) => model
            .known
            .get(&target.environment)
            .and_then(|known| known.look.as_ref())
            .map_or(at, |look| look.at),
        _ => at,
    };
    let age = words::age(newest, model.now);
    match (model.frozen, age.as_str()) {
        (true, _) => (Role::Stale, format!("‖ frozen, data {age}")),
        (false, "now") => (Role::Ok, "● live".to_owned()),
        (false, _) => (Role::Stale, format!("◌ data {age} old")),
    }
}

/// The last thing that happened, or the filter while it is typed or holds.
pub(super) fn toast(
    model: &Model,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let on_home = *model.screen() == Screen::Environments;
    if on_home && (model.filtering || !model.filter.text().is_empty()) && model.toast.is_none() {
        let line = Line::from(vec![
            Span::styled(" / ", theme.style(Role::Key)),
            Span::styled(model.filter.text().to_owned(), theme.style(Role::Match)),
        ]);
        put(buffer, area, 0, &line);
        let typed = u16::try_from(model.filter.text().width()).unwrap_or(u16::MAX);
        let x = area.x.saturating_add(3).saturating_add(typed);
        return (model.filtering && x < area.right()).then_some(Position { x, y: area.y });
    }
    if let Some(toast) = &model.toast {
        let (role, glyph) = match toast.good {
            true => (Role::Toast, "✓"),
            false => (Role::ToastError, "■"),
        };
        let text = words::cut(&format!(" {glyph} {}", toast.text), usize::from(area.width));
        put(
            buffer,
            area,
            0,
            &Line::from(Span::styled(text, theme.style(role))),
        );
    }
    None
}

/// The keys that matter here; one that cannot be used now is drawn in parentheses.
pub(super) fn footer(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.style(Role::Footer));
    let mut spans = vec![Span::raw(" ")];
    if *model.screen() != Screen::Environments {
        spans.extend(label(theme, "esc", "back", false));
    }
    let here = TABLE
        .iter()
        .filter(|entry| entry.in_footer && is_here(model, entry.scope));
    for entry in here {
        if needless(model, entry) {
            continue;
        }
        let off = disabled(model, entry.command).is_some();
        spans.extend(label(theme, entry.keys[0], entry.name, off));
    }
    put(buffer, area, 0, &Line::from(spans));
}

/// Unlocking is offered only where something is locked.
fn needless(model: &Model, entry: &Entry) -> bool {
    use crate::console::commands::Command;
    let off = disabled(model, entry.command).is_some();
    matches!(entry.command, Command::Unlock) && off
        || matches!(entry.scope, Scope::Target) && model.target().is_none()
}

fn label<'a>(theme: &Theme, key: &str, name: &str, off: bool) -> [Span<'a>; 3] {
    let (key_role, name) = match off {
        true => (Role::KeyDisabled, format!(" ({name})")),
        false => (Role::Key, format!(" {name}")),
    };
    let footer = theme.style(Role::Footer);
    [
        Span::styled(key.to_owned(), footer.patch(theme.style(key_role))),
        Span::styled(name, footer),
        Span::styled("   ", footer),
    ]
}
