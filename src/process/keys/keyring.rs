//! The system's keyring: Secret Service, Keychain or Credential Manager.
//!
//! Every call runs on a thread of its own and has a time limit, since a desktop may put
//! up a question that nobody answers. A locked keyring reads like an empty one, so an
//! entry that is not found is never a reason to make a new key.

use std::time::Duration;

use ::keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{KeyError, parse, written};
use crate::process::random::random_bytes;
use crate::secret::MasterKey;
use crate::untrusted::Untrusted;

/// Under which all entries of this program stand.
pub(super) const SERVICE: &str = "handover";

/// How long the keyring may think.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the key of an entry.
pub(super) async fn read(entry: String) -> Result<MasterKey, KeyError> {
    ask(move || {
        let text = match open(&entry)?.get_password() {
            Ok(text) => Zeroizing::new(text),
            // Only writing tells a locked keyring from one without the entry.
            Err(Error::NoEntry) => return Err(explain_absence(&entry)),
            Err(error) => return Err(explain(error, &entry)),
        };
        parse(text.as_bytes()).ok_or_else(|| KeyError::Malformed(described(&entry)))
    })
    .await
}

/// Stores a key under a new entry.
pub(super) async fn create(entry: String, key: &MasterKey) -> Result<(), KeyError> {
    let text = written(key);
    ask(move || {
        try_out()?;
        open(&entry)?
            .set_password(text.trim_end())
            .map_err(|error| explain(error, &entry))
    })
    .await
}

/// Whether the keyring can be written and read now.
pub(super) async fn probe() -> Result<(), KeyError> {
    ask(try_out).await
}

async fn ask<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    ask_within(PATIENCE, work).await
}

async fn ask_within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    let answer = tokio::task::spawn_blocking(work);
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(KeyError::KeyringFailed("its library gave up".to_owned())),
        Err(_) => Err(KeyError::KeyringSilent(patience.as_secs())),
    }
}

fn open(entry: &str) -> Result<Entry, KeyError> {
    // Without a keyring, making an entry says nothing of the reason; this does.
    if let Err(error) = Entry::store_status() {
        return Err(KeyError::KeyringUnreachable(words(error)));
    }
    Entry::new(SERVICE, entry).map_err(|error| explain(error, entry))
}

/// A locked keyring opens well and fails at the first write, so a test entry is
/// written, read and removed again.
fn try_out() -> Result<(), KeyError> {
    let name = format!("probe {}", hex::encode(random_bytes::<8>()));
    let value = hex::encode(random_bytes::<8>());
    let entry = open(&name)?;
    entry
        .set_password(&value)
        .map_err(|error| explain(error, &name))?;
    let back = entry.get_password();
    let removed = entry.delete_credential();
    match (back, removed) {
        (Ok(back), Ok(())) if back == value => Ok(()),
        (Ok(_), Ok(())) => Err(KeyError::KeyringFailed(
            "it does not keep what it is given".to_owned(),
        )),
        (Err(error), _) | (_, Err(error)) => Err(explain(error, &name)),
    }
}

fn explain_absence(entry: &str) -> KeyError {
    match try_out() {
        Ok(()) => KeyError::KeyringEmpty(format!(
            "{} was not found (a test entry could be written, so its default part is open)",
            described(entry)
        )),
        Err(locked @ KeyError::KeyringLocked(_)) => locked,
        Err(other) => KeyError::KeyringEmpty(format!(
            "{} was not found, and a test entry could not be written: {other}",
            described(entry)
        )),
    }
}

fn explain(error: Error, entry: &str) -> KeyError {
    match error {
        Error::NoEntry => KeyError::KeyringEmpty(format!("{} was not found", described(entry))),
        Error::NoStorageAccess(_) => KeyError::KeyringLocked(words(&error)),
        Error::NoDefaultStore => KeyError::KeyringUnreachable(words(&error)),
        // These carry what was read; it must not reach a message.
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeyError::Malformed(described(entry)),
        Error::Ambiguous(_) => {
            KeyError::KeyringFailed(format!("it has several entries for {}", described(entry)))
        }
        other => KeyError::KeyringFailed(words(&other)),
    }
}

fn described(entry: &str) -> String {
    format!("entry \"{entry}\" of service \"{SERVICE}\"")
}

fn words(error: &Error) -> String {
    Untrusted::new(&error.to_string()).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_reaches_no_message() {
        let error = explain(Error::BadEncoding(b"canary".to_vec()), "e");
        assert!(matches!(error, KeyError::Malformed(_)));
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn an_entry_that_is_not_found_says_that_the_keyring_may_be_locked() {
        let error = explain(Error::NoEntry, "store key");
        assert_eq!(error.code(), "key-missing");
        let text = error.to_string();
        assert!(
            text.contains("no such entry, or it is locked") && text.contains("store key"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_keyring_that_stays_silent_is_left_after_a_while() {
        let (end, never) = std::sync::mpsc::channel::<()>();
        let answer = ask_within(Duration::from_millis(20), move || {
            let _ = never.recv();
            Ok(())
        })
        .await;
        assert!(matches!(answer, Err(KeyError::KeyringSilent(_))));
        drop(end);
    }
}
