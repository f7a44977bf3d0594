//! What whoever samples will see: the login that the settings name as `monitor`, else the
//! managing user; and whether the managing user may end sessions.

use super::examine::{Examination, not_looked};
use super::finding::{Check, Finding};
use super::words::shown;
use crate::model::{AccountSample, CounterSource, DatabaseFault, Flavour, Node, UserName};
use crate::untrusted::Untrusted;

/// One look by whoever samples, as the sampler makes it.
#[derive(Debug)]
pub struct Sampling<'a> {
    /// The login that `monitor` in the settings names, or why that is none; `None` where the
    /// settings name none, so that the managing user samples.
    pub monitor: Option<Result<&'a UserName, &'a str>>,
    /// What it saw of the idle user on each node; empty where the user was not found.
    pub looks: &'a [(Node, Result<AccountSample, DatabaseFault>)],
    /// Whether nothing is drained without samples: `drain.quiet` is more than nothing.
    pub is_needed: bool,
}

impl Sampling<'_> {
    /// The monitoring user that sees all sessions on this node, if there is one.
    pub(super) fn complete_monitor(&self, node: &Node) -> Option<Untrusted> {
        let user = self.monitor?.ok()?;
        let mut looks = self.looks.iter();
        let is_complete = looks
            .any(|(at, look)| at == node && look.as_ref().is_ok_and(|account| account.complete));
        is_complete.then(|| shown(user))
    }
}

/// Whether the sampler logs in everywhere and sees all sessions there.
pub(super) fn sampling(it: &Examination<'_>) -> Finding {
    let sampling = it.sampling;
    let complain = |found: String, remedy: Option<String>| {
        // A managing user that does not see all is a problem of its own.
        match sampling.monitor.is_some() && (sampling.is_needed || is_blind(it)) {
            true => Finding::problem(Check::Sampling, found, remedy),
            false => Finding::warning(Check::Sampling, found, remedy),
        }
    };
    let (user, what) = match sampling.monitor {
        Some(Err(words)) => {
            let remedy = format!("handover env settings set {} -f FILE", it.environment);
            return complain(words.to_owned(), Some(remedy));
        }
        Some(Ok(user)) => (shown(user), "the monitoring user"),
        None => (shown(it.manager), "the managing user"),
    };
    if sampling.looks.is_empty() {
        return not_looked(Check::Sampling);
    }
    for (node, look) in sampling.looks {
        match look {
            Ok(account) if account.complete => {}
            Ok(account) => {
                return complain(
                    format!(
                        "{what} {user} samples and does not see all sessions on {node}, so none \
                         seen means nothing"
                    ),
                    account.grant.clone(),
                );
            }
            Err(fault) => {
                let found = format!("{what} {user} samples and cannot look at {node}: {fault}");
                return complain(found, Some(remedy_of(it, fault)));
            }
        }
    }
    let nodes = match sampling.looks.len() {
        1 => "its node".to_owned(),
        count => format!("all {count} nodes"),
    };
    let found = format!("{what} {user} samples, and sees all sessions on {nodes}");
    Finding::ok(Check::Sampling, found)
}

/// The managing user does not see all sessions somewhere.
fn is_blind(it: &Examination<'_>) -> bool {
    let others = it.others.iter();
    let others = others.filter_map(|(_, look)| look.as_ref().ok());
    let here = it.managing.ok().map(|managed| &managed.facts);
    let mut all = here.into_iter().chain(others);
    all.any(|facts| !facts.sessions.complete)
}

fn remedy_of(it: &Examination<'_>, fault: &DatabaseFault) -> String {
    match fault {
        DatabaseFault::NoRight { grant, .. } => {
            format!("as {}: {grant}", it.engine.terms().administrator)
        }
        _ if it.sampling.monitor.is_some() => "put the right name and password where `monitor` in \
                                               the settings refers to, and let it log in on every \
                                               node"
            .to_owned(),
        _ => "let the managing user log in on every node".to_owned(),
    }
}

/// Whether logins are counted, and what would count them. It is a remark: where nobody counts,
/// samples are all there is.
pub(super) fn counting(it: &Examination<'_>) -> Finding {
    let mut sources: Vec<Option<CounterSource>> = Vec::new();
    for (_, look) in it.sampling.looks {
        if let Ok(account) = look {
            sources.push(account.counter.as_ref().map(|counter| counter.source));
        }
    }
    let Some(first) = sources.first() else {
        return not_looked(Check::Counting);
    };
    match first.filter(|_| sources.iter().all(Option::is_some)) {
        Some(source) => Finding::ok(
            Check::Counting,
            format!(
                "counted by {}: no login is missed between two samples",
                source_words(source)
            ),
        ),
        None => {
            let flavour = it
                .managing
                .ok()
                .map(|managed| managed.facts.identity.flavour);
            Finding::ok(
                Check::Counting,
                format!(
                    "sampled: who comes and goes between two samples is not seen; {}",
                    would_count(flavour)
                ),
            )
        }
    }
}

fn source_words(source: CounterSource) -> &'static str {
    match source {
        CounterSource::Accounts => "performance_schema",
        CounterSource::UserStatistics => "userstat",
        CounterSource::Statements => "pg_stat_statements",
    }
}

fn would_count(flavour: Option<Flavour>) -> &'static str {
    match flavour {
        Some(Flavour::Postgresql) | None => {
            "on every node, the extension pg_stat_statements in this database would count \
             (shared_preload_libraries, then CREATE EXTENSION pg_stat_statements;)"
        }
        Some(Flavour::Mysql) => {
            "on every node, performance_schema = ON with the instruments that it has by default \
             would count, for a login that may read it"
        }
        Some(Flavour::Mariadb) => {
            "on every node, SET GLOBAL userstat = ON; would count, for a login with PROCESS"
        }
    }
}

/// Whether the managing user may end sessions of both users. It is a remark: no rotation does.
pub(super) fn ending(it: &Examination<'_>) -> Finding {
    let manager = shown(it.manager);
    match it.managing.ok().map(|managed| &managed.ending) {
        None => not_looked(Check::Ending),
        Some(Err(fault)) => Finding::unknown(Check::Ending, format!("not answered: {fault}"), None),
        Some(Ok(None)) => Finding::ok(
            Check::Ending,
            format!("{manager} may end sessions, which `handover terminate` does one by one"),
        ),
        Some(Ok(Some(grant))) => Finding::ok(
            Check::Ending,
            format!(
                "{manager} may not end sessions; `handover terminate`, and a password that \
                 leaked, would want it: {}",
                grant.trim_end()
            ),
        ),
    }
}
