//! The look at who still uses the idle user, on every node.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::logins::application;
use super::rotation::MOST_AT_ONCE;
use super::subject::Subject;
use super::{Observer, Progress};
use crate::database::{Managing, Watching};
use crate::drain::{self, Drain, Listening, Question, Verdict};
use crate::model::{
    AccountId, Credential, DatabaseFault, Engine, Gate, ManagingFacts, Node, OwnSession, Sample,
    SeenClient, Session, SessionView, Shut, UnknownCause, Viewer,
};
use crate::operations::Workspace;
use crate::rotation::unnamed_standbys;
use crate::store::{StoreError, observations, sinks};
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

/// What is seen of Y on one node.
pub(super) struct View {
    pub(super) node: Node,
    /// Of the node; its sessions are those that can be seen, by whomever.
    pub(super) facts: ManagingFacts,
    /// Who looked, where not all can be seen.
    viewer: Viewer,
}

/// The login that the settings name, on each node.
struct Monitors<'a> {
    subject: &'a Subject,
    /// One for each node that was asked, as long as it is not lost.
    open: Vec<Option<Box<dyn Watching>>>,
}

impl<'a> Monitors<'a> {
    fn new(subject: &'a Subject) -> Self {
        let open = Vec::new();
        Self { subject, open }
    }

    /// All nodes at once. Without `monitor` in the settings it is what the managing user was
    /// told; with it, what that login sees too: one complete view of a node is enough.
    async fn see(&mut self, looks: Vec<(Node, ManagingFacts)>) -> Vec<View> {
        let Some(monitor) = &self.subject.monitor else {
            let of_manager = |(node, facts)| View {
                node,
                facts,
                viewer: Viewer::Managing,
            };
            return looks.into_iter().map(of_manager).collect();
        };
        let mut kept = std::mem::take(&mut self.open).into_iter();
        let looks: Vec<BoxFuture<'_, _>> = looks
            .into_iter()
            .map(|(node, facts)| {
                let kept = kept.next().flatten();
                look_as_monitor(self.subject, monitor, node, facts, kept).boxed()
            })
            .collect();
        let seen: Vec<_> = stream::iter(looks).buffered(MOST_AT_ONCE).collect().await;
        let (views, open) = seen.into_iter().unzip();
        self.open = open;
        views
    }

    async fn close(self) {
        let closing = self.open.into_iter().flatten().map(Watching::close);
        futures_util::future::join_all(closing).await;
    }
}

/// Adds what the monitoring user sees of one node to what the managing user does. `kept` is a
/// connection to that node from an earlier look.
async fn look_as_monitor(
    subject: &Subject,
    monitor: &Result<Credential, String>,
    node: Node,
    mut facts: ManagingFacts,
    kept: Option<Box<dyn Watching>>,
) -> (View, Option<Box<dyn Watching>>) {
    let user = monitor.as_ref().ok();
    let user = user.map(|login| Untrusted::new(login.username.as_str()));
    let (sample, open) = match &facts.roles[1] {
        Some(role) => sample(subject, monitor, &node, &facts, &role.account, kept).await,
        None => (Err("the user is not there".to_owned()), kept),
    };
    let mut problem = None;
    match sample {
        Ok(sample) => take_over(subject.engine, &node, &mut facts, sample),
        Err(words) => problem = Some(words),
    }
    let viewer = Viewer::Monitor { user, problem };
    let view = View {
        node,
        facts,
        viewer,
    };
    (view, open)
}

async fn sample(
    subject: &Subject,
    monitor: &Result<Credential, String>,
    node: &Node,
    facts: &ManagingFacts,
    account: &AccountId,
    kept: Option<Box<dyn Watching>>,
) -> (Result<Sample, String>, Option<Box<dyn Watching>>) {
    let login = match monitor {
        Ok(login) => login,
        Err(words) => return (Err(words.clone()), None),
    };
    let name = application("sample");
    let opened = match kept {
        Some(open) => Ok(open),
        None => subject.database.watch(node, login, &name).await,
    };
    let mut open = match opened {
        Ok(open) => open,
        Err(fault) => return (Err(fault.to_string()), None),
    };
    match open.sample(std::slice::from_ref(account)).await {
        Ok(sample) if sample.system == facts.identity.system => (Ok(sample), Some(open)),
        // Behind an address may stand several servers.
        Ok(sample) => {
            let words = format!("another server answers it at {node}: {}", sample.system);
            (Err(words), Some(open))
        }
        Err(fault) => (Err(fault.to_string()), None),
    }
}

