//! An examination: everything that S1 looks at, and what makes a rotation fail later.
//!
//! Pure. Where `admit` stops at the first case that refuses, this goes on and names all.

use super::admit::fault_remedy;
use super::admit_server::{accept_remedy, certificate_words};
use super::capacity::{connections, replication, server_full};
use super::examine_logins::{current_login, idle_login, trust};
use super::examine_sampling::{Sampling, counting, ending, sampling};
use super::finding::{Check, Finding};
use super::identity::{ServerMatch, describe_server, is_other_certificate, match_server};
use super::places;
use super::refusal::Owner;
use super::twins;
use super::words::shown;
use crate::model::settings::TlsMode;
use crate::model::{
    AccountId, DatabaseFault, Engine, EnvironmentName, LoginOutcome, ManagingFacts, Node,
    RoleFacts, RoleRemedies, RotationId, ServerIdentity, Session, TwinFacts, UnknownCause,
    UserName,
};

/// What the managing connection was told.
#[derive(Debug)]
pub struct Managed {
    /// The questions of S1.
    pub facts: ManagingFacts,
    /// The pair side by side; `None` where one of them does not exist.
    pub twins: Option<Result<TwinFacts, DatabaseFault>>,
    /// Sessions of X and Y without our own; `None` where they cannot all be seen.
    pub sessions: [Option<Vec<Session>>; 2],
    /// The statement that lets it end sessions of Y, where it may not.
    pub ending: Result<Option<String>, DatabaseFault>,
}

