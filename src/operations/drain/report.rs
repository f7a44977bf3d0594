//! What is said of an environment's drains, by what the store has.

use std::sync::Arc;

use chrono::Utc;

use super::ground::{Ground, Grounds};
use super::overlaps::open_missing;
use super::{DrainReport, Sampler};
use crate::document::PropertyPath;
use crate::drain::{Drain, Question, Timeline, judge};
use crate::model::{EnvironmentName, Overlap};
use crate::operations::{Failure, Workspace};
use crate::store::{StoreError, observations, overlaps, sinks};

/// Judges what is stored of the rotated secrets at `paths`, or of all of the environment; no
/// database is asked.
///
/// # Errors
/// No such environment or path, findings in the document or the settings, or the store's own.
pub async fn read_drains(
    workspace: &Workspace,
    environment: &EnvironmentName,
    paths: &[PropertyPath],
) -> Result<DrainReport, Failure> {
    open_missing(workspace, Some(std::slice::from_ref(environment))).await?;
    let grounds = Grounds::read(workspace, environment, paths).await?;
    let mut sampler = Sampler::Nobody;
    for ground in &grounds.overlaps {
        if workspace.store.is_sampled(ground.overlap.id).await? {
            sampler = Sampler::Elsewhere;
        }
    }
    judged(workspace, environment, &grounds, sampler).await
}

/// Judges the overlaps of `grounds` that are still open.
///
/// # Errors
/// The store's own.
pub(super) async fn judged(
    workspace: &Workspace,
    environment: &EnvironmentName,
    grounds: &Grounds,
    sampler: Sampler,
) -> Result<DrainReport, Failure> {
    let overlaps = grounds.overlaps.clone();
    let read = workspace.store.read(move |transaction| {
        let mut read = Vec::new();
        for ground in overlaps {
            // Its stage may be another one by now.
            let overlap = overlaps::current(transaction, ground.secret)?;
            if let Some(overlap) = overlap.filter(|one| one.id == ground.overlap.id) {
                let timeline = observations::load(transaction, overlap.id)?;
                let published = sinks::are_confirmed(transaction, ground.secret, overlap.revision)?;
                read.push((ground, overlap, timeline, published));
            }
        }
        Ok::<_, StoreError>(read)
    });
    let drains = read.await?;
    Ok(DrainReport {
        environment: environment.clone(),
        drains: drains
            .iter()
            .map(|(ground, overlap, timeline, published)| {
                judge_one(ground, overlap, timeline, *published)
            })
            .collect(),
        without_overlap: grounds.without_overlap.clone(),
        sampler,
        problem: None,
    })
}

fn judge_one(
    ground: &Arc<Ground>,
    overlap: &Overlap,
    timeline: &Timeline,
    sinks_confirmed: bool,
) -> Drain {
    let settings = &ground.settings;
    judge(&Question {
        environment: &ground.environment,
        path: &ground.path.to_string(),
        overlap,
        timeline,
        nodes: &ground.nodes,
        poolers: &ground.poolers,
        owners: &ground.owners,
        engine: ground.engine,
        propagation: settings.propagation,
        quiet: settings.quiet,
        max_gap: settings.max_gap,
        sample: settings.sample,
        listen: settings.retire.listen,
        sinks_confirmed,
        now: Utc::now(),
    })
}
