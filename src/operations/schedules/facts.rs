//! What monitors are told of schedules.

use chrono::{DateTime, Utc};

use crate::model::{EnvironmentName, SlotState};
use crate::operations::{Failure, Workspace};
use crate::store::{StoreError, freeze, journal, schedule_runs, schedules};

/// What monitors are told of one schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleFact {
    /// Of which environment.
    pub environment: EnvironmentName,
    /// When somebody has to look at it next.
    pub next_at: Option<DateTime<Utc>>,
    /// When all of it was last promoted.
    pub rotated_at: Option<DateTime<Utc>>,
    /// What came of the newest occurrence.
    pub last: Option<SlotState>,
}

/// The schedules of all environments, by name; how many rotations are open, and whether a freeze
/// holds.
///
/// # Errors
/// The store's own.
pub async fn schedule_facts(
    workspace: &Workspace,
    now: DateTime<Utc>,
) -> Result<(Vec<ScheduleFact>, usize, bool), Failure> {
    let read = workspace.store.read(move |transaction| {
        let mut facts = Vec::new();
        for row in schedules::list(transaction)? {
            let id = &row.environment_id;
            facts.push(ScheduleFact {
                next_at: row.next_at,
                rotated_at: super::rotated_at(transaction, id)?,
                last: schedule_runs::newest(transaction, id)?.map(|run| run.state),
                environment: row.environment,
            });
        }
        let open = journal::list_open(transaction)?.len();
        let is_frozen = freeze::current(transaction, now)?.is_some();
        Ok::<_, StoreError>((facts, open, is_frozen))
    });
    Ok(read.await?)
}
