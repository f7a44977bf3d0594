//! One test's world: a home and a store of its own, a managing user and a pair of
//! application users on the shared server of an engine, and the two environments that name
//! them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handover::sandbox::{LoginOutcome, MysqlServer, PostgresServer, Row};
use handover::secret::Secret;
use serde_json::Value;
use tempfile::TempDir;

use self::engine::ShopServer;
pub(crate) use self::engine::{Held, MariaDbPlugin, ShopEngine};
use crate::harness::{Run, Running, first_value};

// Named, because this file is a module of two test programs.
#[path = "shop_engine.rs"]
mod engine;
#[path = "shop_mysql.rs"]
pub(crate) mod mysql;
#[path = "shop_postgres.rs"]
mod postgres;

/// A role and the password that it begins with.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: Secret,
}

impl Account {
    pub(crate) fn new(name: String) -> Self {
        let mut bytes = [0; 12];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        let password = Secret::new(format!("test-canary-{}", hex::encode(bytes)));
        Self { name, password }
    }
}

/// What is special about a shop; the default is one in which everything is right.
pub(crate) struct ShopOptions {
    pub(crate) engine: ShopEngine,
    pub(crate) propagation: &'static str,
    /// The rest of `drain`: without a window, one look is enough.
    pub(crate) drain: &'static str,
    pub(crate) connect_timeout: &'static str,
    pub(crate) statement_timeout: &'static str,
    pub(crate) lock_timeout: &'static str,
    pub(crate) protect: Option<&'static str>,
    /// Whether the managing user may change the application users' passwords.
    pub(crate) managing_may_alter: bool,
    /// Whether the managing user may see whose sessions there are.
    pub(crate) managing_sees_sessions: bool,
    /// Another name for the second application user, to which the first rotation goes.
    pub(crate) second_user: Option<String>,
    /// A PostgreSQL server of its own, for what would disturb the tests on the shared one.
    pub(crate) server: Option<Arc<PostgresServer>>,
    /// A server of its own, of any engine, that ends with the shop.
    pub(crate) own_server: bool,
    /// From where the pair logs in, on MySQL and MariaDB: each is a row of its own there.
    pub(crate) hosts: &'static [&'static str],
    pub(crate) mariadb_plugin: MariaDbPlugin,
    /// Further words of the statement that creates the pair there.
    pub(crate) pair_has: &'static str,
}

impl Default for ShopOptions {
    fn default() -> Self {
        Self {
            engine: ShopEngine::Postgres,
            propagation: "0s",
            drain: "quiet: 0s",
            connect_timeout: "5s",
            statement_timeout: "10s",
            lock_timeout: "3s",
            protect: None,
            managing_may_alter: true,
            managing_sees_sessions: true,
            second_user: None,
            server: None,
            own_server: false,
            hosts: &["%"],
            mariadb_plugin: MariaDbPlugin::Native,
            pair_has: "",
        }
    }
}

pub(crate) struct Shop {
    home: TempDir,
    place: Box<dyn ShopServer>,
    pub(crate) options: ShopOptions,
    pub(crate) managing: Account,
    /// In `current` before the first rotation.
    pub(crate) first: Account,
    /// In `previous` before the first rotation, which gives it a new password.
    pub(crate) second: Account,
    /// Where the orders' database is said to be; a test may point it elsewhere.
    pub(crate) port: u16,
}

impl Shop {
    /// A shop whose store holds both environments, ready to be rotated.
    #[track_caller]
    pub(crate) fn open(name: &str, options: ShopOptions) -> Self {
        let shop = Self::bare(name, options);
        shop.init();
        shop
    }

    /// The same on any engine, or `None` where that one was left out by name, which the
    /// terminal is told: `let Some(shop) = Shop::open_on(…) else { return };`
    #[track_caller]
    pub(crate) fn open_on(engine: ShopEngine, name: &str, options: ShopOptions) -> Option<Self> {
        let shop = Self::bare_on(engine, name, options)?;
        shop.init();
        Some(shop)
    }

