//! The nouns that all rooms share: names, users, steps, login outcomes, sessions.
//!
//! Nothing here performs IO or decides anything.

mod civil;
mod credential;
mod engine;
mod gate;
mod names;
mod node;
mod notice;
mod overlap;
mod owners;
mod sample;
mod schedule;
mod server;
pub mod settings;
mod slot;
mod steps;
mod twins;

pub use civil::{Civil, resolve};
pub use credential::{Credential, RotatedState, RotationInputs, UserName, UserNameError};
pub use engine::{AccountId, Engine, Flavour, Terms};
pub use gate::{Gate, Shut, Viewer};
pub use names::{EnvironmentName, NameError, RotationId};
pub use node::{Address, Node, NodeError};
pub use notice::{KindPattern, NoticeKind, Webhook};
pub use overlap::{NodeTime, Overlap, RetireStep, Stage};
pub use owners::OwnerNote;
pub use sample::{AccountSample, CounterSource, LoginCounter, ObservedSession, Sample, SeenClient};
pub use schedule::{
    CronExpression, CronFault, MissedRule, Paused, Recurrence, Schedule, civil_time, time_zone,
};
pub use server::{
    AccountRow, Barrier, DatabaseFault, LoginOutcome, ManagingFacts, OwnSession, RoleFacts,
    RoleRemedies, ServerIdentity, Session, SessionKind, SessionView, Standby, Unfit, UnknownCause,
};
pub use slot::SlotState;
pub use steps::Step;
pub use twins::{Capacity, Difference, DifferenceKind, Twin, TwinFacts, TwinRoles};
