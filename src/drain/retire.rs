//! What retiring the outgoing user means next (DESIGN section 5, the overlap).
//!
//! The stage says what was begun; whether the user can log in says what was done.

use std::time::Duration;

use serde::Serialize;

use crate::model::settings::RetireEnd;
use crate::model::{EnvironmentName, Overlap, RetireStep, Stage};
use crate::untrusted::Untrusted;

/// What is known before the step is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// How far the overlap has come.
    pub stage: Stage,
    /// Whether the catalog lets the user log in.
    pub can_log_in: bool,
    /// Its password leaked.
    pub compromised: bool,
    /// The operator wants the way back.
    pub undo: bool,
    /// What follows the lock, by the settings.
    pub then: RetireEnd,
    /// How long refused logins have still to be listened for.
    pub listen_left: Duration,
    /// How many logins were refused since the lock, where somebody counts them.
    pub refused: Option<u64>,
    /// A scramble was begun, and the password is still what it was.
    pub is_untouched: bool,
    /// An operator signed that it need not be waited for.
    pub waived: bool,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// This is to be done.
    Do(RetireStep),
    /// Everything is done already.
    Nothing,
    /// It is locked, and is listened for this much longer.
    Wait(Duration),
    /// It is locked, and somebody still tries to log in.
    StillTried(u64),
    /// Its password is gone, so that no lock can be taken back.
    Gone,
    /// Its password leaked: it is not given back.
    Leaked,
}

/// The next step.
#[must_use]
pub fn next_step(situation: &Situation) -> NextStep {
    match situation.undo {
        true => way_back(situation),
        false => way_on(situation),
    }
}

fn way_back(situation: &Situation) -> NextStep {
    match situation.stage {
        Stage::Scrambling if situation.is_untouched && !situation.compromised => {
            NextStep::Do(RetireStep::Unlock)
        }
        Stage::Scrambling | Stage::Scrambled => NextStep::Gone,
        Stage::Draining if situation.can_log_in => NextStep::Nothing,
        _ if situation.compromised => NextStep::Leaked,
        Stage::Draining | Stage::Locking | Stage::Locked | Stage::Unlocking => {
            NextStep::Do(RetireStep::Unlock)
        }
    }
}

fn way_on(situation: &Situation) -> NextStep {
    match situation.stage {
        Stage::Draining | Stage::Locking | Stage::Unlocking => NextStep::Do(RetireStep::Lock),
        // Somebody else has let it in again, and may have given it a password.
        Stage::Locked | Stage::Scrambled if situation.can_log_in => NextStep::Do(RetireStep::Lock),
        Stage::Locked if situation.compromised => NextStep::Do(RetireStep::Scramble),
        Stage::Locked if situation.then == RetireEnd::Keep => NextStep::Nothing,
        Stage::Locked if situation.waived => NextStep::Do(RetireStep::Scramble),
        Stage::Locked => match situation.refused {
            Some(refused) if refused > 0 => NextStep::StillTried(refused),
            _ if !situation.listen_left.is_zero() => NextStep::Wait(situation.listen_left),
            _ => NextStep::Do(RetireStep::Scramble),
        },
        Stage::Scrambling => NextStep::Do(RetireStep::Scramble),
        Stage::Scrambled => NextStep::Nothing,
    }
}

/// A user whose password leaked and that is not shut out yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// What is true now, in words.
    pub state: String,
    /// The command that goes on.
    pub command: String,
}

