//! `handover schedule ls`, `show` and `next`.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::arguments::{ScheduleNextArguments, ScheduleShowArguments};
use super::output::Printer;
use super::style::Role;
use super::{table, times};
use crate::model::{EnvironmentName, SlotState};
use crate::operations::{
    Exit, Failure, Freeze, RunView, ScheduleListing, ScheduleView, Workspace, list_schedules,
};

/// The starts of a listing come within so many days.
const DAYS: u32 = 7;
/// So many of the next starts are shown of one schedule.
const STARTS_SHOWN: usize = 3;

pub(super) async fn list(workspace: &Workspace, printer: &Printer) -> Result<Exit, Failure> {
    let now = Utc::now();
    let listing = list_schedules(workspace, None, now, DAYS).await?;
    if printer.is_json() {
        printer.json(&listing);
        return Ok(Exit::Done);
    }
    if listing.schedules.is_empty() {
        printer.line(
            "There is no schedule yet. Set one: handover schedule set PROJECT/NAME --cron \
             \"0 3 * * SUN\"",
        );
    } else {
        let rows = listing.schedules.iter().map(|view| row(view, now));
        let rows: Vec<Vec<String>> = rows.collect();
        let head = ["ENVIRONMENT", "SCHEDULE", "NEXT START", "LAST", "HEALTH"];
        printer.line(&table::table(&head, &rows));
    }
    for view in &listing.schedules {
        for reason in &view.health.reasons {
            let mark = printer.style.paint(Role::Warn, "▲");
            printer.line(&format!("{mark} {}: {reason}", view.environment));
        }
    }
    around(printer, &listing, now);
    Ok(Exit::Done)
}

fn row(view: &ScheduleView, now: DateTime<Utc>) -> Vec<String> {
    let last = view.last.as_ref();
    let health = match (view.health.is_healthy(), view.health.overdue_by_seconds) {
        (true, _) => "● well".to_owned(),
        (false, Some(seconds)) => format!("! overdue by {}", times::span(seconds)),
        (false, None) => "▲ see below".to_owned(),
    };
    vec![
        view.environment.to_string(),
        match view.problem {
            Some(_) => "? cannot be read".to_owned(),
            None => view.words.clone(),
        },
        next_words(view, now),
        last.map_or_else(|| "–".to_owned(), |last| last_words(last, now)),
        health,
    ]
}

/// When it starts next, or what keeps it from that.
fn next_words(view: &ScheduleView, now: DateTime<Utc>) -> String {
    let next = view
        .next_at
        .map(|next| times::moment(next, &view.timezone, now));
    match (&view.paused, next) {
        (Some(_), Some(next)) => format!("paused; {next}"),
        (Some(_), None) => "paused".to_owned(),
        (None, Some(next)) => next,
        (None, None) => "–".to_owned(),
    }
}

fn last_words(run: &RunView, now: DateTime<Utc>) -> String {
    let rotation = run.rotation.map(|rotation| format!(" {rotation}"));
    let rotation = rotation.unwrap_or_default();
    let when = times::relative(run.over_at.unwrap_or(run.slot), now);
    format!(
        "{} {}{rotation}, {when}",
        glyph(run.state),
        run.state.as_str()
    )
}

fn glyph(state: SlotState) -> &'static str {
    match state {
        SlotState::Open => "◐",
        SlotState::Done => "●",
        SlotState::Missed => "!",
        SlotState::Failed => "▲",
    }
}

pub(super) async fn show(
    workspace: &Workspace,
    arguments: ScheduleShowArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let now = Utc::now();
    let name = arguments.environment;
    let listing = list_schedules(workspace, Some(name.clone()), now, DAYS).await?;
    if printer.is_json() {
        printer.json(&listing);
        return Ok(Exit::Done);
    }
    match listing.schedules.first() {
        None => none_of(printer, &name),
        Some(view) => {
            for line in lines(view, now) {
                printer.line(&line);
            }
        }
    }
    around(printer, &listing, now);
    Ok(Exit::Done)
}

fn none_of(printer: &Printer, name: &EnvironmentName) {
    printer.line(&format!(
        "{name} has no schedule. Set one: handover schedule set {name} --cron \"0 3 * * SUN\""
    ));
}

fn lines(view: &ScheduleView, now: DateTime<Utc>) -> Vec<String> {
    let name = &view.environment;
    if let Some(problem) = &view.problem {
        return vec![
            format!("{name}: its schedule cannot be read: {problem}"),
            format!("look at it with handover env settings get {name}"),
        ];
    }
    let mut lines = vec![format!("{name}: {}", view.words)];
    let mut add = |label: &str, words: &str| lines.push(format!("  {label:<10}{words}"));
    if let Some(paused) = &view.paused {
        let until = paused
            .until
            .map(|until| format!(" until {}", times::moment(until, &view.timezone, now)));
        let reason = paused.reason.as_ref().map(|reason| format!(": {reason}"));
        add(
            "paused",
            &format!(
                "{}{}",
                until
                    .unwrap_or_else(|| " until somebody resumes it".to_owned())
                    .trim(),
                reason.unwrap_or_default()
            ),
        );
        add(
            "",
            &format!("handover resume {name} --plan shows what that would mean"),
        );
    }
    let far = view.next_at.into_iter();
    let mut starts: Vec<DateTime<Utc>> = far.chain(view.next.iter().copied()).collect();
    starts.dedup();
    for (at, start) in starts.iter().take(STARTS_SHOWN).enumerate() {
        let label = if at == 0 { "next" } else { "" };
        add(label, &times::moment(*start, &view.timezone, now));
    }
    if starts.is_empty() && view.paused.is_none() {
        add("next", "never again");
    }
    add("window", &times::span(view.window_seconds));
    add("missed", missed_words(view.missed));
    match view.health.last_success {
        Some(at) => add("rotated", &times::moment(at, &view.timezone, now)),
        None => add("rotated", "never"),
    }
    for caution in &view.cautions {
        add("caution", caution);
    }
    for reason in &view.health.reasons {
        add("▲", reason);
    }
    if view.runs.is_empty() {
        add("so far", "none of its occurrences has come");
        return lines;
    }
    lines.push(String::new());
    let rows = view
        .runs
        .iter()
        .map(|run| run_row(run, &view.timezone, now));
    let rows: Vec<Vec<String>> = rows.collect();
    let head = ["OCCURRENCE", "STATE", "ROTATION", "TRIES", "WHY"];
    lines.push(table::table(&head, &rows));
    lines
}

