//! PostgreSQL.

mod change;
mod classify;
mod connection;
mod ending;
mod login;
mod managing;
mod quote;
mod replication;
mod sql;
mod sql_twins;
mod sql_watching;
mod twins;
mod watching;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use tokio_postgres::Client;

use self::connection::{Connection, Connector};
use super::{Database, Login, Managing, Target, Watching};
use crate::model::{
    Credential, DatabaseFault, LoginOutcome, ManagingFacts, Node, OwnSession, RoleFacts,
    RoleRemedies, UnknownCause, UserName,
};
use crate::untrusted::Untrusted;

/// PostgreSQL at one place.
pub(super) struct Postgres {
    target: Target,
    connector: Connector,
}

impl Postgres {
    /// Prepares TLS once; no connection is made yet.
    pub(super) fn new(target: Target) -> Result<Self, String> {
        let connector = Connector::new(&target.tls)?;
        Ok(Self { target, connector })
    }
}

impl Database for Postgres {
    fn probe<'a>(&'a self, login: Login<'a>) -> BoxFuture<'a, LoginOutcome> {
        probe(self, login).boxed()
    }

    fn manage<'a>(
        &'a self,
        node: &'a Node,
        manager: &'a Credential,
        application: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Managing>, DatabaseFault>> {
        async move {
            let session =
                managing::open(&self.connector, &self.target, node, manager, application).await?;
            Ok(Box::new(session) as Box<dyn Managing>)
        }
        .boxed()
    }

    fn watch<'a>(
        &'a self,
        node: &'a Node,
        login: &'a Credential,
        application: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watching>, DatabaseFault>> {
        async move {
            let session =
                watching::open(&self.connector, &self.target, node, login, application).await?;
            Ok(Box::new(session) as Box<dyn Watching>)
        }
        .boxed()
    }

    fn change_statement(&self, user: &UserName, _: Option<&ManagingFacts>) -> String {
        sql::alter_role(user, "‹SCRAM-SHA-256 verifier›")
    }

    fn unlock_statement(&self, user: &UserName, _: Option<&ManagingFacts>) -> String {
        sql::unlock_role(user)
    }

    fn remedies(&self, user: &UserName, _: Option<&RoleFacts>) -> RoleRemedies {
        sql::remedies(user)
    }
}

async fn probe(postgres: &Postgres, login: Login<'_>) -> LoginOutcome {
    let timeouts = postgres.target.timeouts;
    let begun = Utc::now();
    let attempt = postgres.connector.connect(connection::Parameters {
        node: login.node,
        database: &postgres.target.database,
        user: login.user,
        password: login.password,
        application: login.application,
        options: None,
        timeout: timeouts.connect,
    });
    let connection = match attempt.await {
        Ok(connection) => connection,
        Err(error) => return classify::login_outcome(&error),
    };
    let outcome = within(
        timeouts.statement,
        look(&connection.client, &login, begun, timeouts.statement),
    )
    .await
    .unwrap_or(LoginOutcome::Unknown(UnknownCause::TimedOut));
    connection.close().await;
    outcome
}

/// Runs inside the probe's session: who am I, what time is it, do the statements work.
async fn look(
    client: &Client,
    login: &Login<'_>,
    begun: DateTime<Utc>,
    timeout: Duration,
) -> LoginOutcome {
    // A user whose sessions begin as a group (`ALTER ROLE … SET role`) does not see its
    // own row as that group; the statements below run as the group again.
    if let Err(error) = client.batch_execute(sql::AS_MYSELF).await {
        return LoginOutcome::Unknown(classify::unknown_cause(&error));
    }
    let row = match client.query_typed(sql::WHO_AM_I, &[]).await {
        Ok(rows) if rows.len() == 1 => rows.into_iter().next(),
        Ok(_) => None,
        Err(error) => return LoginOutcome::Unknown(classify::unknown_cause(&error)),
    };
    let Some(row) = row else {
        let text = "the session did not find itself in pg_stat_activity";
        return LoginOutcome::Unknown(UnknownCause::Other(Untrusted::new(text)));
    };
    let mut session = OwnSession {
        node: login.node.clone(),
        pid: row.get::<_, i32>("pid").into(),
        started: Some(row.get("backend_start")),
        span: (begun, Utc::now()),
    };
    let server_time: DateTime<Utc> = row.get("server_time");
    if let Err(error) = client.batch_execute(sql::AS_CONFIGURED).await {
        return LoginOutcome::Unknown(classify::unknown_cause(&error));
    }
    for statement in login.statements {
        if let Err(error) = run_and_roll_back(client, statement, timeout).await {
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
        row: None,
    }
}

async fn run_and_roll_back(
    client: &Client,
    statement: &str,
    timeout: Duration,
) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(&format!("BEGIN; {}", sql::set_statement_timeout(timeout)))
        .await?;
    let result = client.batch_execute(statement).await;
    client.batch_execute("ROLLBACK").await?;
    result
}

/// Our own bound on an exchange: the server's own time-outs are not enough, since a
/// server may stop answering altogether.
async fn within<T>(limit: Duration, exchange: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, exchange).await.ok()
}

impl Connection {
    async fn close(self) {
        let Self {
            client, mut task, ..
        } = self;
        // Dropping the client makes the task send Terminate and end. A server that does not
        // read it, or that still owes an answer, must not hold us up: its line is cut, so
        // that nothing that was left goes on behind our back.
        drop(client);
        if within(Duration::from_secs(1), &mut task).await.is_none() {
            task.abort();
        }
    }
}
