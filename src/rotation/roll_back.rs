//! Which way back: from what was found to one case and the ways that are possible.
//!
//! Pure. X is the user in `previous` and Y the one in `current`, which consumers read. Unknown
//! is never treated as no: where a login tells nothing, no way is offered.

use super::assess::Standing;
use super::case::Case;
use super::decide::decide;
use super::evidence::{Evidence, Intent, Manager};
use super::identity::ServerMatch;
use super::journal::fold;
use super::way::Way;
use crate::model::Stage;

/// What was found before a way back is chosen, with nothing open.
#[derive(Debug, Clone)]
pub struct Back {
    /// `current` is Y with the password that consumers read, `previous` X with its stored one,
    /// `pooled` X through the poolers. There is no pending password.
    pub evidence: Evidence,
    /// The store knows what consumers read.
    pub knows_current: bool,
    /// The store knows a password of X.
    pub knows_back: bool,
    /// How far the overlap of X has come; `None` where it has none.
    pub stage: Option<Stage>,
    /// Whether the catalog lets X log in, where it was asked and knows X.
    pub can_log_in: Option<bool>,
    /// The password of X leaked.
    pub leaked: bool,
    /// This rotated secret was promoted before.
    pub promoted: bool,
    /// A published file holds a credential of the pair that logs in everywhere.
    pub published: bool,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// This way and no other.
    pub way: Option<Way>,
    /// What consumers read now leaked, so that it is not set again.
    pub compromised: bool,
    /// A password that leaked may be given back to consumers.
    pub break_glass: bool,
}

/// The case and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Which case.
    pub case: Case,
    /// The ways that are possible: the recommended one first, then the next best.
    pub ways: Vec<Way>,
    /// The one that is taken.
    pub way: Way,
}

impl Choice {
    /// What consumers read does not log in: somebody has to type the environment's name.
    #[must_use]
    pub fn is_down(&self) -> bool {
        is_down_case(self.case)
    }
}

/// Whether a published file may say more than the store does: what consumers read is certainly
/// dead on the recorded server, and so is what is stored of the other user, if anything is.
#[must_use]
pub fn may_import(found: &Back) -> bool {
    let (current, back) = (&found.evidence.current, &found.evidence.previous);
    found.knows_current
        && current.is_nowhere()
        && (back.is_nowhere() || !found.knows_back)
        && found.evidence.manager == Manager::Ready
        && found.evidence.server == ServerMatch::Same
}

fn is_down_case(case: Case) -> bool {
    matches!(case, Case::Restored | Case::StoreBehind | Case::CurrentDead)
}

/// Why there is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWay {
    /// This case of the table stands in the way.
    Case(Case),
    /// Nothing was promoted, so that there is nothing to go back to.
    NeverPromoted,
    /// Somebody else has locked X.
    LockedElsewhere,
    /// The password of X leaked.
    Compromised(Case),
    /// The way that was asked for is not possible.
    NotOffered(Way, Case),
}

/// Names the case and the ways.
///
/// # Errors
/// Why there is none.
pub fn choose(found: &Back, wanted: Wanted) -> Result<Choice, NoWay> {
    let (case, all) = possible(found)?;
    let leaks = |way: &Way| {
        found.leaked && way.takes_stored() && !wanted.break_glass
            || wanted.compromised && matches!(way, Way::Reapply | Way::Import)
    };
    let ways: Vec<Way> = all.iter().copied().filter(|way| !leaks(way)).collect();
    let way = match wanted.way {
        Some(way) if ways.contains(&way) => way,
        Some(way) if all.contains(&way) => return Err(NoWay::Compromised(case)),
        Some(way) => return Err(NoWay::NotOffered(way, case)),
        // Where consumers are down, the shortest way that is left will do.
        None => match ways.first() {
            Some(way) if is_down_case(case) || !leaks(&all[0]) => *way,
            _ => return Err(NoWay::Compromised(case)),
        },
    };
    Ok(Choice { case, ways, way })
}

