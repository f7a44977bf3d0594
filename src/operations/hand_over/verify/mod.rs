//! Drift: whether the databases still accept what the store expects them to accept.
//!
//! Every credential that the store knows is tried, on every node, and compared with what the
//! last promote and the overlap since then left behind. Nothing is changed and no lock is
//! taken. What differs is looked at once more when the store has moved meanwhile, so that a
//! rotation beside it raises no alarm.

mod compare;
mod look;

use std::sync::Arc;

use serde::Serialize;

use self::compare::{Expected, compare};
use super::subject::Subject;
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, RotationId, Stage};
use crate::operations::patients::patients;
use crate::operations::{Exit, Failure, Workspace};
use crate::store::journal;
use crate::untrusted::Untrusted;

/// How often a difference is looked at again while the store moves.
const LOOKS: usize = 3;

/// Everything that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// One for each environment.
    pub environments: Vec<EnvironmentVerification>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentVerification {
    /// Which.
    pub environment: EnvironmentName,
    /// Its rotated secrets.
    pub paths: Vec<PathVerification>,
}

/// One rotated secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathVerification {
    /// Which.
    pub path: String,
    /// In the order current, previous, managing, monitor.
    pub credentials: Vec<CredentialVerification>,
    /// The worst of them.
    pub verdict: Drift,
    /// The verdict in words, with what may have caused a difference.
    pub words: Vec<String>,
}

/// One credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialVerification {
    /// What it is for.
    pub role: CredentialRole,
    /// Whose.
    pub user: Untrusted,
    /// What the store expects: `valid`, `locked`, `scrambled`, `changing` or `not known`.
    pub expected: &'static str,
    /// What the nodes say together.
    pub found: &'static str,
    /// What each of them said.
    pub nodes: Vec<NodeFinding>,
    /// What that amounts to.
    pub verdict: Drift,
    /// Why it is so, or why it was not tried; empty where nothing is to be said.
    pub words: String,
}

/// What one node said of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeFinding {
    /// Which node.
    pub node: String,
    /// In one word.
    pub found: &'static str,
    /// Why nothing is known, or why a login is refused, where the node told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialRole {
    /// What consumers read.
    Current,
    /// The idle user.
    Previous,
    /// The user that changes passwords.
    Managing,
    /// The login that the settings name for sampling.
    Monitor,
}

impl CredentialRole {
    /// The word, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Managing => "managing",
            Self::Monitor => "monitor",
        }
    }
}

/// What a comparison came to, the least serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// All is as the store expects it.
    AsExpected,
    /// The document has no `state` yet, so nothing is expected.
    NoState,
    /// The document or the settings cannot be used.
    Document,
    /// A node did not answer, or not in a way that says anything.
    Unreachable,
    /// Something is not as the store left it.
    Drifted,
    /// What consumers read lets nobody in.
    CurrentDead,
}

impl Drift {
    /// The word, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsExpected => "as-expected",
            Self::NoState => "no-state",
            Self::Document => "document",
            Self::Unreachable => "unreachable",
            Self::Drifted => "drifted",
            Self::CurrentDead => "current-dead",
        }
    }

    /// Whether that word stands for something that needs a person. A server that cannot be
    /// reached, or a document that cannot be read, says nothing of a credential.
    #[must_use]
    pub fn is_bad_word(word: &str) -> bool {
        [Self::Drifted, Self::CurrentDead]
            .iter()
            .any(|bad| bad.as_str() == word)
    }

    fn exit(self) -> Exit {
        match self {
            Self::AsExpected | Self::NoState => Exit::Done,
            Self::Document => Exit::Error,
            Self::Unreachable => Exit::Unreachable,
            Self::Drifted | Self::CurrentDead => Exit::NeedsHuman,
        }
    }
}

impl Verification {
    /// How a command that prints this ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let paths = self.environments.iter().flat_map(|one| &one.paths);
        paths.fold(Exit::Done, |exit, path| exit.worse(path.verdict.exit()))
    }
}

