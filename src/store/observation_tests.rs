//! Observations, there and back, and how much of them is kept.

use std::time::Duration;

use super::*;
use crate::drain::{
    Answered, CountedLogins, Ended, FoldedClient, LastLook, NodeTimeline, Run, SeenSession,
    SessionKey,
};
use crate::model::{CounterSource, LoginCounter, ObservedSession, SessionKind, Standby};
use crate::store::overlaps::{self, NewOverlap};
use crate::store::tests::with_two_secrets;
use crate::untrusted::Untrusted;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 123_456_000).expect("a valid time")
}

fn node(host: &str) -> Node {
    Node {
        host: host.to_owned(),
        port: 5432,
    }
}

fn begin(transaction: &Transaction<'_>, secret: SecretId, user: &str, seconds: i64) -> i64 {
    let new = NewOverlap {
        user,
        account: None,
        revision: 1,
        promoted: &[],
        compromised: false,
        now: at(seconds),
    };
    overlaps::open(transaction, secret, &new).expect("opened")
}

fn put(transaction: &Transaction<'_>, overlap: i64, host: &str, writes: &[Write]) {
    assert!(write(transaction, overlap, &node(host), writes).expect("written"));
}

fn session(pid: i64, started: Option<i64>) -> ObservedSession {
    ObservedSession {
        pid,
        started: started.map(at),
        kind: SessionKind::Client,
        application: Untrusted::new("or\u{1b}ders"),
        client: Some(Untrusted::new("10.0.0.7")),
        database: Some(Untrusted::new("shop\u{202e}")),
        state: Some(Untrusted::new("idle")),
        state_since: Some(at(4)),
        transaction_since: None,
        command: Some(Untrusted::new("SELECT")),
    }
}

fn seen(session: ObservedSession, first_seen: i64) -> SeenSession {
    SeenSession {
        session,
        not_before: None,
        first_seen: at(first_seen),
        ended: None,
    }
}

fn key(pid: i64, first_seen: i64) -> SessionKey {
    SessionKey {
        pid,
        first_seen: at(first_seen),
        prepared: None,
    }
}

fn ended(pid: i64, started: Option<i64>, last_seen: i64) -> Write {
    Write::Seen(SeenSession {
        ended: Some(Ended {
            last_seen: at(last_seen),
            gone_at: at(last_seen + 5),
        }),
        ..seen(session(pid, started), last_seen)
    })
}

fn run(from: i64) -> Run {
    Run {
        from: at(from),
        until: at(from + 1),
        samples: 2,
        longest_gap: Duration::from_micros(1_000_001),
        is_complete: true,
    }
}

fn counted(from: i64, total: u64) -> CountedLogins {
    CountedLogins {
        from: at(from),
        until: at(from),
        counter: LoginCounter {
            source: CounterSource::UserStatistics,
            total,
            refused: Some(3),
            since: Some(at(-9)),
        },
    }
}

fn of(timeline: &Timeline, host: &str) -> NodeTimeline {
    let found = timeline.nodes.iter().find(|one| one.node == node(host));
    found.expect("the node is there").clone()
}

