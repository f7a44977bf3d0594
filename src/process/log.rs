//! The program's own log: a file in the state folder, never the terminal.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

/// Starts logging to `handover.log` in `folder`, at the level that `HANDOVER_LOG`
/// names (`info` without it).
///
/// A log that cannot be written must not keep an operator from working: then the
/// program runs without one. Secrets never reach it, since no type that holds one
/// can be formatted.
pub fn start_log(folder: &Path) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.join("handover.log"));
    let Ok(file) = file else {
        return;
    };
    let filter =
        EnvFilter::try_from_env("HANDOVER_LOG").unwrap_or_else(|_| EnvFilter::new("handover=info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .try_init();
}
