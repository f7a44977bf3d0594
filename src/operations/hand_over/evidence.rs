//! Gathering: what this epoch's logins and looks found.
//!
//! At most one attempt per candidate and node in each epoch; a wait or an S3 opens a
//! new one. C is carried over an S3 of ours, since S3 does not touch it.

use super::apply::FRESH;
use super::effects;
use super::preflight::{application, look_at_gate, probe_current, probe_previous, sessions_of};
use super::run::Run;
use crate::database::Login;
use crate::model::{DatabaseFault, Gate, LoginOutcome, Node, RoleFacts};
use crate::operations::Failure;
use crate::process::{Deadline, generate_password};
use crate::rotation::{
    Evidence, GateLook, Intent, Manager, Progress, Replication, RoleKnowledge, ServerMatch,
    Standing, TwinLook, assess, match_server,
};

/// Every node that was asked, and how the login ended.
pub(super) type Logins = Vec<(Node, LoginOutcome)>;

/// The logins of one epoch; `None` where none was attempted yet.
#[derive(Default)]
pub(super) struct Epoch {
    pub(super) current: Option<Logins>,
    pub(super) previous: Option<Logins>,
    pub(super) pending: Option<Logins>,
    /// A random password of Y, where no password of it is known.
    pub(super) decoy: Option<Logins>,
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
        let groups = [&self.current, &self.pending];
        groups.into_iter().flatten().flatten()
    }
}

