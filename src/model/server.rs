//! What a database server tells us: identity, roles, logins, sessions.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, Flavour, Node, UserName};
use crate::untrusted::Untrusted;

/// Which server this is, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// Which server answers.
    #[serde(default)]
    pub flavour: Flavour,
    /// PostgreSQL: `pg_control_system().system_identifier`, as text. MySQL: `server_uuid`.
    /// MariaDB: `server_uid`, which is made from the machine and the port.
    pub system: String,
    /// PostgreSQL: the timeline that is written; on a standby the one of its last
    /// checkpoint. 0 elsewhere.
    pub timeline: i64,
    /// Up to which position everything is durable, in bytes: the high-water mark. PostgreSQL:
    /// of the WAL. MySQL and MariaDB: of InnoDB's redo log, 0 where it is not told.
    pub position: i64,
    /// PostgreSQL: the transaction id, with its epoch, that the last checkpoint would have
    /// handed out next; 0 where an older version recorded none. A copy may write more log
    /// than the original and still be behind in transactions. 0 elsewhere.
    #[serde(default)]
    pub transaction: i64,
    /// MySQL: `gtid_executed`. MariaDB: `gtid_current_pos`. Empty where the server keeps
    /// none, and on PostgreSQL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gtids: String,
    /// `server_version_num`, for example 150018; 90704 and 101119 for MySQL and MariaDB.
    pub version: i32,
}

impl ServerIdentity {
    /// Which server and version, for people.
    #[must_use]
    pub fn version_words(&self) -> String {
        self.flavour.version_words(self.version)
    }
}

/// What the catalog says of one application user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFacts {
    /// What makes it the same user.
    pub account: AccountId,
    /// `rolcanlogin`; on MySQL no row of it is locked.
    pub can_log_in: bool,
    /// `rolvaliduntil` lies in the past of the server's clock; on MySQL a row's password
    /// has expired.
    pub expired: bool,
    /// `rolsuper`; on MySQL `SYSTEM_USER`.
    pub superuser: bool,
    /// `rolreplication`.
    pub replication: bool,
    /// A refused login then says nothing of the password: PostgreSQL refuses an expired role
    /// with the same code, MySQL a user of which it asks more than a password.
    pub is_mute: bool,
    /// Whether the managing user may change this role's password.
    pub may_alter: bool,
    /// The exact statement that gives it the right, when it may not.
    pub grant: Option<String>,
    /// The rows `user@host` that are this user, on MySQL and MariaDB; empty elsewhere.
    pub rows: Vec<AccountRow>,
    /// How many statements a change of its password takes. Where it is more than one, a run
    /// may be killed in between: a login from here then proves one row alone.
    pub statements: usize,
    /// Why its password cannot be set or proven from here, if so.
    pub unfit: Option<Unfit>,
    /// After how many refused logins in a row the server shuts the user out, whoever made
    /// them; `None` where it does not.
    pub login_limit: Option<u32>,
    /// What should be known before its password changes, and stands in nobody's way.
    pub remarks: Vec<String>,
}

/// One row `user@host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The host part, such as `%` or `10.0.0.%`.
    pub host: Untrusted,
    /// Its authentication plugin.
    pub plugin: Untrusted,
}

/// Why the password of a user cannot be set or proven from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What was found, as in `the user x …`.
    pub found: String,
    /// What mends it.
    pub remedy: String,
}

/// The statements that mend what may be wrong with a user, built by its engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRemedies {
    /// Makes the user.
    pub create: String,
    /// Lets it log in again.
    pub let_in: String,
    /// Takes its expiry away.
    pub prolong: String,
}

/// A physical standby, as the server that feeds it tells. Without `pg_read_all_stats`
/// all but its application's name is masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standby {
    /// `application_name`, by default the standby's `cluster_name`.
    pub application: Untrusted,
    /// The address it comes from; absent when masked, or over a local socket.
    pub client: Option<Untrusted>,
    /// `state`, such as `streaming` or `catchup`; empty when masked.
    pub state: Untrusted,
    /// Whether commits may wait for it now; false when masked.
    pub synchronous: bool,
    /// Up to which position it has flushed, in bytes; absent when masked or not yet told.
    pub flushed: Option<i64>,
    /// Up to which position it has replayed, in bytes; absent when masked or not yet told.
    pub replayed: Option<i64>,
}

impl Standby {
    /// Whether the managing user may not see what this standby does: its `synchronous`
    /// then says nothing.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.state.as_str().is_empty()
    }
}

/// Everything that the managing connection is asked at S1, in one round.
#[derive(Debug, Clone)]
pub struct ManagingFacts {
    /// Which server answered.
    pub identity: ServerIdentity,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// `pg_is_in_recovery()`: a standby cannot be written to.
    pub read_only: bool,
    /// Whether this server is a standby whose WAL receiver runs.
    pub receiving: bool,
    /// The SHA-256 of the certificate that this server showed, as lower-case hex of the
    /// digest of its DER; absent without TLS.
    pub certificate: Option<String>,
    /// The physical standbys that this server feeds.
    pub standbys: Vec<Standby>,
    /// How many synchronous standbys a commit of the managing user waits for.
    pub synchronous_wanted: u32,
    /// The catalog's view of the two application users, in the order asked.
    pub roles: [Option<RoleFacts>; 2],
    /// Sessions of the user whose password is about to change.
    pub sessions: SessionView,
}