/// The monitoring user's view in place of the managing user's, unless that one alone is
/// complete.
fn take_over(engine: Engine, node: &Node, facts: &mut ManagingFacts, mut sample: Sample) {
    let Some(account) = sample.accounts.pop() else {
        return;
    };
    if facts.sessions.complete && !account.complete {
        return;
    }
    let before = std::mem::take(&mut facts.sessions.sessions);
    let mut sessions: Vec<Session> = account
        .sessions
        .into_iter()
        .map(|session| Session {
            node: node.clone(),
            pid: session.pid,
            kind: session.kind,
            // From where we come is not told here; it earns a session two seconds at most.
            is_nameless_from_here: engine == Engine::Mysql
                && session.application.as_str().is_empty(),
            application: session.application,
            client: session.client,
            started: session.started,
        })
        .collect();
    if account.complete {
        facts.server_time = sample.server_time;
        facts.standbys = sample.standbys;
        facts.receiving = sample.receiving;
    } else {
        // Neither sees all: what one of them sees is there.
        let seen: Vec<i64> = sessions.iter().map(|session| session.pid).collect();
        let more = before.into_iter();
        sessions.extend(more.filter(|session| !seen.contains(&session.pid)));
    }
    facts.sessions = SessionView {
        sessions,
        complete: account.complete,
        grant: account.grant,
    };
}

/// What is seen of Y on all nodes now. `looks` is what the managing user was told.
pub(super) async fn see(subject: &Subject, looks: Vec<(Node, ManagingFacts)>) -> Vec<View> {
    let mut monitors = Monitors::new(subject);
    let views = monitors.see(looks).await;
    monitors.close().await;
    views
}

/// What a look at the gate found.
pub(super) struct Looked {
    pub(super) gate: Gate,
    /// Sessions of Y on the managed node.
    pub(super) here: SessionView,
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
) -> Result<Looked, DatabaseFault> {
    let Some(role) = &facts.roles[1] else {
        let (gate, here) = (Gate::Open, facts.sessions.clone());
        return Ok(Looked { gate, here });
    };
    let mut monitors = Monitors::new(subject);
    let all = |facts: &ManagingFacts, others: Others| {
        let here = (subject.node.clone(), facts.clone());
        std::iter::once(here).chain(others).collect::<Vec<_>>()
    };
    let mut facts = facts.clone();
    let mut views = monitors.see(all(&facts, others.clone())).await;
    let until = tokio::time::Instant::now() + GRACE;
    loop {
        let lingers = views
            .iter()
            .flat_map(|view| drain::foreign_sessions(&view.facts.sessions, own))
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
        let others = look_at_others(subject).await?;
        views = monitors.see(all(&facts, others)).await;
    }
    monitors.close().await;
    let gate = judge(subject, &views, own, watched);
    let here = views.into_iter().next().map(|view| view.facts.sessions);
    Ok(Looked {
        gate,
        here: here.unwrap_or(facts.sessions),
    })
}

