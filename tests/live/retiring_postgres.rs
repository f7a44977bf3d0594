//! Locking, scrambling and ending sessions on a real PostgreSQL: what the retirement of an
//! outgoing user asks of the room that talks to databases.

use std::time::Duration;

use chrono::{DateTime, Utc};
use handover::database::{Change, ChangeOutcome, Ending, Managing, NewPassword, SessionToEnd};
use handover::model::Credential;
use handover::sandbox::PostgresServer;
use handover::secret::{SALT_LENGTH, Secret};

use crate::database_room::{database, full, node_of, superuser_of, user};
use crate::harness::{first_value, has_rights_since_16, server, wait_until};
use crate::watching_postgres::{
    account, create, credential, look_at, of_application, password, session, watch_as, word,
};

async fn manage_as(server: &PostgresServer, login: &Credential) -> Box<dyn Managing> {
    let room = database(full(server), Duration::from_secs(30));
    let opened = room.manage(&node_of(server), login, "handover-test").await;
    opened.expect("logs in")
}

#[tokio::test]
async fn a_lock_is_undone_with_the_password_untouched_and_a_scramble_undoes_no_lock() {
    let server = server();
    let role = create(server, "retired");
    let held = session(server, "retired", "stays").await;
    let may_log_in = || server.login("retired", &password()).is_accepted();
    let stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'retired'";
    let verifier = first_value(server, stored);
    let name = user("retired");
    let mut managing = manage_as(server, &superuser_of(server)).await;
    let mut send = async |change: Change<'_>| {
        let begun = managing.begin_change(&role, Duration::from_secs(10)).await;
        let parts = begun.expect("gets the lock");
        managing.change(&parts[0], change).await
    };
    let can_log_in = || {
        let query = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'retired'";
        first_value(server, query) == "t"
    };

    assert!(may_log_in());
    assert_eq!(send(Change::Lock(&name)).await, ChangeOutcome::Confirmed);
    assert!(!may_log_in() && !can_log_in());
    held.batch_execute("SELECT 1")
        .await
        .expect("an open session stays");
    assert_eq!(send(Change::Unlock(&name)).await, ChangeOutcome::Confirmed);
    assert!(may_log_in());
    assert_eq!(
        first_value(server, stored),
        verifier,
        "the password is untouched"
    );

    assert_eq!(send(Change::Lock(&name)).await, ChangeOutcome::Confirmed);
    let scrambled = Secret::new("scrambled-password".to_owned());
    let new = NewPassword {
        user: &name,
        password: &scrambled,
        salt: &[9; SALT_LENGTH],
    };
    assert_eq!(send(Change::Scramble(new)).await, ChangeOutcome::Confirmed);
    assert!(!can_log_in(), "it stays locked");
    assert!(first_value(server, stored).starts_with("SCRAM-SHA-256$"));
    assert_eq!(send(Change::Unlock(&name)).await, ChangeOutcome::Confirmed);
    assert!(!may_log_in(), "the password is another one");
    assert!(server.login("retired", &scrambled).is_accepted());
    held.batch_execute("SELECT 1")
        .await
        .expect("an open session stays");
    managing.close().await;
    assert!(!server.server_log().contains("scrambled-password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_session_that_is_meant_is_ended_and_a_missing_right_is_named() {
    let server = server();
    let role = create(server, "straggling");
    create(server, "ending");
    let client = session(server, "straggling", "straggler").await;
    // A parallel query is one session, whose workers end with it.
    let parallel = if has_rights_since_16() {
        "debug_parallel_query"
    } else {
        "force_parallel_mode"
    };
    client
        .batch_execute(&format!("SET {parallel} = on"))
        .await
        .expect("sets it");
    let busy = tokio::spawn(async move { client.simple_query("SELECT pg_sleep(600)").await });
    let oid = role.as_str().to_owned();
    wait_until("the worker runs", || {
        let workers = "SELECT FROM pg_stat_activity WHERE leader_pid IS NOT NULL AND usesysid = ";
        !server
            .sql(&format!("{workers}{oid}"))
            .expect("answers")
            .is_empty()
    });
    let mut watching = watch_as(server, &superuser_of(server))
        .await
        .expect("logs in");
    let seen = look_at(&mut watching, &role).await;
    assert_eq!(seen.sessions.len(), 1, "the worker is folded: {seen:?}");
    let straggler = of_application(&seen, "straggler").clone();
    assert_eq!(word(straggler.state.as_ref()), Some("active"));
    let meant = |started: Option<DateTime<Utc>>| SessionToEnd {
        account: &role,
        pid: straggler.pid,
        started,
    };
    let started = straggler.started;
    assert!(started.is_some());

    let mut managing = manage_as(server, &credential("ending")).await;
    let mut end = async |session: SessionToEnd<'_>| managing.end_session(session).await;
    let grant = |grant: &str| {
        Ok(Ending::NoRight {
            grant: grant.to_owned(),
        })
    };
    let view = "GRANT pg_read_all_stats TO \"ending\";";
    assert_eq!(end(meant(started)).await, grant(view), "masked");
    server.sql(view).expect("grants");
    let right = "GRANT pg_signal_backend TO \"ending\"; -- not for sessions of superusers";
    assert_eq!(end(meant(started)).await, grant(right));
    server.sql(right).expect("grants, with its remark");

    let above = server.superuser();
    let door = server.door();
    let held = door.connect_as(&above.name, &above.password, "postgres", "above");
    let _held = held.await.expect("logs in");
    let superuser = account(server, &above.name);
    let own = look_at(&mut watching, &superuser).await;
    let own = of_application(&own, "above").clone();
    let theirs = SessionToEnd {
        account: &superuser,
        pid: own.pid,
        started: own.started,
    };
    let words = "-- only a superuser can end the sessions of a superuser";
    assert_eq!(end(theirs).await, grant(words));

    let earlier = started.map(|at| at - Duration::from_secs(1));
    assert_eq!(end(meant(earlier)).await, Ok(Ending::Gone), "another start");
    let other_role = SessionToEnd {
        account: &superuser,
        ..meant(started)
    };
    assert_eq!(end(other_role).await, Ok(Ending::Gone), "another user");
    assert!(
        end(meant(None)).await.is_err(),
        "not told apart from another one"
    );
    let prepared = SessionToEnd {
        pid: 0,
        ..meant(started)
    };
    assert!(
        end(prepared).await.is_err(),
        "a prepared transaction is no session"
    );
    assert!(!busy.is_finished(), "until here it runs");

    assert_eq!(end(meant(started)).await, Ok(Ending::Ended));
    let lost = busy
        .await
        .expect("does not panic")
        .expect_err("its session is gone");
    assert!(
        lost.code().is_none_or(|code| code.code() == "57P01"),
        "{lost}"
    );
    assert_eq!(end(meant(started)).await, Ok(Ending::Gone));
    let seen = look_at(&mut watching, &role).await;
    assert!(seen.sessions.is_empty() && seen.complete, "{seen:?}");
    managing.close().await;
    watching.close().await;
}
