//! The driver's loop for one rotated secret.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::effects;
use super::evidence::Epoch;
use super::gate::Others;
use super::guesses::Guesses;
use super::own::{self, OwnLogins};
use super::subject::Subject;
use super::{Observer, Progress};
use crate::database::Managing;
use crate::model::{LoginOutcome, ManagingFacts, Node, OwnSession, RotationId};
use crate::operations::notices::{self, RotationFact};
use crate::operations::workspace::timestamp;
use crate::operations::{Failure, Workspace};
use crate::process::Signal;
use crate::rotation::{
    Action, Case, Event, GateLook, Intent, PathJournal, Progress as Reached, TwinLook, decide, fold,
};
use crate::secret::Secret;
use crate::store::{StoreError, journal};
use crate::untrusted::Untrusted;

/// More turns than any honest run takes; a loop that does not end is a fault of ours
/// and parks.
const MOST_TURNS: u32 = 100;

/// How long a bounded wait for replay or for a pooler lasts before the next look.
const REPLAY_PAUSE: Duration = Duration::from_secs(1);

/// One run over one rotated secret.
pub(super) struct Run<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) observer: &'a Observer,
    pub(super) subject: &'a Subject,
    pub(super) intent: Intent,
    pub(super) rotation: RotationId,
    /// Every event of this path, oldest first.
    pub(super) events: Vec<Event>,
    pub(super) journal: PathJournal,
    /// Why, in the operator's words.
    pub(super) reason: Option<String>,
    /// What consumers read so far leaked.
    pub(super) compromised: bool,
    /// A signed waiver passes the gate.
    pub(super) waived: bool,
    /// The managing connection; open from S1 to the end of S3.
    pub(super) managing: Option<Box<dyn Managing>>,
    /// What the catalog said last.
    pub(super) facts: Option<ManagingFacts>,
    /// What the managing user saw last on the other nodes.
    pub(super) others: Others,
    /// The pair side by side, as last compared.
    pub(super) twins: TwinLook,
    /// Logins of this epoch.
    pub(super) epoch: Epoch,
    /// Our own sessions, left out of every count.
    pub(super) own: Vec<OwnSession>,
    /// Those of them that are Y's and do not stand in the store yet.
    pub(super) unnoted: Vec<OwnSession>,
    /// Wrong passwords of Y, where its server counts them.
    pub(super) guesses: Guesses,
    /// N, once it was made or opened.
    pub(super) pending: Option<Secret>,
    /// What a look at the gate under the role's lock found.
    pub(super) gate: Option<GateLook>,
    /// Nothing is written, not even to the journal.
    pub(super) only_looks: bool,
    /// What came instead of an answer to the last statement.
    pub(super) last_words: Option<Untrusted>,
    /// The gate's reasons in words, when it is shut.
    pub(super) gate_words: String,
    /// The commit of S5 was sent and its outcome is not known.
    pub(super) promotion_unknown: bool,
}

/// How a run stopped.
pub(super) enum Stop {
    /// S4 is done; S5 promotes all verified paths of the rotation together.
    Verified,
    /// Promoted and closed.
    Done {
        /// The new revision.
        revision: u64,
    },
    /// Given up after S3; closed.
    Abandoned {
        /// The revision that says so.
        revision: u64,
    },
    /// Ended before S3 with the case; closed.
    Aborted {
        /// Why; `None` when there was nothing to abort.
        case: Option<Case>,
        /// In words.
        message: String,
    },
    /// Parked; the rotation stays open.
    Parked {
        /// Why.
        case: Case,
        /// In words.
        message: String,
    },
    /// Asked to stop between two actions; the rotation stays open.
    Interrupted {
        /// By which signal.
        signal: Signal,
    },
}

impl<'a> Run<'a> {
    /// A run that has looked at nothing yet.
    pub(super) fn new(
        workspace: &'a Workspace,
        observer: &'a Observer,
        subject: &'a Subject,
        intent: Intent,
        rotation: RotationId,
        events: Vec<Event>,
    ) -> Self {
        let journal = fold(&events);
        let admitted = journal.admitted.as_ref();
        let limit = admitted.and_then(|admitted| admitted.login_limit);
        Self {
            workspace,
            observer,
            subject,
            intent,
            rotation,
            guesses: Guesses::new(limit, journal.wrong_logins),
            journal,
            events,
            reason: None,
            compromised: false,
            waived: false,
            managing: None,
            facts: None,
            others: Others::new(),
            twins: TwinLook::NotLooked,
            epoch: Epoch::default(),
            own: Vec::new(),
            unnoted: Vec::new(),
            pending: None,
            gate: None,
            only_looks: false,
            last_words: None,
            gate_words: String::new(),
            promotion_unknown: false,
        }
    }
}

