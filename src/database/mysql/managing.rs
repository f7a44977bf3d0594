//! The managing connection: facts at S1, and under the lock of S3.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use mysql_async::prelude::Queryable;
use mysql_async::{Error, Row};
use zeroize::Zeroizing;

use super::super::{
    Change, ChangeOutcome, ChangePart, Ending, Managing, SessionToEnd, Target, Timeouts, Tls,
};
use super::accounts::{AccountOfServer, Accounts, Surroundings, role_facts};
use super::answer::{flag, moment, number, text};
use super::classify::{self, ConnectError};
use super::connector::{Connection, Connector, Parameters};
use super::grants::{Grants, Held, Object};
use super::hosts::Client;
use super::{MysqlFlavour, sql, twins, within};
use crate::model::{
    AccountId, Barrier, Credential, DatabaseFault, LoginOutcome, ManagingFacts, Node,
    ServerIdentity, SessionView, TwinFacts, TwinRoles, UnknownCause, UserName,
};
use crate::process::failpoint::{self, Failpoint};
use crate::untrusted::Untrusted;

/// Longer than the server's own time-outs, so that its answer, if any, arrives first.
pub(super) const MARGIN: Duration = Duration::from_secs(2);

/// `ER_DBACCESS_DENIED_ERROR`, `ER_TABLEACCESS_DENIED_ERROR`, `ER_COLUMNACCESS_DENIED_ERROR`
/// and `ER_SPECIFIC_ACCESS_DENIED_ERROR`: the right to look is missing.
pub(super) const DENIED: [u16; 4] = [1044, 1142, 1143, 1227];

/// `ER_UNKNOWN_SYSTEM_VARIABLE`.
pub(super) const NO_SUCH_VARIABLE: u16 = 1193;

/// An open managing connection.
pub(super) struct MysqlManaging {
    pub(super) connection: Connection,
    pub(super) node: Node,
    pub(super) user: UserName,
    /// `mgr`@`%`, as a statement names it.
    pub(super) manager: String,
    roles: Option<String>,
    pub(super) timeouts: Timeouts,
    encrypted: bool,
    /// Whose lock is held, and the rows that were found under it.
    pub(super) changing: Option<(AccountId, Vec<AccountOfServer>)>,
    /// The hosts of the second user's rows that were locked when this connection was asked
    /// for facts.
    pub(super) found_locked: Vec<String>,
}

/// Logs in as the managing user, between the two failpoints.
pub(super) async fn open(
    connector: &Connector,
    target: &Target,
    node: &Node,
    manager: &Credential,
    application: &str,
) -> Result<MysqlManaging, DatabaseFault> {
    let lost = |failpoint: Failpoint| DatabaseFault::Unreachable {
        node: node.clone(),
        cause: UnknownCause::Unreachable(words(failpoint)),
    };
    failpoint::before("managing-login").map_err(lost)?;
    let managing = log_in(connector, target, node, manager, application).await?;
    failpoint::after("managing-login").map_err(lost)?;
    Ok(managing)
}

/// Logs in and makes the session a plain one.
pub(super) async fn log_in(
    connector: &Connector,
    target: &Target,
    node: &Node,
    manager: &Credential,
    application: &str,
) -> Result<MysqlManaging, DatabaseFault> {
    let out = |message: &str| DatabaseFault::ManagerOut {
        user: manager.username.clone(),
        message: Untrusted::new(message),
    };
    let Some(password) = &manager.password else {
        return Err(out("no password is given"));
    };
    let attempt = connector.connect(Parameters {
        node,
        // Everything that is asked names its schema; a database of the application's that
        // is missing is no reason why its manager could not work.
        database: None,
        user: &manager.username,
        password,
        application,
        timeout: target.timeouts.connect,
    });
    let connection = attempt
        .await
        .map_err(|error| why_not(&error, node, &manager.username, &target.tls))?;
    let mut managing = MysqlManaging {
        connection,
        node: node.clone(),
        user: manager.username.clone(),
        manager: String::new(),
        roles: None,
        timeouts: target.timeouts,
        encrypted: target.tls != Tls::Disable,
        changing: None,
        found_locked: Vec::new(),
    };
    managing.settle().await?;
    Ok(managing)
}

