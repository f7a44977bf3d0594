//! The way out of a restored older store is killed right before and right after each of its
//! effects. What was agreed to goes on without the file, which is gone by then.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::cell::stop_at;
use crate::matrix::{self, Staged};
use crate::promises::{Ended, RECOVER};
use crate::shop::{Shop, ShopEngine, ShopOptions};

/// Cells that run at the same time.
const SIDE_BY_SIDE: usize = 6;

const IMPORT: [&str; 8] = [
    "rollback",
    "shop/orders",
    "--yes",
    "--confirm",
    "shop/orders",
    "--way",
    "import",
    "--output=json",
];

struct ImportCell {
    number: usize,
    place: String,
}

impl Staged for ImportCell {
    fn told(&self) -> [String; 3] {
        [self.place.clone(), "kill".to_owned(), "import".to_owned()]
    }

    fn run(&self) -> Ended {
        let name = format!("import{}", self.number);
        let shop = Shop::open_on(ShopEngine::Postgres, &name, ShopOptions::default());
        let shop = shop.expect("PostgreSQL");
        let folder = shop.home().join("sinks");
        fs::create_dir(&folder).expect("makes a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
        let file = folder.join("db.env");
        shop.write_settings(&format!(
            "publish:\n  - file: {}\n    template: \"${{db.current.password}}\"\n",
            file.display()
        ));
        let settings = shop.file("settings.yaml").display().to_string();
        let words = ["env", "settings", "set", "shop/orders", "-f", &settings];
        shop.run(&words).expect_code(0);
        shop.rotate(&[]).expect_code(0);
        let older = shop.home().join("older.db").display().to_string();
        shop.run(&["store", "backup", &older]).expect_code(0);
        for _ in 0..2 {
            shop.rotate(&[]).expect_code(0);
        }
        let published = shop.assert_current_logs_in("before the store is lost");
        fs::remove_dir_all(shop.store()).expect("the store is lost");
        shop.run(&["store", "restore", &older]).expect_code(0);
        let hashes = || [&shop.first, &shop.second].map(|one| shop.stored_hash_of(one));
        let before = hashes();

        let armed = format!("{}=kill", self.place);
        stop_at(&shop, &IMPORT, &self.place, &armed, "kill");
        // Before the agreement was durable nothing was begun, and it is agreed to once more.
        let is_begun = !["lock.after", "way-chosen.before"].contains(&self.place.as_str());
        if is_begun {
            fs::remove_file(&file).expect("removes");
        }
        let again: &[&str] = if is_begun { &RECOVER } else { &IMPORT };
        shop.run(again).expect_code(0);
        let current = shop.assert_current_logs_in("after it was brought to its end");
        assert_eq!(current.name, published.name);
        assert_eq!(current.password.expose(), published.password.expose());
        assert_eq!(hashes(), before, "nothing was sent");
        let text = fs::read_to_string(&file).expect("it is published again");
        assert_eq!(text, published.password.expose());
        shop.rotate(&[]).expect_code(0);
        shop.assert_current_logs_in("after the next rotation");
        shop.run(&["audit", "verify"]).expect_code(0);
        Ended {
            case: "store-behind".to_owned(),
            outcome: format!("imported by {}", again[0]),
            parked: false,
            logins: 0,
        }
    }
}

#[test]
fn an_import_killed_at_any_effect_is_brought_to_its_end_without_the_file() {
    let places = [
        "lock.after",
        "way-chosen.before",
        "way-chosen.after",
        "verified.before",
        "verified.after",
        "promoted.before",
        "promoted.after",
        "publish-sent.before",
        "published.before",
    ];
    let cells = places.iter().enumerate();
    let cells = cells.map(|(number, place)| ImportCell {
        number,
        place: (*place).to_owned(),
    });
    matrix::go_through(["failpoint", "action", "in"], cells.collect(), SIDE_BY_SIDE);
}
