//! `handover rollback`: evidence, case, action, next best, and what would make it wrong.

use super::arguments::RollbackArguments;
use super::output::Printer;
use super::{ask, report, stopping};
use crate::operations::hand_over::{
    Confirmation, HandOverStatus, Observer, PathReport, Report, RollBackRequest, WayOffer,
    plan_roll_back, roll_back,
};
use crate::operations::{Exit, Failure, Workspace};
use crate::rotation::Way;
use crate::untrusted::Untrusted;

pub(super) async fn run(
    workspace: Result<Workspace, Failure>,
    arguments: RollbackArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let environment = arguments.environment.clone();
    let is_plan = arguments.plan;
    let answer = match workspace {
        Ok(workspace) => go(&workspace, arguments, printer).await,
        Err(failure) => Err(failure),
    };
    if is_plan
        && !printer.is_json()
        && let Ok(planned) = &answer
        && planned.status == HandOverStatus::Planned
    {
        printer.ending(&lines(planned), true);
        return Ok(planned.whole_exit());
    }
    Ok(report::finish(printer, environment, answer))
}

async fn go(
    workspace: &Workspace,
    arguments: RollbackArguments,
    printer: &Printer,
) -> Result<Report, Failure> {
    let mut request = RollBackRequest {
        environment: arguments.environment,
        paths: arguments.paths,
        way: arguments.way,
        compromised: arguments.compromised,
        break_glass: arguments.break_glass,
        confirmation: ask::from_options(arguments.yes, arguments.confirm.as_ref()),
        reason: arguments.reason,
        waiver: arguments.waive_drain,
    };
    if arguments.plan {
        return plan_roll_back(workspace, &request, &Observer::default()).await;
    }
    let stop = stopping::listen();
    if request.confirmation == Confirmation::None && ask::can_ask(printer) {
        let planned = plan_roll_back(workspace, &request, &Observer::default()).await?;
        if planned.status != HandOverStatus::Planned {
            return Ok(planned);
        }
        for line in lines(&planned) {
            printer.note(&line);
        }
        let name = request.environment.to_string();
        let typed = planned.protected.then_some(name.as_str());
        request.confirmation = ask::ask("Take this way back now?", typed);
        request.way = agreed(&planned);
    }
    let (observer, watching) = report::watch(printer);
    let (observer, _held) = stopping::hold(&stop, printer, observer);
    let answer = roll_back(workspace, &request, &observer).await;
    drop(observer);
    if let Some(watching) = watching {
        let _ = watching.await;
    }
    answer
}

/// What was shown is what is agreed to: where another way is recommended by then, it is refused
/// and not taken instead. Paths with different ways cannot be asked for in one request.
fn agreed(planned: &Report) -> Option<Way> {
    let way = planned.paths.first()?.way?;
    let is_same = |path: &PathReport| path.way == Some(way);
    planned.paths.iter().all(is_same).then_some(way)
}

/// Evidence, case, action, next best, what it will not touch, what would make it wrong.
fn lines(report: &Report) -> Vec<String> {
    let environment = report.environment.as_ref();
    let environment = environment.map(ToString::to_string).unwrap_or_default();
    let mut lines = Vec::new();
    for path in &report.paths {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(path_lines(&environment, path));
    }
    lines
}

fn path_lines(environment: &str, path: &PathReport) -> Vec<String> {
    let mut lines = vec![format!("rollback   {environment} · {}", path.path)];
    let mut add = |label: &str, words: &str| lines.push(format!("{label:<11}{words}"));
    if let Some(words) = &path.consumers {
        add("CONSUMERS", words);
    }
    for words in &path.evidence {
        add("found", words);
    }
    if let Some(case) = &path.case {
        add("case", case);
    }
    if let Some(words) = &path.meaning {
        add("means", words);
    }
    let taken = |offer: &&WayOffer| Some(offer.way) == path.way;
    if let Some(offer) = path.ways.iter().find(taken) {
        add("do", &format!("{}: {}", offer.way, offer.words));
        match &offer.changes {
            Some(words) => add("changes", Untrusted::new(words).as_str()),
            None => add("changes", "nothing in the database"),
        }
    }
    for offer in path.ways.iter().filter(|offer| !taken(offer)) {
        let words = format!("{}: {} (--way {})", offer.way, offer.words, offer.way);
        add("or", &words);
    }
    if let (Some(advice), true) = (&path.advice, path.ways.len() < 2) {
        add("or", advice.next_best);
    }
    if let Some(offer) = path.ways.iter().find(taken) {
        add("won't", offer.untouched);
        add("wrong if", offer.wrong_if);
        if offer.typed {
            add(
                "agree",
                "consumers are down: the environment's name has to be typed",
            );
        }
    }
    lines
}
