//! From how the runs of a rotation stopped to its report.

use super::outcome::{
    Advice, ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report,
};
use super::rotation::Rotation;
use super::run::{Run, Stop};
use crate::model::{Engine, EnvironmentName, Step, UserName};
use crate::operations::{Exit, Failure};
use crate::process::Signal;
use crate::rotation::{AdmitCase, Case, Decision, Intent, PathJournal, Plan, Progress, Refusal};
use crate::untrusted::Untrusted;

/// One rotated secret in a report, and how the command would end for it alone.
pub(super) type PathEnd = (PathReport, Exit);

/// A user's name, safe to draw.
pub(super) fn shown(user: &UserName) -> String {
    Untrusted::new(user.as_str()).as_str().to_owned()
}

/// The report of a rotation whose runs have stopped; `others` are its paths without a run.
pub(super) fn of_rotation(
    rotation: &Rotation<'_>,
    stops: Vec<Result<Stop, Failure>>,
    others: Vec<PathEnd>,
) -> Report {
    let runs = rotation.runs.iter().zip(stops);
    let mut ends: Vec<PathEnd> = runs.map(|(run, stop)| of_run(run, stop)).collect();
    let revision = newest_revision(&ends);
    ends.extend(others);
    let mut report = together(&rotation.environment, ends);
    report.rotation = Some(rotation.number);
    report.revision = revision;
    report.protected = rotation.protected;
    report
}

/// Paths that were given up have a revision each; the promoted ones share theirs.
fn newest_revision(ends: &[PathEnd]) -> Option<u64> {
    ends.iter().filter_map(|(path, _)| path.revision).max()
}

/// Several paths in one report: the most serious end wins, and success beside failure is
/// a partial failure.
pub(super) fn together(environment: &EnvironmentName, mut ends: Vec<PathEnd>) -> Report {
    ends.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    let worst = ends
        .iter()
        .max_by_key(|(path, end)| (end.rank(), path.error.is_some()));
    let mut exit = worst.map_or(Exit::Done, |(_, end)| *end);
    let count = ends.len();
    let done = ends.iter().filter(|(_, end)| *end == Exit::Done).count();
    let is_partial = done > 0 && done < count;
    let is_plan = ends
        .iter()
        .any(|(path, _)| path.status == PathOutcome::Planned);
    let (status, error) = match worst {
        None => (HandOverStatus::Done, None),
        // Nothing was done yet, so nothing is done in part. What cannot be reached now
        // does not keep the others from being agreed to.
        Some((path, _)) if is_plan => (HandOverStatus::Planned, named_error(path, count)),
        Some(_) if is_partial => {
            exit = exit.worse(Exit::Partial);
            let error = partial(environment, &ends, done);
            (HandOverStatus::Partial, Some(error))
        }
        Some((path, _)) => (status_of(path.status, exit), named_error(path, count)),
    };
    Report {
        rotation: None,
        environment: Some(environment.clone()),
        status,
        revision: None,
        error,
        paths: ends.into_iter().map(|(path, _)| path).collect(),
        sinks: Vec::new(),
        retired: Vec::new(),
        protected: false,
        exit: ExitCode(exit),
    }
}

fn status_of(outcome: PathOutcome, exit: Exit) -> HandOverStatus {
    match outcome {
        PathOutcome::Planned => HandOverStatus::Planned,
        PathOutcome::Done | PathOutcome::Abandoned => HandOverStatus::Done,
        // Ending what was found open is what was asked for; a rotation that was asked
        // for and did not happen was refused.
        PathOutcome::Aborted if exit == Exit::Done => HandOverStatus::Done,
        PathOutcome::Aborted | PathOutcome::Refused => HandOverStatus::Refused,
        PathOutcome::Parked => HandOverStatus::Parked,
        PathOutcome::Interrupted => HandOverStatus::Interrupted,
        PathOutcome::Unreachable => HandOverStatus::Unreachable,
        PathOutcome::Failed => HandOverStatus::Failed,
    }
}

fn named_error(path: &PathReport, count: usize) -> Option<ErrorReport> {
    let mut error = path.error.clone()?;
    if count > 1 {
        error.message = format!("{}: {}", path.path, error.message);
    }
    Some(error)
}

fn partial(environment: &EnvironmentName, ends: &[PathEnd], done: usize) -> ErrorReport {
    let failed: Vec<String> = ends
        .iter()
        .filter(|(_, end)| *end != Exit::Done)
        .map(|(path, _)| match &path.case {
            Some(case) => format!("{} ({case})", path.path),
            None => path.path.clone(),
        })
        .collect();
    ErrorReport {
        code: "partial".to_owned(),
        message: format!(
            "{done} of {} rotated secrets are done; not done: {}",
            ends.len(),
            failed.join(", ")
        ),
        remedy: format!(
            "mend what each of them names; then: handover retry {environment} (or: handover recover {environment})"
        ),
    }
}

