//! `rollback`: the ways back after a promote, and out of an outage.
//!
//! The pure choice names the case and the ways that are possible; an agreement follows; and
//! what was agreed to is one more rotation in the journal, which the driver of all rotations
//! brings to its end and `recover` goes on with.

mod begin;
mod import;
mod look;
mod opened;
mod report;

use std::sync::Arc;

use super::confirm::{Asked, missing_agreement, unconfirmed};
use super::outcome::{ErrorReport, ExitCode, HandOverStatus, Report};
use super::retire::shut_out;
use super::subject::Subject;
use super::{Confirmation, Observer, RotateRequest, effects, publish};
use crate::document::PropertyPath;
use crate::model::{EnvironmentName, RotationId};
use crate::operations::drain::open_missing;
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::{Intent, Wanted, Way, refuse_locked};
use crate::store::Locked;
use opened::Opened;

/// What to roll back, and how.
#[derive(Debug, Clone)]
pub struct RollBackRequest {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which rotated secrets; all of the environment when none is named.
    pub paths: Vec<PropertyPath>,
    /// Another way than the recommended one, of those that are offered.
    pub way: Option<Way>,
    /// What consumers read now leaked: once they read the other user, it is locked at once and
    /// its password scrambled.
    pub compromised: bool,
    /// Why a password that leaked is given back to consumers all the same.
    pub break_glass: Option<String>,
    /// What the operator agreed to.
    pub confirmation: Confirmation,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The signed waiver of the gate, where a user gets a new password.
    pub waiver: Option<String>,
}

impl RollBackRequest {
    fn wanted(&self) -> Wanted {
        Wanted {
            way: self.way,
            compromised: self.compromised,
            break_glass: self.break_glass.is_some(),
        }
    }
}

/// Shows the case, the evidence and the ways back. Nothing is changed, no lock is taken.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn plan_roll_back(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    let subjects = load(workspace, request).await?;
    if let Some(subject) = subjects.first()
        && let Some(holder) = workspace.store.locked_by(&subject.environment_id).await?
    {
        let refusal = refuse_locked(&request.environment, &holder);
        return Ok(report::unseen(&subjects, request, &refusal));
    }
    let waits = match opened::look(workspace, request, observer, &subjects).await? {
        Opened::Nothing | Opened::CanBeCleared(_) => None,
        Opened::WaitsForFiles(number) => Some(number),
        Opened::CanBeFinished(open) => {
            return match open.other_way(workspace, request, observer).await? {
                Some(report) => Ok(report),
                None => open.planned(workspace, request, observer).await,
            };
        }
        Opened::Refused(report) => return Ok(*report),
    };
    let (subjects, looked) = look_at_all(workspace, request, observer, subjects).await?;
    let held = opened::held(waits, request, &subjects, &looked);
    Ok(held.unwrap_or_else(|| report::planned(request, &subjects, &looked)))
}

/// Takes the way back that is recommended or chosen, on every path.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn roll_back(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
) -> Result<Report, Failure> {
    // What was promoted before overlaps were kept has none yet that could be noted in.
    open_missing(workspace, Some(std::slice::from_ref(&request.environment))).await?;
    let subjects = load(workspace, request).await?;
    let asked = Asked::of(&request.environment, LOOK, &subjects);
    if let Some(report) = unconfirmed(&asked, &request.confirmation) {
        return Ok(report);
    }
    let Some(environment_id) = subjects.first().map(|one| one.environment_id.clone()) else {
        return Ok(Report::nothing_open());
    };
    let _lock = match effects::lock(workspace, &environment_id).await? {
        Locked::Ours(lock) => lock,
        Locked::By(holder) => {
            let refusal = refuse_locked(&request.environment, &holder);
            return Ok(report::unseen(&subjects, request, &refusal));
        }
    };
    // Whoever held the lock before may have promoted: read everything again under it.
    let subjects = load(workspace, request).await?;
    let opened = opened::look(workspace, request, observer, &subjects).await?;
    let waits = match &opened {
        Opened::WaitsForFiles(number) => Some(*number),
        _ => None,
    };
    let taken = Taken {
        environment_id: &environment_id,
        waits,
    };
    let mut report = match opened {
        Opened::Refused(report) => return Ok(*report),
        Opened::CanBeFinished(open) => match open.other_way(workspace, request, observer).await? {
            Some(report) => return Ok(report),
            None => open.finish(workspace, request, observer).await?,
        },
        Opened::CanBeCleared(open) => {
            if let Some(report) = untyped(request, &subjects, true) {
                return Ok(report);
            }
            open.clear(workspace, request).await?;
            let subjects = load(workspace, request).await?;
            take(workspace, request, observer, taken, subjects).await?
        }
        Opened::Nothing | Opened::WaitsForFiles(_) => {
            take(workspace, request, observer, taken, subjects).await?
        }
    };
    // Whoever reads a file has to have the other user before this one is shut out.
    publish::after_promote(workspace, observer, Intent::Rotate, &mut report).await;
    if request.compromised {
        let rotation = RotateRequest {
            environment: request.environment.clone(),
            paths: request.paths.clone(),
            confirmation: request.confirmation.clone(),
            reason: request.reason.clone(),
            waiver: None,
            compromised: true,
            scheduled: None,
        };
        shut_out(workspace, &rotation, observer, &mut report).await?;
    }
    Ok(report)
}

