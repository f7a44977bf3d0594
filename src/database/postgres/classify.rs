//! What PostgreSQL's errors say.
//!
//! A refusal proves the password when the server raised it after authentication.
//! The SQLSTATE alone does not tell (53300 is raised before and after), so the wire
//! field `routine` decides: `InitProcess` runs before the password is asked for,
//! `InitializeSessionUserId`, `InitPostgres` and `CheckMyDatabase` after it was right.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use super::connection::ConnectError;
use crate::model::{Barrier, LoginOutcome, UnknownCause};
use crate::rotation::RefusalClass;
use crate::untrusted::Untrusted;

const AFTER_THE_PASSWORD: [&str; 3] =
    ["InitializeSessionUserId", "InitPostgres", "CheckMyDatabase"];

/// How a refused login is to be taken.
pub(super) fn login_outcome(error: &ConnectError) -> LoginOutcome {
    match error {
        ConnectError::TimedOut => LoginOutcome::Unknown(UnknownCause::TimedOut),
        ConnectError::Driver(error) => match error.as_db_error() {
            Some(server) => login_refusal(
                server.code().code(),
                server.routine().unwrap_or_default(),
                server.message(),
            ),
            None => LoginOutcome::Unknown(unknown_cause(error)),
        },
    }
}

fn login_refusal(code: &str, routine: &str, message: &str) -> LoginOutcome {
    let message = Untrusted::new(message);
    let proven = AFTER_THE_PASSWORD.contains(&routine);
    match code {
        "28P01" => LoginOutcome::PasswordRefused,
        "28000" if proven => LoginOutcome::PasswordAccepted(Barrier::NotPermitted),
        "53300" if proven => LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit),
        "3D000" | "42501" | "55000" if proven => LoginOutcome::PasswordAccepted(Barrier::Database),
        "28000" => LoginOutcome::Unknown(UnknownCause::HostBased(message)),
        "53300" | "57P03" => LoginOutcome::Unknown(UnknownCause::NotReady(message)),
        _ => LoginOutcome::Unknown(UnknownCause::Other(message)),
    }
}

/// Why an exchange without an answer of the server failed.
pub(super) fn unknown_cause(error: &Error) -> UnknownCause {
    if let Some(server) = error.as_db_error() {
        return UnknownCause::Other(Untrusted::new(server.message()));
    }
    let words = Untrusted::new(&chain(error));
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<rustls::Error>() {
            return UnknownCause::Tls(words);
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let tls = io
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some();
            return match io.kind() {
                _ if tls => UnknownCause::Tls(words),
                io::ErrorKind::TimedOut => UnknownCause::TimedOut,
                _ => UnknownCause::Unreachable(words),
            };
        }
        source = inner.source();
    }
    if words.as_str().contains("TLS") {
        return UnknownCause::Tls(words);
    }
    UnknownCause::Unreachable(words)
}

/// Whether a notice is the warning of a commit that gave up waiting for a synchronous
/// standby. Its words are translated by `lc_messages`; the routine that raised it is not.
pub(super) fn is_unreplicated(notice: &DbError) -> bool {
    notice.routine() == Some("SyncRepWaitForLSN") && notice.code().code() == "01000"
}

/// The server's words, or the driver's where the server said nothing.
pub(super) fn server_words(error: &Error) -> Untrusted {
    match error.as_db_error() {
        Some(server) => Untrusted::new(server.message()),
        None => Untrusted::new(&chain(error)),
    }
}

/// How an error during the change is to be taken; `None` when the outcome is unknown.
pub(super) fn change_refusal(error: &Error) -> Option<(RefusalClass, String, Untrusted)> {
    let server = error.as_db_error()?;
    let class = refusal_class(server)?;
    let message = Untrusted::new(server.message());
    Some((class, server.code().code().to_owned(), message))
}

/// Classes of `servers.md` section D, point 2.
fn refusal_class(server: &DbError) -> Option<RefusalClass> {
    let class = match server.code().code() {
        // Lock and statement time-outs, deadlock, serialization, too many connections, starting up.
        "55P03" | "57014" | "40P01" | "40001" | "53300" | "57P03" => RefusalClass::Retryable,
        // simple_heap_update reports a concurrent ALTER of the same role as internal error.
        "XX000" if server.message().contains("tuple concurrently") => RefusalClass::Retryable,
        // passwordcheck and its relatives.
        "22023" | "28P01" => RefusalClass::Password,
        // The server is shutting down: whether the commit was written is not known.
        "57P01" | "57P02" => return None,
        _ => RefusalClass::Final,
    };
    Some(class)
}

fn chain(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_words = inner.to_string();
        if !words.ends_with(&inner_words) {
            words = format!("{words}: {inner_words}");
        }
        source = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, routine: &str, expected: &LoginOutcome) {
        assert_eq!(
            &login_refusal(code, routine, "words"),
            expected,
            "{code} {routine}"
        );
    }

    #[test]
    fn refusals_after_the_password_prove_it() {
        let accepted = LoginOutcome::PasswordAccepted;
        check(
            "28000",
            "InitializeSessionUserId",
            &accepted(Barrier::NotPermitted),
        );
        check(
            "53300",
            "InitializeSessionUserId",
            &accepted(Barrier::ConnectionLimit),
        );
        check("53300", "InitPostgres", &accepted(Barrier::ConnectionLimit));
        check("3D000", "InitPostgres", &accepted(Barrier::Database));
        check("42501", "CheckMyDatabase", &accepted(Barrier::Database));
    }

    #[test]
    fn refusals_before_the_password_say_nothing_of_it() {
        let words = || Untrusted::new("words");
        let unknown = LoginOutcome::Unknown;
        check(
            "28000",
            "ClientAuthentication",
            &unknown(UnknownCause::HostBased(words())),
        );
        check(
            "53300",
            "InitProcess",
            &unknown(UnknownCause::NotReady(words())),
        );
        check(
            "57P03",
            "ProcessStartupPacket",
            &unknown(UnknownCause::NotReady(words())),
        );
        check("3D000", "", &unknown(UnknownCause::Other(words())));
    }

    /// pgbouncer says so of a wrong password, and of much else: a pooler's word is never a
    /// no, and least of all a yes.
    #[test]
    fn a_poolers_refusal_says_nothing_of_the_server() {
        let words = || Untrusted::new("words");
        let unknown = LoginOutcome::Unknown(UnknownCause::Other(words()));
        check("08P01", "", &unknown);
        check(
            "28000",
            "",
            &LoginOutcome::Unknown(UnknownCause::HostBased(words())),
        );
        check(
            "53300",
            "",
            &LoginOutcome::Unknown(UnknownCause::NotReady(words())),
        );
    }

    #[test]
    fn a_wrong_password_is_a_refusal_for_assess_to_weigh() {
        check("28P01", "auth_failed", &LoginOutcome::PasswordRefused);
    }
}
