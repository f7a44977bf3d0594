//! Sealing: how a secret stands in a document and in the journal.
//!
//! The outer envelope is the one that the Pulumi ESC language defines,
//! `base64("escx" ‖ u32be 1 ‖ body ‖ u32be crc32)`, so that documents keep their
//! shape. The checksum finds typing errors; it authenticates nothing. The body is
//! ours:
//!
//! ```text
//! "hov1" ‖ secret id (16) ‖ generation (u64be, 0 = not rotated) ‖ nonce (24) ‖ ciphertext and tag
//! ```
//!
//! The associated data binds the environment, the secret and, for rotated state,
//! its generation: an envelope that was moved to another environment, or whose
//! header was edited, does not open.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of randomness that each sealing needs.
pub const NONCE_LENGTH: usize = 24;

const ENVELOPE_MAGIC: &[u8; 4] = b"escx";
const ENVELOPE_VERSION: [u8; 4] = 1u32.to_be_bytes();
const BODY_MAGIC: &[u8; 4] = b"hov1";
const HEADER_LENGTH: usize = 4 + 16 + 8 + NONCE_LENGTH;
const TAG_LENGTH: usize = 16;

/// Why an envelope or a wrapped key could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is not an envelope at all, or was damaged.
    #[error("the ciphertext is damaged: {0}")]
    Damaged(&'static str),
    /// A well-formed envelope whose body was sealed by another service.
    #[error("the ciphertext was not sealed by handover")]
    Foreign,
    /// The key is another one, or the envelope was moved or edited.
    #[error("the ciphertext does not open with this key in this place")]
    WrongKeyOrPlace,
}

/// The identity of one secret, kept in its envelope so that it survives renames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId(pub [u8; 16]);

impl fmt::Display for SecretId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl SecretId {
    /// Reads what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// What an envelope says of itself without any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeHeader {
    /// Which secret this is.
    pub secret: SecretId,
    /// The generation of rotated state; `None` for an ordinary secret.
    pub generation: Option<u64>,
}

/// The key that wraps all data keys of a store; it lives outside the store.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Takes 32 bytes that came from the operating system's generator or a key source.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The raw key, for the source that has to write it down.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A short name by which a slot recognises its key; it reveals nothing of it.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(&keyed_digest(&self.0, b"handover master key id")[..8])
    }

    /// Wraps a data key for one purpose, for example one environment's id.
    #[must_use]
    pub fn wrap(&self, key: &DataKey, purpose: &str, nonce: [u8; NONCE_LENGTH]) -> Vec<u8> {
        let associated = wrapping_data(purpose);
        let mut wrapped = nonce.to_vec();
        wrapped.extend(encrypt(&self.0, nonce, &key.0[..], &associated));
        wrapped
    }

    /// Opens what [`MasterKey::wrap`] made for the same purpose.
    ///
    /// # Errors
    /// [`SealError::Damaged`] for a wrong length, else [`SealError::WrongKeyOrPlace`].
    pub fn unwrap(&self, wrapped: &[u8], purpose: &str) -> Result<DataKey, SealError> {
        let (nonce, ciphertext) = wrapped
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or(SealError::Damaged("the wrapped key is too short"))?;
        let plain = decrypt(&self.0, *nonce, ciphertext, &wrapping_data(purpose))?;
        let bytes: [u8; 32] = plain
            .as_slice()
            .try_into()
            .map_err(|_| SealError::Damaged("the wrapped key has a wrong length"))?;
        Ok(DataKey(Zeroizing::new(bytes)))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({})", self.id())
    }
}

/// A key that seals the secrets of one environment, or chains the audit log.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Takes 32 bytes from the operating system's generator.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The HMAC-SHA-256 of `message` under this key.
    #[must_use]
    pub fn authenticate(&self, message: &[u8]) -> [u8; 32] {
        keyed_digest(&self.0, message)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DataKey(hidden)")
    }
}

