//! The schedules as the console knows them: what is the matter with each, in which order they
//! are shown, and which one is selected.
//!
//! What needs a calendar or a parser is worked out once, when the store was read; a frame only
//! reads it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{Model, Problem, Target};
use crate::console::input::LineInput;
use crate::model::{EnvironmentName, SlotState};
use crate::operations::{
    AgentRow, EnvironmentStatus, Freeze, RunView, ScheduleListing, ScheduleView,
};

/// What is the matter with a schedule, in the order in which a human is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) enum ScheduleNeed {
    /// A rotation was begun, did not get through, and needs a person.
    Failed,
    /// The newest occurrence has passed, and nothing was rotated since.
    Overdue,
    /// Nothing was begun in the last window.
    Missed,
    /// Its settings cannot be read.
    Broken,
    /// It is being tried.
    Trying,
    /// Nothing is begun until it is resumed.
    Paused,
    /// Nothing is begun by any schedule.
    Frozen,
    /// Its next start is waited for.
    Planned,
    /// There is none to come.
    Over,
    /// Rotated secrets, and no schedule.
    Without,
}

impl ScheduleNeed {
    /// Whether somebody has to look at it: these come first, whenever they start next.
    pub(in crate::console) fn is_urgent(self) -> bool {
        self <= Self::Broken
    }

    /// Whether a rotation that should have been was not.
    pub(in crate::console) fn is_behind(self) -> bool {
        self <= Self::Missed
    }

    fn urgency(self) -> u8 {
        match self {
            need if need.is_urgent() => need as u8,
            Self::Without => u8::MAX,
            _ => u8::MAX - 1,
        }
    }
}

/// One schedule, made ready to be drawn.
#[derive(Debug, Clone)]
pub(in crate::console) struct ScheduleEntry {
    pub(in crate::console) need: ScheduleNeed,
    pub(in crate::console) view: ScheduleView,
    /// The clocks that it goes by.
    pub(in crate::console) zone: Tz,
}

/// All that was read of schedules, and where the operator is among them.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct Timetable {
    /// In the order of the screen.
    entries: Vec<ScheduleEntry>,
    places: BTreeMap<EnvironmentName, usize>,
    pub(in crate::console) agents: Vec<AgentRow>,
    freeze: Option<Freeze>,
    /// When it was read; `None` while it was not.
    pub(in crate::console) at: Option<DateTime<Utc>>,
    /// Why it could not be read again.
    pub(in crate::console) problem: Option<Problem>,
    pub(in crate::console) selected: Option<Target>,
    /// Where the selection was last, for when its row vanishes.
    pub(in crate::console) row: usize,
    pub(in crate::console) filter: LineInput,
}

impl Timetable {
    /// Takes what was read in the place of what was known before.
    pub(in crate::console) fn take(&mut self, listing: ScheduleListing, now: DateTime<Utc>) {
        let is_frozen = listing.freeze.is_some();
        let entries = listing.schedules.into_iter().map(|view| ScheduleEntry {
            need: need(&view, is_frozen),
            zone: view.timezone.parse().unwrap_or(Tz::UTC),
            view,
        });
        self.entries = entries.collect();
        self.entries.sort_by(in_order);
        let names = self.entries.iter().map(|entry| &entry.view.environment);
        self.places = names.cloned().zip(0..).collect();
        self.agents = listing.agents;
        self.freeze = listing.freeze;
        self.at = Some(now);
        self.problem = None;
    }

    /// The schedule of an environment.
    pub(in crate::console) fn find(&self, name: &EnvironmentName) -> Option<&ScheduleEntry> {
        self.entries.get(*self.places.get(name)?)
    }

    /// The freeze, unless it has run out since it was read.
    pub(in crate::console) fn freeze(&self, now: DateTime<Utc>) -> Option<&Freeze> {
        let holds = |freeze: &&Freeze| freeze.until.is_none_or(|until| until > now);
        self.freeze.as_ref().filter(holds)
    }

    /// Whether there are schedules and nobody who would act on them.
    pub(in crate::console) fn lacks_agent(&self) -> bool {
        !self.entries.is_empty() && self.agents.is_empty()
    }
}

fn in_order(left: &ScheduleEntry, right: &ScheduleEntry) -> Ordering {
    let key = |entry: &ScheduleEntry| {
        let next = entry.view.next_at;
        (entry.need.urgency(), next.is_none(), next)
    };
    let names = || left.view.environment.cmp(&right.view.environment);
    key(left).cmp(&key(right)).then_with(names)
}

