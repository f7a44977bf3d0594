//! `schedule set`, `pause` and `resume`: one part of the settings is edited, and every other byte
//! of them stays. What is saved is checked as any settings are.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;
use serde::Serialize;
use serde_json::{Value, json};

use super::change::{self, NewSchedule};
use super::listing::{self, PausedView};
use super::{due_now, held, recall};
use crate::model::settings::{Protection, duration};
use crate::model::{EnvironmentName, Schedule, civil_time};
use crate::operations::environment_init::check_setting_paths;
use crate::operations::hand_over::{Confirmation, missing_agreement};
use crate::operations::loading::{Head, parse_settings};
use crate::operations::workspace::timestamp;
use crate::operations::{Exit, Failure, SourceOfTruth, Workspace, sinks};
use crate::schedule::Due;
use crate::secret::MasterKey;
use crate::store::{NewRevision, revisions, schedules};
use crate::untrusted::Untrusted;

/// So many of the next starts are told after a change.
const STARTS_TOLD: usize = 3;
/// The starts that are told come within so many days.
const DAYS_TOLD: i64 = 800;

/// What becomes of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleEdit {
    /// It is set, or parts of it are.
    Set(NewSchedule),
    /// There is none any more.
    Remove,
    /// Nothing is begun by it.
    Pause(Pause),
    /// It goes on.
    Resume,
}

/// Why and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pause {
    /// Why, in an operator's words.
    pub reason: Option<String>,
    /// As it was typed: a time with its offset, a civil time, or a duration from now on.
    pub until: Option<String>,
}

/// What a change of a schedule means, or has meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleReview {
    /// Of which environment.
    pub environment: EnvironmentName,
    /// Whether its name has to be typed.
    pub protected: bool,
    /// Whether it was done; a plan changes nothing.
    pub done: bool,
    /// `false`: the settings say so already.
    pub changed: bool,
    /// The newest revision.
    pub revision: u64,
    /// The schedule before, in words; `null`: none.
    pub words_before: Option<String>,
    /// The schedule after it, in words; `null`: none.
    pub words: Option<String>,
    /// By the clocks of which place times are shown.
    pub timezone: String,
    /// What becomes of an occurrence that nobody could act on: `run-once` or `skip`.
    pub missed: &'static str,
    /// Its pause after the change.
    pub paused: Option<PausedView>,
    /// The next start without the change; `null`: none.
    pub next_before: Option<DateTime<Utc>>,
    /// The next start with it; `null`: none.
    pub next_after: Option<DateTime<Utc>>,
    /// The next starts with it, three at most.
    pub next: Vec<DateTime<Utc>>,
    /// An occurrence whose time has come is acted on at once, as soon as an agent looks.
    pub makes_up: bool,
    /// Occurrences that have passed are told as missed, and the next one is waited for.
    pub misses: bool,
    /// How many occurrences that is about.
    pub occurrences: u64,
    /// A freeze of the whole host keeps everything from being begun.
    pub frozen: bool,
    /// Somebody acts on schedules: an agent is alive on this host.
    pub agent_alive: bool,
    /// What should be known of it though nothing is wrong.
    pub cautions: Vec<String>,
}

/// What a change would mean; changes nothing.
///
/// # Errors
/// Findings with their places when the settings would be at fault, a time that cannot be read or
/// has passed, an environment without a schedule, no such environment, or the store's own.
pub async fn plan_schedule(
    workspace: &Workspace,
    environment: EnvironmentName,
    edit: ScheduleEdit,
) -> Result<ScheduleReview, Failure> {
    let now = Utc::now();
    let agent_alive = !workspace.store.living_agents().await?.is_empty();
    let read = workspace
        .store
        .read(move |transaction| look(transaction, &environment, &edit, now).map(|one| one.review));
    let review: ScheduleReview = read.await?;
    Ok(ScheduleReview {
        agent_alive,
        ..review
    })
}

