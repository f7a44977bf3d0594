//! The named situations of a rotation that was found open, and what is said of them.
//!
//! The names are the same in code, tests, JSON, screens and documents.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::Engine;

/// The named situations. The names are the same in code, tests, JSON and screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Something else than the password answers: two passwords of one user log in.
    BothAccepted,
    /// The server has older data than was recorded, and its passwords are old ones.
    Restored,
    /// Both passwords were changed since this store last saw them.
    StoreBehind,
    /// The password that consumers read does not log in.
    CurrentDead,
    /// Applications fail with what they read, and the other user's password is good.
    ApplicationsFail,
    /// Applications fail with what they read, and we have locked the other user.
    BackLocked,
    /// No password of the user to go back to is known, or it is refused.
    BackScrambled,
    /// Stopped before S2.
    NothingDone,
    /// S2 done, S3 not sent.
    PendingUnsent,
    /// S3 refused for a passing reason.
    RefusedRetryable,
    /// S3 refused because of this password.
    RefusedPassword,
    /// S3 refused for good.
    RefusedFinal,
    /// S3 sent, no answer, and not applied.
    ReplyLost,
    /// S3 sent, and its statement still waits for a synchronous standby.
    WaitingForStandby,
    /// N stands on some nodes and not on all.
    NotReplicated,
    /// The new password is set and logs in; not promoted.
    Applied,
    /// The password is right, and its user cannot do what it must.
    VerifyFailed,
    /// Every node accepts N, and a pooler does not.
    PoolerRefuses,
    /// The outcome of S5 in the store is not known.
    StoreUnknown,
    /// Somebody else set a password of Y.
    RivalOwner,
    /// What answers is not the recorded server.
    OtherServer,
    /// The managing user cannot log in.
    ManagerOut,
    /// Too little answered to say anything.
    Unreachable,
    /// S6: somebody else's text stands in a sink's file.
    SinkForeign,
    /// S6: a sink's file did not get its text, or its readers were not told.
    SinkFailed,
    /// The evidence fits no case.
    Unrecognised,
}

impl Case {
    /// All cases, in the order of the table; the last one is what fits none.
    pub const ALL: [Self; 26] = [
        Self::BothAccepted,
        Self::Restored,
        Self::StoreBehind,
        Self::CurrentDead,
        Self::ApplicationsFail,
        Self::BackLocked,
        Self::BackScrambled,
        Self::NothingDone,
        Self::PendingUnsent,
        Self::RefusedRetryable,
        Self::RefusedPassword,
        Self::RefusedFinal,
        Self::ReplyLost,
        Self::WaitingForStandby,
        Self::NotReplicated,
        Self::Applied,
        Self::VerifyFailed,
        Self::PoolerRefuses,
        Self::StoreUnknown,
        Self::RivalOwner,
        Self::OtherServer,
        Self::ManagerOut,
        Self::Unreachable,
        Self::SinkForeign,
        Self::SinkFailed,
        Self::Unrecognised,
    ];

