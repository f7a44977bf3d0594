//! A shop on MySQL or MariaDB.

use handover::sandbox::{LoginOutcome, MysqlFlavour, MysqlServer, Row};
use handover::secret::{
    CACHING_SHA2_SALT_LENGTH, CachingSha2Hash, Ed25519Hash, NativePasswordHash, Secret,
};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::runtime::Runtime;

use super::engine::{Held, MariaDbPlugin, Place, ShopServer};
use super::{Account, Shop};

/// What the consumers log in to, and all that they may read.
const DATABASE: &str = "shop";

/// How often a login by ed25519 is tried. The driver takes a last NUL off the challenge,
/// which is one in 256, so that a right password is refused; a wrong one always is, and no
/// password of a test becomes right again.
const TRIES: usize = 3;

pub(super) struct MysqlShop {
    pub(super) server: Place<MysqlServer>,
    pub(super) plugin: MariaDbPlugin,
}

impl MysqlShop {
    fn create(&self, account: &Account, hosts: &[&str], plugin: MariaDbPlugin, has: &str) {
        let way = self.way_in(&account.password, plugin);
        let rows = hosts
            .iter()
            .map(|host| format!("{} {way}", at(&account.name, host)));
        let rows: Vec<String> = rows.collect();
        self.run_sql(&format!("CREATE USER {} {has}", rows.join(", ")));
    }

    /// How the flavour takes a hash instead of a password.
    fn way_in(&self, password: &Secret, plugin: MariaDbPlugin) -> String {
        const DERIVES: &str = "a test's password is printable";
        match (self.server.flavour(), plugin) {
            (MysqlFlavour::MySql, _) => {
                let salt = [7; CACHING_SHA2_SALT_LENGTH];
                let hash = CachingSha2Hash::derive(password, &salt).expect(DERIVES);
                let hash = hash.hex_literal();
                format!("IDENTIFIED WITH caching_sha2_password AS {}", &*hash)
            }
            (MysqlFlavour::MariaDb, MariaDbPlugin::Native) => {
                let hash = NativePasswordHash::derive(password).expect(DERIVES);
                let hash = hash.as_str();
                format!("IDENTIFIED VIA mysql_native_password USING '{hash}'")
            }
            (MysqlFlavour::MariaDb, MariaDbPlugin::Ed25519) => {
                let hash = Ed25519Hash::derive(password).expect(DERIVES);
                format!("IDENTIFIED VIA ed25519 USING '{}'", hash.as_str())
            }
        }
    }

    /// User, command and state of each session.
    fn process_list(&self) -> Vec<[String; 3]> {
        let rows = self.run_sql("SHOW FULL PROCESSLIST");
        let text = |row: &Row, column: usize| row[column].clone().unwrap_or_default();
        let rows = rows.iter();
        rows.map(|row| [text(row, 1), text(row, 4), text(row, 6)])
            .collect()
    }
}

