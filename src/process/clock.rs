//! The clock that goes on while the machine sleeps.
//!
//! Deadlines of a rotation are measured by it: a process that was suspended, or
//! stopped for an hour, must find that its time is over.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Linux stops `CLOCK_MONOTONIC` during suspend and counts it in `CLOCK_BOOTTIME`;
/// other systems count it in `CLOCK_MONOTONIC`.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// A moment by the clock that counts suspend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self(now())
    }

    /// How long after `earlier` it is.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment after which something must not be done any more.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Duration);

impl Deadline {
    /// The moment that lies `span` ahead.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        Self(now() + span)
    }

    /// Whether the moment has passed, suspend included.
    #[must_use]
    pub fn has_passed(self) -> bool {
        now() >= self.0
    }
}

fn now() -> Duration {
    clock_gettime(CLOCK)
        .map(Duration::from)
        .expect("the kernel offers this clock since before Rust's oldest supported version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_when_its_time_has_come() {
        assert!(Deadline::after(Duration::ZERO).has_passed());
        assert!(!Deadline::after(Duration::from_secs(3600)).has_passed());
    }
}
