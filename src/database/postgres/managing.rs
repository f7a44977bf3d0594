//! The managing connection: facts at S1, the change at S3.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt, try_join3, try_join4};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::super::{
    Change, ChangeOutcome, ChangePart, Ending, Managing, SessionToEnd, Target, Timeouts,
};
use super::connection::{Connection, Connector};
use super::{login, replication, sql, twins, within};
use crate::model::{
    AccountId, Credential, DatabaseFault, Flavour, ManagingFacts, Node, RoleFacts, ServerIdentity,
    Session, SessionKind, SessionView, TwinFacts, TwinRoles, UnknownCause, UserName,
};
use crate::process::failpoint::{self, Failpoint};
use crate::untrusted::Untrusted;

/// Longer than the server's own time-outs, so that its answer, if any, arrives first.
pub(super) const MARGIN: Duration = Duration::from_secs(2);

/// An open managing connection.
pub(super) struct PostgresManaging {
    pub(super) connection: Connection,
    pub(super) node: Node,
    pub(super) manager: UserName,
    pub(super) timeouts: Timeouts,
}

/// Logs in as the managing user.
pub(super) async fn open(
    connector: &Connector,
    target: &Target,
    node: &Node,
    manager: &Credential,
    application: &str,
) -> Result<PostgresManaging, DatabaseFault> {
    let lost = |failpoint: Failpoint| DatabaseFault::Unreachable {
        node: node.clone(),
        cause: UnknownCause::Unreachable(words(failpoint)),
    };
    failpoint::before("managing-login").map_err(lost)?;
    let options = sql::MANAGING_OPTIONS;
    let connection = login::log_in(connector, target, node, manager, application, options).await?;
    failpoint::after("managing-login").map_err(lost)?;
    Ok(PostgresManaging {
        connection,
        node: node.clone(),
        manager: manager.username.clone(),
        timeouts: target.timeouts,
    })
}

impl Managing for PostgresManaging {
    fn facts<'a>(
        &'a mut self,
        current: &'a UserName,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<ManagingFacts, DatabaseFault>> {
        self.look(current, user).boxed()
    }

    fn identity(&mut self) -> BoxFuture<'_, Result<ServerIdentity, DatabaseFault>> {
        async move {
            let question = self.client().query_typed(sql::IDENTITY, &[]);
            let answer = self.ask(question).await?;
            self.first(&answer).map(server_identity)
        }
        .boxed()
    }

    fn sessions<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<(SessionView, DateTime<Utc>), DatabaseFault>> {
        async move { self.ask(self.look_at_sessions(oid(account))).await }.boxed()
    }

    fn twins<'a>(
        &'a mut self,
        roles: TwinRoles<'a>,
    ) -> BoxFuture<'a, Result<TwinFacts, DatabaseFault>> {
        async move {
            let looked = twins::look(&self.connection.client, &self.manager, roles);
            self.ask(looked).await
        }
        .boxed()
    }

    fn waiting_for_standby<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<i64>, DatabaseFault>> {
        async move {
            let question = sql::waiting_for_standby(oid(account));
            let rows = self.ask(self.client().query_typed(&question, &[])).await?;
            Ok(rows.first().map(|row| row.get::<_, i32>("pid").into()))
        }
        .boxed()
    }

    fn begin_change<'a>(
        &'a mut self,
        account: &'a AccountId,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<ChangePart>, ChangeOutcome>> {
        async move {
            self.begin(oid(account), wait).await?;
            Ok(vec![ChangePart {
                number: 0,
                words: Untrusted::new("the role"),
            }])
        }
        .boxed()
    }

    fn change<'a>(
        &'a mut self,
        _: &'a ChangePart,
        change: Change<'a>,
    ) -> BoxFuture<'a, ChangeOutcome> {
        self.alter_and_commit(change).boxed()
    }

    fn end_session<'a>(
        &'a mut self,
        session: SessionToEnd<'a>,
    ) -> BoxFuture<'a, Result<Ending, DatabaseFault>> {
        self.end(session).boxed()
    }

    fn lacks_right_to_end<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<String>, DatabaseFault>> {
        self.may_not_end(account).boxed()
    }

    /// The catalog has no such time.
    fn password_changed<'a>(
        &'a mut self,
        _: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<DateTime<Utc>>, DatabaseFault>> {
        async { Ok(None) }.boxed()
    }

    fn give_up(&mut self) -> BoxFuture<'_, ()> {
        async move {
            let _ = within(MARGIN, self.client().batch_execute("ROLLBACK")).await;
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.connection.close().boxed()
    }
}

impl PostgresManaging {
    pub(super) fn client(&self) -> &Client {
        &self.connection.client
    }

