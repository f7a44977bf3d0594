//! One turn of a schedule: what is due is taken, and how it ended is noted.
//!
//! A turn is taken under a lock of its own, so that two agents never work on the same one, and
//! the rotation that it leads to is bound to its occurrence in the transaction that opens it. So
//! an occurrence is rotated for once, whoever is killed.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;
use serde_json::json;

use super::{Recalled, due_now, held, look_again, offset, recall, take_back};
use crate::model::{EnvironmentName, NoticeKind, RotationId, Schedule, SlotState};
use crate::operations::loading::{Head, parse_settings};
use crate::operations::notices;
use crate::operations::{Failure, Workspace};
use crate::schedule::{Due, LONGEST_PAUSE, Stretch};
use crate::store::schedule_runs::NewRun;
use crate::store::{
    RunProblem, ScheduleRow, ScheduleRun, StoreError, environments, freeze, revisions,
    schedule_runs, schedules,
};

/// What was missed gives way to what comes next so often at one look.
const ROUNDS: usize = 5;
/// So many schedules are reconsidered in one transaction.
const AT_ONCE: usize = 20;

/// An occurrence that is to be acted on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Of which environment.
    pub environment: EnvironmentName,
    /// Its id.
    pub environment_id: String,
    /// The occurrence.
    pub slot: DateTime<Utc>,
    /// The rotation that was begun for it already.
    pub rotation: Option<RotationId>,
    /// Before this a rotation may start.
    pub until: DateTime<Utc>,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What was found when a turn was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// What is to be acted on now, if anything is.
    pub turn: Option<Turn>,
    /// What was missed on the way there; it stands in the store and is told.
    pub missed: Vec<MissedTurn>,
}

/// An occurrence that led to no rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedTurn {
    /// The occurrence.
    pub slot: DateTime<Utc>,
    /// How many it stands for.
    pub occurrences: u64,
    /// What was in the way.
    pub problem: RunProblem,
}

/// Takes what is due of an environment's schedule, if anything is. What has been missed is
/// written down and told on the way. While a freeze holds nothing is begun, and nothing counts
/// as missed yet; what was begun is gone on with.
///
/// # Errors
/// A document or settings that cannot be read, which are then left alone for a while, or the
/// store's own.
pub async fn take_turn(
    workspace: &Workspace,
    environment: EnvironmentName,
    now: DateTime<Utc>,
) -> Result<Taken, Failure> {
    workspace
        .store
        .write(move |transaction| {
            let Some(row) = environments::find(transaction, &environment)? else {
                return Ok(Ok(Taken::default()));
            };
            let Some(known) = schedules::find(transaction, &row.id)? else {
                return Ok(Ok(Taken::default()));
            };
            let head = match Head::load(transaction, &environment) {
                Ok(head) => head,
                Err(failure) => {
                    // It is told, and not again at each look.
                    schedules::set_next(transaction, &row.id, Some(later(now)))?;
                    return Ok(Err(failure));
                }
            };
            let Some(schedule) = head.settings.schedule() else {
                schedules::set_next(transaction, &row.id, None)?;
                return Ok(Ok(Taken::default()));
            };
            schedule_runs::forget_missed_after(transaction, &row.id, now)?;
            take_back(transaction, &row.id, schedule, now)?;
            Ok::<_, Failure>(Ok(settle(transaction, &head, &known, schedule, now)?))
        })
        .await?
}

