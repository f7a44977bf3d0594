//! What MySQL and MariaDB store in place of a password, by plugin.
//!
//! As with PostgreSQL's verifier, the hash is made on our side and sent instead of the
//! password, so that no log and no statistics view of the server holds the plaintext. The
//! servers check no policy and no history of a password that comes as a hash; whoever
//! generates it answers for its strength.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use curve25519_dalek::{EdwardsPoint, Scalar, scalar::clamp_integer};
use sha1::Sha1;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::sha256_crypt::{self, DIGEST_LENGTH};
use super::{Secret, VerifierError};

/// Bytes of salt in a `caching_sha2_password` hash.
pub const CACHING_SHA2_SALT_LENGTH: usize = 20;

/// What `caching_sha2_password` writes before the salt: its kind of digest, and the
/// thousands of rounds, in hexadecimal.
const CACHING_SHA2_PREFIX: &str = "$A$005$";

/// The default of MySQL 8; 9.7 makes its own with twice as many. A server reads the
/// count from the hash. It is the cost of the first login after a change only, and what we
/// hash are 32 random characters.
const CACHING_SHA2_ROUNDS: usize = 5000;

/// Letters of a salt. MySQL forbids NUL and `$` and makes its own of seven bits; these
/// letters survive every character set, dump and terminal, too.
const SALT_ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash of MySQL's `caching_sha2_password`, as in `mysql.user.authentication_string`.
///
/// The salt is an argument and is kept with the pending password: sending the same
/// password again then sends the same hash.
#[derive(PartialEq, Eq)]
pub struct CachingSha2Hash(Zeroizing<String>);

impl CachingSha2Hash {
    /// Derives the hash of `password`. Each byte of `salt` chooses the letter whose number
    /// it is, modulo 62: any bytes will do, and the same ones give the same hash. The first
    /// eight letters are a little more frequent; 119 of the 120 bits remain.
    ///
    /// # Errors
    /// [`VerifierError::NotPrintableAscii`].
    pub fn derive(
        password: &Secret,
        salt: &[u8; CACHING_SHA2_SALT_LENGTH],
    ) -> Result<Self, VerifierError> {
        let plain = printable(password)?;
        let letters = salt.map(|byte| SALT_ALPHABET[usize::from(byte) % SALT_ALPHABET.len()]);
        let digest = sha256_crypt::digest(plain, &letters, CACHING_SHA2_ROUNDS);
        let length = CACHING_SHA2_PREFIX.len() + letters.len() + DIGEST_LENGTH;
        let mut hash = Zeroizing::new(String::with_capacity(length));
        hash.push_str(CACHING_SHA2_PREFIX);
        hash.extend(letters.map(char::from));
        hash.push_str(&digest);
        assert!(
            has_caching_sha2_shape(&hash),
            "MySQL would refuse a malformed hash, or nobody could log in by it"
        );
        Ok(Self(hash))
    }

    /// The literal for `IDENTIFIED WITH caching_sha2_password AS 0x…`; its alphabet cannot
    /// end it.
    #[must_use]
    pub fn hex_literal(&self) -> Zeroizing<String> {
        let mut literal = Zeroizing::new(String::with_capacity(2 + 2 * self.0.len()));
        literal.push_str("0x");
        literal.push_str(&Zeroizing::new(hex::encode(self.0.as_bytes())));
        literal
    }
}

/// The hash of `mysql_native_password`: `*` and 40 upper-case hexadecimal digits.
#[derive(PartialEq, Eq)]
pub struct NativePasswordHash(Zeroizing<String>);

impl NativePasswordHash {
    /// Derives the hash of `password`; it has no salt.
    ///
    /// # Errors
    /// [`VerifierError::NotPrintableAscii`].
    pub fn derive(password: &Secret) -> Result<Self, VerifierError> {
        let plain = printable(password)?;
        let inner: Zeroizing<[u8; 20]> = Zeroizing::new(Sha1::digest(plain).into());
        let outer: Zeroizing<[u8; 20]> = Zeroizing::new(Sha1::digest(&inner[..]).into());
        let digits = Zeroizing::new(hex::encode_upper(&outer[..]));
        let mut hash = Zeroizing::new(String::with_capacity(1 + digits.len()));
        hash.push('*');
        hash.push_str(&digits);
        assert!(
            has_native_shape(&hash),
            "MariaDB would refuse a malformed hash, or nobody could log in by it"
        );
        Ok(Self(hash))
    }

