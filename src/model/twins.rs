//! The two application users side by side, and what room the server has for both.

use super::{AccountId, UserName};
use crate::untrusted::Untrusted;

/// One of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// X, which consumers read.
    Current,
    /// Y, whose password the next rotation changes.
    Idle,
}

/// The kinds of things in which two users can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// A group that the role is a member of; a role that was granted to it.
    Membership,
    /// A privilege on a table or view.
    Table,
    /// A privilege on single columns.
    Column,
    /// A privilege on a sequence.
    Sequence,
    /// A privilege on a schema.
    Schema,
    /// A privilege on a function or procedure.
    Function,
    /// A privilege on a database; of MySQL also on a pattern of databases.
    Database,
    /// What objects made later will grant to the role, or by the role.
    DefaultPrivilege,
    /// A row security policy that names the role.
    Policy,
    /// A setting that each session of the role begins with, such as its default roles.
    Setting,
    /// How many sessions the role may have, or how much they may do in an hour.
    ConnectionLimit,
    /// Until when its password is valid.
    ValidUntil,
    /// A role attribute, such as `CREATEDB`; of MySQL also a privilege on the whole server,
    /// a host to log in from, and what a connection must have.
    Attribute,
    /// Objects that belong to the role, and so to one of the pair alone.
    Owned,
    /// A privilege of a rarer kind, for most of which no statement is built.
    Other,
    /// Privileges in another database of the server, which cannot be seen from here; or of
    /// a form that is not known here.
    Elsewhere,
}

/// Something that one of the pair has in effect and the other has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In what they differ.
    pub kind: DifferenceKind,
    /// Who has it.
    pub holder: Twin,
    /// What it is, in words.
    pub what: Untrusted,
    /// The statement that gives the other the same; safe to draw and to run.
    pub give: Option<String>,
    /// The statement that takes it from the holder; safe to draw and to run.
    pub take: Option<String>,
}

/// The room that the server has for sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Sessions that users without any reserve may have: `max_connections` without
    /// what is kept for superusers and others.
    pub for_everybody: i64,
    /// Sessions in all databases now.
    pub used: i64,
    /// `rolconnlimit` of the pair; -1 is no limit.
    pub limits: [i32; 2],
    /// Statements that let each of the pair have any number of sessions.
    pub unlimit: [String; 2],
    /// Whether a full server still lets the managing user in.
    pub manager_has_reserve: bool,
    /// What gives the managing user a reserve, where the server's version has that.
    pub reserve: Option<String>,
}

/// What the server says of the pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinFacts {
    /// Everything in which they differ, in the order of [`DifferenceKind`].
    pub differences: Vec<Difference>,
    /// The room for both.
    pub capacity: Capacity,
    /// Subscriptions of this server. With which credential they connect is readable
    /// by superusers alone.
    pub subscriptions: Vec<Untrusted>,
}

/// The pair, as a question about it names them.
#[derive(Debug, Clone, Copy)]
pub struct TwinRoles<'a> {
    /// X and Y.
    pub names: [&'a UserName; 2],
    /// What makes them the same users.
    pub accounts: [&'a AccountId; 2],
}
