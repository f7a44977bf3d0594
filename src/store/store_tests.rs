//! The store on a real disk.

use crate::model::AccountId;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::process::{random_bytes, random_key};
use crate::secret::{DataKey, MasterKey, SecretId};

pub(super) fn private_folder() -> tempfile::TempDir {
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

fn slot(key_id: &str) -> NewSlot<'_> {
    NewSlot {
        kind: "file",
        key_id,
        path: Some("/key"),
        parameters: None,
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
                keys::add_slot(transaction, &slot("k"))?;
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
            keys::add_slot(transaction, &slot(&master.id()))?;
            keys::put_data_key(
                transaction,
                &master,
                keys::AUDIT_PURPOSE,
                &key,
                random_bytes(),
            )?;
            let opened = keys::data_key(transaction, &master, keys::AUDIT_PURPOSE)?;
            assert_eq!(opened.authenticate(b"x"), key.authenticate(b"x"));
            // Another key is told from a damaged store.
            let refused = keys::data_key(transaction, &other, keys::AUDIT_PURPOSE);
            let late = keys::put_data_key(transaction, &other, "late", &key, random_bytes());
            Ok(matches!(refused, Err(StoreError::KeyChanged { .. }))
                && matches!(late, Err(StoreError::KeyChanged { .. })))
        })
        .await;
    assert!(answer.expect("written"));
}

/// A store as the first version made it, with one of everything.
fn old_store(folder: &Path, master: &MasterKey) {
    fs::create_dir(folder.join(LOCKS)).expect("made");
    let file = folder.join(FILE);
    fs::write(&file, "").expect("made");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod");
    let connection = open_file(&file).expect("opens");
    schema::create_version(&connection, 1).expect("made");
    let wrapped = master.wrap(
        &DataKey::new(random_key()),
        keys::AUDIT_PURPOSE,
        random_bytes(),
    );
    connection
        .execute(
            "INSERT INTO key_slot (kind, key_id, path, created_at) \
             VALUES ('file', ?1, '/key', '2026-11-21T02:00:00Z')",
            [master.id()],
        )
        .expect("added");
    connection
        .execute(
            "INSERT INTO data_key (purpose, wrapped) VALUES ('audit', ?1)",
            [wrapped],
        )
        .expect("added");
    connection
        .execute_batch(
            "INSERT INTO environment VALUES ('e1', 'shop', 'orders', 1, '2026-11-21T02:00:00Z');
             INSERT INTO revision VALUES ('e1', 1, 'values: {}', '', '{}', 'init', 'alice', NULL,
                 NULL, '2026-11-21T02:00:00Z');
             INSERT INTO rotation (environment, opened_at) VALUES ('e1', '2026-11-21T02:00:00Z');
             INSERT INTO lock VALUES ('e1', 'alice', 'bastion', 7, '2026-11-21T02:00:00Z');",
        )
        .expect("filled");
}

#[tokio::test]
async fn an_older_store_is_brought_up_to_date_and_loses_nothing() {
    let folder = private_folder();
    let master = MasterKey::new(random_key());
    old_store(folder.path(), &master);
    let store = Store::open(folder.path(), Access::Write).expect("migrates");
    let id = store.read(identity::get).await.expect("has a name");
    assert_eq!(id.len(), 32);
    store
        .read(move |transaction| {
            let slot = keys::slot(transaction)?;
            assert_eq!((slot.key_id, slot.retired_at), (master.id(), None));
            keys::check_data_keys(transaction, &master)?;
            let name = "shop/orders".parse().expect("a name");
            let row = environments::find(transaction, &name)?.expect("is there");
            assert_eq!(
                revisions::get(transaction, &row.id, 1)?.document,
                "values: {}"
            );
            assert!(journal::find_open(transaction, "e1")?.is_some());
            Ok::<_, StoreError>(())
        })
        .await
        .expect("reads");
    drop(store);
    let again = Store::open(folder.path(), Access::Write).expect("opens");
    assert_eq!(again.read(identity::get).await.expect("reads"), id);
    // References still hold after the table was made anew.
    let dangling: Result<usize, StoreError> = again
        .write(|transaction| {
            Ok(transaction.execute(
                "INSERT INTO rotation (environment, opened_at) VALUES ('none', 'now')",
                [],
            )?)
        })
        .await;
    assert!(dangling.is_err());
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_older_store_as_it_was() {
    let folder = private_folder();
    let master = MasterKey::new(random_key());
    old_store(folder.path(), &master);
    let file = folder.path().join(FILE);
    let connection = Connection::open(&file).expect("opens");
    connection
        .execute_batch("CREATE TABLE environment_2 (in_the_way TEXT)")
        .expect("made");
    drop(connection);
    assert!(Store::open(folder.path(), Access::Write).is_err());
    let connection = Connection::open(&file).expect("opens");
    assert_eq!(schema::check(&connection).expect("reads"), 1);
    let slots: u32 = connection
        .query_row("SELECT count(*) FROM key_slot", [], |row| row.get(0))
        .expect("reads");
    assert_eq!(slots, 1);
    let has_identity = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'store_identity'")
        .and_then(|mut statement| statement.exists([]))
        .expect("reads");
    assert!(!has_identity);
}

#[tokio::test]
async fn a_new_master_key_opens_everything_and_the_old_one_nothing() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let (old, new) = (MasterKey::new(random_key()), MasterKey::new(random_key()));
    let answer: Result<(), StoreError> = store
        .write(move |transaction| {
            keys::add_slot(transaction, &slot(&old.id()))?;
            for purpose in ["audit", "environment e1"] {
                let key = DataKey::new(random_key());
                keys::put_data_key(transaction, &old, purpose, &key, random_bytes())?;
            }
            let before = keys::data_key(transaction, &old, "audit")?.authenticate(b"x");
            assert_eq!(keys::rewrap(transaction, &old, &new, random_bytes)?, 2);
            keys::add_slot(transaction, &slot(&new.id()))?;
            keys::check_data_keys(transaction, &new)?;
            let after = keys::data_key(transaction, &new, "audit")?.authenticate(b"x");
            assert_eq!(before, after, "the audit chain goes on");
            assert!(keys::check_data_keys(transaction, &old).is_err());
            let slots = keys::slots(transaction)?;
            assert_eq!(slots.len(), 2);
            assert!(slots[0].retired_at.is_some() && slots[1].retired_at.is_none());
            assert_eq!(keys::slot(transaction)?.key_id, new.id());
            Ok(())
        })
        .await;
    answer.expect("written");
}

