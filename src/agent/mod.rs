//! The agent: what goes on while nobody looks. It samples every open overlap, so that the
//! quiet time of outgoing users passes, tells what changes, and delivers notices to webhooks.
//!
//! It changes no database, except that it retires outgoing users that have drained where the
//! settings say so (`retire.mode: lock`). A second agent beside it waits for the locks of the
//! first.

mod delivering;
mod retiring;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::delivering::Delivering;
use self::retiring::Retiring;
use crate::drain::{Drain, Verdict};
use crate::model::{EnvironmentName, RetireStep, Stage};
use crate::operations::drain::{DrainReport, Pace, Sampler, watch};
use crate::operations::hand_over::RetireStatus;
use crate::operations::{DeliveryState, Workspace};
use crate::process::StopSignal;
use crate::untrusted::Untrusted;

/// How soon it is said that there is nothing to sample, and noticed that another process has put
/// something into the outbox.
const LOOK: Duration = Duration::from_secs(2);

/// One thing that is worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum News {
    /// No overlap is open.
    Idle,
    /// The sessions of a user are sampled here from now on.
    Sampling {
        /// Of which environment.
        environment: EnvironmentName,
        /// Of which rotated secret.
        path: String,
        /// Whose.
        user: Untrusted,
        /// On how many nodes.
        nodes: usize,
    },
    /// Another process samples the environment.
    Waiting {
        /// Which.
        environment: EnvironmentName,
    },
    /// What may be said of a user is another thing than before.
    Verdict {
        /// Of which environment.
        environment: EnvironmentName,
        /// Of which rotated secret.
        path: String,
        /// Of whom.
        user: Untrusted,
        /// What may be said now.
        verdict: Verdict,
        /// What was said before; `null` at first.
        before: Option<Verdict>,
        /// Why it is not drained.
        reason: Option<String>,
    },
    /// An outgoing user was retired by one step, or was not.
    Retired {
        /// Of which environment.
        environment: EnvironmentName,
        /// Of which rotated secret.
        path: String,
        /// The outgoing user.
        user: Untrusted,
        /// How it ended.
        status: RetireStatus,
        /// What was done, or would have been.
        step: Option<RetireStep>,
        /// How far it has come.
        stage: Option<Stage>,
        /// What stands in the way, if something does.
        problem: Option<String>,
        /// What mends that.
        remedy: Option<String>,
    },
    /// A notice was sent to a webhook, or could not be.
    Notice {
        /// Of which environment.
        environment: EnvironmentName,
        /// What it tells.
        kind: String,
        /// Its id.
        id: String,
        /// To whom.
        webhook: String,
        /// How far the delivery has come.
        state: DeliveryState,
        /// How often it was tried.
        attempts: u32,
        /// What was answered.
        answer: Option<String>,
        /// When it is tried next; `null` when it is over.
        next_try_at: Option<DateTime<Utc>>,
    },
    /// Less is known than should be.
    Problem {
        /// Of which environment.
        environment: EnvironmentName,
        /// Why.
        problem: String,
    },
}

/// Samples until it is asked to stop.
pub async fn run(workspace: &Arc<Workspace>, stop: &StopSignal, mut tell: impl FnMut(&News)) {
    let mut drains = watch(workspace, None, Pace::OnNews);
    let mut told = Told::default();
    let mut retiring = Retiring::default();
    let mut delivering = Delivering::default();
    let mut is_told = false;
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    delivering.look(workspace).await;
    loop {
        tokio::select! {
            biased;
            _ = stop.raised() => break,
            report = drains.next() => {
                for news in told.take(&report) {
                    tell(&news);
                }
                retiring.take(workspace, &report);
            }
            ended = retiring.next() => {
                if let Some(news) = ended {
                    tell(&news);
                }
            }
            tried = delivering.next() => {
                for news in tried {
                    tell(&news);
                }
            }
            _ = looks.tick() => {
                delivering.look(workspace).await;
                if drains.is_idle() && !is_told {
                    tell(&News::Idle);
                    told = Told::default();
                }
                is_told = drains.is_idle();
            }
        }
    }
    for news in retiring.end().await {
        tell(&news);
    }
    for news in delivering.end().await {
        tell(&news);
    }
    drains.end().await;
}

/// What was told of each environment.
#[derive(Default)]
struct Told {
    environments: BTreeMap<EnvironmentName, ToldOf>,
}

#[derive(Default)]
struct ToldOf {
    sampler: Option<Sampler>,
    problem: Option<String>,
    /// By path: the user, and what was said of it.
    verdicts: BTreeMap<String, (Untrusted, Verdict)>,
}

impl Told {
    /// What is new in a report.
    fn take(&mut self, report: &DrainReport) -> Vec<News> {
        let environment = &report.environment;
        let told = self.environments.entry(environment.clone()).or_default();
        let mut news = Vec::new();
        if let Some(problem) = &report.problem
            && told.problem.as_ref() != Some(problem)
        {
            news.push(News::Problem {
                environment: environment.clone(),
                problem: problem.clone(),
            });
        }
        told.problem.clone_from(&report.problem);
        let is_here = report.sampler == Sampler::Here;
        if report.sampler == Sampler::Elsewhere && told.sampler != Some(Sampler::Elsewhere) {
            news.push(News::Waiting {
                environment: environment.clone(),
            });
        }
        let begins = is_here && told.sampler != Some(Sampler::Here);
        told.sampler = Some(report.sampler);
        if !is_here {
            told.verdicts.clear();
            return news;
        }
        told.verdicts
            .retain(|path, _| report.drains.iter().any(|drain| drain.path == *path));
        for drain in &report.drains {
            let before = told.verdicts.get(&drain.path);
            let before = before.filter(|(user, _)| *user == drain.user);
            let before = before.map(|(_, verdict)| *verdict);
            if begins || before.is_none() {
                news.push(sampling(environment, drain));
            }
            if before != Some(drain.verdict) {
                news.push(verdict(environment, drain, before));
                let now = (drain.user.clone(), drain.verdict);
                told.verdicts.insert(drain.path.clone(), now);
            }
        }
        news
    }
}

fn sampling(environment: &EnvironmentName, drain: &Drain) -> News {
    News::Sampling {
        environment: environment.clone(),
        path: drain.path.clone(),
        user: drain.user.clone(),
        nodes: drain.coverage.nodes.len(),
    }
}

fn verdict(environment: &EnvironmentName, drain: &Drain, before: Option<Verdict>) -> News {
    News::Verdict {
        environment: environment.clone(),
        path: drain.path.clone(),
        user: drain.user.clone(),
        verdict: drain.verdict,
        before,
        reason: drain.reasons.first().cloned(),
    }
}
