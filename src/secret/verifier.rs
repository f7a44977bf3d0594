//! What a database stores in place of a password.
//!
//! A verifier is made on our side and sent instead of the password, so that no
//! statement, log or statistics view of the server ever holds the plaintext.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of salt that PostgreSQL itself uses (`SCRAM_DEFAULT_SALT_LEN`).
pub const SCRAM_SALT_LENGTH: usize = 16;

/// Bytes of salt that are kept with a pending password: enough for every engine, of which
/// each takes as many as it needs from the front.
pub const SALT_LENGTH: usize = 20;

/// PostgreSQL's own default (`scram_iterations`). The count multiplies the cost of
/// every login, for clients and server alike.
const ITERATIONS: u32 = 4096;

/// Why a verifier could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// SASLprep (RFC 4013) leaves only printable ASCII as it is; we generate nothing else.
    #[error("a verifier can be made for printable ASCII passwords only")]
    NotPrintableAscii,
}

/// A PostgreSQL `SCRAM-SHA-256` verifier (RFC 5803 shape, as in `pg_authid`).
///
/// The salt is an argument and is kept with the pending password: sending the same
/// password again then sends the same verifier, so that poolers which keep a copy
/// are not stranded by a new salt.
#[derive(PartialEq, Eq)]
pub struct ScramVerifier(String);

impl ScramVerifier {
    /// Derives the verifier of `password` with `salt`.
    ///
    /// # Errors
    /// [`VerifierError::NotPrintableAscii`].
    pub fn derive(
        password: &Secret,
        salt: &[u8; SCRAM_SALT_LENGTH],
    ) -> Result<Self, VerifierError> {
        let plain = password.expose();
        if plain.is_empty() || !plain.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(VerifierError::NotPrintableAscii);
        }
        let salted = Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(
            plain.as_bytes(),
            salt,
            ITERATIONS,
        ));
        let client_key = Zeroizing::new(hmac_sha_256(&salted[..], b"Client Key"));
        let stored_key: [u8; 32] = Sha256::digest(&client_key[..]).into();
        let server_key = hmac_sha_256(&salted[..], b"Server Key");
        let verifier = format!(
            "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        );
        assert!(
            has_verifier_shape(&verifier),
            "PostgreSQL would take a malformed verifier for a plaintext password"
        );
        Ok(Self(verifier))
    }

    /// The text for `ALTER ROLE … PASSWORD '…'`; its alphabet cannot end a literal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ScramVerifier {
    /// A verifier allows offline guessing, so it is hidden like a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ScramVerifier(hidden)")
    }
}

/// Whether PostgreSQL will recognise `text` as a verifier. It silently takes
/// anything else for a plaintext password (`get_password_type`, `parse_scram_secret`).
fn has_verifier_shape(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("SCRAM-SHA-256$") else {
        return false;
    };
    let mut parts = rest.split([':', '$']);
    let (Some(iterations), Some(salt), Some(stored), Some(server), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return false;
    };
    let decoded_length = |text: &str| STANDARD.decode(text).map(|bytes| bytes.len()).ok();
    iterations.parse::<u32>().is_ok_and(|count| count > 0)
        && decoded_length(salt) == Some(SCRAM_SALT_LENGTH)
        && decoded_length(stored) == Some(32)
        && decoded_length(server) == Some(32)
}

fn hmac_sha_256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_verifier_is_the_one_of_rfc_7677() {
        // RFC 7677 section 3: user "user", password "pencil", the salt below, 4096
        // iterations. Its server signature follows from this server key.
        let salt: [u8; 16] = STANDARD
            .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
            .expect("base64")
            .try_into()
            .expect("16 bytes");
        let verifier =
            ScramVerifier::derive(&Secret::new("pencil".to_owned()), &salt).expect("derives");
        assert_eq!(
            verifier.as_str(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn malformed_verifiers_are_recognised() {
        for text in [
            "",
            "SCRAM-SHA-256$4096:xxx",
            "md5abc",
            "SCRAM-SHA-256$0:a$b:c",
        ] {
            assert!(!has_verifier_shape(text), "{text}");
        }
    }

    #[test]
    fn a_password_that_saslprep_would_change_is_refused() {
        let salt = [0; SCRAM_SALT_LENGTH];
        for text in ["", "pä", "a\u{0}b"] {
            assert_eq!(
                ScramVerifier::derive(&Secret::new(text.to_owned()), &salt),
                Err(VerifierError::NotPrintableAscii)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn every_generated_password_gets_a_well_shaped_verifier(
            text in "[A-Za-z0-9_-]{1,64}",
            salt in any::<[u8; 16]>(),
        ) {
            let verifier = ScramVerifier::derive(&Secret::new(text), &salt).expect("derives");
            prop_assert!(has_verifier_shape(verifier.as_str()));
        }
    }
}
