//! `handover env set` and `handover env rm`.

use std::io::{IsTerminal, Read};

use zeroize::Zeroizing;

use super::arguments::{EnvRemoveArguments, EnvSetArguments};
use super::ask;
use super::output::Printer;
use super::style::Role;
use crate::document::Fragment;
use crate::operations::hand_over::Confirmation;
use crate::operations::{
    Exit, Failure, NewValue, RemovalPlan, SetRequest, Workspace, plan_removal, remove_environment,
    set_value,
};
use crate::secret::Secret;

/// What the arguments and standard input say.
pub(super) fn request(arguments: EnvSetArguments) -> Result<SetRequest, Failure> {
    let value = match arguments.value {
        Some(text) if arguments.string => Fragment::String(text),
        Some(text) => Fragment::from_plain(&text),
        None => {
            return Ok(SetRequest {
                name: arguments.environment,
                path: arguments.path,
                value: NewValue::Secret(read_secret()?),
            });
        }
    };
    Ok(SetRequest {
        name: arguments.environment,
        path: arguments.path,
        value: NewValue::Plain {
            value,
            plaintext: arguments.plaintext,
        },
    })
}

/// From standard input, or from a prompt that shows nothing.
fn read_secret() -> Result<Secret, Failure> {
    if std::io::stdin().is_terminal() {
        return prompt_for_secret();
    }
    let unreadable = |error: std::io::Error| {
        Failure::new(
            "cannot-read",
            Exit::Error,
            format!("standard input: {error}"),
            "pipe the value into the command",
        )
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::new(
            "not-utf-8",
            Exit::Error,
            "standard input is not UTF-8",
            "encode the value, for example in base64",
        )
    })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    not_empty(Secret::new(text.to_owned()))
}

fn prompt_for_secret() -> Result<Secret, Failure> {
    let cancelled = || {
        Failure::new(
            "no-value",
            Exit::Refused,
            "no value was given",
            "try again, or pipe the value into the command",
        )
    };
    let asked = |question| ask::hidden(question).ok().flatten().ok_or_else(cancelled);
    let first = not_empty(asked("Value")?)?;
    if asked("The same again")? != first {
        return Err(Failure::new(
            "values-differ",
            Exit::Refused,
            "the two values are not the same",
            "try again",
        ));
    }
    Ok(first)
}

fn not_empty(secret: Secret) -> Result<Secret, Failure> {
    if secret.expose().is_empty() {
        return Err(Failure::new(
            "no-value",
            Exit::Usage,
            "there is no value to seal",
            "pipe the value into the command: … | handover env set ENV PATH --secret",
        ));
    }
    Ok(secret)
}

pub(super) async fn set(
    workspace: &Workspace,
    request: SetRequest,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = set_value(workspace, request).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    if !report.changed {
        printer.line(&format!(
            "{} {} says so already, in revision {}",
            printer.style.paint(Role::Ok, "✓ unchanged"),
            report.path,
            report.revision
        ));
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} {} of {} in revision {}{}",
        printer.style.paint(Role::Ok, "✓ set"),
        report.path,
        report.environment,
        report.revision,
        if report.sealed { ", sealed" } else { "" }
    ));
    Ok(Exit::Done)
}

pub(super) async fn remove(
    workspace: &Workspace,
    arguments: EnvRemoveArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let name = arguments.environment;
    let mut confirmation = ask::from_options(arguments.yes, arguments.confirm.as_ref());
    if confirmation == Confirmation::None && ask::can_ask(printer) {
        let plan = plan_removal(workspace, name.clone()).await?;
        for line in plan_lines(&plan) {
            printer.note(&line);
        }
        let text = name.to_string();
        let typed = plan.needs_name.then_some(text.as_str());
        confirmation = ask::ask("Remove it now?", typed);
    }
    let removed = remove_environment(workspace, name, &confirmation).await?;
    if printer.is_json() {
        printer.json(&removed);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} {}; its secrets can no longer be opened, except from a backup",
        printer.style.paint(Role::Ok, "✓ removed"),
        removed.environment
    ));
    for line in still_valid_lines(&removed) {
        printer.line(&line);
    }
    Ok(Exit::Done)
}

fn plan_lines(plan: &RemovalPlan) -> Vec<String> {
    let mut lines = vec![format!(
        "removes    {} with {} revisions; its secrets can then never be opened again",
        plan.environment, plan.revisions
    )];
    lines.extend(still_valid_lines(plan));
    lines
}

fn still_valid_lines(plan: &RemovalPlan) -> Vec<String> {
    plan.still_valid
        .iter()
        .map(|secret| {
            format!(
                "stays      {} ({}) stay valid in the database",
                secret.users.join(" and "),
                secret.path
            )
        })
        .collect()
}
