//! Why a sandbox could not do what it was asked.

use std::io;
use std::time::Duration;

use super::MysqlFlavour;

/// Every variant says what was tried; a failing server brings the end of its log along.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No server program was found.
    #[error(
        "no PostgreSQL server was found: `postgres` and `initdb` are not together in {searched}; install it with `{install}`"
    )]
    NoPostgres {
        /// The folders that were searched.
        searched: String,
        /// The one command that installs it here.
        install: &'static str,
    },
    /// No server program of MySQL or MariaDB was found.
    #[error(
        "no {engine} server was found: {programs} is not in {searched}; install it with `{install}`"
    )]
    NoMysql {
        /// MySQL or MariaDB.
        engine: MysqlFlavour,
        /// The programs that were looked for.
        programs: &'static str,
        /// The folders that were searched.
        searched: String,
        /// The one command that installs it here.
        install: &'static str,
    },
    /// A server refuses to run as root, and there is nobody else to run it.
    #[error(
        "started as root, and no user `postgres`, `mysql` or `nobody` exists to run the server"
    )]
    NoUnprivilegedUser,
    /// The operating system's generator failed.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// No port below the ephemeral range could be bound.
    #[error("no free loopback port was found between {first} and {last}")]
    NoFreePort {
        /// First port of the range that was tried.
        first: u16,
        /// Last port of the range that was tried.
        last: u16,
    },
    /// A file, a pipe or a process could not be handled.
    #[error("could not {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The server program failed or did not become ready in time.
    #[error("{what}; the end of its log:\n{log}")]
    Server {
        /// What did not happen.
        what: String,
        /// The end of the server's own log.
        log: String,
    },
    /// The server is not running, because it was stopped before.
    #[error("the server was stopped")]
    Stopped,
    /// The superuser's statement failed.
    #[error("the statement failed: {}", describe(.0))]
    Statement(#[from] tokio_postgres::Error),
    /// A statement to MySQL or MariaDB failed.
    #[error("the statement failed: {0}")]
    MysqlStatement(#[from] mysql_async::Error),
    /// A server did not answer a statement in time.
    #[error("the statement had no answer after {0:?}")]
    NoAnswer(Duration),
    /// A replica did not reach what its primary had in time.
    #[error("the replica did not reach {position} within {within:?}: {status}")]
    ReplicaBehind {
        /// The primary's position, as GTIDs.
        position: String,
        /// How long it was waited for.
        within: Duration,
        /// What the replica says of its replication.
        status: String,
    },
}

impl SandboxError {
    /// For `map_err`: names what was being done when the system said no.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// The driver's own text is often only "db error"; the server's words are behind it.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
