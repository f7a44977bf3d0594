//! What was seen against what the store expects; pure.

use super::{CredentialRole, CredentialVerification, Drift, NodeFinding, PathVerification};
use crate::model::{
    AccountId, Barrier, DatabaseFault, LoginOutcome, ManagingFacts, Node, RoleFacts, UserName,
};
use crate::operations::hand_over::logins::Logins;
use crate::operations::hand_over::subject::Subject;
use crate::untrusted::Untrusted;

/// What the store expects of the idle user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Its stored password logs in.
    Valid,
    /// Nobody here knows a password of it.
    NotKnown,
    /// It was retired: its account is locked.
    Locked,
    /// It was retired: nobody has its password, and its account is locked.
    Scrambled,
    /// A rotation or a retirement is open, and may have done either.
    Changing,
}

impl Expected {
    fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::NotKnown => "not known",
            Self::Locked => "locked",
            Self::Scrambled => "scrambled",
            Self::Changing => "changing",
        }
    }
}

/// What came of all logins.
pub(super) struct Seen {
    /// By node, the managed one first.
    pub(super) managing: Vec<(Node, Result<ManagingFacts, DatabaseFault>)>,
    /// X with C.
    pub(super) current: Logins,
    /// C was refused before, and is not shown again, since the server counts.
    pub(super) is_held_back: bool,
    /// Y with P; `None` where it was not tried.
    pub(super) previous: Option<Logins>,
    /// `None` where the settings name no such login.
    pub(super) monitor: Option<Vec<(Node, Result<(), DatabaseFault>)>>,
}

impl Seen {
    /// What this node's catalog says of one of the pair: `None` where nobody could look,
    /// `Some(None)` where it is not there.
    fn role(&self, node: &Node, index: usize) -> Option<Option<&RoleFacts>> {
        let (_, looked) = self.managing.iter().find(|(one, _)| one == node)?;
        Some(looked.as_ref().ok()?.roles[index].as_ref())
    }
}

/// The verdict on one rotated secret.
pub(super) fn compare(subject: &Subject, expected: Expected, seen: &Seen) -> PathVerification {
    let mut credentials = vec![
        current(subject, seen),
        previous(subject, expected, seen),
        of_looks(
            CredentialRole::Managing,
            &subject.manager.username,
            seen.managing
                .iter()
                .map(|(node, looked)| (node, looked.as_ref().err())),
        ),
    ];
    credentials.extend(monitor(subject, seen));
    let worst = credentials.iter().map(|one| one.verdict).max();
    let verdict = worst.unwrap_or(Drift::AsExpected);
    PathVerification {
        path: subject.path.to_string(),
        credentials,
        verdict,
        words: Vec::new(),
    }
}

fn current(subject: &Subject, seen: &Seen) -> CredentialVerification {
    let user = subject.current_user();
    let recorded = subject.record.accounts.get(user.as_str());
    let logins = seen.current.iter();
    let nodes: Vec<NodeFinding> = logins
        .map(|(node, outcome)| of_login(node, outcome, seen.role(node, 0)))
        .collect();
    let mut one = credential(CredentialRole::Current, user, Expected::Valid, nodes);
    if subject.current.password.is_none() {
        one.found = "no password known";
        one.verdict = Drift::Drifted;
        one.words = "the store has no password of what consumers read".to_owned();
        return one;
    }
    if seen.is_held_back {
        for node in &mut one.nodes {
            node.found = "not tried";
        }
        one.found = "refused";
        one.verdict = Drift::CurrentDead;
        one.words = "it was refused when it was last tried, and is not shown again: the server \
                     counts wrong passwords and would shut the user out"
            .to_owned();
        return one;
    }
    let lets_in = one.nodes.iter().any(|node| node.found == "valid");
    if one.verdict == Drift::Drifted && !lets_in {
        one.verdict = Drift::CurrentDead;
    }
    add_identity(&mut one, seen.role(&subject.node, 0), recorded);
    one
}

