//! All schedules as they are shown: in words, when they start next, and what came of the last
//! occurrences. No database is asked, and nothing is changed by it.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;
use serde::Serialize;

use super::{HealthSource, LeftAlone, health_of, held, left_alone, offset, recall};
use crate::document::PropertyPath;
use crate::model::settings::{Protection, Settings};
use crate::model::{EnvironmentName, RotationId, Schedule, SlotState};
use crate::operations::loading::Head;
use crate::operations::{Failure, Workspace, status};
use crate::schedule::{Calendar, Health, Held, Memory, cautions, upcoming, window_end, words};
use crate::store::{
    AgentRow, Freeze, RunProblem, ScheduleRow, ScheduleRun, StoreError, freeze, journal,
    schedule_runs, schedules,
};
use crate::untrusted::Untrusted;

/// So many starts of one schedule are listed at most.
const MOST_STARTS: usize = 200;
/// So many runs are shown of the one environment that was asked for.
const MOST_RUNS: usize = 20;

/// All schedules, who acts on them, and what keeps them from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleListing {
    /// By the names of their environments.
    pub schedules: Vec<ScheduleView>,
    /// The agents that are alive on this host; without one nothing is begun by itself.
    pub agents: Vec<AgentRow>,
    /// What keeps everything from being begun.
    pub freeze: Option<Freeze>,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleView {
    /// Of which environment.
    pub environment: EnvironmentName,
    /// Whether changes need its name typed.
    pub protected: bool,
    /// When, in words; empty where the settings cannot be read.
    pub words: String,
    /// By the clocks of which place.
    pub timezone: String,
    /// Its starts within the days that were asked for, jitter included.
    pub next: Vec<DateTime<Utc>>,
    /// Its next start, however far away; what is due now starts now. `null`: none, or not
    /// before somebody resumes it or lifts the freeze.
    pub next_at: Option<DateTime<Utc>>,
    /// How long after its time a rotation may start.
    pub window_seconds: u64,
    /// What becomes of an occurrence that nobody could act on: `run-once` or `skip`.
    pub missed: &'static str,
    /// It is paused.
    pub paused: Option<PausedView>,
    /// What came of the newest occurrence.
    pub last: Option<RunView>,
    /// The newest occurrences, where one environment was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunView>,
    /// What should be known of it though nothing is wrong.
    pub cautions: Vec<String>,
    /// Whether its environment is as it should be.
    pub health: Health,
    /// Why its document or settings cannot be used, if so.
    pub problem: Option<String>,
}

/// Why and until when a schedule is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PausedView {
    /// Why.
    pub reason: Option<Untrusted>,
    /// It goes on by itself then; `null`: not before somebody resumes it.
    pub until: Option<DateTime<Utc>>,
}

/// What came of one occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunView {
    /// The occurrence, without jitter.
    pub slot: DateTime<Utc>,
    /// For how many occurrences it stands.
    pub occurrences: u64,
    /// How far it has come.
    pub state: SlotState,
    /// The rotation that was begun for it.
    pub rotation: Option<RotationId>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; `null` when it is over.
    pub next_try_at: Option<DateTime<Utc>>,
    /// What was in the way.
    pub problem: Option<RunProblem>,
    /// When it was over.
    pub over_at: Option<DateTime<Utc>>,
}

impl From<ScheduleRun> for RunView {
    fn from(run: ScheduleRun) -> Self {
        Self {
            slot: run.slot,
            occurrences: run.occurrences,
            state: run.state,
            rotation: run.rotation,
            attempts: run.attempts,
            next_try_at: run.next_try_at,
            problem: run.problem.map(|problem| RunProblem {
                code: shown(&problem.code),
                message: shown(&problem.message),
                remedy: shown(&problem.remedy),
            }),
            over_at: run.over_at,
        }
    }
}

/// Reads all schedules, or that of one environment, with their starts in the next `days`.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn list_schedules(
    workspace: &Workspace,
    only: Option<EnvironmentName>,
    now: DateTime<Utc>,
    days: u32,
) -> Result<ScheduleListing, Failure> {
    let agents = workspace.store.living_agents().await?;
    let left_alone = left_alone(workspace).await?;
    let until = now + TimeDelta::days(i64::from(days));
    workspace
        .store
        .read(move |transaction| {
            let rows = match &only {
                Some(name) => {
                    let head = Head::load(transaction, name)?;
                    schedules::find(transaction, &head.row.id)?
                        .into_iter()
                        .collect()
                }
                None => schedules::list(transaction)?,
            };
            let most_runs = only.as_ref().map_or(0, |_| MOST_RUNS);
            let mut listing = ScheduleListing {
                schedules: Vec::new(),
                agents: agents.into_iter().map(shown_agent).collect(),
                freeze: freeze::current(transaction, now)?.map(shown_freeze),
            };
            for row in rows {
                let view = view(transaction, &row, (now, until), most_runs, &left_alone)?;
                listing.schedules.extend(view);
            }
            Ok::<_, Failure>(listing)
        })
        .await
}

