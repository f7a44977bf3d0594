//! What looks write.

use std::time::Duration;

use super::builder_tests::{
    Look, World, at, at_ms, host, logins, node, numbered, prepared, session,
};
use super::{Looked, Silence, Write, absorb};
use crate::model::SessionKind;
use crate::untrusted::Untrusted;

/// The writes by their names alone.
fn names(writes: &[Write]) -> Vec<&'static str> {
    writes
        .iter()
        .map(|write| match write {
            Write::Looked(_) => "looked",
            Write::Facts { .. } => "facts",
            Write::BeginRun(_) => "begin-run",
            Write::ExtendRun(_) => "extend-run",
            Write::Seen(_) => "seen",
            Write::Changed { .. } => "changed",
            Write::Gone { .. } => "gone",
            Write::BeginCounter(_) => "begin-counter",
            Write::ExtendCounter { .. } => "extend-counter",
        })
        .collect()
}

#[test]
fn a_thousand_sessions_that_stay_as_they_are_cost_three_writes() {
    let mut world = World::new();
    let sessions: Vec<_> = (1..=1_000).map(|pid| session(pid, -50)).collect();
    let first = world.look(&Look::new(0, sessions.clone()).counting(logins(5)));
    assert_eq!(first.len(), 1_004);
    assert_eq!(names(&first)[..2], ["facts", "begin-run"]);
    let second = world.look(&Look::new(5, sessions).counting(logins(5)));
    assert_eq!(names(&second), ["extend-run", "extend-counter", "looked"]);
}

#[test]
fn a_session_is_changed_by_what_it_does_and_not_by_whole_seconds() {
    let mut world = World::new();
    world.look(&Look::new(0, vec![session(1, -50)]));
    let mut jittery = session(1, -50);
    jittery.state_since = Some(at_ms(-48_500));
    let writes = world.look(&Look::new(5, vec![jittery.clone()]));
    assert_eq!(names(&writes), ["extend-run", "looked"]);
    jittery.state_since = Some(at_ms(-48_499));
    let writes = world.look(&Look::new(10, vec![jittery.clone()]));
    assert_eq!(names(&writes), ["extend-run", "changed", "looked"]);
    jittery.transaction_since = Some(at(9));
    jittery.state = Some(Untrusted::new("active"));
    let writes = world.look(&Look::new(15, vec![jittery]));
    assert_eq!(names(&writes), ["extend-run", "changed", "looked"]);
    let known = &world.timeline.nodes[0].sessions[0];
    assert_eq!(known.session.transaction_since, Some(at(9)));
    assert_eq!(known.first_seen, at(0));
}

#[test]
fn a_session_ends_between_two_samples_and_its_number_may_come_back() {
    let mut world = World::new();
    world.look(&Look::new(0, vec![session(1, -50)]));
    let writes = world.look(&Look::new(5, vec![session(1, 3)]));
    assert_eq!(names(&writes), ["extend-run", "gone", "seen", "looked"]);
    let [old, new] = &world.timeline.nodes[0].sessions[..] else {
        panic!("two sessions");
    };
    let ended = old.ended.expect("has ended");
    assert_eq!((ended.last_seen, ended.gone_at), (at(0), at(5)));
    assert_eq!((old.not_before, new.not_before), (None, Some(at(0))));
    assert_eq!(new.first_seen, at(5));
}

#[test]
fn prepared_transactions_are_told_apart_by_their_identifiers() {
    let mut world = World::new();
    world.look(&Look::new(
        0,
        vec![prepared("one", -9), prepared("two", -9)],
    ));
    let writes = world.look(&Look::new(5, vec![prepared("two", -9)]));
    assert_eq!(names(&writes), ["extend-run", "gone", "looked"]);
    let Write::Gone { key, .. } = &writes[1] else {
        panic!("one is gone");
    };
    assert_eq!(key.prepared, Some(Untrusted::new("one")));
    assert_eq!((key.pid, key.first_seen), (0, at(0)));
    // They outlive their server.
    let writes = world.look(&Look::new(10, vec![prepared("two", -9)]).started(7));
    assert_eq!(names(&writes), ["facts", "extend-run", "looked"]);
}

