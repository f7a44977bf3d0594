//! The store on a real disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::process::{random_bytes, random_key};
use crate::secret::{DataKey, MasterKey};

fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
    folder
}

fn entry(action: &'static str) -> NewAuditEntry<'static> {
    NewAuditEntry {
        requester: "alice",
        action,
        environment: None,
        detail: serde_json::json!({}),
        now: "2026-11-21T02:00:00Z",
    }
}

#[tokio::test]
async fn a_new_store_opens_again_and_is_private() {
    let folder = private_folder();
    assert!(matches!(
        Store::open(folder.path(), Access::Write),
        Err(StoreError::Missing(_))
    ));
    drop(Store::create(folder.path()).expect("made"));
    assert!(matches!(
        Store::create(folder.path()),
        Err(StoreError::Exists(_))
    ));
    let store = Store::open(folder.path(), Access::Write).expect("opens");
    assert!(store.is_writable());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    assert!(matches!(
        Store::open(folder.path(), Access::Write),
        Err(StoreError::NotPrivate(_))
    ));
}

#[tokio::test]
async fn newer_foreign_and_damaged_stores_are_told_apart() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    store
        .write(|transaction| {
            transaction.pragma_update(None, "user_version", 99)?;
            Ok::<_, StoreError>(())
        })
        .await
        .expect("written");
    drop(store);
    let error = Store::open(folder.path(), Access::Write)
        .err()
        .expect("refused");
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );

    let file = folder.path().join(FILE);
    for name in ["handover.db-wal", "handover.db-shm"] {
        let _ = fs::remove_file(folder.path().join(name));
    }
    fs::write(
        &file,
        "this is a letter to my aunt, and it is long enough to be one\n".repeat(40),
    )
    .expect("written");
    let error = Store::open(folder.path(), Access::Write)
        .err()
        .expect("refused");
    assert!(matches!(error, StoreError::Foreign), "{error}");
}

#[tokio::test]
async fn a_failed_transaction_leaves_nothing() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let name: crate::model::EnvironmentName = "shop/orders".parse().expect("a name");
    let copy = name.clone();
    let failed: Result<(), StoreError> = store
        .write(move |transaction| {
            environments::add(transaction, "e1", &copy, "2026-11-21T02:00:00Z")?;
            Err(StoreError::Other("on purpose".to_owned()))
        })
        .await;
    assert!(failed.is_err());
    let found = store
        .read(move |transaction| environments::find(transaction, &name))
        .await
        .expect("reads");
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_second_process_reads_while_one_writes() {
    let folder = private_folder();
    let writer = Store::create(folder.path()).expect("made");
    let reader = Store::open(folder.path(), Access::Write).expect("opens");
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let writing = tokio::spawn(async move {
        writer
            .write(move |transaction| {
                keys::add_slot(transaction, "file", "k", None, "2026-11-21T02:00:00Z")?;
                begun.send(()).expect("the test waits");
                may_go.recv().expect("the test lets go");
                Ok::<_, StoreError>(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().expect("begun"))
        .await
        .expect("no panic");
    let head = reader.read(audit::head).await.expect("reads meanwhile");
    assert_eq!(head.entries, 0);
    go.send(()).expect("the writer waits");
    writing.await.expect("no panic").expect("written");
}

#[tokio::test]
async fn the_lock_has_one_holder_who_can_be_named() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let name = "shop/orders".parse().expect("a name");
    store
        .write(move |transaction| {
            environments::add(transaction, "e1", &name, "2026-11-21T02:00:00Z")
        })
        .await
        .expect("added");
    let holder = |name: &str| crate::rotation::LockHolder {
        holder: name.to_owned(),
        host: "bastion".to_owned(),
        pid: 7,
        since: chrono::DateTime::from_timestamp(1_700_000_000, 0).expect("a time"),
    };
    let first = store.lock("e1", holder("alice")).await.expect("asked");
    let Locked::Ours(lock) = first else {
        panic!("nobody else has it");
    };
    let second = store.lock("e1", holder("bob")).await.expect("asked");
    let Locked::By(found) = second else {
        panic!("alice has it");
    };
    assert_eq!(found, holder("alice"));
    drop(lock);
    assert!(matches!(
        store.lock("e1", holder("bob")).await.expect("asked"),
        Locked::Ours(_)
    ));
}

#[tokio::test]
async fn the_audit_chain_shows_edits_and_gaps() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let key = std::sync::Arc::new(DataKey::new(random_key()));
    for action in ["one", "two", "three"] {
        let key = key.clone();
        store
            .write(move |transaction| audit::append(transaction, &key, &entry(action)))
            .await
            .expect("appended");
    }
    let verify = || {
        let key = key.clone();
        store.read(move |transaction| audit::verify(transaction, &key))
    };
    let head = verify().await.expect("reads").expect("whole");
    assert_eq!(head.entries, 3);
    assert_eq!(head, store.read(audit::head).await.expect("reads"));

    let refused: Result<usize, StoreError> = store
        .write(|transaction| Ok(transaction.execute("UPDATE audit SET action = 'x'", [])?))
        .await;
    assert!(
        refused
            .expect_err("append-only")
            .to_string()
            .contains("append-only")
    );

    store
        .write(|transaction| {
            transaction.execute_batch(
                "DROP TRIGGER audit_is_never_changed; UPDATE audit SET requester = 'bob' WHERE seq = 2",
            )?;
            Ok::<_, StoreError>(())
        })
        .await
        .expect("forged");
    assert_eq!(
        verify().await.expect("reads"),
        Err(AuditProblem::Changed(2))
    );
    store
        .write(|transaction| {
            transaction.execute_batch(
                "DROP TRIGGER audit_is_never_deleted; DELETE FROM audit WHERE seq = 1",
            )?;
            Ok::<_, StoreError>(())
        })
        .await
        .expect("forged");
    assert_eq!(
        verify().await.expect("reads"),
        Err(AuditProblem::Missing(1))
    );
}

#[tokio::test]
async fn data_keys_open_with_their_master_key_only() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let master = MasterKey::new(random_key());
    let other = MasterKey::new(random_key());
    let answer: Result<bool, StoreError> = store
        .write(move |transaction| {
            let key = DataKey::new(random_key());
            keys::put_data_key(
                transaction,
                &master,
                keys::AUDIT_PURPOSE,
                &key,
                random_bytes(),
            )?;
            let opened = keys::data_key(transaction, &master, keys::AUDIT_PURPOSE)?;
            assert_eq!(opened.authenticate(b"x"), key.authenticate(b"x"));
            Ok(keys::data_key(transaction, &other, keys::AUDIT_PURPOSE).is_err())
        })
        .await;
    assert!(answer.expect("written"));
}
