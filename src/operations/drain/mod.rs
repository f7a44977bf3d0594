//! The drain of outgoing users: their sessions are sampled, the samples are kept, and what
//! follows from them is judged.
//!
//! Whoever samples an overlap holds its lock, so that there is one sampler at a time; everybody
//! else reads the same timeline from the store. Sampling changes no database.

mod ground;
mod groups;
mod node;
mod once;
mod overlaps;
mod recorder;
mod report;
mod sampler;
mod watch;

pub use once::sample_once;
pub(super) use overlaps::open_missing;
pub use report::read_drains;
pub use watch::{DrainWatch, Pace, watch};

use serde::Serialize;

use crate::document::PropertyPath;
use crate::drain::{Drain, Verdict};
use crate::model::EnvironmentName;

/// The drains of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrainReport {
    /// Which.
    pub environment: EnvironmentName,
    /// One for each rotated secret that has an overlap, in the order of the document.
    pub drains: Vec<Drain>,
    /// Rotated secrets that have none: they were never promoted.
    pub without_overlap: Vec<String>,
    /// Who samples them.
    pub sampler: Sampler,
    /// Why less is known than should be, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl DrainReport {
    /// The part of it that is about these paths; all of it where none is named.
    #[must_use]
    pub fn only(mut self, paths: &[PropertyPath]) -> Self {
        if paths.is_empty() {
            return self;
        }
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        self.drains.retain(|drain| paths.contains(&drain.path));
        self.without_overlap.retain(|path| paths.contains(path));
        self
    }

    /// Whether there is something to drain, and all of it has.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let mut drains = self.drains.iter();
        !self.drains.is_empty() && drains.all(|drain| drain.verdict == Verdict::Drained)
    }
}

/// Who samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// This process.
    Here,
    /// Another process, at least in part.
    Elsewhere,
    /// Nobody goes on: one sample was made for this answer.
    Once,
    /// Nobody.
    Nobody,
}
