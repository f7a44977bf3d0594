//! How a step of a retirement ends that was not done.

use super::execute::Way;
use super::report::{RetireReport, RetireStatus};
use crate::database::ChangeOutcome;
use crate::model::Gate;
use crate::operations::Exit;
use crate::rotation::describe_gate;
use crate::untrusted::Untrusted;

impl Way<'_> {
    /// Nothing was sent: the lock on the user was not to be had.
    pub(super) fn not_sent(mut self, refusal: ChangeOutcome) -> RetireReport {
        let (code, message) = match refusal {
            ChangeOutcome::Refused { code, message, .. } => (code, message),
            ChangeOutcome::Unknown { message } => ("no-answer".to_owned(), message),
            ChangeOutcome::Confirmed | ChangeOutcome::AppliedLocally { .. } => {
                ("no-answer".to_owned(), Untrusted::new("no lock"))
            }
        };
        self.report.status = RetireStatus::Refused;
        self.report.exit = Exit::Refused;
        self.report.with_error(
            "not-begun",
            format!("the server did not let the change begin: {message} ({code})"),
            "try again".to_owned(),
        )
    }

    pub(super) fn refused_by_server(mut self, code: &str, message: &Untrusted) -> RetireReport {
        self.report.status = RetireStatus::Refused;
        self.report.exit = Exit::Refused;
        let environment = &self.request.environment;
        let remedy = format!("handover doctor {environment}");
        self.report.with_error(
            "refused",
            format!("the server refused it: {message} ({code})"),
            remedy,
        )
    }

    pub(super) fn shut_after_all(mut self, gate: &Gate) -> RetireReport {
        self.report.status = RetireStatus::Refused;
        self.report.exit = Exit::Refused;
        let words = describe_gate(gate, self.subject.engine);
        let user = self.report.user.clone();
        self.report.with_error(
            "not-drained",
            format!("{user} would be locked, and it is not drained: {words}"),
            "wait, or sign a waiver with --waive-drain \"REASON\"".to_owned(),
        )
    }

    pub(super) fn report_unknown(mut self, words: &str) -> RetireReport {
        self.report.status = RetireStatus::Parked;
        self.report.exit = Exit::NeedsHuman;
        let undo = match self.request.undo {
            true => " --undo",
            false => "",
        };
        let remedy = format!(
            "the same again finds out and finishes it: handover retire {} {}{undo}",
            self.request.environment, self.request.path
        );
        self.report.with_error(
            "outcome-unknown",
            format!("whether it was done is not known: {words}"),
            remedy,
        )
    }
}
