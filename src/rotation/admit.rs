//! Whether a rotation may begin (DESIGN section 6, first table).
//!
//! The first matching case refuses; the order of the checks in [`admit`] is the
//! order of the table. Every refusal names what was found and what mends it.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use std::fmt;

use super::plan::{Plan, PlannedSession};
use super::words::{describe, mend, shown};
use crate::model::{
    Barrier, DatabaseFault, EnvironmentName, Gate, LoginOutcome, ManagingFacts, Node, RoleFacts,
    RoleRemedies, RotationId, Shut, UserName,
};
use crate::untrusted::Untrusted;

/// The named reasons for not beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdmitCase {
    /// Another process works on this environment.
    LockedBy,
    /// An earlier rotation is not finished.
    OpenRotation,
    /// The server does not answer.
    Unreachable,
    /// The managing user cannot log in.
    ManagerOut,
    /// The managing user may not change this password.
    NoRight,
    /// The idle user is absent, locked, expired, or another role than before.
    NoSuchUser,
    /// The password that consumers read does not log in.
    CurrentDead,
    /// We never promoted this rotated secret and nobody acknowledged it.
    NeverPromoted,
    /// Somebody may still use the idle user.
    NotDrained,
}

impl AdmitCase {
    /// The name, as in JSON and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LockedBy => "locked-by",
            Self::OpenRotation => "open-rotation",
            Self::Unreachable => "unreachable",
            Self::ManagerOut => "manager-out",
            Self::NoRight => "no-right",
            Self::NoSuchUser => "no-such-user",
            Self::CurrentDead => "current-dead",
            Self::NeverPromoted => "never-promoted",
            Self::NotDrained => "not-drained",
        }
    }
}

impl fmt::Display for AdmitCase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for AdmitCase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why a rotation may not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which case.
    pub case: AdmitCase,
    /// What was found.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

/// Who holds an environment's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The requester (a claim).
    pub holder: String,
    /// On which host.
    pub host: String,
    /// Which process.
    pub pid: u32,
    /// Since when.
    pub since: DateTime<Utc>,
}

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
    /// Logins as X with C, per node.
    pub current_logins: &'a [(Node, LoginOutcome)],
    /// The OID of Y that an earlier rotation recorded.
    pub recorded_oid: Option<u32>,
    /// The gate on Y; looked at only when the managing connection answered.
    pub gate: &'a Gate,
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
    let [current, user] = &managing.roles;
    check_right(facts, managing, user.as_ref())?;
    let user = check_user(facts, user.as_ref())?;
    let current = check_current(facts, current.as_ref())?;
    let waived = check_drained(facts)?;
    check_acknowledged(facts)?;
    Ok(Plan {
        environment: facts.environment.clone(),
        path: facts.path.to_owned(),
        revision: facts.revision,
        node: facts.node.clone(),
        server: managing.identity.clone(),
        current: Untrusted::new(facts.current.as_str()),
        user: Untrusted::new(facts.user.as_str()),
        oids: [current.oid, user.oid],
        statement: facts.statement.to_owned(),
        sessions: planned_sessions(facts.gate),
        first_promotion: !facts.promoted_before,
        waived,
    })
}

fn refuse<T>(case: AdmitCase, message: String, remedy: String) -> Result<T, Refusal> {
    Err(Refusal {
        case,
        message,
        remedy,
    })
}

/// The refusal while another process works on the environment.
#[must_use]
pub fn refuse_locked(environment: &EnvironmentName, lock: &LockHolder) -> Refusal {
    Refusal {
        case: AdmitCase::LockedBy,
        message: format!(
            "{environment} is locked by {} on {} (process {}) since {}",
            lock.holder,
            lock.host,
            lock.pid,
            lock.since.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        remedy: format!(
            "wait until it is finished; `handover status {environment}` shows how it ended"
        ),
    }
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

fn check_managing<'a>(facts: &Facts<'a>) -> Result<&'a ManagingFacts, Refusal> {
    let fault = match facts.managing {
        Ok(managing) => return Ok(managing),
        Err(fault) => fault,
    };
    match fault {
        DatabaseFault::ManagerOut { .. } => refuse(
            AdmitCase::ManagerOut,
            fault.to_string(),
            fault_remedy(fault),
        ),
        DatabaseFault::Unreachable { .. } | DatabaseFault::Server { .. } => {
            unreachable(fault.to_string(), &fault_remedy(fault))
        }
    }
}

/// What mends a managing connection that does not come about.
pub(super) fn fault_remedy(fault: &DatabaseFault) -> String {
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
        } => "check `databases.\"*\".tls` in the settings: `ca` must be the authority that signed \
              the server's certificate, and the host name must stand in it"
            .to_owned(),
        DatabaseFault::Unreachable {
            cause: UnknownCause::HostBased(_),
            ..
        } => "add a `hostssl … scram-sha-256` line for this host to pg_hba.conf".to_owned(),
        _ => "check host and port in `inputs.database`, and that the server runs and answers \
              from this machine"
            .to_owned(),
    }
}

