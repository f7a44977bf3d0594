//! The days to come as columns: a mark for each start, and the window in which it may begin.
//!
//! ```text
//! Sa Su Mo Tu We Th Fr Sa
//! ·  ◆──·  ·  ◆──·  ·  ·
//! ```
//! Days are those of UTC, so that one heading stands above all rows. A figure stands for so many
//! starts in one cell.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use ratatui::text::Span;

use crate::console::model::ScheduleEntry;
use crate::console::theme::{Role, Theme};

/// Today, and seven more.
const DAYS: usize = 8;
/// Columns of a day where there is room, and where there is not.
const WIDE: usize = 3;
const NARROW: usize = 1;

/// Columns that all days want, with a blank one at their end.
pub(super) const WIDTHS: [usize; 2] = [DAYS * WIDE + 1, DAYS * NARROW + 1];

/// Where days stand.
pub(super) struct Days {
    first: DateTime<Utc>,
    columns: usize,
}

impl Days {
    /// Within so many columns; `None` where there is no room for the least.
    pub(super) fn within(width: usize, now: DateTime<Utc>) -> Option<Self> {
        let columns = match width {
            width if width >= WIDTHS[0] => WIDE,
            width if width >= WIDTHS[1] => NARROW,
            _ => return None,
        };
        let of_today = i64::from(now.num_seconds_from_midnight());
        let first = now - TimeDelta::seconds(of_today);
        Some(Self { first, columns })
    }

    /// The first letters of the weekdays.
    pub(super) fn heading(&self) -> String {
        let days = (0..).zip(0..DAYS).map(|(day, _)| {
            let name = (self.first + TimeDelta::days(day)).weekday().to_string();
            let letters = name.get(..self.columns.min(2)).unwrap_or_default();
            format!("{letters:<width$}", width = self.columns)
        });
        days.collect::<String>() + " "
    }

    /// The starts of a schedule; blank where there is none.
    pub(super) fn marks(&self, entry: Option<&ScheduleEntry>, theme: &Theme) -> Vec<Span<'static>> {
        let count = DAYS * self.columns;
        let mut cells: Vec<Cell> = (0..count)
            .map(|cell| match cell % self.columns {
                0 => Cell::Day,
                _ => Cell::Blank,
            })
            .collect();
        if let Some(entry) = entry {
            self.fill(entry, &mut cells);
        }
        let mut spans: Vec<Span<'static>> = Vec::new();
        for cell in cells {
            let (glyph, role) = cell.drawn();
            spans.push(Span::styled(glyph, theme.style(role)));
        }
        spans.push(Span::raw(" "));
        spans
    }

    fn fill(&self, entry: &ScheduleEntry, cells: &mut [Cell]) {
        let window = i64::try_from(entry.view.window_seconds).unwrap_or(i64::MAX);
        // The widest window there is: nothing further is drawn.
        let window = TimeDelta::seconds(window.clamp(0, 86_400 * 366));
        for start in &entry.view.next {
            let Some(first) = self.cell(*start) else {
                continue;
            };
            // The last instant of a window is not its own any more.
            let end = *start + window - TimeDelta::seconds(1);
            let last = self.cell(end).unwrap_or(cells.len().saturating_sub(1));
            let Some(covered) = cells.get_mut(first..=last.max(first)) else {
                continue;
            };
            for (at, cell) in covered.iter_mut().enumerate() {
                *cell = match (at, *cell) {
                    (0, Cell::Starts(before)) => Cell::Starts(before.saturating_add(1)),
                    (0, _) => Cell::Starts(1),
                    (_, starts @ Cell::Starts(_)) => starts,
                    (_, _) => Cell::Window,
                };
            }
        }
    }

    /// The cell of a time; `None` outside of what is shown.
    fn cell(&self, at: DateTime<Utc>) -> Option<usize> {
        let seconds = usize::try_from((at - self.first).num_seconds()).ok()?;
        let cell = seconds * self.columns / 86_400;
        (cell < DAYS * self.columns).then_some(cell)
    }
}

/// What stands in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Blank,
    /// A day begins.
    Day,
    /// A rotation may still begin.
    Window,
    Starts(u32),
}

impl Cell {
    fn drawn(self) -> (String, Role) {
        match self {
            Self::Blank => (" ".to_owned(), Role::Muted),
            Self::Day => ("·".to_owned(), Role::Muted),
            Self::Window => ("─".to_owned(), Role::Info),
            Self::Starts(1) => ("◆".to_owned(), Role::Text),
            Self::Starts(count @ 2..=9) => (count.to_string(), Role::Text),
            Self::Starts(_) => ("+".to_owned(), Role::Text),
        }
    }
}