/// What pausing, or resuming, would mean; changes nothing.
///
/// # Errors
/// As for [`plan_schedule`].
pub async fn plan_pause(
    workspace: &Workspace,
    environment: EnvironmentName,
    resume: bool,
) -> Result<ScheduleReview, Failure> {
    let edit = match resume {
        true => ScheduleEdit::Resume,
        false => ScheduleEdit::Pause(Pause::default()),
    };
    plan_schedule(workspace, environment, edit).await
}

/// Sets the schedule of an environment, or parts of it; `None` takes it out.
///
/// # Errors
/// As for [`plan_schedule`], and refused without the name of a production environment, or while
/// nobody agreed and a rotation would begin at once.
pub async fn set_schedule(
    workspace: &Workspace,
    environment: EnvironmentName,
    new: Option<NewSchedule>,
    confirmation: &Confirmation,
) -> Result<ScheduleReview, Failure> {
    let edit = new.map_or(ScheduleEdit::Remove, ScheduleEdit::Set);
    apply(workspace, environment, edit, confirmation).await
}

/// Pauses the schedule of an environment.
///
/// # Errors
/// As for [`set_schedule`].
pub async fn pause_schedule(
    workspace: &Workspace,
    environment: EnvironmentName,
    pause: Pause,
    confirmation: &Confirmation,
) -> Result<ScheduleReview, Failure> {
    apply(
        workspace,
        environment,
        ScheduleEdit::Pause(pause),
        confirmation,
    )
    .await
}

/// Ends the pause of a schedule.
///
/// # Errors
/// As for [`set_schedule`].
pub async fn resume_schedule(
    workspace: &Workspace,
    environment: EnvironmentName,
    confirmation: &Confirmation,
) -> Result<ScheduleReview, Failure> {
    apply(workspace, environment, ScheduleEdit::Resume, confirmation).await
}

async fn apply(
    workspace: &Workspace,
    environment: EnvironmentName,
    edit: ScheduleEdit,
    confirmation: &Confirmation,
) -> Result<ScheduleReview, Failure> {
    let now = Utc::now();
    let confirmation = confirmation.clone();
    let agent_alive = !workspace.store.living_agents().await?.is_empty();
    let (master, requester) = (Arc::clone(&workspace.master), workspace.requester.clone());
    workspace
        .store
        .write(move |transaction| {
            let Looked {
                head,
                text,
                mut review,
            } = look(transaction, &environment, &edit, now)?;
            (review.done, review.agent_alive) = (true, agent_alive);
            if !review.changed {
                return Ok(review);
            }
            check_agreed(&review, &edit, &confirmation)?;
            let us = (&*master, requester.as_str());
            review.revision = save(transaction, us, &head, &text, &edit, &review)?;
            Ok::<_, Failure>(review)
        })
        .await
}

/// A new revision that differs in its settings alone.
fn save(
    transaction: &Transaction<'_>,
    (master, requester): (&MasterKey, &str),
    head: &Head,
    text: &str,
    edit: &ScheduleEdit,
    review: &ScheduleReview,
) -> Result<u64, Failure> {
    let name = &head.row.name;
    let reason = match edit {
        ScheduleEdit::Pause(pause) => pause.reason.as_deref().map(listing::shown),
        _ => None,
    };
    let revision = NewRevision {
        document: &head.revision.document,
        settings: text,
        files: &head.revision.files,
        cause: "settings",
        author: requester,
        reason: reason.as_deref(),
        rotation: None,
        now: &timestamp(),
    };
    let number = revisions::add(transaction, &head.row.id, &revision)?;
    let truth = source(name, text);
    sinks::follow(transaction, master, name, truth.clone())?;
    super::follow(transaction, name, truth, Utc::now())?;
    let (action, detail) = entry(edit, review, number);
    Workspace::audit(master, transaction, requester, action, Some(name), detail)?;
    Ok(number)
}

