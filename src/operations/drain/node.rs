//! One connection to one node: it is kept, and made anew when it breaks. No other node can
//! delay it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::ground::Ground;
use super::groups::GroupKey;
use crate::database::Watching;
use crate::drain::{PROBE_APPLICATION_PREFIX, Silence};
use crate::model::{AccountId, DatabaseFault, EnvironmentName, Node, Sample};
use crate::operations::Workspace;
use crate::process::Moment;

/// A node that was away is to be seen soon after it is back.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// A login that is refused is refused again, and some servers count.
const LONGEST_RETRY_OF_LOGINS: Duration = Duration::from_secs(30);

/// One look at one node, for all overlaps that share the connection.
pub(super) struct Round {
    pub(super) environment: EnvironmentName,
    pub(super) node: Node,
    /// Whose sessions were asked for.
    pub(super) grounds: Vec<Arc<Ground>>,
    pub(super) at: DateTime<Utc>,
    pub(super) moment: Moment,
    /// Accounts stand in the order of those of `grounds` that have one.
    pub(super) answer: Result<Sample, Silence>,
}

impl Round {
    /// Leaves out overlaps that are not ours any more; what was told of the others stays with
    /// them.
    pub(super) fn keep(&mut self, is_ours: impl Fn(&Ground) -> bool) {
        let mut told = match &mut self.answer {
            Ok(sample) => std::mem::take(&mut sample.accounts).into_iter(),
            Err(_) => Vec::new().into_iter(),
        };
        let mut kept = Vec::new();
        self.grounds.retain(|ground| {
            let account = ground.account().and_then(|_| told.next());
            let is_ours = is_ours(ground);
            if is_ours {
                kept.extend(account);
            }
            is_ours
        });
        if let Ok(sample) = &mut self.answer {
            sample.accounts = kept;
        }
    }
}

/// A connection that may be open.
pub(super) struct Line {
    environment: EnvironmentName,
    node: Node,
    open: Option<Box<dyn Watching>>,
    /// The last attempt ended at the login.
    pub(super) was_refused: bool,
}

impl Line {
    pub(super) fn new(key: &GroupKey) -> Self {
        Self {
            environment: key.environment.clone(),
            node: key.node.clone(),
            open: None,
            was_refused: false,
        }
    }

    /// Looks once; the connection is made where there is none.
    pub(super) async fn look(&mut self, workspace: &Workspace, grounds: Vec<Arc<Ground>>) -> Round {
        let answer = match grounds.first() {
            Some(first) => self.sample(workspace, first, &grounds).await,
            None => Err(silence("nobody is to be looked for".to_owned())),
        };
        Round {
            environment: self.environment.clone(),
            node: self.node.clone(),
            grounds,
            at: Utc::now(),
            moment: Moment::now(),
            answer,
        }
    }

    async fn sample(
        &mut self,
        workspace: &Workspace,
        first: &Ground,
        grounds: &[Arc<Ground>],
    ) -> Result<Sample, Silence> {
        let accounts: Vec<AccountId> = grounds
            .iter()
            .filter_map(|ground| ground.account().cloned())
            .collect();
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect(workspace, first).await?,
        };
        let sampled = open.sample(&accounts).await;
        // A connection that failed is not asked again.
        if sampled.is_ok() {
            self.open = Some(open);
        }
        sampled.map_err(|fault| of_fault(first, &fault))
    }

    async fn connect(
        &mut self,
        workspace: &Workspace,
        first: &Ground,
    ) -> Result<Box<dyn Watching>, Silence> {
        self.was_refused = true;
        let login = first.login(workspace).await;
        let login = login.map_err(|failure| silence(failure.message))?;
        let application = format!("{PROBE_APPLICATION_PREFIX}sample");
        let watching = first.database.watch(&self.node, &login, &application);
        let opened = watching.await;
        self.was_refused = matches!(&opened, Err(DatabaseFault::ManagerOut { .. }));
        opened.map_err(|fault| of_fault(first, &fault))
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        if let Some(open) = self.open {
            open.close().await;
        }
    }
}

fn silence(problem: String) -> Silence {
    Silence {
        problem,
        grant: None,
    }
}

fn of_fault(ground: &Ground, fault: &DatabaseFault) -> Silence {
    let grant = match fault {
        DatabaseFault::NoRight { grant, .. } => Some(grant.clone()),
        _ => None,
    };
    let problem = match ground.settings.monitor {
        // The fault's words are those of a rotation.
        Some(_) => fault
            .to_string()
            .replace("the managing user", "the monitoring user"),
        None => fault.to_string(),
    };
    Silence { problem, grant }
}

/// Looks at the interval until `members` is dropped, and hands on each look.
pub(super) async fn keep_looking(
    workspace: Arc<Workspace>,
    key: GroupKey,
    members: watch::Receiver<Vec<Arc<Ground>>>,
    rounds: mpsc::Sender<Round>,
    epoch: Instant,
) {
    let mut line = Line::new(&key);
    let mut retry = Duration::ZERO;
    let mut next = Instant::now();
    loop {
        let round = tokio::select! {
            biased;
            () = dropped(&members) => break,
            round = async {
                tokio::time::sleep_until(next).await;
                let grounds = members.borrow().clone();
                line.look(&workspace, grounds).await
            } => round,
        };
        retry = match round.answer {
            Ok(_) => Duration::ZERO,
            Err(_) => longer(retry, key.interval, line.was_refused),
        };
        if rounds.send(round).await.is_err() {
            break;
        }
        next = next_look(
            epoch,
            Instant::now() + retry.saturating_sub(key.interval),
            key.interval,
        );
    }
    line.close().await;
}

/// Waits until nobody wants the samples any more.
async fn dropped(members: &watch::Receiver<Vec<Arc<Ground>>>) {
    let mut members = members.clone();
    while members.changed().await.is_ok() {}
}

/// The pause after a failure, twice as long as the one before.
fn longer(retry: Duration, interval: Duration, was_refused: bool) -> Duration {
    let longest = match was_refused {
        true => LONGEST_RETRY_OF_LOGINS,
        false => LONGEST_RETRY,
    };
    (retry * 2).clamp(interval, longest.max(interval))
}

/// The next multiple of the interval after `epoch`. All connections look at the same moments,
/// so that what they saw is written together.
fn next_look(epoch: Instant, after: Instant, interval: Duration) -> Instant {
    let interval = interval.max(Duration::from_millis(10));
    let passed = after.saturating_duration_since(epoch).as_nanos() / interval.as_nanos() + 1;
    let passed = u32::try_from(passed).unwrap_or(u32::MAX);
    epoch
        .checked_add(interval.saturating_mul(passed))
        .unwrap_or(after + interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn all_look_at_the_same_moments_whatever_they_began_with() {
        let epoch = Instant::now();
        for late in [0, 1, 700, 4999] {
            let after = epoch + Duration::from_millis(late);
            assert_eq!(next_look(epoch, after, 5 * SECOND), epoch + 5 * SECOND);
        }
        let after = epoch + 5 * SECOND;
        assert_eq!(next_look(epoch, after, 5 * SECOND), epoch + 10 * SECOND);
    }

    #[test]
    fn a_failed_look_is_tried_again_ever_more_seldom_up_to_a_bound() {
        let mut retry = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..6 {
            retry = longer(retry, SECOND, false);
            pauses.push(retry.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 5, 5, 5]);
        assert_eq!(longer(20 * SECOND, SECOND, true), 30 * SECOND);
        let minute = 60 * SECOND;
        assert_eq!(
            longer(minute, minute, true),
            minute,
            "never before the interval"
        );
    }
}
