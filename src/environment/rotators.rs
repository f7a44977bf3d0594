//! The rotators of the language, one row each: the only place of this room that names
//! an engine.

use super::parse::Parser;
use super::state::check_user_pair;
use crate::document::{Node, Segment};
use crate::model::Engine;

/// `fn::rotate::NAME`, and what stands behind it. A row without is refused.
const ROTATORS: [(&str, Option<Rotator>); 3] = [
    (
        "postgres",
        Some(Rotator {
            engine: Engine::Postgres,
            check_state: check_user_pair,
        }),
    ),
    (
        "mysql",
        Some(Rotator {
            engine: Engine::Mysql,
            check_state: check_user_pair,
        }),
    ),
    ("password", None),
];

/// A rotator that is supported.
#[derive(Clone, Copy)]
pub(super) struct Rotator {
    /// What rotates.
    pub(super) engine: Engine,
    /// Checks a `state` that stands literally in the document.
    pub(super) check_state: CheckState,
}

/// Gets `state`, `inputs` and the path of `state`; says whether the state may be
/// evaluated.
type CheckState = fn(&mut Parser<'_>, &Node, &Node, &[Segment]) -> bool;

/// The rotator of a name, if there is one and it is supported.
pub(super) fn find(name: &str) -> Option<Rotator> {
    let (_, rotator) = ROTATORS.into_iter().find(|(known, _)| *known == name)?;
    rotator
}

/// The functions that can be called, for guesses at what a wrong one means.
pub(super) fn functions() -> impl Iterator<Item = String> {
    supported().map(|name| format!("fn::rotate::{name}"))
}

/// What to say where a name leads to no rotator.
pub(super) fn what_there_is() -> String {
    let names: Vec<&str> = supported().collect();
    match names.as_slice() {
        [only] => format!("{only} is the only rotator for now"),
        _ => format!("the rotators are {}", names.join(", ")),
    }
}

fn supported() -> impl Iterator<Item = &'static str> {
    ROTATORS
        .into_iter()
        .filter_map(|(name, rotator)| rotator.map(|_| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_the_row_of_its_name() {
        for (name, rotator) in ROTATORS {
            if let Some(rotator) = rotator {
                assert_eq!(rotator.engine.as_str(), name);
            }
        }
        assert!(find("postgres").is_some_and(|found| found.engine == Engine::Postgres));
    }

    #[test]
    fn what_is_not_built_or_not_known_is_no_rotator() {
        for name in ["password", "postgre", ""] {
            assert!(find(name).is_none(), "{name}");
        }
        assert_eq!(what_there_is(), "the rotators are postgres, mysql");
    }
}
