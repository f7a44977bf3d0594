//! Overlaps from promote to promote.

use super::*;
use crate::model::{Node, RotationId};
use crate::rotation::Event;
use crate::store::tests::{private_folder, with_two_secrets};
use crate::store::{Store, environments, journal, rotated_secrets};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 123_456_000).expect("a valid time")
}

fn promoted(seconds: i64) -> Vec<NodeTime> {
    vec![NodeTime {
        node: Node {
            host: "db".to_owned(),
            port: 3306,
        },
        server_time: at(seconds),
        connection: Some(17),
    }]
}

fn begin(transaction: &Transaction<'_>, secret: SecretId, user: &str, seconds: i64) -> i64 {
    let account = AccountId::from(10);
    let new = NewOverlap {
        user,
        account: Some(&account),
        revision: 7,
        promoted: &promoted(seconds),
        compromised: true,
        now: at(seconds),
    };
    open(transaction, secret, &new).expect("opened")
}

fn users(transaction: &Transaction<'_>) -> Vec<(String, String)> {
    let open = list_open(transaction).expect("reads").into_iter();
    open.map(|one| {
        (
            format!("{} {}", one.environment, one.path),
            one.overlap.user,
        )
    })
    .collect()
}

#[tokio::test]
async fn a_promote_ends_the_open_overlap_and_begins_another() {
    with_two_secrets(|transaction, [orders, billing]| {
        let now = |secret| current(transaction, secret).expect("reads");
        assert_eq!(now(orders), None);
        let first = begin(transaction, orders, "app_a", 0);
        let expected = Overlap {
            id: first,
            user: "app_a".to_owned(),
            account: Some(AccountId::from(10)),
            revision: 7,
            promoted: promoted(0),
            opened_at: at(0),
            stage: Stage::Draining,
            stage_at: at(0),
            compromised: true,
        };
        assert_eq!(now(orders), Some(expected));
        assert_eq!(now(billing), None);
        let second = begin(transaction, orders, "app_b", 60);
        assert_ne!(first, second);
        assert_eq!(now(orders).map(|one| one.id), Some(second));
        begin(transaction, billing, "bill_a", 61);
        let listed = [
            ("shop/billing db".to_owned(), "bill_a".to_owned()),
            ("shop/orders db".to_owned(), "app_b".to_owned()),
        ];
        assert_eq!(users(transaction), listed);
        environments::remove(transaction, "billing", "now").expect("removed");
        assert_eq!(users(transaction), listed[1..]);
    })
    .await;
}

#[tokio::test]
async fn every_stage_is_kept_and_one_that_has_ended_keeps_its_last() {
    with_two_secrets(|transaction, [orders, _]| {
        let first = begin(transaction, orders, "app_a", 0);
        for (index, stage) in STAGES.into_iter().enumerate() {
            let when = at(i64::try_from(index).expect("few"));
            set_stage(transaction, first, stage, when).expect("set");
            let found = current(transaction, orders).expect("reads").expect("open");
            assert_eq!((found.stage, found.stage_at), (stage, when));
        }
        drains_again(transaction, orders, "app_b", at(50)).expect("looked");
        let stage = || {
            current(transaction, orders)
                .expect("reads")
                .map(|one| one.stage)
        };
        assert_eq!(stage(), Some(Stage::Scrambled), "of another user");
        drains_again(transaction, orders, "app_a", at(51)).expect("looked");
        assert_eq!(stage(), Some(Stage::Draining));
        begin(transaction, orders, "app_b", 60);
        let forgotten = set_stage(transaction, first, Stage::Locked, at(61));
        assert!(forgotten.is_err(), "of one that has ended nothing is noted");
        let kept: String = transaction
            .query_row("SELECT stage FROM overlap WHERE id = ?1", [first], |row| {
                row.get(0)
            })
            .expect("reads");
        assert_eq!(kept, "draining");
    })
    .await;
}