/// Everything that an examination of one rotated secret found out.
#[derive(Debug)]
pub struct Examination<'a> {
    /// Which environment.
    pub environment: &'a EnvironmentName,
    /// Its rotation that is open.
    pub open_rotation: Option<RotationId>,
    /// Where.
    pub node: &'a Node,
    /// Which engine it is.
    pub engine: Engine,
    /// How the line is protected.
    pub tls: TlsMode,
    /// The managing user.
    pub manager: &'a UserName,
    /// X and Y.
    pub users: [&'a UserName; 2],
    /// What mends X and Y.
    pub remedies: [&'a RoleRemedies; 2],
    /// Another rotated secret that owns one of the pair.
    pub owner: Option<&'a Owner>,
    /// The server of the last rotation, or the one accepted since.
    pub recorded_server: Option<&'a ServerIdentity>,
    /// The fingerprint of the certificate that was shown last.
    pub recorded_certificate: Option<&'a str>,
    /// What made Y the same user at the last promote.
    pub recorded_account: Option<&'a AccountId>,
    /// We have locked the idle user, or may have.
    pub retired: bool,
    /// What the managing connection was told.
    pub managing: Result<&'a Managed, &'a DatabaseFault>,
    /// X with C, per node.
    pub current_logins: &'a [(Node, LoginOutcome)],
    /// Y with P, per node; `None` when P is not known.
    pub idle_logins: Option<&'a [(Node, LoginOutcome)]>,
    /// Y with a random password.
    pub wrong_login: &'a LoginOutcome,
    /// What the managing user was told by the other nodes.
    pub others: &'a [(Node, Result<ManagingFacts, DatabaseFault>)],
    /// What whoever samples sees.
    pub sampling: &'a Sampling<'a>,
    /// X with C through every pooler.
    pub pooled_logins: &'a [(Node, LoginOutcome)],
}

/// Names everything, in the order of [`Check`].
#[must_use]
pub fn examine(examination: &Examination<'_>) -> Vec<Finding> {
    let it = examination;
    let mut findings = vec![Finding::ok(Check::Document, "it has a state")];
    if let Some(rotation) = it.open_rotation {
        findings.push(Finding::warning(
            Check::OpenRotation,
            format!("{rotation} is open; another one would be refused"),
            Some(format!("handover recover {}", it.environment)),
        ));
    }
    findings.push(reachable(it));
    findings.push(tls(it));
    let managed = it.managing.ok();
    let facts = managed.map(|managed| &managed.facts);
    let [current, idle] = match facts {
        Some(facts) => [facts.roles[0].as_ref(), facts.roles[1].as_ref()],
        None => [None, None],
    };
    let when = |check, find: &dyn Fn(&ManagingFacts) -> Finding| match facts {
        Some(facts) => find(facts),
        None => not_looked(check),
    };
    findings.push(when(Check::Owner, &|_| owner(it)));
    findings.push(when(Check::Server, &|facts| server(it, facts)));
    findings.extend(facts.and_then(|facts| certificate(it, facts)));
    findings.push(managing(it));
    findings.push(when(Check::Right, &|facts| right(it, facts)));
    findings.push(when(Check::View, &|facts| view(it, facts)));
    findings.push(sampling(it));
    findings.push(counting(it));
    findings.push(ending(it));
    findings.push(when(Check::Primary, &|facts| primary(it, facts)));
    findings.extend(places::nodes(it, facts));
    findings.push(when(Check::Standbys, &|facts| places::standbys(it, facts)));
    findings.extend(places::poolers(it));
    findings.push(when(Check::CurrentRole, &|_| {
        role(it, Check::CurrentRole, 0, current)
    }));
    findings.push(current_login(it, current));
    findings.push(when(Check::IdleRole, &|_| {
        role(it, Check::IdleRole, 1, idle)
    }));
    findings.push(idle_login(it, idle));
    findings.push(trust(it, idle));
    match managed {
        Some(Managed {
            twins: Some(Ok(facts)),
            sessions,
            ..
        }) => {
            let there_is: Vec<Check> = twins::checks(it.engine).collect();
            let compared = twins::compare(&facts.differences, it.users).into_iter();
            findings.extend(compared.filter(|one| there_is.contains(&one.check)));
            findings.push(connections(it, &facts.capacity, sessions));
            findings.push(replication(it, facts, sessions));
            findings.push(server_full(it, &facts.capacity));
        }
        other => {
            let fault = match other {
                Some(Managed {
                    twins: Some(Err(fault)),
                    ..
                }) => Some(fault),
                _ => None,
            };
            let last = [Check::Connections, Check::Replication, Check::ServerFull];
            findings.extend(
                twins::checks(it.engine)
                    .chain(last)
                    .map(|check| match fault {
                        Some(fault) => {
                            Finding::unknown(check, format!("not answered: {fault}"), None)
                        }
                        None => not_looked(check),
                    }),
            );
        }
    }
    findings
}

/// What stands where a check had nothing to look at.
pub const NOT_LOOKED: &str = "not looked at, because of what was found above";

pub(super) fn not_looked(check: Check) -> Finding {
    Finding::unknown(check, NOT_LOOKED, None)
}

fn reachable(it: &Examination<'_>) -> Finding {
    match it.managing {
        Err(DatabaseFault::Unreachable {
            cause: UnknownCause::Tls(_),
            ..
        })
        | Ok(_)
        | Err(DatabaseFault::ManagerOut { .. } | DatabaseFault::NoRight { .. }) => {
            Finding::ok(Check::Reachable, format!("{} answers", it.node))
        }
        Err(fault) => Finding::problem(
            Check::Reachable,
            fault.to_string(),
            Some(fault_remedy(fault, it.engine)),
        ),
    }
}

fn tls(it: &Examination<'_>) -> Finding {
    match it.managing {
        Err(
            fault @ DatabaseFault::Unreachable {
                cause: UnknownCause::Tls(_),
                ..
            },
        ) => Finding::problem(
            Check::Tls,
            fault.to_string(),
            Some(fault_remedy(fault, it.engine)),
        ),
        Err(DatabaseFault::Unreachable { .. } | DatabaseFault::Server { .. }) => {
            not_looked(Check::Tls)
        }
        Ok(_) | Err(DatabaseFault::ManagerOut { .. } | DatabaseFault::NoRight { .. }) => match it
            .tls
        {
            TlsMode::VerifyFull => Finding::ok(
                Check::Tls,
                "verify-full: the certificate is trusted and names the host",
            ),
            TlsMode::VerifyCa => {
                weak_tls("verify-ca: the host that the certificate names is not verified")
            }
            TlsMode::Require => weak_tls("require: encrypted, but whoever answers is not verified"),
            TlsMode::Disable => {
                weak_tls("disabled: anybody on the way can read and change what is sent")
            }
        },
    }
}

fn owner(it: &Examination<'_>) -> Finding {
    match it.owner {
        Some(owner) => Finding::problem(
            Check::Owner,
            owner.words(),
            Some(owner.remedy(it.environment)),
        ),
        None => Finding::ok(Check::Owner, "no other rotated secret owns these users"),
    }
}

fn weak_tls(words: &str) -> Finding {
    let remedy = "set `tls: {mode: verify-full, ca: …}` in the settings".to_owned();
    Finding::warning(Check::Tls, words, Some(remedy))
}

fn server(it: &Examination<'_>, facts: &ManagingFacts) -> Finding {
    let now = &facts.identity;
    let matched = match_server(it.recorded_server, now);
    match describe_server(it.recorded_server, now) {
        // A standby is behind without being a copy; the check of the primary names it.
        Some(_) if matched == ServerMatch::WentBack && facts.read_only => {
            let standby = it.engine.terms().standby;
            let found = format!(
                "system {}, as recorded; a {standby} lags behind",
                now.system
            );
            Finding::ok(Check::Server, found)
        }
        Some((found, meaning)) => Finding::problem(
            Check::Server,
            format!("{found}; that is {meaning}"),
            Some(accept_remedy(it.environment)),
        ),
        None if matched == ServerMatch::NotKnown => Finding::ok(
            Check::Server,
            format!("system {}; recorded by the first rotation", now.system),
        ),
        None => Finding::ok(Check::Server, format!("system {}, as recorded", now.system)),
    }
}

/// Told only when there is something to tell: a rotation records the new one.
fn certificate(it: &Examination<'_>, facts: &ManagingFacts) -> Option<Finding> {
    let (recorded, seen) = (it.recorded_certificate, facts.certificate.as_deref());
    is_other_certificate(recorded, seen).then(|| {
        let found = certificate_words(it.node, recorded, seen);
        let remedy = Some(accept_remedy(it.environment));
        match it.tls {
            TlsMode::VerifyFull => Finding::warning(Check::Certificate, found, remedy),
            TlsMode::VerifyCa | TlsMode::Require | TlsMode::Disable => {
                Finding::problem(Check::Certificate, found, remedy)
            }
        }
    })
}

fn managing(it: &Examination<'_>) -> Finding {
    let name = shown(it.manager);
    match it.managing {
        Ok(_) => Finding::ok(Check::Managing, format!("{name} logs in")),
        Err(fault @ (DatabaseFault::ManagerOut { .. } | DatabaseFault::NoRight { .. })) => {
            Finding::problem(
                Check::Managing,
                fault.to_string(),
                Some(fault_remedy(fault, it.engine)),
            )
        }
        Err(_) => not_looked(Check::Managing),
    }
}

fn right(it: &Examination<'_>, facts: &ManagingFacts) -> Finding {
    let pairs = it.users.iter().zip(&facts.roles);
    let lacking: Vec<(&UserName, &RoleFacts)> = pairs
        .filter_map(|(user, role)| role.as_ref().map(|role| (*user, role)))
        .filter(|(_, role)| !role.may_alter)
        .collect();
    let manager = shown(it.manager);
    if lacking.is_empty() {
        let found = format!("{manager} may change the passwords of both");
        return Finding::ok(Check::Right, found);
    }
    let names: Vec<String> = lacking
        .iter()
        .map(|(user, _)| shown(user).to_string())
        .collect();
    let grant = lacking.iter().find_map(|(_, role)| role.grant.clone());
    let remedy = grant.unwrap_or_else(|| it.engine.terms().plain_users.to_owned());
    Finding::problem(
        Check::Right,
        format!(
            "{manager} may not change the password of {}",
            names.join(" and ")
        ),
        Some(remedy),
    )
}

fn view(it: &Examination<'_>, facts: &ManagingFacts) -> Finding {
    let manager = shown(it.manager);
    if facts.sessions.complete {
        return Finding::ok(Check::View, format!("{manager} sees all sessions"));
    }
    if let Some(monitor) = it.sampling.complete_monitor(it.node) {
        let found = format!("{monitor} sees all sessions, which is enough; {manager} does not");
        return Finding::ok(Check::View, found);
    }
    Finding::problem(
        Check::View,
        format!("{manager} does not see all sessions, so none seen means nothing"),
        facts.sessions.grant.clone(),
    )
}

fn primary(it: &Examination<'_>, facts: &ManagingFacts) -> Finding {
    if !facts.read_only {
        return Finding::ok(Check::Primary, format!("{} can be written to", it.node));
    }
    Finding::problem(
        Check::Primary,
        format!("{} {}", it.node, it.engine.terms().not_writable),
        Some("name the primary in `inputs.database.host`".to_owned()),
    )
}

fn role(it: &Examination<'_>, check: Check, index: usize, role: Option<&RoleFacts>) -> Finding {
    let (name, remedies) = (shown(it.users[index]), it.remedies[index]);
    let problem =
        |found: String, remedy: &str| Finding::problem(check, found, Some(remedy.to_owned()));
    let Some(role) = role else {
        return problem(format!("the user {name} does not exist"), &remedies.create);
    };
    let recorded = it.recorded_account.filter(|_| check == Check::IdleRole);
    if recorded.is_some_and(|account| *account != role.account) {
        let found = format!("{name} was dropped and made again since the last rotation");
        return problem(
            found,
            "find out who made it again; then make the environment anew with today's `state` (handover env rm, handover env init)",
        );
    }
    if !role.can_log_in && it.retired && check == Check::IdleRole {
        let found = format!(
            "{name} may not log in since it was retired; the next rotation lets it in again"
        );
        return Finding::ok(check, found);
    }
    if !role.can_log_in {
        return problem(
            format!("{name} may not log in ({})", it.engine.terms().locked),
            &remedies.let_in,
        );
    }
    if let Some(unfit) = &role.unfit {
        return problem(format!("{name} {}", unfit.found), &unfit.remedy);
    }
    let is_ended = check == Check::IdleRole && it.engine.terms().change_ends_expiry;
    if role.expired && is_ended {
        let found = format!(
            "{name} has expired ({}); the next rotation ends that",
            it.engine.terms().expired
        );
        return Finding::warning(check, found, None);
    }
    if role.expired {
        return problem(
            format!("{name} has expired ({})", it.engine.terms().expired),
            &remedies.prolong,
        );
    }
    let found = format!("{name} may log in and has not expired");
    match role.remarks.is_empty() {
        true => Finding::ok(check, found),
        false => Finding::warning(check, format!("{name}: {}", role.remarks.join("; ")), None),
    }
}
