//! `doctor ENV --accept-server`: the server that answers now is the right one.
//!
//! Accepting says which server it is and nothing else: no database is changed, and
//! whether what consumers read logs in there is shown and not judged, since after a
//! restore it often does not, and recovering can begin only once the server is known.
//! What is recorded is what was shown, so that a server which changes between the look
//! and the answer is named again by the next rotation.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::{Value, json};

use super::hand_over::{Confirmation, Identified, identify};
use super::loading::Head;
use super::workspace::timestamp;
use super::{Exit, Failure, Workspace};
use crate::document::PropertyPath;
use crate::model::{AccountId, EnvironmentName, ServerIdentity, Stage};
use crate::rotation::{
    AdmitCase, ServerMatch, describe_server, is_other_certificate, match_server, refuse_locked,
};
use crate::secret::SecretId;
use crate::store::{Acceptance, Locked, StoreError, overlaps, owners, rotated_secrets};
use crate::untrusted::Untrusted;

/// The servers of one environment, as they were recorded and as they answer.
#[derive(Debug, Clone, Serialize)]
pub struct ServerReview {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Its rotated secrets.
    pub paths: Vec<PathServer>,
    #[serde(skip)]
    environment_id: String,
}

/// The server of one rotated secret.
#[derive(Debug, Clone, Serialize)]
pub struct PathServer {
    /// Which rotated secret.
    pub path: String,
    /// Where its server is asked.
    pub node: String,
    /// What follows for it.
    pub status: ServerStatus,
    /// What was recorded; `null` before the first rotation.
    pub recorded: Option<ServerIdentity>,
    /// What answers; `null` when nothing does.
    pub seen: Option<ServerIdentity>,
    /// The SHA-256 of the certificate that was recorded, in hex.
    pub recorded_certificate: Option<String>,
    /// The one of the certificate that is shown; `null` without TLS.
    pub seen_certificate: Option<String>,
    /// In what the two differ, or why nothing is known.
    pub found: Option<String>,
    /// What that may mean.
    pub meaning: Option<&'static str>,
    /// Whether what consumers read logs in there: `valid`, `refused`, `locked`, …
    pub consumers: Option<&'static str>,
    /// Users whose OID there is another than the recorded one.
    pub other_roles: Vec<String>,
    #[serde(skip)]
    secret: SecretId,
    #[serde(skip)]
    accounts: BTreeMap<String, AccountId>,
    #[serde(skip)]
    open_idle: Option<String>,
}

/// What follows for one rotated secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerStatus {
    /// It is the recorded server: nothing to accept.
    Same,
    /// None is recorded: the first rotation records it.
    NotKnown,
    /// An older copy of the recorded one.
    WentBack,
    /// Another one.
    Other,
    /// The recorded one, with another certificate.
    OtherCertificate,
    /// Another rotated secret owns the pair there.
    OwnedElsewhere,
    /// It did not answer, or the managing user cannot log in.
    Unreachable,
    /// Recorded now.
    Accepted,
}

impl PathServer {
    /// Whether accepting would record it.
    #[must_use]
    pub fn is_to_be_accepted(&self) -> bool {
        matches!(
            self.status,
            ServerStatus::WentBack | ServerStatus::Other | ServerStatus::OtherCertificate
        )
    }
}

impl ServerReview {
    /// Whether there is anything to accept.
    #[must_use]
    pub fn has_something_to_accept(&self) -> bool {
        self.paths.iter().any(PathServer::is_to_be_accepted)
    }

    /// How a command that prints this ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let has = |status| self.paths.iter().any(|path| path.status == status);
        match (has(ServerStatus::Unreachable), has(ServerStatus::Accepted)) {
            (true, true) => Exit::Partial,
            (true, false) => Exit::Unreachable,
            (false, _) if has(ServerStatus::OwnedElsewhere) => Exit::Refused,
            (false, _) => Exit::Done,
        }
    }
}

/// Looks which servers answer for an environment; nothing is changed.
///
/// # Errors
/// No such environment, a document that cannot be used, or the store's own; a server
/// that does not answer is part of the review.
pub async fn review_server(
    workspace: &Workspace,
    environment: EnvironmentName,
) -> Result<ServerReview, Failure> {
    let name = environment.clone();
    let (environment_id, all) = workspace
        .store
        .read(move |transaction| paths_with_state(transaction, &name))
        .await?;
    if all.is_empty() {
        return Err(Failure::new(
            "no-such-path",
            Exit::Usage,
            format!("{environment} has no rotated secret with a `state`, and so no server"),
            "name an environment that is rotated: handover status",
        ));
    }
    let mut paths = Vec::new();
    for path in all {
        let text = path.to_string();
        let identified = identify(workspace, &environment, path).await?;
        paths.push(review_path(text, identified));
    }
    Ok(ServerReview {
        environment,
        paths,
        environment_id,
    })
}

