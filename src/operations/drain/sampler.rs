//! The one task that knows which overlaps are sampled here: it takes the locks, starts and
//! ends connections, stores what they saw, and reports.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::ground::{Ground, Grounds};
use super::groups::{GroupKey, grouped};
use super::node::{Round, keep_looking};
use super::overlaps::open_missing;
use super::recorder::Recorder;
use super::report::judged;
use super::watch::{Pace, Reports};
use super::{DrainReport, Sampler};
use crate::model::{EnvironmentName, Stage};
use crate::operations::notices::DrainNotices;
use crate::operations::{Failure, Workspace};
use crate::store::{SamplerLock, environments, overlaps};

/// How soon new overlaps, ended ones and changed settings are noticed.
const REFRESH: Duration = Duration::from_secs(2);
/// What came within this time is written together.
const LONGEST_GATHERING: Duration = Duration::from_millis(200);
/// A verdict changes by time alone, too.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// How long the first report waits for the first sample.
const FIRST_SAMPLE: Duration = Duration::from_millis(500);
const FIRST_SAMPLE_ON_NEWS: Duration = Duration::from_secs(10);
/// How soon a lock that was not to be had is asked for once more.
const LOCK_AGAIN: Duration = Duration::from_millis(100);
/// How long servers may take to hear a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) struct SamplerTask {
    workspace: Arc<Workspace>,
    /// All environments that have an open overlap, without.
    only: Option<Vec<EnvironmentName>>,
    pace: Pace,
    reports: Arc<Reports>,
    recorder: Recorder,
    locks: HashMap<i64, SamplerLock>,
    /// Overlaps that another process was found to sample.
    waiting: HashSet<i64>,
    known: BTreeMap<EnvironmentName, Known>,
    /// The newest revisions of all environments: what one refers to may stand in another.
    heads: HashMap<EnvironmentName, u64>,
    /// How often one of them has changed.
    changes: u64,
    running: HashMap<GroupKey, watch::Sender<Vec<Arc<Ground>>>>,
    lines: JoinSet<()>,
    epoch: Instant,
    /// What those who do not look are told.
    notices: DrainNotices,
}

/// What is known of one environment.
struct Known {
    grounds: Grounds,
    /// The revision that they are from, the changes of all environments then, and when it was.
    head: u64,
    changes: u64,
    read_at: Instant,
    /// By which it is noticed that overlaps have begun, ended or come further.
    open: Vec<(i64, Stage)>,
    problem: Option<String>,
    /// A report is wanted.
    has_news: bool,
    /// When one is wanted at the latest.
    due: Instant,
}

impl SamplerTask {
    pub(super) fn new(
        workspace: Arc<Workspace>,
        only: Option<Vec<EnvironmentName>>,
        pace: Pace,
        reports: Arc<Reports>,
    ) -> Self {
        Self {
            workspace,
            only,
            pace,
            reports,
            recorder: Recorder::default(),
            locks: HashMap::new(),
            waiting: HashSet::new(),
            known: BTreeMap::new(),
            heads: HashMap::new(),
            changes: 0,
            running: HashMap::new(),
            lines: JoinSet::new(),
            epoch: Instant::now(),
            notices: DrainNotices::default(),
        }
    }

