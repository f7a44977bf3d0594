//! Whether an environment is as well as its schedule and its overlap want it: the one place
//! that says so, for the command line, the console, monitors and metrics.
//!
//! What is wrong is one sentence each, with the command that mends it. What nobody has asked
//! for is not wrong: an environment without a schedule that was never rotated is healthy.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::due::{Due, Held, Memory, due, first_unanswered};
use super::reasons::reasons;
use crate::model::{EnvironmentName, RotationId, Schedule, SlotState, Stage};

/// A credential that was not rotated for longer is overdue where no schedule says otherwise.
pub const OVERDUE_AFTER: TimeDelta = TimeDelta::days(90);
/// So much later than it could be at the earliest an outgoing user may be drained.
const DRAIN_GRACE: TimeDelta = TimeDelta::days(1);
/// A step of a retirement takes seconds.
const STEP_GRACE: TimeDelta = TimeDelta::hours(1);
/// What was signed for a moment does not stand for a later day.
const WAIVER_AGE: TimeDelta = TimeDelta::hours(24);
/// Even one with long pauses between its steps is over by then.
const OPEN_AGE: TimeDelta = TimeDelta::hours(24);

/// All that is looked at. Times are this host's.
#[derive(Debug, Clone)]
pub struct HealthFacts<'a> {
    /// The environment, for the commands that are proposed.
    pub environment: &'a EnvironmentName,
    /// This host's clock.
    pub now: DateTime<Utc>,
    /// Whether it has a rotated secret: without one there is nothing to be rotated.
    pub has_rotated_secret: bool,
    /// Its schedule, if the settings have one.
    pub schedule: Option<ScheduleFacts<'a>>,
    /// When all of its rotated secrets had been promoted; `None` while one never was.
    pub last_success: Option<DateTime<Utc>>,
    /// So many of the schedule's occurrences since that were missed, or failed.
    pub consecutive_failures: u32,
    /// What was in the way of the last of them, or is in the way of the open one.
    pub problem: Option<ProblemFacts>,
    /// The overlap of each rotated secret that has one.
    pub overlaps: Vec<OverlapFacts>,
    /// The open rotation.
    pub rotation: Option<RotationFacts>,
    /// Whether a freeze of the whole host holds, and for how long.
    pub frozen: Held,
    /// What the last verification found.
    pub verification: Option<VerifyHealth>,
}

/// A schedule, and what the store remembers of it.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleFacts<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// What is remembered.
    pub memory: &'a Memory,
    /// How much later than others the environment starts.
    pub offset: TimeDelta,
}

/// What was in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemFacts {
    /// In words.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

/// One overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlapFacts {
    /// The rotated secret.
    pub path: String,
    /// The outgoing user, safe to be shown.
    pub user: String,
    /// Whether it is drained.
    pub is_drained: bool,
    /// How far its retirement has come.
    pub stage: Stage,
    /// Since when.
    pub stage_since: DateTime<Utc>,
    /// When consumers were taken away from it.
    pub promoted_at: DateTime<Utc>,
    /// The settings' `drain.propagation`.
    pub propagation: Duration,
    /// The settings' `drain.quiet`.
    pub quiet: Duration,
    /// Its password leaked.
    pub compromised: bool,
}

/// The open rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationFacts {
    /// Which.
    pub rotation: RotationId,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// Whether it was opened with a waiver of the gate.
    pub has_waiver: bool,
    /// Whether a new password was sent to a database (S3), which is what a waiver is for.
    pub sent: bool,
    /// A process works on it at this moment.
    pub is_worked_on: bool,
    /// It is the rotation of an occurrence that an agent tries again.
    pub is_tried_again: bool,
    /// Where it stands parked.
    pub parked: Option<ParkedFacts>,
}

/// A rotation that goes on by nobody but a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedFacts {
    /// The rotated secret, where it is one.
    pub path: Option<String>,
    /// The case, in its word.
    pub case: String,
}