#[tokio::test]
async fn what_was_observed_comes_back_as_it_was() {
    with_two_secrets(|transaction, [orders, _]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let other = SeenSession {
            not_before: Some(at(1)),
            ..seen(session(8, None), 2)
        };
        let prepared = ObservedSession {
            kind: SessionKind::PreparedTransaction,
            client: None,
            ..session(0, Some(0))
        };
        let standby = Standby {
            application: Untrusted::new("replica\n1"),
            client: None,
            state: Untrusted::new("streaming"),
            synchronous: true,
            flushed: Some(7),
            replayed: None,
        };
        let last = LastLook {
            at: at(6),
            answered: Some(Answered {
                at: at(5),
                server_time: at(3),
            }),
            problem: Some("no answer within the time-out".to_owned()),
            grant: Some("GRANT pg_read_all_stats TO mgr;".to_owned()),
        };
        let extended = Run {
            until: at(5),
            samples: 9,
            is_complete: false,
            ..run(0)
        };
        let changed = ObservedSession {
            state: None,
            transaction_since: Some(at(5)),
            ..session(7, Some(0))
        };
        let gone = Ended {
            last_seen: at(4),
            gone_at: at(5),
        };
        put(transaction, overlap, "b", &[Write::BeginRun(run(0))]);
        put(
            transaction,
            overlap,
            "a",
            &[
                Write::BeginRun(run(-9)),
                Write::BeginRun(run(0)),
                Write::ExtendRun(extended.clone()),
                Write::Seen(seen(session(7, Some(0)), 0)),
                Write::Seen(other.clone()),
                Write::Seen(seen(prepared.clone(), 3)),
                Write::Changed {
                    key: key(7, 0),
                    session: changed.clone(),
                },
                Write::Gone {
                    key: other.key(),
                    ended: gone,
                },
                Write::BeginCounter(counted(0, 5)),
                Write::BeginCounter(counted(1, 6)),
                Write::ExtendCounter { until: at(5) },
                Write::Facts {
                    server_started: Some(at(-50)),
                    standbys: vec![standby.clone()],
                    receiving: true,
                    can_log_in: Some(false),
                },
                Write::Looked(last.clone()),
            ],
        );
        let expected = NodeTimeline {
            node: node("a"),
            last: Some(last),
            runs: vec![run(-9), extended],
            sessions: vec![
                seen(changed, 0),
                SeenSession {
                    ended: Some(gone),
                    ..other
                },
                seen(prepared, 3),
            ],
            counters: vec![
                counted(0, 5),
                CountedLogins {
                    until: at(5),
                    ..counted(1, 6)
                },
            ],
            server_started: Some(at(-50)),
            standbys: vec![standby],
            receiving: true,
            can_log_in: Some(false),
        };
        let found = load(transaction, overlap).expect("reads");
        assert_eq!(of(&found, "a"), expected);
        let beside = of(&found, "b");
        assert_eq!((beside.runs, beside.last), (vec![run(0)], None));
        assert_eq!(found.nodes.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn every_kind_and_source_has_its_word() {
    with_two_secrets(|transaction, [orders, _]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let kinds = [
            SessionKind::Client,
            SessionKind::WalSender,
            SessionKind::Masked,
            SessionKind::PreparedTransaction,
        ];
        let sources = [
            CounterSource::Accounts,
            CounterSource::UserStatistics,
            CounterSource::Statements,
        ];
        let mut writes = Vec::new();
        for (pid, kind) in (1..).zip(kinds) {
            let one = ObservedSession {
                kind,
                ..session(pid, None)
            };
            writes.push(Write::Seen(seen(one, 0)));
        }
        for source in sources {
            let mut one = counted(0, 0);
            one.counter.source = source;
            writes.push(Write::BeginCounter(one));
        }
        put(transaction, overlap, "a", &writes);
        let found = of(&load(transaction, overlap).expect("reads"), "a");
        let told = found.sessions.iter().map(|seen| seen.session.kind);
        assert_eq!(told.collect::<Vec<_>>(), kinds);
        let told = found.counters.iter().map(|one| one.counter.source);
        assert_eq!(told.collect::<Vec<_>>(), sources);
    })
    .await;
}

/// Prepared transactions have no number: those that were first seen together are told apart
/// by their identifiers. Everything else may change its name.
#[tokio::test]
async fn a_prepared_transaction_is_found_by_its_identifier() {
    with_two_secrets(|transaction, [orders, _]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let prepared = |name: &str| {
            let session = ObservedSession {
                kind: SessionKind::PreparedTransaction,
                application: Untrusted::new(name),
                ..session(0, Some(0))
            };
            seen(session, 0)
        };
        let [first, second] = ["fir\u{1b}st", "second"].map(prepared);
        let named = seen(session(7, None), 0);
        let renamed = ObservedSession {
            application: Untrusted::new("another"),
            ..session(7, None)
        };
        let changed = ObservedSession {
            database: None,
            ..second.session.clone()
        };
        let writes = [
            Write::Seen(first.clone()),
            Write::Seen(second.clone()),
            Write::Seen(named.clone()),
            Write::Changed {
                key: second.key(),
                session: changed.clone(),
            },
            Write::Changed {
                key: named.key(),
                session: renamed.clone(),
            },
        ];
        put(transaction, overlap, "a", &writes);
        let there = || {
            let found = load(transaction, overlap).expect("reads");
            let all = of(&found, "a").sessions.into_iter();
            all.filter(|seen| seen.ended.is_none()).collect::<Vec<_>>()
        };
        let ended = Ended {
            last_seen: at(1),
            gone_at: at(2),
        };
        let changed = seen(changed, 0);
        assert_eq!(there(), [first.clone(), changed.clone(), seen(renamed, 0)]);
        for (key, left) in [(changed.key(), 2), (named.key(), 1), (first.key(), 0)] {
            put(transaction, overlap, "a", &[Write::Gone { key, ended }]);
            assert_eq!(there().len(), left);
            assert!(left == 0 || there()[0] == first);
        }
    })
    .await;
}

#[tokio::test]
async fn observations_go_when_the_second_overlap_after_theirs_begins() {
    with_two_secrets(|transaction, [orders, billing]| {
        let writes = [
            Write::BeginRun(run(0)),
            Write::BeginCounter(counted(0, 1)),
            Write::Seen(seen(session(7, None), 0)),
        ];
        let own = |started| OwnSession {
            node: node("a"),
            pid: 7,
            started: Some(at(started)),
            span: (at(started), at(started)),
        };
        let note = |user: &str, when: i64| {
            note_own_logins(transaction, orders, user, &[own(when)], at(when)).expect("noted");
        };
        let beside = begin(transaction, billing, "bill_a", 0);
        put(transaction, beside, "a", &writes);
        note("app_a", 9);
        let first = begin(transaction, orders, "app_a", 10);
        put(transaction, first, "a", &writes);
        note("app_b", 19);
        let second = begin(transaction, orders, "app_b", 20);
        assert!(!write(transaction, first, &node("a"), &writes).expect("looked"));
        put(transaction, second, "a", &writes);
        let nodes = |overlap| load(transaction, overlap).expect("reads").nodes.len();
        assert_eq!([first, second, beside].map(nodes), [1, 1, 1]);
        note("app_a", 29);
        begin(transaction, orders, "app_a", 30);
        assert_eq!([first, second, beside].map(nodes), [0, 1, 1]);
        let whole = load(transaction, second).expect("reads");
        assert_eq!(whole.own, [own(19)]);
        let third = overlaps::current(transaction, orders).expect("reads");
        let third = load(transaction, third.expect("open").id).expect("reads");
        assert_eq!(third.own, [own(29)], "that of the first overlap is gone");
        let left: i64 = transaction
            .query_row(
                "SELECT (SELECT count(*) FROM observed_run) + (SELECT count(*) FROM \
                 observed_counter) + (SELECT count(*) FROM observed_session)",
                [],
                |row| row.get(0),
            )
            .expect("reads");
        assert_eq!(left, 6, "nothing is left without its node");
    })
    .await;
}

#[tokio::test]
async fn logins_of_our_own_are_those_of_the_user_and_the_oldest_go_first() {
    with_two_secrets(|transaction, [orders, billing]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let own = |pid: i64| OwnSession {
            node: node("a"),
            pid,
            started: (pid % 2 == 0).then(|| at(pid)),
            span: (at(0), at(1)),
        };
        let note = |secret, user: &str, pids: std::ops::Range<i64>| {
            let sessions: Vec<_> = pids.map(own).collect();
            note_own_logins(transaction, secret, user, &sessions, at(0)).expect("noted");
        };
        let most = i64::try_from(MOST_OWN_LOGINS).expect("fits");
        note(billing, "app_a", 0..1);
        note(orders, "app_b", 0..1);
        note(orders, "app_a", 0..most - 1);
        let loaded = || {
            let own = load(transaction, overlap).expect("reads").own.into_iter();
            own.collect::<Vec<_>>()
        };
        assert_eq!(loaded(), (0..most - 1).map(own).collect::<Vec<_>>());
        note(orders, "app_a", most..most + 2);
        let expected = (1..most - 1).chain(most..most + 2).map(own);
        assert_eq!(loaded(), expected.collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn the_oldest_runs_and_counters_of_the_node_that_has_most_go_first() {
    with_two_secrets(|transaction, [orders, _]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let quiet = [
            Write::BeginRun(run(-5)),
            Write::BeginCounter(counted(-5, 1)),
        ];
        put(transaction, overlap, "quiet", &quiet);
        let most = i64::try_from(MOST_RUNS.max(MOST_COUNTERS)).expect("fits");
        let busy: Vec<_> = (0..most + 3)
            .flat_map(|index| {
                let total = u64::try_from(index).expect("is positive");
                [
                    Write::BeginRun(run(index)),
                    Write::BeginCounter(counted(index, total)),
                ]
            })
            .collect();
        put(transaction, overlap, "busy", &busy);
        let found = load(transaction, overlap).expect("reads");
        let (quiet, busy) = (of(&found, "quiet"), of(&found, "busy"));
        assert_eq!((quiet.runs.len(), quiet.counters.len()), (1, 1));
        assert_eq!(busy.runs.len(), MOST_RUNS - 1);
        assert_eq!(busy.runs.last(), Some(&run(most + 2)));
        assert_eq!(busy.counters.len(), MOST_COUNTERS - 1);
        let newest = busy.counters.last().map(|one| one.from);
        assert_eq!(newest, Some(at(most + 2)));
    })
    .await;
}

#[tokio::test]
async fn the_oldest_ended_sessions_are_folded_by_client_and_our_own_are_not() {
    with_two_secrets(|transaction, [orders, _]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let own = OwnSession {
            node: node("a"),
            pid: 3,
            started: Some(at(0)),
            span: (at(0), at(0)),
        };
        note_own_logins(transaction, orders, "app_a", &[own], at(0)).expect("noted");
        put(transaction, overlap, "quiet", &[ended(1, Some(0), 0)]);
        let unknown = Write::Seen(SeenSession {
            not_before: Some(at(6)),
            ended: Some(Ended {
                last_seen: at(99),
                gone_at: at(104),
            }),
            ..seen(session(5, None), 7)
        });
        let mut writes = vec![
            ended(1, Some(0), 60),
            ended(2, Some(-30), 61),
            ended(3, Some(0), 62),
            ended(4, None, 63),
            unknown,
            Write::Seen(seen(session(6, Some(0)), 0)),
        ];
        let most = i64::try_from(MOST_ENDED_SESSIONS).expect("fits");
        let filling = (0..most - 1).map(|index| ended(1_000 + index, Some(0), 200 + index));
        writes.extend(filling);
        put(transaction, overlap, "a", &writes);
        let found = load(transaction, overlap).expect("reads");
        let kept = of(&found, "a").sessions;
        assert_eq!(of(&found, "quiet").sessions.len(), 1);
        assert_eq!(
            kept.len(),
            MOST_ENDED_SESSIONS,
            "the one that is there is no ended one"
        );
        assert_eq!(kept[0].session.pid, 6);
        // A glance takes who is there, and the newest of what has ended.
        let (glance, is_all) = load_newest(transaction, overlap).expect("reads");
        let (glance, newest) = (of(&glance, "a").sessions, 100);
        assert!(!is_all);
        assert_eq!(glance[0].session.pid, 6);
        assert_eq!(glance[1..], kept[kept.len() - newest..]);
        let folded = FoldedClient {
            application: "or␛ders".to_owned(),
            client: Some("10.0.0.7".to_owned()),
            sessions: 4,
            shortest_seconds: Some(60),
            longest_seconds: Some(98),
        };
        assert_eq!(found.folded, std::slice::from_ref(&folded));
        // Later ones are added to them, and a client without an age takes none away.
        let nameless = Write::Seen(SeenSession {
            session: ObservedSession {
                client: None,
                ..session(9, None)
            },
            ..match ended(9, None, 150) {
                Write::Seen(seen) => seen,
                _ => panic!("it was made so"),
            }
        });
        let more = [nameless, ended(8, Some(140), 151), ended(7, None, 152)];
        put(transaction, overlap, "a", &more);
        let found = load(transaction, overlap).expect("reads");
        assert_eq!(of(&found, "a").sessions.len(), MOST_ENDED_SESSIONS);
        let more = FoldedClient {
            sessions: 6,
            shortest_seconds: Some(11),
            ..folded.clone()
        };
        let nameless = FoldedClient {
            client: None,
            sessions: 1,
            shortest_seconds: None,
            longest_seconds: None,
            ..folded
        };
        assert_eq!(found.folded, [more, nameless]);
    })
    .await;
}

#[tokio::test]
async fn of_folded_clients_those_with_most_sessions_are_kept() {
    with_two_secrets(|transaction, [orders, _]| {
        let overlap = begin(transaction, orders, "app_a", 0);
        let most = i64::try_from(MOST_FOLDED).expect("fits");
        let named = |name: i64, last_seen: i64| match ended(1, None, last_seen) {
            Write::Seen(mut seen) => {
                seen.session.application = Untrusted::new(&format!("client {name}"));
                Write::Seen(seen)
            }
            other => other,
        };
        let mut writes = vec![named(0, 0), named(0, 0)];
        writes.extend((1..most + 2).map(|name| named(name, name)));
        let filling = i64::try_from(MOST_ENDED_SESSIONS).expect("fits");
        writes.extend((0..filling).map(|index| named(-1, 5_000 + index)));
        put(transaction, overlap, "a", &writes);
        let folded = load(transaction, overlap).expect("reads").folded;
        assert_eq!(folded.len(), MOST_FOLDED);
        assert_eq!(folded.iter().map(|one| one.sessions).max(), Some(2));
    })
    .await;
}
