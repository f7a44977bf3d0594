//! The kept connection that samples outgoing users: who is connected, what each session does,
//! and how often the user has logged in, in five questions for all of them.
//!
//! A view that may be partial is never told as complete, and a number that may be too small is
//! not told at all: what comes out of here decides whether somebody is still there. Prepared
//! transactions (XA) are left out, since neither server tells whose they are.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use mysql_async::Row;

use super::super::{Target, Watching};
use super::answer::{flag, moment, number, text};
use super::connector::Connector;
use super::managing::{self, MysqlManaging, NO_SUCH_VARIABLE};
use super::sessions::{Listing, Seen, sends_log};
use super::{MysqlFlavour, classify, sql, sql_watching};
use crate::model::{
    AccountId, AccountSample, CounterSource, Credential, DatabaseFault, LoginCounter, Node,
    ObservedSession, Sample, SessionKind, UnknownCause,
};
use crate::untrusted::Untrusted;

/// An open connection that samples.
pub(super) struct MysqlWatching {
    /// It is only asked.
    session: MysqlManaging,
    /// An answer did not come: it may still come, as that to another question.
    lost: bool,
    /// How often MySQL was told to change the user of a session, when it was asked last.
    changes: Option<i64>,
}

/// Logs in.
pub(super) async fn open(
    connector: &Connector,
    target: &Target,
    node: &Node,
    login: &Credential,
    application: &str,
) -> Result<MysqlWatching, DatabaseFault> {
    let mut session = managing::log_in(connector, target, node, login, application).await?;
    let bound = sql::statement_bound(session.flavour(), target.timeouts.statement);
    session.ask(&bound).await?;
    Ok(MysqlWatching {
        session,
        lost: false,
        changes: None,
    })
}

impl Watching for MysqlWatching {
    fn sample<'a>(
        &'a mut self,
        accounts: &'a [AccountId],
    ) -> BoxFuture<'a, Result<Sample, DatabaseFault>> {
        async move {
            if self.lost {
                let words = "the connection was lost at an earlier look";
                return Err(DatabaseFault::Unreachable {
                    node: self.session.node.clone(),
                    cause: UnknownCause::Unreachable(Untrusted::new(words)),
                });
            }
            // Also where nobody waits for this look to its end.
            self.lost = true;
            let sample = self.session.look_at_all(accounts, &mut self.changes).await;
            self.lost = matches!(sample, Err(DatabaseFault::Unreachable { .. }));
            sample
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.session.connection.close().boxed()
    }
}

/// What the server says of itself.
struct Server {
    system: String,
    time: DateTime<Utc>,
    started: DateTime<Utc>,
    /// It keeps a performance schema.
    has_attributes: bool,
    /// It counts logins.
    counts: bool,
}

impl MysqlManaging {
    async fn look_at_all(
        &mut self,
        accounts: &[AccountId],
        changes: &mut Option<i64>,
    ) -> Result<Sample, DatabaseFault> {
        let server = self.server_itself().await?;
        let flavour = self.flavour();
        let listing = self
            .list_sessions(
                &sql_watching::sessions(accounts),
                &sql_watching::sessions_by_process_list(flavour, accounts),
            )
            .await?;
        let transactions = self.by_connection(sql_watching::TRANSACTIONS).await?;
        let applications = match flavour {
            MysqlFlavour::MariaDb if server.has_attributes => {
                self.by_connection(sql_watching::APPLICATIONS).await?
            }
            _ => HashMap::new(),
        };
        let question = sql_watching::locks(flavour, accounts);
        let locks = self.try_to_ask(&question).await?.unwrap_or_default();
        // MariaDB answers whoever may not see all with no rows, and no word of it.
        let counted = match server.counts && (listing.complete || flavour == MysqlFlavour::MySql) {
            true => {
                let question = sql_watching::counters(flavour, accounts);
                self.try_to_ask(&question).await?
            }
            false => None,
        };
        let counted = counted.filter(|rows| !has_changed(rows, changes));
        let seen = Seen::read(&listing, &self.node, self.connection.id);
        let accounts = accounts.iter().map(|account| {
            let can_log_in = can_log_in(&locks, account);
            AccountSample {
                account: account.clone(),
                can_log_in,
                sessions: observed(&listing, account, &transactions, &applications, server.time),
                complete: listing.complete,
                grant: listing.grant.clone(),
                counter: counted
                    .as_deref()
                    .and_then(|rows| counter(flavour, rows, account, can_log_in, server.started)),
            }
        });
        Ok(Sample {
            node: self.node.clone(),
            system: server.system.clone(),
            server_time: server.time,
            server_started: server.started,
            receiving: seen.receiving,
            standbys: seen.standbys(),
            accounts: accounts.collect(),
        })
    }

