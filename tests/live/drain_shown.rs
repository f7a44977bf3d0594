//! What the drain says of a short pause, of hostile names and of a pooler, on real servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use handover::database::{Target, Timeouts, Tls, Watching, connect};
use handover::model::{Credential, Engine, Node, UserName};
use mysql_async::prelude::Queryable as _;
use nix::sys::signal::Signal;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_postgres::config::{ChannelBinding, Config, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::drain::{DRAIN, drain_of, rotated, sampled};
use crate::harness::{identifier, server, wait_until};
use crate::pooler::{Pooler, Verifiers};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

/// No quiet time passes within a test, and no pause of one is too long.
const PATIENT: &str = "  db:\n    drain: {quiet: 1h, sample: 200ms, max-gap: 30s}\n";

/// Clears a screen, turns the reading direction round, and begins a line.
const HOSTILE: &str = "h\u{1b}[2J\u{202e}x\ny";
const MARKS: &str = "h␛[2J‹U+202E›x␊y";

#[test]
fn a_pause_shorter_than_the_gap_is_told_as_the_resolution() {
    let (shop, ()) = rotated("drainpause", PATIENT, |_| ());
    let mut watching = shop.start(&["drain", "shop/orders", "--watch"]);
    let seen = || drain_of(&shop.run(&DRAIN))["window"].clone();
    wait_until("it samples", || sampled(&shop).0 >= 4);
    let before = seen();
    watching.signal(Signal::SIGSTOP);
    wait_until("it is stopped", || watching.is_stopped());
    let (stopped, samples) = (Instant::now(), sampled(&shop).0);
    let pause = Duration::from_millis(2_100);
    wait_until("a pause has passed", || stopped.elapsed() > pause);
    watching.signal(Signal::SIGCONT);
    wait_until("it samples again", || sampled(&shop).0 >= samples + 3);
    let after = seen();
    let since = |window: &Value| -> DateTime<Utc> {
        let since = window["since"].as_str().expect("a time");
        since.parse().expect("as RFC 3339 has it")
    };
    // It is a moment of the server's clock, told by this host's.
    let moved = (since(&after) - since(&before)).abs();
    assert!(moved < TimeDelta::seconds(1), "the window goes on: {moved}");
    assert_eq!(sampled(&shop).1, 1, "in one stretch");
    let resolution = after["resolution_seconds"].as_u64();
    assert!(resolution >= Some(3), "rounded up: {after:#}");
    assert!(before["resolution_seconds"].as_u64() < resolution);
    watching.signal(Signal::SIGINT);
    watching.finish().expect_code(0);
}

#[test]
fn hostile_names_are_told_as_marks() {
    named(ShopEngine::Postgres);
}

for_both! { named }

/// The names of a user, of a database and of an application. A user's name with a control
/// character is refused by the document, so that one has what turns the direction round.
fn named(engine: ShopEngine) {
    let Some(mut shop) = Shop::bare_on(engine, "marks", ShopOptions::default()) else {
        return;
    };
    let user = Account::new(format!("{}\u{202e}x", shop.first.name));
    shop.create_user(&user);
    shop.first = user;
    shop.write_orders();
    shop.write_settings(PATIENT);
    shop.init();
    let quote = |name: &str| match engine {
        ShopEngine::Postgres => identifier(name),
        _ => format!("`{name}`"),
    };
    // Names of databases are the server's, which all tests share.
    let place = format!("{engine:?} {HOSTILE}");
    shop.run_sql(&format!("CREATE DATABASE {}", quote(&place)));
    shop.rotate(&[]).expect_code(0);
    let runtime = Runtime::new().expect("makes a runtime");
    if engine != ShopEngine::Postgres {
        let user = format!("{}@'%'", quote(&shop.first.name));
        shop.run_sql(&format!("GRANT SELECT ON {}.* TO {user}", quote(&place)));
    }
    let held = runtime.block_on(come(&shop, &place));
    let named = runtime.block_on(call_itself(&shop));

    let run = shop.run(&DRAIN);
    let seen = drain_of(&run);
    let marked = shop.first.name.replace('\u{202e}', "‹U+202E›");
    assert_eq!(seen["user"], marked.as_str(), "{seen:#}");
    let stragglers = seen["stragglers"].as_array().expect("a list");
    let sessions = stragglers.iter().flat_map(|one| one["sessions"].as_array());
    let mut databases = sessions.flatten().map(|one| &one["database"]);
    let database = format!("{engine:?} {MARKS}");
    assert!(databases.any(|one| *one == *database), "{seen:#}");
    let mut applications = stragglers
        .iter()
        .filter_map(|one| one["application"].as_str());
    let is_marked = |name: &str| match engine {
        ShopEngine::MySql => name == MARKS,
        // The server itself keeps no such character in an application's name.
        ShopEngine::Postgres => name.starts_with('h') && !name.starts_with("handover"),
        // It tells of no application.
        ShopEngine::MariaDb => name.is_empty(),
    };
    assert!(applications.any(is_marked), "{seen:#}");
    assert_plain(&seen);
    let table = shop.run(&["drain", "shop/orders"]).expect_code(0);
    assert!(!table.stdout.contains(['\u{1b}', '\u{202e}']), "{table:#?}");
    table.expect_told(&[&marked]);
    runtime.block_on(named.close());
    drop(held);
    drop(runtime);
    wait_until("the session has ended", || {
        shop.sessions_of(&shop.first) == 0
    });
    shop.run_sql(&format!("DROP DATABASE {}", quote(&place)));
}

/// A session as the outgoing user in a database.
async fn come(shop: &Shop, database: &str) -> Box<dyn Send> {
    let user = &shop.first;
    if shop.options.engine == ShopEngine::Postgres {
        let door = shop.server().door();
        let client = door.connect(&user.name, &user.password, database);
        return Box::new(client.await.expect("logs in"));
    }
    let door = shop.mysql_server().door();
    let session = door.connect(&user.name, &user.password).await;
    let mut session = session.expect("logs in");
    let statement = format!("USE `{database}`");
    session.query_drop(statement).await.expect("may");
    Box::new(session)
}

/// A session as the outgoing user of an application whose name is hostile. On MySQL it comes
/// over our own line, since the driver's TLS loses the names of applications.
async fn call_itself(shop: &Shop) -> Box<dyn Watching> {
    let limit = Duration::from_secs(10);
    let (engine, authority) = match shop.options.engine {
        ShopEngine::Postgres => (Engine::Postgres, shop.server().ca_pem()),
        _ => (Engine::Mysql, shop.mysql_server().ca_pem()),
    };
    let target = Target {
        engine,
        database: shop.database().to_owned(),
        tls: Tls::VerifyFull {
            authority: Some(authority.to_owned()),
        },
        timeouts: Timeouts {
            connect: limit,
            statement: limit,
            lock: limit,
        },
    };
    let node = Node {
        host: "127.0.0.1".to_owned(),
        port: shop.port,
    };
    let login = Credential {
        username: UserName::new(&shop.first.name).expect("a name"),
        password: Some(shop.first.password.duplicate()),
    };
    let room = connect(target).expect("the settings are good");
    let opened = room.watch(&node, &login, HOSTILE).await;
    opened.expect("logs in")
}

/// No text of an answer does anything to a terminal.
#[track_caller]
fn assert_plain(value: &Value) {
    match value {
        Value::String(text) => {
            let is_wild = |letter: char| letter.is_control() || letter == '\u{202e}';
            assert!(!text.contains(is_wild), "{text:?}");
        }
        Value::Array(values) => values.iter().for_each(assert_plain),
        Value::Object(members) => members.values().for_each(assert_plain),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn a_session_that_a_pooler_keeps_is_named_with_the_command_that_ends_it() {
    let Some(pooler) = Pooler::start(server(), Verifiers::Query) else {
        return;
    };
    let place = format!("127.0.0.1:{}", pooler.port());
    let settings = format!("    poolers: [\"{place}\"]\n{PATIENT}");
    let (shop, runtime) = rotated("drainpooler", &settings, |shop| {
        let runtime = Runtime::new().expect("makes a runtime");
        let (name, password) = (&shop.first.name, &shop.first.password);
        let client = runtime.block_on(through(&pooler, name, password.expose(), "postgres"));
        let answer = runtime.block_on(client.simple_query("SELECT 1"));
        answer.expect("the pooler hands it on");
        // It leaves before the promote, and the pooler keeps its session.
        runtime
    });
    let seen = drain_of(&shop.run(&DRAIN));
    assert_eq!(seen["verdict"], "active", "{seen:#}");
    assert_eq!(seen["counts"]["sessions"], 1, "{seen:#}");
    let note = &seen["coverage"]["poolers"][0];
    assert_eq!(note["pooler"], place.as_str(), "{seen:#}");
    let words = note["note"].as_str().expect("a text");
    assert!(words.contains("clients behind it are not seen"), "{words}");
    let straggler = &seen["stragglers"][0];
    assert_eq!(straggler["pooler"], place.as_str(), "{seen:#}");
    let remedy = straggler["remedy"].as_str().expect("a text");
    assert!(remedy.contains(&place), "{remedy}");
    let command = "RECONNECT postgres;";
    assert!(
        words.contains(command) && remedy.contains(command),
        "{seen:#}"
    );
    let table = shop.run(&["drain", "shop/orders"]).expect_code(0);
    table.expect_told(&[&place, command, "clients behind it are not seen"]);

    // What it names does end the session.
    let superuser = server().superuser();
    let (name, password) = (&superuser.name, superuser.password.expose());
    let console = runtime.block_on(through(&pooler, name, password, "pgbouncer"));
    let told = runtime.block_on(console.simple_query(command));
    told.expect("the pooler does it");
    wait_until("the pooler's session has ended", || {
        drain_of(&shop.run(&DRAIN))["verdict"] == "quiet"
    });
}

/// A session with a pooler, which cannot offer the channel binding that the sandbox asks for.
async fn through(
    pooler: &Pooler,
    user: &str,
    password: &str,
    database: &str,
) -> tokio_postgres::Client {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(server().ca_pem().as_bytes()) {
        let certificate = certificate.expect("is a certificate");
        roots.add(certificate).expect("is an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let opened = Config::new()
        .host("127.0.0.1")
        .port(pooler.port())
        .user(user)
        .password(password)
        .dbname(database)
        .ssl_mode(SslMode::Require)
        .channel_binding(ChannelBinding::Disable)
        .connect(MakeRustlsConnect::new(tls))
        .await;
    let (client, connection) = opened.expect("the pooler lets it in");
    tokio::spawn(connection);
    client
}
