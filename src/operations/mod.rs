//! Use cases, one file each: a request in, a report out, progress on a channel.
//!
//! None of them calls another, and none knows of a terminal. Rotating, recovering
//! and parking are one driver with an intent, in [`hand_over`].

mod audit;
mod doctor;
pub mod drain;
mod environment_init;
mod environment_read;
mod environment_remove;
mod environment_rollback;
mod environment_run;
mod environment_set;
mod failure;
pub mod hand_over;
mod key_init;
mod key_list;
mod key_rotate;
mod loading;
mod notices;
mod outbox;
mod ownership;
mod patients;
mod place;
mod rotation_report;
mod schedules;
mod server_accept;
mod settings;
mod sinks;
mod slot_source;
mod status;
mod store_backup;
mod store_restore;
mod verification;
mod workspace;

pub use crate::store::outbox::Which;
pub use crate::store::{
    AgentRow, AuditEntry, Backlog, Delivery, DeliveryState, Freeze, RevisionSummary, RunProblem,
};
pub use audit::{AuditListing, list_audit, verify_audit};
pub use doctor::{Diagnosis, EnvironmentDiagnosis, PathDiagnosis, diagnose};
pub use environment_init::{
    InitReport, InitRequest, SourceFile, init_environment, init_environment_as_of,
};
pub use environment_read::{
    Definition, EnvironmentSummary, History, OpenedValue, environment_history, get_environment,
    list_environments, open_environment,
};
pub use environment_remove::{RemovalPlan, StillValid, plan_removal, remove_environment};
pub use environment_rollback::{
    Difference, DifferenceKind, DocumentRollback, DocumentRollbackReport, DocumentRollbackStatus,
    KeptState, plan_document_rollback, roll_back_document,
};
pub use environment_run::{ChangeWatch, Given, NamedText, read_given};
pub use environment_set::{NewValue, SetReport, SetRequest, set_value};
pub use failure::{Exit, Failure, SourceOfTruth};
pub use key_init::{KeyInitReport, init_key};
pub use key_list::{KeyListing, SlotSummary, list_keys};
pub use key_rotate::{KeyRotateReport, rotate_key};
pub use outbox::{
    OutboxListing, WebhookAnswer, WebhookTest, deliver_at_the_end, deliver_due, is_due,
    list_outbox, newest_notice, retry_outbox, test_webhooks,
};
pub use rotation_report::{
    AuditStory, Gap, OverlapStory, Page, Part, PathStory, RotationReport, Told, report_rotation,
};
pub use schedules::{
    FreezeReview, MissedTurn, NewSchedule, Pause, PausedView, RunView, ScheduleEdit,
    ScheduleListing, ScheduleReview, ScheduleView, Taken, Turn, TurnEnd, act_on_turn,
    current_freeze, freeze, list_schedules, note_turn, pause_schedule, plan_freeze, plan_pause,
    plan_schedule, plan_unfreeze, reconsider_schedules, resume_schedule, servers_of, set_schedule,
    take_turn, unfreeze,
};
pub use server_accept::{PathServer, ServerReview, ServerStatus, accept_server, review_server};
pub use settings::{SettingsReport, get_settings, set_settings};
pub use status::{EnvironmentStatus, OverlapStatus, PathStatus, SinkStatus, Status, read_status};
pub use store_backup::{BackupReport, back_up_store};
pub use store_restore::{RestoreReport, restore_store};
pub use verification::{ToVerify, Verified, next_to_verify, verify_and_note};
pub use workspace::Workspace;
