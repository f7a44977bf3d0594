//! The overlap that followed a promote, with the proof that it drained.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;
use serde::Serialize;

use crate::drain::{Drain, Question, Timeline, judge};
use crate::model::{EnvironmentName, Node, Stage};
use crate::operations::loading::Head;
use crate::store::{PastOverlap, RotatedSecretRow, StoreError, observations, overlaps, sinks};
use crate::untrusted::Untrusted;

/// A sampler needs a moment after the promote, and ends a moment before the next one.
const LEAST_AT_AN_END: TimeDelta = TimeDelta::minutes(1);

/// What became of the outgoing user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverlapStory {
    /// The outgoing user.
    pub user: Untrusted,
    /// When the overlap began, by this host's clock.
    pub opened_at: DateTime<Utc>,
    /// When the next one began; `null` while it is the open one.
    pub ended_at: Option<DateTime<Utc>>,
    /// How far it has come.
    pub stage: Stage,
    /// Since when.
    pub stage_at: DateTime<Utc>,
    /// The user's password leaked.
    pub compromised: bool,
    /// What was observed, judged by the settings of now as of `ended_at`, or of now. `null` where
    /// it is not kept any more, or the settings cannot be read.
    pub drain: Option<Drain>,
    /// When a node was not looked at for longer than `drain.max-gap`.
    pub gaps: Vec<Gap>,
    /// Why there is no proof, if so.
    pub problem: Option<String>,
}

/// A time in which nothing was seen of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Which node.
    pub node: String,
    /// The last sample before it.
    pub from: DateTime<Utc>,
    /// The first one after it; the overlap's end where there was none.
    pub until: DateTime<Utc>,
}

/// Between the stretches of samples; what is missing at either end counts as well.
fn gaps(timeline: &Timeline, opened_at: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for node in &timeline.nodes {
        let mut seen_until = opened_at;
        let mut add = |from: DateTime<Utc>, until: DateTime<Utc>, is_end: bool| {
            // Two stretches may also differ in what could be seen, without any time between.
            let least = if is_end {
                LEAST_AT_AN_END
            } else {
                TimeDelta::zero()
            };
            if until - from > least {
                gaps.push(Gap {
                    node: node.node.to_string(),
                    from,
                    until,
                });
            }
        };
        for (index, run) in node.runs.iter().enumerate() {
            add(seen_until, run.from, index == 0);
            seen_until = seen_until.max(run.until);
        }
        add(seen_until, end, true);
    }
    gaps
}

pub(super) fn story(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    record: &RotatedSecretRow,
    revision: u64,
) -> Result<Option<OverlapStory>, StoreError> {
    let Some(past) = overlaps::of_revision(transaction, record.id, revision)? else {
        return Ok(None);
    };
    let PastOverlap { overlap, ended_at } = past;
    let mut story = OverlapStory {
        user: Untrusted::new(&overlap.user),
        opened_at: overlap.opened_at,
        ended_at,
        stage: overlap.stage,
        stage_at: overlap.stage_at,
        compromised: overlap.compromised,
        drain: None,
        gaps: Vec::new(),
        problem: None,
    };
    let timeline = observations::load(transaction, overlap.id)?;
    if timeline.nodes.is_empty() {
        story.problem = Some("nothing was observed, or it is not kept any more".to_owned());
        return Ok(Some(story));
    }
    let head = match Head::load(transaction, environment) {
        Ok(head) => head,
        Err(failure) => {
            story.problem = Some(failure.message);
            return Ok(Some(story));
        }
    };
    let mut secrets = head.environment.rotated_secrets().iter();
    let Some(secret) = secrets.find(|secret| secret.path.to_string() == record.path) else {
        story.problem = Some("the document does not have the rotated secret any more".to_owned());
        return Ok(Some(story));
    };
    let settings = head.settings.database(&secret.path);
    let managed = overlap.promoted.first().map(|at| at.node.clone());
    let mut nodes: Vec<Node> = managed.into_iter().collect();
    for address in &settings.nodes {
        let node = address.for_engine(secret.engine);
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    story.gaps = gaps(
        &timeline,
        overlap.opened_at,
        ended_at.unwrap_or_else(Utc::now),
    );
    story.drain = Some(judge(&Question {
        environment,
        path: &record.path,
        overlap: &overlap,
        timeline: &timeline,
        nodes: &nodes,
        poolers: &[],
        owners: &[],
        engine: secret.engine,
        propagation: settings.propagation,
        quiet: settings.quiet,
        max_gap: settings.max_gap,
        sample: settings.sample,
        listen: settings.retire.listen,
        sinks_confirmed: sinks::are_confirmed(transaction, record.id, overlap.revision)?,
        now: ended_at.unwrap_or_else(Utc::now),
    }));
    Ok(Some(story))
}
