//! Sampling that goes on, and the newest report of each environment for whoever looks.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::DrainReport;
use super::sampler::SamplerTask;
use crate::model::EnvironmentName;
use crate::operations::Workspace;

/// How often a report is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At each sample, and as often where another process samples.
    EveryRound,
    /// Where something has changed or may have by the time that has passed; of environments
    /// that another process samples, once.
    OnNews,
}

/// Samples overlaps until it is dropped.
pub struct DrainWatch {
    reports: Arc<Reports>,
    /// Dropped to say that it is over.
    going: Option<watch::Sender<()>>,
    task: JoinHandle<()>,
}

/// Begins to sample the open overlaps of the named environments, or of all. An overlap that
/// another process samples is read, and taken over when that one ends. New overlaps, ended
/// ones and changed settings are noticed within some seconds.
#[must_use]
pub fn watch(
    workspace: &Arc<Workspace>,
    environments: Option<Vec<EnvironmentName>>,
    pace: Pace,
) -> DrainWatch {
    let reports = Arc::new(Reports::default());
    let (going, over) = watch::channel(());
    let task = SamplerTask::new(
        Arc::clone(workspace),
        environments,
        pace,
        Arc::clone(&reports),
    );
    DrainWatch {
        reports,
        going: Some(going),
        task: tokio::spawn(task.run(over)),
    }
}

impl DrainWatch {
    /// Waits for the next report that was not taken yet. Of each environment only the newest
    /// is kept, so that a slow reader never delays a sample.
    pub async fn next(&mut self) -> DrainReport {
        loop {
            let news = self.reports.news.notified();
            if let Some(report) = self.reports.take() {
                return report;
            }
            news.await;
        }
    }

    /// Whether it was looked for overlaps and none was found.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.reports.is_idle.load(Ordering::Relaxed)
    }

    /// Ends the sampling, says goodbye to the servers, and gives the locks back.
    pub async fn end(mut self) {
        self.going = None;
        let _ = (&mut self.task).await;
    }
}

/// The newest report of each environment, the one that waits longest first.
#[derive(Default)]
pub(super) struct Reports {
    waiting: Mutex<Waiting>,
    news: Notify,
    is_idle: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<EnvironmentName>,
    newest: HashMap<EnvironmentName, DrainReport>,
}

impl Reports {
    pub(super) fn put(&self, report: DrainReport) {
        let mut waiting = self.waiting();
        let name = report.environment.clone();
        if waiting.newest.insert(name.clone(), report).is_none() {
            waiting.order.push_back(name);
        }
        drop(waiting);
        self.news.notify_one();
    }

    pub(super) fn found(&self, any: bool) {
        self.is_idle.store(!any, Ordering::Relaxed);
    }

    fn take(&self) -> Option<DrainReport> {
        let mut waiting = self.waiting();
        let name = waiting.order.pop_front()?;
        waiting.newest.remove(&name)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::drain::Sampler;

    fn report(name: &str, without: &str) -> DrainReport {
        DrainReport {
            environment: name.parse().expect("a name"),
            drains: Vec::new(),
            without_overlap: vec![without.to_owned()],
            sampler: Sampler::Nobody,
            problem: None,
        }
    }

    #[test]
    fn of_each_environment_the_newest_report_waits_and_none_hides_another() {
        let reports = Reports::default();
        for (name, without) in [("a/a", "1"), ("b/b", "1"), ("a/a", "2"), ("a/a", "3")] {
            reports.put(report(name, without));
        }
        assert_eq!(reports.take(), Some(report("a/a", "3")));
        reports.put(report("a/a", "4"));
        assert_eq!(reports.take(), Some(report("b/b", "1")));
        assert_eq!(reports.take(), Some(report("a/a", "4")));
        assert_eq!(reports.take(), None);
    }
}
