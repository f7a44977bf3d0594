//! What a rotation leaves for whoever samples the outgoing user: its overlap, and which
//! sessions were ours.

use serde_json::Value;

use crate::contract::result_of;
use crate::shop::{Shop, ShopEngine, ShopOptions};

#[test]
fn a_promote_begins_an_overlap_on_postgresql() {
    from_promote_to_abandon(ShopEngine::Postgres);
}

#[test]
fn a_promote_begins_an_overlap_on_mysql() {
    from_promote_to_abandon(ShopEngine::MySql);
}

#[test]
fn a_promote_begins_an_overlap_on_mariadb() {
    from_promote_to_abandon(ShopEngine::MariaDb);
}

fn from_promote_to_abandon(engine: ShopEngine) {
    let Some(shop) = Shop::open_on(engine, "overlap", ShopOptions::default()) else {
        return;
    };
    let store = rusqlite::Connection::open(shop.store().join("handover.db")).expect("opens");
    let open = || -> (String, u64, String, String, bool) {
        let sql = "SELECT user, revision, stage, promoted, account IS NOT NULL FROM overlap \
                   WHERE ended_at IS NULL";
        store
            .query_row(sql, [], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            })
            .expect("one is open")
    };
    let own_logins = |user: &str| -> Vec<(i64, bool)> {
        let sql = "SELECT pid, started IS NOT NULL FROM own_login WHERE user = ?1 ORDER BY id";
        let mut statement = store.prepare(sql).expect("is good");
        let rows = statement.query_map([user], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows = rows.expect("asks").collect::<Result<_, _>>();
        rows.expect("reads")
    };
    let (first, second) = (shop.first.name.as_str(), shop.second.name.as_str());
    let tells_start = engine == ShopEngine::Postgres;

    let result = result_of(&shop.rotate(&[]).expect_code(0));
    let (user, revision, stage, promoted, has_account) = open();
    assert_eq!((user.as_str(), stage.as_str()), (first, "draining"));
    assert!(has_account);
    assert_eq!(result["paths"][0]["revision"], revision, "{result:#}");
    let promoted: Value = serde_json::from_str(&promoted).expect("is JSON");
    assert_eq!(promoted.as_array().map(Vec::len), Some(1), "{promoted}");
    let connection = promoted[0]["connection"].as_i64();
    assert_eq!(connection.is_none(), tells_start, "{promoted}");
    let ours = own_logins(first);
    assert_eq!(ours.len(), 1, "the last one before the promote: {ours:?}");
    assert!(
        ours.iter()
            .all(|(pid, told)| *pid > 0 && *told == tells_start)
    );

    // Whoever examines logs in as both, and only the outgoing user is sampled.
    shop.run(&["doctor", "shop/orders"]);
    assert_eq!(own_logins(first).len(), 2);
    shop.plan().expect_code(0);
    assert_eq!(own_logins(first).len(), 3);
    assert_eq!(own_logins(second), []);

    // It was retired, and S3 gives it a new password: until that is given up or promoted
    // the stage says what was done before.
    store
        .execute("UPDATE overlap SET stage = 'locked'", [])
        .expect("written");
    shop.write_settings("  db:\n    verify: {statements: [\"select 1 from shop.never\"]}\n");
    let settings = shop.file("settings.yaml").display().to_string();
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.rotate(&[]).expect_code(5);
    assert_eq!(open().2, "locked");
    // With P at S1, with P under the lock, and with N.
    let ours = own_logins(first).len();
    assert!(ours >= 6, "only {ours}");
    shop.run(&["abandon", "shop/orders", "db", "--yes"])
        .expect_code(0);
    let (user, _, stage, ..) = open();
    assert_eq!((user.as_str(), stage.as_str()), (first, "draining"));
    assert!(own_logins(first).len() > ours, "those of the examination");

    shop.write_settings("");
    shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
        .expect_code(0);
    shop.rotate(&[]).expect_code(0);
    assert_eq!(open().0, second, "and that of the first one has ended");
    assert_eq!(own_logins(second).len(), 1);
}