/// What shows the ways back.
const LOOK: &str = "handover rollback --plan";

/// Looks at every path. Where some are down and none was named, the way back is theirs alone: what
/// consumers of the others read is left as it is.
async fn look_at_all(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
    subjects: Vec<Subject>,
) -> Result<(Vec<Subject>, Vec<look::Looked>), Failure> {
    let mut all = Vec::new();
    for subject in subjects {
        let looked = look::look(workspace, &subject, request, observer).await?;
        all.push((subject, looked));
    }
    if request.paths.is_empty() && all.iter().any(|(_, looked)| looked.is_down()) {
        all.retain(|(_, looked)| looked.is_down() || looked.verdict.is_err());
    }
    Ok(all.into_iter().unzip())
}

/// Where a way back is taken.
#[derive(Clone, Copy)]
struct Taken<'a> {
    environment_id: &'a str,
    /// The open rotation that waits for its files, which are left to the way back.
    waits: Option<RotationId>,
}

/// With nothing open but what waits for files, and under the lock.
async fn take(
    workspace: &Workspace,
    request: &RollBackRequest,
    observer: &Observer,
    taken: Taken<'_>,
    subjects: Vec<Subject>,
) -> Result<Report, Failure> {
    let (subjects, looked) = look_at_all(workspace, request, observer, subjects).await?;
    if let Some(signal) = observer.stop_wanted() {
        return Ok(report::interrupted(request, &subjects, signal));
    }
    if let Some(report) = opened::held(taken.waits, request, &subjects, &looked) {
        return Ok(report);
    }
    if looked.iter().any(|one| one.verdict.is_err()) {
        return Ok(report::refused(request, &subjects, &looked));
    }
    let is_down = looked.iter().any(look::Looked::is_down);
    if let Some(report) = untyped(request, &subjects, is_down) {
        return Ok(report);
    }
    begin::begin(workspace, request, observer, taken, looked).await
}

/// Where consumers are down, nobody goes on who has not typed the environment's name.
fn untyped(request: &RollBackRequest, subjects: &[Subject], is_down: bool) -> Option<Report> {
    if !is_down {
        return None;
    }
    let environment = &request.environment;
    let missing = missing_agreement(environment, true, LOOK, &request.confirmation)?;
    let error = ErrorReport {
        code: "consumers-down".to_owned(),
        message: format!(
            "what consumers read does not log in, so that the name of {environment} has to be \
             typed, whatever its protection"
        ),
        remedy: missing.remedy,
    };
    let mut report = report::of_error(request, subjects, &error);
    report.status = HandOverStatus::Refused;
    report.exit = ExitCode(Exit::Refused);
    report.protected = true;
    Some(report)
}

async fn load(workspace: &Workspace, request: &RollBackRequest) -> Result<Vec<Subject>, Failure> {
    let name = request.environment.clone();
    let paths = request.paths.clone();
    let master = Arc::clone(&workspace.master);
    workspace
        .store
        .read(move |transaction| Subject::load_all(transaction, &master, &name, &paths))
        .await
}
