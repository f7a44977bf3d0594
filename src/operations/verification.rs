//! The daily verification: one environment after the other is compared with what the store
//! expects, what was found is noted, and what turns bad is told once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::hand_over::{Drift, EnvironmentVerification, verify};
use super::notices;
use super::{Failure, Workspace};
use crate::model::{EnvironmentName, NoticeKind};
use crate::store::{StoreError, VerificationRow, journal, verifications};

/// An environment whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToVerify {
    /// Its id.
    pub environment_id: String,
    /// Its name.
    pub environment: EnvironmentName,
}

/// What was found of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// In one word.
    pub verdict: Drift,
    /// For people; empty where all is as expected.
    pub words: String,
}

impl Verified {
    /// Something is not as the store left it. What does not answer says nothing.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        is_bad(self.verdict.as_str())
    }
}

fn is_bad(verdict: &str) -> bool {
    [Drift::Drifted, Drift::CurrentDead]
        .iter()
        .any(|bad| bad.as_str() == verdict)
}

/// The environment that has waited for the longest and was not verified within `every`, but for
/// those with an id in `left_out`, and those that somebody works on: they are added to them.
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
    let before = now.checked_sub_signed(span).unwrap_or_default();
    loop {
        let not_these = left_out.clone();
        let found = workspace
            .store
            .read(move |transaction| {
                let Some(row) = verifications::next_due(transaction, before, &not_these)? else {
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
    let environments = seen.environments.iter();
    let found = summary(environments.flat_map(lines).collect());
    let (noted, what) = (found.clone(), what.clone());
    let now = Utc::now();
    let is_noted = workspace
        .store
        .write(move |transaction| {
            if journal::find_open(transaction, &what.environment_id)?.is_some() {
                return Ok(false);
            }
            let before = verifications::find(transaction, &what.environment_id)?;
            let row = VerificationRow {
                environment_id: what.environment_id.clone(),
                verified_at: now,
                verdict: noted.verdict.as_str().to_owned(),
                words: noted.words.clone(),
            };
            let was_told = before.is_some_and(|before| {
                (before.verdict.as_str(), before.words.as_str()) == (&row.verdict, &row.words)
            });
            if noted.is_bad() && !was_told {
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

fn lines(found: &EnvironmentVerification) -> Vec<(Drift, String)> {
    let paths = found.paths.iter();
    let line = |path: &super::hand_over::PathVerification| {
        let words = format!("{}: {}", path.path, path.words.join("; "));
        (path.verdict, words)
    };
    paths.map(line).collect()
}

/// The worst of all paths, with the words of those that are not as expected.
fn summary(lines: Vec<(Drift, String)>) -> Verified {
    let worst = lines.iter().map(|(verdict, _)| *verdict).max();
    let told = lines.into_iter();
    let told = told.filter(|(verdict, _)| *verdict > Drift::NoState);
    let words: Vec<String> = told.map(|(_, words)| words).collect();
    Verified {
        verdict: worst.unwrap_or(Drift::AsExpected),
        words: words.join(". "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_path_is_the_verdict_and_only_what_is_wrong_is_told() {
        let line = |verdict, words: &str| (verdict, words.to_owned());
        let found = summary(vec![
            line(Drift::AsExpected, "a: all is well"),
            line(Drift::Unreachable, "b: no answer"),
            line(Drift::Drifted, "c: refused"),
        ]);
        assert_eq!(found.verdict, Drift::Drifted);
        assert_eq!(found.words, "b: no answer. c: refused");
        assert!(found.is_bad());
        let found = summary(vec![line(Drift::Unreachable, "b: no answer")]);
        assert!(!found.is_bad(), "unreachable says nothing of a credential");
        assert_eq!(summary(Vec::new()).verdict, Drift::AsExpected);
    }
}
