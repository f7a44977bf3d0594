//! handover: hands a database over from one credential to the next without
//! dropping a connection.
//!
//! Each module is a room with one job; a room uses only rooms on lower floors. See
//! `ARCHITECTURE.md` for the map.

pub mod agent;
pub mod cli;
pub mod console;
pub mod database;
pub mod document;
pub mod drain;
pub mod environment;
pub mod model;
pub mod operations;
pub mod process;
pub mod publish;
pub mod rotation;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod schedule;
pub mod secret;
pub mod store;
pub mod untrusted;
