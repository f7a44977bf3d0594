//! S1's end: what was looked at becomes an open rotation, in one transaction.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Judged, RotateRequest};
use crate::model::{EnvironmentName, RotationId};
use crate::operations::hand_over::claim::Claimed;
use crate::operations::hand_over::effects;
use crate::operations::hand_over::own::OwnLogins;
use crate::operations::hand_over::subject::Subject;
use crate::operations::schedules::refuse_held;
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Admitted, Case, Event, Plan};
use crate::store::{journal, schedule_runs};

/// S1's end: lock, plan digest, requester and reason are durable.
pub(super) async fn open_rotation(
    workspace: &Workspace,
    request: &RotateRequest,
    environment_id: &str,
    judged: &[Judged<'_>],
) -> Result<RotationId, Failure> {
    let digest = digest_of(judged.iter().filter_map(|one| one.verdict.as_ref().ok()));
    let opened = Event::Opened {
        requester: workspace.requester.clone(),
        reason: request.reason.clone(),
        plan: digest.clone(),
        waiver: request.waiver.clone(),
        revision: judged.first().map_or(0, |one| one.subject.revision),
        compromised: request.compromised,
    };
    let first_lines: Vec<_> = judged.iter().map(first_line).collect();
    let (reason, waiver) = (request.reason.clone(), request.waiver.clone());
    let scheduled = request.scheduled;
    let environment = request.environment.clone();
    let environment_id = environment_id.to_owned();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    let claims: Vec<Claimed> = judged.iter().filter_map(Judged::claimed).collect();
    let own: Vec<OwnLogins> = judged.iter().map(Judged::own_logins).collect();
    let rotation = effects::write(workspace, "opened", move |transaction| {
        let now = timestamp();
        for claimed in &claims {
            claimed.claim(transaction)?;
        }
        for logins in &own {
            logins.note(transaction)?;
        }
        let rotation = journal::open_rotation(transaction, &environment_id, &now)?;
        if let Some(slot) = scheduled {
            // S1 takes as long as servers take to answer, and what was set meanwhile counts.
            refuse_held(transaction, &environment, Utc::now())?;
            if !schedule_runs::bind(transaction, &environment_id, slot, rotation)? {
                return Err(over_already(&environment));
            }
        }
        journal::append(transaction, rotation, None, &opened, &now)?;
        let mut paths = Vec::new();
        for (path, event, detail) in &first_lines {
            journal::append(transaction, rotation, Some(path), event, &now)?;
            paths.push(detail);
        }
        let detail = json!({
            "rotation": rotation, "plan": digest, "reason": reason, "waiver": waiver,
            "paths": paths,
        });
        let action = "rotation.opened";
        Workspace::audit(
            &master,
            transaction,
            &requester,
            action,
            Some(&environment),
            detail,
        )?;
        Ok::<_, Failure>(rotation)
    })
    .await?;
    Ok(rotation)
}

/// One digest over the plans of all paths, to which a waiver is bound.
fn digest_of<'a>(plans: impl Iterator<Item = &'a Plan>) -> String {
    let digests: Vec<String> = plans.map(Plan::digest).collect();
    match digests.as_slice() {
        [only] => only.clone(),
        all => hex::encode(&Sha256::digest(all.join("\n"))[..16]),
    }
}

/// What S1 established, for the journal.
pub(in crate::operations::hand_over) fn admitted(subject: &Subject, plan: &Plan) -> Admitted {
    Admitted {
        secret: subject.record.id.to_string(),
        current: subject.current_user().as_str().to_owned(),
        user: subject.user().as_str().to_owned(),
        accounts: plan.accounts.clone(),
        statements: plan.statements,
        login_limit: plan.login_limit,
        current_limit: plan.current_limit,
        hosts: plan
            .rows
            .iter()
            .map(|host| host.as_str().to_owned())
            .collect(),
        server: plan.server.clone(),
        previous_known: subject.previous.password.is_some(),
        current_known: subject.current.password.is_some(),
    }
}

/// S1's end for one path: what is written of it.
fn first_line(one: &Judged<'_>) -> (String, Event, serde_json::Value) {
    let path = one.subject.path.to_string();
    match &one.verdict {
        Ok(plan) => {
            let detail = json!({
                "path": path, "user": plan.user, "waived": plan.waived,
                "first-promotion-acknowledged": plan.first_promotion,
            });
            let event = Event::Admitted(admitted(one.subject, plan));
            (path, event, detail)
        }
        Err(refusal) => {
            let event = Event::Parked {
                case: Case::Unreachable,
                message: refusal.message.clone(),
            };
            let detail = json!({"path": path, "unreachable": refusal.message});
            (path, event, detail)
        }
    }
}

/// Somebody else has rotated for the same occurrence, or the schedule is another one now.
fn over_already(environment: &EnvironmentName) -> Failure {
    Failure::new(
        "occurrence-over",
        Exit::Refused,
        "the occurrence was acted on already, or the schedule was changed",
        format!("see handover schedule show {environment}"),
    )
}
