//! Whether a rotation may begin (DESIGN section 6, first table).
//!
//! The first matching case refuses; the order of the checks in [`admit`] is the
//! order of the table. Every refusal names what was found and what mends it.

use super::admit_server::{check_certificate, check_owner, check_server};
use super::admit_users::{check_current, check_right, check_user};
use super::finding::Finding;
use super::plan::{Plan, PlannedSession};
use super::refusal::{AdmitCase, LockHolder, Owner, Refusal, refuse_locked};
use super::twins::{Lacks, lacks};
use super::words::{describe, mend, shown};
use crate::model::settings::TlsMode;
use crate::model::{
    AccountId, DatabaseFault, Engine, EnvironmentName, Gate, LoginOutcome, ManagingFacts, Node,
    RoleRemedies, RotationId, SeenClient, ServerIdentity, Shut, TwinFacts, UserName,
};
use crate::untrusted::Untrusted;

/// Everything that S1 found out about one rotated secret.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Which environment.
    pub environment: &'a EnvironmentName,
    /// Which rotated secret.
    pub path: &'a str,
    /// The revision in use.
    pub revision: u64,
    /// Who holds the lock, if not we.
    pub locked_by: Option<&'a LockHolder>,
    /// A rotation that is open here.
    pub open_rotation: Option<RotationId>,
    /// Where the managing connection goes.
    pub node: &'a Node,
    /// The managing user.
    pub manager: &'a UserName,
    /// X.
    pub current: &'a UserName,
    /// Y.
    pub user: &'a UserName,
    /// What the managing connection was told; roles in the order X, Y.
    pub managing: Result<&'a ManagingFacts, &'a DatabaseFault>,
    /// What the managing user was told by the other nodes.
    pub others: &'a [(Node, ManagingFacts)],
    /// Another rotated secret that owns one of the pair, by their OIDs.
    pub owner: Option<&'a Owner>,
    /// The server of the last rotation, or the one accepted since.
    pub recorded_server: Option<&'a ServerIdentity>,
    /// The fingerprint of the certificate that was shown last.
    pub recorded_certificate: Option<&'a str>,
    /// How the line is protected.
    pub tls: TlsMode,
    /// Logins as X with C, per node.
    pub current_logins: &'a [(Node, LoginOutcome)],
    /// What made Y the same user at an earlier rotation.
    pub recorded_account: Option<&'a AccountId>,
    /// Which engine it is.
    pub engine: Engine,
    /// In what the pair differs; `None` where one of them does not exist.
    pub twins: Option<&'a TwinFacts>,
    /// Whether a difference refuses (`verify.twin: strict`) or only warns.
    pub twin_strict: bool,
    /// The gate on Y; looked at only when the managing connection answered.
    pub gate: &'a Gate,
    /// Who was seen as Y while it was watched.
    pub seen: &'a [SeenClient],
    /// We have locked Y, or may have: S3 gives it the right to log in back.
    pub retired: bool,
    /// Whether we promoted this rotated secret before.
    pub promoted_before: bool,
    /// Whether the first promotion is acknowledged, or will be asked for.
    pub acknowledged: bool,
    /// The signed waiver.
    pub waiver: Option<&'a str>,
    /// What mends Y.
    pub remedies: &'a RoleRemedies,
    /// The statement that S3 will send, with a mark in place of the verifier.
    pub statement: &'a str,
}

