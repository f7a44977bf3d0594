//! Several rotated secrets in one environment, of MySQL, of MariaDB, and beside one of
//! PostgreSQL; giving a rotation up; being asked to stop; and the pages for a person.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::contract::{names_case, result_of};
use crate::harness::{Run, wait_until};
use crate::mysql_scenarios::expect_no_foreign_words;
use crate::mysql_world::{private, show};
use crate::scenes::{ROTATE, needy_on, recover, waiting};
use crate::several::{DeadPort, path_of};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions, account_at, quoted};
use crate::signals::{ask_to_stop, assert_interrupted};
use crate::two_pairs::TwoPairs;

for_both! {
    a_path_that_cannot_be_reached_is_retried_alone
    beside_a_secret_of_postgres_both_are_promoted_in_one_revision
    beside_a_secret_of_postgres_a_server_that_is_gone_holds_up_its_own_path_alone
    what_is_given_up_leaves_consumers_what_they_read
    asked_to_stop_while_the_change_waits_it_is_finished_and_not_promoted
    a_plan_and_a_runbook_speak_of_the_engine
}

fn a_path_that_cannot_be_reached_is_retried_alone(engine: ShopEngine) {
    let dead = DeadPort::take();
    let Some(two) = TwoPairs::open_on(engine, "part", dead.port) else {
        return;
    };
    let run = two.shop.rotate(&[]).expect_code(3);
    show(&run);
    expect_no_foreign_words(&run);
    let result = result_of(&run);
    assert_eq!(result["status"], "partial", "{result:#}");
    assert_eq!(path_of(&result, "db")["status"], "done", "{result:#}");
    let reports = path_of(&result, "reports");
    assert_eq!(reports["status"], "unreachable", "{result:#}");
    assert!(names_case(&result, "unreachable"), "{result:#}");
    run.expect_told(&["handover retry shop/orders"]);
    two.retry(&[]).expect_code(3);

    dead.lead_to(two.shop.mysql_server().port(), 0);
    let result = result_of(&two.retry(&[]).expect_code(0));
    assert_eq!(path_of(&result, "reports")["status"], "done", "{result:#}");
    let users = two.assert_currents_log_in("after the retry");
    let expected = [&two.shop.second.name, &two.fourth.name];
    assert_eq!(users.each_ref(), expected);
}

/// An environment with `db` on PostgreSQL and `reports` on another engine.
struct Mixed {
    postgres: Shop,
    other: Shop,
}

impl Mixed {
    fn open(engine: ShopEngine, name: &str) -> Option<Self> {
        let other = Shop::bare_on(engine, name, private())?;
        let postgres = Shop::bare(&format!("{name}_pg"), ShopOptions::default());
        let document = format!(
            "{}\x20 reports:\n\
             \x20   {function}:\n\
             \x20     inputs:\n\
             \x20       database:\n\
             \x20         host: 127.0.0.1\n\
             \x20         port: {port}\n\
             \x20         database: {database}\n\
             \x20         managingUser: {managing}\n\
             \x20       rotateUsers: {{username1: {first}, username2: {second}}}\n\
             \x20     state:\n\
             \x20       current: {current}\n\
             \x20       previous: {previous}\n",
            postgres.orders_document(),
            function = other.function(),
            port = other.port,
            database = other.database(),
            managing = login(&other.managing),
            first = quoted(&other.first.name),
            second = quoted(&other.second.name),
            current = login(&other.first),
            previous = login(&other.second),
        );
        fs::write(postgres.file("orders.yaml"), document).expect("writes");
        let authorities = [&postgres, &other].map(|shop| {
            let text = fs::read_to_string(shop.file("ca.pem"));
            text.expect("reads")
        });
        fs::write(postgres.file("ca.pem"), authorities.concat()).expect("writes");
        postgres.init();
        Some(Self { postgres, other })
    }

    /// Both log in where they belong.
    #[track_caller]
    fn assert_currents_log_in(&self, when: &str) -> [String; 2] {
        [("db", &self.postgres), ("reports", &self.other)].map(|(path, place)| {
            let words = ["env", "open", "shop/orders", path, "--output", "json"];
            let opened = self.postgres.run(&words).expect_code(0).json();
            let current = account_at(&opened, "/current");
            assert!(place.logs_in(&current), "{when}: {path}");
            current.name
        })
    }

    fn retry(&self) -> Run {
        let words = ["retry", "shop/orders", "--yes", "--output", "json"];
        self.postgres.run(&words)
    }
}

fn login(account: &Account) -> String {
    let (name, password) = (quoted(&account.name), quoted(account.password.expose()));
    format!("{{username: {name}, password: {{fn::secret: {password}}}}}")
}

