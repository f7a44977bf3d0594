//! Opening a connection under a time-out of ours.

use std::time::Duration;

use mysql_async::{Conn, OptsBuilder};
use rustls::pki_types::ServerName;

use super::super::Tls;
use super::super::tls::TlsConnector;
use super::MysqlFlavour;
use super::classify::{self, ConnectError};
use super::doorway::Doorway;
use super::line::{FAREWELL, Line, LineError, Relay};
use super::packet::Refusal;
use crate::model::{Node, UnknownCause, UserName};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// No answer that we ask for is longer; a server may not make the driver reserve more.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// What one connection needs.
pub(super) struct Parameters<'a> {
    pub(super) node: &'a Node,
    /// The database to log in to; without it, only the password and the account count.
    pub(super) database: Option<&'a str>,
    pub(super) user: &'a UserName,
    pub(super) password: &'a Secret,
    /// Shown by `performance_schema.session_connect_attrs` as `program_name`.
    pub(super) application: &'a str,
    /// From the first packet to the end of authentication.
    pub(super) timeout: Duration,
}

/// What a server says of itself in its greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerVersion {
    pub(super) flavour: MysqlFlavour,
    /// 90704 for 9.7.4, 101119 for 10.11.19; `None` where the text begins otherwise.
    pub(super) number: Option<u32>,
    /// The text itself.
    pub(super) text: Untrusted,
}

impl ServerVersion {
    /// MariaDB puts `5.5.5-` before its version, for clients that know no second digit.
    fn parse(text: &str) -> Self {
        let is_mariadb = text.to_ascii_lowercase().contains("mariadb");
        let (flavour, version) = if is_mariadb {
            let version = text.strip_prefix("5.5.5-").unwrap_or(text);
            (MysqlFlavour::MariaDb, version)
        } else {
            (MysqlFlavour::MySql, text)
        };
        Self {
            flavour,
            number: version_number(version),
            text: Untrusted::new(text),
        }
    }
}

fn version_number(version: &str) -> Option<u32> {
    let end = version
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(version.len());
    let mut parts = version[..end].split('.');
    let mut number = 0;
    for _ in 0..3 {
        let part: u32 = parts.next()?.parse().ok().filter(|part| *part < 100)?;
        number = number * 100 + part;
    }
    Some(number)
}

/// An open connection.
pub(super) struct Connection {
    /// The driver's side; its options hold the password, so that it is never shown.
    pub(super) conn: Conn,
    /// The SHA-256 of the server's certificate, in lower-case hex; `None` without TLS.
    pub(super) certificate: Option<String>,
    /// The number by which the server lists and kills this connection.
    pub(super) id: i64,
    pub(super) version: ServerVersion,
    relay: Relay,
}

impl Connection {
    /// Why an exchange on this connection failed, where the server gave no answer. The line
    /// knows more than the driver, to which it looks like a socket that was closed.
    pub(super) fn cause(&self, error: &mysql_async::Error) -> UnknownCause {
        match error {
            mysql_async::Error::Io(_) => self.relay.fault(),
            _ => None,
        }
        .unwrap_or_else(|| classify::unknown_cause(error))
    }

