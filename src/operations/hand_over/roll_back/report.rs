//! What is said of a way back: before it, and where there is none.

use super::RollBackRequest;
use super::import::Imported;
use super::look::Looked;
use crate::model::{ManagingFacts, Step};
use crate::operations::Exit;
use crate::operations::hand_over::outcome::{
    Advice, ErrorReport, ExitCode, HandOverStatus, PathOutcome, PathReport, Report, WayOffer,
};
use crate::operations::hand_over::report::{PathEnd, shown, together};
use crate::operations::hand_over::run::Run;
use crate::operations::hand_over::subject::Subject;
use crate::process::Signal;
use crate::rotation::{AdmitCase, Case, Choice, NoWay, Refusal, Way};

/// Why there is no way back for one path.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    case: Option<Case>,
    error: ErrorReport,
    exit: Exit,
}

impl Refused {
    pub(super) fn of_refusal(refusal: &Refusal) -> Self {
        Self {
            case: None,
            error: ErrorReport::from(refusal),
            exit: match refusal.case {
                AdmitCase::Unreachable => Exit::Unreachable,
                _ => Exit::Refused,
            },
        }
    }
}

impl Refused {
    /// With what else was found that explains it.
    pub(super) fn because(mut self, evidence: &[String]) -> Self {
        for words in evidence {
            self.error.message.push_str("; ");
            self.error.message.push_str(words);
        }
        self
    }
}

/// Why there is no way, and what mends that.
pub(super) fn no_way(run: &Run<'_>, why: NoWay) -> Refused {
    let subject = run.subject;
    let (environment, path) = (&subject.environment, &subject.path);
    let back = shown(subject.user());
    let (case, code, message, remedy) = match why {
        NoWay::Case(case) => (
            Some(case),
            case.name(),
            format!("there is no way back now: {}", run.explain(case)),
            remedy(case, run),
        ),
        NoWay::NeverPromoted => (
            None,
            "never-promoted",
            format!("handover never promoted {path}, so that there is nothing to go back to"),
            format!("handover rotate {environment} {path}"),
        ),
        NoWay::LockedElsewhere => (
            Some(Case::BackLocked),
            Case::BackLocked.name(),
            format!("{back} is locked, and not by handover: somebody may have done so on purpose"),
            let_in(run),
        ),
        NoWay::Compromised(case) => (
            Some(case),
            "compromised",
            format!("the password of {back} leaked, and is not given back to consumers"),
            format!(
                "give it a new one: handover rotate {environment} {path}; or, where that is worse, \
                 say why: --break-glass \"REASON\""
            ),
        ),
        NoWay::NotOffered(way, case) => (
            Some(case),
            "way-not-offered",
            format!("{way} is no way back in the case {case}"),
            format!("see which ones are: handover rollback {environment} {path} --plan"),
        ),
    };
    let exit = match why {
        NoWay::Case(Case::Unreachable) => Exit::Unreachable,
        NoWay::Case(Case::BothAccepted | Case::Unrecognised) => Exit::NeedsHuman,
        _ => Exit::Refused,
    };
    Refused {
        case,
        error: ErrorReport {
            code: code.to_owned(),
            message,
            remedy,
        },
        exit,
    }
}

/// What lets X in again, which is for whoever has locked it to say.
fn let_in(run: &Run<'_>) -> String {
    let role = run.facts.as_ref().and_then(|facts| facts.roles[1].as_ref());
    let subject = run.subject;
    format!(
        "find out who has locked it, and why; then, as {}: {} then look again: handover rollback {} --plan",
        subject.engine.terms().administrator,
        subject.database.remedies(subject.user(), role).let_in,
        subject.environment
    )
}

