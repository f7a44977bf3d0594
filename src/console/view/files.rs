//! The files that an environment is published to, and its notices: what they have, and what
//! mends what stands in the way.
//!
//! ```text
//!   file     ✗ failed     /run/orders/db.env   has revision 3 of 4
//!            /run/orders/db.env is a folder; take it away; then: handover recover shop/orders
//!   notices  2 waiting since 2026-11-21 01:58:00 UTC: handover outbox ls shop/orders
//! ```

use chrono::{DateTime, Utc};
use ratatui::text::{Line, Span};

use super::labels::Lines;
use crate::console::theme::{Role, Theme};
use crate::console::words;
use crate::operations::hand_over::SinkReport;
use crate::operations::{EnvironmentStatus, SinkStatus};
use crate::rotation::{Action, SinkState};

/// Columns before the words: a blank margin and the label.
const MARGIN: usize = 11;

/// What the store knows, in the overview of an environment; what needs a person first.
pub(super) fn of_environment(
    theme: &Theme,
    status: &EnvironmentStatus,
    now: DateTime<Utc>,
    width: u16,
) -> Vec<Line<'static>> {
    let width = usize::from(width).saturating_sub(MARGIN + 2).max(10);
    let mut lines = Vec::new();
    let mut add = |label: &str, words: &str, role: Role| {
        for (index, part) in words::wrap(words, width).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("  {label:<9}"), theme.style(Role::Muted)),
                Span::styled(part, theme.style(role)),
            ]));
        }
    };
    let mut sinks: Vec<&SinkStatus> = status.sinks.iter().collect();
    sinks.sort_by_key(|sink| (rank(sink.state), &sink.file));
    for sink in sinks {
        let (glyph, word, role) = words::sink(sink.state);
        let has = words::delivered(sink.delivered, sink.wanted);
        add(
            "file",
            &format!("{glyph} {word} · {} · {has}", sink.file),
            role,
        );
        match status.mends(sink) {
            Some((Some(problem), remedy)) => {
                add("", &problem, Role::Text);
                add("", &remedy, Role::Key);
            }
            Some((None, remedy)) => add("", &remedy, Role::Key),
            None => {}
        }
    }
    if let Some((words, command)) = status.backlog_words(now) {
        add("notices", &format!("▲ {words}: {command}"), Role::Warn);
    }
    lines
}

/// A file's own name, where there is no room for all of it.
pub(super) fn short(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn rank(state: SinkState) -> u8 {
    match state {
        SinkState::Foreign => 0,
        SinkState::Failed => 1,
        SinkState::Due => 2,
        SinkState::Confirmed => 3,
    }
}

/// What a run or a look has found of each file.
pub(super) fn reported(theme: &Theme, sinks: &[SinkReport], width: u16) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    for sink in sinks {
        let (glyph, word, role) = words::sink(sink.state);
        let has = words::delivered(sink.delivered, sink.revision);
        let words = format!("{glyph} {word} · {} · {has}", sink.file);
        lines.add("file", &words, role);
        if let Some(action) = sink
            .next
            .filter(|next| !sink.is_confirmed() && *next != Action::Park)
        {
            lines.add("do", action.words(), Role::Title);
        }
        lines.error(sink.error.as_ref());
    }
    lines.done
}
