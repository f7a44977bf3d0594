//! The room that talks to databases, called as the operations call it: TLS modes and the
//! certificate that is reported, standbys, and a commit that no standby confirms.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use handover::database::{
    Change, ChangeOutcome, Database, NewPassword, Target, Timeouts, Tls, connect,
};
use handover::model::{
    AccountId, Credential, DatabaseFault, Engine, ManagingFacts, Node, UnknownCause, UserName,
};
use handover::sandbox::{Authority, PostgresOptions, PostgresServer};
use handover::secret::{SALT_LENGTH, Secret};
use handover::untrusted::Untrusted;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::harness::{HeldSession, literal, postgres_options, server, single, wait_until};

pub(crate) fn user(name: &str) -> UserName {
    UserName::new(name).expect("a name")
}

pub(crate) fn node_of(server: &PostgresServer) -> Node {
    Node {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
    }
}

pub(crate) fn superuser_of(server: &PostgresServer) -> Credential {
    Credential {
        username: user(&server.superuser().name),
        password: Some(server.superuser().password.duplicate()),
    }
}

pub(crate) fn full(server: &PostgresServer) -> Tls {
    Tls::VerifyFull {
        authority: Some(server.ca_pem().to_owned()),
    }
}

pub(crate) fn database(tls: Tls, statement: Duration) -> Arc<dyn Database> {
    connect(Target {
        engine: Engine::Postgres,
        database: "postgres".to_owned(),
        tls,
        timeouts: Timeouts {
            connect: Duration::from_secs(30),
            statement,
            lock: Duration::from_secs(10),
        },
    })
    .expect("the settings are good")
}

/// What the superuser is told at S1 by `server`, over `tls`.
async fn facts(server: &PostgresServer, tls: Tls) -> Result<ManagingFacts, DatabaseFault> {
    facts_as(server, tls, &superuser_of(server)).await
}

async fn facts_as(
    server: &PostgresServer,
    tls: Tls,
    manager: &Credential,
) -> Result<ManagingFacts, DatabaseFault> {
    let database = database(tls, Duration::from_secs(30));
    let node = node_of(server);
    let mut managing = database.manage(&node, manager, "handover-test").await?;
    let facts = managing.facts(&user("nobody_a"), &user("nobody_b")).await;
    managing.close().await;
    facts
}

/// The fingerprint as anybody would compute it from the server's certificate file.
fn fingerprint_of_file(server: &PostgresServer) -> String {
    let pem = fs::read(server.folder().join("server.crt")).expect("reads the certificate");
    let der = CertificateDer::from_pem_slice(&pem).expect("is a certificate");
    hex::encode(Sha256::digest(der))
}

#[track_caller]
fn assert_distrusted(outcome: &Result<ManagingFacts, DatabaseFault>, what: &str) {
    let distrusted = matches!(
        outcome,
        Err(DatabaseFault::Unreachable {
            cause: UnknownCause::Tls(_),
            ..
        })
    );
    assert!(distrusted, "{what}: {outcome:?}");
}

#[track_caller]
fn assert_shown(outcome: Result<ManagingFacts, DatabaseFault>, expected: &str, what: &str) {
    let facts = outcome.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert_eq!(facts.certificate.as_deref(), Some(expected), "{what}");
}