fn judge(subject: &Subject, views: &[View], own: &[OwnSession], watched: Option<&Watched>) -> Gate {
    let mut gates: Vec<Gate> = views
        .iter()
        .map(
            |View {
                 node,
                 facts,
                 viewer,
             }| {
                let (now, propagation) = (facts.server_time, subject.settings.propagation);
                let promoted = subject.promoted_on(node);
                let gate = drain::gate(&facts.sessions, own, now, promoted, propagation);
                named(gate, viewer)
            },
        )
        .collect();
    let unnamed = unnamed_standbys(views.iter().map(|view| &view.facts));
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

/// A gate in which it stands who does not see everything.
fn named(mut gate: Gate, by: &Viewer) -> Gate {
    if let Gate::Shut(reasons) = &mut gate {
        for reason in reasons {
            if let Shut::MaskedView { viewer, .. } = reason {
                viewer.clone_from(by);
            }
        }
    }
    gate
}

/// What is stored of the overlap in which Y is the outgoing user.
pub(super) struct Watched {
    drain: Drain,
    /// Whether nobody may have been there for some time, or one look is enough.
    has_window: bool,
    /// Whether somebody goes on sampling.
    is_sampled: bool,
    /// What is heard of it since we locked it.
    pub(super) listening: Option<Listening>,
    /// Who was seen.
    pub(super) seen: Vec<SeenClient>,
}

impl Watched {
    /// Whether the oldest of the nodes' last samples was made before these logins had ended.
    fn is_older_than(&self, own: &[OwnSession]) -> bool {
        let last = own.iter().map(|session| session.span.1).max();
        let sampled = self.drain.coverage.sampled_at;
        last.is_some_and(|last| sampled.is_none_or(|at| at < last + chrono::TimeDelta::seconds(1)))
    }

    /// Nobody uses it any more, as far as was seen.
    pub(super) fn is_drained(&self) -> bool {
        self.drain.verdict == Verdict::Drained
    }

    /// Whether somebody was seen since then, by this host's clock.
    pub(super) fn was_used_since(&self, at: DateTime<Utc>) -> bool {
        let mut points = self.drain.history.iter();
        points.any(|point| point.at >= at && point.sessions.is_some_and(|count| count > 0))
    }

    /// It is locked, for as long as the settings ask, and nobody was heard.
    pub(super) fn was_listened_for(&self) -> bool {
        let heard = self.drain.listening;
        heard.is_some_and(|heard| heard.left_seconds == 0 && heard.refused.unwrap_or(0) == 0)
    }

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
/// Logins of our own, `own`, are nobody's. Whether the server has counted one of them is known
/// by the sample after it: where the gate would be shut, that one is waited for.
///
/// # Errors
/// The store's own.
pub(super) async fn read_watched(
    workspace: &Workspace,
    subject: &Subject,
    own: &[OwnSession],
) -> Result<Option<Watched>, StoreError> {
    let until = tokio::time::Instant::now() + subject.settings.sample + GRACE;
    loop {
        let watched = watched(workspace, subject, own).await?;
        let waits = watched.as_ref().is_some_and(|watched| {
            watched.shut().is_some() && watched.is_sampled && watched.is_older_than(own)
        });
        if !waits || tokio::time::Instant::now() >= until {
            return Ok(watched);
        }
        tokio::time::sleep(GRACE_POLL).await;
    }
}

async fn watched(
    workspace: &Workspace,
    subject: &Subject,
    own: &[OwnSession],
) -> Result<Option<Watched>, StoreError> {
    let Some(overlap) = subject.overlap_of_idle() else {
        return Ok(None);
    };
    let (number, revision, secret) = (overlap.id, overlap.revision, subject.record.id);
    let (mut timeline, sinks_confirmed) = workspace
        .store
        .read(move |transaction| {
            let timeline = observations::load(transaction, number)?;
            let published = sinks::are_confirmed(transaction, secret, revision)?;
            Ok::<_, StoreError>((timeline, published))
        })
        .await?;
    // Those of this run may not be noted yet.
    for session in own {
        if !timeline.own.contains(session) {
            timeline.own.push(session.clone());
        }
    }
    let settings = &subject.settings;
    let nodes: Vec<Node> = subject.nodes().cloned().collect();
    let path = subject.path.to_string();
    let question = Question {
        environment: &subject.environment,
        path: &path,
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
        listen: settings.retire.listen,
        sinks_confirmed,
        now: Utc::now(),
    };
    let drain = drain::judge(&question);
    Ok(Some(Watched {
        has_window: !settings.quiet.is_zero(),
        // One that nobody has sampled yet has no row.
        is_sampled: number != 0 && workspace.store.is_sampled(number).await?,
        listening: drain.listening,
        drain,
        seen: drain::seen_clients(&question),
    }))
}
