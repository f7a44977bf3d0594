//! The number of sessions over a whole overlap, in one line.
//!
//! ```text
//! ▃▅▇█▇▆▅▃▂░░░░▂▁▁▁▁▁▁
//! ```
//! A column shows the most of its time, so that no short session is lost between two columns.
//! A time in which nobody looked is hatched: it is no zero.

use chrono::{DateTime, Utc};
use ratatui::text::Span;

use crate::console::theme::{Role, Theme};
use crate::drain::HistoryPoint;

/// Heights of a column in which somebody was there.
const HEIGHTS: [&str; 7] = ["▂", "▃", "▄", "▅", "▆", "▇", "█"];
const NOBODY: &str = "▁";
pub(super) const NOT_LOOKED: &str = "░";

/// What a column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Nobody,
    /// Nobody was seen, and for a part of the time nobody looked.
    NotLooked,
    Sessions(u64),
}

/// The line, as wide as it may be; empty where nothing was observed.
pub(super) fn spans(
    theme: &Theme,
    history: &[HistoryPoint],
    until: DateTime<Utc>,
    width: usize,
) -> Vec<Span<'static>> {
    let columns = columns(history, until, width);
    let peak = columns.iter().copied().max();
    let peak = match peak {
        Some(Column::Sessions(peak)) => peak,
        _ => 1,
    };
    let mut spans: Vec<(Role, String)> = Vec::new();
    for column in columns {
        let (role, glyph) = match column {
            Column::Nobody => (Role::Muted, NOBODY),
            Column::NotLooked => (Role::Stale, NOT_LOOKED),
            Column::Sessions(count) => (Role::Draining, HEIGHTS[height(count, peak)]),
        };
        match spans.last_mut() {
            Some((last, text)) if *last == role => text.push_str(glyph),
            _ => spans.push((role, glyph.to_owned())),
        }
    }
    let styled = spans.into_iter();
    styled
        .map(|(role, text)| Span::styled(text, theme.style(role)))
        .collect()
}

/// Which of the heights, by the share of the peak.
fn height(count: u64, peak: u64) -> usize {
    let last = HEIGHTS.len() - 1;
    let share = u128::from(count) * HEIGHTS.len() as u128 / u128::from(peak.max(1));
    usize::try_from(share).unwrap_or(last).clamp(1, last + 1) - 1
}

fn columns(history: &[HistoryPoint], until: DateTime<Utc>, width: usize) -> Vec<Column> {
    let Some(first) = history.first().filter(|_| width > 0) else {
        return Vec::new();
    };
    let whole = (until - first.at).num_milliseconds().max(1);
    let column = |at: DateTime<Utc>| {
        let passed = (at - first.at).num_milliseconds().clamp(0, whole);
        let column = i128::from(passed) * width as i128 / i128::from(whole);
        usize::try_from(column).unwrap_or(0).min(width - 1)
    };
    let mut columns = vec![Column::Nobody; width];
    for (index, point) in history.iter().enumerate() {
        let value = match point.sessions {
            Some(0) => continue,
            Some(sessions) => Column::Sessions(sessions),
            None => Column::NotLooked,
        };
        let end = history.get(index + 1).map_or(until, |next| next.at);
        // What ends where a column begins is not in that column.
        let end = end - chrono::Duration::milliseconds(1);
        let from = column(point.at);
        for known in &mut columns[from..=column(end).max(from)] {
            *known = (*known).max(value);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a valid time")
    }

    fn line(points: &[(i64, Option<u64>)], until: i64, width: usize) -> String {
        let history: Vec<HistoryPoint> = points
            .iter()
            .map(|(seconds, sessions)| HistoryPoint {
                at: at(*seconds),
                sessions: *sessions,
            })
            .collect();
        let spans = spans(&Theme::mono(), &history, at(until), width);
        spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn heights_are_shares_of_the_peak_over_the_whole_width() {
        let steps: Vec<(i64, Option<u64>)> = (0u8..8)
            .map(|step| (i64::from(step), Some(u64::from(step))))
            .collect();
        assert_eq!(line(&steps, 8, 8), "▁▂▃▄▅▆▇█");
        assert_eq!(line(&[(0, Some(1_000)), (5, Some(1))], 10, 4), "██▂▂");
        assert_eq!(line(&[(0, Some(2))], 10, 3), "███");
        assert_eq!(line(&[(0, Some(0))], 10, 3), "▁▁▁");
    }

    #[test]
    fn a_time_in_which_nobody_looked_is_no_zero() {
        let points = [(0, Some(2)), (2, None), (4, Some(0))];
        assert_eq!(line(&points, 8, 8), "██░░▁▁▁▁");
        // However short it is.
        let points = [(0, Some(0)), (50, None), (51, Some(0))];
        assert_eq!(line(&points, 100, 4), "▁▁░▁");
        assert_eq!(line(&[(0, None)], 8, 4), "░░░░");
    }

    #[test]
    fn a_short_session_is_not_lost_between_two_columns() {
        let points = [(0, Some(0)), (4_000, Some(1)), (4_001, Some(0))];
        assert_eq!(line(&points, 10_000, 5), "▁▁█▁▁");
    }

    #[test]
    fn what_was_not_observed_has_no_line() {
        assert_eq!(line(&[], 8, 8), "");
        assert_eq!(line(&[(0, Some(1))], 8, 0), "");
        assert_eq!(
            line(&[(5, Some(1))], 0, 2),
            "█▁",
            "a clock that was set back"
        );
    }

    proptest! {
        #[test]
        fn the_line_is_as_wide_as_it_may_be(
            points in prop::collection::vec((0i64..100, prop::option::of(0u64..u64::MAX)), 1..20),
            until in -10i64..200,
            width in 0usize..100,
        ) {
            prop_assert_eq!(line(&points, until, width).chars().count(), width);
        }
    }
}
