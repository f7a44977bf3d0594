//! What a rotation is about to do, as it is shown, agreed to and recorded.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::{AccountId, EnvironmentName, Node, SeenClient, ServerIdentity};
use crate::untrusted::Untrusted;

/// A session that will be affected, or that keeps the gate shut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedSession {
    /// Where it is.
    pub node: String,
    /// The backend's process id.
    pub pid: i64,
    /// `application_name`.
    pub application: Untrusted,
    /// The client's address, when visible.
    pub client: Option<Untrusted>,
    /// When it began, when visible.
    pub since: Option<DateTime<Utc>>,
}

/// The plan for one rotated secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Which rotated secret.
    pub path: String,
    /// The revision that the plan starts from.
    pub revision: u64,
    /// Where the statement will be sent.
    pub node: Node,
    /// Which server answered there.
    pub server: ServerIdentity,
    /// X: stays valid, becomes `previous`.
    pub current: Untrusted,
    /// Y: gets the new password, becomes `current`.
    pub user: Untrusted,
    /// What makes X and Y the same users: their OIDs on PostgreSQL.
    pub accounts: [AccountId; 2],
    /// The rows `user@host` that are Y, on MySQL and MariaDB: all get the new password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Untrusted>,
    /// How many statements the change takes.
    pub statements: usize,
    /// After how many wrong passwords in a row the server shuts Y out, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_limit: Option<u32>,
    /// The same of X.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_limit: Option<u32>,
    /// The statement, with a mark in place of the verifier.
    pub statement: String,
    /// Sessions of Y that a waiver would cut off.
    pub sessions: Vec<PlannedSession>,
    /// Who was seen as Y while it was watched, those that are gone included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<SeenClient>,
    /// We never promoted this rotated secret: somebody has to acknowledge that the
    /// idle user really is idle.
    pub first_promotion: bool,
    /// What consumers read now leaked: X is locked right after the promote.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
    /// Why the gate is shut, where a waiver passes it.
    pub waived: Vec<String>,
    /// What does not stop the rotation, and somebody should know.
    pub warnings: Vec<String>,
}

impl Plan {
    /// What becomes of X, in words.
    #[must_use]
    pub fn fate_of_current(&self) -> String {
        match self.compromised {
            false => format!("{} stays valid and becomes previous", self.current),
            true => format!(
                "{} leaked: right after the promote it is locked and its password scrambled; its \
                 sessions are listed, and ended once its name was typed",
                self.current
            ),
        }
    }

    /// The way back to X, in words.
    #[must_use]
    pub fn way_back(&self) -> String {
        match self.compromised {
            false => format!("{} stays as it is until the next rotation", self.current),
            true => "none to what leaked; a further rotation gives it a new password".to_owned(),
        }
    }

    /// Whom changing the password of Y would cut off, each in words: who is connected now, and
    /// who was seen while it was watched. Empty where nobody is and was.
    #[must_use]
    pub fn blast_radius(&self) -> Vec<(&'static str, String)> {
        client_lines(&self.sessions, &self.seen)
    }

    /// A digest that a waiver is bound to. It leaves out what changes between two
    /// looks at the same situation: the server's mark and the list of sessions.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut stable = self.clone();
        stable.server.position = 0;
        stable.server.transaction = 0;
        stable.sessions.clear();
        stable.seen.clear();
        stable.waived.clear();
        let text = serde_json::to_vec(&stable).expect("a plan is plain data");
        hex::encode(&Sha256::digest(text)[..16])
    }
}

/// Who is connected as a user now, and who was seen as it, by application and client: each
/// with a label of one word.
#[must_use]
pub fn client_lines(
    sessions: &[PlannedSession],
    seen: &[SeenClient],
) -> Vec<(&'static str, String)> {
    let mut connected: BTreeMap<_, u64> = BTreeMap::new();
    for session in sessions {
        *connected
            .entry((&session.application, &session.client))
            .or_default() += 1;
    }
    let connected = connected.into_iter().map(|((application, client), count)| {
        let words = client_words(application, client.as_ref(), count);
        ("connected", words)
    });
    let seen = seen.iter().map(|seen| {
        let who = client_words(&seen.application, seen.client.as_ref(), seen.sessions);
        let last = seen.last_seen.format("%Y-%m-%d %H:%M:%S UTC");
        ("seen", format!("{who}, last at {last}"))
    });
    connected.chain(seen).collect()
}

fn client_words(application: &Untrusted, client: Option<&Untrusted>, sessions: u64) -> String {
    let application = match application.as_str() {
        "" => "no application name".to_owned(),
        name => format!("\"{name}\""),
    };
    let from = match client {
        Some(client) => format!(" from {client}"),
        None => String::new(),
    };
    match sessions {
        1 => format!("{application}{from}, 1 session"),
        _ => format!("{application}{from}, {sessions} sessions"),
    }
}
