//! From looks to the store: what changed in the timelines is written in one transaction for
//! all that came at about the same time.

use std::collections::{BTreeMap, HashMap};

use super::ground::Ground;
use super::node::Round;
use crate::drain::{Looked, NodeTimeline, Silence, Write, absorb};
use crate::model::{AccountId, AccountSample, Engine, EnvironmentName, Node};
use crate::operations::{Failure, Workspace};
use crate::process::Moment;
use crate::store::{StoreError, observations};
use crate::untrusted::Untrusted;

/// Keeps of each timeline what the next look is compared with.
#[derive(Default)]
pub(super) struct Recorder {
    tails: HashMap<(i64, Node), Tail>,
}

struct Tail {
    timeline: NodeTimeline,
    /// The last look by this process.
    looked: Option<Moment>,
}

type Writes = Vec<(i64, Node, Vec<Write>)>;

impl Recorder {
    /// Takes the looks in and stores them. Answers the environments, and whether more changed
    /// there than that time has passed.
    ///
    /// # Errors
    /// The store's own; the looks are lost then, and the next one is compared with what the
    /// store has.
    pub(super) async fn record(
        &mut self,
        workspace: &Workspace,
        rounds: &[Round],
    ) -> Result<BTreeMap<EnvironmentName, bool>, Failure> {
        self.read_tails(workspace, rounds).await?;
        let mut changed = BTreeMap::new();
        let mut writes = Writes::new();
        for round in rounds {
            let mut accounts = 0;
            let news = changed.entry(round.environment.clone()).or_insert(false);
            for ground in &round.grounds {
                let index = accounts;
                accounts += usize::from(ground.account().is_some());
                let Some((found, is_news)) = self.absorb(round, ground, index) else {
                    continue;
                };
                *news |= is_news;
                writes.push((ground.overlap.id, round.node.clone(), found));
            }
        }
        let touched: Vec<(i64, Node)> = writes
            .iter()
            .map(|(overlap, node, _)| (*overlap, node.clone()))
            .collect();
        let written = workspace.store.write(move |transaction| {
            for (overlap, node, writes) in &writes {
                observations::write(transaction, *overlap, node, writes)?;
            }
            Ok::<_, StoreError>(())
        });
        if let Err(error) = written.await {
            for tail in touched {
                self.tails.remove(&tail);
            }
            return Err(error.into());
        }
        Ok(changed)
    }

    /// Somebody else may write the timelines of all other overlaps from here on.
    pub(super) fn keep(&mut self, is_ours: impl Fn(i64) -> bool) {
        self.tails.retain(|(overlap, _), _| is_ours(*overlap));
    }

    /// What has to be written, and whether it is more than that time has passed.
    fn absorb(
        &mut self,
        round: &Round,
        ground: &Ground,
        index: usize,
    ) -> Option<(Vec<Write>, bool)> {
        let key = (ground.overlap.id, round.node.clone());
        let tail = self.tails.get_mut(&key)?;
        let answer = match &round.answer {
            Err(silence) => Err(silence.clone()),
            Ok(sample) => refused(ground, &round.node, &sample.system).map_or_else(
                || match sample.accounts.get(index) {
                    Some(account) if is_gone(ground, account) => Err(gone(ground)),
                    Some(account) if ground.account() == Some(&account.account) => {
                        Ok((sample, account))
                    }
                    _ => Err(not_met(ground)),
                },
                Err,
            ),
        };
        let looked = Looked {
            at: round.at,
            elapsed: tail.looked.map(|before| round.moment.since(before)),
            answer,
        };
        // Somebody else may have begun the stretch: that it is sampled here is news then, too.
        let is_first = tail.looked.is_none();
        tail.looked = Some(round.moment);
        let problem = |timeline: &NodeTimeline| {
            let last = timeline.last.as_ref();
            last.map(|last| last.problem.clone())
        };
        let before = problem(&tail.timeline);
        let writes = absorb(&mut tail.timeline, &looked, ground.settings.max_gap);
        forget_the_past(&mut tail.timeline);
        let is_news = is_first || problem(&tail.timeline) != before || writes.iter().any(is_news);
        Some((writes, is_news))
    }

    /// The timelines that this process has not written last.
    async fn read_tails(&mut self, workspace: &Workspace, rounds: &[Round]) -> Result<(), Failure> {
        let mut missing: Vec<(i64, Node)> = rounds
            .iter()
            .flat_map(|round| {
                let overlaps = round.grounds.iter().map(|ground| ground.overlap.id);
                overlaps.map(|overlap| (overlap, round.node.clone()))
            })
            .filter(|key| !self.tails.contains_key(key))
            .collect();
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let read = workspace.store.read(move |transaction| {
            let mut read = Vec::new();
            for (overlap, node) in missing {
                let stored = observations::load(transaction, overlap)?;
                let mut nodes = stored.nodes.into_iter();
                let timeline = nodes.find(|one| one.node == node);
                let timeline = timeline.unwrap_or_else(|| NodeTimeline::new(node.clone()));
                read.push(((overlap, node), timeline));
            }
            Ok::<_, StoreError>(read)
        });
        for (key, mut timeline) in read.await? {
            forget_the_past(&mut timeline);
            let looked = None;
            self.tails.insert(key, Tail { timeline, looked });
        }
        Ok(())
    }
}

/// A server that is not the recorded one says nothing of its users. On MySQL and MariaDB each
/// node is a server of its own, and the recorded one is that of the managing user.
fn refused(ground: &Ground, node: &Node, system: &str) -> Option<Silence> {
    let recorded = ground.system.as_deref()?;
    let is_asked = ground.engine == Engine::Postgres || ground.nodes.first() == Some(node);
    (is_asked && recorded != system).then(|| Silence {
        problem: format!(
            "another server answers at {node}: its system is {system}, and {recorded} is recorded; \
             see `handover doctor {}`",
            ground.environment
        ),
        grant: None,
    })
}

/// PostgreSQL shows its roles to everybody: one that is not among them was dropped. As long as
/// sessions of it go on, these are what is told.
fn is_gone(ground: &Ground, account: &AccountSample) -> bool {
    ground.engine == Engine::Postgres && account.can_log_in.is_none() && account.sessions.is_empty()
}

/// Another role may have its name by now, of whose sessions nothing is known here.
fn gone(ground: &Ground) -> Silence {
    let user = Untrusted::new(&ground.overlap.user);
    let account = ground.account().map_or("", AccountId::as_str);
    Silence {
        problem: format!(
            "the role {user} (OID {account}) was dropped; sessions of one that was made again by \
             that name are not seen"
        ),
        grant: None,
    }
}

fn not_met(ground: &Ground) -> Silence {
    Silence {
        problem: format!(
            "the user {} was never met on its server, so that its sessions cannot be told from \
             those of others",
            Untrusted::new(&ground.overlap.user)
        ),
        grant: None,
    }
}

/// What has ended is in the store; a busy server must not fill the memory with it.
fn forget_the_past(timeline: &mut NodeTimeline) {
    timeline.sessions.retain(|session| session.ended.is_none());
    // The last stretch in which all could be seen says since when somebody may have been there.
    let last = timeline.runs.len().saturating_sub(1);
    let complete = timeline.runs.iter().rposition(|run| run.is_complete);
    timeline.runs.drain(..complete.unwrap_or(last));
    let counters = timeline.counters.len().saturating_sub(1);
    timeline.counters.drain(..counters);
}

/// Whether there is more to it than that another sample saw the same.
fn is_news(write: &Write) -> bool {
    !matches!(
        write,
        Write::Looked(_) | Write::ExtendRun(_) | Write::ExtendCounter { .. }
    )
}