impl ShopServer for MysqlShop {
    fn function(&self) -> &'static str {
        "fn::rotate::mysql"
    }

    fn database(&self) -> &'static str {
        DATABASE
    }

    fn port(&self) -> u16 {
        self.server.port()
    }

    fn ca_pem(&self) -> &str {
        self.server.ca_pem()
    }

    fn login(&self, user: &str, password: &Secret) -> LoginOutcome {
        let outcome = self.server.login(user, password);
        let is_ed25519 =
            self.server.flavour() == MysqlFlavour::MariaDb && self.plugin == MariaDbPlugin::Ed25519;
        if outcome.is_accepted() || !is_ed25519 {
            return outcome;
        }
        let mut again = (1..TRIES).map(|_| self.server.login(user, password));
        again.find(LoginOutcome::is_accepted).unwrap_or(outcome)
    }

    fn run_sql(&self, statements: &str) -> Vec<Row> {
        let answer = self.server.sql(statements);
        answer.expect("the server takes the statements")
    }

    fn create_accounts(&self, shop: &Shop) {
        let options = &shop.options;
        self.run_sql(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}"));
        for account in [&shop.first, &shop.second] {
            self.create_user(shop, account);
        }
        self.create(&shop.managing, &["%"], MariaDbPlugin::Native, "");
        let managing = at(&shop.managing.name, "%");
        let mut rights = vec!["SELECT ON mysql.*"];
        if options.managing_may_alter {
            rights.push("CREATE USER ON *.*");
        }
        if options.managing_sees_sessions {
            rights.push("PROCESS ON *.*");
            if self.server.flavour() == MysqlFlavour::MySql {
                rights.push("SELECT ON performance_schema.*");
            }
        }
        for right in rights {
            self.run_sql(&format!("GRANT {right} TO {managing}"));
        }
    }

    fn create_user(&self, shop: &Shop, account: &Account) {
        let options = &shop.options;
        let plugin = options.mariadb_plugin;
        self.create(account, options.hosts, plugin, options.pair_has);
        for host in options.hosts {
            let user = at(&account.name, host);
            self.run_sql(&format!("GRANT SELECT ON {DATABASE}.* TO {user}"));
        }
    }

    fn stored_hash_of(&self, user: &str) -> String {
        let rows = self.run_sql(&format!(
            "SELECT CONCAT_WS(' ', host, plugin, authentication_string) \
             FROM mysql.user WHERE user = {} ORDER BY host",
            bytes(user)
        ));
        assert!(!rows.is_empty(), "{user} has no row");
        let rows: Vec<String> = rows.into_iter().flatten().flatten().collect();
        rows.join("; ")
    }

    fn way_in_of(&self, user: &str) -> Vec<Row> {
        let table = match self.server.flavour() {
            MysqlFlavour::MySql => "mysql.user",
            MysqlFlavour::MariaDb => "mysql.global_priv",
        };
        self.run_sql(&format!(
            "SELECT * FROM {table} WHERE user = {} ORDER BY host",
            bytes(user)
        ))
    }

    fn sessions_of(&self, user: &str) -> usize {
        let sessions = self.process_list();
        sessions
            .iter()
            .filter(|[whose, _, _]| whose == user)
            .count()
    }

    fn waiting_sessions_of(&self, user: &str) -> usize {
        let sessions = self.process_list();
        let waiting = sessions.iter().filter(|[whose, command, state]| {
            let waits = state.starts_with("Waiting for") || state == "User lock";
            whose == user && command == "Query" && waits
        });
        waiting.count()
    }

    fn hold_session(&self, user: &str, password: &Secret) -> Held {
        Box::new(HeldMysqlSession::open(&self.server, user, password))
    }

    /// A lock that holds up changes of one user alone is not known to these servers: the
    /// whole server is locked.
    fn lock_the_user(&self, _: &str) -> Held {
        assert!(
            matches!(self.server, Place::Own(_)),
            "it would disturb the tests on the shared server: ShopOptions.own_server"
        );
        let superuser = self.server.superuser();
        let mut session =
            HeldMysqlSession::open(&self.server, &superuser.name, &superuser.password);
        session.run("FLUSH TABLES WITH READ LOCK");
        Box::new(session)
    }

    fn hold_the_rotation_lock(&self, user: &str) -> Held {
        let superuser = self.server.superuser();
        let mut session =
            HeldMysqlSession::open(&self.server, &superuser.name, &superuser.password);
        session.run(&format!(
            "DO GET_LOCK(CONCAT('handover:', LEFT(SHA2({}, 256), 40)), 10)",
            bytes(user)
        ));
        Box::new(session)
    }

    fn set_password(&self, shop: &Shop, account: &Account) {
        let way = self.way_in(&account.password, shop.options.mariadb_plugin);
        for host in shop.options.hosts {
            self.run_sql(&format!("ALTER USER {} {way}", at(&account.name, host)));
        }
    }

    fn is_running(&self) -> bool {
        self.server.process().is_some()
    }

    fn mysql(&self) -> Option<&MysqlServer> {
        Some(&self.server)
    }
}

/// A session that stays open until it is dropped.
pub(crate) struct HeldMysqlSession {
    connection: Option<Conn>,
    runtime: Runtime,
}

impl HeldMysqlSession {
    pub(crate) fn open(server: &MysqlServer, user: &str, password: &Secret) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("makes a runtime");
        let connection = runtime
            .block_on(server.door().connect(user, password))
            .expect("logs in");
        Self {
            connection: Some(connection),
            runtime,
        }
    }

    fn run(&mut self, statement: &str) {
        let connection = self.connection.as_mut();
        let connection = connection.expect("is open until it is dropped");
        self.runtime
            .block_on(connection.query_drop(statement))
            .expect("the server takes the statement");
    }
}

impl Drop for HeldMysqlSession {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // A server that is gone has ended the session by itself.
            let _ = self.runtime.block_on(connection.disconnect());
        }
    }
}

/// A name as the bytes that it is, in which nothing can be taken for an escape.
fn bytes(name: &str) -> String {
    format!("_utf8mb4 0x{}", hex::encode(name))
}

/// `user`@`host`
pub(super) fn at(user: &str, host: &str) -> String {
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    format!("{}@{}", quoted(user), quoted(host))
}
