//! What opening a rotation makes a rotated secret's own: its pair of users, and the mark
//! of the server on which they are.

use rusqlite::Transaction;

use super::preflight::Preflight;
use super::subject::Subject;
use crate::model::{AccountId, Node, ServerIdentity, UserName};
use crate::operations::{Exit, Failure};
use crate::rotation::{AdmitCase, Admitted, Plan};
use crate::secret::SecretId;
use crate::store::{NamedUsers, owners, rotated_secrets};

/// A rotated secret and what it claims.
pub(super) struct Claimed {
    secret: SecretId,
    node: Node,
    manager: UserName,
    pair: [UserName; 2],
    accounts: [AccountId; 2],
    server: ServerIdentity,
    certificate: Option<String>,
}

impl Claimed {
    pub(super) fn of(subject: &Subject, plan: &Plan, found: &Preflight) -> Self {
        let managing = found.managing.as_ref().ok();
        Self {
            secret: subject.record.id,
            node: subject.node.clone(),
            manager: subject.manager.username.clone(),
            pair: [subject.current_user(), subject.user()].map(Clone::clone),
            accounts: plan.accounts.clone(),
            server: plan.server.clone(),
            certificate: managing.and_then(|(_, facts)| facts.certificate.clone()),
        }
    }

    /// The same where no new password is planned.
    pub(super) fn met(subject: &Subject, admitted: &Admitted, certificate: Option<String>) -> Self {
        let users = [subject.current_user(), subject.user()];
        Self {
            secret: subject.record.id,
            node: subject.node.clone(),
            manager: subject.manager.username.clone(),
            pair: users.map(Clone::clone),
            accounts: admitted.accounts.clone(),
            server: admitted.server.clone(),
            certificate,
        }
    }

    /// Raises the server's mark and claims the pair. Another rotated secret may have
    /// claimed it since the look.
    ///
    /// # Errors
    /// `owned-elsewhere`, else the store's own.
    pub(super) fn claim(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let Self { secret, server, .. } = self;
        let names = self.pair.iter().map(|user| user.as_str().to_owned());
        let roles: Vec<(String, AccountId)> = names.zip(self.accounts.clone()).collect();
        if let Some(owner) = owners::of_roles(transaction, *secret, &server.system, &roles)? {
            return Err(Failure::new(
                AdmitCase::OwnedElsewhere.name(),
                Exit::Refused,
                owner.words(),
                "give each of them two users of its own",
            ));
        }
        rotated_secrets::raise_server(transaction, *secret, server)?;
        let certificate = self.certificate.as_deref();
        rotated_secrets::record_certificate(transaction, *secret, certificate)?;
        owners::claim_roles(transaction, *secret, &server.system, &self.accounts)?;
        let users = NamedUsers {
            node: &self.node,
            manager: &self.manager,
            pair: [&self.pair[0], &self.pair[1]],
        };
        owners::note_names(transaction, *secret, users)?;
        Ok(())
    }
}