fn previous(subject: &Subject, expected: Expected, seen: &Seen) -> CredentialVerification {
    let user = subject.user();
    let recorded = subject.record.accounts.get(user.as_str());
    let role = CredentialRole::Previous;
    let untried = |found, words: &str| CredentialVerification {
        role,
        user: Untrusted::new(user.as_str()),
        expected: expected.word(),
        found,
        nodes: Vec::new(),
        verdict: Drift::AsExpected,
        words: words.to_owned(),
    };
    let mut one = match (expected, &seen.previous) {
        (Expected::Valid, Some(logins)) if are_held_back(logins) => {
            let why = "not tried: the server counts wrong passwords, or nobody could ask whether \
                       it does, and who looks often must not spend what is left to others";
            untried("not tried", why)
        }
        (Expected::Valid, Some(logins)) => {
            let logins = logins.iter();
            let nodes = logins.map(|(node, outcome)| of_login(node, outcome, seen.role(node, 1)));
            credential(role, user, expected, nodes.collect())
        }
        // Scrambling leaves the lock as it is.
        (Expected::Locked | Expected::Scrambled, _) => {
            let nodes = subject.nodes();
            let nodes = nodes.map(|node| of_catalog(node, seen.role(node, 1)));
            let locked = credential(role, user, Expected::Locked, nodes.collect());
            CredentialVerification {
                expected: expected.word(),
                ..locked
            }
        }
        (Expected::Changing, _) => untried(
            "not tried",
            "a rotation or a retirement is open and may have changed it: see handover status",
        ),
        (Expected::NotKnown | Expected::Valid, _) => {
            untried("not tried", "nobody here knows a password of it")
        }
    };
    // Only who was looked for may be missed.
    if expected != Expected::Changing {
        add_identity(&mut one, seen.role(&subject.node, 1), recorded);
    }
    one
}

fn monitor(subject: &Subject, seen: &Seen) -> Option<CredentialVerification> {
    let role = CredentialRole::Monitor;
    match (subject.monitor.as_ref()?, &seen.monitor) {
        (Ok(login), Some(looks)) => {
            let looks = looks.iter();
            let looks = looks.map(|(node, looked)| (node, looked.as_ref().err()));
            Some(of_looks(role, &login.username, looks))
        }
        (Ok(_), None) => None,
        (Err(words), _) => Some(CredentialVerification {
            role,
            user: Untrusted::new(""),
            expected: "valid",
            found: "unreadable",
            nodes: Vec::new(),
            verdict: Drift::Drifted,
            words: words.clone(),
        }),
    }
}

/// Whoever looks: let in or not.
fn of_looks<'a>(
    role: CredentialRole,
    user: &UserName,
    looks: impl Iterator<Item = (&'a Node, Option<&'a DatabaseFault>)>,
) -> CredentialVerification {
    let nodes = looks.map(|(node, fault)| NodeFinding {
        node: node.to_string(),
        found: match fault {
            None => "valid",
            Some(DatabaseFault::ManagerOut { .. }) => "refused",
            // It was let in, and may not ask; `doctor` is about rights.
            Some(DatabaseFault::NoRight { .. }) => "valid",
            Some(DatabaseFault::Unreachable { .. } | DatabaseFault::Server { .. }) => "unknown",
        },
        why: fault.map(ToString::to_string),
    });
    credential(role, user, Expected::Valid, nodes.collect())
}

/// One credential by what its nodes say.
fn credential(
    role: CredentialRole,
    user: &UserName,
    expected: Expected,
    nodes: Vec<NodeFinding>,
) -> CredentialVerification {
    let is_same = |found: &'static str| nodes.iter().all(|node| node.found == found);
    let found = match nodes.first() {
        None => "not tried",
        Some(first) if is_same(first.found) => first.found,
        // What nobody knows hides no difference.
        Some(_) if nodes.iter().any(|node| is_off(node, expected)) => "differs by node",
        Some(_) => "unknown",
    };
    let verdict = if nodes.iter().any(|node| is_off(node, expected)) {
        Drift::Drifted
    } else if nodes.iter().any(|node| node.found == "unknown") {
        Drift::Unreachable
    } else {
        Drift::AsExpected
    };
    let mut words: Vec<String> = Vec::new();
    for node in nodes.iter().filter(|node| node.found != expected.word()) {
        let why = node.why.as_ref().map(|why| format!(" ({why})"));
        words.push(format!(
            "{} on {}{}",
            node.found,
            node.node,
            why.unwrap_or_default()
        ));
    }
    CredentialVerification {
        role,
        user: Untrusted::new(user.as_str()),
        expected: expected.word(),
        found,
        nodes,
        verdict,
        words: words.join("; "),
    }
}

fn is_off(node: &NodeFinding, expected: Expected) -> bool {
    node.found != expected.word() && node.found != "unknown"
}

