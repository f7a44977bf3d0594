use super::*;
use crate::store::{Store, environments, journal};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn new(slot: i64) -> NewRun {
    NewRun {
        slot: at(slot),
        after: at(slot - 60),
        occurrences: 2,
        until: at(slot + 30),
        begun_at: at(slot + 1),
        next_try_at: Some(at(slot + 5)),
    }
}

fn problem(code: &str) -> RunProblem {
    RunProblem {
        code: code.to_owned(),
        message: format!("the message of {code}"),
        remedy: format!("the remedy of {code}"),
    }
}

/// A run as [`begin`] makes it of [`new`].
fn begun(slot: i64) -> ScheduleRun {
    ScheduleRun {
        slot: at(slot),
        after: at(slot - 60),
        occurrences: 2,
        until: at(slot + 30),
        state: SlotState::Open,
        attempts: 0,
        next_try_at: Some(at(slot + 5)),
        rotation: None,
        problem: None,
        begun_at: at(slot + 1),
        over_at: None,
    }
}

/// A run as [`miss`] makes it of [`new`].
fn missed(slot: i64, code: &str) -> ScheduleRun {
    ScheduleRun {
        state: SlotState::Missed,
        next_try_at: None,
        problem: Some(problem(code)),
        over_at: Some(at(slot + 1)),
        ..begun(slot)
    }
}

/// Does the work on a store with two environments.
async fn with_store(
    work: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let written = store.write(|transaction| {
        for (id, name) in [("one", "shop/one"), ("two", "shop/two")] {
            environments::add(transaction, id, &name.parse().expect("a name"), "then")?;
        }
        work(transaction)
    });
    written.await.expect("writes");
}

fn slots(transaction: &Transaction<'_>, environment: &str) -> Vec<i64> {
    let runs = list(transaction, environment, 1000).expect("reads");
    let slots = runs.iter().map(|run| (run.slot - at(0)).num_seconds());
    slots.collect()
}

