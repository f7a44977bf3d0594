//! What is said, case by case. Seconds are those after the promote.

use std::time::Duration;

use super::builder_tests::{Look, World, at, host, logins, node, numbered, prepared, session};
use super::{Arrival, Drain, Forecast, Method, PoolerAddress, Verdict, View};
use crate::model::{CounterSource, Engine, LoginCounter, ObservedSession, OwnerNote, SessionKind};
use crate::untrusted::Untrusted;

fn verdict(world: &World, seconds: i64) -> Verdict {
    world.judge(seconds).verdict
}

/// The first reason, which has to hold these words.
fn first_reason(drain: &Drain, words: &str) {
    let first = drain.reasons.first().map_or("", String::as_str);
    assert!(
        first.contains(words),
        "{words} is not in {:?}",
        drain.reasons
    );
}

#[test]
fn nobody_watched_is_unknown_and_names_the_command() {
    let drain = World::new().judge(500);
    assert_eq!(
        (drain.verdict, drain.method),
        (Verdict::Unknown, Method::None)
    );
    first_reason(&drain, "nobody has watched db:5432 since the promote");
    first_reason(&drain, "`handover drain shop/orders --watch`");
    assert_eq!(drain.coverage.nodes[0].view, View::NeverSampled);
    assert!(matches!(drain.forecast, Forecast::Unknown { .. }));
    assert!(
        drain
            .gate
            .expect("is shut")
            .contains("all nodes can be seen")
    );
}

#[test]
fn it_drains_only_after_the_whole_window() {
    let mut world = World::new();
    world.watch(5, 50, &[session(1, -50)]);
    let drain = world.judge(50);
    assert_eq!(drain.verdict, Verdict::Active);
    assert_eq!((drain.window.since, drain.counts.before), (None, 1));
    assert_eq!(drain.window.remaining_seconds, 100);
    first_reason(&drain, "1 session is connected: \"web\" from 10.0.0.5");
    let gate = "waits until 1 session ends, and then until nobody was seen for 100 s";
    assert_eq!(drain.gate.as_deref(), Some(gate));

    world.watch(55, 150, &[]);
    let drain = world.judge(150);
    assert_eq!(drain.verdict, Verdict::Quiet);
    assert_eq!(drain.window.since, Some(host(55)));
    assert_eq!(
        (drain.window.quiet_seconds, drain.window.remaining_seconds),
        (95, 5)
    );
    assert_eq!(drain.window.resolution_seconds, Some(5));
    first_reason(
        &drain,
        "nobody was seen for 95 s, and 100 s are asked for: wait 5 s more",
    );

    world.watch(155, 155, &[]);
    let drain = world.judge(155);
    assert_eq!(
        (drain.verdict, drain.method),
        (Verdict::Drained, Method::Sampled)
    );
    assert_eq!((drain.gate, drain.reasons.len()), (None, 0));
    assert_eq!(drain.forecast, Forecast::Empty);
}

#[test]
fn without_a_window_one_complete_sample_is_enough() {
    let mut world = World::new();
    world.quiet = Duration::ZERO;
    world.look(&Look::new(61, Vec::new()));
    assert_eq!(verdict(&world, 61), Verdict::Drained);
    world.sinks_confirmed = false;
    let drain = world.judge(61);
    assert_eq!(drain.verdict, Verdict::Quiet);
    first_reason(&drain, "not every sink is confirmed");
    assert!(
        drain
            .gate
            .expect("is shut")
            .contains("every sink is confirmed")
    );
}

#[test]
fn a_sample_grows_stale() {
    let mut world = World::new();
    world.watch(5, 200, &[]);
    assert_eq!(verdict(&world, 230), Verdict::Drained);
    let drain = world.judge(231);
    assert_eq!(drain.verdict, Verdict::Unknown);
    assert_eq!(drain.coverage.nodes[0].view, View::Stale);
    first_reason(&drain, "nobody has watched db:5432 since");
    // A host whose clock was set back does not know how old it is.
    assert_eq!(verdict(&world, 100), Verdict::Unknown);
    // Nor is anybody there who was there long ago.
    world.look(&Look::new(205, vec![session(1, 203)]));
    assert_eq!(verdict(&world, 205), Verdict::Active);
    let drain = world.judge(300);
    assert_eq!(
        (drain.verdict, drain.counts.sessions),
        (Verdict::Unknown, 1)
    );
}

