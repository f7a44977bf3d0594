//! How many sessions there were over the whole overlap, for a small picture.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::judge::Question;
use super::observed::ObservedNode;
use super::status::HistoryPoint;
use super::words::elapsed;

/// So many points at most; a picture has fewer columns.
const POINTS: usize = 500;

/// What changed at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    at: DateTime<Utc>,
    sessions: i64,
    watched: i64,
}

/// One point for each change, by this host's clock, all nodes together. Where only some nodes
/// were looked at, the others count as they were last seen.
pub(super) fn history(question: &Question<'_>, nodes: &[ObservedNode<'_>]) -> Vec<HistoryPoint> {
    let mut changes = Vec::new();
    for node in nodes {
        of_node(node, question, &mut changes);
    }
    changes.sort_by_key(|change| change.at);
    let (mut sessions, mut watched) = (0_i64, 0_i64);
    let mut points: Vec<HistoryPoint> = Vec::new();
    let mut changes = changes.into_iter().peekable();
    while let Some(change) = changes.next() {
        sessions += change.sessions;
        watched += change.watched;
        if changes.peek().is_some_and(|next| next.at == change.at) {
            continue;
        }
        // A clock that was set back may put an end before its beginning.
        let count = u64::try_from(sessions).unwrap_or(0);
        let count = (watched > 0).then_some(count);
        if points.last().is_none_or(|last| last.sessions != count) {
            points.push(HistoryPoint {
                at: change.at,
                sessions: count,
            });
        }
    }
    thinned(points)
}

fn of_node(node: &ObservedNode<'_>, question: &Question<'_>, changes: &mut Vec<Change>) {
    let runs = node.timeline.map_or(&[][..], |node| &node.runs);
    let mut push = |at, sessions, watched| {
        let at = node.to_host(at);
        changes.push(Change {
            at,
            sessions,
            watched,
        });
    };
    let is_gap = |span: Duration| span > question.max_gap;
    for (index, run) in runs.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| runs.get(index));
        match before {
            // A stretch that begins with another view, or a clock set back, is no gap.
            Some(before) if !is_gap(elapsed(run.from - before.until)) => {}
            Some(before) => {
                push(before.until, 0, -1);
                push(run.from, 0, 1);
            }
            None => push(run.from, 0, 1),
        }
    }
    if let Some(last) = runs.last() {
        let ago = question.now - node.to_host(last.until);
        if is_gap(elapsed(ago)) {
            push(last.until, 0, -1);
        }
    }
    for foreign in &node.sessions {
        push(foreign.seen.first_seen, 1, 0);
        if let Some(ended) = foreign.seen.ended {
            push(ended.gone_at, -1, 0);
        }
    }
}

/// Fewer points, of which none hides the most that were there, nor that nobody looked.
fn thinned(points: Vec<HistoryPoint>) -> Vec<HistoryPoint> {
    if points.len() <= POINTS {
        return points;
    }
    let last = points.last().cloned();
    // Of each bundle at most three are kept: where nobody looked, and the most before and
    // after that.
    let size = points.len().div_ceil(POINTS / 3 - 1);
    let mut kept: Vec<HistoryPoint> = Vec::with_capacity(POINTS);
    for bundle in points.chunks(size) {
        let blind = bundle.iter().position(|point| point.sessions.is_none());
        let (before, after) = bundle.split_at(blind.unwrap_or(bundle.len()));
        let most = |points: &[HistoryPoint]| {
            let seen = points.iter().filter(|point| point.sessions.is_some());
            // Of equal ones the first.
            seen.rev().max_by_key(|point| point.sessions).cloned()
        };
        kept.extend(most(before));
        kept.extend(after.first().cloned());
        kept.extend(after.get(1..).and_then(most));
    }
    if kept.last() != last.as_ref() {
        kept.extend(last);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_most_and_the_blind_spots() {
        let at = |second: i64| DateTime::from_timestamp(second, 0).expect("a time");
        let points: Vec<HistoryPoint> = (0..5_000)
            .map(|second| HistoryPoint {
                at: at(second),
                sessions: match second {
                    2_500 => None,
                    1_234 => Some(9_999),
                    _ => Some(u64::try_from(second % 7).expect("small")),
                },
            })
            .collect();
        let thin = thinned(points.clone());
        assert!(thin.len() <= POINTS, "{}", thin.len());
        assert!(thin.iter().any(|point| point.sessions == Some(9_999)));
        assert!(thin.iter().any(|point| point.sessions.is_none()));
        assert_eq!(thin.last(), points.last());
        assert!(thin.is_sorted_by_key(|point| point.at));
        assert_eq!(thinned(points[..500].to_vec()), points[..500]);
    }
}
