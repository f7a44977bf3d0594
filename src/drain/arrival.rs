//! Who came when: before the promote, while consumers were catching up, or later.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::counted::Unseen;
use super::observed::ObservedNode;
use super::status::{Arrival, LateLogin};
use super::timeline::SeenSession;
use crate::model::SessionKind;

/// So many late logins are listed, newest first; their number in the window is exact.
const LISTED: usize = 500;

/// When a session began, as far as the promote is concerned, by the clock of its node.
pub(super) fn arrival(
    node: &ObservedNode<'_>,
    seen: &SeenSession,
    propagation: Duration,
) -> Arrival {
    let Some(promoted) = node.promoted else {
        return Arrival::Before;
    };
    // It tells when it was prepared, not when its session logged in.
    if seen.session.kind == SessionKind::PreparedTransaction {
        return Arrival::Before;
    }
    if let Some(started) = seen.session.started {
        return match started < promoted.server_time {
            true => Arrival::Before,
            false => after(started, promoted.server_time, propagation),
        };
    }
    // A server that was started after the promote numbers its connections anew, and whoever
    // is there has come after the promote as well.
    let is_restarted = node
        .timeline
        .and_then(|node| node.server_started)
        .is_some_and(|start| start > promoted.server_time && seen.first_seen >= start);
    let connection = promoted.connection.filter(|_| promoted.node == *node.node);
    let is_before = match connection {
        Some(connection) => seen.session.pid <= connection,
        None => seen.not_before.is_none(),
    };
    match is_before && !is_restarted {
        true => Arrival::Before,
        false => after(seen.first_seen, promoted.server_time, propagation),
    }
}

fn after(moment: DateTime<Utc>, promoted: DateTime<Utc>, propagation: Duration) -> Arrival {
    match moment <= until(promoted, propagation) {
        true => Arrival::CatchingUp,
        false => Arrival::Late,
    }
}

/// Until when consumers may be catching up.
pub(super) fn until(promoted: DateTime<Utc>, propagation: Duration) -> DateTime<Utc> {
    let span = TimeDelta::from_std(propagation).unwrap_or(TimeDelta::MAX);
    let until = promoted.checked_add_signed(span);
    until.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The late logins of one node.
pub(super) fn late_logins(
    node: &ObservedNode<'_>,
    unseen: &[Unseen],
    propagation: Duration,
) -> Vec<LateLogin> {
    let name = node.node.to_string();
    let late = node
        .sessions
        .iter()
        .filter(|foreign| foreign.arrival == Arrival::Late);
    let mut logins: Vec<LateLogin> = late
        .map(|foreign| LateLogin {
            node: name.clone(),
            pid: Some(foreign.seen.session.pid),
            application: Some(foreign.seen.session.application.clone()),
            client: foreign.seen.session.client.clone(),
            at: foreign.began(),
            logins: 1,
            is_there: foreign.seen.ended.is_none(),
        })
        .collect();
    let limit = node
        .promoted
        .map(|promoted| until(promoted.server_time, propagation));
    let counted = unseen
        .iter()
        .filter(|unseen| limit.is_some_and(|limit| unseen.by > limit));
    logins.extend(counted.map(|unseen| LateLogin {
        node: name.clone(),
        pid: None,
        application: None,
        client: None,
        at: unseen.by,
        logins: unseen.logins,
        is_there: false,
    }));
    logins
}

/// Those of all nodes together, newest first.
pub(super) fn newest_first(mut logins: Vec<LateLogin>) -> Vec<LateLogin> {
    logins.sort_by(|one, other| {
        let newest = other.at.cmp(&one.at);
        newest.then_with(|| one.node.cmp(&other.node).then(one.pid.cmp(&other.pid)))
    });
    logins.truncate(LISTED);
    logins
}
