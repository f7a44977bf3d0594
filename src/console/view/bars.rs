//! Header, toast and footer.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{put, schedule_words};
use crate::console::commands::{Command, Entry, Scope, TABLE, disabled, is_here};
use crate::console::model::{Model, Overlay, Review, Screen, Stage, Verb};
use crate::console::theme::{Role, Theme};
use crate::console::update::pause_or_resume;
use crate::console::words;

/// Where the operator is, badges, and how old the data is. Where it is narrow the path
/// is cut first and the badges never.
pub(super) fn header(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.style(Role::Header));
    let badges = badges(model, theme);
    let width = usize::from(area.width);
    let of_badges: usize = badges.iter().map(Span::width).sum();
    let mut crumbs = crumbs(model);
    let (role, mut right) = liveness(model);
    if of_badges + right.width() + 2 + LEAST_CRUMBS > width {
        // The glyph alone: the words do not fit.
        right.truncate(right.chars().next().map_or(0, char::len_utf8));
    }
    let right = format!(" {right} ");
    let free = width.saturating_sub(of_badges + right.width());
    if TITLE.width() + crumbs.width() > free {
        crumbs = words::cut(&crumbs, free.saturating_sub(TITLE.width() + 1));
        crumbs.push(' ');
    }
    let mut left = vec![
        Span::styled(TITLE, theme.style(Role::Title)),
        Span::raw(crumbs),
    ];
    left.extend(badges);
    put(buffer, area, 0, &Line::from(left));
    let columns = u16::try_from(right.width()).unwrap_or(u16::MAX);
    let columns = columns.min(area.width);
    let place = Rect {
        x: area.right() - columns,
        width: columns,
        ..area
    };
    let style = theme.style(Role::Header).patch(theme.style(role));
    put(buffer, place, 0, &Line::from(Span::styled(right, style)));
}

const TITLE: &str = " handover ";
/// Columns that the path keeps before the words at the right end give way.
const LEAST_CRUMBS: usize = 24;

fn crumbs(model: &Model) -> String {
    let names = model.screens.iter().map(|screen| match screen {
        Screen::Environments => "▸ environments ".to_owned(),
        Screen::Environment(target) => format!("▸ {} ", target.environment),
        Screen::Drains => "▸ drains ".to_owned(),
        Screen::Schedules => "▸ schedules ".to_owned(),
        Screen::Run => match model.run.as_ref().map(|run| run.verb) {
            Some(Verb::Recover) => "▸ recovery ".to_owned(),
            Some(Verb::RollBack) => "▸ rollback ".to_owned(),
            _ => "▸ rotation ".to_owned(),
        },
    });
    names.collect()
}

fn badges(model: &Model, theme: &Theme) -> Vec<Span<'static>> {
    let mut badges = Vec::new();
    let mut add = |text: &str, role| {
        badges.push(Span::styled(format!(" {text} "), theme.style(role)));
        badges.push(Span::raw(" "));
    };
    if let Some(banner) = &model.banner {
        add(banner, Role::Banner);
    }
    if let Some(target) = model.target()
        && model.status.is_some()
        && model.is_protected(&target.environment)
    {
        add("PROD", Role::Production);
        match model.is_read_only(&target.environment) {
            true => add("READ-ONLY", Role::Readonly),
            false => {
                let left = model.minutes_unlocked(&target.environment);
                add(&format!("UNLOCKED {left} min"), Role::Unlocked);
            }
        }
    }
    badges
}

/// What keeps schedules from being acted on, above the screens that count on them. Answers what
/// is left for the screen.
pub(super) fn standing(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    if !matches!(model.screen(), Screen::Environments | Screen::Schedules) {
        return area;
    }
    let mut below = area;
    for (role, words) in schedule_words::standing(model) {
        // The rows are what the screen is for.
        if below.height <= LEAST_ROWS {
            break;
        }
        let words = words::cut(&format!(" {words}"), usize::from(below.width));
        put(
            buffer,
            below,
            0,
            &Line::from(Span::styled(words, theme.style(role))),
        );
        below.y += 1;
        below.height -= 1;
    }
    below
}

/// Rows that a screen keeps whatever is to be said above it.
const LEAST_ROWS: u16 = 5;

/// How old what is drawn is; the words change at most once a minute. The oldest look on
/// the screen counts, and what was never seen is not called live.
fn liveness(model: &Model) -> (Role, String) {
    if let Some(problem) = &model.status_problem {
        return (Role::Danger, format!("✗ store: {}", problem.message));
    }
    let Some(mut oldest) = model.status_at else {
        return (Role::Muted, "◌ reading the store".to_owned());
    };
    for (environment, view) in &model.drains {
        let here = match model.screen() {
            Screen::Environment(target) => target.environment == *environment,
            Screen::Drains => true,
            Screen::Environments | Screen::Schedules | Screen::Run => false,
        };
        oldest = view.at.filter(|_| here).map_or(oldest, |at| at.min(oldest));
    }
    if *model.screen() == Screen::Schedules {
        oldest = model.timetable.at.map_or(oldest, |at| at.min(oldest));
    }
    let mut waiting = 0;
    for environment in model.lookable() {
        let here = match model.screen() {
            Screen::Environments => true,
            Screen::Environment(target) => target.environment == environment,
            Screen::Run | Screen::Drains | Screen::Schedules => false,
        };
        let known = model.known.get(&environment);
        let look = known.and_then(|known| known.look.as_ref());
        match look {
            _ if !here => {}
            Some(look) => oldest = oldest.min(look.at),
            None if known.is_some_and(|known| known.look_problem.is_some()) => {}
            None => waiting += 1,
        }
    }
    let age = match words::age(oldest, model.now).as_str() {
        "now" => None,
        age => Some(format!("data {age} old")),
    };
    let with = |words: String| match &age {
        Some(age) => format!("{words}, {age}"),
        None => words,
    };
    match (model.frozen, waiting, &age) {
        (true, ..) => (Role::Stale, with("‖ frozen".to_owned())),
        (_, 1.., _) => (Role::Stale, with(format!("◌ {waiting} not seen yet"))),
        (_, _, Some(age)) => (Role::Stale, format!("◌ {age}")),
        (_, _, None) => (Role::Ok, "● live".to_owned()),
    }
}