fn why_not(error: &ConnectError, node: &Node, user: &UserName, tls: &Tls) -> DatabaseFault {
    let out = |message: &str| DatabaseFault::ManagerOut {
        user: user.clone(),
        message: Untrusted::new(message),
    };
    let unreachable = |cause| DatabaseFault::Unreachable {
        node: node.clone(),
        cause,
    };
    match classify::login_outcome(error) {
        // The code of a wrong password is also that of a missing row, or of missing TLS.
        LoginOutcome::PasswordRefused if *tls == Tls::Disable => {
            out("access denied; the server may want TLS, which `tls.mode` leaves out")
        }
        LoginOutcome::PasswordRefused => {
            out("access denied, no row of it serves this host, or one without a user name does")
        }
        LoginOutcome::PasswordAccepted(Barrier::NotPermitted) => out("the account is locked"),
        LoginOutcome::PasswordAccepted(Barrier::PasswordExpired) => out("its password has expired"),
        LoginOutcome::PasswordAccepted(Barrier::Database) => out("access denied to the database"),
        LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit) => unreachable(
            UnknownCause::NotReady(Untrusted::new("too many connections")),
        ),
        LoginOutcome::Unknown(cause) => unreachable(cause),
        LoginOutcome::LoggedIn { .. } | LoginOutcome::StatementFailed { .. } => {
            out("the connection was lost")
        }
    }
}

impl Managing for MysqlManaging {
    fn facts<'a>(
        &'a mut self,
        current: &'a UserName,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<ManagingFacts, DatabaseFault>> {
        self.look([current, user]).boxed()
    }

    fn identity(&mut self) -> BoxFuture<'_, Result<ServerIdentity, DatabaseFault>> {
        async move { Ok(self.who_is_it().await?.identity) }.boxed()
    }

    fn sessions<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<(SessionView, DateTime<Utc>), DatabaseFault>> {
        async move {
            let seen = self.look_at_sessions().await?;
            let rows = self.ask(sql::SERVER_TIME).await?;
            let now = rows.first().and_then(|row| moment(row, "server_time"));
            Ok((
                seen.of(account.as_str()),
                now.unwrap_or(DateTime::<Utc>::MIN_UTC),
            ))
        }
        .boxed()
    }

    /// No replica can hold a change of ours up for longer than semi-synchronous replication
    /// lets it; whether it did cannot be asked.
    fn waiting_for_standby<'a>(
        &'a mut self,
        _: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<i64>, DatabaseFault>> {
        async { Ok(None) }.boxed()
    }

    fn twins<'a>(
        &'a mut self,
        roles: TwinRoles<'a>,
    ) -> BoxFuture<'a, Result<TwinFacts, DatabaseFault>> {
        self.compare(roles).boxed()
    }

    fn begin_change<'a>(
        &'a mut self,
        account: &'a AccountId,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<ChangePart>, ChangeOutcome>> {
        self.begin(account, wait).boxed()
    }

    fn change<'a>(
        &'a mut self,
        part: &'a ChangePart,
        change: Change<'a>,
    ) -> BoxFuture<'a, ChangeOutcome> {
        self.alter(part, change).boxed()
    }

    fn end_session<'a>(
        &'a mut self,
        session: SessionToEnd<'a>,
    ) -> BoxFuture<'a, Result<Ending, DatabaseFault>> {
        self.end(session).boxed()
    }

    fn lacks_right_to_end<'a>(
        &'a mut self,
        _: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<String>, DatabaseFault>> {
        async move {
            let (may, grant) = self.right_to_end().await?;
            Ok((!may).then_some(grant))
        }
        .boxed()
    }

    fn password_changed<'a>(
        &'a mut self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<DateTime<Utc>>, DatabaseFault>> {
        async move {
            let question = sql::password_changed(self.flavour(), user);
            let rows = self.ask(&question).await?;
            let told = rows.first().and_then(|row| moment(row, "changed"));
            // MariaDB writes 0 for a password that an administrator let expire.
            Ok(told.filter(|at| at.timestamp() > 0))
        }
        .boxed()
    }

    fn give_up(&mut self) -> BoxFuture<'_, ()> {
        self.release().boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.connection.close().boxed()
    }
}

