//! S1: everything is looked at, nothing is changed.

use super::Observer;
use super::gate::{Others, look_at_gate, look_at_others, read_watched};
use super::guesses::{probe_current_counted, probe_uncounted};
use super::logins::{Logins, application, probe_current, probe_previous, sessions_of};
use super::subject::Subject;
use crate::database::Managing;
use crate::drain::Listening;
use crate::model::settings::TwinCheck;
use crate::model::{
    AccountId, DatabaseFault, Engine, Gate, ManagingFacts, OwnSession, RotationId, SeenClient,
    TwinFacts, TwinRoles,
};
use crate::operations::{Failure, Workspace};
use crate::rotation::{AdmitCase, Facts, Owner, Plan, Refusal, TwinLook, admit, lacks};
use crate::store::{StoreError, owners};

/// What S1 found out.
pub(super) struct Preflight {
    pub(super) managing: Result<(Box<dyn Managing>, ManagingFacts), DatabaseFault>,
    /// What it sees on the other nodes.
    pub(super) others: Others,
    pub(super) current: Logins,
    /// `None` when no password of Y is known.
    pub(super) previous: Option<Logins>,
    pub(super) own: Vec<OwnSession>,
    pub(super) gate: Gate,
    /// Another rotated secret that owns one of the pair there.
    pub(super) owner: Option<Owner>,
    /// In what the pair differs; `None` where one of them does not exist.
    pub(super) twins: Option<TwinFacts>,
    /// Who was seen as Y while it was watched.
    pub(super) seen: Vec<SeenClient>,
    /// What is heard of Y since we locked it.
    pub(super) listening: Option<Listening>,
}

impl Preflight {
    /// Those of our own sessions that are Y's.
    pub(super) fn own_as_idle(&self) -> Vec<OwnSession> {
        sessions_of(self.previous.as_deref().unwrap_or_default())
    }
}

/// What else [`judge`] needs to know.
pub(super) struct Circumstances<'a> {
    pub(super) acknowledged: bool,
    pub(super) waiver: Option<&'a str>,
    /// A rotation that is open, where that was not looked at before.
    pub(super) open_rotation: Option<RotationId>,
}

/// Whether the stored password of Y is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdlePassword {
    /// It is.
    Tried,
    /// It is not: a login that a locked user is refused counts as somebody who still tries.
    NotTried,
}

/// Asks the managing connection and both users' logins at once.
pub(super) async fn look(
    workspace: &Workspace,
    subject: &Subject,
    idle: IdlePassword,
    observer: &Observer,
) -> Result<Preflight, Failure> {
    let database = &subject.database;
    let manage = async {
        let application = application("manage");
        let mut managing = database
            .manage(&subject.node, &subject.manager, &application)
            .await?;
        let users = [subject.current_user(), subject.user()];
        let facts = managing.facts(users[0], users[1]).await?;
        let twins = match &facts.roles {
            [Some(current), Some(idle)] => {
                let accounts = [&current.account, &idle.account];
                let roles = TwinRoles {
                    names: users,
                    accounts,
                };
                Some(managing.twins(roles).await?)
            }
            _ => None,
        };
        Ok((managing, facts, twins))
    };
    let current = probe_current(subject);
    let others = look_at_others(subject);
    let (managing, others, current, previous) = match subject.engine {
        Engine::Postgres => {
            let previous = async {
                match idle {
                    IdlePassword::Tried => probe_previous(subject).await,
                    IdlePassword::NotTried => None,
                }
            };
            tokio::join!(manage, others, current, previous)
        }
        // Whether the server counts wrong passwords is asked before one may be shown.
        Engine::Mysql => {
            drop(current);
            let (managing, others) = tokio::join!(manage, others);
            let roles = managing.as_ref().ok().map(|(_, facts, _)| &facts.roles);
            let [first, second] = [0, 1].map(|index| roles.and_then(|roles| roles[index].as_ref()));
            let limit = first.and_then(|role| role.login_limit);
            let (current, previous) =
                tokio::join!(probe_current_counted(workspace, subject, limit), async {
                    match idle {
                        IdlePassword::Tried => probe_uncounted(subject, second).await,
                        IdlePassword::NotTried => None,
                    }
                });
            let current = current?;
            (managing, others, current, previous)
        }
    };
    let mut own = Vec::new();
    own.extend(sessions_of(&current));
    own.extend(sessions_of(previous.as_deref().unwrap_or_default()));
    let as_idle = sessions_of(previous.as_deref().unwrap_or_default());
    let watched = read_watched(workspace, subject, &as_idle).await?;
    let (managing, others, twins, gate) = match (managing, others) {
        (Ok((mut managing, facts, twins)), Ok(others)) => {
            let watched = watched.as_ref();
            let gate = look_at_gate(
                subject,
                &mut *managing,
                &facts,
                &others,
                &own,
                watched,
                observer,
            );
            match gate.await {
                Ok(looked) => (Ok((managing, facts)), others, twins, looked.gate),
                Err(fault) => (Err(fault), others, None, Gate::Shut(Vec::new())),
            }
        }
        (Ok((managing, _, _)), Err(fault)) => {
            managing.close().await;
            (Err(fault), Others::new(), None, Gate::Shut(Vec::new()))
        }
        (Err(fault), _) => (Err(fault), Others::new(), None, Gate::Shut(Vec::new())),
    };
    let owner = match &managing {
        Ok((_, facts)) => owner_of(workspace, subject, facts).await?,
        Err(_) => None,
    };
    Ok(Preflight {
        managing,
        others,
        current,
        previous,
        own,
        gate,
        owner,
        twins,
        listening: watched.as_ref().and_then(|watched| watched.listening),
        seen: watched.map_or_else(Vec::new, |watched| watched.seen),
    })
}

