//! The console's state: what is known, where the operator is, what is asked.
//!
//! Nothing here holds a secret, performs IO or reads a clock; time arrives in
//! messages. Whoever draws computes scroll offsets; the selection follows identity,
//! never a row's number.

mod drains;
mod needs;
mod reviews;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

pub(super) use self::drains::{
    Cursor, DrainView, Entry, Monitor, MonitorRow, Standing, entries, group_of, is_leaked,
    late_logins, nodes_seen, standing,
};
pub(super) use self::needs::Need;
pub(super) use self::reviews::{
    Answer, Deed, Problem, Review, Run, RunEnd, SessionRef, Stage, Verb,
};
pub(super) use self::schedules::{ScheduleEntry, ScheduleNeed, ScheduleRow, Timetable};
use super::input::LineInput;
use crate::model::{EnvironmentName, RotationId};
use crate::operations::drain::DrainReport;
use crate::operations::hand_over::{Look, SessionLook, UserLook};
use crate::operations::{
    AuditEntry, EnvironmentStatus, History, PathStatus, RevisionSummary, Status,
};

/// How long a production environment stays unlocked.
pub(super) const UNLOCKED_FOR: Duration = Duration::minutes(15);

/// One row of the home screen: an environment, and one of its rotated secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) environment: EnvironmentName,
    pub(super) path: Option<String>,
}

/// Where the operator is; the first screen is always [`Screen::Environments`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Screen {
    /// All environments, what needs a human first.
    Environments,
    /// One environment.
    Environment(Target),
    /// All open overlaps, the worst first.
    Drains,
    /// All schedules, what needs a human first.
    Schedules,
    /// A rotation or a recovery while it runs, and how it ended.
    Run,
}

/// Which list of the environment screen has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pane {
    Drain,
    #[default]
    Sessions,
    Revisions,
    Audit,
}

impl Pane {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 4] = [Self::Drain, Self::Sessions, Self::Revisions, Self::Audit];
}

/// What lies over the screen and takes all keys.
#[derive(Debug, Clone)]
pub(super) enum Overlay {
    Help,
    Review(Review),
    /// A rotation runs and the operator wants to leave.
    Leave,
}

/// What is known of one environment beyond the status.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The last look that succeeded.
    pub(super) look: Option<Look>,
    /// Why the last look failed.
    pub(super) look_problem: Option<Problem>,
    /// A deeper look was asked for while one was under way.
    pub(super) look_deeper: bool,
    /// A look is under way since.
    pub(super) looking_since: Option<DateTime<Utc>>,
    pub(super) history: Option<History>,
    pub(super) audit: Vec<AuditEntry>,
}

/// A line that tells what just happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toast {
    pub(super) good: bool,
    pub(super) text: String,
}

/// The whole state.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) banner: Option<String>,
    pub(super) now: DateTime<Utc>,
    /// Rows that a page key moves by; told by resizes.
    pub(super) page: usize,
    pub(super) status: Option<Status>,
    pub(super) status_at: Option<DateTime<Utc>>,
    pub(super) status_problem: Option<Problem>,
    pub(super) known: BTreeMap<EnvironmentName, Known>,
    pub(super) drains: BTreeMap<EnvironmentName, DrainView>,
    pub(super) monitor: Monitor,
    pub(super) timetable: Timetable,
    /// What is selected in the drain pane.
    pub(super) cursor: Cursor,
    pub(super) screens: Vec<Screen>,
    pub(super) overlay: Option<Overlay>,
    /// How many reviews were opened.
    pub(super) reviews: u64,
    pub(super) selected: Option<Target>,
    /// Where the selection was last, for when its row vanishes.
    pub(super) selected_row: usize,
    pub(super) filter: LineInput,
    pub(super) filtering: bool,
    pub(super) pane: Pane,
    /// First visible line of the pane that has the keys.
    pub(super) scroll: usize,
    pub(super) unlocked: BTreeMap<EnvironmentName, DateTime<Utc>>,
    /// The picture holds.
    pub(super) frozen: bool,
    /// The newest drains of each environment that came while the picture held.
    pub(super) held: BTreeMap<EnvironmentName, DrainReport>,
    pub(super) run: Option<Run>,
    /// What was agreed to and has no screen of its own.
    pub(super) deed: Option<Deed>,
    /// Leave as soon as what runs has ended.
    pub(super) leaving: bool,
    pub(super) toast: Option<Toast>,
    /// Half of a sequence such as `g g`.
    pub(super) pending_key: Option<char>,
}