#[test]
fn who_is_on_one_node_alone_is_there_and_a_silent_node_hides_them() {
    let mut world = World::of(&["db", "standby"]);
    for second in (5..=200).step_by(5) {
        let mut look = Look::new(second, Vec::new());
        world.look_at(0, &look);
        look.account.sessions = vec![session(9, -50)];
        world.look_at(1, &look);
    }
    let drain = world.judge(200);
    assert_eq!(drain.verdict, Verdict::Active);
    assert_eq!(drain.coverage.nodes[1].sessions, Some(1));
    assert_eq!(drain.coverage.nodes[0].sessions, Some(0));

    let mut world = World::of(&["db", "standby"]);
    for second in (5..=200).step_by(5) {
        world.look(&Look::new(second, Vec::new()));
        world.look_at(1, &Look::new(second, Vec::new()));
    }
    assert_eq!(verdict(&world, 200), Verdict::Drained);
    world.silence_at(1, 203);
    let drain = world.judge(203);
    assert_eq!(drain.verdict, Verdict::Unknown);
    assert_eq!(drain.coverage.nodes[1].view, View::Unreachable);
    assert_eq!(drain.coverage.nodes[1].sessions, None);
    assert_eq!(drain.coverage.nodes[1].sampled_at, Some(host(200)));
    first_reason(&drain, "standby:5432 tells nothing: no route to it");
    // It answers again before `max-gap` has passed: nothing is lost.
    world.look_at(1, &Look::new(205, Vec::new()));
    assert_eq!(verdict(&world, 205), Verdict::Drained);
}

#[test]
fn a_view_that_hides_something_is_never_a_zero() {
    let mut world = World::new();
    for second in (5..=200).step_by(5) {
        world.look(&Look::new(second, Vec::new()).masked());
    }
    let drain = world.judge(200);
    assert_eq!(drain.verdict, Verdict::Unknown);
    let node = &drain.coverage.nodes[0];
    assert_eq!((node.view, node.sessions), (View::Masked, None));
    assert_eq!(node.grant.as_deref(), Some("let it see"));
    first_reason(
        &drain,
        "none seen means nothing; as a superuser: let it see",
    );
    // Whoever is seen in spite of it is there.
    world.look(&Look::new(205, vec![session(1, -50)]).masked());
    let drain = world.judge(205);
    assert_eq!(drain.verdict, Verdict::Active);
    assert_eq!(drain.coverage.nodes[0].sessions, Some(1));
    // The window begins with the first sample that sees everything.
    world.watch(210, 305, &[]);
    assert_eq!(verdict(&world, 305), Verdict::Quiet);
    world.watch(310, 310, &[]);
    assert_eq!(verdict(&world, 310), Verdict::Drained);
}

#[test]
fn a_long_gap_begins_the_window_anew_and_a_short_one_is_told() {
    let mut world = World::new();
    world.watch(5, 100, &[]);
    world.watch(130, 200, &[]);
    let drain = world.judge(200);
    assert_eq!(drain.verdict, Verdict::Drained);
    assert_eq!(drain.window.resolution_seconds, Some(30));
    let mut world = World::new();
    world.watch(5, 100, &[]);
    world.watch(131, 226, &[]);
    let drain = world.judge(226);
    assert_eq!(drain.verdict, Verdict::Quiet);
    assert_eq!(drain.window.since, Some(host(131)));
    world.watch(231, 231, &[]);
    assert_eq!(verdict(&world, 231), Verdict::Drained);
}

#[test]
fn a_standby_that_nobody_named_hides_who_is_there() {
    let mut world = World::of(&["db", "standby"]);
    for second in (5..=200).step_by(5) {
        world.look(&Look::new(second, Vec::new()));
        world.look_at(1, &Look::new(second, Vec::new()));
    }
    world.feeds(0, &["replica-1"]);
    let drain = world.judge(200);
    assert_eq!(drain.verdict, Verdict::Unknown);
    assert_eq!(
        drain.coverage.unnamed_standbys,
        [Untrusted::new("replica-1")]
    );
    first_reason(&drain, "not every standby is named in the settings");
    world.timeline.nodes[1].receiving = true;
    assert_eq!(verdict(&world, 200), Verdict::Drained);
    world.feeds(0, &["replica-1", "replica-2"]);
    assert_eq!(verdict(&world, 200), Verdict::Unknown);
}

