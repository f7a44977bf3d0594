//! Logins that may be refused, on servers that count refusals.
//!
//! MySQL shuts a user out after `FAILED_LOGIN_ATTEMPTS` wrong passwords in a row, whoever
//! shows them, and lets nobody in then, not even with the right one. Consumers with an old
//! password spend from the same count, so two are always left to them: what may be refused
//! is tried only as long as that holds. A login that succeeds sets the count back, which is
//! why the passwords of such a user are tried one after the other, the doubtful one first.

use super::logins::{Logins, probe_current, probe_previous};
use super::run::Run;
use super::subject::Subject;
use crate::model::{LoginOutcome, RoleFacts, UnknownCause, UserName};
use crate::operations::{Failure, Workspace};
use crate::rotation::Evidence;
use crate::secret::SecretId;
use crate::store::{StoreError, rotated_secrets};
use crate::untrusted::Untrusted;

/// How many are left to others.
const LEFT_TO_OTHERS: u32 = 2;

/// The wrong passwords of one user in a row, as far as we showed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Guesses {
    limit: Option<u32>,
    spent: u32,
}

impl Guesses {
    /// `spent` are those of an earlier run.
    pub(super) fn new(limit: Option<u32>, spent: u32) -> Self {
        Self { limit, spent }
    }

    /// The limit that the server has now; a stricter one that was known before stays.
    pub(super) fn learn(&mut self, role: Option<&RoleFacts>) {
        let now = role.and_then(|role| role.login_limit);
        self.limit = match (self.limit, now) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
    }

    /// Whether the server counts at all.
    pub(super) fn are_counted(&self) -> bool {
        self.limit.is_some()
    }

    pub(super) fn spent(&self) -> u32 {
        self.spent
    }

    /// Whether one more may be wrong.
    pub(super) fn may_be_wrong(&self) -> bool {
        self.limit
            .is_none_or(|limit| self.spent + 1 + LEFT_TO_OTHERS <= limit)
    }

    /// Counts what came of a login. Each node counts by itself, and each was asked once.
    pub(super) fn note(&mut self, logins: &Logins) {
        let outcomes = || logins.iter().map(|(_, outcome)| outcome);
        if outcomes().any(|outcome| *outcome == LoginOutcome::PasswordRefused) {
            self.spent += 1;
        } else if !logins.is_empty() && outcomes().all(|outcome| outcome.session().is_some()) {
            self.spent = 0;
        }
    }

    /// What stands for a login that was not tried.
    pub(super) fn not_tried(&self, subject: &Subject) -> Logins {
        let nodes = subject.nodes();
        nodes.map(|node| (node.clone(), self.untried())).collect()
    }

    /// Whether that is what stands there.
    pub(super) fn is_not_tried(&self, logins: &Logins) -> bool {
        let mut outcomes = logins.iter().map(|(_, outcome)| outcome);
        !logins.is_empty() && outcomes.all(|outcome| *outcome == self.untried())
    }

    fn untried(&self) -> LoginOutcome {
        let limit = match self.limit.unwrap_or_default() {
            1 => "1 wrong password".to_owned(),
            limit => format!("{limit} wrong passwords in a row"),
        };
        let text = format!(
            "not tried: after {limit} the server shuts the user out, and two are left to others"
        );
        LoginOutcome::Unknown(UnknownCause::Other(Untrusted::new(&text)))
    }
}

impl Run<'_> {
    /// After how many wrong passwords in a row the server shuts X out, as S1 found it, or the
    /// last look.
    pub(super) fn current_limit(&self) -> Option<u32> {
        let role = || {
            self.facts
                .as_ref()
                .and_then(|facts| facts.roles[0].as_ref())
        };
        match &self.journal.admitted {
            Some(admitted) => admitted.current_limit,
            None => role().and_then(|role| role.login_limit),
        }
    }

    /// With nothing open there is no journal that could keep count of wrong passwords: the store
    /// does. What became of P tells an older store from a dead user.
    ///
    /// # Errors
    /// The store's own.
    pub(super) async fn gather_without_journal(&mut self) -> Result<Evidence, Failure> {
        self.only_looks = true;
        let found = self.gather().await?;
        if !found.current.is_everywhere() {
            self.look_at_back_of_dead().await?;
        }
        Ok(self.weigh())
    }

    /// Y with P, where the server counts and the look has left it out.
    async fn look_at_back_of_dead(&mut self) -> Result<(), StoreError> {
        let role = self.facts.as_ref().and_then(|facts| facts.roles[1].clone());
        let (Some(role), Some(_)) = (role, &self.subject.previous.password) else {
            return Ok(());
        };
        if self.epoch.previous.is_some() || !role.can_log_in {
            return Ok(());
        }
        let (workspace, subject) = (self.workspace, self.subject);
        let (user, limit) = (subject.user(), role.login_limit);
        let probe = async { probe_previous(subject).await.unwrap_or_default() };
        let logins = probe_counted(workspace, subject, user, limit, probe).await?;
        self.note(Some(logins), |epoch| &mut epoch.previous);
        Ok(())
    }
}