fn need(view: &ScheduleView, is_frozen: bool) -> ScheduleNeed {
    if view.problem.is_some() {
        return ScheduleNeed::Broken;
    }
    let state = view.last.as_ref().map(|run| run.state);
    let health = &view.health;
    // What was rotated since then, by hand or by the next occurrence, has made up for it.
    let since = view.last.as_ref().map(|run| run.slot);
    let is_made_up_for = health.last_success >= since;
    let is_overdue = health.overdue_by_seconds.is_some();
    match state {
        Some(SlotState::Failed) if !is_made_up_for => return ScheduleNeed::Failed,
        Some(SlotState::Missed) if !is_made_up_for && health.consecutive_failures <= 1 => {
            return ScheduleNeed::Missed;
        }
        _ if is_overdue => return ScheduleNeed::Overdue,
        _ => {}
    }
    match (state, view.next_at) {
        _ if view.paused.is_some() => ScheduleNeed::Paused,
        _ if is_frozen => ScheduleNeed::Frozen,
        (Some(SlotState::Open), _) => ScheduleNeed::Trying,
        (_, Some(_)) => ScheduleNeed::Planned,
        (_, None) => ScheduleNeed::Over,
    }
}

/// One row of the screen: an environment with a schedule, or with rotated secrets and none.
#[derive(Debug, Clone, Copy)]
pub(in crate::console) struct ScheduleRow<'a> {
    pub(in crate::console) need: ScheduleNeed,
    pub(in crate::console) environment: &'a EnvironmentName,
    pub(in crate::console) entry: Option<&'a ScheduleEntry>,
    /// `None` where the status does not know it, or not yet.
    pub(in crate::console) status: Option<&'a EnvironmentStatus>,
}

impl ScheduleRow<'_> {
    fn matches(&self, word: &str) -> bool {
        let view = self.entry.map(|entry| &entry.view);
        let text = format!(
            "{} {} {} {}",
            self.environment,
            crate::console::words::schedule(self.need).1,
            view.map_or("", |view| &view.words),
            view.map_or("", |view| &view.timezone),
        );
        text.to_lowercase().contains(word)
    }

    /// What a verb is about here: the one rotated secret, or all of them, as for a schedule.
    pub(in crate::console) fn target(&self) -> Target {
        let paths = self.status.map_or(&[][..], |status| &status.paths);
        let only = match paths {
            [only] => Some(only.path.clone()),
            _ => None,
        };
        Target {
            environment: self.environment.clone(),
            path: only,
        }
    }

    /// What came of the newest occurrence.
    pub(in crate::console) fn last(&self) -> Option<&RunView> {
        self.entry?.view.last.as_ref()
    }
}

impl Model {
    /// The rows of the schedules screen: filtered, what needs a human first, then by their next
    /// start, and at the end what has no schedule, so that nobody forgets it.
    pub(in crate::console) fn schedule_rows(&self) -> Vec<ScheduleRow<'_>> {
        let timetable = &self.timetable;
        if timetable.at.is_none() {
            return Vec::new();
        }
        let statuses = self.status.iter().flat_map(|status| &status.environments);
        let known: BTreeMap<&EnvironmentName, &EnvironmentStatus> = statuses
            .clone()
            .map(|status| (&status.environment, status))
            .collect();
        let scheduled = timetable.entries.iter().map(|entry| ScheduleRow {
            need: entry.need,
            environment: &entry.view.environment,
            entry: Some(entry),
            status: known.get(&entry.view.environment).copied(),
        });
        let is_forgotten = |status: &&EnvironmentStatus| {
            !status.paths.is_empty() && !timetable.places.contains_key(&status.environment)
        };
        let without = statuses.filter(is_forgotten).map(|status| ScheduleRow {
            need: ScheduleNeed::Without,
            environment: &status.environment,
            entry: None,
            status: Some(status),
        });
        let mut rows: Vec<ScheduleRow<'_>> = scheduled.chain(without).collect();
        let words = timetable.filter.text().to_lowercase();
        rows.retain(|row| words.split_whitespace().all(|word| row.matches(word)));
        rows
    }

    /// Where a row of the schedules screen is that is selected.
    pub(in crate::console) fn selected_schedule(&self, rows: &[ScheduleRow<'_>]) -> Option<usize> {
        let selected = &self.timetable.selected.as_ref()?.environment;
        rows.iter().position(|row| row.environment == selected)
    }
}
