//! Whether a way back may begin: the cases of the first table that hold for it.
//!
//! What was chosen has looked at the logins already. A password that its user has already
//! asks for no right to change one; a user whose password consumers read anyway asks for no
//! gate; and where consumers are down, what they read is not asked to log in.

use super::admit::{Facts, admit, admit_unseen, check_drained, check_managing};
use super::admit_server::{check_certificate, check_owner, check_server};
use super::admit_users::{check_right, check_user};
use super::refusal::Refusal;
use super::way::Way;

/// Says whether a way may be taken; answers what a waiver passed, in words. `down` where what
/// consumers read does not log in, `accepts` where the server that answers is accepted as the
/// right one in the same agreement.
///
/// # Errors
/// The first case of the table that matches.
pub fn admit_back(
    facts: &Facts<'_>,
    way: Way,
    down: bool,
    accepts: bool,
) -> Result<Vec<String>, Refusal> {
    if way == Way::Reissue && !down {
        return Ok(admit(facts)?.waived);
    }
    admit_unseen(facts.environment, facts.locked_by, facts.open_rotation)?;
    let managing = check_managing(facts)?;
    check_owner(facts)?;
    if !accepts {
        check_server(facts, managing)?;
        check_certificate(facts, managing)?;
    }
    if way.sends_nothing() {
        return Ok(Vec::new());
    }
    let user = managing.roles[1].as_ref();
    check_right(facts, managing, user)?;
    check_user(facts, user)?;
    match way {
        Way::Reissue => check_drained(facts, "would get another password"),
        Way::Repromote | Way::Unretire | Way::Reapply | Way::Import => Ok(Vec::new()),
    }
}
