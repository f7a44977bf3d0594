//! Rows of observations, to and from values.

use std::time::Duration;

use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::times::{Micros, micros, time};
use crate::drain::{
    Answered, CountedLogins, Ended, LastLook, NodeTimeline, Run, SeenSession, SessionKey, Write,
};
use crate::model::{CounterSource, LoginCounter, Node, ObservedSession, SessionKind, Standby};
use crate::untrusted::Untrusted;

pub(super) fn is_open(transaction: &Transaction<'_>, overlap: i64) -> Result<bool, StoreError> {
    let mut statement =
        transaction.prepare_cached("SELECT 1 FROM overlap WHERE id = ?1 AND ended_at IS NULL")?;
    Ok(statement.exists([overlap])?)
}

/// The number of a node, which has one from its first change on.
pub(super) fn node_number(
    transaction: &Transaction<'_>,
    overlap: i64,
    node: &Node,
) -> Result<i64, StoreError> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO observed_node (overlap, host, port, standbys, receiving) \
         VALUES (?1, ?2, ?3, '[]', 0) ON CONFLICT DO NOTHING",
    )?;
    add.execute(params![overlap, node.host, node.port])?;
    let mut find = transaction.prepare_cached(
        "SELECT id FROM observed_node WHERE overlap = ?1 AND host = ?2 AND port = ?3",
    )?;
    Ok(find.query_row(params![overlap, node.host, node.port], |row| row.get(0))?)
}

/// The row of a session that is there: its node, and its key.
const THAT_ONE: &str = "(SELECT id FROM observed_session INDEXED BY observed_session_there \
     WHERE node = ?1 AND pid = ?2 AND first_seen = ?3 AND gone_at IS NULL \
     AND iif(?4 IS NULL, kind <> 'prepared-transaction', \
      kind = 'prepared-transaction' AND application = ?4) ORDER BY id LIMIT 1)";

/// Stores one change of a node's timeline.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    node: i64,
    write: &Write,
) -> Result<(), StoreError> {
    match write {
        Write::Looked(last) => look(transaction, node, last),
        Write::Facts {
            server_started,
            standbys,
            receiving,
            can_log_in,
        } => {
            let standbys: Vec<StoredStandby> = standbys.iter().map(StoredStandby::of).collect();
            let standbys = serde_json::to_string(&standbys).expect("plain data is JSON");
            let mut statement = transaction.prepare_cached(
                "UPDATE observed_node SET server_started = ?2, standbys = ?3, receiving = ?4, \
                 can_log_in = ?5 WHERE id = ?1",
            )?;
            statement.execute(params![
                node,
                micros(*server_started),
                standbys,
                receiving,
                can_log_in
            ])?;
            Ok(())
        }
        Write::BeginRun(run) => put_run(
            transaction,
            node,
            run,
            "INSERT INTO observed_run (node, first, last, samples, longest_gap, is_complete) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        ),
        Write::ExtendRun(run) => put_run(
            transaction,
            node,
            run,
            "UPDATE observed_run SET first = ?2, last = ?3, samples = ?4, longest_gap = ?5, \
             is_complete = ?6 WHERE id = (SELECT max(id) FROM observed_run WHERE node = ?1)",
        ),
        Write::Seen(seen) => add_session(transaction, node, seen),
        Write::Changed { key, session } => change_session(transaction, node, key, session),
        Write::Gone { key, ended } => {
            let mut statement = transaction.prepare_cached(&format!(
                "UPDATE observed_session SET last_seen = ?5, gone_at = ?6 WHERE id = {THAT_ONE}"
            ))?;
            statement.execute(params![
                node,
                key.pid,
                Micros(key.first_seen),
                text(key.prepared.as_ref()),
                Micros(ended.last_seen),
                Micros(ended.gone_at),
            ])?;
            Ok(())
        }
        Write::BeginCounter(counted) => {
            let counter = &counted.counter;
            let mut statement = transaction.prepare_cached(
                "INSERT INTO observed_counter (node, first, last, source, total, refused, since) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            statement.execute(params![
                node,
                Micros(counted.from),
                Micros(counted.until),
                source_word(counter.source),
                counter.total,
                counter.refused,
                micros(counter.since),
            ])?;
            Ok(())
        }
        Write::ExtendCounter { until } => {
            let mut statement = transaction.prepare_cached(
                "UPDATE observed_counter SET last = ?2 \
                 WHERE id = (SELECT max(id) FROM observed_counter WHERE node = ?1)",
            )?;
            statement.execute(params![node, Micros(*until)])?;
            Ok(())
        }
    }
}

fn look(transaction: &Transaction<'_>, node: i64, last: &LastLook) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "UPDATE observed_node SET looked_at = ?2, answered_at = ?3, server_time = ?4, \
         problem = ?5, mending = ?6 WHERE id = ?1",
    )?;
    statement.execute(params![
        node,
        Micros(last.at),
        micros(last.answered.map(|answered| answered.at)),
        micros(last.answered.map(|answered| answered.server_time)),
        last.problem,
        last.grant,
    ])?;
    Ok(())
}

