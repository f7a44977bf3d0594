//! The actions: each is journalled before and after.

use std::sync::Arc;

use serde_json::json;

use super::Progress as Told;
use super::effects;
use super::run::{Run, Stop, Turn};
use crate::environment::Unseal;
use crate::model::{LoginOutcome, NodeTime, Step};
use crate::operations::loading::EnvironmentKey;
use crate::operations::notices::{self, RotationFact};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::process::{generate_password, random_bytes};
use crate::rotation::{Case, Event, Intent, Progress};
use crate::secret::{EnvelopeHeader, SALT_LENGTH, Secret, seal};
use crate::store::{StoreError, journal, rotated_secrets};

impl Run<'_> {
    pub(super) fn begun(&self, step: Step) {
        let path = self.subject.path.to_string();
        self.observer.tell(Told::Begun { path, step });
    }

    pub(super) fn done(&self, step: Step) {
        let path = self.subject.path.to_string();
        self.observer.tell(Told::Done { path, step });
    }

    /// S2: the new password is durable before anything else hears of it.
    pub(super) async fn seal_pending(&mut self) -> Result<Turn, Failure> {
        self.begun(Step::Pending);
        // What consumers read already is set once more; else it is a new one.
        let pending = match &self.subject.candidate {
            Some(known) => known.duplicate(),
            None => generate_password(self.subject.settings.password_length),
        };
        let salt = hex::encode(random_bytes::<SALT_LENGTH>());
        let secret = self.subject.record.id;
        let environment_id = self.subject.environment_id.clone();
        let master = Arc::clone(&self.workspace.master);
        let rotation = self.rotation;
        let path = self.subject.path.to_string();
        let environment = self.subject.environment.clone();
        let requester = self.workspace.requester.clone();
        let copy = pending.duplicate();
        let own = self.own_logins();
        let event = effects::write(self.workspace, "pending-sealed", move |transaction| {
            let key = EnvironmentKey::load(transaction, &master, &environment_id)?;
            let generation = rotated_secrets::next_generation(transaction, secret)?;
            let header = EnvelopeHeader {
                secret,
                generation: Some(generation),
            };
            let event = Event::PendingSealed {
                generation,
                sealed: seal(key.key(), &environment_id, header, &copy, random_bytes()),
                salt,
            };
            journal::append(transaction, rotation, Some(&path), &event, &timestamp())?;
            own.note(transaction)?;
            let detail = json!({"rotation": rotation, "path": path, "generation": generation});
            let action = "rotation.pending-sealed";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&environment),
                detail,
            )?;
            Ok::<_, StoreError>(event)
        })
        .await?;
        self.take(event);
        self.pending = Some(pending);
        self.done(Step::Pending);
        Ok(Turn::Again)
    }

    /// N: the one of this run, or opened from the journal.
    pub(super) async fn pending_password(&self) -> Result<Option<Secret>, Failure> {
        if let Some(pending) = &self.pending {
            return Ok(Some(pending.duplicate()));
        }
        if self.journal.pending.is_none() && self.journal.takes_known() {
            return Ok(self.subject.candidate.as_ref().map(Secret::duplicate));
        }
        let Some(pending) = &self.journal.pending else {
            return Ok(None);
        };
        let sealed = pending.sealed.clone();
        let environment_id = self.subject.environment_id.clone();
        let master = Arc::clone(&self.workspace.master);
        let opened = self
            .workspace
            .store
            .read(move |transaction| {
                let key = EnvironmentKey::load(transaction, &master, &environment_id)?;
                Ok::<_, StoreError>(key.unseal(&sealed))
            })
            .await?;
        opened.map(Some).map_err(|words| {
            Failure::new(
                "cannot-unseal",
                Exit::NeedsHuman,
                format!("the pending password does not open: {words}"),
                "check that this store and this key belong together",
            )
        })
    }

    /// S4: what was proven, durable before S5.
    pub(super) async fn verify(&mut self) -> Result<Turn, Failure> {
        self.begun(Step::Verify);
        self.see_how_far_it_came().await;
        self.close_managing().await;
        let nodes = self
            .epoch
            .pending
            .iter()
            .flatten()
            .filter_map(|(node, outcome)| match outcome {
                LoginOutcome::LoggedIn {
                    server_time,
                    session,
                    ..
                } => Some(NodeTime {
                    node: node.clone(),
                    server_time: *server_time,
                    // Where no session tells its start, later ones are known by their number.
                    connection: session.started.is_none().then_some(session.pid),
                }),
                _ => None,
            })
            .collect::<Vec<_>>();
        if nodes.is_empty() {
            // Proven by a refusal after the password: there is no clock to promote by,
            // and consumers could not log in either.
            let message = "the new password is right, but its user cannot log in".to_owned();
            return self.park(Case::VerifyFailed, message).await.map(Turn::Stop);
        }
        self.append(Event::Verified { nodes }, "rotation.verified", json!({}))
            .await?;
        self.done(Step::Verify);
        Ok(Turn::Again)
    }

    /// A copy from before S3 has to be behind the mark, so it is taken after S3. Without an
    /// answer the mark is the one of the last look.
    async fn see_how_far_it_came(&mut self) {
        let (Some(managing), Some(facts)) = (&mut self.managing, &mut self.facts) else {
            return;
        };
        match managing.identity().await {
            Ok(identity) => facts.identity = identity,
            Err(fault) => tracing::warn!(%fault, "the mark is the one of the last look"),
        }
    }

    /// The commit's answer was lost: the store itself says whether it happened.
    pub(super) async fn read_store_again(&mut self) -> Result<Turn, Failure> {
        let rotation = self.rotation;
        let lines = self
            .workspace
            .store
            .read(move |transaction| journal::lines(transaction, rotation))
            .await?;
        let path = self.subject.path.to_string();
        self.events = lines
            .into_iter()
            .filter(|line| line.path.as_deref() == Some(&path))
            .map(|line| line.event)
            .collect();
        self.journal = crate::rotation::fold(&self.events);
        self.promotion_unknown = false;
        Ok(Turn::Again)
    }

    /// S5, or giving up, has closed the books in its own transaction.
    pub(super) async fn close(&mut self) -> Result<Turn, Failure> {
        match self.journal.progress {
            Progress::Promoted { revision } => Ok(Turn::Stop(Stop::Done { revision })),
            Progress::Abandoned { revision } => Ok(Turn::Stop(Stop::Abandoned { revision })),
            _ => self.park_as_unrecognised().await,
        }
    }

    /// Ends the rotation before S3. The pending password, if any, is dropped.
    pub(super) async fn abort(&mut self, case: Option<Case>) -> Result<Turn, Failure> {
        let message = match case {
            Some(_) if self.intent == Intent::Abandon && self.journal.takes_known() => {
                "it was given up; no password was changed, and consumers read what they read"
                    .to_owned()
            }
            Some(_) if self.intent == Intent::Abandon => {
                "it was given up before a password was changed; a pending one is dropped".to_owned()
            }
            Some(Case::PendingUnsent | Case::ReplyLost) => format!(
                "the gate is shut, so the pending password was dropped: {}",
                self.gate_words
            ),
            Some(case) => case.meaning().to_owned(),
            None => "the rotation had ended before".to_owned(),
        };
        let rotation = self.rotation;
        let path = self.subject.path.to_string();
        let event = Event::Aborted {
            case: case.unwrap_or(Case::NothingDone),
            message: message.clone(),
        };
        let detail = json!({"case": case.map(Case::name), "message": message});
        let write = self.journal_write(event.clone(), "rotation.aborted", detail);
        let already = self.journal.progress == Progress::Aborted;
        let environment = self.subject.environment.clone();
        effects::write(self.workspace, "aborted", move |transaction| {
            if !already {
                write(transaction)?;
            }
            if journal::close_if_over(transaction, rotation, &timestamp())? {
                notices::of_rotation(transaction, &environment, rotation, RotationFact::Ended)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
        tracing::info!(%rotation, %path, message, "aborted");
        self.take(event);
        Ok(Turn::Stop(Stop::Aborted { case, message }))
    }
}
