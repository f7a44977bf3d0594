//! Whether the pair is fit: what the catalog and the logins say of both users.

use super::admit::{Facts, refuse};
use super::refusal::{AdmitCase, Refusal};
use super::words::shown;
use crate::model::{Barrier, LoginOutcome, ManagingFacts, RoleFacts};

pub(super) fn check_right(
    facts: &Facts<'_>,
    managing: &ManagingFacts,
    user: Option<&RoleFacts>,
) -> Result<(), Refusal> {
    if managing.read_only {
        return refuse(
            AdmitCase::NoRight,
            format!("{} {}", facts.node, facts.engine.terms().not_writable),
            "name the primary in `inputs.database.host`".to_owned(),
        );
    }
    let Some(user) = user else {
        return Ok(());
    };
    if user.may_alter {
        return Ok(());
    }
    let remedy = match &user.grant {
        Some(grant) => format!("as {}: {grant}", facts.engine.terms().administrator),
        None => facts.engine.terms().plain_users.to_owned(),
    };
    refuse(
        AdmitCase::NoRight,
        format!(
            "the managing user {} may not change the password of {}",
            shown(facts.manager),
            shown(facts.user)
        ),
        remedy,
    )
}

pub(super) fn check_user<'a>(
    facts: &Facts<'_>,
    user: Option<&'a RoleFacts>,
) -> Result<&'a RoleFacts, Refusal> {
    let name = shown(facts.user);
    let no_such_user = |message: String, remedy: String| {
        Err(Refusal {
            case: AdmitCase::NoSuchUser,
            message,
            remedy,
        })
    };
    let Some(role) = user else {
        return no_such_user(
            format!("the user {name} does not exist on {}", facts.node),
            format!(
                "{} and give it what the other user has",
                facts.remedies.create
            ),
        );
    };
    if let Some(recorded) = facts.recorded_account
        && *recorded != role.account
    {
        return no_such_user(
            format!(
                "the user {name} was dropped and made again since the last rotation (OID {} is now {})",
                recorded.as_str(),
                role.account.as_str()
            ),
            "find out who made it again; then make the environment anew with today's `state` (handover env rm, handover env init)"
                .to_owned(),
        );
    }
    if !role.can_log_in && !facts.retired {
        return no_such_user(
            format!("the user {name} may not log in, and not because of us"),
            facts.remedies.let_in.clone(),
        );
    }
    if let Some(unfit) = &role.unfit {
        return no_such_user(
            format!("the user {name} {}", unfit.found),
            unfit.remedy.clone(),
        );
    }
    if role.expired && !facts.engine.terms().change_ends_expiry {
        return no_such_user(
            format!(
                "the user {name} has expired ({})",
                facts.engine.terms().expired
            ),
            facts.remedies.prolong.clone(),
        );
    }
    Ok(role)
}

/// What consumers read must log in before anything is touched.
pub(super) fn check_current<'a>(
    facts: &Facts<'_>,
    current: Option<&'a RoleFacts>,
) -> Result<&'a RoleFacts, Refusal> {
    let name = shown(facts.current);
    let dead = |what: String| {
        Err(Refusal {
            case: AdmitCase::CurrentDead,
            message: format!("consumers read {name}, and {what}"),
            remedy: format!("handover recover {}", facts.environment),
        })
    };
    let Some(role) = current else {
        return dead(format!("the user does not exist on {}", facts.node));
    };
    if let Some(unfit) = &role.unfit {
        return Err(Refusal {
            case: AdmitCase::NoSuchUser,
            message: format!("consumers read {name}, and the user {}", unfit.found),
            remedy: unfit.remedy.clone(),
        });
    }
    if role.expired {
        return dead(format!("it has expired ({})", facts.engine.terms().expired));
    }
    for (node, outcome) in facts.current_logins {
        match outcome {
            // It is refused whatever its password, so that consumers may well be let in.
            LoginOutcome::PasswordRefused if role.is_mute => {
                return Err(Refusal {
                    case: AdmitCase::NoSuchUser,
                    message: format!(
                        "consumers read {name}, and {node} refuses it from here, which says \
                         nothing of its password"
                    ),
                    remedy: "run handover from a host where the user can log in".to_owned(),
                });
            }
            LoginOutcome::PasswordRefused => {
                return dead(format!("{node} refuses its password"));
            }
            LoginOutcome::PasswordAccepted(Barrier::NotPermitted) => {
                let locked = facts.engine.terms().locked;
                return dead(format!("{node} does not let it log in ({locked})"));
            }
            LoginOutcome::PasswordAccepted(Barrier::PasswordExpired) => {
                return dead(format!("on {node} its password has expired"));
            }
            LoginOutcome::LoggedIn { .. }
            | LoginOutcome::StatementFailed { .. }
            | LoginOutcome::PasswordAccepted(_)
            | LoginOutcome::Unknown(_) => {}
        }
    }
    Ok(role)
}
