//! The checks of an examination that concern the sessions of both users together.

use super::examine::Examination;
use super::finding::{Check, Finding};
use super::words::shown;
use crate::model::{Capacity, Engine, Session, SessionKind, TwinFacts};
use crate::untrusted::Untrusted;

/// During the overlap both users have sessions: Y needs as many as X has now.
pub(super) fn connections(
    it: &Examination<'_>,
    capacity: &Capacity,
    sessions: &[Option<Vec<Session>>; 2],
) -> Finding {
    let Some(now) = &sessions[0] else {
        return Finding::unknown(Check::Connections, "the sessions cannot all be seen", None);
    };
    let needed = i64::try_from(now.len()).unwrap_or(i64::MAX);
    let (current, idle) = (shown(it.users[0]), shown(it.users[1]));
    let limit = i64::from(capacity.limits[1]);
    let unlimit = Some(capacity.unlimit[1].clone());
    if limit == 0 {
        let found = format!("{idle} may have no session at all (CONNECTION LIMIT 0)");
        return Finding::problem(Check::Connections, found, unlimit);
    }
    if limit > 0 && limit < needed {
        let found = format!("{current} has {needed} sessions, {idle} may have {limit}");
        return Finding::warning(Check::Connections, found, unlimit);
    }
    let free = (capacity.for_everybody - capacity.used).max(0);
    let found = format!(
        "{current} has {needed} sessions; {free} of {} are free for {idle} to have as many",
        capacity.for_everybody
    );
    if free < needed {
        let remedy = "raise max_connections, or make the pools smaller before rotating";
        return Finding::warning(Check::Connections, found, Some(remedy.to_owned()));
    }
    Finding::ok(Check::Connections, found)
}

/// A stream goes on after the change and cannot come back once it ends.
pub(super) fn replication(
    it: &Examination<'_>,
    facts: &TwinFacts,
    sessions: &[Option<Vec<Session>>; 2],
) -> Finding {
    for (user, sessions) in it.users.iter().zip(sessions) {
        let mut all = sessions.iter().flatten();
        if all.any(|session| session.kind == SessionKind::WalSender) {
            return Finding::warning(
                Check::Replication,
                format!(
                    "{} is used for replication; its password stands with the {} or \
                         subscriber, which does not read the environment",
                    shown(user),
                    it.engine.terms().standby
                ),
                Some(
                    "give replication a user of its own, or change the subscriber's connection \
                      after each rotation"
                        .to_owned(),
                ),
            );
        }
    }
    if facts.subscriptions.is_empty() {
        return Finding::ok(
            Check::Replication,
            match it.engine {
                Engine::Postgres => "no stream and no subscription uses them",
                Engine::Mysql => "no replica fetches its log as one of them",
            },
        );
    }
    let names: Vec<&str> = facts.subscriptions.iter().map(Untrusted::as_str).collect();
    Finding::unknown(
        Check::Replication,
        format!(
            "with which user the subscriptions connect cannot be read: {}",
            names.join(", ")
        ),
        Some("as a superuser look at `subconninfo` in pg_subscription".to_owned()),
    )
}

/// How full a server is when nobody may rely on getting in, in percent.
const TIGHT: i64 = 80;

pub(super) fn server_full(it: &Examination<'_>, capacity: &Capacity) -> Finding {
    let manager = shown(it.manager);
    let check = Check::ServerFull;
    if capacity.manager_has_reserve {
        return Finding::ok(check, format!("{manager} has reserved connections"));
    }
    let found = format!(
        "{} of {} connections are used; {manager} has none reserved and is locked out when all are",
        capacity.used, capacity.for_everybody
    );
    if capacity.reserve.is_some() || capacity.used * 100 >= capacity.for_everybody * TIGHT {
        return Finding::warning(check, found, capacity.reserve.clone());
    }
    Finding::ok(check, found)
}