impl Model {
    pub(super) fn new(banner: Option<String>, now: DateTime<Utc>) -> Self {
        Self {
            banner,
            now,
            page: 10,
            status: None,
            status_at: None,
            status_problem: None,
            known: BTreeMap::new(),
            drains: BTreeMap::new(),
            monitor: Monitor::default(),
            timetable: Timetable::default(),
            cursor: Cursor::default(),
            screens: vec![Screen::Environments],
            overlay: None,
            reviews: 0,
            selected: None,
            selected_row: 0,
            filter: LineInput::default(),
            filtering: false,
            pane: Pane::default(),
            scroll: 0,
            unlocked: BTreeMap::new(),
            frozen: false,
            held: BTreeMap::new(),
            run: None,
            deed: None,
            leaving: false,
            toast: None,
            pending_key: None,
        }
    }

    pub(super) fn screen(&self) -> &Screen {
        self.screens.last().unwrap_or(&Screen::Environments)
    }

    /// What the operator's next verb is about.
    pub(super) fn target(&self) -> Option<&Target> {
        match self.screen() {
            Screen::Environments => self.selected.as_ref(),
            Screen::Environment(target) => Some(target),
            Screen::Drains => self.monitor.selected.as_ref(),
            Screen::Schedules => self.timetable.selected.as_ref(),
            Screen::Run => self.run.as_ref().map(|run| &run.target),
        }
    }

    pub(super) fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentStatus> {
        let all = &self.status.as_ref()?.environments;
        all.iter().find(|status| status.environment == *name)
    }

    pub(super) fn path(&self, target: &Target) -> Option<&PathStatus> {
        let path = target.path.as_ref()?;
        let status = self.environment(&target.environment)?;
        status.paths.iter().find(|known| known.path == *path)
    }

    /// Whether an environment is shown read-only.
    pub(super) fn is_read_only(&self, name: &EnvironmentName) -> bool {
        let protected = self.environment(name).is_none_or(|status| status.protected);
        let unlocked = self
            .unlocked
            .get(name)
            .is_some_and(|until| *until > self.now);
        protected && !unlocked
    }

    /// How long an environment stays unlocked, rounded up to minutes.
    pub(super) fn minutes_unlocked(&self, name: &EnvironmentName) -> i64 {
        let left = self.unlocked.get(name).map(|until| *until - self.now);
        left.map_or(0, |left| (left.num_seconds().max(0) + 59) / 60)
    }

    pub(super) fn is_protected(&self, name: &EnvironmentName) -> bool {
        self.environment(name).is_none_or(|status| status.protected)
    }

