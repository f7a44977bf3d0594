//! Credentials are verified once a day: one environment at a time, over all agents of the host,
//! and with a place at each of its servers like a rotation.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::places::Places;
use super::{Limits, News};
use crate::operations::{Failure, ToVerify, Verified, Workspace, next_to_verify, verify_and_note};

/// An agent that has just begun, or begins again and again, has more important things to do.
const FIRST: Duration = Duration::from_secs(30);
/// How soon it is looked again when nothing was due, and what could not be verified is tried again.
const PAUSE: Duration = Duration::from_secs(60);
/// How long a verification may take when the agent is to end.
const GOODBYE: Duration = Duration::from_secs(3);

/// The verification that runs, if one does.
pub(super) struct Verifying {
    /// `None`: never.
    every: Option<Duration>,
    places: Places,
    running: JoinSet<(ToVerify, Answer)>,
    next_look: Instant,
    /// What could not be verified just now, by ids.
    left_out: HashMap<String, Instant>,
}

type Answer = Result<Option<Verified>, Failure>;

impl Verifying {
    pub(super) fn new(every: Option<Duration>, limits: Limits) -> Self {
        let first = every.map_or(FIRST, |every| every.min(FIRST));
        Self {
            every,
            places: Places::new(limits),
            running: JoinSet::new(),
            next_look: Instant::now() + first,
            left_out: HashMap::new(),
        }
    }

    /// Begins to verify if something is due.
    pub(super) async fn look(&mut self, workspace: &Arc<Workspace>) {
        let Some(every) = self.every else {
            return;
        };
        if !self.running.is_empty() || Instant::now() < self.next_look {
            return;
        }
        self.left_out.retain(|_, until| Instant::now() < *until);
        if let Err(failure) = self.begin(workspace, every).await {
            tracing::warn!(error = %failure.message, "nothing could be verified");
            self.next_look = Instant::now() + PAUSE;
        }
    }

    async fn begin(&mut self, workspace: &Arc<Workspace>, every: Duration) -> Result<(), Failure> {
        let Some(turn) = workspace.store.take_turn("verifying")? else {
            return Ok(());
        };
        self.places.begin();
        let mut left_out: Vec<String> = self.left_out.keys().cloned().collect();
        loop {
            let found = next_to_verify(workspace, every, &mut left_out, Utc::now()).await?;
            for id in &left_out {
                let until = Instant::now() + PAUSE;
                self.left_out.entry(id.clone()).or_insert(until);
            }
            let Some(what) = found else {
                self.next_look = Instant::now() + every.min(PAUSE);
                return Ok(());
            };
            match self.places.at_servers(workspace, &what.environment).await {
                Ok(Some(places)) => {
                    let workspace = Arc::clone(workspace);
                    self.running.spawn(async move {
                        let answer = verify_and_note(&workspace, &what).await;
                        drop((places, turn));
                        (what, answer)
                    });
                    return Ok(());
                }
                // Its servers are busy, or its document cannot be read.
                Ok(None) | Err(_) => left_out.push(what.environment_id),
            }
        }
    }

    /// Waits for a verification to end; for ever while none runs.
    pub(super) async fn next(&mut self) -> Option<News> {
        match self.running.join_next().await {
            Some(Ok((what, answer))) => self.ended(what, answer),
            Some(Err(error)) => {
                tracing::error!(%error, "a verification ended by a fault of the program");
                self.next_look = Instant::now() + PAUSE;
                None
            }
            None => std::future::pending().await,
        }
    }

    /// Lets what runs come to its end, for a moment: it changes nothing.
    pub(super) async fn end(mut self) -> Option<News> {
        match timeout(GOODBYE, self.running.join_next()).await {
            Ok(Some(Ok((what, answer)))) => self.ended(what, answer),
            _ => None,
        }
    }

    fn ended(&mut self, what: ToVerify, answer: Answer) -> Option<News> {
        let environment = what.environment;
        match answer {
            Ok(Some(found)) => Some(News::Verified {
                environment,
                verdict: found.verdict,
                words: found.words,
            }),
            Ok(None) => {
                let until = Instant::now() + PAUSE;
                self.left_out.insert(what.environment_id, until);
                None
            }
            Err(failure) => {
                let until = Instant::now() + PAUSE;
                self.left_out.insert(what.environment_id, until);
                Some(News::Problem {
                    environment: Some(environment),
                    problem: format!("not verified: {} ({})", failure.message, failure.remedy),
                })
            }
        }
    }
}
