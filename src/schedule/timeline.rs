//! When rotations will start, if all goes well: the rule of what is due, played on.

use chrono::{DateTime, TimeDelta, Utc};

use super::due::{Due, Held, Memory, Remembered, due};
use crate::model::{Recurrence, Schedule, SlotState};

/// When rotations start from now on and before a time, the first `most` of them: with this
/// environment's jitter, and as if each succeeded at once. What is due already starts now.
#[must_use]
pub fn upcoming(
    schedule: &Schedule,
    memory: &Memory,
    offset: TimeDelta,
    held: Held,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    most: usize,
) -> Vec<DateTime<Utc>> {
    let mut memory = memory.clone();
    let mut time = now;
    let mut starts = Vec::new();
    if let Some(open) = open_rotation(&mut memory)
        && matches!(schedule.recurrence, Recurrence::Every(_))
    {
        // What is under way is no start any more, and what follows is counted from its end.
        memory.rotated_at = Some(open.max(now));
    }
    while time < until && starts.len() < most {
        match due(schedule, &memory, offset, held, time) {
            Due::Nothing { next_at: None } => break,
            Due::Nothing {
                next_at: Some(next),
            } => time = next.max(time),
            Due::Begin(stretch) => {
                starts.push(time);
                memory.rotated_at = Some(time);
                memory.last = Some(over(stretch.slot, SlotState::Done));
            }
            Due::Missed(stretch) => {
                memory.last = Some(over(stretch.slot, SlotState::Missed));
            }
            Due::GoOn { slot } => {
                starts.push(time);
                memory.rotated_at = Some(time);
                memory.last = Some(over(slot, SlotState::Done));
            }
            Due::RunOut { slot } => {
                memory.last = Some(over(slot, SlotState::Missed));
            }
        }
    }
    starts
}

/// Takes the open occurrence with a rotation for done; says which that was.
fn open_rotation(memory: &mut Memory) -> Option<DateTime<Utc>> {
    let open = memory.last.as_mut()?;
    if open.state != SlotState::Open || !open.has_rotation {
        return None;
    }
    open.state = SlotState::Done;
    Some(open.slot)
}

fn over(slot: DateTime<Utc>, state: SlotState) -> Remembered {
    Remembered {
        slot,
        until: slot,
        state,
        next_try_at: None,
        was_tried: true,
        has_rotation: state == SlotState::Done,
    }
}
