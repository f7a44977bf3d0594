//! The first rotation of a secret without `state`: who is connected tells which user
//! consumers read.

use crate::model::{Session, SessionView};

/// Which of the pair is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// `username1`.
    First,
    /// `username2`.
    Second,
}

/// From the sessions of both users, on every node, to the idle one; or why it cannot be
/// told. Nobody connected at all is taken for a pair that is not in use yet.
///
/// # Errors
/// The reason, as the end of a sentence.
pub fn adopt(
    first: &[Session],
    second: &[Session],
    views: &[&SessionView],
) -> Result<Idle, &'static str> {
    if views.iter().any(|view| !view.complete) {
        return Err(", and the managing user does not see all sessions");
    }
    match (first.is_empty(), second.is_empty()) {
        (true, _) => Ok(Idle::First),
        (false, true) => Ok(Idle::Second),
        (false, false) => Err(", and sessions of both are connected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Node, SessionKind};
    use crate::untrusted::Untrusted;

    fn session() -> Session {
        Session {
            is_nameless_from_here: false,
            node: Node {
                host: "db".to_owned(),
                port: 5432,
            },
            pid: 1,
            kind: SessionKind::Client,
            application: Untrusted::new("app"),
            client: None,
            started: None,
        }
    }

    #[test]
    fn the_user_without_sessions_is_idle() {
        let check = |first: usize, second: usize, complete, expected: Result<Idle, ()>| {
            let view = SessionView {
                sessions: Vec::new(),
                complete,
                grant: None,
            };
            let sessions = |count| vec![session(); count];
            let found = adopt(&sessions(first), &sessions(second), &[&view]);
            assert_eq!(
                found.map_err(|_| ()),
                expected,
                "{first} {second} {complete}"
            );
        };
        check(0, 0, true, Ok(Idle::First));
        check(0, 2, true, Ok(Idle::First));
        check(2, 0, true, Ok(Idle::Second));
        check(1, 1, true, Err(()));
        check(0, 0, false, Err(()));
        check(1, 0, false, Err(()));
    }
}