fn paths_with_state(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
) -> Result<(String, Vec<PropertyPath>), Failure> {
    let head = Head::load(transaction, name)?;
    let all = head.environment.rotated_secrets().iter();
    let paths = all
        .filter(|secret| secret.has_state)
        .map(|secret| secret.path.clone())
        .collect();
    Ok((head.row.id, paths))
}

fn review_path(path: String, identified: Identified) -> PathServer {
    let Identified {
        secret,
        node,
        recorded,
        recorded_certificate,
        recorded_accounts,
        answer,
    } = identified;
    let mut review = PathServer {
        path,
        node,
        status: ServerStatus::Unreachable,
        recorded,
        seen: None,
        recorded_certificate,
        seen_certificate: answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.certificate.clone()),
        found: None,
        meaning: None,
        consumers: None,
        other_roles: Vec::new(),
        secret,
        accounts: BTreeMap::new(),
        open_idle: None,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => {
            review.found = Some(fault.to_string());
            return review;
        }
    };
    if let Some((found, meaning)) = describe_server(review.recorded.as_ref(), &answer.server) {
        review.found = Some(found);
        review.meaning = Some(meaning);
    }
    review.status = match match_server(review.recorded.as_ref(), &answer.server) {
        ServerMatch::Same => ServerStatus::Same,
        ServerMatch::NotKnown => ServerStatus::NotKnown,
        ServerMatch::WentBack => ServerStatus::WentBack,
        ServerMatch::Other => ServerStatus::Other,
    };
    let certificates = [&review.recorded_certificate, &review.seen_certificate];
    let [recorded, seen] = certificates.map(Option::as_deref);
    if review.status == ServerStatus::Same && is_other_certificate(recorded, seen) {
        review.status = ServerStatus::OtherCertificate;
        review.found = Some("the same server shows another certificate".to_owned());
        review.meaning = Some("a renewal, or somebody between this host and the server");
    }
    if let Some(owner) = &answer.owner {
        review.status = ServerStatus::OwnedElsewhere;
        review.found = Some(owner.words());
        review.meaning = None;
    }
    review.other_roles = recorded_accounts
        .iter()
        .filter(|(user, account)| answer.accounts.get(*user) != Some(*account))
        .map(|(user, _)| Untrusted::new(user).as_str().to_owned())
        .collect();
    review.consumers = Some(answer.consumers);
    review.seen = Some(answer.server);
    review.accounts = answer.accounts;
    review.open_idle = answer.open_idle;
    review
}

/// Records the servers that were reviewed as the right ones, after the environment's
/// name was typed. With nothing to accept, the review is the answer.
///
/// # Errors
/// Refused without the name, while another process works on the environment, when another
/// rotated secret owns the pair there, or when what is recorded was changed since the
/// review; or the store's own.
pub async fn accept_server(
    workspace: &Workspace,
    review: ServerReview,
    confirmation: &Confirmation,
) -> Result<ServerReview, Failure> {
    let refused = review.paths.iter();
    let mut refused = refused.filter(|path| path.status == ServerStatus::OwnedElsewhere);
    if let Some(path) = refused.next() {
        return Err(owned_elsewhere(path.found.clone().unwrap_or_default()));
    }
    if !review.has_something_to_accept() {
        return Ok(review);
    }
    check_confirmed(&review, confirmation)?;
    let lock = workspace
        .store
        .lock(&review.environment_id, workspace.as_holder())
        .await?;
    if let Locked::By(holder) = &lock {
        let refusal = refuse_locked(&review.environment, holder);
        return Err(Failure::new(
            refusal.case.name(),
            Exit::Refused,
            refusal.message,
            refusal.remedy,
        ));
    }
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let accepted = workspace
        .store
        .write(move |transaction| {
            let mut review = review;
            let acceptance = Acceptance {
                at: timestamp(),
                by: requester.clone(),
            };
            for path in &mut review.paths {
                if !path.is_to_be_accepted() {
                    continue;
                }
                // The intent stands before the effect, and both or neither are written.
                let mut detail = json!({
                    "path": path.path,
                    "recorded": path.recorded,
                    "accepted": path.seen,
                    "certificate": path.seen_certificate,
                    "found": path.found,
                    "consumers": path.consumers,
                });
                let open_idle = path.open_idle.as_deref();
                let revived = reopen_overlap(transaction, path.secret, open_idle)?;
                if let Some(revived) = revived {
                    detail["let-in-again"] = revived;
                }
                let action = "server.accepted";
                Workspace::audit(
                    &master,
                    transaction,
                    &requester,
                    action,
                    Some(&review.environment),
                    detail,
                )?;
                record(transaction, path, &acceptance)?;
                path.status = ServerStatus::Accepted;
            }
            Ok::<_, Failure>(review)
        })
        .await?;
    drop(lock);
    Ok(accepted)
}