    /// Works until the other end of `over` is dropped.
    pub(super) async fn run(mut self, mut over: watch::Receiver<()>) {
        let (sender, mut rounds) = mpsc::channel(1024);
        let mut refresh = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = over.changed() => break,
                () = sleep_until(refresh) => {
                    self.refresh(&sender).await;
                    refresh = Instant::now() + REFRESH;
                }
                Some(round) = rounds.recv() => self.record(round, &mut rounds).await,
                () = sleep_until(self.next_due()) => {}
                // Ended ones are only to be forgotten.
                Some(_) = self.lines.join_next() => continue,
            }
            self.report().await;
        }
        self.running.clear();
        drop(rounds);
        let goodbye = async { while self.lines.join_next().await.is_some() {} };
        let _ = timeout(GOODBYE, goodbye).await;
    }

    /// Looks which overlaps there are by now, and samples those whose lock can be had.
    async fn refresh(&mut self, rounds: &mpsc::Sender<Round>) {
        if let Err(failure) = self.look_for_overlaps().await {
            tracing::warn!(error = %failure.message, "the overlaps could not be read");
            for known in self.known.values_mut() {
                known.tell(Some(words(&failure)));
            }
        }
        self.take_locks().await;
        let locks = &self.locks;
        self.recorder.keep(|overlap| locks.contains_key(&overlap));
        self.start_and_end(rounds);
        let mut grounds = self.known.values().map(|known| &known.grounds.overlaps);
        self.reports
            .found(grounds.any(|overlaps| !overlaps.is_empty()));
    }

    async fn look_for_overlaps(&mut self) -> Result<(), Failure> {
        let store = &self.workspace.store;
        let rows = store.read(environments::list).await?;
        let heads = rows.into_iter().map(|row| (row.name, row.head)).collect();
        if heads != self.heads {
            open_missing(&self.workspace, self.only.as_deref()).await?;
            self.heads = heads;
            self.changes += 1;
        }
        let mut open: BTreeMap<EnvironmentName, Vec<(i64, Stage)>> = BTreeMap::new();
        for name in self.only.iter().flatten() {
            open.insert(name.clone(), Vec::new());
        }
        for one in store.read(overlaps::list_open).await? {
            let is_wanted = self.only.is_none() || open.contains_key(&one.environment);
            if is_wanted {
                let those = open.entry(one.environment).or_default();
                those.push((one.overlap.id, one.overlap.stage));
            }
        }
        self.known.retain(|name, _| open.contains_key(name));
        for (name, open) in open {
            let known = self.known.get(&name);
            if !known.is_some_and(|known| self.is_current(&name, known, &open)) {
                self.read_ground(name, open).await;
            }
        }
        Ok(())
    }

    /// What stands in another environment is read again too, though not at each change of any.
    fn is_current(&self, name: &EnvironmentName, known: &Known, open: &[(i64, Stage)]) -> bool {
        let others_changed = known.changes != self.changes;
        known.open == open
            && known.problem.is_none()
            && self.heads.get(name) == Some(&known.head)
            && !(others_changed && known.read_at.elapsed() >= LONGEST_SILENCE)
    }

    async fn read_ground(&mut self, name: EnvironmentName, open: Vec<(i64, Stage)>) {
        let read = Grounds::read(&self.workspace, &name, &[]).await;
        let (grounds, problem) = match read {
            Ok(grounds) => (grounds, None),
            Err(failure) => (Grounds::default(), Some(words(&failure))),
        };
        let first = match self.pace {
            Pace::EveryRound => FIRST_SAMPLE,
            Pace::OnNews => FIRST_SAMPLE_ON_NEWS,
        };
        let before = self.known.remove(&name);
        // What is new is told with its first sample, unless there will be none.
        let ids = |open: &[(i64, Stage)]| open.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let has_news = match &before {
            _ if grounds.overlaps.is_empty() => true,
            Some(before) => before.problem != problem || ids(&before.open) == ids(&open),
            None => false,
        };
        let is_new = before.is_none_or(|before| ids(&before.open) != ids(&open));
        let known = Known {
            grounds,
            head: self.heads.get(&name).copied().unwrap_or_default(),
            changes: self.changes,
            read_at: Instant::now(),
            open,
            problem,
            has_news,
            due: Instant::now() + if is_new { first } else { REFRESH },
        };
        self.known.insert(name, known);
    }

    /// Gives back what has ended, and asks for what is not ours.
    async fn take_locks(&mut self) {
        let wanted: Vec<i64> = self
            .known
            .values()
            .flat_map(|known| known.grounds.overlaps.iter())
            .map(|ground| ground.overlap.id)
            .collect();
        self.locks.retain(|overlap, _| wanted.contains(overlap));
        if !self.workspace.store.is_writable() {
            return;
        }
        self.waiting.retain(|overlap| wanted.contains(overlap));
        let mut missing: Vec<i64> = wanted
            .into_iter()
            .filter(|overlap| !self.locks.contains_key(overlap))
            .collect();
        // Whoever makes one sample for an answer holds the lock for a moment only.
        for pause in [Duration::ZERO, LOCK_AGAIN, LOCK_AGAIN, LOCK_AGAIN] {
            tokio::time::sleep(pause).await;
            let store = &self.workspace.store;
            let asked = missing
                .iter()
                .map(|overlap| async move { (*overlap, store.lock_sampler(*overlap).await) });
            for (overlap, answer) in join_all(asked).await {
                match answer {
                    Ok(Some(lock)) => drop(self.locks.insert(overlap, lock)),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(%error, overlap, "the lock of a sampler was not to be had");
                    }
                }
            }
            missing.retain(|overlap| !self.locks.contains_key(overlap));
            if missing.iter().all(|overlap| self.waiting.contains(overlap)) {
                break;
            }
        }
        self.tell_of_locks(missing);
    }

    /// What is sampled elsewhere is told at once; what is sampled here, with its first sample.
    fn tell_of_locks(&mut self, missing: Vec<i64>) {
        for known in self.known.values_mut() {
            let mut overlaps = known.grounds.overlaps.iter().map(|one| one.overlap.id);
            let is_new = |id: &i64| missing.contains(id) && !self.waiting.contains(id);
            known.has_news |= overlaps.clone().any(|id| is_new(&id));
            if overlaps.any(|id| self.waiting.contains(&id) && !missing.contains(&id)) {
                known.due = known.due.min(Instant::now() + FIRST_SAMPLE);
            }
        }
        self.waiting = missing.into_iter().collect();
    }

    fn start_and_end(&mut self, rounds: &mpsc::Sender<Round>) {
        let ours = self
            .known
            .values()
            .flat_map(|known| &known.grounds.overlaps);
        let ours = ours.filter(|ground| self.locks.contains_key(&ground.overlap.id));
        let mut groups = grouped(ours.cloned());
        self.running.retain(|key, _| groups.contains_key(key));
        for (key, members) in groups.drain() {
            if let Some(running) = self.running.get(&key) {
                running.send_replace(members);
                continue;
            }
            let (sender, receiver) = watch::channel(members);
            self.running.insert(key.clone(), sender);
            let workspace = Arc::clone(&self.workspace);
            let looking = keep_looking(workspace, key, receiver, rounds.clone(), self.epoch);
            self.lines.spawn(looking);
        }
    }

    /// Stores a look together with those that come at about the same time.
    async fn record(&mut self, first: Round, rounds: &mut mpsc::Receiver<Round>) {
        let interval = first.grounds.first().map(|ground| ground.settings.sample);
        let gathering = (interval.unwrap_or_default() / 20).min(LONGEST_GATHERING);
        let until = Instant::now() + gathering;
        let mut gathered = vec![first];
        while let Ok(Some(round)) = timeout_at(until, rounds.recv()).await {
            gathered.push(round);
        }
        for round in &mut gathered {
            let locks = &self.locks;
            round.keep(|ground| locks.contains_key(&ground.overlap.id));
        }
        let every = self.pace == Pace::EveryRound;
        match self.recorder.record(&self.workspace, &gathered).await {
            Ok(changed) => {
                for (name, is_news) in changed {
                    if let Some(known) = self.known.get_mut(&name) {
                        known.has_news |= is_news || every;
                    }
                }
            }
            Err(failure) => {
                tracing::warn!(error = %failure.message, "samples were not stored");
                for round in &gathered {
                    if let Some(known) = self.known.get_mut(&round.environment) {
                        known.tell(Some(words(&failure)));
                    }
                }
            }
        }
    }

    fn next_due(&self) -> Instant {
        let due = self.known.values().map(|known| known.due);
        due.min()
            .unwrap_or_else(|| Instant::now() + LONGEST_SILENCE)
    }

    async fn report(&mut self) {
        let now = Instant::now();
        for (name, known) in &mut self.known {
            if !known.has_news && known.due > now {
                continue;
            }
            let mut overlaps = known.grounds.overlaps.iter();
            let sampler = match known.grounds.overlaps.is_empty() {
                true => Sampler::Nobody,
                false if overlaps.all(|one| self.locks.contains_key(&one.overlap.id)) => {
                    Sampler::Here
                }
                false => Sampler::Elsewhere,
            };
            let read = judged(&self.workspace, name, &known.grounds, sampler).await;
            let mut report = read.unwrap_or_else(|failure| DrainReport {
                environment: name.clone(),
                drains: Vec::new(),
                without_overlap: Vec::new(),
                sampler,
                problem: Some(words(&failure)),
            });
            if report.problem.is_none() {
                report.problem.clone_from(&known.problem);
            }
            if sampler == Sampler::Here {
                let drains = known.grounds.numbered(&report.drains);
                let whose = (name, known.head);
                self.notices.take(&self.workspace, whose, &drains).await;
            }
            known.has_news = false;
            known.due = now + pause(self.pace, known, &report);
            self.reports.put(report);
        }
    }
}

