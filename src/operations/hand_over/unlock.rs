//! The one effect of an un-retire on the database: the user that we have locked may log in
//! again, with the password it has. Its overlap drains again in the same transactions.

use chrono::Utc;
use serde_json::json;

use super::effects;
use super::run::{Run, Turn};
use crate::database::{Change, ChangeOutcome, LONGEST_SILENCE, Managing};
use crate::model::{RetireStep, Stage, Step};
use crate::operations::{Failure, notices};
use crate::rotation::{Case, Event};
use crate::store::{StoreError, overlaps};
use crate::untrusted::Untrusted;

impl Run<'_> {
    /// Lets the target in again, under its lock.
    pub(super) async fn unlock(&mut self) -> Result<Turn, Failure> {
        self.begun(Step::Apply);
        let role = self.facts.as_ref().and_then(|facts| facts.roles[1].clone());
        let Some(role) = role else {
            return self.park_as_unrecognised().await;
        };
        let Some(mut managing) = self.managing.take() else {
            // The line was lost since the evidence was gathered: gather again.
            self.gate = None;
            return Ok(Turn::Again);
        };
        // Only runs of ours take this lock, and the server frees it from one that was lost.
        let lost_run = LONGEST_SILENCE + std::time::Duration::from_secs(2);
        let wait = self.subject.settings.lock_timeout.max(lost_run);
        let begun = self
            .observer
            .unless_stopped(managing.begin_change(&role.account, wait));
        let parts = match begun.await {
            Some(Ok(parts)) => parts,
            Some(Err(refusal)) => {
                managing.close().await;
                return self.note_locked(refusal).await;
            }
            None => {
                managing.close().await;
                return Ok(Turn::Again);
            }
        };
        if let Err(failure) = self
            .check_not_overtaken(self.subject.record.generation)
            .await
        {
            managing.give_up().await;
            managing.close().await;
            return Err(failure);
        }
        let sent = self
            .note_unlock(Event::UnlockSent, "unlock-sent", Some(Stage::Unlocking))
            .await;
        if let Err(failure) = sent {
            managing.give_up().await;
            managing.close().await;
            return Err(failure);
        }
        let outcome = send(&mut *managing, &parts, Change::Unlock(self.subject.user())).await;
        managing.close().await;
        self.epoch.renew();
        self.gate = None;
        self.note_locked(outcome).await
    }

    async fn note_locked(&mut self, outcome: ChangeOutcome) -> Result<Turn, Failure> {
        let unreplicated_at = match outcome {
            ChangeOutcome::Confirmed => None,
            ChangeOutcome::AppliedLocally { position } => Some(position),
            ChangeOutcome::Refused { code, message, .. } => {
                let words = format!(
                    "the server did not let {} in again: {message} ({code})",
                    Untrusted::new(self.subject.user().as_str())
                );
                let message = message.as_str().to_owned();
                let event = Event::UnlockRefused { code, message };
                self.note_unlock(event, "unlock-refused", None).await?;
                let case = self.journal.back.as_ref().map(|back| back.case);
                let case = case.unwrap_or(Case::BackLocked);
                return self.park(case, words).await.map(Turn::Stop);
            }
            // Sending it again does no harm.
            ChangeOutcome::Unknown { message } => {
                tracing::warn!(rotation = %self.rotation, %message, "no answer to the change");
                self.last_words = Some(message);
                return Ok(Turn::Again);
            }
        };
        let event = Event::UnlockConfirmed { unreplicated_at };
        self.note_unlock(event, "unlock-confirmed", Some(Stage::Draining))
            .await?;
        self.done(Step::Apply);
        Ok(Turn::Again)
    }

    /// Event, stage and audit entry in one transaction.
    async fn note_unlock(
        &mut self,
        event: Event,
        effect: &'static str,
        stage: Option<Stage>,
    ) -> Result<(), Failure> {
        let action = match event {
            Event::UnlockSent => "rotation.unlock-sent",
            Event::UnlockRefused { .. } => "rotation.unlock-refused",
            _ => "rotation.unlock-confirmed",
        };
        let user = Untrusted::new(self.subject.user().as_str());
        let write = self.journal_write(event.clone(), action, json!({"user": &user}));
        let overlap = self.subject.overlap_of_idle().map(|overlap| overlap.id);
        let environment = self.subject.environment.clone();
        // Whoever was told of the lock is told that it is taken back.
        let told = matches!(event, Event::UnlockConfirmed { .. })
            .then(|| json!({"path": self.subject.path.to_string(), "user": user, "by": "person"}));
        effects::write(self.workspace, effect, move |transaction| {
            if let (Some(stage), Some(overlap)) = (stage, overlap) {
                overlaps::set_stage(transaction, overlap, stage, Utc::now())?;
            }
            write(transaction)?;
            if let Some(told) = told {
                let step = RetireStep::Unlock;
                notices::of_retirement(transaction, &environment, step, &told)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
        self.take(event);
        Ok(())
    }
}

/// Sends all statements of the change. A refusal of a later one leaves open what the earlier
/// ones did: all are sent again by whoever goes on.
async fn send(
    managing: &mut dyn Managing,
    parts: &[crate::database::ChangePart],
    change: Change<'_>,
) -> ChangeOutcome {
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