#[tokio::test]
async fn a_run_is_begun_once_and_again_only_after_it_was_missed() {
    with_store(|transaction| {
        assert!(begin(transaction, "one", &new(0))?);
        assert_eq!(find(transaction, "one", at(0))?, Some(begun(0)));
        let later = NewRun {
            begun_at: at(9),
            ..new(0)
        };
        assert!(!begin(transaction, "one", &later)?, "it is open");
        miss(transaction, "one", &later, &problem("late"))?;
        assert_eq!(find(transaction, "one", at(0))?, Some(begun(0)));
        assert!(begin(transaction, "two", &new(0))?, "another environment");
        end(transaction, "one", at(0), SlotState::Done, None, at(8))?;
        let done = find(transaction, "one", at(0))?;
        assert!(!begin(transaction, "one", &later)?, "it is done");
        miss(transaction, "one", &later, &problem("late"))?;
        assert_eq!(find(transaction, "one", at(0))?, done);

        miss(transaction, "one", &new(60), &problem("late"))?;
        let found = find(transaction, "one", at(60))?;
        assert_eq!(found, Some(missed(60, "late")));
        miss(transaction, "one", &new(60), &problem("later"))?;
        let found = find(transaction, "one", at(60))?;
        assert_eq!(found, Some(missed(60, "later")));
        assert!(begin(transaction, "one", &new(60))?, "the clock went back");
        assert_eq!(find(transaction, "one", at(60))?, Some(begun(60)));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn attempts_are_counted_until_the_run_is_over_and_nothing_changes_it_then() {
    with_store(|transaction| {
        begin(transaction, "one", &new(0))?;
        begin(transaction, "two", &new(0))?;
        try_again(transaction, "one", at(0), at(7), &problem("busy"))?;
        try_again(transaction, "one", at(0), at(8), &problem("shut"))?;
        let mut expected = ScheduleRun {
            attempts: 2,
            next_try_at: Some(at(8)),
            problem: Some(problem("shut")),
            ..begun(0)
        };
        assert_eq!(find(transaction, "one", at(0))?.as_ref(), Some(&expected));
        let failed = problem("failed");
        end(
            transaction,
            "one",
            at(0),
            SlotState::Failed,
            Some(&failed),
            at(9),
        )?;
        (expected.attempts, expected.state) = (3, SlotState::Failed);
        (expected.next_try_at, expected.over_at) = (None, Some(at(9)));
        expected.problem = Some(failed);
        assert_eq!(find(transaction, "one", at(0))?.as_ref(), Some(&expected));
        // Whoever comes late changes nothing.
        try_again(transaction, "one", at(0), at(10), &problem("busy"))?;
        end(transaction, "one", at(0), SlotState::Done, None, at(11))?;
        close_open(transaction, "one", at(12))?;
        assert_eq!(find(transaction, "one", at(0))?, Some(expected));
        assert_eq!(find(transaction, "two", at(0))?, Some(begun(0)));
        try_again(transaction, "two", at(0), at(7), &problem("busy"))?;
        end(transaction, "two", at(0), SlotState::Done, None, at(8))?;
        let done = find(transaction, "two", at(0))?.expect("is there");
        assert_eq!((done.attempts, done.problem), (2, None), "it went well");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_run_has_one_rotation_and_is_found_by_it() {
    with_store(|transaction| {
        let first = journal::open_rotation(transaction, "one", "then")?;
        let other = journal::open_rotation(transaction, "two", "then")?;
        begin(transaction, "one", &new(0))?;
        begin(transaction, "one", &new(60))?;
        assert_eq!(of_rotation(transaction, first)?, None);
        assert!(bind(transaction, "one", at(60), first)?);
        assert!(!bind(transaction, "one", at(60), other)?, "it has one");
        let bound = ScheduleRun {
            rotation: Some(first),
            ..begun(60)
        };
        let found = of_rotation(transaction, first)?;
        assert_eq!(found, Some(("one".to_owned(), bound)));
        assert_eq!(of_rotation(transaction, other)?, None);
        end(transaction, "one", at(0), SlotState::Failed, None, at(9))?;
        assert!(!bind(transaction, "one", at(0), other)?, "it is over");
        assert!(!bind(transaction, "one", at(120), other)?, "there is none");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_changed_leaves_no_run_open() {
    with_store(|transaction| {
        let rotation = journal::open_rotation(transaction, "one", "then")?;
        begin(transaction, "one", &new(0))?;
        end(transaction, "one", at(0), SlotState::Done, None, at(1))?;
        begin(transaction, "one", &new(60))?;
        bind(transaction, "one", at(60), rotation)?;
        begin(transaction, "one", &new(120))?;
        begin(transaction, "two", &new(0))?;
        let done = find(transaction, "one", at(0))?;
        close_open(transaction, "one", at(200))?;
        assert_eq!(slots(transaction, "one"), [60, 0]);
        assert_eq!(find(transaction, "one", at(0))?, done);
        let closed = newest(transaction, "one")?.expect("is there");
        let ended = (closed.state, closed.next_try_at, closed.over_at);
        assert_eq!(ended, (SlotState::Failed, None, Some(at(200))));
        assert_eq!(closed.rotation, Some(rotation));
        let problem = closed.problem.expect("says why");
        assert_eq!(problem.code, "schedule-changed");
        assert!(!problem.remedy.contains("  "), "{}", problem.remedy);
        assert_eq!(find(transaction, "two", at(0))?, Some(begun(0)));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_newest_hundred_are_kept_and_one_that_is_open() {
    with_store(|transaction| {
        miss(transaction, "two", &new(0), &problem("late"))?;
        begin(transaction, "one", &new(0))?;
        for slot in 1..=101 {
            miss(transaction, "one", &new(slot), &problem("late"))?;
        }
        let mut expected: Vec<i64> = (2..=101).rev().collect();
        expected.push(0);
        assert_eq!(slots(transaction, "one"), expected, "the first is open");
        assert_eq!(slots(transaction, "two"), [0], "counted by itself");
        let newest_two: Vec<_> = list(transaction, "one", 2)?;
        let of_two: Vec<_> = newest_two.iter().map(|run| run.slot).collect();
        assert_eq!(of_two, [at(101), at(100)]);
        assert_eq!(newest(transaction, "one")?.as_ref(), newest_two.first());
        end(transaction, "one", at(0), SlotState::Done, None, at(200))?;
        begin(transaction, "one", &new(102))?;
        assert_eq!(
            slots(transaction, "one"),
            (3..=102).rev().collect::<Vec<_>>()
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_clock_that_was_set_back_has_before_it_does_not_stand_yet() {
    with_store(|transaction| {
        let slot_of = |now| {
            let found = standing(transaction, "one", at(now));
            found.map(|run| run.map(|run| (run.slot - at(0)).num_seconds()))
        };
        assert_eq!(slot_of(1000)?, None);
        begin(transaction, "one", &new(0))?;
        end(transaction, "one", at(0), SlotState::Done, None, at(8))?;
        miss(transaction, "one", &new(60), &problem("late"))?;
        assert_eq!(slot_of(60)?, Some(0), "it was missed a second later");
        assert_eq!(slot_of(61)?, Some(60));
        begin(transaction, "one", &new(120))?;
        assert_eq!(slot_of(119)?, Some(60), "it comes again");
        assert_eq!(slot_of(120)?, Some(120));
        let rotation = journal::open_rotation(transaction, "one", "then")?;
        bind(transaction, "one", at(120), rotation)?;
        assert_eq!(
            slot_of(0)?,
            Some(120),
            "what was begun is brought to its end"
        );
        begin(transaction, "one", &new(180))?;
        assert_eq!(slot_of(1000)?, Some(120), "one after the other");
        end(
            transaction,
            "one",
            at(120),
            SlotState::Failed,
            None,
            at(130),
        )?;
        assert_eq!(slot_of(1000)?, Some(180));
        end(transaction, "one", at(180), SlotState::Done, None, at(190))?;
        assert_eq!(slot_of(0)?, Some(180), "what was acted on stays done");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_state_that_nobody_knows_is_damage() {
    with_store(|transaction| {
        begin(transaction, "one", &new(0))?;
        transaction.execute("UPDATE schedule_run SET state = 'asleep'", [])?;
        let error = newest(transaction, "one").expect_err("is not read");
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
        Ok(())
    })
    .await;
}
