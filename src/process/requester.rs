//! Who asks, and on which host. Both are claims of the operating system, not proofs.

use nix::unistd::{User, geteuid, gethostname, getuid};

use crate::untrusted::Untrusted;

/// The login user; under `sudo` the user who called it stands first.
///
/// It is a claim: whoever controls the account or its environment can change it.
#[must_use]
pub fn requester() -> String {
    let user = match User::from_uid(getuid()) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {}", getuid()),
    };
    let caller = std::env::var("SUDO_USER")
        .ok()
        .filter(|_| geteuid().is_root());
    let text = match caller {
        Some(caller) if caller != user => format!("{caller} as {user}"),
        _ => user,
    };
    Untrusted::new(&text).as_str().to_owned()
}

/// This host's name.
#[must_use]
pub fn host_name() -> String {
    let name = gethostname().unwrap_or_default();
    Untrusted::new(&name.to_string_lossy()).as_str().to_owned()
}
