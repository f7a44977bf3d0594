//! Sampling on a real PostgreSQL: what the drain of an outgoing user asks of the room that
//! talks to databases.

use std::time::Duration;

use handover::database::Watching;
use handover::model::{
    AccountId, AccountSample, CounterSource, Credential, DatabaseFault, ObservedSession, Sample,
    SessionKind,
};
use handover::sandbox::{PostgresOptions, PostgresServer};
use handover::secret::Secret;
use handover::untrusted::Untrusted;
use tokio_postgres::Client;

use crate::database_room::{database, full, node_of, superuser_of, user};
use crate::harness::{first_value, identifier, literal, postgres_options, server, wait_until};

const PASSWORD: &str = "first-password";

pub(crate) fn password() -> Secret {
    Secret::new(PASSWORD.to_owned())
}

pub(crate) fn credential(name: &str) -> Credential {
    Credential {
        username: user(name),
        password: Some(password()),
    }
}

/// Makes a role that may log in and answers what it is known by.
pub(crate) fn create(server: &PostgresServer, role: &str) -> AccountId {
    server
        .sql(&format!(
            "CREATE ROLE {} LOGIN PASSWORD {}",
            identifier(role),
            literal(PASSWORD)
        ))
        .expect("creates a role");
    account(server, role)
}

pub(crate) fn account(server: &PostgresServer, role: &str) -> AccountId {
    let query = format!("SELECT oid FROM pg_roles WHERE rolname = {}", literal(role));
    let oid: u32 = first_value(server, &query).parse().expect("an OID");
    AccountId::from(oid)
}

pub(crate) async fn watch_as(
    server: &PostgresServer,
    login: &Credential,
) -> Result<Box<dyn Watching>, DatabaseFault> {
    let room = database(full(server), Duration::from_secs(30));
    room.watch(&node_of(server), login, "handover-test-sampler")
        .await
}

async fn look(watching: &mut Box<dyn Watching>, accounts: &[AccountId]) -> Sample {
    watching.sample(accounts).await.expect("answers")
}

pub(crate) async fn look_at(
    watching: &mut Box<dyn Watching>,
    account: &AccountId,
) -> AccountSample {
    let mut sample = look(watching, std::slice::from_ref(account)).await;
    assert_eq!(sample.accounts.len(), 1);
    let seen = sample.accounts.remove(0);
    assert_eq!(&seen.account, account);
    seen
}

pub(crate) async fn session(server: &PostgresServer, role: &str, application: &str) -> Client {
    let door = server.door();
    let password = password();
    let opened = door.connect_as(role, &password, "postgres", application);
    opened.await.expect("logs in")
}

pub(crate) fn word(text: Option<&Untrusted>) -> Option<&str> {
    text.map(Untrusted::as_str)
}

/// The one session of this application.
#[track_caller]
pub(crate) fn of_application<'a>(
    seen: &'a AccountSample,
    application: &str,
) -> &'a ObservedSession {
    let mut found = seen
        .sessions
        .iter()
        .filter(|session| session.application.as_str() == application);
    let session = found.next();
    let session = session.unwrap_or_else(|| panic!("no {application} in {seen:?}"));
    assert!(found.next().is_none(), "several of {application}: {seen:?}");
    session
}

