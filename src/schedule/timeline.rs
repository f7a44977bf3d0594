//! When rotations will start, if all goes well: the rule of what is due, played on.

use chrono::{DateTime, TimeDelta, Utc};

use super::due::{Due, Held, Memory, Remembered, acted_on_up_to, due};
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
    if take_for_done(&mut memory) && matches!(schedule.recurrence, Recurrence::Every(_)) {
        // What is under way is no start any more, and what follows is counted from its end.
        memory.rotated_at = Some(now);
    }
    let acted_on = acted_on_up_to(schedule, &memory, now);
    if let Some(last) = &mut memory.last
        && last.state != SlotState::Open
    {
        // What a clock did that ran far ahead was done up to now, and not up to each later look.
        last.slot = last.slot.min(acted_on);
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

/// Takes the open occurrence for done if it has a rotation; says whether it did.
fn take_for_done(memory: &mut Memory) -> bool {
    let open = memory.last.as_mut();
    let open = open.filter(|last| last.state == SlotState::Open && last.has_rotation);
    let has_one = open.is_some();
    if let Some(open) = open {
        open.state = SlotState::Done;
    }
    has_one
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
