//! `handover agent`.

use std::sync::Arc;

use chrono::Utc;
use serde::Serialize;

use super::arguments::AgentArguments;
use super::drain::mark;
use super::output::Printer;
use super::stopping;
use super::style::Role;
use crate::agent::{self, Limits, News, Options};
use crate::model::RetireStep;
use crate::operations::hand_over::{Drift, RetireStatus};
use crate::operations::{DeliveryState, Exit, Failure, Workspace};
use crate::untrusted::Untrusted;

/// A time to the minute, as schedules are written.
const MINUTES: &str = "%Y-%m-%d %H:%M UTC";

/// One line of `--output json`.
#[derive(Serialize)]
struct Line<'a> {
    at: chrono::DateTime<Utc>,
    #[serde(flatten)]
    news: &'a News,
}

pub(super) async fn run(
    workspace: Workspace,
    arguments: &AgentArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let options = Options {
        limits: Limits {
            at_once: arguments.at_once,
            per_server: arguments.per_server,
        },
        metrics: arguments.metrics,
        verify_every: Some(arguments.verify_every).filter(|every| !every.is_zero()),
    };
    let stop = stopping::listen();
    let _held = stop.hold();
    let tell = |news: &News| {
        let at = Utc::now();
        match printer.is_json() {
            true => printer.json(&Line { at, news }),
            false => printer.note(&format!(
                "{} {}",
                at.format("%Y-%m-%d %H:%M:%S UTC"),
                words(news, printer)
            )),
        }
    };
    agent::run(&Arc::new(workspace), options, &stop, tell).await?;
    Ok(Exit::Done)
}

fn words(news: &News, printer: &Printer) -> String {
    match news {
        News::Idle => "no overlap is open; the next one begins with a promote".to_owned(),
        News::Sampling {
            environment,
            path,
            user,
            nodes,
        } => {
            let nodes = match nodes {
                1 => "1 node".to_owned(),
                nodes => format!("{nodes} nodes"),
            };
            format!("{environment} {path}: sampling the sessions of {user} on {nodes}")
        }
        News::Waiting { environment } => {
            format!("{environment}: sampled by another process; waiting")
        }
        News::Verdict {
            environment,
            path,
            user,
            verdict,
            before,
            reason,
        } => {
            let (role, glyph) = mark(*verdict);
            let word = format!("{glyph} {}", verdict.as_str());
            let word = printer.error_style.paint(role, &word);
            let before = before
                .map(|before| format!(" (was {})", before.as_str()))
                .unwrap_or_default();
            let reason = reason
                .as_ref()
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            format!("{environment} {path}: {user} is {word}{before}{reason}")
        }
        News::Retired {
            environment,
            path,
            user,
            status,
            step,
            stage,
            problem,
            remedy,
        } => {
            let done = match (status, stage) {
                (RetireStatus::Done, Some(stage)) => {
                    printer.error_style.paint(Role::Ok, &format!("✓ {stage}"))
                }
                _ => {
                    let what = match step {
                        Some(RetireStep::Scramble) => "not scrambled",
                        _ => "not locked",
                    };
                    printer.error_style.paint(Role::Warn, &format!("■ {what}"))
                }
            };
            let problem = problem.as_ref().map(|words| format!(": {words}"));
            let remedy = remedy.as_ref().map(|words| format!("; {words}"));
            format!(
                "{environment} {path}: {user} is {done}{}{}",
                problem.unwrap_or_default(),
                remedy.unwrap_or_default()
            )
        }
        News::Notice {
            environment,
            kind,
            id,
            webhook,
            state,
            answer,
            next_try_at,
            ..
        } => {
            let webhook = Untrusted::new(webhook);
            let (role, done) = match state {
                DeliveryState::Delivered => (Role::Ok, "✓ delivered".to_owned()),
                DeliveryState::Dead => (Role::Danger, "▲ given up".to_owned()),
                DeliveryState::Waiting => (Role::Warn, "■ not delivered".to_owned()),
            };
            let next = next_try_at.map(|at| format!("; again at {}", at.format("%H:%M:%S UTC")));
            let retry =
                (*state == DeliveryState::Dead).then(|| format!("; handover outbox retry {id}"));
            format!(
                "{environment}: {kind} is {} to {webhook}{}{}{}",
                printer.error_style.paint(role, &done),
                answer
                    .as_ref()
                    .map(|words| format!(": {words}"))
                    .unwrap_or_default(),
                next.unwrap_or_default(),
                retry.unwrap_or_default(),
            )
        }
        News::RotationBegun { .. }
        | News::RotationDone { .. }
        | News::RotationWaiting { .. }
        | News::RotationFailed { .. }
        | News::OccurrenceMissed { .. } => of_schedule(news, printer),
        News::Verified {
            environment,
            verdict,
            words,
        } => {
            let role = match verdict {
                Drift::AsExpected | Drift::NoState => Role::Ok,
                Drift::Document | Drift::Unreachable => Role::Warn,
                Drift::Drifted | Drift::CurrentDead => Role::Danger,
            };
            let verdict = printer.error_style.paint(role, verdict.as_str());
            match words.is_empty() {
                true => format!("{environment}: verified: {verdict}"),
                false => format!("{environment}: verified: {verdict}: {words}"),
            }
        }
        News::Frozen { until, reason } => {
            let until = until.map_or("until somebody ends it".to_owned(), |until| {
                format!("until {}", until.format(MINUTES))
            });
            let reason = reason.as_ref().map(|words| Untrusted::new(words));
            let reason = reason.map(|words| format!(": {words}"));
            format!(
                "frozen {until}{}; nothing is rotated or retired by itself; handover resume --all",
                reason.unwrap_or_default()
            )
        }
        News::Thawed => "the freeze is over".to_owned(),
        News::Problem {
            environment,
            problem,
        } => match environment {
            Some(environment) => format!("{environment}: {problem}"),
            None => problem.clone(),
        },
    }
}

