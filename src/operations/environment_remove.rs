//! `env rm`: an environment is removed, and its data key destroyed.
//!
//! Its rows stay, since revisions, journal and audit log are append-only; without the
//! data key nothing sealed in them can be opened again. In the database nothing changes:
//! the users that were handed over stay valid, so they are named.

use std::sync::Arc;

use chrono::Utc;
use rusqlite::Transaction;
use serde_json::json;

use super::hand_over::Confirmation;
use super::loading::Head;
use super::workspace::timestamp;
use super::{Exit, Failure, Workspace};
use crate::model::EnvironmentName;
use crate::model::settings::Protection;
use crate::store::{Locked, environments, journal, keys, rotated_secrets, schedule_runs};
use crate::untrusted::Untrusted;

/// What removing means, and after it what was removed.
#[derive(Debug, serde::Serialize)]
pub struct RemovalPlan {
    /// Which environment.
    pub environment: EnvironmentName,
    /// How many revisions can no longer be opened.
    pub revisions: u64,
    /// Users that stay valid in their databases.
    pub still_valid: Vec<StillValid>,
    /// Whether its name has to be typed.
    pub needs_name: bool,
    /// Whether it was done.
    pub removed: bool,
}

/// The users of one rotated secret that was promoted.
#[derive(Debug, serde::Serialize)]
pub struct StillValid {
    /// The rotated secret.
    pub path: String,
    /// Both users; their passwords go with the environment.
    pub users: Vec<String>,
}

/// What removing would mean; changes nothing.
///
/// # Errors
/// Refused while a rotation is open or another environment refers to it; no such
/// environment, or the store's own.
pub async fn plan_removal(
    workspace: &Workspace,
    name: EnvironmentName,
) -> Result<RemovalPlan, Failure> {
    workspace
        .store
        .read(move |transaction| Ok(look(transaction, &name)?.0))
        .await
}

/// Removes an environment.
///
/// # Errors
/// As for [`plan_removal`], and refused without the agreement that it needs.
pub async fn remove_environment(
    workspace: &Workspace,
    name: EnvironmentName,
    confirmation: &Confirmation,
) -> Result<RemovalPlan, Failure> {
    let wanted = name.clone();
    let (plan, id) = workspace
        .store
        .read(move |transaction| look(transaction, &wanted))
        .await?;
    check_confirmed(&plan, confirmation)?;
    let lock = workspace.store.lock(&id, workspace.as_holder()).await?;
    if let Locked::By(holder) = &lock {
        return Err(Failure::new(
            "locked-by",
            Exit::Refused,
            format!("{name} is in use by {} on {}", holder.holder, holder.host),
            "wait until that rotation has ended, then try again",
        ));
    }
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let removed = workspace
        .store
        .write(move |transaction| {
            // Looked at again: the agreement was to what is removed, not to what was.
            let (now, id_now) = look(transaction, &name)?;
            if id_now != id || now.revisions != plan.revisions {
                return Err(Failure::new(
                    "environment-changed",
                    Exit::Refused,
                    format!("{name} was changed meanwhile"),
                    "look at it again, then try again",
                ));
            }
            let detail = json!({"revisions": now.revisions, "still-valid": now.still_valid});
            let action = "environment.removed";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&name),
                detail,
            )?;
            keys::destroy_data_key(transaction, &keys::environment_purpose(&id))?;
            // An occurrence that was being tried is nobody's any more.
            schedule_runs::close_open(transaction, &id, Utc::now())?;
            environments::remove(transaction, &id, &timestamp())?;
            Ok(RemovalPlan {
                removed: true,
                ..now
            })
        })
        .await?;
    drop(lock);
    workspace.store.forget_deleted().await;
    Ok(removed)
}

/// The plan, and the environment's id.
fn look(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
) -> Result<(RemovalPlan, String), Failure> {
    let head = Head::load(transaction, name)?;
    if let Some(rotation) = journal::find_open(transaction, &head.row.id)? {
        return Err(Failure::new(
            "open-rotation",
            Exit::Refused,
            format!("{rotation} of {name} is open"),
            format!("bring it to its end first: handover recover {name}"),
        ));
    }
    let referrers = referrers(transaction, name)?;
    if !referrers.is_empty() {
        return Err(Failure::new(
            "referred-to",
            Exit::Refused,
            format!("{} refers to {name}", referrers.join(", ")),
            "change these environments first, or remove them",
        ));
    }
    let still_valid: Vec<StillValid> = rotated_secrets::list(transaction, &head.row.id)?
        .into_iter()
        .filter(|secret| !secret.promoted.is_empty())
        .map(|secret| StillValid {
            users: secret
                .accounts
                .keys()
                .map(|user| Untrusted::new(user).as_str().to_owned())
                .collect(),
            path: secret.path,
        })
        .collect();
    let is_protected = head.settings.protection() == Protection::Production;
    let plan = RemovalPlan {
        environment: name.clone(),
        revisions: head.row.head,
        needs_name: is_protected || !still_valid.is_empty(),
        still_valid,
        removed: false,
    };
    Ok((plan, head.row.id))
}

/// Environments whose newest revision refers to this one.
fn referrers(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
) -> Result<Vec<String>, Failure> {
    let wanted = name.to_string();
    let mut found = Vec::new();
    for row in environments::list(transaction)? {
        if row.name == *name {
            continue;
        }
        let other = Head::load(transaction, &row.name)?;
        if other.environment.references().contains(&wanted) {
            found.push(row.name.to_string());
        }
    }
    Ok(found)
}

fn check_confirmed(plan: &RemovalPlan, confirmation: &Confirmation) -> Result<(), Failure> {
    let name = plan.environment.to_string();
    let with_name = format!("handover env rm {name} --yes --confirm {name}");
    let users: Vec<String> = plan
        .still_valid
        .iter()
        .map(|secret| format!("{} ({})", secret.users.join(" and "), secret.path))
        .collect();
    let meaning = match users.is_empty() {
        true => format!("the secrets of {name} can then never be opened again"),
        false => format!(
            "{} stay valid in the database, and their passwords are lost with {name}",
            users.join(", ")
        ),
    };
    let (code, message, remedy) = match confirmation {
        Confirmation::Named(typed) if *typed == name => return Ok(()),
        Confirmation::Named(typed) => (
            "name-differs",
            format!(
                "the name to confirm is {name}, not {}",
                Untrusted::new(typed)
            ),
            with_name,
        ),
        Confirmation::Yes if !plan.needs_name => return Ok(()),
        Confirmation::Yes => (
            "protected",
            format!("{meaning}; its name has to be typed"),
            with_name,
        ),
        Confirmation::None if plan.needs_name => (
            "not-confirmed",
            format!("nobody agreed: {meaning}"),
            with_name,
        ),
        Confirmation::None => (
            "not-confirmed",
            format!("nobody agreed: {meaning}"),
            format!("handover env rm {name} --yes"),
        ),
    };
    Err(Failure::new(code, Exit::Refused, message, remedy))
}
