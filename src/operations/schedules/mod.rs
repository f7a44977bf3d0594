//! Schedules: what the store remembers of them, and what follows from that.
//!
//! The settings say when; the store remembers which occurrences were acted on. The row of a
//! schedule also says when somebody has to look at it next, so that nobody has to read settings
//! to find out that nothing is due.

mod act;
mod change;
mod edit;
mod freeze;
mod health;
mod listing;
mod servers;
mod turn;
mod turn_end;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;

use super::loading::Head;
use super::{Exit, Failure, SourceOfTruth};
use crate::model::settings::Settings;
use crate::model::{EnvironmentName, Recurrence, Schedule};
use crate::schedule::{
    Due, Held, MOST_AHEAD, Memory, Remembered, acted_on_at_most, due, offset_of,
};
use crate::store::{
    ScheduleRow, ScheduleRun, StoreError, freeze as freezes, overlaps, rotated_secrets,
    schedule_runs, schedules,
};

pub use act::act_on_turn;
pub use change::NewSchedule;
pub use edit::{
    Pause, ScheduleEdit, ScheduleReview, pause_schedule, plan_pause, plan_schedule,
    resume_schedule, set_schedule,
};
pub use freeze::{FreezeReview, current_freeze, freeze, plan_freeze, plan_unfreeze, unfreeze};
pub(super) use health::{HealthSource, LeftAlone, health_of, left_alone};
pub use listing::{PausedView, RunView, ScheduleListing, ScheduleView, list_schedules};
pub(super) use listing::{shown_agent, shown_freeze};
pub use servers::servers_of;
pub use turn::{MissedTurn, Taken, Turn, reconsider_schedules, take_turn};
pub use turn_end::{TurnEnd, note_turn};

/// After a save: the schedule that the settings now have is the one that is remembered. One
/// whose occurrences are others than before begins anew, so that none of the past counts.
///
/// # Errors
/// A finding, with its place in the settings, where the only occurrence has passed already.
pub(super) fn follow(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
    truth: SourceOfTruth,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let head = Head::load(transaction, name)?;
    let id = &head.row.id;
    let known = schedules::find(transaction, id)?;
    let Some(schedule) = head.settings.schedule() else {
        if known.is_some() {
            schedules::remove(transaction, id)?;
            schedule_runs::close_open(transaction, id, now)?;
        }
        return Ok(());
    };
    let identity = schedule.identity();
    let since = match known.filter(|known| known.identity == identity) {
        Some(known) => known.since,
        None => {
            refuse_past(&head.settings, schedule, truth, now)?;
            // A rotation that was begun is gone on with all the same.
            schedule_runs::give_back(transaction, id)?;
            now
        }
    };
    schedules::put(transaction, id, &identity, since, None)?;
    look_again(transaction, id, schedule, now)?;
    Ok(())
}

fn refuse_past(
    settings: &Settings,
    schedule: &Schedule,
    truth: SourceOfTruth,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    match schedule.recurrence {
        Recurrence::Once(time) if time <= now => {
            let mut finding = settings.schedule_finding(
                format!("{} has passed", time.format("%Y-%m-%d %H:%M:%S UTC")),
                "write a time to come, or rotate by hand: handover rotate".to_owned(),
            );
            // Whoever wrote it knows it by the name of the file.
            if let Some(place) = &mut finding.place {
                place.source.clone_from(&truth.name);
            }
            Err(Failure::in_document(
                "bad-settings",
                vec![finding],
                vec![truth],
            ))
        }
        _ => Ok(()),
    }
}

/// Writes down when somebody has to look at it next.
fn look_again(
    transaction: &Transaction<'_>,
    environment_id: &str,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(row) = schedules::find(transaction, environment_id)? else {
        return Ok(());
    };
    take_back(transaction, environment_id, schedule, now)?;
    let known = recall(transaction, &row, now)?;
    // A freeze is lifted at any time, and whoever looks asks for it by itself.
    let next = match due_now(
        environment_id,
        schedule,
        &known.memory,
        paused(schedule),
        now,
    ) {
        Due::Nothing { next_at } => next_at,
        // Whoever has waited for longer goes first.
        Due::Begin(stretch) | Due::Missed(stretch) => {
            Some(now.min(stretch.slot + offset(environment_id, schedule)))
        }
        Due::GoOn { .. } | Due::RunOut { .. } => {
            let tried = known.last.and_then(|run| run.next_try_at);
            Some(tried.map_or(now, |next| next.min(now)))
        }
    };
    schedules::set_next(transaction, environment_id, next)
}

/// What a clock did that ran far ahead is noted as done now, once: it counts for what has come
/// by now, and for nothing that comes later.
///
/// # Errors
/// The store's own.
fn take_back(
    transaction: &Transaction<'_>,
    environment_id: &str,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let latest = acted_on_at_most(schedule, now);
    schedule_runs::take_back(transaction, environment_id, latest, now)
}

