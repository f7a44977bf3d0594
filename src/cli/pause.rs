//! `handover schedule set`, `handover pause` and `handover resume`: changes of what goes on by
//! itself, each with what it means before it is agreed to.

use chrono::Utc;

use super::arguments::{
    Agreed, PauseArguments, PauseWords, ResumeArguments, SchedulePauseArguments,
    ScheduleResumeArguments, ScheduleSetArguments,
};
use super::output::Printer;
use super::schedule::{freeze_words, no_agent_line};
use super::style::Role;
use super::{ask, times};
use crate::model::EnvironmentName;
use crate::operations::hand_over::Confirmation;
use crate::operations::{
    Exit, Failure, FreezeReview, NewSchedule, Pause, ScheduleEdit, ScheduleReview, Workspace,
    freeze, pause_schedule, plan_freeze, plan_schedule, plan_unfreeze, resume_schedule,
    set_schedule, unfreeze,
};

pub(super) async fn set(
    workspace: &Workspace,
    arguments: ScheduleSetArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let what = arguments.what;
    let edit = match what.none {
        true => ScheduleEdit::Remove,
        false => ScheduleEdit::Set(NewSchedule {
            cron: what.cron,
            every: what.every,
            once: what.once,
            timezone: what.timezone,
            window: what.window,
            jitter: what.jitter,
            missed: what.missed.map(Into::into),
        }),
    };
    change(
        workspace,
        arguments.environment,
        edit,
        &arguments.agreed,
        printer,
    )
    .await
}

pub(super) async fn pause_one(
    workspace: &Workspace,
    arguments: SchedulePauseArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let edit = ScheduleEdit::Pause(pause_of(arguments.words));
    change(
        workspace,
        arguments.environment,
        edit,
        &arguments.agreed,
        printer,
    )
    .await
}

pub(super) async fn resume_one(
    workspace: &Workspace,
    arguments: ScheduleResumeArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let (name, agreed) = (arguments.environment, &arguments.agreed);
    change(workspace, name, ScheduleEdit::Resume, agreed, printer).await
}

pub(super) async fn pause(
    workspace: &Workspace,
    arguments: PauseArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let PauseArguments {
        whom,
        words,
        agreed,
    } = arguments;
    if let Some(name) = whom.environment {
        let edit = ScheduleEdit::Pause(pause_of(words));
        return change(workspace, name, edit, &agreed, printer).await;
    }
    let review = match agreed.plan {
        true => plan_freeze(workspace, words.until, words.reason).await?,
        false => freeze(workspace, words.until, words.reason).await?,
    };
    Ok(finish_freeze(printer, &review))
}

pub(super) async fn resume(
    workspace: &Workspace,
    arguments: ResumeArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let agreed = arguments.agreed;
    if let Some(name) = arguments.whom.environment {
        return change(workspace, name, ScheduleEdit::Resume, &agreed, printer).await;
    }
    if agreed.plan {
        let review = plan_unfreeze(workspace).await?;
        return Ok(finish_freeze(printer, &review));
    }
    let mut confirmation = agreement(&agreed);
    if confirmation == Confirmation::None && ask::can_ask(printer) {
        let review = plan_unfreeze(workspace).await?;
        if review.changed && !review.begin_at_once.is_empty() {
            for line in freeze_lines(&review) {
                printer.note(&line);
            }
            confirmation = ask::ask("End the freeze?", None);
        }
    }
    let review = unfreeze(workspace, &confirmation).await?;
    Ok(finish_freeze(printer, &review))
}

fn pause_of(words: PauseWords) -> Pause {
    Pause {
        reason: words.reason,
        until: words.until,
    }
}

/// A name that was typed is an agreement by itself.
fn agreement(agreed: &Agreed) -> Confirmation {
    match &agreed.confirm {
        Some(name) => Confirmation::Named(name.clone()),
        None => ask::from_options(agreed.yes, None),
    }
}

async fn change(
    workspace: &Workspace,
    name: EnvironmentName,
    edit: ScheduleEdit,
    agreed: &Agreed,
    printer: &Printer,
) -> Result<Exit, Failure> {
    if agreed.plan {
        let review = plan_schedule(workspace, name, edit.clone()).await?;
        return Ok(finish(printer, &edit, &review));
    }
    let mut confirmation = agreement(agreed);
    if confirmation == Confirmation::None && ask::can_ask(printer) {
        let review = plan_schedule(workspace, name.clone(), edit.clone()).await?;
        if review.changed && (review.protected || review.makes_up) {
            for line in lines(&review) {
                printer.note(&line);
            }
            let question = match &edit {
                ScheduleEdit::Set(_) => "Set it?",
                ScheduleEdit::Remove => "Take it out?",
                ScheduleEdit::Pause(_) => "Pause it?",
                ScheduleEdit::Resume => "Resume it?",
            };
            let typed = review.protected.then(|| name.to_string());
            confirmation = ask::ask(question, typed.as_deref());
        }
    }
    let (confirmation, of_edit) = (&confirmation, edit.clone());
    let review = match of_edit {
        ScheduleEdit::Set(new) => set_schedule(workspace, name, Some(new), confirmation).await?,
        ScheduleEdit::Remove => set_schedule(workspace, name, None, confirmation).await?,
        ScheduleEdit::Pause(pause) => pause_schedule(workspace, name, pause, confirmation).await?,
        ScheduleEdit::Resume => resume_schedule(workspace, name, confirmation).await?,
    };
    Ok(finish(printer, &edit, &review))
}

