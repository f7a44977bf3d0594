//! Reviews of what is done to an outgoing user: who is hit, what stays, and the way back.

use ratatui::text::Line;

use super::labels::Lines;
use crate::console::theme::{Role, Theme};
use crate::console::words;
use crate::model::{RetireStep, Stage};
use crate::operations::hand_over::{
    EndSessionReport, EndSessionStatus, RetireReport, RetireStatus,
};
use crate::rotation::client_lines;

/// The button that acts, in the word of the step.
pub(super) fn button(report: &RetireReport) -> &'static str {
    match report.step {
        Some(RetireStep::Lock) => " Lock it (y) ",
        Some(RetireStep::Scramble) => " Scramble it (y) ",
        Some(RetireStep::Unlock) => " Let it in (y) ",
        None => " Do it (y) ",
    }
}

/// What would be done to whom, and the way back.
pub(super) fn planned(theme: &Theme, report: &RetireReport, width: u16) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    // A password that leaked is not only locked out: nothing is waited for.
    let goes_on = report.compromised && report.step == Some(RetireStep::Lock);
    let step = match report.step {
        Some(RetireStep::Lock) => "lock",
        Some(RetireStep::Scramble) => "scramble",
        Some(RetireStep::Unlock) => "unlock",
        None => "nothing",
    };
    let stage = report.stage.map(|stage| format!(", which is {stage}"));
    let what = format!("{step} {}{}", report.user, stage.unwrap_or_default());
    lines.add("step", &what, Role::Title);
    lines.add_some("changes", report.statement.as_ref(), Role::Text);
    if goes_on {
        let words = "its password leaked: it is scrambled right after, and its sessions stay";
        lines.add("then", words, Role::Warn);
    }
    for (label, words) in client_lines(&report.sessions, &report.seen) {
        lines.add(label, &words, Role::Warn);
    }
    if report.sessions.is_empty() {
        let words = format!("nobody is connected as {}", report.user);
        lines.add("connected", &words, Role::Text);
    }
    if report.seen.is_empty() {
        lines.add("seen", "nobody while it was watched", Role::Text);
    }
    for waived in &report.waived {
        lines.add("waived", waived, Role::Danger);
    }
    for warning in &report.warnings {
        lines.add("warning", warning, Role::Warn);
    }
    let (back, role) = match report.step {
        Some(RetireStep::Lock) if goes_on => (GONE, Role::Danger),
        Some(RetireStep::Lock) => (
            "Z lets it in again, until its password is scrambled",
            Role::Ok,
        ),
        Some(RetireStep::Unlock) => ("L locks it again", Role::Ok),
        Some(RetireStep::Scramble) => (GONE, Role::Danger),
        None => return lines.done,
    };
    lines.add("way back", back, role);
    lines.done
}

const GONE: &str = "none: the next rotation gives it a new password";

