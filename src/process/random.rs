//! Randomness from the operating system's generator, and from nowhere else.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Safe in URLs, shells, JDBC strings and YAML; 64 letters, so that six bits of a
/// random byte choose one without any bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `N` random bytes, for nonces, salts and ids.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A random key, wiped when it goes.
#[must_use]
pub fn random_key() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut bytes[..]);
    bytes
}

/// A password of `length` characters; each carries six bits.
#[must_use]
pub fn generate_password(length: usize) -> Secret {
    let mut bytes = Zeroizing::new(vec![0; length]);
    fill(&mut bytes);
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte & 63)]);
    Secret::new(bytes.iter().map(letter).collect())
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("without the system's generator nothing can be made safely");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_the_length_asked_and_the_safe_alphabet() {
        let password = generate_password(4096);
        assert_eq!(password.expose().len(), 4096);
        assert!(
            password
                .expose()
                .bytes()
                .all(|byte| ALPHABET.contains(&byte))
        );
        let used: std::collections::BTreeSet<u8> = password.expose().bytes().collect();
        // Missing one of 64 letters in 4,096 draws has a chance below 1 in 10^26.
        assert_eq!(used.len(), 64);
    }

    #[test]
    fn two_passwords_differ() {
        assert_ne!(generate_password(32), generate_password(32));
    }
}