#[test]
fn a_look_without_an_answer_ends_nothing_and_keeps_the_clock() {
    let mut world = World::new();
    world.look(&Look::new(0, vec![session(1, -50)]));
    let writes = world.silence_at(0, 5);
    assert_eq!(names(&writes), ["looked"]);
    let node = &world.timeline.nodes[0];
    assert!(node.sessions[0].ended.is_none());
    let last = node.last.as_ref().expect("looked");
    assert_eq!(last.problem.as_deref(), Some("no route to it"));
    let answered = last.answered.expect("answered before");
    assert_eq!((answered.at, answered.server_time), (host(0), at(0)));
}

#[test]
fn what_hides_something_ends_only_what_it_has_shown() {
    let mut world = World::new();
    world.look(&Look::new(0, vec![session(1, -50), session(2, -50)]));
    // It shows one of them masked, and one that was not there before.
    let mut masked = session(1, -50);
    masked.kind = SessionKind::Masked;
    (masked.started, masked.client, masked.state) = (None, None, None);
    let mut newcomer = masked.clone();
    newcomer.pid = 3;
    world.look(&Look::new(5, vec![masked.clone(), newcomer]).masked());
    let known = &world.timeline.nodes[0].sessions;
    assert!(known.iter().all(|seen| seen.ended.is_none()));
    assert_eq!(known[0].session.started, Some(at(-50)));
    assert_eq!(known[0].session.client, Some(Untrusted::new("10.0.0.5")));
    let writes = world.look(&Look::new(10, Vec::new()).masked());
    assert_eq!(names(&writes), ["extend-run", "gone", "gone", "looked"]);
    let open: Vec<i64> = world.timeline.nodes[0]
        .sessions
        .iter()
        .filter(|seen| seen.ended.is_none())
        .map(|seen| seen.session.pid)
        .collect();
    assert_eq!(open, [2]);
    // A view that shows everything ends it, and it was last seen by the last such view.
    world.look(&Look::new(15, Vec::new()));
    let ended = world.timeline.nodes[0].sessions[1].ended.expect("gone");
    assert_eq!((ended.last_seen, ended.gone_at), (at(0), at(15)));
}

#[test]
fn a_masked_session_that_becomes_visible_is_the_same_unless_it_began_later() {
    let mut world = World::new();
    let masked = |pid| {
        let mut masked = numbered(pid);
        masked.kind = SessionKind::Masked;
        masked
    };
    world.look(&Look::new(0, vec![masked(1), masked(2)]).masked());
    let writes = world.look(&Look::new(5, vec![session(1, -50), session(2, 3)]));
    assert_eq!(
        names(&writes),
        ["begin-run", "changed", "gone", "seen", "looked"]
    );
    // It was not there when a view that hides something was looked at: that is not said.
    assert_eq!(world.timeline.nodes[0].sessions[2].not_before, None);
}

#[test]
fn a_restart_ends_all_and_numbers_begin_anew() {
    let mut world = World::new();
    world.look(&Look::new(0, vec![numbered(8)]));
    // Computed from whole seconds.
    let writes = world.look(&Look::new(5, vec![numbered(8)]).started(-99_998));
    assert_eq!(names(&writes), ["extend-run", "looked"]);
    let writes = world.look(&Look::new(10, vec![numbered(8)]).started(7));
    assert_eq!(
        names(&writes),
        ["facts", "begin-run", "gone", "seen", "looked"]
    );
    // Where every session has a start, nobody can have come and gone unseen by a restart.
    let mut world = World::new();
    world.look(&Look::new(0, vec![session(8, -50)]));
    let writes = world.look(&Look::new(5, vec![session(8, 4)]).started(3));
    assert_eq!(
        names(&writes),
        ["facts", "extend-run", "gone", "seen", "looked"]
    );
}

