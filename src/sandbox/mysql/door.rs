//! The way in to a MySQL or MariaDB server, for `root` or for anybody else.
//!
//! It uses the driver's own TLS and not the one that the product has, so that a test learns
//! of the server from somebody else than from what it tests.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, SslOpts, Value};

use super::super::SandboxError;
use super::super::login::{
    APPLICATION, CONNECT_TIME_LIMIT, LoginOutcome, Row, Superuser, block_on,
};
use crate::secret::Secret;

/// How long `root`'s statements may take; the driver has no time limit of its own.
const STATEMENT_TIME_LIMIT: Duration = Duration::from_secs(60);

/// What the driver would else ask of the server after each login, so that a login would be
/// a login and a statement: an account whose password is expired could log in and not ask.
const MAX_ALLOWED_PACKET: usize = 16 * 1024 * 1024;
const WAIT_TIMEOUT: usize = 28_800;

/// The way in to one server: its port and the authority that vouches for it.
#[derive(Clone)]
pub struct MysqlDoor {
    port: u16,
    authority_pem: String,
}

impl MysqlDoor {
    /// The door of the server on `port` of 127.0.0.1, trusting `authority_pem` alone.
    #[must_use]
    pub fn new(port: u16, authority_pem: &str) -> Self {
        // The driver asks for the process's provider; where one is set already, it is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            port,
            authority_pem: authority_pem.to_owned(),
        }
    }

    /// Connects over verified TLS. The session lives until the connection is dropped.
    ///
    /// # Errors
    /// [`SandboxError::MysqlStatement`] with what the driver says, [`SandboxError::NoAnswer`].
    pub async fn connect(&self, user: &str, password: &Secret) -> Result<Conn, SandboxError> {
        within(CONNECT_TIME_LIMIT, Conn::new(self.way_in(user, password))).await
    }

    /// Tries one login and closes the session in an orderly way, so that no trace of it
    /// is left in the list of sessions.
    ///
    /// MySQL asks for a user that does not exist by a plugin that it chooses by the name;
    /// where the driver does not know that plugin, the outcome is
    /// [`LoginOutcome::Unreachable`].
    pub async fn login(&self, user: &str, password: &Secret) -> LoginOutcome {
        let attempt = async {
            let connection = Conn::new(self.way_in(user, password)).await?;
            connection.disconnect().await
        };
        match within(CONNECT_TIME_LIMIT, attempt).await {
            Ok(()) => LoginOutcome::Accepted,
            Err(SandboxError::MysqlStatement(Error::Server(answer))) => {
                LoginOutcome::Refused(answer.code.to_string())
            }
            Err(error) => LoginOutcome::Unreachable(error.to_string()),
        }
    }

    /// [`MysqlDoor::login`] for callers without a runtime, and for those within one too.
    #[must_use]
    pub fn login_blocking(&self, user: &str, password: &Secret) -> LoginOutcome {
        block_on(self.login(user, password))
    }

    /// Sends texts of statements, one after the other, in one new session and answers the
    /// rows of all of them.
    pub(super) fn run_blocking(
        &self,
        superuser: &Superuser,
        texts: &[&str],
    ) -> Result<Vec<Row>, SandboxError> {
        block_on(async {
            let mut connection = self.connect(&superuser.name, &superuser.password).await?;
            let answer = within(STATEMENT_TIME_LIMIT, run(&mut connection, texts)).await;
            // The answer counts; a session that the server has ended needs no goodbye.
            let goodbye = within(CONNECT_TIME_LIMIT, connection.disconnect()).await;
            if let Err(error) = goodbye {
                tracing::debug!(%error, "a session of the sandbox ended without a goodbye");
            }
            answer
        })
    }

    fn way_in(&self, user: &str, password: &Secret) -> Opts {
        let authority = self.authority_pem.clone().into_bytes();
        let tls = SslOpts::default()
            .with_root_certs(vec![authority.into()])
            .with_disable_built_in_roots(true);
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .prefer_socket(false)
            .ssl_opts(tls)
            .user(Some(user))
            .pass(Some(password.expose()))
            .stmt_cache_size(0)
            .max_allowed_packet(Some(MAX_ALLOWED_PACKET))
            .wait_timeout(Some(WAIT_TIMEOUT))
            .connect_attribute("program_name", APPLICATION)
            .into()
    }
}

async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, Error>>,
) -> Result<T, SandboxError> {
    match tokio::time::timeout(limit, attempt).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(SandboxError::NoAnswer(limit)),
    }
}

/// All rows of all statements, each value as the server prints it.
async fn run(connection: &mut Conn, texts: &[&str]) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for statements in texts {
        let mut answer = connection.query_iter(*statements).await?;
        while !answer.is_empty() {
            for row in answer.collect::<mysql_async::Row>().await? {
                rows.push(row.unwrap().iter().map(text).collect());
            }
        }
        answer.drop_result().await?;
    }
    Ok(rows)
}

/// The server prints every value of such an answer itself; `None` is NULL.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        printed_by_the_driver => Some(printed_by_the_driver.as_sql(true)),
    }
}