/// A rotated secret whose last promote was before overlaps were kept.
fn promoted_before(
    transaction: &Transaction<'_>,
    secret: SecretId,
    path: &str,
) -> RotatedSecretRow {
    let json = serde_json::to_string(&promoted(30)).expect("plain data");
    transaction
        .execute(
            "UPDATE rotated_secret SET promoted = ?2, accounts = '{\"app_a\":\"10\"}' WHERE id = ?1",
            params![secret.to_string(), json],
        )
        .expect("written");
    let now = "2026-11-21T02:00:00.000001Z";
    let rotation = journal::open_rotation(transaction, "orders", now).expect("opened");
    let append = |rotation: RotationId, event: Event, when: &str| {
        journal::append(transaction, rotation, Some(path), &event, when).expect("appended");
    };
    append(rotation, Event::Promoted { revision: 4 }, now);
    append(
        rotation,
        Event::Promoted { revision: 5 },
        "2026-11-21T03:00:00.000001Z",
    );
    append(rotation, Event::ApplySent, "2026-11-21T04:00:00.000001Z");
    let found = rotated_secrets::find(transaction, "orders", "db").expect("reads");
    found.expect("is there")
}

#[tokio::test]
async fn a_promote_from_before_overlaps_were_kept_has_one_all_the_same() {
    with_two_secrets(|transaction, [orders, _]| {
        let record = promoted_before(transaction, orders, "db");
        let lazily = |user: &str| overlap_of(transaction, &record, user, at(90)).expect("made");
        let made = lazily("app_a").expect("it was promoted");
        let when: DateTime<Utc> = "2026-11-21T03:00:00.000001Z".parse().expect("a time");
        assert_eq!(
            (made.revision, made.opened_at),
            (5, when),
            "the last promote"
        );
        assert_eq!(made.account, Some(AccountId::from(10)));
        assert_eq!(
            (made.promoted.clone(), made.compromised),
            (promoted(30), false)
        );
        assert_eq!(lazily("app_a"), Some(made), "no second one");
        assert_eq!(lazily("app_b"), None, "another `state` was written since");
    })
    .await;
}

#[tokio::test]
async fn without_a_journal_of_the_path_the_clock_of_its_server_has_to_do() {
    with_two_secrets(|transaction, [orders, _]| {
        let mut record = promoted_before(transaction, orders, "elsewhere");
        let made = overlap_of(transaction, &record, "app_b", at(20)).expect("made");
        let made = made.expect("it was promoted");
        assert_eq!(
            (made.revision, made.opened_at),
            (0, at(20)),
            "not in the future"
        );
        assert_eq!(made.account, None);
        record.id = SecretId([2; 16]);
        record.promoted = Vec::new();
        let none = overlap_of(transaction, &record, "app_a", at(90)).expect("looked");
        assert_eq!(none, None, "never promoted");
    })
    .await;
}

#[tokio::test]
async fn an_overlap_is_sampled_by_one_at_a_time() {
    let folder = private_folder();
    let store = Store::create(folder.path()).expect("made");
    let other = Store::open(folder.path(), crate::store::Access::Write).expect("opens");
    let [first, second]: [i64; 2] = store
        .write(|transaction| {
            let name: EnvironmentName = "shop/orders".parse().expect("a name");
            environments::add(transaction, "e1", &name, "now")?;
            let ids = [SecretId([1; 16]), SecretId([2; 16])];
            for (id, path) in ids.into_iter().zip(["db", "db2"]) {
                rotated_secrets::add(transaction, "e1", id, path, 0)?;
            }
            Ok::<_, StoreError>(ids.map(|id| begin(transaction, id, "app_a", 0)))
        })
        .await
        .expect("written");
    assert!(!other.is_sampled(first).await.expect("asked"));
    let lock = store.lock_sampler(first).await.expect("asked");
    let lock = lock.expect("nobody has it");
    assert!(other.is_sampled(first).await.expect("asked"));
    assert!(other.lock_sampler(first).await.expect("asked").is_none());
    let beside = other.lock_sampler(second).await.expect("asked");
    assert!(beside.is_some(), "another overlap is free");
    drop(lock);
    assert!(!other.is_sampled(first).await.expect("asked"));
    assert!(other.lock_sampler(first).await.expect("asked").is_some());
    assert!(
        store.lock_sampler(99).await.is_err(),
        "there is no such overlap"
    );
}
