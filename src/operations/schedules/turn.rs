//! One turn of a schedule: what is due is taken, and how it ended is noted.
//!
//! A turn is taken under a lock of its own, so that two agents never work on the same one, and
//! the rotation that it leads to is bound to its occurrence in the transaction that opens it. So
//! an occurrence is rotated for once, whoever is killed.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;
use serde_json::json;

use super::{due_now, held, look_again, recall};
use crate::model::{EnvironmentName, NoticeKind, RotationId, SlotState};
use crate::operations::hand_over::{HandOverStatus, Report};
use crate::operations::loading::Head;
use crate::operations::notices;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::Event;
use crate::schedule::{Due, MOST_TRIES, Stretch, pause_after};
use crate::store::schedule_runs::NewRun;
use crate::store::{
    RunProblem, ScheduleRun, StoreError, environments, journal, schedule_runs, schedules,
};

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

/// How a turn ended, for whoever tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnEnd {
    /// How far the occurrence has come.
    pub state: SlotState,
    /// The rotation that was begun for it.
    pub rotation: Option<RotationId>,
    /// When it is tried again, if it is.
    pub next_try_at: Option<DateTime<Utc>>,
    /// What was in the way: a code, words, and what mends it.
    pub problem: Option<(String, String, String)>,
}

/// Takes what is due of an environment's schedule, if anything is. What has been missed is
/// written down and told on the way.
///
/// # Errors
/// A document or settings that cannot be read, or the store's own.
pub async fn take_turn(
    workspace: &Workspace,
    environment: EnvironmentName,
    now: DateTime<Utc>,
) -> Result<Option<Turn>, Failure> {
    workspace
        .store
        .write(move |transaction| {
            let Some(row) = environments::find(transaction, &environment)? else {
                return Ok(None);
            };
            let Some(known) = schedules::find(transaction, &row.id)? else {
                return Ok(None);
            };
            let head = Head::load(transaction, &environment)?;
            let Some(schedule) = head.settings.schedule() else {
                return Ok(None);
            };
            // What was missed gives way to what comes next; a few rounds are enough for all.
            for _ in 0..3 {
                let recalled = recall(transaction, &known)?;
                let held = held(transaction, schedule, now)?;
                let answer = due_now(&row.id, schedule, &recalled.memory, held, now);
                match answer {
                    Due::Nothing { next_at } => {
                        schedules::set_next(transaction, &row.id, next_at)?;
                        return Ok(None);
                    }
                    Due::Begin(stretch) => {
                        begin(transaction, &row.id, &stretch, now)?;
                        schedules::set_next(transaction, &row.id, Some(now))?;
                    }
                    Due::GoOn { .. } => {
                        return Ok(recalled.last.map(|run| turn(&environment, &row.id, &run)));
                    }
                    Due::Missed(stretch) => {
                        let problem = nobody_there();
                        miss(transaction, &environment, &row.id, &stretch, &problem, now)?;
                    }
                    Due::RunOut { slot } => {
                        run_out(transaction, &environment, &row.id, slot, now)?;
                    }
                }
            }
            Ok::<_, Failure>(None)
        })
        .await
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
    let was_behind = is_behind(transaction, environment_id)?;
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
) -> Result<(), Failure> {
    let was_behind = is_behind(transaction, environment_id)?;
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
    tell_missed(transaction, environment, environment_id, told, was_behind)
}

/// Whether the occurrence before did not lead to a rotation either.
fn is_behind(transaction: &Transaction<'_>, environment_id: &str) -> Result<bool, StoreError> {
    let runs = schedule_runs::list(transaction, environment_id, 2)?;
    let over = runs.iter().find(|run| run.over_at.is_some());
    Ok(over.is_some_and(|run| run.state != SlotState::Done))
}

