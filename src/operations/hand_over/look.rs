//! A look at one environment's databases: who is there, and what is accepted.
//!
//! Nothing is changed and nothing is decided; the gate's verdict is the one that a
//! rotation would get now.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Observer;
use super::gate::{Watched, look_at_gate, look_at_others, read_watched};
use super::guesses::{probe_current_counted, probe_uncounted};
use super::logins::{application, probe_current, probe_previous, sessions_of};
use super::own::{self, OwnLogins};
use super::report::shown;
use super::subject::Subject;
use crate::document::PropertyPath;
use crate::model::{
    DatabaseFault, Engine, EnvironmentName, LoginOutcome, Node, RoleFacts, Session, SessionKind,
    Stage,
};
use crate::operations::loading::Head;
use crate::operations::{Failure, Workspace};
use crate::rotation::{RoleKnowledge, assess, describe_gate};
use crate::untrusted::Untrusted;

/// How much to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only the sessions.
    Sessions,
    /// Also whether both passwords log in.
    Logins,
}

/// What was seen of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Which.
    pub environment: EnvironmentName,
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// Its rotated secrets that have a state.
    pub paths: Vec<PathLook>,
}

/// What was seen of one rotated secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathLook {
    /// Which.
    pub path: String,
    /// Where.
    pub node: String,
    /// The server's version in words, when it answered.
    pub server: Option<String>,
    /// X.
    pub current: UserLook,
    /// Y.
    pub previous: UserLook,
    /// Why a rotation would be refused by the gate now; empty when it is open.
    pub gate: String,
    /// Why nothing is known, if so.
    pub fault: Option<String>,
}

/// What was seen of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserLook {
    /// Its name.
    pub user: String,
    /// Whether its stored password logs in, in one word.
    pub standing: String,
    /// Its sessions; `None` when they could not be seen, which is not zero.
    pub sessions: Option<Vec<SessionLook>>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionLook {
    /// The backend's process id.
    pub pid: i64,
    /// `application_name`.
    pub application: Untrusted,
    /// The client's address, when visible.
    pub client: Option<Untrusted>,
    /// Since when, by the server's clock.
    pub since: Option<DateTime<Utc>>,
    /// The kind, when it is not an ordinary client.
    pub kind: Option<String>,
}

/// Looks at all rotated secrets of an environment.
///
/// # Errors
/// What is wrong with the input or the store; a database that does not answer is part
/// of the look.
pub async fn look(
    workspace: &Workspace,
    environment: &EnvironmentName,
    depth: Depth,
) -> Result<Look, Failure> {
    let mut paths = Vec::new();
    for path in paths_with_state(workspace, environment).await? {
        let subject = Subject::read(workspace, environment, path).await?;
        paths.push(look_at(workspace, &subject, depth).await?);
    }
    Ok(Look {
        environment: environment.clone(),
        at: Utc::now(),
        paths,
    })
}

async fn paths_with_state(
    workspace: &Workspace,
    name: &EnvironmentName,
) -> Result<Vec<PropertyPath>, Failure> {
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            let all = head.environment.rotated_secrets().iter();
            Ok(all
                .filter(|secret| secret.has_state)
                .map(|secret| secret.path.clone())
                .collect())
        })
        .await
}

