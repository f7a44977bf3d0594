//! `handover env …`.

use serde_json::json;
use zeroize::Zeroizing;

use super::arguments::{
    EnvGetArguments, EnvInitArguments, EnvNameArguments, EnvPathArguments, SettingsSetArguments,
};
use super::output::Printer;
use super::style::Role;
use super::{source, table};
use crate::environment::{Layout, ValueKind};
use crate::operations::{
    Exit, Failure, InitRequest, Workspace, environment_history, get_environment, init_environment,
    list_environments, open_environment,
};

pub(super) async fn init(
    workspace: &Workspace,
    arguments: EnvInitArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let settings = arguments
        .settings
        .as_deref()
        .map(source::read)
        .transpose()?;
    let request = InitRequest {
        name: arguments.environment,
        document: source::read(&arguments.file)?,
        settings,
    };
    let report = init_environment(workspace, request).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    warn(printer, &report.warnings);
    printer.line(&format!(
        "{} {} revision {}: {} sealed, rotated secrets: {}",
        printer.style.paint(Role::Ok, "✓ made"),
        report.environment,
        report.revision,
        match report.sealed {
            1 => "1 secret".to_owned(),
            count => format!("{count} secrets"),
        },
        match report.rotated.is_empty() {
            true => "none".to_owned(),
            false => report.rotated.join(", "),
        }
    ));
    if report.sealed > 0 && arguments.file != std::path::Path::new("-") {
        printer.line(&format!(
            "The plaintext is still in {}: remove it when it is no longer needed.",
            arguments.file.display()
        ));
    }
    Ok(Exit::Done)
}

pub(super) async fn list(workspace: &Workspace, printer: &Printer) -> Result<Exit, Failure> {
    let environments = list_environments(workspace).await?;
    if printer.is_json() {
        printer.json(&json!({"environments": environments}));
        return Ok(Exit::Done);
    }
    if environments.is_empty() {
        printer
            .line("There is no environment yet. Make one: handover env init PROJECT/NAME -f FILE");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = environments
        .into_iter()
        .map(|environment| {
            vec![
                environment.environment.to_string(),
                environment.revision.to_string(),
                environment
                    .changed_at
                    .map(|time| time.format("%Y-%m-%d %H:%M UTC").to_string())
                    .unwrap_or_default(),
                environment.rotated.join(", "),
            ]
        })
        .collect();
    printer.line(&table::table(
        &["ENVIRONMENT", "REVISION", "CHANGED", "ROTATED SECRETS"],
        &rows,
    ));
    Ok(Exit::Done)
}

pub(super) async fn get(
    workspace: &Workspace,
    arguments: EnvGetArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let definition = get_environment(
        workspace,
        arguments.environment,
        arguments.path,
        arguments.show_secrets,
    )
    .await?;
    warn(printer, &definition.warnings);
    if printer.is_json() {
        printer.json(&json!({
            "environment": definition.environment,
            "revision": definition.revision,
            "definition": definition.text.as_str(),
        }));
        return Ok(Exit::Done);
    }
    printer.text(&definition.text);
    if !definition.text.ends_with('\n') {
        printer.text("\n");
    }
    Ok(Exit::Done)
}

/// JSON in both forms, as Pulumi ESC prints it; a single string is printed bare for
/// people and scripts, and quoted with `--output json`.
pub(super) async fn open(
    workspace: &Workspace,
    arguments: EnvPathArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let opened = open_environment(workspace, arguments.environment, arguments.path).await?;
    warn(printer, &opened.warnings);
    let mut text = Zeroizing::new(String::new());
    match &opened.value.kind {
        ValueKind::String(plain) if !printer.is_json() => text.push_str(plain.expose()),
        _ => {
            let layout = match printer.is_json() {
                true => Layout::Compact,
                false => Layout::Pretty,
            };
            opened.value.write_json(&mut text, true, layout);
        }
    }
    text.push('\n');
    printer.text(&text);
    Ok(Exit::Done)
}

pub(super) async fn history(
    workspace: &Workspace,
    arguments: EnvNameArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let history = environment_history(workspace, arguments.environment).await?;
    if printer.is_json() {
        printer.json(&history);
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = history
        .revisions
        .into_iter()
        .map(|revision| {
            vec![
                revision.revision.to_string(),
                revision
                    .created_at
                    .format("%Y-%m-%d %H:%M:%S UTC")
                    .to_string(),
                revision.cause,
                revision
                    .rotation
                    .map(|rotation| rotation.to_string())
                    .unwrap_or_default(),
                revision.author,
                revision
                    .reason
                    .map(|reason| {
                        crate::untrusted::Untrusted::new(&reason)
                            .as_str()
                            .to_owned()
                    })
                    .unwrap_or_default(),
            ]
        })
        .collect();
    let head = ["REVISION", "WHEN", "CAUSE", "ROTATION", "BY", "REASON"];
    printer.line(&table::table(&head, &rows));
    Ok(Exit::Done)
}

pub(super) async fn get_settings(
    workspace: &Workspace,
    arguments: EnvNameArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = crate::operations::get_settings(workspace, arguments.environment).await?;
    if printer.is_json() {
        printer.json(&report);
    } else if report.settings.trim().is_empty() {
        printer.note("No settings were given: the defaults hold.");
    } else {
        printer.text(&report.settings);
    }
    Ok(Exit::Done)
}

pub(super) async fn set_settings(
    workspace: &Workspace,
    arguments: SettingsSetArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let file = source::read(&arguments.file)?;
    let report = crate::operations::set_settings(workspace, arguments.environment, file).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} settings of {} in revision {}",
        printer.style.paint(Role::Ok, "✓ changed"),
        report.environment,
        report.revision
    ));
    Ok(Exit::Done)
}

fn warn(printer: &Printer, warnings: &[String]) {
    for warning in warnings {
        let word = printer.error_style.paint(Role::Warn, "warning:");
        printer.note(&format!("{word} {warning}"));
    }
}
