//! The gate of one look: whether the password of a user may be changed now.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::{Gate, OwnSession, Session, SessionKind, SessionView, Shut, Viewer};

/// The names that our own probes carry. Anybody may take such a name, so it only
/// earns a session two seconds to go, never a place outside the count.
pub const PROBE_APPLICATION_PREFIX: &str = "handover/";

/// Sessions that are not ours, by node, pid and start.
#[must_use]
pub fn foreign_sessions(view: &SessionView, own: &[OwnSession]) -> Vec<Session> {
    let is_own = |session: &Session| {
        own.iter().any(|own| {
            own.node == session.node
                && own.pid == session.pid
                && session
                    .started
                    .is_none_or(|started| own.started.is_none_or(|own| own == started))
        })
    };
    let mut foreign: Vec<Session> = view
        .sessions
        .iter()
        .filter(|session| !is_own(session))
        .cloned()
        .collect();
    foreign.sort_by_key(|session| (session.started, session.pid));
    foreign
}

/// Whether a session may be a probe of a killed run, which is about to go.
#[must_use]
pub fn may_be_lingering_probe(session: &Session) -> bool {
    let named = session
        .application
        .as_str()
        .starts_with(PROBE_APPLICATION_PREFIX);
    session.kind != SessionKind::PreparedTransaction && (named || session.is_nameless_from_here)
}

/// Looks at one view of the user whose password is about to change.
///
/// `promoted` is the last promote by the clock of the same server as `server_time`;
/// `None` when we never promoted this rotated secret.
#[must_use]
pub fn gate(
    view: &SessionView,
    own: &[OwnSession],
    server_time: DateTime<Utc>,
    promoted: Option<DateTime<Utc>>,
    propagation: Duration,
) -> Gate {
    let mut reasons = Vec::new();
    let sessions = foreign_sessions(view, own);
    if !sessions.is_empty() {
        reasons.push(Shut::Sessions(sessions));
    }
    if !view.complete {
        reasons.push(Shut::MaskedView {
            viewer: Viewer::Managing,
            grant: view.grant.clone(),
        });
    }
    if let Some(reason) = propagating(server_time, promoted, propagation) {
        reasons.push(reason);
    }
    if reasons.is_empty() {
        Gate::Open
    } else {
        Gate::Shut(reasons)
    }
}

/// Several nodes in one: open only when all are, and every reason is kept.
#[must_use]
pub fn together(gates: impl IntoIterator<Item = Gate>) -> Gate {
    let mut sessions = Vec::new();
    let mut latest: Option<Shut> = None;
    let mut reasons: Vec<Shut> = Vec::new();
    for gate in gates {
        let Gate::Shut(shut) = gate else { continue };
        for reason in shut {
            match reason {
                Shut::Sessions(more) => sessions.extend(more),
                Shut::Propagating { until, .. } => {
                    let is_later = !matches!(&latest, Some(Shut::Propagating { until: known, .. }) if *known >= until);
                    if is_later {
                        latest = Some(reason);
                    }
                }
                other if !reasons.contains(&other) => reasons.push(other),
                _ => {}
            }
        }
    }
    if !sessions.is_empty() {
        reasons.insert(0, Shut::Sessions(sessions));
    }
    reasons.extend(latest);
    if reasons.is_empty() {
        Gate::Open
    } else {
        Gate::Shut(reasons)
    }
}

