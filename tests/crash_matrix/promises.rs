//! What has to hold after every fault, whatever it was.

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::consumer::Consumers;
use crate::harness::Run;
use crate::shop::{Shop, ShopEngine};

pub(crate) const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];
pub(crate) const RECOVER: [&str; 5] = ["recover", "shop/orders", "--yes", "--output", "json"];

pub(crate) const ABANDON: [&str; 6] = ["abandon", "shop/orders", "db", "--yes", "--output", "json"];

/// How a cell ended that broke no promise.
pub(crate) struct Ended {
    /// The case that `recover` named, else the one that the run itself did.
    pub(crate) case: String,
    pub(crate) outcome: String,
    /// A rotation is still open.
    pub(crate) parked: bool,
    pub(crate) logins: u32,
}

/// Everything that further recovers must leave as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    verifiers: [String; 2],
    pub(crate) revisions: u64,
    journal_lines: u64,
    pub(crate) open: u64,
}

/// One `recover` ends or parks what `stopped` left, four more change nothing, a further
/// rotation succeeds, and no consumer was ever refused. Panics with the promise that broke.
pub(crate) fn keep(shop: &Shop, stopped: Option<&Run>, consumers: Consumers) -> Ended {
    let ended = settle(shop, stopped, 5);
    if !ended.parked {
        rotate_again(shop);
    }
    let tally = consumers.stop();
    assert!(
        tally.refused.is_empty(),
        "consumers were refused: {tally:?}"
    );
    assert!(tally.logins > 0, "the consumer did not log in: {tally:?}");
    Ended {
        logins: tally.logins,
        ..ended
    }
}

/// One `recover` ends or parks what `stopped` left, and further ones change nothing.
pub(crate) fn settle(shop: &Shop, stopped: Option<&Run>, recovers: usize) -> Ended {
    shop.assert_current_logs_in("before recover");
    let recovered = shop.run(&RECOVER);
    let kept = Kept::of(shop);
    shop.assert_current_logs_in("after recover");
    let ended = judge(&recovered, stopped, kept.open > 0);
    assert_recovers_change_nothing(shop, &recovered, &kept, recovers);
    ended
}

/// Up to as many recovers answer what the first did, and leave all as that left it.
pub(crate) fn assert_recovers_change_nothing(
    shop: &Shop,
    recovered: &Run,
    kept: &Kept,
    recovers: usize,
) {
    for number in 2..=recovers {
        let again = shop.run(&RECOVER);
        assert_eq!(
            again.code(),
            recovered.code(),
            "recover {number}: {again:#?}"
        );
        let now = Kept::of(shop);
        assert_eq!(now, *kept, "recover {number} changed something: {again:#?}");
    }
}

/// After all, a rotation is possible.
pub(crate) fn rotate_again(shop: &Shop) {
    let further = shop.rotate(&[]);
    assert_eq!(further.code(), Some(0), "a further rotation: {further:#?}");
    let current = shop.assert_current_logs_in("after a further rotation");
    if shop.options.engine != ShopEngine::Postgres {
        shop.assert_rows_agree(&current);
    }
}

fn judge(recovered: &Run, stopped: Option<&Run>, open: bool) -> Ended {
    let result = recovered.json();
    let path = &result["paths"][0];
    let told = stopped.map(Run::json).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let case = [
        &path["case"],
        &told["paths"][0]["case"],
        &told["error"]["code"],
    ]
    .into_iter()
    .map(text)
    .find(|case| !case.is_empty())
    .unwrap_or_else(|| "-".to_owned());
    let outcome = if open {
        assert!(
            path["case"].is_string(),
            "parked without a case: {result:#}"
        );
        format!("parked as {}", text(&path["case"]))
    } else {
        assert_eq!(recovered.code(), Some(0), "{recovered:#?}");
        match text(&path["status"]).as_str() {
            "" => match text(&told["status"]).as_str() {
                "" => "nothing open".to_owned(),
                status => format!("nothing open; it was {status}"),
            },
            status => format!("{status} by recover"),
        }
    };
    Ended {
        case,
        outcome,
        parked: open,
        logins: 0,
    }
}

impl Kept {
    pub(crate) fn of(shop: &Shop) -> Self {
        let file = shop.store().join("handover.db");
        let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("opens the store");
        let count = |query: &str| {
            store
                .query_row(query, [], |row| row.get(0))
                .expect("counts")
        };
        Self {
            verifiers: [&shop.first, &shop.second].map(|account| shop.verifier_of(account)),
            revisions: count("SELECT count(*) FROM revision"),
            journal_lines: count("SELECT count(*) FROM journal"),
            open: count("SELECT count(*) FROM rotation WHERE closed_at IS NULL"),
        }
    }
}
