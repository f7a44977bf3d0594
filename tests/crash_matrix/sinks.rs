//! S6: a delivery is killed, or fails, right before and right after each of its effects, and one
//! `recover` brings the file to what consumers are to read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handover::process::failpoint::SINK_EFFECTS;
use handover::secret::Secret;

use crate::cell::stop_at;
use crate::consumer::{Consumers, Temper};
use crate::harness::Chance;
use crate::matrix::{self, Staged};
use crate::promises::{Ended, RECOVER, ROTATE};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

/// Cells that run at the same time.
const SIDE_BY_SIDE: usize = 6;

const PUBLISH: [&str; 5] = ["publish", "shop/orders", "--yes", "--output", "json"];

struct SinkCell {
    number: usize,
    effect: &'static str,
    place: String,
    action: &'static str,
}

impl SinkCell {
    /// The command that comes to the effect, and the one that goes on.
    fn commands(&self) -> (&'static [&'static str], &'static [&'static str]) {
        match self.effect {
            "publish-asked" => (&PUBLISH, &PUBLISH),
            _ => (&ROTATE, &RECOVER),
        }
    }
}

/// A shop with a file.
fn open(name: &str) -> (Arc<Shop>, PathBuf) {
    let shop = Shop::bare_on(ShopEngine::Postgres, name, ShopOptions::default());
    let shop = Arc::new(shop.expect("PostgreSQL"));
    let file = give_file(&shop, "");
    shop.init();
    (shop, file)
}

/// A file whose reader is a command that writes down that it ran, in the settings that the
/// environment begins with; `databases` are further lines of those of its databases.
pub(crate) fn give_file(shop: &Shop, databases: &str) -> PathBuf {
    let folder = shop.home().join("sinks");
    fs::create_dir(&folder).expect("makes a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
    let script = folder.join("reload");
    fs::write(&script, "#!/bin/sh\necho told >> \"${0%/*}/told\"\n").expect("writes");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("protects");
    let file = folder.join("db.env");
    shop.write_settings(&format!(
        "{databases}publish:\n  - file: {}\n    \
         template: \"${{db.current.username}} ${{db.current.password}}\"\n    \
         then: {{command: [{}]}}\n",
        file.display(),
        script.display()
    ));
    file
}

/// The file has what is current, and it logs in.
#[track_caller]
pub(crate) fn assert_file_logs_in(shop: &Shop, file: &Path, when: &str) {
    let current = shop.assert_current_logs_in(when);
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{when}: {error}"));
    let (name, password) = text.split_once(' ').expect("two words");
    let read = Account {
        name: name.to_owned(),
        password: Secret::new(password.to_owned()),
    };
    assert_eq!(
        read.name, current.name,
        "{when}: the file has what is current"
    );
    assert!(shop.login(&read).is_accepted(), "{when}: the file logs in");
}

impl Staged for SinkCell {
    fn told(&self) -> [String; 3] {
        let (command, _) = self.commands();
        [
            self.place.clone(),
            self.action.to_owned(),
            command[0].to_owned(),
        ]
    }

    fn run(&self) -> Ended {
        let (shop, file) = open(&format!("sinks{}", self.number));
        // What stands there from before is replaced by what the killed run wanted.
        shop.rotate(&[]).expect_code(0);
        let consumers = Consumers::start(&shop, &[Temper::Hasty], &mut Chance::from_environment());
        let fails = self.effect == "publish-failed";
        if fails {
            fs::remove_file(&file).expect("removes");
            fs::create_dir(&file).expect("a folder in its place");
        }
        if self.effect == "publish-asked" {
            fs::remove_file(&file).expect("removes");
        }
        let (command, again) = self.commands();
        let armed = format!("{}={}", self.place, self.action);
        stop_at(&shop, command, &self.place, &armed, self.action);
        if fails {
            fs::remove_dir(&file).expect("mended");
        }
        let told = file.with_file_name("told");
        let before = fs::read_to_string(&told)
            .unwrap_or_default()
            .lines()
            .count();
        let run = shop.run(again).expect_code(0);
        let tally = consumers.stop();
        assert!(
            tally.refused.is_empty(),
            "consumers were refused: {tally:?}"
        );
        assert_file_logs_in(&shop, &file, "after it was brought to its end");
        // Nothing is left to do only where the outcome was written down.
        let after = fs::read_to_string(&told)
            .expect("it was told")
            .lines()
            .count();
        let was_over = self.place == "published.after";
        assert_eq!(after > before, !was_over, "its reader was told: {run:#?}");
        let drafts = fs::read_dir(file.with_file_name("")).expect("lists");
        let names = drafts.map(|entry| entry.expect("an entry").file_name());
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), 3, "no draft is left: {names:?}");
        shop.rotate(&[]).expect_code(0);
        shop.run(&["audit", "verify"]).expect_code(0);
        Ended {
            case: "-".to_owned(),
            outcome: format!("published by {}", again[0]),
            parked: false,
            logins: tally.logins,
        }
    }
}

#[test]
fn a_delivery_killed_at_any_effect_is_brought_to_its_end() {
    let mut cells = Vec::new();
    for effect in SINK_EFFECTS {
        for side in ["before", "after"] {
            for action in ["kill", "error"] {
                // A run that fails at the store tells so, and the matrix of the disk goes through
                // that; of the outcome that was written down there is nothing to go on with.
                if action == "error" && !["sink-written", "sink-announced"].contains(&effect) {
                    continue;
                }
                cells.push(SinkCell {
                    number: cells.len(),
                    effect,
                    place: format!("{effect}.{side}"),
                    action,
                });
            }
        }
    }
    matrix::go_through(["failpoint", "action", "in"], cells, SIDE_BY_SIDE);
}
