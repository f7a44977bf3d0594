//! From the differences of the pair to findings.
//!
//! What Y lacks breaks applications at the next promote: a problem. What X lacks breaks
//! them one rotation later: a warning. An owner cannot be shared, so owned objects are a
//! warning with another remedy.

use super::finding::{Check, Finding, FindingStatus};
use super::words::shown;
use crate::model::{Difference, DifferenceKind, Engine, Twin, UserName};

/// All kinds, in the order of the checks.
const KINDS: [DifferenceKind; 16] = [
    DifferenceKind::Membership,
    DifferenceKind::Table,
    DifferenceKind::Column,
    DifferenceKind::Sequence,
    DifferenceKind::Schema,
    DifferenceKind::Function,
    DifferenceKind::Database,
    DifferenceKind::DefaultPrivilege,
    DifferenceKind::Policy,
    DifferenceKind::Setting,
    DifferenceKind::ConnectionLimit,
    DifferenceKind::ValidUntil,
    DifferenceKind::Attribute,
    DifferenceKind::Owned,
    DifferenceKind::Other,
    DifferenceKind::Elsewhere,
];

/// How many differences of one kind are named; the remedy has the statements of all.
const NAMED: usize = 8;

/// The checks that compare the pair.
pub(super) fn checks(engine: Engine) -> impl Iterator<Item = Check> {
    let there_is = move |kind: &DifferenceKind| {
        engine == Engine::Postgres || !OF_POSTGRES_ALONE.contains(kind)
    };
    KINDS.into_iter().filter(there_is).map(Check::Twins)
}

/// Of these MySQL and MariaDB have nothing: what looks alike there is not looked at.
const OF_POSTGRES_ALONE: [DifferenceKind; 5] = [
    DifferenceKind::Sequence,
    DifferenceKind::Schema,
    DifferenceKind::DefaultPrivilege,
    DifferenceKind::Policy,
    DifferenceKind::Owned,
];

/// One finding for each kind, or two where each has something that the other lacks.
pub(super) fn compare(differences: &[Difference], [current, idle]: [&UserName; 2]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for kind in KINDS {
        let before = findings.len();
        for (holder, name, other) in [(Twin::Current, current, idle), (Twin::Idle, idle, current)] {
            let of_kind = differences.iter();
            let of_kind: Vec<&Difference> = of_kind
                .filter(|difference| difference.kind == kind && difference.holder == holder)
                .collect();
            if !of_kind.is_empty() {
                findings.push(differ(kind, holder, [name, other], &of_kind));
            }
        }
        if findings.len() == before {
            findings.push(Finding::ok(Check::Twins(kind), alike(kind)));
        }
    }
    findings
}

/// What of it stops a rotation, and what is only to be known. Only what Y lacks counts:
/// Y is what consumers read next.
pub struct Lacks {
    /// Breaks applications at the promote.
    pub problems: Vec<Finding>,
    /// Cannot be given to both, or cannot be compared from here.
    pub warnings: Vec<Finding>,
}

/// Picks what Y lacks out of the differences.
#[must_use]
pub fn lacks(differences: &[Difference], users: [&UserName; 2]) -> Lacks {
    let of_current: Vec<Difference> = differences
        .iter()
        .filter(|difference| difference.holder == Twin::Current)
        .cloned()
        .collect();
    let findings = compare(&of_current, users).into_iter();
    let (problems, rest): (Vec<Finding>, Vec<Finding>) = findings
        .filter(|finding| finding.status != FindingStatus::Ok)
        .partition(|finding| finding.status == FindingStatus::Problem);
    Lacks {
        problems,
        warnings: rest,
    }
}

fn alike(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Owned => "neither owns an object",
        DifferenceKind::Elsewhere => "neither has privileges in another database",
        _ => "both have the same",
    }
}

fn differ(
    kind: DifferenceKind,
    holder: Twin,
    [name, other]: [&UserName; 2],
    differences: &[&Difference],
) -> Finding {
    let check = Check::Twins(kind);
    let (name, other) = (shown(name), shown(other));
    let list = named(differences);
    match kind {
        DifferenceKind::Owned => Finding::warning(
            check,
            format!("{name} owns {list}; an owner cannot be shared, {other} has no such right"),
            statements(differences, |difference| difference.give.as_ref()),
        ),
        DifferenceKind::Elsewhere => Finding::unknown(
            check,
            format!("{name} has privileges in {list}, which cannot be compared from here"),
            Some(format!("compare {name} and {other} there")),
        ),
        _ => {
            let found = match kind {
                DifferenceKind::ConnectionLimit | DifferenceKind::ValidUntil => {
                    format!("{name}: {list}")
                }
                _ => format!("{name} has what {other} lacks: {list}"),
            };
            let remedy = remedy(differences)
                .or_else(|| Some(format!("give {other} the same, or take it from {name}")));
            match holder {
                Twin::Current => Finding::problem(check, found, remedy),
                Twin::Idle => Finding::warning(check, found, remedy),
            }
        }
    }
}

