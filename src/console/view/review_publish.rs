//! The review of writing the files of an environment: which ones get what, and which one stays as
//! it is, with the command that would overwrite it.

use ratatui::text::Line;

use super::files;
use super::labels::Lines;
use crate::console::theme::{Role, Theme};
use crate::operations::hand_over::{PublishReport, PublishStatus};
use crate::rotation::SinkState;

/// What would be written where.
pub(super) fn planned(theme: &Theme, report: &PublishReport, width: u16) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    let words = format!("the newest one, {}, in every file below", report.revision);
    lines.add("revision", &words, Role::Title);
    lines
        .done
        .extend(files::reported(theme, &report.sinks, width));
    overwriting(&mut lines, report);
    let words = "change a database or a revision; overwrite what handover did not write";
    lines.add("won't", words, Role::Muted);
    lines.done
}

/// Why nothing is to be done, or what was not done as agreed.
pub(super) fn closed(theme: &Theme, report: &PublishReport, width: u16) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    let code = report.error.as_ref().map_or("", |error| &error.code);
    let (words, role) = match report.status {
        PublishStatus::Planned | PublishStatus::Done => {
            let words = format!("● every file has revision {}", report.revision);
            (words, Role::Ok)
        }
        PublishStatus::Partial => (
            format!("✗ not every file was written: {code}"),
            Role::Danger,
        ),
        PublishStatus::Refused => (format!("■ refused: {code}"), Role::Danger),
        PublishStatus::Parked => (format!("▲ needs you: {code}"), Role::Danger),
    };
    lines.head(words, role);
    lines
        .done
        .extend(files::reported(theme, &report.sinks, width));
    let told = report.sinks.iter().any(|sink| sink.error == report.error);
    lines.error(report.error.as_ref().filter(|_| !told));
    overwriting(&mut lines, report);
    lines.done
}

/// What somebody else wrote is overwritten by the command line alone, where the file is named.
fn overwriting(lines: &mut Lines<'_>, report: &PublishReport) {
    let foreign = report.sinks.iter();
    for sink in foreign.filter(|sink| sink.state == SinkState::Foreign) {
        let words = format!(
            "by command line alone: handover publish {} --overwrite {}",
            report.environment, sink.file
        );
        lines.add("overwrite", &words, Role::Muted);
    }
}