fn beside_a_secret_of_postgres_both_are_promoted_in_one_revision(engine: ShopEngine) {
    let Some(mixed) = Mixed::open(engine, "mixed") else {
        return;
    };
    let shop = &mixed.postgres;
    let run = shop.run(&["rotate", "shop/orders", "--plan"]);
    show(&run);
    let server = match engine {
        ShopEngine::MySql => "MySQL ",
        _ => "MariaDB ",
    };
    run.expect_code(0).expect_told(&["PostgreSQL ", server]);
    let before = shop.revision_count();
    let result = result_of(&shop.rotate(&[]).expect_code(0));
    assert_eq!(result["status"], "done", "{result:#}");
    assert_eq!(shop.revision_count(), before + 1, "one revision");
    for (path, user) in [("db", &shop.second), ("reports", &mixed.other.second)] {
        let path = path_of(&result, path);
        assert_eq!(path["status"], "done", "{result:#}");
        assert_eq!(path["revision"], result["revision"], "{result:#}");
        assert_eq!(path["user"], user.name.as_str(), "{result:#}");
    }
    let users = mixed.assert_currents_log_in("after the rotation");
    assert_eq!(
        users.each_ref(),
        [&shop.second.name, &mixed.other.second.name]
    );
    shop.rotate(&[]).expect_code(0);
    mixed.assert_currents_log_in("after the rotation back");
}

fn beside_a_secret_of_postgres_a_server_that_is_gone_holds_up_its_own_path_alone(
    engine: ShopEngine,
) {
    let Some(mixed) = Mixed::open(engine, "mixed_gone") else {
        return;
    };
    let shop = &mixed.postgres;
    let server = mixed.other.mysql_server();
    server.stop().expect("stops");
    let run = shop.rotate(&[]).expect_code(3);
    show(&run);
    let result = result_of(&run);
    assert_eq!(result["status"], "partial", "{result:#}");
    assert_eq!(path_of(&result, "db")["status"], "done", "{result:#}");
    let reports = path_of(&result, "reports");
    assert_eq!(reports["status"], "unreachable", "{result:#}");
    mixed.retry().expect_code(3);
    server.start_again().expect("starts");
    let result = result_of(&mixed.retry().expect_code(0));
    assert_eq!(path_of(&result, "reports")["status"], "done", "{result:#}");
    let users = mixed.assert_currents_log_in("after the retry");
    assert_eq!(
        users.each_ref(),
        [&shop.second.name, &mixed.other.second.name]
    );
}

fn what_is_given_up_leaves_consumers_what_they_read(engine: ShopEngine) {
    let Some(shop) = needy_on(engine, "given_up", ShopOptions::default(), "shop.never") else {
        return;
    };
    shop.rotate(&[]).expect_code(5);
    let hashes = || [&shop.first, &shop.second].map(|one| shop.stored_hash_of(one));
    let applied = hashes();
    let words = ["abandon", "shop/orders", "db", "--yes"];
    let run = shop.run(&words).expect_code(0);
    show(&run);
    expect_no_foreign_words(&run);
    assert_eq!(hashes(), applied, "nothing is changed in the database");
    let current = shop.assert_current_logs_in("after abandoning");
    assert_eq!(current.name, shop.first.name);
    let again = result_of(&recover(&shop).expect_code(0));
    assert_eq!(again["rotation"], Value::Null, "{again:#}");
}

fn asked_to_stop_while_the_change_waits_it_is_finished_and_not_promoted(engine: ShopEngine) {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let Some(shop) = Shop::open_on(engine, "asked", private()) else {
            return;
        };
        let before = shop.stored_hash_of(&shop.second);
        let lock = shop.lock_the_user(&shop.second);
        let mut rotation = shop.start(&ROTATE);
        wait_until("the change waits", || waiting(&shop) > 0);
        ask_to_stop(&shop, &mut rotation, signal);
        drop(lock);
        let run = rotation.finish();
        show(&run);
        expect_no_foreign_words(&run);
        assert_interrupted(&run, 5, signal, "S3");
        run.expect_told(&["the new password is set and not promoted"]);
        assert_ne!(shop.stored_hash_of(&shop.second), before, "it was finished");
        shop.assert_current_logs_in("after the stop");
        recover(&shop).expect_code(0);
        let current = shop.assert_current_logs_in("after recover");
        assert_eq!(current.name, shop.second.name);
    }
}

fn a_plan_and_a_runbook_speak_of_the_engine(engine: ShopEngine) {
    let Some(shop) = needy_on(engine, "pages", ShopOptions::default(), "shop.pages") else {
        return;
    };
    let run = shop.run(&["rotate", "shop/orders", "--plan"]);
    show(&run);
    expect_no_foreign_words(&run);
    let told = ["ALTER USER", "IDENTIFIED", &shop.second.name];
    run.expect_code(0).expect_told(&told);
    shop.rotate(&[]).expect_code(5);
    let page = shop.file("orders.md");
    let words = ["recover", "shop/orders", "--runbook"];
    let run = shop.run(&[&words[..], &[&page.display().to_string()]].concat());
    let page = fs::read_to_string(&page).expect("is written");
    let page = Run {
        stdout: page,
        ..run
    };
    show(&page);
    expect_no_foreign_words(&page);
    page.expect_told(&["verify-failed", "SELECT", &shop.second.name]);
}