/// What became of an occurrence of a schedule.
fn of_schedule(news: &News, printer: &Printer) -> String {
    let paint = |role, words: &str| printer.error_style.paint(role, words);
    match news {
        News::RotationBegun {
            environment,
            occurrence,
            rotation,
        } => {
            let slot = occurrence.format(MINUTES);
            match rotation {
                None => format!("{environment}: rotating by its schedule, for {slot}"),
                Some(rotation) => format!("{environment}: going on with {rotation}, for {slot}"),
            }
        }
        News::RotationDone {
            environment,
            occurrence,
            rotation,
        } => {
            let rotation = rotation.map(|rotation| format!("{rotation} "));
            format!(
                "{environment}: {}{} by its schedule, for {}",
                rotation.unwrap_or_default(),
                paint(Role::Ok, "✓ rotated"),
                occurrence.format(MINUTES)
            )
        }
        News::RotationWaiting {
            environment,
            occurrence,
            rotation,
            problem,
            remedy,
            next_try_at,
            ..
        } => {
            let what = match rotation {
                Some(rotation) => format!("{rotation} is not at its end"),
                None => "not rotated yet".to_owned(),
            };
            format!(
                "{environment}: {}, for {}: {problem}; {remedy}; again at {}",
                paint(Role::Warn, &format!("■ {what}")),
                occurrence.format(MINUTES),
                next_try_at.format("%H:%M:%S UTC")
            )
        }
        News::OccurrenceMissed {
            environment,
            occurrence,
            occurrences,
            problem,
            remedy,
            ..
        } => {
            let others = match occurrences {
                0 | 1 => String::new(),
                all => format!(" and {} before it", all - 1),
            };
            format!(
                "{environment}: {}: {}{others}: {problem}; {remedy}",
                paint(Role::Danger, "▲ missed"),
                occurrence.format(MINUTES)
            )
        }
        News::RotationFailed {
            environment,
            occurrence,
            rotation,
            problem,
            remedy,
            ..
        } => {
            let what = match rotation {
                Some(rotation) => format!("▲ {rotation} failed, a person is needed"),
                None => "▲ missed, a person is needed before anything can begin".to_owned(),
            };
            format!(
                "{environment}: {}, for {}: {problem}; {remedy}",
                paint(Role::Danger, &what),
                occurrence.format(MINUTES)
            )
        }
        _ => String::new(),
    }
}