    /// The text for `USING '…'`; its alphabet cannot end a literal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The hash of MariaDB's `ed25519`: a public key in 43 characters of base64.
#[derive(PartialEq, Eq)]
pub struct Ed25519Hash(Zeroizing<String>);

impl Ed25519Hash {
    /// Derives the public key whose private half `password` is; it has no salt. MariaDB
    /// hashes the password where RFC 8032 hashes a random seed of 32 bytes.
    ///
    /// # Errors
    /// [`VerifierError::NotPrintableAscii`].
    pub fn derive(password: &Secret) -> Result<Self, VerifierError> {
        let plain = printable(password)?;
        let digest: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(plain).into());
        let mut half = Zeroizing::new([0; 32]);
        half.copy_from_slice(&digest[..32]);
        let clamped = Zeroizing::new(clamp_integer(*half));
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(*clamped));
        let key = EdwardsPoint::mul_base(&scalar).compress();
        let hash = Zeroizing::new(STANDARD_NO_PAD.encode(key.as_bytes()));
        assert!(
            has_ed25519_shape(&hash),
            "MariaDB would refuse a malformed key, or nobody could log in by it"
        );
        Ok(Self(hash))
    }

    /// The text for `USING '…'`; its alphabet cannot end a literal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CachingSha2Hash {
    /// A hash allows offline guessing, so it is hidden like a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CachingSha2Hash(hidden)")
    }
}

impl fmt::Debug for NativePasswordHash {
    /// Who has it guesses offline, and without a salt; it is hidden like a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NativePasswordHash(hidden)")
    }
}

impl fmt::Debug for Ed25519Hash {
    /// Who has it guesses offline, and without a salt; it is hidden like a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ed25519Hash(hidden)")
    }
}

/// An empty password would be no password to these servers, and what is not ASCII depends
/// on the character set of whoever logs in.
fn printable(password: &Secret) -> Result<&[u8], VerifierError> {
    let plain = password.expose().as_bytes();
    if plain.is_empty() || !plain.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Err(VerifierError::NotPrintableAscii);
    }
    Ok(plain)
}

fn has_caching_sha2_shape(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(CACHING_SHA2_PREFIX) else {
        return false;
    };
    rest.as_bytes()
        .split_at_checked(CACHING_SHA2_SALT_LENGTH)
        .is_some_and(|(salt, digest)| {
            salt.iter().all(|byte| SALT_ALPHABET.contains(byte))
                && sha256_crypt::has_digest_shape(digest)
        })
}

fn has_native_shape(text: &str) -> bool {
    text.strip_prefix('*').is_some_and(|digits| {
        digits.len() == 40
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
    })
}

