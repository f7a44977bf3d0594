//! The demo's one server, whichever engine it is of, and sessions on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    Door as PostgresDoor, MariadbBinaries, MysqlBinaries, MysqlDoor, MysqlFlavour, MysqlOptions,
    MysqlServer, PostgresBinaries, PostgresOptions, PostgresServer, SandboxError,
};
use super::DemoOptions;
use crate::model::Flavour;
use crate::secret::Secret;

/// A quiet server: with six pools the log would otherwise grow for as long as one looks.
const QUIET_POSTGRES: [&str; 3] = [
    "log_statement = 'none'",
    "log_connections = off",
    "log_disconnections = off",
];
const QUIET_MYSQL: &str = "general_log = OFF";

/// How long a login of an application may take.
const LOGIN: Duration = Duration::from_secs(10);

/// How long the server may take to end the statements of a client that was killed.
const END_OF_STATEMENTS: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// A running server, which ends when it is dropped.
pub(super) enum Server {
    Postgres(PostgresServer),
    Mysql(MysqlServer),
}

impl Server {
    /// Looks for the programs, before anything is made.
    pub(super) fn find(options: &DemoOptions) -> Result<(), SandboxError> {
        let (binaries, cache) = (options.binaries.as_deref(), options.cache.as_deref());
        match options.engine {
            Flavour::Postgresql => PostgresBinaries::find(binaries).map(drop),
            Flavour::Mysql => MysqlBinaries::find(binaries, cache).map(drop),
            Flavour::Mariadb => MariadbBinaries::find(binaries, cache).map(drop),
        }
    }

    /// Starts the server in a folder of its own below `parent`.
    pub(super) fn start(options: &DemoOptions, parent: &Path) -> Result<Self, SandboxError> {
        let flavour = match options.engine {
            Flavour::Postgresql => {
                let options = PostgresOptions {
                    binaries: options.binaries.clone(),
                    parent_folder: parent.to_owned(),
                    configuration: QUIET_POSTGRES.map(str::to_owned).to_vec(),
                    ..PostgresOptions::default()
                };
                return PostgresServer::start(&options).map(Self::Postgres);
            }
            Flavour::Mysql => MysqlFlavour::MySql,
            Flavour::Mariadb => MysqlFlavour::MariaDb,
        };
        let options = MysqlOptions {
            binaries: options.binaries.clone(),
            cache: options.cache.clone(),
            parent_folder: parent.to_owned(),
            configuration: vec![QUIET_MYSQL.to_owned()],
            ..MysqlOptions::new(flavour)
        };
        MysqlServer::start(&options).map(Self::Mysql)
    }

    pub(super) fn flavour(&self) -> Flavour {
        match self {
            Self::Postgres(_) => Flavour::Postgresql,
            Self::Mysql(server) => match server.flavour() {
                MysqlFlavour::MySql => Flavour::Mysql,
                MysqlFlavour::MariaDb => Flavour::Mariadb,
            },
        }
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port(),
            Self::Mysql(server) => server.port(),
        }
    }

    pub(super) fn process(&self) -> Option<i32> {
        match self {
            Self::Postgres(server) => server.process(),
            Self::Mysql(server) => server.process(),
        }
    }

    pub(super) fn folder(&self) -> PathBuf {
        match self {
            Self::Postgres(server) => server.folder().to_owned(),
            Self::Mysql(server) => server.folder().to_owned(),
        }
    }

    pub(super) fn ca_pem(&self) -> &str {
        match self {
            Self::Postgres(server) => server.ca_pem(),
            Self::Mysql(server) => server.ca_pem(),
        }
    }

    /// Runs statements as the superuser.
    pub(super) fn sql(&self, statements: &str) -> Result<(), SandboxError> {
        match self {
            Self::Postgres(server) => server.sql(statements).map(drop),
            Self::Mysql(server) => server.sql(statements).map(drop),
        }
    }

    /// The way in, for pools.
    pub(super) fn door(&self) -> Door {
        match self {
            Self::Postgres(server) => Door::Postgres(server.door().clone()),
            Self::Mysql(server) => match server.flavour() {
                MysqlFlavour::MySql => Door::Socket(server.folder().join("server.sock")),
                MysqlFlavour::MariaDb => Door::Mysql(server.door().clone()),
            },
        }
    }

    /// Locks a table in a session of the superuser's, so that nobody reads from it.
    pub(super) async fn hold(&self, table: &str) -> Result<HeldTable, SandboxError> {
        match self {
            Self::Postgres(server) => {
                let superuser = server.superuser();
                let client = server
                    .door()
                    .connect(&superuser.name, &superuser.password, "postgres")
                    .await?;
                let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
                client.batch_execute(&lock).await?;
                Ok(HeldTable::Postgres(client))
            }
            Self::Mysql(server) => {
                let superuser = server.superuser();
                let mut session = server
                    .door()
                    .connect(&superuser.name, &superuser.password)
                    .await?;
                let lock = format!("LOCK TABLES shop.{table} WRITE");
                session.query_drop(lock).await?;
                Ok(HeldTable::Mysql(Box::new(session)))
            }
        }
    }
}