#[tokio::test]
async fn a_foreign_authority_is_refused_by_all_modes_but_require() {
    let expected = fingerprint_of_file(server());
    let foreign = Authority::new("a foreign authority").expect("makes one");
    let own = || Some(server().ca_pem().to_owned());
    let other = || Some(foreign.pem());

    let outcome = facts(server(), Tls::VerifyFull { authority: own() }).await;
    assert_shown(outcome, &expected, "verify-full");
    let outcome = facts(server(), Tls::VerifyCa { authority: own() }).await;
    assert_shown(outcome, &expected, "verify-ca");
    let outcome = facts(server(), Tls::Require).await;
    assert_shown(outcome, &expected, "require");

    let outcome = facts(server(), Tls::VerifyFull { authority: other() }).await;
    assert_distrusted(&outcome, "verify-full");
    let outcome = facts(server(), Tls::VerifyCa { authority: other() }).await;
    assert_distrusted(&outcome, "verify-ca");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_by_verify_full_alone() {
    let options = PostgresOptions {
        host_based_access: vec!["host all all 127.0.0.1/32 scram-sha-256".to_owned()],
        ..postgres_options()
    };
    let server = PostgresServer::start(&options).expect("starts");
    let before = fingerprint_of_file(&server);
    let authority = Authority::new("the authority of another host").expect("makes one");
    let issued = authority
        .issue_for(&["db.example.com"])
        .expect("issues a certificate");
    // The files keep their owner and their mode.
    fs::write(server.folder().join("server.crt"), &issued.certificate_pem).expect("writes");
    fs::write(server.folder().join("server.key"), &issued.key_pem).expect("writes");
    let expected = fingerprint_of_file(&server);
    assert_ne!(before, expected);
    server.sql("SELECT pg_reload_conf()").expect("reloads");
    // The sandbox trusts the authority of the first certificate alone.
    wait_until("the server shows its new certificate", || {
        server.sql("SELECT 1").is_err()
    });

    let pem = || Some(authority.pem());
    let outcome = facts(&server, Tls::VerifyFull { authority: pem() }).await;
    assert_distrusted(&outcome, "verify-full");
    let outcome = facts(&server, Tls::VerifyCa { authority: pem() }).await;
    assert_shown(outcome, &expected, "verify-ca");
    let outcome = facts(&server, Tls::Require).await;
    assert_shown(outcome, &expected, "require");
    let outcome = facts(&server, Tls::Disable).await.expect("answers");
    assert_eq!(outcome.certificate, None, "without TLS there is none");
}

#[tokio::test]
async fn standbys_are_named_by_their_primary_and_answer_for_themselves() {
    let options = PostgresOptions {
        configuration: vec!["wal_level = logical".to_owned()],
        ..postgres_options()
    };
    let primary = PostgresServer::start(&options).expect("starts");
    let standby = primary.start_standby("replica-1", &[]).expect("starts");
    // Neither an archiver nor a logical subscriber is a standby.
    let _archiver = primary.start_standby("pg_receivewal", &[]).expect("starts");
    let superuser = primary.superuser();
    let way = format!(
        "host=127.0.0.1 port={} dbname=postgres user={} password={}",
        primary.port(),
        superuser.name,
        superuser.password.expose()
    );
    for statement in [
        "CREATE PUBLICATION nothing".to_owned(),
        "SELECT pg_create_logical_replication_slot('subscriber', 'pgoutput')".to_owned(),
        format!(
            "CREATE SUBSCRIPTION subscriber CONNECTION {} PUBLICATION nothing \
             WITH (create_slot = false, slot_name = 'subscriber')",
            literal(&way)
        ),
        "CREATE ROLE plain LOGIN PASSWORD 'test-plain'".to_owned(),
    ] {
        primary.sql(&statement).expect("the server takes it");
    }
    wait_until("three stream", || {
        let streaming = "SELECT count(*) FROM pg_stat_replication \
                         WHERE state = 'streaming' AND flush_lsn IS NOT NULL";
        primary.sql(streaming).expect("answers") == vec![vec![Some("3".to_owned())]]
    });

    let (on_primary, on_standby) = tokio::join!(
        facts(&primary, full(&primary)),
        facts(&standby, full(&standby))
    );
    let on_primary = on_primary.expect("answers");
    let names: Vec<&str> = on_primary
        .standbys
        .iter()
        .map(|standby| standby.application.as_str())
        .collect();
    assert_eq!(names, ["replica-1"]);
    let seen = &on_primary.standbys[0];
    assert_eq!(seen.state.as_str(), "streaming");
    assert_eq!(
        seen.client.as_ref().map(Untrusted::as_str),
        Some("127.0.0.1")
    );
    assert!(!seen.synchronous && !seen.is_masked());
    assert!(
        seen.flushed.is_some_and(|position| position > 0),
        "{seen:?}"
    );
    assert!(!on_primary.receiving && !on_primary.read_only);
    assert_eq!(on_primary.synchronous_wanted, 0);

    let on_standby = on_standby.expect("answers");
    assert!(on_standby.receiving && on_standby.read_only);
    assert!(on_standby.standbys.is_empty());
    assert_eq!(on_standby.identity.system, on_primary.identity.system);

    // Two servers asked side by side through one room are not mixed up.
    let room = database(full(&primary), Duration::from_secs(30));
    let manager = superuser_of(&primary);
    let nodes = [node_of(&primary), node_of(&standby)];
    let ask = async |node: &Node| {
        let mut managing = room.manage(node, &manager, "handover-test").await?;
        managing.facts(&user("nobody_a"), &user("nobody_b")).await
    };
    let (first, second) = tokio::join!(ask(&nodes[0]), ask(&nodes[1]));
    assert_shown(first, &fingerprint_of_file(&primary), "the primary");
    assert_shown(second, &fingerprint_of_file(&standby), "the standby");
    assert_ne!(fingerprint_of_file(&primary), fingerprint_of_file(&standby));

    // Who may see less is told less, but no standby is lost.
    let plain = Credential {
        username: user("plain"),
        password: Some(Secret::new("test-plain".to_owned())),
    };
    let masked = facts_as(&primary, full(&primary), &plain).await;
    let masked = masked.expect("answers").standbys;
    assert_eq!(masked.len(), 1, "{masked:?}");
    assert_eq!(masked[0].application.as_str(), "replica-1");
    assert!(masked[0].is_masked() && masked[0].flushed.is_none());
    wait_until("the role has reached the standby", || {
        let role = "SELECT FROM pg_roles WHERE rolname = 'plain'";
        !standby.sql(role).expect("answers").is_empty()
    });
    let masked = facts_as(&standby, full(&standby), &plain).await;
    assert!(masked.expect("answers").receiving, "visible to everybody");

    // A synchronous one is told apart.
    primary
        .sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"replica-1\")'")
        .and_then(|_| primary.sql("ALTER SYSTEM SET synchronous_commit = on"))
        .and_then(|_| primary.sql("SELECT pg_reload_conf()"))
        .expect("reloads");
    wait_until("the standby is synchronous", || {
        let quorum = "SELECT FROM pg_stat_replication WHERE sync_state = 'quorum'";
        !primary.sql(quorum).expect("answers").is_empty()
    });
    let now = facts(&primary, full(&primary)).await.expect("answers");
    assert_eq!(now.synchronous_wanted, 1);
    assert!(now.standbys[0].synchronous, "{now:?}");
    let change = change(
        &primary,
        "plain",
        "test-replicated",
        Duration::from_secs(60),
    )
    .await;
    assert_eq!(change, ChangeOutcome::Confirmed);
}

