//! What a turn is taken for: the rotation of its occurrence, begun or gone on with.

use super::turn::Turn;
use crate::model::RotationId;
use crate::operations::hand_over::{
    Confirmation, Observer, Purpose, Report, ResumeRequest, RotateRequest, resume, rotate,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::Event;
use crate::store::journal;

/// Rotates for an occurrence, or goes on with the rotation that was begun for it. Whoever wrote
/// the schedule has agreed, in production too, and to nothing that a waiver would be needed for.
///
/// # Errors
/// What is wrong with the input or the store; a refusal is a report.
pub async fn act_on_turn(
    workspace: &Workspace,
    turn: &Turn,
    observer: &Observer,
) -> Result<Report, Failure> {
    let confirmation = Confirmation::Named(turn.environment.to_string());
    let Some(rotation) = turn.rotation else {
        let request = RotateRequest {
            environment: turn.environment.clone(),
            paths: Vec::new(),
            confirmation,
            reason: Some(format!(
                "the schedule of {}, for {}",
                turn.environment,
                turn.slot.format("%Y-%m-%d %H:%M:%S UTC")
            )),
            waiver: None,
            compromised: false,
            scheduled: Some(turn.slot),
        };
        return rotate(workspace, &request, observer).await;
    };
    match standing(workspace, rotation).await? {
        // A person was quicker; the journal says how it ended.
        Standing::Closed => Ok(Report::nothing_open()),
        Standing::TakenOver => Err(Failure::new(
            "way-back-taken",
            Exit::NeedsHuman,
            format!("a person has agreed to a way back in {rotation}"),
            format!("handover recover {}", turn.environment),
        )),
        Standing::Open => {
            let request = ResumeRequest {
                environment: turn.environment.clone(),
                paths: Vec::new(),
                purpose: Purpose::Recover,
                confirmation,
            };
            resume(workspace, &request, observer).await
        }
    }
}

enum Standing {
    Open,
    Closed,
    TakenOver,
}

async fn standing(workspace: &Workspace, rotation: RotationId) -> Result<Standing, Failure> {
    let read = workspace
        .store
        .read(move |transaction| journal::lines(transaction, rotation));
    let lines = read.await?;
    let has = |wanted: fn(&Event) -> bool| lines.iter().any(|line| wanted(&line.event));
    Ok(if has(|event| *event == Event::Closed) {
        Standing::Closed
    } else if has(|event| matches!(event, Event::WayChosen(_))) {
        Standing::TakenOver
    } else {
        Standing::Open
    })
}