fn entry(edit: &ScheduleEdit, review: &ScheduleReview, revision: u64) -> (&'static str, Value) {
    match edit {
        ScheduleEdit::Set(_) | ScheduleEdit::Remove => (
            "schedule.changed",
            json!({"revision": revision, "schedule": review.words, "before": review.words_before}),
        ),
        ScheduleEdit::Pause(_) => {
            let paused = review.paused.as_ref();
            let (reason, until) = paused.map_or((None, None), |paused| {
                (paused.reason.as_ref(), paused.until)
            });
            (
                "schedule.paused",
                json!({"revision": revision, "reason": reason, "until": until}),
            )
        }
        ScheduleEdit::Resume => ("schedule.resumed", json!({"revision": revision})),
    }
}

fn check_agreed(
    review: &ScheduleReview,
    edit: &ScheduleEdit,
    confirmation: &Confirmation,
) -> Result<(), Failure> {
    // What can be taken back by another edit needs a name in production, and nothing elsewhere. A
    // rotation that begins at once cannot be taken back.
    let is_needed = review.protected || review.makes_up;
    if !is_needed && !matches!(confirmation, Confirmation::Named(_)) {
        return Ok(());
    }
    let look = match edit {
        ScheduleEdit::Set(_) | ScheduleEdit::Remove => "handover schedule set --plan",
        ScheduleEdit::Pause(_) => "handover pause --plan",
        ScheduleEdit::Resume => "handover resume --plan",
    };
    let missing = missing_agreement(&review.environment, review.protected, look, confirmation);
    let Some(missing) = missing else {
        return Ok(());
    };
    let code = match (confirmation, review.protected) {
        (Confirmation::Named(_), _) => "name-differs",
        (Confirmation::Yes, true) => "protected",
        _ => "not-confirmed",
    };
    let message = match code {
        "not-confirmed" if review.makes_up => format!(
            "nobody agreed, and {} would be rotated at once",
            review.environment
        ),
        _ => missing.message,
    };
    Err(Failure::new(code, Exit::Refused, message, missing.remedy))
}

struct Looked {
    head: Head,
    /// The settings after the edit.
    text: String,
    review: ScheduleReview,
}

fn look(
    transaction: &Transaction<'_>,
    name: &EnvironmentName,
    edit: &ScheduleEdit,
    now: DateTime<Utc>,
) -> Result<Looked, Failure> {
    let head = Head::load(transaction, name)?;
    let before = head.settings.schedule();
    let text = edited(&head, edit, now)?;
    let source = source(name, &text);
    let settings = parse_settings(&source.name, &text)?;
    check_setting_paths(&settings, &head.environment, &source.name, &text)?;
    let after = settings.schedule();
    if let (Some(after), true) = (
        after,
        before.map(Schedule::identity) != after.map(Schedule::identity),
    ) {
        super::refuse_past(&settings, after, source, now)?;
    }
    let mut review = ScheduleReview {
        environment: name.clone(),
        protected: head.settings.protection() != Protection::None,
        done: false,
        changed: text != head.revision.settings,
        revision: head.row.head,
        words_before: before.map(crate::schedule::words),
        words: after.map(crate::schedule::words),
        timezone: after
            .or(before)
            .map_or("UTC", |one| one.timezone.name())
            .to_owned(),
        missed: after.map_or("run-once", |after| after.missed.as_str()),
        paused: after.and_then(|after| listing::paused_view(after, now)),
        next_before: None,
        next_after: None,
        next: Vec::new(),
        makes_up: false,
        misses: false,
        occurrences: 0,
        frozen: crate::store::freeze::current(transaction, now)?.is_some(),
        agent_alive: false,
        cautions: after.map_or_else(Vec::new, |_| listing::cautions_of(&head, &settings, now)),
    };
    let remembered = schedules::find(transaction, &head.row.id)?;
    let memory = match &remembered {
        Some(row) => Some(recall(transaction, row, now)?),
        None => None,
    };
    let until = now + TimeDelta::days(DAYS_TOLD);
    if let (Some(before), Some(memory)) = (before, &memory) {
        let held = held(transaction, before, now)?;
        let times = (now, until, 1);
        let starts = listing::starts(&head.row.id, before, &memory.memory, held, times);
        review.next_before = starts.0;
    }
    if let Some(after) = after {
        let begins_anew = before.map(Schedule::identity) != Some(after.identity());
        let memory = match memory.filter(|_| !begins_anew) {
            Some(memory) => memory.memory,
            None => super::fresh_memory(transaction, &head.row.id, now)?,
        };
        let held = held(transaction, after, now)?;
        let times = (now, until, STARTS_TOLD);
        let (next, starts) = listing::starts(&head.row.id, after, &memory, held, times);
        (review.next_after, review.next) = (next, starts);
        match due_now(&head.row.id, after, &memory, held, now) {
            Due::Begin(stretch) => {
                review.makes_up = true;
                review.occurrences = stretch.occurrences;
            }
            Due::Missed(stretch) => {
                review.misses = true;
                review.occurrences = stretch.occurrences;
            }
            // Begun before a pause, and nothing was rotated for it yet.
            Due::GoOn { .. } if !memory.last.as_ref().is_some_and(|last| last.has_rotation) => {
                review.makes_up = true;
                review.occurrences = 1;
            }
            _ => {}
        }
    }
    Ok(Looked { head, text, review })
}