    /// Makes the store, with what the files say now.
    #[track_caller]
    pub(crate) fn init(&self) {
        self.init_key();
        self.init_managing().expect_code(0);
        self.init_orders().expect_code(0);
    }

    /// Users and files, and no store yet.
    #[track_caller]
    pub(crate) fn bare(name: &str, options: ShopOptions) -> Self {
        let engine = options.engine;
        Self::bare_on(engine, name, options).expect("the engine was left out: Shop::open_on")
    }

    /// The same on any engine, or `None` where that one was left out by name.
    #[track_caller]
    pub(crate) fn bare_on(engine: ShopEngine, name: &str, options: ShopOptions) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let options = ShopOptions { engine, ..options };
        let place = engine::server_of(&options)?;
        let prefix = format!("{name}_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let home = tempfile::tempdir().expect("makes a folder");
        fs::create_dir(home.path().join("files")).expect("makes a folder");
        let second = options.second_user.clone();
        let shop = Self {
            home,
            options,
            managing: Account::new(format!("{prefix}_managing")),
            first: Account::new(format!("{prefix}_a")),
            second: Account::new(second.unwrap_or_else(|| format!("{prefix}_b"))),
            port: place.port(),
            place,
        };
        shop.place.create_accounts(&shop);
        fs::write(shop.file("ca.pem"), shop.place.ca_pem()).expect("writes");
        shop.write_managing(&shop.managing.password);
        shop.write_orders();
        shop.write_settings("");
        Some(shop)
    }

    /// Where its roles live: a server of its own, or the shared one.
    #[track_caller]
    pub(crate) fn server(&self) -> &PostgresServer {
        self.place.postgres().expect("this shop is on PostgreSQL")
    }

    /// The same of a shop on MySQL or MariaDB.
    #[track_caller]
    pub(crate) fn mysql_server(&self) -> &MysqlServer {
        let server = self.place.mysql();
        server.expect("this shop is on MySQL or MariaDB")
    }

    /// The first value of the first row that its PostgreSQL answers.
    #[track_caller]
    pub(crate) fn single(&self, query: &str) -> String {
        first_value(self.server(), query)
    }

    /// Runs statements as the superuser, on any engine.
    #[track_caller]
    pub(crate) fn run_sql(&self, statements: &str) -> Vec<Row> {
        self.place.run_sql(statements)
    }

    /// Tries a login over verified TLS.
    pub(crate) fn login(&self, account: &Account) -> LoginOutcome {
        self.place.login(&account.name, &account.password)
    }

    pub(crate) fn logs_in(&self, account: &Account) -> bool {
        self.login(account).is_accepted()
    }

    pub(crate) fn sessions_of(&self, account: &Account) -> usize {
        self.place.sessions_of(&account.name)
    }

    /// How many sessions of a user wait for a lock within a statement.
    pub(crate) fn waiting_sessions_of(&self, account: &Account) -> usize {
        self.place.waiting_sessions_of(&account.name)
    }

    /// A session that stays connected until it is dropped.
    #[track_caller]
    pub(crate) fn hold_session(&self, account: &Account) -> Held {
        self.place.hold_session(&account.name, &account.password)
    }

    /// Until it is dropped, a change of the user's password waits. On MySQL and MariaDB this
    /// takes `own_server`.
    #[track_caller]
    pub(crate) fn lock_the_user(&self, account: &Account) -> Held {
        self.place.lock_the_user(&account.name)
    }

    /// The lock that a rotation of the user takes before it sends anything.
    #[track_caller]
    pub(crate) fn hold_the_rotation_lock(&self, account: &Account) -> Held {
        self.place.hold_the_rotation_lock(&account.name)
    }

    /// One more application user, with all that the pair has.
    #[track_caller]
    pub(crate) fn create_user(&self, account: &Account) {
        self.place.create_user(self, account);
    }