/// A session that holds an application's table.
pub(super) enum HeldTable {
    Postgres(tokio_postgres::Client),
    Mysql(Box<Conn>),
}

impl HeldTable {
    /// Ends what a killed rotation of `application` had asked the server, as it would end
    /// when a host goes down, and lets the table go.
    pub(super) async fn release_without_rotation(
        self,
        application: &str,
    ) -> Result<(), SandboxError> {
        match self {
            Self::Postgres(client) => {
                let abandoned = format!(
                    "SELECT pg_terminate_backend(pid, {}) FROM pg_stat_activity \
                     WHERE usename LIKE '{application}\\_%' AND application_name LIKE 'handover/%'",
                    END_OF_STATEMENTS.as_millis()
                );
                let all = format!("{abandoned}; ROLLBACK");
                client.batch_execute(&all).await?;
            }
            Self::Mysql(mut session) => {
                end_statements(&mut session, application).await?;
                session.query_drop("UNLOCK TABLES").await?;
                session.disconnect().await?;
            }
        }
        Ok(())
    }
}

/// The pool of the application sleeps at this time, so that whoever does not is the rotation.
async fn end_statements(session: &mut Conn, application: &str) -> Result<(), SandboxError> {
    let abandoned = format!(
        "SELECT ID FROM information_schema.PROCESSLIST \
         WHERE USER LIKE '{application}\\_%' AND COMMAND <> 'Sleep'"
    );
    let begun = Instant::now();
    loop {
        let sessions: Vec<u64> = session.query(abandoned.as_str()).await?;
        if sessions.is_empty() || begun.elapsed() >= END_OF_STATEMENTS {
            return Ok(());
        }
        for id in sessions {
            // One that has ended by itself meanwhile is as good.
            let _ = session.query_drop(format!("KILL {id}")).await;
        }
        sleep(POLL).await;
    }
}

/// The way in for an application.
#[derive(Clone)]
pub(super) enum Door {
    Postgres(PostgresDoor),
    Mysql(MysqlDoor),
    /// With its own TLS the driver does not tell a server the application's name, which
    /// MySQL lists. The server's socket lies in a folder that is closed to others.
    Socket(PathBuf),
}

impl Door {
    /// Logs in under the application's name.
    pub(super) async fn connect(
        &self,
        user: &str,
        password: &Secret,
        application: &str,
    ) -> Result<Client, SandboxError> {
        Ok(match self {
            Self::Postgres(door) => Client::Postgres(
                door.connect_as(user, password, "postgres", application)
                    .await?,
            ),
            Self::Mysql(door) => {
                let session = door.connect(user, password).await?;
                Client::Mysql(Some(Box::new(session)))
            }
            Self::Socket(socket) => {
                let options = OptsBuilder::default()
                    .prefer_socket(false)
                    .socket(socket.to_str())
                    .user(Some(user))
                    .pass(Some(password.expose()))
                    .connect_attribute("program_name", application);
                let session = timeout(LOGIN, Conn::new(options))
                    .await
                    .map_err(|_| SandboxError::NoAnswer(LOGIN))??;
                Client::Mysql(Some(Box::new(session)))
            }
        })
    }
}

/// A session of an application. It says goodbye when it is dropped.
pub(super) enum Client {
    Postgres(tokio_postgres::Client),
    /// `None` once it is lost: this driver notices that only when it asks something.
    Mysql(Option<Box<Conn>>),
}

impl Client {
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Postgres(client) => client.is_closed(),
            Self::Mysql(session) => session.is_none(),
        }
    }

    /// Counts the rows of the application's table, and waits no longer than `limit`. What is
    /// answered, or that it fails, is nothing to a simulated application.
    pub(super) async fn count(&mut self, table: &str, limit: Duration) {
        match self {
            Self::Postgres(client) => {
                let query = format!("SELECT count(*) FROM {table}");
                let _ = timeout(limit, client.batch_execute(&query)).await;
            }
            Self::Mysql(session) => {
                let Some(open) = session else {
                    return;
                };
                let query = format!("SELECT count(*) FROM shop.{table}");
                match timeout(limit, open.query_drop(query)).await {
                    Ok(Ok(()) | Err(mysql_async::Error::Server(_))) => {}
                    // What was not read to its end cannot be asked again.
                    Ok(Err(_)) | Err(_) => *session = None,
                }
            }
        }
    }
}
