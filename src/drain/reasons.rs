//! Why it is not drained, in words: what is most serious first, each with the next step.

use super::judge::Question;
use super::observed::ObservedNode;
use super::status::{Arrival, Counts, Coverage, LateLogin, NodeCoverage, Verdict, View};
use super::stragglers::Group;
use super::window::Quiet;
use super::words::{moment, passed, plural, some_of, span};
use crate::untrusted::Untrusted;

/// What was found, for its words.
pub(super) struct Findings<'a> {
    /// What was asked.
    pub(super) question: &'a Question<'a>,
    /// The nodes of the settings.
    pub(super) nodes: &'a [ObservedNode<'a>],
    /// Who is there.
    pub(super) groups: &'a [Group<'a>],
    /// What can be seen.
    pub(super) coverage: &'a Coverage,
    /// Late logins.
    pub(super) late: &'a [LateLogin],
    /// Since when nobody is seen.
    pub(super) quiet: &'a Quiet,
    /// How many there are.
    pub(super) counts: &'a Counts,
    /// What follows.
    pub(super) verdict: Verdict,
}

/// Why it is not drained; empty when it is.
pub(super) fn reasons(findings: &Findings<'_>) -> Vec<String> {
    if findings.verdict == Verdict::Drained {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    reasons.extend(late_sessions(findings));
    reasons.extend(sessions(findings));
    reasons.extend(blind_spots(findings));
    reasons.extend(sinks(findings));
    reasons.extend(propagating(findings));
    reasons.extend(late_logins(findings));
    reasons.extend(unseen_logins(findings));
    reasons.extend(too_short(findings));
    reasons
}

/// What locking or rotating has to wait for, in one sentence; `None` when for nothing.
pub(super) fn gate(findings: &Findings<'_>) -> Option<String> {
    let counts = findings.counts;
    let quiet = findings.question.quiet;
    match findings.verdict {
        Verdict::Drained => None,
        Verdict::Active => {
            let ends = plural(counts.sessions, "session ends", "sessions end");
            let then = match quiet.is_zero() {
                true => String::new(),
                false => format!(", and then until nobody was seen for {}", span(quiet)),
            };
            Some(format!("waits until {ends}{then}"))
        }
        Verdict::Unknown => {
            let blind = blind_spots(findings).into_iter().next();
            let why = blind.unwrap_or_else(|| "not everything can be seen".to_owned());
            Some(format!("waits until all nodes can be seen: {why}"))
        }
        Verdict::Quiet => {
            let conditions = [
                (!findings.question.sinks_confirmed).then(|| "every sink is confirmed".to_owned()),
                propagation_left(findings)
                    .map(|left| format!("`propagation` has passed, in {left}")),
                quiet_left(findings).map(|left| format!("nobody was seen for {left} more")),
            ];
            let conditions: Vec<String> = conditions.into_iter().flatten().collect();
            Some(format!("waits until {}", conditions.join(", and until ")))
        }
    }
}

fn late_sessions(findings: &Findings<'_>) -> Option<String> {
    let is_late = |group: &&Group<'_>| group.arrival() == Arrival::Late;
    let late: Vec<String> = findings
        .groups
        .iter()
        .filter(is_late)
        .map(Group::name)
        .collect();
    if late.is_empty() {
        return None;
    }
    Some(format!(
        "{} in after `propagation` had passed: {} reads the old password; restart it or fix where \
         it reads the credential from",
        plural(findings.counts.late, "session logged", "sessions logged"),
        some_of(&late)
    ))
}

fn sessions(findings: &Findings<'_>) -> Option<String> {
    if findings.groups.is_empty() {
        return None;
    }
    let names: Vec<String> = findings
        .groups
        .iter()
        .map(|group| match group.sessions.len() {
            1 => group.name(),
            count => format!("{} ({count})", group.name()),
        })
        .collect();
    let is_seen = findings.verdict == Verdict::Active;
    let (one, many, step) = match is_seen {
        true => (
            "session is connected",
            "sessions are connected",
            "wait for them, or end them as each line says",
        ),
        false => (
            "session was there when it could last be seen",
            "sessions were there when they could last be seen",
            "see that every node can be looked at",
        ),
    };
    Some(format!(
        "{}: {}; {step}",
        plural(findings.counts.sessions, one, many),
        some_of(&names)
    ))
}

/// What cannot be seen.
fn blind_spots(findings: &Findings<'_>) -> Vec<String> {
    let coverage = findings.coverage;
    let of = |view| {
        let nodes = coverage.nodes.iter().filter(move |node| node.view == view);
        nodes.collect::<Vec<&NodeCoverage>>()
    };
    let mut reasons = Vec::new();
    if coverage.nodes.is_empty() {
        reasons.push("no node is known; name them under `nodes` in the settings".to_owned());
    }
    for node in of(View::Unreachable) {
        let problem = node.problem.as_deref().unwrap_or("no answer");
        let mend = match &node.grant {
            Some(grant) => format!("as {}: {grant}", administrator(findings)),
            None => "see that it answers".to_owned(),
        };
        reasons.push(format!("{} tells nothing: {problem}; {mend}", node.node));
    }
    for node in of(View::Masked) {
        let mend = match &node.grant {
            Some(grant) => format!("as {}: {grant}", administrator(findings)),
            None => "let the managing user see all sessions".to_owned(),
        };
        reasons.push(format!(
            "on {} not all of its sessions can be seen, so none seen means nothing; {mend}",
            node.node
        ));
    }
    reasons.extend(unwatched(
        findings,
        &of(View::NeverSampled),
        &of(View::Stale),
    ));
    if !coverage.unnamed_standbys.is_empty() {
        let standby = findings.question.engine.terms().standby;
        let names: Vec<String> = coverage
            .unnamed_standbys
            .iter()
            .map(Untrusted::to_string)
            .collect();
        reasons.push(format!(
            "not every {standby} is named in the settings, so who is there is not seen: {}; name \
             them under `nodes`",
            some_of(&names)
        ));
    }
    reasons
}

/// Nodes that nobody looks at, with the command that looks.
fn unwatched(
    findings: &Findings<'_>,
    never: &[&NodeCoverage],
    stale: &[&NodeCoverage],
) -> Vec<String> {
    let names = |nodes: &[&NodeCoverage]| {
        let names: Vec<String> = nodes.iter().map(|node| node.node.clone()).collect();
        some_of(&names)
    };
    let watch = format!(
        "run `handover agent`, or `handover drain {} --watch`",
        findings.question.environment
    );
    let mut reasons = Vec::new();
    if !never.is_empty() {
        let since = match findings.question.overlap.promoted.is_empty() {
            true => "yet",
            false => "since the promote",
        };
        reasons.push(format!(
            "nobody has watched {} {since}: {watch}",
            names(never)
        ));
    }
    if !stale.is_empty() {
        let asked = findings
            .nodes
            .iter()
            .filter(|node| node.view == View::Stale);
        let asked = asked.filter_map(|node| Some(node.timeline?.last.as_ref()?.at));
        let since = asked.min().map(|at| format!(" since {}", moment(at)));
        reasons.push(format!(
            "nobody has watched {}{}: {watch}",
            names(stale),
            since.unwrap_or_default()
        ));
    }
    reasons
}

fn administrator(findings: &Findings<'_>) -> &'static str {
    findings.question.engine.terms().administrator
}

fn sinks(findings: &Findings<'_>) -> Option<String> {
    (!findings.question.sinks_confirmed).then(|| {
        "not every sink is confirmed to have the new credential: publish it first".to_owned()
    })
}

fn propagating(findings: &Findings<'_>) -> Option<String> {
    let left = propagation_left(findings)?;
    Some(format!(
        "consumers may still read the old password: `propagation` has not passed since the \
         promote; wait {left}"
    ))
}

fn propagation_left(findings: &Findings<'_>) -> Option<String> {
    let left = findings.quiet.propagating;
    (!left.is_zero()).then(|| span(left))
}

fn late_logins(findings: &Findings<'_>) -> Option<String> {
    // Those that are there stand above, and those that were only counted below.
    let gone = findings
        .late
        .iter()
        .filter(|login| login.pid.is_some() && !login.is_there);
    let in_window = gone.filter(|login| {
        let node = findings
            .nodes
            .iter()
            .find(|node| node.node.to_string() == login.node);
        let begins = node.and_then(|node| node.window_begins(findings.question.quiet));
        begins.is_some_and(|begins| login.at >= begins)
    });
    let gone: u64 = in_window.map(|login| login.logins).sum();
    (gone > 0).then(|| {
        format!(
            "{} in the last {}, after `propagation` had passed: somebody reads the old password \
             now and then; find who it is among the late logins",
            plural(gone, "login came and went", "logins came and went"),
            span(findings.question.quiet)
        )
    })
}

fn unseen_logins(findings: &Findings<'_>) -> Option<String> {
    let unseen = findings.counts.unseen_logins;
    (unseen > 0).then(|| {
        format!(
            "{} by the server in the last {} that no sample saw: look for what logs in for a \
             moment, such as a scheduled job or a health check",
            plural(unseen, "login was counted", "logins were counted"),
            span(findings.question.quiet)
        )
    })
}

fn too_short(findings: &Findings<'_>) -> Option<String> {
    let left = quiet_left(findings).filter(|_| findings.verdict == Verdict::Quiet)?;
    Some(format!(
        "nobody was seen for {}, and {} are asked for: wait {left} more",
        passed(findings.quiet.span),
        span(findings.question.quiet)
    ))
}

fn quiet_left(findings: &Findings<'_>) -> Option<String> {
    let left = findings.question.quiet.saturating_sub(findings.quiet.span);
    (!left.is_zero()).then(|| span(left))
}
