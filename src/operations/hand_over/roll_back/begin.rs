//! What was agreed to becomes a rotation in the journal, and is driven to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::RollBackRequest;
use super::look::{Looked, Ready};
use super::report::describe;
use crate::model::{AccountId, Gate, RotationId, ServerIdentity};
use crate::operations::hand_over::claim::Claimed;
use crate::operations::hand_over::rotation::Rotation;
use crate::operations::hand_over::run::Run;
use crate::operations::hand_over::subject::Subject;
use crate::operations::hand_over::{Observer, Report, effects, report};
use crate::operations::server_accept::record_acceptance;
use crate::operations::workspace::timestamp;
use crate::operations::{Failure, Workspace};
use crate::rotation::{Case, Chosen, Event, Intent};
use crate::secret::SecretId;
use crate::store::{Acceptance, journal};

/// One path as it stands in the journal from the first line on.
struct Line {
    path: String,
    events: [Event; 2],
    detail: Value,
    claimed: Claimed,
    accepts: Option<Accepts>,
}

/// The server that is accepted as the right one in the same agreement.
struct Accepts {
    secret: SecretId,
    recorded: Option<ServerIdentity>,
    seen: ServerIdentity,
    accounts: BTreeMap<String, AccountId>,
    certificate: Option<String>,
}

/// Opens the rotation and drives it.
pub(super) async fn begin(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
    environment_id: &str,
    looked: Vec<Looked>,
) -> Result<Report, Failure> {
    let ready = || looked.iter().filter_map(|one| one.verdict.as_ref().ok());
    let lines: Vec<Line> = ready()
        .map(|ready| line(workspace, request, ready))
        .collect();
    let of_paths: Vec<(String, [Event; 2])> = lines
        .iter()
        .map(|line| (line.path.clone(), line.events.clone()))
        .collect();
    let revision = ready().next().map_or(0, |ready| ready.target.revision);
    let number = open(workspace, request, environment_id, revision, lines).await?;
    // A server that was accepted stands in the store now.
    let mut subjects = Vec::new();
    for ready in ready() {
        let path = ready.target.path.clone();
        let mut subject = Subject::read(workspace, &request.environment, path).await?;
        subject.arrange(ready.choice.way);
        subjects.push(subject);
    }
    let mut rotation = Rotation {
        number,
        environment: request.environment.clone(),
        protected: subjects.iter().any(|subject| subject.protected),
        runs: Vec::new(),
    };
    for (subject, (_, events)) in subjects.iter().zip(of_paths) {
        let intent = Intent::Rotate;
        let events = events.to_vec();
        let mut run = Run::new(workspace, observer, subject, intent, number, events);
        run.reason.clone_from(&request.reason);
        run.compromised = request.compromised;
        run.waived = request.waiver.is_some();
        // The look has just been at the gate; S3 looks again under the user's lock.
        run.note_gate(&Gate::Open);
        rotation.runs.push(run);
    }
    let stops = rotation.drive().await;
    let mut report = report::of_rotation(&rotation, stops, Vec::new());
    for (subject, looked) in subjects.iter().zip(&looked) {
        let found = report.paths.iter_mut().find(|one| one.path == looked.path);
        if let Some(path) = found {
            let case = path.case.take();
            describe(subject, looked, path);
            path.case = case;
        }
    }
    Ok(report)
}

fn line(workspace: &Workspace, request: &RollBackRequest, ready: &Ready) -> Line {
    let (target, choice) = (&ready.target, &ready.choice);
    let chosen = Chosen {
        way: choice.way,
        case: choice.case,
        consumers_down: choice.is_down(),
        compromised: request.compromised,
        agreed_by: workspace.requester.clone(),
        break_glass: request.break_glass.clone(),
    };
    let path = target.path.to_string();
    let mut detail = json!({
        "path": path, "user": crate::untrusted::Untrusted::new(target.user().as_str()),
        "way": choice.way, "case": choice.case, "consumers-down": choice.is_down(),
        "waived": ready.waived,
    });
    if let Some(why) = &request.break_glass {
        detail["break-glass"] = json!(why);
    }
    let admitted = &ready.admitted;
    let accepts = (choice.case == Case::Restored).then(|| Accepts {
        secret: target.record.id,
        recorded: target.record.server.clone(),
        seen: admitted.server.clone(),
        accounts: BTreeMap::from([
            (admitted.current.clone(), admitted.accounts[0].clone()),
            (admitted.user.clone(), admitted.accounts[1].clone()),
        ]),
        certificate: ready.certificate.clone(),
    });
    Line {
        path,
        events: [Event::Admitted(admitted.clone()), Event::WayChosen(chosen)],
        detail,
        claimed: Claimed::met(target, admitted, ready.certificate.clone()),
        accepts,
    }
}

/// What a waiver is bound to.
fn digest(lines: &[Line]) -> String {
    let agreed: Vec<_> = lines
        .iter()
        .map(|line| (&line.path, &line.events[1], line.detail.get("user")))
        .collect();
    let text = serde_json::to_vec(&agreed).expect("an event is plain data");
    hex::encode(&Sha256::digest(text)[..16])
}

/// The agreement is durable: lock, ways, requester and reason.
async fn open(
    workspace: &Workspace,
    request: &RollBackRequest,
    environment_id: &str,
    revision: u64,
    lines: Vec<Line>,
) -> Result<RotationId, Failure> {
    let opened = Event::Opened {
        requester: workspace.requester.clone(),
        reason: request.reason.clone(),
        plan: digest(&lines),
        waiver: request.waiver.clone(),
        revision,
        compromised: request.compromised,
    };
    let (reason, waiver) = (request.reason.clone(), request.waiver.clone());
    let environment = request.environment.clone();
    let environment_id = environment_id.to_owned();
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    effects::write(workspace, "way-chosen", move |transaction| {
        let now = timestamp();
        let acceptance = Acceptance {
            at: now.clone(),
            by: requester.clone(),
        };
        for line in &lines {
            if let Some(accepts) = &line.accepts {
                let detail = json!({
                    "path": line.path, "recorded": accepts.recorded, "accepted": accepts.seen,
                    "certificate": accepts.certificate,
                });
                let action = "server.accepted";
                Workspace::audit(
                    &master,
                    transaction,
                    &requester,
                    action,
                    Some(&environment),
                    detail,
                )?;
                record_acceptance(
                    transaction,
                    accepts.secret,
                    &line.path,
                    accepts.recorded.as_ref(),
                    (&accepts.seen, &accepts.accounts),
                    accepts.certificate.as_deref(),
                    &acceptance,
                )?;
            }
            line.claimed.claim(transaction)?;
        }
        let rotation = journal::open_rotation(transaction, &environment_id, &now)?;
        journal::append(transaction, rotation, None, &opened, &now)?;
        let mut paths = Vec::new();
        for line in lines {
            for event in &line.events {
                journal::append(transaction, rotation, Some(&line.path), event, &now)?;
            }
            paths.push(line.detail);
        }
        let detail = json!({
            "rotation": rotation, "reason": reason, "waiver": waiver, "paths": paths,
        });
        let action = "rotation.way-chosen";
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
    .await
}
