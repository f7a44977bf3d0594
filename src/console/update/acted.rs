//! How a change ended that has no screen of its own: it is told, and everything is looked at
//! again.

use super::answers::look_after;
use super::{refuse, tell};
use crate::console::message::Effect;
use crate::console::model::{Answer, Model, Overlay, Problem, Stage, Verb};
use crate::console::words;
use crate::model::Stage as OverlapStage;
use crate::operations::hand_over::{
    EndSessionReport, EndSessionStatus, PublishReport, PublishStatus, RetireReport, RetireStatus,
};
use crate::operations::{Exit, ScheduleReview};

/// What went as agreed is told in one line; all else stays in its review, with its remedy.
pub(super) fn acted(
    model: &mut Model,
    number: u64,
    result: Result<Answer, Problem>,
) -> Vec<Effect> {
    let Some(mut deed) = model.deed.take().filter(|deed| deed.number == number) else {
        return Vec::new();
    };
    let target = deed.target.clone();
    let (exit, problem) = match &result {
        Ok(answer) => (answer.exit(), answer.problem()),
        Err(problem) => (Exit::Error, Some(problem.clone())),
    };
    let good = result.as_ref().ok().and_then(sentence);
    let is_there = matches!(
        &model.overlay,
        Some(Overlay::Review(review)) if review.number == number
    );
    match (good.filter(|_| problem.is_none()), problem.clone()) {
        (Some(words), _) => {
            if is_there {
                model.overlay = None;
            }
            tell(model, &words);
        }
        (None, problem) => {
            if let Some(Overlay::Review(review)) = &mut model.overlay
                && is_there
            {
                review.stage = match result {
                    Ok(answer) => Stage::Closed(answer),
                    Err(problem) => Stage::Failed(problem),
                };
            } else if let Some(problem) = problem {
                let words = format!("{}; remedy: {}", problem.message, problem.remedy);
                refuse(model, words);
            }
        }
    }
    if model.leaving {
        deed.ended = Some((exit, problem));
        model.deed = Some(deed);
        return vec![Effect::Quit];
    }
    if matches!(deed.verb, Verb::Pause | Verb::Resume) {
        // No database was told anything.
        return vec![
            Effect::ReadStatus,
            Effect::ReadSchedules,
            Effect::ReadDetail(target.environment),
        ];
    }
    let mut effects = look_after(model, &target);
    effects.push(Effect::ReadDrains(target.environment));
    effects
}

/// How it ended, where that is what was agreed to.
fn sentence(answer: &Answer) -> Option<String> {
    match answer {
        Answer::HandOver(_) => None,
        Answer::Retire(report) => retired(report),
        Answer::EndSession(report) => ended(report),
        Answer::Publish(report) => published(report),
        Answer::Schedule(review) => scheduled(review),
    }
}

fn scheduled(review: &ScheduleReview) -> Option<String> {
    let name = &review.environment;
    let words = match (&review.paused, review.makes_up, review.next_after) {
        (Some(_), ..) => {
            format!("{name} is paused: nothing is begun by its schedule; P resumes it")
        }
        (None, true, _) => format!("{name} goes on: a rotation begins as soon as an agent looks"),
        (None, false, Some(next)) => {
            let next = next.format("%Y-%m-%d %H:%M UTC");
            format!("{name} goes on: the next start is {next}")
        }
        (None, false, None) => format!("{name} goes on"),
    };
    review.done.then_some(words)
}

fn published(report: &PublishReport) -> Option<String> {
    let files = words::counted(report.sinks.len() as u64, "file");
    let has = if report.sinks.len() == 1 {
        "has"
    } else {
        "have"
    };
    (report.status == PublishStatus::Done).then(|| {
        format!(
            "{files} of {} {has} revision {}",
            report.environment, report.revision
        )
    })
}

fn retired(report: &RetireReport) -> Option<String> {
    let user = &report.user;
    Some(match (report.status, report.stage) {
        (RetireStatus::Waiting, _) => format!(
            "{user} is locked; refused logins are listened for, {} more",
            words::span(report.listen_seconds.unwrap_or(0))
        ),
        (RetireStatus::Done | RetireStatus::Nothing, Some(OverlapStage::Locked)) => {
            format!("{user} is locked: it may not log in any more; Z takes that back")
        }
        (RetireStatus::Done | RetireStatus::Nothing, Some(OverlapStage::Scrambled)) => {
            let revision = report.revision;
            let revision = revision.map(|number| format!(" (revision {number})"));
            format!(
                "the password of {user} is gone{}; the next rotation gives it a new one",
                revision.unwrap_or_default()
            )
        }
        (RetireStatus::Done | RetireStatus::Nothing, _) => {
            format!("{user} may log in again with the password it had")
        }
        (
            RetireStatus::Planned
            | RetireStatus::Refused
            | RetireStatus::Undone
            | RetireStatus::Parked
            | RetireStatus::Due
            | RetireStatus::Unreachable,
            _,
        ) => return None,
    })
}

fn ended(report: &EndSessionReport) -> Option<String> {
    let session = report.session.as_ref()?;
    match report.status {
        EndSessionStatus::Done => Some(format!(
            "session {} on {} is ended",
            session.pid, session.node
        )),
        EndSessionStatus::Gone => Some(format!(
            "session {} on {} was gone before",
            session.pid, session.node
        )),
        EndSessionStatus::Planned
        | EndSessionStatus::Refused
        | EndSessionStatus::Parked
        | EndSessionStatus::Unreachable => None,
    }
}
