//! `status`: what the store knows, without asking any database.

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::loading::Head;
use super::schedules::{HealthSource, LeftAlone, health_of, left_alone, shown_agent, shown_freeze};
use super::{Failure, Workspace};
use crate::document::{Document, Literal, Segment};
use crate::drain::{Leak, Question, Verdict, judge, leak};
use crate::environment::RotatedSecret;
use crate::model::settings::Protection;
use crate::model::{EnvironmentName, Node, Overlap, RotationId, Stage, Step};
use crate::rotation::{Case, PathJournal, SinkState, fold};
use crate::schedule::{Health, words};
use crate::secret::SecretId;
use crate::store::{
    AgentRow, AuditHead, Backlog, EnvironmentRow, Freeze, JournalLine, RotatedSecretRow, SinkRow,
    StoreError, audit, environments, freeze, journal, locks, observations, outbox, overlaps,
    revisions, rotated_secrets, sinks,
};
use crate::untrusted::Untrusted;

/// The whole store at a glance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// All environments, or the one asked for.
    pub environments: Vec<EnvironmentStatus>,
    /// Whether all of them are as they should be, and somebody acts on their schedules.
    pub healthy: bool,
    /// Why not, a sentence each, with what mends it.
    pub reasons: Vec<String>,
    /// The agents that are alive on this host.
    pub agents: Vec<AgentRow>,
    /// What keeps agents from beginning anything by themselves.
    pub freeze: Option<Freeze>,
    /// The end of the audit chain, to be noted elsewhere.
    pub audit: AuditHead,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EnvironmentStatus {
    /// Which.
    pub environment: EnvironmentName,
    /// Its newest revision.
    pub revision: u64,
    /// When that was made.
    pub changed_at: Option<DateTime<Utc>>,
    /// Whether changes need its name typed.
    pub protected: bool,
    /// Its open rotation.
    pub open_rotation: Option<RotationId>,
    /// Who began the open rotation, where, and since when.
    pub holder: Option<String>,
    /// Its rotated secrets.
    pub paths: Vec<PathStatus>,
    /// The files that it is published to; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkStatus>,
    /// Its notices that nobody has yet.
    pub notices: Backlog,
    /// Its schedule in words; `null`: none.
    pub schedule: Option<String>,
    /// Whether it is as it should be.
    pub health: Health,
    /// Why its document or settings cannot be used, if so.
    pub problem: Option<String>,
}

impl EnvironmentStatus {
    /// The files that its open rotation waits for.
    pub fn waited_for(&self) -> impl Iterator<Item = &SinkStatus> {
        self.sinks.iter().filter(|sink| self.waits_for(sink))
    }

    fn waits_for(&self, sink: &SinkStatus) -> bool {
        let is_open = self.open_rotation.is_some() && sink.rotation == self.open_rotation;
        is_open && sink.state != SinkState::Confirmed
    }

    /// What was found of a file that has not what it is to have, if it was tried, and what
    /// brings it there.
    #[must_use]
    pub fn mends(&self, sink: &SinkStatus) -> Option<(Option<String>, String)> {
        let name = &self.environment;
        match (&sink.problem, &sink.remedy) {
            _ if sink.state == SinkState::Confirmed => None,
            (Some(problem), Some(remedy)) => Some((Some(problem.clone()), remedy.clone())),
            _ if self.waits_for(sink) => Some((None, format!("handover recover {name}"))),
            _ => Some((None, format!("handover publish {name}"))),
        }
    }

    /// What is to be told of its notices: how many wait or were given up, and the command that
    /// shows them; `None` while there is nothing to tell.
    #[must_use]
    pub fn backlog_words(&self, now: DateTime<Utc>) -> Option<(String, String)> {
        if !self.notices.is_worth_telling(now) {
            return None;
        }
        let mut parts = Vec::new();
        if let Some(since) = self.notices.waiting_since {
            let since = since.format("%Y-%m-%d %H:%M:%S UTC");
            parts.push(format!("{} waiting since {since}", self.notices.waiting));
        }
        if self.notices.dead > 0 {
            parts.push(format!("{} given up", self.notices.dead));
        }
        let command = format!("handover outbox ls {}", self.environment);
        Some((parts.join(", "), command))
    }
}

/// One file that an environment is published to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SinkStatus {
    /// By its absolute path.
    pub file: String,
    /// How far it has come.
    pub state: SinkState,
    /// The revision that it is to have.
    pub wanted: u64,
    /// The revision that it has; `null` where it never had one.
    pub delivered: Option<u64>,
    /// When it got that.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The rotation that wanted it last; it stays open until the file is confirmed.
    pub rotation: Option<RotationId>,
    /// What was found at the last try.
    pub problem: Option<String>,
    /// What mends it; absent where nothing is to be mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl From<SinkRow> for SinkStatus {
    fn from(row: SinkRow) -> Self {
        let (problem, remedy) = row.problem.unzip();
        Self {
            file: row.file,
            state: row.state,
            wanted: row.wanted,
            delivered: row.delivered,
            delivered_at: row.delivered_at,
            rotation: row.rotation,
            problem,
            remedy,
        }
    }
}

