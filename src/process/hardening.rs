//! Keeps secrets inside the process: no core dump, no tracing by others, private files.

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Hardens the process; to be called before any secret is read.
///
/// A kernel that refuses one of the measures leaves the others in force: they are
/// defence in depth, and an on-call operator needs the tool to start.
pub fn harden() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_hardened_process_leaves_no_core() {
        harden();
        let (soft, hard) =
            nix::sys::resource::getrlimit(Resource::RLIMIT_CORE).expect("can be read");
        assert_eq!((soft, hard), (0, 0));
        assert!(!nix::sys::prctl::get_dumpable().expect("can be read"));
    }
}