fn named(differences: &[&Difference]) -> String {
    let names = differences.iter().take(NAMED);
    let names: Vec<&str> = names.map(|difference| difference.what.as_str()).collect();
    let more = match differences.len() {
        count if count > NAMED => format!(" and {} more", count - NAMED),
        _ => String::new(),
    };
    format!("{}{more}", names.join("; "))
}

/// Giving keeps applications running; what cannot be given is taken away.
fn remedy(differences: &[&Difference]) -> Option<String> {
    statements(differences, |difference| {
        difference.give.as_ref().or(difference.take.as_ref())
    })
}

fn statements<'a>(
    differences: &[&'a Difference],
    choose: impl Fn(&'a Difference) -> Option<&'a String>,
) -> Option<String> {
    let all: Vec<&str> = differences
        .iter()
        .filter_map(|difference| choose(difference))
        .map(String::as_str)
        .collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::untrusted::Untrusted;

    fn user(name: &str) -> UserName {
        UserName::new(name).expect("a name")
    }

    fn difference(kind: DifferenceKind, holder: Twin, what: &str) -> Difference {
        Difference {
            kind,
            holder,
            what: Untrusted::new(what),
            give: Some(format!("give {what};")),
            take: Some(format!("take {what};")),
        }
    }

    fn found(differences: &[Difference]) -> Vec<Finding> {
        compare(differences, [&user("a"), &user("b")])
    }

    #[test]
    fn twins_that_are_alike_have_one_ok_for_each_kind() {
        let findings = found(&[]);
        assert_eq!(findings.len(), KINDS.len());
        assert!(findings.iter().all(|one| one.status == FindingStatus::Ok));
        let checks: Vec<Check> = findings.iter().map(|one| one.check).collect();
        assert_eq!(checks, checks_in_order());
    }

    fn checks_in_order() -> Vec<Check> {
        checks(Engine::Postgres).collect()
    }

    #[test]
    fn what_the_idle_user_lacks_is_a_problem_and_what_it_has_more_a_warning() {
        let table = |holder, what| difference(DifferenceKind::Table, holder, what);
        let findings = found(&[
            table(Twin::Current, "one"),
            table(Twin::Idle, "two"),
            table(Twin::Current, "three"),
        ]);
        let of_tables: Vec<&Finding> = findings
            .iter()
            .filter(|one| one.check == Check::Twins(DifferenceKind::Table))
            .collect();
        assert_eq!(of_tables.len(), 2);
        assert_eq!(of_tables[0].status, FindingStatus::Problem);
        assert_eq!(of_tables[0].found, "a has what b lacks: one; three");
        assert_eq!(
            of_tables[0].remedy.as_deref(),
            Some("give one;\ngive three;")
        );
        assert_eq!(of_tables[1].status, FindingStatus::Warning);
        assert_eq!(of_tables[1].found, "b has what a lacks: two");
    }

    #[test]
    fn what_cannot_be_given_is_taken_and_owned_objects_only_warn() {
        let superuser = Difference {
            give: None,
            ..difference(DifferenceKind::Attribute, Twin::Current, "SUPERUSER")
        };
        let owned = difference(DifferenceKind::Owned, Twin::Current, "table t");
        let findings = found(&[superuser, owned]);
        let of = |kind| {
            let mut all = findings.iter();
            all.find(|one| one.check == Check::Twins(kind))
                .expect("is checked")
        };
        let attribute = of(DifferenceKind::Attribute);
        assert_eq!(attribute.remedy.as_deref(), Some("take SUPERUSER;"));
        assert_eq!(of(DifferenceKind::Owned).status, FindingStatus::Warning);
    }

    #[test]
    fn a_long_list_is_cut_and_its_statements_are_not() {
        let many: Vec<Difference> = (0..20)
            .map(|n| difference(DifferenceKind::Table, Twin::Current, &n.to_string()))
            .collect();
        let findings = found(&many);
        let tables = &findings[1];
        assert!(tables.found.ends_with("and 12 more"), "{}", tables.found);
        let remedy = tables.remedy.as_deref().expect("statements");
        assert_eq!(remedy.lines().count(), 20);
    }
}
