//! The look at who still uses the idle user, on every node.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::logins::application;
use super::rotation::MOST_AT_ONCE;
use super::subject::Subject;
use super::{Observer, Progress};
use crate::database::Managing;
use crate::drain;
use crate::model::{DatabaseFault, Gate, ManagingFacts, Node, OwnSession, Shut, UnknownCause};
use crate::rotation::unnamed_standbys;
use crate::untrusted::Untrusted;

/// How long a session that may be a probe of a killed run is given to go.
const GRACE: Duration = Duration::from_secs(2);
const GRACE_POLL: Duration = Duration::from_millis(50);

/// What the managing user sees on the nodes beside the one that it manages.
pub(super) type Others = Vec<(Node, ManagingFacts)>;

/// Asks all other nodes at once.
///
/// # Errors
/// The first node that does not say who is there: unknown is not nobody.
pub(super) async fn look_at_others(subject: &Subject) -> Result<Others, DatabaseFault> {
    let looks: Vec<BoxFuture<'_, _>> = subject
        .others
        .iter()
        .map(|node| look_at_node(subject, node).boxed())
        .collect();
    stream::iter(looks)
        .buffered(MOST_AT_ONCE)
        .try_collect()
        .await
}

/// Asks all other nodes at once; one that does not answer hides no other.
pub(super) async fn look_at_each_other(
    subject: &Subject,
) -> Vec<(Node, Result<ManagingFacts, DatabaseFault>)> {
    let looks: Vec<BoxFuture<'_, _>> = subject
        .others
        .iter()
        .map(|node| {
            async move {
                let looked = look_at_node(subject, node).await;
                (node.clone(), looked.map(|(_, facts)| facts))
            }
            .boxed()
        })
        .collect();
    stream::iter(looks).buffered(MOST_AT_ONCE).collect().await
}

async fn look_at_node(
    subject: &Subject,
    node: &Node,
) -> Result<(Node, ManagingFacts), DatabaseFault> {
    let application = application("manage");
    let managed = subject
        .database
        .manage(node, &subject.manager, &application);
    let mut managing = managed.await.map_err(|fault| elsewhere(node, fault))?;
    let facts = managing
        .facts(subject.current_user(), subject.user())
        .await?;
    managing.close().await;
    Ok((node.clone(), facts))
}

/// A managing user that another node keeps out says nothing of the one that it manages.
fn elsewhere(node: &Node, fault: DatabaseFault) -> DatabaseFault {
    match fault {
        DatabaseFault::ManagerOut { .. } => DatabaseFault::Unreachable {
            node: node.clone(),
            cause: UnknownCause::Other(Untrusted::new(&fault.to_string())),
        },
        fault => fault,
    }
}

/// Looks at the sessions of Y on every node. `facts` are of the managed node, `others` of
/// the rest. A session that may be a probe of a killed run is given two seconds to go.
///
/// # Errors
/// A node that stops to answer meanwhile.
pub(super) async fn look_at_gate(
    subject: &Subject,
    managing: &mut dyn Managing,
    facts: &ManagingFacts,
    others: &Others,
    own: &[OwnSession],
    observer: &Observer,
) -> Result<Gate, DatabaseFault> {
    let Some(role) = &facts.roles[1] else {
        return Ok(Gate::Open);
    };
    let mut facts = facts.clone();
    let mut others = others.clone();
    let until = tokio::time::Instant::now() + GRACE;
    loop {
        let views = std::iter::once(&facts).chain(others.iter().map(|(_, facts)| facts));
        let lingers = views
            .flat_map(|facts| drain::foreign_sessions(&facts.sessions, own))
            .any(|session| drain::may_be_lingering_probe(&session));
        if !lingers || tokio::time::Instant::now() >= until {
            break;
        }
        observer.tell(Progress::Waiting {
            path: subject.path.to_string(),
            reason: "for a session that may be a probe of an earlier run".to_owned(),
        });
        let pause = observer.unless_stopped(tokio::time::sleep(GRACE_POLL));
        if pause.await.is_none() {
            break;
        }
        (facts.sessions, facts.server_time) = managing.sessions(&role.account).await?;
        others = look_at_others(subject).await?;
    }
    Ok(judge(subject, &facts, &others, own))
}

fn judge(subject: &Subject, facts: &ManagingFacts, others: &Others, own: &[OwnSession]) -> Gate {
    let managed = std::iter::once((&subject.node, facts));
    let others = others.iter().map(|(node, facts)| (node, facts));
    let nodes: Vec<(&Node, &ManagingFacts)> = managed.chain(others).collect();
    let mut gates: Vec<Gate> = nodes
        .iter()
        .map(|(node, facts)| {
            let (now, propagation) = (facts.server_time, subject.settings.propagation);
            drain::gate(
                &facts.sessions,
                own,
                now,
                subject.promoted_on(node),
                propagation,
            )
        })
        .collect();
    let unnamed = unnamed_standbys(nodes.iter().map(|(_, facts)| *facts));
    if !unnamed.is_empty() {
        gates.push(Gate::Shut(vec![Shut::UnseenStandbys(unnamed)]));
    }
    drain::together(gates)
}
