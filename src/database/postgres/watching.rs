//! A kept connection that samples the sessions of outgoing users.
//!
//! One look is one round: all questions leave together, prepared once, each in a transaction
//! of its own, so that none sees an older picture and the counter's failure is its own. The
//! session is read-only. After an error it may be used again; who finds the line lost opens
//! another one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt, join, try_join3};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::super::{Target, Timeouts, Watching};
use super::connection::{Connection, Connector};
use super::{login, managing, replication, sql, sql_watching};
use crate::model::{
    AccountId, AccountSample, CounterSource, Credential, DatabaseFault, LoginCounter, Node,
    ObservedSession, Sample, SessionKind, UserName,
};
use crate::untrusted::Untrusted;

/// An open connection that samples.
pub(super) struct PostgresWatching {
    connection: Connection,
    node: Node,
    login: UserName,
    timeouts: Timeouts,
    questions: Questions,
    statements: Statements,
}

/// What is asked at every look, prepared.
struct Questions {
    node: Statement,
    standbys: Statement,
    sessions: Statement,
}

/// Where `pg_stat_statements` is. A version of the question that has failed is not asked
/// again: what keeps it from being answered seldom changes while a server runs, and every
/// attempt would be an error in the server's log.
enum Statements {
    /// It is not there, or gives no answer.
    Absent,
    /// This question asks it.
    There(String),
    /// This question has failed: it is to be asked whether another one would not.
    Failed(String),
}

/// What became of the counter at one look.
enum Counted {
    Nothing,
    Rows(Result<Vec<Row>, Error>),
    Place(Result<Vec<Row>, Error>),
}

/// Logs in and prepares the questions.
pub(super) async fn open(
    connector: &Connector,
    target: &Target,
    node: &Node,
    credential: &Credential,
    application: &str,
) -> Result<PostgresWatching, DatabaseFault> {
    let timeouts = target.timeouts;
    let options = sql::watching_options(timeouts.statement);
    let connection =
        login::log_in(connector, target, node, credential, application, &options).await?;
    let client = &connection.client;
    let sessions = sql_watching::sessions();
    let preparing = async {
        let prepared = try_join3(
            client.prepare_typed(sql_watching::NODE, &[Type::OID_ARRAY]),
            client.prepare_typed(sql::STANDBYS, &[]),
            client.prepare_typed(&sessions, &[Type::OID_ARRAY]),
        );
        let place = client.query_typed(sql_watching::STATEMENTS, &[]);
        let (prepared, place) = join(prepared, place).await;
        prepared.map(|prepared| (prepared, place))
    };
    let ((node_question, standbys, sessions), place) =
        login::ask(node, timeouts.statement, preparing).await?;
    Ok(PostgresWatching {
        connection,
        node: node.clone(),
        login: credential.username.clone(),
        timeouts,
        questions: Questions {
            node: node_question,
            standbys,
            sessions,
        },
        statements: Statements::at(place, None),
    })
}

impl Watching for PostgresWatching {
    fn sample<'a>(
        &'a mut self,
        accounts: &'a [AccountId],
    ) -> BoxFuture<'a, Result<Sample, DatabaseFault>> {
        self.look(accounts).boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.connection.close().boxed()
    }
}

impl PostgresWatching {
    async fn look(&mut self, accounts: &[AccountId]) -> Result<Sample, DatabaseFault> {
        let oids: Vec<u32> = accounts.iter().map(managing::oid).collect();
        let client = &self.connection.client;
        let roles: [&(dyn ToSql + Sync); 1] = [&oids];
        let round = async {
            let looked = try_join3(
                client.query(&self.questions.node, &roles),
                client.query(&self.questions.standbys, &[]),
                client.query(&self.questions.sessions, &roles),
            );
            let (looked, counted) = join(looked, self.statements.count(client, &oids)).await;
            looked.map(|looked| (looked, counted))
        };
        let ((rows, standbys, sessions), counted) =
            login::ask(&self.node, self.timeouts.statement, round).await?;
        let counters = self.statements.take(counted);
        let Some(server) = rows.first() else {
            return Err(login::no_answer(&self.node));
        };
        let mut by_owner: HashMap<u32, Vec<&Row>> = HashMap::new();
        for row in &sessions {
            by_owner.entry(row.get(OWNER)).or_default().push(row);
        }
        let accounts = accounts.iter().zip(&oids).map(|(account, oid)| {
            let row = rows
                .iter()
                .find(|row| row.get::<_, Option<u32>>("oid") == Some(*oid));
            let complete = row.is_some_and(|row| row.get("complete"));
            let owned = by_owner.get(oid).map_or(&[][..], Vec::as_slice);
            AccountSample {
                account: account.clone(),
                can_log_in: row.and_then(|row| row.get("rolcanlogin")),
                sessions: owned.iter().map(|row| session(row)).collect(),
                complete,
                grant: (!complete).then(|| sql::grant_view(&self.login)),
                counter: counters.get(oid).cloned(),
            }
        });
        Ok(Sample {
            node: self.node.clone(),
            system: Untrusted::new(server.get("system")).as_str().to_owned(),
            server_time: server.get("server_time"),
            server_started: server.get("server_started"),
            receiving: server.get("receiving"),
            standbys: standbys.iter().map(replication::standby).collect(),
            accounts: accounts.collect(),
        })
    }
}