fn remedy(case: Case, run: &Run<'_>) -> String {
    let environment = &run.subject.environment;
    let again = format!("handover rollback {environment} --plan");
    match case {
        Case::Unreachable => format!("see that every node answers; then: {again}"),
        Case::OtherServer => {
            format!(
                "if this server is to stay: handover doctor {environment} --accept-server; then: {again}"
            )
        }
        Case::ManagerOut => {
            format!("put the managing user's right password into its environment; then: {again}")
        }
        Case::VerifyFailed => {
            format!("give the user what the statement needs; then: {again}")
        }
        Case::PoolerRefuses => format!("reload the pooler that refuses; then: {again}"),
        Case::NotReplicated => {
            format!(
                "see why the {} does not follow; then: {again}",
                run.subject.engine.terms().standby
            )
        }
        _ => format!("handover recover {environment} --explain"),
    }
}

/// What each way would do, the recommended one first.
pub(super) fn offers(
    subject: &Subject,
    choice: &Choice,
    facts: &ManagingFacts,
    imported: Option<&Imported>,
) -> Vec<WayOffer> {
    let offers = choice.ways.iter().map(|way| WayOffer {
        way: *way,
        recommended: Some(way) == choice.ways.first(),
        words: words(subject, choice, *way, imported),
        changes: changes(subject, *way, facts),
        untouched: way.untouched(),
        wrong_if: way.wrong_if(),
        typed: choice.is_down(),
    });
    offers.collect()
}

fn words(subject: &Subject, choice: &Choice, way: Way, imported: Option<&Imported>) -> String {
    let (current, back) = (shown(subject.current_user()), shown(subject.user()));
    let mut words = match way {
        Way::Repromote => format!("consumers read {back} again, with the password it has"),
        Way::Unretire => {
            format!("{back} may log in again; then consumers read it, with the password it has")
        }
        Way::Reissue => format!("{back} gets a new password and becomes current"),
        Way::Reapply => format!(
            "{current} gets the stored password once more, which consumers read already, and \
             stays current"
        ),
        Way::Import => imported.map_or_else(String::new, |one| {
            format!(
                "{} becomes current with the password that stands in {}, which logs in everywhere",
                shown(&one.user),
                one.file
            )
        }),
    };
    if choice.case == Case::Restored {
        words.push_str("; the server that answers now is accepted as the right one");
    }
    words
}

/// The statements that are sent, with a mark in place of a password.
fn changes(subject: &Subject, way: Way, facts: &ManagingFacts) -> Option<String> {
    match way {
        Way::Repromote | Way::Import => None,
        Way::Unretire => {
            let database = &subject.database;
            Some(database.unlock_statement(subject.user(), Some(facts)))
        }
        Way::Reissue => {
            let database = &subject.database;
            Some(database.change_statement(subject.user(), Some(facts)))
        }
        Way::Reapply => {
            // The user that is changed stands second.
            let mut facts = facts.clone();
            facts.roles.swap(0, 1);
            let database = &subject.database;
            Some(database.change_statement(subject.current_user(), Some(&facts)))
        }
    }
}

/// What was found, what it is, what is done, and what else could be.
pub(super) fn describe(subject: &Subject, looked: &Looked, path: &mut PathReport) {
    path.consumers = Some(looked.consumers.clone());
    path.evidence.clone_from(&looked.evidence);
    let ready = match &looked.verdict {
        Ok(ready) => ready,
        Err(refused) => {
            path.meaning = refused.case.map(|case| case.meaning().to_owned());
            path.case = refused.case.map(|case| case.name().to_owned());
            path.case.get_or_insert_with(|| refused.error.code.clone());
            return;
        }
    };
    let choice = &ready.choice;
    path.case = Some(choice.case.name().to_owned());
    path.meaning = Some(choice.case.meaning().to_owned());
    path.user = Some(shown(ready.target.user()));
    path.way = Some(choice.way);
    path.ways.clone_from(&ready.offers);
    let taken = ready.offers.iter().find(|offer| offer.way == choice.way);
    path.action = taken.map(|offer| offer.words.clone());
    path.advice = Some(Advice {
        next_best: choice.case.next_best(subject.engine),
        untouched: choice.way.untouched(),
        wrong_if: choice.case.wrong_if(subject.engine),
    });
}

