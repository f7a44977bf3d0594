//! Use cases, one file each: a request in, a report out, progress on a channel.
//!
//! None of them calls another, and none knows of a terminal. Rotating, recovering
//! and parking are one driver with an intent, in [`hand_over`].

mod audit;
mod environment_init;
mod environment_read;
mod failure;
pub mod hand_over;
mod key_init;
mod loading;
mod settings;
mod status;
mod workspace;

pub use crate::store::AuditEntry;
pub use audit::{AuditListing, list_audit, verify_audit};
pub use environment_init::{
    InitReport, InitRequest, SourceFile, init_environment, init_environment_as_of,
};
pub use environment_read::{
    Definition, EnvironmentSummary, History, OpenedValue, environment_history, get_environment,
    list_environments, open_environment,
};
pub use failure::{Exit, Failure, SourceOfTruth};
pub use key_init::{KeyInitReport, init_key_file};
pub use settings::{SettingsReport, get_settings, set_settings};
pub use status::{EnvironmentStatus, PathStatus, Status, read_status};
pub use workspace::Workspace;
