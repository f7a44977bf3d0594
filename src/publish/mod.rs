//! The ways out: a file gets a text and whoever reads it is told; what happened is told to those
//! who must know.
//!
//! This room is given what to write or to send, and where. It knows nothing of environments, of
//! the store, of the databases or of who asked. Nothing that it did not expect is overwritten:
//! what stands at a file is looked at right before it is replaced, and what is no plain file of
//! the right owner is refused by name. The folder is held open from the first look on, so that
//! whoever moves folders about cannot lead a text elsewhere.

mod fault;
mod file;
mod folder;
mod then;
mod webhook;

pub use fault::{FaultKind, SinkFault};
pub use file::{Expected, Found, look, write};
pub use then::announce;
pub use webhook::{Answer, Message, Receiver, SigningKey, pause_after};

use crate::document::PropertyPath;
use crate::environment::Template;
use crate::secret::Secret;

/// The values with which `template` becomes `text`, each path once. `None` where the text was
/// not made by it, and where several values would make it.
#[must_use]
pub fn extract(template: &str, text: &str) -> Option<Vec<(PropertyPath, Secret)>> {
    Template::parse(template).ok()?.extract(text)
}
