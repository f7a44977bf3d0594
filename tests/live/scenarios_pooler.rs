//! Scenarios with a pooler between consumers and server: one that has a list of verifiers
//! of its own, and one that asks the server.

use crate::cases::passed;
use crate::contract::{names_case, result_of};
use crate::harness::server;
use crate::naming::assert_case_is_named;
use crate::pooler::{Pooler, Verifiers};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

/// A shop whose settings name the pooler.
#[track_caller]
fn shop_behind(name: &str, pooler: &Pooler) -> Shop {
    let shop = Shop::bare(name, ShopOptions::default());
    shop.write_settings(&format!("    poolers: [\"127.0.0.1:{}\"]\n", pooler.port()));
    shop.init();
    shop
}

#[test]
fn a_pooler_with_an_old_list_refuses_and_holds_the_promotion_back() {
    let Some(pooler) = Pooler::start(server(), Verifiers::File) else {
        return;
    };
    let shop = shop_behind("poolerfile", &pooler);
    pooler.learn(server(), &[&shop.first, &shop.second]);
    let before = shop.verifier_of(&shop.second);
    let place = format!("127.0.0.1:{}", pooler.port());

    let run = shop.rotate(&[]).expect_code(5);
    let result = result_of(&run);
    assert_eq!(result["status"], "parked", "{result:#}");
    assert!(names_case(&result, "pooler-refuses"), "{result:#}");
    run.expect_told(&[&place, "SASL authentication failed"]);
    let applied = shop.verifier_of(&shop.second);
    assert_ne!(applied, before, "the change is on the server");
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");
    assert!(
        pooler.accepts(&current.name, &current.password),
        "consumers come through the pooler"
    );
    assert_case_is_named(&shop, "pooler-refuses");
    shop.run(&["recover", "shop/orders", "--explain"])
        .expect_told(&["consumers OK", &place, "auth_file", "auth_query"]);
    // Nobody has mended it.
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(5);

    pooler.learn(server(), &[&shop.second, &shop.first]);
    shop.run(&["recover", "shop/orders", "--yes"])
        .expect_code(0);
    assert_eq!(shop.verifier_of(&shop.second), applied, "the same password");
    assert_reads_through(&pooler, &shop, &shop.second);
    passed(ShopEngine::Postgres, "pooler-refuses");
}

#[test]
fn a_pooler_that_asks_the_server_follows_at_once() {
    let Some(pooler) = Pooler::start(server(), Verifiers::Query) else {
        return;
    };
    let shop = shop_behind("poolerquery", &pooler);
    shop.rotate(&[]).expect_code(0);
    assert_reads_through(&pooler, &shop, &shop.second);
}

#[test]
fn a_pooler_that_is_gone_holds_the_promotion_back_and_stays_unknown() {
    let Some(pooler) = Pooler::start(server(), Verifiers::Query) else {
        return;
    };
    let shop = shop_behind("poolergone", &pooler);
    let place = format!("127.0.0.1:{}", pooler.port());
    drop(pooler);
    let run = shop.rotate(&[]).expect_code(5);
    assert!(names_case(&result_of(&run), "pooler-refuses"), "{run:#?}");
    run.expect_told(&[&place]);
    let current = shop.assert_current_logs_in("while it is parked");
    assert_eq!(current.name, shop.first.name, "nothing was promoted");
    shop.run(&["recover", "shop/orders", "--explain"])
        .expect_told(&["through the poolers: unknown"]);
}

/// What consumers read is `user`, and it comes through the pooler.
#[track_caller]
fn assert_reads_through(pooler: &Pooler, shop: &Shop, user: &Account) {
    let current = shop.assert_current_logs_in("after the promotion");
    assert_eq!(current.name, user.name);
    assert!(
        pooler.accepts(&current.name, &current.password),
        "the new password comes through the pooler"
    );
}