/// One schedule as it is shown.
///
/// # Errors
/// The store's own.
fn view(
    transaction: &Transaction<'_>,
    row: &ScheduleRow,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
    most_runs: usize,
    left_alone: &LeftAlone,
) -> Result<Option<ScheduleView>, StoreError> {
    let recalled = recall(transaction, row, now)?;
    let runs = schedule_runs::list(transaction, &row.environment_id, most_runs)?;
    let mut view = ScheduleView {
        environment: row.environment.clone(),
        protected: true,
        words: String::new(),
        timezone: "UTC".to_owned(),
        next: Vec::new(),
        next_at: None,
        window_seconds: 0,
        missed: "run-once",
        paused: None,
        last: recalled.last.clone().map(RunView::from),
        runs: runs.into_iter().map(RunView::from).collect(),
        cautions: Vec::new(),
        health: Health::default(),
        problem: None,
    };
    // An environment whose settings are at fault must not hide all the others.
    let head = match Head::load(transaction, &row.environment) {
        Ok(head) => head,
        Err(failure) => {
            view.health.reasons.push(failure.message.clone());
            view.problem = Some(failure.message);
            return Ok(Some(view));
        }
    };
    view.protected = head.settings.protection() != Protection::None;
    let Some(schedule) = head.settings.schedule() else {
        return Ok(None);
    };
    view.words = words(schedule);
    view.timezone = schedule.timezone.name().to_owned();
    view.missed = schedule.missed.as_str();
    view.paused = paused_view(schedule, now);
    view.cautions = cautions_of(&head, &head.settings, now);
    let held = held(transaction, schedule, now)?;
    let (id, memory) = (&row.environment_id, &recalled.memory);
    let (next_at, next) = starts(id, schedule, memory, held, (now, until, MOST_STARTS));
    view.next_at = next_at;
    view.next = next;
    view.window_seconds = window_seconds(schedule, now);
    let open_rotation = journal::find_open(transaction, id)?;
    let lines = match open_rotation {
        Some(rotation) => journal::lines(transaction, rotation)?,
        None => Vec::new(),
    };
    let source = HealthSource {
        transaction,
        head: &head,
        open_rotation,
        lines: &lines,
        left_alone,
        now,
    };
    view.health = health_of(&source, |path, secret, overlap| {
        status::verdict_of(transaction, &head, path, secret, overlap)
    })?;
    Ok(Some(view))
}

/// The pause that holds.
pub(super) fn paused_view(schedule: &Schedule, now: DateTime<Utc>) -> Option<PausedView> {
    let paused = schedule.paused.as_ref();
    paused
        .filter(|_| schedule.is_paused(now))
        .map(|paused| PausedView {
            reason: paused.reason.as_deref().map(Untrusted::new),
            until: paused.until,
        })
}

/// What should be known of a schedule though nothing is wrong.
pub(super) fn cautions_of(head: &Head, settings: &Settings, now: DateTime<Utc>) -> Vec<String> {
    let secrets = head.environment.rotated_secrets().iter();
    let paths: Vec<PropertyPath> = secrets.map(|secret| secret.path.clone()).collect();
    cautions(settings, &paths, now)
}

/// The next start, however far away, and the first ones before a time. What is held starts when
/// that ends.
pub(super) fn starts(
    environment_id: &str,
    schedule: &Schedule,
    memory: &Memory,
    held: Held,
    (now, until, most): (DateTime<Utc>, DateTime<Utc>, usize),
) -> (Option<DateTime<Utc>>, Vec<DateTime<Utc>>) {
    let offset = offset(environment_id, schedule);
    let far = DateTime::<Utc>::MAX_UTC;
    let first = upcoming(schedule, memory, offset, held, now, far, 1);
    let next = upcoming(schedule, memory, offset, held, now, until, most);
    (first.into_iter().next(), next)
}

fn window_seconds(schedule: &Schedule, now: DateTime<Utc>) -> u64 {
    let calendar = Calendar::new(schedule, now);
    let slot = calendar.next(now).unwrap_or(now);
    let length = window_end(schedule, &calendar, slot) - slot;
    u64::try_from(length.num_seconds()).unwrap_or(0)
}

pub(super) fn shown(text: &str) -> String {
    Untrusted::new(text).as_str().to_owned()
}

/// Whose an agent is says that one itself.
pub(in crate::operations) fn shown_agent(mut agent: AgentRow) -> AgentRow {
    agent.holder = shown(&agent.holder);
    agent.host = shown(&agent.host);
    agent
}

/// The words of a freeze are drawn on terminals.
pub(in crate::operations) fn shown_freeze(mut freeze: Freeze) -> Freeze {
    freeze.reason = freeze.reason.as_deref().map(shown);
    freeze.requester = shown(&freeze.requester);
    freeze
}
