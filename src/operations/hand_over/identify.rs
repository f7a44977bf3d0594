//! Which server answers for a rotated secret now, beside the one that is recorded.

use std::collections::BTreeMap;

use super::logins::{application, probe_current};
use super::preflight::owner_of;
use super::subject::Subject;
use crate::document::PropertyPath;
use crate::model::{
    AccountId, DatabaseFault, EnvironmentName, ManagingFacts, RoleFacts, ServerIdentity,
};
use crate::operations::{Failure, Workspace};
use crate::rotation::{Owner, RoleKnowledge, assess};
use crate::secret::SecretId;

/// What answers now.
pub(in crate::operations) struct Answer {
    pub(in crate::operations) server: ServerIdentity,
    /// The SHA-256 of the certificate that it showed, in hex.
    pub(in crate::operations) certificate: Option<String>,
    /// OIDs that the pair has there, by name.
    pub(in crate::operations) accounts: BTreeMap<String, AccountId>,
    /// The idle user, where the catalog lets it log in there.
    pub(in crate::operations) open_idle: Option<String>,
    /// Another rotated secret that owns one of the pair there.
    pub(in crate::operations) owner: Option<Owner>,
    /// Whether what consumers read logs in there, in one word.
    pub(in crate::operations) consumers: &'static str,
}

/// One rotated secret, and the server that answers for it.
pub(in crate::operations) struct Identified {
    pub(in crate::operations) secret: SecretId,
    pub(in crate::operations) node: String,
    pub(in crate::operations) recorded: Option<ServerIdentity>,
    pub(in crate::operations) recorded_certificate: Option<String>,
    pub(in crate::operations) recorded_accounts: BTreeMap<String, AccountId>,
    pub(in crate::operations) answer: Result<Answer, DatabaseFault>,
}

/// Looks at the server of one rotated secret; nothing is changed.
///
/// # Errors
/// What is wrong with the document or the store; a server that does not answer is part
/// of what is answered.
pub(in crate::operations) async fn identify(
    workspace: &Workspace,
    environment: &EnvironmentName,
    path: PropertyPath,
) -> Result<Identified, Failure> {
    let subject = Subject::read(workspace, environment, path).await?;
    let (facts, logins) = tokio::join!(ask(&subject), probe_current(&subject));
    let answer = match facts {
        Ok(facts) => {
            let users = [subject.current_user(), subject.user()];
            let accounts = users
                .into_iter()
                .zip(&facts.roles)
                .filter_map(|(user, role)| {
                    Some((user.as_str().to_owned(), role.as_ref()?.account.clone()))
                })
                .collect();
            let is_open = |role: &RoleFacts| role.can_log_in;
            let open_idle = facts.roles[1].as_ref().is_some_and(is_open);
            let knowledge = RoleKnowledge::of(facts.roles[0].as_ref(), None);
            let outcomes = logins.iter().map(|(_, outcome)| outcome);
            Ok(Answer {
                owner: owner_of(workspace, &subject, &facts).await?,
                certificate: facts.certificate,
                server: facts.identity,
                accounts,
                open_idle: open_idle.then(|| subject.user().as_str().to_owned()),
                consumers: assess(outcomes, knowledge).word(),
            })
        }
        Err(fault) => Err(fault),
    };
    Ok(Identified {
        secret: subject.record.id,
        node: subject.node.to_string(),
        recorded: subject.record.server,
        recorded_certificate: subject.record.certificate,
        recorded_accounts: subject.record.accounts,
        answer,
    })
}

async fn ask(subject: &Subject) -> Result<ManagingFacts, DatabaseFault> {
    let name = application("manage");
    let mut managing = subject
        .database
        .manage(&subject.node, &subject.manager, &name)
        .await?;
    let facts = managing
        .facts(subject.current_user(), subject.user())
        .await?;
    managing.close().await;
    Ok(facts)
}
