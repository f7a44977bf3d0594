//! The Pulumi ESC language: documents to expressions, expressions to values.
//!
//! Evaluation is lazy: what is not asked for is not evaluated, no other environment
//! is loaded and no secret is unsealed for it. A rotated secret's value is its
//! `state`; its `inputs` are evaluated for a rotation only. Environments and keys
//! come from the caller, through [`Loader`] and [`Unseal`].
//!
//! What the language has and this room has not is refused at its place with
//! `… is not supported yet`, never ignored.

mod evaluate;
mod expression;
mod inputs;
mod interpolation;
mod parse;
mod references;
mod rotators;
mod secret_sites;
mod state;
mod template;
mod value;

pub use evaluate::{Evaluator, Loaded, Loader, Unseal};
pub use expression::{Environment, RotatedSecret};
pub use secret_sites::{Role, SecretForm, SecretSite, check_for_saving};
pub use template::{Rendered, Template};
pub use value::{Layout, Value, ValueKind};

#[cfg(test)]
mod tests;