fn possible(found: &Back) -> Result<(Case, Vec<Way>), NoWay> {
    let evidence = &found.evidence;
    match evidence.manager {
        Manager::Ready => {}
        Manager::Out => return Err(NoWay::Case(Case::ManagerOut)),
        Manager::Unreachable => return Err(NoWay::Case(Case::Unreachable)),
    }
    if !found.knows_current {
        return Err(NoWay::NeverPromoted);
    }
    let current = &evidence.current;
    if current.refused > 0 || current.barred > 0 {
        return while_down(found);
    }
    if !current.is_everywhere() {
        return Err(NoWay::Case(Case::Unreachable));
    }
    if is_foreign(found) {
        return Err(NoWay::Case(Case::OtherServer));
    }
    match found.promoted {
        true => while_up(found),
        false => Err(NoWay::NeverPromoted),
    }
}

/// Consumers log in, and a person says that they fail with what they read.
fn while_up(found: &Back) -> Result<(Case, Vec<Way>), NoWay> {
    use Way::{Reissue, Repromote, Unretire};
    let back = &found.evidence.previous;
    let scrambled = || Ok((Case::BackScrambled, vec![Reissue]));
    if !found.knows_back {
        return scrambled();
    }
    if is_locked_by_us(found) {
        return Ok((Case::BackLocked, vec![Unretire, Reissue]));
    }
    if back.barred > back.expired {
        return Err(NoWay::LockedElsewhere);
    }
    // A password that has expired is right, and lets nobody in.
    if back.expired > 0 || back.is_nowhere() {
        return scrambled();
    }
    if back.is_unknown() || *back == Standing::default() {
        return Err(NoWay::Case(Case::Unreachable));
    }
    if back.statement_failed > 0 {
        return Err(NoWay::Case(Case::VerifyFailed));
    }
    // What nobody can look at may have the password that X had before a rotation was given up.
    if !back.is_everywhere() || found.evidence.unnamed_standbys > 0 {
        return Err(NoWay::Case(Case::NotReplicated));
    }
    let pooled = &found.evidence.pooled;
    if pooled.nodes() > 0 && !pooled.is_everywhere() {
        return Err(NoWay::Case(Case::PoolerRefuses));
    }
    Ok((Case::ApplicationsFail, vec![Repromote, Reissue]))
}

/// Consumers are down. Which of the three cases it is, the table of open rotations knows.
fn while_down(found: &Back) -> Result<(Case, Vec<Way>), NoWay> {
    use Way::{Import, Reapply, Reissue, Repromote, Unretire};
    let named = decide(&fold(&[]), &found.evidence, Intent::Recover).case;
    let case = named.unwrap_or(Case::Unrecognised);
    let back = &found.evidence.previous;
    let back_is_good = found.knows_back && back.is_everywhere() && back.statement_failed == 0;
    // Somebody may have locked Y on purpose, which setting its password would undo.
    let reapply = (found.evidence.current.barred == 0).then_some(Reapply);
    let repromote = match (back_is_good, found.knows_back && is_locked_by_us(found)) {
        (true, _) => Some(Repromote),
        (false, true) => Some(Unretire),
        (false, false) => None,
    };
    // Whoever reads the file is well, and no other way keeps it so for certain.
    let import = found.published.then_some(Import);
    let ways: Vec<Way> = match case {
        Case::Restored => [
            reapply,
            repromote.filter(|way| *way == Repromote),
            Some(Reissue),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Case::StoreBehind => [import, Some(Reissue)].into_iter().flatten().collect(),
        Case::CurrentDead if is_foreign(found) => return Err(NoWay::Case(Case::OtherServer)),
        Case::CurrentDead => [import, repromote, reapply, Some(Reissue)]
            .into_iter()
            .flatten()
            .collect(),
        other => return Err(NoWay::Case(other)),
    };
    Ok((case, ways))
}

/// We have locked X, and it is locked. A scramble that was begun and never sent left its
/// password as it was.
fn is_locked_by_us(found: &Back) -> bool {
    let begun = matches!(
        found.stage,
        Some(Stage::Locking | Stage::Locked | Stage::Unlocking)
    );
    let untouched = found.stage == Some(Stage::Scrambling)
        && found.evidence.previous.barred > 0
        && found.evidence.previous.refused == 0
        && found.evidence.previous.unknown == 0;
    found.can_log_in == Some(false) && (begun || untouched)
}

fn is_foreign(found: &Back) -> bool {
    matches!(
        found.evidence.server,
        ServerMatch::WentBack | ServerMatch::Other
    )
}

#[cfg(test)]
#[path = "roll_back_tests.rs"]
mod tests;
