//! One step of a retirement: intent, statement, look, outcome.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::RetireRequest;
use super::prepare::{Prepared, sessions_of};
use super::report::{self, RetireReport, RetireStatus, describe};
use crate::database::{Change, ChangeOutcome, ChangePart, LONGEST_SILENCE, Managing, NewPassword};
use crate::document::{Segment, edit};
use crate::model::{AccountId, Gate, ManagingFacts, RetireStep, Session, Stage};
use crate::operations::hand_over::apply::FRESH;
use crate::operations::hand_over::gate::{look_at_gate, look_at_others, read_watched, see};
use crate::operations::hand_over::subject::Subject;
use crate::operations::hand_over::{Observer, effects};
use crate::operations::loading::Head;
use crate::operations::workspace::timestamp;
use crate::operations::{Failure, Workspace};
use crate::operations::{notices, sinks};
use crate::process::{Deadline, generate_password, random_bytes};
use crate::secret::{SALT_LENGTH, Secret};
use crate::store::{NewRevision, overlaps, revisions};

/// What is written before a step's statement, and after it.
fn stages(step: RetireStep) -> (Stage, Stage) {
    match step {
        RetireStep::Lock => (Stage::Locking, Stage::Locked),
        RetireStep::Unlock => (Stage::Unlocking, Stage::Draining),
        RetireStep::Scramble => (Stage::Scrambling, Stage::Scrambled),
    }
}

/// What is written of a step: its name as an effect, and in the audit log.
#[derive(Debug, Clone, Copy)]
enum When {
    Sent,
    Done,
    Refused,
}

impl When {
    fn effect(self) -> &'static str {
        match self {
            Self::Sent => "retire-sent",
            Self::Done => "retire-done",
            Self::Refused => "retire-refused",
        }
    }
}

/// The words of a step in the audit log.
fn action(step: RetireStep, when: When) -> String {
    let when = match when {
        When::Sent => "sent",
        When::Done => "done",
        When::Refused => "refused",
    };
    let step = match step {
        RetireStep::Lock => "lock",
        RetireStep::Unlock => "unlock",
        RetireStep::Scramble => "scramble",
    };
    format!("retire.{step}-{when}")
}

/// One retirement on its way.
pub(super) struct Way<'a> {
    workspace: &'a Workspace,
    pub(super) subject: &'a Subject,
    pub(super) request: &'a RetireRequest,
    observer: &'a Observer,
    account: AccountId,
    overlap: i64,
    pub(super) report: RetireReport,
}

/// Does the step.
pub(super) async fn execute(
    workspace: &Workspace,
    subject: &Subject,
    request: &RetireRequest,
    prepared: Prepared,
    observer: &Observer,
) -> Result<RetireReport, Failure> {
    let mut report = RetireReport::new(subject, request, RetireStatus::Done);
    describe(&mut report, &prepared);
    let Some(role) = &prepared.facts.roles[1] else {
        return Ok(report);
    };
    let way = Way {
        workspace,
        subject,
        request,
        observer,
        account: role.account.clone(),
        overlap: prepared.overlap.id,
        report,
    };
    way.go(prepared).await
}