/// Prints what was done, or would be.
fn finish(printer: &Printer, edit: &ScheduleEdit, review: &ScheduleReview) -> Exit {
    if printer.is_json() {
        printer.json(review);
        return Exit::Done;
    }
    let word = match (edit, review.done, review.changed) {
        (_, false, _) => "✓ planned",
        (_, true, false) => "✓ unchanged",
        (ScheduleEdit::Set(_), ..) => "✓ set",
        (ScheduleEdit::Remove, ..) => "✓ removed",
        (ScheduleEdit::Pause(_), ..) => "✓ paused",
        (ScheduleEdit::Resume, ..) => "✓ resumed",
    };
    let mark = printer.style.paint(Role::Ok, word);
    let revision = match (review.done, review.changed) {
        (false, true) => "; nothing was changed".to_owned(),
        (true, true) => format!(" in revision {}", review.revision),
        (_, false) => "; the settings say so already".to_owned(),
    };
    printer.line(&format!("{mark} {}{revision}", review.environment));
    for line in lines(review) {
        printer.line(&format!("  {line}"));
    }
    if review.words.is_some() && !review.agent_alive {
        no_agent_line(printer);
    }
    Exit::Done
}

fn lines(review: &ScheduleReview) -> Vec<String> {
    let now = Utc::now();
    let mut lines = Vec::new();
    let mut add = |label: &str, words: &str| lines.push(format!("{label:<10}{words}"));
    let none = "none: it is rotated when somebody does it";
    if review.words_before != review.words
        && let Some(before) = &review.words_before
    {
        add("before", before);
    }
    add("schedule", review.words.as_deref().unwrap_or(none));
    if let Some(paused) = &review.paused {
        let until = match paused.until {
            Some(until) => format!("until {}", times::moment(until, &review.timezone, now)),
            None => format!(
                "until somebody resumes it: handover resume {}",
                review.environment
            ),
        };
        let reason = paused.reason.as_ref().map(|reason| format!(" ({reason})"));
        add("paused", &format!("{until}{}", reason.unwrap_or_default()));
    }
    if review.frozen {
        add(
            "frozen",
            "what agents begin by themselves: handover resume --all",
        );
    }
    let several = match review.occurrences {
        0 | 1 => "the occurrence that has come".to_owned(),
        count => format!("the {count} occurrences that have come"),
    };
    if review.makes_up {
        add(
            "at once",
            &format!("one rotation for {several}, as soon as an agent looks"),
        );
    }
    if review.misses {
        add(
            "missed",
            &format!("{several} will be told as missed; the next one is waited for"),
        );
    }
    for (at, start) in review.next.iter().enumerate() {
        let label = if at == 0 { "next" } else { "" };
        add(label, &times::moment(*start, &review.timezone, now));
    }
    if review.words.is_some() && review.next.is_empty() && review.paused.is_none() {
        add("next", "no start is to be seen");
    }
    for caution in &review.cautions {
        add("caution", caution);
    }
    lines
}

fn finish_freeze(printer: &Printer, review: &FreezeReview) -> Exit {
    if printer.is_json() {
        printer.json(review);
        return Exit::Done;
    }
    let word = match (review.done, review.changed, &review.freeze) {
        (false, ..) => "✓ planned",
        (true, false, _) => "✓ unchanged",
        (true, true, Some(_)) => "✓ frozen",
        (true, true, None) => "✓ resumed",
    };
    printer.line(&printer.style.paint(Role::Ok, word));
    for line in freeze_lines(review) {
        printer.line(&format!("  {line}"));
    }
    Exit::Done
}

fn freeze_lines(review: &FreezeReview) -> Vec<String> {
    let count = match review.schedules {
        0 => "no schedule waits for an agent".to_owned(),
        1 => "1 schedule waits for an agent".to_owned(),
        count => format!("{count} schedules wait for an agent"),
    };
    let Some(freeze) = &review.freeze else {
        let mut lines = vec![format!("nothing is frozen; {count}")];
        let names = review.begin_at_once.iter();
        lines.extend(
            names.map(|name| format!("at once    {name} is rotated as soon as an agent looks")),
        );
        return lines;
    };
    vec![
        freeze_words(freeze, Utc::now()),
        count,
        "sampling, notices and verification go on, and so does what people do by hand".to_owned(),
        "handover resume --all --plan shows what would begin at once".to_owned(),
    ]
}