/// What becomes of an occurrence that nobody could act on, in words.
fn missed_words(rule: &str) -> &'static str {
    match rule {
        "skip" => "skip: what nobody could act on is told, and the next one is waited for",
        _ => "run-once: one rotation makes up for all that nobody could act on",
    }
}

fn run_row(run: &RunView, zone: &str, now: DateTime<Utc>) -> Vec<String> {
    let mut slot = times::moment(run.slot, zone, now);
    if run.occurrences > 1 {
        slot.push_str(&format!(" and {} before it", run.occurrences - 1));
    }
    let why = run.problem.as_ref();
    let why = why.map(|problem| format!("{}: {}", problem.message, problem.remedy));
    let again = run
        .next_try_at
        .map(|at| format!(", again {}", times::relative(at, now)));
    vec![
        slot,
        format!(
            "{} {}{}",
            glyph(run.state),
            run.state.as_str(),
            again.unwrap_or_default()
        ),
        run.rotation
            .map_or_else(|| "–".to_owned(), |rotation| rotation.to_string()),
        run.attempts.to_string(),
        why.unwrap_or_else(|| "–".to_owned()),
    ]
}

pub(super) async fn next(
    workspace: &Workspace,
    arguments: ScheduleNextArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let now = Utc::now();
    let (only, days) = (arguments.environment, arguments.days);
    let listing = list_schedules(workspace, only.clone(), now, days).await?;
    let mut starts: Vec<(DateTime<Utc>, &ScheduleView)> = listing
        .schedules
        .iter()
        .flat_map(|view| view.next.iter().map(move |at| (*at, view)))
        .collect();
    starts.sort_by(|(one, of), (other, of_other)| {
        (one, &of.environment).cmp(&(other, &of_other.environment))
    });
    if printer.is_json() {
        let starts = starts.iter().map(|(at, view)| {
            json!({"environment": view.environment, "at": at, "schedule": view.words,
                "timezone": view.timezone})
        });
        printer.json(&json!({
            "from": now, "days": days, "starts": starts.collect::<Vec<_>>(),
            "agents": listing.agents, "freeze": listing.freeze,
        }));
        return Ok(Exit::Done);
    }
    match (&only, listing.schedules.is_empty(), starts.is_empty()) {
        (Some(name), true, _) => none_of(printer, name),
        (None, true, _) => printer.line(
            "There is no schedule yet. Set one: handover schedule set PROJECT/NAME --cron \
             \"0 3 * * SUN\"",
        ),
        (_, _, true) => printer.line(&format!(
            "Nothing starts within the next {days} days. What there is: handover schedule ls"
        )),
        _ => {
            let rows = starts.iter().map(|(at, view)| {
                vec![
                    times::clock(*at, &view.timezone),
                    times::relative(*at, now),
                    view.environment.to_string(),
                    view.words.clone(),
                ]
            });
            let head = ["START", "", "ENVIRONMENT", "SCHEDULE"];
            printer.line(&table::table(&head, &rows.collect::<Vec<_>>()));
        }
    }
    around(printer, &listing, now);
    Ok(Exit::Done)
}

/// What keeps all of it from going on by itself.
fn around(printer: &Printer, listing: &ScheduleListing, now: DateTime<Utc>) {
    if let Some(freeze) = &listing.freeze {
        freeze_line(printer, freeze, now);
    }
    if !listing.schedules.is_empty() && listing.agents.is_empty() {
        no_agent_line(printer);
    }
}

/// A freeze in one line, with what ends it.
pub(super) fn freeze_line(printer: &Printer, freeze: &Freeze, now: DateTime<Utc>) {
    let mark = printer.style.paint(Role::Warn, "▲");
    printer.line(&format!(
        "{mark} {}: handover resume --all",
        freeze_words(freeze, now)
    ));
}

/// A freeze in words.
pub(super) fn freeze_words(freeze: &Freeze, now: DateTime<Utc>) -> String {
    let until = match freeze.until {
        Some(until) => format!("until {}", times::moment(until, "UTC", now)),
        None => "until somebody ends it".to_owned(),
    };
    let reason = freeze.reason.as_ref().map(|reason| format!(" ({reason})"));
    format!(
        "what agents begin by themselves is frozen {until} by {}{}",
        freeze.requester,
        reason.unwrap_or_default()
    )
}

/// That nobody acts on the schedules, and what changes that.
pub(super) fn no_agent_line(printer: &Printer) {
    let mark = printer.style.paint(Role::Warn, "▲");
    printer.line(&format!(
        "{mark} no agent is alive, so that nothing is begun by a schedule: handover agent"
    ));
}
