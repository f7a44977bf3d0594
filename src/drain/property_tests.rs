//! Whatever was seen: when it may not be drained, and that run-length loses nothing that is
//! told.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::builder_tests::{Look, World, at, host, numbered, session};
use super::{Looked, Silence, Verdict, absorb};
use crate::model::{ObservedSession, SessionKind};

/// What one look at one node finds.
#[derive(Debug, Clone)]
struct Step {
    after: i64,
    node: usize,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Silent,
    /// The pids that are there, whether all can be seen, and our own login's session.
    Told {
        pids: Vec<i64>,
        is_complete: bool,
        has_own: bool,
    },
}

fn steps(nodes: usize) -> impl Strategy<Value = Vec<Step>> {
    let told = (
        prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(1..5_i64, 1..4)],
        prop::bool::weighted(0.9),
        any::<bool>(),
    );
    let kind = prop_oneof![
        1 => Just(Kind::Silent),
        12 => told.prop_map(|(pids, is_complete, has_own)| Kind::Told { pids, is_complete, has_own }),
    ];
    let after = prop_oneof![12 => 1..20_i64, 1 => 31..60_i64];
    let step = (after, 0..nodes, kind).prop_map(|(after, node, kind)| Step { after, node, kind });
    prop::collection::vec(step, 1..60)
}

/// The pid of our own session.
const OWN: i64 = 99;

/// One look as the naive model keeps it.
#[derive(Debug, Clone)]
struct Kept {
    at: i64,
    /// Who was there, by pid with the start; `None` where nothing was told.
    told: Option<(BTreeMap<i64, i64>, bool)>,
}

/// Every look of every node.
struct Naive {
    looks: Vec<Vec<Kept>>,
    quiet: i64,
    max_gap: i64,
    propagation: i64,
}

impl Naive {
    /// What may be said, by going through all looks again.
    fn verdict(&self, now: i64) -> Verdict {
        let fresh = |look: &&Kept| look.told.is_some() && now - look.at <= self.max_gap;
        let last_told = |looks: &[Kept]| looks.iter().rfind(|look| look.told.is_some()).cloned();
        let is_there = self.looks.iter().any(|looks| {
            last_told(looks)
                .as_ref()
                .filter(fresh)
                .and_then(|look| look.told.as_ref())
                .is_some_and(|(there, _)| !there.is_empty())
        });
        if is_there {
            return Verdict::Active;
        }
        let is_covered = self.looks.iter().all(|looks| {
            looks.last().is_some_and(|look| {
                now - look.at <= self.max_gap && look.told.as_ref().is_some_and(|told| told.1)
            })
        });
        if !is_covered {
            return Verdict::Unknown;
        }
        let windows: Vec<(i64, i64)> = self.looks.iter().map(|looks| self.window(looks)).collect();
        let since = windows.iter().map(|window| window.0).max().unwrap_or(now);
        let until = windows.iter().map(|window| window.1).min().unwrap_or(0);
        let settled = windows.iter().all(|window| window.1 >= self.propagation);
        // Nodes are looked at one after the other: without a window one look each is enough.
        match settled && (until - since).max(0) >= self.quiet {
            true => Verdict::Drained,
            false => Verdict::Quiet,
        }
    }

    /// From the end backwards: as long as looks are near, complete and empty.
    fn window(&self, looks: &[Kept]) -> (i64, i64) {
        let told = looks
            .iter()
            .rev()
            .filter_map(|look| Some((look.at, look.told.as_ref()?)));
        let (mut since, mut until) = (i64::MAX, None);
        for (at, (there, is_complete)) in told {
            let is_near = until.is_none() || since - at <= self.max_gap;
            if !is_near || !is_complete || !there.is_empty() {
                break;
            }
            since = at;
            until = until.or(Some(at));
        }
        (since, until.unwrap_or(0))
    }
}

/// The start of whoever has this pid: pids are handed out again after a gap.
fn starts(pid: i64, step: usize) -> i64 {
    match pid {
        1 => -50,
        2 => 30,
        _ => i64::try_from(step / 8 * 8).expect("few") - 1_000 * pid,
    }
}

