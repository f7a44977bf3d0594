//! Opening a connection under a time-out of ours.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use super::super::Tls;
use super::tls::TlsConnector;
use super::within;
use crate::model::{Node, UserName};
use crate::secret::Secret;

/// What one connection needs.
pub(super) struct Parameters<'a> {
    pub(super) node: &'a Node,
    pub(super) database: &'a str,
    pub(super) user: &'a UserName,
    pub(super) password: &'a Secret,
    pub(super) application: &'a str,
    pub(super) options: Option<&'a str>,
    pub(super) timeout: Duration,
}

/// Why no connection came about.
#[derive(Debug)]
pub(super) enum ConnectError {
    TimedOut,
    Driver(tokio_postgres::Error),
}

/// An open connection; `task` drives it and ends when the client is dropped.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) task: JoinHandle<()>,
    /// The SHA-256 of the server's certificate, in lower-case hex; `None` without TLS.
    pub(super) certificate: Option<String>,
}

/// How connections are protected, prepared once.
pub(super) struct Connector {
    /// `None` for connections without TLS.
    tls: Option<TlsConnector>,
}

impl Connector {
    pub(super) fn new(settings: &Tls) -> Result<Self, String> {
        let tls = TlsConnector::new(settings)?;
        Ok(Self { tls })
    }

    /// The driver's own time-out covers the TCP connect alone; ours covers TLS and
    /// authentication too.
    pub(super) async fn connect(
        &self,
        parameters: Parameters<'_>,
    ) -> Result<Connection, ConnectError> {
        let timeout = parameters.timeout;
        within(timeout, self.open(&parameters))
            .await
            .ok_or(ConnectError::TimedOut)?
            .map_err(ConnectError::Driver)
    }

    async fn open(&self, parameters: &Parameters<'_>) -> Result<Connection, tokio_postgres::Error> {
        let mut config = configure(parameters);
        match &self.tls {
            Some(tls) => {
                config.ssl_mode(SslMode::Require);
                let (connector, witness) = tls.connection();
                let (client, connection) = config.connect(connector).await?;
                Ok(drive(client, connection, witness.fingerprint()))
            }
            None => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await?;
                Ok(drive(client, connection, None))
            }
        }
    }
}

fn configure(parameters: &Parameters<'_>) -> Config {
    let mut config = Config::new();
    config
        .host(&parameters.node.host)
        .port(parameters.node.port)
        .dbname(parameters.database)
        .user(parameters.user.as_str())
        .password(parameters.password.expose())
        .application_name(parameters.application)
        .connect_timeout(parameters.timeout)
        .keepalives_idle(Duration::from_secs(15));
    if let Some(options) = parameters.options {
        config.options(options);
    }
    config
}

fn drive<C>(client: Client, connection: C, certificate: Option<String>) -> Connection
where
    C: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever waits for an answer is told by the client; here it is only noted.
            tracing::debug!(%error, "a connection ended");
        }
    });
    Connection {
        client,
        task,
        certificate,
    }
}