/// Seals `plaintext` for one secret of one environment.
#[must_use]
pub fn seal(
    key: &DataKey,
    environment_id: &str,
    header: EnvelopeHeader,
    plaintext: &Secret,
    nonce: [u8; NONCE_LENGTH],
) -> String {
    let generation = header.generation.unwrap_or(0);
    let associated = sealing_data(environment_id, header.secret, generation);
    let mut envelope = ENVELOPE_MAGIC.to_vec();
    envelope.extend(ENVELOPE_VERSION);
    envelope.extend(BODY_MAGIC);
    envelope.extend(header.secret.0);
    envelope.extend(generation.to_be_bytes());
    envelope.extend(nonce);
    envelope.extend(encrypt(
        &key.0,
        nonce,
        plaintext.expose().as_bytes(),
        &associated,
    ));
    let checksum = crc32fast::hash(&envelope);
    envelope.extend(checksum.to_be_bytes());
    STANDARD.encode(envelope)
}

/// Opens an envelope that was sealed for this environment.
///
/// # Errors
/// See [`SealError`]; a ciphertext of Pulumi's service answers [`SealError::Foreign`].
pub fn unseal(key: &DataKey, environment_id: &str, envelope: &str) -> Result<Secret, SealError> {
    let body = open_envelope(envelope)?;
    let (header, nonce, ciphertext) = split_body(&body)?;
    let associated = sealing_data(
        environment_id,
        header.secret,
        header.generation.unwrap_or(0),
    );
    let mut plain = decrypt(&key.0, nonce, ciphertext, &associated)?;
    String::from_utf8(std::mem::take(&mut *plain))
        .map(Secret::new)
        .map_err(|_| SealError::Damaged("the plaintext is not UTF-8"))
}

/// Reads an envelope's header without a key.
///
/// # Errors
/// [`SealError::Damaged`] or [`SealError::Foreign`].
pub fn inspect(envelope: &str) -> Result<EnvelopeHeader, SealError> {
    Ok(split_body(&open_envelope(envelope)?)?.0)
}

fn open_envelope(text: &str) -> Result<Vec<u8>, SealError> {
    let bytes = STANDARD
        .decode(text.trim())
        .map_err(|_| SealError::Damaged("it is not base64"))?;
    let (content, checksum) = bytes
        .split_last_chunk::<4>()
        .ok_or(SealError::Damaged("it is too short"))?;
    let body = content
        .strip_prefix(ENVELOPE_MAGIC)
        .ok_or(SealError::Damaged("it does not begin as an envelope"))?;
    if crc32fast::hash(content).to_be_bytes() != *checksum {
        return Err(SealError::Damaged("its checksum is wrong"));
    }
    let body = body
        .strip_prefix(&ENVELOPE_VERSION)
        .ok_or(SealError::Damaged("its version is not known"))?;
    Ok(body.to_vec())
}

fn split_body(body: &[u8]) -> Result<(EnvelopeHeader, [u8; NONCE_LENGTH], &[u8]), SealError> {
    if !body.starts_with(BODY_MAGIC) {
        return Err(SealError::Foreign);
    }
    if body.len() < HEADER_LENGTH + TAG_LENGTH {
        return Err(SealError::Damaged("it is too short"));
    }
    let (header, ciphertext) = body.split_at(HEADER_LENGTH);
    let mut secret = [0; 16];
    secret.copy_from_slice(&header[4..20]);
    let mut generation = [0; 8];
    generation.copy_from_slice(&header[20..28]);
    let mut nonce = [0; NONCE_LENGTH];
    nonce.copy_from_slice(&header[28..]);
    let generation = u64::from_be_bytes(generation);
    let header = EnvelopeHeader {
        secret: SecretId(secret),
        generation: (generation != 0).then_some(generation),
    };
    Ok((header, nonce, ciphertext))
}

fn sealing_data(environment_id: &str, secret: SecretId, generation: u64) -> Vec<u8> {
    let mut data = b"handover sealed secret 1\0".to_vec();
    data.extend((environment_id.len() as u64).to_be_bytes());
    data.extend(environment_id.as_bytes());
    data.extend(secret.0);
    data.extend(generation.to_be_bytes());
    data
}

fn wrapping_data(purpose: &str) -> Vec<u8> {
    [b"handover wrapped key 1\0", purpose.as_bytes()].concat()
}

