//! Logins that no sample saw, where the server counts them.
//!
//! What a counter grew by, less the sessions that were first seen then, less our own logins:
//! somebody was there and went between two samples. Where it is not sure which growth was
//! ours, the earliest is taken for it, so that the window rather begins too late.

use chrono::{DateTime, Utc};

use super::observed::{ObservedNode, SLACK};
use super::record::began_anew;
use super::timeline::CountedLogins;
use crate::model::{CounterSource, SessionKind};

/// Logins between two samples that neither saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unseen {
    /// The sample before.
    pub(super) after: DateTime<Utc>,
    /// The sample that counted them.
    pub(super) by: DateTime<Utc>,
    /// How many.
    pub(super) logins: u64,
}

/// What the counter of one node tells.
pub(super) struct Counted {
    /// Logins that no sample saw, oldest first.
    pub(super) unseen: Vec<Unseen>,
    /// From when to when it counted, if it did.
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The last sample by which it had begun anew, or its growth could not be told apart from
    /// our own.
    doubtful: Option<DateTime<Utc>>,
}

impl Counted {
    /// Whether no login between these two samples can have been missed.
    pub(super) fn covers(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        let counts = self
            .span
            .is_some_and(|(first, last)| first <= from && until <= last);
        counts && self.doubtful.is_none_or(|doubtful| doubtful <= from)
    }
}

/// From one row of the counter to the next.
struct Growth {
    after: DateTime<Utc>,
    by: DateTime<Utc>,
    left: u64,
    source: CounterSource,
    is_anew: bool,
    is_doubtful: bool,
}

/// Reads the counter of one node.
pub(super) fn counted(node: &ObservedNode<'_>) -> Counted {
    let rows = node.timeline.map_or(&[][..], |node| &node.counters);
    let started = node.timeline.and_then(|node| node.server_started);
    let mut growths: Vec<Growth> = rows
        .windows(2)
        .map(|rows| growth(&rows[0], &rows[1], started))
        .collect();
    less_seen(&mut growths, node);
    less_own(&mut growths, node);
    let doubtful = growths
        .iter()
        .filter(|growth| growth.is_anew || growth.is_doubtful);
    Counted {
        doubtful: doubtful.map(|growth| growth.by).max(),
        unseen: growths
            .iter()
            .filter(|growth| growth.left > 0)
            .map(|growth| Unseen {
                after: growth.after,
                by: growth.by,
                logins: growth.left,
            })
            .collect(),
        span: rows
            .first()
            .zip(rows.last())
            .map(|(first, last)| (first.from, last.until)),
    }
}

fn growth(before: &CountedLogins, now: &CountedLogins, started: Option<DateTime<Utc>>) -> Growth {
    let is_restarted = started.is_some_and(|start| before.until < start && start <= now.from);
    let is_anew =
        is_restarted || now.from < before.until || began_anew(&before.counter, &now.counter);
    Growth {
        after: before.until,
        by: now.from,
        left: match is_anew {
            true => 0,
            false => now.counter.total.saturating_sub(before.counter.total),
        },
        source: now.counter.source,
        is_anew,
        is_doubtful: false,
    }
}

/// Takes away what the sessions explain that were seen.
fn less_seen(growths: &mut [Growth], node: &ObservedNode<'_>) {
    less_presence(growths, node);
    for foreign in &node.sessions {
        let seen = foreign.seen;
        // Nobody logs in as a prepared transaction.
        if seen.session.kind == SessionKind::PreparedTransaction {
            continue;
        }
        let at = growths.partition_point(|growth| growth.by < seen.first_seen);
        // The counter and the sessions are not read at the very same moment: a login in
        // between stands in the one at this sample and in the other at the next.
        let candidates = [Some(at), at.checked_sub(1)].into_iter().flatten();
        let explained = candidates.into_iter().find(|at| {
            growths.get(*at).is_some_and(|growth| {
                let is_within = growth.after <= seen.first_seen && seen.first_seen <= growth.by;
                let is_before = seen.not_before == Some(growth.by);
                let counts_logins = growth.source != CounterSource::Statements;
                (is_within || is_before) && counts_logins && growth.left > 0
            })
        });
        if let Some(growth) = explained.and_then(|at| growths.get_mut(at)) {
            growth.left -= 1;
        }
    }
}

/// Statements are no logins: whoever is there makes some, and no number of them is his.
fn less_presence(growths: &mut [Growth], node: &ObservedNode<'_>) {
    let mut changes = vec![0_i64; growths.len() + 1];
    for foreign in &node.sessions {
        let seen = foreign.seen;
        let from = growths.partition_point(|growth| growth.by < seen.first_seen);
        let to = seen.ended.map_or(growths.len(), |ended| {
            growths.partition_point(|growth| growth.after <= ended.last_seen)
        });
        if from < to {
            changes[from] += 1;
            changes[to] -= 1;
        }
    }
    let mut there = 0;
    for (growth, change) in growths.iter_mut().zip(changes) {
        there += change;
        if growth.source == CounterSource::Statements {
            growth.left = u64::from(growth.left > 0 && there == 0);
        }
    }
}

/// Takes away our own logins: each explains one login that was counted while it was there. As
/// long as no sample was made after it, it is not known whether it was counted yet, so that
/// what was counted so far stands.
fn less_own(growths: &mut [Growth], node: &ObservedNode<'_>) {
    let newest = node.answered().map(|both| both.server_time);
    let mut spans: Vec<(DateTime<Utc>, DateTime<Utc>)> =
        node.own.iter().map(|own| node.span_of(own)).collect();
    spans.sort_by_key(|(_, until)| *until);
    for (from, until) in spans {
        if newest.is_none_or(|newest| newest < until + SLACK) {
            continue;
        }
        let growing = growths.iter_mut().filter(|growth| growth.left > 0);
        let mut possible =
            growing.filter(|growth| growth.after <= until + SLACK && from - SLACK <= growth.by);
        let Some(growth) = possible.next() else {
            continue;
        };
        growth.left -= 1;
        // Whether all of these statements were ours is not known.
        growth.is_doubtful |= growth.source == CounterSource::Statements;
    }
}