#[test]
fn sessions_are_told_apart_by_when_they_began() {
    let mut world = World::new();
    world.watch(5, 95, &[session(1, -50), session(2, 0), session(3, 60)]);
    assert_eq!(world.judge(95).counts.late, 0);
    world.watch(
        100,
        100,
        &[
            session(1, -50),
            session(2, 0),
            session(3, 60),
            session(4, 97),
        ],
    );
    let drain = world.judge(100);
    let counts = drain.counts;
    assert_eq!((counts.sessions, counts.before), (4, 1));
    assert_eq!(
        (counts.catching_up, counts.late, counts.late_logins),
        (2, 1, 1)
    );
    first_reason(
        &drain,
        "1 session logged in after `propagation` had passed: \"web\"",
    );
    assert!(drain.late[0].is_there && drain.late[0].at == at(97));
    assert_eq!(drain.stragglers[0].arrival, Arrival::Late);
    assert!(
        drain.stragglers[0]
            .remedy
            .starts_with("reads the old password: restart it")
    );
    assert!(
        matches!(&drain.forecast, Forecast::Never { because } if because.contains("old password"))
    );
    // It goes, and still the window begins anew.
    world.watch(105, 200, &[]);
    let drain = world.judge(200);
    assert_eq!(
        (drain.verdict, drain.counts.late_logins),
        (Verdict::Quiet, 0)
    );
    assert_eq!((drain.late.len(), drain.late[0].is_there), (1, false));
}

#[test]
fn where_no_start_is_told_the_number_of_the_connection_tells() {
    let mut world = World::new().promoted_by_connection(100);
    world.look(&Look::new(30, vec![numbered(99), numbered(101)]));
    world.look(&Look::new(
        55,
        vec![numbered(99), numbered(101), numbered(102)],
    ));
    world.look(&Look::new(
        65,
        vec![numbered(99), numbered(101), numbered(103)],
    ));
    let drain = world.judge(65);
    let counts = drain.counts;
    assert_eq!((counts.before, counts.catching_up, counts.late), (1, 1, 1));
    assert!(
        drain.stragglers[0]
            .sessions
            .iter()
            .all(|session| session.at_least)
    );
    // After a restart low numbers are new ones.
    world.look(&Look::new(75, vec![numbered(9)]).started(70));
    assert_eq!(world.judge(75).counts.late, 1);
    // Without a number, who was there at the first sample was there before.
    let mut world = World::new();
    world.look(&Look::new(65, vec![numbered(1)]));
    world.look(&Look::new(70, vec![numbered(1), numbered(2)]));
    let counts = world.judge(70).counts;
    assert_eq!((counts.before, counts.late), (1, 1));
    // The number of another node's connection says nothing here.
    let mut world = World::of(&["db", "new"]).promoted_by_connection(100);
    world.overlap.promoted.truncate(1);
    world.look(&Look::new(65, Vec::new()));
    world.look_at(1, &Look::new(65, Vec::new()));
    world.look_at(1, &Look::new(70, vec![numbered(3)]));
    assert_eq!(world.judge(70).counts.late, 1);
}

#[test]
fn own_logins_never_count_and_their_number_is_not_theirs_for_ever() {
    let mut world = World::new();
    world.own(7, Some(100), 101);
    world.watch(5, 95, &[]);
    world.watch(100, 105, &[session(7, 100)]);
    world.watch(110, 110, &[]);
    let drain = world.judge(110);
    assert_eq!(
        (drain.verdict, drain.counts.sessions),
        (Verdict::Drained, 0)
    );
    assert!(drain.late.is_empty() && drain.history.iter().all(|point| point.sessions == Some(0)));
    // Another session with its number.
    world.watch(115, 115, &[session(7, 113)]);
    assert_eq!(world.judge(115).counts.late, 1);

    let mut world = World::new().promoted_by_connection(100);
    world.own(107, None, 100);
    world.watch(5, 95, &[]);
    world.watch(100, 100, &[numbered(107)]);
    world.watch(105, 105, &[]);
    assert_eq!(verdict(&world, 105), Verdict::Drained);
    // The restarted server hands it out again.
    world.look(&Look::new(115, vec![numbered(107)]).started(110));
    let drain = world.judge(115);
    assert_eq!((drain.verdict, drain.counts.late), (Verdict::Active, 1));
}

/// Looks every five seconds at a node without sessions whose counter tells this.
fn count(world: &mut World, from: i64, until: i64, counter: &Option<LoginCounter>) {
    for second in (from..=until).step_by(5) {
        world.look(&Look::new(second, Vec::new()).counting(counter.clone()));
    }
}