/// What performing an action led to.
pub(super) enum Turn {
    Again,
    Stop(Stop),
}

impl Run<'_> {
    /// Turns until the run stops.
    pub(super) async fn drive(&mut self) -> Result<Stop, Failure> {
        for _ in 0..MOST_TURNS {
            if let Some(stop) = self.interrupted().await {
                return Ok(stop);
            }
            let evidence = self.gather().await?;
            let decision = decide(&self.journal, &evidence, self.intent);
            tracing::info!(
                rotation = %self.rotation, path = %self.subject.path,
                case = decision.case.map(Case::name), action = decision.action.words(),
                "decided"
            );
            if let Some(case) = decision.case {
                self.observer.tell(Progress::Recognised {
                    path: self.subject.path.to_string(),
                    case,
                });
            }
            if let Some(stop) = self.interrupted().await {
                return Ok(stop);
            }
            match self.perform(decision.action, decision.case).await? {
                Turn::Again => {}
                Turn::Stop(stop) => {
                    self.close_managing().await;
                    return Ok(stop);
                }
            }
        }
        let message = "the run did not come to an end; this is a fault of the program".to_owned();
        self.park(Case::Unrecognised, message).await
    }

    /// Whether a stop is wanted and something is still to be done. The effect that ran
    /// last is finished and stands in the journal; the next one is not begun.
    async fn interrupted(&mut self) -> Option<Stop> {
        if self.is_over() {
            return None;
        }
        let signal = self.observer.stop_wanted()?;
        tracing::info!(rotation = %self.rotation, %signal, "stopped between two actions");
        self.close_managing().await;
        Some(Stop::Interrupted { signal })
    }

    async fn perform(&mut self, action: Action, case: Option<Case>) -> Result<Turn, Failure> {
        match action {
            Action::SealPending => self.seal_pending().await,
            Action::Unlock => self.unlock().await,
            Action::Apply => self.apply().await,
            Action::ApplyAgain => {
                self.append(Event::RivalSeen, "rotation.rival-seen", json!({}))
                    .await?;
                self.apply().await
            }
            Action::Outwait => self.outwait().await,
            Action::Wait => {
                self.wait(REPLAY_PAUSE, "for nodes or poolers").await;
                self.epoch.waits += 1;
                Ok(Turn::Again)
            }
            Action::DropPending => {
                self.append(Event::PendingDropped, "rotation.pending-dropped", json!({}))
                    .await?;
                self.pending = None;
                self.epoch.forget_pending();
                Ok(Turn::Again)
            }
            Action::Verify => self.verify().await,
            // A login that is as old as a sleep of this process proves nothing any more.
            Action::Promote if self.epoch.is_stale() => {
                self.epoch.renew_all();
                Ok(Turn::Again)
            }
            Action::Promote => Ok(Turn::Stop(Stop::Verified)),
            Action::ReadStoreAgain => self.read_store_again().await,
            // Files are no matter of one path: S6 follows when all runs have stopped.
            Action::Close | Action::Publish => self.close().await,
            Action::Abandon => self.abandon(case).await,
            Action::Release | Action::Abort => self.abort(case).await,
            Action::Park => {
                let case = case.unwrap_or(Case::Unrecognised);
                let message = self.explain(case);
                self.park(case, message).await.map(Turn::Stop)
            }
        }
    }

    /// Appends one event of this path with its audit entry, and folds it.
    pub(super) async fn append(
        &mut self,
        event: Event,
        action: &'static str,
        detail: Value,
    ) -> Result<(), Failure> {
        let write = self.journal_write(event.clone(), action, detail);
        let effect = action.strip_prefix("rotation.").unwrap_or(action);
        effects::write(self.workspace, effect, write).await?;
        self.take(event);
        Ok(())
    }

    /// A closure that writes an event and its audit entry, and notes logins of our own.
    pub(super) fn journal_write(
        &self,
        event: Event,
        action: &'static str,
        mut detail: Value,
    ) -> impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), StoreError> + Send + 'static {
        let rotation = self.rotation;
        let path = self.subject.path.to_string();
        let environment = self.subject.environment.clone();
        let master = Arc::clone(&self.workspace.master);
        let requester = self.workspace.requester.clone();
        let own = self.own_logins();
        detail["rotation"] = json!(rotation);
        detail["path"] = json!(path);
        move |transaction| {
            journal::append(transaction, rotation, Some(&path), &event, &timestamp())?;
            own.note(transaction)?;
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&environment),
                detail,
            )
        }
    }

    /// Takes over an event that was written, with the logins that were noted beside it.
    pub(super) fn take(&mut self, event: Event) {
        self.events.push(event);
        self.journal = fold(&self.events);
        self.unnoted.clear();
    }

    /// Y's logins that the next transaction of this run notes.
    pub(super) fn own_logins(&self) -> OwnLogins {
        OwnLogins::new(self.subject, self.subject.user(), self.unnoted.clone())
    }

    /// The run ends without another transaction.
    pub(super) async fn end(&mut self) {
        self.close_managing().await;
        own::note(self.workspace, [self.own_logins()]).await;
        self.unnoted.clear();
    }

    pub(super) async fn park(&mut self, case: Case, message: String) -> Result<Stop, Failure> {
        let event = Event::Parked {
            case,
            message: message.clone(),
        };
        let detail = json!({"case": case.name(), "message": message});
        // Parking twice for the same reason would only repeat the journal.
        if self.events.last() != Some(&event) {
            let write = self.journal_write(event.clone(), "rotation.parked", detail);
            let (environment, rotation) = (self.subject.environment.clone(), self.rotation);
            effects::write(self.workspace, "parked", move |transaction| {
                write(transaction)?;
                notices::of_rotation(transaction, &environment, rotation, RotationFact::Parked)
            })
            .await?;
            self.take(event);
        }
        self.close_managing().await;
        Ok(Stop::Parked { case, message })
    }

    pub(super) async fn park_as_unrecognised(&mut self) -> Result<Turn, Failure> {
        let message = "the role or the pending password is gone".to_owned();
        self.park(Case::Unrecognised, message).await.map(Turn::Stop)
    }

    pub(super) async fn close_managing(&mut self) {
        if let Some(managing) = self.managing.take() {
            managing.close().await;
        }
    }

    /// A wait that is part of the table opens a new epoch.
    pub(super) async fn wait(&mut self, span: Duration, reason: &str) {
        self.observer.tell(Progress::Waiting {
            path: self.subject.path.to_string(),
            reason: reason.to_owned(),
        });
        // Left early when a stop is wanted; the loop then stops before the next action.
        let _ = self.observer.unless_stopped(tokio::time::sleep(span)).await;
        self.epoch.renew_all();
        // Whatever the managing user saw is as old as the wait.
        self.gate = None;
    }

    pub(super) fn explain(&self, case: Case) -> String {
        let mut words = case.meaning().to_owned();
        for text in self.unsound_words() {
            words = format!("{words}; {text}");
        }
        if let Reached::Refused { code, message, .. } = &self.journal.progress {
            words = format!("{words}: {message} ({code})");
        }
        for (node, outcome) in self.epoch.outcomes() {
            if let Some(text) = troubling(node, outcome) {
                words = format!("{words}; {text}");
            }
        }
        if let (Case::ReplyLost, Some(last)) = (case, &self.last_words) {
            words = format!("{words}; the last that came was: {last}");
        }
        if matches!(case, Case::WaitingForStandby | Case::NotReplicated) {
            for text in self.replication_words() {
                words = format!("{words}; {text}");
            }
        }
        if let Some(fault) = &self.epoch.fault {
            words = format!("{words}; {fault}");
        }
        words
    }
}

/// What of a login's end an operator has to know.
pub(super) fn troubling(node: &Node, outcome: &LoginOutcome) -> Option<String> {
    match outcome {
        LoginOutcome::StatementFailed { message, .. } => Some(format!("{node}: {message}")),
        LoginOutcome::Unknown(cause) => Some(format!("{node}: {cause}")),
        _ => None,
    }
}
