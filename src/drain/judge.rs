//! From what was observed to what may be said of it.
//!
//! The order is fixed: who is seen makes it active; what cannot be seen makes it unknown; and
//! only when every condition holds it is drained. Nothing that is missing is taken for a yes.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::arrival::{late_logins, newest_first};
use super::counted::{Counted, counted};
use super::coverage::coverage;
use super::forecast::forecast;
use super::history::history;
use super::listening::listening;
use super::observed::{Foreign, ObservedNode, observe};
use super::reasons::{Findings, gate, reasons};
use super::retire::leak;
use super::status::{Arrival, Counts, Coverage, Drain, LateLogin, Method, Verdict};
use super::stragglers::{describe, groups};
use super::timeline::Timeline;
use super::window::{self, NodeWindow, Quiet};
use crate::model::{Engine, EnvironmentName, Node, Overlap, OwnerNote, SessionKind};
use crate::untrusted::Untrusted;

/// What is asked: one overlap, what was observed of it, and what the settings want.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The environment, for the commands that are proposed.
    pub environment: &'a EnvironmentName,
    /// The rotated secret.
    pub path: &'a str,
    /// Its overlap.
    pub overlap: &'a Overlap,
    /// What was observed.
    pub timeline: &'a Timeline,
    /// The nodes of the settings.
    pub nodes: &'a [Node],
    /// The poolers of the settings.
    pub poolers: &'a [PoolerAddress],
    /// Whom to call.
    pub owners: &'a [OwnerNote],
    /// The engine, for its words.
    pub engine: Engine,
    /// The time consumers take to read the new credential.
    pub propagation: Duration,
    /// The time for which nobody may be seen.
    pub quiet: Duration,
    /// The longest time between two samples.
    pub max_gap: Duration,
    /// The time from one sample to the next.
    pub sample: Duration,
    /// How long refused logins are listened for once the user is locked.
    pub listen: Duration,
    /// Whether every sink has the new credential.
    pub sinks_confirmed: bool,
    /// This host's clock.
    pub now: DateTime<Utc>,
}

/// A pooler of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolerAddress {
    /// As the settings name it.
    pub name: String,
    /// The addresses that its sessions come from, as the server tells them.
    pub addresses: Vec<String>,
    /// The database that is reached through it.
    pub database: String,
}

/// What may be said of the overlap.
#[must_use]
pub fn judge(question: &Question<'_>) -> Drain {
    let nodes = observe(question);
    let counters: Vec<Counted> = nodes.iter().map(counted).collect();
    let windows: Vec<Option<NodeWindow>> = nodes
        .iter()
        .zip(&counters)
        .map(|(node, counted)| window::of_node(node, &counted.unseen))
        .collect();
    let quiet = window::together(question, &nodes, &windows);
    let coverage = coverage(question, &nodes);
    let verdict = verdict(question, &nodes, &coverage, &quiet);
    let late = late(question, &nodes, &counters);
    let counts = counts(question, &nodes, &counters, &late);
    let groups = groups(&nodes);
    let findings = Findings {
        question,
        nodes: &nodes,
        groups: &groups,
        coverage: &coverage,
        late: &late,
        quiet: &quiet,
        counts: &counts,
        verdict,
    };
    let overlap = question.overlap;
    let (reasons, gate) = (reasons(&findings), gate(&findings));
    Drain {
        path: question.path.to_owned(),
        user: Untrusted::new(&overlap.user),
        revision: overlap.revision,
        promoted_at: overlap.promoted.iter().map(|at| at.server_time).max(),
        stage: overlap.stage,
        stage_since: overlap.stage_at,
        compromised: overlap.compromised,
        leak: leak(overlap, question.environment, question.path),
        listening: listening(overlap, question.timeline, question.listen, question.now),
        verdict,
        reasons,
        gate,
        method: method(&nodes, &counters, &windows),
        window: window::describe(question, &nodes, &quiet),
        counts,
        late: newest_first(late),
        history: history(question, &nodes),
        stragglers: groups
            .iter()
            .map(|group| describe(question, group))
            .collect(),
        forecast: forecast(question, &nodes, &groups),
        coverage,
    }
}

fn verdict(
    question: &Question<'_>,
    nodes: &[ObservedNode<'_>],
    coverage: &Coverage,
    quiet: &Quiet,
) -> Verdict {
    let is_seen =
        |node: &ObservedNode<'_>| node.is_fresh(question) && node.shown().next().is_some();
    if nodes.iter().any(is_seen) {
        return Verdict::Active;
    }
    if !coverage.complete {
        return Verdict::Unknown;
    }
    let is_long_enough = quiet.since.is_some() && quiet.span >= question.quiet;
    match is_long_enough && quiet.propagating.is_zero() && question.sinks_confirmed {
        true => Verdict::Drained,
        false => Verdict::Quiet,
    }
}

/// How it is known: counted only if every node counts over its whole window, or over the whole
/// of its newest stretch of samples while somebody is there.
fn method(
    nodes: &[ObservedNode<'_>],
    counters: &[Counted],
    windows: &[Option<NodeWindow>],
) -> Method {
    if nodes.iter().all(|node| node.run().is_none()) {
        return Method::None;
    }
    let counts =
        |((node, counted), window): ((&ObservedNode<'_>, &Counted), &Option<NodeWindow>)| {
            node.run().is_some_and(|run| {
                let since = window.map_or(run.from, |window| window.since);
                counted.covers(since, run.until)
            })
        };
    match nodes.iter().zip(counters).zip(windows).all(counts) {
        true => Method::Counted,
        false => Method::Sampled,
    }
}

fn late(
    question: &Question<'_>,
    nodes: &[ObservedNode<'_>],
    counters: &[Counted],
) -> Vec<LateLogin> {
    let of_each = nodes
        .iter()
        .zip(counters)
        .flat_map(|(node, counted)| late_logins(node, &counted.unseen, question.propagation));
    of_each.collect()
}

fn counts(
    question: &Question<'_>,
    nodes: &[ObservedNode<'_>],
    counters: &[Counted],
    late: &[LateLogin],
) -> Counts {
    let mut counts = Counts::default();
    for Foreign { seen, arrival } in nodes.iter().flat_map(ObservedNode::open) {
        counts.sessions += 1;
        match arrival {
            Arrival::Before => counts.before += 1,
            Arrival::CatchingUp => counts.catching_up += 1,
            Arrival::Late => counts.late += 1,
        }
        let is_prepared = seen.session.kind == SessionKind::PreparedTransaction;
        counts.prepared += u64::from(is_prepared);
    }
    for (node, counted) in nodes.iter().zip(counters) {
        let Some(from) = node.window_begins(question.quiet) else {
            continue;
        };
        let unseen = counted.unseen.iter().filter(|unseen| unseen.by >= from);
        counts.unseen_logins += unseen.map(|unseen| unseen.logins).sum::<u64>();
        let name = node.node.to_string();
        let late = late
            .iter()
            .filter(|login| login.node == name && login.at >= from);
        counts.late_logins += late.map(|login| login.logins).sum::<u64>();
    }
    counts
}
