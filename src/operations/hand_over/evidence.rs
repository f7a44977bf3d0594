//! Gathering: what this epoch's logins and looks found.
//!
//! At most one attempt per candidate and node in each epoch; a wait or an S3 opens a
//! new one. C is carried over an S3 of ours, since S3 does not touch it.

use super::apply::FRESH;
use super::gate::{Watched, look_at_gate, look_at_others, read_watched};
use super::guesses::probe_current_counted;
use super::logins::{
    Logins, application, probe_decoy, probe_pending, probe_poolers, probe_previous, sessions_of,
};
use super::preflight::twin_look;
use super::run::Run;
use crate::model::{DatabaseFault, Engine, Gate, LoginOutcome, ManagingFacts, Node, TwinRoles};
use crate::operations::Failure;
use crate::process::Deadline;
use crate::rotation::{
    Event, Evidence, GateLook, Intent, Manager, Progress as Reached, Replication, RoleKnowledge,
    ServerMatch, SinkLook, Standing, TwinLook, Way, assess, count_unnamed, match_server,
    replication,
};
use crate::store::StoreError;

/// The logins of one epoch; `None` where none was attempted yet.
#[derive(Default)]
pub(super) struct Epoch {
    pub(super) current: Option<Logins>,
    pub(super) previous: Option<Logins>,
    pub(super) pending: Option<Logins>,
    /// A random password of Y, where no password of it is known.
    pub(super) decoy: Option<Logins>,
    /// Y with N through the poolers.
    pub(super) pooled: Option<Logins>,
    /// The backend in which an earlier statement of ours waits for a synchronous standby.
    pub(super) waits_for_standby: Option<i64>,
    /// How far the log had come when N was first seen of a change whose answer was lost.
    pub(super) unanswered_at: Option<i64>,
    /// How often this run has waited for replay or for a pooler.
    pub(super) waits: u32,
    /// Until when a proof of the pending password is good enough to promote by.
    pub(super) proven_until: Option<Deadline>,
    /// Why the managing connection could not be had.
    pub(super) fault: Option<DatabaseFault>,
}

impl Epoch {
    /// After an S3: what was found of Y's passwords is stale.
    pub(super) fn renew(&mut self) {
        self.previous = None;
        self.decoy = None;
        self.pending = None;
        self.pooled = None;
        self.waits_for_standby = None;
        self.fault = None;
    }

    /// After a wait everything is stale, what consumers read included.
    pub(super) fn renew_all(&mut self) {
        self.renew();
        self.current = None;
    }

    /// Whether the process was stopped or suspended since the login with N, or waited for
    /// another path: somebody may have changed the password meanwhile, and consumers would
    /// read one that is dead.
    pub(super) fn is_stale(&self) -> bool {
        self.proven_until.is_some_and(Deadline::has_passed)
    }

    pub(super) fn forget_pending(&mut self) {
        self.pending = None;
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = &(Node, LoginOutcome)> {
        let groups = [&self.current, &self.pending, &self.pooled];
        groups.into_iter().flatten().flatten()
    }
}

impl Run<'_> {
    /// Fills what the next decision may look at and is not known yet.
    pub(super) async fn gather(&mut self) -> Result<Evidence, Failure> {
        if self.is_over() {
            return Ok(self.weigh());
        }
        if self.journal.admitted.is_none() && self.subject.engine == Engine::Mysql {
            // Whether the server counts is asked before a password is shown that may be wrong.
            self.look_as_manager().await?;
        }
        match self.guesses.are_counted() {
            true => self.log_in_by_turns().await?,
            false => self.log_in_at_once().await?,
        }
        self.look_as_manager().await?;
        self.note_unanswered();
        if !self.weigh().current.is_everywhere() {
            // What became of P tells a restored server and an old store from a dead user.
            let previous = match self.may_guess() {
                true => self.guess_previous().await?,
                false => None,
            };
            self.note(previous, |epoch| &mut epoch.previous);
        }
        if self.weigh().pending.is_everywhere() {
            // A pooler's session is not ours: consumers may share it.
            if let Some(pooled) = self.look_at_poolers().await? {
                self.epoch.pooled = Some(pooled);
            }
        }
        Ok(self.weigh())
    }

    async fn log_in_at_once(&mut self) -> Result<(), Failure> {
        let (current, previous, decoy, pending) = tokio::join!(
            self.look_at_current(),
            self.look_at_previous(self.journal.is_sent()),
            self.look_with_decoy(),
            self.look_at_pending()
        );
        self.note_current(current?);
        self.note(previous, |epoch| &mut epoch.previous);
        self.note(decoy, |epoch| &mut epoch.decoy);
        self.note_pending(pending?);
        Ok(())
    }