/// The same as far as it takes to let Y in again: the managed server alone. That another node
/// is down, or X is dead, is when the way back is wanted.
pub(super) async fn look_at_managed(
    workspace: &Workspace,
    subject: &Subject,
) -> Result<Preflight, Failure> {
    let application = application("manage");
    let managed = async {
        let mut managing = subject
            .database
            .manage(&subject.node, &subject.manager, &application)
            .await?;
        let facts = managing
            .facts(subject.current_user(), subject.user())
            .await?;
        Ok((managing, facts))
    };
    let managing: Result<_, DatabaseFault> = managed.await;
    let owner = match &managing {
        Ok((_, facts)) => owner_of(workspace, subject, facts).await?,
        Err(_) => None,
    };
    Ok(Preflight {
        managing,
        others: Others::new(),
        current: Logins::new(),
        previous: None,
        own: Vec::new(),
        gate: Gate::Open,
        owner,
        twins: None,
        listening: None,
        seen: Vec::new(),
    })
}

/// The other rotated secret that owns one of the pair on the server that answered.
pub(super) async fn owner_of(
    workspace: &Workspace,
    subject: &Subject,
    facts: &ManagingFacts,
) -> Result<Option<Owner>, StoreError> {
    let id = subject.record.id;
    let system = facts.identity.system.clone();
    let users = [subject.current_user(), subject.user()];
    let roles: Vec<(String, AccountId)> = users
        .into_iter()
        .zip(&facts.roles)
        .filter_map(|(user, role)| Some((user.as_str().to_owned(), role.as_ref()?.account.clone())))
        .collect();
    workspace
        .store
        .read(move |transaction| owners::of_roles(transaction, id, &system, &roles))
        .await
}

/// Weighs what was found; pure, apart from collecting the arguments.
pub(super) fn judge(
    subject: &Subject,
    preflight: &Preflight,
    circumstances: &Circumstances<'_>,
) -> Result<Plan, Refusal> {
    if subject.is_unsettled && preflight.managing.is_ok() {
        return Err(unsettled(subject));
    }
    with_facts(subject, preflight, circumstances, admit)
}

/// Collects what was found as the table takes it.
pub(super) fn with_facts<T>(
    subject: &Subject,
    preflight: &Preflight,
    circumstances: &Circumstances<'_>,
    admit: impl FnOnce(&Facts<'_>) -> T,
) -> T {
    let path = subject.path.to_string();
    let facts = preflight.managing.as_ref().ok().map(|(_, facts)| facts);
    let role = facts.and_then(|facts| facts.roles[1].as_ref());
    admit(&Facts {
        environment: &subject.environment,
        path: &path,
        revision: subject.revision,
        // Both were looked at before any database was asked.
        locked_by: None,
        open_rotation: circumstances.open_rotation,
        node: &subject.node,
        manager: &subject.manager.username,
        current: subject.current_user(),
        user: subject.user(),
        managing: preflight.managing.as_ref().map(|(_, facts)| facts),
        owner: preflight.owner.as_ref(),
        recorded_server: subject.record.server.as_ref(),
        recorded_certificate: subject.record.certificate.as_deref(),
        engine: subject.engine,
        tls: subject.settings.tls,
        current_logins: &preflight.current,
        recorded_account: subject.record.accounts.get(subject.user().as_str()),
        twins: preflight.twins.as_ref(),
        twin_strict: subject.settings.twin == TwinCheck::Strict,
        others: &preflight.others,
        gate: &preflight.gate,
        seen: &preflight.seen,
        retired: subject.is_retired(),
        promoted_before: !subject.record.promoted.is_empty(),
        acknowledged: circumstances.acknowledged,
        waiver: circumstances.waiver,
        remedies: &subject.database.remedies(subject.user(), role),
        statement: &subject.database.change_statement(subject.user(), facts),
    })
}

/// A server that answers now and did not when it was asked who is connected: which of the
/// pair is idle was never found out, and one of them only stands in for it.
fn unsettled(subject: &Subject) -> Refusal {
    Refusal {
        case: AdmitCase::Unreachable,
        message: format!(
            "not every node of {} said who is connected, so it is not known which user \
             consumers read",
            subject.path
        ),
        remedy: "see that all its nodes answer, then try again".to_owned(),
    }
}

/// What S4 takes from the comparison of the pair; under `verify.twin: warn` a difference
/// holds nothing back.
pub(super) fn twin_look(subject: &Subject, twins: &TwinFacts) -> TwinLook {
    let users = [subject.current_user(), subject.user()];
    let lacks = lacks(&twins.differences, users);
    match lacks.problems.is_empty() || subject.settings.twin == TwinCheck::Warn {
        true => TwinLook::Alike,
        false => TwinLook::Differ,
    }
}
