//! What may be done next, in words too.

use super::case::Case;

/// The one thing to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Close the rotation; nothing was done.
    Release,
    /// S2: make and seal a new password.
    SealPending,
    /// Let the candidate's user, which we had locked, log in again.
    Unlock,
    /// S3: send the pending password.
    Apply,
    /// S3 against a rival: record that one was seen, then send the same password once more.
    ApplyAgain,
    /// Wait until no statement of ours can still be running, then probe again.
    Outwait,
    /// Wait a bounded while, for replay or for a pooler's cache, then look again.
    Wait,
    /// Drop the pending password; another one will be made.
    DropPending,
    /// S4: record what was proven.
    Verify,
    /// S5: make it current.
    Promote,
    /// Read from the store whether S5 happened.
    ReadStoreAgain,
    /// S6: give the text to a file, and tell its readers.
    Publish,
    /// The rotation is complete.
    Close,
    /// Drop the pending password and end the rotation; nothing was changed.
    Abort,
    /// Record the pending password as `previous` and end the rotation.
    Abandon,
    /// Stop here and name the case; everything is kept.
    Park,
}

impl Action {
    /// What the action leaves alone.
    #[must_use]
    pub fn untouched(self) -> &'static str {
        match self {
            Self::Apply | Self::ApplyAgain | Self::Outwait => {
                "drop or lock a user, end a session, or touch the user that consumers read"
            }
            Self::Unlock => {
                "change any password in the database, drop a user, end a session, or touch the user that consumers read"
            }
            Self::Abandon => {
                "change any password in the database, drop or lock a user, end a session, or change what consumers read"
            }
            _ => "change any password in the database, drop or lock a user, or end a session",
        }
    }

    /// The action in words, for reviews and reports.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Release => "close the rotation; nothing was changed",
            Self::SealPending => "make a new password and seal it",
            Self::Unlock => "let the user log in again, then verify the password it has",
            Self::Apply => "send the same pending password to the database",
            Self::ApplyAgain => {
                "send the same pending password once more, over whatever somebody else has set"
            }
            Self::Outwait => {
                "wait until no statement of ours can still be running, then look again"
            }
            Self::Wait => "wait a while for nodes or poolers, then look again",
            Self::DropPending => "drop the rejected password and make another",
            Self::Verify => "verify the password by login everywhere, then promote it",
            Self::Promote => "promote the password that was verified",
            Self::ReadStoreAgain => "read from the store whether the promotion happened",
            Self::Publish => "write the file, read it back, and tell its readers",
            Self::Close => "close the rotation; it is complete",
            Self::Abort => "drop the pending password and close the rotation; nothing was changed",
            Self::Abandon => {
                "record the pending password as `previous` and close the rotation; consumers keep what they read"
            }
            Self::Park => "keep everything as it is and wait for a person",
        }
    }
}

/// The case that holds and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Which case; `None` when all is well and only the books are to be closed.
    pub case: Option<Case>,
    /// What to do.
    pub action: Action,
}