/// A session as a view shows it that hides what it is.
fn masked(pid: i64) -> ObservedSession {
    ObservedSession {
        kind: SessionKind::Masked,
        client: None,
        state: None,
        ..numbered(pid)
    }
}

/// Takes all steps into a world and into the naive model, and compares after each.
fn compare(names: &[&str], steps: &[Step], quiet: u64) -> Result<(), TestCaseError> {
    let mut world = World::of(names);
    world.quiet = Duration::from_secs(quiet);
    for name in names {
        world.own(OWN, Some(7), 8);
        let own = world.timeline.own.last_mut().expect("just put there");
        own.node.host = (*name).to_owned();
    }
    let mut naive = Naive {
        looks: vec![Vec::new(); names.len()],
        quiet: i64::try_from(quiet).expect("short"),
        max_gap: 30,
        propagation: 60,
    };
    let mut now = 0;
    for (index, step) in steps.iter().enumerate() {
        now += step.after;
        let told = match &step.kind {
            Kind::Silent => {
                world.silence_at(step.node, now);
                None
            }
            Kind::Told {
                pids,
                is_complete,
                has_own,
            } => {
                let there: BTreeMap<i64, i64> =
                    pids.iter().map(|pid| (*pid, starts(*pid, index))).collect();
                let own = has_own.then(|| session(OWN, 7));
                let seen = |(pid, start): (&i64, &i64)| match is_complete {
                    true => session(*pid, *start),
                    false => masked(*pid),
                };
                let sessions = there.iter().map(seen);
                let mut look = Look::new(now, sessions.chain(own).collect());
                look.account.complete = *is_complete;
                world.look_at(step.node, &look);
                Some((there, *is_complete))
            }
        };
        naive.looks[step.node].push(Kept { at: now, told });
        let drain = world.judge(now);
        prop_assert_eq!(
            drain.verdict,
            naive.verdict(now),
            "step {} of {:?}",
            index,
            naive.looks
        );
        prop_assert_eq!(drain.verdict == Verdict::Drained, drain.gate.is_none());
        prop_assert_eq!(drain.verdict == Verdict::Drained, drain.reasons.is_empty());
        let counts = drain.counts;
        prop_assert_eq!(
            counts.sessions,
            counts.before + counts.catching_up + counts.late
        );
        prop_assert!(
            drain
                .stragglers
                .iter()
                .flat_map(|group| &group.sessions)
                .all(|one| one.pid != OWN)
        );
        prop_assert!(drain.late.iter().all(|login| login.pid != Some(OWN)));
    }
    Ok(())
}

/// Sixty seconds of sessions, then a quiet window, drained at second 200 but for what is
/// done to it.
fn nearly_drained() -> World {
    let mut world = World::of(&["db", "standby"]);
    for second in (5..=60).step_by(5) {
        world.look(&Look::new(second, vec![session(1, -50)]));
        world.look_at(1, &Look::new(second, Vec::new()));
    }
    for second in (65..=200).step_by(5) {
        world.look(&Look::new(second, Vec::new()));
        world.look_at(1, &Look::new(second, Vec::new()));
    }
    world
}

/// Everything that may keep it from being drained, one by one.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    Nothing,
    Silence,
    Mask,
    LateLogin,
    Session,
    Sinks,
    Standby,
    Propagation,
    NewNode,
    Age,
}