/// The settings' text after the edit.
fn edited(head: &Head, edit: &ScheduleEdit, now: DateTime<Utc>) -> Result<String, Failure> {
    let name = &head.row.name;
    let text = &head.revision.settings;
    let schedule = head.settings.schedule();
    let needed = || schedule.ok_or_else(|| no_schedule(name));
    let done = match edit {
        ScheduleEdit::Set(new) => {
            if !new.says_when() {
                needed()?;
            }
            change::set(text, new)
        }
        ScheduleEdit::Remove => change::remove(text),
        ScheduleEdit::Pause(pause) => {
            let zone = needed()?.timezone;
            let until = pause.until.as_deref();
            let until = until.map(|text| until_time(text, zone, now)).transpose()?;
            // The settings are drawn on terminals as they stand.
            let reason = pause.reason.as_deref().map(listing::shown);
            change::pause(text, reason.as_deref(), until, zone)
        }
        ScheduleEdit::Resume => {
            needed()?;
            change::resume(text)
        }
    };
    done.map_err(|diagnostic| {
        Failure::in_document("cannot-set", vec![diagnostic], vec![source(name, text)])
    })
}

fn source(name: &EnvironmentName, text: &str) -> SourceOfTruth {
    SourceOfTruth {
        name: format!("{name} (settings)"),
        text: text.to_owned(),
    }
}

fn no_schedule(name: &EnvironmentName) -> Failure {
    Failure::new(
        "no-schedule",
        Exit::Usage,
        format!("{name} has no schedule"),
        format!("set one: handover schedule set {name} --cron \"0 3 * * SUN\""),
    )
}

/// A time to come: with its offset, by the clocks of a place, or from now on.
///
/// # Errors
/// It cannot be read, or has passed.
pub(super) fn until_time(
    text: &str,
    zone: chrono_tz::Tz,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Failure> {
    let bad =
        |message: String, remedy: String| Failure::new("bad-time", Exit::Usage, message, remedy);
    let text = text.trim();
    if let Some(span) = duration(text) {
        let span = TimeDelta::from_std(span).ok();
        let until = span.and_then(|span| now.checked_add_signed(span));
        return until.filter(|until| *until > now).ok_or_else(|| {
            bad(
                format!("{} leads to no time to come", Untrusted::new(text)),
                "write a duration such as 3d or 12h".to_owned(),
            )
        });
    }
    let time = civil_time(text, zone).map_err(|fault| {
        bad(
            Untrusted::new(&fault.message).as_str().to_owned(),
            format!("{}; or write a duration such as 3d", fault.hint),
        )
    })?;
    match time > now {
        true => Ok(time),
        false => Err(bad(
            format!("{} has passed", time.with_timezone(&zone).to_rfc3339()),
            "write a time to come, or a duration such as 3d".to_owned(),
        )),
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
