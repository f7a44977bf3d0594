//! Notices: what those who are not looking have to know, and who wants to be told of what.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// What a notice tells. The names are the same in settings, payloads and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// Everything of a rotation was promoted.
    RotationSucceeded,
    /// Some paths of a rotation were promoted, and others were not.
    RotationPartial,
    /// A rotation ended, and nothing of it was promoted.
    RotationFailed,
    /// A rotation stays open and needs a person.
    RotationParked,
    /// Nobody uses an outgoing user any more.
    DrainDrained,
    /// Somebody still logs in with the old password.
    DrainLateLogin,
    /// Sessions of an outgoing user will not end by themselves.
    DrainStuck,
    /// An outgoing user may not log in any more.
    RetireLocked,
    /// The password of an outgoing user is gone.
    RetireScrambled,
    /// An outgoing user was let in again.
    RetireUndone,
    /// The window of a scheduled rotation has passed, and nothing was begun in it.
    ScheduleMissed,
    /// Two occurrences of a schedule in a row led to no rotation.
    ScheduleOverdue,
    /// The daily verification found a credential that is not as the store left it.
    VerifyFailed,
    /// Readings of secrets could not be written to the audit log.
    AuditGap,
    /// Somebody tries whether notices arrive.
    WebhookTest,
}

impl NoticeKind {
    /// All kinds, in the order in which they are documented.
    pub const ALL: [Self; 15] = [
        Self::RotationSucceeded,
        Self::RotationPartial,
        Self::RotationFailed,
        Self::RotationParked,
        Self::DrainDrained,
        Self::DrainLateLogin,
        Self::DrainStuck,
        Self::RetireLocked,
        Self::RetireScrambled,
        Self::RetireUndone,
        Self::ScheduleMissed,
        Self::ScheduleOverdue,
        Self::VerifyFailed,
        Self::AuditGap,
        Self::WebhookTest,
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RotationSucceeded => "rotation.succeeded",
            Self::RotationPartial => "rotation.partial",
            Self::RotationFailed => "rotation.failed",
            Self::RotationParked => "rotation.parked",
            Self::DrainDrained => "drain.drained",
            Self::DrainLateLogin => "drain.late_login",
            Self::DrainStuck => "drain.stuck",
            Self::RetireLocked => "retire.locked",
            Self::RetireScrambled => "retire.scrambled",
            Self::RetireUndone => "retire.undone",
            Self::ScheduleMissed => "schedule.missed",
            Self::ScheduleOverdue => "schedule.overdue",
            Self::VerifyFailed => "verify.failed",
            Self::AuditGap => "audit.gap",
            Self::WebhookTest => "webhook.test",
        }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Serialize for NoticeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One entry of a webhook's `kinds`: a kind, or all of a family, such as `rotation.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindPattern(String);

impl KindPattern {
    /// Whether it means this kind.
    #[must_use]
    pub fn matches(&self, kind: NoticeKind) -> bool {
        match self.0.strip_suffix('*') {
            Some(family) => kind.as_str().starts_with(family),
            None => kind.as_str() == self.0,
        }
    }

    /// Everything that may be written, for whoever has mistyped it.
    #[must_use]
    pub fn known() -> Vec<String> {
        let mut known: Vec<String> = Vec::new();
        for kind in NoticeKind::ALL {
            let (family, _) = kind.as_str().split_once('.').unwrap_or_default();
            let all = format!("{family}.*");
            if !known.contains(&all) {
                known.push(all);
            }
            known.push(kind.as_str().to_owned());
        }
        known
    }
}

impl FromStr for KindPattern {
    type Err = ();

    /// What would match nothing is refused, since whoever wrote it waits for something.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::known().iter().any(|known| known == text) {
            true => Ok(Self(text.to_owned())),
            false => Err(()),
        }
    }
}

/// Who is told, as the settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where notices go; always `https`.
    pub url: String,
    /// What the key that signs them is called: a reference into an environment.
    pub secret: String,
    /// What it wants to be told of; everything where it does not say.
    pub kinds: Option<Vec<KindPattern>>,
    /// A file of certificate authorities, as written; else those of the system.
    pub ca: Option<String>,
}

impl Webhook {
    /// Whether it is told of this kind.
    #[must_use]
    pub fn wants(&self, kind: NoticeKind) -> bool {
        let kinds = self.kinds.as_ref();
        kinds.is_none_or(|kinds| kinds.iter().any(|pattern| pattern.matches(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_kind_or_a_family_and_nothing_that_matches_nothing() {
        let family: KindPattern = "rotation.*".parse().expect("a family");
        let matched = NoticeKind::ALL.map(|kind| family.matches(kind));
        assert_eq!(matched.iter().filter(|matched| **matched).count(), 4);
        let one: KindPattern = "drain.stuck".parse().expect("a kind");
        assert!(one.matches(NoticeKind::DrainStuck) && !one.matches(NoticeKind::DrainDrained));
        for text in ["rotation", "rotation.", "*", "rot*", "rotation.done", ""] {
            assert!(text.parse::<KindPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_kind_is_in_the_readme() {
        let readme = include_str!("../../README.md");
        for kind in NoticeKind::ALL {
            assert!(readme.contains(&format!("`{kind}`")), "{kind} is missing");
        }
    }
}