#[tokio::test]
async fn sessions_are_told_with_what_they_do_and_never_with_their_statement() {
    let server = server();
    let role = create(server, "watched_words");
    let quiet = create(server, "watched_nobody");
    let gone = AccountId::from(4_000_000_002_u32);
    let words = [
        ("w-plain", "select 'first-password'", "SELECT"),
        (
            "w-comment",
            "/* app:orders */ (SELECT* FROM nothing)",
            "SELECT",
        ),
        ("w-note", "-- why\n\tupdate nothing set a = 1", "UPDATE"),
        (
            "w-lines",
            "\n\t\r\n  insert\ninto nothing values ('first-password')",
            "INSERT",
        ),
        ("w-typo", "first-password in a typo", "other"),
        ("w-hidden", "/* never ends first-password", "other"),
        ("w-set", "SET\tstatement_timeout = 5000", "SET"),
        ("w-number", "SELECT1 first-password", "other"),
    ];
    let mut held = Vec::new();
    for (application, statement, _) in words {
        let client = session(server, "watched_words", application).await;
        // Some fail, which is what is wanted: a mistyped statement is one, too.
        let _ = client.simple_query(statement).await;
        held.push(client);
    }
    let busy = session(server, "watched_words", "w-transaction").await;
    busy.batch_execute("BEGIN; SELECT 1").await.expect("begins");
    held.push(busy);

    let mut watching = watch_as(server, &superuser_of(server))
        .await
        .expect("logs in");
    let asked = [role.clone(), gone.clone(), quiet, role.clone()];
    let sample = look(&mut watching, &asked).await;
    assert_eq!(sample.node, node_of(server));
    let system = first_value(server, "SELECT system_identifier FROM pg_control_system()");
    assert_eq!(sample.system, system);
    assert!(sample.server_started < sample.server_time);
    assert!(!sample.receiving && sample.standbys.is_empty());
    let order: Vec<&AccountId> = sample.accounts.iter().map(|seen| &seen.account).collect();
    assert_eq!(order, asked.iter().collect::<Vec<_>>());
    assert!(
        sample
            .accounts
            .iter()
            .all(|seen| seen.complete && seen.grant.is_none())
    );
    assert_eq!(sample.accounts[1].can_log_in, None, "there is no such role");
    assert_eq!(sample.accounts[2].can_log_in, Some(true));
    assert!(sample.accounts[2].sessions.is_empty());
    assert_eq!(sample.accounts[0], sample.accounts[3], "asked for twice");

    let seen = &sample.accounts[0];
    assert_eq!(seen.sessions.len(), words.len() + 1, "{seen:?}");
    for (application, _, expected) in words {
        let session = of_application(seen, application);
        assert_eq!(
            word(session.command.as_ref()),
            Some(expected),
            "{application}"
        );
        assert_eq!(word(session.state.as_ref()), Some("idle"));
        assert_eq!(session.kind, SessionKind::Client);
        assert_eq!(word(session.client.as_ref()), Some("127.0.0.1"));
        assert_eq!(word(session.database.as_ref()), Some("postgres"));
        assert!(session.pid > 0 && session.started <= session.state_since);
        assert_eq!(session.transaction_since, None);
    }
    let busy = of_application(seen, "w-transaction");
    assert_eq!(word(busy.state.as_ref()), Some("idle in transaction"));
    assert!(busy.transaction_since >= busy.started && busy.transaction_since.is_some());
    assert!(!format!("{sample:?}").contains(PASSWORD), "{sample:?}");

    assert!(look(&mut watching, &[]).await.accounts.is_empty());
    watching.close().await;
}

#[tokio::test]
async fn a_blind_monitor_says_so_names_the_grant_and_sees_once_it_has_it() {
    let server = server();
    let role = create(server, "watched_masked");
    create(server, "monitor_blind");
    let _held = session(server, "watched_masked", "m-app").await;
    let mut watching = watch_as(server, &credential("monitor_blind"))
        .await
        .expect("logs in");

    let seen = look_at(&mut watching, &role).await;
    assert!(!seen.complete);
    let grant = seen.grant.clone().expect("names what is missing");
    assert_eq!(grant, "GRANT pg_read_all_stats TO \"monitor_blind\";");
    let masked = of_application(&seen, "m-app");
    assert_eq!(masked.kind, SessionKind::Masked);
    assert_eq!(
        (masked.started, &masked.command, &masked.state),
        (None, &None, &None)
    );
    assert_eq!(seen.can_log_in, Some(true), "everybody may read that");

    server.sql(&grant).expect("the server takes the grant");
    let seen = look_at(&mut watching, &role).await;
    assert!(
        seen.complete && seen.grant.is_none(),
        "on the same connection"
    );
    assert_eq!(of_application(&seen, "m-app").kind, SessionKind::Client);
    watching.close().await;

    let wrong = Credential {
        username: user("monitor_blind"),
        password: Some(Secret::new("second-password".to_owned())),
    };
    let fault = watch_as(server, &wrong)
        .await
        .map(|_| ())
        .expect_err("is refused");
    assert_eq!(
        fault.to_string(),
        "handover cannot log in as monitor_blind: password authentication failed"
    );
}

#[tokio::test]
async fn hostile_names_are_marks_and_a_dropped_role_keeps_its_sessions() {
    let server = server();
    let hostile = "w\u{1b}[2J\u{202e}x\ny";
    let role = create(server, hostile);
    server
        .sql(&format!("CREATE DATABASE {}", identifier(hostile)))
        .expect("creates a database");
    let door = server.door();
    let held = door
        .connect_as(hostile, &password(), hostile, hostile)
        .await;
    let held = held.expect("logs in");
    let mut watching = watch_as(server, &superuser_of(server))
        .await
        .expect("logs in");
    for (dropped, can_log_in) in [(false, Some(true)), (true, None)] {
        if dropped {
            let drop = format!("DROP ROLE {}", identifier(hostile));
            server.sql(&drop).expect("drops it although it is there");
        }
        let seen = look_at(&mut watching, &role).await;
        assert_eq!(seen.can_log_in, can_log_in);
        assert_eq!(seen.sessions.len(), 1, "{seen:?}");
        let session = &seen.sessions[0];
        let place = word(session.database.as_ref()).expect("is told");
        assert_eq!(place, "w␛[2J‹U+202E›x␊y");
        // The server itself keeps no such character in an application's name.
        let application = session.application.as_str();
        assert!(application.starts_with('w'), "{application}");
        assert!(
            application
                .chars()
                .all(|letter| (' '..='~').contains(&letter))
        );
        assert!(seen.complete);
    }
    watching.close().await;
    drop(held);
}

