//! The look at who still uses the idle user, on every node.

use std::time::Duration;

use chrono::Utc;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::logins::application;
use super::rotation::MOST_AT_ONCE;
use super::subject::Subject;
use super::{Observer, Progress};
use crate::database::Managing;
use crate::drain::{self, Drain, Question, Verdict};
use crate::model::{
    DatabaseFault, Gate, ManagingFacts, Node, OwnSession, SeenClient, Shut, UnknownCause,
};
use crate::operations::Workspace;
use crate::rotation::unnamed_standbys;
use crate::store::{StoreError, observations};
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
    watched: Option<&Watched>,
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
    Ok(judge(subject, &facts, &others, own, watched))
}

fn judge(
    subject: &Subject,
    facts: &ManagingFacts,
    others: &Others,
    own: &[OwnSession],
    watched: Option<&Watched>,
) -> Gate {
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
    let nobody_is_there = gates.iter().all(|gate| match gate {
        Gate::Open => true,
        Gate::Shut(reasons) => !reasons.iter().any(|one| matches!(one, Shut::Sessions(_))),
    });
    if let Some(shut) = watched.and_then(Watched::shut)
        && nobody_is_there
    {
        gates.push(Gate::Shut(vec![shut]));
    }
    drain::together(gates)
}

/// What is stored of the overlap in which Y is the outgoing user.
pub(super) struct Watched {
    drain: Drain,
    /// Whether nobody may have been there for some time, or one look is enough.
    has_window: bool,
    /// How many logins it was refused since we locked it, where somebody counted them.
    pub(super) refused_since_lock: Option<u64>,
    /// Who was seen.
    pub(super) seen: Vec<SeenClient>,
}

impl Watched {
    /// Why the observations keep the gate shut, if they do.
    fn shut(&self) -> Option<Shut> {
        if !self.has_window || self.drain.verdict == Verdict::Drained {
            return None;
        }
        let remaining = match self.drain.verdict {
            Verdict::Quiet => Some(Duration::from_secs(self.drain.window.remaining_seconds)),
            Verdict::Active | Verdict::Drained | Verdict::Unknown => None,
        };
        let why = self.drain.gate.clone().unwrap_or_default();
        Some(Shut::NotDrained { why, remaining })
    }
}

/// Reads what was observed of Y since it became the outgoing user; `None` where it never did.
///
/// # Errors
/// The store's own.
pub(super) async fn read_watched(
    workspace: &Workspace,
    subject: &Subject,
) -> Result<Option<Watched>, StoreError> {
    let Some(overlap) = subject.overlap_of_idle() else {
        return Ok(None);
    };
    let number = overlap.id;
    let timeline = workspace
        .store
        .read(move |transaction| observations::load(transaction, number))
        .await?;
    let settings = &subject.settings;
    let nodes: Vec<Node> = subject.nodes().cloned().collect();
    let drain = drain::judge(&Question {
        environment: &subject.environment,
        path: &subject.path.to_string(),
        overlap,
        timeline: &timeline,
        nodes: &nodes,
        poolers: &[],
        owners: &[],
        engine: subject.engine,
        propagation: settings.propagation,
        quiet: settings.quiet,
        max_gap: settings.max_gap,
        sample: settings.sample,
        // Nothing is published yet, so that there is nothing to confirm.
        sinks_confirmed: true,
        now: Utc::now(),
    });
    Ok(Some(Watched {
        drain,
        has_window: !settings.quiet.is_zero(),
        refused_since_lock: drain::listening(overlap, &timeline).refused,
        seen: drain::seen_clients(&timeline),
    }))
}
