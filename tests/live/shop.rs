//! One test's world: a home and a store of its own, a managing user and a pair of
//! application users on the shared server, and the two environments that name them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handover::sandbox::PostgresServer;
use handover::secret::{SCRAM_SALT_LENGTH, ScramVerifier, Secret};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Run, Running, first_value, identifier, literal, server};

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
    pub(crate) propagation: &'static str,
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
    /// A server of its own, for what would disturb the tests on the shared one.
    pub(crate) server: Option<Arc<PostgresServer>>,
}

impl Default for ShopOptions {
    fn default() -> Self {
        Self {
            propagation: "0s",
            connect_timeout: "5s",
            statement_timeout: "10s",
            lock_timeout: "3s",
            protect: None,
            managing_may_alter: true,
            managing_sees_sessions: true,
            second_user: None,
            server: None,
        }
    }
}

pub(crate) struct Shop {
    home: TempDir,
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

    /// Makes the store, with what the files say now.
    #[track_caller]
    pub(crate) fn init(&self) {
        self.init_key();
        self.init_managing().expect_code(0);
        self.init_orders().expect_code(0);
    }

    /// Roles and files, and no store yet.
    pub(crate) fn bare(name: &str, options: ShopOptions) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let prefix = format!("{name}_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let home = tempfile::tempdir().expect("makes a folder");
        fs::create_dir(home.path().join("files")).expect("makes a folder");
        let second = options.second_user.clone();
        let port = server_of(&options).port();
        let shop = Self {
            home,
            options,
            managing: Account::new(format!("{prefix}_managing")),
            first: Account::new(format!("{prefix}_a")),
            second: Account::new(second.unwrap_or_else(|| format!("{prefix}_b"))),
            port,
        };
        shop.create_roles();
        fs::write(shop.file("ca.pem"), shop.server().ca_pem()).expect("writes");
        shop.write_managing(&shop.managing.password);
        shop.write_orders();
        shop.write_settings("");
        shop
    }

    /// Where its roles live: a server of its own, or the shared one.
    pub(crate) fn server(&self) -> &PostgresServer {
        server_of(&self.options)
    }

    /// The first value of the first row that its server answers.
    #[track_caller]
    pub(crate) fn single(&self, query: &str) -> String {
        first_value(self.server(), query)
    }

    /// Passwords reach the server as verifiers only, so that whatever a log shows later
    /// was not written by the test itself.
    fn create_roles(&self) {
        for account in [&self.first, &self.second] {
            self.create_role(account, "LOGIN");
        }
        let may_alter = self.options.managing_may_alter;
        let attributes = if may_alter {
            "LOGIN CREATEROLE"
        } else {
            "LOGIN"
        };
        self.create_role(&self.managing, attributes);
        let managing = identifier(&self.managing.name);
        if self.has_rights_since_16() {
            self.server()
                .sql(&format!("GRANT pg_use_reserved_connections TO {managing}"))
                .expect("grants");
            if may_alter {
                self.grant_admin(&self.first);
                self.grant_admin(&self.second);
            }
        }
        if self.options.managing_sees_sessions {
            self.server()
                .sql(&format!("GRANT pg_read_all_stats TO {managing}"))
                .expect("grants");
        }
    }

    /// Since PostgreSQL 16 the right to alter a role is the ADMIN option on it.
    fn grant_admin(&self, account: &Account) {
        let (role, managing) = (identifier(&account.name), identifier(&self.managing.name));
        self.server()
            .sql(&format!(
                "GRANT {role} TO {managing} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
            ))
            .expect("grants");
    }

    /// Whether the server has the rights that came with PostgreSQL 16.
    fn has_rights_since_16(&self) -> bool {
        let version = self.single("SHOW server_version_num");
        version.parse::<u32>().expect("a number") >= 160_000
    }

    pub(crate) fn create_role(&self, account: &Account, attributes: &str) {
        self.create_role_on(self.server(), account, attributes);
    }

    /// The same account on any server.
    pub(crate) fn create_role_on(
        &self,
        server: &PostgresServer,
        account: &Account,
        attributes: &str,
    ) {
        let salt = [7; SCRAM_SALT_LENGTH];
        let verifier = ScramVerifier::derive(&account.password, &salt).expect("derives");
        server
            .sql(&format!(
                "CREATE ROLE {} {attributes} PASSWORD {}",
                identifier(&account.name),
                literal(verifier.as_str())
            ))
            .expect("creates a role");
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
             \x20   fn::rotate::postgres:\n\
             \x20     inputs:\n\
             \x20       database:\n\
             \x20         host: 127.0.0.1\n\
             \x20         port: {port}\n\
             \x20         database: postgres\n\
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
             drain: {{propagation: {propagation}}}\n    \
             timeouts: {{connect: {connect}, statement: {statement}, lock: {lock}}}\n{more}",
            ca = quoted(&self.file("ca.pem").display().to_string()),
            propagation = self.options.propagation,
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
        let outcome = self.server().login(&current.name, &current.password);
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

    /// What the server keeps for a role's password; it changes with the password only.
    #[track_caller]
    pub(crate) fn verifier_of(&self, account: &Account) -> String {
        self.single(&format!(
            "SELECT rolpassword FROM pg_authid WHERE rolname = {}",
            literal(&account.name)
        ))
    }
}

fn server_of(options: &ShopOptions) -> &PostgresServer {
    match &options.server {
        Some(own) => own,
        None => server(),
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
