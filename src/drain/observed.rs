//! One node as the questions of the drain see it: what was observed there without our own
//! sessions, and how its clock stands to this host's.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::arrival::arrival;
use super::coverage::view;
use super::judge::Question;
use super::record::shows_under_mask;
use super::status::{Arrival, View};
use super::timeline::{Answered, NodeTimeline, Run, SeenSession};
use super::words::elapsed;
use crate::model::{Node, NodeTime, OwnSession};

/// By how much two clocks may differ after the offset between them was taken off: a look takes
/// its time, and both are read at its ends.
pub(super) const SLACK: TimeDelta = TimeDelta::milliseconds(500);

/// How long a server may list a session after its client has gone.
const LINGERS: TimeDelta = TimeDelta::seconds(10);

/// One node.
pub(super) struct ObservedNode<'a> {
    /// Which.
    pub(super) node: &'a Node,
    /// What was observed, if anything.
    pub(super) timeline: Option<&'a NodeTimeline>,
    /// The promote, by its clock where it was there.
    pub(super) promoted: Option<&'a NodeTime>,
    /// Sessions that are not ours, those that have ended included.
    pub(super) sessions: Vec<Foreign<'a>>,
    /// Logins of our own there.
    pub(super) own: Vec<&'a OwnSession>,
    /// What may be said by it.
    pub(super) view: View,
}

/// A session that is not ours.
pub(super) struct Foreign<'a> {
    /// As it was seen.
    pub(super) seen: &'a SeenSession,
    /// When it began, as far as the promote is concerned.
    pub(super) arrival: Arrival,
}

impl Foreign<'_> {
    /// When it began; where that is not told, when it was first seen.
    pub(super) fn began(&self) -> DateTime<Utc> {
        self.seen.session.started.unwrap_or(self.seen.first_seen)
    }
}

/// The nodes of the settings, each once. What was observed of others is not asked about.
pub(super) fn observe<'a>(question: &Question<'a>) -> Vec<ObservedNode<'a>> {
    let mut nodes: Vec<&Node> = Vec::with_capacity(question.nodes.len());
    for node in question.nodes {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes
        .into_iter()
        .map(|node| ObservedNode::new(node, question))
        .collect()
}

impl<'a> ObservedNode<'a> {
    fn new(node: &'a Node, question: &Question<'a>) -> Self {
        let timeline = question.timeline;
        let own = timeline.own.iter();
        let mut observed = Self {
            node,
            timeline: timeline.nodes.iter().find(|known| known.node == *node),
            promoted: question.overlap.promoted_on(node),
            sessions: Vec::new(),
            own: own.filter(|own| own.node == *node).collect(),
            view: View::NeverSampled,
        };
        observed.view = view(observed.timeline, question);
        let seen = observed.timeline.map_or(&[][..], |node| &node.sessions);
        let mut own: HashMap<i64, Vec<&OwnSession>> = HashMap::new();
        for login in &observed.own {
            own.entry(login.pid).or_default().push(login);
        }
        let is_own = |seen: &SeenSession| {
            let same_number = own.get(&seen.session.pid).into_iter().flatten();
            same_number.into_iter().any(|own| observed.is(own, seen))
        };
        let foreign = seen.iter().filter(|seen| !is_own(seen));
        let foreign = foreign.map(|seen| Foreign {
            seen,
            arrival: arrival(&observed, seen, question.propagation),
        });
        observed.sessions = foreign.collect();
        observed
    }

    /// Whether a session is that of an own login.
    fn is(&self, own: &OwnSession, seen: &SeenSession) -> bool {
        match (own.started, seen.session.started) {
            (Some(own), Some(started)) => return own == started,
            (Some(own), None) => return self.is_one_life(own, seen.first_seen),
            (None, _) => {}
        }
        // Without a start the number alone is the same, which a restarted server hands out
        // again: then the times have to agree as well.
        let (from, until) = self.span_of(own);
        self.is_one_life(until, seen.first_seen)
            && from - SLACK <= seen.first_seen
            && seen.first_seen <= until + LINGERS
    }

    /// Whether the server was not started between two moments.
    fn is_one_life(&self, one: DateTime<Utc>, other: DateTime<Utc>) -> bool {
        let started = self.timeline.and_then(|node| node.server_started);
        started.is_none_or(|started| (one >= started) == (other >= started))
    }

    /// From when to when an own login was there, by its clock.
    pub(super) fn span_of(&self, own: &OwnSession) -> (DateTime<Utc>, DateTime<Utc>) {
        let (from, until) = own.span;
        (self.by_its_clock(from), self.by_its_clock(until))
    }

    /// Both clocks at its last answer.
    pub(super) fn answered(&self) -> Option<Answered> {
        self.timeline?.last.as_ref()?.answered
    }

    /// The newest stretch of samples.
    pub(super) fn run(&self) -> Option<&'a Run> {
        self.timeline?.runs.last()
    }

    /// By how much its clock is behind this host's.
    fn behind(&self) -> TimeDelta {
        let answered = self.answered();
        answered.map_or(TimeDelta::zero(), |both| both.at - both.server_time)
    }

    /// A moment of its clock by this host's.
    pub(super) fn to_host(&self, moment: DateTime<Utc>) -> DateTime<Utc> {
        moment + self.behind()
    }

    /// A moment of this host's clock by its own.
    pub(super) fn by_its_clock(&self, moment: DateTime<Utc>) -> DateTime<Utc> {
        moment - self.behind()
    }

    /// Whether its last answer is not older than `max-gap`.
    pub(super) fn is_fresh(&self, question: &Question<'_>) -> bool {
        let age = self.answered().map(|both| (question.now - both.at).abs());
        age.is_some_and(|age| elapsed(age) <= question.max_gap)
    }

    /// Where a window of this length begins that ends with its last answer, by its clock.
    pub(super) fn window_begins(&self, quiet: Duration) -> Option<DateTime<Utc>> {
        let span = TimeDelta::from_std(quiet).unwrap_or(TimeDelta::MAX);
        let begins = self.answered()?.server_time.checked_sub_signed(span);
        Some(begins.unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// Sessions that were not seen to end.
    pub(super) fn open(&self) -> impl Iterator<Item = &Foreign<'a>> {
        self.sessions
            .iter()
            .filter(|foreign| foreign.seen.ended.is_none())
    }

    /// Sessions that its newest view shows. Those that another view has shown before may be
    /// hidden, or gone.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Foreign<'a>> {
        let run = self.run();
        let is_complete = run.is_some_and(|run| run.is_complete);
        self.open()
            .filter(move |foreign| is_complete || shows_under_mask(foreign.seen, run))
    }
}
