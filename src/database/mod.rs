//! Databases under rotation: one trait, one module per engine.
//!
//! This room probes a login, asks the managing connection for facts, and performs
//! the one statement that changes a password. It knows nothing of the journal and
//! the store, and it decides nothing: every end of a login is an outcome, and every
//! answer to a change is confirmed, refused or unknown. Every connect and every
//! query runs under a time-out of ours, since a server may accept and stay silent.

mod mysql;
mod postgres;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use crate::model::{
    AccountId, Credential, DatabaseFault, Engine, LoginOutcome, ManagingFacts, Node, RoleFacts,
    RoleRemedies, Sample, ServerIdentity, SessionView, TwinFacts, TwinRoles, UserName,
};
use crate::rotation::RefusalClass;
use crate::secret::{SALT_LENGTH, Secret};
use crate::untrusted::Untrusted;

/// A server ends the transaction of a change when its client says nothing for this long:
/// a client that is gone without a word, behind a network that lost it, would hold the
/// role's lock until the system's keep-alive notices, which takes hours.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// The certificate must be trusted and name the host.
    VerifyFull {
        /// PEM of the own authority; the system's authorities without it.
        authority: Option<String>,
    },
    /// The certificate must be trusted, whichever host it names.
    VerifyCa {
        /// PEM of the own authority; the system's authorities without it.
        authority: Option<String>,
    },
    /// Encrypted; the certificate is not verified, only that the server holds its key.
    Require,
    /// No TLS, because the operator said so.
    Disable,
}

/// Bounds of every exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first packet to the end of authentication.
    pub connect: Duration,
    /// For one statement, on the server and here.
    pub statement: Duration,
    /// For a lock that the change needs.
    pub lock: Duration,
}

/// What a rotated secret is on, and how connections to any of its nodes are made.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which engine answers there.
    pub engine: Engine,
    /// The database to log in to.
    pub database: String,
    /// How connections are protected.
    pub tls: Tls,
    /// Bounds of every exchange.
    pub timeouts: Timeouts,
}

/// One login to attempt.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Where.
    pub node: &'a Node,
    /// As whom.
    pub user: &'a UserName,
    /// With what.
    pub password: &'a Secret,
    /// How the session names itself to the server.
    pub application: &'a str,
    /// Statements that must work for this user; run and rolled back.
    pub statements: &'a [String],
}

/// What is known after the change was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The server confirmed the commit.
    Confirmed,
    /// The commit holds on this server, but no synchronous standby confirmed it.
    AppliedLocally {
        /// A WAL position, in bytes, at or after that of the commit: a standby that has
        /// flushed it has the change.
        position: i64,
    },
    /// The server refused; nothing was changed.
    Refused {
        /// How to take it.
        class: RefusalClass,
        /// SQLSTATE.
        code: String,
        /// The server's words.
        message: Untrusted,
    },
    /// No answer; it may have happened, or may still happen.
    Unknown {
        /// What happened here.
        message: Untrusted,
    },
}

/// One statement of a change. Each is sent and confirmed by itself; all may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePart {
    /// Which of the engine's statements it is.
    pub number: usize,
    /// What it changes, for people and the journal.
    pub words: Untrusted,
}

/// What a change does to a user.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// S3: a new password, and the right to log in.
    Password(NewPassword<'a>),
    /// It may not log in any more; its password stays, and so do its sessions.
    Lock(&'a UserName),
    /// It may log in again.
    Unlock(&'a UserName),
    /// A new password, and nothing else: a locked user stays locked.
    Scramble(NewPassword<'a>),
}

/// One session that an operator wants to end.
#[derive(Debug, Clone, Copy)]
pub struct SessionToEnd<'a> {
    /// Whose it must be.
    pub account: &'a AccountId,
    /// Its number.
    pub pid: i64,
    /// When it must have begun, where the engine tells: numbers are used again.
    pub started: Option<DateTime<Utc>>,
}

/// What became of a session that was to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The server ended it.
    Ended,
    /// There is no such session of this user any more.
    Gone,
    /// The managing user may not.
    NoRight {
        /// The statement that lets it.
        grant: String,
    },
    /// The server was told and the session is still there.
    StillThere,
}

/// The new password of a user, and the salt of what is sent instead of it.
#[derive(Debug, Clone, Copy)]
pub struct NewPassword<'a> {
    /// Whose.
    pub user: &'a UserName,
    /// The plaintext; it never leaves this process.
    pub password: &'a Secret,
    /// The salt that was sealed with it.
    pub salt: &'a [u8; SALT_LENGTH],
}

/// An engine at one place.
pub trait Database: Send + Sync {
    /// Attempts one login and closes it again. Never an error: every end is an outcome.
    fn probe<'a>(&'a self, login: Login<'a>) -> BoxFuture<'a, LoginOutcome>;