    pub(super) fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.ended.is_none())
    }

    /// What this console does and has no answer of yet, in words.
    pub(super) fn busy(&self) -> Option<String> {
        if let Some(run) = self.run.as_ref().filter(|run| run.ended.is_none()) {
            let what = match run.verb {
                Verb::RollBack => "a rollback",
                _ => "a rotation",
            };
            return Some(format!("{what} is running in this console"));
        }
        let deed = self.deed.as_ref().filter(|deed| deed.ended.is_none())?;
        let what = match deed.verb {
            Verb::EndSession => "a session is being ended",
            Verb::Publish => "the files are being written",
            Verb::Pause | Verb::Resume => "the schedule is being changed",
            _ => "the outgoing user is being changed",
        };
        Some(format!("{what} on {}", deed.target.environment))
    }

    /// The rows of the home screen: filtered, what needs a human first.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = self.all_rows();
        let words = self.filter.text().to_lowercase();
        rows.retain(|row| words.split_whitespace().all(|word| row.matches(word)));
        rows.sort_by(|left, right| (left.need, &left.target).cmp(&(right.need, &right.target)));
        rows
    }

    fn all_rows(&self) -> Vec<Row<'_>> {
        let Some(status) = &self.status else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        for environment in &status.environments {
            if environment.paths.is_empty() {
                rows.push(self.row(environment, None));
            }
            for path in &environment.paths {
                rows.push(self.row(environment, Some(path)));
            }
        }
        rows
    }

    fn row<'a>(
        &'a self,
        environment: &'a EnvironmentStatus,
        path: Option<&'a PathStatus>,
    ) -> Row<'a> {
        Row {
            need: self.need(environment, path),
            target: Target {
                environment: environment.environment.clone(),
                path: path.map(|path| path.path.clone()),
            },
            environment,
            path,
        }
    }

    /// The filter of the present screen.
    pub(super) fn filter_here(&self) -> &LineInput {
        match self.screen() {
            Screen::Drains => &self.monitor.filter,
            Screen::Schedules => &self.timetable.filter,
            _ => &self.filter,
        }
    }

    pub(super) fn filter_here_mut(&mut self) -> &mut LineInput {
        match self.screen() {
            Screen::Drains => &mut self.monitor.filter,
            Screen::Schedules => &mut self.timetable.filter,
            _ => &mut self.filter,
        }
    }

    /// The sessions that the sessions pane lists. Those of an outgoing user whose drain is
    /// known are listed there, with what is known of them.
    pub(super) fn listed_sessions(
        &self,
        target: &Target,
    ) -> impl Iterator<Item = (&UserLook, &SessionLook)> {
        let look = self.known.get(&target.environment);
        let look = look.and_then(|known| known.look.as_ref());
        let paths = look.into_iter().flat_map(|look| &look.paths);
        paths.flat_map(|path| {
            let of_path = Target {
                environment: target.environment.clone(),
                path: Some(path.path.clone()),
            };
            let previous = self.drain(&of_path).is_none().then_some(&path.previous);
            let users = previous.into_iter().chain([&path.current]);
            users.flat_map(|user| {
                let sessions = user.sessions.iter().flatten();
                sessions.map(move |session| (user, session))
            })
        })
    }

    /// All environments that can be looked at.
    pub(super) fn lookable(&self) -> BTreeSet<EnvironmentName> {
        let Some(status) = &self.status else {
            return BTreeSet::new();
        };
        let with_state = status
            .environments
            .iter()
            .filter(|status| status.paths.iter().any(|path| path.current.is_some()));
        with_state
            .map(|status| status.environment.clone())
            .collect()
    }

    /// The revision that the revisions pane has selected.
    pub(super) fn selected_revision(&self) -> Option<&RevisionSummary> {
        let Screen::Environment(target) = self.screen() else {
            return None;
        };
        let history = self.known.get(&target.environment)?.history.as_ref()?;
        let selected = (self.pane == Pane::Revisions).then_some(self.scroll)?;
        history.revisions.get(selected)
    }

    /// The rotation that a report would be of: of the screen, of the selected revision, else
    /// the newest one.
    pub(super) fn reported_rotation(&self) -> Option<RotationId> {
        let open = || self.open_rotation(self.target()?);
        match self.screen() {
            Screen::Run => match &self.run.as_ref()?.ended {
                Some(RunEnd::Report(report)) => report.rotation,
                Some(RunEnd::Problem(_)) | None => open(),
            },
            Screen::Environment(target) => {
                let selected = self.selected_revision();
                let selected = selected.and_then(|revision| revision.rotation);
                let newest = || {
                    let history = self.known.get(&target.environment)?.history.as_ref()?;
                    let mut revisions = history.revisions.iter();
                    revisions.find_map(|revision| revision.rotation)
                };
                selected.or_else(open).or_else(newest)
            }
            Screen::Environments | Screen::Drains | Screen::Schedules => None,
        }
    }

    /// The rotation that a row's environment has open.
    pub(super) fn open_rotation(&self, target: &Target) -> Option<RotationId> {
        self.environment(&target.environment)?.open_rotation
    }
}

/// One row of the home screen.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) need: Need,
    pub(super) target: Target,
    pub(super) environment: &'a EnvironmentStatus,
    pub(super) path: Option<&'a PathStatus>,
}

impl Row<'_> {
    fn matches(&self, word: &str) -> bool {
        let text = format!(
            "{} {} {}",
            self.target.environment,
            self.target.path.as_deref().unwrap_or_default(),
            super::words::need(self.need).1
        );
        text.to_lowercase().contains(word)
    }
}
