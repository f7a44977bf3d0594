//! The way in to a PostgreSQL server, for its superuser or for anybody else.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::SandboxError;
use super::super::login::{
    APPLICATION, CONNECT_TIME_LIMIT, LoginOutcome, Row, Superuser, block_on,
};
use crate::secret::Secret;

/// The way in to one server: its port and the authority that vouches for it.
#[derive(Clone)]
pub struct Door {
    port: u16,
    connector: MakeRustlsConnect,
}

impl Door {
    /// The door of the server on `port` of 127.0.0.1, trusting `authority_pem` alone.
    #[must_use]
    pub fn new(port: u16, authority_pem: &str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority_pem.as_bytes()).flatten() {
            // An authority that is no certificate is not trusted; the login then fails.
            if let Err(error) = roots.add(certificate) {
                tracing::warn!(%error, "a certificate authority could not be read");
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            port,
            connector: MakeRustlsConnect::new(configuration),
        }
    }

    /// Connects over verified TLS. The session lives until the client is dropped, driven
    /// by the runtime that called.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn connect(
        &self,
        role: &str,
        password: &Secret,
        database: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        self.connect_as(role, password, database, APPLICATION).await
    }

    /// [`Door::connect`] under an application's name, which stands in the list of sessions.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn connect_as(
        &self,
        role: &str,
        password: &Secret,
        database: &str,
        application: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut configuration = self.configuration(role, password, database);
        configuration.application_name(application);
        let (client, connection) = configuration.connect(self.connector.clone()).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Tries one login and closes the session in an orderly way, so that no trace of it
    /// is left in the list of sessions.
    pub async fn login(&self, role: &str, password: &Secret, database: &str) -> LoginOutcome {
        let configuration = self.configuration(role, password, database);
        let attempt = async {
            let (client, connection) = configuration.connect(self.connector.clone()).await?;
            drop(client);
            // Nothing is asked any more: the connection says goodbye and ends.
            connection.await
        };
        match tokio::time::timeout(CONNECT_TIME_LIMIT, attempt).await {
            Ok(Ok(())) => LoginOutcome::Accepted,
            Ok(Err(error)) => match error.code() {
                Some(state) => LoginOutcome::Refused(state.code().to_owned()),
                None => LoginOutcome::Unreachable(error.to_string()),
            },
            Err(_) => LoginOutcome::Unreachable("no answer in time".to_owned()),
        }
    }

    /// [`Door::login`] for callers without a runtime, and for those within one too.
    #[must_use]
    pub fn login_blocking(&self, role: &str, password: &Secret, database: &str) -> LoginOutcome {
        block_on(self.login(role, password, database))
    }

    /// Runs statements in one new session and answers the rows of all of them.
    pub(in crate::sandbox) fn run_blocking(
        &self,
        superuser: &Superuser,
        statements: &str,
    ) -> Result<Vec<Row>, SandboxError> {
        block_on(async {
            let client = self
                .connect(&superuser.name, &superuser.password, "postgres")
                .await?;
            let messages = client.simple_query(statements).await?;
            Ok(messages
                .iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(
                        (0..row.len())
                            .map(|column| row.get(column).map(str::to_owned))
                            .collect(),
                    ),
                    _ => None,
                })
                .collect())
        })
    }

    fn configuration(
        &self,
        role: &str,
        password: &Secret,
        database: &str,
    ) -> tokio_postgres::Config {
        let mut configuration = tokio_postgres::Config::new();
        configuration
            .host("127.0.0.1")
            .port(self.port)
            .user(role)
            .password(password.expose())
            .dbname(database)
            .application_name(APPLICATION)
            .ssl_mode(SslMode::Require)
            .channel_binding(ChannelBinding::Require)
            .connect_timeout(CONNECT_TIME_LIMIT);
        configuration
    }
}
