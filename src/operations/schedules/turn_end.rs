//! How a turn of a schedule ended: what the journal says decides, whatever was reported.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;
use serde_json::json;

use super::turn::{Turn, is_behind, later, tell_missed};
use super::{HELD, look_again};
use crate::model::{NoticeKind, RotationId, SlotState};
use crate::operations::hand_over::{HandOverStatus, Report};
use crate::operations::loading::Head;
use crate::operations::notices::{self, RotationFact};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Case, Event, fold};
use crate::schedule::{MOST_TRIES, pause_after};
use crate::store::{JournalLine, RunProblem, StoreError, journal, schedule_runs, schedules};

/// How a turn ended, for whoever tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnEnd {
    /// How far the occurrence has come.
    pub state: SlotState,
    /// The rotation that was begun for it.
    pub rotation: Option<RotationId>,
    /// When it is tried again, if it is.
    pub next_try_at: Option<DateTime<Utc>>,
    /// What was in the way.
    pub problem: Option<RunProblem>,
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
            let state = match rotation {
                Some(rotation) => state_of(transaction, rotation, &turn, &ended)?,
                // Nobody is kept waiting for the window's end with what only a person can mend.
                None if needs_a_person(&ended) => SlotState::Missed,
                None => SlotState::Open,
            };
            let mut end = TurnEnd {
                state,
                rotation,
                next_try_at: None,
                problem: None,
            };
            if state != SlotState::Done {
                let problem = problem_of(&ended).unwrap_or_else(|| unsaid(state, rotation, &turn));
                end.problem = Some(problem);
            }
            match (state, &end.problem) {
                (SlotState::Open, Some(problem))
                    if rotation.is_none() && HELD.contains(&problem.code.as_str()) =>
                {
                    // It was never taken: what becomes of it is said when nothing is held any more.
                    schedule_runs::give_back(transaction, id)?;
                    end.next_try_at = Some(now);
                }
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
                }
                (state, problem) => {
                    let was_behind = is_behind(transaction, id, now)?;
                    schedule_runs::end(transaction, id, slot, state, problem.as_ref(), now)?;
                    let name = &turn.environment;
                    match (state, problem) {
                        (SlotState::Missed, Some(problem)) => {
                            let occurrences = run.map_or(1, |run| run.occurrences);
                            let told = (slot, occurrences, problem);
                            tell_missed(transaction, name, id, told, was_behind)?;
                        }
                        (SlotState::Failed, problem) => {
                            tell_failed(transaction, &turn, rotation)?;
                            if was_behind {
                                tell_overdue(transaction, &turn, problem.as_ref())?;
                            }
                        }
                        _ => {}
                    }
                }
            }
            look_at_it_again(transaction, &turn, now)?;
            Ok::<_, Failure>(end)
        })
        .await
}

/// The settings may be others by now, or the environment gone, and neither may keep what
/// happened from being noted.
fn look_at_it_again(
    transaction: &Transaction<'_>,
    turn: &Turn,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id = &turn.environment_id;
    let Ok(head) = Head::load(transaction, &turn.environment) else {
        return schedules::set_next(transaction, id, Some(later(now)));
    };
    match head.settings.schedule() {
        Some(schedule) if head.row.id == *id => look_again(transaction, id, schedule, now),
        _ => Ok(()),
    }
}

/// What stands on record where nothing was reported to be in the way.
fn unsaid(state: SlotState, rotation: Option<RotationId>, turn: &Turn) -> RunProblem {
    let name = &turn.environment;
    let (code, message, remedy) = match (state, rotation) {
        (SlotState::Failed, Some(rotation)) => (
            "rotation-ended",
            format!("{rotation} was ended and not all of it was promoted"),
            format!("handover report {rotation} tells why; handover rotate {name} makes another"),
        ),
        (_, Some(rotation)) => (
            "rotation-open",
            format!("{rotation} is still open"),
            format!("handover recover {name}"),
        ),
        (_, None) => (
            "not-begun",
            "no rotation was begun".to_owned(),
            format!("handover rotate {name} --plan shows what is in the way"),
        ),
    };
    RunProblem {
        code: code.to_owned(),
        message,
        remedy,
    }
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

/// A rotation that stays open, and that the agent goes on with no more, waits for a person from
/// now on. Where a person had to be asked from the first, that was told when it was parked.
fn tell_failed(
    transaction: &Transaction<'_>,
    turn: &Turn,
    rotation: Option<RotationId>,
) -> Result<(), Failure> {
    let Some(rotation) = rotation else {
        return Ok(());
    };
    let lines = journal::lines(transaction, rotation)?;
    let is_told = lines
        .iter()
        .any(|line| line.event == Event::Closed || is_way_back(line));
    if !is_told && !waits_for_a_person(&lines) {
        notices::of_rotation(
            transaction,
            &turn.environment,
            rotation,
            RotationFact::Parked,
        )?;
    }
    Ok(())
}

/// Whether a path, or a file, of an open rotation is parked for what does not pass by itself.
fn waits_for_a_person(lines: &[JournalLine]) -> bool {
    let mut paths: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    let mut files: BTreeMap<&str, Option<Case>> = BTreeMap::new();
    for line in lines {
        if let Some(path) = &line.path {
            paths.entry(path).or_default().push(&line.event);
        }
        match &line.event {
            Event::PublishFailed { file, case, .. } => drop(files.insert(file, Some(*case))),
            Event::Published { file, .. } => drop(files.insert(file, None)),
            _ => {}
        }
    }
    let parked = paths.into_values().map(fold).filter(|path| !path.is_over());
    let parked = parked.filter_map(|path| path.parked);
    let cases: Vec<Case> = parked.chain(files.into_values().flatten()).collect();
    cases.into_iter().any(|case| !case.may_pass())
}

fn needs_a_person(ended: &Result<Report, Failure>) -> bool {
    matches!(ended, Ok(report) if report.exit.0 == Exit::NeedsHuman)
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
        // Asked to stop between two steps, which after S3 is told to people as theirs to go on with.
        (false, ended) if is_interrupted(ended) => SlotState::Open,
        // A person is needed: trying again would not help, and might be what hurts.
        (false, _) if waits_for_a_person(&lines) => SlotState::Failed,
        // A person has taken it over.
        (false, _) if lines.iter().any(is_way_back) => SlotState::Failed,
        (false, _) if turn.attempts + 1 >= MOST_TRIES => SlotState::Failed,
        (false, _) => SlotState::Open,
    })
}

fn is_way_back(line: &JournalLine) -> bool {
    matches!(line.event, Event::WayChosen(_))
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
