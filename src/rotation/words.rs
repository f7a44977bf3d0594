//! Facts in words, for refusals and plans.

use std::time::Duration;

use crate::model::{Engine, Gate, Session, Shut, UserName, Viewer};
use crate::untrusted::Untrusted;

/// The gate in words; empty when it is open.
#[must_use]
pub fn describe_gate(gate: &Gate, engine: Engine) -> String {
    match gate {
        Gate::Open => String::new(),
        Gate::Shut(reasons) => {
            let texts: Vec<String> = reasons
                .iter()
                .map(|reason| describe(reason, engine))
                .collect();
            texts.join("; ")
        }
    }
}

/// One reason in words.
pub(super) fn describe(reason: &Shut, engine: Engine) -> String {
    match reason {
        Shut::Sessions(sessions) => {
            let shown = sessions.iter().take(5);
            let shown: Vec<String> = shown
                .map(|session| describe_session(session, engine))
                .collect();
            let more = match sessions.len() {
                count if count > 5 => format!(" and {} more", count - 5),
                _ => String::new(),
            };
            format!(
                "{} connected: {}{more}",
                plural(sessions.len(), "session is", "sessions are"),
                shown.join(", ")
            )
        }
        Shut::MaskedView { viewer, .. } => masked(viewer),
        Shut::UnseenStandbys(standbys) => {
            let names: Vec<&str> = standbys.iter().map(Untrusted::as_str).collect();
            let standby = engine.terms().standby;
            format!(
                "{} not named in the settings, so who is there is not seen: {}",
                plural(
                    standbys.len(),
                    &format!("{standby} is"),
                    &format!("{standby}s are")
                ),
                names.join(", ")
            )
        }
        Shut::NotDrained { why, .. } => why.clone(),
        Shut::Propagating { until, remaining } => format!(
            "consumers may still read it: `propagation` has not passed since the last promote; \
             until {} ({} left)",
            until.format("%Y-%m-%d %H:%M:%S UTC"),
            seconds(*remaining)
        ),
    }
}

/// Who looks and does not see everything.
fn masked(viewer: &Viewer) -> String {
    match viewer {
        Viewer::Managing => {
            "the managing user does not see all of its sessions, so none seen means nothing"
                .to_owned()
        }
        Viewer::Monitor { user, problem } => {
            let user = user.as_ref().map(|user| format!(" {user}"));
            let user = user.unwrap_or_default();
            match problem {
                None => format!(
                    "the monitoring user{user} does not see all of its sessions, so none seen \
                     means nothing"
                ),
                Some(problem) => format!(
                    "the managing user does not see all of its sessions, and the monitoring \
                     user{user} could not look: {problem}"
                ),
            }
        }
    }
}

fn describe_session(session: &Session, engine: Engine) -> String {
    let application = match session.application.as_str() {
        "" => "no application name".to_owned(),
        name => format!("\"{name}\""),
    };
    let client = match &session.client {
        Some(client) => format!(" from {client}"),
        None => String::new(),
    };
    let since = match session.started {
        Some(started) => format!(" since {}", started.format("%Y-%m-%d %H:%M:%S UTC")),
        None => String::new(),
    };
    format!(
        "{application}{client} on {} ({} {}){since}",
        session.node,
        engine.terms().session,
        session.pid
    )
}

/// What opens the gate again.
pub(super) fn mend(reason: &Shut, user: &UserName, engine: Engine) -> String {
    match reason {
        Shut::Sessions(_) => format!("end the sessions of {}, or wait for them", shown(user)),
        Shut::MaskedView { viewer, grant } => match (grant, viewer) {
            (Some(grant), _) => format!("as {}: {grant}", engine.terms().administrator),
            (None, Viewer::Managing) => "let the managing user see all sessions".to_owned(),
            (None, Viewer::Monitor { .. }) => {
                "let the login that `monitor` in the settings names look on every node".to_owned()
            }
        },
        Shut::UnseenStandbys(_) => {
            "name them under `databases.\"*\".nodes` in the settings".to_owned()
        }
        Shut::Propagating { remaining, .. }
        | Shut::NotDrained {
            remaining: Some(remaining),
            ..
        } => format!("try again in {}", seconds(*remaining)),
        Shut::NotDrained {
            remaining: None, ..
        } => "have it watched by `handover agent`, and see `handover drain`".to_owned(),
    }
}

/// A user's name, safe to draw.
pub(super) fn shown(user: &UserName) -> Untrusted {
    Untrusted::new(user.as_str())
}

fn plural(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// A span for people, rounded up so that waiting this long is enough.
#[must_use]
pub fn seconds(span: Duration) -> String {
    let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match whole {
        0..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min", whole.div_ceil(60)),
        _ => format!("{} h", whole.div_ceil(3600)),
    }
}