#[test]
fn a_new_stretch_begins_after_a_gap_another_view_and_a_clock_set_back() {
    let check = |looks: &[Look], expected: usize| {
        let mut world = World::new();
        for look in looks {
            world.look(look);
        }
        assert_eq!(world.timeline.nodes[0].runs.len(), expected, "{looks:?}");
    };
    let look = |seconds| Look::new(seconds, Vec::new());
    check(&[look(0), look(30)], 1);
    check(&[look(0), look(31)], 2);
    check(&[look(0), look(5).masked(), look(10)], 3);
    check(&[look(0), look(-1)], 2);
    let mut world = World::new();
    for second in [0, 5, 25, 30] {
        world.look(&look(second));
    }
    let run = &world.timeline.nodes[0].runs[0];
    assert_eq!((run.samples, run.longest_gap), (4, Duration::from_secs(20)));
}

#[test]
fn the_clock_that_says_longer_says_the_gap() {
    let runs = |elapsed: Option<u64>, wall: i64| {
        let mut world = World::new();
        let mut look = Look::new(0, Vec::new());
        world.look(&look);
        // The server was frozen with its clock.
        look.sample.server_time = at(1);
        let looked = Looked {
            at: host(wall),
            elapsed: elapsed.map(Duration::from_secs),
            answer: Ok((&look.sample, &look.account)),
        };
        absorb(&mut world.timeline.nodes[0], &looked, world.max_gap);
        world.timeline.nodes[0].runs.len()
    };
    assert_eq!(runs(Some(5), 5), 1);
    assert_eq!(runs(Some(31), 5), 2);
    // What counts suspend is not set by anybody; the wall clock is asked without it.
    assert_eq!(runs(Some(5), 4_000), 1);
    assert_eq!(runs(None, 31), 2);
    assert_eq!(runs(None, -4_000), 1);
}

#[test]
fn silence_in_between_does_not_hide_a_gap() {
    let mut world = World::new();
    let mut look = Look::new(0, Vec::new());
    world.look(&look);
    world.silence_at(0, 20);
    look.sample.server_time = at(1);
    let looked = Looked {
        at: host(40),
        elapsed: Some(Duration::from_secs(20)),
        answer: Ok((&look.sample, &look.account)),
    };
    absorb(&mut world.timeline.nodes[0], &looked, world.max_gap);
    assert_eq!(world.timeline.nodes[0].runs.len(), 2);
}

#[test]
fn facts_are_written_when_they_change() {
    let mut world = World::new();
    let mut look = Look::new(0, Vec::new());
    assert_eq!(names(&world.look(&look)), ["facts", "begin-run", "looked"]);
    look.sample.server_time = at(5);
    assert_eq!(names(&world.look(&look)), ["extend-run", "looked"]);
    look.account.can_log_in = Some(false);
    assert_eq!(names(&world.look(&look)), ["facts", "extend-run", "looked"]);
    assert_eq!(world.timeline.nodes[0].can_log_in, Some(false));
}

#[test]
fn a_counter_is_written_when_it_tells_something_new() {
    let mut world = World::new();
    let mut look = |seconds, counter| {
        let writes = world.look(&Look::new(seconds, Vec::new()).counting(counter));
        let begun = names(&writes).contains(&"begin-counter");
        (begun, names(&writes).contains(&"extend-counter"))
    };
    assert_eq!(look(0, logins(5)), (true, false));
    assert_eq!(look(5, logins(5)), (false, true));
    assert_eq!(look(10, logins(6)), (true, false));
    assert_eq!(look(15, None), (false, false));
    let mut reset = logins(6);
    if let Some(counter) = &mut reset {
        counter.since = Some(at(12));
    }
    assert_eq!(look(20, reset), (true, false));
}

#[test]
fn a_node_that_was_never_asked_and_does_not_answer_has_no_clock() {
    let mut timeline = super::NodeTimeline::new(node("db"));
    let looked = Looked {
        at: host(0),
        elapsed: None,
        answer: Err(Silence {
            problem: "no answer".to_owned(),
            grant: Some("let it in".to_owned()),
        }),
    };
    let writes = absorb(&mut timeline, &looked, Duration::from_secs(30));
    let [Write::Looked(last)] = &writes[..] else {
        panic!("one write: {writes:?}");
    };
    assert_eq!(
        (last.answered, last.grant.as_deref()),
        (None, Some("let it in"))
    );
    assert!(timeline.runs.is_empty());
}