fn tell_missed(
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

/// Notes how a turn ended, and when somebody has to look next.
///
/// # Errors
/// The store's own.
pub async fn note_turn(
    workspace: &Workspace,
    turn: &Turn,
    ended: Result<Report, Failure>,
    now: DateTime<Utc>,
) -> Result<TurnEnd, Failure> {
    let turn = turn.clone();
    workspace
        .store
        .write(move |transaction| {
            let (id, slot) = (&turn.environment_id, turn.slot);
            // What was bound to it stands there, whatever the report says.
            let run = schedule_runs::find(transaction, id, slot)?;
            let rotation = run.as_ref().and_then(|run| run.rotation);
            let problem = problem_of(&ended);
            let mut end = TurnEnd {
                state: SlotState::Open,
                rotation,
                next_try_at: None,
                problem: problem
                    .as_ref()
                    .map(|one| (one.code.clone(), one.message.clone(), one.remedy.clone())),
            };
            end.state = match rotation {
                Some(rotation) => state_of(transaction, rotation, &turn, &ended)?,
                None => SlotState::Open,
            };
            match (end.state, &problem) {
                (SlotState::Open, Some(problem)) => {
                    let pause = match is_interrupted(&ended) {
                        // Whoever comes next goes on at once.
                        true => TimeDelta::zero(),
                        false => {
                            TimeDelta::from_std(pause_after(turn.attempts + 1)).unwrap_or_default()
                        }
                    };
                    let mut next = now + pause;
                    if rotation.is_none() {
                        next = next.min(turn.until);
                    }
                    schedule_runs::try_again(transaction, id, slot, next, problem)?;
                    end.next_try_at = Some(next);
                    schedules::set_next(transaction, id, Some(next))?;
                    return Ok(end);
                }
                (state, _) => {
                    let state = match state {
                        SlotState::Open => SlotState::Failed,
                        state => state,
                    };
                    end.state = state;
                    let was_behind = is_behind(transaction, id)?;
                    schedule_runs::end(transaction, id, slot, state, problem.as_ref(), now)?;
                    if state != SlotState::Done && was_behind {
                        tell_overdue(transaction, &turn, problem.as_ref())?;
                    }
                }
            }
            let head = Head::load(transaction, &turn.environment)?;
            if let Some(schedule) = head.settings.schedule() {
                look_again(transaction, id, schedule, now)?;
            }
            Ok::<_, Failure>(end)
        })
        .await
}

fn tell_overdue(
    transaction: &Transaction<'_>,
    turn: &Turn,
    problem: Option<&RunProblem>,
) -> Result<(), Failure> {
    let rotated_at = super::rotated_at(transaction, &turn.environment_id)?;
    let data = json!({
        "occurrence": turn.slot, "occurrences": 1,
        "code": problem.map(|one| &one.code), "reason": problem.map(|one| &one.message),
        "remedy": problem.map(|one| &one.remedy), "last_rotated_at": rotated_at,
    });
    let kind = NoticeKind::ScheduleOverdue;
    notices::of_schedule(transaction, &turn.environment, kind, &data)
}

fn is_interrupted(ended: &Result<Report, Failure>) -> bool {
    matches!(ended, Ok(report) if report.status == HandOverStatus::Interrupted)
}

/// What became of the rotation that was begun.
fn state_of(
    transaction: &Transaction<'_>,
    rotation: RotationId,
    turn: &Turn,
    ended: &Result<Report, Failure>,
) -> Result<SlotState, StoreError> {
    let lines = journal::lines(transaction, rotation)?;
    let is_closed = lines.iter().any(|line| line.event == Event::Closed);
    let (mut paths, mut promoted) = (Vec::new(), Vec::new());
    for line in &lines {
        if let Some(path) = &line.path {
            if !paths.contains(&path) {
                paths.push(path);
            }
            if matches!(line.event, Event::Promoted { .. }) {
                promoted.push(path);
            }
        }
    }
    Ok(match (is_closed, ended) {
        (true, _) if paths.iter().all(|path| promoted.contains(path)) => SlotState::Done,
        (true, _) => SlotState::Failed,
        // A person is needed: trying again would not help, and might be what hurts.
        (false, Ok(report)) if report.whole_exit() == Exit::NeedsHuman => SlotState::Failed,
        (false, ended) if is_interrupted(ended) => SlotState::Open,
        (false, _) if turn.attempts + 1 >= MOST_TRIES => SlotState::Failed,
        (false, _) => SlotState::Open,
    })
}

/// What was in the way, if anything was.
fn problem_of(ended: &Result<Report, Failure>) -> Option<RunProblem> {
    let report = match ended {
        Err(failure) => {
            return Some(RunProblem {
                code: failure.code.to_owned(),
                message: failure.message.clone(),
                remedy: failure.remedy.clone(),
            });
        }
        Ok(report) if report.whole_exit() == Exit::Done => return None,
        Ok(report) => report,
    };
    let of_paths = report.paths.iter();
    // A path that was only held back by another one says less than that one.
    let mut errors = of_paths.filter_map(|path| {
        let error = path.error.as_ref()?;
        Some((error.code == "held-back", Some(path.path.as_str()), error))
    });
    let first = errors.clone().find(|(is_held_back, ..)| !is_held_back);
    let whole = report.error.as_ref().map(|error| (false, None, error));
    let (_, path, error) = first.or(whole).or_else(|| errors.next())?;
    Some(RunProblem {
        code: error.code.clone(),
        message: match path {
            Some(path) => format!("{path}: {}", error.message),
            None => error.message.clone(),
        },
        remedy: error.remedy.clone(),
    })
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
    workspace
        .store
        .write(move |transaction| {
            let all = schedules::list(transaction)?;
            for row in &all {
                if row.since > now {
                    schedules::set_since(transaction, &row.environment_id, now)?;
                }
                // What cannot be read is told when it is due.
                let Ok(head) = Head::load(transaction, &row.environment) else {
                    schedules::set_next(transaction, &row.environment_id, Some(now))?;
                    continue;
                };
                if let Some(schedule) = head.settings.schedule() {
                    look_again(transaction, &row.environment_id, schedule, now)?;
                }
            }
            Ok::<_, Failure>(all.len())
        })
        .await
}
