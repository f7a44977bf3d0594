//! What is due by a schedule is rotated: in the order in which it fell due, few at once, and an
//! occurrence by one agent alone.
//!
//! A job that fails, or panics, ends by itself. An environment whose server has no place left is
//! passed over until one is free, so that a server which is slow or dead delays no other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::task::JoinSet;

use super::places::Places;
use super::{Limits, News};
use crate::model::{EnvironmentName, SlotState};
use crate::operations::hand_over::Observer;
use crate::operations::{
    Exit, Failure, Turn, TurnEnd, Workspace, act_on_turn, note_turn, take_turn,
};
use crate::process::StopSignal;
use crate::store::{Freeze, Place, ScheduleRow, StoreError, freeze, schedules};

/// Before something of which not even the failure can be noted is looked at again; it doubles.
const PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The rotations that this agent drives.
pub(super) struct Firing {
    stop: StopSignal,
    places: Places,
    running: JoinSet<Ended>,
    /// Ids of the environments that these are of.
    busy: HashSet<String>,
    /// Environments that the store or their document keeps from being worked on, by their ids.
    held_back: HashMap<String, HeldBack>,
    frozen: Option<Freeze>,
}

struct HeldBack {
    until: Instant,
    pause: Duration,
}

/// A turn that was acted on.
struct Ended {
    turn: Turn,
    noted: Result<TurnEnd, Failure>,
}

/// What became of one row that is due.
enum Begun {
    /// It runs, or nothing was due any more.
    Over,
    /// No more rotations may run at once.
    NoPlace,
}

impl Firing {
    pub(super) fn new(limits: Limits, stop: &StopSignal) -> Self {
        Self {
            stop: stop.clone(),
            places: Places::new(limits),
            running: JoinSet::new(),
            busy: HashSet::new(),
            held_back: HashMap::new(),
            frozen: None,
        }
    }

    /// Begins what is due and has a place. Where nothing is, one index is read.
    pub(super) async fn look(&mut self, workspace: &Arc<Workspace>, tell: &mut impl FnMut(&News)) {
        if let Err(error) = self.begin_what_is_due(workspace, tell).await {
            tracing::warn!(%error, "the schedules could not be read");
        }
    }