fn put_run(
    transaction: &Transaction<'_>,
    node: i64,
    run: &Run,
    sql: &str,
) -> Result<(), StoreError> {
    let gap = i64::try_from(run.longest_gap.as_micros()).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![
        node,
        Micros(run.from),
        Micros(run.until),
        run.samples,
        gap,
        run.is_complete,
    ])?;
    Ok(())
}

fn add_session(
    transaction: &Transaction<'_>,
    node: i64,
    seen: &SeenSession,
) -> Result<(), StoreError> {
    let session = &seen.session;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO observed_session (node, pid, first_seen, not_before, started, kind, \
         application, client, database, state, state_since, transaction_since, command, \
         last_seen, gone_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    statement.execute(params![
        node,
        session.pid,
        Micros(seen.first_seen),
        micros(seen.not_before),
        micros(session.started),
        kind_word(session.kind),
        session.application.as_str(),
        text(session.client.as_ref()),
        text(session.database.as_ref()),
        text(session.state.as_ref()),
        micros(session.state_since),
        micros(session.transaction_since),
        text(session.command.as_ref()),
        micros(seen.ended.map(|ended| ended.last_seen)),
        micros(seen.ended.map(|ended| ended.gone_at)),
    ])?;
    Ok(())
}

fn change_session(
    transaction: &Transaction<'_>,
    node: i64,
    key: &SessionKey,
    session: &ObservedSession,
) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(&format!(
        "UPDATE observed_session SET pid = ?5, started = ?6, kind = ?7, application = ?8, \
         client = ?9, database = ?10, state = ?11, state_since = ?12, transaction_since = ?13, \
         command = ?14 WHERE id = {THAT_ONE}"
    ))?;
    statement.execute(params![
        node,
        key.pid,
        Micros(key.first_seen),
        text(key.prepared.as_ref()),
        session.pid,
        micros(session.started),
        kind_word(session.kind),
        session.application.as_str(),
        text(session.client.as_ref()),
        text(session.database.as_ref()),
        text(session.state.as_ref()),
        micros(session.state_since),
        micros(session.transaction_since),
        text(session.command.as_ref()),
    ])?;
    Ok(())
}

/// The nodes of an overlap with what was observed of them: `most` of each kind, the newest, and
/// every session that is there; a negative number takes all.
pub(super) fn nodes(
    transaction: &Transaction<'_>,
    overlap: i64,
    most: i64,
) -> Result<Vec<NodeTimeline>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT id, host, port, looked_at, answered_at, server_time, problem, mending, \
         server_started, standbys, receiving, can_log_in FROM observed_node \
         WHERE overlap = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([overlap], |row| {
        let answered = time(row.get(4)?).zip(time(row.get(5)?));
        let last = match time(row.get(3)?) {
            Some(at) => Some(LastLook {
                at,
                answered: answered.map(|(at, server_time)| Answered { at, server_time }),
                problem: row.get(6)?,
                grant: row.get(7)?,
            }),
            None => None,
        };
        let node = Node {
            host: row.get(1)?,
            port: row.get(2)?,
        };
        let timeline = NodeTimeline {
            last,
            server_started: time(row.get(8)?),
            receiving: row.get(10)?,
            can_log_in: row.get(11)?,
            ..NodeTimeline::new(node)
        };
        let number: i64 = row.get(0)?;
        Ok((number, timeline, row.get::<_, String>(9)?))
    })?;
    rows.map(|row| {
        let (number, timeline, standbys) = row?;
        let standbys: Vec<StoredStandby> = serde_json::from_str(&standbys)
            .map_err(|_| damaged(&format!("the standbys of {}", timeline.node)))?;
        Ok(NodeTimeline {
            runs: runs(transaction, number, most)?,
            sessions: sessions(transaction, number, most)?,
            counters: counters(transaction, number, most)?,
            standbys: standbys.iter().map(StoredStandby::standby).collect(),
            ..timeline
        })
    })
    .collect()
}

fn runs(transaction: &Transaction<'_>, node: i64, most: i64) -> Result<Vec<Run>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT first, last, samples, longest_gap, is_complete FROM observed_run \
         WHERE node = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map([node, most], |row| {
        let (Micros(from), Micros(until)) = (row.get(0)?, row.get(1)?);
        Ok(Run {
            from,
            until,
            samples: row.get(2)?,
            longest_gap: Duration::from_micros(row.get(3)?),
            is_complete: row.get(4)?,
        })
    })?;
    let mut runs = rows.collect::<Result<Vec<_>, _>>()?;
    runs.reverse();
    Ok(runs)
}

