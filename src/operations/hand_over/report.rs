//! From how a run stopped to its report.

use super::outcome::{ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report};
use super::run::{Run, Stop};
use crate::model::{EnvironmentName, UserName};
use crate::operations::{Exit, Failure};
use crate::rotation::{Case, Decision, Intent};
use crate::untrusted::Untrusted;

/// A user's name, safe to draw.
pub(super) fn shown(user: &UserName) -> String {
    Untrusted::new(user.as_str()).as_str().to_owned()
}

/// The report of a run.
pub(super) fn of_run(run: &Run<'_>, stopped: Result<Stop, Failure>) -> Report {
    let changed = run.journal.may_have_changed();
    let environment = &run.subject.environment;
    let (status, outcome, exit, case, error, revision) = match stopped {
        Ok(Stop::Done { revision }) => (
            HandOverStatus::Done,
            PathOutcome::Done,
            Exit::Done,
            None,
            None,
            Some(revision),
        ),
        Ok(Stop::Aborted { case, message }) => {
            // Recovering by ending is what was asked for; a rotation that was asked
            // for and did not happen was refused.
            let (status, exit) = match run.intent {
                Intent::Recover | Intent::Retry | Intent::Abandon => {
                    (HandOverStatus::Done, Exit::Done)
                }
                Intent::Rotate => (HandOverStatus::Refused, Exit::Refused),
            };
            let error = ErrorReport {
                code: case.map_or("aborted", Case::name).to_owned(),
                message,
                remedy: format!("rotate again: handover rotate {environment} --plan"),
            };
            (status, PathOutcome::Aborted, exit, case, Some(error), None)
        }
        Ok(Stop::Parked { case, message }) => {
            let untouched = case == Case::Unreachable && !changed;
            let (status, outcome, exit) = if untouched {
                let (status, outcome) = (HandOverStatus::Unreachable, PathOutcome::Unreachable);
                (status, outcome, Exit::Unreachable)
            } else {
                (
                    HandOverStatus::Parked,
                    PathOutcome::Parked,
                    Exit::NeedsHuman,
                )
            };
            let error = ErrorReport {
                code: case.name().to_owned(),
                message,
                remedy: remedy(case, environment),
            };
            (status, outcome, exit, Some(case), Some(error), None)
        }
        Err(failure) => {
            let exit = if changed {
                Exit::NeedsHuman
            } else {
                failure.exit
            };
            let mut error = ErrorReport::from(&failure);
            error.remedy = format!("{}; then: handover recover {environment}", error.remedy);
            let (status, outcome) = match exit {
                Exit::Refused => (HandOverStatus::Refused, PathOutcome::Refused),
                Exit::NeedsHuman => (HandOverStatus::Parked, PathOutcome::Parked),
                _ => (HandOverStatus::Failed, PathOutcome::Failed),
            };
            (status, outcome, exit, None, Some(error), None)
        }
    };
    Report {
        rotation: Some(run.rotation),
        environment: Some(environment.clone()),
        status,
        revision,
        error: error.clone(),
        paths: vec![PathReport {
            path: run.subject.path.to_string(),
            status: outcome,
            step: run.journal.progress.step(),
            case: case.map(|case| case.name().to_owned()),
            user: Some(shown(run.subject.user())),
            error,
            consumers: None,
            meaning: None,
            evidence: Vec::new(),
            action: None,
            advice: None,
        }],
        plan: None,
        protected: run.subject.protected,
        exit: ExitCode(exit),
    }
}

/// The report of a recovery that is shown and not begun.
pub(super) fn planned_recovery(run: &Run<'_>, decision: Decision) -> Report {
    Report {
        rotation: Some(run.rotation),
        environment: Some(run.subject.environment.clone()),
        status: HandOverStatus::Planned,
        protected: run.subject.protected,
        paths: vec![PathReport {
            path: run.subject.path.to_string(),
            status: PathOutcome::Planned,
            step: run.journal.progress.step(),
            case: decision.case.map(|case| case.name().to_owned()),
            user: Some(shown(run.subject.user())),
            error: None,
            consumers: None,
            meaning: None,
            evidence: Vec::new(),
            action: None,
            advice: None,
        }],
        ..Report::nothing_open()
    }
}

/// What an operator does about a parked case.
pub(super) fn remedy(case: Case, environment: &EnvironmentName) -> String {
    let again = format!("handover recover {environment}");
    match case {
        Case::BothAccepted => format!(
            "look in pg_hba.conf for `trust`, `ldap` or a pooler in between, and mend it; then: {again}"
        ),
        Case::CurrentDead => format!(
            "find out who changed the password or locked the user; a superuser can set the \
             stored password again (`handover env open {environment}`); then: {again}"
        ),
        Case::ManagerOut => {
            format!("put the managing user's right password into its environment; then: {again}")
        }
        Case::Unreachable => format!("when the database answers again: {again}"),
        Case::RefusedFinal => format!("mend what the server names; then: {again}"),
        Case::RefusedRetryable => format!("when the obstacle is gone: {again}"),
        Case::RefusedPassword => format!(
            "choose `databases.\"*\".password` in the settings so that the server's policy takes it; then: {again}"
        ),
        Case::VerifyFailed => format!("give the user what the statement needs; then: {again}"),
        Case::ReplyLost => format!("end the statement that holds the lock, or wait; then: {again}"),
        Case::Restored => format!(
            "if this server is to stay, a superuser sets the stored passwords again \
             (`handover env open {environment}`); then: handover doctor {environment} --accept-server"
        ),
        Case::OtherServer => format!(
            "if this server is to stay: handover doctor {environment} --accept-server; then: {again}"
        ),
        Case::StoreBehind => {
            "restore a newer backup of the store: handover store restore".to_owned()
        }
        Case::WaitingForStandby => format!("bring the synchronous standby back; then: {again}"),
        Case::NotReplicated => format!(
            "see why the standby does not follow, or name it in `databases.\"*\".nodes`; then: {again}"
        ),
        Case::PoolerRefuses => format!("reload the pooler that refuses; then: {again}"),
        Case::RivalOwner => {
            format!("find who else sets this user's password, and stop it; then: {again}")
        }
        Case::NothingDone
        | Case::PendingUnsent
        | Case::Applied
        | Case::StoreUnknown
        | Case::Unrecognised => again,
    }
}
