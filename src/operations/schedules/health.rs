//! From what the store has of an environment to its health. No database is asked.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::{held_by_freeze, offset, recall, rotated_at, rotated_by};
use crate::drain::Verdict;
use crate::model::{Overlap, RotationId, SlotState};
use crate::operations::Workspace;
use crate::operations::hand_over::Drift;
use crate::operations::loading::Head;
use crate::rotation::{Event, PathJournal, fold};
use crate::schedule::{
    Health, HealthFacts, OverlapFacts, ParkedFacts, ProblemFacts, RotationFacts, ScheduleFacts,
    VerifyHealth, health,
};
use crate::secret::SecretId;
use crate::store::{
    JournalLine, RotatedSecretRow, ScheduleRow, ScheduleRun, StoreError, environments, journal,
    overlaps, rotated_secrets, schedule_runs, schedules, verifications,
};
use crate::untrusted::Untrusted;

/// So many runs are looked at to count those that led to no rotation.
const RUNS_LOOKED_AT: usize = 100;

/// The open rotations that no process works on.
///
/// Locks belong to files, and no transaction sees them. Whoever asks first which rotations are
/// open, and then whether their locks are held, takes none for left alone that was opened or
/// ended meanwhile.
pub(in crate::operations) struct LeftAlone(BTreeSet<RotationId>);

/// Looks which open rotations no process works on. To be asked before the transaction that
/// reads their environments.
///
/// # Errors
/// The store's own.
pub(in crate::operations) async fn left_alone(
    workspace: &Workspace,
) -> Result<LeftAlone, StoreError> {
    let open = workspace.store.read(|transaction| {
        let mut open = Vec::new();
        for one in journal::list_open(transaction)? {
            let row = environments::find(transaction, &one.environment)?;
            open.extend(row.map(|row| (one.id, row.id)));
        }
        Ok::<_, StoreError>(open)
    });
    let mut left = BTreeSet::new();
    for (rotation, environment_id) in open.await? {
        if workspace.store.locked_by(&environment_id).await?.is_none() {
            left.insert(rotation);
        }
    }
    Ok(LeftAlone(left))
}

/// What health is found from.
pub(in crate::operations) struct HealthSource<'a> {
    pub(in crate::operations) transaction: &'a Transaction<'a>,
    pub(in crate::operations) head: &'a Head,
    pub(in crate::operations) open_rotation: Option<RotationId>,
    /// The journal of the open rotation; empty where none is open.
    pub(in crate::operations) lines: &'a [JournalLine],
    pub(in crate::operations) left_alone: &'a LeftAlone,
    pub(in crate::operations) now: DateTime<Utc>,
}

/// Says how an environment is. `verdict` tells what may be said of the sessions of the outgoing
/// user of a rotated secret.
///
/// # Errors
/// The store's own.
pub(in crate::operations) fn health_of(
    source: &HealthSource<'_>,
    verdict: impl Fn(&str, SecretId, &Overlap) -> Result<Option<Verdict>, StoreError>,
) -> Result<Health, StoreError> {
    let HealthSource {
        transaction,
        head,
        now,
        ..
    } = *source;
    let id = &head.row.id;
    let row = schedules::find(transaction, id)?;
    let last_success = rotated_at(transaction, id)?;
    let recalled = match &row {
        Some(row) => Some(recall(transaction, row, now)?),
        None => None,
    };
    let schedule = head.settings.schedule().zip(recalled.as_ref());
    let (consecutive_failures, problem) = match &row {
        Some(row) => failures(transaction, row, rotated_by(transaction, id, now)?)?,
        None => (0, None),
    };
    let mut facts_of_overlaps = Vec::new();
    for record in rotated_secrets::list(transaction, id)? {
        if let Some(overlap) = overlaps::current(transaction, record.id)? {
            let verdict = verdict(&record.path, record.id, &overlap)?;
            facts_of_overlaps.extend(overlap_facts(head, &record, &overlap, verdict));
        }
    }
    let mut found = health(&HealthFacts {
        environment: &head.row.name,
        now,
        has_rotated_secret: !head.environment.rotated_secrets().is_empty(),
        schedule: schedule.map(|(schedule, recalled)| ScheduleFacts {
            schedule,
            memory: &recalled.memory,
            offset: offset(id, schedule),
        }),
        last_success,
        consecutive_failures,
        problem,
        overlaps: facts_of_overlaps,
        rotation: rotation_facts(source)?,
        frozen: held_by_freeze(transaction, now)?,
        verification: verification(transaction, id)?,
    });
    // Whoever wrote the settings may have copied it from anywhere.
    if let Some(paused) = &mut found.paused {
        paused.reason = paused.reason.as_deref().map(shown);
    }
    Ok(found)
}

