//! From findings to one verdict.

use super::finding::{Check, Finding, FindingStatus};

/// How serious the findings of one rotated secret are, as an exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A rotation would go through.
    Fit,
    /// A rotation would be refused, or would break something.
    Unfit,
    /// Whether what consumers read works cannot be found out.
    Unreachable,
    /// What consumers read does not log in.
    CurrentDead,
}

/// The verdict on one rotated secret.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Verdict {
    let is = |wanted: &[Check], status| {
        let mut all = findings.iter();
        all.any(|one| wanted.contains(&one.check) && one.status == status)
    };
    if is(
        &[Check::CurrentRole, Check::CurrentLogin],
        FindingStatus::Problem,
    ) {
        Verdict::CurrentDead
    } else if is(&[Check::Reachable, Check::Tls], FindingStatus::Problem)
        || is(&[Check::CurrentLogin], FindingStatus::Unknown)
    {
        Verdict::Unreachable
    } else if findings
        .iter()
        .any(|one| one.status == FindingStatus::Problem)
    {
        Verdict::Unfit
    } else {
        Verdict::Fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(findings: &[Finding], expected: Verdict) {
        assert_eq!(verdict(findings), expected, "{findings:?}");
    }

    #[test]
    fn the_most_serious_finding_is_the_verdict() {
        let warning = Finding::warning(Check::Tls, "", None);
        let right = Finding::problem(Check::Right, "", None);
        let reachable = Finding::problem(Check::Reachable, "", None);
        let unproven = Finding::unknown(Check::CurrentLogin, "", None);
        let dead = Finding::problem(Check::CurrentLogin, "", None);
        check(
            &[warning, Finding::unknown(Check::View, "", None)],
            Verdict::Fit,
        );
        check(std::slice::from_ref(&right), Verdict::Unfit);
        check(&[right.clone(), reachable], Verdict::Unreachable);
        check(&[unproven], Verdict::Unreachable);
        check(&[right, dead], Verdict::CurrentDead);
    }
}
