//! A replica of a sandbox's server: a real one, that replicates over verified TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{MysqlFlavour, MysqlServer, New, SandboxError};

/// How long a replica may take to reach its primary.
const CATCH_UP_TIME_LIMIT: Duration = Duration::from_secs(30);

impl MysqlServer {
    /// Makes a second server that replicates everything from this one, from its first
    /// statement on, and takes no write of others; it has the same superuser and a
    /// certificate of its own by the same authority. `number` tells the replicas of one
    /// server apart: 2 or more. Answers when the replica accepts logins and replicates; it
    /// may then still be behind, see [`MysqlServer::wait_until_it_has_all_of`].
    ///
    /// `configuration` are lines for the replica's section `[mysqld]`.
    ///
    /// # Errors
    /// [`SandboxError`]; when the replica itself fails, with the end of its log.
    pub fn start_replica(
        &self,
        number: u32,
        configuration: &[String],
    ) -> Result<Self, SandboxError> {
        let new = New {
            programs: self.programs.clone(),
            template: self.template.clone(),
            authority: Arc::clone(&self.authority),
            superuser: self.superuser.duplicate(),
            parent: self.folder().parent().unwrap_or(Path::new("/tmp")),
            time_limit: self.lifecycle.time_limit(),
            number,
        };
        let read_only: &[&str] = match self.flavour() {
            MysqlFlavour::MySql => &["read_only = ON", "super_read_only = ON"],
            MysqlFlavour::MariaDb => &["read_only = ON"],
        };
        let mut lines: Vec<String> = read_only.iter().map(|line| (*line).to_owned()).collect();
        lines.extend_from_slice(configuration);
        let replica = new.start(&lines)?;
        // Kept out of the log of statements, in which MariaDB would write the password; a text
        // is logged as a whole, before its first statement is run.
        replica.door.run_blocking(
            &self.superuser,
            &[
                "SET SESSION sql_log_off = ON",
                &replicate_from(self, &replica.ca_file()),
            ],
        )?;
        Ok(replica)
    }

    /// Waits until this replica has applied all that `primary` has now.
    ///
    /// # Errors
    /// [`SandboxError::ReplicaBehind`] when that takes longer than half a minute, as it
    /// does while applying is paused.
    pub fn wait_until_it_has_all_of(&self, primary: &Self) -> Result<(), SandboxError> {
        let position = match self.flavour() {
            MysqlFlavour::MySql => "SELECT @@global.gtid_executed",
            MysqlFlavour::MariaDb => "SELECT @@global.gtid_binlog_pos",
        };
        let position = first(primary.sql(position)?);
        let seconds = CATCH_UP_TIME_LIMIT.as_secs();
        // The server itself waits, and answers zero once it is there.
        let wait = match self.flavour() {
            MysqlFlavour::MySql => {
                format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', {seconds})")
            }
            MysqlFlavour::MariaDb => format!("SELECT MASTER_GTID_WAIT('{position}', {seconds})"),
        };
        if first(self.sql(&wait)?) == "0" {
            return Ok(());
        }
        let status = match self.flavour() {
            MysqlFlavour::MySql => "SHOW REPLICA STATUS",
            MysqlFlavour::MariaDb => "SHOW SLAVE STATUS",
        };
        Err(SandboxError::ReplicaBehind {
            position,
            within: CATCH_UP_TIME_LIMIT,
            status: format!("{:?}", self.sql(status)?),
        })
    }

    /// Stops applying what the primary sends; it is fetched on.
    ///
    /// # Errors
    /// [`SandboxError::MysqlStatement`] with the server's answer.
    pub fn pause_applying(&self) -> Result<(), SandboxError> {
        self.applying("STOP")
    }

    /// Goes on applying.
    ///
    /// # Errors
    /// [`SandboxError::MysqlStatement`] with the server's answer.
    pub fn resume_applying(&self) -> Result<(), SandboxError> {
        self.applying("START")
    }

    fn applying(&self, verb: &str) -> Result<(), SandboxError> {
        let noun = match self.flavour() {
            MysqlFlavour::MySql => "REPLICA",
            MysqlFlavour::MariaDb => "SLAVE",
        };
        self.sql(&format!("{verb} {noun} SQL_THREAD")).map(drop)
    }
}

fn replicate_from(primary: &MysqlServer, authority: &Path) -> String {
    let (port, name) = (primary.port(), &primary.superuser.name);
    let password = primary.superuser.password.expose();
    let authority = authority.display();
    match primary.flavour() {
        MysqlFlavour::MySql => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, \
             SOURCE_USER = '{name}', SOURCE_PASSWORD = '{password}', SOURCE_SSL = 1, \
             SOURCE_SSL_CA = '{authority}', SOURCE_SSL_VERIFY_SERVER_CERT = 1, \
             SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1; \
             START REPLICA"
        ),
        MysqlFlavour::MariaDb => format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, \
             MASTER_USER = '{name}', MASTER_PASSWORD = '{password}', MASTER_SSL = 1, \
             MASTER_SSL_CA = '{authority}', MASTER_SSL_VERIFY_SERVER_CERT = 1, \
             MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1; \
             START SLAVE"
        ),
    }
}

fn first(rows: Vec<super::Row>) -> String {
    let value = rows.into_iter().flatten().next().flatten();
    value.unwrap_or_default()
}
