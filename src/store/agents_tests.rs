use std::fs::File;

use super::*;
use crate::store::Access;

fn us(name: &str) -> LockHolder {
    LockHolder {
        holder: name.to_owned(),
        host: "bastion".to_owned(),
        pid: 7,
        since: DateTime::from_timestamp(1_800_000_000, 0).expect("a time"),
    }
}

fn row(number: u32, name: &str) -> AgentRow {
    let us = us(name);
    AgentRow {
        number,
        holder: us.holder,
        host: us.host,
        pid: us.pid,
        since: us.since,
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let store = Store::create(&folder.path().join("store")).expect("makes a store");
    (folder, store)
}

/// Looks at the lock of a number, as [`Store::living_agents`] does for an instant.
fn look(store: &Store, number: u32) -> File {
    let path = format!("{}/locks/agent-{number}.lock", store.folder().display());
    let opened = File::options()
        .create(true)
        .append(true)
        .read(true)
        .open(path);
    let file = opened.expect("opens");
    file.try_lock_shared().expect("nobody has it");
    file
}

#[tokio::test]
async fn agents_are_told_while_they_live_and_their_numbers_are_used_again() {
    let (_folder, store) = store();
    assert_eq!(store.living_agents().await.expect("reads"), []);
    let first = store.enlist_agent(us("alice")).await.expect("enlists");
    let other = Store::open(store.folder(), Access::Write).expect("opens");
    let second = other.enlist_agent(us("bob")).await.expect("enlists");
    let both = [row(0, "alice"), row(1, "bob")];
    for one in [&store, &other] {
        assert_eq!(one.living_agents().await.expect("reads"), both);
    }
    drop(first);
    let living = store.living_agents().await.expect("reads");
    assert_eq!(living, [row(1, "bob")], "the row of the other one is left");
    let third = other.enlist_agent(us("carol")).await.expect("enlists");
    let living = store.living_agents().await.expect("reads");
    assert_eq!(living, [row(0, "carol"), row(1, "bob")]);
    drop((second, third));
    assert_eq!(store.living_agents().await.expect("reads"), []);
}

#[tokio::test]
async fn somebody_who_only_looks_keeps_no_agent_out() {
    let (_folder, store) = store();
    let looking = look(&store, 0);
    let first = store.enlist_agent(us("alice")).await.expect("enlists");
    let living = store.living_agents().await.expect("reads");
    assert_eq!(living, [row(1, "alice")], "and one who looks is no agent");
    drop(looking);
    drop(first);
    // All numbers at once, until the agent has tried each of them in vain.
    let looking: Vec<File> = (0..NUMBERS).map(|number| look(&store, number)).collect();
    let (enlisted, ()) =
        tokio::join!(biased; store.enlist_agent(us("bob")), async { drop(looking) });
    let _lock = enlisted.expect("enlists in a later round");
    let living = store.living_agents().await.expect("reads");
    assert_eq!(living, [row(0, "bob")]);
}

#[tokio::test]
async fn one_agent_too_many_is_told_so() {
    let (_folder, store) = store();
    let mut agents = Vec::new();
    for _ in 0..NUMBERS {
        agents.push(store.enlist_agent(us("alice")).await.expect("enlists"));
    }
    let error = store.enlist_agent(us("bob")).await.expect_err("is refused");
    assert!(error.to_string().contains("64 agents"), "{error}");
    agents.pop();
    agents.push(store.enlist_agent(us("bob")).await.expect("enlists"));
    let living = store.living_agents().await.expect("reads");
    assert_eq!(living.last(), Some(&row(63, "bob")));
}
