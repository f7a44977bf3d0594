//! Whatever happens to clocks, agents and gates: no occurrence leads to two rotations, none is
//! lost, and nobody waits for what never comes.
//!
//! The store is a small model of the real one: a run for each occurrence, of which only an open
//! one changes, and one that was missed may be begun after all when the clock was set back.

use std::collections::BTreeMap;
use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::calendar_tests::schedule as cron;
use super::{
    Due, Held, LONGEST_PAUSE, MOST_TRIES, Memory, Remembered, Stretch, acted_on_at_most, due,
    pause_after, upcoming,
};
use crate::model::{MissedRule, Recurrence, Schedule, SlotState};

/// What happens.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Time passes, and an agent looks whenever it was told to.
    Live { minutes: i64, tries: Tries },
    /// Time passes, and there is no agent, or the host is suspended.
    Nobody { minutes: i64 },
    /// An agent takes what is due, and is killed before it does anything.
    Killed,
    /// The clock is set.
    Clock { minutes: i64 },
    /// Nothing is begun for so long; without a time, until the next step of the kind.
    Hold { minutes: Option<i64> },
    /// What kept everything is over.
    Release,
    /// Somebody rotates by hand.
    ByHand,
}

/// What comes of the tries of an agent.
#[derive(Debug, Clone, Copy)]
enum Tries {
    Succeed,
    /// The gate is shut, or the server is dead.
    Refused,
    /// The rotation is opened, and does not come to its end.
    Begun,
    /// It needs a person.
    Parked,
}

#[derive(Debug, Clone)]
struct Run {
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    state: SlotState,
    attempts: u32,
    next_try_at: Option<DateTime<Utc>>,
    has_rotation: bool,
    over_at: Option<DateTime<Utc>>,
}

struct World {
    schedule: Schedule,
    offset: Duration,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
    held: Held,
    runs: BTreeMap<DateTime<Utc>, Run>,
    /// Each rotation that was opened for an occurrence.
    rotations: Vec<DateTime<Utc>>,
    /// Each occurrence that was told as missed.
    told: Vec<DateTime<Utc>>,
    /// The clock was set at least once.
    was_set: bool,
}

type Checked = Result<(), TestCaseError>;

impl World {
    fn new(schedule: Schedule, offset: Duration) -> Self {
        // Two days before the clocks of Berlin are set forward.
        let now = "2026-03-27T11:00:00Z".parse().expect("a time");
        Self {
            schedule,
            offset,
            now,
            since: now,
            rotated_at: None,
            held: Held::No,
            runs: BTreeMap::new(),
            rotations: Vec::new(),
            told: Vec::new(),
            was_set: false,
        }
    }

    /// As the store's `standing`, and what the operations make of it.
    fn memory(&self) -> Memory {
        let stands = |(slot, run): &(&DateTime<Utc>, &Run)| match run.state {
            SlotState::Missed => run.over_at.is_none_or(|over| over <= self.now),
            SlotState::Open => run.has_rotation || **slot <= self.now,
            SlotState::Done | SlotState::Failed => true,
        };
        let standing: Vec<_> = self.runs.iter().filter(stands).collect();
        let mut open = standing
            .iter()
            .filter(|(_, run)| run.state == SlotState::Open);
        let last = open.next().or(standing.last());
        let counts = last.filter(|(slot, run)| **slot > self.since || run.state == SlotState::Open);
        Memory {
            since: self.since,
            rotated_at: self.rotated_at,
            last: counts.map(|(slot, run)| Remembered {
                slot: **slot,
                until: run.until,
                state: run.state,
                next_try_at: run.next_try_at,
                was_tried: run.attempts > 0,
                has_rotation: run.has_rotation,
            }),
        }
    }

    fn ask(&self) -> Due {
        due(
            &self.schedule,
            &self.memory(),
            self.offset,
            self.held,
            self.now,
        )
    }

    fn step(&mut self, step: Step) -> Checked {
        match step {
            Step::Live { minutes, tries } => self.live(Duration::minutes(minutes), tries)?,
            Step::Nobody { minutes } => self.now += Duration::minutes(minutes),
            Step::Killed => {
                self.take()?;
            }
            Step::Clock { minutes } => {
                self.was_set = true;
                self.now += Duration::minutes(minutes);
                // As an agent does when the clock was set back.
                self.since = self.since.min(self.now);
                self.take_back();
            }
            Step::Hold { minutes } => {
                let until = minutes.map(|minutes| self.now + Duration::minutes(minutes));
                self.held = until.map_or(Held::ForGood, Held::Until);
            }
            Step::Release => self.held = Held::No,
            Step::ByHand => self.rotated_at = Some(self.now),
        }
        Ok(())
    }