/// What the server said of itself.
struct ServerItself {
    identity: ServerIdentity,
    server_time: DateTime<Utc>,
    read_only: bool,
    secure_only: bool,
    /// `skip_name_resolve`.
    nameless: bool,
}

impl MysqlManaging {
    pub(super) fn flavour(&self) -> MysqlFlavour {
        self.connection.version.flavour
    }

    /// Makes the session a plain one and learns who we are to the server.
    async fn settle(&mut self) -> Result<(), DatabaseFault> {
        self.ask(sql::PLAIN_SESSION).await?;
        if self.flavour() == MysqlFlavour::MySql {
            self.ask(sql::ALL_ROLES).await?;
        }
        let rows = self.ask(sql::WHO_MANAGES).await?;
        let row = rows.first();
        let account = row.and_then(|row| text(row, "account")).unwrap_or_default();
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        self.manager = sql::account(user, host)
            .unwrap_or_else(|| Untrusted::new(&account).as_str().to_owned());
        self.roles = row
            .and_then(|row| text(row, "roles"))
            .filter(|roles| roles != "NONE");
        Ok(())
    }

    /// One exchange under our time-out; what goes wrong is told as the server tells it.
    pub(super) async fn run(&mut self, statement: &str) -> Option<Result<Vec<Row>, Error>> {
        let conn = &mut self.connection.conn;
        within(self.timeouts.statement, conn.query(statement)).await
    }

    /// Runs a question and names what went wrong.
    pub(super) async fn ask(&mut self, question: &str) -> Result<Vec<Row>, DatabaseFault> {
        match self.run(question).await {
            Some(Ok(rows)) => Ok(rows),
            Some(Err(error)) => Err(self.fault(&error)),
            None => Err(self.timed_out()),
        }
    }

    pub(super) fn timed_out(&self) -> DatabaseFault {
        DatabaseFault::Unreachable {
            node: self.node.clone(),
            cause: UnknownCause::TimedOut,
        }
    }

    pub(super) fn fault(&self, error: &Error) -> DatabaseFault {
        let node = self.node.clone();
        match classify::server_code(error) {
            Some(code) if DENIED.contains(&code) => DatabaseFault::NoRight {
                node,
                user: self.user.clone(),
                message: classify::server_words(error),
                grant: self.rights_to_look(),
            },
            Some(code) => DatabaseFault::Server {
                node,
                code: code.to_string(),
                message: classify::server_words(error),
            },
            None => DatabaseFault::Unreachable {
                node,
                cause: self.connection.cause(error),
            },
        }
    }

    /// All that the managing user needs to look at accounts and their privileges.
    fn rights_to_look(&self) -> String {
        format!("GRANT SELECT ON mysql.* TO {};", self.manager)
    }

    async fn who_is_it(&mut self) -> Result<ServerItself, DatabaseFault> {
        let flavour = self.flavour();
        let rows = match self.run(sql::identity(flavour)).await {
            Some(Err(error)) if classify::server_code(&error) == Some(NO_SUCH_VARIABLE) => {
                self.ask(sql::IDENTITY_BY_PLACE).await?
            }
            Some(Err(error)) => return Err(self.fault(&error)),
            Some(Ok(rows)) => rows,
            None => return Err(self.timed_out()),
        };
        let redo = self.ask(sql::redo_log(flavour)).await?;
        let untold = || DatabaseFault::Server {
            node: self.node.clone(),
            code: "none".to_owned(),
            message: Untrusted::new("the server did not say which one it is"),
        };
        let row = rows.first().ok_or_else(untold)?;
        let system = text(row, "server").filter(|system| !system.is_empty());
        let clean = |text: &str| Untrusted::new(text).as_str().to_owned();
        Ok(ServerItself {
            identity: ServerIdentity {
                flavour: flavour.into(),
                system: clean(&system.ok_or_else(untold)?),
                timeline: 0,
                position: redo
                    .first()
                    .and_then(|row| number(row, "Value"))
                    .unwrap_or(0),
                transaction: 0,
                gtids: text(row, "gtids").map_or_else(String::new, |gtids| {
                    gtids.split_whitespace().collect::<String>()
                }),
                version: self.connection.version.number.map_or(0, u32::cast_signed),
            },
            server_time: moment(row, "server_time").unwrap_or(DateTime::<Utc>::MIN_UTC),
            read_only: flag(row, "read_only"),
            secure_only: flag(row, "secure_only"),
            nameless: flag(row, "nameless"),
        })
    }

