//! The logins and looks of a verification, and who may have caused what differs.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, stream};

use super::compare::{Expected, Seen};
use super::{CredentialRole, Drift, PathVerification};
use crate::model::{DatabaseFault, Engine, ManagingFacts, Node, UserName};
use crate::operations::hand_over::guesses::{Guesses, probe_current_counted, probe_uncounted};
use crate::operations::hand_over::logins::{application, probe_current, probe_previous};
use crate::operations::hand_over::own::{self, OwnLogins};
use crate::operations::hand_over::preflight::owner_of;
use crate::operations::hand_over::rotation::MOST_AT_ONCE;
use crate::operations::hand_over::subject::Subject;
use crate::operations::ownership::others_naming;
use crate::operations::{Failure, Workspace};
use crate::rotation::Case;
use crate::untrusted::Untrusted;

/// How many wrong passwords are taken to be counted where nobody could ask: one that is
/// refused is not shown again and again by whatever runs this by the clock.
const LIMIT_WHERE_UNKNOWN: u32 = 3;

/// Tries every credential. The managing user comes first: whether the server counts wrong
/// passwords is known before one may be shown.
pub(super) async fn look(
    workspace: &Workspace,
    subject: &Subject,
    expected: Expected,
) -> Result<Seen, Failure> {
    let managing = on_all_nodes(subject, |node| look_as_manager(subject, node).boxed()).await;
    let facts = managing
        .first()
        .and_then(|(_, looked)| looked.as_ref().ok());
    let role = |index: usize| facts.and_then(|facts| facts.roles[index].as_ref());
    let is_asked = facts.is_some() || subject.engine == Engine::Postgres;
    let limit = match is_asked {
        true => role(0).and_then(|role| role.login_limit),
        false => Some(LIMIT_WHERE_UNKNOWN),
    };
    let current = async {
        match workspace.store.is_writable() {
            true => probe_current_counted(workspace, subject, limit).await,
            // Where no count can be kept, a server that counts is asked nothing.
            false if limit.is_some() => Ok(Guesses::new(limit, 0).not_tried(subject)),
            false => Ok(probe_current(subject).await),
        }
    };
    let previous = async {
        match expected {
            Expected::Valid if !is_asked => {
                let unasked = Guesses::new(Some(LIMIT_WHERE_UNKNOWN), 0);
                Some(unasked.not_tried(subject))
            }
            Expected::Valid if subject.engine == Engine::Postgres => probe_previous(subject).await,
            Expected::Valid => probe_uncounted(subject, role(1)).await,
            // A login that a retired user is refused counts as somebody who still tries.
            Expected::Locked | Expected::Scrambled | Expected::Changing | Expected::NotKnown => {
                None
            }
        }
    };
    let (current, previous, monitor) = tokio::join!(current, previous, look_as_monitor(subject));
    let current = current?;
    let made = [
        OwnLogins::of_current(subject, &current),
        OwnLogins::of_idle(subject, previous.as_deref().unwrap_or_default()),
    ];
    own::note(workspace, made).await;
    let is_held_back =
        workspace.store.is_writable() && Guesses::new(limit, 0).is_not_tried(&current);
    Ok(Seen {
        managing,
        current,
        is_held_back,
        previous,
        monitor,
    })
}

async fn on_all_nodes<'a, T>(
    subject: &'a Subject,
    ask: impl Fn(&'a Node) -> BoxFuture<'a, Result<T, DatabaseFault>>,
) -> Vec<(Node, Result<T, DatabaseFault>)> {
    let (nodes, looks): (Vec<_>, Vec<_>) = subject
        .nodes()
        .map(|node| (node.clone(), ask(node)))
        .unzip();
    let answers: Vec<_> = stream::iter(looks).buffered(MOST_AT_ONCE).collect().await;
    nodes.into_iter().zip(answers).collect()
}

async fn look_as_manager(subject: &Subject, node: &Node) -> Result<ManagingFacts, DatabaseFault> {
    let name = application("manage");
    let managed = subject.database.manage(node, &subject.manager, &name);
    let mut managing = managed.await?;
    let facts = managing.facts(subject.current_user(), subject.user()).await;
    managing.close().await;
    facts
}