#[tokio::test]
async fn a_removed_environment_gives_its_name_back_and_nothing_else() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let answer: Result<(), StoreError> = store
        .write(|transaction| {
            let now = "2026-11-21T02:00:00Z";
            let name = "shop/orders".parse().expect("a name");
            environments::add(transaction, "e1", &name, now)?;
            assert!(environments::add(transaction, "e2", &name, now).is_err());
            environments::remove(transaction, "e1", now)?;
            assert_eq!(environments::find(transaction, &name)?, None);
            assert!(environments::list(transaction)?.is_empty());
            environments::add(transaction, "e2", &name, now)?;
            for statement in [
                "UPDATE environment SET removed_at = NULL WHERE id = 'e1'",
                "DELETE FROM environment WHERE id = 'e1'",
            ] {
                assert!(transaction.execute(statement, []).is_err(), "{statement}");
            }
            Ok(())
        })
        .await;
    answer.expect("written");
}

#[tokio::test]
async fn a_backup_is_private_new_and_becomes_a_store_only_in_an_empty_folder() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    store
        .write(|transaction| {
            identity::set(transaction, "this store")?;
            keys::add_slot(transaction, &slot("k")).map(drop)
        })
        .await
        .expect("written");
    let elsewhere = private_folder();
    let file = elsewhere.path().join("backup");
    store.back_up(file.clone()).await.expect("copied");
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(
        store.back_up(file.clone()).await,
        Err(StoreError::BackupExists(_))
    ));
    assert!(matches!(
        Restoring::begin(&file, folder.path()),
        Err(StoreError::NotEmpty { .. })
    ));

    let target = elsewhere.path().join("new");
    Restoring::begin(&file, &target).expect("copied").give_up();
    assert_eq!(fs::read_dir(&target).expect("lists").count(), 0);
    // As if it had been killed in the middle.
    fs::write(target.join("handover.db.restoring"), "half").expect("written");
    let restoring = Restoring::begin(&file, &target).expect("copied");
    assert!(!Store::exists(&target), "not before it was checked");
    restoring.finish().expect("done");
    let restored = Store::open(&target, Access::Write).expect("opens");
    assert_eq!(
        restored.read(identity::get).await.expect("reads"),
        "this store"
    );
}

#[tokio::test]
async fn a_damaged_or_foreign_backup_leaves_nothing_behind() {
    let folder = private_folder();
    let file = folder.path().join("backup");
    fs::write(&file, "a letter to my aunt\n".repeat(300)).expect("written");
    let target = folder.path().join("new");
    assert!(matches!(
        Restoring::begin(&file, &target),
        Err(StoreError::Foreign)
    ));
    let store = Store::create(&folder.path().join("store")).expect("made");
    let good = folder.path().join("good");
    store.back_up(good.clone()).await.expect("copied");
    let mut bytes = fs::read(&good).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&file, bytes).expect("written");
    let error = Restoring::begin(&file, &target).err().expect("refused");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert_eq!(fs::read_dir(&target).expect("lists").count(), 0);
}

