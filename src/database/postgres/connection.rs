//! Opening a connection under a time-out of ours.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::Tls;
use super::super::tls::TlsConnector;
use super::{classify, within};
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
    /// How a second connection is made that cancels what this one does; `None` without TLS.
    tls: Option<MakeRustlsConnect>,
    /// Set when the server warned that it gave up waiting for a synchronous standby.
    unreplicated: Arc<AtomicBool>,
}

impl Connection {
    /// Asks the server to cancel what runs on this connection; it promises nothing.
    pub(super) async fn cancel(&self) -> Result<(), tokio_postgres::Error> {
        let token = self.client.cancel_token();
        match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    /// Whether the server has warned, since this was last asked, that a commit holds
    /// although no synchronous standby confirmed it.
    pub(super) fn take_unreplicated(&self) -> bool {
        self.unreplicated.swap(false, Ordering::AcqRel)
    }
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
                let (protection, witness) = tls.connection();
                let connector = MakeRustlsConnect::new(protection);
                let (client, connection) = config.connect(connector.clone()).await?;
                let tls = Some((connector, witness.fingerprint()));
                Ok(drive(client, connection, tls))
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

/// Drives a connection in a task of its own and listens to the one warning that changes
/// what an answer means. The server sends it before that answer, so it is noted in time.
fn drive<S, T>(
    client: Client,
    mut connection: tokio_postgres::Connection<S, T>,
    tls: Option<(MakeRustlsConnect, Option<String>)>,
) -> Connection
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unreplicated = Arc::new(AtomicBool::new(false));
    let warned = Arc::clone(&unreplicated);
    let task = tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) if classify::is_unreplicated(&notice) => {
                    warned.store(true, Ordering::Release);
                }
                Ok(_) => {}
                Err(error) => {
                    // Whoever waits for an answer is told by the client; here it is only noted.
                    tracing::debug!(%error, "a connection ended");
                    return;
                }
            }
        }
    });
    let (tls, certificate) = tls.unzip();
    Connection {
        client,
        task,
        certificate: certificate.flatten(),
        tls,
        unreplicated,
    }
}
