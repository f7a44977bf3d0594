//! Logging in as a user of ours, the managing one or one that samples, and asking under our
//! time-out. Whatever goes wrong is named with the node and the user that tried.

use std::time::Duration;

use tokio_postgres::Error;

use super::super::Target;
use super::connection::{Connection, Connector, Parameters};
use super::{classify, within};
use crate::model::{Barrier, Credential, DatabaseFault, LoginOutcome, Node, UnknownCause};
use crate::untrusted::Untrusted;

/// Logs in to `node`; `options` are what the session begins with.
pub(super) async fn log_in(
    connector: &Connector,
    target: &Target,
    node: &Node,
    credential: &Credential,
    application: &str,
    options: &str,
) -> Result<Connection, DatabaseFault> {
    let out = |message: &str| DatabaseFault::ManagerOut {
        user: credential.username.clone(),
        message: Untrusted::new(message),
    };
    let unreachable = |cause| DatabaseFault::Unreachable {
        node: node.clone(),
        cause,
    };
    let Some(password) = &credential.password else {
        return Err(out("no password is given"));
    };
    let attempt = connector.connect(Parameters {
        node,
        database: &target.database,
        user: &credential.username,
        password,
        application,
        options: Some(options),
        timeout: target.timeouts.connect,
    });
    let error = match attempt.await {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    Err(match classify::login_outcome(&error) {
        LoginOutcome::PasswordRefused => out("password authentication failed"),
        LoginOutcome::PasswordAccepted(Barrier::NotPermitted) => {
            out("the role is not permitted to log in")
        }
        LoginOutcome::PasswordAccepted(Barrier::PasswordExpired) => out("its password has expired"),
        LoginOutcome::PasswordAccepted(Barrier::Database) => {
            out("the database does not exist or may not be connected to")
        }
        LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit) => unreachable(
            UnknownCause::NotReady(Untrusted::new("too many connections")),
        ),
        LoginOutcome::Unknown(cause) => unreachable(cause),
        LoginOutcome::LoggedIn { .. } | LoginOutcome::StatementFailed { .. } => {
            out("the connection was lost")
        }
    })
}

/// Runs an exchange within `limit` and names what went wrong.
pub(super) async fn ask<T>(
    node: &Node,
    limit: Duration,
    exchange: impl Future<Output = Result<T, Error>>,
) -> Result<T, DatabaseFault> {
    answer(node, within(limit, exchange).await)
}

/// Names what went wrong in an exchange; `None` is one that took too long.
pub(super) fn answer<T>(
    node: &Node,
    answered: Option<Result<T, Error>>,
) -> Result<T, DatabaseFault> {
    let unreachable = |cause| DatabaseFault::Unreachable {
        node: node.clone(),
        cause,
    };
    let error = match answered {
        Some(Ok(answer)) => return Ok(answer),
        Some(Err(error)) => error,
        None => return Err(unreachable(UnknownCause::TimedOut)),
    };
    Err(match error.as_db_error() {
        Some(server) => DatabaseFault::Server {
            node: node.clone(),
            code: server.code().code().to_owned(),
            message: Untrusted::new(server.message()),
        },
        None => unreachable(classify::unknown_cause(&error)),
    })
}

/// What is said of a server that answers without the row that it was asked for.
pub(super) fn no_answer(node: &Node) -> DatabaseFault {
    DatabaseFault::Server {
        node: node.clone(),
        code: "none".to_owned(),
        message: Untrusted::new("the server did not say which one it is"),
    }
}