/// Why there is nothing to agree to, or what was not done as agreed.
pub(super) fn closed(theme: &Theme, report: &RetireReport, width: u16) -> Vec<Line<'static>> {
    let user = &report.user;
    let code = report
        .error
        .as_ref()
        .map_or("", |error| error.code.as_str());
    let (words, role) = match (report.status, report.stage) {
        (RetireStatus::Waiting, _) => (format!("◔ {user} is locked"), Role::Info),
        (RetireStatus::Planned, _) => ("nothing was changed".to_owned(), Role::Text),
        (RetireStatus::Done, _) if report.error.is_some() => {
            (format!("▲ needs you: {code}"), Role::Danger)
        }
        (RetireStatus::Done, _) => (format!("● done: {user}"), Role::Ok),
        (RetireStatus::Nothing, Some(Stage::Scrambled)) => {
            (format!("● the password of {user} is scrambled"), Role::Ok)
        }
        (RetireStatus::Nothing, Some(Stage::Locked)) => {
            let words = format!("● {user} is locked, and its password is kept by the settings");
            (words, Role::Ok)
        }
        (RetireStatus::Nothing, _) => (format!("● {user} may log in"), Role::Ok),
        (RetireStatus::Refused, _) => (format!("■ refused: {code}"), Role::Danger),
        (RetireStatus::Undone, _) => {
            let words = format!("■ taken back: {user} may log in again");
            (words, Role::Warn)
        }
        (RetireStatus::Parked | RetireStatus::Due, _) => {
            (format!("▲ needs you: {code}"), Role::Danger)
        }
        (RetireStatus::Unreachable, _) => ("? no answer".to_owned(), Role::Warn),
    };
    let mut lines = Lines::new(theme, width);
    lines.head(words, role);
    if report.status == RetireStatus::Waiting {
        let left = words::span(report.listen_seconds.unwrap_or(0));
        let words = format!("refused logins are listened for, {left} more; then L scrambles it");
        lines.add("listens", &words, Role::Text);
        lines.add("way back", "Z lets it in again", Role::Ok);
    }
    for (label, words) in client_lines(&report.sessions, &report.seen) {
        lines.add(label, &words, Role::Warn);
    }
    for warning in &report.warnings {
        lines.add("warning", warning, Role::Warn);
    }
    lines.error(report.error.as_ref());
    let error = report.error.as_ref();
    if error.is_some_and(|error| error.remedy.contains(WAIVER)) {
        // A reason is written there, and stands in the audit log.
        let words = format!(
            "by command line alone: handover retire {} {} {WAIVER} \"REASON\"",
            report.environment, report.path
        );
        lines.add("waiver", &words, Role::Muted);
    }
    lines.done
}

const WAIVER: &str = "--waive-drain";

/// The session that would be ended.
pub(super) fn session(theme: &Theme, report: &EndSessionReport, width: u16) -> Vec<Line<'static>> {
    let mut lines = Lines::new(theme, width);
    let Some(session) = &report.session else {
        return lines.done;
    };
    let application = match session.application.as_str() {
        "" => "no application name".to_owned(),
        name => format!("\"{name}\""),
    };
    let client = session.client.as_ref();
    let client = client.map_or("local".to_owned(), |client| format!("from {client}"));
    let what = format!("{} on {}", session.pid, session.node);
    lines.add("session", &what, Role::Title);
    lines.add("who", &format!("{application}, {client}"), Role::Warn);
    if let (Some(user), Some(path)) = (&report.user, &report.path) {
        let words = format!("{user}, the outgoing user of {path}");
        lines.add("user", &words, Role::Text);
    }
    if let Some(since) = session.since {
        let since = since.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        lines.add("since", &since, Role::Text);
    }
    let words = "its transaction is rolled back; its client may log in again, unless it is locked";
    lines.add("changes", words, Role::Text);
    lines.add("stays", "every other session", Role::Ok);
    lines.add(
        "way back",
        "none: a session that was ended is gone",
        Role::Danger,
    );
    lines.done
}

/// Why a session cannot be ended, or was not.
pub(super) fn not_ended(
    theme: &Theme,
    report: &EndSessionReport,
    width: u16,
) -> Vec<Line<'static>> {
    let code = report
        .error
        .as_ref()
        .map_or("", |error| error.code.as_str());
    let (words, role) = match report.status {
        EndSessionStatus::Gone => ("● it is gone".to_owned(), Role::Ok),
        EndSessionStatus::Planned | EndSessionStatus::Done => ("● done".to_owned(), Role::Ok),
        EndSessionStatus::Refused => (format!("■ refused: {code}"), Role::Danger),
        EndSessionStatus::Parked => (format!("▲ needs you: {code}"), Role::Danger),
        EndSessionStatus::Unreachable => ("? no answer".to_owned(), Role::Warn),
    };
    let mut lines = Lines::new(theme, width);
    lines.head(words, role);
    lines.error(report.error.as_ref());
    lines.done
}