    /// The same for a user whose wrong passwords its server counts: one after the other, the
    /// one last that the journal expects to be right, and none that could be one too many.
    async fn log_in_by_turns(&mut self) -> Result<(), Failure> {
        let current = self.look_at_current().await?;
        self.note_current(current);
        let sent = self.journal.is_sent();
        if self.epoch.previous.is_none() && sent && self.subject.previous.password.is_some() {
            let previous = match self.may_guess() {
                true => self.guess_previous().await?,
                false => Some(self.guesses.not_tried(self.subject)),
            };
            self.note(previous, |epoch| &mut epoch.previous);
        }
        // After a confirmed change N is expected to be right.
        let expected = matches!(
            self.journal.progress,
            Reached::Confirmed | Reached::Verified
        );
        if self.epoch.pending.is_none() && sent {
            let pending = match expected || self.may_guess() {
                true => {
                    self.record_guesses(self.guesses.spent() + 1).await?;
                    self.look_at_pending().await?
                }
                false => Some(self.guesses.not_tried(self.subject)),
            };
            self.guesses
                .note(pending.as_ref().unwrap_or(&Logins::new()));
            self.note_pending(pending);
        }
        self.record_guesses(self.guesses.spent()).await
    }

    /// Y with P, unless it was tried; what it costs is written down before and after, where
    /// the server counts.
    async fn guess_previous(&mut self) -> Result<Option<Logins>, Failure> {
        if self.epoch.previous.is_some() || !self.guesses.are_counted() {
            return Ok(self.look_at_previous(true).await);
        }
        self.record_guesses(self.guesses.spent() + 1).await?;
        let previous = self.look_at_previous(true).await;
        self.guesses
            .note(previous.as_ref().unwrap_or(&Logins::new()));
        self.record_guesses(self.guesses.spent()).await?;
        Ok(previous)
    }

    /// Who only looks leaves no trace, and so must not spend what nobody would know of.
    fn may_guess(&self) -> bool {
        let counts = self.guesses.are_counted();
        self.guesses.may_be_wrong() && !(counts && self.only_looks)
    }

    /// Before a password is shown that may be wrong, and after what came of it: whoever goes
    /// on after a kill must know what was spent.
    async fn record_guesses(&mut self, in_a_row: u32) -> Result<(), Failure> {
        if self.journal.wrong_logins == in_a_row || self.only_looks {
            return Ok(());
        }
        let detail = serde_json::json!({"in-a-row": in_a_row});
        let event = Event::LoginsRefused { in_a_row };
        self.append(event, "rotation.logins-refused", detail).await
    }

    fn note_pending(&mut self, pending: Option<Logins>) {
        if pending.is_some() {
            self.epoch.proven_until = Some(Deadline::after(FRESH));
        }
        self.note(pending, |epoch| &mut epoch.pending);
    }

    /// Takes over logins as X, if any were attempted.
    fn note_current(&mut self, logins: Option<Logins>) {
        if let Some(logins) = logins {
            self.own.extend(sessions_of(&logins));
            self.epoch.current = Some(logins);
        }
    }

    /// Takes over logins as Y, if any were attempted.
    pub(super) fn note(
        &mut self,
        logins: Option<Logins>,
        place: fn(&mut Epoch) -> &mut Option<Logins>,
    ) {
        if let Some(logins) = logins {
            self.own.extend(sessions_of(&logins));
            self.unnoted.extend(sessions_of(&logins));
            *place(&mut self.epoch) = Some(logins);
        }
    }

    /// The journal has ended it, or the outcome stands in the store: no database is asked.
    pub(super) fn is_over(&self) -> bool {
        self.promotion_unknown || self.journal.is_over()
    }

    async fn look_at_current(&self) -> Result<Option<Logins>, Failure> {
        match self.epoch.current {
            Some(_) => Ok(None),
            None => {
                let (workspace, subject) = (self.workspace, self.subject);
                let limit = self.current_limit();
                Ok(Some(
                    probe_current_counted(workspace, subject, limit).await?,
                ))
            }
        }
    }

    async fn look_at_previous(&self, wanted: bool) -> Option<Logins> {
        match self.epoch.previous {
            None if wanted => probe_previous(self.subject).await,
            _ => None,
        }
    }

    /// Where no password of Y is known: a random one, which nothing may accept.
    async fn look_with_decoy(&self) -> Option<Logins> {
        let wanted = self.journal.is_sent() && self.subject.previous.password.is_none();
        match self.epoch.decoy {
            None if wanted => Some(probe_decoy(self.subject).await),
            _ => None,
        }
    }

