//! The clock of the host, which somebody may set.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A clock that is kept right by a server moves by less.
const NOTICED: TimeDelta = TimeDelta::seconds(5);

/// What the clock showed at the last look.
pub(super) struct Clock {
    at: Instant,
    showed: DateTime<Utc>,
}

impl Clock {
    pub(super) fn new(at: Instant, shows: DateTime<Utc>) -> Self {
        Self { at, showed: shows }
    }

    /// Whether it was set back since the last look. One that was set forward, as after a sleep
    /// of the host, needs nothing: what is due is due.
    pub(super) fn was_set_back(&mut self, at: Instant, shows: DateTime<Utc>) -> bool {
        let passed: Duration = at.saturating_duration_since(self.at);
        let expected = self.showed + TimeDelta::from_std(passed).unwrap_or_default();
        *self = Self { at, showed: shows };
        shows < expected - NOTICED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_was_set_back_is_noticed() {
        let (begin, showed) = (Instant::now(), Utc::now());
        let mut clock = Clock::new(begin, showed);
        let after = |seconds: u64| begin + Duration::from_secs(seconds);
        let shows = |seconds| showed + TimeDelta::seconds(seconds);
        assert!(!clock.was_set_back(after(2), shows(2)));
        assert!(!clock.was_set_back(after(4), shows(3600)), "set forward");
        assert!(clock.was_set_back(after(6), shows(6)), "and back again");
        assert!(!clock.was_set_back(after(8), shows(8)), "once");
        assert!(!clock.was_set_back(after(10), shows(6)), "a correction");
        assert!(clock.was_set_back(after(12), shows(0)));
    }
}
