//! The drains as the console knows them: how bad each is, in which order they are shown, and
//! what in one of them can be selected.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Model, Target};
use crate::console::input::LineInput;
use crate::drain::{Drain, LateLogin, NodeCoverage, PoolerNote, Straggler, StragglerSession};
use crate::drain::{Verdict, View};
use crate::model::{EnvironmentName, Stage};
use crate::operations::PathStatus;
use crate::untrusted::Untrusted;

/// The drains of one environment.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct DrainView {
    /// The last report, a drain for each open overlap.
    pub(in crate::console) report: Vec<Drain>,
    /// When it arrived; `None` while there was none.
    pub(in crate::console) at: Option<DateTime<Utc>>,
    /// Why there is no better one, and what to do.
    pub(in crate::console) problem: Option<String>,
}

/// A verdict as the console sorts it, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) enum Standing {
    /// Its password leaked, and it may still log in.
    Leaked,
    /// Somebody uses the outgoing user, and somebody still reads its password.
    Late,
    /// Somebody uses it.
    Active,
    /// It cannot be said.
    Unknown,
    /// Nobody is seen, and not for long enough.
    Quiet,
    /// Nobody was seen for the whole window.
    Drained,
}

/// Whether a password that leaked still opens the door. Only a person can shut it.
pub(in crate::console) fn is_leaked(drain: &Drain) -> bool {
    let may_log_in = matches!(
        drain.stage,
        Stage::Draining | Stage::Locking | Stage::Unlocking
    );
    drain.compromised && may_log_in
}

/// How bad a drain is. A report that could not be had again is no kind of yes.
pub(in crate::console) fn standing(view: &DrainView, drain: Option<&Drain>) -> Standing {
    if drain.is_some_and(is_leaked) {
        // That is so whatever can be seen of it.
        return Standing::Leaked;
    }
    let Some(drain) = drain.filter(|_| view.problem.is_none()) else {
        return Standing::Unknown;
    };
    match drain.verdict {
        Verdict::Active if late_logins(drain) > 0 => Standing::Late,
        Verdict::Active => Standing::Active,
        Verdict::Unknown => Standing::Unknown,
        Verdict::Quiet => Standing::Quiet,
        Verdict::Drained => Standing::Drained,
    }
}

/// Late logins, whether their sessions are there or have ended.
pub(in crate::console) fn late_logins(drain: &Drain) -> u64 {
    drain.counts.late_logins.max(drain.counts.late)
}

/// Nodes that tell all, of those that are known.
pub(in crate::console) fn nodes_seen(drain: &Drain) -> (usize, usize) {
    let nodes = &drain.coverage.nodes;
    let seen = nodes.iter().filter(|node| node.view == View::Complete);
    (
        seen.count(),
        nodes.len() + drain.coverage.unnamed_standbys.len(),
    )
}

/// A selection in a list, with its filter. It follows what is selected; when that is gone, the
/// row that took its place is selected.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct Monitor {
    pub(in crate::console) selected: Option<Target>,
    /// Where the selection was last.
    pub(in crate::console) row: usize,
    pub(in crate::console) filter: LineInput,
}

/// One row of the drain monitor.
#[derive(Debug)]
pub(in crate::console) struct MonitorRow<'a> {
    pub(in crate::console) standing: Standing,
    pub(in crate::console) target: Target,
    pub(in crate::console) view: &'a DrainView,
    /// `None` where nothing could be found out yet.
    pub(in crate::console) drain: Option<&'a Drain>,
}

impl MonitorRow<'_> {
    fn matches(&self, word: &str) -> bool {
        let drain = self.drain;
        let text = format!(
            "{} {} {} {} {}",
            self.target.environment,
            self.target.path.as_deref().unwrap_or_default(),
            drain.map_or("", |drain| drain.user.as_str()),
            drain.map_or("", |drain| drain.stage.as_str()),
            crate::console::words::standing(self.standing).1,
        );
        text.to_lowercase().contains(word)
    }
}

impl Model {
    /// The drain of a rotated secret, if its overlap is known.
    pub(in crate::console) fn drain(&self, target: &Target) -> Option<(&DrainView, &Drain)> {
        let path = target.path.as_deref()?;
        let view = self.drains.get(&target.environment)?;
        let drain = view.report.iter().find(|drain| drain.path == path)?;
        let status = self.path(target);
        (!is_of_another(drain, status)).then_some((view, drain))
    }