/// Says whether a rotation may begin, and what it will do.
///
/// # Errors
/// The first case of the table that matches.
pub fn admit(facts: &Facts<'_>) -> Result<Plan, Refusal> {
    admit_unseen(facts.environment, facts.locked_by, facts.open_rotation)?;
    let managing = check_managing(facts)?;
    check_reachable(facts)?;
    check_owner(facts)?;
    check_server(facts, managing)?;
    let mut warnings = check_certificate(facts, managing)?;
    let [current, user] = &managing.roles;
    check_right(facts, managing, user.as_ref())?;
    let user = check_user(facts, user.as_ref())?;
    let current = check_current(facts, current.as_ref())?;
    let name = shown(facts.user);
    let remarks = user.remarks.iter();
    warnings.extend(remarks.map(|remark| format!("{name}: {remark}")));
    warnings.extend(check_twins(facts)?);
    let waived = check_drained(facts, "would get another password")?;
    check_acknowledged(facts)?;
    Ok(Plan {
        environment: facts.environment.clone(),
        path: facts.path.to_owned(),
        revision: facts.revision,
        node: facts.node.clone(),
        server: managing.identity.clone(),
        current: Untrusted::new(facts.current.as_str()),
        user: Untrusted::new(facts.user.as_str()),
        accounts: [current.account.clone(), user.account.clone()],
        rows: user.rows.iter().map(|row| row.host.clone()).collect(),
        statements: user.statements,
        login_limit: user.login_limit,
        current_limit: current.login_limit,
        statement: facts.statement.to_owned(),
        sessions: planned_sessions(facts.gate),
        seen: facts.seen.to_vec(),
        first_promotion: !facts.promoted_before,
        compromised: false,
        waived,
        warnings,
    })
}

pub(super) fn refuse<T>(case: AdmitCase, message: String, remedy: String) -> Result<T, Refusal> {
    Err(Refusal {
        case,
        message,
        remedy,
    })
}

/// The first cases of the table: they need no look at any database.
///
/// # Errors
/// `locked-by`, else `open-rotation`.
pub fn admit_unseen(
    environment: &EnvironmentName,
    locked_by: Option<&LockHolder>,
    open_rotation: Option<RotationId>,
) -> Result<(), Refusal> {
    if let Some(lock) = locked_by {
        return Err(refuse_locked(environment, lock));
    }
    if let Some(rotation) = open_rotation {
        return refuse(
            AdmitCase::OpenRotation,
            format!("{rotation} is open on {environment}"),
            format!("handover recover {environment}"),
        );
    }
    Ok(())
}

pub(super) fn check_managing<'a>(facts: &Facts<'a>) -> Result<&'a ManagingFacts, Refusal> {
    let fault = match facts.managing {
        Ok(managing) => return Ok(managing),
        Err(fault) => fault,
    };
    match fault {
        DatabaseFault::Unreachable { node, .. } | DatabaseFault::Server { node, .. }
            if node != facts.node =>
        {
            unreachable(fault.to_string(), &other_node_remedy(fault, facts.engine))
        }
        DatabaseFault::ManagerOut { .. } => refuse(
            AdmitCase::ManagerOut,
            fault.to_string(),
            fault_remedy(fault, facts.engine),
        ),
        DatabaseFault::NoRight { .. } => refuse(
            AdmitCase::NoRight,
            fault.to_string(),
            fault_remedy(fault, facts.engine),
        ),
        DatabaseFault::Unreachable { .. } | DatabaseFault::Server { .. } => {
            unreachable(fault.to_string(), &fault_remedy(fault, facts.engine))
        }
    }
}

/// What mends a further node that the managing user cannot ask.
pub(super) fn other_node_remedy(fault: &DatabaseFault, engine: Engine) -> String {
    use crate::model::UnknownCause;
    match fault {
        DatabaseFault::Unreachable {
            cause: UnknownCause::TimedOut | UnknownCause::Unreachable(_),
            ..
        } => "see that the node runs and answers from this machine; one that is gone for good \
              leaves `databases.\"*\".nodes` in the settings"
            .to_owned(),
        DatabaseFault::Unreachable {
            cause: UnknownCause::Tls(_) | UnknownCause::HostBased(_),
            ..
        } => fault_remedy(fault, engine),
        _ => "let the managing user log in there as well, or mend `databases.\"*\".nodes` in the \
              settings"
            .to_owned(),
    }
}

/// What mends a managing connection that does not come about.
pub(super) fn fault_remedy(fault: &DatabaseFault, engine: Engine) -> String {
    use crate::model::UnknownCause;
    match fault {
        DatabaseFault::ManagerOut { .. } => {
            "put the managing user's right name and password into the environment that \
             `inputs.database.managingUser` refers to"
                .to_owned()
        }
        DatabaseFault::Unreachable {
            cause: UnknownCause::Tls(_),
            ..
        } => {
            "check `databases.\"*\".tls` in the settings: `mode` must be what the server asks for, \
              `ca` the authority that signed its certificate, and the host name must stand in it"
                .to_owned()
        }
        DatabaseFault::Unreachable {
            cause: UnknownCause::HostBased(_),
            ..
        } => engine.terms().let_host_in.to_owned(),
        DatabaseFault::NoRight { grant, .. } => {
            format!("as {}: {grant}", engine.terms().administrator)
        }
        _ => "check host and port in `inputs.database`, and that the server runs and answers \
              from this machine"
            .to_owned(),
    }
}