/// Whether an environment is as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// When all of its rotated secrets had been promoted.
    pub last_success: Option<DateTime<Utc>>,
    /// How long ago that is.
    pub age_seconds: Option<u64>,
    /// It has a rotated secret that was never promoted.
    pub never_rotated: bool,
    /// When a rotation starts next, if all goes well; `null` when none will.
    pub next_at: Option<DateTime<Utc>>,
    /// How long ago it should have been rotated; `null` while it need not be.
    pub overdue_by_seconds: Option<u64>,
    /// So many occurrences of its schedule led to no rotation since it was rotated.
    pub consecutive_failures: u32,
    /// The outgoing users that should be out of use by now.
    pub stuck_overlap: Vec<StuckOverlap>,
    /// The open rotation waits with a waiver that is older than a day.
    pub expired_waiver: bool,
    /// The case in which its rotation waits for a person; `null` while an agent tries again.
    pub parked: Option<String>,
    /// The open rotation that nobody goes on with, or that is open for more than a day.
    pub left_open: Option<LeftOpen>,
    /// Nothing is begun by its schedule.
    pub paused: Option<PausedHealth>,
    /// A freeze of the whole host holds.
    pub frozen: bool,
    /// What the last verification found.
    pub verify: Option<VerifyHealth>,
    /// What is wrong, a sentence each, with what mends it; empty when it is healthy.
    pub reasons: Vec<String>,
}

/// An outgoing user that should be out of use by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StuckOverlap {
    /// The rotated secret.
    pub path: String,
    /// The outgoing user.
    pub user: String,
    /// Since when it should be.
    pub since: DateTime<Utc>,
    /// Its password leaked.
    pub compromised: bool,
}

/// An open rotation that should be over by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LeftOpen {
    /// Which.
    pub rotation: RotationId,
    /// Since when it is open.
    pub since: DateTime<Utc>,
    /// Somebody goes on with it, or will.
    pub is_driven: bool,
}

/// A pause that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PausedHealth {
    /// Why, in an operator's words.
    pub reason: Option<String>,
    /// Until when; `null`: until somebody resumes it.
    pub until: Option<DateTime<Utc>>,
}

/// What the last verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyHealth {
    /// In one word, e.g. `as-expected`.
    pub verdict: String,
    /// For people; empty where all is as expected.
    pub words: String,
    /// When it found that: a look that reached no server is not one.
    pub verified_at: DateTime<Utc>,
    /// Whether something is wrong: a server that cannot be reached says nothing of it.
    pub is_bad: bool,
}

impl Health {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.reasons.is_empty()
    }

    /// What is wrong, a sentence each, with what mends it.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.reasons.clone()
    }
}

/// Says how an environment is.
#[must_use]
pub fn health(facts: &HealthFacts<'_>) -> Health {
    let mut health = Health {
        last_success: facts.last_success,
        age_seconds: facts.last_success.map(|at| seconds(facts.now - at)),
        never_rotated: facts.has_rotated_secret && facts.last_success.is_none(),
        next_at: next_at(facts),
        overdue_by_seconds: overdue_since(facts).map(|since| seconds(facts.now - since)),
        consecutive_failures: facts.consecutive_failures,
        stuck_overlap: facts
            .overlaps
            .iter()
            .filter_map(|overlap| stuck(overlap, facts.now))
            .collect(),
        expired_waiver: facts.rotation.as_ref().is_some_and(|rotation| {
            rotation.has_waiver && !rotation.sent && facts.now - rotation.opened_at > WAIVER_AGE
        }),
        parked: parked(facts).map(|parked| parked.case.clone()),
        left_open: None,
        paused: paused(facts),
        frozen: is_held(facts.frozen, facts.now),
        verify: facts.verification.clone(),
        reasons: Vec::new(),
    };
    health.left_open = left_open(facts, &health);
    health.reasons = reasons(facts, &health);
    health
}

/// What waits for a person. An agent that tries again in a moment needs none.
pub(super) fn parked<'a>(facts: &'a HealthFacts<'_>) -> Option<&'a ParkedFacts> {
    let rotation = facts.rotation.as_ref()?;
    let is_left = |_: &&ParkedFacts| !rotation.is_tried_again;
    rotation.parked.as_ref().filter(is_left)
}