/// X with C. It is expected to be right; where it was not, and the server counts, it is not
/// shown so often that consumers who have the right one are shut out. The count is kept in
/// the store, since looking at a dead password is what operators do again and again.
///
/// # Errors
/// The store's own.
pub(super) async fn probe_current_counted(
    workspace: &Workspace,
    subject: &Subject,
    limit: Option<u32>,
) -> Result<Logins, StoreError> {
    let Some(limit) = limit else {
        return Ok(probe_current(subject).await);
    };
    let (id, user) = (
        subject.record.id,
        subject.current_user().as_str().to_owned(),
    );
    let whose = user.clone();
    let spent = workspace
        .store
        .read(move |transaction| rotated_secrets::refused_logins(transaction, id, &whose))
        .await?;
    let mut guesses = Guesses::new(Some(limit), spent);
    if spent > 0 && !guesses.may_be_wrong() {
        return Ok(guesses.not_tried(subject));
    }
    // Before it is shown, since a kill must not lose count.
    note_refused(workspace, id, &user, spent + 1).await?;
    let logins = probe_current(subject).await;
    guesses.note(&logins);
    note_refused(workspace, id, &user, guesses.spent()).await?;
    Ok(logins)
}

/// A login of one of the pair that may be wrong, with nothing open whose journal could keep
/// count: `probe`. Where its server counts wrong passwords they are counted in the store, and
/// none is shown that could be one too many.
///
/// # Errors
/// The store's own.
pub(super) async fn probe_counted(
    workspace: &Workspace,
    subject: &Subject,
    user: &UserName,
    limit: Option<u32>,
    probe: impl Future<Output = Logins>,
) -> Result<Logins, StoreError> {
    let Some(limit) = limit else {
        return Ok(probe.await);
    };
    let (id, user) = (subject.record.id, user.as_str().to_owned());
    let whose = user.clone();
    let spent = workspace
        .store
        .read(move |transaction| rotated_secrets::refused_logins(transaction, id, &whose))
        .await?;
    let mut guesses = Guesses::new(Some(limit), spent);
    if !guesses.may_be_wrong() {
        return Ok(guesses.not_tried(subject));
    }
    note_refused(workspace, id, &user, spent + 1).await?;
    let logins = probe.await;
    guesses.note(&logins);
    note_refused(workspace, id, &user, guesses.spent()).await?;
    Ok(logins)
}

async fn note_refused(
    workspace: &Workspace,
    id: SecretId,
    user: &str,
    count: u32,
) -> Result<(), StoreError> {
    let user = user.to_owned();
    workspace
        .store
        .write(move |transaction| {
            rotated_secrets::note_refused_logins(transaction, id, &user, count)
        })
        .await
}

/// Y with P where nothing is open whose journal could keep the count: not at all where its
/// server counts, since who looks often would spend what is left to others.
pub(super) async fn probe_uncounted(subject: &Subject, role: Option<&RoleFacts>) -> Option<Logins> {
    let mut guesses = Guesses::default();
    guesses.learn(role);
    match guesses.are_counted() {
        true => subject
            .previous
            .password
            .as_ref()
            .map(|_| guesses.not_tried(subject)),
        false => probe_previous(subject).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Node, OwnSession};

    fn logins(outcome: LoginOutcome) -> Logins {
        let node = Node {
            host: "db".to_owned(),
            port: 3306,
        };
        vec![(node, outcome)]
    }

    fn let_in() -> Logins {
        let session = OwnSession {
            node: Node {
                host: "db".to_owned(),
                port: 3306,
            },
            pid: 1,
            started: None,
            span: Default::default(),
        };
        logins(LoginOutcome::StatementFailed {
            session,
            message: Untrusted::new(""),
        })
    }

    #[test]
    fn two_are_always_left_to_others() {
        for (limit, tries) in [(1, 0), (2, 0), (3, 1), (4, 2), (10, 8)] {
            let mut guesses = Guesses::new(Some(limit), 0);
            for _ in 0..tries {
                assert!(guesses.may_be_wrong(), "{limit}");
                guesses.note(&logins(LoginOutcome::PasswordRefused));
            }
            assert!(!guesses.may_be_wrong(), "{limit}");
        }
    }

    #[test]
    fn a_login_that_succeeds_sets_the_count_back_and_silence_does_not() {
        let mut guesses = Guesses::new(Some(3), 1);
        guesses.note(&logins(LoginOutcome::Unknown(UnknownCause::TimedOut)));
        guesses.note(&Logins::new());
        assert!(!guesses.may_be_wrong());
        guesses.note(&let_in());
        assert!(guesses.may_be_wrong());
    }

    #[test]
    fn a_server_that_does_not_count_is_asked_as_often_as_needed() {
        let mut guesses = Guesses::default();
        for _ in 0..100 {
            guesses.note(&logins(LoginOutcome::PasswordRefused));
        }
        assert!(guesses.may_be_wrong() && !guesses.are_counted());
    }
}
