//! One sample of a user with a thousand sessions, beside the bare query of the same columns.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use handover::database::{Target, Timeouts, Tls, Watching, connect};
use handover::model::{AccountId, Credential, Engine, Node, UserName};
use handover::sandbox::{PostgresOptions, PostgresServer};
use handover::secret::Secret;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Statement};

use crate::harness::{first_value, postgres_options};
use crate::told;

const SESSIONS: usize = 1_000;
const LOOKS: usize = 200;
/// The budget of a sample, in bare queries.
const BUDGET: f64 = 1.3;

/// What a plain client would ask.
const BARE: &str = "SELECT usesysid, pid, backend_start, backend_type, application_name, \
     host(client_addr), datname::text, state, state_change, xact_start, left(query, 20) \
     FROM pg_stat_activity WHERE usesysid = ANY ($1::oid[])";

/// Measures and prints.
pub(crate) fn measure() {
    let options = PostgresOptions {
        configuration: vec![
            format!("max_connections = {}", SESSIONS + 50),
            // The whole text of what is asked is read below.
            "track_activity_query_size = 16kB".to_owned(),
        ],
        ..postgres_options()
    };
    let server = PostgresServer::start(&options).expect("PostgreSQL starts");
    let password = "first-password";
    let create = format!("CREATE ROLE benched LOGIN PASSWORD '{password}'");
    server.sql(&create).expect("creates a role");
    let query = "SELECT oid FROM pg_roles WHERE rolname = 'benched'";
    let oid: u32 = first_value(&server, query).parse().expect("an OID");
    let runtime = tokio::runtime::Runtime::new().expect("makes a runtime");
    runtime.block_on(async {
        let mut held = Vec::with_capacity(SESSIONS);
        let door = server.door();
        let password = Secret::new(password.to_owned());
        for number in 0..SESSIONS {
            let application = format!("pool-{}", number % 20);
            let client = door.connect_as("benched", &password, "postgres", &application);
            let client = client.await.expect("logs in");
            let statement = "SELECT count(*) FROM pg_class";
            client.simple_query(statement).await.expect("answers");
            held.push(client);
        }
        let superuser = server.superuser();
        let plain = door.connect(&superuser.name, &superuser.password, "postgres");
        let plain = plain.await.expect("logs in");
        let mut watching = watch(&server).await;
        let statement = plain.prepare(BARE).await.expect("prepares");
        let accounts = [AccountId::from(oid)];
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for look in 0..LOOKS + 10 {
            let began = Instant::now();
            let rows = bare(&plain, &statement, oid).await;
            let bare = began.elapsed();
            let began = Instant::now();
            let sample = watching.sample(&accounts).await.expect("answers");
            let sampled = began.elapsed();
            assert_eq!(
                (rows, sample.accounts[0].sessions.len()),
                (SESSIONS, SESSIONS)
            );
            // The first ones fill caches.
            if look >= 10 {
                floor.push(bare);
                ours.push(sampled);
            }
        }
        let asked = what_it_asks(&plain, oid).await;
        told(
            "a sample of 1,000 sessions",
            floor.clone(),
            ours,
            Some(BUDGET),
        );
        told(
            "  its question alone, by a plain client",
            floor,
            asked,
            None,
        );
        watching.close().await;
    });
}

/// How long what the sampler has asked last, which is who is there, takes a plain client.
async fn what_it_asks(plain: &Client, oid: u32) -> Vec<Duration> {
    let text = "SELECT query FROM pg_stat_activity WHERE application_name = 'handover-bench'";
    let text: String = plain.query_one(text, &[]).await.expect("is there").get(0);
    assert!(
        text.contains("pg_stat_activity"),
        "another question: {text}"
    );
    let statement = plain.prepare_typed(&text, &[Type::OID_ARRAY]).await;
    let statement = statement.expect("prepares");
    let mut times = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        let rows = plain.query(&statement, &[&vec![oid]]).await;
        assert_eq!(rows.expect("answers").len(), SESSIONS);
        times.push(began.elapsed());
    }
    times
}

async fn watch(server: &PostgresServer) -> Box<dyn Watching> {
    let limit = Duration::from_secs(30);
    let room = connect(Target {
        engine: Engine::Postgres,
        database: "postgres".to_owned(),
        tls: Tls::VerifyFull {
            authority: Some(server.ca_pem().to_owned()),
        },
        timeouts: Timeouts {
            connect: limit,
            statement: limit,
            lock: limit,
        },
    });
    let room = room.expect("the settings are good");
    let node = Node {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
    };
    let superuser = server.superuser();
    let login = Credential {
        username: UserName::new(&superuser.name).expect("a name"),
        password: Some(superuser.password.duplicate()),
    };
    let watching = room.watch(&node, &login, "handover-bench").await;
    watching.expect("logs in")
}

/// Asks, and reads every column.
async fn bare(client: &Client, statement: &Statement, oid: u32) -> usize {
    let rows = client.query(statement, &[&vec![oid]]).await;
    let rows = rows.expect("answers");
    rows.iter().map(read).collect::<Vec<_>>().len()
}

type Bare = (i32, Vec<Option<String>>, Vec<Option<DateTime<Utc>>>);

fn read(row: &Row) -> Bare {
    let texts = [3, 4, 5, 6, 7, 10].map(|column| row.get(column));
    let times = [2, 8, 9].map(|column| row.get(column));
    (row.get(1), texts.into(), times.into())
}
