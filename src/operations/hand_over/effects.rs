//! The driver's effects, each between its two failpoints.

use rusqlite::Transaction;

use super::subject::Subject;
use crate::database::Login;
use crate::model::{LoginOutcome, UnknownCause};
use crate::operations::Workspace;
use crate::process::failpoint::{self, Failpoint};
use crate::publish::{FaultKind, SinkFault};
use crate::store::{Locked, Placed, StoreError};
use crate::untrusted::Untrusted;

/// Asks for the environment's lock.
pub(super) async fn lock(
    workspace: &Workspace,
    environment_id: &str,
) -> Result<Locked, StoreError> {
    failpoint::before("lock").map_err(not_written)?;
    let us = workspace.as_holder();
    let asked = workspace.store.lock(environment_id, us).await?;
    failpoint::after("lock").map_err(not_answered)?;
    Ok(asked)
}

/// One transaction of the store; `effect` is what it makes durable.
pub(super) async fn write<T, E>(
    workspace: &Workspace,
    effect: &'static str,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Placed + Send + 'static,
{
    failpoint::before(effect).map_err(not_written)?;
    let answer = workspace.store.write(work).await?;
    failpoint::after(effect).map_err(not_answered)?;
    Ok(answer)
}

/// One login; `effect` says whose password is tried.
pub(super) async fn probe(
    subject: &Subject,
    effect: &'static str,
    login: Login<'_>,
) -> LoginOutcome {
    if let Err(failpoint) = failpoint::before(effect) {
        return nothing_known(failpoint);
    }
    let outcome = subject.database.probe(login).await;
    match failpoint::after(effect) {
        Ok(()) => outcome,
        Err(failpoint) => nothing_known(failpoint),
    }
}

/// A file is written, or its readers are told.
pub(super) async fn at_sink(
    effect: &'static str,
    work: impl Future<Output = Result<(), SinkFault>>,
) -> Result<(), SinkFault> {
    failpoint::before(effect).map_err(not_published)?;
    work.await?;
    failpoint::after(effect).map_err(not_published)
}

fn not_published(failpoint: Failpoint) -> SinkFault {
    SinkFault {
        kind: FaultKind::NotWritten,
        message: failpoint.to_string(),
        remedy: "try again".to_owned(),
    }
}

fn not_written(failpoint: Failpoint) -> StoreError {
    StoreError::CannotWrite(failpoint.to_string())
}

fn not_answered(failpoint: Failpoint) -> StoreError {
    StoreError::CommitUnknown(failpoint.to_string())
}

fn nothing_known(failpoint: Failpoint) -> LoginOutcome {
    LoginOutcome::Unknown(UnknownCause::Other(Untrusted::new(&failpoint.to_string())))
}
