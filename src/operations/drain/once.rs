//! One sample of each node, for an answer where nobody samples.

use futures_util::future::join_all;

use super::ground::Grounds;
use super::groups::grouped;
use super::node::Line;
use super::overlaps::open_missing;
use super::recorder::Recorder;
use super::report::judged;
use super::{DrainReport, Sampler};
use crate::document::PropertyPath;
use crate::model::EnvironmentName;
use crate::operations::notices::DrainNotices;
use crate::operations::{Failure, Workspace};

/// Samples each node once, unless somebody else does so all the time, and answers as
/// [`read_drains`](super::read_drains). A store that cannot be written is only read.
///
/// # Errors
/// As for `read_drains`; a server that does not answer is part of the report.
pub async fn sample_once(
    workspace: &Workspace,
    environment: &EnvironmentName,
    paths: &[PropertyPath],
) -> Result<DrainReport, Failure> {
    open_missing(workspace, Some(std::slice::from_ref(environment))).await?;
    let grounds = Grounds::read(workspace, environment, paths).await?;
    if !workspace.store.is_writable() {
        return judged(workspace, environment, &grounds, Sampler::Nobody).await;
    }
    let mut locks = Vec::new();
    let mut ours = Vec::new();
    for ground in &grounds.overlaps {
        if let Some(lock) = workspace.store.lock_sampler(ground.overlap.id).await? {
            locks.push(lock);
            ours.push(ground.clone());
        }
    }
    let sampler = match ours.len() == grounds.overlaps.len() {
        true if ours.is_empty() => Sampler::Nobody,
        true => Sampler::Once,
        false => Sampler::Elsewhere,
    };
    let looks = grouped(ours).into_iter().map(|(key, members)| async move {
        let mut line = Line::new(&key);
        let round = line.look(workspace, members).await;
        (line, round)
    });
    let (lines, rounds): (Vec<Line>, Vec<_>) = join_all(looks).await.into_iter().unzip();
    if !rounds.is_empty() {
        Recorder::default().record(workspace, &rounds).await?;
    }
    drop(locks);
    let closing = join_all(lines.into_iter().map(Line::close));
    let (report, _) = tokio::join!(judged(workspace, environment, &grounds, sampler), closing);
    if let (Sampler::Once, Ok(report)) = (sampler, &report) {
        let drains = grounds.numbered(&report.drains);
        let mut notices = DrainNotices::default();
        notices.take(workspace, (environment, 0), &drains).await;
    }
    report
}
