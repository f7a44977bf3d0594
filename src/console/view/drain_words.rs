//! What is said of one session or one group of them.

use crate::console::words::span;
use crate::drain::{Straggler, StragglerSession};

pub(super) fn name_and_client(straggler: &Straggler) -> (&str, &str) {
    let name = match straggler.application.as_str() {
        "" => "(no name)",
        name => name,
    };
    let client = straggler.client.as_ref();
    (name, client.map_or("local", |client| client.as_str()))
}

/// The server's word for what a session does; what it is, where it is no client.
pub(super) fn state(session: &StragglerSession) -> &str {
    match (session.kind, &session.state) {
        ("client", Some(state)) => state.as_str(),
        ("client", None) => "",
        (kind, _) => kind,
    }
}

pub(super) fn age(session: &StragglerSession) -> String {
    let age = span(session.age_seconds);
    match session.at_least {
        true => format!("≥{age}"),
        false => age,
    }
}

/// What a session does, never its statement's text.
pub(super) fn doing(session: &StragglerSession) -> String {
    let mut parts = Vec::new();
    if session.kind != "client" {
        parts.push(session.kind.to_owned());
    }
    if let Some(state) = &session.state {
        let since = session
            .state_seconds
            .map(|seconds| format!(" {}", span(seconds)));
        parts.push(format!("{state}{}", since.unwrap_or_default()));
    }
    if let Some(seconds) = session.transaction_seconds {
        parts.push(format!("transaction {}", span(seconds)));
    }
    parts.extend(session.command.iter().map(ToString::to_string));
    parts.extend(session.database.iter().map(|name| format!("in {name}")));
    parts.join(", ")
}
