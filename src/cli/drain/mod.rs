//! `handover drain`.

mod heard;
mod redraw;
mod spans;
mod table;

use std::io::IsTerminal;
use std::sync::Arc;

use chrono::Utc;
use tokio::time::{Instant, sleep_until};

use self::redraw::Redraw;
use super::arguments::DrainArguments;
use super::failure;
use super::output::Printer;
use super::stopping;
use super::style::Role;
use crate::drain::{Drain, Verdict};
use crate::operations::drain::{DrainReport, Pace, read_drains, sample_once, watch};
use crate::operations::{Exit, Failure, Workspace};

/// The role and the glyph of a verdict; the glyphs are those of the console.
pub(super) fn mark(verdict: Verdict) -> (Role, &'static str) {
    match verdict {
        Verdict::Active => (Role::Warn, "◑"),
        Verdict::Quiet => (Role::Strong, "◔"),
        Verdict::Drained => (Role::Ok, "●"),
        Verdict::Unknown => (Role::Warn, "?"),
    }
}

/// The same for a drain, which is worse where somebody still logs in with the old password.
fn mark_of(drain: &Drain) -> (Role, &'static str) {
    let is_late = drain.counts.late.max(drain.counts.late_logins) > 0;
    match drain.verdict {
        Verdict::Active if is_late => (Role::Danger, "▲"),
        verdict => mark(verdict),
    }
}

pub(super) async fn run(
    workspace: Workspace,
    arguments: DrainArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    if arguments.watch || arguments.until_drained {
        return follow(Arc::new(workspace), arguments, printer).await;
    }
    let report = sample_once(&workspace, &arguments.environment, &arguments.paths).await?;
    print(&report, printer);
    Ok(Exit::Done)
}

/// How following a drain ends.
enum End {
    Drained,
    Stopped,
    TimeUp,
}

async fn follow(
    workspace: Arc<Workspace>,
    arguments: DrainArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    // Whatever is wrong with the names is said before anything begins.
    let mut report = read_drains(&workspace, &arguments.environment, &arguments.paths).await?;
    if arguments.until_drained && report.drains.is_empty() {
        print(&report, printer);
        return Ok(Exit::Refused);
    }
    let stop = stopping::listen();
    let _held = stop.hold();
    let deadline = arguments.timeout.map(|span| Instant::now() + span);
    let shows = arguments.watch;
    let mut redraw = (!printer.is_json() && std::io::stdout().is_terminal()).then(Redraw::default);
    let only = Some(vec![arguments.environment.clone()]);
    let mut drains = watch(&workspace, only, Pace::EveryRound);
    let end = loop {
        tokio::select! {
            biased;
            _ = stop.raised() => break End::Stopped,
            () = time_up(deadline) => break End::TimeUp,
            newest = drains.next() => report = newest.only(&arguments.paths),
        }
        if shows {
            match &mut redraw {
                Some(redraw) => {
                    redraw.draw(|width| {
                        table::lines(&report, Some(width), Utc::now(), printer.style)
                    });
                }
                None => printer.json(&report),
            }
            if printer.is_closed() {
                break End::Stopped;
            }
        }
        if arguments.until_drained && report.is_drained() {
            break End::Drained;
        }
    };
    drains.end().await;
    if !shows {
        print(&report, printer);
    }
    Ok(match end {
        End::Drained => Exit::Done,
        End::Stopped if !arguments.until_drained => Exit::Done,
        End::Stopped => not_drained(printer, "asked to stop before it was drained"),
        End::TimeUp => not_drained(printer, "not drained within the time-out"),
    })
}

/// Whoever waits for a drain must not take the end of waiting for one.
fn not_drained(printer: &Printer, message: &str) -> Exit {
    if !printer.is_json() {
        failure::error(printer, message, "what keeps it open stands in the table");
    }
    Exit::Refused
}

async fn time_up(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn print(report: &DrainReport, printer: &Printer) {
    if printer.is_json() {
        printer.json(report);
        return;
    }
    let width = match std::io::stdout().is_terminal() {
        true => crossterm::terminal::size()
            .ok()
            .map(|(columns, _)| columns.into()),
        false => None,
    };
    for line in table::lines(report, width, Utc::now(), printer.style) {
        printer.line(&line);
    }
}
