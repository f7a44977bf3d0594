//! What a shop needs of its server, whichever engine it is, so that a test which is about
//! no engine says nothing of one.

use std::ops::Deref;
use std::sync::Arc;

use handover::sandbox::{LoginOutcome, MysqlFlavour, MysqlServer, Row};
use handover::secret::Secret;

use super::mysql::MysqlShop;
use super::postgres::PostgresShop;
use super::{Account, Shop, ShopOptions};
use crate::harness::mysql::{mysql_options, shared_mysql};
use crate::harness::{postgres_options, server};

/// The engine under a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ShopEngine {
    #[default]
    Postgres,
    MySql,
    MariaDb,
}

impl ShopEngine {
    fn flavour(self) -> Option<MysqlFlavour> {
        match self {
            Self::Postgres => None,
            Self::MySql => Some(MysqlFlavour::MySql),
            Self::MariaDb => Some(MysqlFlavour::MariaDb),
        }
    }
}

/// By what the pair's users log in to MariaDB; on MySQL it is the server's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MariaDbPlugin {
    #[default]
    Native,
    Ed25519,
}

/// Something that goes on until it is dropped: a session, or a lock.
pub(crate) type Held = Box<dyn Send>;

/// A server with everything that tests of any engine ask of it.
pub(crate) trait ShopServer: Send + Sync {
    /// What rotates a pair there.
    fn function(&self) -> &'static str;

    /// Into which database the consumers log in.
    fn database(&self) -> &'static str;

    fn port(&self) -> u16;

    fn ca_pem(&self) -> &str;

    /// Over verified TLS.
    fn login(&self, user: &str, password: &Secret) -> LoginOutcome;

    /// As the superuser.
    fn run_sql(&self, statements: &str) -> Vec<Row>;

    /// The managing user and the pair. Passwords reach the server as hashes only, so that
    /// whatever a log shows later was not written by the test itself.
    fn create_accounts(&self, shop: &Shop);

    /// One more application user, with all that the pair has.
    fn create_user(&self, shop: &Shop, account: &Account);

    /// What is kept for a user's password, of all its rows; it changes with the password only.
    fn stored_hash_of(&self, user: &str) -> String;

    /// All that decides whether the user is let in: passwords, locks, expiry.
    fn way_in_of(&self, user: &str) -> Vec<Row>;

    fn sessions_of(&self, user: &str) -> usize;

    /// How many sessions of a user wait for a lock within a statement.
    fn waiting_sessions_of(&self, user: &str) -> usize;

    /// A session that stays connected until it is dropped.
    fn hold_session(&self, user: &str, password: &Secret) -> Held;

    /// Until it is dropped, a change of the user's password waits.
    fn lock_the_user(&self, user: &str) -> Held;

    /// The lock that a rotation of the user takes before it sends anything, as another run
    /// would hold it.
    fn hold_the_rotation_lock(&self, user: &str) -> Held;

    /// Gives a user the account's password, as the superuser and by a hash.
    fn set_password(&self, shop: &Shop, account: &Account);

    fn is_running(&self) -> bool;

    fn postgres(&self) -> Option<&handover::sandbox::PostgresServer> {
        None
    }

    fn mysql(&self) -> Option<&MysqlServer> {
        None
    }
}

/// The shared server of an engine, or one that belongs to a test alone.
pub(super) enum Place<T: 'static> {
    Shared(&'static T),
    Own(Arc<T>),
}

impl<T> Deref for Place<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

/// The server that the options ask for; `None` where its engine was left out by name.
pub(super) fn server_of(options: &ShopOptions) -> Option<Box<dyn ShopServer>> {
    let Some(flavour) = options.engine.flavour() else {
        let place = match (&options.server, options.own_server) {
            (Some(own), _) => Place::Own(Arc::clone(own)),
            (None, false) => Place::Shared(server()),
            (None, true) => {
                let own = handover::sandbox::PostgresServer::start(&postgres_options());
                Place::Own(Arc::new(own.expect("PostgreSQL starts")))
            }
        };
        return Some(Box::new(PostgresShop(place)));
    };
    let place = match options.own_server {
        false => Place::Shared(shared_mysql(flavour)?),
        true => {
            let own = MysqlServer::start(&mysql_options(flavour)?);
            Place::Own(Arc::new(own.expect("the server starts")))
        }
    };
    Some(Box::new(MysqlShop {
        server: place,
        plugin: options.mariadb_plugin,
    }))
}
