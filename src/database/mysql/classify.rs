//! What the errors of MySQL and MariaDB say.
//!
//! Both check the password before the account's lock, its expiry, its limits and the
//! database: a refusal for one of those proves the password. The exceptions are the blocks
//! after too many wrong passwords, which meet the right one as well, and whatever is said in
//! place of the greeting, when nobody has shown a password yet.

use mysql_async::{DriverError, Error};

use super::guard::unknown_plugin;
use super::packet::Refusal;
use crate::model::{Barrier, LoginOutcome, UnknownCause};
use crate::untrusted::Untrusted;

/// Why no connection came about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConnectError {
    /// What happened here or on the way.
    Failed(UnknownCause),
    /// The server said no before it was told who comes.
    TurnedAway(Refusal),
    /// The server said no to this login.
    Refused(Refusal),
}

/// How a refused login is to be taken.
pub(super) fn login_outcome(error: &ConnectError) -> LoginOutcome {
    match error {
        ConnectError::Failed(cause) => LoginOutcome::Unknown(cause.clone()),
        ConnectError::TurnedAway(refusal) => LoginOutcome::Unknown(cause(refusal)),
        ConnectError::Refused(refusal) => refused_login(refusal),
    }
}

fn refused_login(refusal: &Refusal) -> LoginOutcome {
    match refusal.code {
        // Access denied: the password. Or there is no such account for this client's address,
        // or it asks for more than the line has (REQUIRE SSL or X509, and in MariaDB
        // require_secure_transport): whoever takes this for a no has looked at the account.
        1045 => LoginOutcome::PasswordRefused,
        // Account locked, in MySQL and in MariaDB.
        3118 | 4151 => LoginOutcome::PasswordAccepted(Barrier::NotPermitted),
        // The password expired: the first where the session is let in to change it and may
        // do nothing else, the second where it is not let in.
        1820 | 1862 => LoginOutcome::PasswordAccepted(Barrier::PasswordExpired),
        // max_user_connections of the server, limits of the account.
        1203 | 1226 => LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit),
        // Access to the database denied, no such database.
        1044 | 1049 => LoginOutcome::PasswordAccepted(Barrier::Database),
        _ => LoginOutcome::Unknown(cause(refusal)),
    }
}

/// What a refusal that says nothing of the password says.
fn cause(refusal: &Refusal) -> UnknownCause {
    let message = refusal.message.clone();
    match refusal.code {
        // Too many connections, shutting down, host blocked after too many errors, offline.
        1040 | 1053 | 1129 | 3032 => UnknownCause::NotReady(message),
        // This host may not connect; no password is asked of this user.
        1130 | 1698 => UnknownCause::HostBased(message),
        // Blocked after wrong passwords, in MySQL and in MariaDB.
        3955 | 4150 => UnknownCause::NotReady(Untrusted::new(&format!(
            "{}; the right password is refused, too, until ALTER USER … ACCOUNT UNLOCK",
            message.as_str().trim_end_matches('.')
        ))),
        // Secure transport required; the client's code for the same of a plugin.
        3159 | 2061 => UnknownCause::Tls(message),
        _ => UnknownCause::Other(message),
    }
}

/// Why an exchange failed. Some of the driver's errors hold rows and packets, and so only
/// its own sentences are repeated.
pub(super) fn unknown_cause(error: &Error) -> UnknownCause {
    match error {
        Error::Server(error) => UnknownCause::Other(Untrusted::new(&error.message)),
        Error::Io(_) | Error::Driver(DriverError::ConnectionClosed) => {
            UnknownCause::Unreachable(Untrusted::new("the connection was lost"))
        }
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => unknown_plugin(name),
        Error::Driver(error) => other(&format!("the driver gave up: {error}")),
        Error::Other(_) | Error::Url(_) => other("the driver gave up"),
    }
}

/// The server's number of an error; `None` where the server did not answer.
pub(super) fn server_code(error: &Error) -> Option<u16> {
    match error {
        Error::Server(error) => Some(error.code),
        _ => None,
    }
}

