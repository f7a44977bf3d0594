//! The nouns that all rooms share: users, credentials, settings.
//!
//! Nothing here performs IO or decides anything.

mod credential;
pub mod settings;

pub use credential::{Credential, Engine, RotatedState, RotationInputs, UserName, UserNameError};