/// Compares the named environments, or all that have rotated secrets.
///
/// # Errors
/// No such environment, or the store's own; a database that does not answer is a verdict.
pub async fn verify(
    workspace: &Workspace,
    only: Vec<EnvironmentName>,
) -> Result<Verification, Failure> {
    let mut environments = Vec::new();
    for patient in patients(workspace, only).await? {
        let environment = patient.environment;
        let mut paths = Vec::new();
        match patient.paths {
            Ok(all) => {
                for path in all {
                    paths.push(verify_path(workspace, &environment, &path).await?);
                }
            }
            Err((failure, all)) => {
                let all = all.into_iter();
                paths.extend(all.map(|path| without_look(path, Drift::Document, &failure)));
            }
        }
        environments.push(EnvironmentVerification { environment, paths });
    }
    Ok(Verification { environments })
}

async fn verify_path(
    workspace: &Workspace,
    environment: &EnvironmentName,
    path: &PropertyPath,
) -> Result<PathVerification, Failure> {
    let mut looks = 1;
    loop {
        let (subject, moment) = match read(workspace, environment, path).await {
            Ok(read) => read,
            Err(failure) => return of_document(path, failure),
        };
        let expected = expected(&subject, &moment);
        let seen = look::look(workspace, &subject, expected).await?;
        let mut found = compare(&subject, expected, &seen);
        if found.verdict == Drift::AsExpected {
            return Ok(found);
        }
        let is_settled = match read(workspace, environment, path).await {
            Ok((_, now)) => now == moment,
            Err(_) => false,
        };
        if is_settled || looks == LOOKS {
            found
                .words
                .extend(look::suspects(workspace, &subject, &found).await?);
            return Ok(found);
        }
        looks += 1;
    }
}

/// Where the store stood at a look: whatever is found belongs to it.
#[derive(Debug, PartialEq, Eq)]
struct Moment {
    revision: u64,
    overlap: Option<(i64, Stage)>,
    /// The open rotation of this path, and the length of its journal.
    open: Option<(RotationId, usize)>,
}

async fn read(
    workspace: &Workspace,
    environment: &EnvironmentName,
    path: &PropertyPath,
) -> Result<(Subject, Moment), Failure> {
    let (name, wanted) = (environment.clone(), path.clone());
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| {
            let subject = Subject::load(transaction, &master, &name, &wanted)?;
            let text = wanted.to_string();
            let mut open = None;
            if let Some(rotation) = journal::find_open(transaction, &subject.environment_id)? {
                let lines = journal::lines(transaction, rotation)?;
                let is_of_path = lines.iter().any(|line| line.path.as_deref() == Some(&text));
                open = is_of_path.then_some((rotation, lines.len()));
            }
            let moment = Moment {
                revision: subject.revision,
                overlap: subject.overlap.as_ref().map(|one| (one.id, one.stage)),
                open,
            };
            Ok((subject, moment))
        })
        .await
}

/// What the store expects of the idle user.
fn expected(subject: &Subject, moment: &Moment) -> Expected {
    let stage = subject.overlap_of_idle().map(|overlap| overlap.stage);
    match stage {
        _ if moment.open.is_some() => Expected::Changing,
        Some(Stage::Locked) => Expected::Locked,
        Some(Stage::Scrambled) => Expected::Scrambled,
        Some(Stage::Locking | Stage::Unlocking | Stage::Scrambling) => Expected::Changing,
        Some(Stage::Draining) | None => match subject.previous.password {
            Some(_) => Expected::Valid,
            None => Expected::NotKnown,
        },
    }
}

/// What is wrong with the input is a verdict like any other; the rest is not.
fn of_document(path: &PropertyPath, failure: Failure) -> Result<PathVerification, Failure> {
    let path = path.to_string();
    match failure.code {
        "no-state" => Ok(without_look(path, Drift::NoState, &failure)),
        "bad-document" | "bad-settings" => Ok(without_look(path, Drift::Document, &failure)),
        _ if failure.exit == Exit::Usage => Ok(without_look(path, Drift::Document, &failure)),
        _ => Err(failure),
    }
}

fn without_look(path: String, verdict: Drift, failure: &Failure) -> PathVerification {
    PathVerification {
        path,
        credentials: Vec::new(),
        verdict,
        words: vec![failure.message.clone()],
    }
}