impl Run<'_> {
    /// Fills what the next decision may look at and is not known yet.
    pub(super) async fn gather(&mut self) -> Result<Evidence, Failure> {
        if self.is_over() {
            return Ok(self.weigh());
        }
        let (current, previous, decoy, pending) = tokio::join!(
            self.look_at_current(),
            self.look_at_previous(),
            self.look_with_decoy(),
            self.look_at_pending()
        );
        if let Some(current) = current? {
            self.own.extend(sessions_of(&current));
            self.epoch.current = Some(current);
        }
        if let Some(previous) = previous {
            self.own.extend(sessions_of(&previous));
            self.epoch.previous = Some(previous);
        }
        if let Some(decoy) = decoy {
            self.own.extend(sessions_of(&decoy));
            self.epoch.decoy = Some(decoy);
        }
        if let Some(pending) = pending? {
            self.own.extend(sessions_of(&pending));
            self.epoch.pending = Some(pending);
            self.epoch.proven_until = Some(Deadline::after(FRESH));
        }
        self.look_as_manager().await;
        Ok(self.weigh())
    }

    /// The journal has ended it, or the outcome stands in the store: no database is asked.
    pub(super) fn is_over(&self) -> bool {
        self.promotion_unknown || self.journal.is_over()
    }

    async fn look_at_current(&self) -> Result<Option<Logins>, Failure> {
        if self.epoch.current.is_some() {
            return Ok(None);
        }
        probe_current(self.subject).await.map(Some)
    }

    async fn look_at_previous(&self) -> Option<Logins> {
        if self.epoch.previous.is_some() || !self.was_sent() {
            return None;
        }
        probe_previous(self.subject).await
    }

    /// Where no password of Y is known: a random one, which nothing may accept.
    async fn look_with_decoy(&self) -> Option<Logins> {
        if self.epoch.decoy.is_some()
            || self.subject.previous.password.is_some()
            || !self.was_sent()
        {
            return None;
        }
        let decoy = generate_password(32);
        let application = application("probe");
        let login = Login {
            node: &self.subject.node,
            user: self.subject.user(),
            password: &decoy,
            application: &application,
            statements: &[],
        };
        let outcome = effects::probe(self.subject, "probe-previous", login).await;
        Some(vec![(self.subject.node.clone(), outcome)])
    }

    async fn look_at_pending(&self) -> Result<Option<Logins>, Failure> {
        if self.epoch.pending.is_some() || !self.was_sent() {
            return Ok(None);
        }
        let Some(pending) = self.pending_password().await? else {
            return Ok(None);
        };
        let application = application("probe");
        let login = Login {
            node: &self.subject.node,
            user: self.subject.user(),
            password: &pending,
            application: &application,
            statements: &self.subject.settings.statements,
        };
        let outcome = effects::probe(self.subject, "probe-pending", login).await;
        Ok(Some(vec![(self.subject.node.clone(), outcome)]))
    }

    fn was_sent(&self) -> bool {
        matches!(
            self.journal.progress,
            Progress::Sent { .. } | Progress::Confirmed | Progress::Verified
        )
    }

    /// Whether the next decision may lead to S3, or needs the catalog to tell a wrong
    /// password from an expired role.
    fn needs_manager(&self) -> bool {
        match self.journal.progress {
            Progress::Pending | Progress::Refused { .. } | Progress::Sent { .. } => true,
            Progress::Begun | Progress::Admitted => self.intent != Intent::Rotate,
            Progress::Confirmed | Progress::Verified => self.facts.is_none(),
            Progress::Promoted { .. } | Progress::Abandoned { .. } | Progress::Aborted => false,
        }
    }

    async fn look_as_manager(&mut self) {
        if !self.needs_manager() || self.epoch.fault.is_some() {
            return;
        }
        // Facts of this run hold until somebody else may have changed them: the gate
        // is looked at again under the role's lock right before S3.
        if self.managing.is_some() && self.facts.is_some() && self.gate.is_some() {
            return;
        }
        if let Err(fault) = self.ask_manager().await {
            self.managing = None;
            self.epoch.fault = Some(fault);
        }
    }

    async fn ask_manager(&mut self) -> Result<(), DatabaseFault> {
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
        let facts = managing
            .facts(subject.current_user(), subject.user())
            .await?;
        let gate = look_at_gate(subject, &mut *managing, &facts, &self.own, self.observer).await?;
        self.note_gate(&gate);
        self.managing = Some(managing);
        self.facts = Some(facts);
        Ok(())
    }

    /// Takes over what a look at the gate found; a signed waiver passes it.
    pub(super) fn note_gate(&mut self, gate: &Gate) {
        self.gate_words = crate::rotation::describe_gate(gate);
        self.gate = Some(match gate {
            Gate::Open => GateLook::Open,
            Gate::Shut(_) if self.waived => GateLook::Open,
            Gate::Shut(_) => GateLook::Shut,
        });
    }

    pub(super) fn weigh(&self) -> Evidence {
        let roles = self.facts.as_ref().map(|facts| &facts.roles);
        let oids = self.journal.admitted.as_ref().map(|admitted| admitted.oids);
        let knowledge = |index: usize| {
            let role = roles.and_then(|roles| roles[index].as_ref());
            role_knowledge(role, oids.map(|oids| oids[index]))
        };
        let standing = |logins: &Option<Logins>, index: usize| match logins {
            Some(logins) => assess(logins.iter().map(|(_, outcome)| outcome), knowledge(index)),
            None => Standing::default(),
        };
        let admitted = self.journal.admitted.as_ref();
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
            pooled: Standing::default(),
            decoy_accepted: self.epoch.decoy.iter().flatten().any(accepted),
            server,
            replication: Replication::NotLooked,
            unnamed_standbys: 0,
            twins: TwinLook::NotLooked,
            waits: self.epoch.waits,
            manager: match &self.epoch.fault {
                None => Manager::Ready,
                Some(DatabaseFault::ManagerOut { .. }) => Manager::Out,
                Some(DatabaseFault::Unreachable { .. } | DatabaseFault::Server { .. }) => {
                    Manager::Unreachable
                }
            },
            // Not looked is not open.
            gate: self.gate.unwrap_or(GateLook::Shut),
            promotion_unknown: self.promotion_unknown,
        }
    }

    /// The first thing that an operator has to know.
    pub(super) fn consumers_words(&self) -> String {
        let current = self.weigh().current;
        let user = crate::untrusted::Untrusted::new(self.subject.current_user().as_str());
        if current.is_everywhere() {
            format!("OK: they read {user}, which logs in")
        } else if current.refused > 0 || current.barred > 0 {
            format!("DOWN: they read {user}, which does not log in")
        } else {
            format!("NOT KNOWN: they read {user}, and the database does not say whether it logs in")
        }
    }

    /// The evidence in words, for people.
    pub(super) fn evidence_words(&self) -> Vec<String> {
        let evidence = self.weigh();
        let user = crate::untrusted::Untrusted::new(self.subject.user().as_str());
        let current = crate::untrusted::Untrusted::new(self.subject.current_user().as_str());
        let mut words = vec![format!(
            "{current} with the current password: {}",
            evidence.current.word()
        )];
        if self.epoch.pending.is_some() {
            words.push(format!(
                "{user} with the pending password: {}",
                evidence.pending.word()
            ));
        }
        if self.epoch.previous.is_some() {
            words.push(format!(
                "{user} with the previous password: {}",
                evidence.previous.word()
            ));
        }
        if !self.gate_words.is_empty() {
            words.push(format!("sessions of {user}: {}", self.gate_words));
        }
        words
    }
}

fn role_knowledge(role: Option<&RoleFacts>, recorded: Option<u32>) -> RoleKnowledge {
    match role {
        Some(role) if recorded.is_some_and(|oid| oid != role.oid) => RoleKnowledge::NotKnown,
        Some(role) if role.expired => RoleKnowledge::Expired,
        Some(_) => RoleKnowledge::Sound,
        None => RoleKnowledge::NotKnown,
    }
}