/// `None` where the settings name no such login.
async fn look_as_monitor(subject: &Subject) -> Option<Vec<(Node, Result<(), DatabaseFault>)>> {
    let login = subject.monitor.as_ref()?.as_ref().ok()?;
    let looked = on_all_nodes(subject, |node| {
        async move {
            let name = application("sample");
            let watching = subject.database.watch(node, login, &name).await?;
            watching.close().await;
            Ok(())
        }
        .boxed()
    });
    Some(looked.await)
}

/// Who else may have set the password of a user that refuses it, as far as anybody can tell.
pub(super) async fn suspects(
    workspace: &Workspace,
    subject: &Subject,
    found: &PathVerification,
) -> Result<Vec<String>, Failure> {
    let refuses = |role: CredentialRole| {
        let mut all = found.credentials.iter();
        all.any(|one| one.role == role && one.verdict >= Drift::Drifted && one.found == "refused")
    };
    let dead = refuses(CredentialRole::Current);
    let idle = refuses(CredentialRole::Previous);
    let mut words = Vec::new();
    match (dead, idle) {
        (false, false) => return Ok(words),
        (false, true) => words.push(case(Case::RivalOwner)),
        (true, false) => words.push(case(Case::CurrentDead)),
        (true, true) => words.push(case(Case::StoreBehind)),
    }
    let users = [(dead, subject.current_user()), (idle, subject.user())];
    for (_, user) in users.into_iter().filter(|(refused, _)| *refused) {
        words.push(when_changed(subject, user).await);
    }
    let rivals = rivals(workspace, subject).await?;
    words.push(match rivals.is_empty() {
        true => "no other rotated secret of this store has these users; look for an operator, a \
                 configuration tool or another store"
            .to_owned(),
        false => rivals.join("; "),
    });
    Ok(words)
}

fn case(case: Case) -> String {
    format!("{}: {}", case.name(), case.meaning())
}

/// When the server says that the user's password was changed.
async fn when_changed(subject: &Subject, user: &UserName) -> String {
    let shown = Untrusted::new(user.as_str());
    if subject.engine == Engine::Postgres {
        return format!("when the password of {shown} was changed, PostgreSQL does not tell");
    }
    let name = application("manage");
    let manager = &subject.manager;
    let asked = async {
        let managed = subject.database.manage(&subject.node, manager, &name);
        let mut managing = managed.await?;
        let changed = managing.password_changed(user).await;
        managing.close().await;
        changed
    };
    match asked.await {
        Ok(Some(at)) => {
            let promoted = subject.promoted_on(&subject.node);
            let after = match promoted {
                Some(promoted) if at > promoted => {
                    format!(
                        ", after the last promote ({})",
                        promoted.format("%Y-%m-%d %H:%M:%S UTC")
                    )
                }
                _ => String::new(),
            };
            format!(
                "the password of {shown} was changed at {} by the server's clock{after}",
                at.format("%Y-%m-%d %H:%M:%S UTC")
            )
        }
        Ok(None) => format!("when the password of {shown} was changed, the server does not tell"),
        Err(fault) => {
            format!("when the password of {shown} was changed could not be asked: {fault}")
        }
    }
}

/// Other rotated secrets of the store with the same users, by the server's identity and by name.
async fn rivals(workspace: &Workspace, subject: &Subject) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    if let Ok(facts) = look_as_manager(subject, &subject.node).await
        && let Some(owner) = owner_of(workspace, subject, &facts).await?
    {
        words.push(owner.words());
    }
    let master = Arc::clone(&workspace.master);
    let environment = subject.environment.clone();
    let path = subject.path.to_string();
    let users = [subject.current_user().clone(), subject.user().clone()];
    let named = workspace
        .store
        .read(move |transaction| {
            let but = (&environment, path.as_str());
            others_naming(transaction, &master, but, users.each_ref())
        })
        .await?;
    words.extend(named.into_iter().map(|place| {
        format!("{place} names these users too: where that is the same server, it is the rival")
    }));
    Ok(words)
}