/// What is still to be done where the password of the outgoing user leaked; `None` when nothing
/// is, which the sessions that it may still have are not part of.
#[must_use]
pub fn leak(overlap: &Overlap, environment: &EnvironmentName, path: &str) -> Option<Leak> {
    if !overlap.compromised {
        return None;
    }
    let user = Untrusted::new(&overlap.user);
    let state = match overlap.stage {
        Stage::Scrambled => return None,
        Stage::Locked | Stage::Scrambling => {
            format!("the password of {user} leaked; it is locked, and not scrambled yet")
        }
        Stage::Draining | Stage::Unlocking => {
            format!("the password of {user} leaked, and it is not locked yet")
        }
        Stage::Locking => {
            format!("the password of {user} leaked, and whether it is locked is not known")
        }
    };
    Some(Leak {
        state,
        command: format!("handover retire {environment} {path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use NextStep::{Do, Gone, Leaked, Nothing, StillTried, Wait};
    use RetireStep::{Lock, Scramble, Unlock};

    fn at(stage: Stage) -> Situation {
        Situation {
            stage,
            can_log_in: matches!(stage, Stage::Draining | Stage::Locking),
            compromised: false,
            undo: false,
            then: RetireEnd::Scramble,
            listen_left: Duration::ZERO,
            refused: None,
            is_untouched: false,
            waived: false,
        }
    }

    #[test]
    fn each_stage_has_its_way_on_and_its_way_back() {
        let cases = [
            (Stage::Draining, Do(Lock), Nothing),
            (Stage::Locking, Do(Lock), Do(Unlock)),
            (Stage::Locked, Do(Scramble), Do(Unlock)),
            (Stage::Unlocking, Do(Lock), Do(Unlock)),
            (Stage::Scrambling, Do(Scramble), Gone),
            (Stage::Scrambled, Nothing, Gone),
        ];
        for (stage, on, back) in cases {
            assert_eq!(next_step(&at(stage)), on, "{stage}");
            let undo = Situation {
                undo: true,
                ..at(stage)
            };
            assert_eq!(next_step(&undo), back, "{stage}");
        }
    }

    #[test]
    fn a_scramble_that_was_begun_and_never_sent_can_be_undone() {
        let begun = Situation {
            is_untouched: true,
            undo: true,
            ..at(Stage::Scrambling)
        };
        assert_eq!(next_step(&begun), Do(Unlock));
        let done = Situation {
            stage: Stage::Scrambled,
            ..begun
        };
        assert_eq!(next_step(&done), Gone);
    }

    #[test]
    fn a_locked_user_is_listened_for_and_not_scrambled_while_somebody_tries() {
        let hour = Duration::from_secs(3600);
        let waits = Situation {
            listen_left: hour,
            ..at(Stage::Locked)
        };
        assert_eq!(next_step(&waits), Wait(hour));
        let tried = Situation {
            refused: Some(2),
            ..at(Stage::Locked)
        };
        assert_eq!(next_step(&tried), StillTried(2));
        for waived in [waits, tried] {
            let waived = Situation {
                waived: true,
                ..waived
            };
            assert_eq!(next_step(&waived), Do(Scramble));
        }
        let kept = Situation {
            then: RetireEnd::Keep,
            ..at(Stage::Locked)
        };
        assert_eq!(next_step(&kept), Nothing);
    }

    #[test]
    fn what_somebody_else_let_in_is_locked_again() {
        let opened = Situation {
            can_log_in: true,
            ..at(Stage::Locked)
        };
        assert_eq!(next_step(&opened), Do(Lock));
        let scrambled = Situation {
            stage: Stage::Scrambled,
            ..opened
        };
        assert_eq!(next_step(&scrambled), Do(Lock));
        let locked_by_others = Situation {
            can_log_in: false,
            undo: true,
            ..at(Stage::Draining)
        };
        assert_eq!(next_step(&locked_by_others), Do(Unlock));
    }

    #[test]
    fn a_leaked_password_waits_for_nobody_and_is_not_given_back() {
        let leaked = Situation {
            compromised: true,
            listen_left: Duration::from_secs(9),
            refused: Some(3),
            ..at(Stage::Locked)
        };
        assert_eq!(next_step(&leaked), Do(Scramble));
        let back = Situation {
            undo: true,
            ..leaked
        };
        assert_eq!(next_step(&back), Leaked);
    }

    #[test]
    fn a_leak_is_told_with_its_command_until_the_password_is_gone() {
        let name: EnvironmentName = "shop/orders".parse().expect("a name");
        let at = chrono::DateTime::UNIX_EPOCH;
        let overlap = |stage, compromised| Overlap {
            id: 1,
            user: "orders\u{1b}_a".to_owned(),
            account: None,
            revision: 2,
            promoted: Vec::new(),
            opened_at: at,
            stage,
            stage_at: at,
            compromised,
        };
        for (stage, words) in [
            (Stage::Draining, "not locked yet"),
            (Stage::Locking, "not known"),
            (Stage::Locked, "not scrambled yet"),
            (Stage::Unlocking, "not locked yet"),
            (Stage::Scrambling, "not scrambled yet"),
        ] {
            let told = leak(&overlap(stage, true), &name, "db").expect("told");
            assert!(told.state.contains(words), "{stage}: {told:?}");
            assert!(!told.state.contains('\u{1b}'), "{told:?}");
            assert_eq!(told.command, "handover retire shop/orders db");
            assert_eq!(leak(&overlap(stage, false), &name, "db"), None);
        }
        assert_eq!(leak(&overlap(Stage::Scrambled, true), &name, "db"), None);
    }
}