    /// How many rotations run here.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    async fn begin_what_is_due(
        &mut self,
        workspace: &Arc<Workspace>,
        tell: &mut impl FnMut(&News),
    ) -> Result<(), StoreError> {
        let now = Utc::now();
        let (frozen, any_due) = workspace
            .store
            .read(move |transaction| {
                let frozen = freeze::current(transaction, now)?;
                Ok::<_, StoreError>((frozen, schedules::any_due(transaction, now)?))
            })
            .await?;
        self.tell_of_freeze(frozen, tell);
        if !any_due {
            return Ok(());
        }
        // What was begun is gone on with, so that no password is left half handed over.
        let is_frozen = self.frozen.is_some();
        let read = move |transaction: &rusqlite::Transaction<'_>| match is_frozen {
            true => schedules::due_and_begun(transaction, now),
            false => schedules::due(transaction, now),
        };
        let rows = workspace.store.read(read).await?;
        self.places.begin();
        self.held_back
            .retain(|id, _| rows.iter().any(|row| row.environment_id == *id));
        for row in rows {
            if self.stop.wanted().is_some() {
                break;
            }
            if self.is_passed_over(&row.environment_id) {
                continue;
            }
            match self.begin(workspace, &row, tell).await {
                Ok(Begun::Over) => {}
                Ok(Begun::NoPlace) => break,
                Err(failure) => self.hold_back(&row, &failure, tell),
            }
        }
        Ok(())
    }

    fn tell_of_freeze(&mut self, frozen: Option<Freeze>, tell: &mut impl FnMut(&News)) {
        match &frozen {
            Some(freeze) if self.frozen != frozen => tell(&News::Frozen {
                until: freeze.until,
                reason: freeze.reason.clone(),
            }),
            None if self.frozen.is_some() => tell(&News::Thawed),
            _ => {}
        }
        self.frozen = frozen;
    }

    fn is_passed_over(&self, id: &str) -> bool {
        let held_back = self.held_back.get(id);
        self.busy.contains(id) || held_back.is_some_and(|one| Instant::now() < one.until)
    }

    /// What cannot even be looked at is not looked at over and over again.
    fn hold_back(&mut self, row: &ScheduleRow, failure: &Failure, tell: &mut impl FnMut(&News)) {
        let before = self.held_back.get(&row.environment_id);
        let pause = before.map_or(PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        let until = Instant::now() + pause;
        let id = row.environment_id.clone();
        self.held_back.insert(id, HeldBack { until, pause });
        tell(&problem(&row.environment, failure));
    }

    async fn begin(
        &mut self,
        workspace: &Arc<Workspace>,
        row: &ScheduleRow,
        tell: &mut impl FnMut(&News),
    ) -> Result<Begun, Failure> {
        let id = &row.environment_id;
        let Some(among_all) = self.places.among_all(workspace)? else {
            return Ok(Begun::NoPlace);
        };
        let environment = &row.environment;
        let Some(mut places) = self.places.at_servers(workspace, environment).await? else {
            return Ok(Begun::Over);
        };
        places.push(among_all);
        // Another agent is at it.
        let Some(turn_lock) = workspace.store.take_turn(&format!("schedule-{id}"))? else {
            return Ok(Begun::Over);
        };
        places.push(turn_lock);
        let taken = take_turn(workspace, environment.clone(), Utc::now()).await?;
        for missed in taken.missed {
            tell(&News::OccurrenceMissed {
                environment: environment.clone(),
                occurrence: missed.slot,
                occurrences: missed.occurrences,
                code: missed.problem.code,
                problem: missed.problem.message,
                remedy: missed.problem.remedy,
            });
        }
        if let Some(turn) = taken.turn {
            tell(&News::RotationBegun {
                environment: turn.environment.clone(),
                occurrence: turn.slot,
                rotation: turn.rotation,
            });
            self.drive(workspace, turn, places);
        }
        Ok(Begun::Over)
    }

    /// The places are given back when it has been noted how the turn ended.
    fn drive(&mut self, workspace: &Arc<Workspace>, turn: Turn, places: Vec<Place>) {
        self.busy.insert(turn.environment_id.clone());
        let workspace = Arc::clone(workspace);
        let observer = Observer::default().with_stop(&self.stop);
        self.running.spawn(async move {
            let acting = {
                let (workspace, turn) = (Arc::clone(&workspace), turn.clone());
                // A task of its own, so that a panic of it is an end like any other.
                tokio::spawn(async move { act_on_turn(&workspace, &turn, &observer).await })
            };
            let ended = match acting.await {
                Ok(ended) => ended,
                Err(_) => Err(panicked(&turn)),
            };
            let noted = note_turn(&workspace, &turn, ended, Utc::now()).await;
            drop(places);
            Ended { turn, noted }
        });
    }

    /// Waits for a rotation to end; for ever while none runs.
    pub(super) async fn next(&mut self) -> News {
        loop {
            match self.running.join_next().await {
                Some(Ok(ended)) => return self.ended(ended),
                // Only what notes an end could panic here, and the store says what was noted.
                Some(Err(error)) => tracing::error!(%error, "how a turn ended was not noted"),
                None => std::future::pending().await,
            }
        }
    }

    /// Waits for all that run. They were asked to stop, and do so between two steps; what is
    /// left of them is due at once for whoever comes next.
    pub(super) async fn end(mut self, tell: &mut impl FnMut(&News)) {
        while self.running() > 0 {
            let news = self.next().await;
            tell(&news);
        }
    }

    fn ended(&mut self, Ended { turn, noted }: Ended) -> News {
        self.busy.remove(&turn.environment_id);
        let (environment, occurrence) = (turn.environment.clone(), turn.slot);
        let end = match noted {
            Ok(end) => end,
            Err(failure) => {
                let held_back = HeldBack {
                    until: Instant::now() + PAUSE,
                    pause: PAUSE,
                };
                self.held_back.insert(turn.environment_id, held_back);
                return problem(&environment, &failure);
            }
        };
        let rotation = end.rotation;
        match (end.state, end.problem, end.next_try_at) {
            (SlotState::Open, Some(problem), Some(next_try_at)) => News::RotationWaiting {
                environment,
                occurrence,
                rotation,
                code: problem.code,
                problem: problem.message,
                remedy: problem.remedy,
                next_try_at,
            },
            (SlotState::Done, ..) | (_, None, _) => News::RotationDone {
                environment,
                occurrence,
                rotation,
            },
            (_, Some(problem), _) => News::RotationFailed {
                environment,
                occurrence,
                rotation,
                code: problem.code,
                problem: problem.message,
                remedy: problem.remedy,
            },
        }
    }
}

fn panicked(turn: &Turn) -> Failure {
    Failure::new(
        "panicked",
        Exit::Error,
        "the rotation ended by a fault of the program",
        format!(
            "report it with handover.log; handover recover {} goes on",
            turn.environment
        ),
    )
}

fn problem(environment: &EnvironmentName, failure: &Failure) -> News {
    News::Problem {
        environment: Some(environment.clone()),
        problem: format!(
            "its schedule cannot be followed: {} ({})",
            failure.message, failure.remedy
        ),
    }
}