impl Known {
    fn tell(&mut self, problem: Option<String>) {
        self.has_news |= self.problem != problem;
        self.problem = problem;
    }
}

/// After which time there is a report even if nothing was seen to happen.
fn pause(pace: Pace, known: &Known, report: &DrainReport) -> Duration {
    let grounds = known.grounds.overlaps.iter();
    let interval = grounds.map(|ground| ground.settings.sample).min();
    let interval = interval.unwrap_or(REFRESH);
    match (pace, report.sampler) {
        (Pace::EveryRound, Sampler::Elsewhere) => interval,
        (Pace::EveryRound, _) => interval.saturating_mul(2).max(REFRESH),
        // Whoever samples it tells of it.
        (Pace::OnNews, Sampler::Elsewhere) => LONGEST_SILENCE.saturating_mul(60),
        (Pace::OnNews, _) => {
            let windows = report.drains.iter().map(|drain| &drain.window);
            let remaining = windows.map(|window| window.remaining_seconds);
            let listening = report.drains.iter().filter_map(|drain| drain.listening);
            let remaining = remaining.chain(listening.map(|heard| heard.left_seconds));
            let soonest = remaining.filter(|seconds| *seconds > 0).min();
            // The last of a wait is looked at closely, so that its end is told in time.
            match soonest.map(Duration::from_secs) {
                Some(soonest) if soonest <= LONGEST_SILENCE => interval,
                _ => LONGEST_SILENCE.max(interval),
            }
        }
    }
}

fn words(failure: &Failure) -> String {
    format!("{} ({})", failure.message, failure.remedy)
}
