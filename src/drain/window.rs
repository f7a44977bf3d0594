//! The time for which nobody was seen: it begins anew with whoever is seen, with every login
//! that was only counted, and where nobody could look.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::arrival::until;
use super::counted::Unseen;
use super::judge::Question;
use super::observed::ObservedNode;
use super::status::Window;
use super::words::elapsed;

/// The window of one node, by its clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeWindow {
    /// Since when nobody was seen.
    pub(super) since: DateTime<Utc>,
    /// Its last sample.
    pub(super) until: DateTime<Utc>,
}

/// The window of all nodes together.
pub(super) struct Quiet {
    /// Since when, by this host's clock.
    pub(super) since: Option<DateTime<Utc>>,
    /// How long that is, by every clock.
    pub(super) span: Duration,
    /// For how much longer consumers may be catching up.
    pub(super) propagating: Duration,
}

/// Since when nobody was seen on one node; `None` while somebody is, or where it is not known.
pub(super) fn of_node(node: &ObservedNode<'_>, unseen: &[Unseen]) -> Option<NodeWindow> {
    let run = node.run().filter(|run| run.is_complete)?;
    if node.open().next().is_some() {
        return None;
    }
    let ends = node
        .sessions
        .iter()
        .filter_map(|foreign| foreign.seen.ended);
    let ends = ends.map(|ended| ended.gone_at);
    let counted = unseen.iter().map(|unseen| unseen.by);
    let promoted = node.promoted.map(|promoted| promoted.server_time);
    // What lies ahead of its clock was before the clock was set back, and so before this
    // stretch, which began with that.
    let events = ends
        .chain(counted)
        .chain(promoted)
        .filter(|at| *at <= run.until);
    Some(NodeWindow {
        since: events.fold(run.from, DateTime::max),
        until: run.until,
    })
}

/// The window of all nodes together.
pub(super) fn together(
    question: &Question<'_>,
    nodes: &[ObservedNode<'_>],
    windows: &[Option<NodeWindow>],
) -> Quiet {
    let by_host: Option<Vec<_>> = nodes
        .iter()
        .zip(windows)
        .map(|(node, window)| {
            let window = (*window)?;
            let span = elapsed(window.until - window.since);
            Some((node.to_host(window.since), node.to_host(window.until), span))
        })
        .collect();
    let by_host = by_host.unwrap_or_default();
    let since = by_host.iter().map(|(since, ..)| *since).max();
    let until = by_host.iter().map(|(_, until, _)| *until).min();
    let together = since
        .zip(until)
        .map(|(since, until)| elapsed(until - since));
    let shortest = by_host.iter().map(|(.., span)| *span).min();
    Quiet {
        since,
        span: together
            .zip(shortest)
            .map_or(Duration::ZERO, |(one, other)| one.min(other)),
        propagating: nodes
            .iter()
            .map(|node| propagating(question, node))
            .max()
            .unwrap_or_default(),
    }
}

/// For how much longer consumers may be catching up, by the clock of the node at its last
/// answer.
fn propagating(question: &Question<'_>, node: &ObservedNode<'_>) -> Duration {
    let propagation = question.propagation;
    let Some(promoted) = node.promoted else {
        return Duration::ZERO;
    };
    let Some(answered) = node.answered() else {
        return propagation;
    };
    if answered.server_time < promoted.server_time {
        // Its clock was set back. That must not shut the gate for longer than agreed, and
        // this host's has seen the overlap begin.
        let passed = elapsed(answered.at - question.overlap.opened_at);
        return propagation.saturating_sub(passed);
    }
    elapsed(until(promoted.server_time, propagation) - answered.server_time).min(propagation)
}

/// The window as it is told.
pub(super) fn describe(
    question: &Question<'_>,
    nodes: &[ObservedNode<'_>],
    quiet: &Quiet,
) -> Window {
    let missing = question.quiet.saturating_sub(quiet.span);
    let remaining = missing.max(quiet.propagating);
    let runs = nodes.iter().filter_map(ObservedNode::run);
    let gaps = runs
        .filter(|run| run.samples > 1)
        .map(|run| run.longest_gap);
    Window {
        required_seconds: question.quiet.as_secs(),
        since: quiet.since,
        quiet_seconds: quiet.span.as_secs(),
        remaining_seconds: rounded_up(remaining),
        resolution_seconds: gaps.max().map(rounded_up),
    }
}

fn rounded_up(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
