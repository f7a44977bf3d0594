//! What a rotation is about to do, as it is shown, agreed to and recorded.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::{AccountId, EnvironmentName, Node, ServerIdentity};
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
    /// We never promoted this rotated secret: somebody has to acknowledge that the
    /// idle user really is idle.
    pub first_promotion: bool,
    /// Why the gate is shut, where a waiver passes it.
    pub waived: Vec<String>,
    /// What does not stop the rotation, and somebody should know.
    pub warnings: Vec<String>,
}

impl Plan {
    /// A digest that a waiver is bound to. It leaves out what changes between two
    /// looks at the same situation: the server's mark and the list of sessions.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut stable = self.clone();
        stable.server.position = 0;
        stable.server.transaction = 0;
        stable.sessions.clear();
        stable.waived.clear();
        let text = serde_json::to_vec(&stable).expect("a plan is plain data");
        hex::encode(&Sha256::digest(text)[..16])
    }
}