/// One rotated secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PathStatus {
    /// Which.
    pub path: String,
    /// The user that consumers read; `null` without a `state`.
    pub current: Option<String>,
    /// The other user; `null` without a `state`.
    pub previous: Option<String>,
    /// When it was last promoted, by its server's clock.
    pub promoted_at: Option<DateTime<Utc>>,
    /// How long consumers take to read a new current, in seconds.
    pub propagation_seconds: u64,
    /// The step that an open rotation reached.
    pub step: Option<Step>,
    /// Nothing more is to be done for this path of an open rotation.
    pub is_over: bool,
    /// Why an open rotation stopped.
    pub case: Option<Case>,
    /// The user whose password an open rotation changes.
    pub user: Option<String>,
    /// The overlap since its last promote; `null` where it was never promoted.
    pub overlap: Option<OverlapStatus>,
}

/// An overlap at a glance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OverlapStatus {
    /// The outgoing user.
    pub user: Untrusted,
    /// How far it has come.
    pub stage: Stage,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The user's password leaked.
    pub compromised: bool,
    /// What is still to be done because of that; `null` when nothing is.
    pub leak: Option<Leak>,
    /// What may be said of its sessions, by what the store has. A glance never says more than
    /// `handover drain` does; `null` where the settings cannot be read.
    pub verdict: Option<Verdict>,
}

