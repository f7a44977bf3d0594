//! What was agreed to becomes a rotation in the journal, and is driven to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::look::{Looked, Ready};
use super::report::describe;
use super::{RollBackRequest, Taken};
use crate::model::{AccountId, EnvironmentName, Gate, RotationId, ServerIdentity, Step};
use crate::operations::hand_over::claim::Claimed;
use crate::operations::hand_over::rotation::Rotation;
use crate::operations::hand_over::run::Run;
use crate::operations::hand_over::subject::Subject;
use crate::operations::hand_over::{Observer, Report, effects, report};
use crate::operations::loading::EnvironmentKey;
use crate::operations::notices::{self, RotationFact};
use crate::operations::server_accept::{record_acceptance, reopen_overlap};
use crate::operations::workspace::timestamp;
use crate::operations::{Failure, Workspace};
use crate::process::random_bytes;
use crate::rotation::{Case, Chosen, Event, Intent};
use crate::secret::{EnvelopeHeader, MasterKey, SALT_LENGTH, Secret, SecretId, seal};
use crate::store::{Acceptance, StoreError, journal, rotated_secrets, sinks};

/// One path as it stands in the journal from the first line on.
struct Line {
    path: String,
    events: [Event; 2],
    detail: Value,
    claimed: Claimed,
    accepts: Option<Accepts>,
    import: Option<Import>,
}

/// What a file holds is sealed with the agreement: nobody reads the file a second time, in which
/// something else may stand by then.
struct Import {
    secret: SecretId,
    password: Secret,
    file: String,
}

/// The server that is accepted as the right one in the same agreement.
struct Accepts {
    secret: SecretId,
    recorded: Option<ServerIdentity>,
    seen: ServerIdentity,
    accounts: BTreeMap<String, AccountId>,
    certificate: Option<String>,
    open_idle: Option<String>,
}

/// Opens the rotation and drives it.
pub(super) async fn begin(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
    taken: Taken<'_>,
    looked: Vec<Looked>,
) -> Result<Report, Failure> {
    let ready = || looked.iter().filter_map(|one| one.verdict.as_ref().ok());
    let lines: Vec<Line> = ready()
        .map(|ready| line(workspace, request, ready))
        .collect();
    let revision = ready().next().map_or(0, |ready| ready.target.revision);
    let (number, events) = open(workspace, request, taken, revision, lines).await?;
    // A server that was accepted stands in the store now.
    let mut subjects = Vec::new();
    for ready in ready() {
        let path = ready.target.path.clone();
        let mut subject = Subject::read(workspace, &request.environment, path).await?;
        subject.arrange(ready.choice.way, ready.target.user().as_str());
        subjects.push(subject);
    }
    let mut rotation = Rotation {
        number,
        environment: request.environment.clone(),
        protected: subjects.iter().any(|subject| subject.protected),
        runs: Vec::new(),
    };
    for (subject, events) in subjects.iter().zip(events) {
        let intent = Intent::Rotate;
        let mut run = Run::new(workspace, observer, subject, intent, number, events);
        run.reason.clone_from(&request.reason);
        run.compromised = request.compromised;
        run.waived = request.waiver.is_some();
        // The look has just been at the gate; S3 looks again under the user's lock.
        run.note_gate(&Gate::Open);
        if run.journal.pending.is_some() {
            run.begun(Step::Pending);
            run.done(Step::Pending);
        }
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
        file: ready.imported.as_ref().map(|one| one.file.clone()),
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
    if let Some(file) = &chosen.file {
        detail["file"] = json!(file);
    }
    let import = ready.imported.as_ref().map(|one| Import {
        secret: target.record.id,
        password: one.password.duplicate(),
        file: one.file.clone(),
    });
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
        open_idle: ready.open_idle.clone(),
    });
    Line {
        path,
        events: [Event::Admitted(admitted.clone()), Event::WayChosen(chosen)],
        detail,
        claimed: Claimed::met(target, admitted, ready.certificate.clone()),
        accepts,
        import,
    }
}