fn propagating(
    server_time: DateTime<Utc>,
    promoted: Option<DateTime<Utc>>,
    propagation: Duration,
) -> Option<Shut> {
    let span = chrono::Duration::from_std(propagation).ok()?;
    let until = promoted? + span;
    let remaining = (until - server_time).to_std().ok()?;
    // A server clock that was set back must not shut the gate for longer than agreed.
    let remaining = remaining.min(propagation);
    (!remaining.is_zero()).then_some(Shut::Propagating { until, remaining })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Node;
    use crate::untrusted::Untrusted;
    use proptest::prelude::*;

    fn node() -> Node {
        Node {
            host: "db".to_owned(),
            port: 5432,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a valid time")
    }

    fn session(pid: i64, application: &str) -> Session {
        Session {
            is_nameless_from_here: false,
            node: node(),
            pid,
            kind: SessionKind::Client,
            application: Untrusted::new(application),
            client: None,
            started: Some(at(0)),
        }
    }

    fn view(sessions: Vec<Session>, complete: bool) -> SessionView {
        SessionView {
            sessions,
            complete,
            grant: None,
        }
    }

    #[test]
    fn own_probes_are_left_out_by_pid_and_start_and_not_by_name() {
        let own = OwnSession {
            node: node(),
            pid: 7,
            started: Some(at(0)),
            span: (at(0), at(0)),
        };
        let seen = view(
            vec![session(7, "handover/probe"), session(8, "handover/probe")],
            true,
        );
        let foreign = foreign_sessions(&seen, std::slice::from_ref(&own));
        assert_eq!(foreign.len(), 1);
        assert_eq!(foreign[0].pid, 8);
        assert!(may_be_lingering_probe(&foreign[0]));
        // A later session that got the same process id is somebody else's.
        let reused = OwnSession {
            started: Some(at(9)),
            ..own
        };
        assert_eq!(foreign_sessions(&seen, &[reused]).len(), 2);
    }

    #[test]
    fn a_masked_view_without_any_session_is_not_an_open_gate() {
        let verdict = gate(&view(vec![], false), &[], at(0), None, Duration::ZERO);
        assert_eq!(
            verdict,
            Gate::Shut(vec![Shut::MaskedView {
                viewer: Viewer::Managing,
                grant: None
            }])
        );
    }

    #[test]
    fn propagation_shuts_the_gate_until_it_has_passed() {
        let propagation = Duration::from_secs(10);
        let look = |now| gate(&view(vec![], true), &[], at(now), Some(at(0)), propagation);
        assert!(matches!(look(9), Gate::Shut(_)));
        assert_eq!(look(10), Gate::Open);
        let never = gate(&view(vec![], true), &[], at(0), None, propagation);
        assert_eq!(never, Gate::Open);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_shut_the_gate_for_longer() {
        let propagation = Duration::from_secs(10);
        let verdict = gate(
            &view(vec![], true),
            &[],
            at(-3600),
            Some(at(0)),
            propagation,
        );
        let Gate::Shut(reasons) = verdict else {
            panic!("must be shut");
        };
        assert!(matches!(
            reasons[..],
            [Shut::Propagating { remaining, .. }] if remaining == propagation
        ));
    }

    #[test]
    fn several_nodes_are_open_only_together_and_keep_every_reason() {
        let propagation = Duration::from_secs(10);
        let open = gate(&view(vec![], true), &[], at(0), None, propagation);
        assert_eq!(together([open.clone(), open.clone()]), Gate::Open);
        let one = gate(
            &view(vec![session(1, "a")], true),
            &[],
            at(9),
            Some(at(0)),
            propagation,
        );
        let other = gate(
            &view(vec![session(2, "b")], false),
            &[],
            at(3),
            Some(at(0)),
            propagation,
        );
        let Gate::Shut(reasons) = together([open, one, other]) else {
            panic!("must be shut");
        };
        assert!(
            matches!(
                &reasons[..],
                [Shut::Sessions(sessions), Shut::MaskedView { .. }, Shut::Propagating { .. }]
                    if sessions.len() == 2
            ),
            "{reasons:?}"
        );
    }

    proptest! {
        #[test]
        fn the_gate_is_open_only_on_a_complete_empty_view_after_propagation(
            foreign in 0usize..3,
            complete in any::<bool>(),
            now in 0i64..30,
            promoted in proptest::option::of(0i64..30),
        ) {
            let sessions = (0..foreign).map(|pid| session(100 + i64::try_from(pid).expect("few"), "app")).collect();
            let verdict = gate(
                &view(sessions, complete), &[], at(now), promoted.map(at), Duration::from_secs(10),
            );
            let settled = promoted.is_none_or(|promoted| now >= promoted + 10);
            prop_assert_eq!(verdict == Gate::Open, foreign == 0 && complete && settled);
        }
    }
}
