//! A shop with two rotated secrets in one environment.

use std::fs;

use serde_json::Value;

use crate::harness::Run;
use crate::shop::{Account, Shop, ShopEngine, ShopOptions, account_at, quoted};

/// A shop whose environment has two rotated secrets, `db` and `reports`.
pub(crate) struct TwoPairs {
    pub(crate) shop: Shop,
    pub(crate) third: Account,
    pub(crate) fourth: Account,
}

impl TwoPairs {
    /// `reports` is said to be at `port`; `settings` are lines below `databases`.
    pub(crate) fn open(name: &str, port: u16, settings: &str) -> Self {
        let shop = Shop::bare(name, ShopOptions::default());
        Self::in_shop(shop, port, settings, true)
    }

    /// The same on any engine, or `None` where that one was left out by name.
    pub(crate) fn open_on(engine: ShopEngine, name: &str, port: u16) -> Option<Self> {
        let shop = Shop::bare_on(engine, name, ShopOptions::default())?;
        Some(Self::in_shop(shop, port, "", true))
    }

    /// As [`TwoPairs::open`], and nobody wrote which user of `reports` consumers read.
    pub(crate) fn open_without_state(name: &str, port: u16, settings: &str) -> Self {
        let shop = Shop::bare(name, ShopOptions::default());
        Self::in_shop(shop, port, settings, false)
    }

    fn in_shop(shop: Shop, port: u16, settings: &str, has_state: bool) -> Self {
        let third = Account::new(format!("{}_c", shop.first.name));
        let fourth = Account::new(format!("{}_d", shop.first.name));
        for account in [&third, &fourth] {
            shop.create_user(account);
        }
        let document = format!(
            "{}\x20 reports:\n\
             \x20   {function}:\n\
             \x20     inputs:\n\
             \x20       database:\n\
             \x20         host: 127.0.0.1\n\
             \x20         port: {port}\n\
             \x20         database: {database}\n\
             \x20         managingUser:\n\
             \x20           username: ${{environments.shop.managing.db.username}}\n\
             \x20           password: ${{environments.shop.managing.db.password}}\n\
             \x20       rotateUsers:\n\
             \x20         username1: {third}\n\
             \x20         username2: {fourth}\n",
            shop.orders_document(),
            function = shop.function(),
            database = shop.database(),
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
        shop.init();
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
            let outcome = self.shop.login(&current);
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