fn record(
    transaction: &Transaction<'_>,
    path: &PathServer,
    acceptance: &Acceptance,
) -> Result<(), Failure> {
    let Some(seen) = &path.seen else {
        return Ok(());
    };
    record_acceptance(
        transaction,
        path.secret,
        &path.path,
        path.recorded.as_ref(),
        (seen, &path.accounts),
        path.seen_certificate.as_deref(),
        acceptance,
    )
}

/// Puts the server that was seen, with the users that it has, in the place of the recorded one.
///
/// # Errors
/// Refused when another rotated secret owns the pair there, or when what is recorded was
/// changed since the look; or the store's own.
pub(super) fn record_acceptance(
    transaction: &Transaction<'_>,
    secret: SecretId,
    path: &str,
    recorded: Option<&ServerIdentity>,
    (seen, accounts): (&ServerIdentity, &BTreeMap<String, AccountId>),
    certificate: Option<&str>,
    acceptance: &Acceptance,
) -> Result<(), Failure> {
    if rotated_secrets::server(transaction, secret)?.as_ref() != recorded {
        return Err(Failure::new(
            "environment-changed",
            Exit::Refused,
            format!("the recorded server of {path} was changed meanwhile"),
            "look at it again, then try again",
        ));
    }
    let roles: Vec<(String, AccountId)> = accounts.clone().into_iter().collect();
    if let Some(owner) = owners::of_roles(transaction, secret, &seen.system, &roles)? {
        return Err(owned_elsewhere(owner.words()));
    }
    rotated_secrets::accept_server(transaction, secret, seen, accounts, acceptance)?;
    rotated_secrets::record_certificate(transaction, secret, certificate)?;
    owners::claim_roles(transaction, secret, &seen.system, accounts.values())?;
    Ok(())
}

/// An older copy of a server, or another one, may let the outgoing user in again that we had shut
/// out, with whatever password it has there. Where its catalog does, the user drains again: it is
/// seen by all who look after outgoing users, and told as not shut out where its password leaked.
/// Answers what the audit log is to say of that.
///
/// # Errors
/// The store's own.
pub(super) fn reopen_overlap(
    transaction: &Transaction<'_>,
    secret: SecretId,
    open_idle: Option<&str>,
) -> Result<Option<Value>, StoreError> {
    let open = overlaps::current(transaction, secret)?;
    let open = open.filter(|overlap| open_idle == Some(overlap.user.as_str()));
    let is_shut = |stage| match stage {
        Stage::Locking | Stage::Locked | Stage::Scrambling | Stage::Scrambled => true,
        Stage::Draining | Stage::Unlocking => false,
    };
    let Some(overlap) = open.filter(|overlap| is_shut(overlap.stage)) else {
        return Ok(None);
    };
    overlaps::drains_again(transaction, secret, &overlap.user, Utc::now())?;
    Ok(Some(json!({
        "user": Untrusted::new(&overlap.user),
        "was": overlap.stage.as_str(),
        "is": Stage::Draining.as_str(),
        "compromised": overlap.compromised,
    })))
}

fn owned_elsewhere(message: String) -> Failure {
    Failure::new(
        AdmitCase::OwnedElsewhere.name(),
        Exit::Refused,
        message,
        "give each of them two users of its own",
    )
}

fn check_confirmed(review: &ServerReview, confirmation: &Confirmation) -> Result<(), Failure> {
    let name = review.environment.to_string();
    let with_name = format!("handover doctor {name} --accept-server --confirm {name}");
    let (code, message) = match confirmation {
        Confirmation::Named(typed) if *typed == name => return Ok(()),
        Confirmation::Named(typed) => (
            "name-differs",
            format!(
                "the name to confirm is {name}, not {}",
                Untrusted::new(typed)
            ),
        ),
        Confirmation::Yes | Confirmation::None => {
            let found: Vec<String> = review
                .paths
                .iter()
                .filter(|path| path.is_to_be_accepted())
                .map(|path| {
                    format!(
                        "{}: {}; that is {}",
                        path.path,
                        path.found.as_deref().unwrap_or_default(),
                        path.meaning.unwrap_or_default()
                    )
                })
                .collect();
            (
                "not-confirmed",
                format!("nobody typed the environment's name: {}", found.join("; ")),
            )
        }
    };
    Err(Failure::new(code, Exit::Refused, message, with_name))
}
