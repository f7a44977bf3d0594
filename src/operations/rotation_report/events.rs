//! A journal's events in words. The sealed password is never part of them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::rotation::Event;
use crate::store::JournalLine;
use crate::untrusted::Untrusted;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// Its name, as in the journal.
    pub event: String,
    /// The case, where it is one.
    pub case: Option<&'static str>,
    /// What happened.
    pub words: Untrusted,
}

pub(super) fn told(line: &JournalLine) -> Told {
    let case = match &line.event {
        Event::Parked { case, .. }
        | Event::PublishFailed { case, .. }
        | Event::Aborted { case, .. }
        | Event::Abandoned { case, .. } => Some(case.name()),
        _ => None,
    };
    Told {
        at: line.at,
        event: name(&line.event),
        case,
        words: Untrusted::new(&words(&line.event)),
    }
}

fn name(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    value["event"].as_str().unwrap_or_default().to_owned()
}

fn words(event: &Event) -> String {
    match event {
        Event::Admitted(admitted) => {
            let rows = match admitted.hosts.as_slice() {
                [] => String::new(),
                hosts => format!(", from {}", hosts.join(", ")),
            };
            format!(
                "S1: {} is to be current in the place of {}{rows}; server {}, {}",
                admitted.user,
                admitted.current,
                admitted.server.system,
                admitted.server.version_words()
            )
        }
        Event::PendingSealed { generation, .. } => {
            format!("S2: its password is sealed and durable (generation {generation})")
        }
        Event::WayChosen(chosen) => {
            let down = match chosen.consumers_down {
                true => "; consumers were down, and the environment's name was typed",
                false => "",
            };
            let glass = chosen.break_glass.as_deref().map(Untrusted::new);
            let glass = glass.map(|why| format!("; the password had leaked: {why}"));
            format!(
                "the way back: {} ({}), agreed by {}{down}{}",
                chosen.way,
                chosen.case,
                Untrusted::new(&chosen.agreed_by),
                glass.unwrap_or_default()
            )
        }
        Event::UnlockSent => "the statement that unlocks the user is sent".to_owned(),
        Event::UnlockConfirmed { .. } => "the server confirmed that it may log in".to_owned(),
        Event::UnlockRefused { code, message } => {
            format!(
                "the server refused to unlock it: {} ({code})",
                Untrusted::new(message)
            )
        }
        Event::ApplySent => "S3: the statement is sent".to_owned(),
        Event::LoginsRefused { in_a_row } => format!("{in_a_row} refused logins in a row"),
        Event::StatementConfirmed { rows } => format!("S3: the server confirmed {rows}"),
        Event::ApplyConfirmed {
            unreplicated_at: None,
        } => "S3: the server confirmed the change".to_owned(),
        Event::ApplyConfirmed { .. } => {
            "S3: the server confirmed the change, and no synchronous standby did".to_owned()
        }
        Event::ApplyRefused { code, message, .. } => {
            format!("S3: the server refused ({code}): {message}")
        }
        Event::Outwaited => "no statement of ours can still be running".to_owned(),
        Event::RivalSeen => "somebody else had changed the password".to_owned(),
        Event::Verified { nodes } => {
            let nodes: Vec<String> = nodes.iter().map(|at| at.node.to_string()).collect();
            format!("S4: its password logs in on {}", nodes.join(", "))
        }
        Event::PendingDropped => "the rejected password is dropped".to_owned(),
        Event::Promoted { revision } => format!("S5: promoted in revision {revision}"),
        Event::Abandoned { revision, .. } => {
            format!("given up: revision {revision} records its password as previous")
        }
        Event::Parked { message, .. } => format!("parked: {message}"),
        Event::Aborted { message, .. } => format!("ended before S3: {message}"),
        Event::PublishSent { file, revision } => {
            format!("S6: {file} is about to get revision {revision}")
        }
        Event::Published { file, revision } => format!("S6: {file} has revision {revision}"),
        Event::PublishFailed { file, message, .. } => format!("S6: {file}: {message}"),
        // What has no words of its own is told by its name.
        other => name(other).replace('-', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_password_is_not_told() {
        let event = Event::PendingSealed {
            generation: 7,
            sealed: "first-envelope".to_owned(),
            salt: "first-salt".to_owned(),
        };
        let line = JournalLine {
            path: Some("db".to_owned()),
            at: DateTime::<Utc>::MIN_UTC,
            event,
        };
        let text = serde_json::to_string(&told(&line)).expect("is plain data");
        assert!(
            text.contains("pending-sealed") && text.contains("generation 7"),
            "{text}"
        );
        assert!(!text.contains("first-"), "{text}");
    }
}
