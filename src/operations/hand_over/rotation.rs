//! One rotation over its rotated secrets: side by side through S4, promoted together.

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{StreamExt, stream};

use super::promote::promote;
use super::run::{Run, Stop};
use crate::model::{EnvironmentName, RotationId};
use crate::operations::Failure;

/// How many databases are worked on at once.
pub(super) const MOST_AT_ONCE: usize = 16;

/// How often paths are driven again because a proof grew old while another path was at
/// work, or because the outcome of a promotion has to be read from the store.
const MOST_ROUNDS: u32 = 10;

/// A rotation with the runs over those of its paths that are not over.
pub(super) struct Rotation<'a> {
    pub(super) number: RotationId,
    pub(super) environment: EnvironmentName,
    pub(super) protected: bool,
    pub(super) runs: Vec<Run<'a>>,
}

/// How one path's run stopped; `None` while it is still to be driven.
type End = Option<Result<Stop, Failure>>;

impl Rotation<'_> {
    /// Drives all paths until each has stopped. One that fails holds up no other.
    pub(super) async fn drive(&mut self) -> Vec<Result<Stop, Failure>> {
        let mut ends: Vec<End> = self.runs.iter().map(|_| None).collect();
        for _ in 0..MOST_ROUNDS {
            self.drive_side_by_side(&mut ends).await;
            if !self.promote_verified(&mut ends).await {
                break;
            }
        }
        for run in &mut self.runs {
            run.end().await;
        }
        ends.into_iter()
            .map(|end| end.unwrap_or_else(|| Err(unknown())))
            .collect()
    }

    async fn drive_side_by_side(&mut self, ends: &mut [End]) {
        let open = self.runs.iter_mut().zip(ends.iter_mut());
        let drives: Vec<BoxFuture<'_, ()>> = open
            .filter(|(_, end)| end.is_none())
            .map(|(run, end)| drive_one(run, end).boxed())
            .collect();
        stream::iter(drives)
            .buffer_unordered(MOST_AT_ONCE)
            .collect::<()>()
            .await;
    }

    /// S5 for every verified path. Says whether another round is needed.
    async fn promote_verified(&mut self, ends: &mut [End]) -> bool {
        let is_verified = |end: &End| matches!(end, Some(Ok(Stop::Verified)));
        let mut again = false;
        for (run, end) in self.runs.iter_mut().zip(ends.iter_mut()) {
            // Another path may have taken long: what was proven then is proven anew.
            if is_verified(end) && run.epoch.is_stale() {
                run.epoch.renew_all();
                *end = None;
                again = true;
            }
        }
        if again {
            return true;
        }
        let mut runs: Vec<&mut Run<'_>> = self
            .runs
            .iter_mut()
            .zip(ends.iter())
            .filter(|(_, end)| is_verified(end))
            .map(|(run, _)| run)
            .collect();
        if runs.is_empty() {
            return false;
        }
        let compromised = runs.iter().any(|run| run.compromised);
        let promoted = promote(self.number, &mut runs, compromised).await;
        let unknown = matches!(&promoted, Err(failure) if failure.code == "store-unknown");
        for run in runs {
            run.promotion_unknown = unknown;
        }
        for end in ends.iter_mut().filter(|end| is_verified(end)) {
            *end = match &promoted {
                _ if unknown => None,
                Ok(revision) => Some(Ok(Stop::Done {
                    revision: *revision,
                })),
                Err(failure) => Some(Err(failure.clone())),
            };
        }
        unknown
    }
}

async fn drive_one(run: &mut Run<'_>, end: &mut End) {
    *end = Some(run.drive().await);
}

fn unknown() -> Failure {
    crate::store::StoreError::CommitUnknown(
        "the paths did not come to an end together, or the store does not say whether it took \
         the promotion"
            .to_owned(),
    )
    .into()
}
