//! The agent: what goes on while nobody looks. It rotates by the schedules in the settings,
//! samples every open overlap, so that the quiet time of outgoing users passes, tells what
//! changes, and delivers notices to webhooks.
//!
//! It changes no database, except that it rotates what is due, and retires outgoing users that
//! have drained where the settings say so (`retire.mode: lock`). It signs no waiver and takes no
//! way back. Several agents on one host share the work by file locks, so that each occurrence is
//! acted on once, and whoever is killed leaves nothing behind that keeps another from going on.

mod clock;
mod delivering;
mod firing;
mod metrics;
mod news;
mod places;
mod retiring;
mod told;
mod verifying;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::clock::Clock;
use self::delivering::Delivering;
use self::firing::Firing;
use self::metrics::Metrics;
use self::retiring::Retiring;
use self::told::Told;
use self::verifying::Verifying;
use crate::operations::drain::{Pace, watch};
use crate::operations::{Failure, Workspace, reconsider_schedules};
use crate::process::StopSignal;

pub use news::News;

/// How soon it is noticed that something is due, that another process has put something into the
/// outbox, and that there is nothing to sample.
const LOOK: Duration = Duration::from_secs(2);

/// How much an agent does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rotations at once, over all agents of the host.
    pub at_once: u32,
    /// The same at one server.
    pub per_server: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 16,
            per_server: 4,
        }
    }
}

/// What an agent was told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How much at once.
    pub limits: Limits,
    /// How often each environment is verified; `None`: never.
    pub verify_every: Option<Duration>,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<SocketAddr>,
}

/// Works until it is asked to stop.
///
/// # Errors
/// Too many agents, an address for metrics that cannot be had, or a store that cannot be written.
pub async fn run(
    workspace: &Arc<Workspace>,
    options: Options,
    stop: &StopSignal,
    mut tell: impl FnMut(&News),
) -> Result<(), Failure> {
    let metrics = Arc::new(Metrics::new());
    let mut serving = JoinSet::new();
    if let Some(address) = options.metrics {
        let listener = metrics::bind(address).await?;
        let (metrics, workspace) = (Arc::clone(&metrics), Arc::clone(workspace));
        serving.spawn(metrics::serve(listener, metrics, workspace));
    }
    let mut tell = |news: &News| {
        metrics.count(news);
        tell(news);
    };
    let _number = workspace.store.enlist_agent(workspace.as_holder()).await?;
    let mut clock = Clock::new(std::time::Instant::now(), Utc::now());
    reconsider_schedules(workspace, Utc::now()).await?;
    let mut drains = watch(workspace, None, Pace::OnNews);
    let mut told = Told::default();
    let mut retiring = Retiring::default();
    let mut delivering = Delivering::default();
    let mut firing = Firing::new(options.limits, stop);
    let mut verifying = Verifying::new(options.verify_every, options.limits);
    let mut is_told = false;
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    delivering.look(workspace).await;
    firing.look(workspace, &mut tell).await;
    supervisor(NotifyState::Ready);
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
            news = firing.next() => {
                tell(&news);
                // Its places are free.
                firing.look(workspace, &mut tell).await;
            }
            tried = delivering.next() => {
                for news in tried {
                    tell(&news);
                }
            }
            ended = verifying.next() => {
                if let Some(news) = ended {
                    tell(&news);
                }
                verifying.look(workspace).await;
            }
            _ = looks.tick() => {
                metrics.looked();
                if clock.was_set_back(std::time::Instant::now(), Utc::now()) {
                    tracing::warn!("the clock was set back: all schedules are looked at anew");
                    if let Err(failure) = reconsider_schedules(workspace, Utc::now()).await {
                        tracing::warn!(error = %failure.message, "the schedules could not be read");
                    }
                }
                firing.look(workspace, &mut tell).await;
                delivering.look(workspace).await;
                verifying.look(workspace).await;
                if drains.is_idle() && !is_told {
                    tell(&News::Idle);
                    told = Told::default();
                }
                is_told = drains.is_idle();
            }
        }
    }
    supervisor(NotifyState::Stopping);
    firing.end(&mut tell).await;
    if let Some(news) = verifying.end().await {
        tell(&news);
    }
    for news in retiring.end().await {
        tell(&news);
    }
    for news in delivering.end().await {
        tell(&news);
    }
    drains.end().await;
    Ok(())
}

/// Tells systemd, where it asked to be told.
fn supervisor(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(%error, "the supervisor could not be told");
    }
}
