//! handover: hands a database over from one credential to the next without
//! dropping a connection.
//!
//! Each module is a room with one job; a room uses only rooms on lower floors. See
//! `ARCHITECTURE.md` for the map.

pub mod database;
pub mod drain;
pub mod model;
pub mod process;
pub mod rotation;
pub mod secret;
pub mod store;
pub mod untrusted;