/// What is told of it in another way already is not told twice.
fn left_open(facts: &HealthFacts<'_>, health: &Health) -> Option<LeftOpen> {
    let rotation = facts.rotation.as_ref()?;
    if health.parked.is_some() || health.expired_waiver {
        return None;
    }
    let is_driven = rotation.is_worked_on || rotation.is_tried_again;
    let is_old = facts.now - rotation.opened_at > OPEN_AGE;
    (!is_driven || is_old).then_some(LeftOpen {
        rotation: rotation.rotation,
        since: rotation.opened_at,
        is_driven,
    })
}

fn paused(facts: &HealthFacts<'_>) -> Option<PausedHealth> {
    let schedule = facts.schedule?.schedule;
    let paused = schedule
        .paused
        .as_ref()
        .filter(|_| schedule.is_paused(facts.now))?;
    Some(PausedHealth {
        reason: paused.reason.clone(),
        until: paused.until,
    })
}

fn is_held(held: Held, now: DateTime<Utc>) -> bool {
    match held {
        Held::No => false,
        Held::Until(until) => until > now,
        Held::ForGood => true,
    }
}

/// When somebody acts next: when the open occurrence is tried again, or the next one starts.
fn next_at(facts: &HealthFacts<'_>) -> Option<DateTime<Utc>> {
    let ScheduleFacts {
        schedule,
        memory,
        offset,
    } = facts.schedule?;
    let own = match &schedule.paused {
        None => Held::No,
        Some(paused) => paused.until.map_or(Held::ForGood, Held::Until),
    };
    // After each hold that ends nothing but another look at the calendar is left to be done.
    let mut time = facts.now;
    for held in [facts.frozen, own] {
        match held {
            Held::ForGood => return None,
            Held::Until(until) => time = time.max(until),
            Held::No => {}
        }
    }
    let mut memory = memory.clone();
    loop {
        match due(schedule, &memory, offset, Held::No, time) {
            Due::Nothing { next_at } => return next_at,
            Due::Begin(_) | Due::GoOn { .. } => return Some(time),
            Due::Missed(stretch) => {
                memory.last = Some(super::due::Remembered {
                    slot: stretch.slot,
                    until: stretch.until,
                    state: SlotState::Missed,
                    next_try_at: None,
                    was_tried: true,
                    has_rotation: false,
                });
            }
            Due::RunOut { .. } => {
                if let Some(last) = &mut memory.last {
                    last.state = SlotState::Missed;
                }
            }
        }
    }
}

/// Since when it should have been rotated: since the first occurrence after its last rotation
/// whose window has passed; without a schedule, since it was old enough.
fn overdue_since(facts: &HealthFacts<'_>) -> Option<DateTime<Utc>> {
    if !facts.has_rotated_secret {
        return None;
    }
    let Some(ScheduleFacts {
        schedule, memory, ..
    }) = facts.schedule
    else {
        let since = facts.last_success? + OVERDUE_AFTER;
        return (facts.now > since).then_some(since);
    };
    first_unanswered(schedule, memory, facts.last_success, facts.now)
}

/// An outgoing user that should be out of use by now.
fn stuck(overlap: &OverlapFacts, now: DateTime<Utc>) -> Option<StuckOverlap> {
    let since = match overlap.stage {
        Stage::Scrambled => return None,
        _ if overlap.compromised => overlap.promoted_at,
        Stage::Locked => return None,
        Stage::Locking | Stage::Unlocking | Stage::Scrambling => overlap.stage_since + STEP_GRACE,
        Stage::Draining if overlap.is_drained => return None,
        Stage::Draining => {
            let drained = TimeDelta::from_std(overlap.propagation + overlap.quiet).ok()?;
            overlap.promoted_at.checked_add_signed(drained)? + DRAIN_GRACE
        }
    };
    (overlap.compromised || now > since).then(|| StuckOverlap {
        path: overlap.path.clone(),
        user: overlap.user.clone(),
        since,
        compromised: overlap.compromised,
    })
}

fn seconds(span: TimeDelta) -> u64 {
    u64::try_from(span.num_seconds()).unwrap_or_default()
}
