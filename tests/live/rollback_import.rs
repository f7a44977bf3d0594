//! The way out of a store that was restored from an older backup: a file of `publish` holds what
//! consumers read, and is believed only where that logs in.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serde_json::Value;

use crate::rollback::{expect_done, expect_plan, expect_refused, expect_well, result_of, rollback};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};

for_both! {
    the_credential_of_a_file_is_imported
    a_file_without_the_username_is_tried_as_both_users
    a_file_that_says_nothing_good_is_not_offered
}

mod postgres {
    use crate::shop::ShopEngine::Postgres;

    #[test]
    fn the_credential_of_a_file_is_imported() {
        super::the_credential_of_a_file_is_imported(Postgres);
    }

    #[test]
    fn a_file_without_the_username_is_tried_as_both_users() {
        super::a_file_without_the_username_is_tried_as_both_users(Postgres);
    }

    #[test]
    fn a_file_that_says_nothing_good_is_not_offered() {
        super::a_file_that_says_nothing_good_is_not_offered(Postgres);
    }
}

const NAMED: [&str; 3] = ["--yes", "--confirm", "shop/orders"];
const WHOLE: &str = "USER=${db.current.username}\\nPASSWORD=${db.current.password}\\n";
const PASSWORD: &str = "PASSWORD=${db.current.password}\\n";

/// A shop with a file, whose store was put back after more rotations.
struct Behind {
    shop: Shop,
    /// What consumers read in the file, which logs in.
    published: Account,
}

