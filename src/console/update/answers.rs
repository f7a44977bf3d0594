//! What effects answered.

use super::moves::keep_selection;
use super::{look_at, tell};
use crate::console::message::Effect;
use crate::console::model::{Answer, Model, Overlay, Problem, RunEnd, Screen, Stage, Target};
use crate::model::EnvironmentName;
use crate::operations::hand_over::{Depth, HandOverStatus, Look, Progress, Report};
use crate::operations::{AuditEntry, History, Status};

pub(super) fn status(model: &mut Model, result: Result<Status, Problem>) -> Vec<Effect> {
    match result {
        Ok(status) => {
            let exists = |name: &EnvironmentName| {
                let all = &status.environments;
                all.iter().any(|status| status.environment == *name)
            };
            model.drains.retain(|name, _| exists(name));
            model.status = Some(status);
            model.status_at = Some(model.now);
            model.status_problem = None;
        }
        Err(problem) => model.status_problem = Some(problem),
    }
    keep_selection(model);
    super::drains::keep_selection(model);
    super::schedules::keep_selection(model);
    if model.frozen {
        return Vec::new();
    }
    let lookable = model.lookable();
    let mut effects = Vec::new();
    for environment in lookable {
        let target = Target {
            environment,
            path: None,
        };
        effects.extend(look_at(model, &target, Depth::Sessions));
    }
    effects
}

pub(super) fn looked(
    model: &mut Model,
    environment: EnvironmentName,
    result: Result<Look, Problem>,
) -> Vec<Effect> {
    let known = model.known.entry(environment.clone()).or_default();
    known.looking_since = None;
    match result {
        Ok(mut look) => {
            // A look that asked for sessions only keeps the standings known before.
            if let Some(before) = &known.look {
                for path in &mut look.paths {
                    let Some(old) = before.paths.iter().find(|old| old.path == path.path) else {
                        continue;
                    };
                    for (new, old) in [
                        (&mut path.current, &old.current),
                        (&mut path.previous, &old.previous),
                    ] {
                        let same = new.user == old.user;
                        if same && (new.standing.is_empty() || new.standing == "not probed") {
                            new.standing.clone_from(&old.standing);
                        }
                    }
                }
            }
            known.look = Some(look);
            known.look_problem = None;
        }
        Err(problem) => known.look_problem = Some(problem),
    }
    let deeper = std::mem::take(&mut known.look_deeper);
    let target = Target {
        environment,
        path: None,
    };
    keep_selection(model);
    match deeper {
        true => look_at(model, &target, Depth::Logins).into_iter().collect(),
        false => Vec::new(),
    }
}

pub(super) fn detail(
    model: &mut Model,
    environment: EnvironmentName,
    result: Result<(History, Vec<AuditEntry>), Problem>,
) -> Vec<Effect> {
    match result {
        Ok((history, audit)) => {
            let is_here = matches!(
                model.screen(), Screen::Environment(target) if target.environment == environment
            );
            let selected = model.selected_revision().map(|revision| revision.revision);
            if let Some(selected) = selected.filter(|_| is_here) {
                let mut revisions = history.revisions.iter();
                let at = revisions.position(|revision| revision.revision == selected);
                // The selection follows its revision when newer ones came.
                model.scroll = at.unwrap_or(0);
            }
            let known = model.known.entry(environment).or_default();
            known.history = Some(history);
            known.audit = audit;
            Vec::new()
        }
        Err(problem) => super::refuse(model, format!("{}: {}", problem.message, problem.remedy)),
    }
}

/// An answer for a review that was left meanwhile is dropped.
pub(super) fn reviewed(
    model: &mut Model,
    number: u64,
    result: Result<Answer, Problem>,
) -> Vec<Effect> {
    let Some(Overlay::Review(review)) = &mut model.overlay else {
        return Vec::new();
    };
    if review.number != number {
        return Vec::new();
    }
    review.stage = match result {
        Ok(answer) if !answer.is_for(review.verb) => return Vec::new(),
        Ok(answer) if answer.can_be_agreed_to(review.verb) => Stage::Ready(answer),
        Ok(answer) => Stage::Closed(answer),
        Err(problem) => Stage::Failed(problem),
    };
    Vec::new()
}

pub(super) fn told(model: &mut Model, progress: Progress) -> Vec<Effect> {
    let now = model.now;
    let Some(run) = &mut model.run else {
        return Vec::new();
    };
    match progress {
        Progress::Begun { step, .. } => {
            run.current = Some(step);
            run.waiting = None;
        }
        Progress::Done { step, .. } => {
            run.done.push((step, now));
            run.current = None;
            run.waiting = None;
        }
        Progress::Waiting { reason, .. } => run.waiting = Some(reason),
        Progress::Recognised { .. } => {}
    }
    Vec::new()
}

pub(super) fn ended(model: &mut Model, result: Result<Box<Report>, Problem>) -> Vec<Effect> {
    let Some(run) = &mut model.run else {
        return Vec::new();
    };
    run.current = None;
    run.waiting = None;
    let target = run.target.clone();
    let words = match &result {
        Ok(report) if report.status == HandOverStatus::Done => {
            format!("{} is done", target.environment)
        }
        _ => format!("{} needs you", target.environment),
    };
    run.ended = Some(match result {
        Ok(report) => RunEnd::Report(report),
        Err(problem) => RunEnd::Problem(problem),
    });
    if model.leaving {
        return vec![Effect::Quit];
    }
    if *model.screen() != Screen::Run {
        tell(model, &words);
    }
    look_after(model, &target)
}

pub(super) fn exported(model: &mut Model, result: Result<String, Problem>) -> Vec<Effect> {
    match result {
        Ok(words) => {
            tell(model, &words);
            Vec::new()
        }
        Err(problem) => super::refuse(
            model,
            format!("{}; remedy: {}", problem.message, problem.remedy),
        ),
    }
}

/// Everything that a change may have changed is looked at again.
pub(super) fn look_after(model: &mut Model, target: &Target) -> Vec<Effect> {
    let mut effects = vec![
        Effect::ReadStatus,
        Effect::ReadSchedules,
        Effect::ReadDetail(target.environment.clone()),
    ];
    if let Some(known) = model.known.get_mut(&target.environment) {
        // What was seen before the change is stale.
        known.looking_since = None;
    }
    effects.extend(look_at(model, target, Depth::Logins));
    effects
}
