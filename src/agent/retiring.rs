//! Outgoing users that have drained are retired where the settings say so. One attempt follows
//! each change of what is known; what is refused is tried again after a pause, which grows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::document::PropertyPath;
use crate::drain::{Drain, Verdict};
use crate::model::{EnvironmentName, Stage};
use crate::operations::drain::{DrainReport, Sampler};
use crate::operations::hand_over::{RetireReport, RetireStatus, retire_by_settings};
use crate::operations::{Failure, Workspace};
use crate::store::freeze;
use crate::untrusted::Untrusted;

use super::News;

/// Before what was refused, or left to a person, is looked at again.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

type Key = (EnvironmentName, String);
type Answer = Result<Option<RetireReport>, Failure>;

/// The attempts that run, and those that were made.
#[derive(Default)]
pub(super) struct Retiring {
    running: JoinSet<(Key, Answer)>,
    tried: HashMap<Key, Tried>,
}

/// The last attempt.
struct Tried {
    /// What was known then: whose overlap it was, and how far it had come.
    known: (Untrusted, Stage),
    is_running: bool,
    at: Instant,
    pause: Duration,
}

impl Retiring {
    /// Begins what is due by a report. Only who samples does so, so that one process does.
    pub(super) fn take(&mut self, workspace: &Arc<Workspace>, report: &DrainReport) {
        if report.sampler != Sampler::Here {
            return;
        }
        for drain in report.drains.iter().filter(|drain| may_be_due(drain)) {
            let key = (report.environment.clone(), drain.path.clone());
            let Ok(path) = drain.path.parse::<PropertyPath>() else {
                continue;
            };
            if !self.begins(&key, (drain.user.clone(), drain.stage), Instant::now()) {
                continue;
            }
            let workspace = Arc::clone(workspace);
            self.running.spawn(async move {
                let answer = unless_frozen(&workspace, &key.0, &path).await;
                (key, answer)
            });
        }
    }

    /// Whether an attempt is made now; if so, it is noted.
    fn begins(&mut self, key: &Key, known: (Untrusted, Stage), now: Instant) -> bool {
        let mut pause = PAUSE;
        if let Some(tried) = self.tried.get(key) {
            let is_same = tried.known == known;
            let wait = if is_same { tried.pause } else { PAUSE };
            if tried.is_running || now < tried.at + wait {
                return false;
            }
            if is_same {
                pause = tried.pause;
            }
        }
        let tried = Tried {
            known,
            is_running: true,
            at: now,
            pause,
        };
        self.tried.insert(key.clone(), tried);
        true
    }

    /// Waits for an attempt to end; for ever while none runs.
    pub(super) async fn next(&mut self) -> Option<News> {
        match self.running.join_next().await {
            Some(Ok((key, answer))) => self.ended(key, answer),
            Some(Err(_)) => None,
            None => std::future::pending().await,
        }
    }

    /// Lets what runs come to its end: a statement may be on its way.
    pub(super) async fn end(mut self) -> Vec<News> {
        let mut news = Vec::new();
        while let Some(ended) = self.running.join_next().await {
            if let Ok((key, answer)) = ended {
                news.extend(self.ended(key, answer));
            }
        }
        news
    }

    fn ended(&mut self, key: Key, answer: Answer) -> Option<News> {
        let is_done = matches!(&answer, Ok(Some(report)) if report.status == RetireStatus::Done);
        if is_done {
            // What follows is another step.
            self.tried.remove(&key);
        } else if let Some(tried) = self.tried.get_mut(&key) {
            tried.is_running = false;
            // Looking what the settings say costs next to nothing.
            if !matches!(answer, Ok(None)) {
                tried.pause = (tried.pause * 2).min(LONGEST_PAUSE);
            }
        }
        let (environment, path) = key;
        match answer {
            Ok(report) => report.map(|report| told(environment, report)),
            Err(failure) => Some(News::Problem {
                environment: Some(environment),
                problem: format!(
                    "{path} was not retired: {} ({})",
                    failure.message, failure.remedy
                ),
            }),
        }
    }
}

/// While a freeze holds, nobody is retired by itself.
async fn unless_frozen(
    workspace: &Workspace,
    environment: &EnvironmentName,
    path: &PropertyPath,
) -> Answer {
    let now = Utc::now();
    let read = workspace
        .store
        .read(move |transaction| freeze::current(transaction, now));
    match read.await? {
        Some(_) => Ok(None),
        None => retire_by_settings(workspace, environment, path).await,
    }
}

/// Whether there may be something to do; what the settings say is looked at then.
fn may_be_due(drain: &Drain) -> bool {
    if drain.compromised {
        return false;
    }
    match drain.stage {
        Stage::Draining | Stage::Locking => drain.verdict == Verdict::Drained,
        Stage::Locked => drain
            .listening
            .is_some_and(|heard| heard.left_seconds == 0 && heard.refused.unwrap_or(0) == 0),
        Stage::Scrambling => true,
        Stage::Unlocking | Stage::Scrambled => false,
    }
}

fn told(environment: EnvironmentName, report: RetireReport) -> News {
    let error = report.error;
    News::Retired {
        environment,
        path: report.path,
        user: report.user,
        status: report.status,
        step: report.step,
        stage: report.stage,
        problem: error.as_ref().map(|error| error.message.clone()),
        remedy: error.map(|error| error.remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_tried_again_ever_more_seldom_and_at_once_after_a_success() {
        let mut retiring = Retiring::default();
        let key: Key = ("a/a".parse().expect("a name"), "db".to_owned());
        let known = |stage| (Untrusted::new("orders_a"), stage);
        let begin = Instant::now();
        let refused = || -> Answer {
            Err(Failure::new(
                "refused",
                crate::operations::Exit::Refused,
                "no",
                "wait",
            ))
        };
        let mut at = begin;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(retiring.begins(&key, known(Stage::Draining), at));
            assert!(
                !retiring.begins(&key, known(Stage::Draining), at + LONGEST_PAUSE),
                "one at a time"
            );
            assert!(retiring.ended(key.clone(), refused()).is_some());
            let pause = retiring.tried[&key].pause;
            assert!(!retiring.begins(&key, known(Stage::Draining), at + pause / 2));
            pauses.push(pause.as_secs());
            at += pause;
        }
        assert_eq!(pauses, [120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]);
        // Another state is not made to wait for so long, and no state makes a hot loop.
        assert!(!retiring.begins(&key, known(Stage::Locked), at - LONGEST_PAUSE + PAUSE / 2));
        assert!(retiring.begins(&key, known(Stage::Locked), at - LONGEST_PAUSE + PAUSE));
        // Whom the settings leave to a person is looked at again after the shortest pause.
        assert!(retiring.ended(key.clone(), Ok(None)).is_none());
        assert_eq!(retiring.tried[&key].pause, PAUSE);
    }
}
