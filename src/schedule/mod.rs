//! Schedules: occurrences, what is due, and what is to be told of it. Pure: time comes as an
//! argument, and so does what the store remembers.

mod calendar;
mod check;
mod due;
mod health;
mod reasons;
mod timeline;
mod words;

pub use calendar::Calendar;
pub use check::{cautions, check};
pub use due::{
    Due, Held, LONGEST_PAUSE, MOST_AHEAD, MOST_TRIES, Memory, Remembered, Stretch,
    acted_on_at_most, due, offset_of, pause_after, window_end,
};
pub use health::{
    Health, HealthFacts, LeftOpen, OVERDUE_AFTER, OverlapFacts, ParkedFacts, PausedHealth,
    ProblemFacts, RotationFacts, ScheduleFacts, StuckOverlap, VerifyHealth, health,
};
pub use timeline::upcoming;
pub use words::words;

#[cfg(test)]
mod calendar_tests;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod civil_oracle_tests;
#[cfg(test)]
mod due_property_tests;
#[cfg(test)]
mod health_tests;