async fn look_at(
    workspace: &Workspace,
    subject: &Subject,
    depth: Depth,
) -> Result<PathLook, Failure> {
    let mut seen = PathLook {
        path: subject.path.to_string(),
        node: subject.node.to_string(),
        server: None,
        current: UserLook {
            user: shown(subject.current_user()),
            standing: String::new(),
            sessions: None,
        },
        previous: UserLook {
            user: shown(subject.user()),
            standing: String::new(),
            sessions: None,
        },
        gate: String::new(),
        fault: None,
    };
    let watched = read_watched(workspace, subject, &[]).await?;
    let watched = watched.as_ref();
    let (roles, current_logins, previous_logins) = match (depth, subject.engine) {
        // Nothing was tried, which is not the same as no password to try.
        (Depth::Sessions, _) => {
            let roles = look_as_manager(subject, &[], watched, &mut seen).await;
            (roles, Vec::new(), Some(Vec::new()))
        }
        (Depth::Logins, Engine::Postgres) => {
            let (current, previous) = tokio::join!(probe_current(subject), async {
                match subject.is_retired() {
                    true => None,
                    false => probe_previous(subject).await,
                }
            });
            let mut own = sessions_of(&current);
            own.extend(sessions_of(previous.as_deref().unwrap_or_default()));
            let roles = look_as_manager(subject, &own, watched, &mut seen).await;
            (roles, current, previous)
        }
        // Whether the server counts wrong passwords is asked before one may be shown.
        (Depth::Logins, Engine::Mysql) => {
            let roles = look_as_manager(subject, &[], watched, &mut seen).await;
            let known = |index: usize| roles.as_ref().ok().and_then(|roles| roles[index].as_ref());
            let limit = known(0).and_then(|role| role.login_limit);
            let (current, previous) =
                tokio::join!(probe_current_counted(workspace, subject, limit), async {
                    match subject.is_retired() {
                        true => None,
                        false => probe_uncounted(subject, known(1)).await,
                    }
                });
            (roles, current?, previous)
        }
    };
    let made = [
        OwnLogins::of_current(subject, &current_logins),
        OwnLogins::of_idle(subject, previous_logins.as_deref().unwrap_or_default()),
    ];
    own::note(workspace, made).await;
    let roles = roles.unwrap_or_else(|fault| {
        seen.fault = Some(fault.to_string());
        [None, None]
    });
    seen.current.standing = standing(Some(&current_logins), roles[0].as_ref());
    // A login that a retired user is refused counts as somebody who still tries: none is made.
    seen.previous.standing = match subject.overlap_of_idle() {
        Some(overlap) if overlap.stage != Stage::Draining => overlap.stage.as_str().to_owned(),
        _ => standing(previous_logins.as_deref(), roles[1].as_ref()),
    };
    Ok(seen)
}

async fn look_as_manager(
    subject: &Subject,
    own: &[crate::model::OwnSession],
    watched: Option<&Watched>,
    seen: &mut PathLook,
) -> Result<[Option<RoleFacts>; 2], DatabaseFault> {
    let name = application("manage");
    let mut managing = subject
        .database
        .manage(&subject.node, &subject.manager, &name)
        .await?;
    let facts = managing
        .facts(subject.current_user(), subject.user())
        .await?;
    seen.server = Some(facts.identity.version_words());
    let others = look_at_others(subject).await?;
    let observer = Observer::default();
    let looked = look_at_gate(
        subject,
        &mut *managing,
        &facts,
        &others,
        own,
        watched,
        &observer,
    )
    .await?;
    seen.gate = describe_gate(&looked.gate, subject.engine);
    if looked.here.complete {
        seen.previous.sessions = Some(sessions(&looked.here, own));
    }
    if let Some(role) = &facts.roles[0] {
        let (view, _) = managing.sessions(&role.account).await?;
        if view.complete {
            seen.current.sessions = Some(sessions(&view, own));
        }
    }
    managing.close().await;
    Ok(facts.roles)
}

fn sessions(
    view: &crate::model::SessionView,
    own: &[crate::model::OwnSession],
) -> Vec<SessionLook> {
    crate::drain::foreign_sessions(view, own)
        .into_iter()
        .map(|session: Session| SessionLook {
            pid: session.pid,
            application: session.application,
            client: session.client,
            since: session.started,
            kind: match session.kind {
                SessionKind::Client => None,
                SessionKind::WalSender => Some("replication".to_owned()),
                SessionKind::Masked => Some("masked".to_owned()),
                SessionKind::PreparedTransaction => Some("prepared transaction".to_owned()),
            },
        })
        .collect()
}

fn standing(logins: Option<&[(Node, LoginOutcome)]>, role: Option<&RoleFacts>) -> String {
    let Some(logins) = logins else {
        return "no password known".to_owned();
    };
    if role.is_some_and(|role| role.expired) {
        return "expired".to_owned();
    }
    let knowledge = RoleKnowledge::of(role, None);
    let outcomes = logins.iter().map(|(_, outcome)| outcome);
    assess(outcomes, knowledge).word().to_owned()
}