#[test]
fn a_login_between_two_samples_is_counted_and_begins_the_window_anew() {
    let mut world = World::new().promoted_by_connection(100);
    count(&mut world, 5, 110, &logins(5));
    let drain = world.judge(110);
    assert_eq!(
        (drain.verdict, drain.method),
        (Verdict::Drained, Method::Counted)
    );
    count(&mut world, 115, 200, &logins(6));
    let drain = world.judge(200);
    assert_eq!(
        (drain.verdict, drain.counts.unseen_logins),
        (Verdict::Quiet, 1)
    );
    assert_eq!(drain.window.since, Some(host(115)));
    assert_eq!(
        (drain.late.len(), drain.late[0].pid, drain.late[0].logins),
        (1, None, 1)
    );
    assert_eq!(drain.late[0].at, at(115));
    first_reason(
        &drain,
        "1 login was counted by the server in the last 100 s",
    );
    count(&mut world, 205, 215, &logins(6));
    let drain = world.judge(215);
    assert_eq!(
        (drain.verdict, drain.method),
        (Verdict::Drained, Method::Counted)
    );
    // Our own login is none, whether or not its start is told.
    for started in [None, Some(113)] {
        world.timeline.own.clear();
        world.own(107, started, 114);
        let drain = world.judge(215);
        assert_eq!(
            (drain.counts.unseen_logins, drain.window.since),
            (0, Some(host(5)))
        );
    }
    // As long as no sample was made after it, it is not known whether it was counted yet.
    let mut live = World::new();
    count(&mut live, 5, 110, &logins(5));
    count(&mut live, 115, 115, &logins(6));
    live.own(107, None, 116);
    assert_eq!(live.judge(116).counts.unseen_logins, 1);
    // One that had ended before cannot explain it.
    world.timeline.own.clear();
    world.own(107, None, 100);
    assert_eq!(world.judge(215).window.since, Some(host(115)));
}

#[test]
fn a_login_whose_session_was_seen_is_not_counted_twice() {
    let mut world = World::new().promoted_by_connection(100);
    count(&mut world, 5, 100, &logins(5));
    // The counter was read after the sessions: it knows of a login that they do not show yet.
    world.look(&Look::new(105, Vec::new()).counting(logins(6)));
    assert_eq!(world.judge(105).counts.unseen_logins, 1);
    world.look(&Look::new(110, vec![numbered(101)]).counting(logins(6)));
    assert_eq!(world.judge(110).counts.unseen_logins, 0);
    // The other way round.
    world.look(&Look::new(115, vec![numbered(101), numbered(102)]).counting(logins(6)));
    world.look(&Look::new(120, vec![numbered(101), numbered(102)]).counting(logins(7)));
    assert_eq!(world.judge(120).counts.unseen_logins, 0);
    // In the same sample, and one more that came and went.
    let sessions = vec![numbered(101), numbered(102), numbered(104)];
    world.look(&Look::new(125, sessions).counting(logins(9)));
    assert_eq!(world.judge(125).counts.unseen_logins, 1);
}

#[test]
fn a_counter_that_began_anew_counts_nothing_and_lowers_the_method() {
    let anew = |counter: Option<LoginCounter>, started: i64| {
        let mut world = World::new().promoted_by_connection(100);
        count(&mut world, 5, 50, &logins(5));
        for second in (55..=200).step_by(5) {
            let look = Look::new(second, Vec::new()).counting(counter.clone());
            world.look(&look.started(started));
        }
        let drain = world.judge(200);
        assert_eq!(drain.counts.unseen_logins, 0);
        assert_eq!(drain.verdict, Verdict::Drained);
        drain.method
    };
    let since = |total, since: i64| {
        logins(total).map(|counter| LoginCounter {
            since: Some(at(since)),
            ..counter
        })
    };
    assert_eq!(anew(logins(5), -100_000), Method::Counted);
    assert_eq!(anew(logins(4), -100_000), Method::Sampled);
    assert_eq!(anew(since(7, 53), -100_000), Method::Sampled);
    assert_eq!(anew(since(5, -99_999), -99_999), Method::Counted);
    assert_eq!(anew(logins(5), 52), Method::Sampled);
    // It does not count any more.
    assert_eq!(anew(None, -100_000), Method::Sampled);
}

