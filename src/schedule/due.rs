//! What is due: from a schedule, what the store remembers of it, and the time, to one answer.
//!
//! An occurrence is known by its time and is acted on once, whichever way the clock is set. A
//! clock that is set forward makes occurrences come early or passes over them; when it is set
//! back, what was acted on stays done, and what was only passed over comes again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::Calendar;
use crate::model::{MissedRule, Recurrence, Schedule, SlotState};

/// How long after an occurrence a rotation may start where the settings do not say.
const WINDOW: TimeDelta = TimeDelta::hours(2);
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest time before what did not succeed is tried again.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// So often one occurrence is gone on with by itself once a rotation was begun for it.
pub const MOST_TRIES: u32 = 10;
/// More occurrences than this are not counted one by one.
const MOST_COUNTED: usize = 1000;

/// What the store remembers of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Occurrences up to here do not count: the schedule was not there.
    pub since: DateTime<Utc>,
    /// When the environment was last rotated, by a schedule or by hand.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The newest occurrence that was acted on, or missed.
    pub last: Option<Remembered>,
}

/// An occurrence that was acted on, or missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its time.
    pub slot: DateTime<Utc>,
    /// It stands for all occurrences after this.
    pub after: DateTime<Utc>,
    /// Before this a rotation may start.
    pub until: DateTime<Utc>,
    /// How far it has come.
    pub state: SlotState,
    /// While it is open: when it is tried again.
    pub next_try_at: Option<DateTime<Utc>>,
    /// A rotation was begun for it.
    pub has_rotation: bool,
}

/// Whether something keeps everything from being begun: a pause, or a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nothing does.
    No,
    /// Up to a time.
    Until(DateTime<Utc>),
    /// Until somebody ends it.
    ForGood,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing before a time; without one, nothing ever.
    Nothing {
        /// When to look again.
        next_at: Option<DateTime<Utc>>,
    },
    /// An occurrence is to be acted on.
    Begin(Stretch),
    /// The open occurrence is to be tried again.
    GoOn {
        /// Its time.
        slot: DateTime<Utc>,
    },
    /// The window of an occurrence has passed, and the schedule does not make up for it.
    Missed(Stretch),
    /// The window of the open occurrence has passed, and nothing could be begun in it.
    RunOut {
        /// Its time.
        slot: DateTime<Utc>,
    },
}

/// An occurrence, and those before it for which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Its time, without jitter.
    pub slot: DateTime<Utc>,
    /// It stands for all occurrences after this.
    pub after: DateTime<Utc>,
    /// How many these are, itself included.
    pub occurrences: u64,
    /// Before this a rotation may start.
    pub until: DateTime<Utc>,
}

/// Says what is due. `offset` is how much later than others the environment starts.
#[must_use]
pub fn due(
    schedule: &Schedule,
    memory: &Memory,
    offset: TimeDelta,
    held: Held,
    now: DateTime<Utc>,
) -> Due {
    match held {
        Held::Until(until) if until > now => {
            return Due::Nothing {
                next_at: Some(until),
            };
        }
        Held::ForGood => return Due::Nothing { next_at: None },
        Held::Until(_) | Held::No => {}
    }
    if let Some(open) = &memory.last
        && open.state == SlotState::Open
    {
        return due_of_open(open, now);
    }
    let calendar = calendar_of(schedule, memory, now);
    let after = acted_on_up_to(memory, now);
    let Some(first) = calendar.next(after) else {
        return Due::Nothing { next_at: None };
    };
    if first + offset > now {
        return Due::Nothing {
            next_at: Some(first + offset),
        };
    }
    let slot = calendar.latest(now - offset).unwrap_or(first).max(first);
    let counted = calendar.between(after, slot, MOST_COUNTED).len() + 1;
    let mut stretch = Stretch {
        slot,
        after,
        occurrences: u64::try_from(counted).unwrap_or(u64::MAX),
        until: window_end(schedule, &calendar, slot),
    };
    if now < stretch.until {
        return Due::Begin(stretch);
    }
    match schedule.missed {
        MissedRule::Skip => Due::Missed(stretch),
        MissedRule::RunOnce => {
            let length = (stretch.until - slot).max(TimeDelta::minutes(1));
            let next = calendar.next(slot).map(|next| next + offset);
            let until = now + length;
            stretch.until = next.map_or(until, |next| until.min(next));
            Due::Begin(stretch)
        }
    }
}

fn due_of_open(open: &Remembered, now: DateTime<Utc>) -> Due {
    let slot = open.slot;
    if !open.has_rotation && now >= open.until {
        return Due::RunOut { slot };
    }
    let longest = TimeDelta::from_std(LONGEST_PAUSE).unwrap_or_default();
    match open.next_try_at {
        // A pause that is longer than any was begun by a clock that has been set back since.
        Some(next) if next > now && next <= now + longest => Due::Nothing {
            next_at: Some(match open.has_rotation {
                true => next,
                false => next.min(open.until),
            }),
        },
        _ => Due::GoOn { slot },
    }
}

/// The occurrences that come after what the store remembers. `every` counts from the last
/// rotation, so that one by hand counts, too.
#[must_use]
pub(super) fn calendar_of<'a>(
    schedule: &'a Schedule,
    memory: &Memory,
    now: DateTime<Utc>,
) -> Calendar<'a> {
    let anchor = acted_on_up_to(memory, now).max(memory.rotated_at.unwrap_or(memory.since));
    Calendar::new(schedule, anchor)
}

/// Everything up to here is done with.
pub(super) fn acted_on_up_to(memory: &Memory, now: DateTime<Utc>) -> DateTime<Utc> {
    // A schedule that was set by a clock which ran ahead is there already.
    let since = memory.since.min(now);
    match &memory.last {
        None => since,
        // It has not come yet: the clock that passed over it was wrong.
        Some(last) if last.state == SlotState::Missed && last.slot > now => last.after.max(since),
        Some(last) => last.slot.max(since),
    }
}

/// Before this a rotation for an occurrence may start: for the settings' window or the usual
/// one, and never beyond the next occurrence.
#[must_use]
pub fn window_end(
    schedule: &Schedule,
    calendar: &Calendar<'_>,
    slot: DateTime<Utc>,
) -> DateTime<Utc> {
    let length = match (schedule.window, &schedule.recurrence) {
        (Some(window), _) => TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX),
        // No civil time is meant, so that none is better than another.
        (None, Recurrence::Every(period)) => TimeDelta::from_std(*period).unwrap_or(TimeDelta::MAX),
        (None, _) => WINDOW,
    };
    let end = slot.checked_add_signed(length).unwrap_or(slot + WINDOW);
    match calendar.next(slot) {
        Some(next) => end.min(next),
        None => end,
    }
}

/// How much later than others an environment starts: always by the same time, from nothing up
/// to the schedule's jitter.
#[must_use]
pub fn offset_of(environment_id: &str, jitter: Duration) -> TimeDelta {
    let digest = Sha256::digest(environment_id.as_bytes());
    let mut number = 0_u64;
    for byte in &digest[..8] {
        number = (number << 8) | u64::from(*byte);
    }
    let milliseconds = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
    match milliseconds {
        0 => TimeDelta::zero(),
        _ => TimeDelta::milliseconds(i64::try_from(number % milliseconds).unwrap_or(0)),
    }
}

/// Before what did not succeed is tried again: longer each time.
#[must_use]
pub fn pause_after(attempts: u32) -> Duration {
    let times = 2_u32.saturating_pow(attempts.saturating_sub(1));
    SHORTEST_PAUSE.saturating_mul(times).min(LONGEST_PAUSE)
}