fn unreachable<T>(message: String, remedy: &str) -> Result<T, Refusal> {
    refuse(AdmitCase::Unreachable, message, remedy.to_owned())
}

/// A login as X that says nothing of its password stops us: C must be known to work.
fn check_reachable(facts: &Facts<'_>) -> Result<(), Refusal> {
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
                &fault_remedy(&fault),
            );
        }
    }
    Ok(())
}

fn check_right(
    facts: &Facts<'_>,
    managing: &ManagingFacts,
    user: Option<&RoleFacts>,
) -> Result<(), Refusal> {
    if managing.read_only {
        return refuse(
            AdmitCase::NoRight,
            format!("{} is a standby and cannot be written to", facts.node),
            "name the primary in `inputs.database.host`".to_owned(),
        );
    }
    let Some(user) = user else {
        return Ok(());
    };
    if user.may_alter {
        return Ok(());
    }
    let remedy = match &user.grant {
        Some(grant) => format!("as a superuser: {grant}"),
        None => "choose application users that are not superusers".to_owned(),
    };
    refuse(
        AdmitCase::NoRight,
        format!(
            "the managing user {} may not change the password of {}",
            shown(facts.manager),
            shown(facts.user)
        ),
        remedy,
    )
}

fn check_user<'a>(
    facts: &Facts<'_>,
    user: Option<&'a RoleFacts>,
) -> Result<&'a RoleFacts, Refusal> {
    let name = shown(facts.user);
    let no_such_user = |message: String, remedy: String| {
        Err(Refusal {
            case: AdmitCase::NoSuchUser,
            message,
            remedy,
        })
    };
    let Some(role) = user else {
        return no_such_user(
            format!("the role {name} does not exist on {}", facts.node),
            format!(
                "{} and give it what the other user has",
                facts.remedies.create
            ),
        );
    };
    if facts.recorded_oid.is_some_and(|oid| oid != role.oid) {
        return no_such_user(
            format!(
                "the role {name} was dropped and made again since the last rotation (OID {} is now {})",
                facts.recorded_oid.unwrap_or_default(),
                role.oid
            ),
            "find out who made it again; then begin anew with `handover env init` and today's `state`"
                .to_owned(),
        );
    }
    if !role.can_log_in {
        return no_such_user(
            format!("the role {name} may not log in, and not because of us"),
            facts.remedies.let_in.clone(),
        );
    }
    if role.expired {
        return no_such_user(
            format!("the role {name} has expired (VALID UNTIL has passed)"),
            facts.remedies.prolong.clone(),
        );
    }
    Ok(role)
}

/// What consumers read must log in before anything is touched.
fn check_current<'a>(
    facts: &Facts<'_>,
    current: Option<&'a RoleFacts>,
) -> Result<&'a RoleFacts, Refusal> {
    let name = shown(facts.current);
    let dead = |what: String| {
        Err(Refusal {
            case: AdmitCase::CurrentDead,
            message: format!("consumers read {name}, and {what}"),
            remedy: format!("handover recover {}", facts.environment),
        })
    };
    let Some(role) = current else {
        return dead(format!("the role does not exist on {}", facts.node));
    };
    if role.expired {
        return dead("it has expired (VALID UNTIL has passed)".to_owned());
    }
    for (node, outcome) in facts.current_logins {
        match outcome {
            LoginOutcome::PasswordRefused => {
                return dead(format!("{node} refuses its password"));
            }
            LoginOutcome::PasswordAccepted(Barrier::NotPermitted) => {
                return dead(format!("{node} does not let it log in (NOLOGIN)"));
            }
            LoginOutcome::LoggedIn { .. }
            | LoginOutcome::StatementFailed { .. }
            | LoginOutcome::PasswordAccepted(_)
            | LoginOutcome::Unknown(_) => {}
        }
    }
    Ok(role)
}

/// The gate. A waiver passes it; what it passed stands in the plan.
fn check_drained(facts: &Facts<'_>) -> Result<Vec<String>, Refusal> {
    let Gate::Shut(reasons) = facts.gate else {
        return Ok(Vec::new());
    };
    let texts: Vec<String> = reasons.iter().map(describe).collect();
    if facts.waiver.is_some() {
        return Ok(texts);
    }
    let mut remedies: Vec<String> = reasons
        .iter()
        .map(|reason| mend(reason, facts.user))
        .collect();
    for remedy in &mut remedies {
        // A statement brings its own end.
        remedy.truncate(remedy.trim_end_matches(';').len());
    }
    remedies.push("or sign a waiver with --waive-drain \"REASON\"".to_owned());
    refuse(
        AdmitCase::NotDrained,
        format!(
            "the password of {} would be changed, and it is not drained: {}",
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