#[test]
fn statements_without_a_session_tell_that_somebody_was_there() {
    let statements = |total| {
        logins(total).map(|counter| LoginCounter {
            source: CounterSource::Statements,
            ..counter
        })
    };
    let mut world = World::new();
    let there = |world: &mut World, second, sessions: Vec<ObservedSession>, total| {
        world.look(&Look::new(second, sessions).counting(statements(total)));
    };
    there(&mut world, 5, vec![session(1, -50)], 10);
    there(&mut world, 10, vec![session(1, -50)], 500);
    there(&mut world, 15, Vec::new(), 505);
    assert_eq!(world.judge(15).counts.unseen_logins, 0);
    there(&mut world, 20, Vec::new(), 505);
    assert_eq!(world.judge(20).method, Method::Counted);
    there(&mut world, 25, Vec::new(), 590);
    let drain = world.judge(25);
    assert_eq!(
        (drain.counts.unseen_logins, drain.window.since),
        (1, Some(host(25)))
    );
    // With a login of our own in between it is not known whose they were.
    world.own(7, Some(22), 23);
    let drain = world.judge(25);
    assert_eq!(
        (drain.counts.unseen_logins, drain.method),
        (0, Method::Sampled)
    );
}

#[test]
fn stragglers_are_named_with_what_ends_them_and_whom_to_call() {
    let mut world = World::new();
    world.poolers.push(PoolerAddress {
        name: "bouncer:6432".to_owned(),
        addresses: vec!["10.0.0.9".to_owned()],
        database: "orders".to_owned(),
    });
    world.owners.push(OwnerNote {
        application: Some("we*".to_owned()),
        client: Some("10.0.0.0/8".parse().expect("a network")),
        contact: "web team".to_owned(),
    });
    let with = |pid, started, application: &str, client: &str| ObservedSession {
        application: Untrusted::new(application),
        client: Some(Untrusted::new(client)),
        ..session(pid, started)
    };
    let mut idle = with(4, -3_000, "report", "10.0.0.7");
    idle.state = Some(Untrusted::new("idle in transaction"));
    idle.transaction_since = Some(at(-1_000));
    let mut stream = with(5, -900, "walreceiver", "10.0.0.8");
    stream.kind = SessionKind::WalSender;
    let mut masked = with(6, -800, "x", "10.0.0.6");
    masked.kind = SessionKind::Masked;
    let sessions = [
        with(1, -50, "web", "10.0.0.5"),
        with(2, -60, "web", "10.0.0.5"),
        with(3, 90, "job", "10.0.0.5"),
        idle,
        stream,
        masked,
        with(7, -700, "web", "10.0.0.9"),
        prepared("two-phase", -5_000),
    ];
    world.watch(100, 100, &sessions);
    let drain = world.judge(100);
    let told: Vec<(&str, &str)> = drain
        .stragglers
        .iter()
        .map(|group| (group.application.as_str(), group.remedy.as_str()))
        .collect();
    let expected = [
        ("job", "reads the old password"),
        ("two-phase", "`COMMIT PREPARED` or `ROLLBACK PREPARED`"),
        ("report", "idle in a transaction for 18 min"),
        ("walreceiver", "`ALTER SUBSCRIPTION … CONNECTION`"),
        ("x", "let the managing user see all"),
        ("web", "`RECONNECT orders;`"),
        ("web", "its pool's maximal lifetime"),
    ];
    assert_eq!(told.len(), expected.len());
    for ((application, remedy), (name, words)) in told.iter().zip(expected) {
        assert!(
            *application == name && remedy.contains(words),
            "{application}: {remedy}"
        );
    }
    let [.., pooled, web] = &drain.stragglers[..] else {
        panic!("several groups");
    };
    assert_eq!(pooled.pooler.as_deref(), Some("bouncer:6432"));
    assert_eq!(
        (web.owner.as_deref(), web.sessions[0].pid),
        (Some("web team"), 2)
    );
    assert_eq!(web.sessions[0].age_seconds, 160);
    assert_eq!(drain.counts.prepared, 1);
    let note = &drain.coverage.poolers[0];
    assert!(note.note.contains("are not seen here") && note.note.contains("RECONNECT"));
    world.engine = Engine::Mysql;
    let drain = world.judge(100);
    assert!(drain.stragglers[1].remedy.contains("`XA COMMIT`"));
    assert!(
        drain.stragglers[3]
            .remedy
            .contains("`CHANGE REPLICATION SOURCE TO`")
    );
}

