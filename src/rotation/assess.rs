//! From login outcomes per node to what is known of one password of one user.

use crate::model::{AccountId, Barrier, LoginOutcome, RoleFacts};

/// What the catalog said of the role whose password was probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleKnowledge {
    /// The recorded role is there and has not expired: a refusal is about the password.
    Sound,
    /// It is refused with the code of a wrong password whatever the password: PostgreSQL does
    /// so when `VALID UNTIL` has passed.
    Mute,
    /// The role is gone, is another one than recorded, or could not be looked at.
    NotKnown,
}

impl RoleKnowledge {
    /// From the catalog's row, and what an earlier look recorded.
    #[must_use]
    pub fn of(role: Option<&RoleFacts>, recorded: Option<&AccountId>) -> Self {
        match role {
            Some(role) if recorded.is_some_and(|account| *account != role.account) => {
                Self::NotKnown
            }
            Some(role) if role.is_mute => Self::Mute,
            Some(_) => Self::Sound,
            None => Self::NotKnown,
        }
    }
}

/// How many nodes proved, refused, or said nothing of one password.
///
/// `Default` is the standing of a password that nobody has or that was not probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Logged in, or refused only after the password was accepted.
    pub proven: usize,
    /// Of those, logins that the role may not make (`NOLOGIN`, a locked account, an expired
    /// password): the password is right, the door is locked.
    pub barred: usize,
    /// Of those, where a password that has expired is all that bars.
    pub expired: usize,
    /// Certainly not this password.
    pub refused: usize,
    /// Nothing is known.
    pub unknown: usize,
    /// Logged in, but a configured statement failed.
    pub statement_failed: usize,
}

impl Standing {
    /// How many nodes were probed.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.proven + self.refused + self.unknown
    }

    /// Every node accepts the password and lets the user in.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.proven > 0 && self.barred == 0 && self.refused == 0 && self.unknown == 0
    }

    /// Every node certainly refuses the password.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.refused > 0 && self.proven == 0 && self.unknown == 0
    }

    /// At least one node accepts the password.
    #[must_use]
    pub fn is_proven_somewhere(&self) -> bool {
        self.proven > 0
    }

    /// At least one node said nothing, and none contradicts.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.unknown > 0
    }

    /// The standing in one word, for people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            standing if *standing == Self::default() => "not probed",
            standing if standing.barred > standing.expired => "locked",
            standing if standing.barred > 0 => "expired",
            standing if standing.is_everywhere() => "valid",
            standing if standing.is_nowhere() => "refused",
            standing if standing.is_unknown() => "unknown",
            _ => "on some nodes",
        }
    }
}

/// Folds the outcomes of one candidate over all nodes.
///
/// A refusal counts as "no" only when the catalog shows the recorded role in good
/// order; otherwise it says nothing of the password.
#[must_use]
pub fn assess<'a>(
    outcomes: impl IntoIterator<Item = &'a LoginOutcome>,
    role: RoleKnowledge,
) -> Standing {
    let mut standing = Standing::default();
    for outcome in outcomes {
        match outcome {
            LoginOutcome::LoggedIn { .. } => standing.proven += 1,
            LoginOutcome::StatementFailed { .. } => {
                standing.proven += 1;
                standing.statement_failed += 1;
            }
            LoginOutcome::PasswordAccepted(barrier) => {
                standing.proven += 1;
                // The right password does not let in, and more of the same will not: that
                // sets these two apart from a limit or a database that is closed for now.
                if matches!(barrier, Barrier::NotPermitted | Barrier::PasswordExpired) {
                    standing.barred += 1;
                    standing.expired += usize::from(*barrier == Barrier::PasswordExpired);
                }
            }
            LoginOutcome::PasswordRefused if role == RoleKnowledge::Sound => standing.refused += 1,
            LoginOutcome::PasswordRefused | LoginOutcome::Unknown(_) => standing.unknown += 1,
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnknownCause;

    fn check(outcomes: &[LoginOutcome], role: RoleKnowledge, word: &str) {
        assert_eq!(assess(outcomes, role).word(), word, "{outcomes:?} {role:?}");
    }

    #[test]
    fn a_refusal_is_a_no_only_for_a_role_in_good_order() {
        let refused = [LoginOutcome::PasswordRefused];
        check(&refused, RoleKnowledge::Sound, "refused");
        check(&refused, RoleKnowledge::Mute, "unknown");
        check(&refused, RoleKnowledge::NotKnown, "unknown");
    }

    #[test]
    fn a_timeout_is_unknown_and_never_a_no() {
        let silent = LoginOutcome::Unknown(UnknownCause::TimedOut);
        check(
            std::slice::from_ref(&silent),
            RoleKnowledge::Sound,
            "unknown",
        );
        check(
            &[LoginOutcome::PasswordRefused, silent],
            RoleKnowledge::Sound,
            "unknown",
        );
    }

    #[test]
    fn a_refusal_after_the_password_proves_it() {
        let limit = [LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit)];
        check(&limit, RoleKnowledge::NotKnown, "valid");
        let locked = [LoginOutcome::PasswordAccepted(Barrier::NotPermitted)];
        check(&locked, RoleKnowledge::Sound, "locked");
        assert!(!assess(&locked, RoleKnowledge::Sound).is_everywhere());
        let expired = [LoginOutcome::PasswordAccepted(Barrier::PasswordExpired)];
        check(&expired, RoleKnowledge::Sound, "expired");
        let both = [locked[0].clone(), expired[0].clone()];
        check(&both, RoleKnowledge::Sound, "locked");
        assert!(!assess(&expired, RoleKnowledge::Sound).is_everywhere());
    }

    #[test]
    fn nodes_that_differ_are_told() {
        let outcomes = [
            LoginOutcome::PasswordAccepted(Barrier::Database),
            LoginOutcome::PasswordRefused,
        ];
        check(&outcomes, RoleKnowledge::Sound, "on some nodes");
    }
}
