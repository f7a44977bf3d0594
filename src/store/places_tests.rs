use super::*;
use crate::store::Access;

#[test]
fn of_few_places_each_is_taken_once_and_a_free_one_is_found_again() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let other = Store::open(store.folder(), Access::Write).expect("opens");
    let take = |store: &Store| store.take_place("rotation", 2).expect("asks");
    let first = take(&store).expect("is free");
    let second = take(&other).expect("is free");
    assert!(take(&store).is_none() && take(&other).is_none());
    let elsewhere = other.take_place("verification", 1).expect("asks");
    assert!(elsewhere.is_some(), "another name has its own places");
    drop(first);
    let again = take(&other);
    assert!(again.is_some() && take(&store).is_none());
    let third = store.take_place("rotation", 3).expect("asks");
    assert!(third.is_some(), "who reckons with more places finds one");
    assert!(store.take_place("rotation", 0).expect("asks").is_none());
    drop(second);
}

#[test]
fn a_turn_is_taken_by_one_at_a_time() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    let other = Store::open(store.folder(), Access::Write).expect("opens");
    let turn = store.take_turn("plan").expect("asks");
    assert!(turn.is_some());
    assert!(other.take_turn("plan").expect("asks").is_none());
    assert!(other.take_turn("other").expect("asks").is_some());
    drop(turn);
    assert!(other.take_turn("plan").expect("asks").is_some());
}
