//! What one look at one node tells of outgoing users.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, Node, SessionKind, Standby};
use crate::untrusted::Untrusted;

/// One look at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which node.
    pub node: Node,
    /// Which server answered: [`ServerIdentity::system`](super::ServerIdentity).
    pub system: String,
    /// Its clock.
    pub server_time: DateTime<Utc>,
    /// When it was started, by its clock: numbers of connections and counters begin anew.
    pub server_started: DateTime<Utc>,
    /// Whether it is a standby whose receiver runs.
    pub receiving: bool,
    /// The physical standbys that it feeds.
    pub standbys: Vec<Standby>,
    /// What it tells of each user that was asked for, in that order.
    pub accounts: Vec<AccountSample>,
}

/// What one look at one node tells of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSample {
    /// Which user.
    pub account: AccountId,
    /// Whether it may log in by the catalog; `None` where it is gone, or may not be read.
    pub can_log_in: Option<bool>,
    /// Its sessions, those of our own probes included.
    pub sessions: Vec<ObservedSession>,
    /// Whether all its sessions can be seen. Without it a zero says nothing.
    pub complete: bool,
    /// The statement that makes the view complete, when it is not.
    pub grant: Option<String>,
    /// How often it has logged in, where the server counts it.
    pub counter: Option<LoginCounter>,
}

/// One session of an outgoing user. A server that does not tell something leaves it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedSession {
    /// The backend's process id, on MySQL the connection's; 0 for a prepared transaction.
    pub pid: i64,
    /// When it began, by the server's clock; for a prepared transaction, when it was prepared.
    pub started: Option<DateTime<Utc>>,
    /// What kind of session it is.
    pub kind: SessionKind,
    /// `application_name`, or the program's name; a prepared transaction's identifier.
    pub application: Untrusted,
    /// The client's address without its port.
    pub client: Option<Untrusted>,
    /// The database that it is connected to.
    pub database: Option<Untrusted>,
    /// What it does, in the server's word.
    pub state: Option<Untrusted>,
    /// Since when it does that, by the server's clock.
    pub state_since: Option<DateTime<Utc>>,
    /// When its open transaction began, by the server's clock.
    pub transaction_since: Option<DateTime<Utc>>,
    /// The first word of its last statement, such as `SELECT`, of a closed list; never its text.
    pub command: Option<Untrusted>,
}

/// Who was seen as an outgoing user, by application and client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenClient {
    /// `application_name`.
    pub application: Untrusted,
    /// The client's address, where it was told.
    pub client: Option<Untrusted>,
    /// How many sessions it had.
    pub sessions: u64,
    /// When one of them was seen last, by its server's clock.
    pub last_seen: DateTime<Utc>,
}

/// Who counts logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CounterSource {
    /// MySQL: `performance_schema.users`, which sums up `accounts`.
    Accounts,
    /// MariaDB: `information_schema.user_statistics`.
    UserStatistics,
    /// PostgreSQL: `pg_stat_statements`. It counts statements and not logins, so that it only
    /// tells that somebody was there.
    Statements,
}

/// How often a user has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginCounter {
    /// Who counts.
    pub source: CounterSource,
    /// Logins that succeeded, those of our own included; for `Statements`, statements.
    pub total: u64,
    /// Logins that were refused, where that is counted.
    pub refused: Option<u64>,
    /// Since when it counts, by the server's clock, where that is told: a later time than
    /// before means that it began anew.
    pub since: Option<DateTime<Utc>>,
}
