//! The places of a rotated secret beside its managed node, as an examination tells them.

use super::admit::other_node_remedy;
use super::examine::Examination;
use super::finding::{Check, Finding};
use super::identity::is_of_other_data;
use super::standbys::unnamed_standbys;
use super::words::shown;
use crate::model::{Barrier, LoginOutcome, ManagingFacts};
use crate::untrusted::Untrusted;

/// One finding for each further node.
pub(super) fn nodes(it: &Examination<'_>, managed: Option<&ManagingFacts>) -> Vec<Finding> {
    let others = it.others.iter();
    others
        .map(|(node, looked)| {
            let facts = match looked {
                Ok(facts) => facts,
                Err(fault) => {
                    let remedy = Some(other_node_remedy(fault, it.engine));
                    return Finding::problem(Check::Node, fault.to_string(), remedy);
                }
            };
            let is_another =
                |managed: &ManagingFacts| is_of_other_data(&managed.identity, &facts.identity);
            if managed.is_some_and(is_another) {
                return Finding::problem(
                    Check::Node,
                    format!("{node} is another server than {}", it.node),
                    Some("mend `databases.\"*\".nodes` in the settings".to_owned()),
                );
            }
            if !facts.sessions.complete && it.sampling.complete_monitor(node).is_none() {
                let found = format!("{} does not see all sessions on {node}", shown(it.manager));
                return Finding::problem(Check::Node, found, facts.sessions.grant.clone());
            }
            let kind = match facts.read_only {
                true => "a",
                false => "no",
            };
            let standby = it.engine.terms().standby;
            Finding::ok(
                Check::Node,
                format!("{node} answers; it is {kind} {standby}"),
            )
        })
        .collect()
}

/// The standbys that a server feeds against those that are named.
pub(super) fn standbys(it: &Examination<'_>, managed: &ManagingFacts) -> Finding {
    let others = it
        .others
        .iter()
        .filter_map(|(_, looked)| looked.as_ref().ok());
    let unnamed = unnamed_standbys(std::iter::once(managed).chain(others));
    let standby = it.engine.terms().standby;
    if unnamed.is_empty() {
        let found = format!("no {standby} is fed that is not named");
        return Finding::ok(Check::Standbys, found);
    }
    let names: Vec<&str> = unnamed.iter().map(Untrusted::as_str).collect();
    Finding::problem(
        Check::Standbys,
        format!(
            "of the {standby}s that are fed, not all are named, so who is on them is not seen: {}",
            names.join(", ")
        ),
        Some("name them under `databases.\"*\".nodes` in the settings".to_owned()),
    )
}

/// One finding for each pooler.
pub(super) fn poolers(it: &Examination<'_>) -> Vec<Finding> {
    let name = shown(it.users[0]);
    let logins = it.pooled_logins.iter();
    logins
        .map(|(pooler, outcome)| match outcome {
            LoginOutcome::LoggedIn { .. } | LoginOutcome::StatementFailed { .. } => {
                Finding::ok(Check::Pooler, format!("{name} logs in through {pooler}"))
            }
            LoginOutcome::PasswordAccepted(barrier) => Finding::problem(
                Check::Pooler,
                format!(
                    "{pooler} does not let {name} in: {}",
                    barrier_words(*barrier)
                ),
                Some("give it room, or what the user needs there".to_owned()),
            ),
            LoginOutcome::PasswordRefused => Finding::problem(
                Check::Pooler,
                format!("{pooler} refuses the password that consumers read"),
                Some("let it ask the server (`auth_query`), or renew its `auth_file`".to_owned()),
            ),
            LoginOutcome::Unknown(cause) => Finding::problem(
                Check::Pooler,
                format!("whether {name} can log in through {pooler} is not known: {cause}"),
                Some("mend it, or take it out of `databases.\"*\".poolers`".to_owned()),
            ),
        })
        .collect()
}

fn barrier_words(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::NotPermitted => "the user may not log in",
        Barrier::ConnectionLimit => "too many connections",
        Barrier::Database => "the database cannot be connected to",
        Barrier::PasswordExpired => "the password has expired",
    }
}