/// Two environments with a rotated secret each, and what the work answers.
pub(super) async fn with_two_secrets<T: Send + 'static>(
    work: impl FnOnce(&Transaction<'_>, [SecretId; 2]) -> T + Send + 'static,
) -> T {
    let folder = private_folder();
    let store = Store::create(&folder.path().join("store")).expect("made");
    store
        .write(move |transaction| {
            let ids = [SecretId([1; 16]), SecretId([2; 16])];
            for (id, name) in ids.iter().zip(["shop/orders", "shop/billing"]) {
                let name: crate::model::EnvironmentName = name.parse().expect("a name");
                environments::add(transaction, name.name(), &name, "now")?;
                rotated_secrets::add(transaction, name.name(), *id, "db", 0)?;
            }
            Ok::<_, StoreError>(work(transaction, ids))
        })
        .await
        .expect("written")
}

#[tokio::test]
async fn a_role_has_one_owner_until_its_environment_is_removed() {
    with_two_secrets(|transaction, [orders, billing]| {
        let [first, second] = [10, 11].map(AccountId::from);
        let roles = [
            ("app_a".to_owned(), first.clone()),
            ("app_b".to_owned(), second.clone()),
        ];
        owners::claim_roles(transaction, orders, "7", [&first, &second]).expect("free");
        let owner = |id, system: &str| {
            owners::of_roles(transaction, id, system, &roles).expect("is looked up")
        };
        assert_eq!(owner(orders, "7"), None, "its own");
        assert_eq!(owner(billing, "8"), None, "another server has other roles");
        let found = owner(billing, "7").expect("belongs to the orders");
        assert_eq!(found.environment.to_string(), "shop/orders");
        // The store itself keeps a role from having two owners.
        assert!(owners::claim_roles(transaction, billing, "7", [&second]).is_err());
        environments::remove(transaction, "orders", "now").expect("removed");
        assert_eq!(owner(billing, "7"), None);
        owners::claim_roles(transaction, billing, "7", [&first, &second]).expect("free");
    })
    .await;
}

#[tokio::test]
async fn names_are_exact_for_users_and_not_for_hosts() {
    with_two_secrets(|transaction, [orders, billing]| {
        let user = |name: &str| crate::model::UserName::new(name).expect("a name");
        let look = |id, host: &str, pair: [&str; 2], note: bool| {
            let node = crate::model::Node {
                host: host.to_owned(),
                port: 5432,
            };
            let (first, second, manager) = (user(pair[0]), user(pair[1]), user("mgr"));
            let users = NamedUsers {
                node: &node,
                manager: &manager,
                pair: [&first, &second],
            };
            if note {
                owners::note_names(transaction, id, users).expect("noted");
            }
            owners::name_conflict(transaction, id, users).expect("is looked up")
        };
        assert_eq!(look(orders, "db", ["a", "b"], true), None);
        assert_eq!(look(billing, "db", ["A", "B"], false), None);
        assert_eq!(look(billing, "db2", ["a", "b"], false), None);
        assert!(matches!(
            look(billing, "DB", ["c", "b"], false),
            Some(owners::NameConflict::Owned(_))
        ));
        assert!(matches!(
            look(billing, "db", ["c", "mgr"], false),
            Some(owners::NameConflict::PairManages(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn a_mark_only_rises_and_acceptance_sets_it() {
    with_two_secrets(|transaction, [id, _]| {
        let at = |system: &str, position| crate::model::ServerIdentity {
            flavour: crate::model::Flavour::Postgresql,
            gtids: String::new(),
            system: system.to_owned(),
            timeline: 1,
            position,
            transaction: 5,
            version: 150_018,
        };
        let recorded = || rotated_secrets::server(transaction, id).expect("reads");
        assert_eq!(recorded(), None);
        for (seen, mark) in [
            (at("7", 100), at("7", 100)),
            (at("7", 90), at("7", 100)),
            (at("8", 900), at("7", 100)),
            (at("7", 110), at("7", 110)),
        ] {
            rotated_secrets::raise_server(transaction, id, &seen).expect("written");
            assert_eq!(recorded(), Some(mark));
        }
        let acceptance = Acceptance {
            at: "2026-11-21T02:00:00Z".to_owned(),
            by: "alice".to_owned(),
        };
        let accounts =
            std::collections::BTreeMap::from([("app_a".to_owned(), AccountId::from(10))]);
        let server = at("8", 3);
        rotated_secrets::accept_server(transaction, id, &server, &accounts, &acceptance)
            .expect("written");
        let row = rotated_secrets::find(transaction, "orders", "db").expect("reads");
        let row = row.expect("is there");
        assert_eq!((row.server, row.accounts), (Some(server), accounts));
        assert_eq!(row.accepted, Some(acceptance));
    })
    .await;
}
