//! From what was agreed to on the screen to the requests of the operations.

use crate::console::model::{SessionRef, Target};
use crate::document::PropertyPath;
use crate::operations::hand_over::{
    Confirmation, EndSessionRequest, PublishRequest, Purpose, ResumeRequest, RetireRequest,
    RollBackRequest, RotateRequest,
};
use crate::operations::{self, Failure};
use crate::rotation::Way;

pub(super) fn rotate_request(
    target: &Target,
    confirmation: Confirmation,
) -> Result<RotateRequest, Failure> {
    Ok(RotateRequest {
        environment: target.environment.clone(),
        paths: path_of(target)?.into_iter().collect(),
        confirmation,
        reason: None,
        waiver: None,
        compromised: false,
        scheduled: None,
    })
}

/// Breaking the glass, a waiver and a password that leaked stay with the command line, where
/// their reasons are written.
pub(super) fn roll_back_request(
    target: &Target,
    way: Option<Way>,
    confirmation: Confirmation,
) -> Result<RollBackRequest, Failure> {
    Ok(RollBackRequest {
        environment: target.environment.clone(),
        paths: vec![path_of(target)?.ok_or_else(no_path)?],
        way,
        compromised: false,
        break_glass: None,
        confirmation,
        reason: None,
        waiver: None,
    })
}

/// A waiver stays with the command line, where its reason is written.
pub(super) fn retire_request(
    target: &Target,
    undo: bool,
    confirmation: Confirmation,
) -> Result<RetireRequest, Failure> {
    Ok(RetireRequest {
        environment: target.environment.clone(),
        path: path_of(target)?.ok_or_else(no_path)?,
        by_agent: false,
        undo,
        confirmation,
        reason: None,
        waiver: None,
        end_sessions: None,
    })
}

pub(super) fn end_request(
    target: &Target,
    session: SessionRef,
    confirmation: Confirmation,
) -> Result<EndSessionRequest, Failure> {
    Ok(EndSessionRequest {
        environment: target.environment.clone(),
        paths: path_of(target)?.into_iter().collect(),
        pid: session.pid,
        node: Some(session.node),
        started: session.started,
        confirmation,
        reason: None,
    })
}

fn path_of(target: &Target) -> Result<Option<PropertyPath>, Failure> {
    let path = target.path.as_ref().map(|path| path.parse()).transpose();
    path.map_err(|_| no_path())
}

fn no_path() -> Failure {
    Failure::new(
        "no-such-path",
        operations::Exit::Usage,
        "the store names no path, or a malformed one",
        "look at `handover env get`",
    )
}

/// Overwriting what somebody else wrote stays with the command line, where the file is named.
pub(super) fn publish_request(target: &Target, confirmation: Confirmation) -> PublishRequest {
    PublishRequest {
        environment: target.environment.clone(),
        overwrite: Vec::new(),
        confirmation,
        reason: None,
    }
}

pub(super) fn recover_request(target: &Target, confirmation: Confirmation) -> ResumeRequest {
    ResumeRequest {
        environment: target.environment.clone(),
        paths: Vec::new(),
        purpose: Purpose::Recover,
        confirmation,
    }
}
