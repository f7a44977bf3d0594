//! Who is heard once the outgoing user is locked: logins that were refused.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::timeline::{NodeTimeline, Timeline};
use crate::model::{CounterSource, Overlap, Stage};

/// What is heard of a locked user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// Since when it is locked, by this host's clock.
    pub since: DateTime<Utc>,
    /// Who counts refused logins on every node; `null` where one of them does not: then
    /// nothing is heard, and time passes all the same.
    pub source: Option<CounterSource>,
    /// How many logins were refused since the first reading under the lock; `null` without
    /// a source.
    pub refused: Option<u64>,
}

/// What is heard of a user since its overlap came to its stage.
#[must_use]
pub fn listening(overlap: &Overlap, timeline: &Timeline) -> Listening {
    let heard: Option<Vec<(CounterSource, u64)>> = match overlap.stage {
        Stage::Locked => timeline
            .nodes
            .iter()
            .map(|node| heard_on(node, overlap.stage_at))
            .collect(),
        _ => None,
    };
    let heard = heard.filter(|heard| !heard.is_empty());
    Listening {
        since: overlap.stage_at,
        source: heard.as_ref().map(|heard| heard[0].0),
        refused: heard.map(|heard| heard.iter().map(|(_, refused)| refused).sum()),
    }
}

/// Refused logins on one node, from its first reading under the lock to its last; a counter
/// that began anew says nothing.
fn heard_on(node: &NodeTimeline, locked: DateTime<Utc>) -> Option<(CounterSource, u64)> {
    let last = node.last.as_ref()?.answered?;
    // The node's clock at the lock, by how far it is from ours.
    let locked = locked + (last.server_time - last.at);
    let mut under = node.counters.iter().filter(|row| row.until >= locked);
    let first = under.next()?;
    let newest = under.next_back().unwrap_or(first);
    if newest.counter.since != first.counter.since {
        return None;
    }
    let refused = newest
        .counter
        .refused?
        .checked_sub(first.counter.refused?)?;
    Some((first.counter.source, refused))
}
