//! What the scenarios of the decision table share: how a rotation comes to stand open, what
//! is expected of a case that is named, and how it is brought to its end.

use handover::sandbox::{PostgresServer, Row};
use handover::secret::{SCRAM_SALT_LENGTH, ScramVerifier};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::contract::{names_case, result_of};
use crate::harness::{Run, wait_until};
use crate::naming::console_names_case;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};
use crate::signals::ask_to_stop;
use crate::terminal::{Start, Terminal};

pub(crate) const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];
const EXPLAIN: [&str; 3] = ["recover", "shop/orders", "--explain"];

/// What looking must leave alone: the passwords of all roles, the journal, the revisions.
#[derive(Debug, PartialEq, Eq)]
struct Untouched {
    ways_in: Option<[Vec<Row>; 2]>,
    journal: u32,
    revisions: usize,
}

impl Untouched {
    fn of(shop: &Shop) -> Self {
        let ways_in = || {
            let pair = [&shop.first, &shop.second];
            pair.map(|account| shop.way_in_of(account))
        };
        let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
        let count = store.query_row("SELECT count(*) FROM journal", [], |row| row.get(0));
        Self {
            ways_in: shop.is_running().then(ways_in),
            journal: count.expect("counts"),
            revisions: shop.revision_count(),
        }
    }
}

/// `recover --explain` and the console name `case`, the first with this exit code and with
/// these words among its evidence, and nothing is changed by looking.
#[track_caller]
pub(crate) fn expect_case(shop: &Shop, case: &str, code: i32, evidence: &[&str]) -> Value {
    let before = Untouched::of(shop);
    let run = shop.run(&[&EXPLAIN[..], &["--output", "json"]].concat());
    let result = result_of(&run);
    assert_eq!(run.code(), Some(code), "{run:#?}");
    assert!(names_case(&result, case), "not {case}: {run:#?}");
    shop.run(&EXPLAIN)
        .expect_code(code)
        .expect_told(&[case])
        .expect_told(evidence);
    match result["rotation"].is_null() {
        true => console_names_case_with_nothing_open(shop, case),
        false => drop(console_names_case(shop, case)),
    }
    assert_eq!(Untouched::of(shop), before, "looking changed something");
    result
}

/// Without a rotation the home screen tells who is down once logins were looked at, which
/// opening the environment does; `V` then names the case.
#[track_caller]
fn console_names_case_with_nothing_open(shop: &Shop, case: &str) {
    let size = (120, 50);
    let start = Start {
        size,
        ..Start::default()
    };
    let mut terminal = Terminal::start(shop, &start);
    // It looks healthy, or already down where the catalog alone tells.
    terminal.see("shop/orders    db");
    terminal.press("enter").see("✗");
    terminal.press("V").see("recover shop/orders");
    terminal.see(case);
    terminal.press("esc").see_not("recover shop/orders");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
}

#[track_caller]
pub(crate) fn recover(shop: &Shop) -> Run {
    shop.run(&["recover", "shop/orders", "--yes", "--output", "json"])
}

/// `recover --yes` parks in `case`.
#[track_caller]
pub(crate) fn expect_parked(shop: &Shop, case: &str) -> Run {
    let run = recover(shop).expect_code(5);
    let result = result_of(&run);
    assert_eq!(result["paths"][0]["case"], case, "{run:#?}");
    run
}

/// `recover --yes` completes the rotation, after which nothing is open and the next
/// rotation goes through.
#[track_caller]
pub(crate) fn expect_completed(shop: &Shop, becomes_current: &Account) {
    let result = result_of(&recover(shop).expect_code(0));
    assert_eq!(result["paths"][0]["status"], "done", "{result:#}");
    let current = shop.assert_current_logs_in("after recover");
    assert_eq!(current.name, becomes_current.name, "it was completed");
    let again = result_of(&recover(shop).expect_code(0));
    assert_eq!(again["rotation"], Value::Null, "{again:#}");
    shop.rotate(&[]).expect_code(0);
    shop.assert_current_logs_in("after the next rotation");
}

/// How many of the managing user's sessions wait for a lock.
pub(crate) fn waiting(shop: &Shop) -> usize {
    shop.waiting_sessions_of(&shop.managing)
}

/// A rotation that was asked to stop while its ALTER waited: it is applied and not promoted.
#[track_caller]
pub(crate) fn stop_after_s3(shop: &Shop, idle: &Account) {
    let before = shop.verifier_of(idle);
    let lock = shop.lock_the_user(idle);
    let mut rotation = shop.start(&ROTATE);
    wait_until("the ALTER waits", || waiting(shop) > 0);
    ask_to_stop(shop, &mut rotation, Signal::SIGTERM);
    drop(lock);
    rotation.finish().expect_code(5);
    assert_ne!(shop.verifier_of(idle), before, "S3 was done");
}

/// A rotation that was asked to stop while it waited for its role's lock: there is a
/// password, and it was not sent.
#[track_caller]
pub(crate) fn stop_before_s3(shop: &Shop, idle: &Account) {
    let before = shop.verifier_of(idle);
    let lock = shop.hold_the_rotation_lock(idle);
    let mut rotation = shop.start(&ROTATE);
    // Other tests on the same server may hold it up before there is a password.
    wait_until("it waits for the lock", || {
        has_sealed_a_password(shop) && waiting(shop) > 0
    });
    rotation.signal(Signal::SIGTERM);
    rotation.finish().expect_code(4);
    drop(lock);
    wait_until("the abandoned session has ended", || {
        shop.sessions_of(&shop.managing) == 0
    });
    assert_eq!(shop.verifier_of(idle), before, "nothing was sent");
}

/// Whether the rotation that is open has made its password.
fn has_sealed_a_password(shop: &Shop) -> bool {
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let sealed = "SELECT count(*) FROM journal WHERE event LIKE '%pending-sealed%' \
                  AND rotation = (SELECT max(id) FROM rotation)";
    let count: u32 = store
        .query_row(sealed, [], |row| row.get(0))
        .expect("counts");
    count > 0
}

/// A shop that verifies by a table which is not there yet.
pub(crate) fn needy(name: &str, options: ShopOptions, table: &str) -> Shop {
    needy_on(ShopEngine::Postgres, name, options, table).expect("PostgreSQL is never left out")
}

/// The same on any engine, or `None` where that one was left out by name.
pub(crate) fn needy_on(
    engine: ShopEngine,
    name: &str,
    mut options: ShopOptions,
    table: &str,
) -> Option<Shop> {
    options.lock_timeout = "60s";
    options.statement_timeout = "60s";
    let shop = Shop::bare_on(engine, name, options)?;
    shop.write_settings(&format!(
        "  db:\n    verify: {{statements: [\"select 1 from {table}\"]}}\n"
    ));
    shop.init();
    Some(shop)
}

/// What the statement needs.
pub(crate) fn give_table(server: &PostgresServer, table: &str) {
    let statements = format!("CREATE TABLE {table} (a int); GRANT SELECT ON {table} TO PUBLIC");
    server.sql(&statements).expect("creates the table");
}

/// What a server keeps of an account's password.
pub(crate) fn verifier(account: &Account) -> String {
    let derived = ScramVerifier::derive(&account.password, &[9; SCRAM_SALT_LENGTH]);
    derived.expect("derives").as_str().to_owned()
}

/// Another tool sets a password of its own.
pub(crate) fn rival_sets(shop: &Shop, user: &Account) {
    shop.set_password(&Account::new(user.name.clone()));
}
