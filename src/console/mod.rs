//! The console: the terminal interface of the operations.
//!
//! A pure core, `update(&mut Model, Message) -> Vec<Effect>` and `view(&Model, frame)`;
//! effects do all IO and answer with messages.

use std::sync::Arc;

use crate::operations::{Exit, Failure, Workspace};

/// How the console is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Words for the header, for example that this is the demo.
    pub banner: Option<String>,
}

/// Opens the console on a store and returns when the operator leaves it.
///
/// # Errors
/// When there is no terminal.
pub async fn run(_workspace: Arc<Workspace>, _options: Options) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
