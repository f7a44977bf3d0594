//! Logins of our own as the outgoing user, noted in the store: whoever samples it, in another
//! process, leaves them out by node, number and start.

use chrono::Utc;
use rusqlite::Transaction;

use super::logins::sessions_of;
use super::subject::Subject;
use crate::model::{LoginOutcome, Node, OwnSession, UserName};
use crate::operations::Workspace;
use crate::secret::SecretId;
use crate::store::{StoreError, observations, overlaps};

/// Sessions of our own as one user of a pair.
#[derive(Debug, Clone)]
pub(super) struct OwnLogins {
    secret: SecretId,
    user: String,
    sessions: Vec<OwnSession>,
}

impl OwnLogins {
    /// Those that these logins as X opened.
    pub(super) fn of_current(subject: &Subject, logins: &[(Node, LoginOutcome)]) -> Self {
        Self::new(subject, subject.current_user(), sessions_of(logins))
    }

    /// Those that these logins as Y opened.
    pub(super) fn of_idle(subject: &Subject, logins: &[(Node, LoginOutcome)]) -> Self {
        Self::new(subject, subject.user(), sessions_of(logins))
    }

    /// These, of that user.
    pub(super) fn new(subject: &Subject, user: &UserName, sessions: Vec<OwnSession>) -> Self {
        Self {
            secret: subject.record.id,
            user: user.as_str().to_owned(),
            sessions,
        }
    }

    /// Notes them in a transaction that is written anyway.
    ///
    /// # Errors
    /// The store's own.
    pub(super) fn note(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if !self.are_wanted(transaction)? {
            return Ok(());
        }
        let now = Utc::now();
        observations::note_own_logins(transaction, self.secret, &self.user, &self.sessions, now)
    }

    /// Nobody samples a user that is not the outgoing one.
    fn are_wanted(&self, transaction: &Transaction<'_>) -> Result<bool, StoreError> {
        if self.sessions.is_empty() {
            return Ok(false);
        }
        let open = overlaps::current(transaction, self.secret)?;
        Ok(open.is_some_and(|overlap| overlap.user == self.user))
    }
}

/// Notes logins in a transaction of its own, where there is one to note. Without it somebody
/// may take them for foreign ones, which is no reason not to answer whoever looked.
pub(super) async fn note(workspace: &Workspace, logins: impl IntoIterator<Item = OwnLogins>) {
    let made = logins.into_iter().filter(|one| !one.sessions.is_empty());
    let made: Vec<OwnLogins> = made.collect();
    // A store that cannot be written is sampled by nobody either.
    if made.is_empty() || !workspace.store.is_writable() {
        return;
    }
    if let Err(error) = note_wanted(workspace, made).await {
        tracing::warn!(%error, "logins of our own were not noted");
    }
}

async fn note_wanted(workspace: &Workspace, mut made: Vec<OwnLogins>) -> Result<(), StoreError> {
    let store = &workspace.store;
    let wanted = store
        .read(move |transaction| {
            let mut wanted = Vec::new();
            for one in made.drain(..) {
                if one.are_wanted(transaction)? {
                    wanted.push(one);
                }
            }
            Ok::<_, StoreError>(wanted)
        })
        .await?;
    if wanted.is_empty() {
        return Ok(());
    }
    store
        .write(move |transaction| wanted.iter().try_for_each(|one| one.note(transaction)))
        .await
}
