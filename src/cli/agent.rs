//! `handover agent`.

use std::sync::Arc;

use chrono::Utc;
use serde::Serialize;

use super::drain::mark;
use super::output::Printer;
use super::stopping;
use super::style::Role;
use crate::agent::{self, News};
use crate::model::RetireStep;
use crate::operations::hand_over::RetireStatus;
use crate::operations::{DeliveryState, Exit, Failure, Workspace};
use crate::untrusted::Untrusted;

/// One line of `--output json`.
#[derive(Serialize)]
struct Line<'a> {
    at: chrono::DateTime<Utc>,
    #[serde(flatten)]
    news: &'a News,
}

pub(super) async fn run(workspace: Workspace, printer: &Printer) -> Result<Exit, Failure> {
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
    agent::run(&Arc::new(workspace), &stop, tell).await;
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
        News::Problem {
            environment,
            problem,
        } => format!("{environment}: {problem}"),
    }
}
