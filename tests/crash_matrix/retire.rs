//! Retiring the outgoing user: each step is killed right before and right after each of its
//! effects, and the same command once more brings it to its end.

use std::sync::Arc;

use handover::process::failpoint::OVERLAP_EFFECTS;
use serde_json::Value;

use crate::cell::stop_at;
use crate::consumer::{Consumers, Temper};
use crate::harness::Chance;
use crate::matrix::{self, Staged};
use crate::promises::Ended;
use crate::shop::{Shop, ShopEngine, ShopOptions};

/// Cells that run at the same time.
const SIDE_BY_SIDE: usize = 6;

const RETIRE: [&str; 6] = ["retire", "shop/orders", "db", "--yes", "--output", "json"];

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Lock,
    Undo,
    Scramble,
}

impl Step {
    /// How long is listened: a lock that is looked at again is not to be scrambled.
    fn listen(self) -> &'static str {
        match self {
            Self::Lock | Self::Undo => "24h",
            Self::Scramble => "0s",
        }
    }

    fn command(self) -> Vec<&'static str> {
        match self {
            Self::Undo => [&RETIRE[..], &["--undo"]].concat(),
            Self::Lock | Self::Scramble => RETIRE.to_vec(),
        }
    }

    /// How far the overlap is in the end.
    fn stage(self) -> &'static str {
        match self {
            Self::Lock => "locked",
            Self::Undo => "draining",
            Self::Scramble => "scrambled",
        }
    }

    /// The effects on its way. What writes the store alone is the same code on all engines.
    fn effects(self, engine: ShopEngine) -> Vec<&'static str> {
        if engine != ShopEngine::Postgres {
            return vec!["alter"];
        }
        let done = match self {
            Self::Lock | Self::Undo => "retire-done",
            Self::Scramble => "scrambled",
        };
        vec!["begin-change", "retire-sent", "alter", "commit", done]
    }
}

struct RetireCell {
    number: usize,
    engine: ShopEngine,
    step: Step,
    place: String,
}

impl Staged for RetireCell {
    fn told(&self) -> [String; 3] {
        let story = format!("{:?} on {:?}", self.step, self.engine);
        [self.place.clone(), "kill".to_owned(), story]
    }

    fn run(&self) -> Ended {
        let name = format!("retire{}", self.number);
        let options = ShopOptions {
            hosts: &["%", "127.0.0.1"],
            ..ShopOptions::default()
        };
        let shop = Shop::open_on(self.engine, &name, options);
        let shop = Arc::new(shop.expect("who goes through cells knows that it is there"));
        let settings = format!(
            "    retire: {{mode: ask, listen: {}}}\n",
            self.step.listen()
        );
        shop.write_settings(&settings);
        let file = shop.file("settings.yaml").display().to_string();
        let words = ["env", "settings", "set", "shop/orders", "-f", &file];
        shop.run(&words).expect_code(0);
        shop.rotate(&[]).expect_code(0);
        let before = shop.stored_hash_of(&shop.first);
        if self.step != Step::Lock {
            shop.run(&RETIRE).expect_code(0);
        }
        let consumers = Consumers::start(&shop, &[Temper::Hasty], &mut Chance::from_environment());

        let command = self.step.command();
        let armed = format!("{}=kill", self.place);
        stop_at(&shop, &command, &self.place, &armed, "kill");
        let again = shop.run(&command).expect_code(0);
        let result: Value = serde_json::from_str(&again.stdout).expect("JSON");
        assert_eq!(result["stage"], self.step.stage(), "{result:#}");
        let is_let_in = shop.login(&shop.first).is_accepted();
        assert_eq!(is_let_in, self.step == Step::Undo, "{result:#}");
        let is_kept = shop.stored_hash_of(&shop.first) == before;
        assert_eq!(is_kept, self.step != Step::Scramble, "the password");

        // Whatever became of it, the next rotation lets the user in again.
        let tally = consumers.stop();
        assert!(
            tally.refused.is_empty(),
            "consumers were refused: {tally:?}"
        );
        shop.rotate(&[]).expect_code(0);
        let current = shop.assert_current_logs_in("after the next rotation");
        assert_eq!(current.name, shop.first.name);
        shop.run(&["audit", "verify"]).expect_code(0);
        Ended {
            case: "-".to_owned(),
            outcome: format!("{} by the same command", self.step.stage()),
            parked: false,
            logins: tally.logins,
        }
    }
}

/// Every step on PostgreSQL, and on MariaDB, which changes the rows of a user one by one.
#[test]
fn a_retirement_killed_at_any_effect_is_brought_to_its_end_by_the_same_command() {
    for effect in OVERLAP_EFFECTS {
        let steps = [Step::Lock, Step::Undo, Step::Scramble];
        let staged = steps
            .iter()
            .any(|step| step.effects(ShopEngine::Postgres).contains(&effect));
        // A server that refuses a lock has no scene, and a session is ended by one statement.
        let without = ["retire-refused", "session-noted"].contains(&effect);
        assert_ne!(staged, without, "{effect} has no scene, or one too many");
    }
    let mut cells = Vec::new();
    for engine in engines() {
        for step in [Step::Lock, Step::Undo, Step::Scramble] {
            for effect in step.effects(engine) {
                for side in ["before", "after"] {
                    cells.push(RetireCell {
                        number: cells.len(),
                        engine,
                        step,
                        place: format!("{effect}.{side}"),
                    });
                }
            }
        }
    }
    matrix::go_through(["failpoint", "action", "in"], cells, SIDE_BY_SIDE);
}

fn engines() -> Vec<ShopEngine> {
    let mut engines = vec![ShopEngine::Postgres];
    if Shop::open_on(ShopEngine::MariaDb, "retire", ShopOptions::default()).is_some() {
        engines.push(ShopEngine::MariaDb);
    }
    engines
}
