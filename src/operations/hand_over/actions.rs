//! The actions: each is journalled before and after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Progress as Told;
use super::preflight::look_at_gate;
use super::run::{Run, Stop, Turn};
use crate::database::{ChangeOutcome, NewPassword};
use crate::document::{Fragment, Segment, edit};
use crate::environment::Unseal;
use crate::model::{LoginOutcome, Step};
use crate::operations::loading::{EnvironmentKey, Head};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::process::{Deadline, generate_password, random_bytes};
use crate::rotation::{Case, Event, GateLook, NodeTime, Progress, RefusalClass};
use crate::secret::{EnvelopeHeader, SCRAM_SALT_LENGTH, Secret, seal};
use crate::store::{NewRevision, StoreError, journal, revisions, rotated_secrets};

/// From the look at the gate under the role's lock to the statement. A process that
/// was stopped in between finds that its time is over and looks again.
const FRESH: Duration = Duration::from_secs(10);

/// First pause before a refused statement is sent again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

impl Run<'_> {
    fn begun(&self, step: Step) {
        let path = self.subject.path.to_string();
        self.observer.tell(Told::Begun { path, step });
    }

    fn done(&self, step: Step) {
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
        let event = self
            .workspace
            .store
            .write(move |transaction| {
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

    /// S3, under the role's advisory lock.
    pub(super) async fn apply(&mut self) -> Result<Turn, Failure> {
        self.pause_after_refusal().await;
        self.begun(Step::Apply);
        let (Some(pending), Some(facts)) = (self.journal.pending.clone(), self.facts.clone())
        else {
            return self.park_as_unrecognised().await;
        };
        let (Some(role), Some(salt), Some(password)) = (
            &facts.roles[1],
            parse_salt(&pending.salt),
            self.pending_password().await?,
        ) else {
            return self.park_as_unrecognised().await;
        };
        let Some(mut managing) = self.managing.take() else {
            // The line was lost since the evidence was gathered: gather again.
            self.gate = None;
            return Ok(Turn::Again);
        };
        if let Err(refusal) = managing
            .begin_change(role.oid, self.subject.settings.lock_timeout)
            .await
        {
            managing.close().await;
            return self.note_refusal(refusal).await;
        }
        // Under the lock: nobody else changes this role, so what is looked at now
        // still holds when the statement runs.
        self.check_not_overtaken(pending.generation).await?;
        let fresh = Deadline::after(FRESH);
        let mut look = facts.clone();
        match managing.sessions(role.oid).await {
            Ok((view, now)) => {
                look.sessions = view;
                look.server_time = now;
            }
            Err(fault) => {
                managing.close().await;
                self.epoch.fault = Some(fault);
                self.gate = None;
                return Ok(Turn::Again);
            }
        }
        let gate = look_at_gate(
            self.subject,
            &mut *managing,
            &look,
            &self.own,
            self.observer,
        )
        .await;
        match gate {
            Ok(gate) => self.note_gate(&gate),
            Err(fault) => {
                self.epoch.fault = Some(fault);
                self.gate = None;
            }
        }
        if self.gate != Some(GateLook::Open) {
            managing.give_up().await;
            self.managing = Some(managing);
            return Ok(Turn::Again);
        }
        let detail = json!({"user": crate::untrusted::Untrusted::new(self.subject.user().as_str()),
            "node": self.subject.node.to_string(), "generation": pending.generation});
        self.append(Event::ApplySent, "rotation.apply-sent", detail)
            .await?;
        if fresh.has_passed() {
            // Stopped or suspended since the look: what was seen is stale.
            managing.give_up().await;
            managing.close().await;
            let refusal = refused(
                "stale",
                "this process was stopped before the statement was sent",
            );
            return self.note_refusal(refusal).await;
        }
        let outcome = managing
            .change(NewPassword {
                user: self.subject.user(),
                password: &password,
                salt: &salt,
            })
            .await;
        managing.close().await;
        self.epoch.renew();
        self.gate = None;
        match outcome {
            ChangeOutcome::Confirmed => {
                self.append(Event::ApplyConfirmed, "rotation.apply-confirmed", json!({}))
                    .await?;
                self.done(Step::Apply);
                Ok(Turn::Again)
            }
            ChangeOutcome::Refused { .. } => self.note_refusal(outcome).await,
            ChangeOutcome::Unknown { message } => {
                tracing::warn!(rotation = %self.rotation, %message, "no answer to the change");
                Ok(Turn::Again)
            }
        }
    }

    async fn pause_after_refusal(&mut self) {
        let Progress::Refused { .. } = self.journal.progress else {
            return;
        };
        let doubled = FIRST_PAUSE * 2u32.saturating_pow(self.journal.refusals.min(6));
        self.wait(doubled, "before the refused statement is sent again")
            .await;
    }

    async fn note_refusal(&mut self, outcome: ChangeOutcome) -> Result<Turn, Failure> {
        let ChangeOutcome::Refused {
            class,
            code,
            message,
        } = outcome
        else {
            return Ok(Turn::Again);
        };
        let detail = json!({"code": code, "message": message});
        let event = Event::ApplyRefused {
            class,
            code,
            message: message.as_str().to_owned(),
        };
        self.append(event, "rotation.apply-refused", detail).await?;
        self.epoch.renew();
        self.gate = None;
        Ok(Turn::Again)
    }

    async fn park_as_unrecognised(&mut self) -> Result<Turn, Failure> {
        let message = "the role or the pending password is gone".to_owned();
        self.park(Case::Unrecognised, message).await.map(Turn::Stop)
    }

    /// A process that slept while others went on finds a newer generation and writes
    /// nothing, not even to the journal.
    async fn check_not_overtaken(&self, generation: u64) -> Result<(), Failure> {
        let secret = self.subject.record.id;
        let newest = self
            .workspace
            .store
            .read(move |transaction| rotated_secrets::generation(transaction, secret))
            .await?;
        if newest == generation {
            return Ok(());
        }
        Err(Failure::new(
            "overtaken",
            Exit::Refused,
            format!(
                "{} was overtaken: generation {generation} is pending here, {newest} in the store",
                self.rotation
            ),
            format!("handover status {}", self.subject.environment),
        ))
    }

    /// Takes the role's advisory lock: whoever had it, an abandoned statement of ours
    /// included, is through once it is ours.
    pub(super) async fn outwait(&mut self) -> Result<Turn, Failure> {
        self.observer.tell(Told::Waiting {
            path: self.subject.path.to_string(),
            reason: "until no statement of an earlier run can still be running".to_owned(),
        });
        let settings = &self.subject.settings;
        let longest = settings.lock_timeout + settings.statement_timeout + Duration::from_secs(2);
        let role = self.facts.as_ref().and_then(|facts| facts.roles[1].clone());
        let (Some(mut managing), Some(role)) = (self.managing.take(), role) else {
            return self.park_as_unrecognised().await;
        };
        let waited = managing.begin_change(role.oid, longest).await;
        managing.give_up().await;
        match waited {
            Ok(()) => {
                self.managing = Some(managing);
                self.append(Event::Outwaited, "rotation.outwaited", json!({}))
                    .await?;
                self.epoch.renew();
                self.gate = None;
                Ok(Turn::Again)
            }
            Err(_) => {
                managing.close().await;
                let message = format!(
                    "an earlier statement still holds the lock of {}; nothing is known until it ends",
                    crate::untrusted::Untrusted::new(self.subject.user().as_str())
                );
                self.park(Case::ReplyLost, message).await.map(Turn::Stop)
            }
        }
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
        let written = self
            .workspace
            .store
            .write(move |transaction| {
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
                    rotated_secrets::record_promotion(
                        transaction,
                        secret,
                        server,
                        &oids,
                        &verified,
                    )?;
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
        self.workspace
            .store
            .write(move |transaction| {
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

fn refused(code: &str, message: &str) -> ChangeOutcome {
    ChangeOutcome::Refused {
        class: RefusalClass::Retryable,
        code: code.to_owned(),
        message: crate::untrusted::Untrusted::new(message),
    }
}

fn parse_salt(text: &str) -> Option<[u8; SCRAM_SALT_LENGTH]> {
    hex::decode(text).ok()?.try_into().ok()
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
