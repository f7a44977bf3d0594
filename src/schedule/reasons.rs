//! What is wrong with an environment: one sentence for each, with the command that mends it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::health::{Health, HealthFacts, LeftOpen, StuckOverlap, parked};
use crate::model::Stage;
use crate::model::settings::in_words;

/// A clock is set right by less than this, and nobody needs to hear of it.
const CLOCK_GRACE: TimeDelta = TimeDelta::hours(1);

/// The sentences, the most urgent first.
pub(super) fn reasons(facts: &HealthFacts<'_>, health: &Health) -> Vec<String> {
    let name = facts.environment;
    let mut reasons = Vec::new();
    for stuck in &health.stuck_overlap {
        reasons.push(stuck_reason(facts, stuck));
    }
    if let Some(parked) = parked(facts) {
        let path = parked.path.as_ref().map(|path| format!(" of {path}"));
        reasons.push(format!(
            "its rotation{} waits for a person ({}): handover recover {name} --explain",
            path.unwrap_or_default(),
            parked.case
        ));
    }
    if health.expired_waiver {
        let opened = facts.rotation.as_ref().map(|rotation| rotation.opened_at);
        let since = opened.map(|at| format!(" at {}", moment(at)));
        reasons.push(format!(
            "its rotation was opened with a waiver{}, more than a day ago, and has sent nothing \
             yet: handover abandon {name}, and waive anew if it still has to be",
            since.unwrap_or_default()
        ));
    }
    if let Some(left) = &health.left_open {
        reasons.push(left_open_reason(facts, left));
    }
    reasons.extend(clock_reason(facts));
    if let Some(verify) = health.verify.as_ref().filter(|verify| verify.is_bad) {
        reasons.push(format!(
            "the verification of {} found it {}{}: handover verify {name}",
            moment(verify.verified_at),
            verify.verdict,
            after_colon(&verify.words)
        ));
    }
    if let Some(overdue) = health.overdue_by_seconds {
        reasons.push(overdue_reason(facts, health, overdue));
    } else if health.consecutive_failures > 0 && health.parked.is_none() {
        reasons.push(format!(
            "{} since the last rotation{}",
            failures(health.consecutive_failures),
            problem(facts).unwrap_or_else(|| format!(": handover schedule show {name}"))
        ));
    }
    reasons
}

/// What was done at a time that has not come yet.
fn clock_reason(facts: &HealthFacts<'_>) -> Option<String> {
    let (name, was) = (facts.environment, "the clock was ahead, or is behind now");
    let is_ahead = |at: &DateTime<Utc>| *at > facts.now + CLOCK_GRACE;
    if let Some(at) = facts.last_success.filter(is_ahead) {
        return Some(format!(
            "{was}: it is noted as rotated at {}; set the clock right, and where it is right \
             already handover rotate {name} mends it",
            moment(at)
        ));
    }
    let slot = Some(facts.schedule?.memory.last.as_ref()?.slot).filter(is_ahead)?;
    Some(format!(
        "{was}: the occurrence of {} was acted on already: handover schedule show {name}",
        moment(slot)
    ))
}

fn stuck_reason(facts: &HealthFacts<'_>, stuck: &StuckOverlap) -> String {
    let name = facts.environment;
    let StuckOverlap { path, user, .. } = stuck;
    let overlaps = facts.overlaps.iter();
    let stage = overlaps
        .filter(|one| one.path == *path)
        .map(|one| one.stage)
        .next();
    if stuck.compromised {
        return format!(
            "the password of {user} ({path}) leaked, and it is not retired: handover retire \
             {name} {path}"
        );
    }
    match stage {
        Some(Stage::Draining) | None => format!(
            "the outgoing user {user} of {path} should have been drained by {}: handover drain \
             {name} {path}",
            moment(stuck.since)
        ),
        Some(Stage::Unlocking) => format!(
            "the retirement of {user} ({path}) was not taken back to its end: handover retire \
             {name} {path} --undo"
        ),
        Some(_) => format!(
            "the retirement of {user} ({path}) was begun and not brought to its end: handover \
             retire {name} {path}"
        ),
    }
}

fn left_open_reason(facts: &HealthFacts<'_>, left: &LeftOpen) -> String {
    let (name, since) = (facts.environment, moment(left.since));
    let rotation = left.rotation;
    match left.is_driven {
        false => format!(
            "{rotation} is open since {since} and nobody goes on with it: handover recover {name}"
        ),
        true => format!(
            "{rotation} is open since {since}, more than a day ago, though somebody goes on with \
             it: handover status {name}"
        ),
    }
}

fn overdue_reason(facts: &HealthFacts<'_>, health: &Health, overdue: u64) -> String {
    let name = facts.environment;
    let by = span(overdue);
    let mut reason = match (facts.schedule, health.never_rotated) {
        (None, _) => format!("it was not rotated for {} days", age_days(health)),
        (Some(_), true) => format!("it was never rotated, which is overdue by {by}"),
        (Some(_), false) => format!("its rotation is overdue by {by}"),
    };
    if health.consecutive_failures > 0 {
        reason.push_str(&format!(
            "; {} since",
            failures(health.consecutive_failures)
        ));
    }
    if let Some(paused) = &health.paused {
        let until = paused
            .until
            .map(|until| format!(" until {}", moment(until)));
        reason.push_str(&format!(
            "; its schedule is paused{}: handover resume {name}",
            until.unwrap_or_default()
        ));
    } else if health.frozen {
        reason.push_str("; rotations are frozen: handover resume --all");
    } else if let Some(problem) = problem(facts) {
        reason.push_str(&problem);
    } else {
        reason.push_str(&format!(": handover rotate {name}"));
    }
    reason
}

fn problem(facts: &HealthFacts<'_>) -> Option<String> {
    let problem = facts.problem.as_ref()?;
    Some(format!("; {}: {}", problem.message, problem.remedy))
}

fn failures(count: u32) -> String {
    match count {
        1 => "one occurrence led to no rotation".to_owned(),
        _ => format!("{count} occurrences led to no rotation"),
    }
}

fn after_colon(words: &str) -> String {
    match words {
        "" => String::new(),
        words => format!(" ({words})"),
    }
}

fn age_days(health: &Health) -> u64 {
    health.age_seconds.unwrap_or_default() / 86_400
}

/// Rounded down to its greatest unit, such as `3d`.
fn span(seconds: u64) -> String {
    let unit = match seconds {
        0..120 => 1,
        120..7_200 => 60,
        7_200..172_800 => 3_600,
        _ => 86_400,
    };
    in_words(Duration::from_secs(seconds / unit * unit))
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