impl Way<'_> {
    async fn go(mut self, prepared: Prepared) -> Result<RetireReport, Failure> {
        let Prepared {
            step,
            overlap,
            mut managing,
            facts,
            own,
            sessions,
            ..
        } = prepared;
        let parts = match self.begin(&mut *managing).await {
            Ok(parts) => parts,
            Err(refusal) => {
                managing.close().await;
                return Ok(self.not_sent(refusal));
            }
        };
        let mut known = sessions;
        let is_gated = step == RetireStep::Lock && !overlap.compromised;
        if is_gated {
            // Under the lock on the user: what was looked at before may be as old as a sleep.
            let mut look = facts.clone();
            let (seen, again) = tokio::join!(
                managing.sessions(&self.account),
                look_at_others(self.subject)
            );
            let gate = match seen.and_then(|seen| Ok((seen, again?))) {
                Ok(((view, now), again)) => {
                    (look.sessions, look.server_time) = (view, now);
                    let watched = read_watched(self.workspace, self.subject, &[]).await?;
                    let watched = watched.as_ref();
                    look_at_gate(
                        self.subject,
                        &mut *managing,
                        &look,
                        &again,
                        &own,
                        watched,
                        self.observer,
                    )
                    .await
                }
                Err(fault) => Err(fault),
            };
            match gate {
                Ok(looked) if looked.gate == Gate::Open || self.request.waiver.is_some() => {
                    known = sessions_of(&looked.gate);
                }
                Ok(looked) => {
                    managing.give_up().await;
                    managing.close().await;
                    return Ok(self.shut_after_all(&looked.gate));
                }
                Err(fault) => {
                    managing.give_up().await;
                    managing.close().await;
                    self.report.status = RetireStatus::Unreachable;
                    self.report.exit = crate::operations::Exit::Unreachable;
                    return Ok(self.report.with_error(
                        "unreachable",
                        fault.to_string(),
                        "see that every node answers, then try again".to_owned(),
                    ));
                }
            }
        }
        let fresh = Deadline::after(FRESH);
        self.note(
            step,
            stages(step).0,
            When::Sent,
            json!({"waived": self.report.waived}),
        )
        .await?;
        if fresh.has_passed() {
            managing.give_up().await;
            managing.close().await;
            return Ok(
                self.report_unknown("this process was stopped before the statement was sent")
            );
        }
        let outcome = self.send(&mut *managing, &parts, step).await;
        match outcome {
            ChangeOutcome::Confirmed => {}
            ChangeOutcome::AppliedLocally { .. } => self.report.warnings.push(
                "no synchronous standby has confirmed it: a fail-over now would take it back"
                    .to_owned(),
            ),
            ChangeOutcome::Refused { code, message, .. } => {
                managing.close().await;
                // Since when it is as it was is not changed by what was refused.
                self.note_at(
                    step,
                    (overlap.stage, overlap.stage_at),
                    When::Refused,
                    json!({"code": code}),
                )
                .await?;
                return Ok(self.refused_by_server(&code, &message));
            }
            ChangeOutcome::Unknown { message } => {
                managing.close().await;
                return Ok(self.report_unknown(message.as_str()));
            }
        }
        if is_gated {
            let newcomer = self.newcomer(&mut *managing, facts, &known, &own).await;
            if let Some(newcomer) = newcomer {
                return self.take_back(managing, &newcomer).await;
            }
        }
        managing.close().await;
        match step {
            RetireStep::Scramble => self.record_scrambled().await,
            RetireStep::Lock | RetireStep::Unlock => {
                self.note(step, stages(step).1, When::Done, json!({}))
                    .await?;
                self.report.stage = Some(stages(step).1);
                Ok(self.report)
            }
        }
    }

    async fn begin(&self, managing: &mut dyn Managing) -> Result<Vec<ChangePart>, ChangeOutcome> {
        // Only runs of ours take this lock, and the server frees it from one that was lost.
        let lost_run = LONGEST_SILENCE + std::time::Duration::from_secs(2);
        let wait = self.subject.settings.lock_timeout.max(lost_run);
        managing.begin_change(&self.account, wait).await
    }

    /// Sends all statements of the change. A refusal of a later one leaves open what the
    /// earlier ones did: all are sent again by whoever goes on.
    async fn send(
        &self,
        managing: &mut dyn Managing,
        parts: &[ChangePart],
        step: RetireStep,
    ) -> ChangeOutcome {
        let user = self.subject.user();
        // Nobody keeps it: it is gone when this returns.
        let nobodys: Secret = generate_password(self.subject.settings.password_length);
        let salt: [u8; SALT_LENGTH] = random_bytes();
        let change = match step {
            RetireStep::Lock => Change::Lock(user),
            RetireStep::Unlock => Change::Unlock(user),
            RetireStep::Scramble => Change::Scramble(NewPassword {
                user,
                password: &nobodys,
                salt: &salt,
            }),
        };
        let mut outcome = ChangeOutcome::Confirmed;
        for (index, part) in parts.iter().enumerate() {
            outcome = managing.change(part, change).await;
            match &outcome {
                ChangeOutcome::Confirmed | ChangeOutcome::AppliedLocally { .. } => {}
                ChangeOutcome::Refused { message, .. } if index > 0 => {
                    return ChangeOutcome::Unknown {
                        message: message.clone(),
                    };
                }
                ChangeOutcome::Refused { .. } | ChangeOutcome::Unknown { .. } => break,
            }
        }
        outcome
    }

    /// Somebody who logged in between the look and the lock. What cannot be looked at says
    /// nothing, and the lock can be taken back at any time: it stays.
    async fn newcomer(
        &self,
        managing: &mut dyn Managing,
        mut facts: ManagingFacts,
        known: &[Session],
        own: &[crate::model::OwnSession],
    ) -> Option<Session> {
        let (here, others) = tokio::join!(
            managing.sessions(&self.account),
            look_at_others(self.subject)
        );
        (facts.sessions, facts.server_time) = here.ok()?;
        let mut looks = vec![(self.subject.node.clone(), facts)];
        looks.extend(others.unwrap_or_default());
        let views = see(self.subject, looks).await;
        let is_known = |session: &Session| {
            known.iter().any(|one| {
                one.node == session.node && one.pid == session.pid && one.started == session.started
            })
        };
        views
            .iter()
            .flat_map(|view| crate::drain::foreign_sessions(&view.facts.sessions, own))
            .find(|session| !is_known(session))
    }

    /// Unlocks again.
    async fn take_back(
        mut self,
        mut managing: Box<dyn Managing>,
        newcomer: &Session,
    ) -> Result<RetireReport, Failure> {
        let step = RetireStep::Unlock;
        let parts = match self.begin(&mut *managing).await {
            Ok(parts) => parts,
            Err(_) => {
                managing.close().await;
                return Ok(self.report_unknown(
                    "somebody logged in just before the lock, and it could not be taken back",
                ));
            }
        };
        self.note(
            step,
            Stage::Unlocking,
            When::Sent,
            json!({"because": "a session began in between"}),
        )
        .await?;
        let outcome = self.send(&mut *managing, &parts, step).await;
        managing.close().await;
        match outcome {
            ChangeOutcome::Confirmed | ChangeOutcome::AppliedLocally { .. } => {}
            ChangeOutcome::Refused { message, .. } | ChangeOutcome::Unknown { message } => {
                return Ok(self.report_unknown(message.as_str()));
            }
        }
        self.note(step, Stage::Draining, When::Done, json!({}))
            .await?;
        self.report.status = RetireStatus::Undone;
        self.report.exit = crate::operations::Exit::Refused;
        self.report.stage = Some(Stage::Draining);
        self.report.sessions = vec![report::planned_session(newcomer)];
        let user = self.report.user.clone();
        Ok(self.report.with_error(
            "got-in",
            format!("{user} logged in between the look and the lock, which was taken back"),
            format!(
                "see who it is: handover drain {} {}",
                self.request.environment, self.request.path
            ),
        ))
    }

    /// Stage, from now on, and audit entry in one transaction.
    async fn note(
        &self,
        step: RetireStep,
        stage: Stage,
        when: When,
        detail: Value,
    ) -> Result<(), Failure> {
        self.note_at(step, (stage, Utc::now()), when, detail).await
    }

    async fn note_at(
        &self,
        step: RetireStep,
        (stage, since): (Stage, DateTime<Utc>),
        when: When,
        detail: Value,
    ) -> Result<(), Failure> {
        let (overlap, action) = (self.overlap, action(step, when));
        let environment = self.request.environment.clone();
        let detail = self.detail(detail);
        let master = Arc::clone(&self.workspace.master);
        let requester = self.workspace.requester.clone();
        effects::write(self.workspace, when.effect(), move |transaction| {
            overlaps::set_stage(transaction, overlap, stage, since)?;
            Workspace::audit(
                &master,
                transaction,
                &requester,
                &action,
                Some(&environment),
                detail.clone(),
            )?;
            if matches!(when, When::Done) {
                notices::of_retirement(transaction, &environment, step, &detail)?;
            }
            Ok::<_, Failure>(())
        })
        .await
    }

    fn detail(&self, more: Value) -> Value {
        let mut detail = json!({
            "path": self.report.path, "user": self.report.user,
            "reason": self.request.reason, "waiver": self.request.waiver,
            "by": if self.request.by_agent { "agent" } else { "person" },
        });
        if let (Some(detail), Value::Object(more)) = (detail.as_object_mut(), more) {
            detail.extend(more);
        }
        detail
    }

    /// A revision without the password that is gone, and the stage, together.
    async fn record_scrambled(mut self) -> Result<RetireReport, Failure> {
        let overlap = self.overlap;
        let environment = self.request.environment.clone();
        let reason = self.request.reason.clone();
        let mut password = self.subject.document_path.clone();
        let keys = ["state", "previous", "password"];
        password.extend(keys.map(|key| Segment::Key(key.to_owned())));
        let action = action(RetireStep::Scramble, When::Done);
        let detail = self.detail(json!({}));
        let master = Arc::clone(&self.workspace.master);
        let requester = self.workspace.requester.clone();
        let written = effects::write(self.workspace, "scrambled", move |transaction| {
            let head = Head::load(transaction, &environment)?;
            let now = timestamp();
            let document = &head.revision.document;
            let document = match head.document.get(&password) {
                None => document.clone(),
                Some(_) => edit::remove(document, &password).map_err(|diagnostic| {
                    Failure::in_document("cannot-record", vec![diagnostic], vec![head.source()])
                })?,
            };
            let revision = NewRevision {
                document: &document,
                settings: &head.revision.settings,
                files: &head.revision.files,
                cause: "retire",
                author: &requester,
                reason: reason.as_deref(),
                rotation: None,
                now: &now,
            };
            let number = revisions::add(transaction, &head.row.id, &revision)?;
            sinks::follow_state(transaction, &master, &environment)?;
            overlaps::set_stage(transaction, overlap, Stage::Scrambled, Utc::now())?;
            Workspace::audit(
                &master,
                transaction,
                &requester,
                &action,
                Some(&environment),
                detail.clone(),
            )?;
            notices::of_retirement(transaction, &environment, RetireStep::Scramble, &detail)?;
            Ok::<_, Failure>(number)
        })
        .await?;
        self.report.revision = Some(written);
        self.report.stage = Some(Stage::Scrambled);
        Ok(self.report)
    }
}
