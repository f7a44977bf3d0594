//! `handover outbox …`, and the attempt at the end of every other command.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::arguments::{Meant, OutboxListArguments, OutboxRetryArguments};
use super::output::Printer;
use super::style::Role;
use super::table;
use crate::operations::{
    Delivery, DeliveryState, Exit, Failure, OutboxListing, Which, Workspace, deliver_at_the_end,
    list_outbox, newest_notice, retry_outbox,
};
use crate::process::KeyAccess;
use crate::store::Access;
use crate::untrusted::Untrusted;

/// The workspace that a command has opened, and the newest notice then: those that came while it
/// ran are tried at its end.
#[derive(Default)]
pub(super) struct Opened(Mutex<Option<(Workspace, i64)>>);

impl Opened {
    /// Opens a workspace and remembers it.
    ///
    /// # Errors
    /// As for [`Workspace::open`].
    pub(super) async fn open(
        &self,
        folder: &Path,
        keys: &KeyAccess,
        access: Access,
    ) -> Result<Workspace, Failure> {
        let workspace = Workspace::open(folder, keys, access).await?;
        let newest = newest_notice(&workspace).await;
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = Some((workspace.share(), newest));
        Ok(workspace)
    }

    /// Tries once what has come, and says in one line what is not delivered yet. How the command
    /// ends is not changed by it.
    pub(super) async fn deliver(self, printer: &Printer) {
        let opened = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some((workspace, newest)) = opened else {
            return;
        };
        if let Some(words) = deliver_at_the_end(&workspace, newest).await {
            let note = printer.error_style.paint(Role::Warn, "notices:");
            printer.note(&format!("{note} {words}"));
        }
    }
}

pub(super) async fn list(
    workspace: &Workspace,
    arguments: OutboxListArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut listing = list_outbox(workspace, arguments.environment).await?;
    let all = arguments.all;
    listing
        .deliveries
        .retain(|one| all || one.state != DeliveryState::Delivered);
    print(
        &listing,
        printer,
        "Nothing waits, and nothing was given up.",
    );
    Ok(Exit::Done)
}

pub(super) async fn retry(
    workspace: &Workspace,
    arguments: OutboxRetryArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let which = match arguments.which {
        None => Which::default(),
        Some(Meant::Environment(name)) => Which {
            environment: Some(name),
            id: None,
        },
        Some(Meant::Notice(id)) => Which {
            environment: None,
            id: Some(id),
        },
    };
    let listing = retry_outbox(workspace, which).await?;
    print(&listing, printer, "Nothing is left to be delivered.");
    let delivered = listing.deliveries.iter();
    let delivered = delivered.filter(|one| one.state == DeliveryState::Delivered);
    Ok(end(delivered.count(), listing.deliveries.len()))
}

/// How a command ends that was to reach all of them.
pub(super) fn end(reached: usize, all: usize) -> Exit {
    match reached {
        reached if reached == all => Exit::Done,
        0 => Exit::Error,
        _ => Exit::Partial,
    }
}

fn print(listing: &OutboxListing, printer: &Printer, nothing: &str) {
    if printer.is_json() {
        printer.json(listing);
        return;
    }
    if listing.deliveries.is_empty() {
        printer.line(nothing);
        return;
    }
    let rows: Vec<Vec<String>> = listing.deliveries.iter().map(row).collect();
    let head = [
        "NOTICE",
        "ENVIRONMENT",
        "KIND",
        "MADE",
        "STATE",
        "TRIED",
        "NEXT",
        "WEBHOOK",
        "ANSWER",
    ];
    printer.line(&table::table(&head, &rows));
}

fn row(delivery: &Delivery) -> Vec<String> {
    let next = delivery.next_try_at;
    let next = next.map(|at| at.format("%H:%M:%S UTC").to_string());
    vec![
        delivery.id.clone(),
        delivery.environment.to_string(),
        delivery.kind.clone(),
        delivery.made_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        delivery.state.as_str().to_owned(),
        delivery.attempts.to_string(),
        next.unwrap_or_else(|| "-".to_owned()),
        Untrusted::new(&delivery.webhook).as_str().to_owned(),
        delivery.answer.clone().unwrap_or_default(),
    ]
}
