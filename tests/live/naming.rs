//! Whether an operator is told the name of a case: by `recover` as JSON, and by the console.

use serde_json::Value;

use crate::contract::{names_case, result_of};
use crate::shop::{Shop, ShopOptions};
use crate::terminal::{Start, Terminal};

/// Both name `case`. Neither changes anything. Answers what `recover --explain` printed.
#[track_caller]
pub(crate) fn assert_case_is_named(shop: &Shop, case: &str) -> Value {
    let explained = recover_names_case(shop, case);
    console_names_case(shop, case);
    explained
}

/// `recover --explain --output json` names `case`; answers the object.
#[track_caller]
pub(crate) fn recover_names_case(shop: &Shop, case: &str) -> Value {
    let arguments = ["recover", "shop/orders", "--explain", "--output", "json"];
    let run = shop.run(&arguments);
    let result = result_of(&run);
    assert!(names_case(&result, case), "not {case}: {run:#?}");
    result
}

/// The console's review of `V`, opened on the first environment, which is the one that
/// needs a human most, names `case`. Answers what the screen shows.
#[track_caller]
pub(crate) fn console_names_case(shop: &Shop, case: &str) -> String {
    let mut terminal = Terminal::start(
        shop,
        &Start {
            // Wide and high enough for a review of two paths without scrolling.
            size: (120, 50),
            ..Start::default()
        },
    );
    terminal.see("▸ ▲").press("V").see("recover shop/orders");
    // Only the review writes a case in capitals.
    terminal.see(&case.to_uppercase());
    let text = terminal.text();
    terminal.press("esc").see_not("recover shop/orders");
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
    text
}

#[test]
fn a_parked_rotation_is_named_by_both() {
    let shop = Shop::bare("naming", ShopOptions::default());
    shop.write_settings("  db:\n    verify: {statements: [\"select 1 from naming_never_made\"]}\n");
    shop.init();
    shop.rotate(&[]).expect_code(5);
    assert_case_is_named(&shop, "verify-failed");
}