fn has_ed25519_shape(text: &str) -> bool {
    text.len() == 43
        && STANDARD_NO_PAD
            .decode(text)
            .is_ok_and(|key| key.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// What MySQL 9.7.4 itself stored for `CREATE USER … IDENTIFIED WITH
    /// caching_sha2_password BY 'first-password'`; it makes 10,000 rounds of its own
    /// hashes (`$A$00A$`), and its salt has bytes outside our alphabet.
    #[test]
    fn the_digest_is_the_one_of_a_real_server() {
        let salt = hex::decode("3064554E22610554342D507B192F354F213F7E4C").expect("hex");
        let digest = sha256_crypt::digest(b"first-password", &salt, 10_000);
        assert_eq!(
            digest.as_str(),
            "yQsxceDtX4QesnAWK90RZTZoBgL1a2zLng1vGx1yOuB"
        );
    }

    /// The example hash of hashcat's mode 7401, whose password is "hashcat".
    #[test]
    fn the_digest_is_the_one_of_the_published_example() {
        let salt = hex::decode("F9CC98CE08892924F50A213B6BC571A2C11778C5").expect("hex");
        let digest = hex::decode(
            "625479393559393965414D45316477456B484F41316E64484742577A2E3162785353526B7554584647562F",
        )
        .expect("hex");
        assert_eq!(
            sha256_crypt::digest(b"hashcat", &salt, 5000).as_bytes(),
            &digest[..]
        );
    }

    /// Lengths at which SHA256-crypt takes another path: a block, a word more than one.
    #[test]
    fn long_passwords_get_a_digest_of_their_own() {
        let digest =
            |length| sha256_crypt::digest(&vec![b'a'; length], b"01234567890123456789", 5000);
        assert_ne!(digest(32), digest(33));
        assert_ne!(digest(64), digest(65));
    }

    #[test]
    fn the_whole_salt_counts() {
        let password = secret("first-password");
        let mut salt = [7; CACHING_SHA2_SALT_LENGTH];
        let one = CachingSha2Hash::derive(&password, &salt).expect("derives");
        salt[19] = 8;
        let other = CachingSha2Hash::derive(&password, &salt).expect("derives");
        assert_eq!(one.0[..26], other.0[..26], "all but the last letter");
        assert_ne!(one.0[27..], other.0[27..], "the digests");
    }

    #[test]
    fn the_literal_is_the_hash_in_hexadecimal() {
        let salt = [62; CACHING_SHA2_SALT_LENGTH];
        let hash = CachingSha2Hash::derive(&secret("first-password"), &salt).expect("derives");
        assert_eq!(&hash.0[..27], "$A$005$00000000000000000000");
        let literal = hash.hex_literal();
        let bytes = hex::decode(literal.strip_prefix("0x").expect("a mark")).expect("hex");
        assert_eq!(bytes, hash.0.as_bytes());
        assert_eq!(bytes.len(), 70);
    }

    /// MySQL's manual shows it as the result of `PASSWORD('password')`.
    #[test]
    fn the_native_hash_is_the_published_one() {
        let hash = NativePasswordHash::derive(&secret("password")).expect("derives");
        assert_eq!(hash.as_str(), "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
    }

    /// What MariaDB 10.11.19 stored for `IDENTIFIED BY 'first-password'`.
    #[test]
    fn the_native_hash_is_the_one_of_a_real_server() {
        let hash = NativePasswordHash::derive(&secret("first-password")).expect("derives");
        assert_eq!(hash.as_str(), "*257AE5EA13AF9CFA6154C0B24E29A820BEA5AF6B");
    }

    /// MariaDB's manual shows it as the key of the password `secret`.
    #[test]
    fn the_ed25519_key_is_the_published_one() {
        let hash = Ed25519Hash::derive(&secret("secret")).expect("derives");
        assert_eq!(hash.as_str(), "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY");
    }

    /// What MariaDB 10.11.19 stored for `IDENTIFIED VIA ed25519 USING
    /// PASSWORD('first-password')`.
    #[test]
    fn the_ed25519_key_is_the_one_of_a_real_server() {
        let hash = Ed25519Hash::derive(&secret("first-password")).expect("derives");
        assert_eq!(hash.as_str(), "ac9ZhGsdFISMXoAooXNf0R7Xq555TSnylQWkctgMlgc");
    }

    #[test]
    fn malformed_hashes_are_recognised() {
        for text in ["", "$A$005$short", "$A$004$", &"$A$005$".repeat(10)] {
            assert!(!has_caching_sha2_shape(text), "{text}");
        }
        for text in [
            "",
            "*",
            "2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
            "*2470c0c06dee42fd1618bb99005adca2ec9d1e19",
        ] {
            assert!(!has_native_shape(text), "{text}");
        }
        for text in ["", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY="] {
            assert!(!has_ed25519_shape(text), "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_hashes() {
        let password = secret("first-password");
        let shown = format!(
            "{:?} {:?} {:?}",
            CachingSha2Hash::derive(&password, &[1; 20]),
            NativePasswordHash::derive(&password),
            Ed25519Hash::derive(&password),
        );
        assert_eq!(
            shown,
            "Ok(CachingSha2Hash(hidden)) Ok(NativePasswordHash(hidden)) Ok(Ed25519Hash(hidden))"
        );
    }

    #[test]
    fn what_depends_on_a_character_set_is_refused() {
        for text in ["", "pä", "a\u{0}b"] {
            let password = secret(text);
            let error = VerifierError::NotPrintableAscii;
            assert_eq!(CachingSha2Hash::derive(&password, &[0; 20]), Err(error));
            assert_eq!(NativePasswordHash::derive(&password), Err(error));
            assert_eq!(Ed25519Hash::derive(&password), Err(error));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn every_salt_gives_a_well_shaped_hash(
            text in "[A-Za-z0-9_-]{1,64}",
            salt in any::<[u8; 20]>(),
        ) {
            let hash = CachingSha2Hash::derive(&secret(&text), &salt).expect("derives");
            prop_assert!(has_caching_sha2_shape(&hash.0));
            prop_assert_eq!(hash.0.len(), 70);
        }
    }
}
