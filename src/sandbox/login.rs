//! What the ways in to the servers have in common: who logs in, and what is answered.

use std::future::Future;
use std::thread;
use std::time::Duration;

use crate::secret::Secret;

/// Long enough for a machine under load, short enough for a test to end.
pub(super) const CONNECT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// How our own sessions name themselves.
pub(super) const APPLICATION: &str = "handover-sandbox";

/// One row of an answer, each value as the server prints it; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// The superuser of a sandbox. Its password is made at run time and says what it is for.
#[derive(Debug)]
pub struct Superuser {
    /// The role or user.
    pub name: String,
    /// Its password.
    pub password: Secret,
}

impl Superuser {
    /// The same for another server. It is spelled out, as with every secret.
    pub(super) fn duplicate(&self) -> Self {
        Self {
            name: self.name.clone(),
            password: self.password.duplicate(),
        }
    }
}

/// What a server said to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The password was accepted and a session was there.
    Accepted,
    /// The server refused, with this code: the SQLSTATE of PostgreSQL, the error number of
    /// MySQL and MariaDB.
    Refused(String),
    /// No answer that speaks of the password: no connection, no TLS, too late.
    Unreachable(String),
}

impl LoginOutcome {
    /// Whether the password was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }
}

/// Drives a future to its end on a thread and a runtime of its own: a runtime must not
/// be entered twice on one thread, and the caller may stand in one.
pub(super) fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime needs only a few file descriptors")
                    .block_on(future)
            })
            .join()
            .expect("the future does not panic")
    })
}
