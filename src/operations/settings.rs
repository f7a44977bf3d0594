//! `env settings get` and `env settings set`.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;

use super::environment_init::{check_setting_paths, read_setting_files};
use super::loading::{Head, parse_settings};
use super::workspace::timestamp;
use super::{Failure, SourceFile, SourceOfTruth, Workspace, schedules, sinks};
use crate::model::EnvironmentName;
use crate::store::{NewRevision, revisions};

/// The settings of an environment.
#[derive(Debug, serde::Serialize)]
pub struct SettingsReport {
    /// Which environment.
    pub environment: EnvironmentName,
    /// The revision that holds them.
    pub revision: u64,
    /// Their text; empty when none were given.
    pub settings: String,
}

/// Reads the settings.
///
/// # Errors
/// No such environment, or the store's own.
pub async fn get_settings(
    workspace: &Workspace,
    name: EnvironmentName,
) -> Result<SettingsReport, Failure> {
    workspace
        .store
        .read(move |transaction| {
            let head = Head::load(transaction, &name)?;
            Ok(SettingsReport {
                environment: name,
                revision: head.row.head,
                settings: head.revision.settings,
            })
        })
        .await
}

/// Replaces the settings by a new revision; the document stays as it is.
///
/// # Errors
/// Findings with their places when the settings are at fault, no such environment,
/// or the store's own.
pub async fn set_settings(
    workspace: &Workspace,
    name: EnvironmentName,
    file: SourceFile,
) -> Result<SettingsReport, Failure> {
    let settings = parse_settings(&file.name, &file.text)?;
    let files = read_setting_files(&settings, &file)?;
    let master = Arc::clone(&workspace.master);
    let requester = workspace.requester.clone();
    workspace
        .store
        .write(move |transaction| {
            let head = Head::load(transaction, &name)?;
            check_setting_paths(&settings, &head.environment, &file.name, &file.text)?;
            let revision = NewRevision {
                document: &head.revision.document,
                settings: &file.text,
                files: &files,
                cause: "settings",
                author: &requester,
                reason: None,
                rotation: None,
                now: &timestamp(),
            };
            let number = revisions::add(transaction, &head.row.id, &revision)?;
            let truth = SourceOfTruth {
                name: file.name.clone(),
                text: file.text.as_str().to_owned(),
            };
            sinks::follow(transaction, &master, &name, truth.clone())?;
            schedules::follow(transaction, &name, truth, Utc::now())?;
            let detail = json!({"revision": number});
            let action = "settings.changed";
            Workspace::audit(
                &master,
                transaction,
                &requester,
                action,
                Some(&name),
                detail,
            )?;
            Ok(SettingsReport {
                environment: name,
                revision: number,
                settings: file.text.as_str().to_owned(),
            })
        })
        .await
}
