//! What the logins of an examination tell: both users, and a random password.

use super::assess::{RoleKnowledge, assess};
use super::examine::{Examination, not_looked};
use super::finding::{Check, Finding};
use super::words::shown;
use crate::model::{Barrier, LoginOutcome, RoleFacts, UnknownCause};

pub(super) fn current_login(it: &Examination<'_>, role: Option<&RoleFacts>) -> Finding {
    let name = shown(it.users[0]);
    let outcomes = it.current_logins.iter().map(|(_, outcome)| outcome);
    let standing = assess(outcomes, RoleKnowledge::of(role, None));
    let recover = Some(format!("handover recover {}", it.environment));
    if standing.is_everywhere() {
        return Finding::ok(
            Check::CurrentLogin,
            format!("the password of {name} logs in"),
        );
    }
    if standing.barred > 0 {
        let (what, remedy) = match standing.barred > standing.expired {
            true => ("the user may not log in", &it.remedies[0].let_in),
            false => ("it has expired", &it.remedies[0].prolong),
        };
        let found = format!("the password of {name} is right, and {what}");
        return Finding::problem(Check::CurrentLogin, found, Some(remedy.clone()));
    }
    if standing.refused > 0 {
        let found = format!("consumers read {name}, and its password is refused");
        return Finding::problem(Check::CurrentLogin, found, recover);
    }
    match unknown_cause(it.current_logins.iter().map(|(_, outcome)| outcome)) {
        Some(cause) => Finding::unknown(
            Check::CurrentLogin,
            format!("whether {name} can log in is not known: {cause}"),
            None,
        ),
        None => Finding::unknown(
            Check::CurrentLogin,
            format!("{name} is refused; whether that is the password is not known"),
            None,
        ),
    }
}

fn unknown_cause<'a>(outcomes: impl Iterator<Item = &'a LoginOutcome>) -> Option<&'a UnknownCause> {
    let mut causes = outcomes.filter_map(|outcome| match outcome {
        LoginOutcome::Unknown(cause) => Some(cause),
        _ => None,
    });
    causes.next()
}

/// Why a retired user is left alone.
const RETIRED: &str = "since each login that a retired user is refused counts as somebody who \
                       still tries";

/// The earlier password is the way back, no condition of going forward.
pub(super) fn idle_login(it: &Examination<'_>, role: Option<&RoleFacts>) -> Finding {
    let name = shown(it.users[1]);
    if it.retired {
        let found = format!("no password of {name} was tried, {RETIRED}");
        return Finding::ok(Check::IdleLogin, found);
    }
    let Some(logins) = it.idle_logins else {
        let found = format!("no password of {name} is known; none is needed");
        return Finding::ok(Check::IdleLogin, found);
    };
    if let Some(limit) = role.and_then(|role| role.login_limit) {
        let found = format!(
            "the earlier password of {name} was not tried, since {limit} wrong ones in a row shut \
             it out; none is needed"
        );
        return Finding::ok(Check::IdleLogin, found);
    }
    let outcomes = logins.iter().map(|(_, outcome)| outcome);
    let standing = assess(outcomes, RoleKnowledge::of(role, None));
    let found = format!("the earlier password of {name}: {}", standing.word());
    match standing {
        standing if standing.is_everywhere() => Finding::ok(Check::IdleLogin, found),
        standing if standing.refused > 0 || standing.barred > 0 => Finding::warning(
            Check::IdleLogin,
            found,
            Some("none needed to rotate; until then there is no way back to it".to_owned()),
        ),
        _ => Finding::unknown(Check::IdleLogin, found, None),
    }
}

/// The probe with a random password; it costs the user one failed login.
pub(super) fn trust(it: &Examination<'_>, role: Option<&RoleFacts>) -> Finding {
    let name = shown(it.users[1]);
    if it.retired {
        let found = format!("no random password of {name} was tried, {RETIRED}");
        return Finding::ok(Check::Trust, found);
    }
    if let Some(limit) = role.and_then(|role| role.login_limit) {
        return Finding::ok(
            Check::Trust,
            format!(
                "a random password of {name} was not tried, since {limit} wrong ones in a row shut \
                 it out; its plugin asks for a password"
            ),
        );
    }
    let terms = it.engine.terms();
    let accepted = format!(
        "a random password of {name} is accepted: {}",
        terms.accepts_any
    );
    let remedy = terms.accept_one;
    match it.wrong_login {
        LoginOutcome::LoggedIn { .. }
        | LoginOutcome::StatementFailed { .. }
        | LoginOutcome::PasswordAccepted(
            Barrier::NotPermitted
            | Barrier::ConnectionLimit
            | Barrier::Database
            | Barrier::PasswordExpired,
        ) => Finding::problem(Check::Trust, accepted, Some(remedy.to_owned())),
        LoginOutcome::PasswordRefused if role.is_some() => Finding::ok(
            Check::Trust,
            format!("a random password of {name} is refused (this cost one failed login)"),
        ),
        LoginOutcome::PasswordRefused => not_looked(Check::Trust),
        LoginOutcome::Unknown(cause) => Finding::unknown(
            Check::Trust,
            format!("no answer to a random password: {cause}"),
            None,
        ),
    }
}
