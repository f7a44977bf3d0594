//! What an examination answers: named checks, each with what was found and a remedy.

use serde::{Serialize, Serializer};

use crate::model::DifferenceKind;

/// The checks, in the order in which they are made. Their names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// The document can be used and has a `state`.
    Document,
    /// No earlier rotation is unfinished; told only when one is.
    OpenRotation,
    /// The server answers.
    Reachable,
    /// The line is protected and the certificate trusted.
    Tls,
    /// No other rotated secret owns one of the pair.
    Owner,
    /// It is the server of the last rotation, and not an older copy of it.
    Server,
    /// It shows the certificate that it showed last; told only when it does not.
    Certificate,
    /// The managing user logs in.
    Managing,
    /// It may change both users' passwords.
    Right,
    /// It sees all sessions.
    View,
    /// Whoever samples logs in on every node, and sees all sessions there.
    Sampling,
    /// Whether logins are counted, or only sampled; a remark.
    Counting,
    /// Whether the managing user may end sessions; a remark.
    Ending,
    /// The server can be written to.
    Primary,
    /// A further node answers, is the same server, and shows all sessions; told for each.
    Node,
    /// Every standby that a server feeds is named.
    Standbys,
    /// What consumers read logs in through a pooler; told for each.
    Pooler,
    /// X is there, may log in, has not expired.
    CurrentRole,
    /// X's password logs in.
    CurrentLogin,
    /// Y is there, is the recorded role, may log in, has not expired.
    IdleRole,
    /// Whether Y's earlier password logs in.
    IdleLogin,
    /// A wrong password is refused.
    Trust,
    /// The pair differs in nothing of this kind.
    Twins(DifferenceKind),
    /// There is room for the sessions of both.
    Connections,
    /// No stream or subscription keeps one of the passwords.
    Replication,
    /// A full server still lets the managing user in.
    ServerFull,
}

impl Check {
    /// The name, as in JSON and on screens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::OpenRotation => "open-rotation",
            Self::Reachable => "reachable",
            Self::Tls => "tls",
            Self::Owner => "owner",
            Self::Server => "server",
            Self::Certificate => "certificate",
            Self::Managing => "managing-login",
            Self::Right => "right-to-alter",
            Self::View => "session-view",
            Self::Sampling => "sampling",
            Self::Counting => "counting",
            Self::Ending => "right-to-end-sessions",
            Self::Primary => "primary",
            Self::Node => "node",
            Self::Standbys => "standbys",
            Self::Pooler => "pooler",
            Self::CurrentRole => "current-role",
            Self::CurrentLogin => "current-login",
            Self::IdleRole => "previous-role",
            Self::IdleLogin => "previous-login",
            Self::Trust => "trust",
            Self::Twins(kind) => twins_name(kind),
            Self::Connections => "connections",
            Self::Replication => "replication",
            Self::ServerFull => "server-full",
        }
    }
}

fn twins_name(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Membership => "twins-memberships",
        DifferenceKind::Table => "twins-tables",
        DifferenceKind::Column => "twins-columns",
        DifferenceKind::Sequence => "twins-sequences",
        DifferenceKind::Schema => "twins-schemas",
        DifferenceKind::Function => "twins-functions",
        DifferenceKind::Database => "twins-databases",
        DifferenceKind::DefaultPrivilege => "twins-default-privileges",
        DifferenceKind::Policy => "twins-policies",
        DifferenceKind::Setting => "twins-settings",
        DifferenceKind::ConnectionLimit => "twins-connection-limit",
        DifferenceKind::ValidUntil => "twins-valid-until",
        DifferenceKind::Attribute => "twins-attributes",
        DifferenceKind::Owned => "twins-owned-objects",
        DifferenceKind::Other => "twins-other-privileges",
        DifferenceKind::Elsewhere => "twins-other-databases",
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingStatus {
    /// As it should be.
    Ok,
    /// Nothing stops, but somebody should know.
    Warning,
    /// A rotation would be refused, or would break something.
    Problem,
    /// It could not be found out.
    Unknown,
}

/// The answer to one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How it came out.
    pub status: FindingStatus,
    /// What was found, in words.
    pub found: String,
    /// What mends it; where statements do, exactly these.
    pub remedy: Option<String>,
}

impl Finding {
    /// Nothing to mend.
    pub(super) fn ok(check: Check, found: impl Into<String>) -> Self {
        Self::new(check, FindingStatus::Ok, found, None)
    }

    /// Nothing stops.
    pub(super) fn warning(check: Check, found: impl Into<String>, remedy: Option<String>) -> Self {
        Self::new(check, FindingStatus::Warning, found, remedy)
    }

    /// A rotation would be refused, or would break something.
    #[must_use]
    pub fn problem(check: Check, found: impl Into<String>, remedy: Option<String>) -> Self {
        Self::new(check, FindingStatus::Problem, found, remedy)
    }

    /// It could not be found out.
    pub(super) fn unknown(check: Check, found: impl Into<String>, remedy: Option<String>) -> Self {
        Self::new(check, FindingStatus::Unknown, found, remedy)
    }

    fn new(
        check: Check,
        status: FindingStatus,
        found: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            check,
            status,
            found: found.into(),
            remedy,
        }
    }
}