impl Behind {
    fn open(
        engine: ShopEngine,
        name: &str,
        options: ShopOptions,
        template: &str,
        rotations: usize,
    ) -> Option<Self> {
        let shop = Shop::open_on(engine, name, options)?;
        let folder = shop.home().join("sinks");
        fs::create_dir(&folder).expect("makes a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("protects");
        shop.write_settings(&format!(
            "publish:\n  - file: {}\n    template: \"{template}\"\n",
            folder.join("db.env").display()
        ));
        let settings = shop.file("settings.yaml").display().to_string();
        shop.run(&["env", "settings", "set", "shop/orders", "-f", &settings])
            .expect_code(0);
        shop.rotate(&[]).expect_code(0);
        let older = shop.home().join("older.db").display().to_string();
        shop.run(&["store", "backup", &older]).expect_code(0);
        for _ in 0..rotations {
            shop.rotate(&[]).expect_code(0);
        }
        let published = shop.assert_current_logs_in("before the store is lost");
        fs::remove_dir_all(shop.store()).expect("the store is lost");
        shop.run(&["store", "restore", &older]).expect_code(0);
        assert!(!shop.logs_in(&shop.current()), "the store is behind");
        Some(Self { shop, published })
    }

    fn file(&self) -> PathBuf {
        self.shop.home().join("sinks/db.env")
    }

    fn hashes(&self) -> [String; 2] {
        [&self.shop.first, &self.shop.second].map(|one| self.shop.stored_hash_of(one))
    }

    /// Neither is import offered, nor taken when it is asked for, and it is said why.
    #[track_caller]
    fn expect_not_offered(&self, why: &str) {
        expect_plan(&self.shop, "store-behind", &["re-issue"]);
        self.expect_evidence(why);
        let asked = [&NAMED[..], &["--way", "import"]].concat();
        let refused = expect_refused(&rollback(&self.shop, &asked), "way-not-offered");
        let message = refused["error"]["message"].to_string();
        assert!(message.contains(why), "{why}: {message}");
    }

    #[track_caller]
    fn expect_evidence(&self, words: &str) {
        let file = self.file().display().to_string();
        let shown = self.shop.run(&["rollback", "shop/orders", "--plan"]);
        shown.expect_code(0).expect_told(&[&file, words]);
    }

    /// Consumers of `env open` read what the file holds, and the store is in order again.
    #[track_caller]
    fn expect_imported(&self) {
        let shop = &self.shop;
        let current = shop.assert_current_logs_in("after the import");
        assert_eq!(current.name, self.published.name);
        assert_eq!(current.password.expose(), self.published.password.expose());
        let words = ["env", "open", "shop/orders", "db", "--output", "json"];
        let opened = shop.run(&words).expect_code(0).json();
        assert_eq!(opened["previous"]["password"], Value::Null, "it is refused");
        shop.run(&["verify", "shop/orders"]).expect_code(0);
    }
}

fn the_credential_of_a_file_is_imported(engine: ShopEngine) {
    // With two more rotations the file names the user that the older store has in `current`,
    // with three the other one.
    for rotations in [2, 3] {
        let options = ShopOptions::default();
        let Some(behind) = Behind::open(engine, "import", options, WHOLE, rotations) else {
            return;
        };
        let shop = &behind.shop;
        let (before, text) = (behind.hashes(), fs::read(behind.file()).expect("reads"));
        let planned = expect_plan(shop, "store-behind", &["import", "re-issue"]);
        behind.expect_evidence("with the password there: valid");
        let path = &planned["paths"][0];
        let offer = &path["ways"][0];
        assert_eq!(path["user"], behind.published.name.as_str(), "{planned:#}");
        assert_eq!(offer["typed"], true, "{planned:#}");
        assert_eq!(offer["changes"], Value::Null, "{planned:#}");
        let file = behind.file().display().to_string();
        assert!(offer["words"].to_string().contains(&file), "{planned:#}");
        expect_refused(&rollback(shop, &["--yes"]), "consumers-down");
        let wrong = ["--yes", "--confirm", "shop/other"];
        expect_refused(&rollback(shop, &wrong), "name-differs");

        let result = expect_done(&rollback(shop, &NAMED), "import");
        assert!(
            !result
                .to_string()
                .contains(behind.published.password.expose()),
            "it is told nowhere"
        );
        assert_eq!(result["sinks"][0]["state"], "confirmed", "{result:#}");
        assert_eq!(behind.hashes(), before, "nothing was sent");
        assert_eq!(fs::read(behind.file()).expect("reads"), text);
        behind.expect_imported();
        let told = shop.run(&["audit", "ls", "--output", "json"]);
        let told = told.expect_code(0).stdout;
        for words in ["rotation.way-chosen", "rotation.pending-sealed", &file] {
            assert!(told.contains(words), "{words}: {told}");
        }
        let rotation = result["rotation"].as_str().expect("a number");
        let report = shop.run(&["report", rotation]).expect_code(0).stdout;
        assert!(report.contains("a published file held"), "{report}");
        expect_well(shop);
    }
}

fn a_file_without_the_username_is_tried_as_both_users(engine: ShopEngine) {
    for rotations in [2, 3] {
        let options = ShopOptions::default();
        let Some(behind) = Behind::open(engine, "import_any", options, PASSWORD, rotations) else {
            return;
        };
        let planned = expect_plan(&behind.shop, "store-behind", &["import", "re-issue"]);
        let user = &planned["paths"][0]["user"];
        assert_eq!(user, behind.published.name.as_str(), "{planned:#}");
        expect_done(&rollback(&behind.shop, &NAMED), "import");
        behind.expect_imported();
        expect_well(&behind.shop);
    }
}

fn a_file_that_says_nothing_good_is_not_offered(engine: ShopEngine) {
    let options = ShopOptions::default();
    let Some(behind) = Behind::open(engine, "import_not", options, WHOLE, 2) else {
        return;
    };
    let (shop, file) = (&behind.shop, behind.file());
    let kept = fs::read_to_string(&file).expect("reads");
    let write = |text: &str| {
        fs::write(&file, text).expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("protects");
    };
    write("something else\n");
    behind.expect_not_offered("was not made by its template");
    write("USER=somebody\nPASSWORD=first-password\n");
    behind.expect_not_offered("not of the pair");
    write(&format!(
        "USER={}\nPASSWORD=first-password\n",
        shop.first.name
    ));
    behind.expect_not_offered("refused");
    let stored = shop.current();
    let (name, password) = (&stored.name, stored.password.expose());
    write(&format!("USER={name}\nPASSWORD={password}\n"));
    behind.expect_not_offered("it is the stored one");
    write(&kept);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("opens it");
    behind.expect_not_offered("others can read");
    let elsewhere = shop.home().join("elsewhere.env");
    fs::rename(&file, &elsewhere).expect("moves");
    behind.expect_not_offered("there is no such file");
    symlink(&elsewhere, &file).expect("links");
    behind.expect_not_offered("symbolic link");
    fs::remove_file(&file).expect("removes");

    expect_done(&rollback(shop, &NAMED), "re-issue");
    let current = shop.assert_current_logs_in("after the re-issue");
    let written = fs::read_to_string(&file).expect("it is published");
    assert!(written.contains(current.password.expose()));
    expect_well(shop);
}

#[test]
fn who_looks_often_at_a_file_shuts_nobody_out() {
    let options = ShopOptions {
        pair_has: "FAILED_LOGIN_ATTEMPTS 5 PASSWORD_LOCK_TIME UNBOUNDED",
        ..ShopOptions::default()
    };
    let engine = ShopEngine::MySql;
    let Some(behind) = Behind::open(engine, "import_counted", options, PASSWORD, 2) else {
        return;
    };
    let (shop, file) = (&behind.shop, behind.file());
    fs::write(&file, "PASSWORD=first-password\n").expect("writes");
    for _ in 0..8 {
        let result = result_of(&rollback(shop, &["--plan"]));
        assert_ne!(result["paths"][0]["ways"][0]["way"], "import", "{result:#}");
    }
    assert!(
        shop.logs_in(&behind.published),
        "two wrong passwords were left to others: {:?}",
        shop.login(&behind.published)
    );
}
