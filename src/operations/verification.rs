//! The daily verification: one environment after the other is compared with what the store
//! expects, what was found is noted, and what turns bad is told once.
//!
//! A look at a server that does not answer says nothing of its credentials: what is known of them
//! stays, and it is looked again soon.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::hand_over::{CredentialVerification, Drift, EnvironmentVerification, verify};
use super::notices;
use super::{Failure, Workspace};
use crate::model::{EnvironmentName, NoticeKind};
use crate::store::{BadCredential, StoreError, VerificationRow, journal, verifications};
use crate::untrusted::Untrusted;

/// How soon it is looked again after a look that said nothing.
const SOON: TimeDelta = TimeDelta::minutes(15);
/// So many credentials are told in words; `handover verify` shows them all.
const MOST_IN_WORDS: usize = 5;

/// An environment whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToVerify {
    /// Its id.
    pub environment_id: String,
    /// Its name.
    pub environment: EnvironmentName,
}

/// What one look found of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// In one word.
    pub verdict: Drift,
    /// For people; empty where all is as expected.
    pub words: String,
}

/// The environment that has waited for the longest and was not verified within `every`, or
/// was not reached lately, but for those with an id in `left_out`, and those that somebody works
/// on: they are added to them.
///
/// # Errors
/// The store's own.
pub async fn next_to_verify(
    workspace: &Workspace,
    every: Duration,
    left_out: &mut Vec<String>,
    now: DateTime<Utc>,
) -> Result<Option<ToVerify>, StoreError> {
    let span = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
    let ago = |span| now.checked_sub_signed(span).unwrap_or_default();
    let (before, tried_before) = (ago(span), ago(span.min(SOON)));
    loop {
        let not_these = left_out.clone();
        let found = workspace
            .store
            .read(move |transaction| {
                let next = verifications::next_due(transaction, before, tried_before, &not_these)?;
                let Some(row) = next else {
                    return Ok(None);
                };
                let is_open = journal::find_open(transaction, &row.id)?.is_some();
                Ok::<_, StoreError>(Some((row, is_open)))
            })
            .await?;
        let Some((row, is_open)) = found else {
            return Ok(None);
        };
        if !is_open && workspace.store.locked_by(&row.id).await?.is_none() {
            return Ok(Some(ToVerify {
                environment_id: row.id,
                environment: row.name,
            }));
        }
        left_out.push(row.id);
    }
}

/// Compares an environment and notes what was found; a credential that is not as the store left
/// it is told when it turns so. `None` where a rotation has begun meanwhile: then nothing that
/// was seen says anything.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn verify_and_note(
    workspace: &Workspace,
    what: &ToVerify,
) -> Result<Option<Verified>, Failure> {
    let seen = verify(workspace, vec![what.environment.clone()]).await?;
    let looks: Vec<Look> = seen.environments.iter().flat_map(looks).collect();
    let found = summary(&looks);
    let what = what.clone();
    let now = Utc::now();
    let is_noted = workspace
        .store
        .write(move |transaction| {
            if journal::find_open(transaction, &what.environment_id)?.is_some() {
                return Ok(false);
            }
            let before = verifications::find(transaction, &what.environment_id)?;
            let row = row(&what.environment_id, before.as_ref(), &looks, now);
            if turned_bad(before.as_ref(), &row) {
                let data = json!({"verdict": row.verdict, "words": row.words});
                let kind = NoticeKind::VerifyFailed;
                notices::of_schedule(transaction, &what.environment, kind, &data)?;
            }
            verifications::put(transaction, &row)?;
            Ok::<_, Failure>(true)
        })
        .await?;
    Ok(is_noted.then_some(found))
}

/// What a look found of one credential, or of a path at which none could be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    path: String,
    /// What the credential is for; `None`: all of the path.
    role: Option<&'static str>,
    verdict: Drift,
    /// It says nothing of the credential.
    is_mute: bool,
    words: String,
}

impl Look {
    fn is_bad(&self) -> bool {
        Drift::is_bad_word(self.verdict.as_str())
    }

    fn is_about(&self, bad: &BadCredential) -> bool {
        self.path == bad.path && self.role.is_none_or(|role| role == bad.role)
    }
}