fn of_login(node: &Node, outcome: &LoginOutcome, role: Option<Option<&RoleFacts>>) -> NodeFinding {
    let why = |text: &str| Some(text.to_owned());
    let (found, why) = match (outcome, role) {
        (LoginOutcome::LoggedIn { .. } | LoginOutcome::StatementFailed { .. }, _)
        | (LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit), _) => ("valid", None),
        (LoginOutcome::PasswordAccepted(Barrier::NotPermitted), _) => (
            "locked",
            why("the password is right, and its user may not log in"),
        ),
        (LoginOutcome::PasswordAccepted(Barrier::PasswordExpired), _) => ("expired", None),
        (LoginOutcome::PasswordAccepted(Barrier::Database), _) => (
            "kept out",
            why("the password is right, and the database does not let its user in"),
        ),
        (LoginOutcome::PasswordRefused, Some(None)) => ("gone", why("there is no such user")),
        (LoginOutcome::PasswordRefused, Some(Some(role))) if role.expired => ("expired", None),
        (LoginOutcome::PasswordRefused, Some(Some(role))) if !role.is_mute => ("refused", None),
        (LoginOutcome::PasswordRefused, _) => (
            "unknown",
            why("refused, and nobody could see whether that is about the password"),
        ),
        (LoginOutcome::Unknown(cause), _) => ("unknown", Some(cause.to_string())),
    };
    NodeFinding {
        node: node.to_string(),
        found,
        why,
    }
}

/// Whether a user is locked, by the catalog: a login would be one that it is refused.
fn of_catalog(node: &Node, role: Option<Option<&RoleFacts>>) -> NodeFinding {
    let (found, why) = match role {
        Some(Some(role)) if !role.can_log_in => ("locked", None),
        Some(Some(_)) => (
            "unlocked",
            Some("somebody else let it in again, or older data were put back".to_owned()),
        ),
        Some(None) => ("gone", Some("there is no such user".to_owned())),
        None => ("unknown", Some("nobody could look".to_owned())),
    };
    NodeFinding {
        node: node.to_string(),
        found,
        why,
    }
}

fn are_held_back(logins: &Logins) -> bool {
    let is_held_back = |outcome: &LoginOutcome| match outcome {
        LoginOutcome::Unknown(cause) => cause.to_string().starts_with("not tried"),
        _ => false,
    };
    !logins.is_empty() && logins.iter().all(|(_, outcome)| is_held_back(outcome))
}

/// A user that was dropped and made anew has the name, and not the rights, of the recorded one.
fn add_identity(
    one: &mut CredentialVerification,
    role: Option<Option<&RoleFacts>>,
    recorded: Option<&AccountId>,
) {
    let words = match (role, recorded) {
        (Some(Some(role)), Some(recorded)) if role.account != *recorded => {
            "it is another user of the same name than the recorded one"
        }
        (Some(None), _) if one.nodes.is_empty() => "there is no such user",
        _ => return,
    };
    one.verdict = one.verdict.max(Drift::Drifted);
    one.words = match one.words.is_empty() {
        true => words.to_owned(),
        false => format!("{}; {words}", one.words),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnknownCause;

    fn node(found: &'static str) -> NodeFinding {
        NodeFinding {
            node: "db:5432".to_owned(),
            found,
            why: None,
        }
    }

    #[track_caller]
    fn check(nodes: &[&'static str], expected: Expected, found: &str, verdict: Drift) {
        let user = UserName::new("orders_b").expect("a name");
        let nodes = nodes.iter().map(|word| node(word)).collect();
        let one = credential(CredentialRole::Previous, &user, expected, nodes);
        assert_eq!((one.found, one.verdict), (found, verdict), "{one:#?}");
    }

    #[test]
    fn a_difference_weighs_more_than_silence_and_silence_more_than_agreement() {
        check(
            &["valid", "valid"],
            Expected::Valid,
            "valid",
            Drift::AsExpected,
        );
        check(
            &["valid", "unknown"],
            Expected::Valid,
            "unknown",
            Drift::Unreachable,
        );
        check(&["unknown"], Expected::Valid, "unknown", Drift::Unreachable);
        check(
            &["refused", "unknown"],
            Expected::Valid,
            "differs by node",
            Drift::Drifted,
        );
        check(
            &["refused", "refused"],
            Expected::Valid,
            "refused",
            Drift::Drifted,
        );
        check(&["locked"], Expected::Locked, "locked", Drift::AsExpected);
        check(
            &["unlocked", "locked"],
            Expected::Locked,
            "differs by node",
            Drift::Drifted,
        );
    }

    #[test]
    fn a_refusal_is_about_the_password_only_where_the_catalog_was_seen() {
        let at = Node {
            host: "db".to_owned(),
            port: 5432,
        };
        let found = |outcome: &LoginOutcome, role| of_login(&at, outcome, role).found;
        let refused = LoginOutcome::PasswordRefused;
        assert_eq!(found(&refused, None), "unknown");
        assert_eq!(found(&refused, Some(None)), "gone");
        let silent = LoginOutcome::Unknown(UnknownCause::TimedOut);
        assert_eq!(found(&silent, Some(None)), "unknown");
        let full = LoginOutcome::PasswordAccepted(Barrier::ConnectionLimit);
        assert_eq!(found(&full, None), "valid");
    }
}
