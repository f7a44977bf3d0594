//! When nobody will be there any more, by the ages at which sessions were seen to end.
//!
//! A pool ends its sessions at an age, each at its own time: so the answer is a range by age
//! ceilings and never a curve through counts. The sessions that have ended are rather those
//! that live short, so the ceiling is raised by how far their ages lie apart.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::judge::Question;
use super::observed::ObservedNode;
use super::status::{Arrival, Forecast};
use super::stragglers::{Group, There};
use super::timeline::{FoldedClient, SeenSession};
use super::words;
use crate::model::SessionKind;
use crate::untrusted::Untrusted;

/// The ages at which the sessions of one client were seen to end.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    /// How many have ended.
    ended: u64,
    /// How many of them at an age that is known.
    aged: u64,
    /// The youngest and the oldest age.
    ages: Option<(TimeDelta, TimeDelta)>,
}

type Client<'a> = (&'a str, Option<&'a str>);

/// When the groups that are there will be gone.
pub(super) fn forecast(
    question: &Question<'_>,
    nodes: &[ObservedNode<'_>],
    groups: &[Group<'_>],
) -> Forecast {
    if groups.is_empty() {
        return match nodes.iter().any(|node| node.run().is_some()) {
            true => Forecast::Empty,
            false => Forecast::Unknown {
                because: "nobody has looked yet".to_owned(),
            },
        };
    }
    let ends = ends(nodes, &question.timeline.folded);
    let of = |group: &Group<'_>| {
        let key = (
            group.application.as_str(),
            group.client.map(Untrusted::as_str),
        );
        ends.get(&key).copied().unwrap_or_default()
    };
    let staying: Vec<String> = groups
        .iter()
        .filter_map(|group| {
            Some(format!(
                "{}: {}",
                group.name(),
                stays(question, group, of(group))?
            ))
        })
        .collect();
    if !staying.is_empty() {
        return Forecast::Never {
            because: words::some_of(&staying),
        };
    }
    let ranges: Result<Vec<_>, String> = groups
        .iter()
        .map(|group| range(question, group, of(group)))
        .collect();
    match ranges {
        Err(because) => Forecast::Unknown { because },
        Ok(ranges) => together(question, &ranges, groups.iter().map(of)),
    }
}

fn ends<'a>(
    nodes: &'a [ObservedNode<'a>],
    folded: &'a [FoldedClient],
) -> HashMap<Client<'a>, Ends> {
    let mut ends: HashMap<Client<'a>, Ends> = HashMap::new();
    for client in folded {
        let known = ends
            .entry((&client.application, client.client.as_deref()))
            .or_default();
        known.ended += client.sessions;
        if let Some((shortest, longest)) = client.shortest_seconds.zip(client.longest_seconds) {
            known.aged += client.sessions;
            known.widen(seconds(shortest), seconds(longest));
        }
    }
    for node in nodes {
        let restarted = node.timeline.and_then(|node| node.server_started);
        for foreign in &node.sessions {
            let seen = foreign.seen;
            let Some(ended) = seen.ended else { continue };
            // What ended with its server tells nothing of its age.
            if restarted.is_some_and(|at| ended.last_seen < at && at <= ended.gone_at) {
                continue;
            }
            let key = (
                seen.session.application.as_str(),
                seen.session.client.as_ref().map(Untrusted::as_str),
            );
            let known = ends.entry(key).or_default();
            known.ended += 1;
            if let Some((earliest, latest)) = began(seen) {
                known.aged += 1;
                known.widen(ended.last_seen - latest, ended.gone_at - earliest);
            }
        }
    }
    ends
}

impl Ends {
    fn widen(&mut self, shortest: TimeDelta, longest: TimeDelta) {
        let shortest = shortest.max(TimeDelta::zero());
        self.ages = Some(match self.ages {
            Some((least, most)) => (least.min(shortest), most.max(longest)),
            None => (shortest, longest.max(shortest)),
        });
    }