    /// As the store's `take_back`. A rotation that counts for another time than its own does not
    /// count for its own any more.
    fn take_back(&mut self) {
        let latest = acted_on_at_most(&self.schedule, self.now);
        let is_far = |(slot, run): &(&DateTime<Utc>, &Run)| {
            **slot > latest && matches!(run.state, SlotState::Done | SlotState::Failed)
        };
        let far: Vec<_> = self
            .runs
            .iter()
            .filter(is_far)
            .map(|(slot, _)| *slot)
            .collect();
        let mut taken = self.now;
        for slot in far.into_iter().rev() {
            while self.runs.contains_key(&taken) {
                taken -= Duration::microseconds(1);
            }
            let run = self.runs.remove(&slot).expect("is there");
            self.runs.insert(taken, run);
            let rotations = self.rotations.iter_mut();
            rotations
                .filter(|of| **of == slot)
                .for_each(|of| *of = taken);
        }
    }

    /// An agent looks, and sleeps until it is told to look again.
    fn live(&mut self, span: Duration, tries: Tries) -> Checked {
        let end = self.now + span;
        // An occurrence has a few looks, each minute at most one occurrence.
        for _ in 0..span.num_minutes() * 30 + 100 {
            match self.take()? {
                Some(slot) => self.attempt(slot, tries)?,
                None => match self.next_at()? {
                    Some(next) if next < end => self.now = next,
                    _ => {
                        self.now = self.now.max(end);
                        return Ok(());
                    }
                },
            }
        }
        Err(TestCaseError::fail("an agent goes round and round"))
    }

    /// When it is told to look again.
    fn next_at(&self) -> Result<Option<DateTime<Utc>>, TestCaseError> {
        let answer = self.ask();
        let Due::Nothing { next_at } = answer else {
            return Err(TestCaseError::fail(format!("still to be done: {answer:?}")));
        };
        let is_held = match self.held {
            Held::No => false,
            Held::Until(until) => until > self.now,
            Held::ForGood => true,
        };
        if let Some(next) = next_at {
            prop_assert!(next > self.now, "told to look in the past: {}", next);
        }
        let memory = self.memory();
        let open = memory.last.filter(|last| last.state == SlotState::Open);
        match (open, next_at) {
            (Some(open), next) if open.has_rotation => {
                let longest = Duration::from_std(LONGEST_PAUSE).expect("fits");
                prop_assert!(next.is_some_and(|next| next <= self.now + longest));
            }
            (Some(open), Some(next)) if !is_held => {
                let longest = Duration::from_std(LONGEST_PAUSE).expect("fits");
                let latest = (self.now + longest).min(open.until);
                prop_assert!(next <= latest.max(open.slot + self.offset));
            }
            (_, None) if !is_held => {
                let is_once = matches!(self.schedule.recurrence, Recurrence::Once(_));
                prop_assert!(is_once, "nothing ever again");
                prop_assert!(self.runs.values().any(|run| run.state != SlotState::Open));
            }
            _ => {}
        }
        Ok(next_at)
    }

    /// What an agent does under the schedule's lock; the occurrence that it is to act on.
    fn take(&mut self) -> Result<Option<DateTime<Utc>>, TestCaseError> {
        for _ in 0..8 {
            match self.ask() {
                Due::Nothing { .. } => return Ok(None),
                Due::GoOn { slot } => return Ok(Some(slot)),
                Due::Begin(stretch) => {
                    prop_assert!(
                        stretch.until > self.now,
                        "a window that is over: {stretch:?}"
                    );
                    self.put(&stretch, SlotState::Open)?;
                }
                Due::Missed(stretch) => {
                    prop_assert_eq!(self.schedule.missed, MissedRule::Skip);
                    self.put(&stretch, SlotState::Missed)?;
                    self.told.push(stretch.slot);
                }
                Due::RunOut { slot } => {
                    let run = self.runs.get_mut(&slot).expect("is there");
                    prop_assert!(run.state == SlotState::Open && !run.has_rotation);
                    run.state = SlotState::Missed;
                    run.over_at = Some(self.now);
                    self.told.push(slot);
                }
            }
        }
        // Each round writes something down, so that there is an end.
        Ok(None)
    }

    fn put(&mut self, stretch: &Stretch, state: SlotState) -> Checked {
        prop_assert!(
            stretch.slot + self.offset <= self.now,
            "too early: {stretch:?}"
        );
        prop_assert!(stretch.after < stretch.slot && stretch.occurrences > 0);
        let known = self.runs.get(&stretch.slot).map(|run| run.state);
        let is_free = known.is_none_or(|state| state == SlotState::Missed);
        prop_assert!(is_free, "again: {:?} of {known:?}", stretch);
        prop_assert!(known.is_none() || self.was_set, "missed and begun");
        let run = Run {
            after: stretch.after,
            until: stretch.until,
            state,
            attempts: 0,
            next_try_at: Some(self.now),
            has_rotation: false,
            over_at: (state == SlotState::Missed).then_some(self.now),
        };
        self.runs.insert(stretch.slot, run);
        Ok(())
    }

