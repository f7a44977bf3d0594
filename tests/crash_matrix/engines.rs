//! The failpoints on MySQL and on MariaDB.
//!
//! Whatever touches the database is gone through as on PostgreSQL. What writes the store
//! alone is the same code on all engines, and of each such effect there is a sample: the
//! kill right after it, since that is what a recovery finds. The same goes for the logins of
//! a recovery. A run hangs only where it holds the lock on the user; elsewhere it is killed
//! in the end as one that did not hang.
//!
//! `commit` is not there: these engines commit each statement by itself, so that nothing
//! stands between `alter` and the end of the change. It is a line of the table, and looked
//! for in vain. What is there and not on PostgreSQL are the changes of several statements,
//! one for each row of a user on MariaDB, and refused logins that MySQL counts.

use std::fs;

use handover::process::failpoint::EFFECTS;

use crate::cell::{Cell, World};
use crate::harness::Running;
use crate::matrix;
use crate::promises::ROTATE;
use crate::shop::{Shop, ShopEngine, ShopOptions};
use crate::{Scene, after_fault, in_abandon, in_recover, plain};

/// Cells that run at the same time; they wait for their logins more than those of
/// PostgreSQL do.
const SIDE_BY_SIDE: usize = 6;

/// The server is asked: in full.
const OF_THE_DATABASE: &[Scene] = &[
    plain("managing-login"),
    plain("probe-current"),
    plain("probe-previous"),
    plain("probe-pending"),
];

/// It is changed, under the lock on the user.
const UNDER_THE_LOCK: &[Scene] = &[plain("begin-change"), plain("alter")];

/// One kill each, right after.
const SAMPLE: &[Scene] = &[
    plain("lock"),
    plain("opened"),
    plain("pending-sealed"),
    plain("apply-sent"),
    plain("apply-confirmed"),
    after_fault("apply-refused", "begin-change.before=error"),
    plain("verified"),
    plain("promoted"),
    in_recover("recover", "pending-sealed.after"),
    in_recover("managing-login", "pending-sealed.after"),
    in_recover("probe-current", "pending-sealed.after"),
    in_recover("probe-previous", "alter.before"),
    in_recover("probe-pending", "alter.after"),
    in_recover("begin-change", "alter.before"),
    in_recover("alter", "alter.before"),
    in_recover("outwaited", "alter.before"),
    in_recover("aborted", "opened.after"),
    in_abandon("abandoned", "alter.after"),
    after_fault("parked", "probe-pending.before=error"),
];

/// MariaDB changes the rows of a user one by one.
const OF_SEVERAL_ROWS: &[Scene] = &[
    plain("statement-confirmed"),
    plain("alter"),
    in_recover("alter", "statement-confirmed.after"),
];

/// MySQL counts the wrong passwords of a user whose rows say so.
const OF_COUNTED_LOGINS: &[Scene] = &[in_recover("logins-refused", "alter.before")];

/// No scene comes here, for the same reasons as on PostgreSQL.
const WITHOUT_SCENE: [&str; 3] = ["pending-dropped", "admitted", "rival-seen"];

/// MariaDB has one limit of wrong passwords for the whole server, which all tests share.
const WITHOUT_SCENE_ON_MARIADB: &str = "logins-refused";

/// Which effects of a rotation an engine does not have, and why.
fn not_there(engine: ShopEngine) -> &'static [(&'static str, &'static str)] {
    const COMMIT: (&str, &str) = ("commit", "each statement commits by itself");
    match engine {
        ShopEngine::MariaDb => &[COMMIT],
        _ => &[
            COMMIT,
            (
                "statement-confirmed",
                "all rows are changed by one statement",
            ),
        ],
    }
}

#[test]
fn every_failpoint_on_mysql_ends_well_after_one_recover() {
    let counted = World {
        words: ", logins counted",
        pair_has: "FAILED_LOGIN_ATTEMPTS 10 PASSWORD_LOCK_TIME 1",
        ..World::plain(ShopEngine::MySql)
    };
    go_through(ShopEngine::MySql, &[(OF_COUNTED_LOGINS, counted)]);
}

