//! A shop with two rotated secrets in one environment.

use std::fs;

use serde_json::Value;

use crate::harness::{Run, identifier, server};
use crate::shop::{Account, Shop, ShopOptions, account_at, quoted};

/// A shop whose environment has two rotated secrets, `db` and `reports`.
pub(crate) struct TwoPairs {
    pub(crate) shop: Shop,
    pub(crate) third: Account,
    pub(crate) fourth: Account,
}

impl TwoPairs {
    /// `reports` is said to be at `port`; `settings` are lines below `databases`.
    pub(crate) fn open(name: &str, port: u16, settings: &str) -> Self {
        Self::open_as(name, port, settings, true)
    }

    /// As [`TwoPairs::open`], and nobody wrote which user of `reports` consumers read.
    pub(crate) fn open_without_state(name: &str, port: u16, settings: &str) -> Self {
        Self::open_as(name, port, settings, false)
    }

    fn open_as(name: &str, port: u16, settings: &str, has_state: bool) -> Self {
        let shop = Shop::bare(name, ShopOptions::default());
        let third = Account::new(format!("{}_c", shop.first.name));
        let fourth = Account::new(format!("{}_d", shop.first.name));
        for account in [&third, &fourth] {
            shop.create_role(account, "LOGIN");
        }
        let version: u32 = crate::harness::single("SHOW server_version_num")
            .parse()
            .expect("a number");
        if version >= 160_000 {
            for account in [&third, &fourth] {
                server()
                    .sql(&format!(
                        "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
                        identifier(&account.name),
                        identifier(&shop.managing.name)
                    ))
                    .expect("grants");
            }
        }
        let document = format!(
            "{}\x20 reports:\n\
             \x20   fn::rotate::postgres:\n\
             \x20     inputs:\n\
             \x20       database:\n\
             \x20         host: 127.0.0.1\n\
             \x20         port: {port}\n\
             \x20         database: postgres\n\
             \x20         managingUser:\n\
             \x20           username: ${{environments.shop.managing.db.username}}\n\
             \x20           password: ${{environments.shop.managing.db.password}}\n\
             \x20       rotateUsers:\n\
             \x20         username1: {third}\n\
             \x20         username2: {fourth}\n",
            shop.orders_document(),
            third = quoted(&third.name),
            fourth = quoted(&fourth.name),
        );
        let state = format!(
            "\x20     state:\n\
             \x20       current:\n\
             \x20         username: {third}\n\
             \x20         password: {{fn::secret: {third_password}}}\n\
             \x20       previous:\n\
             \x20         username: {fourth}\n\
             \x20         password: {{fn::secret: {fourth_password}}}\n",
            third = quoted(&third.name),
            fourth = quoted(&fourth.name),
            third_password = quoted(third.password.expose()),
            fourth_password = quoted(fourth.password.expose()),
        );
        let document = match has_state {
            true => document + &state,
            false => document,
        };
        fs::write(shop.file("orders.yaml"), document).expect("writes");
        shop.write_settings(settings);
        shop.init_key();
        shop.init_managing().expect_code(0);
        shop.init_orders().expect_code(0);
        Self {
            shop,
            third,
            fourth,
        }
    }

    pub(crate) fn retry(&self, more: &[&str]) -> Run {
        let words = ["retry", "shop/orders", "--yes", "--output", "json"];
        self.shop.run(&[&words, more].concat())
    }

    pub(crate) fn open_at(&self, path: &str) -> Value {
        let words = ["env", "open", "shop/orders", path, "--output", "json"];
        self.shop.run(&words).expect_code(0).json()
    }

    /// Both currents log in; answers their users.
    #[track_caller]
    pub(crate) fn assert_currents_log_in(&self, when: &str) -> [String; 2] {
        ["db", "reports"].map(|path| {
            let current = account_at(&self.open_at(path), "/current");
            let outcome = server().login(&current.name, &current.password);
            assert!(outcome.is_accepted(), "{when}: {path} {outcome:?}");
            current.name
        })
    }

    pub(crate) fn verifiers(&self) -> [String; 4] {
        let accounts = [
            &self.shop.first,
            &self.shop.second,
            &self.third,
            &self.fourth,
        ];
        accounts.map(|account| self.shop.verifier_of(account))
    }
}