/// The server's words, or those for what happened here.
pub(super) fn server_words(error: &Error) -> Untrusted {
    match error {
        Error::Server(error) => Untrusted::new(&error.message),
        error => Untrusted::new(&unknown_cause(error).to_string()),
    }
}

fn other(text: &str) -> UnknownCause {
    UnknownCause::Other(Untrusted::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16) -> Refusal {
        Refusal {
            code,
            message: Untrusted::new("words"),
        }
    }

    fn words() -> Untrusted {
        Untrusted::new("words")
    }

    #[test]
    fn refusals_after_the_password_prove_it() {
        for (code, barrier) in [
            (3118, Barrier::NotPermitted),
            (4151, Barrier::NotPermitted),
            (1820, Barrier::PasswordExpired),
            (1862, Barrier::PasswordExpired),
            (1203, Barrier::ConnectionLimit),
            (1226, Barrier::ConnectionLimit),
            (1044, Barrier::Database),
            (1049, Barrier::Database),
        ] {
            assert_eq!(
                login_outcome(&ConnectError::Refused(refusal(code))),
                LoginOutcome::PasswordAccepted(barrier),
                "{code}"
            );
        }
    }

    #[test]
    fn a_wrong_password_is_a_refusal_for_assess_to_weigh() {
        let error = ConnectError::Refused(refusal(1045));
        assert_eq!(login_outcome(&error), LoginOutcome::PasswordRefused);
    }

    #[test]
    fn other_refusals_say_nothing_of_the_password() {
        for (code, cause) in [
            (1040, UnknownCause::NotReady(words())),
            (1053, UnknownCause::NotReady(words())),
            (1129, UnknownCause::NotReady(words())),
            (3032, UnknownCause::NotReady(words())),
            (1130, UnknownCause::HostBased(words())),
            (1698, UnknownCause::HostBased(words())),
            (3159, UnknownCause::Tls(words())),
            (2061, UnknownCause::Tls(words())),
            (1251, UnknownCause::Other(words())),
            (9999, UnknownCause::Other(words())),
        ] {
            assert_eq!(
                login_outcome(&ConnectError::Refused(refusal(code))),
                LoginOutcome::Unknown(cause),
                "{code}"
            );
        }
    }

    #[test]
    fn a_block_after_wrong_passwords_names_its_remedy() {
        for code in [3955, 4150] {
            let outcome = login_outcome(&ConnectError::Refused(refusal(code)));
            let LoginOutcome::Unknown(UnknownCause::NotReady(text)) = outcome else {
                panic!("{code}: {outcome:?}");
            };
            assert!(text.as_str().contains("ACCOUNT UNLOCK"), "{text}");
        }
    }

    /// Whoever stands in the middle can say anything before TLS, and a proxy does.
    #[test]
    fn what_is_said_in_place_of_the_greeting_is_neither_a_no_nor_a_yes() {
        for code in [1045, 3118, 4151, 1820, 1862, 1203, 1226, 1044, 1049, 1040] {
            let outcome = login_outcome(&ConnectError::TurnedAway(refusal(code)));
            assert!(matches!(outcome, LoginOutcome::Unknown(_)), "{code}");
        }
    }

    #[test]
    fn a_plugin_that_nobody_speaks_is_named() {
        let name = "authentication_ldap_sasl".to_owned();
        let error = Error::Driver(DriverError::UnknownAuthPlugin { name });
        let cause = unknown_cause(&error).to_string();
        assert!(cause.contains("`authentication_ldap_sasl`"), "{cause}");
    }

    #[test]
    fn what_the_driver_read_is_not_repeated() {
        let payload = b"canary".to_vec();
        let error = Error::Driver(DriverError::UnexpectedPacket { payload });
        assert_eq!(
            unknown_cause(&error).to_string(),
            "the driver gave up: Unexpected packet."
        );
        let error = Error::Other("canary".into());
        assert!(!unknown_cause(&error).to_string().contains("canary"));
        let error = Error::Io(std::io::Error::other("canary").into());
        assert!(!server_words(&error).as_str().contains("canary"));
    }
}