    /// Opens the managing connection to `node`; a standby can be asked, too.
    fn manage<'a>(
        &'a self,
        node: &'a Node,
        manager: &'a Credential,
        application: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Managing>, DatabaseFault>>;

    /// Opens a connection to `node` that samples, and can do nothing else.
    fn watch<'a>(
        &'a self,
        node: &'a Node,
        login: &'a Credential,
        application: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watching>, DatabaseFault>>;

    /// What S3 will send, with a mark in place of the verifier. `facts` are those of S1, with
    /// the user as the second of the pair; without them it is told as far as it is known.
    fn change_statement(&self, user: &UserName, facts: Option<&ManagingFacts>) -> String;

    /// What lets the user in again, as [`Change::Unlock`] sends it; `facts` as above.
    fn unlock_statement(&self, user: &UserName, facts: Option<&ManagingFacts>) -> String;

    /// The statements that mend what may be wrong with a user.
    fn remedies(&self, user: &UserName, role: Option<&RoleFacts>) -> RoleRemedies;
}

/// A kept connection that samples the sessions of outgoing users. It changes nothing.
pub trait Watching: Send {
    /// One look at all these users, in one round.
    fn sample<'a>(
        &'a mut self,
        accounts: &'a [AccountId],
    ) -> BoxFuture<'a, Result<Sample, DatabaseFault>>;

    /// Says goodbye to the server and waits, briefly, until the line is closed.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The managing connection. It is opened for S1 and S3 and closed.
pub trait Managing: Send + Sync {
    /// Everything that S1 asks, in one round: identity, clock, both roles, and the
    /// sessions of `user`.
    fn facts<'a>(
        &'a mut self,
        current: &'a UserName,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<ManagingFacts, DatabaseFault>>;

    /// Which server this is and how far it has come, now.
    fn identity(&mut self) -> BoxFuture<'_, Result<ServerIdentity, DatabaseFault>>;

    /// The sessions of this user, now, and the server's clock.
    fn sessions<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<(SessionView, DateTime<Utc>), DatabaseFault>>;

    /// The backend in which a change of this user waits for a synchronous standby, if one
    /// does: it holds the user's lock until the standby confirms, or until it is cancelled,
    /// which applies the change on this server alone.
    fn waiting_for_standby<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<i64>, DatabaseFault>>;

    /// In what the two users differ, and what room the server has for both. It takes
    /// longer than the other questions.
    fn twins<'a>(
        &'a mut self,
        roles: TwinRoles<'a>,
    ) -> BoxFuture<'a, Result<TwinFacts, DatabaseFault>>;

    /// Begins the change: time-outs, then the lock on the user. Whoever holds it is alone; in
    /// particular no earlier statement of ours can still be running. Waits for the lock at
    /// most `wait`. What the change consists of is looked up under the lock.
    ///
    /// The inner error is a refusal: nothing was changed.
    fn begin_change<'a>(
        &'a mut self,
        account: &'a AccountId,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<ChangePart>, ChangeOutcome>>;

    /// Sends one statement and commits. A commit that waits in vain for a synchronous
    /// standby is made to stop waiting: it holds on this server then.
    fn change<'a>(
        &'a mut self,
        part: &'a ChangePart,
        change: Change<'a>,
    ) -> BoxFuture<'a, ChangeOutcome>;

    /// Ends one session, if it is still the one that is meant.
    fn end_session<'a>(
        &'a mut self,
        session: SessionToEnd<'a>,
    ) -> BoxFuture<'a, Result<Ending, DatabaseFault>>;

    /// The statement that lets the managing user end sessions of this user; `None` where it
    /// may end them already.
    fn lacks_right_to_end<'a>(
        &'a mut self,
        account: &'a AccountId,
    ) -> BoxFuture<'a, Result<Option<String>, DatabaseFault>>;

    /// When the user's password was last changed, by the server's clock; of several rows the
    /// latest. `None` where the engine keeps no such time, as PostgreSQL does not.
    fn password_changed<'a>(
        &'a mut self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<DateTime<Utc>>, DatabaseFault>>;

    /// Ends the change without changing anything.
    fn give_up(&mut self) -> BoxFuture<'_, ()>;

    /// Says goodbye to the server and waits, briefly, until the line is closed.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The engine at `target`.
///
/// # Errors
/// A sentence when the settings' certificate authority cannot be used.
pub fn connect(target: Target) -> Result<Arc<dyn Database>, String> {
    match target.engine {
        Engine::Postgres => Ok(Arc::new(postgres::Postgres::new(target)?)),
        Engine::Mysql => Ok(Arc::new(mysql::Mysql::new(target)?)),
    }
}