/// Reads the status.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn read_status(
    workspace: &Workspace,
    only: Option<EnvironmentName>,
) -> Result<Status, Failure> {
    let agents = workspace.store.living_agents().await?;
    let left_alone = left_alone(workspace).await?;
    let now = Utc::now();
    workspace
        .store
        .read(move |transaction| {
            let rows = match &only {
                Some(name) => vec![Head::load(transaction, name)?.row],
                None => environments::list(transaction)?,
            };
            let mut backlogs = outbox::backlogs(transaction)?;
            let environments = rows
                .into_iter()
                .map(|row| {
                    let notices = backlogs.remove(&row.id).unwrap_or_default();
                    one(transaction, row, notices, &left_alone, now)
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            let reasons = reasons(&environments, &agents);
            Ok(Status {
                environments,
                healthy: reasons.is_empty(),
                reasons,
                agents: agents.into_iter().map(shown_agent).collect(),
                freeze: freeze::current(transaction, now)?.map(shown_freeze),
                audit: audit::head(transaction)?,
            })
        })
        .await
}

/// What is wrong, of all environments and of what acts on their schedules.
fn reasons(environments: &[EnvironmentStatus], agents: &[AgentRow]) -> Vec<String> {
    let of = |one: &EnvironmentStatus| {
        let name = one.environment.clone();
        let reasons = one.health.reasons.clone().into_iter();
        reasons.map(move |reason| format!("{name}: {reason}"))
    };
    let mut reasons: Vec<String> = environments.iter().flat_map(of).collect();
    let scheduled = environments.iter().filter(|one| one.schedule.is_some());
    if let (count @ 1.., true) = (scheduled.count(), agents.is_empty()) {
        reasons.push(format!(
            "no agent is alive, and {}: handover agent",
            match count {
                1 => "1 schedule waits for one".to_owned(),
                count => format!("{count} schedules wait for one"),
            }
        ));
    }
    reasons
}

fn one(
    transaction: &Transaction<'_>,
    row: EnvironmentRow,
    notices: Backlog,
    left_alone: &LeftAlone,
    now: DateTime<Utc>,
) -> Result<EnvironmentStatus, StoreError> {
    let open_rotation = journal::find_open(transaction, &row.id)?;
    let lines = match open_rotation {
        Some(rotation) => journal::lines(transaction, rotation)?,
        None => Vec::new(),
    };
    // An environment whose document is at fault must not hide all the others.
    let (head, problem) = match Head::load(transaction, &row.name) {
        Ok(head) => (Some(head), None),
        Err(failure) => (None, Some(failure.message)),
    };
    let mut paths = Vec::new();
    for record in rotated_secrets::list(transaction, &row.id)? {
        let mut path = path_status(head.as_ref(), &record, &lines);
        path.overlap = overlap_status(transaction, &row.name, head.as_ref(), &record)?;
        paths.push(path);
    }
    let schedule = head.as_ref().and_then(|head| head.settings.schedule());
    let health = match &head {
        Some(head) => {
            let source = HealthSource {
                transaction,
                head,
                open_rotation,
                lines: &lines,
                left_alone,
                now,
            };
            // What was found for the overlaps is not looked for again.
            health_of(&source, |path, _, _| {
                let found = paths.iter().find(|one| one.path == path);
                Ok(found.and_then(|path| path.overlap.as_ref()?.verdict))
            })?
        }
        None => Health {
            reasons: problem.iter().cloned().collect(),
            ..Health::default()
        },
    };
    let schedule = schedule.map(words);
    let holder = match open_rotation {
        Some(_) => locks::holder(transaction, &row.id)?,
        None => None,
    };
    let sinks = sinks::list(transaction, &row.id)?;
    let protection = head.as_ref().map(|head| head.settings.protection());
    Ok(EnvironmentStatus {
        changed_at: revisions::created_at(transaction, &row.id, row.head)?,
        // What cannot be read is treated with care.
        protected: protection != Some(Protection::None),
        environment: row.name,
        revision: row.head,
        open_rotation,
        holder: holder.map(|holder| {
            format!(
                "{} on {} since {}",
                holder.holder,
                holder.host,
                holder.since.format("%Y-%m-%d %H:%M:%S UTC")
            )
        }),
        paths,
        sinks: sinks.into_iter().map(SinkStatus::from).collect(),
        notices,
        schedule,
        health,
        problem,
    })
}

fn path_status(
    head: Option<&Head>,
    record: &RotatedSecretRow,
    lines: &[JournalLine],
) -> PathStatus {
    let secret = head.and_then(|head| {
        let mut all = head.environment.rotated_secrets().iter();
        all.find(|secret| secret.path.to_string() == record.path)
    });
    let user = |label: &str| user_in_state(&head?.document, secret?, label);
    let propagation = head
        .zip(secret)
        .map(|(head, secret)| head.settings.database(&secret.path).propagation);
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line.path.as_deref() == Some(&record.path))
        .map(|line| &line.event)
        .collect();
    let journal = (!events.is_empty()).then(|| fold(events));
    PathStatus {
        path: record.path.clone(),
        current: user("current"),
        previous: user("previous"),
        promoted_at: record.promoted.first().map(|first| first.server_time),
        propagation_seconds: propagation.map_or(0, |span| span.as_secs()),
        step: journal.as_ref().map(|journal| journal.progress.step()),
        is_over: journal.as_ref().is_some_and(PathJournal::is_over),
        case: journal.as_ref().and_then(|journal| journal.parked),
        user: journal
            .and_then(|journal| journal.admitted)
            .map(|admitted| Untrusted::new(&admitted.user).as_str().to_owned()),
        overlap: None,
    }
}

fn overlap_status(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    head: Option<&Head>,
    record: &RotatedSecretRow,
) -> Result<Option<OverlapStatus>, StoreError> {
    let Some(overlap) = overlaps::current(transaction, record.id)? else {
        return Ok(None);
    };
    let verdict = match head {
        Some(head) => verdict_of(transaction, head, &record.path, record.id, &overlap)?,
        None => None,
    };
    Ok(Some(OverlapStatus {
        user: Untrusted::new(&overlap.user),
        stage: overlap.stage,
        since: overlap.stage_at,
        compromised: overlap.compromised,
        leak: leak(&overlap, environment, &record.path),
        verdict,
    }))
}

/// What may be said of the sessions of an outgoing user; `None` where the document has its rotated
/// secret no more.
///
/// # Errors
/// The store's own.
pub(super) fn verdict_of(
    transaction: &Transaction<'_>,
    head: &Head,
    path: &str,
    secret_id: SecretId,
    overlap: &Overlap,
) -> Result<Option<Verdict>, StoreError> {
    let mut all = head.environment.rotated_secrets().iter();
    match all.find(|secret| secret.path.to_string() == path) {
        Some(secret) => verdict(transaction, head, secret, secret_id, overlap).map(Some),
        None => Ok(None),
    }
}

/// By the newest of what was observed: what does not fit in there makes it less certain, never
/// more.
fn verdict(
    transaction: &Transaction<'_>,
    head: &Head,
    secret: &RotatedSecret,
    secret_id: SecretId,
    overlap: &Overlap,
) -> Result<Verdict, StoreError> {
    let (timeline, is_all) = observations::load_newest(transaction, overlap.id)?;
    let settings = head.settings.database(&secret.path);
    let managed = overlap.promoted.first().map(|at| at.node.clone());
    let mut nodes: Vec<Node> = managed.into_iter().collect();
    for address in &settings.nodes {
        let node = address.for_engine(secret.engine);
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    let drain = judge(&Question {
        environment: &head.row.name,
        path: &secret.path.to_string(),
        overlap,
        timeline: &timeline,
        nodes: &nodes,
        poolers: &[],
        owners: &[],
        engine: secret.engine,
        propagation: settings.propagation,
        quiet: settings.quiet,
        max_gap: settings.max_gap,
        sample: settings.sample,
        listen: settings.retire.listen,
        sinks_confirmed: sinks::are_confirmed(transaction, secret_id, overlap.revision)?,
        now: Utc::now(),
    });
    Ok(match drain.verdict {
        Verdict::Drained if !is_all => Verdict::Quiet,
        verdict => verdict,
    })
}

/// A user's name as it stands in the state; nothing is unsealed for it.
fn user_in_state(document: &Document, secret: &RotatedSecret, label: &str) -> Option<String> {
    let mut path = secret.document_path.clone();
    path.extend(["state", label, "username"].map(|key| Segment::Key(key.to_owned())));
    match document.get(&path)?.literal()? {
        Literal::String(name) => Some(Untrusted::new(name).as_str().to_owned()),
        _ => None,
    }
}