    async fn look_at_pending(&self) -> Result<Option<Logins>, Failure> {
        if self.epoch.pending.is_some() || !self.journal.is_sent() {
            return Ok(None);
        }
        let Some(pending) = self.pending_password().await? else {
            return Ok(None);
        };
        Ok(Some(probe_pending(self.subject, &pending).await))
    }

    async fn look_at_poolers(&self) -> Result<Option<Logins>, Failure> {
        if self.epoch.pooled.is_some() || self.subject.poolers.is_empty() {
            return Ok(None);
        }
        let Some(pending) = self.pending_password().await? else {
            return Ok(None);
        };
        Ok(Some(probe_poolers(self.subject, &pending).await))
    }

    /// Whether the next decision may lead to S3, or needs the catalog to tell a wrong
    /// password from an expired role.
    fn needs_manager(&self) -> bool {
        match self.journal.progress {
            Reached::Pending
            | Reached::Refused { .. }
            | Reached::Sent { .. }
            | Reached::Locked { .. } => true,
            Reached::Begun | Reached::Admitted => self.intent != Intent::Rotate,
            Reached::Confirmed | Reached::Verified => {
                self.facts.is_none() || self.journal.unreplicated_at.is_some()
            }
            Reached::Promoted { .. } | Reached::Abandoned { .. } | Reached::Aborted => false,
        }
    }

    async fn look_as_manager(&mut self) -> Result<(), StoreError> {
        if !self.needs_manager() || self.epoch.fault.is_some() {
            return Ok(());
        }
        // Facts of this run hold until somebody else may have changed them: the gate
        // is looked at again under the role's lock right before S3.
        if self.managing.is_some() && self.facts.is_some() && self.gate.is_some() {
            return Ok(());
        }
        let watched = self.read_watched().await?;
        if let Err(fault) = self.ask_manager(watched.as_ref()).await {
            self.managing = None;
            // What was seen before the last effect says nothing of what it did.
            self.facts = None;
            self.epoch.fault = Some(fault);
        }
        Ok(())
    }

    /// What is stored of Y's drain where a window has to pass, as long as nothing was sent: from
    /// then on P may be gone already, and what was seen since may be ourselves.
    pub(super) async fn read_watched(&self) -> Result<Option<Watched>, StoreError> {
        match self.journal.is_sent() || self.subject.settings.quiet.is_zero() {
            false => read_watched(self.workspace, self.subject, &self.unnoted).await,
            true => Ok(None),
        }
    }

    async fn ask_manager(&mut self, watched: Option<&Watched>) -> Result<(), DatabaseFault> {
        let subject = self.subject;
        let mut managing = match self.managing.take() {
            Some(managing) => managing,
            None => {
                let application = application("manage");
                subject
                    .database
                    .manage(&subject.node, &subject.manager, &application)
                    .await?
            }
        };
        let users = [subject.current_user(), subject.user()];
        let (facts, others) =
            tokio::try_join!(managing.facts(users[0], users[1]), look_at_others(subject))?;
        let (own, observer) = (&self.own, self.observer);
        let looked = look_at_gate(
            subject,
            &mut *managing,
            &facts,
            &others,
            own,
            watched,
            observer,
        )
        .await?;
        if let [Some(current), Some(idle)] = &facts.roles {
            let accounts = [&current.account, &idle.account];
            if matches!(self.journal.progress, Reached::Sent { .. }) {
                self.epoch.waits_for_standby = managing.waiting_for_standby(&idle.account).await?;
            }
            let compares = self.journal.is_sent() && !self.journal.takes_known();
            if compares && self.twins == TwinLook::NotLooked {
                let twins = managing
                    .twins(TwinRoles {
                        names: users,
                        accounts,
                    })
                    .await?;
                self.twins = twin_look(subject, &twins);
            }
        }
        self.note_gate(&looked.gate);
        self.managing = Some(managing);
        self.guesses.learn(facts.roles[1].as_ref());
        self.facts = Some(facts);
        self.others = others;
        Ok(())
    }

    /// Takes over what a look at the gate found; a signed waiver passes it.
    pub(super) fn note_gate(&mut self, gate: &Gate) {
        self.gate_words = crate::rotation::describe_gate(gate, self.subject.engine);
        self.gate = Some(match gate {
            Gate::Open => GateLook::Open,
            Gate::Shut(_) if self.waived || self.needs_no_gate() => GateLook::Open,
            Gate::Shut(_) => GateLook::Shut,
        });
    }

    /// Consumers read this password already: setting it again cuts nobody off.
    fn needs_no_gate(&self) -> bool {
        let back = self.journal.back.as_ref();
        back.is_some_and(|back| back.way == Way::Reapply)
    }

