//! Users, their passwords, and what a rotated secret's document says of them.

use crate::secret::Secret;

/// A database user's name, exactly as the database has it.
///
/// It has no `Display`: on a screen it goes through [`crate::untrusted::Untrusted`],
/// in a statement through the engine's quoting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// Why a text cannot be a user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    /// Databases know no user without a name.
    #[error("a user name must not be empty")]
    Empty,
    /// Control bytes are never sent inside a statement.
    #[error("a user name must not contain control characters")]
    Control,
}

impl UserName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// See [`UserNameError`].
    pub fn new(name: &str) -> Result<Self, UserNameError> {
        if name.is_empty() {
            return Err(UserNameError::Empty);
        }
        if name.chars().any(char::is_control) {
            return Err(UserNameError::Control);
        }
        Ok(Self(name.to_owned()))
    }

    /// The exact name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user and, where it is known, its password.
#[derive(Debug)]
pub struct Credential {
    /// Who logs in.
    pub username: UserName,
    /// Absent for a user whose password nobody here knows.
    pub password: Option<Secret>,
}

/// The evaluated `inputs` of a rotated secret. Only a rotation evaluates them.
#[derive(Debug)]
pub struct RotationInputs {
    /// Host name or address, as TLS verifies it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database that probes and the managing connection log in to.
    pub database: String,
    /// The privileged account; its password is always present.
    pub managing: Credential,
    /// The pair, `username1` and `username2`.
    pub users: [UserName; 2],
}

/// The `state` of a rotated secret.
#[derive(Debug)]
pub struct RotatedState {
    /// What consumers read.
    pub current: Credential,
    /// The idle user; its password may be unknown.
    pub previous: Credential,
}
