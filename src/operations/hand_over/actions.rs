//! The actions: each is journalled before and after.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::Progress as Told;
use super::effects;
use super::run::{Run, Stop, Turn};
use crate::document::{Fragment, Segment, edit};
use crate::environment::Unseal;
use crate::model::{LoginOutcome, Step};
use crate::operations::loading::{EnvironmentKey, Head};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::process::{Deadline, generate_password, random_bytes};
use crate::rotation::{Case, Event, NodeTime, Progress};
use crate::secret::{EnvelopeHeader, SCRAM_SALT_LENGTH, Secret, seal};
use crate::store::{NewRevision, StoreError, journal, revisions, rotated_secrets};

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
        let pending = generate_password(self.subject.settings.password_length);
        let salt = hex::encode(random_bytes::<SCRAM_SALT_LENGTH>());
        let secret = self.subject.record.id;
        let environment_id = self.subject.environment_id.clone();
        let master = Arc::clone(&self.workspace.master);
        let rotation = self.rotation;
        let path = self.subject.path.to_string();
        let environment = self.subject.environment.clone();
        let requester = self.workspace.requester.clone();
        let copy = pending.duplicate();
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
        self.close_managing().await;
        let nodes = self
            .epoch
            .pending
            .iter()
            .flatten()
            .filter_map(|(node, outcome)| match outcome {
                LoginOutcome::LoggedIn { server_time, .. } => Some(NodeTime {
                    node: node.clone(),
                    server_time: *server_time,
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

    /// S5: revision, journal, audit and the promote times in one transaction.
    pub(super) async fn promote(&mut self) -> Result<Turn, Failure> {
        let is_stale = |proven: Deadline| proven.has_passed();
        if self.epoch.proven_until.is_some_and(is_stale) {
            // Stopped or suspended since the login: somebody may have changed the password
            // meanwhile, and consumers would read one that is dead.
            self.epoch.renew_all();
            return Ok(Turn::Again);
        }
        self.begun(Step::Promote);
        let Some(pending) = self.journal.pending.clone() else {
            return self.park_as_unrecognised().await;
        };
        let rotation = self.rotation;
        let subject = self.subject;
        let environment = subject.environment.clone();
        let document_path = subject.document_path.clone();
        let path = subject.path.to_string();
        let secret = subject.record.id;
        let user = subject.user().as_str().to_owned();
        let master = Arc::clone(&self.workspace.master);
        let requester = self.workspace.requester.clone();
        let admitted = self.journal.admitted.clone();
        let verified = self.journal.verified.clone();
        let reason = self.reason.clone();
        let written = effects::write(self.workspace, "promoted", move |transaction| {
            let head = Head::load(transaction, &environment)?;
            let document = promoted_document(&head, &document_path, &user, &pending.sealed)?;
            let now = timestamp();
            let revision = NewRevision {
                document: &document,
                settings: &head.revision.settings,
                files: &head.revision.files,
                cause: "rotation",
                author: &requester,
                reason: reason.as_deref(),
                rotation: Some(rotation),
                now: &now,
            };
            let number = revisions::add(transaction, &head.row.id, &revision)?;
            if let Some(admitted) = &admitted {
                let oids = BTreeMap::from([
                    (admitted.current.clone(), admitted.oids[0]),
                    (admitted.user.clone(), admitted.oids[1]),
                ]);
                let server = &admitted.server;
                rotated_secrets::record_promotion(transaction, secret, server, &oids, &verified)?;
            }
            let event = Event::Promoted { revision: number };
            journal::append(transaction, rotation, Some(&path), &event, &now)?;
            journal::append(transaction, rotation, None, &Event::Closed, &now)?;
            journal::close_rotation(transaction, rotation, &now)?;
            let detail = json!({"rotation": rotation, "path": path, "revision": number});
            let action = "rotation.promoted";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&environment),
                detail,
            )?;
            Ok::<_, Failure>(event)
        })
        .await;
        match written {
            Ok(event) => {
                self.take(event);
                self.done(Step::Promote);
                Ok(Turn::Again)
            }
            Err(failure) if failure.code == "store-unknown" => {
                self.promotion_unknown = true;
                Ok(Turn::Again)
            }
            Err(failure) => Err(failure),
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

    /// S5 has closed the books in its own transaction.
    pub(super) async fn close(&mut self) -> Result<Turn, Failure> {
        let Progress::Promoted { revision } = self.journal.progress else {
            return self.park_as_unrecognised().await;
        };
        Ok(Turn::Stop(Stop::Done { revision }))
    }

    /// Ends the rotation before S3. The pending password, if any, is dropped.
    pub(super) async fn abort(&mut self, case: Option<Case>) -> Result<Turn, Failure> {
        let message = match case {
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
        effects::write(self.workspace, "aborted", move |transaction| {
            if !already {
                write(transaction)?;
            }
            let now = timestamp();
            journal::append(transaction, rotation, None, &Event::Closed, &now)?;
            journal::close_rotation(transaction, rotation, &now)
        })
        .await?;
        tracing::info!(%rotation, %path, message, "aborted");
        self.take(event);
        Ok(Turn::Stop(Stop::Aborted { case, message }))
    }
}

/// The document with `current` and `previous` swapped and the new password in
/// `current`. The old current moves with its envelope as it is.
fn promoted_document(
    head: &Head,
    document_path: &[Segment],
    user: &str,
    sealed: &str,
) -> Result<String, Failure> {
    let key = |text: &str| Segment::Key(text.to_owned());
    let in_state = |name: &str| {
        let mut path = document_path.to_vec();
        path.extend([key("state"), key(name)]);
        path
    };
    let broken = || StoreError::Damaged(format!("the state in {} cannot be read", head.row.name));
    let old_current = head
        .document
        .get(&in_state("current"))
        .map(Fragment::from_node)
        .ok_or_else(broken)?;
    let ciphertext = Fragment::mapping([("ciphertext", Fragment::string(sealed))]);
    let new_current = Fragment::mapping([
        ("username", Fragment::string(user)),
        ("password", Fragment::mapping([("fn::secret", ciphertext)])),
    ]);
    let explain =
        |diagnostic| Failure::in_document("cannot-promote", vec![diagnostic], vec![head.source()]);
    let mut state = document_path.to_vec();
    state.push(key("state"));
    let new_state = Fragment::mapping([("current", new_current), ("previous", old_current)]);
    edit::set(&head.revision.document, &state, &new_state).map_err(explain)
}
