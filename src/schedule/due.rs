//! What is due: from a schedule, what the store remembers of it, and the time, to one answer.
//!
//! An occurrence is known by its time and is acted on once, whichever way the clock is set. A
//! clock that is set forward makes occurrences come early or passes over them; when it is set
//! back, what was acted on stays done, and what was only passed over comes again.
//!
//! What a clock did that ran ahead counts once, and no more. The occurrence that comes next is
//! done if it was acted on already. One that is later than that was acted on by a clock that ran
//! far ahead: it is taken for the newest occurrence up to now, so that nobody waits for years for
//! the next one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::Calendar;
use crate::model::{MissedRule, Recurrence, Schedule, SlotState};

/// How long after an occurrence a rotation may start where the settings do not say.
const WINDOW: Duration = Duration::from_secs(2 * 3600);
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest time before what did not succeed is tried again.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// So often one occurrence is gone on with by itself once a rotation was begun for it.
pub const MOST_TRIES: u32 = 10;
/// More occurrences than this are not counted one by one.
const MOST_COUNTED: usize = 1000;
/// A rotation that is noted later than this from now says nothing of when it was.
pub const MOST_AHEAD: TimeDelta = TimeDelta::days(1);

/// What the store remembers of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Occurrences up to here do not count: the schedule was not there.
    pub since: DateTime<Utc>,
    /// When the environment was last rotated, by a schedule or by hand.
    pub rotated_at: Option<DateTime<Utc>>,
    /// The occurrence that is open, else the newest one that was acted on, or missed. What a
    /// clock that was set back since has still before it is left out: it comes again. That is
    /// one that was missed at a later time than now, and one that is open, later than now and
    /// without a rotation.
    pub last: Option<Remembered>,
}

impl Memory {
    /// When the environment was last rotated, unless a clock that ran far ahead says so.
    #[must_use]
    pub fn rotated_by(&self, schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let latest = acted_on_at_most(schedule, now).min(now + MOST_AHEAD);
        self.rotated_at.filter(|at| *at <= latest)
    }
}

/// An occurrence that was acted on, or missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its time.
    pub slot: DateTime<Utc>,
    /// Before this a rotation may start.
    pub until: DateTime<Utc>,
    /// How far it has come.
    pub state: SlotState,
    /// While it is open: when it is tried again.
    pub next_try_at: Option<DateTime<Utc>>,
    /// It was tried, whatever came of that.
    pub was_tried: bool,
    /// A rotation was begun for it.
    pub has_rotation: bool,
}

/// Whether something keeps everything from being begun: a pause, or a freeze. What was begun
/// before is gone on with all the same, so that no password is left half handed over.
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
    let open = memory
        .last
        .as_ref()
        .filter(|last| last.state == SlotState::Open);
    let is_held = match held {
        Held::Until(until) => until > now,
        Held::ForGood => true,
        Held::No => false,
    };
    match (open, held) {
        (Some(open), _) if open.has_rotation || !is_held => {
            return due_of_open(schedule, memory, open, offset, now);
        }
        (_, Held::Until(until)) if is_held => {
            return Due::Nothing {
                next_at: Some(until),
            };
        }
        (_, Held::ForGood) => return Due::Nothing { next_at: None },
        _ => {}
    }
    let calendar = calendar_of(schedule, memory, now);
    let after = acted_on_up_to(schedule, memory, now);
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

fn due_of_open(
    schedule: &Schedule,
    memory: &Memory,
    open: &Remembered,
    offset: TimeDelta,
    now: DateTime<Utc>,
) -> Due {
    let slot = open.slot;
    let longest = TimeDelta::from_std(LONGEST_PAUSE).unwrap_or_default();
    // A pause that is longer than any was begun by a clock that has been set back since.
    let next = open
        .next_try_at
        .filter(|next| *next > now && *next <= now + longest);
    if open.has_rotation {
        return next.map_or(Due::GoOn { slot }, |next| Due::Nothing {
            next_at: Some(next),
        });
    }
    if slot + offset > now {
        // So was this one, and by the clock that is right its time has not come.
        return Due::Nothing {
            next_at: Some(slot + offset),
        };
    }
    if now >= open.until {
        let calendar = calendar_of(schedule, memory, now);
        let is_newest = calendar.next(slot).is_none_or(|next| next + offset > now);
        // Whoever took it was killed before it did anything. Where the next one is here
        // already, that one stands for both.
        let is_made_up = schedule.missed == MissedRule::RunOnce && !open.was_tried && is_newest;
        return match is_made_up {
            true => Due::GoOn { slot },
            false => Due::RunOut { slot },
        };
    }
    match next {
        Some(next) => Due::Nothing {
            next_at: Some(next.min(open.until)),
        },
        None => Due::GoOn { slot },
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
    let rotated_at = memory.rotated_by(schedule, now).unwrap_or(memory.since);
    let anchor = acted_on_up_to(schedule, memory, now).max(rotated_at);
    Calendar::new(schedule, anchor)
}

/// Everything up to here is done with.
pub(super) fn acted_on_up_to(
    schedule: &Schedule,
    memory: &Memory,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    // A schedule that was set by a clock which ran ahead is there already.
    let since = memory.since.min(now);
    let Some(last) = &memory.last else {
        return since;
    };
    match last.slot > acted_on_at_most(schedule, now) {
        true => now,
        false => last.slot.max(since),
    }
}

/// The occurrence that comes next: no later one can have been acted on by a clock that is right,
/// nor by one that was a little ahead. Whoever finds a later one on record notes it as acted on
/// now: else `now` would count as done whenever somebody looks.
#[must_use]
pub fn acted_on_at_most(schedule: &Schedule, now: DateTime<Utc>) -> DateTime<Utc> {
    Calendar::new(schedule, now).next(now).unwrap_or(now)
}

/// Before this a rotation for an occurrence may start: for the settings' window or the usual
/// one, and never beyond the next occurrence.
#[must_use]
pub fn window_end(
    schedule: &Schedule,
    calendar: &Calendar<'_>,
    slot: DateTime<Utc>,
) -> DateTime<Utc> {
    let length = TimeDelta::from_std(usual_window(schedule)).unwrap_or(TimeDelta::MAX);
    let end = slot.checked_add_signed(length);
    let end = end.unwrap_or(DateTime::<Utc>::MAX_UTC);
    match calendar.next(slot) {
        Some(next) => end.min(next),
        None => end,
    }
}

/// How long after an occurrence a rotation may start, where the next one does not come before:
/// what the settings say, or what is usual.
pub(super) fn usual_window(schedule: &Schedule) -> Duration {
    match (schedule.window, &schedule.recurrence) {
        (Some(window), _) => window,
        // No civil time is meant, so that none is better than another.
        (None, Recurrence::Every(period)) => *period,
        (None, _) => WINDOW,
    }
}

/// The first occurrence after the last success whose window has passed, or a day of it: who waits
/// for the end of a window as long as a month hears of it too late.
pub(super) fn first_unanswered(
    schedule: &Schedule,
    memory: &Memory,
    last_success: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let since = memory.since.min(now);
    // What a clock noted that ran far ahead must not hide what is overdue.
    let last_success = last_success.filter(|at| *at <= now + MOST_AHEAD);
    let mut from = last_success.map_or(since, |at| at.min(now).max(since));
    if let Some(last) = &memory.last
        && last.state == SlotState::Done
    {
        from = from.max(last.slot.min(now));
    }
    let calendar = Calendar::new(schedule, from);
    let first = calendar.next(from)?;
    let patience = (first + TimeDelta::days(1)).min(window_end(schedule, &calendar, first));
    (patience <= now).then_some(first)
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