proptest! {
    #[test]
    fn run_length_says_what_all_samples_say(steps in steps(1), quiet in 0..120_u64) {
        compare(&["db"], &steps, quiet)?;
    }

    #[test]
    fn several_nodes_say_what_all_samples_say(steps in steps(3), quiet in 0..60_u64) {
        compare(&["db", "standby", "other"], &steps, quiet)?;
    }

    #[test]
    fn every_single_obstacle_keeps_it_from_being_drained(
        obstacle in prop::sample::select(vec![
            Obstacle::Nothing, Obstacle::Silence, Obstacle::Mask, Obstacle::LateLogin,
            Obstacle::Session, Obstacle::Sinks, Obstacle::Standby, Obstacle::Propagation,
            Obstacle::NewNode, Obstacle::Age,
        ]),
        index in 0..2_usize,
        later in 1..30_i64,
        pid in 2..100_i64,
    ) {
        let mut world = nearly_drained();
        let now = 200 + later;
        let mut asked = now;
        match obstacle {
            Obstacle::Nothing => {}
            Obstacle::Silence => { world.silence_at(index, now); }
            Obstacle::Mask => { world.look_at(index, &Look::new(now, Vec::new()).masked()); }
            Obstacle::LateLogin => {
                world.look_at(index, &Look::new(now, vec![session(pid, 200)]));
                asked = now + 1;
                world.look_at(index, &Look::new(asked, Vec::new()));
            }
            Obstacle::Session => { world.look_at(index, &Look::new(now, vec![session(pid, -9)])); }
            Obstacle::Sinks => world.sinks_confirmed = false,
            Obstacle::Standby => world.feeds(index, &["unnamed"]),
            Obstacle::Propagation => world.propagation = Duration::from_secs(201),
            Obstacle::NewNode => world.nodes.push(super::builder_tests::node("new")),
            Obstacle::Age => asked = 231 + later,
        }
        let drain = world.judge(asked);
        let is_drained = drain.verdict == Verdict::Drained;
        prop_assert_eq!(is_drained, matches!(obstacle, Obstacle::Nothing), "{:?}", drain);
        prop_assert_eq!(drain.gate.is_none(), is_drained);
        prop_assert_eq!(drain.reasons.is_empty(), is_drained);
    }

    #[test]
    fn a_gap_over_the_limit_in_the_window_keeps_it_from_being_drained(
        gap in 31..400_i64, after in 0..99_i64, by_host_alone in any::<bool>(),
    ) {
        let mut world = World::new();
        world.watch(5, 200, &[]);
        // The node's clock may have stood still with its server.
        let frozen = if by_host_alone { gap - 1 } else { 0 };
        for second in (200 + gap..=200 + gap + after).step_by(5) {
            let mut look = Look::new(second, Vec::new());
            look.sample.server_time -= TimeDelta::seconds(frozen);
            let looked = Looked {
                at: host(second),
                elapsed: None,
                answer: Ok((&look.sample, &look.account)),
            };
            absorb(&mut world.timeline.nodes[0], &looked, world.max_gap);
        }
        prop_assert_ne!(world.judge(200 + gap + after).verdict, Verdict::Drained);
    }

    #[test]
    fn the_history_says_at_each_sample_what_the_sample_said(
        counts in prop::collection::vec(0..6_i64, 1..60),
    ) {
        let mut world = World::new();
        let mut samples: Vec<(DateTime<Utc>, u64)> = Vec::new();
        for (index, count) in counts.iter().enumerate() {
            let second = 5 * i64::try_from(index).expect("few");
            let sessions: Vec<_> = (1..=*count).map(|pid| session(pid, -50)).collect();
            world.watch(second, second, &sessions);
            samples.push((host(second), sessions.len().try_into().expect("few")));
        }
        let drain = world.judge(5 * i64::try_from(counts.len()).expect("few"));
        for (moment, count) in samples {
            let point = drain.history.iter().rfind(|point| point.at <= moment);
            prop_assert_eq!(point.and_then(|point| point.sessions), Some(count));
        }
    }
}

#[test]
fn a_look_that_tells_why_it_told_nothing_is_never_a_yes() {
    let mut world = nearly_drained();
    let looked = Looked {
        at: host(201),
        elapsed: None,
        answer: Err(Silence {
            problem: "may not look".to_owned(),
            grant: Some("let it look".to_owned()),
        }),
    };
    absorb(&mut world.timeline.nodes[1], &looked, world.max_gap);
    let drain = world.judge(201);
    assert_eq!(drain.verdict, Verdict::Unknown);
    assert!(
        drain.reasons[0].ends_with("as a superuser: let it look"),
        "{:?}",
        drain.reasons
    );
    assert_eq!(drain.promoted_at, Some(at(0)));
}
