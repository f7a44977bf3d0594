//! What the operating system gives: hardening, the clock that counts suspend,
//! randomness, private files, whom TLS trusts, who is asking, and where the master key comes from.
//!
//! This room knows nothing of databases, of the store's tables or of terminals.

mod authorities;
pub mod child;
mod clock;
pub mod failpoint;
mod hardening;
mod keys;
mod log;
mod private_files;
mod random;
mod redact;
mod requester;
mod signals;

pub use authorities::certificate_authorities;
pub use clock::{Deadline, Moment};
pub use hardening::harden;
pub use keys::{
    Ask, KeyAccess, KeyError, KeySource, NewKeySource, PassphraseParameters, create_key,
    probe_source,
};
pub use log::start_log;
pub use private_files::{
    PrivacyError, check_private_file, check_private_folder, create_private_folder,
};
pub use random::{generate_password, random_bytes, random_key};
pub use redact::{Redactions, Redactor};
pub use requester::{host_name, requester};
pub use signals::{Hold, Signal, StopSignal};