    /// What rotates a pair of its engine.
    pub(crate) fn function(&self) -> &'static str {
        self.place.function()
    }

    /// Into which database its consumers log in.
    pub(crate) fn database(&self) -> &'static str {
        self.place.database()
    }

    /// The superuser gives a user the account's password.
    #[track_caller]
    pub(crate) fn set_password(&self, account: &Account) {
        self.place.set_password(self, account);
    }

    /// Whether its server was not stopped.
    pub(crate) fn is_running(&self) -> bool {
        self.place.is_running()
    }

    /// A file that the test hands to the program.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("files").join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.home.path().join("master.key")
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn write_managing(&self, password: &Secret) {
        let text = format!(
            "# Who may change passwords. The database team owns this file.\n\
             values:\n  db:\n    username: {}\n    password:\n      fn::secret: {}\n",
            quoted(&self.managing.name),
            quoted(password.expose()),
        );
        fs::write(self.file("managing.yaml"), text).expect("writes");
    }

    pub(crate) fn write_orders(&self) {
        fs::write(self.file("orders.yaml"), self.orders_document()).expect("writes");
    }

    /// The environment that consumers read, with comments that must survive.
    pub(crate) fn orders_document(&self) -> String {
        format!(
            "# The orders service reads this.\n\
             values:\n\
             \x20 greeting: hello   # not a secret\n\
             \x20 db:\n\
             \x20   {function}:\n\
             \x20     inputs:\n\
             \x20       database:\n\
             \x20         host: 127.0.0.1\n\
             \x20         port: {port}\n\
             \x20         database: {database}\n\
             \x20         managingUser:\n\
             \x20           username: ${{environments.shop.managing.db.username}}\n\
             \x20           password: ${{environments.shop.managing.db.password}}\n\
             \x20       rotateUsers:   # they take turns\n\
             \x20         username1: {first}\n\
             \x20         username2: {second}\n\
             \x20     state:\n\
             \x20       current:\n\
             \x20         username: {first}\n\
             \x20         password:\n\
             \x20           fn::secret: {first_password}\n\
             \x20       previous:\n\
             \x20         username: {second}\n\
             \x20         password:\n\
             \x20           fn::secret: {second_password}\n",
            function = self.place.function(),
            database = self.place.database(),
            port = self.port,
            first = quoted(&self.first.name),
            second = quoted(&self.second.name),
            first_password = quoted(self.first.password.expose()),
            second_password = quoted(self.second.password.expose()),
        )
    }

    /// The settings, with `more` lines at their end.
    pub(crate) fn write_settings(&self, more: &str) {
        let protect = self
            .options
            .protect
            .map(|level| format!("protect: {level}\n"))
            .unwrap_or_default();
        let text = format!(
            "{protect}databases:\n  \"*\":\n    \
             tls: {{mode: verify-full, ca: {ca}}}\n    \
             drain: {{propagation: {propagation}, {drain}}}\n    \
             timeouts: {{connect: {connect}, statement: {statement}, lock: {lock}}}\n{more}",
            ca = quoted(&self.file("ca.pem").display().to_string()),
            propagation = self.options.propagation,
            drain = self.options.drain,
            connect = self.options.connect_timeout,
            statement = self.options.statement_timeout,
            lock = self.options.lock_timeout,
        );
        fs::write(self.file("settings.yaml"), text).expect("writes");
    }

    /// Makes the private store folder and the master key.
    #[track_caller]
    pub(crate) fn init_key(&self) {
        if !self.store().exists() {
            fs::create_dir(self.store()).expect("makes a folder");
        }
        fs::set_permissions(self.store(), fs::Permissions::from_mode(0o700)).expect("protects");
        let key_file = self.key_file().display().to_string();
        self.run(&["key", "init", "--file", &key_file])
            .expect_code(0);
    }

    pub(crate) fn init_managing(&self) -> Run {
        let file = self.file("managing.yaml").display().to_string();
        self.run(&["env", "init", "shop/managing", "-f", &file])
    }

    pub(crate) fn init_orders(&self) -> Run {
        let file = self.file("orders.yaml").display().to_string();
        let settings = self.file("settings.yaml").display().to_string();
        self.run(&[
            "env",
            "init",
            "shop/orders",
            "-f",
            &file,
            "--settings",
            &settings,
        ])
    }

    /// The program with nothing in its environment that the test does not mean.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handover"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("TERM", "dumb")
            .env("LANG", "C.UTF-8")
            .env("HANDOVER_STORE", self.store())
            .current_dir(self.home.path());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.start(arguments).finish()
    }

    /// `rotate shop/orders --yes --output json`, with more arguments.
    #[track_caller]
    pub(crate) fn rotate(&self, more: &[&str]) -> Run {
        self.run(
            &[
                &["rotate", "shop/orders", "--yes", "--output", "json"],
                more,
            ]
            .concat(),
        )
    }

    /// `rotate shop/orders --plan --output json`.
    #[track_caller]
    pub(crate) fn plan(&self) -> Run {
        self.run(&["rotate", "shop/orders", "--plan", "--output", "json"])
    }

    /// What a consumer reads as `current`.
    #[track_caller]
    pub(crate) fn current(&self) -> Account {
        let run = self
            .run(&["env", "open", "shop/orders", "db", "--output", "json"])
            .expect_code(0);
        account_at(&run.json(), "/current")
    }

    /// Reads `current` and panics when the database does not take it.
    #[track_caller]
    pub(crate) fn assert_current_logs_in(&self, when: &str) -> Account {
        let current = self.current();
        let outcome = self.login(&current);
        assert!(
            outcome.is_accepted(),
            "{when}: {} {outcome:?}",
            current.name
        );
        current
    }

    /// The numbers of the revisions of `shop/orders`, as often as they are listed.
    #[track_caller]
    pub(crate) fn revision_count(&self) -> usize {
        let run = self
            .run(&["env", "history", "shop/orders", "--output", "json"])
            .expect_code(0);
        let value = run.json();
        value["revisions"].as_array().expect("a list").len()
    }

    /// What the server keeps for a user's password; it changes with the password only.
    #[track_caller]
    pub(crate) fn stored_hash_of(&self, account: &Account) -> String {
        self.place.stored_hash_of(&account.name)
    }

    /// All that decides whether a user is let in: passwords, locks, expiry.
    #[track_caller]
    pub(crate) fn way_in_of(&self, account: &Account) -> Vec<Row> {
        self.place.way_in_of(&account.name)
    }

    /// The server keeps the same for each row of a user: none was left out.
    #[track_caller]
    pub(crate) fn assert_rows_agree(&self, account: &Account) {
        let stored = self.stored_hash_of(account);
        let of = |row: &str| row.split_once(' ').map(|(_, kept)| kept.to_owned());
        let mut rows = stored.split("; ").map(of);
        let first = rows.next();
        assert!(rows.all(|row| Some(row) == first), "{stored}");
    }

    /// PostgreSQL's word for [`Shop::stored_hash_of`].
    #[track_caller]
    pub(crate) fn verifier_of(&self, account: &Account) -> String {
        self.stored_hash_of(account)
    }
}

/// A username and a password somewhere in an answer of the program.
#[track_caller]
pub(crate) fn account_at(value: &Value, pointer: &str) -> Account {
    let text = |member: &str| match value.pointer(&format!("{pointer}/{member}")) {
        Some(Value::String(text)) => text.clone(),
        other => panic!("no {pointer}/{member}: {other:?}"),
    };
    Account {
        name: text("username"),
        password: Secret::new(text("password")),
    }
}

/// `text` as a double-quoted YAML scalar, which JSON's strings are.
pub(crate) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
