//! The nouns that all rooms share: names, users, steps, login outcomes, sessions.
//!
//! Nothing here performs IO or decides anything.

mod credential;
mod gate;
mod names;
mod server;
pub mod settings;
mod steps;
mod twins;

pub use credential::{Credential, Engine, RotatedState, RotationInputs, UserName, UserNameError};
pub use gate::{Gate, Shut};
pub use names::{EnvironmentName, NameError, RotationId};
pub use server::{
    Barrier, DatabaseFault, LoginOutcome, ManagingFacts, Node, NodeError, OwnSession, RoleFacts,
    RoleRemedies, ServerIdentity, Session, SessionKind, SessionView, Standby, UnknownCause,
};
pub use steps::Step;
pub use twins::{Capacity, Difference, DifferenceKind, Twin, TwinFacts, TwinRoles};