impl Statements {
    /// What the answer to the question for the extension means, after one that `failed`.
    fn at(place: Result<Vec<Row>, Error>, failed: Option<&str>) -> Self {
        let rows = place.unwrap_or_default();
        let Some(row) = rows.first() else {
            return Self::Absent;
        };
        let question = sql_watching::count_statements(row.get("schema"), row.get("tells_since"));
        match failed {
            Some(failed) if failed == question => Self::Absent,
            _ => Self::There(question),
        }
    }

    async fn count(&self, client: &Client, oids: &Vec<u32>) -> Counted {
        match self {
            Self::Absent => Counted::Nothing,
            Self::There(question) => Counted::Rows(
                client
                    .query_typed(question, &[(oids, Type::OID_ARRAY)])
                    .await,
            ),
            Self::Failed(_) => {
                Counted::Place(client.query_typed(sql_watching::STATEMENTS, &[]).await)
            }
        }
    }

    /// The counters by OID, and what is to be asked at the next look.
    fn take(&mut self, counted: Counted) -> HashMap<u32, LoginCounter> {
        let rows = match (counted, &mut *self) {
            (Counted::Rows(Ok(rows)), _) => rows,
            (Counted::Rows(Err(error)), Self::There(question)) => {
                tracing::debug!(%error, "pg_stat_statements does not answer");
                *self = Self::Failed(std::mem::take(question));
                Vec::new()
            }
            (Counted::Place(place), Self::Failed(failed)) => {
                let failed = std::mem::take(failed);
                *self = Self::at(place, Some(&failed));
                Vec::new()
            }
            _ => Vec::new(),
        };
        let counter = |row: &Row| LoginCounter {
            source: CounterSource::Statements,
            total: u64::try_from(row.get::<_, i64>("total")).unwrap_or(0),
            refused: None,
            since: row.get("since"),
        };
        rows.iter()
            .map(|row| (row.get("oid"), counter(row)))
            .collect()
    }
}

/// The columns of the sessions, in the order in which they are asked for: a name would be looked
/// for in each of thousands of rows.
const OWNER: usize = 0;
const PID: usize = 1;
const STARTED: usize = 2;
const KIND: usize = 3;
const APPLICATION: usize = 4;
const CLIENT: usize = 5;
const DATABASE: usize = 6;
const STATE: usize = 7;
const STATE_SINCE: usize = 8;
const TRANSACTION_SINCE: usize = 9;
const COMMAND: usize = 10;

fn session(row: &Row) -> ObservedSession {
    let text = |column: usize| row.get::<_, Option<&str>>(column).map(Untrusted::new);
    let time = |column: usize| row.get::<_, Option<DateTime<Utc>>>(column);
    ObservedSession {
        pid: row.get::<_, i32>(PID).into(),
        started: time(STARTED),
        kind: match row.get::<_, Option<&str>>(KIND) {
            Some("walsender") => SessionKind::WalSender,
            Some("prepared transaction") => SessionKind::PreparedTransaction,
            Some(_) => SessionKind::Client,
            None => SessionKind::Masked,
        },
        application: text(APPLICATION).unwrap_or_else(|| Untrusted::new("")),
        client: text(CLIENT),
        database: text(DATABASE),
        state: text(STATE),
        state_since: time(STATE_SINCE),
        transaction_since: time(TRANSACTION_SINCE),
        command: text(COMMAND),
    }
}
