//! Who is connected, from the process list or the performance schema.
//!
//! Both list a user by the name that logged in and not by the row that let it in, so that a
//! user's sessions are those of all its rows. Neither tells when a session began.

use mysql_async::Row;

use super::answer::{number, text};
use super::managing::{DENIED, MysqlManaging};
use super::{MysqlFlavour, classify, sql};
use crate::model::{DatabaseFault, Node, Session, SessionKind, SessionView, Standby};
use crate::untrusted::Untrusted;

/// All connections of a server at one moment, as far as the managing user sees them.
pub(super) struct Seen {
    all: Vec<Listed>,
    node: Node,
    complete: bool,
    grant: Option<String>,
    /// The address from which the server sees us come, or the name that it resolved for it.
    pub(super) own_address: Option<String>,
    /// A thread that fetches the log of another server runs here.
    pub(super) receiving: bool,
}

/// Whether the performance schema has them all: it lists at least our own connection, and
/// had room for every other.
fn are_all(rows: &[Row]) -> bool {
    rows.first()
        .is_some_and(|row| number::<u64>(row, "lost").unwrap_or(0) == 0)
}

struct Listed {
    id: i64,
    user: String,
    address: Option<String>,
    command: String,
    application: String,
}

impl Seen {
    /// `own` is the number of our own connection.
    pub(super) fn read(listing: &Listing, node: &Node, own: i64) -> Self {
        let (rows, place) = (&listing.rows, listing.place);
        let all: Vec<Listed> = rows
            .iter()
            .map(|row| Listed {
                id: number(row, "id").unwrap_or(0),
                user: text(row, "user").unwrap_or_default(),
                address: text(row, "host").map(|host| place.address(&host).to_owned()),
                command: text(row, "command").unwrap_or_default(),
                application: text(row, "application").unwrap_or_default(),
            })
            .collect();
        let receives = |row: &Row| {
            text(row, "thread")
                .is_some_and(|name| name.ends_with("/replica_io") || name.ends_with("/slave_io"))
        };
        Self {
            own_address: all
                .iter()
                .find(|listed| listed.id == own)
                .and_then(|listed| listed.address.clone()),
            receiving: rows.iter().any(receives),
            all,
            node: node.clone(),
            complete: listing.complete,
            grant: listing.grant.clone(),
        }
    }

    /// The sessions of one user; its name is compared as exactly as the server does.
    pub(super) fn of(&self, user: &str) -> SessionView {
        let sessions = self.all.iter().filter(|listed| listed.user == user);
        SessionView {
            sessions: sessions
                .map(|listed| Session {
                    node: self.node.clone(),
                    pid: listed.id,
                    kind: match listed.is_replica() {
                        true => SessionKind::WalSender,
                        false => SessionKind::Client,
                    },
                    application: Untrusted::new(&listed.application),
                    client: listed.address.as_deref().map(Untrusted::new),
                    started: None,
                    is_nameless_from_here: listed.application.is_empty()
                        && listed.address == self.own_address,
                })
                .collect(),
            complete: self.complete,
            grant: self.grant.clone(),
        }
    }

    /// The replicas that fetch this server's log now.
    pub(super) fn standbys(&self) -> Vec<Standby> {
        let replicas = self.all.iter().filter(|listed| listed.is_replica());
        replicas
            .map(|listed| Standby {
                application: Untrusted::new("replica"),
                client: listed.address.as_deref().map(Untrusted::new),
                state: Untrusted::new("fetching"),
                synchronous: false,
                flushed: None,
                replayed: None,
            })
            .collect()
    }
}

impl Listed {
    fn is_replica(&self) -> bool {
        sends_log(&self.command)
    }
}

/// Whether this is the command of a connection by which a replica fetches the log.
pub(super) fn sends_log(command: &str) -> bool {
    command.starts_with("Binlog Dump")
}

/// What a server listed, and whether that is everything.
pub(super) struct Listing {
    pub(super) rows: Vec<Row>,
    pub(super) place: Place,
    pub(super) complete: bool,
    /// The statement that makes it complete, when it is not.
    pub(super) grant: Option<String>,
}

impl MysqlManaging {
    pub(super) async fn look_at_sessions(&mut self) -> Result<Seen, DatabaseFault> {
        let listing = self
            .list_sessions(sql::SESSIONS, sql::SESSIONS_BY_PROCESS_LIST)
            .await?;
        Ok(Seen::read(&listing, &self.node, self.connection.id))
    }

    /// Asks the performance schema and, where that does not answer for all, the process list.
    pub(super) async fn list_sessions(
        &mut self,
        by_schema: &str,
        by_process_list: &str,
    ) -> Result<Listing, DatabaseFault> {
        // MariaDB keeps no performance schema by itself, and MySQL can be told not to.
        let rows = match self.flavour() {
            MysqlFlavour::MySql => self.run(by_schema).await,
            MysqlFlavour::MariaDb => Some(Ok(Vec::new())),
        };
        match rows {
            Some(Ok(rows)) if are_all(&rows) => {
                return Ok(Listing {
                    rows,
                    place: Place::PerformanceSchema,
                    complete: true,
                    grant: None,
                });
            }
            Some(Ok(_)) => {}
            Some(Err(error)) if classify::server_code(&error).is_some() => {}
            Some(Err(error)) => return Err(self.fault(&error)),
            None => return Err(self.timed_out()),
        }
        let complete = match self.run(sql::MAY_SEE_ALL).await {
            Some(Ok(_)) => true,
            Some(Err(error)) => match classify::server_code(&error) {
                Some(code) if DENIED.contains(&code) => false,
                _ => return Err(self.fault(&error)),
            },
            None => return Err(self.timed_out()),
        };
        let right = match self.flavour() {
            MysqlFlavour::MariaDb => "PROCESS ON *.*",
            MysqlFlavour::MySql => "SELECT ON performance_schema.*",
        };
        Ok(Listing {
            rows: self.ask(by_process_list).await?,
            place: Place::ProcessList,
            complete,
            grant: (!complete).then(|| format!("GRANT {right} TO {};", self.manager)),
        })
    }
}

/// From where the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It has the address alone.
    PerformanceSchema,
    /// It has the port behind the address, without brackets around one of IPv6.
    ProcessList,
}

impl Place {
    pub(super) fn address(self, host: &str) -> &str {
        match host.rsplit_once(':') {
            Some((address, port))
                if self == Self::ProcessList && port.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                address
            }
            _ => host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_the_address() {
        let with_port = |host| Place::ProcessList.address(host);
        assert_eq!(with_port("127.0.0.1:54864"), "127.0.0.1");
        assert_eq!(with_port("localhost"), "localhost");
        assert_eq!(with_port("db-1.example:3"), "db-1.example");
        assert_eq!(with_port("::1:54864"), "::1");
        for host in ["::1", "127.0.0.1", "fe80::12"] {
            assert_eq!(Place::PerformanceSchema.address(host), host);
        }
    }
}