    /// Whether it may pass by itself, so that whoever has the time may try again before a person
    /// is asked for. What rests on somebody's choice, or on another one's deed, does not.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::NothingDone
            | Self::PendingUnsent
            | Self::RefusedRetryable
            | Self::ReplyLost
            | Self::WaitingForStandby
            | Self::NotReplicated
            | Self::Applied
            | Self::PoolerRefuses
            | Self::StoreUnknown
            | Self::Unreachable
            | Self::SinkFailed => true,
            Self::BothAccepted
            | Self::Restored
            | Self::StoreBehind
            | Self::CurrentDead
            | Self::ApplicationsFail
            | Self::BackLocked
            | Self::BackScrambled
            | Self::RefusedPassword
            | Self::RefusedFinal
            | Self::VerifyFailed
            | Self::RivalOwner
            | Self::OtherServer
            | Self::ManagerOut
            | Self::SinkForeign
            | Self::Unrecognised => false,
        }
    }

    /// The name, as in JSON and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BothAccepted => "both-accepted",
            Self::Restored => "restored",
            Self::StoreBehind => "store-behind",
            Self::CurrentDead => "current-dead",
            Self::ApplicationsFail => "applications-fail",
            Self::BackLocked => "back-locked",
            Self::BackScrambled => "back-scrambled",
            Self::NothingDone => "nothing-done",
            Self::PendingUnsent => "pending-unsent",
            Self::RefusedRetryable => "refused-retryable",
            Self::RefusedPassword => "refused-password",
            Self::RefusedFinal => "refused-final",
            Self::ReplyLost => "reply-lost",
            Self::WaitingForStandby => "waiting-for-standby",
            Self::NotReplicated => "not-replicated",
            Self::Applied => "applied",
            Self::VerifyFailed => "verify-failed",
            Self::PoolerRefuses => "pooler-refuses",
            Self::StoreUnknown => "store-unknown",
            Self::RivalOwner => "rival-owner",
            Self::OtherServer => "other-server",
            Self::ManagerOut => "manager-out",
            Self::Unreachable => "unreachable",
            Self::SinkForeign => "sink-foreign",
            Self::SinkFailed => "sink-failed",
            Self::Unrecognised => "unrecognised",
        }
    }

    /// What the case means, in one sentence for an operator.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::BothAccepted => {
                "two different passwords of one user, or a random one, log in: something else answers than the password that was set"
            }
            Self::Restored => {
                "the server has older data than this store recorded, and the password that consumers read does not log in: consumers are down"
            }
            Self::StoreBehind => {
                "the recorded server refuses both stored passwords: both were changed since this store last saw them, so the store is the older one"
            }
            Self::CurrentDead => {
                "the password that consumers read does not log in: consumers are down"
            }
            Self::ApplicationsFail => {
                "a person says that applications fail with what they read; the user they read before still logs in with the password it has"
            }
            Self::BackLocked => {
                "a person says that applications fail with what they read; the user they read before is locked, with its password untouched"
            }
            Self::BackScrambled => {
                "the user to go back to has no password that is known here and accepted: the old one cannot come back"
            }
            Self::NothingDone => "stopped before a password was made; nothing was changed",
            Self::PendingUnsent => "a new password is sealed but was never sent to the database",
            Self::RefusedRetryable => "the database refused the change for a passing reason",
            Self::RefusedPassword => "the database's password policy rejected the new password",
            Self::RefusedFinal => "the database refused the change for good",
            Self::ReplyLost => "the change was sent, its answer was lost, and it was not applied",
            Self::WaitingForStandby => {
                "the change is on its way, and its statement still waits for a synchronous standby; both old passwords log in until it ends"
            }
            Self::NotReplicated => {
                "the new password is not, or cannot be shown to be, on every node; a fail-over now would lose it"
            }
            Self::Applied => "the new password is set and not promoted; nobody is affected",
            Self::VerifyFailed => {
                "the new password is set, but as its user a login, a configured statement or a privilege is missing; nobody is affected"
            }
            Self::PoolerRefuses => {
                "every node accepts the new password, and a pooler does not: it remembers the old one, or reads a list of its own"
            }
            Self::StoreUnknown => "it is not known whether the store took the promotion",
            Self::RivalOwner => {
                "the idle user refuses every password that this store knows: somebody else manages it"
            }
            Self::OtherServer => {
                "what answers is not the recorded server, or has older data: a fail-over, an upgrade, a clone or a restore"
            }
            Self::ManagerOut => "the managing user cannot log in; consumers are not affected",
            Self::Unreachable => "the database does not answer, so nothing is known",
            Self::SinkForeign => {
                "promoted, but a file that it is published to holds somebody else's text, or is somebody else's file; it was not overwritten"
            }
            Self::SinkFailed => {
                "promoted, but a file that it is published to did not get the new credential, or its readers were not told; the old credential still logs in"
            }
            Self::Unrecognised => "what was found fits no known case",
        }
    }

    /// What is done about it, in a few words for the documentation.
    #[must_use]
    pub fn treatment(self) -> &'static str {
        match self {
            Self::BothAccepted => {
                "looked at once more, since replay may have come in between; then parked: a person is needed"
            }
            Self::Restored => {
                "parked: a person is needed; `handover rollback` accepts the server and sets the stored password again (re-apply)"
            }
            Self::StoreBehind => {
                "parked: a person is needed; `handover rollback` takes the password that a published file holds, where it logs in (import), else it gives the idle user a new one (re-issue)"
            }
            Self::CurrentDead => {
                "parked: a person is needed; `handover rollback` takes the shortest way to a working login (import, re-promote, re-apply, re-issue)"
            }
            Self::ApplicationsFail => {
                "`handover rollback`: verified and promoted, without a word to the database (re-promote)"
            }
            Self::BackLocked => {
                "`handover rollback`: where handover has locked it, it is let in again, verified and promoted (un-retire)"
            }
            Self::BackScrambled => {
                "`handover rollback`: it gets a new password, with the gate as ever, and is promoted (re-issue)"
            }
            Self::ManagerOut | Self::Unrecognised => "parked: a person is needed",
            Self::NothingDone => "closed; a retry makes a password if the gate is open",
            Self::PendingUnsent => "sent if the gate is open, else dropped and closed",
            Self::RefusedRetryable => "the same password is sent again, a few times, then parked",
            Self::RefusedPassword => "another password is made, twice at most, then parked",
            Self::RefusedFinal => "parked; sent again by whoever mended it",
            Self::ReplyLost => "waited out, looked at, and the same password is sent again",
            Self::WaitingForStandby => {
                "waited for, a bounded while, then parked; the statement is never cancelled, since that would apply it here alone"
            }
            Self::NotReplicated | Self::PoolerRefuses => {
                "waited for, a bounded while, then parked; never promoted so"
            }
            Self::Applied => "verified and promoted",
            Self::VerifyFailed => "parked; verified again by whoever mended it",
            Self::StoreUnknown => "read again",
            Self::RivalOwner => "the same password is sent once more; a second time it is parked",
            Self::OtherServer => {
                "parked: nothing is sent to it and nothing is promoted on it until a person accepts it"
            }
            Self::Unreachable => "kept as it is until the database answers",
            Self::SinkForeign => "parked: never overwritten until a person says so",
            Self::SinkFailed => {
                "written again with the same values by whoever goes on; no retirement and no next rotation meanwhile"
            }
        }
    }

    /// Whether the new password is in the database and something else keeps it from being
    /// promoted, so that abandoning is a way out.
    #[must_use]
    pub fn may_be_given_up(self) -> bool {
        matches!(
            self,
            Self::NotReplicated | Self::VerifyFailed | Self::PoolerRefuses
        )
    }

    /// What else could be done.
    #[must_use]
    pub fn next_best(self, engine: Engine) -> &'static str {
        match self {
            Self::BothAccepted if engine == Engine::Mysql => {
                "end the retained password (`DISCARD OLD PASSWORD`), or make the server ask for passwords, then look again"
            }
            Self::NotReplicated if engine == Engine::Mysql => {
                "see why the replica does not follow, or name it in `nodes`"
            }
            Self::PoolerRefuses if engine == Engine::Mysql => {
                "give the proxy's list of users (ProxySQL: `mysql_users`) the new password and load it, or let it ask the server"
            }
            Self::BothAccepted => {
                "close the server to `trust` for these users first, then look again"
            }
            Self::Restored => {
                "an administrator sets the stored passwords again, once it is certain that this server is to stay"
            }
            Self::StoreBehind => {
                "restore a newer backup of the store, or put back the file that they were published to"
            }
            Self::CurrentDead => {
                "an administrator sets the stored password again, or lets the user log in again"
            }
            Self::ApplicationsFail => {
                "give the user they read now what it lacks, or re-issue: a new password for the other one"
            }
            Self::BackLocked => {
                "re-issue: a new password for the locked user, which lets it in again"
            }
            Self::BackScrambled => "give the user they read now what it lacks",
            Self::NothingDone | Self::PendingUnsent => "leave it; consumers are not affected",
            Self::RefusedRetryable | Self::ReplyLost | Self::Unreachable => "wait, then look again",
            Self::RefusedPassword => {
                "let the managing user past the policy: it sees a verifier or a hash and never the password itself"
            }
            Self::RefusedFinal | Self::ManagerOut => "an administrator mends what the server names",
            Self::WaitingForStandby => {
                "bring the synchronous standby back, or take it out of `synchronous_standby_names`"
            }
            Self::NotReplicated => "see why the standby does not follow, or name it in `nodes`",
            Self::Applied => "leave it; both users log in, and nobody is affected",
            Self::VerifyFailed => {
                "take the statement out of the settings, if it asks too much; or abandon"
            }
            Self::PoolerRefuses => {
                "give the pooler's list (pgbouncer: `auth_file`) the new verifier and reload it, or let it ask the server (`auth_query`)"
            }
            Self::StoreUnknown => "restore the last backup of the store",
            Self::RivalOwner => {
                "find who else sets this user's password (an operator, a configuration tool, another store) and stop it, or abandon"
            }
            Self::OtherServer => "bring the recorded server back",
            Self::SinkForeign => {
                "take the file out of `publish` in the settings, or overwrite it by name: `handover publish ENV --overwrite FILE`"
            }
            Self::SinkFailed => {
                "take the file out of `publish` in the settings; the rotation is over then"
            }
            Self::Unrecognised => "keep a copy of the store, and ask who else manages these users",
        }
    }

    /// What would make the verdict wrong.
    #[must_use]
    pub fn wrong_if(self, engine: Engine) -> &'static str {
        match self {
            Self::CurrentDead if engine == Engine::Mysql => {
                "consumers reach another server than this host does, or a replica that lags refuses alone"
            }
            Self::NotReplicated if engine == Engine::Mysql => {
                "the node that refuses does not replicate from this server at all"
            }
            Self::BothAccepted => "the server asks nobody for a password from this host alone",
            Self::Restored => {
                "the name or the address leads to another server than the one that consumers reach"
            }
            Self::StoreBehind => {
                "somebody changed both passwords by hand, or a restored server was accepted; consumers of this store are down then"
            }
            Self::CurrentDead => {
                "consumers reach another server than this host does, or a standby that lags refuses alone"
            }
            Self::ApplicationsFail | Self::BackLocked | Self::BackScrambled => {
                "the applications fail for another reason than the user they read"
            }
            Self::NothingDone | Self::PendingUnsent => {
                "this store is older than the database (a restored backup)"
            }
            Self::RefusedRetryable | Self::RefusedPassword | Self::RefusedFinal => {
                "the server said one thing and did another"
            }
            Self::ReplyLost | Self::Applied | Self::VerifyFailed => {
                "a pooler or a proxy answered instead of the server"
            }
            Self::WaitingForStandby => "the statement that waits is another program's",
            Self::NotReplicated => "the node that refuses does not replay from this server at all",
            Self::PoolerRefuses => "the pooler is down, or no consumer goes through it any more",
            Self::StoreUnknown => "somebody else wrote to the store meanwhile",
            Self::RivalOwner => "one person changed the password by hand, once",
            Self::OtherServer => {
                "the fail-over was planned, and this server is the one that consumers reach"
            }
            Self::ManagerOut => "the managing user's password in its environment is out of date",
            Self::Unreachable => "only this host cannot reach the database",
            Self::SinkForeign => {
                "the text is ours and this store was restored from an older backup"
            }
            Self::SinkFailed => "the readers have read the file by themselves",
            Self::Unrecognised => "somebody changed these users during the look",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
