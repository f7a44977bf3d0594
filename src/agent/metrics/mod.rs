//! What monitors read: counters of what this agent did, and gauges of what the store says, as
//! OpenMetrics text. No label holds anything but an environment's name or one of a few words.

mod gauges;
mod server;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

pub(super) use server::{bind, serve};

use super::News;
use crate::operations::{DeliveryState, Failure, Status, Workspace, read_status};

/// Whoever asks more often gets the same answer: all documents are read for one.
const FRESH: Duration = Duration::from_secs(5);
/// An agent that has not looked at the clock for so long is not well.
const SILENCE: Duration = Duration::from_secs(120);

type Labels = Vec<(&'static str, String)>;

/// The counters of one agent.
pub(super) struct Metrics {
    rotations: Family<Labels, Counter>,
    missed: Counter,
    retirements: Family<Labels, Counter>,
    notices: Family<Labels, Counter>,
    verifications: Family<Labels, Counter>,
    problems: Counter,
    since: DateTime<Utc>,
    looked: Mutex<Instant>,
    /// The last status that was read.
    status: tokio::sync::Mutex<Option<(Instant, Status)>>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        Self {
            rotations: Family::default(),
            missed: Counter::default(),
            retirements: Family::default(),
            notices: Family::default(),
            verifications: Family::default(),
            problems: Counter::default(),
            since: Utc::now(),
            looked: Mutex::new(Instant::now()),
            status: tokio::sync::Mutex::default(),
        }
    }

    /// The agent looked at the clock.
    pub(super) fn looked(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_well(&self) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.elapsed() < SILENCE
    }

    pub(super) fn count(&self, news: &News) {
        let add = |family: &Family<Labels, Counter>, outcome: String| {
            family.get_or_create(&vec![("outcome", outcome)]).inc();
        };
        match news {
            News::RotationDone { .. } => add(&self.rotations, "done".to_owned()),
            News::RotationWaiting { .. } => add(&self.rotations, "waiting".to_owned()),
            News::RotationFailed { .. } => add(&self.rotations, "failed".to_owned()),
            News::OccurrenceMissed { .. } => drop(self.missed.inc()),
            News::Retired { status, .. } => {
                add(&self.retirements, format!("{status:?}").to_lowercase());
            }
            News::Notice { state, .. } => add(
                &self.notices,
                match state {
                    DeliveryState::Delivered => "delivered",
                    DeliveryState::Waiting => "waiting",
                    DeliveryState::Dead => "dead",
                }
                .to_owned(),
            ),
            News::Verified { verdict, .. } => add(&self.verifications, verdict.as_str().to_owned()),
            News::Problem { .. } => drop(self.problems.inc()),
            _ => {}
        }
    }

    /// All of it as text.
    ///
    /// # Errors
    /// The store's own.
    pub(super) async fn text(&self, workspace: &Workspace) -> Result<String, Failure> {
        let mut registry = Registry::with_prefix("handover");
        self.register(&mut registry);
        {
            let mut known = self.status.lock().await;
            let is_new = known.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
            if !is_new {
                *known = Some((Instant::now(), read_status(workspace, None).await?));
            }
            if let Some((_, status)) = known.as_ref() {
                gauges::register(&mut registry, status);
            }
        }
        let mut text = String::new();
        // A string takes whatever is written.
        let _ = encode(&mut text, &registry);
        Ok(text)
    }

    fn register(&self, registry: &mut Registry) {
        let help = "Attempts of this agent at rotations, by what came of them";
        registry.register("rotation_attempts", help, self.rotations.clone());
        let help = "Occurrences whose window passed without a rotation";
        registry.register("occurrences_missed", help, self.missed.clone());
        let help = "Attempts to retire outgoing users, by what came of them";
        registry.register("retirements", help, self.retirements.clone());
        let help = "Attempts to deliver notices, by what came of them";
        registry.register("notices", help, self.notices.clone());
        let help = "Verifications of environments, by their verdict";
        registry.register("verifications", help, self.verifications.clone());
        let help = "Problems that this agent told of";
        registry.register("problems", help, self.problems.clone());
        let since = Gauge::<i64>::default();
        since.set(self.since.timestamp());
        let help = "When this agent began";
        registry.register_with_unit("agent_start_timestamp", help, Unit::Seconds, since);
    }
}