    /// The rows of two users.
    pub(super) async fn accounts(
        &mut self,
        users: [&UserName; 2],
    ) -> Result<Vec<AccountOfServer>, DatabaseFault> {
        Ok(self.accounts_and_anonymous(users).await?.pair)
    }

    async fn accounts_and_anonymous(
        &mut self,
        users: [&UserName; 2],
    ) -> Result<Accounts, DatabaseFault> {
        let question = sql::accounts(self.flavour(), users);
        let rows = self.ask(&question).await?;
        Ok(Accounts::read(&rows))
    }

    async fn look(&mut self, users: [&UserName; 2]) -> Result<ManagingFacts, DatabaseFault> {
        let itself = self.who_is_it().await?;
        let accounts = self.accounts_and_anonymous(users).await?;
        let idle = accounts.pair.iter().filter(|row| row.locked);
        self.found_locked = idle
            .filter(|row| row.user == users[1].as_str())
            .map(|row| row.host.clone())
            .collect();
        let own = self.own_rights().await?;
        let seen = self.look_at_sessions().await?;
        let around = Surroundings {
            flavour: self.flavour(),
            manager: &self.manager,
            may_create_users: has(&own, "CREATE USER"),
            is_system_user: has(&own, "SYSTEM_USER"),
            encrypted: self.encrypted,
            client: seen.own_address.as_deref().map(|shown| Client {
                shown,
                nameless: itself.nameless,
            }),
            anonymous: &accounts.anonymous,
            secure_only: itself.secure_only,
        };
        let roles = users.map(|user| role_facts(user, &accounts.pair, around));
        Ok(ManagingFacts {
            read_only: itself.read_only,
            receiving: seen.receiving,
            certificate: self.connection.certificate.clone(),
            standbys: seen.standbys(),
            synchronous_wanted: 0,
            sessions: seen.of(users[1].as_str()),
            roles,
            server_time: itself.server_time,
            identity: itself.identity,
        })
    }

    /// What the managing user may do itself.
    pub(super) async fn own_rights(&mut self) -> Result<Grants, DatabaseFault> {
        let question = sql::own_grants(self.flavour(), self.roles.as_deref());
        // MariaDB shows the hash of the managing user's own password among its rights.
        let grants: Vec<Zeroizing<String>> = self
            .ask(&question)
            .await?
            .into_iter()
            .filter_map(|row| mysql_async::from_row_opt::<String>(row).ok())
            .map(Zeroizing::new)
            .collect();
        let lines: Vec<&str> = grants.iter().map(|line| line.as_str()).collect();
        Ok(Grants::read(&lines, None))
    }

    async fn compare(&mut self, roles: TwinRoles<'_>) -> Result<TwinFacts, DatabaseFault> {
        let accounts = self.accounts(roles.names).await?;
        let of = |user: &UserName| -> Vec<super::Account> {
            accounts
                .iter()
                .filter(|row| row.user == user.as_str())
                .map(|row| super::Account {
                    user: row.user.clone(),
                    host: row.host.clone(),
                })
                .collect()
        };
        let [current, idle] = roles.names.map(of);
        let flavour = self.flavour();
        let conn = &mut self.connection.conn;
        let look = twins::look(conn, flavour, [&current, &idle]);
        match within(self.timeouts.statement, look).await {
            Some(Ok(facts)) => Ok(facts),
            Some(Err(error)) => Err(self.fault(&error)),
            None => Err(self.timed_out()),
        }
    }
}

/// Whether a privilege on everything is held.
pub(super) fn has(own: &Grants, privilege: &str) -> bool {
    own.covers(&Held {
        object: Object::Global,
        privilege: privilege.to_owned(),
        grantable: false,
    })
}

pub(super) fn words(failpoint: Failpoint) -> Untrusted {
    Untrusted::new(&failpoint.to_string())
}