/// Why a password was proven although the login was refused: the server said so
/// only after it had accepted the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// `NOLOGIN`; `ACCOUNT LOCK`.
    NotPermitted,
    /// The role's or the server's connection limit.
    ConnectionLimit,
    /// The database is missing, closed, or CONNECT is not granted.
    Database,
    /// The password expired (MySQL, MariaDB); PostgreSQL refuses as if it were wrong.
    PasswordExpired,
}

/// Why a login says nothing of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownCause {
    /// No answer within the time-out.
    TimedOut,
    /// The connection was refused, reset, or the name does not resolve.
    Unreachable(Untrusted),
    /// TLS could not be agreed upon or the certificate was not trusted.
    Tls(Untrusted),
    /// `pg_hba.conf` has no entry, or rejects.
    HostBased(Untrusted),
    /// Starting up, shutting down, or full before authentication.
    NotReady(Untrusted),
    /// Anything else, in the server's words.
    Other(Untrusted),
}

impl fmt::Display for UnknownCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => formatter.write_str("no answer within the time-out"),
            Self::Tls(text) => write!(formatter, "TLS failed: {text}"),
            Self::Unreachable(text)
            | Self::HostBased(text)
            | Self::NotReady(text)
            | Self::Other(text) => write!(formatter, "{text}"),
        }
    }
}

/// A session that our own probe opened, to be left out of every count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// Where it was opened.
    pub node: Node,
    /// The backend's process id; on MySQL the connection's.
    pub pid: i64,
    /// The backend's start, by the server's clock; `None` where the engine does not tell.
    pub started: Option<DateTime<Utc>>,
    /// From when to when it was there, by this host's clock: from before the connection was
    /// made until after its last statement. A server counts it within.
    pub span: (DateTime<Utc>, DateTime<Utc>),
}

/// How one login attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Logged in, and every configured statement ran.
    LoggedIn {
        /// To be left out of counts.
        session: OwnSession,
        /// The server's clock during the login.
        server_time: DateTime<Utc>,
        /// The row `user@host` that let it in, on MySQL and MariaDB.
        row: Option<Untrusted>,
    },
    /// Logged in, but a configured statement failed.
    StatementFailed {
        /// To be left out of counts.
        session: OwnSession,
        /// The statement and the server's words.
        message: Untrusted,
    },
    /// Refused, but only after the password was accepted.
    PasswordAccepted(Barrier),
    /// PostgreSQL's 28P01: wrong, expired, absent or no such role.
    PasswordRefused,
    /// Nothing is known of the password.
    Unknown(UnknownCause),
}

impl LoginOutcome {
    /// The session that the attempt opened, if any.
    #[must_use]
    pub fn session(&self) -> Option<&OwnSession> {
        match self {
            Self::LoggedIn { session, .. } | Self::StatementFailed { session, .. } => Some(session),
            _ => None,
        }
    }
}

/// What kind of backend a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// An ordinary client.
    Client,
    /// A replication stream.
    WalSender,
    /// The kind is masked: the managing user may not see it.
    Masked,
    /// A prepared transaction: no process, but it holds the user.
    PreparedTransaction,
}

/// One session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where it was seen.
    pub node: Node,
    /// The backend's process id, on MySQL the connection's; 0 for a prepared transaction.
    pub pid: i64,
    /// What kind of session it is.
    pub kind: SessionKind,
    /// `application_name`.
    pub application: Untrusted,
    /// The client's address; absent when masked.
    pub client: Option<Untrusted>,
    /// When it began, by the server's clock; absent when masked, and where the engine does
    /// not tell.
    pub started: Option<DateTime<Utc>>,
    /// It names no application, which its server does not tell, and comes from where we come
    /// from: it may be a probe of a killed run.
    pub is_nameless_from_here: bool,
}

/// The sessions of one user on one node at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Every session of the role, own probes included.
    pub sessions: Vec<Session>,
    /// Whether the managing user sees everything of that user's sessions. Without
    /// it a zero is not confident.
    pub complete: bool,
    /// The statement that makes the view complete, when it is not.
    pub grant: Option<String>,
}

/// Why the managing connection could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseFault {
    /// The login of the managing user, or of the one that samples, was refused.
    #[error("handover cannot log in as {}: {message}", Untrusted::new(.user.as_str()))]
    ManagerOut {
        /// Who tried.
        user: UserName,
        /// The server's words.
        message: Untrusted,
    },
    /// The server did not answer, or not in a way that says anything.
    #[error("{node} cannot be reached: {cause}")]
    Unreachable {
        /// Which address.
        node: Node,
        /// What happened.
        cause: UnknownCause,
    },
    /// The managing user, or the one that samples, may not ask what has to be known.
    #[error("{node} does not let the user {} look: {message}", Untrusted::new(.user.as_str()))]
    NoRight {
        /// Which address.
        node: Node,
        /// Who asked.
        user: UserName,
        /// The server's words.
        message: Untrusted,
        /// The statement that gives it the right.
        grant: String,
    },
    /// The server answered a question with an error.
    #[error("{node} answered {code}: {message}")]
    Server {
        /// Which address.
        node: Node,
        /// SQLSTATE.
        code: String,
        /// The server's words.
        message: Untrusted,
    },
}
