//! Real throw-away servers on loopback, for the demo, the tests and the benches.
//!
//! What this room promises:
//! - a server is the real one, with TLS, passwords and a certificate authority of its own;
//!   the only fake here says so in its name ([`SilentServer`]);
//! - nothing outlives the program, however it ends: each server belongs to a watchdog
//!   process that ends it and removes its folder when the program is gone;
//! - everything is reached through loopback only, on ports below the range from which
//!   the system takes ports for outgoing connections;
//! - no environment variable is read but `PATH`.

mod binaries;
mod certificates;
mod demo;
mod error;
mod folder;
mod lifecycle;
mod login;
mod mysql;
mod postgres;
mod processes;
mod silent;
mod watchdog;

pub use binaries::PostgresBinaries;
pub use certificates::{Authority, ServerCertificate};
pub use demo::{Demo, DemoOptions, DemoPlace};
pub use error::SandboxError;
pub use login::{LoginOutcome, Row, Superuser};
pub use mysql::{
    MariadbBinaries, MysqlBinaries, MysqlDoor, MysqlFlavour, MysqlOptions, MysqlServer,
};
pub use postgres::{Door, PostgresOptions, PostgresServer};
pub use silent::SilentServer;

use std::fmt::Write as _;

/// Random text from the operating system's generator, for names and test passwords.
fn random_hex(bytes: usize) -> Result<String, SandboxError> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(|_| SandboxError::NoRandomness)?;
    Ok(buffer.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every text");
        text
    }))
}
