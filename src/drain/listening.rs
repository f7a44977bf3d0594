//! Who is heard once the outgoing user is locked: logins that were refused.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::timeline::{NodeTimeline, Timeline};
use crate::model::{CounterSource, Overlap, Stage};

/// Whether somebody would be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ear {
    /// Every node counts the logins that it refuses.
    Listening,
    /// Nobody can be heard; time passes all the same.
    Waiting,
}

/// What is heard of a locked user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// Whether somebody would be heard.
    pub state: Ear,
    /// Since when it is locked, by this host's clock.
    pub since: DateTime<Utc>,
    /// How long it still takes, in seconds.
    pub left_seconds: u64,
    /// Who counts refused logins on every node; `null` where one of them does not.
    pub source: Option<CounterSource>,
    /// How many logins were refused since the first reading under the lock; `null` without
    /// a source.
    pub refused: Option<u64>,
}

/// What is heard of a user since it was locked; `None` of one that is not. `listen` is what
/// the settings ask for.
#[must_use]
pub fn listening(
    overlap: &Overlap,
    timeline: &Timeline,
    listen: Duration,
    now: DateTime<Utc>,
) -> Option<Listening> {
    if overlap.stage != Stage::Locked {
        return None;
    }
    let nodes = timeline.nodes.iter();
    let heard: Option<Vec<(CounterSource, u64)>> =
        nodes.map(|node| heard_on(node, overlap.stage_at)).collect();
    let heard = heard.filter(|heard| !heard.is_empty());
    let passed = (now - overlap.stage_at).to_std().unwrap_or_default();
    let left = listen.saturating_sub(passed);
    Some(Listening {
        state: match heard {
            Some(_) => Ear::Listening,
            None => Ear::Waiting,
        },
        since: overlap.stage_at,
        left_seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0),
        source: heard.as_ref().map(|heard| heard[0].0),
        refused: heard.map(|heard| heard.iter().map(|(_, refused)| refused).sum()),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::{Answered, CountedLogins, LastLook};
    use crate::model::{LoginCounter, Node};

    /// By this host's clock; the node's is an hour ahead.
    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a valid time")
    }

    fn overlap(stage: Stage) -> Overlap {
        Overlap {
            id: 1,
            user: "orders_a".to_owned(),
            account: None,
            revision: 2,
            promoted: Vec::new(),
            opened_at: at(0),
            stage,
            stage_at: at(100),
            compromised: false,
        }
    }

    fn node(host: &str, readings: &[(i64, i64, Option<u64>)]) -> NodeTimeline {
        let ahead = 3_600;
        let mut node = NodeTimeline::new(Node {
            host: host.to_owned(),
            port: 3306,
        });
        node.last = Some(LastLook {
            at: at(500),
            answered: Some(Answered {
                at: at(500),
                server_time: at(500 + ahead),
            }),
            problem: None,
            grant: None,
        });
        let readings = readings.iter().map(|(from, until, refused)| CountedLogins {
            from: at(from + ahead),
            until: at(until + ahead),
            counter: LoginCounter {
                source: CounterSource::Accounts,
                total: 7,
                refused: *refused,
                since: None,
            },
        });
        node.counters = readings.collect();
        node
    }

    fn heard(nodes: Vec<NodeTimeline>) -> Listening {
        let timeline = Timeline {
            nodes,
            ..Timeline::default()
        };
        let hour = Duration::from_secs(3_600);
        let none = listening(&overlap(Stage::Draining), &timeline, hour, at(500));
        assert_eq!(none, None, "only a locked user is listened for");
        listening(&overlap(Stage::Locked), &timeline, hour, at(500)).expect("it is locked")
    }

    #[test]
    fn what_was_refused_before_the_lock_is_nobody_who_knocks_at_it() {
        let before = (0, 90, Some(3));
        let quiet = heard(vec![node("a", &[before, (101, 500, Some(4))])]);
        assert_eq!((quiet.state, quiet.refused), (Ear::Listening, Some(0)));
        assert_eq!(quiet.left_seconds, 3_200);
        let knocked = heard(vec![
            node("a", &[before, (101, 200, Some(4)), (201, 500, Some(6))]),
            node("b", &[(50, 500, Some(1))]),
        ]);
        assert_eq!(knocked.refused, Some(2));
    }

    #[test]
    fn one_node_that_does_not_count_makes_it_waiting() {
        let counting = node("a", &[(101, 500, Some(4))]);
        for deaf in [node("b", &[(101, 500, None)]), node("b", &[])] {
            let found = heard(vec![counting.clone(), deaf]);
            assert_eq!((found.state, found.refused), (Ear::Waiting, None));
            assert_eq!(found.source, None);
        }
        assert_eq!(heard(Vec::new()).state, Ear::Waiting);
    }
}
