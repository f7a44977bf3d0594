//! The help: every command of the table, with its keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{dialog, put_all};
use crate::console::commands::{Danger, TABLE, disabled, is_here};
use crate::console::model::Model;
use crate::console::theme::{Role, Theme};
use crate::console::words;

pub(super) fn draw(model: &Model, theme: &Theme, screen: Rect, buffer: &mut Buffer) {
    let height = u16::try_from(TABLE.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let inside = dialog(theme, screen, buffer, "keys · any key closes", (92, height));
    let mut lines: Vec<Line<'_>> = Vec::new();
    // What works here comes first, so that a small terminal shows what matters.
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        TABLE.iter().partition(|entry| is_here(model, entry.scope));
    for (entry, usable) in here
        .into_iter()
        .map(|entry| (entry, true))
        .chain(elsewhere.into_iter().map(|entry| (entry, false)))
    {
        let reason = match usable {
            true => disabled(model, entry.command),
            false => Some("not on this screen".to_owned()),
        };
        let role = if reason.is_some() {
            Role::KeyDisabled
        } else {
            Role::Key
        };
        let note = match (reason, entry.danger) {
            (Some(reason), _) => format!("   ({reason})"),
            (None, Danger::Reviewed) => "   (opens a review)".to_owned(),
            (None, Danger::None) => String::new(),
        };
        let text = format!("{}{note}", entry.sentence);
        lines.push(Line::from(vec![
            Span::styled(format!("{:<16}", entry.keys.join("  ")), theme.style(role)),
            Span::styled(
                words::cut(&text, usize::from(inside.width).saturating_sub(16)),
                theme.style(Role::Text),
            ),
        ]));
    }
    let room = usize::from(inside.height);
    if lines.len() > room && room > 0 {
        let more = lines.len() + 1 - room;
        lines.truncate(room - 1);
        let words = format!("and {more} more, on other screens or a larger terminal");
        let style = theme.style(Role::KeyDisabled);
        lines.push(Line::from(Span::styled(words, style)));
    }
    put_all(buffer, inside, &lines);
}
