use super::*;
use crate::store::{Store, environments};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let add = store.write(|transaction| {
        for (id, name) in [("one", "shop/one"), ("two", "shop/two")] {
            environments::add(transaction, id, &name.parse().expect("a name"), "then")?;
        }
        Ok::<_, StoreError>(())
    });
    add.await.expect("writes");
    (folder, store)
}

async fn put(
    store: &Store,
    id: &'static str,
    environment: &'static str,
    to: &'static [&'static str],
) {
    let put = store.write(move |transaction| {
        let new = NewNotice {
            id,
            environment,
            kind: "webhook.test",
            payload: "{}",
            now: at(0),
        };
        enqueue(transaction, &new, to)
    });
    put.await.expect("writes");
}

async fn heads(store: &Store, seconds: i64) -> Vec<(String, String)> {
    let read = store.read(move |transaction| {
        let found = due(transaction, at(seconds))?;
        assert_eq!(is_due(transaction, at(seconds))?, !found.is_empty());
        Ok::<_, StoreError>(found)
    });
    let found = read.await.expect("reads").into_iter();
    found.map(|one| (one.id, one.webhook)).collect()
}

async fn came(store: &Store, id: &'static str, webhook: &'static str, outcome: Outcome) {
    let write =
        store.write(move |transaction| record(transaction, (id, webhook), outcome, "words", at(1)));
    write.await.expect("writes");
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = expected.iter();
    owned
        .map(|(id, webhook)| ((*id).to_owned(), (*webhook).to_owned()))
        .collect()
}

#[tokio::test]
async fn of_each_environment_and_webhook_the_oldest_that_waits_is_first_and_holds_up_its_own_alone()
{
    let (_folder, store) = store().await;
    put(&store, "m1", "one", &["a", "b"]).await;
    put(&store, "m2", "one", &["a", "b"]).await;
    put(&store, "m3", "two", &["a"]).await;
    let all = [("m1", "a"), ("m1", "b"), ("m3", "a")];
    assert_eq!(heads(&store, 0).await, pairs(&all));
    came(&store, "m1", "a", Outcome::Again(at(10))).await;
    came(&store, "m1", "b", Outcome::Delivered).await;
    let others = [("m2", "b"), ("m3", "a")];
    assert_eq!(heads(&store, 9).await, pairs(&others), "m2 waits behind m1");
    let again = [("m1", "a"), ("m2", "b"), ("m3", "a")];
    assert_eq!(heads(&store, 10).await, pairs(&again));
    // What is given up holds nobody up, and comes first again when it is retried.
    came(&store, "m1", "a", Outcome::Dead).await;
    assert_eq!(heads(&store, 10).await[0], pairs(&[("m2", "a")])[0]);
    let which = Which {
        id: Some("m1".to_owned()),
        ..Which::default()
    };
    let revived = store.write(move |transaction| again_of(transaction, &which));
    assert_eq!(revived.await.expect("writes"), 1, "not the delivered one");
    assert_eq!(heads(&store, 10).await[0], pairs(&[("m1", "a")])[0]);
}

fn again_of(transaction: &Transaction<'_>, which: &Which) -> Result<usize, StoreError> {
    again(transaction, which, at(2))
}

#[tokio::test]
async fn a_fact_that_is_not_committed_leaves_no_notice() {
    let (_folder, store) = store().await;
    let lost = store.write(|transaction| {
        let new = NewNotice {
            id: "m1",
            environment: "one",
            kind: "webhook.test",
            payload: "{}",
            now: at(0),
        };
        enqueue(transaction, &new, &["a"])?;
        Err::<(), _>(StoreError::Stopped)
    });
    lost.await.expect_err("is taken back");
    assert_eq!(heads(&store, 0).await, []);
    assert_eq!(store.read(newest).await.expect("reads"), 0);
}

#[tokio::test]
async fn what_is_over_is_dropped_after_its_time_and_what_waits_never_is() {
    let (_folder, store) = store().await;
    put(&store, "m1", "one", &["a"]).await;
    put(&store, "m2", "one", &["b"]).await;
    came(&store, "m1", "a", Outcome::Delivered).await;
    let listed = async || {
        let read = store.read(|transaction| list(transaction, &Which::default()));
        let found = read.await.expect("reads").into_iter();
        found.map(|one| one.id).collect::<Vec<_>>()
    };
    let dropped =
        |days| store.write(move |transaction| drop_old(transaction, at(2) + TimeDelta::days(days)));
    dropped(KEPT_DAYS - 1).await.expect("writes");
    assert_eq!(listed().await, ["m1", "m2"]);
    dropped(KEPT_DAYS).await.expect("writes");
    assert_eq!(listed().await, ["m2"]);
    let removed = store.write(|transaction| environments::remove(transaction, "one", "now"));
    removed.await.expect("writes");
    assert_eq!(heads(&store, 0).await, [], "nobody is told any more");
}

#[tokio::test]
async fn an_attempt_is_counted_with_its_times_and_its_answer() {
    let (_folder, store) = store().await;
    put(&store, "m1", "one", &["a"]).await;
    came(&store, "m1", "a", Outcome::Again(at(5))).await;
    came(&store, "m1", "a", Outcome::Delivered).await;
    // Whoever comes late changes nothing.
    came(&store, "m1", "a", Outcome::Dead).await;
    let read = store.read(|transaction| list(transaction, &Which::default()));
    let found = read.await.expect("reads");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].attempts, found[0].state),
        (2, DeliveryState::Delivered)
    );
    assert_eq!(found[0].first_try_at, Some(at(1)));
    assert_eq!(
        (found[0].next_try_at, found[0].over_at),
        (None, Some(at(1)))
    );
    assert_eq!(found[0].answer.as_deref(), Some("words"));
}

#[tokio::test]
async fn a_backlog_counts_what_nobody_has_yet_and_how_long_it_waits() {
    let (_folder, store) = store().await;
    put(&store, "msg_1", "one", &["a", "b"]).await;
    put(&store, "msg_2", "one", &["a"]).await;
    put(&store, "msg_3", "two", &["a"]).await;
    came(&store, "msg_1", "a", Outcome::Dead).await;
    came(&store, "msg_3", "a", Outcome::Delivered).await;
    let read = store.read(backlogs);
    let found = read.await.expect("reads");
    let expected = Backlog {
        waiting: 2,
        dead: 1,
        waiting_since: Some(at(0)),
    };
    assert_eq!(found, BTreeMap::from([("one".to_owned(), expected)]));
    assert!(expected.is_worth_telling(at(1)), "one was given up");
    let waiting = Backlog {
        dead: 0,
        ..expected
    };
    assert!(!waiting.is_worth_telling(at(60)));
    assert!(waiting.is_worth_telling(at(61)));
    assert!(!Backlog::default().is_worth_telling(at(61)));
}