    /// What is selected in the drain of the open environment.
    pub(in crate::console) fn selected_entry(&self) -> Option<Entry<'_>> {
        let (_, drain) = self.drain(self.target()?)?;
        self.cursor.selected(&entries(drain, &self.cursor.expanded))
    }

    /// How far an overlap has come as far as this console knows, a held picture or not.
    pub(in crate::console) fn newest_stage(&self, target: &Target) -> Option<Stage> {
        let path = target.path.as_deref()?;
        let held = self.held.get(&target.environment);
        let held = held.and_then(|report| report.drains.iter().find(|drain| drain.path == path));
        let shown = || self.drain(target).map(|(_, drain)| drain);
        held.or_else(shown).map(|drain| drain.stage)
    }

    /// The rows of the drain monitor: filtered, worst first.
    pub(in crate::console) fn monitor_rows(&self) -> Vec<MonitorRow<'_>> {
        let all = self.drains.iter();
        let mut rows: Vec<MonitorRow<'_>> = all
            .flat_map(|(environment, view)| self.rows_of(environment, view))
            .collect();
        let words = self.monitor.filter.text().to_lowercase();
        rows.retain(|row| words.split_whitespace().all(|word| row.matches(word)));
        rows.sort_by(|left, right| {
            (left.standing, &left.target).cmp(&(right.standing, &right.target))
        });
        rows
    }

    fn rows_of<'a>(
        &'a self,
        environment: &EnvironmentName,
        view: &'a DrainView,
    ) -> Vec<MonitorRow<'a>> {
        let row = |path: Option<String>, drain: Option<&'a Drain>| MonitorRow {
            standing: standing(view, drain),
            target: Target {
                environment: environment.clone(),
                path,
            },
            view,
            drain,
        };
        if view.report.is_empty() && view.problem.is_some() {
            // Nothing could be found out: that must not look like nothing to find.
            let status = self.environment(environment);
            let first = status.and_then(|status| status.paths.first());
            return vec![row(first.map(|path| path.path.clone()), None)];
        }
        let drains = view.report.iter().filter(|drain| {
            let target = Target {
                environment: environment.clone(),
                path: Some(drain.path.clone()),
            };
            !is_of_another(drain, self.path(&target))
        });
        drains
            .map(|drain| row(Some(drain.path.clone()), Some(drain)))
            .collect()
    }
}

/// After a rotation the report is, for one sample, still that of the overlap before.
fn is_of_another(drain: &Drain, status: Option<&PathStatus>) -> bool {
    let previous = status.and_then(|status| status.previous.as_deref());
    previous.is_some_and(|previous| Untrusted::new(previous) != drain.user)
}

/// An application and its client.
pub(in crate::console) type Group = (Untrusted, Option<Untrusted>);

/// Something in a drain that can be selected, by what makes it the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) enum Item {
    Straggler(Group),
    Session {
        node: String,
        pid: i64,
        started: Option<DateTime<Utc>>,
    },
    Late {
        node: String,
        pid: Option<i64>,
        at: DateTime<Utc>,
    },
    Node(String),
    Standby(Untrusted),
    Pooler(String),
}

/// Something in a drain that can be selected, as it is drawn.
#[derive(Debug, Clone, Copy)]
pub(in crate::console) enum Entry<'a> {
    Straggler(&'a Straggler),
    Session(&'a Straggler, &'a StragglerSession),
    Late(&'a LateLogin),
    Node(&'a NodeCoverage),
    Standby(&'a Untrusted),
    Pooler(&'a PoolerNote),
}

impl Entry<'_> {
    pub(in crate::console) fn item(self) -> Item {
        match self {
            Self::Straggler(group) => Item::Straggler(group_of(group)),
            Self::Session(_, session) => Item::Session {
                node: session.node.clone(),
                pid: session.pid,
                started: session.started,
            },
            Self::Late(login) => Item::Late {
                node: login.node.clone(),
                pid: login.pid,
                at: login.at,
            },
            Self::Node(node) => Item::Node(node.node.clone()),
            Self::Standby(standby) => Item::Standby(standby.clone()),
            Self::Pooler(pooler) => Item::Pooler(pooler.pooler.clone()),
        }
    }
}

pub(in crate::console) fn group_of(straggler: &Straggler) -> Group {
    (straggler.application.clone(), straggler.client.clone())
}

/// What of a drain can be selected, from top to bottom.
pub(in crate::console) fn entries<'a>(
    drain: &'a Drain,
    expanded: &BTreeSet<Group>,
) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for straggler in &drain.stragglers {
        entries.push(Entry::Straggler(straggler));
        if expanded.contains(&group_of(straggler)) {
            let sessions = straggler.sessions.iter();
            entries.extend(sessions.map(|session| Entry::Session(straggler, session)));
        }
    }
    entries.extend(drain.late.iter().map(Entry::Late));
    entries.extend(drain.coverage.nodes.iter().map(Entry::Node));
    let standbys = drain.coverage.unnamed_standbys.iter();
    entries.extend(standbys.map(Entry::Standby));
    entries.extend(drain.coverage.poolers.iter().map(Entry::Pooler));
    entries
}

/// What is selected in the drain of an environment.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct Cursor {
    /// `None` until it is moved: then it stays at the top, where the worst is.
    item: Option<Item>,
    row: usize,
    /// Groups whose sessions are shown.
    pub(in crate::console) expanded: BTreeSet<Group>,
}

impl Cursor {
    /// What is selected.
    pub(in crate::console) fn selected<'a>(&self, entries: &[Entry<'a>]) -> Option<Entry<'a>> {
        entries.get(self.position(entries)).copied()
    }

    /// The row that is selected.
    pub(in crate::console) fn position(&self, entries: &[Entry<'_>]) -> usize {
        let Some(item) = &self.item else {
            return 0;
        };
        // Where it was comes first, since a server may tell two things of one identity.
        let is_here = |entry: &Entry<'_>| entry.item() == *item;
        if entries.get(self.row).is_some_and(is_here) {
            return self.row;
        }
        let found = entries.iter().position(is_here);
        found.unwrap_or(self.row.min(entries.len().saturating_sub(1)))
    }

    /// Selects a row.
    pub(in crate::console) fn select(&mut self, row: usize, entries: &[Entry<'_>]) {
        self.row = row;
        self.item = entries.get(row).map(|entry| entry.item());
    }

    /// Keeps the selection where its item is now, once it was moved.
    pub(in crate::console) fn keep(&mut self, entries: &[Entry<'_>]) {
        if self.item.is_some() {
            self.select(self.position(entries), entries);
        }
    }
}