    /// Runs an exchange under our time-out and names what went wrong.
    pub(super) async fn ask<T>(
        &self,
        exchange: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DatabaseFault> {
        login::ask(&self.node, self.timeouts.statement, exchange).await
    }

    fn first<'a>(&self, identity: &'a [Row]) -> Result<&'a Row, DatabaseFault> {
        identity.first().ok_or_else(|| login::no_answer(&self.node))
    }

    async fn look(
        &self,
        current: &UserName,
        user: &UserName,
    ) -> Result<ManagingFacts, DatabaseFault> {
        let names = [current.as_str(), user.as_str()];
        let names = &names[..];
        let parameters = [(
            &names as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::TEXT_ARRAY,
        )];
        let questions = async {
            let identity = self.client().query_typed(sql::IDENTITY, &[]);
            let roles = self.client().query_typed(sql::ROLES, &parameters);
            let standbys = self.client().query_typed(sql::STANDBYS, &[]);
            try_join3(identity, roles, standbys).await
        };
        let (identity, roles, standbys) = self.ask(questions).await?;
        let row = self.first(&identity)?;
        let version: i32 = row.get("version");
        let role = |name: &UserName| {
            roles
                .iter()
                .find(|row| row.get::<_, &str>("name") == name.as_str())
                .map(|row| self.role_facts(row, version, [current, user]))
        };
        let roles = [role(current), role(user)];
        let sessions = match &roles[1] {
            Some(role) => self.ask(self.look_at_sessions(oid(&role.account))).await?.0,
            None => SessionView {
                sessions: Vec::new(),
                complete: true,
                grant: None,
            },
        };
        Ok(ManagingFacts {
            identity: server_identity(row),
            server_time: row.get("server_time"),
            read_only: row.get("read_only"),
            receiving: row.get("receiving"),
            certificate: self.connection.certificate.clone(),
            standbys: standbys.iter().map(replication::standby).collect(),
            synchronous_wanted: replication::synchronous_wanted(row.get("synchronous")),
            roles,
            sessions,
        })
    }

    /// The rules of `servers.md` B5: until 15 CREATEROLE is enough, from 16 on the
    /// role must also have been granted with ADMIN.
    fn role_facts(&self, row: &Row, version: i32, users: [&UserName; 2]) -> RoleFacts {
        let superuser: bool = row.get("rolsuper");
        let replication: bool = row.get("rolreplication");
        let createrole: bool = row.get("manager_createrole");
        let reachable = if version >= 160_000 {
            createrole && row.get::<_, bool>("manager_admin")
        } else {
            createrole && !replication
        };
        let may_alter = row.get::<_, bool>("manager_super") || (reachable && !superuser);
        let grantable = !superuser && (version >= 160_000 || !replication);
        let grant = (!may_alter && grantable)
            .then(|| sql::grant_right(version, &self.manager, users, createrole));
        RoleFacts {
            account: AccountId::from(row.get::<_, u32>("oid")),
            can_log_in: row.get("rolcanlogin"),
            expired: row.get("expired"),
            is_mute: row.get("expired"),
            superuser,
            replication,
            may_alter,
            grant,
            rows: Vec::new(),
            statements: 1,
            unfit: None,
            login_limit: None,
            remarks: Vec::new(),
        }
    }

    async fn look_at_sessions(&self, oid: u32) -> Result<(SessionView, DateTime<Utc>), Error> {
        let client = self.client();
        let parameters = [(
            &oid as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::OID,
        )];
        // Inside a transaction the server answers from its first snapshot of the
        // sessions; clearing it makes every look a new one.
        let (_, sessions, prepared, view) = try_join4(
            client.query_typed("SELECT pg_catalog.pg_stat_clear_snapshot()", &[]),
            client.query_typed(sql::SESSIONS, &parameters),
            client.query_typed(sql::PREPARED, &parameters),
            client.query_typed(sql::VIEW, &parameters),
        )
        .await?;
        let (complete, server_time) = match view.first() {
            Some(row) => (row.get("complete"), row.get("server_time")),
            None => (false, DateTime::<Utc>::MIN_UTC),
        };
        let mut found: Vec<Session> = sessions.iter().map(|row| self.session(row)).collect();
        found.extend(prepared.iter().map(|row| self.prepared(row)));
        let view = SessionView {
            sessions: found,
            complete,
            grant: (!complete).then(|| sql::grant_view(&self.manager)),
        };
        Ok((view, server_time))
    }

    fn session(&self, row: &Row) -> Session {
        let kind = match row.get::<_, Option<&str>>("backend_type") {
            Some("walsender") => SessionKind::WalSender,
            Some(_) => SessionKind::Client,
            None => SessionKind::Masked,
        };
        let text = |column: &str| row.get::<_, Option<&str>>(column).map(Untrusted::new);
        Session {
            node: self.node.clone(),
            pid: row.get::<_, i32>("pid").into(),
            kind,
            application: text("application_name").unwrap_or_else(|| Untrusted::new("")),
            client: text("client"),
            started: row.get("backend_start"),
            is_nameless_from_here: false,
        }
    }

    fn prepared(&self, row: &Row) -> Session {
        let name = format!("prepared transaction {}", row.get::<_, &str>("gid"));
        Session {
            node: self.node.clone(),
            pid: 0,
            kind: SessionKind::PreparedTransaction,
            application: Untrusted::new(&name),
            client: None,
            started: row.get("prepared"),
            is_nameless_from_here: false,
        }
    }
}

fn server_identity(row: &Row) -> ServerIdentity {
    ServerIdentity {
        flavour: Flavour::Postgresql,
        gtids: String::new(),
        system: Untrusted::new(row.get("system")).as_str().to_owned(),
        timeline: row.get("timeline"),
        position: row.get("position"),
        transaction: row.get("transaction"),
        version: row.get("version"),
    }
}

/// What [`AccountId`] holds on PostgreSQL; no role has the OID 0.
pub(super) fn oid(account: &AccountId) -> u32 {
    account.as_str().parse().unwrap_or(0)
}

pub(super) fn words(failpoint: Failpoint) -> Untrusted {
    Untrusted::new(&failpoint.to_string())
}