    /// Up to which age a session may live, as far as is known while `open` are there.
    ///
    /// Of lives between two bounds, the next longer ones lie as far beyond the longest that
    /// was seen as those seen lie apart, for each that is left. Twice that, and at most once
    /// more the age itself, so that no such session is called one that stays.
    fn ceiling(&self, open: usize, sample: TimeDelta) -> Option<TimeDelta> {
        let (shortest, longest) = self.ages?;
        let open = i32::try_from(open).unwrap_or(i32::MAX);
        let slack = match self.aged {
            0 | 1 => longest / 4,
            aged => {
                let others = i32::try_from(aged - 1).unwrap_or(i32::MAX);
                let apart = (longest - shortest).checked_mul(2)?.checked_mul(open)?;
                apart / others
            }
        };
        Some(longest + slack.min(longest) + sample)
    }
}

/// Between which moments a session began; `None` where that is not told.
fn began(seen: &SeenSession) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    match (seen.session.started, seen.not_before) {
        (Some(started), _) => Some((started, started)),
        (None, Some(not_before)) => Some((not_before, seen.first_seen)),
        (None, None) => None,
    }
}

/// Why a group will not go by itself, if so.
fn stays(question: &Question<'_>, group: &Group<'_>, ends: Ends) -> Option<String> {
    let is_prepared =
        |there: &There<'_>| there.foreign.seen.session.kind == SessionKind::PreparedTransaction;
    if group.sessions.iter().any(is_prepared) {
        return Some("a prepared transaction ends only when somebody ends it".to_owned());
    }
    if group.arrival() == Arrival::Late {
        return Some("still logs in with the old password".to_owned());
    }
    if ends.ended == 0 {
        return Some("none of its sessions was seen to end".to_owned());
    }
    let ceiling = ends.ceiling(group.sessions.len(), sample(question))?;
    let oldest = group.sessions.iter().filter_map(age).max()?;
    (oldest > ceiling).then(|| {
        format!(
            "its oldest session is {} old, and none was seen to live longer than {}",
            words::passed(words::elapsed(oldest)),
            words::span(words::elapsed(
                ends.ages.map_or(ceiling, |(_, longest)| longest)
            ))
        )
    })
}

/// How old a session is, or at least is.
fn age(there: &There<'_>) -> Option<TimeDelta> {
    let answered = there.node.answered()?;
    Some(answered.server_time - there.foreign.began())
}

/// Between which moments the last session of a group will have ended, by this host's clock.
fn range(
    question: &Question<'_>,
    group: &Group<'_>,
    ends: Ends,
) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    let no_ages = || {
        format!(
            "{}: the server does not tell when its sessions began",
            group.name()
        )
    };
    let (shortest, _) = ends.ages.ok_or_else(no_ages)?;
    let ceiling = ends
        .ceiling(group.sessions.len(), sample(question))
        .ok_or_else(no_ages)?;
    let mut range: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
    for there in &group.sessions {
        let (earliest, latest) = began(there.foreign.seen).ok_or_else(no_ages)?;
        let of_one = (
            there.node.to_host(earliest + shortest),
            there.node.to_host(latest + ceiling),
        );
        range = Some(match range {
            Some((from, to)) => (from.max(of_one.0), to.max(of_one.1)),
            None => of_one,
        });
    }
    range.ok_or_else(no_ages)
}

fn together(
    question: &Question<'_>,
    ranges: &[(DateTime<Utc>, DateTime<Utc>)],
    ends: impl Iterator<Item = Ends>,
) -> Forecast {
    // Nobody goes in the past.
    let earliest = ranges
        .iter()
        .map(|(earliest, _)| *earliest)
        .fold(question.now, DateTime::max);
    let latest = ranges
        .iter()
        .map(|(_, latest)| *latest)
        .fold(earliest, DateTime::max);
    let mut all = Ends::default();
    for ends in ends {
        all.aged += ends.aged;
        if let Some((shortest, longest)) = ends.ages {
            all.widen(shortest, longest);
        }
    }
    let (shortest, longest) = all.ages.unwrap_or_default();
    Forecast::Range {
        earliest,
        latest,
        basis: format!(
            "{} seen to end, at ages from {} to {}",
            words::plural(all.aged, "session was", "sessions were"),
            words::span(words::elapsed(shortest)),
            words::span(words::elapsed(longest))
        ),
    }
}

fn sample(question: &Question<'_>) -> TimeDelta {
    TimeDelta::from_std(question.sample).unwrap_or(TimeDelta::zero())
}

fn seconds(seconds: u64) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs(seconds)).unwrap_or(TimeDelta::MAX)
}