    fn attempt(&mut self, slot: DateTime<Utc>, tries: Tries) -> Checked {
        let is_held = match self.held {
            Held::No => false,
            Held::Until(until) => until > self.now,
            Held::ForGood => true,
        };
        let run = self.runs.get_mut(&slot).expect("was begun");
        prop_assert_eq!(run.state, SlotState::Open);
        prop_assert!(!is_held || run.has_rotation, "begun though it is held");
        run.attempts += 1;
        if !matches!(tries, Tries::Refused) && !run.has_rotation {
            run.has_rotation = true;
            self.rotations.push(slot);
        }
        // A begun rotation that is refused to go on is one that did not come to its end.
        let pause = Duration::from_std(pause_after(run.attempts)).expect("fits");
        let over = match tries {
            Tries::Succeed => Some(SlotState::Done),
            Tries::Parked => Some(SlotState::Failed),
            _ if run.has_rotation && run.attempts >= MOST_TRIES => Some(SlotState::Failed),
            Tries::Refused | Tries::Begun => None,
        };
        let mut next = self.now + pause;
        if !run.has_rotation {
            next = next.min(run.until);
        }
        run.next_try_at = Some(next);
        if let Some(state) = over {
            run.state = state;
        }
        if over == Some(SlotState::Done) {
            self.rotated_at = Some(self.now);
        }
        self.take_back();
        Ok(())
    }

    /// All is well again, for long enough that everything is caught up with.
    fn come_to_rest(&mut self) -> Checked {
        self.held = Held::No;
        let foreseen = upcoming(
            &self.schedule,
            &self.memory(),
            self.offset,
            Held::No,
            self.now,
            self.now + Duration::days(2),
            usize::MAX,
        );
        prop_assert!(foreseen.windows(2).all(|two| two[0] < two[1]));
        self.check_soon()?;
        let rested_from = self.now;
        let known = self.rotations.len();
        self.live(Duration::days(3), Tries::Succeed)?;
        let open = self
            .runs
            .iter()
            .find(|(_, run)| run.state == SlotState::Open);
        let too_early = open.is_some_and(|(slot, _)| *slot + self.offset > self.now);
        prop_assert!(open.is_none() || too_early, "left open: {open:?}");
        let mut rotations = self.rotations.clone();
        rotations.sort();
        rotations.dedup();
        prop_assert_eq!(
            rotations.len(),
            self.rotations.len(),
            "one occurrence, two rotations"
        );
        let in_two_days = foreseen.len();
        prop_assert!(
            self.rotations.len() - known >= in_two_days,
            "from {rested_from}: {foreseen:?}"
        );
        if !self.was_set {
            let mut told = self.told.clone();
            told.dedup();
            prop_assert_eq!(told.len(), self.told.len(), "told twice");
            self.check_stretches()?;
        }
        Ok(())
    }

    /// Whatever the clock was, nobody waits for longer than from one occurrence to the one after
    /// the next; where `every` counts from what was noted by a clock that ran ahead, a day more.
    fn check_soon(&self) -> Checked {
        if self
            .memory()
            .last
            .is_some_and(|last| last.state == SlotState::Open)
        {
            return Ok(());
        }
        let anchored = |from| super::Calendar::new(&self.schedule, from).next(from);
        let slack = match self.schedule.recurrence {
            Recurrence::Once(_) => return Ok(()),
            Recurrence::Every(_) => Duration::days(1),
            Recurrence::Cron(_) => Duration::zero(),
        };
        let latest = anchored(self.now).and_then(anchored).expect("recurs") + slack + self.offset;
        if let Due::Nothing { next_at } = self.ask() {
            prop_assert!(next_at.is_some_and(|next| next <= latest), "{next_at:?}");
        }
        Ok(())
    }

    /// Without a clock that was set, each occurrence belongs to one run and no other.
    fn check_stretches(&self) -> Checked {
        let Recurrence::Cron(_) = self.schedule.recurrence else {
            return Ok(());
        };
        let calendar = super::Calendar::new(&self.schedule, self.since);
        let last = self.runs.keys().next_back().copied().unwrap_or(self.since);
        let passed = calendar.between(self.since, self.now - self.offset, usize::MAX);
        for occurrence in passed {
            let holds = |(slot, run): &(&DateTime<Utc>, &Run)| {
                run.after < occurrence && occurrence <= **slot
            };
            let runs: Vec<_> = self.runs.iter().filter(holds).collect();
            prop_assert_eq!(runs.len(), 1, "{} up to {}: {:?}", occurrence, last, runs);
        }
        // What was missed without a try is made up for by the next one.
        let mut untried = self.runs.values();
        while let Some(run) = untried.next() {
            let may_be = run.state != SlotState::Missed || run.attempts > 0;
            let is_followed = untried.clone().next().is_some();
            let skips = self.schedule.missed == MissedRule::Skip;
            prop_assert!(may_be || is_followed || skips, "lost: {run:?}");
        }
        Ok(())
    }
}