/// How many occurrences led to no rotation since the last one, and what was in the way lately.
fn failures(
    transaction: &Transaction<'_>,
    row: &ScheduleRow,
    last_success: Option<DateTime<Utc>>,
) -> Result<(u32, Option<ProblemFacts>), StoreError> {
    let runs = schedule_runs::list(transaction, &row.environment_id, RUNS_LOOKED_AT)?;
    let is_since = |run: &ScheduleRun| {
        let is_of_this = run.slot > row.since || run.over_at.is_none();
        is_of_this && last_success.is_none_or(|success| run.over_at.is_none_or(|at| at > success))
    };
    let failed: Vec<&ScheduleRun> = runs
        .iter()
        .take_while(|run| run.state != SlotState::Done && is_since(run))
        .collect();
    let over = failed.iter().filter(|run| run.over_at.is_some());
    let count: u64 = over.map(|run| run.occurrences).sum();
    let problem = failed.first().and_then(|run| run.problem.as_ref());
    let problem = problem.map(|problem| ProblemFacts {
        message: shown(&problem.message),
        remedy: shown(&problem.remedy),
    });
    Ok((u32::try_from(count).unwrap_or(u32::MAX), problem))
}

fn overlap_facts(
    head: &Head,
    record: &RotatedSecretRow,
    overlap: &Overlap,
    verdict: Option<Verdict>,
) -> Option<OverlapFacts> {
    let all = head.environment.rotated_secrets();
    // One that is not in the document any more is nobody's to retire.
    let secret = all.iter().find(|one| one.path.to_string() == record.path)?;
    let settings = head.settings.database(&secret.path);
    Some(OverlapFacts {
        path: record.path.clone(),
        user: shown(&overlap.user),
        is_drained: verdict == Some(Verdict::Drained),
        stage: overlap.stage,
        stage_since: overlap.stage_at,
        promoted_at: overlap.opened_at,
        propagation: settings.propagation,
        quiet: settings.quiet,
        compromised: overlap.compromised,
    })
}

fn rotation_facts(source: &HealthSource<'_>) -> Result<Option<RotationFacts>, StoreError> {
    let lines = source.lines;
    let (Some(rotation), Some(first)) = (source.open_rotation, lines.first()) else {
        return Ok(None);
    };
    let run = schedule_runs::of_rotation(source.transaction, rotation)?;
    let is_tried_again =
        run.is_some_and(|(_, run)| run.state == SlotState::Open && run.next_try_at.is_some());
    let has_waiver = lines.iter().any(|line| {
        matches!(
            &line.event,
            Event::Opened {
                waiver: Some(_),
                ..
            }
        )
    });
    let mut paths: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.path.as_deref())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let journals: Vec<(&str, PathJournal)> = paths
        .into_iter()
        .map(|path| {
            let of_path = lines
                .iter()
                .filter(|line| line.path.as_deref() == Some(path));
            (path, fold(of_path.map(|line| &line.event)))
        })
        .collect();
    let parked = journals
        .iter()
        .filter(|(_, journal)| !journal.is_over())
        .find_map(|(path, journal)| {
            Some(ParkedFacts {
                path: Some((*path).to_owned()),
                case: journal.parked?.name().to_owned(),
            })
        });
    Ok(Some(RotationFacts {
        rotation,
        opened_at: first.at,
        has_waiver,
        sent: journals.iter().any(|(_, journal)| journal.sends > 0),
        is_worked_on: !source.left_alone.0.contains(&rotation),
        is_tried_again,
        parked: parked.or_else(|| parked_file(lines)),
    }))
}

/// A file that did not take what was promoted waits for a person, too.
fn parked_file(lines: &[JournalLine]) -> Option<ParkedFacts> {
    let mut failed = BTreeMap::new();
    for line in lines {
        match &line.event {
            Event::PublishFailed { file, case, .. } => {
                failed.insert(file.as_str(), *case);
            }
            Event::PublishSent { file, .. } | Event::Published { file, .. } => {
                failed.remove(file.as_str());
            }
            _ => {}
        }
    }
    let (_, case) = failed.pop_first()?;
    Some(ParkedFacts {
        path: None,
        case: case.name().to_owned(),
    })
}

fn verification(
    transaction: &Transaction<'_>,
    environment_id: &str,
) -> Result<Option<VerifyHealth>, StoreError> {
    let found = verifications::find(transaction, environment_id)?;
    Ok(found.map(|found| VerifyHealth {
        is_bad: Drift::is_bad_word(&found.verdict),
        words: shown(&found.words),
        verdict: shown(&found.verdict),
        verified_at: found.verified_at.unwrap_or(found.tried_at),
    }))
}

fn shown(text: &str) -> String {
    Untrusted::new(text).as_str().to_owned()
}
