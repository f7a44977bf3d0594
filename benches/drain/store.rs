//! Storing a thousand sessions that are new, changed, or gone, in one transaction, beside the
//! same rows written by hand.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use handover::drain::{Ended, SeenSession, Write};
use handover::model::{Node, ObservedSession, SessionKind};
use handover::store::{Access, Store, StoreError, observations, overlaps};
use handover::untrusted::Untrusted;
use rusqlite::{Connection, params};

use crate::shop::Shop;
use crate::told;

const SESSIONS: i64 = 1_000;
const ROUNDS: i64 = 15;
/// The store's own `node` stands first there.
const NODE: i64 = 1;

/// Measures and prints, in a store that has overlaps.
pub(crate) fn measure(shop: &Shop) {
    let runtime = tokio::runtime::Runtime::new().expect("makes a runtime");
    let store = Store::open(&shop.store(), Access::Write).expect("opens");
    let open = runtime.block_on(store.read(overlaps::list_open));
    let open = open.unwrap_or_else(|error: StoreError| panic!("{error}"));
    let overlap = open.first().expect("there are some").overlap.id;
    let node = Node {
        host: "127.0.0.1".to_owned(),
        port: shop.port,
    };
    let write = |writes: Vec<Write>| {
        let node = node.clone();
        let began = Instant::now();
        let written =
            runtime.block_on(store.write(move |transaction| {
                observations::write(transaction, overlap, &node, &writes)
            }));
        let is_open = written.unwrap_or_else(|error: StoreError| panic!("{error}"));
        assert!(is_open, "it was stored");
        began.elapsed()
    };
    let mut bare = by_hand(shop);
    let mut ours: [Vec<Duration>; 3] = Default::default();
    let mut floor: [Vec<Duration>; 3] = Default::default();
    for round in 0..ROUNDS {
        let now = Utc::now();
        let seen: Vec<SeenSession> = (0..SESSIONS)
            .map(|number| session(round * SESSIONS + number, now))
            .collect();
        let changed = |seen: &SeenSession| Write::Changed {
            key: seen.key(),
            session: ObservedSession {
                state: Some(Untrusted::new("active")),
                state_since: Some(now),
                ..seen.session.clone()
            },
        };
        let gone = |seen: &SeenSession| Write::Gone {
            key: seen.key(),
            ended: Ended {
                last_seen: now,
                gone_at: now + TimeDelta::seconds(5),
            },
        };
        for (step, writes) in [
            seen.iter().cloned().map(Write::Seen).collect(),
            seen.iter().map(changed).collect(),
            seen.iter().map(gone).collect::<Vec<_>>(),
        ]
        .into_iter()
        .enumerate()
        {
            floor[step].push(write_by_hand(&mut bare, step, &seen, now));
            ours[step].push(write(writes));
        }
    }
    let [floor_new, floor_changed, floor_gone] = floor;
    let [new, changed, gone] = ours;
    told("storing 1,000 new sessions", floor_new, new, None);
    told("storing 1,000 changed ones", floor_changed, changed, None);
    told("storing 1,000 that are gone", floor_gone, gone, None);
}

fn session(pid: i64, now: DateTime<Utc>) -> SeenSession {
    SeenSession {
        session: ObservedSession {
            pid,
            started: Some(now - TimeDelta::minutes(5)),
            kind: SessionKind::Client,
            application: Untrusted::new(&format!("pool-{}", pid % 20)),
            client: Some(Untrusted::new("10.0.0.7")),
            database: Some(Untrusted::new("orders")),
            state: Some(Untrusted::new("idle")),
            state_since: Some(now),
            transaction_since: None,
            command: Some(Untrusted::new("SELECT")),
        },
        not_before: Some(now - TimeDelta::seconds(5)),
        first_seen: now,
        ended: None,
    }
}

/// A table like the store's, with its indexes and as careful with the disk.
fn by_hand(shop: &Shop) -> Connection {
    let store = Connection::open(shop.store().join("handover.db")).expect("opens");
    let sql = "SELECT sql FROM sqlite_schema WHERE tbl_name = 'observed_session' \
               AND sql IS NOT NULL ORDER BY type DESC";
    let mut statement = store.prepare(sql).expect("is good");
    let rows = statement.query_map([], |row| row.get::<_, String>(0));
    let made: Vec<String> = rows
        .and_then(Iterator::collect)
        .expect("the store has its table");
    let bare = Connection::open(shop.store().join("bare.db")).expect("opens");
    for (name, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("secure_delete", "ON"),
        ("foreign_keys", "OFF"),
    ] {
        bare.pragma_update(None, name, value).expect("is known");
    }
    bare.execute_batch(&made.join(";\n")).expect("is good");
    bare
}

fn write_by_hand(
    bare: &mut Connection,
    step: usize,
    seen: &[SeenSession],
    now: DateTime<Utc>,
) -> Duration {
    let began = Instant::now();
    let transaction = bare.transaction().expect("begins");
    let sql = [
        "INSERT INTO observed_session (node, pid, first_seen, not_before, started, kind, \
         application, client, database, state, state_since, command) \
         VALUES (?1, ?2, ?3, ?3, ?3, 'client', ?4, '10.0.0.7', 'orders', 'idle', ?3, 'SELECT')",
        "UPDATE observed_session SET state = 'active', state_since = ?3, application = ?4 \
         WHERE node = ?1 AND pid = ?2 AND first_seen = ?3 AND gone_at IS NULL",
        "UPDATE observed_session SET last_seen = ?3, gone_at = ?3 \
         WHERE node = ?1 AND pid = ?2 AND first_seen = ?3 AND gone_at IS NULL AND ?4 <> ''",
    ][step];
    let mut statement = transaction.prepare(sql).expect("is good");
    for one in seen {
        let name = one.session.application.as_str();
        let values = params![NODE, one.session.pid, now.timestamp_micros(), name];
        let rows = statement.execute(values).expect("is stored");
        assert_eq!(rows, 1);
    }
    drop(statement);
    transaction.commit().expect("commits");
    began.elapsed()
}