/// What is due, for the environment of that id.
fn due_now(
    environment_id: &str,
    schedule: &Schedule,
    memory: &Memory,
    held: Held,
    now: DateTime<Utc>,
) -> Due {
    due(
        schedule,
        memory,
        offset(environment_id, schedule),
        held,
        now,
    )
}

fn offset(environment_id: &str, schedule: &Schedule) -> TimeDelta {
    offset_of(environment_id, schedule.jitter)
}

/// Whether the schedule's own pause keeps anything from being begun.
fn paused(schedule: &Schedule) -> Held {
    match &schedule.paused {
        None => Held::No,
        Some(paused) => paused.until.map_or(Held::ForGood, Held::Until),
    }
}

/// Whether a pause or a freeze keeps anything from being begun.
///
/// # Errors
/// The store's own.
fn held(
    transaction: &Transaction<'_>,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<Held, StoreError> {
    let frozen = held_by_freeze(transaction, now)?;
    let own = match paused(schedule) {
        Held::Until(until) if until <= now => Held::No,
        own => own,
    };
    Ok(match (frozen, own) {
        (Held::ForGood, _) | (_, Held::ForGood) => Held::ForGood,
        (Held::Until(one), Held::Until(other)) => Held::Until(one.max(other)),
        (Held::No, other) => other,
        (one, Held::No) => one,
    })
}

/// Whether a freeze keeps anything from being begun.
///
/// # Errors
/// The store's own.
fn held_by_freeze(transaction: &Transaction<'_>, now: DateTime<Utc>) -> Result<Held, StoreError> {
    Ok(match freezes::current(transaction, now)? {
        None => Held::No,
        Some(freeze) => freeze.until.map_or(Held::ForGood, Held::Until),
    })
}

/// That everything is frozen, or the environment's schedule paused.
pub(super) const HELD: [&str; 2] = ["frozen", "paused"];

/// Refuses to begin anything for a schedule while a freeze or its own pause holds.
///
/// # Errors
/// That it is held, or the store's own.
pub(super) fn refuse_held(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let refused = |code, message, remedy| Err(Failure::new(code, Exit::Refused, message, remedy));
    if freezes::current(transaction, now)?.is_some() {
        let remedy = "handover resume --all".to_owned();
        return refused(HELD[0], "all scheduled rotations are frozen", remedy);
    }
    let head = Head::load(transaction, environment)?;
    match head.settings.schedule() {
        Some(schedule) if schedule.is_paused(now) => {
            let remedy = format!("handover resume {environment}");
            refused(HELD[1], "the schedule is paused", remedy)
        }
        _ => Ok(()),
    }
}

/// What the store knows of a schedule.
struct Recalled {
    memory: Memory,
    /// The run that stands.
    last: Option<ScheduleRun>,
}

fn recall(
    transaction: &Transaction<'_>,
    row: &ScheduleRow,
    now: DateTime<Utc>,
) -> Result<Recalled, StoreError> {
    let last = schedule_runs::standing(transaction, &row.environment_id, now)?;
    // What was acted on by a schedule of other times says nothing of this one, but while it is open.
    let counts = last
        .as_ref()
        .filter(|run| run.slot > row.since || run.over_at.is_none());
    let memory = Memory {
        since: row.since,
        rotated_at: rotated_at(transaction, &row.environment_id)?,
        last: counts.map(|run| Remembered {
            slot: run.slot,
            until: run.until,
            state: run.state,
            next_try_at: run.next_try_at,
            was_tried: run.attempts > 0,
            has_rotation: run.rotation.is_some(),
        }),
    };
    Ok(Recalled { memory, last })
}

/// What is remembered of a schedule that is set now.
///
/// # Errors
/// The store's own.
fn fresh_memory(
    transaction: &Transaction<'_>,
    environment_id: &str,
    now: DateTime<Utc>,
) -> Result<Memory, StoreError> {
    Ok(Memory {
        since: now,
        rotated_at: rotated_at(transaction, environment_id)?,
        last: None,
    })
}

/// As [`rotated_at`], unless a clock that ran far ahead says so.
///
/// # Errors
/// The store's own.
fn rotated_by(
    transaction: &Transaction<'_>,
    environment_id: &str,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let found = rotated_at(transaction, environment_id)?;
    Ok(found.filter(|at| *at <= now + MOST_AHEAD))
}

/// When all rotated secrets of an environment had been promoted; `None` while one was not.
///
/// # Errors
/// The store's own.
pub(super) fn rotated_at(
    transaction: &Transaction<'_>,
    environment_id: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut oldest: Option<DateTime<Utc>> = None;
    for record in rotated_secrets::list(transaction, environment_id)? {
        let Some(overlap) = overlaps::current(transaction, record.id)? else {
            return Ok(None);
        };
        oldest = Some(oldest.map_or(overlap.opened_at, |oldest| oldest.min(overlap.opened_at)));
    }
    Ok(oldest)
}
