//! S1: everything is looked at, nothing is changed.

use std::time::Duration;

use super::effects;
use super::subject::Subject;
use super::{Observer, Progress};
use crate::database::{Login, Managing};
use crate::drain::{self, PROBE_APPLICATION_PREFIX};
use crate::model::settings::TwinCheck;
use crate::model::{
    DatabaseFault, Gate, LoginOutcome, ManagingFacts, Node, OwnSession, SessionView, TwinFacts,
    TwinRoles,
};
use crate::operations::{Failure, Workspace};
use crate::rotation::{Facts, Owner, Plan, Refusal, admit};
use crate::store::{StoreError, owners};

/// How long a session that may be a probe of a killed run is given to go.
const GRACE: Duration = Duration::from_secs(2);
const GRACE_POLL: Duration = Duration::from_millis(50);

/// What S1 found out.
pub(super) struct Preflight {
    pub(super) managing: Result<(Box<dyn Managing>, ManagingFacts), DatabaseFault>,
    pub(super) current: Vec<(Node, LoginOutcome)>,
    /// `None` when no password of Y is known.
    pub(super) previous: Option<Vec<(Node, LoginOutcome)>>,
    pub(super) own: Vec<OwnSession>,
    pub(super) gate: Gate,
    /// Another rotated secret that owns one of the pair there.
    pub(super) owner: Option<Owner>,
    /// In what the pair differs; `None` where one of them does not exist.
    pub(super) twins: Option<TwinFacts>,
}

/// What else [`judge`] needs to know.
pub(super) struct Circumstances<'a> {
    pub(super) acknowledged: bool,
    pub(super) waiver: Option<&'a str>,
}

/// Asks the managing connection and both users' logins at once.
pub(super) async fn look(
    workspace: &Workspace,
    subject: &Subject,
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
                let oids = [current.oid, idle.oid];
                let roles = TwinRoles { names: users, oids };
                Some(managing.twins(roles).await?)
            }
            _ => None,
        };
        Ok((managing, facts, twins))
    };
    let current = probe_current(subject);
    let previous = probe_previous(subject);
    let (managing, current, previous) = tokio::join!(manage, current, previous);
    let current = current?;
    let mut own = Vec::new();
    own.extend(sessions_of(&current));
    own.extend(
        previous
            .iter()
            .flatten()
            .filter_map(|(_, outcome)| outcome.session().cloned()),
    );
    let (managing, twins, gate) = match managing {
        Ok((mut managing, facts, twins)) => {
            let gate = look_at_gate(subject, &mut *managing, &facts, &own, observer).await;
            match gate {
                Ok(gate) => (Ok((managing, facts)), twins, gate),
                Err(fault) => (Err(fault), None, Gate::Shut(Vec::new())),
            }
        }
        Err(fault) => (Err(fault), None, Gate::Shut(Vec::new())),
    };
    let owner = match &managing {
        Ok((_, facts)) => owner_of(workspace, subject, facts).await?,
        Err(_) => None,
    };
    Ok(Preflight {
        managing,
        current,
        previous,
        own,
        gate,
        owner,
        twins,
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
    let roles: Vec<(String, u32)> = users
        .into_iter()
        .zip(&facts.roles)
        .filter_map(|(user, role)| Some((user.as_str().to_owned(), role.as_ref()?.oid)))
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
    let path = subject.path.to_string();
    admit(&Facts {
        environment: &subject.environment,
        path: &path,
        revision: subject.revision,
        // Both were looked at before any database was asked.
        locked_by: None,
        open_rotation: None,
        node: &subject.node,
        manager: &subject.manager.username,
        current: subject.current_user(),
        user: subject.user(),
        managing: preflight.managing.as_ref().map(|(_, facts)| facts),
        owner: preflight.owner.as_ref(),
        recorded_server: subject.record.server.as_ref(),
        recorded_certificate: subject.record.certificate.as_deref(),
        tls: subject.settings.tls,
        current_logins: &preflight.current,
        recorded_oid: subject.record.oids.get(subject.user().as_str()).copied(),
        twins: preflight.twins.as_ref(),
        twin_strict: subject.settings.twin == TwinCheck::Strict,
        gate: &preflight.gate,
        promoted_before: !subject.record.promoted.is_empty(),
        acknowledged: circumstances.acknowledged,
        waiver: circumstances.waiver,
        remedies: &subject.database.remedies(subject.user()),
        statement: &subject.database.change_statement(subject.user()),
    })
}

/// Logs in as X with C.
pub(super) async fn probe_current(subject: &Subject) -> Result<Vec<(Node, LoginOutcome)>, Failure> {
    let password = subject.current_password()?;
    let application = application("probe");
    let login = Login {
        node: &subject.node,
        user: subject.current_user(),
        password,
        application: &application,
        statements: &[],
    };
    Ok(vec![(
        subject.node.clone(),
        effects::probe(subject, "probe-current", login).await,
    )])
}

/// Logs in as Y with P, where P is known.
pub(super) async fn probe_previous(subject: &Subject) -> Option<Vec<(Node, LoginOutcome)>> {
    let password = subject.previous.password.as_ref()?;
    let application = application("probe");
    let login = Login {
        node: &subject.node,
        user: subject.user(),
        password,
        application: &application,
        statements: &[],
    };
    Some(vec![(
        subject.node.clone(),
        effects::probe(subject, "probe-previous", login).await,
    )])
}

/// How our sessions name themselves to the server.
pub(super) fn application(purpose: &str) -> String {
    format!("{PROBE_APPLICATION_PREFIX}{purpose}")
}

pub(super) fn sessions_of(outcomes: &[(Node, LoginOutcome)]) -> Vec<OwnSession> {
    outcomes
        .iter()
        .filter_map(|(_, outcome)| outcome.session().cloned())
        .collect()
}

/// Looks at the sessions of Y; a session that may be a probe of a killed run is
/// given two seconds to go.
pub(super) async fn look_at_gate(
    subject: &Subject,
    managing: &mut dyn Managing,
    facts: &ManagingFacts,
    own: &[OwnSession],
    observer: &Observer,
) -> Result<Gate, DatabaseFault> {
    let Some(role) = &facts.roles[1] else {
        return Ok(Gate::Open);
    };
    let judge = |view: &SessionView, now| {
        let promoted = subject
            .record
            .promoted
            .iter()
            .map(|at| at.server_time)
            .max();
        drain::gate(view, own, now, promoted, subject.settings.propagation)
    };
    let lingering = |view: &SessionView| {
        drain::foreign_sessions(view, own)
            .iter()
            .any(drain::may_be_lingering_probe)
    };
    let mut view = facts.sessions.clone();
    let mut now = facts.server_time;
    let until = tokio::time::Instant::now() + GRACE;
    while lingering(&view) && tokio::time::Instant::now() < until {
        observer.tell(Progress::Waiting {
            path: subject.path.to_string(),
            reason: "for a session that may be a probe of an earlier run".to_owned(),
        });
        let pause = observer.unless_stopped(tokio::time::sleep(GRACE_POLL));
        if pause.await.is_none() {
            break;
        }
        (view, now) = managing.sessions(role.oid).await?;
    }
    Ok(judge(&view, now))
}
