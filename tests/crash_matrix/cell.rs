//! One cell: one failpoint, one action, one environment of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::Scene;
use crate::consumer::Consumers;
use crate::harness::{Chance, Run, Running, wait_until};
use crate::shop::{Shop, ShopOptions};

const ROTATE: [&str; 5] = ["rotate", "shop/orders", "--yes", "--output", "json"];
const RECOVER: [&str; 5] = ["recover", "shop/orders", "--yes", "--output", "json"];

/// One failpoint and what happens there.
pub(crate) struct Cell {
    pub(crate) number: usize,
    scene: Scene,
    pub(crate) place: String,
    pub(crate) action: &'static str,
}

/// How a cell ended that broke no promise.
pub(crate) struct Ended {
    /// The case that `recover` named, else the one that the run itself did.
    pub(crate) case: String,
    pub(crate) outcome: String,
    pub(crate) logins: u32,
}

/// Everything that further recovers must leave as it is.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    verifiers: [String; 2],
    revisions: u64,
    journal_lines: u64,
    open: u64,
}

impl Cell {
    pub(crate) fn new(
        number: usize,
        scene: Scene,
        side: &'static str,
        action: &'static str,
    ) -> Self {
        let place = format!("{}.{side}", scene.effect);
        Self {
            number,
            scene,
            place,
            action,
        }
    }

    /// Which command the failpoint is in, and how it comes there.
    pub(crate) fn story(&self) -> String {
        match (self.scene.killed_at, self.scene.with) {
            (Some(place), _) => format!("recover of {place}=kill"),
            (None, Some(fault)) => format!("rotate with {fault}"),
            (None, None) => "rotate".to_owned(),
        }
    }

    /// Panics with the promise that broke.
    pub(crate) fn run(&self) -> Ended {
        let name = format!("matrix{}", self.number);
        let shop = Arc::new(Shop::open(&name, ShopOptions::default()));
        let consumers = Consumers::start(&shop, 1, &mut Chance::from_environment());

        let mut command = &ROTATE;
        if let Some(place) = self.scene.killed_at {
            stop_at(&shop, &ROTATE, place, &format!("{place}=kill"), "kill");
            command = &RECOVER;
        }
        let fault = self.scene.with.map(|fault| format!("{fault},"));
        let armed = format!(
            "{}{}={}",
            fault.unwrap_or_default(),
            self.place,
            self.action
        );
        let stopped = stop_at(&shop, command, &self.place, &armed, self.action);
        shop.assert_current_logs_in("before recover");

        let recovered = shop.run(&RECOVER);
        let open = Kept::of(&shop);
        shop.assert_current_logs_in("after recover");
        let ended = self.judge(&recovered, stopped.as_ref(), open.open > 0);
        for number in 2..=5 {
            let again = shop.run(&RECOVER);
            assert_eq!(
                again.code(),
                recovered.code(),
                "recover {number}: {again:#?}"
            );
            assert_eq!(Kept::of(&shop), open, "recover {number} changed something");
        }
        shop.assert_current_logs_in("after five recovers");
        if open.open == 0 {
            let further = shop.rotate(&[]);
            assert_eq!(further.code(), Some(0), "a further rotation: {further:#?}");
            shop.assert_current_logs_in("after a further rotation");
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

    fn judge(&self, recovered: &Run, stopped: Option<&Run>, open: bool) -> Ended {
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
            logins: 0,
        }
    }
}

/// Runs a command with failpoints armed until it is over, by itself or by SIGKILL; answers
/// what it told when it came to its own end.
fn stop_at(shop: &Shop, arguments: &[&str], place: &str, armed: &str, action: &str) -> Option<Run> {
    let marker = marker(shop);
    let _ = fs::remove_file(&marker);
    let mut command: Command = shop.command(arguments);
    command
        .env("HANDOVER_FAILPOINT", armed)
        .env("HANDOVER_FAILPOINT_MARKER", &marker);
    let mut running = Running::start(command);
    if action == "hang" {
        wait_until(&format!("{place} is reached"), || {
            was_reached(shop, place) || running.has_ended()
        });
        assert!(!running.has_ended(), "{place} is not reached");
        running.kill();
        return None;
    }
    let run = running.finish();
    assert!(was_reached(shop, place), "{place} is not reached: {run:#?}");
    let was_killed = run.code().is_none();
    assert_eq!(was_killed, action == "kill", "{run:#?}");
    (!was_killed).then_some(run)
}

fn marker(shop: &Shop) -> PathBuf {
    shop.file("reached")
}

fn was_reached(shop: &Shop, place: &str) -> bool {
    let text = fs::read_to_string(marker(shop)).unwrap_or_default();
    text.lines().any(|line| line == place)
}

impl Kept {
    fn of(shop: &Shop) -> Self {
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
