use super::*;
use crate::store::Store;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

#[tokio::test]
async fn one_freeze_holds_until_it_runs_out_or_is_lifted() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let written = store.write(|transaction| {
        assert_eq!(current(transaction, at(0))?, None);
        assert!(!clear(transaction)?, "there is none");
        let mut freeze = Freeze {
            since: at(0),
            until: Some(at(10)),
            reason: Some("the audit".to_owned()),
            requester: "alice".to_owned(),
        };
        put(transaction, &freeze)?;
        assert_eq!(current(transaction, at(9))?.as_ref(), Some(&freeze));
        assert_eq!(current(transaction, at(10))?, None, "it has run out");
        (freeze.until, freeze.reason) = (None, None);
        put(transaction, &freeze)?;
        assert_eq!(current(transaction, at(1_000_000))?, Some(freeze));
        assert!(clear(transaction)?);
        assert_eq!(current(transaction, at(9))?, None, "the first was replaced");
        Ok::<_, StoreError>(())
    });
    written.await.expect("writes");
}