impl Import {
    /// S2: the event, and what the audit log says of it.
    fn seal(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        master: &MasterKey,
        environment_id: &str,
    ) -> Result<(Event, Value), StoreError> {
        let key = EnvironmentKey::load(transaction, master, environment_id)?;
        let generation = rotated_secrets::next_generation(transaction, self.secret)?;
        let header = EnvelopeHeader {
            secret: self.secret,
            generation: Some(generation),
        };
        let password = &self.password;
        let event = Event::PendingSealed {
            generation,
            sealed: seal(key.key(), environment_id, header, password, random_bytes()),
            salt: hex::encode(random_bytes::<SALT_LENGTH>()),
        };
        Ok((event, json!({"generation": generation, "file": self.file})))
    }
}

/// A rotation of which only files are left ends, and its journal says why. Answers the files
/// that somebody else has to wait for from here on.
fn leave_files(
    transaction: &rusqlite::Transaction<'_>,
    environment: &EnvironmentName,
    rotation: RotationId,
    now: &str,
) -> Result<Vec<String>, StoreError> {
    let files = sinks::release(transaction, rotation)?;
    for file in &files {
        let event = Event::PublishFailed {
            file: file.clone(),
            case: Case::SinkFailed,
            message: "left to a way back, since consumers are down".to_owned(),
        };
        journal::append(transaction, rotation, None, &event, now)?;
    }
    if journal::close_if_over(transaction, rotation, now)? {
        notices::of_rotation(transaction, environment, rotation, RotationFact::Ended)?;
    }
    Ok(files)
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

/// The agreement is durable: lock, ways, requester and reason. Answers what stands in the journal
/// of each path.
async fn open(
    workspace: &Workspace,
    request: &RollBackRequest,
    taken: Taken<'_>,
    revision: u64,
    lines: Vec<Line>,
) -> Result<(RotationId, Vec<Vec<Event>>), Failure> {
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
    let (environment_id, waits) = (taken.environment_id.to_owned(), taken.waits);
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
                let mut detail = json!({
                    "path": line.path, "recorded": accepts.recorded, "accepted": accepts.seen,
                    "certificate": accepts.certificate,
                });
                let open_idle = accepts.open_idle.as_deref();
                let revived = reopen_overlap(transaction, accepts.secret, open_idle)?;
                if let Some(revived) = revived {
                    detail["let-in-again"] = revived;
                }
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
        // At most one is open: what waits for files ends before the way back begins.
        let left = waits.map(|waits| leave_files(transaction, &environment, waits, &now));
        let left = left.transpose()?.unwrap_or_default();
        let rotation = journal::open_rotation(transaction, &environment_id, &now)?;
        journal::append(transaction, rotation, None, &opened, &now)?;
        for file in &left {
            sinks::wait_for(transaction, &environment_id, file, rotation)?;
        }
        let (mut paths, mut all, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            let mut events = line.events.to_vec();
            if let Some(import) = &line.import {
                let (event, mut detail) = import.seal(transaction, &master, &environment_id)?;
                detail["rotation"] = json!(rotation);
                detail["path"] = json!(line.path);
                events.push(event);
                sealed.push(detail);
            }
            for event in &events {
                journal::append(transaction, rotation, Some(&line.path), event, &now)?;
            }
            paths.push(line.detail);
            all.push(events);
        }
        let mut detail = json!({
            "rotation": rotation, "reason": reason, "waiver": waiver, "paths": paths,
        });
        if let Some(waits) = waits {
            detail["files-of"] = json!(waits);
            detail["files"] = json!(left);
        }
        let chosen = std::iter::once(("rotation.way-chosen", detail));
        let sealed = sealed.into_iter();
        for (action, detail) in chosen.chain(sealed.map(|one| ("rotation.pending-sealed", one))) {
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&environment),
                detail,
            )?;
        }
        Ok::<_, Failure>((rotation, all))
    })
    .await
}
