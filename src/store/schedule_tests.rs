use super::*;
use crate::store::{Access, FILE, LOCKS, Store, environments, open_file, schema};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

/// What the work answers on a store with three environments.
async fn with_store<T: Send + 'static>(
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let written = store.write(|transaction| {
        for (id, name) in [
            ("1", "shop/zebra"),
            ("2", "shop/apple"),
            ("3", "bank/mango"),
        ] {
            environments::add(transaction, id, &name.parse().expect("a name"), "then")?;
        }
        work(transaction)
    });
    written.await.expect("writes")
}

fn names(rows: &[ScheduleRow]) -> Vec<String> {
    rows.iter().map(|row| row.environment.to_string()).collect()
}

fn names_due(transaction: &Transaction<'_>, seconds: i64) -> Vec<String> {
    let found = due(transaction, at(seconds)).expect("reads");
    let any = any_due(transaction, at(seconds)).expect("reads");
    assert_eq!(any, !found.is_empty());
    names(&found)
}

#[tokio::test]
async fn an_environment_has_one_schedule_whose_parts_can_be_set_alone() {
    with_store(|transaction| {
        assert_eq!(find(transaction, "1")?, None);
        put(transaction, "1", "first", at(0), Some(at(9)))?;
        put(transaction, "2", "beside", at(0), None)?;
        let mut expected = ScheduleRow {
            environment_id: "1".to_owned(),
            environment: "shop/zebra".parse().expect("a name"),
            identity: "first".to_owned(),
            since: at(0),
            next_at: Some(at(9)),
        };
        assert_eq!(find(transaction, "1")?.as_ref(), Some(&expected));
        set_next(transaction, "1", None)?;
        expected.next_at = None;
        assert_eq!(find(transaction, "1")?.as_ref(), Some(&expected));
        set_since(transaction, "1", at(5))?;
        expected.since = at(5);
        assert_eq!(find(transaction, "1")?.as_ref(), Some(&expected));
        put(transaction, "1", "second", at(6), Some(at(7)))?;
        (expected.since, expected.next_at) = (at(6), Some(at(7)));
        expected.identity = "second".to_owned();
        assert_eq!(find(transaction, "1")?, Some(expected));
        assert_eq!(names(&list(transaction)?), ["shop/apple", "shop/zebra"]);
        remove(transaction, "1")?;
        assert_eq!(names(&list(transaction)?), ["shop/apple"]);
        let beside = find(transaction, "2")?.expect("is there");
        assert_eq!((beside.since, beside.next_at), (at(0), None), "untouched");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_due_comes_in_the_order_of_its_time_and_then_of_its_name() {
    with_store(|transaction| {
        put(transaction, "1", "same", at(0), Some(at(10)))?;
        put(transaction, "2", "same", at(0), Some(at(10)))?;
        put(transaction, "3", "same", at(0), Some(at(20)))?;
        assert!(names_due(transaction, 9).is_empty());
        let first = ["shop/apple", "shop/zebra"];
        assert_eq!(
            names_due(transaction, 10),
            first,
            "the moment itself counts"
        );
        let all = ["shop/apple", "shop/zebra", "bank/mango"];
        assert_eq!(names_due(transaction, 20), all);
        set_next(transaction, "2", None)?;
        assert_eq!(names_due(transaction, 20), ["shop/zebra", "bank/mango"]);
        // A removed environment is rotated by nobody any more.
        environments::remove(transaction, "1", "now")?;
        assert_eq!(names_due(transaction, 20), ["bank/mango"]);
        environments::remove(transaction, "3", "now")?;
        assert!(names_due(transaction, 20).is_empty());
        assert_eq!(find(transaction, "3")?, None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_due_is_read_from_the_index() {
    with_store(|transaction| {
        for asked in [statement(DUE), ANY_DUE.to_owned()] {
            let mut plan = transaction.prepare(&format!("EXPLAIN QUERY PLAN {asked}"))?;
            let steps = plan.query_map([Micros(at(0))], |row| row.get::<_, String>(3))?;
            let steps = steps.collect::<Result<Vec<_>, _>>()?.join("\n");
            assert!(
                steps.contains("INDEX schedule_due (next_at<?)") && !steps.contains("SCAN"),
                "{asked}: {steps}"
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_store_of_version_7_gets_the_tables_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let folder = folder.path().join("store");
    crate::process::create_private_folder(&folder).expect("made");
    crate::process::create_private_folder(&folder.join(LOCKS)).expect("made");
    let file = folder.join(FILE);
    std::fs::write(&file, "").expect("made");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).expect("chmod");
    let connection = open_file(&file).expect("opens");
    schema::create_version(&connection, 7).expect("made");
    assert_eq!(schema::check(&connection).expect("reads"), 7);
    connection
        .execute_batch(
            "INSERT INTO environment (id, project, name, head, created_at) \
             VALUES ('1', 'shop', 'zebra', 3, 'then'); \
             INSERT INTO rotation (environment, opened_at) VALUES ('1', 'then');",
        )
        .expect("filled");
    connection
        .prepare("SELECT 1 FROM schedule")
        .expect_err("the older store has no such table");
    drop(connection);
    let store = Store::open(&folder, Access::Write).expect("migrates");
    let written = store.write(|transaction| {
        let found = environments::list(transaction)?;
        assert_eq!((found.len(), found[0].head), (1, 3));
        assert!(crate::store::journal::find_open(transaction, "1")?.is_some());
        put(transaction, "1", "first", at(0), Some(at(9)))?;
        assert_eq!(names(&list(transaction)?), ["shop/zebra"]);
        let mut tables = transaction.prepare(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN \
             ('schedule', 'schedule_run', 'freeze', 'agent', 'verification')",
        )?;
        let tables: u32 = tables.query_row([], |row| row.get(0))?;
        assert_eq!(tables, 5);
        Ok::<_, StoreError>(())
    });
    written.await.expect("writes");
    drop(store);
    let connection = open_file(&file).expect("opens");
    schema::check_newest(&connection).expect("is the newest");
}
