//! The ways out: what happened is told to those who must know.
//!
//! This room is given what to send and to whom, with the keys. It does not know who asked, and
//! nothing of the store or of the databases.

mod webhook;

pub use webhook::{Answer, Message, Receiver, SigningKey, pause_after};