/// A server whose commits wait for a standby that does not exist, and two roles on it.
fn server_without_its_standby() -> PostgresServer {
    let options = PostgresOptions {
        configuration: vec!["synchronous_commit = on".to_owned()],
        ..postgres_options()
    };
    let server = PostgresServer::start(&options).expect("starts");
    for role in ["app_a", "app_b"] {
        let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'test-before'");
        server.sql(&create).expect("creates a role");
    }
    server
        .sql("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
        .and_then(|_| server.sql("SELECT pg_reload_conf()"))
        .expect("reloads");
    wait_until("commits wait for the standby", || {
        let names = server.sql("SHOW synchronous_standby_names");
        names.expect("answers") == vec![vec![Some("missing".to_owned())]]
    });
    server
}

/// S3 for `role`, as the superuser.
async fn change(
    server: &PostgresServer,
    role: &str,
    password: &str,
    statement: Duration,
) -> ChangeOutcome {
    let database = database(full(server), statement);
    let manager = superuser_of(server);
    let node = node_of(server);
    let opened = database.manage(&node, &manager, "handover-test").await;
    let mut managing = opened.expect("logs in");
    let facts = managing.facts(&user("nobody_a"), &user(role)).await;
    let account = facts.expect("answers").roles[1]
        .as_ref()
        .expect("exists")
        .account
        .clone();
    let begun = managing
        .begin_change(&account, Duration::from_secs(10))
        .await;
    let parts = begun.expect("gets the lock");
    assert_eq!(parts.len(), 1, "one statement changes a role");
    let outcome = managing
        .change(
            &parts[0],
            Change::Password(NewPassword {
                user: &user(role),
                password: &Secret::new(password.to_owned()),
                salt: &[7; SALT_LENGTH],
            }),
        )
        .await;
    managing.close().await;
    outcome
}

fn position_of(server: &PostgresServer) -> i64 {
    let rows = server
        .sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
        .expect("answers");
    let value = rows[0][0].as_deref().expect("a position");
    value.parse().expect("a number")
}

#[track_caller]
fn assert_applied_locally(server: &PostgresServer, outcome: &ChangeOutcome, before: i64) {
    let ChangeOutcome::AppliedLocally { position } = outcome else {
        panic!("not applied locally: {outcome:?}");
    };
    assert!(
        before < *position && *position <= position_of(server),
        "{before} < {position}"
    );
    let login = |password: &str| server.login("app_b", &Secret::new(password.to_owned()));
    assert!(login("test-after").is_accepted(), "the new password");
    assert!(!login("test-before").is_accepted(), "the old password");
}

#[tokio::test]
async fn a_commit_that_no_standby_confirms_is_ended_and_holds_on_the_primary() {
    let server = server_without_its_standby();
    let facts = facts(&server, full(&server)).await.expect("answers");
    assert_eq!(facts.synchronous_wanted, 1);
    assert!(facts.standbys.is_empty());
    let before = position_of(&server);
    let outcome = change(&server, "app_b", "test-after", Duration::from_secs(1)).await;
    assert_applied_locally(&server, &outcome, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_cancel_is_understood_whatever_the_session_is_set_to() {
    let server = Arc::new(server_without_its_standby());
    let before = position_of(&server);
    // Without `local` these commits would wait themselves.
    let name = &server.superuser().name;
    for setting in ["client_min_messages = error", "synchronous_commit = on"] {
        server
            .sql(&format!(
                "SET synchronous_commit = local; ALTER ROLE {name} SET {setting}"
            ))
            .expect("the server takes it");
    }
    let waiting = tokio::spawn({
        let server = Arc::clone(&server);
        async move { change(&server, "app_b", "test-after", Duration::from_secs(3600)).await }
    });
    wait_until("the commit waits and somebody cancels it", || {
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                      WHERE application_name = 'handover-test' AND wait_event = 'SyncRep'";
        !server.sql(cancel).expect("answers").is_empty()
    });
    let outcome = waiting.await.expect("does not panic");
    assert_applied_locally(&server, &outcome, before);
}

#[test]
fn a_wait_for_the_lock_that_is_left_leaves_no_session_behind() {
    let server = server();
    let lock = HeldSession::open(&server.superuser().name, &server.superuser().password);
    // No role has this number, so no other test waits for its lock.
    let oid = 4_000_000_001_u32;
    let object = i32::from_ne_bytes(oid.to_ne_bytes());
    lock.run(&format!(
        "SELECT pg_catalog.pg_advisory_lock(x'68616e64'::int, {object})"
    ));
    let waits = move || {
        single(&format!(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
             AND objid = {oid}"
        )) == "1"
    };
    let database = database(full(server), Duration::from_secs(30));
    let node = node_of(server);
    let manager = superuser_of(server);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let opened = database.manage(&node, &manager, "handover-left");
        let mut managing = opened.await.expect("logs in");
        let longest = Duration::from_secs(600);
        let account = AccountId::from(oid);
        let seen = tokio::task::spawn_blocking(move || wait_until("it waits", waits));
        tokio::select! {
            begun = managing.begin_change(&account, longest) => panic!("nobody gave it: {begun:?}"),
            seen = seen => seen.expect("it waits"),
        }
        managing.close().await;
    });
    let gone = || {
        single("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'handover-left'")
            == "0"
    };
    // The runtime still runs, as a console's would, and the lock is still held.
    wait_until("the session has ended", gone);
    drop(runtime);
    drop(lock);
}