fn looks(found: &EnvironmentVerification) -> Vec<Look> {
    let is_mute = |verdict| matches!(verdict, Drift::Unreachable | Drift::Document);
    let mut looks = Vec::new();
    for path in &found.paths {
        if path.credentials.is_empty() {
            looks.push(Look {
                path: path.path.clone(),
                role: None,
                verdict: path.verdict,
                is_mute: is_mute(path.verdict),
                words: shown(&format!("{}: {}", path.path, path.words.join("; "))),
            });
        }
        // Where nobody can ask what a wrong password costs, some are not tried.
        let is_silent = path.credentials.iter().any(|one| is_mute(one.verdict));
        looks.extend(path.credentials.iter().map(|one| Look {
            path: path.path.clone(),
            role: Some(one.role.as_str()),
            verdict: one.verdict,
            is_mute: is_mute(one.verdict) || (is_silent && one.found == "not tried"),
            words: phrase(&path.path, one),
        }));
    }
    looks
}

/// Which credential it is, what is expected of it, and what was found where.
fn phrase(path: &str, one: &CredentialVerification) -> String {
    let found = match one.words.as_str() {
        "" => one.found,
        words => words,
    };
    let user = match one.user.as_str() {
        "" => String::new(),
        user => format!(" {user}"),
    };
    let (role, expected) = (one.role.as_str(), one.expected);
    shown(&format!(
        "{path}: {role} user{user}, expected {expected}: {found}"
    ))
}

fn shown(text: &str) -> String {
    Untrusted::new(text).as_str().to_owned()
}

/// The worst of all credentials, with the words of those that are not as expected.
fn summary(looks: &[Look]) -> Verified {
    let worst = looks.iter().map(|look| look.verdict).max();
    let told = looks.iter().filter(|look| look.verdict > Drift::NoState);
    Verified {
        verdict: worst.unwrap_or(Drift::AsExpected),
        words: in_words(told.map(|look| look.words.as_str()).collect()),
    }
}

fn in_words(phrases: Vec<&str>) -> String {
    let more = phrases.len().saturating_sub(MOST_IN_WORDS);
    let shown: Vec<&str> = phrases.into_iter().take(MOST_IN_WORDS).collect();
    let shown = shown.join(". ");
    match more {
        0 => shown,
        more => format!("{shown}. And {more} more: `handover verify` shows them"),
    }
}

/// What is on record after a look: of credentials that it says nothing of, what was before.
fn row(
    environment_id: &str,
    before: Option<&VerificationRow>,
    looks: &[Look],
    now: DateTime<Utc>,
) -> VerificationRow {
    let found = summary(looks);
    let mut bad: Vec<BadCredential> = looks.iter().filter_map(bad_credential).collect();
    let says_something = !bad.is_empty() || !looks.iter().any(|look| look.is_mute);
    let known = before.map_or(&[][..], |before| &before.bad);
    let is_unseen = |one: &&BadCredential| {
        let mut about = looks.iter().filter(|look| look.is_about(one));
        about.any(|look| look.is_mute)
    };
    bad.extend(known.iter().filter(is_unseen).cloned());
    bad.sort_by(|one, other| (&one.path, &one.role).cmp(&(&other.path, &other.role)));
    let verified_at = before.and_then(|before| before.verified_at);
    let (verdict, words) = match before {
        _ if !bad.is_empty() => (
            worst(&bad).to_owned(),
            in_words(bad.iter().map(|one| one.words.as_str()).collect()),
        ),
        Some(before) if !says_something && known.is_empty() && verified_at.is_some() => {
            (before.verdict.clone(), before.words.clone())
        }
        _ => (found.verdict.as_str().to_owned(), found.words),
    };
    VerificationRow {
        environment_id: environment_id.to_owned(),
        verified_at: says_something.then_some(now).or(verified_at),
        tried_at: now,
        verdict,
        words,
        bad,
    }
}

fn bad_credential(look: &Look) -> Option<BadCredential> {
    look.is_bad().then(|| BadCredential {
        path: look.path.clone(),
        role: look.role.unwrap_or_default().to_owned(),
        verdict: look.verdict.as_str().to_owned(),
        words: look.words.clone(),
    })
}

fn worst(bad: &[BadCredential]) -> &'static str {
    let dead = Drift::CurrentDead.as_str();
    match bad.iter().any(|one| one.verdict == dead) {
        true => dead,
        false => Drift::Drifted.as_str(),
    }
}

/// Whether a credential is wrong that was not, or not in this way.
fn turned_bad(before: Option<&VerificationRow>, now: &VerificationRow) -> bool {
    let known = before.map_or(&[][..], |before| &before.bad);
    let is_known = |one: &BadCredential| known.iter().any(|known| known.is_same(one));
    !now.bad.iter().all(is_known)
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
