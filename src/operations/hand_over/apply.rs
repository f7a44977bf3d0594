//! S3: the one effect on the database, under the role's advisory lock.

use std::time::Duration;

use serde_json::json;

use super::Progress as Told;
use super::gate::{look_at_gate, look_at_others};
use super::logins::{Logins, probe_current, probe_previous, sessions_of};
use super::run::{Run, Turn};
use crate::database::{Change, ChangeOutcome, ChangePart, LONGEST_SILENCE, Managing, NewPassword};
use crate::model::Step;
use crate::operations::{Exit, Failure};
use crate::process::Deadline;
use crate::rotation::{Case, Event, GateLook, Progress, RefusalClass};
use crate::secret::SALT_LENGTH;
use crate::store::{JournalLine, StoreError, journal, rotated_secrets};
use crate::untrusted::Untrusted;

/// From the look at the gate under the role's lock to the statement, and from a login
/// with the new password to its promotion. A process that was stopped in between finds
/// that its time is over and looks again, as does the server, which gives its transaction
/// up.
pub(super) const FRESH: Duration = LONGEST_SILENCE;

/// First pause before a refused statement is sent again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

impl Run<'_> {
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
        // Only runs of ours take this lock, and the server frees it from one that was lost.
        let lost_run = LONGEST_SILENCE + Duration::from_secs(2);
        let wait = self.subject.settings.lock_timeout.max(lost_run);
        let parts = match self
            .observer
            .unless_stopped(managing.begin_change(&role.account, wait))
            .await
        {
            Some(Ok(parts)) => parts,
            Some(Err(refusal)) => {
                managing.close().await;
                return self.note_refusal(refusal).await;
            }
            // Nothing was sent yet, so waiting for the lock may be left.
            None => {
                managing.close().await;
                return Ok(Turn::Again);
            }
        };
        // Under the lock: nobody else changes this role, so what is looked at now
        // still holds when the statement runs.
        let overtaken = self.check_not_overtaken(pending.generation);
        let (overtaken, logins, others, sessions) = tokio::join!(
            overtaken,
            self.log_in_under_the_lock(),
            look_at_others(self.subject),
            managing.sessions(&role.account)
        );
        if let Err(failure) = overtaken.and(self.note_logins(logins)) {
            managing.give_up().await;
            managing.close().await;
            return Err(failure);
        }
        if self.journal.needs_current() && !self.weigh().current.is_everywhere() {
            managing.give_up().await;
            self.managing = Some(managing);
            return Ok(Turn::Again);
        }
        let fresh = Deadline::after(FRESH);
        let mut look = facts.clone();
        match sessions.and_then(|sessions| Ok((sessions, others?))) {
            Ok(((view, now), others)) => {
                look.sessions = view;
                look.server_time = now;
                self.others = others;
            }
            Err(fault) => {
                managing.close().await;
                self.epoch.fault = Some(fault);
                self.gate = None;
                return Ok(Turn::Again);
            }
        }
        let watched = match self.read_watched().await {
            Ok(watched) => watched,
            Err(error) => {
                managing.give_up().await;
                managing.close().await;
                return Err(error.into());
            }
        };
        let gate = look_at_gate(
            self.subject,
            &mut *managing,
            &look,
            &self.others,
            &self.own,
            watched.as_ref(),
            self.observer,
        )
        .await;
        match gate {
            Ok(looked) => self.note_gate(&looked.gate),
            Err(fault) => {
                self.epoch.fault = Some(fault);
                self.gate = None;
            }
        }
        // This is the last moment at which stopping leaves the database as it is.
        if self.gate != Some(GateLook::Open) || self.observer.stop_wanted().is_some() {
            managing.give_up().await;
            self.managing = Some(managing);
            return Ok(Turn::Again);
        }
        // From an earlier send some rows, or all, may have the new password already.
        let may_be_set = self.may_be_set_already();
        let detail = json!({"user": Untrusted::new(self.subject.user().as_str()),
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
        let new = NewPassword {
            user: self.subject.user(),
            password: &password,
            salt: &salt,
        };
        let outcome = self.send(&mut *managing, &parts, new).await;
        managing.close().await;
        let outcome = outcome?;
        self.epoch.renew();
        self.gate = None;
        match outcome {
            ChangeOutcome::Refused { code, message, .. } if may_be_set => {
                self.park_as_open(&code, &message).await
            }
            ChangeOutcome::Confirmed => self.note_confirmed(None).await,
            ChangeOutcome::AppliedLocally { position } => self.note_confirmed(Some(position)).await,
            ChangeOutcome::Refused { .. } => self.note_refusal(outcome).await,
            ChangeOutcome::Unknown { message } => {
                tracing::warn!(rotation = %self.rotation, %message, "no answer to the change");
                self.last_words = Some(message);
                Ok(Turn::Again)
            }
        }
    }

    /// Sends all statements of the change, one after the other. What was confirmed of them
    /// cannot be taken back by a refusal of a later one: that leaves the outcome open, and
    /// all are sent again.
    async fn send(
        &mut self,
        managing: &mut dyn Managing,
        parts: &[ChangePart],
        new: NewPassword<'_>,
    ) -> Result<ChangeOutcome, Failure> {
        let mut outcome = ChangeOutcome::Refused {
            class: RefusalClass::Final,
            code: "no-row".to_owned(),
            message: Untrusted::new("the user is gone from the server"),
        };
        for (index, part) in parts.iter().enumerate() {
            outcome = managing.change(part, Change::Password(new)).await;
            match &outcome {
                ChangeOutcome::Confirmed | ChangeOutcome::AppliedLocally { .. } => {}
                ChangeOutcome::Refused { message, .. } if index > 0 => {
                    return Ok(ChangeOutcome::Unknown {
                        message: message.clone(),
                    });
                }
                ChangeOutcome::Refused { .. } | ChangeOutcome::Unknown { .. } => break,
            }
            if parts.len() > 1 {
                let rows = part.words.as_str().to_owned();
                let detail = json!({"rows": part.words});
                let event = Event::StatementConfirmed { rows };
                self.append(event, "rotation.statement-confirmed", detail)
                    .await?;
            }
        }
        Ok(outcome)
    }

    /// The change is in the database; whether the synchronous standbys have it too is
    /// open where it was applied locally, up to `unreplicated_at`.
    async fn note_confirmed(&mut self, unreplicated_at: Option<i64>) -> Result<Turn, Failure> {
        let event = Event::ApplyConfirmed { unreplicated_at };
        let detail = match unreplicated_at {
            None => json!({}),
            Some(position) => json!({"unreplicated-at": position}),
        };
        self.append(event, "rotation.apply-confirmed", detail)
            .await?;
        self.done(Step::Apply);
        Ok(Turn::Again)
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
        if self.may_be_set_already() {
            return self.park_as_open(&code, &message).await;
        }
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

    /// An earlier send may have set N, wholly or on some rows, and nobody could look.
    fn may_be_set_already(&self) -> bool {
        self.is_in_parts() || self.is_untried()
    }

    /// A refusal of now says nothing of what an earlier send has changed: the journal keeps
    /// that N may be set, and whoever mends what the server names sends all again.
    async fn park_as_open(&mut self, code: &str, message: &Untrusted) -> Result<Turn, Failure> {
        let words = format!(
            "{} may have the new password already, on some rows or on all; the server refused to \
             go on: {message} ({code})",
            Untrusted::new(self.subject.user().as_str())
        );
        self.epoch.renew();
        self.gate = None;
        self.park(Case::ReplyLost, words).await.map(Turn::Stop)
    }

    /// C, and P where it was proven before. What was found before the lock may be as old
    /// as a sleep of this process: another host may have rotated both users meanwhile, and
    /// its store is not ours. From here on the lock keeps it from doing so.
    async fn log_in_under_the_lock(&self) -> (Logins, Option<Logins>) {
        let previous = async {
            match self.weigh().previous.is_everywhere() {
                true => probe_previous(self.subject).await,
                false => None,
            }
        };
        tokio::join!(probe_current(self.subject), previous)
    }

    /// Takes over the logins under the lock. P that was right before and is wrong now was
    /// changed by somebody else, so N would be one password too many.
    fn note_logins(
        &mut self,
        (current, previous): (Logins, Option<Logins>),
    ) -> Result<(), Failure> {
        self.own.extend(sessions_of(&current));
        self.epoch.current = Some(current);
        let Some(previous) = previous else {
            return Ok(());
        };
        self.own.extend(sessions_of(&previous));
        self.unnoted.extend(sessions_of(&previous));
        self.epoch.previous = Some(previous);
        let found = self.weigh();
        if found.current.is_everywhere() && found.previous.refused > 0 {
            let user = Untrusted::new(self.subject.user().as_str());
            return Err(self.overtaken(&format!(
                "somebody else has changed the password of {user} since it began"
            )));
        }
        Ok(())
    }

    /// A process that slept while others went on finds a newer generation, or a journal
    /// that is not the one it knows, and writes nothing, not even to the journal.
    pub(super) async fn check_not_overtaken(&self, generation: u64) -> Result<(), Failure> {
        let secret = self.subject.record.id;
        let rotation = self.rotation;
        let (newest, lines) = self
            .workspace
            .store
            .read(move |transaction| {
                let newest = rotated_secrets::generation(transaction, secret)?;
                Ok::<_, StoreError>((newest, journal::lines(transaction, rotation)?))
            })
            .await?;
        if newest != generation {
            return Err(self.overtaken(&format!(
                "generation {generation} is pending here, {newest} in the store"
            )));
        }
        let path = self.subject.path.to_string();
        let ours = |line: &&JournalLine| line.path.as_deref() == Some(&path);
        match lines.iter().filter(ours).count() == self.events.len() {
            true => Ok(()),
            false => Err(self.overtaken("another process has gone on with it")),
        }
    }

    fn overtaken(&self, words: &str) -> Failure {
        Failure::new(
            "overtaken",
            Exit::Refused,
            format!(
                "{} was overtaken: {words}; nothing was written",
                self.rotation
            ),
            format!("handover status {}", self.subject.environment),
        )
    }

    /// Takes the role's advisory lock: whoever had it, an abandoned statement of ours
    /// included, is through once it is ours.
    pub(super) async fn outwait(&mut self) -> Result<Turn, Failure> {
        self.observer.tell(Told::Waiting {
            path: self.subject.path.to_string(),
            reason: "until no statement of an earlier run can still be running".to_owned(),
        });
        let settings = &self.subject.settings;
        let longest = settings.lock_timeout
            + settings.statement_timeout
            + LONGEST_SILENCE
            + Duration::from_secs(2);
        let role = self.facts.as_ref().and_then(|facts| facts.roles[1].clone());
        let (Some(mut managing), Some(role)) = (self.managing.take(), role) else {
            return self.park_as_unrecognised().await;
        };
        let lock = managing.begin_change(&role.account, longest);
        let Some(waited) = self.observer.unless_stopped(lock).await else {
            managing.close().await;
            return Ok(Turn::Again);
        };
        managing.give_up().await;
        match waited {
            Ok(_) => {
                self.managing = Some(managing);
                self.append(Event::Outwaited, "rotation.outwaited", json!({}))
                    .await?;
                self.epoch.renew_all();
                self.gate = None;
                Ok(Turn::Again)
            }
            Err(_) => {
                managing.close().await;
                let message = format!(
                    "an earlier statement still holds the lock of {}; nothing is known until it ends",
                    Untrusted::new(self.subject.user().as_str())
                );
                self.park(Case::ReplyLost, message).await.map(Turn::Stop)
            }
        }
    }
}

fn refused(code: &str, message: &str) -> ChangeOutcome {
    ChangeOutcome::Refused {
        class: RefusalClass::Retryable,
        code: code.to_owned(),
        message: Untrusted::new(message),
    }
}

fn parse_salt(text: &str) -> Option<[u8; SALT_LENGTH]> {
    hex::decode(text).ok()?.try_into().ok()
}
