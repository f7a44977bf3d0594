//! The brain: what a rotation has been through, what is found, what to do next.
//!
//! Pure. `assess` folds logins into a standing, `admit` says whether a rotation may
//! begin, `decide` names the one case that holds and the one action that follows.
//! Going forward, resuming after a crash and parking are the same function; there
//! is no second place that chooses what to do.

mod action;
mod admit;
mod admit_back;
mod admit_retire;
mod admit_server;
mod admit_users;
mod adopt;
mod assess;
mod capacity;
mod case;
mod decide;
mod evidence;
mod examine;
mod examine_logins;
mod examine_sampling;
mod finding;
mod gtid;
mod identity;
mod journal;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod model_world_tests;
mod places;
mod plan;
mod progress;
mod refusal;
mod roll_back;
mod sinks;
mod standbys;
mod twins;
mod verdict;
mod way;
mod words;

pub use action::{Action, Decision};
pub use admit::{Facts, admit, admit_unseen};
pub use admit_back::admit_back;
pub use admit_retire::admit_retire;
pub use adopt::{Idle, adopt};
pub use assess::{RoleKnowledge, Standing, assess};
pub use case::Case;
pub use decide::decide;
pub use evidence::{Evidence, GateLook, Intent, Manager, Replication, TwinLook};
pub use examine::{Examination, Managed, NOT_LOOKED, examine};
pub use examine_sampling::Sampling;
pub use finding::{Check, Finding, FindingStatus};
pub use identity::{
    ServerMatch, describe_server, is_other_certificate, mark_words, match_server, raised,
};
pub use journal::{Admitted, Chosen, Event, PathJournal, Pending, RefusalClass, fold};
pub use plan::{Plan, PlannedSession, client_lines};
pub use progress::Progress;
pub use refusal::{AdmitCase, LockHolder, Owner, Refusal, refuse_locked};
pub use roll_back::{Back, Choice, NoWay, Wanted, choose, may_import};
pub use sinks::{SinkLook, SinkState};
pub use standbys::{count_unnamed, replication, unnamed_standbys};
pub use twins::{Lacks, lacks};
pub use verdict::{Verdict, verdict};
pub use way::Way;
pub use words::{describe_gate, seconds};
