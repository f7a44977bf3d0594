//! Simulated applications: each holds real sessions and follows its environment's
//! `current`, as a pool with a reload does.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::SandboxError;
use super::fixtures::Application;
use super::server::{Client, Door};
use crate::document::Segment;
use crate::environment::ValueKind;
use crate::model::EnvironmentName;
use crate::operations::{Exit, Failure, Workspace, open_environment};
use crate::secret::Secret;
use crate::store::{StoreError, environments};

/// How often a pool looks whether there is a new revision. That look is a cheap read of
/// the store; only a new revision is opened, so that the audit log has one entry for it
/// and not one for every second.
const LOOK: Duration = Duration::from_secs(1);

/// Every so many looks each session runs a query, as applications do.
const LOOKS_PER_QUERY: u32 = 5;

/// A server that hangs must not hang the pool with it.
const QUERY_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Where a pool has its login from.
pub(super) enum Source {
    /// From `current` of its environment, opened under the pool's own name.
    Environment(Arc<Workspace>, EnvironmentName),
    /// From a configuration of its own, as before an environment is fully set up.
    Own(Credential),
}

/// A user and its password.
pub(super) struct Credential {
    pub(super) role: String,
    pub(super) password: Secret,
}

/// One application's pool, open and not yet looking after itself.
pub(super) struct Pool {
    application: &'static Application,
    door: Door,
    source: Source,
    /// One old session is replaced each time this has passed.
    replacing: Duration,
    /// The revision that `credential` is from.
    revision: u64,
    credential: Credential,
    /// Counts changes of the credential.
    generation: u64,
    sessions: Vec<Session>,
}

struct Session {
    client: Client,
    generation: u64,
}

impl Pool {
    /// Reads the credential and opens all sessions.
    pub(super) async fn open(
        application: &'static Application,
        door: Door,
        source: Source,
        replacing: Duration,
    ) -> Result<Self, Failure> {
        let (revision, credential) = match source {
            Source::Environment(ref workspace, ref name) => {
                let revision = head(workspace, name).await?;
                (revision, read_current(workspace, name).await?)
            }
            Source::Own(ref own) => {
                let credential = Credential {
                    role: own.role.clone(),
                    password: own.password.duplicate(),
                };
                (0, credential)
            }
        };
        let mut pool = Self {
            application,
            door,
            source,
            replacing,
            revision,
            credential,
            generation: 0,
            sessions: Vec::new(),
        };
        pool.fill().await.map_err(|error| {
            Failure::new(
                "demo-pool",
                Exit::Error,
                format!("{} could not log in: {error}", application.pool),
                "try again: handover demo",
            )
        })?;
        Ok(pool)
    }

    /// Looks after the sessions until the task is ended.
    pub(super) fn run(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut replaced = Instant::now();
            let mut looks = 0_u32;
            loop {
                ticks.tick().await;
                if self.reload().await {
                    replaced = Instant::now();
                }
                if replaced.elapsed() >= self.replacing {
                    self.end_an_old_session();
                    replaced = Instant::now();
                }
                self.sessions.retain(|session| !session.client.is_closed());
                if let Err(error) = self.fill().await {
                    tracing::debug!(pool = self.application.pool, %error, "no new session");
                }
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(LOOKS_PER_QUERY) {
                    self.work().await;
                }
            }
        })
    }

    /// Whether there was a new `current`.
    async fn reload(&mut self) -> bool {
        let Source::Environment(workspace, name) = &self.source else {
            return false;
        };
        // A store that cannot be read leaves the pool with what it has, as in real life.
        let Ok(revision) = head(workspace, name).await else {
            return false;
        };
        if revision == self.revision {
            return false;
        }
        let Ok(credential) = read_current(workspace, name).await else {
            return false;
        };
        self.revision = revision;
        let same = credential.role == self.credential.role
            && credential.password == self.credential.password;
        if same {
            return false;
        }
        self.credential = credential;
        self.generation += 1;
        true
    }

    fn end_an_old_session(&mut self) {
        let old = self
            .sessions
            .iter()
            .position(|session| session.generation != self.generation);
        if let Some(old) = old {
            // The client says goodbye when it is dropped.
            self.sessions.remove(old);
        }
    }

    async fn fill(&mut self) -> Result<(), SandboxError> {
        while self.sessions.len() < self.application.sessions {
            let client = self
                .door
                .connect(
                    &self.credential.role,
                    &self.credential.password,
                    self.application.pool,
                )
                .await?;
            self.sessions.push(Session {
                client,
                generation: self.generation,
            });
        }
        Ok(())
    }

    async fn work(&mut self) {
        let table = self.application.name;
        let all = self
            .sessions
            .iter_mut()
            .map(|session| session.client.count(table, QUERY_TIME_LIMIT));
        futures_util::future::join_all(all).await;
    }
}

async fn head(workspace: &Workspace, name: &EnvironmentName) -> Result<u64, StoreError> {
    let name = name.clone();
    workspace
        .store
        .read(move |transaction| {
            environments::find(transaction, &name)?
                .map(|row| row.head)
                .ok_or_else(|| StoreError::Damaged(format!("{name} is gone")))
        })
        .await
}

async fn read_current(
    workspace: &Workspace,
    name: &EnvironmentName,
) -> Result<Credential, Failure> {
    let path = super::rotated_path()?;
    let opened = open_environment(workspace, name.clone(), Some(path)).await?;
    let text = |member: &str| {
        let path = ["current", member].map(|key| Segment::Key(key.to_owned()));
        match opened.value.get(&path).map(|value| &value.kind) {
            Some(ValueKind::String(text)) => Ok(text.duplicate()),
            _ => Err(super::broken(format!("{name} has no current {member}"))),
        }
    };
    Ok(Credential {
        role: text("username")?.expose().to_owned(),
        password: text("password")?,
    })
}