fn unreachable<T>(message: String, remedy: &str) -> Result<T, Refusal> {
    refuse(AdmitCase::Unreachable, message, remedy.to_owned())
}

/// A login as X that says nothing of its password stops us: C must be known to work.
pub(super) fn check_reachable(facts: &Facts<'_>) -> Result<(), Refusal> {
    for (node, outcome) in facts.current_logins {
        if let LoginOutcome::Unknown(cause) = outcome {
            let fault = DatabaseFault::Unreachable {
                node: node.clone(),
                cause: cause.clone(),
            };
            return unreachable(
                format!(
                    "whether {} can log in is not known: {fault}",
                    shown(facts.current)
                ),
                &fault_remedy(&fault, facts.engine),
            );
        }
    }
    Ok(())
}

/// What Y lacks breaks applications as soon as they read it. The answer is what should be
/// known all the same.
fn check_twins(facts: &Facts<'_>) -> Result<Vec<String>, Refusal> {
    let Some(twins) = facts.twins else {
        return Ok(Vec::new());
    };
    let Lacks { problems, warnings } = lacks(&twins.differences, [facts.current, facts.user]);
    let found = |findings: &[Finding]| -> Vec<String> {
        findings.iter().map(|one| one.found.clone()).collect()
    };
    if problems.is_empty() || !facts.twin_strict {
        return Ok([found(&problems), found(&warnings)].concat());
    }
    let remedies: Vec<String> = problems
        .iter()
        .filter_map(|one| one.remedy.clone())
        .collect();
    refuse(
        AdmitCase::TwinsDiffer,
        format!(
            "{} becomes what consumers read, and {}",
            shown(facts.user),
            found(&problems).join("; ")
        ),
        remedies.join("\n"),
    )
}

/// The gate. A waiver passes it; what it passed stands in the plan.
pub(super) fn check_drained(facts: &Facts<'_>, what: &str) -> Result<Vec<String>, Refusal> {
    let Gate::Shut(reasons) = facts.gate else {
        return Ok(Vec::new());
    };
    let texts: Vec<String> = reasons
        .iter()
        .map(|reason| describe(reason, facts.engine))
        .collect();
    if facts.waiver.is_some() {
        return Ok(texts);
    }
    let mut remedies: Vec<String> = reasons
        .iter()
        .map(|reason| mend(reason, facts.user, facts.engine))
        .collect();
    for remedy in &mut remedies {
        // A statement brings its own end.
        remedy.truncate(remedy.trim_end_matches(';').len());
    }
    remedies.push("or sign a waiver with --waive-drain \"REASON\"".to_owned());
    refuse(
        AdmitCase::NotDrained,
        format!(
            "{} {what}, and it is not drained: {}",
            shown(facts.user),
            texts.join("; ")
        ),
        remedies.join("; "),
    )
}

fn check_acknowledged(facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.promoted_before || facts.acknowledged {
        return Ok(());
    }
    refuse(
        AdmitCase::NeverPromoted,
        format!(
            "this rotated secret was never promoted by handover, so nothing is known of how {} was used before now",
            shown(facts.user)
        ),
        format!(
            "make sure that no consumer reads {}, then confirm with --yes",
            shown(facts.user)
        ),
    )
}

fn planned_sessions(gate: &Gate) -> Vec<PlannedSession> {
    let Gate::Shut(reasons) = gate else {
        return Vec::new();
    };
    let sessions = reasons.iter().filter_map(|reason| match reason {
        Shut::Sessions(sessions) => Some(sessions),
        _ => None,
    });
    sessions
        .flatten()
        .map(|session| PlannedSession {
            node: session.node.to_string(),
            pid: session.pid,
            application: session.application.clone(),
            client: session.client.clone(),
            since: session.started,
        })
        .collect()
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