/// How one path's run ended.
pub(super) fn of_run(run: &Run<'_>, stopped: Result<Stop, Failure>) -> PathEnd {
    let changed = run.journal.may_have_changed();
    let environment = &run.subject.environment;
    let mut path = of_path(run, PathOutcome::Done);
    let exit = match stopped {
        Ok(Stop::Verified) => Exit::NeedsHuman,
        Ok(Stop::Done { revision }) => {
            path.revision = Some(revision);
            path.unproven_rows = run.unproven_rows();
            Exit::Done
        }
        Ok(Stop::Abandoned { revision }) => {
            path.revision = Some(revision);
            path.status = PathOutcome::Abandoned;
            Exit::Done
        }
        Ok(Stop::Aborted { case, message }) => {
            path.status = PathOutcome::Aborted;
            path.case = case.map(|case| case.name().to_owned());
            path.error = Some(ErrorReport {
                code: case.map_or("aborted", Case::name).to_owned(),
                message,
                remedy: format!("rotate again: handover rotate {environment} --plan"),
            });
            match run.intent {
                Intent::Recover | Intent::Abandon => Exit::Done,
                Intent::Rotate | Intent::Retry => Exit::Refused,
            }
        }
        Ok(Stop::Parked { case, message }) => {
            path.case = Some(case.name().to_owned());
            let mut remedy = remedy(case, run.subject.engine, environment);
            if changed && case.may_be_given_up() {
                let (path, way) = (&path.path, "or keep the present user");
                remedy = format!("{remedy}; {way}: handover abandon {environment} {path}");
            }
            path.error = Some(ErrorReport {
                code: case.name().to_owned(),
                message,
                remedy,
            });
            if case == Case::Unreachable && !changed {
                path.status = PathOutcome::Unreachable;
                Exit::Unreachable
            } else {
                path.status = PathOutcome::Parked;
                Exit::NeedsHuman
            }
        }
        Ok(Stop::Interrupted { signal }) => {
            path.status = PathOutcome::Interrupted;
            path.error = Some(interruption(signal, &run.journal, environment));
            match changed {
                true => Exit::NeedsHuman,
                false => Exit::Refused,
            }
        }
        Err(failure) => {
            let exit = if changed {
                Exit::NeedsHuman
            } else {
                failure.exit
            };
            let mut error = ErrorReport::from(&failure);
            error.remedy = format!("{}; then: handover recover {environment}", error.remedy);
            path.error = Some(error);
            path.status = outcome_of(exit);
            exit
        }
    };
    (path, exit)
}

/// Where a signal stopped a run, what that means, and how to go on.
fn interruption(
    signal: Signal,
    journal: &PathJournal,
    environment: &EnvironmentName,
) -> ErrorReport {
    let progress = &journal.progress;
    let meaning = match progress {
        Progress::Locked { sent: true } => {
            "the user was let in again, or may be, with the password it has"
        }
        _ if !journal.may_have_changed() => "nothing was changed in the database",
        Progress::Sent { .. } => "the change was sent and its outcome is not known",
        Progress::Confirmed | Progress::Verified if journal.takes_known() => {
            "the user was let in again with the password it has, and is not promoted"
        }
        Progress::Confirmed | Progress::Verified => {
            "the new password is set and not promoted; nobody is affected"
        }
        _ => "the change was made",
    };
    ErrorReport {
        code: "interrupted".to_owned(),
        message: format!(
            "{signal}: stopped after {}: {meaning}; the rotation stays open",
            progress.step().code()
        ),
        remedy: format!("handover recover {environment}"),
    }
}

/// A path with the step that its journal reached.
pub(super) fn of_path(run: &Run<'_>, status: PathOutcome) -> PathReport {
    let step = run.journal.progress.step();
    let mut path = PathReport::new(run.subject.path.to_string(), status, step);
    path.user = run.subject.reported_user().map(shown);
    path.way = run.journal.back.as_ref().map(|back| back.way);
    path
}

/// A path of the rotation that could not be worked on, though it was asked for.
pub(super) fn of_left(path: String, journal: &PathJournal, failure: &Failure) -> PathEnd {
    let (mut report, exit) = of_journal(path, journal);
    report.error = Some(ErrorReport::from(failure));
    if exit == Exit::NeedsHuman {
        return (report, exit);
    }
    report.status = outcome_of(failure.exit);
    (report, failure.exit)
}

fn outcome_of(exit: Exit) -> PathOutcome {
    match exit {
        Exit::Refused => PathOutcome::Refused,
        Exit::NeedsHuman => PathOutcome::Parked,
        Exit::Unreachable => PathOutcome::Unreachable,
        _ => PathOutcome::Failed,
    }
}