    async fn server_itself(&mut self) -> Result<Server, DatabaseFault> {
        let rows = match self.run(sql_watching::server(self.flavour())).await {
            Some(Err(error)) if classify::server_code(&error) == Some(NO_SUCH_VARIABLE) => {
                self.ask(sql_watching::SERVER_BY_PLACE).await?
            }
            Some(Err(error)) => return Err(self.fault(&error)),
            Some(Ok(rows)) => rows,
            None => return Err(self.timed_out()),
        };
        let read = |row: &Row| {
            let system = text(row, "server").filter(|system| !system.is_empty())?;
            let time = moment(row, "server_time")?;
            // Both are of the same instant, so that their difference is a fixed second, even
            // where the clock was set in between.
            let started = time.timestamp() - number::<i64>(row, "uptime")?;
            Some(Server {
                system: Untrusted::new(&system).as_str().to_owned(),
                time,
                started: DateTime::from_timestamp(started, 0)?,
                has_attributes: flag(row, "has_attributes"),
                counts: flag(row, "counts"),
            })
        };
        rows.first()
            .and_then(read)
            .ok_or_else(|| DatabaseFault::Server {
                node: self.node.clone(),
                code: "none".to_owned(),
                message: Untrusted::new("the server did not say which one it is, or since when"),
            })
    }

    /// What may be left unanswered: `None` where the server refuses.
    async fn try_to_ask(&mut self, question: &str) -> Result<Option<Vec<Row>>, DatabaseFault> {
        match self.run(question).await {
            Some(Ok(rows)) => Ok(Some(rows)),
            Some(Err(error)) if classify::server_code(&error).is_some() => Ok(None),
            Some(Err(error)) => Err(self.fault(&error)),
            None => Err(self.timed_out()),
        }
    }

    /// The rows of a question by the number of the connection that they are about.
    async fn by_connection(&mut self, question: &str) -> Result<HashMap<i64, Row>, DatabaseFault> {
        let rows = self.try_to_ask(question).await?.unwrap_or_default();
        let rows = rows
            .into_iter()
            .filter_map(|row| Some((number(&row, "id")?, row)));
        Ok(rows.collect())
    }
}

/// `None` where no row may be read, or there is none. One locked row makes a user that may
/// not log in, as it does for a rotation.
fn can_log_in(locks: &[Row], account: &AccountId) -> Option<bool> {
    let mut rows = locks.iter().filter(|row| is_of(row, account)).peekable();
    rows.peek()?;
    Some(rows.all(|row| !flag(row, "locked")))
}

/// The sessions of one user. Its name is compared as exactly as the server does at a login.
fn observed(
    listing: &Listing,
    account: &AccountId,
    transactions: &HashMap<i64, Row>,
    applications: &HashMap<i64, Row>,
    now: DateTime<Utc>,
) -> Vec<ObservedSession> {
    let rows = listing.rows.iter().filter(|row| is_of(row, account));
    let one = |row: &Row| {
        let pid = number(row, "id").unwrap_or(0);
        let command = text(row, "command").unwrap_or_default();
        let application = text(row, "application").or_else(|| {
            let row = applications.get(&pid)?;
            text(row, "application")
        });
        ObservedSession {
            pid,
            started: None,
            kind: match sends_log(&command) {
                true => SessionKind::WalSender,
                false => SessionKind::Client,
            },
            application: Untrusted::new(&application.unwrap_or_default()),
            client: text(row, "host").map(|host| Untrusted::new(listing.place.address(&host))),
            database: text(row, "db").map(|name| Untrusted::new(&name)),
            state: Some(&command)
                .filter(|command| !command.is_empty())
                .map(|command| Untrusted::new(command)),
            // The list is a little later than the clock of the sample.
            state_since: state_since(row).map(|since| since.min(now)),
            transaction_since: transactions.get(&pid).and_then(|row| moment(row, "since")),
            command: text(row, "verb").map(|verb| Untrusted::new(&verb)),
        }
    };
    rows.map(one).collect()
}

fn state_since(row: &Row) -> Option<DateTime<Utc>> {
    let seconds: f64 = number(row, "time")?;
    let micros = (seconds * 1e6) as i64;
    moment(row, "server_time")?.checked_sub_signed(TimeDelta::microseconds(micros))
}

