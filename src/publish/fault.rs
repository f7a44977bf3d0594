//! Why a file did not get its text.

use std::path::Path;

use nix::errno::Errno;

/// What a fault means for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It stands as it was, or is not there.
    NotWritten,
    /// Somebody else's text, or somebody else's file, stands there; it stays as it is.
    Foreign,
    /// It stands with its new text, and its readers were not told.
    NotAnnounced,
}

/// Why a sink failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkFault {
    /// What it means for the file.
    pub kind: FaultKind,
    /// What was found.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

impl SinkFault {
    pub(super) fn new(
        kind: FaultKind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn not_written(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(FaultKind::NotWritten, message, remedy)
    }

    pub(super) fn foreign(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(FaultKind::Foreign, message, remedy)
    }

    pub(super) fn not_announced(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(FaultKind::NotAnnounced, message, remedy)
    }

    /// What the system said of something at `place`.
    pub(super) fn system(place: &Path, errno: Errno) -> Self {
        let shown = place.display();
        let (words, remedy) = match errno {
            Errno::EROFS => (
                "it is on a file system that is read-only".to_owned(),
                "make it writable (mount -o remount,rw), or name another file".to_owned(),
            ),
            Errno::ENOSPC | Errno::EDQUOT => (
                "there is no room left on its disk".to_owned(),
                "make room on the disk".to_owned(),
            ),
            Errno::EACCES | Errno::EPERM => (
                "this user has no right to".to_owned(),
                format!("run as a user who may write {shown}, or give it the right"),
            ),
            Errno::ENOENT => (
                "it is not there".to_owned(),
                format!("make it: install -d -m 0700 {shown}"),
            ),
            Errno::ENOTDIR => (
                "it is no folder".to_owned(),
                "name a file in a folder".to_owned(),
            ),
            other => (
                other.desc().to_owned(),
                "see what the system names".to_owned(),
            ),
        };
        Self::not_written(format!("{shown}: {words}"), remedy)
    }
}
