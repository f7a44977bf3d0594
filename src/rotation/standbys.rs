//! Which standbys are known to the servers and not to the settings, and whether the
//! synchronous ones have a change.

use super::evidence::Replication;
use crate::model::{ManagingFacts, Standby};
use crate::untrusted::Untrusted;

/// The standbys that the named nodes feed, less those that are named nodes themselves.
///
/// Each standby has exactly one upstream, so what is fed and not named is counted: the
/// walsenders of all named nodes less the named nodes that receive. Which of them it is
/// can only be guessed, since addresses differ on both sides of a proxy; so all that
/// report are named when there is one too many.
///
/// What this cannot see: a chain in which an unnamed standby feeds a named one looks like
/// a named standby alone, since the servers name their upstreams by addresses of their own.
#[must_use]
pub fn unnamed_standbys<'a>(nodes: impl IntoIterator<Item = &'a ManagingFacts>) -> Vec<Untrusted> {
    let mut fed: Vec<&Standby> = Vec::new();
    let mut named = 0;
    for node in nodes {
        fed.extend(&node.standbys);
        named += usize::from(node.receiving);
    }
    if fed.len() <= named {
        return Vec::new();
    }
    fed.into_iter().map(describe).collect()
}

/// How many standbys are fed and not named.
#[must_use]
pub fn count_unnamed<'a>(nodes: impl IntoIterator<Item = &'a ManagingFacts>) -> usize {
    let (mut fed, mut named) = (0_usize, 0);
    for node in nodes {
        fed += node.standbys.len();
        named += usize::from(node.receiving);
    }
    fed.saturating_sub(named)
}

fn describe(standby: &Standby) -> Untrusted {
    let name = match standby.application.as_str() {
        "" => "a standby",
        name => name,
    };
    match &standby.client {
        Some(client) => Untrusted::new(&format!("{name} at {client}")),
        None => Untrusted::new(name),
    }
}

/// Whether as many synchronous standbys as a commit waits for have flushed `position`.
/// Where nobody waits for one any more, there is nothing left to wait for.
#[must_use]
pub fn replication(facts: &ManagingFacts, position: i64) -> Replication {
    let wanted = usize::try_from(facts.synchronous_wanted).unwrap_or(usize::MAX);
    let has_it = |standby: &&Standby| {
        standby.synchronous && standby.flushed.is_some_and(|flushed| flushed >= position)
    };
    match facts.standbys.iter().filter(has_it).count() >= wanted {
        true => Replication::Confirmed,
        false => Replication::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ServerIdentity, SessionView};

    fn facts(standbys: &[(bool, Option<i64>)], receiving: bool, wanted: u32) -> ManagingFacts {
        ManagingFacts {
            identity: ServerIdentity {
                flavour: crate::model::Flavour::Postgresql,
                gtids: String::new(),
                system: "1".to_owned(),
                timeline: 1,
                position: 0,
                transaction: 0,
                version: 150_000,
            },
            server_time: chrono::DateTime::UNIX_EPOCH,
            read_only: receiving,
            receiving,
            certificate: None,
            standbys: standbys
                .iter()
                .map(|(synchronous, flushed)| Standby {
                    application: Untrusted::new("walreceiver"),
                    client: None,
                    state: Untrusted::new("streaming"),
                    synchronous: *synchronous,
                    flushed: *flushed,
                    replayed: None,
                })
                .collect(),
            synchronous_wanted: wanted,
            roles: [None, None],
            sessions: SessionView {
                sessions: Vec::new(),
                complete: true,
                grant: None,
            },
        }
    }

    #[test]
    fn every_fed_standby_has_to_be_a_named_node() {
        let one = (false, None);
        let check = |nodes: &[ManagingFacts], unnamed: usize| {
            assert_eq!(count_unnamed(nodes), unnamed);
            assert_eq!(unnamed_standbys(nodes).is_empty(), unnamed == 0);
        };
        check(&[facts(&[], false, 0)], 0);
        check(&[facts(&[one], false, 0)], 1);
        check(&[facts(&[one], false, 0), facts(&[], true, 0)], 0);
        // A cascade: the first standby feeds a second one that nobody named.
        check(&[facts(&[one], false, 0), facts(&[one], true, 0)], 1);
        check(
            &[
                facts(&[one], false, 0),
                facts(&[one], true, 0),
                facts(&[], true, 0),
            ],
            0,
        );
        // A standby that reads an archive has no upstream.
        check(&[facts(&[], false, 0), facts(&[], false, 0)], 0);
    }

    #[test]
    fn as_many_synchronous_standbys_as_a_commit_waits_for_have_to_have_it() {
        let check = |standbys: &[(bool, Option<i64>)], wanted, expected| {
            assert_eq!(replication(&facts(standbys, false, wanted), 100), expected);
        };
        check(&[], 1, Replication::Waiting);
        check(&[], 0, Replication::Confirmed);
        check(&[(true, Some(99))], 1, Replication::Waiting);
        check(&[(true, Some(100))], 1, Replication::Confirmed);
        check(&[(false, Some(200))], 1, Replication::Waiting);
        check(&[(true, Some(100)), (true, None)], 2, Replication::Waiting);
        check(
            &[(true, Some(100)), (true, Some(101))],
            2,
            Replication::Confirmed,
        );
    }
}
