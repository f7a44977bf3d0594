//! Whether the outgoing user may be retired: the cases of the first table that hold for it too.
//!
//! Locking is no rotation: in what the pair differs does not matter, and what the outgoing
//! user's password is is not touched. What consumers read must log in before the other one is
//! shut out; on the way back it need not, since that is when the way back is wanted.

use super::admit::{Facts, admit_unseen, check_drained, check_managing, check_reachable};
use super::admit_server::{check_certificate, check_owner, check_server};
use super::admit_users::{check_current, check_right, check_user};
use super::refusal::Refusal;
use crate::model::{Gate, RetireStep, Shut};

/// Says whether a step may be taken; answers what a waiver passed, in words.
///
/// # Errors
/// The first case of the table that matches.
pub fn admit_retire(
    facts: &Facts<'_>,
    step: RetireStep,
    leaked: bool,
) -> Result<Vec<String>, Refusal> {
    admit_unseen(facts.environment, facts.locked_by, facts.open_rotation)?;
    let managing = check_managing(facts)?;
    if step != RetireStep::Unlock {
        check_reachable(facts)?;
    }
    check_owner(facts)?;
    check_server(facts, managing)?;
    check_certificate(facts, managing)?;
    let [current, user] = &managing.roles;
    check_right(facts, managing, user.as_ref())?;
    check_user(facts, user.as_ref())?;
    if step != RetireStep::Unlock {
        check_current(facts, current.as_ref())?;
    }
    match step {
        RetireStep::Lock if !leaked => check_drained(facts, "would be locked"),
        // Nobody can log in any more, so that no time has to pass; whoever is still connected
        // could not come back.
        RetireStep::Scramble if !leaked => {
            let gate = those_there(facts.gate);
            let facts = Facts {
                gate: &gate,
                ..*facts
            };
            check_drained(&facts, "would lose its password for good")
        }
        RetireStep::Lock | RetireStep::Scramble | RetireStep::Unlock => Ok(Vec::new()),
    }
}

/// Who is there, and where that cannot be seen.
fn those_there(gate: &Gate) -> Gate {
    let Gate::Shut(reasons) = gate else {
        return Gate::Open;
    };
    let of_now = |reason: &&Shut| {
        matches!(
            reason,
            Shut::Sessions(_) | Shut::MaskedView { .. } | Shut::UnseenStandbys(_)
        )
    };
    let reasons: Vec<Shut> = reasons.iter().filter(of_now).cloned().collect();
    match reasons.is_empty() {
        true => Gate::Open,
        false => Gate::Shut(reasons),
    }
}