/// The last thing that happened, or the filter while it is typed or holds.
pub(super) fn toast(
    model: &Model,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let has_rows = is_here(model, Scope::Rows);
    let filter = model.filter_here().text();
    if has_rows && (model.filtering || !filter.is_empty()) && model.toast.is_none() {
        let line = Line::from(vec![
            Span::styled(" / ", theme.style(Role::Key)),
            Span::styled(filter.to_owned(), theme.style(Role::Match)),
        ]);
        put(buffer, area, 0, &line);
        let typed = u16::try_from(filter.width()).unwrap_or(u16::MAX);
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

/// The keys that matter here; one that cannot be used now is drawn in parentheses. What
/// does not fit is left out, but never the help, which shows all keys, nor the way out.
pub(super) fn footer(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.style(Role::Footer));
    let mut labels = Vec::new();
    if let Some(overlay) = &model.overlay {
        // What lies over the screen takes all keys.
        let keys: &[(&str, &str)] = match overlay {
            Overlay::Help => &[("any key", "closes the help")],
            Overlay::Leave => &[("esc", "stay")],
            Overlay::Review(Review {
                stage: Stage::Acting,
                ..
            }) => &[("esc", "leave it to itself")],
            Overlay::Review(review) if review.ways().len() > 1 => &[
                ("↑↓", "other way"),
                ("esc", "leave it"),
                ("tab", "other button"),
                ("enter", "press it"),
                ("Y", "copy command"),
            ],
            Overlay::Review(review) if review.on_reason => {
                &[("esc", "leave it"), ("enter", "that is the reason")]
            }
            Overlay::Review(review) if review.takes_reason() => &[
                ("↑", "write a reason"),
                ("esc", "leave it"),
                ("tab", "other button"),
                ("enter", "press the button"),
                ("Y", "copy command"),
            ],
            Overlay::Review(_) => &[
                ("esc", "leave it"),
                ("tab", "other button"),
                ("enter", "press the button"),
                ("Y", "copy command"),
            ],
        };
        let mut free = usize::from(area.width).saturating_sub(1);
        let mut line = vec![Span::raw(" ")];
        for (key, name) in keys {
            let label = label(theme, key, name, false);
            match free.checked_sub(wide(&label)) {
                Some(left) => free = left,
                None => break,
            }
            line.extend(label);
        }
        put(buffer, area, 0, &Line::from(line));
        return;
    }
    if *model.screen() != Screen::Environments {
        labels.push(label(theme, "esc", "back", false));
    }
    let mut kept = Vec::new();
    let here = TABLE
        .iter()
        .filter(|entry| entry.in_footer && is_here(model, entry.scope));
    for entry in here {
        if needless(model, entry) {
            continue;
        }
        let off = disabled(model, entry.command).is_some();
        let label = label(theme, entry.keys[0], name_here(model, entry), off);
        match entry.command {
            Command::Help | Command::Quit => kept.push(label),
            _ => labels.push(label),
        }
    }
    let mut free = usize::from(area.width)
        .saturating_sub(1)
        .saturating_sub(kept.iter().map(wide).sum());
    let mut spans = vec![Span::raw(" ")];
    for label in labels {
        match free.checked_sub(wide(&label)) {
            Some(left) => free = left,
            None => continue,
        }
        spans.extend(label);
    }
    spans.extend(kept.into_iter().flatten());
    put(buffer, area, 0, &Line::from(spans));
}

/// Unlocking is offered only where something is locked, and what belongs to another pane or
/// is where one already is would only be in the way.
fn needless(model: &Model, entry: &Entry) -> bool {
    let off = disabled(model, entry.command).is_some();
    let only_when_on = matches!(
        entry.command,
        Command::Unlock
            | Command::Unfold
            | Command::Drains
            | Command::Schedules
            | Command::Pause
            | Command::Undo
            | Command::EndSession
            | Command::RollBack
            | Command::Publish
            | Command::Export
    );
    // Where schedules are not what the screen is about, other keys matter more.
    let is_elsewhere = match entry.command {
        Command::Pause => *model.screen() == Screen::Environments,
        Command::Recover => *model.screen() == Screen::Schedules && off,
        _ => false,
    };
    is_elsewhere
        || only_when_on && off
        || matches!(entry.scope, Scope::Target) && model.target().is_none()
}

/// What a key leads to here, where the screen has another word for it.
fn name_here(model: &Model, entry: &Entry) -> &'static str {
    match entry.command {
        Command::Rotate if *model.screen() == Screen::Schedules => "run now",
        Command::Pause if pause_or_resume(model) == Verb::Resume => "resume",
        _ => entry.name,
    }
}

fn wide(label: &[Span<'_>; 3]) -> usize {
    label.iter().map(Span::width).sum()
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
        Span::styled("  ", footer),
    ]
}
