//! Looks and questions for tests, in seconds after a promote.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Drain, Looked, NodeTimeline, PoolerAddress, Question, Silence, Timeline, Write, absorb, judge,
};
use crate::model::{
    AccountId, AccountSample, CounterSource, Engine, EnvironmentName, LoginCounter, Node, NodeTime,
    ObservedSession, Overlap, OwnSession, OwnerNote, Sample, SessionKind, Stage, Standby,
};
use crate::untrusted::Untrusted;

/// By how much the clocks of the nodes are ahead of this host's.
pub(super) const AHEAD: i64 = 3_600;

/// So many milliseconds after the promote, by the clock of the nodes.
pub(super) fn at_ms(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + milliseconds).expect("a valid time")
}

/// So many seconds after the promote, by the clock of the nodes.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    at_ms(seconds * 1_000)
}

/// The same moment by this host's clock.
pub(super) fn host(seconds: i64) -> DateTime<Utc> {
    at(seconds) - TimeDelta::seconds(AHEAD)
}

pub(super) fn node(name: &str) -> Node {
    Node {
        host: name.to_owned(),
        port: 5432,
    }
}

/// A session of PostgreSQL.
pub(super) fn session(pid: i64, started: i64) -> ObservedSession {
    ObservedSession {
        pid,
        started: Some(at(started)),
        kind: SessionKind::Client,
        application: Untrusted::new("web"),
        client: Some(Untrusted::new("10.0.0.5")),
        database: Some(Untrusted::new("orders")),
        state: Some(Untrusted::new("idle")),
        state_since: Some(at(started)),
        transaction_since: None,
        command: Some(Untrusted::new("SELECT")),
    }
}

/// A session of MySQL.
pub(super) fn numbered(pid: i64) -> ObservedSession {
    ObservedSession {
        started: None,
        ..session(pid, 0)
    }
}

pub(super) fn prepared(identifier: &str, at_second: i64) -> ObservedSession {
    ObservedSession {
        pid: 0,
        kind: SessionKind::PreparedTransaction,
        application: Untrusted::new(identifier),
        client: None,
        ..session(0, at_second)
    }
}

/// A counter of logins.
pub(super) fn logins(total: u64) -> Option<LoginCounter> {
    Some(LoginCounter {
        source: CounterSource::Accounts,
        total,
        refused: None,
        since: Some(at(-100_000)),
    })
}

/// One look.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) sample: Sample,
    pub(super) account: AccountSample,
}

impl Look {
    pub(super) fn new(seconds: i64, sessions: Vec<ObservedSession>) -> Self {
        let account = AccountSample {
            account: AccountId::new("7"),
            can_log_in: Some(true),
            sessions,
            complete: true,
            grant: None,
            counter: None,
        };
        Self {
            sample: Sample {
                node: node("db"),
                system: "1".to_owned(),
                server_time: at(seconds),
                server_started: at(-100_000),
                receiving: false,
                standbys: Vec::new(),
                accounts: Vec::new(),
            },
            account,
        }
    }

    pub(super) fn counting(mut self, counter: Option<LoginCounter>) -> Self {
        self.account.counter = counter;
        self
    }

    pub(super) fn masked(mut self) -> Self {
        self.account.complete = false;
        self.account.grant = Some("let it see".to_owned());
        self
    }

    pub(super) fn started(mut self, seconds: i64) -> Self {
        self.sample.server_started = at(seconds);
        self
    }
}

/// A timeline and what is asked of it.
pub(super) struct World {
    pub(super) timeline: Timeline,
    pub(super) overlap: Overlap,
    pub(super) nodes: Vec<Node>,
    pub(super) poolers: Vec<PoolerAddress>,
    pub(super) owners: Vec<OwnerNote>,
    pub(super) engine: Engine,
    pub(super) propagation: Duration,
    pub(super) quiet: Duration,
    pub(super) max_gap: Duration,
    pub(super) sample: Duration,
    pub(super) sinks_confirmed: bool,
    environment: EnvironmentName,
}

