//! Rolling back in the console, on a real PostgreSQL: after a promote that applications fail
//! with, and out of an outage.

use crate::shop::{Account, Shop, ShopOptions};
use crate::terminal::Terminal;

/// A shop after its first rotation: consumers read `second`, and `first` is the way back.
fn promoted(name: &str) -> Shop {
    let shop = Shop::open(name, ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    shop
}

/// The pane of the environment names both users where they stand now.
fn see_labels(terminal: &mut Terminal, current: &Account, previous: &Account) {
    terminal
        .see(&format!("current  {}", current.name))
        .see(&format!("previous {}", previous.name));
}

#[test]
fn the_users_change_places_again_and_no_password_changes() {
    let shop = promoted("consoleback");
    let verifiers = || [&shop.first, &shop.second].map(|user| shop.verifier_of(user));
    let (before, revisions) = (verifiers(), shop.revision_count());
    let mut terminal = Terminal::console(&shop);
    terminal.see("shop/orders").press("enter");
    see_labels(&mut terminal, &shop.second, &shop.first);

    // The safe button is the default, and another way is only looked at.
    terminal
        .press("B")
        .see("APPLICATIONS-FAIL")
        .see("▸ re-promote");
    terminal.see("nothing to the database").see("wrong if");
    terminal.press("j").see("▸ re-issue").see("ALTER ROLE");
    terminal.press("enter").see_not("APPLICATIONS-FAIL");
    assert_eq!(shop.revision_count(), revisions, "leaving changes nothing");

    terminal
        .press("B")
        .see("▸ re-promote")
        .press("y")
        .see("DONE");
    terminal.see("left out");
    terminal.see(&format!("{} is current since revision", shop.first.name));
    assert_eq!(verifiers(), before, "no password was changed");
    assert_eq!(shop.revision_count(), revisions + 1);
    let current = shop.assert_current_logs_in("after the way back");
    assert_eq!(current.name, shop.first.name);
    terminal.press("esc");
    see_labels(&mut terminal, &shop.first, &shop.second);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    terminal.assert_given_back();
}

#[test]
fn where_consumers_are_down_the_name_is_typed_for_the_way_that_is_chosen() {
    let shop = promoted("consoledown");
    let stored = shop.current();
    shop.set_password(&Account::new(shop.second.name.clone()));
    assert!(!shop.logs_in(&stored), "consumers are down");
    let mut terminal = Terminal::console(&shop);
    terminal.see("shop/orders").press("enter").see("✗ refused");
    terminal
        .press("B")
        .see("CURRENT-DEAD")
        .see("✗ DOWN")
        .see("type shop/orders to agree");
    terminal.press("enter").see("■ type shop/orders to agree");
    // What was typed for one way is no agreement to another one.
    terminal.type_text("shop/orders").see("agree: shop/orders");
    terminal
        .press("down")
        .see("▸ re-apply")
        .see_not("agree: shop/orders");
    assert!(!shop.logs_in(&stored), "nothing was done yet");
    terminal.type_text("shop/orders").press("enter").see("DONE");
    assert!(shop.logs_in(&stored), "consumers read on as they did");
    let current = shop.assert_current_logs_in("after the re-apply");
    assert_eq!(current.name, shop.second.name);
    terminal.press("esc").see("● valid");
    see_labels(&mut terminal, &shop.second, &shop.first);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
}