    /// Says goodbye and waits, briefly, until the server has closed the line. A server that
    /// does not read it, or that still owes an answer, must not hold us up: its line is cut,
    /// so that nothing that was left goes on behind our back.
    pub(super) async fn close(self) {
        let Self {
            conn, mut relay, ..
        } = self;
        let goodbye = async {
            if conn.disconnect().await.is_ok() {
                relay.end().await;
            }
        };
        // Dropping the relay is what cuts the line.
        let _ = tokio::time::timeout(FAREWELL, goodbye).await;
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

    /// Opens a connection; neither the driver nor the line has a time-out, so that this one
    /// covers both.
    pub(super) async fn connect(
        &self,
        parameters: Parameters<'_>,
    ) -> Result<Connection, ConnectError> {
        tokio::time::timeout(parameters.timeout, self.open(&parameters))
            .await
            .unwrap_or(Err(ConnectError::Failed(UnknownCause::TimedOut)))
    }

    async fn open(&self, parameters: &Parameters<'_>) -> Result<Connection, ConnectError> {
        let line = Line::open(parameters.node).await?;
        let greeting = &line.greeting;
        let id = i64::from(greeting.id);
        let version = ServerVersion::parse(&greeting.version);
        let (tls, witness) = match &self.tls {
            Some(tls) => {
                let (config, witness) = tls.connection();
                (
                    Some((config, certified_name(parameters.node)?)),
                    Some(witness),
                )
            }
            None => (None, None),
        };
        let doorway = Doorway::open().map_err(|error| {
            ConnectError::Failed(other(&format!(
                "the private socket for the driver cannot be made: {error}; set \
                 XDG_RUNTIME_DIR to a folder of your own with a short path"
            )))
        })?;
        let options = options(parameters, doorway.path());
        let mut relay = line.relay(doorway, tls)?;
        match Conn::new(options).await {
            Ok(conn) => Ok(Connection {
                conn,
                certificate: witness.and_then(|witness| witness.fingerprint()),
                id,
                version,
                relay,
            }),
            Err(error) => {
                // The driver's side is closed by now or will be in an instant, and with it
                // the relay ends; what failed in it is the reason.
                let _ = tokio::time::timeout(FAREWELL, relay.end()).await;
                Err(match error {
                    mysql_async::Error::Server(error) => ConnectError::Refused(Refusal {
                        code: error.code,
                        message: Untrusted::new(&error.message),
                    }),
                    error => ConnectError::Failed(
                        relay
                            .fault()
                            .unwrap_or_else(|| classify::unknown_cause(&error)),
                    ),
                })
            }
        }
    }
}

impl From<LineError> for ConnectError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Failed(cause) => Self::Failed(cause),
            LineError::TurnedAway(refusal) => Self::TurnedAway(refusal),
        }
    }
}

/// The driver still asks one question of its own when it is in, `SELECT @@wait_timeout`. It
/// is left to, since only a question shows that a server let us in to change an expired
/// password and for nothing else.
fn options(parameters: &Parameters<'_>, path: &str) -> OptsBuilder {
    OptsBuilder::default()
        .prefer_socket(false)
        .socket(Some(path))
        .user(Some(parameters.user.as_str()))
        .pass(Some(parameters.password.expose()))
        .db_name(parameters.database)
        .stmt_cache_size(0)
        .max_allowed_packet(Some(LONGEST_ANSWER))
        .secure_auth(true)
        .enable_cleartext_plugin(false)
        .connect_attribute("program_name", parameters.application)
}

/// The name that the certificate of a node must have.
fn certified_name(node: &Node) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(node.host.clone()).map_err(|_| {
        let text = format!("`{}` is no name that a certificate can have", node.host);
        ConnectError::Failed(UnknownCause::Tls(Untrusted::new(&text)))
    })
}

fn other(text: &str) -> UnknownCause {
    UnknownCause::Other(Untrusted::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavour_and_number_are_read_from_the_version() {
        use MysqlFlavour::{MariaDb, MySql};
        for (text, flavour, number) in [
            ("9.7.4", MySql, Some(90_704)),
            ("8.0.36-28", MySql, Some(80_036)),
            ("8.4.10-0ubuntu0.24.04.1", MySql, Some(80_410)),
            (
                "5.5.5-10.11.19-MariaDB-0+deb12u1-log",
                MariaDb,
                Some(101_119),
            ),
            ("11.4.2-MariaDB", MariaDb, Some(110_402)),
            ("8.0", MySql, None),
            ("8.0.999", MySql, None),
            ("", MySql, None),
            ("MariaDB", MariaDb, None),
        ] {
            let version = ServerVersion::parse(text);
            assert_eq!(
                (version.flavour, version.number),
                (flavour, number),
                "{text}"
            );
        }
    }
}
