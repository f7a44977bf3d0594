//! What is the matter with a row of the home screen, and how urgent that is.

use super::{Model, Standing, Target, is_leaked, standing};
use crate::operations::hand_over::PathLook;
use crate::operations::{EnvironmentStatus, PathStatus};
use crate::schedule::OVERDUE_AFTER;

/// What is the matter, in the order in which a human is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) enum Need {
    /// The password of the outgoing user leaked, and it may still log in.
    Leaked,
    /// What consumers read does not log in.
    Down,
    /// A rotation is open and nobody works on it here.
    Open,
    /// A file that it is published to has not got what it is to have, or is somebody else's.
    Sink,
    /// The document or the settings cannot be used.
    Broken,
    /// This console works on it.
    Running,
    /// The database does not answer.
    Silent,
    /// There is no `state` yet.
    Unfinished,
    /// Not rotated for too long.
    Overdue,
    /// The outgoing user is, or may be, still in use.
    Draining,
    /// handover never promoted it.
    NeverPromoted,
    /// All is well.
    Healthy,
    /// An environment without rotated secrets.
    Plain,
}

impl Model {
    /// What is the matter with a row, most serious first.
    pub(in crate::console) fn need(
        &self,
        environment: &EnvironmentStatus,
        path: Option<&PathStatus>,
    ) -> Need {
        let known = self.known.get(&environment.environment);
        let target = path.map(|path| Target {
            environment: environment.environment.clone(),
            path: Some(path.path.clone()),
        });
        let drain = target.and_then(|target| self.drain(&target));
        if drain.is_some_and(|(_, drain)| is_leaked(drain)) {
            return Need::Leaked;
        }
        if environment.problem.is_some() {
            return Need::Broken;
        }
        let Some(path) = path else {
            return match has_bad_sink(environment) {
                true => Need::Sink,
                false => Need::Plain,
            };
        };
        let look = known
            .and_then(|known| known.look.as_ref())
            .and_then(|look| look.paths.iter().find(|look| look.path == path.path));
        if look.is_some_and(keeps_consumers_out) {
            return Need::Down;
        }
        let ours = self.run.as_ref().is_some_and(|run| {
            run.ended.is_none() && run.target.environment == environment.environment
        });
        if environment.open_rotation.is_some() && path.step.is_some() && !path.is_over {
            return if ours { Need::Running } else { Need::Open };
        }
        let waits = environment.waited_for().next().is_some();
        match (ours, has_bad_sink(environment)) {
            (true, bad) if bad || waits => return Need::Running,
            (_, true) => return Need::Sink,
            // Killed between the promote and its files.
            (_, false) if waits => return Need::Open,
            _ => {}
        }
        if path.current.is_none() {
            return Need::Unfinished;
        }
        let silent = known.is_some_and(|known| known.look_problem.is_some())
            || look.is_some_and(|look| look.fault.is_some());
        if silent {
            return Need::Silent;
        }
        if self.is_overdue(environment, path) {
            return Need::Overdue;
        }
        let draining = match drain {
            Some((view, drain)) => standing(view, Some(drain)) != Standing::Drained,
            None => self.may_be_in_use(path, look),
        };
        if draining {
            return Need::Draining;
        }
        if path.promoted_at.is_none() {
            return Need::NeverPromoted;
        }
        Need::Healthy
    }

    /// By its schedule where it has one, else by its age.
    fn is_overdue(&self, environment: &EnvironmentStatus, path: &PathStatus) -> bool {
        match self.timetable.find(&environment.environment) {
            Some(entry) => entry.need.is_behind(),
            None => path
                .promoted_at
                .is_some_and(|at| self.now - at > OVERDUE_AFTER),
        }
    }

    /// Whether what consumers read was seen not to log in, whatever else is the matter.
    pub(in crate::console) fn is_down(&self, target: &Target) -> bool {
        let known = self.known.get(&target.environment);
        let looks = known.and_then(|known| known.look.as_ref());
        let paths = looks.into_iter().flat_map(|look| &look.paths);
        let of_target = |look: &&PathLook| Some(&look.path) == target.path.as_ref();
        paths.filter(of_target).any(keeps_consumers_out)
    }

    /// Whether the outgoing user may be in use, as far as one look can tell.
    fn may_be_in_use(&self, path: &PathStatus, look: Option<&PathLook>) -> bool {
        let propagating = path.promoted_at.is_some_and(|at| {
            let span = i64::try_from(path.propagation_seconds).unwrap_or(i64::MAX);
            (self.now - at).num_seconds() < span
        });
        let held = path.promoted_at.is_some()
            && look.is_some_and(|look| {
                let sessions = look.previous.sessions.as_ref();
                sessions.is_some_and(|sessions| !sessions.is_empty())
            });
        propagating || held
    }
}

/// Due is no matter of a person yet.
fn has_bad_sink(environment: &EnvironmentStatus) -> bool {
    let mut sinks = environment.sinks.iter();
    sinks.any(|sink| sink.state.case().is_some())
}

fn keeps_consumers_out(look: &PathLook) -> bool {
    matches!(
        look.current.standing.as_str(),
        "refused" | "locked" | "expired"
    )
}