/// How often a user has logged in; `None` where that may be more than is told. See
/// [`sql_watching::counters`] for what each server counts.
fn counter(
    flavour: MysqlFlavour,
    rows: &[Row],
    account: &AccountId,
    can_log_in: Option<bool>,
    started: DateTime<Utc>,
) -> Option<LoginCounter> {
    let counts = |what: &str| amount(rows, what, Some(account));
    let counted = Counted {
        attempts: counts("attempts"),
        refused: counts("refused").unwrap_or(0),
        broken: counts("broken").unwrap_or(0),
        in_session: counts("in-session").unwrap_or(0),
        lost: amount(rows, "lost", None).unwrap_or(0),
        deaf: amount(rows, "deaf", None).unwrap_or(0),
    };
    let (source, (total, refused)) = match flavour {
        MysqlFlavour::MySql => (CounterSource::Accounts, counted.on_mysql()?),
        MysqlFlavour::MariaDb => (
            CounterSource::UserStatistics,
            counted.on_mariadb(can_log_in)?,
        ),
    };
    Some(LoginCounter {
        source,
        total,
        refused,
        since: Some(started),
    })
}

/// What a server has counted of one user.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    /// Logins, on MySQL those that failed included; `None` without a row of this user.
    attempts: Option<i64>,
    /// Logins that were refused, and statements that are told the same.
    refused: i64,
    /// Handshakes that were broken off.
    broken: i64,
    /// Statements that failed and may be among the refused ones.
    in_session: i64,
    /// Users for whom there was no room.
    lost: i64,
    /// Settings by which not all is counted.
    deaf: i64,
}

impl Counted {
    /// Succeeded and refused logins. Of what may be either, the first takes all, and the
    /// second takes all: neither may be too small.
    fn on_mysql(self) -> Option<(u64, Option<u64>)> {
        if self.lost > 0 || self.deaf > 0 {
            return None;
        }
        let failed = self.refused.saturating_add(self.broken);
        let attempts = self.attempts.unwrap_or(0).saturating_add(self.in_session);
        // Less than none: one of the tables was emptied by itself.
        let total = u64::try_from(attempts.saturating_sub(failed)).ok()?;
        Some((total, u64::try_from(self.refused).ok()))
    }

    /// The same. What knocks at a locked user is not counted, and nor is what knocks at one
    /// of which nothing else was counted yet: there a zero would say that nobody does.
    fn on_mariadb(self, can_log_in: Option<bool>) -> Option<(u64, Option<u64>)> {
        let total = u64::try_from(self.attempts.unwrap_or(0)).ok()?;
        let hears = self.attempts.is_some() && can_log_in == Some(true);
        let refused = u64::try_from(self.refused).ok();
        Some((total, refused.filter(|_| hears)))
    }
}

/// Whether a session may have changed its user since the last look, or, at the first one, ever:
/// MySQL then counts less than there was.
fn has_changed(rows: &[Row], known: &mut Option<i64>) -> bool {
    let Some(changes) = amount(rows, "changes", None) else {
        return false;
    };
    known.replace(changes).unwrap_or(0) != changes
}

/// What was counted of one thing, of a user or of the server; `None` where it has no row.
fn amount(rows: &[Row], what: &str, account: Option<&AccountId>) -> Option<i64> {
    let rows = rows
        .iter()
        .filter(|row| text(row, "what").is_some_and(|told| told == what))
        .filter(|row| match account {
            Some(account) => is_of(row, account),
            None => true,
        });
    rows.filter_map(|row| number::<i64>(row, "amount"))
        .reduce(i64::saturating_add)
}

fn is_of(row: &Row, account: &AccountId) -> bool {
    text(row, "user").is_some_and(|user| user == account.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Counted = Counted {
        attempts: Some(14),
        refused: 7,
        broken: 1,
        in_session: 1,
        lost: 0,
        deaf: 0,
    };

    #[test]
    fn failed_logins_are_taken_off_and_failed_statements_are_not() {
        assert_eq!(SEEN.on_mysql(), Some((7, Some(7))));
        let never = Counted::default();
        assert_eq!(never.on_mysql(), Some((0, Some(0))));
    }

    #[test]
    fn what_may_be_too_small_is_not_told() {
        let lost = Counted { lost: 1, ..SEEN };
        let deaf = Counted { deaf: 1, ..SEEN };
        let emptied = Counted {
            attempts: None,
            ..SEEN
        };
        for counted in [lost, deaf, emptied] {
            assert_eq!(counted.on_mysql(), None, "{counted:?}");
        }
    }

    #[test]
    fn mariadb_does_not_hear_who_knocks_at_a_lock() {
        assert_eq!(SEEN.on_mariadb(Some(true)), Some((14, Some(7))));
        for locked in [Some(false), None] {
            assert_eq!(SEEN.on_mariadb(locked), Some((14, None)));
        }
        let unknown = Counted::default();
        assert_eq!(unknown.on_mariadb(Some(true)), Some((0, None)));
    }
}
