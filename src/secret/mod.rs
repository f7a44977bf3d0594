//! Secrets in memory and at rest: the [`Secret`] type, sealing, and the verifiers
//! that databases store in place of a password.
//!
//! This room is given keys, nonces and salts. It never fetches a key, never draws
//! randomness and never performs IO, so that every function in it can be tested
//! with fixed inputs.

mod mysql_hash;
mod sealing;
mod sha256_crypt;
mod verifier;

pub use mysql_hash::{CACHING_SHA2_SALT_LENGTH, CachingSha2Hash, Ed25519Hash, NativePasswordHash};
pub use sealing::{
    DataKey, EnvelopeHeader, MasterKey, NONCE_LENGTH, SealError, SecretId, inspect, seal, unseal,
};
pub use verifier::{SALT_LENGTH, SCRAM_SALT_LENGTH, ScramVerifier, VerifierError};

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// A password or another value that must not be seen.
///
/// Its memory is wiped on drop. It has no `Display`, no `Serialize` and no `Clone`;
/// its `Debug` shows a mark instead of the value. Whoever needs the plaintext says
/// so by calling [`Secret::expose`], which a reviewer can search for.
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership of a plaintext.
    #[must_use]
    pub fn new(plaintext: String) -> Self {
        Self(SecretString::from(plaintext))
    }

    /// The plaintext. The caller answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// A second copy, made on purpose and therefore not by `Clone`.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

impl PartialEq for Secret {
    /// Compares in constant time; only the lengths can be told apart by timing.
    fn eq(&self, other: &Self) -> bool {
        self.expose()
            .as_bytes()
            .ct_eq(other.expose().as_bytes())
            .into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_plaintext() {
        let secret = Secret::new("canary-plaintext".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn equal_secrets_compare_equal_and_others_do_not() {
        let secret = Secret::new("one".to_owned());
        assert_eq!(secret, secret.duplicate());
        assert_ne!(secret, Secret::new("two".to_owned()));
        assert_ne!(secret, Secret::new("one-longer".to_owned()));
    }
}