    pub(super) fn weigh(&self) -> Evidence {
        let roles = self.facts.as_ref().map(|facts| &facts.roles);
        let admitted = self.journal.admitted.as_ref();
        let knowledge = |index: usize| {
            let role = roles.and_then(|roles| roles[index].as_ref());
            RoleKnowledge::of(role, admitted.map(|admitted| &admitted.accounts[index]))
        };
        let standing = |logins: &Option<Logins>, index: usize| match logins {
            Some(logins) => assess(logins.iter().map(|(_, outcome)| outcome), knowledge(index)),
            None => Standing::default(),
        };
        // An operator may have accepted another server since S1; then its mark stands there.
        let recorded = self.subject.record.server.as_ref();
        let recorded = recorded.or(admitted.map(|admitted| &admitted.server));
        let server = match &self.facts {
            Some(facts) => match_server(recorded, &facts.identity),
            None => ServerMatch::NotKnown,
        };
        // Let in, or refused only after the password was accepted.
        let accepted = |(_, outcome): &(Node, LoginOutcome)| {
            !matches!(
                outcome,
                LoginOutcome::PasswordRefused | LoginOutcome::Unknown(_)
            )
        };
        Evidence {
            current: standing(&self.epoch.current, 0),
            previous: standing(&self.epoch.previous, 1),
            pending: standing(&self.epoch.pending, 1),
            pooled: standing(&self.epoch.pooled, 1),
            decoy_accepted: self.epoch.decoy.iter().flatten().any(accepted),
            // Where consumers are down, the target alone has to be in order.
            pair_unsound: roles.is_some()
                && (usize::from(!self.journal.needs_current() && self.journal.back.is_some())..2)
                    .any(|index| knowledge(index) != RoleKnowledge::Sound),
            server,
            replication: self.replication(),
            sink: SinkLook::Confirmed,
            unnamed_standbys: count_unnamed(self.looks()),
            twins: self.twins,
            waits: self.epoch.waits,
            manager: match &self.epoch.fault {
                None => Manager::Ready,
                Some(DatabaseFault::ManagerOut { .. } | DatabaseFault::NoRight { .. }) => {
                    Manager::Out
                }
                Some(DatabaseFault::Unreachable { .. } | DatabaseFault::Server { .. }) => {
                    Manager::Unreachable
                }
            },
            // Not looked is not open.
            gate: self.gate.unwrap_or(GateLook::Shut),
            in_parts: self.is_in_parts(),
            untried: self.is_untried(),
            promotion_unknown: self.promotion_unknown,
        }
    }

    /// S3 was sent and not answered, and N may not be guessed.
    pub(super) fn is_untried(&self) -> bool {
        matches!(self.journal.progress, Reached::Sent { .. })
            && !self.may_guess()
            && self
                .epoch
                .pending
                .as_ref()
                .is_some_and(|logins| self.guesses.is_not_tried(logins))
    }

    /// S3 was sent, not confirmed as a whole, and takes several statements.
    pub(super) fn is_in_parts(&self) -> bool {
        let role = self
            .facts
            .as_ref()
            .and_then(|facts| facts.roles[1].as_ref());
        let now = role.map_or(1, |role| role.statements);
        let planned = self.journal.admitted.as_ref();
        let planned = planned.map_or(1, |admitted| admitted.statements);
        matches!(self.journal.progress, Reached::Sent { .. }) && now.max(planned) > 1
    }

    /// What every node told the managing user, as far as it was asked.
    pub(super) fn looks(&self) -> impl Iterator<Item = &ManagingFacts> {
        let others = self.others.iter().map(|(_, facts)| facts);
        self.facts.iter().chain(others)
    }

    pub(super) fn replication(&self) -> Replication {
        if self.epoch.waits_for_standby.is_some() {
            return Replication::Waiting;
        }
        let position = self.journal.unreplicated_at.or(self.epoch.unanswered_at);
        match (position, &self.facts) {
            (Some(position), Some(facts)) => replication(facts, position),
            _ => Replication::NotLooked,
        }
    }

    /// A change whose answer was lost and that is there all the same may have been applied
    /// on this server alone, by whoever cancelled its wait for a synchronous standby: the
    /// warning went to nobody. The log as it stood when N was first seen has the change, and
    /// stays the mark, since on a busy server the standbys are always a little behind.
    fn note_unanswered(&mut self) {
        let unanswered = matches!(self.journal.progress, Reached::Sent { .. });
        if !unanswered || !self.weigh().pending.is_proven_somewhere() {
            self.epoch.unanswered_at = None;
        } else if self.epoch.unanswered_at.is_none() {
            let position = self.facts.as_ref().map(|facts| facts.identity.position);
            self.epoch.unanswered_at = position;
        }
    }
}