fn any_step(sets_clock: bool, years: i64) -> impl Strategy<Value = Step> {
    let tries = prop_oneof![
        4 => Just(Tries::Succeed),
        3 => Just(Tries::Refused),
        1 => Just(Tries::Begun),
        1 => Just(Tries::Parked),
    ];
    let span = prop_oneof![3 => 1..90_i64, 2 => 60..600_i64, 1 => 600..4000_i64];
    let clock = prop_oneof![
        Just(24 * 60_i64),
        Just(-24 * 60_i64),
        Just(-60_i64),
        Just(-1_i64),
        -3000..3000_i64,
        (-years..=years).prop_map(|years| years * 365 * 24 * 60 + years),
        Just(-years * 366 * 24 * 60),
    ];
    prop_oneof![
        6 => (span.clone(), tries).prop_map(|(minutes, tries)| Step::Live { minutes, tries }),
        3 => span.clone().prop_map(|minutes| Step::Nobody { minutes }),
        1 => Just(Step::Killed),
        u32::from(sets_clock) * 2 => clock.prop_map(|minutes| Step::Clock { minutes }),
        1 => prop::option::of(span).prop_map(|minutes| Step::Hold { minutes }),
        1 => Just(Step::Release),
        1 => Just(Step::ByHand),
    ]
}

fn any_schedule() -> impl Strategy<Value = (Schedule, Duration)> {
    let berlin = Tz::Europe__Berlin;
    let when = prop_oneof![
        Just(cron(berlin, "30 2 * * *")),
        Just(cron(berlin, "0 * * * *")),
        Just(cron(berlin, "*/20 2-4 * * *")),
        Just(cron(Tz::UTC, "0 3,15 * * *")),
        (60..3000_u64).prop_map(move |minutes| Schedule {
            recurrence: Recurrence::Every(StdDuration::from_secs(minutes * 60)),
            ..cron(berlin, "0 0 * * *")
        }),
        (1..4000_i64).prop_map(move |minutes| Schedule {
            recurrence: Recurrence::Once(
                "2026-03-27T11:00:00Z"
                    .parse::<DateTime<Utc>>()
                    .expect("a time")
                    + Duration::minutes(minutes)
            ),
            ..cron(berlin, "0 0 * * *")
        }),
    ];
    let window = prop::option::of(5..300_u64);
    (when, window, any::<bool>(), 0..15_i64).prop_map(|(mut schedule, window, skip, offset)| {
        // As the settings want it: shorter than the window, and than the time to the next one.
        let offset = offset.min(window.map_or(14, |window| window as i64 - 1));
        schedule.window = window.map(|minutes| StdDuration::from_secs(minutes * 60));
        schedule.missed = match skip {
            true => MissedRule::Skip,
            false => MissedRule::RunOnce,
        };
        (schedule, Duration::minutes(offset))
    })
}

fn play(schedule: Schedule, offset: Duration, steps: Vec<Step>) -> Checked {
    let mut world = World::new(schedule, offset);
    for step in steps {
        world.step(step)?;
    }
    world.come_to_rest()
}

/// `PROPTEST_CASES` asks for more.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(600),
        ..usual
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nothing_is_rotated_for_twice_and_nothing_is_lost(
        (schedule, offset) in any_schedule(),
        steps in prop::collection::vec(any_step(false, 0), 1..25),
    ) {
        play(schedule, offset, steps)?;
    }

    #[test]
    fn not_even_when_the_clock_is_set_a_day_forward_and_back(
        (schedule, offset) in any_schedule(),
        steps in prop::collection::vec(any_step(true, 0), 1..25),
    ) {
        play(schedule, offset, steps)?;
    }

    #[test]
    fn nor_when_it_is_years_ahead_for_a_moment(
        (schedule, offset) in any_schedule(),
        steps in prop::collection::vec(any_step(true, 12), 1..25),
    ) {
        play(schedule, offset, steps)?;
    }

    #[test]
    fn what_is_done_while_the_clock_is_far_ahead_counts_once(
        (schedule, offset) in any_schedule(),
        years in 1..30_i64,
        minutes in 1..5000_i64,
    ) {
        let minutes_ahead = years * 365 * 24 * 60;
        let tries = Tries::Succeed;
        play(schedule, offset, vec![
            Step::Live { minutes, tries },
            Step::Clock { minutes: minutes_ahead },
            Step::Live { minutes, tries },
            Step::ByHand,
            Step::Clock { minutes: -minutes_ahead - minutes },
        ])?;
    }
}
