//! The room that talks to MySQL and MariaDB, called as retiring calls it: users are locked,
//! scrambled and let in again, and their sessions are ended.

use handover::database::{Change, ChangeOutcome, Ending, Managing, NewPassword, SessionToEnd};
use handover::secret::{SALT_LENGTH, Secret};
use mysql_async::prelude::Queryable as _;

use crate::shop::{ShopEngine, ShopOptions};
use crate::watching_mysql::{World, id, name, refused_password, same_name};

for_both! {
    a_user_is_locked_scrambled_and_let_in_again
    a_lock_of_somebody_else_stays
    a_session_is_ended_and_none_without_the_right
}

/// What S1 asks.
fn look_at_facts(world: &World, managing: &mut dyn Managing) {
    let [first, second] = [&world.shop.first, &world.shop.second].map(name);
    let facts = world.runtime.block_on(managing.facts(&first, &second));
    drop(facts.expect("the server answers"));
}

fn a_user_is_locked_scrambled_and_let_in_again(engine: ShopEngine) {
    let options = ShopOptions {
        hosts: &["%", "10.1.%"],
        ..ShopOptions::default()
    };
    let Some(world) = World::open(engine, "retired", options) else {
        return;
    };
    let second = &world.shop.second;
    let user = name(second);
    let before = world.shop.stored_hash_of(second);
    let mut held = world.session(second);
    let mut managing = world.manage();
    let mut watching = world.watch(&world.shop.managing);
    for _ in 0..2 {
        let told = world.change(&mut *managing, Change::Lock(&user));
        assert_eq!(told, ChangeOutcome::Confirmed, "again is the same");
        assert_eq!(world.shop.login(second), world.locked());
        assert_eq!(world.look(&mut *watching).can_log_in, Some(false));
    }
    let told = world.runtime.block_on(held.query_drop("DO 1"));
    assert!(told.is_ok(), "sessions go on");
    let told = world.change(&mut *managing, Change::Unlock(&user));
    assert_eq!(told, ChangeOutcome::Confirmed);
    assert!(world.shop.logs_in(second));
    assert_eq!(world.look(&mut *watching).can_log_in, Some(true));
    assert_eq!(world.shop.stored_hash_of(second), before);

    let salt = [7; SALT_LENGTH];
    let nobodys = Secret::new("nobodys-password".to_owned());
    let scramble = Change::Scramble(NewPassword {
        user: &user,
        password: &nobodys,
        salt: &salt,
    });
    let told = world.change(&mut *managing, Change::Lock(&user));
    assert_eq!(told, ChangeOutcome::Confirmed);
    let told = world.change(&mut *managing, scramble);
    assert_eq!(told, ChangeOutcome::Confirmed);
    let scrambled = same_name(second, nobodys.expose());
    assert_eq!(world.shop.login(second), refused_password());
    assert_eq!(
        world.shop.login(&scrambled),
        world.locked(),
        "it stays locked"
    );
    let rows = world.shop.stored_hash_of(second);
    for (before, after) in before.split("; ").zip(rows.split("; ")) {
        assert_ne!(before, after, "this row was left out");
    }

    // S3 lets in whom S1 found locked.
    let fresh = Secret::new("third-password".to_owned());
    let password = Change::Password(NewPassword {
        user: &user,
        password: &fresh,
        salt: &salt,
    });
    let mut managing = world.manage();
    look_at_facts(&world, &mut *managing);
    let told = world.change(&mut *managing, password);
    assert_eq!(told, ChangeOutcome::Confirmed);
    assert!(world.shop.logs_in(&same_name(second, fresh.expose())));
    assert_eq!(world.look(&mut *watching).can_log_in, Some(true));
}

fn a_lock_of_somebody_else_stays(engine: ShopEngine) {
    let options = ShopOptions {
        hosts: &["%", "10.1.%"],
        ..ShopOptions::default()
    };
    let Some(world) = World::open(engine, "theirs", options) else {
        return;
    };
    let second = &world.shop.second;
    let mut managing = world.manage();
    look_at_facts(&world, &mut *managing);
    let row = format!("`{}`@`10.1.%`", second.name);
    world
        .shop
        .run_sql(&format!("ALTER USER {row} ACCOUNT LOCK"));
    let before = world.shop.way_in_of(second);
    let (user, salt) = (name(second), [7; SALT_LENGTH]);
    let password = Secret::new("third-password".to_owned());
    let new = NewPassword {
        user: &user,
        password: &password,
        salt: &salt,
    };
    let told = world.change(&mut *managing, Change::Password(new));
    let ChangeOutcome::Refused { code, message, .. } = told else {
        panic!("{told:?}");
    };
    assert_eq!(code, "row-changed");
    assert!(message.as_str().contains(&row), "{message}");
    assert_eq!(world.shop.way_in_of(second), before, "nothing was changed");
}

fn a_session_is_ended_and_none_without_the_right(engine: ShopEngine) {
    let Some(world) = World::open(engine, "ended", ShopOptions::default()) else {
        return;
    };
    let (second, account) = (&world.shop.second, id(&world.shop.second));
    let held = world.session(second);
    let own = world.session(&world.shop.managing);
    let end = |managing: &mut dyn Managing, pid| {
        let session = SessionToEnd {
            account: &account,
            pid,
            started: None,
        };
        let ending = world.runtime.block_on(managing.end_session(session));
        ending.expect("the server answers")
    };
    let mut managing = world.manage();
    let pid = i64::from(held.id());
    let Ending::NoRight { grant } = end(&mut *managing, pid) else {
        panic!("it has no right");
    };
    let right = match engine {
        ShopEngine::MySql => "CONNECTION_ADMIN",
        _ => "CONNECTION ADMIN",
    };
    let managing_user = &world.shop.managing.name;
    assert_eq!(
        grant,
        format!("GRANT {right} ON *.* TO `{managing_user}`@`%`;")
    );
    assert_eq!(world.shop.sessions_of(second), 1, "it is still there");
    world.shop.run_sql(&grant);
    let mut managing = world.manage();
    let others = i64::from(own.id());
    assert_eq!(end(&mut *managing, others), Ending::Gone, "not this user's");
    assert_eq!(end(&mut *managing, 0), Ending::Gone);
    assert_eq!(end(&mut *managing, pid), Ending::Ended);
    assert_eq!(world.shop.sessions_of(second), 0);
    assert_eq!(end(&mut *managing, pid), Ending::Gone, "no more");
    let mut own = own;
    let told = world.runtime.block_on(own.query_drop("DO 1"));
    assert!(told.is_ok(), "the other session goes on");
}