/// A path of the rotation that no run works on now, by its journal alone.
pub(super) fn of_journal(path: String, journal: &PathJournal) -> PathEnd {
    let mut report = PathReport::new(path, PathOutcome::Done, journal.progress.step());
    let user = journal.admitted.as_ref().map(|admitted| &admitted.user);
    report.user = user.map(|user| Untrusted::new(user).as_str().to_owned());
    report.case = journal.parked.map(|case| case.name().to_owned());
    report.way = journal.back.as_ref().map(|back| back.way);
    match journal.progress {
        Progress::Promoted { revision } => report.revision = Some(revision),
        Progress::Abandoned { revision } => {
            report.revision = Some(revision);
            report.status = PathOutcome::Abandoned;
        }
        Progress::Aborted => report.status = PathOutcome::Aborted,
        _ if journal.may_have_changed() => {
            report.status = PathOutcome::Parked;
            return (report, Exit::NeedsHuman);
        }
        _ => {
            report.status = PathOutcome::Unreachable;
            return (report, Exit::Unreachable);
        }
    }
    (report, Exit::Done)
}

/// A path whose plan is shown and not begun.
pub(super) fn planned(path: String, user: &UserName, plan: Plan) -> PathEnd {
    let mut report = PathReport::new(path, PathOutcome::Planned, Step::Preflight);
    report.user = Some(shown(user));
    report.plan = Some(plan);
    (report, Exit::Done)
}

/// A path that S1 refused.
pub(super) fn refused(path: String, user: Option<&UserName>, refusal: &Refusal) -> PathEnd {
    let (status, exit) = match refusal.case {
        AdmitCase::Unreachable => (PathOutcome::Unreachable, Exit::Unreachable),
        AdmitCase::CurrentDead => (PathOutcome::Parked, Exit::NeedsHuman),
        _ => (PathOutcome::Refused, Exit::Refused),
    };
    let mut report = PathReport::new(path, status, Step::Preflight);
    report.user = user.map(shown);
    report.case = Some(refusal.case.name().to_owned());
    report.error = Some(ErrorReport::from(refusal));
    (report, exit)
}

/// What was found and what follows from it, in words.
pub(super) fn describe(run: &Run<'_>, decision: Decision, path: &mut PathReport) {
    let engine = run.subject.engine;
    path.consumers = Some(run.consumers_words());
    path.meaning = decision.case.map(|case| case.meaning().to_owned());
    path.evidence = run.evidence_words();
    path.action = Some(decision.action.words().to_owned());
    path.advice = decision.case.map(|case| Advice {
        next_best: case.next_best(engine),
        untouched: decision.action.untouched(),
        wrong_if: case.wrong_if(engine),
    });
}

/// What an operator does about a parked case.
pub(super) fn remedy(case: Case, engine: Engine, environment: &EnvironmentName) -> String {
    let again = format!("handover recover {environment}");
    match case {
        Case::BothAccepted => format!("{}; then: {again}", engine.terms().look_for_both),
        Case::CurrentDead => format!(
            "find out who changed the password or locked the user; {} can set the \
             stored password again (`handover env open {environment}`); then: {again}; or take a \
             way back: handover rollback {environment} --plan",
            engine.terms().administrator
        ),
        Case::ApplicationsFail | Case::BackLocked => {
            format!("mend what the server names, or give it up; then: {again}")
        }
        Case::BackScrambled => format!(
            "give it up (handover abandon {environment} PATH); then: handover rollback \
             {environment} --plan"
        ),
        Case::ManagerOut => {
            format!("put the managing user's right password into its environment; then: {again}")
        }
        Case::Unreachable => format!("when the database answers again: {again}"),
        Case::RefusedFinal => format!("mend what the server names; then: {again}"),
        Case::RefusedRetryable => format!("when the obstacle is gone: {again}"),
        Case::RefusedPassword => format!("{}; then: {again}", engine.terms().past_policy),
        Case::VerifyFailed => format!("give the user what the statement needs; then: {again}"),
        Case::ReplyLost => format!("end the statement that holds the lock, or wait; then: {again}"),
        Case::Restored => format!(
            "if this server is to stay, {} sets the stored passwords again \
             (`handover env open {environment}`); then: handover doctor {environment} --accept-server; \
             or both at once: handover rollback {environment} --plan",
            engine.terms().administrator
        ),
        Case::OtherServer => format!(
            "if this server is to stay: handover doctor {environment} --accept-server; then: {again}"
        ),
        Case::StoreBehind => format!(
            "restore a newer backup of the store: handover store restore; without one, take the \
             password that a published file holds, or give the idle user a new one: \
             handover rollback {environment} --plan"
        ),
        Case::WaitingForStandby => format!("bring the synchronous standby back; then: {again}"),
        Case::NotReplicated => format!(
            "see why the {} does not follow, or name it in `databases.\"*\".nodes`; then: {again}",
            engine.terms().standby
        ),
        Case::PoolerRefuses => format!("reload the pooler that refuses; then: {again}"),
        Case::RivalOwner => {
            format!("find who else sets this user's password, and stop it; then: {again}")
        }
        Case::SinkForeign => format!(
            "see who else writes the file; to overwrite it: handover publish {environment} \
             --overwrite FILE; or take it out of `publish` in the settings, then: {again}"
        ),
        Case::SinkFailed => format!("mend what it names; then: {again}"),
        Case::NothingDone
        | Case::PendingUnsent
        | Case::Applied
        | Case::StoreUnknown
        | Case::Unrecognised => again,
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