#[test]
fn every_failpoint_on_mariadb_ends_well_after_one_recover() {
    let rows = |words, hosts| World {
        words,
        hosts,
        ..World::plain(ShopEngine::MariaDb)
    };
    // The row that lets the test and its consumers in is changed first, or last.
    let first = rows(", own row first", &["%", "10.%"]);
    let last = rows(", own row last", &["10.%", "127.0.0.%"]);
    go_through(
        ShopEngine::MariaDb,
        &[(OF_SEVERAL_ROWS, first), (OF_SEVERAL_ROWS, last)],
    );
}

/// `more` are scenes of the engine's own, gone through in full.
fn go_through(engine: ShopEngine, more: &[(&[Scene], World)]) {
    let Some(shop) = Shop::open_on(engine, "matrix", ShopOptions::default()) else {
        return;
    };
    let not_there = not_there(engine);
    let own = more.iter().flat_map(|(scenes, _)| *scenes);
    let all = OF_THE_DATABASE.iter().chain(UNDER_THE_LOCK).chain(SAMPLE);
    let staged: Vec<&Scene> = all.chain(own).collect();
    for effect in EFFECTS {
        let is_staged = staged.iter().any(|scene| scene.effect == effect);
        let is_not_there = not_there.iter().any(|(name, _)| *name == effect);
        let is_left_out = WITHOUT_SCENE.contains(&effect)
            || engine == ShopEngine::MariaDb && effect == WITHOUT_SCENE_ON_MARIADB;
        let answers = [is_staged, is_not_there, is_left_out];
        let told = answers.iter().filter(|is| **is).count();
        assert_eq!(told, 1, "{effect} has no scene, or one too many");
    }
    println!("{engine:?}");
    for (effect, why) in not_there {
        assert_not_reached(&shop, effect);
        println!("{effect:<21}  not there: {why}");
    }

    let plain = World::plain(engine);
    let mut cells = Vec::new();
    let mut add = |scene: &Scene, world, sides: &[&'static str], actions: &[&'static str]| {
        for side in sides {
            for action in actions {
                cells.push(Cell::new(cells.len(), *scene, side, action).of(world));
            }
        }
    };
    let both = ["before", "after"];
    for scene in OF_THE_DATABASE {
        add(scene, plain, &both, &["kill", "error"]);
    }
    for scene in UNDER_THE_LOCK {
        add(scene, plain, &both, &["kill", "error", "hang"]);
    }
    for scene in SAMPLE {
        add(scene, plain, &["after"], &["kill"]);
    }
    // The answer of the store's commit is lost: the case `store-unknown`.
    add(&super::plain("promoted"), plain, &["after"], &["error"]);
    for (scenes, world) in more {
        for scene in *scenes {
            add(scene, *world, &both, &["kill", "error"]);
        }
    }
    matrix::go_through(["failpoint", "action", "in"], cells, SIDE_BY_SIDE);
}

/// A rotation that would be killed at the effect comes to its end.
fn assert_not_reached(shop: &Shop, effect: &str) {
    let marker = shop.file("reached");
    let mut command = shop.command(&ROTATE);
    command
        .env(
            "HANDOVER_FAILPOINT",
            format!("{effect}.before=kill,{effect}.after=kill,promoted.after=error"),
        )
        .env("HANDOVER_FAILPOINT_MARKER", &marker);
    let run = Running::start(command).finish();
    assert!(run.code().is_some(), "{effect} is there: {run:#?}");
    // That the failpoints were looked at at all is shown by one that is there.
    let reached = fs::read_to_string(&marker).expect("one was reached");
    assert_eq!(reached.trim(), "promoted.after", "{effect}: {run:#?}");
    fs::remove_file(&marker).expect("removes");
}
