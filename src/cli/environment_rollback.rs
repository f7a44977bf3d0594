//! `handover env rollback`.

use super::arguments::EnvRollbackArguments;
use super::ask;
use super::output::Printer;
use super::style::Role;
use crate::operations::hand_over::Confirmation;
use crate::operations::{
    Difference, DifferenceKind, DocumentRollback, DocumentRollbackReport, Exit, Failure, Workspace,
    plan_document_rollback, roll_back_document,
};
use crate::untrusted::Untrusted;

pub(super) async fn run(
    workspace: &Workspace,
    arguments: EnvRollbackArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let request = DocumentRollback {
        name: arguments.environment,
        revision: arguments.revision,
        settings: arguments.settings,
        reason: arguments.reason,
    };
    if arguments.plan {
        let plan = plan_document_rollback(workspace, &request).await?;
        if printer.is_json() {
            printer.json(&plan);
        } else {
            printer.ending(&plan_lines(&plan), true);
        }
        return Ok(Exit::Done);
    }
    let mut confirmation = ask::from_options(arguments.yes, arguments.confirm.as_ref());
    if confirmation == Confirmation::None && ask::can_ask(printer) {
        let plan = plan_document_rollback(workspace, &request).await?;
        for line in plan_lines(&plan) {
            printer.note(&line);
        }
        let name = plan.environment.to_string();
        let typed = plan.protected.then_some(name.as_str());
        confirmation = ask::ask("Restore it now?", typed);
    }
    let done = roll_back_document(workspace, &request, &confirmation).await?;
    if printer.is_json() {
        printer.json(&done);
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{} {} has the document of revision {} in revision {}; {} rotated secrets keep their state",
        printer.style.paint(Role::Ok, "✓ restored"),
        done.environment,
        done.restored,
        done.revision.unwrap_or_default(),
        done.kept.len()
    ));
    Ok(Exit::Done)
}

fn plan_lines(plan: &DocumentRollbackReport) -> Vec<String> {
    let mut lines = vec![format!(
        "restores   the document of revision {} of {}, over revision {}",
        plan.restored, plan.environment, plan.head
    )];
    lines.extend(plan.differences.iter().map(difference_line));
    if plan.differences.is_empty() {
        lines.push("changes    no value, only comments or layout".to_owned());
    }
    let kept = plan.kept.iter();
    lines.extend(kept.map(|kept| format!("keeps      the state of {}: {}", kept.path, kept.words)));
    lines.push(match plan.settings_restored {
        true => format!("settings   come back as in revision {}", plan.restored),
        false => "settings   stay as they are now".to_owned(),
    });
    lines.push(String::new());
    let diff = plan.diff.lines();
    lines.extend(diff.map(|line| Untrusted::new(line).as_str().to_owned()));
    lines
}

fn difference_line(difference: &Difference) -> String {
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let (before, after) = (value(&difference.before), value(&difference.after));
    let path = Untrusted::new(&difference.path);
    match difference.change {
        DifferenceKind::Set => format!("sets       {path}: {after}"),
        DifferenceKind::Removed => format!("removes    {path} (is {before})"),
        DifferenceKind::Changed => format!("changes    {path}: {before} → {after}"),
    }
}
