//! Documents: YAML text as a tree that knows line and column, edits that keep every
//! comment of what they do not touch, and the diagnostics that all rooms report with.
//!
//! Documents may hold plaintext secrets. Nothing here prints a scalar's text in
//! `Debug`, and [`render`] hides the values of lines that may hold one.

mod diagnostic;
pub mod edit;
mod emit;
mod fragment;
mod hiding;
mod literal;
mod nearest;
mod path;
mod render;
mod tree;

pub use diagnostic::{Diagnostic, Place, Severity, has_errors};
pub use edit::slice;
pub use fragment::Fragment;
pub use literal::Literal;
pub use nearest::{by_distance, nearest};
pub use path::{
    Accessor, AccessorFault, PathError, PropertyPath, Segment, document_path_text, parse_accessors,
};
pub use render::{RenderStyle, SourceText, render};
pub use tree::{Document, Entry, Key, Node, NodeKind, Scalar, ScalarStyle, Span};
