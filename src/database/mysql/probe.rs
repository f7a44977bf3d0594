//! One login and what it finds inside.

use std::time::Duration;

use chrono::{DateTime, Utc};
use mysql_async::prelude::Queryable;
use mysql_async::{Error, Row};

use super::super::{Login, Target};
use super::answer::{moment, text};
use super::connector::{Connection, Connector, Parameters};
use super::{classify, sql, within};
use crate::model::{Barrier, LoginOutcome, OwnSession, UnknownCause};
use crate::untrusted::Untrusted;

/// `ER_MUST_CHANGE_PASSWORD`: let in to change an expired password, and for nothing else.
const MUST_CHANGE: u16 = 1820;

/// Attempts one login and closes it again.
pub(super) async fn probe(
    connector: &Connector,
    target: &Target,
    login: Login<'_>,
) -> LoginOutcome {
    let timeouts = target.timeouts;
    let begun = Utc::now();
    let attempt = connector.connect(Parameters {
        node: login.node,
        database: Some(&target.database),
        user: login.user,
        password: login.password,
        application: login.application,
        timeout: timeouts.connect,
    });
    let mut connection = match attempt.await {
        Ok(connection) => connection,
        Err(error) => return classify::login_outcome(&error),
    };
    let outcome = within(
        timeouts.statement,
        look(&mut connection, &login, begun, timeouts.statement),
    )
    .await
    .unwrap_or(LoginOutcome::Unknown(UnknownCause::TimedOut));
    connection.close().await;
    outcome
}

/// Runs inside the probe's session: which row let us in, what time is it, do the statements
/// work.
async fn look(
    connection: &mut Connection,
    login: &Login<'_>,
    begun: DateTime<Utc>,
    limit: Duration,
) -> LoginOutcome {
    let mut session = OwnSession {
        node: login.node.clone(),
        pid: connection.id,
        started: None,
        span: (begun, Utc::now()),
    };
    let asked: Result<Option<Row>, Error> = connection.conn.query_first(sql::WHO_AM_I).await;
    let row = match asked {
        Ok(Some(row)) => row,
        Ok(None) => {
            let text = "the session did not find out who it is";
            return LoginOutcome::Unknown(UnknownCause::Other(Untrusted::new(text)));
        }
        Err(error) if classify::server_code(&error) == Some(MUST_CHANGE) => {
            return LoginOutcome::PasswordAccepted(Barrier::PasswordExpired);
        }
        Err(error) => return LoginOutcome::Unknown(connection.cause(&error)),
    };
    let account = text(&row, "account");
    if let Some(other) = account
        .as_deref()
        .and_then(|row| of_other_user(row, login.user.as_str()))
    {
        return LoginOutcome::Unknown(UnknownCause::Other(other));
    }
    let Some(server_time) = moment(&row, "server_time") else {
        let text = "the server's clock cannot be read";
        return LoginOutcome::Unknown(UnknownCause::Other(Untrusted::new(text)));
    };
    for statement in login.statements {
        if let Err(error) = run_and_roll_back(connection, statement, limit).await {
            let message = format!("`{statement}` failed: {}", classify::server_words(&error));
            session.span.1 = Utc::now();
            return LoginOutcome::StatementFailed {
                session,
                message: Untrusted::new(&message),
            };
        }
    }
    session.span.1 = Utc::now();
    LoginOutcome::LoggedIn {
        session,
        server_time,
        row: account.map(|account| Untrusted::new(&account)),
    }
}

/// What there is to say where a row of another user let us in, such as one without a name
/// whose password happens to be the same: it proves nothing of the user's own.
fn of_other_user(account: &str, user: &str) -> Option<Untrusted> {
    let (name, host) = account.rsplit_once('@')?;
    // A server without its grant tables lets in by no row at all. It takes every password,
    // which the login with a random one shows.
    (name != user && !(name.is_empty() && host.is_empty())).then(|| {
        Untrusted::new(&format!(
            "the server let us in by the row '{name}'@'{host}', which is not the user's own"
        ))
    })
}

async fn run_and_roll_back(
    connection: &mut Connection,
    statement: &str,
    limit: Duration,
) -> Result<(), Error> {
    let flavour = connection.version.flavour;
    connection
        .conn
        .query_drop(sql::statement_bound(flavour, limit))
        .await?;
    connection.conn.query_drop("START TRANSACTION").await?;
    let result = connection.conn.query_drop(statement).await;
    connection.conn.query_drop("ROLLBACK").await?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_by_another_users_row_proves_nothing() {
        assert_eq!(of_other_user("app_a@%", "app_a"), None);
        assert_eq!(of_other_user("app@a@10.%", "app@a"), None);
        assert_eq!(of_other_user("@", "app_a"), None, "no grant tables");
        let words = of_other_user("@localhost", "app_a").expect("is another");
        assert!(words.as_str().contains("''@'localhost'"), "{words}");
        assert!(of_other_user("APP_A@%", "app_a").is_some());
    }
}
