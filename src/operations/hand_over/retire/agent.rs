//! What the agent does by itself under `retire.mode: lock`: the settings are the agreement, and
//! go no further than what a person would be let do without a waiver.

use super::{RetireReport, RetireRequest, RetireStatus, retire};
use crate::document::PropertyPath;
use crate::model::settings::{RetireEnd, RetireMode};
use crate::model::{EnvironmentName, Stage};
use crate::operations::hand_over::gate::read_watched;
use crate::operations::hand_over::subject::Subject;
use crate::operations::hand_over::{Confirmation, Observer};
use crate::operations::{Failure, Workspace};
use crate::store::StoreError;

/// Takes the next step if the settings agree to it and its time has come; `None` where it is
/// left to a person, or to time. Unless it is due, no database is asked.
///
/// # Errors
/// As for [`retire`].
pub async fn retire_by_settings(
    workspace: &Workspace,
    environment: &EnvironmentName,
    path: &PropertyPath,
) -> Result<Option<RetireReport>, Failure> {
    let subject = Subject::read(workspace, environment, path.clone()).await?;
    if !is_due(workspace, &subject).await? {
        return Ok(None);
    }
    let request = RetireRequest {
        environment: environment.clone(),
        path: path.clone(),
        undo: false,
        // Whoever wrote `mode: lock` into the settings has agreed, in production too.
        confirmation: Confirmation::Named(environment.to_string()),
        reason: Some("`retire.mode: lock` in the settings".to_owned()),
        waiver: None,
        end_sessions: None,
        by_agent: true,
    };
    let report = retire(workspace, &request, &Observer::default()).await?;
    Ok((report.status != RetireStatus::Nothing).then_some(report))
}

/// Whether the agent may take the next step now, by what the store has.
///
/// # Errors
/// The store's own.
pub(super) async fn is_due(workspace: &Workspace, subject: &Subject) -> Result<bool, StoreError> {
    let retire = &subject.settings.retire;
    let Some(overlap) = subject.overlap_of_idle() else {
        return Ok(false);
    };
    // Where a password leaked, a person goes on.
    if retire.mode != RetireMode::Lock || overlap.compromised {
        return Ok(false);
    }
    let Some(watched) = read_watched(workspace, subject, &[]).await? else {
        return Ok(false);
    };
    Ok(match overlap.stage {
        // Whom a person has let in again is not locked before somebody has come and gone.
        Stage::Draining => {
            let was_let_in = overlap.stage_at > overlap.opened_at;
            watched.is_drained() && (!was_let_in || watched.was_used_since(overlap.stage_at))
        }
        Stage::Locking => watched.is_drained(),
        Stage::Locked => retire.then == RetireEnd::Scramble && watched.was_listened_for(),
        Stage::Scrambling => true,
        // Somebody lets it in again, or all is done.
        Stage::Unlocking | Stage::Scrambled => false,
    })
}