#[tokio::test]
async fn standbys_prepared_transactions_and_streams_hold_a_user() {
    let options = PostgresOptions {
        configuration: vec!["max_prepared_transactions = 5".to_owned()],
        ..postgres_options()
    };
    let primary = PostgresServer::start(&options).expect("starts");
    let standby = primary.start_standby("replica-1", &[]).expect("starts");
    let role = create(&primary, "app_a");
    wait_until("the role can log in at the standby", || {
        standby.login("app_a", &password()).is_accepted()
    });
    let held = session(&standby, "app_a", "report").await;
    let preparing = session(&primary, "app_a", "importer").await;
    preparing
        .batch_execute("BEGIN; PREPARE TRANSACTION E'two\\n\u{1b}phases'")
        .await
        .expect("prepares");
    drop(preparing);
    let superuser = superuser_of(&primary);
    let streams = account(&primary, superuser.username.as_str());

    let mut on_primary = watch_as(&primary, &superuser).await.expect("logs in");
    let mut on_standby = watch_as(&standby, &superuser).await.expect("logs in");
    let mut sample = look(&mut on_primary, &[role.clone(), streams.clone()]).await;
    for _ in 0..500 {
        if sample.accounts[0].sessions.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        sample = look(&mut on_primary, &[role.clone(), streams.clone()]).await;
    }
    assert_eq!(sample.standbys.len(), 1);
    assert_eq!(sample.standbys[0].application.as_str(), "replica-1");
    let seen = &sample.accounts[0];
    assert_eq!(
        seen.sessions.len(),
        1,
        "the session itself is gone: {seen:?}"
    );
    let prepared = &seen.sessions[0];
    assert_eq!(
        (prepared.pid, prepared.kind),
        (0, SessionKind::PreparedTransaction)
    );
    assert_eq!(prepared.application.as_str(), "two␊␛phases");
    assert!(prepared.started.is_some_and(|at| at < sample.server_time));
    assert_eq!(seen.counter, None, "the extension is not there");
    let stream = sample.accounts[1].sessions.iter();
    let stream = stream.filter(|session| session.kind == SessionKind::WalSender);
    let words: Vec<_> = stream.map(|one| word(one.command.as_ref())).collect();
    assert_eq!(words, [Some("START_REPLICATION")]);

    let elsewhere = look(&mut on_standby, std::slice::from_ref(&role)).await;
    assert!(elsewhere.receiving && elsewhere.standbys.is_empty());
    assert_eq!(elsewhere.system, sample.system);
    let seen = &elsewhere.accounts[0];
    assert_eq!(seen.sessions.len(), 1, "{seen:?}");
    assert_eq!(of_application(seen, "report").kind, SessionKind::Client);
    drop(held);

    // An extension that the server has not loaded answers every question with an error.
    primary
        .sql("CREATE EXTENSION pg_stat_statements")
        .expect("contrib is there");
    let mut again = watch_as(&primary, &superuser).await.expect("logs in");
    for _ in 0..3 {
        let seen = look_at(&mut again, &role).await;
        assert_eq!((seen.sessions.len(), seen.counter), (1, None));
    }
    let complaints = primary.server_log();
    let complaints = complaints.matches("must be loaded via").count();
    assert!(complaints <= 1, "the log is not filled: {complaints}");

    // The role goes; what it has prepared stays.
    primary.sql("DROP ROLE app_a").expect("drops it");
    let seen = look_at(&mut again, &role).await;
    assert_eq!((seen.can_log_in, seen.sessions.len()), (None, 1));
}

#[tokio::test]
async fn the_counter_counts_the_statements_of_each_user() {
    let server = server();
    let role = create(server, "watched_counted");
    let silent = create(server, "watched_uncounted");
    server
        .sql("ALTER ROLE watched_uncounted SET pg_stat_statements.track = 'none'")
        .expect("the superuser may");
    // Who samples needs no right for it, on a connection that is kept.
    create(server, "monitor_counter");
    let mut watching = watch_as(server, &credential("monitor_counter"))
        .await
        .expect("logs in");
    let asked = [role, silent];
    let before = look(&mut watching, &asked).await;
    let counter = before.accounts[0].counter.clone().expect("is there");
    assert_eq!(
        (counter.source, counter.refused),
        (CounterSource::Statements, None)
    );
    assert_eq!(counter.total, 0, "it has never been there");
    assert!(
        counter
            .since
            .is_some_and(|since| since < before.server_time)
    );
    assert_eq!(before.accounts[1].counter, None, "nobody counts these");

    let client = session(server, "watched_counted", "short").await;
    for _ in 0..3 {
        client.batch_execute("SELECT 7").await.expect("answers");
    }
    drop(client);
    let after = look(&mut watching, &asked).await;
    let now = after.accounts[0].counter.clone().expect("is there");
    assert!(now.total >= 3, "{now:?}");
    assert_eq!(now.since, counter.since);
    watching.close().await;
}