impl World {
    /// One node `db`, promoted at second 0; 60 s of propagation, 100 s of quiet, 30 s of gap
    /// at most, a sample every 5 s.
    pub(super) fn new() -> Self {
        Self::of(&["db"])
    }

    pub(super) fn of(names: &[&str]) -> Self {
        let nodes: Vec<Node> = names.iter().copied().map(node).collect();
        Self {
            timeline: Timeline {
                nodes: nodes.iter().cloned().map(NodeTimeline::new).collect(),
                ..Timeline::default()
            },
            overlap: Overlap {
                id: 1,
                user: "app_a".to_owned(),
                account: None,
                revision: 4,
                promoted: nodes
                    .iter()
                    .map(|node| NodeTime {
                        node: node.clone(),
                        server_time: at(0),
                        connection: None,
                    })
                    .collect(),
                opened_at: host(0),
                stage: Stage::Draining,
                stage_at: host(0),
                compromised: false,
            },
            nodes,
            poolers: Vec::new(),
            owners: Vec::new(),
            engine: Engine::Postgres,
            propagation: Duration::from_secs(60),
            quiet: Duration::from_secs(100),
            max_gap: Duration::from_secs(30),
            sample: Duration::from_secs(5),
            sinks_confirmed: true,
            environment: "shop/orders".parse().expect("a name"),
        }
    }

    /// The number of the connection that was made at the promote, as MySQL tells it.
    pub(super) fn promoted_by_connection(mut self, connection: i64) -> Self {
        self.engine = Engine::Mysql;
        for promoted in &mut self.overlap.promoted {
            promoted.connection = Some(connection);
        }
        self
    }

    pub(super) fn look_at(&mut self, index: usize, look: &Look) -> Vec<Write> {
        let looked = Looked {
            at: look.sample.server_time - TimeDelta::seconds(AHEAD),
            elapsed: None,
            answer: Ok((&look.sample, &look.account)),
        };
        absorb(&mut self.timeline.nodes[index], &looked, self.max_gap)
    }

    pub(super) fn look(&mut self, look: &Look) -> Vec<Write> {
        self.look_at(0, look)
    }

    /// Looks at these sessions every five seconds, from one second to another.
    pub(super) fn watch(&mut self, from: i64, until: i64, sessions: &[ObservedSession]) {
        for second in (from..=until).step_by(5) {
            self.look(&Look::new(second, sessions.to_vec()));
        }
    }

    pub(super) fn silence_at(&mut self, index: usize, seconds: i64) -> Vec<Write> {
        let looked = Looked {
            at: host(seconds),
            elapsed: None,
            answer: Err(Silence {
                problem: "no route to it".to_owned(),
                grant: None,
            }),
        };
        absorb(&mut self.timeline.nodes[index], &looked, self.max_gap)
    }

    pub(super) fn own(&mut self, pid: i64, started: Option<i64>, noted_at: i64) {
        // It was there for a tenth of a second.
        let until = host(noted_at);
        self.timeline.own.push(OwnSession {
            node: node("db"),
            pid,
            started: started.map(at),
            span: (until - TimeDelta::milliseconds(100), until),
        });
    }

    pub(super) fn feeds(&mut self, index: usize, names: &[&str]) {
        self.timeline.nodes[index].standbys = names
            .iter()
            .map(|name| Standby {
                application: Untrusted::new(name),
                client: None,
                state: Untrusted::new("streaming"),
                synchronous: false,
                flushed: None,
                replayed: None,
            })
            .collect();
    }

    /// What is said so many seconds after the promote.
    pub(super) fn judge(&self, seconds: i64) -> Drain {
        judge(&Question {
            environment: &self.environment,
            path: "orders.db",
            overlap: &self.overlap,
            timeline: &self.timeline,
            nodes: &self.nodes,
            poolers: &self.poolers,
            owners: &self.owners,
            engine: self.engine,
            propagation: self.propagation,
            quiet: self.quiet,
            max_gap: self.max_gap,
            sample: self.sample,
            listen: Duration::from_secs(3600),
            sinks_confirmed: self.sinks_confirmed,
            now: host(seconds),
        })
    }
}