fn encrypt(key: &[u8; 32], nonce: [u8; NONCE_LENGTH], plain: &[u8], associated: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new(key.into())
        .encrypt(
            &nonce.into(),
            Payload {
                msg: plain,
                aad: associated,
            },
        )
        .expect("XChaCha20-Poly1305 only refuses messages of 256 GiB and more")
}

fn decrypt(
    key: &[u8; 32],
    nonce: [u8; NONCE_LENGTH],
    ciphertext: &[u8],
    associated: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    XChaCha20Poly1305::new(key.into())
        .decrypt(
            &nonce.into(),
            Payload {
                msg: ciphertext,
                aad: associated,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| SealError::WrongKeyOrPlace)
}

fn keyed_digest(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    use hmac::KeyInit as _;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(fill: u8) -> DataKey {
        DataKey::new(Zeroizing::new([fill; 32]))
    }

    const HEADER: EnvelopeHeader = EnvelopeHeader {
        secret: SecretId([7; 16]),
        generation: Some(3),
    };

    fn sealed() -> String {
        seal(
            &key(1),
            "env-1",
            HEADER,
            &Secret::new("canary".to_owned()),
            [9; 24],
        )
    }

    #[test]
    fn an_envelope_opens_in_its_place_and_nowhere_else() {
        let envelope = sealed();
        assert_eq!(
            unseal(&key(1), "env-1", &envelope).expect("opens").expose(),
            "canary"
        );
        let refused = Err(SealError::WrongKeyOrPlace);
        assert_eq!(unseal(&key(2), "env-1", &envelope), refused);
        assert_eq!(unseal(&key(1), "env-2", &envelope), refused);
    }

    #[test]
    fn an_edited_generation_or_secret_id_does_not_open() {
        for offset in [12, 35] {
            let mut bytes = STANDARD.decode(sealed()).expect("base64");
            bytes[offset] ^= 1;
            let end = bytes.len() - 4;
            let checksum = crc32fast::hash(&bytes[..end]).to_be_bytes();
            bytes[end..].copy_from_slice(&checksum);
            let forged = STANDARD.encode(bytes);
            assert_eq!(
                unseal(&key(1), "env-1", &forged),
                Err(SealError::WrongKeyOrPlace)
            );
        }
    }

    #[test]
    fn the_header_can_be_read_without_a_key() {
        assert_eq!(inspect(&sealed()), Ok(HEADER));
    }

    #[test]
    fn a_ciphertext_of_another_service_is_named_as_such() {
        // The sample of the language's own tests: "hunter2" under a toy cipher.
        assert_eq!(
            inspect("ZXNjeAAAAAHo9e705fKyKo30VQ=="),
            Err(SealError::Foreign)
        );
    }

    #[test]
    fn wrapped_keys_open_for_their_purpose_only() {
        let master = MasterKey::new(Zeroizing::new([5; 32]));
        let wrapped = master.wrap(&key(1), "environment a", [2; 24]);
        let opened = master.unwrap(&wrapped, "environment a").expect("opens");
        assert_eq!(opened.authenticate(b"x"), key(1).authenticate(b"x"));
        assert!(master.unwrap(&wrapped, "environment b").is_err());
        let other = MasterKey::new(Zeroizing::new([6; 32]));
        assert!(other.unwrap(&wrapped, "environment a").is_err());
        assert_ne!(master.id(), other.id());
    }

    proptest! {
        #[test]
        fn any_damage_is_noticed(position in 0usize..120, flip in 1u8..) {
            let mut bytes = STANDARD.decode(sealed()).expect("base64");
            let position = position % bytes.len();
            bytes[position] ^= flip;
            prop_assert!(unseal(&key(1), "env-1", &STANDARD.encode(bytes)).is_err());
        }

        #[test]
        fn any_text_round_trips(text in "\\PC*") {
            let envelope = seal(&key(1), "e", HEADER, &Secret::new(text.clone()), [1; 24]);
            let opened = unseal(&key(1), "e", &envelope).expect("opens");
            prop_assert_eq!(opened.expose(), text);
        }
    }
}
