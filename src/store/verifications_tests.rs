use super::*;
use crate::secret::SecretId;
use crate::store::{Store, rotated_secrets};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn found(environment: &str, seconds: i64) -> VerificationRow {
    VerificationRow {
        environment_id: environment.to_owned(),
        verified_at: Some(at(seconds)),
        tried_at: at(seconds),
        verdict: "as-expected".to_owned(),
        words: String::new(),
        bad: Vec::new(),
    }
}

/// Does the work on a store with four environments, of which the last has no rotated secret.
async fn with_store(
    work: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let written = store.write(|transaction| {
        for (number, id) in (1..).zip(["one", "three", "two", "plain"]) {
            let name = format!("shop/{id}").parse().expect("a name");
            environments::add(transaction, id, &name, "then")?;
            if id != "plain" {
                let secret = SecretId([number; 16]);
                rotated_secrets::add(transaction, id, secret, "db", 0)?;
            }
        }
        work(transaction)
    });
    written.await.expect("writes");
}

fn next(transaction: &Transaction<'_>, before: i64, left_out: &[&str]) -> Option<String> {
    let left_out: Vec<String> = left_out.iter().map(|id| (*id).to_owned()).collect();
    let next = next_due(transaction, at(before), at(before), &left_out).expect("reads");
    next.map(|row| {
        assert_eq!(row.name.to_string(), format!("shop/{}", row.id));
        row.id
    })
}

#[tokio::test]
async fn the_last_verification_of_an_environment_is_kept() {
    with_store(|transaction| {
        assert_eq!(find(transaction, "one")?, None);
        put(transaction, &found("two", 5))?;
        put(transaction, &found("one", 1))?;
        let drifted = VerificationRow {
            verdict: "drifted".to_owned(),
            words: "the idle user logs in with a password that is not ours".to_owned(),
            bad: vec![BadCredential {
                path: "db".to_owned(),
                role: "previous".to_owned(),
                verdict: "drifted".to_owned(),
                words: "the idle user is let in by another password".to_owned(),
            }],
            ..found("one", 2)
        };
        put(transaction, &drifted)?;
        assert_eq!(find(transaction, "one")?.as_ref(), Some(&drifted));
        assert_eq!(list(transaction)?, [drifted, found("two", 5)]);
        environments::remove(transaction, "one", "now")?;
        assert_eq!(list(transaction)?, [found("two", 5)]);
        assert_eq!(find(transaction, "one")?, None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_next_is_one_that_never_was_verified_and_then_the_oldest() {
    with_store(|transaction| {
        assert_eq!(next(transaction, 0, &[]).as_deref(), Some("one"));
        put(transaction, &found("one", 10))?;
        assert_eq!(next(transaction, 20, &[]).as_deref(), Some("three"));
        put(transaction, &found("three", 5))?;
        assert_eq!(next(transaction, 20, &[]).as_deref(), Some("two"));
        assert_eq!(next(transaction, 20, &["two"]).as_deref(), Some("three"));
        let both = ["two", "three"];
        assert_eq!(next(transaction, 20, &both).as_deref(), Some("one"));
        assert_eq!(next(transaction, 9, &both), None, "one was verified later");
        put(transaction, &found("two", 30))?;
        assert_eq!(next(transaction, 4, &[]), None);
        let exactly = next(transaction, 5, &[]);
        assert_eq!(
            exactly.as_deref(),
            Some("three"),
            "the moment itself counts"
        );
        environments::remove(transaction, "three", "now")?;
        assert_eq!(next(transaction, 20, &[]).as_deref(), Some("one"));
        assert_eq!(next(transaction, 20, &["one"]), None, "never the plain one");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_look_that_said_nothing_is_repeated_sooner() {
    with_store(|transaction| {
        let environments = ["one", "two", "three"];
        for (environment, verified_at) in environments.into_iter().zip([Some(10), Some(2), None]) {
            let row = VerificationRow {
                verified_at: verified_at.map(at),
                ..found(environment, 10)
            };
            put(transaction, &row)?;
        }
        let next = |before, tried_before, left_out: &[String]| {
            let next = next_due(transaction, at(before), at(tried_before), left_out);
            next.expect("reads").map(|row| row.id)
        };
        assert_eq!(next(9, 9, &[]), None);
        assert_eq!(next(9, 10, &[]).as_deref(), Some("three"));
        let left_out = ["three".to_owned()];
        assert_eq!(next(9, 10, &left_out).as_deref(), Some("two"));
        let left_out = ["three".to_owned(), "two".to_owned()];
        assert_eq!(next(9, 10, &left_out), None, "this one was verified");
        assert_eq!(next(10, 9, &[]).as_deref(), Some("one"));
        Ok(())
    })
    .await;
}
