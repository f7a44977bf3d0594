//! The digest inside MySQL's `caching_sha2_password` hash: SHA256-crypt, as Ulrich Drepper
//! specified it for `crypt(3)`, with one difference: the salt is used as long as it is,
//! where `crypt(3)` cuts it at 16 bytes. That is why no ready-made crate fits.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Characters that stand for the 32 bytes.
pub(super) const DIGEST_LENGTH: usize = 43;

/// The alphabet of `crypt(3)`, which is not that of base64.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// In which order the bytes are written, three at a time.
const ORDER: [(usize, usize, usize); 10] = [
    (0, 10, 20),
    (21, 1, 11),
    (12, 22, 2),
    (3, 13, 23),
    (24, 4, 14),
    (15, 25, 5),
    (6, 16, 26),
    (27, 7, 17),
    (18, 28, 8),
    (9, 19, 29),
];

type Sum = Zeroizing<[u8; 32]>;

/// The digest of `password` with `salt` after so many rounds, in 43 characters of `./0-9A-Za-z`. The numbers in
/// the comments are those of the steps in Drepper's description.
pub(super) fn digest(password: &[u8], salt: &[u8], rounds: usize) -> Zeroizing<String> {
    // 4 to 8: the password, the salt, the password.
    let inner = sum(&[password, salt, password]);

    // 1 to 3 and 9 to 12: the length of the password decides what goes in, bit by bit.
    let mut hash = Sha256::new();
    hash.update(password);
    hash.update(salt);
    hash.update(&repeat(&inner, password.len())[..]);
    let mut length = password.len();
    while length > 0 {
        if length & 1 == 1 {
            hash.update(&inner[..]);
        } else {
            hash.update(password);
        }
        length >>= 1;
    }
    let mut state: Sum = Zeroizing::new(hash.finalize().into());

    // 13 to 16: a sequence as long as the password, from as many passwords.
    let mut hash = Sha256::new();
    for _ in 0..password.len() {
        hash.update(password);
    }
    let of_passwords: Sum = Zeroizing::new(hash.finalize().into());
    let password_sequence = repeat(&of_passwords, password.len());

    // 17 to 20: a sequence as long as the salt, from a number of salts.
    let mut hash = Sha256::new();
    for _ in 0..16 + usize::from(state[0]) {
        hash.update(salt);
    }
    let of_salts: Sum = Zeroizing::new(hash.finalize().into());
    let salt_sequence = repeat(&of_salts, salt.len());

    // 21: the rounds.
    for round in 0..rounds {
        let odd = round % 2 == 1;
        let (first, last): (&[u8], &[u8]) = if odd {
            (&password_sequence, &state[..])
        } else {
            (&state[..], &password_sequence)
        };
        let salted: &[u8] = if round % 3 == 0 { &[] } else { &salt_sequence };
        let again: &[u8] = if round % 7 == 0 {
            &[]
        } else {
            &password_sequence
        };
        let next = sum(&[first, salted, again, last]);
        state = next;
    }

    // 22.
    encode(&state)
}

fn sum(parts: &[&[u8]]) -> Sum {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    Zeroizing::new(hash.finalize().into())
}

/// The bytes of a sum, over and over, `length` of them.
fn repeat(sum: &Sum, length: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend(sum.iter().cycle().take(length));
    bytes
}

fn encode(state: &Sum) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(DIGEST_LENGTH));
    let mut push = |high: u8, middle: u8, low: u8, characters: usize| {
        let mut bits = u32::from_be_bytes([0, high, middle, low]);
        for _ in 0..characters {
            text.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    };
    for (high, middle, low) in ORDER {
        push(state[high], state[middle], state[low], 4);
    }
    push(0, state[31], state[30], 3);
    text
}

/// Whether `text` is what [`digest`] gives.
pub(super) fn has_digest_shape(text: &[u8]) -> bool {
    text.len() == DIGEST_LENGTH && text.iter().all(|byte| ALPHABET.contains(byte))
}