/// Goes from what is missed to what comes next, until there is a turn or nothing is due.
fn settle(
    transaction: &Transaction<'_>,
    head: &Head,
    known: &ScheduleRow,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<Taken, Failure> {
    let (id, name) = (&head.row.id, &head.row.name);
    let mut taken = Taken::default();
    for _ in 0..ROUNDS {
        let recalled = recall(transaction, known, now)?;
        let held = held(transaction, schedule, now)?;
        match due_now(id, schedule, &recalled.memory, held, now) {
            Due::Nothing { next_at } => {
                // A freeze is lifted at any time, and then whatever was due still is.
                if freeze::current(transaction, now)?.is_none() {
                    schedules::set_next(transaction, id, next_at)?;
                }
                return Ok(taken);
            }
            Due::Begin(stretch) => {
                begin(transaction, id, &stretch, now)?;
                // Whoever dies now leaves it due.
                let start = stretch.slot + offset(id, schedule);
                schedules::set_next(transaction, id, Some(start.min(now)))?;
            }
            Due::GoOn { slot } | Due::RunOut { slot }
                if was_rotated_since(&recalled, schedule, slot, now) =>
            {
                // A person was quicker, and the occurrence has what it is for.
                let done = SlotState::Done;
                schedule_runs::end(transaction, id, slot, done, None, now)?;
            }
            Due::GoOn { .. } => {
                taken.turn = recalled.last.map(|run| turn(name, id, &run));
                return Ok(taken);
            }
            Due::Missed(stretch) => {
                let problem = nobody_there();
                miss(transaction, name, id, &stretch, &problem, now)?;
                taken.missed.push(MissedTurn {
                    slot: stretch.slot,
                    occurrences: stretch.occurrences,
                    problem,
                });
            }
            Due::RunOut { slot } => {
                taken
                    .missed
                    .push(run_out(transaction, name, id, slot, now)?);
            }
        }
    }
    schedules::set_next(transaction, id, Some(later(now)))?;
    Ok(taken)
}

/// When that is looked at again which cannot be acted on now.
pub(super) fn later(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::from_std(LONGEST_PAUSE).unwrap_or_default()
}

/// Whether everything was promoted after an occurrence for which no rotation of its own was begun.
fn was_rotated_since(
    recalled: &Recalled,
    schedule: &Schedule,
    slot: DateTime<Utc>,
    now: DateTime<Utc>,
) -> bool {
    let has_none = recalled
        .last
        .as_ref()
        .is_some_and(|run| run.rotation.is_none());
    let rotated_at = recalled.memory.rotated_by(schedule, now);
    has_none && rotated_at.is_some_and(|at| at > slot)
}

fn turn(environment: &EnvironmentName, environment_id: &str, run: &ScheduleRun) -> Turn {
    Turn {
        environment: environment.clone(),
        environment_id: environment_id.to_owned(),
        slot: run.slot,
        rotation: run.rotation,
        until: run.until,
        attempts: run.attempts,
    }
}

fn new_run(stretch: &Stretch, now: DateTime<Utc>) -> NewRun {
    NewRun {
        slot: stretch.slot,
        after: stretch.after,
        occurrences: stretch.occurrences,
        until: stretch.until,
        begun_at: now,
        next_try_at: Some(now),
    }
}

fn begin(
    transaction: &Transaction<'_>,
    environment_id: &str,
    stretch: &Stretch,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    schedule_runs::begin(transaction, environment_id, &new_run(stretch, now)).map(drop)
}

fn nobody_there() -> RunProblem {
    RunProblem {
        code: "nobody-there".to_owned(),
        message: "its window passed while no agent was alive, or while rotations were paused"
            .to_owned(),
        remedy: "handover agent has to run; rotate now with handover rotate".to_owned(),
    }
}

fn miss(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    environment_id: &str,
    stretch: &Stretch,
    problem: &RunProblem,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let was_behind = is_behind(transaction, environment_id, now)?;
    schedule_runs::miss(transaction, environment_id, &new_run(stretch, now), problem)?;
    let told = (stretch.slot, stretch.occurrences, problem);
    tell_missed(transaction, environment, environment_id, told, was_behind)
}

fn run_out(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    environment_id: &str,
    slot: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<MissedTurn, Failure> {
    let was_behind = is_behind(transaction, environment_id, now)?;
    let run = schedule_runs::find(transaction, environment_id, slot)?;
    let occurrences = run.as_ref().map_or(1, |run| run.occurrences);
    let problem = run.and_then(|run| run.problem).unwrap_or_else(nobody_there);
    let state = SlotState::Missed;
    schedule_runs::end(
        transaction,
        environment_id,
        slot,
        state,
        Some(&problem),
        now,
    )?;
    let told = (slot, occurrences, &problem);
    tell_missed(transaction, environment, environment_id, told, was_behind)?;
    Ok(MissedTurn {
        slot,
        occurrences,
        problem,
    })
}

/// Whether the occurrence before did not lead to a rotation either, and nobody has rotated by
/// hand since.
pub(super) fn is_behind(
    transaction: &Transaction<'_>,
    environment_id: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let runs = schedule_runs::list(transaction, environment_id, 2)?;
    let over = runs.iter().find(|run| run.over_at.is_some());
    let Some(over) = over.filter(|run| run.state != SlotState::Done) else {
        return Ok(false);
    };
    let rotated_at = super::rotated_by(transaction, environment_id, now)?;
    Ok(rotated_at.is_none_or(|at| at < over.slot))
}

pub(super) fn tell_missed(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    environment_id: &str,
    (slot, occurrences, problem): (DateTime<Utc>, u64, &RunProblem),
    was_behind: bool,
) -> Result<(), Failure> {
    let rotated_at = super::rotated_at(transaction, environment_id)?;
    let data = json!({
        "occurrence": slot, "occurrences": occurrences, "code": problem.code,
        "reason": problem.message, "remedy": problem.remedy, "last_rotated_at": rotated_at,
    });
    notices::of_schedule(transaction, environment, NoticeKind::ScheduleMissed, &data)?;
    if was_behind {
        notices::of_schedule(transaction, environment, NoticeKind::ScheduleOverdue, &data)?;
    }
    Ok(())
}

/// Looks at all schedules anew: at an agent's start, and when the clock was set back. Answers how
/// many there are.
///
/// # Errors
/// The store's own.
pub async fn reconsider_schedules(
    workspace: &Workspace,
    now: DateTime<Utc>,
) -> Result<usize, Failure> {
    let all = workspace.store.read(schedules::list).await?;
    // Others wait for the store no longer than for a few of them.
    for some in all.chunks(AT_ONCE) {
        let some = some.to_vec();
        workspace
            .store
            .write(move |transaction| {
                for row in &some {
                    reconsider(transaction, row, now)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
    }
    Ok(all.len())
}

fn reconsider(
    transaction: &Transaction<'_>,
    row: &ScheduleRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id = &row.environment_id;
    if row.since > now {
        schedules::set_since(transaction, id, now)?;
    }
    schedule_runs::forget_missed_after(transaction, id, now)?;
    let Some(found) = environments::find(transaction, &row.environment)? else {
        return Ok(());
    };
    // Of a thousand environments no document is parsed for this. What cannot be read is told when
    // it is due.
    let revision = revisions::get(transaction, id, found.head)?;
    let Ok(settings) = parse_settings("settings", &revision.settings) else {
        return schedules::set_next(transaction, id, Some(now));
    };
    match settings.schedule() {
        Some(schedule) => look_again(transaction, id, schedule, now),
        None => schedules::set_next(transaction, id, None),
    }
}