fn counters(
    transaction: &Transaction<'_>,
    node: i64,
    most: i64,
) -> Result<Vec<CountedLogins>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT first, last, source, total, refused, since FROM observed_counter \
         WHERE id IN (SELECT id FROM observed_counter WHERE node = ?1 ORDER BY id DESC LIMIT ?2) \
         ORDER BY id",
    )?;
    let rows = statement.query_map([node, most], |row| {
        let (Micros(from), Micros(until)) = (row.get(0)?, row.get(1)?);
        let counter = LoginCounter {
            source: CounterSource::Accounts,
            total: row.get(3)?,
            refused: row.get(4)?,
            since: time(row.get(5)?),
        };
        let counted = CountedLogins {
            from,
            until,
            counter,
        };
        Ok((counted, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (mut counted, source) = row?;
        let known = SOURCES.iter().find(|known| source_word(**known) == source);
        counted.counter.source = *known.ok_or_else(|| damaged("a counter"))?;
        Ok(counted)
    })
    .collect()
}

fn sessions(
    transaction: &Transaction<'_>,
    node: i64,
    most: i64,
) -> Result<Vec<SeenSession>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT pid, first_seen, not_before, started, kind, application, client, database, \
         state, state_since, transaction_since, command, last_seen, gone_at \
         FROM observed_session WHERE id IN (SELECT id FROM observed_session \
             WHERE node = ?1 AND gone_at IS NULL \
         UNION ALL SELECT id FROM (SELECT id FROM observed_session \
             WHERE node = ?1 AND gone_at IS NOT NULL ORDER BY gone_at DESC LIMIT ?2)) ORDER BY id",
    )?;
    let rows = statement.query_map([node, most], session)?;
    rows.map(|row| {
        let (mut seen, kind) = row?;
        let known = KINDS.iter().find(|known| kind_word(**known) == kind);
        seen.session.kind = *known.ok_or_else(|| damaged("a session"))?;
        Ok(seen)
    })
    .collect()
}

fn session(row: &Row<'_>) -> rusqlite::Result<(SeenSession, String)> {
    let untrusted = |column: usize| -> rusqlite::Result<Option<Untrusted>> {
        let text: Option<String> = row.get(column)?;
        Ok(text.as_deref().map(Untrusted::new))
    };
    let session = ObservedSession {
        pid: row.get(0)?,
        started: time(row.get(3)?),
        kind: SessionKind::Client,
        application: Untrusted::new(&row.get::<_, String>(5)?),
        client: untrusted(6)?,
        database: untrusted(7)?,
        state: untrusted(8)?,
        state_since: time(row.get(9)?),
        transaction_since: time(row.get(10)?),
        command: untrusted(11)?,
    };
    let ended = time(row.get(12)?).zip(time(row.get(13)?));
    let Micros(first_seen) = row.get(1)?;
    let seen = SeenSession {
        session,
        not_before: time(row.get(2)?),
        first_seen,
        ended: ended.map(|(last_seen, gone_at)| Ended { last_seen, gone_at }),
    };
    Ok((seen, row.get(4)?))
}

fn text(text: Option<&Untrusted>) -> Option<&str> {
    text.map(Untrusted::as_str)
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("what was observed of {what} is malformed"))
}

const KINDS: [SessionKind; 4] = [
    SessionKind::Client,
    SessionKind::WalSender,
    SessionKind::Masked,
    SessionKind::PreparedTransaction,
];

fn kind_word(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Client => "client",
        SessionKind::WalSender => "replication",
        SessionKind::Masked => "masked",
        SessionKind::PreparedTransaction => "prepared-transaction",
    }
}

const SOURCES: [CounterSource; 3] = [
    CounterSource::Accounts,
    CounterSource::UserStatistics,
    CounterSource::Statements,
];

fn source_word(source: CounterSource) -> &'static str {
    match source {
        CounterSource::Accounts => "accounts",
        CounterSource::UserStatistics => "user-statistics",
        CounterSource::Statements => "statements",
    }
}

/// A standby, in JSON.
#[derive(Serialize, Deserialize)]
struct StoredStandby {
    application: String,
    client: Option<String>,
    state: String,
    synchronous: bool,
    flushed: Option<i64>,
    replayed: Option<i64>,
}

impl StoredStandby {
    fn of(standby: &Standby) -> Self {
        Self {
            application: standby.application.as_str().to_owned(),
            client: text(standby.client.as_ref()).map(str::to_owned),
            state: standby.state.as_str().to_owned(),
            synchronous: standby.synchronous,
            flushed: standby.flushed,
            replayed: standby.replayed,
        }
    }

    fn standby(&self) -> Standby {
        Standby {
            application: Untrusted::new(&self.application),
            client: self.client.as_deref().map(Untrusted::new),
            state: Untrusted::new(&self.state),
            synchronous: self.synchronous,
            flushed: self.flushed,
            replayed: self.replayed,
        }
    }
}