#[test]
fn the_history_has_a_point_for_each_change_and_none_where_nobody_looked() {
    let mut world = World::new();
    world.watch(5, 10, &[session(1, -50), session(2, -50)]);
    world.watch(15, 50, &[session(1, -50)]);
    world.watch(100, 105, &[]);
    let points = |drain: Drain| -> Vec<_> {
        drain
            .history
            .into_iter()
            .map(|point| (point.at, point.sessions))
            .collect()
    };
    let expected = [
        (host(5), Some(2)),
        (host(15), Some(1)),
        (host(50), None),
        (host(100), Some(0)),
    ];
    assert_eq!(points(world.judge(105)), expected);
    assert_eq!(points(world.judge(136)).last(), Some(&(host(105), None)));
}

#[test]
fn a_clock_that_was_set_back_neither_opens_nor_shuts_it_for_ever() {
    let mut world = World::new();
    world.watch(1_000, 1_100, &[session(1, -50)]);
    world.watch(1_105, 1_110, &[]);
    // The node's clock goes back by a thousand seconds, this host's goes on.
    let behind = |world: &mut World, from: i64, until: i64| {
        for second in (from..=until).step_by(5) {
            let look = Look::new(second - 1_000, Vec::new());
            let looked = super::Looked {
                at: host(second),
                elapsed: None,
                answer: Ok((&look.sample, &look.account)),
            };
            super::absorb(&mut world.timeline.nodes[0], &looked, world.max_gap);
        }
    };
    behind(&mut world, 1_115, 1_210);
    assert_eq!(verdict(&world, 1_210), Verdict::Quiet);
    behind(&mut world, 1_215, 1_215);
    assert_eq!(verdict(&world, 1_215), Verdict::Drained);
    assert_eq!(world.timeline.nodes[0].node, node("db"));
}

#[test]
fn ten_sessions_of_a_pool_end_within_the_range_from_half_way_on() {
    // Pools whose sessions live for about as long, begun one by one or all together.
    for (lives, apart) in [(300, 25), (300, 0), (60, 5), (1_800, 100)] {
        for spread in [0, 2, 5, 10] {
            let life = |number: i64| lives + lives * spread * ((number * 7) % 10 - 5) / 500;
            let begin = |number: i64| number * apart - 10 * apart - 1;
            let end = |number: i64| begin(number) + life(number);
            let last = (0..10).map(end).max().expect("ten");
            let mut world = World::new();
            world.propagation = Duration::from_secs(10);
            world.quiet = Duration::ZERO;
            let mut halves = 0;
            for second in (1..=last + 5).step_by(5) {
                let there: Vec<ObservedSession> = (0..10)
                    .filter(|number| end(*number) > second)
                    .map(|number| session(100 + number, begin(number)))
                    .collect();
                let ended = 10 - there.len();
                world.watch(second, second, &there);
                let drain = world.judge(second);
                if (5..10).contains(&ended) {
                    halves += 1;
                    let Forecast::Range {
                        earliest, latest, ..
                    } = drain.forecast
                    else {
                        panic!("{lives} {apart} {spread} {second}: {:?}", drain.forecast);
                    };
                    assert!(
                        earliest <= host(last + 5) && host(last) <= latest,
                        "{lives} {apart} {spread} at {second}: {} is not in {earliest} to {latest}",
                        host(last)
                    );
                }
            }
            assert!(
                halves > 0 || apart == 0 && spread == 0,
                "{lives} {apart} {spread}"
            );
        }
    }
}

#[test]
fn who_outlives_all_others_or_never_ends_will_not_go_by_itself() {
    let mut world = World::new();
    world.watch(5, 50, &[session(1, -50), session(2, -40), session(3, -45)]);
    assert!(matches!(
        world.judge(50).forecast,
        Forecast::Never { because } if because.contains("none of its sessions was seen to end")
    ));
    world.watch(55, 60, &[session(3, -45)]);
    assert!(matches!(world.judge(60).forecast, Forecast::Range { .. }));
    world.watch(65, 300, &[session(3, -45)]);
    assert!(matches!(
        world.judge(300).forecast,
        Forecast::Never { because } if because.contains("none was seen to live longer than")
    ));
    // What ended with its server tells nothing of ages.
    let mut world = World::new();
    world.look(&Look::new(5, vec![session(1, -50)]));
    world.look(&Look::new(10, vec![session(2, 9)]).started(8));
    assert!(matches!(world.judge(10).forecast, Forecast::Never { .. }));
    // Starts that are not told.
    let mut world = World::new();
    world.watch(5, 5, &[numbered(1), numbered(2)]);
    world.watch(10, 10, &[numbered(1)]);
    assert!(matches!(
        world.judge(10).forecast,
        Forecast::Unknown { because } if because.contains("does not tell when")
    ));
}