/// What would be done; nothing is changed.
pub(super) fn planned(
    request: &RollBackRequest,
    subjects: &[Subject],
    looked: &[Looked],
) -> Report {
    if looked.iter().any(|one| one.verdict.is_err()) {
        return refused(request, subjects, looked);
    }
    let is_down = looked.iter().any(Looked::is_down);
    let ends = subjects.iter().zip(looked).map(|(subject, looked)| {
        let step = Step::Preflight;
        let mut path = PathReport::new(looked.path.clone(), PathOutcome::Planned, step);
        describe(subject, looked, &mut path);
        (path, Exit::Done)
    });
    let mut report = together(&request.environment, ends.collect());
    report.protected = is_protected(subjects) || is_down;
    report
}

/// A refusal of any path refuses the whole before anything changes.
pub(super) fn refused(
    request: &RollBackRequest,
    subjects: &[Subject],
    looked: &[Looked],
) -> Report {
    let ends = subjects.iter().zip(looked).map(|(subject, looked)| {
        let step = Step::Preflight;
        let mut path = PathReport::new(looked.path.clone(), PathOutcome::Refused, step);
        path.user = subject.reported_user().map(shown);
        describe(subject, looked, &mut path);
        let (error, exit) = match &looked.verdict {
            Err(refused) => (refused.error.clone(), refused.exit),
            Ok(_) => (held_back(request, subject), Exit::Refused),
        };
        path.error = Some(error);
        path.status = match exit {
            Exit::Unreachable => PathOutcome::Unreachable,
            Exit::NeedsHuman => PathOutcome::Parked,
            _ => PathOutcome::Refused,
        };
        (path, exit)
    });
    let ends: Vec<PathEnd> = ends.collect();
    let mut report = together(&request.environment, ends);
    report.protected = is_protected(subjects);
    report
}

/// A path that could be rolled back, were it not for another one.
fn held_back(request: &RollBackRequest, subject: &Subject) -> ErrorReport {
    ErrorReport {
        code: "held-back".to_owned(),
        message: "nothing was changed here, since another path was refused".to_owned(),
        remedy: format!(
            "mend the other path, or roll this one back alone: handover rollback {} {}",
            request.environment, subject.path
        ),
    }
}

/// What holds for all paths without a look at any database.
pub(super) fn unseen(subjects: &[Subject], request: &RollBackRequest, refusal: &Refusal) -> Report {
    let mut report = of_error(request, subjects, &ErrorReport::from(refusal));
    for path in &mut report.paths {
        path.case = Some(refusal.case.name().to_owned());
    }
    report
}

/// One error for all paths, of which nothing was begun.
pub(super) fn of_error(
    request: &RollBackRequest,
    subjects: &[Subject],
    error: &ErrorReport,
) -> Report {
    let ends = subjects.iter().map(|subject| {
        let (path, step) = (subject.path.to_string(), Step::Preflight);
        let mut path = PathReport::new(path, PathOutcome::Refused, step);
        path.user = subject.reported_user().map(shown);
        path.error = Some(error.clone());
        (path, Exit::Refused)
    });
    let mut report = together(&request.environment, ends.collect());
    report.error = Some(error.clone());
    report.protected = is_protected(subjects);
    report
}

/// Asked to stop before anything was begun.
pub(super) fn interrupted(
    request: &RollBackRequest,
    subjects: &[Subject],
    signal: Signal,
) -> Report {
    let error = ErrorReport {
        code: "interrupted".to_owned(),
        message: format!("{signal}: stopped before anything was begun"),
        remedy: format!("handover rollback {}", request.environment),
    };
    let mut report = of_error(request, subjects, &error);
    report.status = HandOverStatus::Interrupted;
    for path in &mut report.paths {
        path.status = PathOutcome::Interrupted;
    }
    report.exit = ExitCode(Exit::Refused);
    report
}

fn is_protected(subjects: &[Subject]) -> bool {
    subjects.iter().any(|subject| subject.protected)
}
