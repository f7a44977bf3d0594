//! `pause --all` and `resume --all`: the freeze, which keeps agents from beginning anything by
//! themselves. What people ask for goes on.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::json;

use super::edit::until_time;
use super::listing::{shown, shown_freeze};
use super::{due_now, look_again, paused, recall};
use crate::model::EnvironmentName;
use crate::operations::hand_over::Confirmation;
use crate::operations::loading::Head;
use crate::operations::{Exit, Failure, Workspace};
use crate::schedule::{Due, Held};
use crate::store::{Freeze, freeze as freezes, schedules};

/// What a freeze, or its end, means or has meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FreezeReview {
    /// Whether it was done; a plan changes nothing.
    pub done: bool,
    /// `false`: it was so already.
    pub changed: bool,
    /// The freeze after it; `null`: none.
    pub freeze: Option<Freeze>,
    /// How many schedules there are.
    pub schedules: usize,
    /// Those of which an occurrence is acted on at once when there is no freeze.
    pub begin_at_once: Vec<EnvironmentName>,
}

/// What a freeze would mean; changes nothing.
///
/// # Errors
/// A time that cannot be read or has passed, or the store's own.
pub async fn plan_freeze(
    workspace: &Workspace,
    until: Option<String>,
    reason: Option<String>,
) -> Result<FreezeReview, Failure> {
    let now = Utc::now();
    let freeze = new_freeze(workspace, until.as_deref(), reason.as_deref(), now)?;
    let read = workspace
        .store
        .read(move |transaction| review(transaction, Some(freeze), now));
    read.await
}

/// Freezes: no agent begins a rotation or a step of a retirement by itself.
///
/// # Errors
/// As for [`plan_freeze`].
pub async fn freeze(
    workspace: &Workspace,
    until: Option<String>,
    reason: Option<String>,
) -> Result<FreezeReview, Failure> {
    let now = Utc::now();
    let freeze = new_freeze(workspace, until.as_deref(), reason.as_deref(), now)?;
    change(workspace, Some(freeze), now).await
}

/// What the end of the freeze would mean; changes nothing.
///
/// # Errors
/// The store's own.
pub async fn plan_unfreeze(workspace: &Workspace) -> Result<FreezeReview, Failure> {
    let now = Utc::now();
    let read = workspace
        .store
        .read(move |transaction| review(transaction, None, now));
    read.await
}

/// Ends the freeze.
///
/// # Errors
/// Refused while nobody agreed and something would be begun at once, or the store's own.
pub async fn unfreeze(
    workspace: &Workspace,
    confirmation: &Confirmation,
) -> Result<FreezeReview, Failure> {
    let planned = plan_unfreeze(workspace).await?;
    if planned.changed && !planned.begin_at_once.is_empty() && *confirmation == Confirmation::None {
        return Err(Failure::new(
            "not-confirmed",
            Exit::Refused,
            format!(
                "nobody agreed, and {} would be rotated at once: {}",
                environments_in_words(planned.begin_at_once.len()),
                named(&planned.begin_at_once)
            ),
            "look at it with handover resume --all --plan, then agree with --yes",
        ));
    }
    change(workspace, None, Utc::now()).await
}

/// The freeze that holds now, safe to be shown.
///
/// # Errors
/// The store's own.
pub async fn current_freeze(workspace: &Workspace) -> Result<Option<Freeze>, Failure> {
    let read = workspace
        .store
        .read(|transaction| freezes::current(transaction, Utc::now()));
    Ok(read.await?.map(shown_freeze))
}

fn environments_in_words(count: usize) -> String {
    match count {
        1 => "1 environment".to_owned(),
        count => format!("{count} environments"),
    }
}

/// A few names stand for many.
fn named(environments: &[EnvironmentName]) -> String {
    const MOST: usize = 5;
    let first = environments.iter().take(MOST);
    let mut names: Vec<String> = first.map(EnvironmentName::to_string).collect();
    if environments.len() > MOST {
        names.push("…".to_owned());
    }
    names.join(", ")
}

fn new_freeze(
    workspace: &Workspace,
    until: Option<&str>,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Freeze, Failure> {
    let until = until.map(|text| until_time(text, chrono_tz::UTC, now));
    Ok(Freeze {
        // No finer than the store.
        since: now.trunc_subsecs(6),
        until: until.transpose()?.map(|until| until.trunc_subsecs(6)),
        reason: reason.map(shown),
        requester: workspace.requester.clone(),
    })
}

fn review(
    transaction: &Transaction<'_>,
    wanted: Option<Freeze>,
    now: DateTime<Utc>,
) -> Result<FreezeReview, Failure> {
    let current = freezes::current(transaction, now)?;
    let said = |freeze: &Freeze| (freeze.until, freeze.reason.clone());
    let changed = current.as_ref().map(said) != wanted.as_ref().map(said);
    let all = schedules::list(transaction)?;
    let mut review = FreezeReview {
        done: false,
        changed,
        // Whoever asks for what is so already does not become the one who froze it.
        freeze: match changed {
            true => wanted,
            false => current,
        }
        .map(shown_freeze),
        schedules: all.len(),
        begin_at_once: Vec::new(),
    };
    for row in &all {
        let Ok(head) = Head::load(transaction, &row.environment) else {
            continue;
        };
        let Some(schedule) = head.settings.schedule() else {
            continue;
        };
        let memory = recall(transaction, row, now)?.memory;
        let held = match schedule.is_paused(now) {
            true => paused(schedule),
            false => Held::No,
        };
        let due = due_now(&row.environment_id, schedule, &memory, held, now);
        if matches!(due, Due::Begin(_) | Due::GoOn { .. }) {
            review.begin_at_once.push(row.environment.clone());
        }
    }
    Ok(review)
}

async fn change(
    workspace: &Workspace,
    wanted: Option<Freeze>,
    now: DateTime<Utc>,
) -> Result<FreezeReview, Failure> {
    let (master, requester) = (Arc::clone(&workspace.master), workspace.requester.clone());
    workspace
        .store
        .write(move |transaction| {
            let mut review = review(transaction, wanted.clone(), now)?;
            review.done = true;
            if !review.changed {
                return Ok(review);
            }
            let (action, detail) = match &wanted {
                Some(freeze) => {
                    freezes::put(transaction, freeze)?;
                    let detail = json!({"until": freeze.until, "reason": freeze.reason});
                    ("freeze.set", detail)
                }
                None => {
                    freezes::clear(transaction)?;
                    ("freeze.lifted", json!({}))
                }
            };
            // Those that were looked at under the freeze before are not looked at before its end.
            for row in schedules::list(transaction)? {
                match Head::load(transaction, &row.environment) {
                    Ok(head) => {
                        if let Some(schedule) = head.settings.schedule() {
                            look_again(transaction, &row.environment_id, schedule, now)?;
                        }
                    }
                    Err(_) => schedules::set_next(transaction, &row.environment_id, Some(now))?,
                }
            }
            Workspace::audit(&master, transaction, &requester, action, None, detail)?;
            Ok::<_, Failure>(review)
        })
        .await
}
