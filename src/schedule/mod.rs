//! Schedules: occurrences, what is due, and what is to be told of it. Pure: time comes as an
//! argument, and so does what the store remembers.

mod calendar;
mod check;
mod due;

pub use calendar::Calendar;
pub use check::{cautions, check};
pub use due::{
    Due, Held, LONGEST_PAUSE, MOST_TRIES, Memory, Remembered, Stretch, due, offset_of, pause_after,
    window_end,
};
