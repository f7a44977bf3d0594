//! `handover webhook test`.

use super::arguments::WebhookTestArguments;
use super::outbox;
use super::output::Printer;
use super::style::Role;
use crate::operations::{Exit, Failure, Workspace, test_webhooks};
use crate::untrusted::Untrusted;

pub(super) async fn test(
    workspace: &Workspace,
    arguments: WebhookTestArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = test_webhooks(workspace, arguments.environment).await?;
    let taken = report.webhooks.iter().filter(|one| one.is_delivered);
    let exit = outbox::end(taken.count(), report.webhooks.len());
    if printer.is_json() {
        printer.json(&report);
        return Ok(exit);
    }
    for one in &report.webhooks {
        let (role, words) = match one.is_delivered {
            true => (Role::Ok, "✓ delivered"),
            false => (Role::Warn, "■ not delivered"),
        };
        printer.line(&format!(
            "{}  {}: {}",
            printer.style.paint(role, words),
            Untrusted::new(&one.url),
            one.answer
        ));
    }
    Ok(exit)
}
