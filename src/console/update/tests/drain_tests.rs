//! Drains: the monitor, its selection, and what is selected in one drain.

use super::*;
use crate::console::model::{Entry, Standing, entries, standing};
use crate::console::tests::drain_tests::{
    WORST_FIRST, active, drained as is_drained, draining, in_drain, late, monitoring, not_sampled,
    quiet_drain, sampled, thousand,
};
use crate::drain::{Drain, Verdict};

/// What the sampler tells of an environment.
fn told(model: &mut Model, environment: &str, drains: Vec<Drain>) {
    assert_eq!(update(model, sampled(environment, drains)), Vec::new());
}

fn failed(model: &mut Model, environment: &str) {
    assert_eq!(update(model, not_sampled(environment)), Vec::new());
}

fn order(model: &Model) -> Vec<String> {
    let rows = model.monitor_rows().into_iter();
    rows.map(|row| row.target.environment.to_string()).collect()
}

/// What is selected in the drain that is open, in words.
fn selected(model: &Model) -> String {
    let target = model.target().cloned().expect("a target");
    let (_, drain) = model.drain(&target).expect("a drain");
    let entries = entries(drain, &model.cursor.expanded);
    match entries.get(model.cursor.position(&entries)) {
        None => "nothing".to_owned(),
        Some(Entry::Straggler(group)) => format!("group {}", group.application),
        Some(Entry::Session(_, session)) => format!("session {}", session.pid),
        Some(Entry::Late(login)) => format!("late {:?}", login.pid),
        Some(Entry::Node(node)) => format!("node {}", node.node),
        Some(Entry::Standby(standby)) => format!("standby {standby}"),
        Some(Entry::Pooler(pooler)) => format!("pooler {}", pooler.pooler),
    }
}

#[test]
fn d_opens_the_monitor_from_everywhere_and_goes_back_to_it() {
    let home = "home | drains | on shop/billing | at shop/alpha";
    check(draining(), "d", home, "");
    check(
        draining(),
        "d d",
        &format!("{home} | refuses \"this is the drain monitor\""),
        "",
    );
    check(draining(), "d esc", "home | at shop/alpha", "");
    let asked = "detail shop/billing, look shop/billing logins";
    let inside = "home | drains | in shop/billing | at shop/alpha";
    check(draining(), "d enter", inside, asked);
    check(draining(), "d enter d", home, "");
    check(draining(), "d enter esc", home, "");
    // From an environment it opens on that one.
    let there = "home | in shop/alpha | drains | on shop/alpha | at shop/alpha";
    check(draining(), "enter d", there, "");
    // While a rotation runs as well.
    let mut model = draining();
    model.run = Some(running(Verb::Rotate, target("shop/zero")));
    model.screens.push(Screen::Run);
    let there = "home | run | drains | on shop/billing | at shop/alpha";
    check(model, "d", there, "");
}

#[test]
fn keys_move_the_monitors_selection_and_leave_that_of_home_alone() {
    for (keys, row) in [
        ("j", 1),
        ("j j k", 1),
        ("G", 5),
        ("G g g", 0),
        ("k", 0),
        ("G j", 5),
    ] {
        let expected = format!("home | drains | on {} | at shop/alpha", WORST_FIRST[row]);
        check(monitoring(), keys, &expected, "");
    }
}

#[test]
fn the_worst_is_first_and_the_selection_follows_its_environment() {
    let mut model = monitoring();
    assert_eq!(order(&model), WORST_FIRST);
    run(&mut model, "j");
    // What was quiet is late now, and what was late has drained.
    told(&mut model, "shop/alpha", vec![late("shop/alpha")]);
    told(&mut model, "shop/billing", vec![is_drained("shop/billing")]);
    let now = [
        "shop/alpha",
        "shop/orders",
        "shop/catalogue",
        "shop/pay",
        "shop/billing",
        "shop/stock",
    ];
    assert_eq!(order(&model), now);
    assert!(
        stands(&model).contains("on shop/orders"),
        "{}",
        stands(&model)
    );
    // When it is gone, the row that took its place is selected.
    told(&mut model, "shop/orders", Vec::new());
    assert!(
        stands(&model).contains("on shop/catalogue"),
        "{}",
        stands(&model)
    );
}

#[test]
fn the_monitors_filter_is_its_own_and_is_cleared_before_it_is_left() {
    let found = "home | drains | on shop/alpha | at shop/alpha | filter \"quiet\"";
    check(monitoring(), "/ <type:quiet>", found, "");
    check(monitoring(), "/ <type:quiet> enter", found, "");
    check(monitoring(), "/ <type:qui> <paste:et> enter", found, "");
    let all = "home | drains | on shop/alpha | at shop/alpha";
    check(monitoring(), "/ <type:quiet> enter esc", all, "");
    check(
        monitoring(),
        "/ <type:quiet> enter esc esc",
        "home | at shop/alpha",
        "",
    );
    // The stage, the user and the verdict are words of a row.
    for word in ["locked", "stock_a", "drained"] {
        let found = format!("home | drains | on shop/stock | at shop/alpha | filter {word:?}");
        check(monitoring(), &format!("/ <type:{word}> enter"), &found, "");
    }
    let none = "home | drains | at shop/alpha | filter \"nowhere\"";
    check(monitoring(), "/ <type:nowhere> enter", none, "");
    let refused = format!("{none} | refuses \"no environment is selected\"");
    check(monitoring(), "/ <type:nowhere> enter enter", &refused, "");
}

#[test]
fn the_verbs_of_the_monitor_are_about_its_selection() {
    check(
        monitoring(),
        "j R",
        "home | drains | on shop/orders | at shop/alpha | review rotate shop/orders asking",
        "plan shop/orders",
    );
    check(
        monitoring(),
        "j Y",
        "home | drains | on shop/orders | at shop/alpha | says \"copied: handover drain shop/orders db\"",
        "copy \"handover drain shop/orders db\"",
    );
}

#[test]
fn a_frozen_picture_stays_as_it_is() {
    let mut model = monitoring();
    run(&mut model, "p");
    told(&mut model, "shop/billing", vec![is_drained("shop/billing")]);
    failed(&mut model, "shop/orders");
    assert_eq!(order(&model), WORST_FIRST);
    // What came meanwhile is shown at once: sampling went on, and the next look may be far.
    run(&mut model, "p");
    assert_ne!(order(&model), WORST_FIRST);
    let (view, drain) = model.drain(&target("shop/billing")).expect("a drain");
    assert_eq!(drain.verdict, Verdict::Drained);
    assert_eq!(standing(view, Some(drain)), Standing::Drained);
    let (view, drain) = model.drain(&target("shop/orders")).expect("a drain");
    assert_eq!(standing(view, Some(drain)), Standing::Unknown);
    assert!(model.held.is_empty());
}

#[test]
fn what_could_not_be_looked_at_again_is_unknown_and_keeps_its_picture() {
    let mut model = draining();
    failed(&mut model, "shop/stock");
    let of = target("shop/stock");
    let (view, drain) = model.drain(&of).expect("the picture before");
    assert_eq!(drain.verdict, Verdict::Drained);
    assert_eq!(standing(view, Some(drain)), Standing::Unknown);
    told(&mut model, "shop/stock", vec![is_drained("shop/stock")]);
    let (view, drain) = model.drain(&of).expect("a new picture");
    assert_eq!(standing(view, Some(drain)), Standing::Drained);
    // Where nothing was ever found out there is a row that says so.
    failed(&mut model, "shop/nowhere");
    assert!(order(&model).contains(&"shop/nowhere".to_owned()));
}

#[test]
fn environments_that_left_the_store_leave_the_monitor() {
    let mut model = monitoring();
    let only = status(vec![healthy("shop/orders")]);
    update(&mut model, Message::Status(Ok(only)));
    assert_eq!(order(&model), ["shop/orders"]);
    assert!(stands(&model).contains("on shop/orders"));
}

#[test]
fn a_report_of_the_overlap_before_is_not_taken_for_that_of_this_one() {
    let mut model = draining();
    let all = &mut model.status.as_mut().expect("a status").environments;
    for environment in all {
        // The pair has changed places.
        let path = &mut environment.paths[0];
        std::mem::swap(&mut path.current, &mut path.previous);
    }
    assert!(model.drain(&target("shop/billing")).is_none());
    assert_eq!(order(&model), Vec::<String>::new());
}

#[test]
fn an_environment_opens_on_its_drain_where_there_is_one() {
    for (keys, pane) in [
        ("enter", Pane::Drain),
        ("G enter", Pane::Sessions),
        ("enter 3 esc enter", Pane::Revisions),
        ("enter 4 esc d enter", Pane::Drain),
        ("G enter 2 esc k k enter", Pane::Drain),
    ] {
        let mut model = draining();
        // Of this one no overlap is known.
        model.drains.remove(&named("shop/zero"));
        run(&mut model, keys);
        assert_eq!(model.pane, pane, "after {keys}");
    }
}

#[test]
fn numbers_give_the_keys_to_a_pane() {
    for (keys, pane) in [
        ("4", Pane::Audit),
        ("3", Pane::Revisions),
        ("2", Pane::Sessions),
        ("4 1", Pane::Drain),
        ("5", Pane::Drain),
        ("tab", Pane::Sessions),
        ("shift-tab", Pane::Audit),
    ] {
        let mut model = in_drain(late("shop/billing"));
        run(&mut model, keys);
        assert_eq!(model.pane, pane, "after {keys}");
    }
}

#[test]
fn everything_in_a_drain_can_be_selected() {
    for (keys, expected) in [
        ("", "group nightly-report"),
        ("j", "group orders-api"),
        ("j j j", "late Some(4001)"),
        ("G", "pooler pgbouncer-1.example:6432"),
        ("G k", "node db-2.example:5432"),
        ("G g g k", "group nightly-report"),
    ] {
        let mut model = in_drain(late("shop/billing"));
        run(&mut model, keys);
        assert_eq!(selected(&model), expected, "after {keys}");
    }
}

#[test]
fn a_group_unfolds_to_its_sessions_and_folds_again() {
    for (keys, expected) in [
        ("j enter", "group orders-api"),
        ("j enter j", "session 4000"),
        ("j space j j", "session 4001"),
        ("j enter enter j", "group psql"),
        // From one of its sessions as well.
        ("j enter j j enter", "group orders-api"),
        ("j enter j j enter j", "group psql"),
    ] {
        let mut model = in_drain(late("shop/billing"));
        run(&mut model, keys);
        assert_eq!(selected(&model), expected, "after {keys}");
    }
    let at = "home | in shop/billing | at shop/billing | refuses";
    for (keys, reason) in [
        ("G enter", "only stragglers have sessions"),
        ("4 enter", "the drain has not got the keys: 1 gives them"),
    ] {
        let expected = format!("{at} {reason:?}");
        check(in_drain(late("shop/billing")), keys, &expected, "");
    }
    let mut model = in_drain(late("shop/billing"));
    model.drains.clear();
    check(
        model,
        "enter",
        &format!("{at} \"no overlap is open here\""),
        "",
    );
}

#[test]
fn the_selection_in_a_drain_follows_what_is_selected() {
    let mut model = in_drain(late("shop/billing"));
    run(&mut model, "j");
    assert_eq!(selected(&model), "group orders-api");
    // The report that was above it has gone.
    told(&mut model, "shop/billing", vec![active("shop/billing")]);
    assert_eq!(selected(&model), "group orders-api");
    run(&mut model, "enter j j j");
    assert_eq!(selected(&model), "session 4002");
    let mut fewer = active("shop/billing");
    fewer.stragglers[0].sessions.remove(0);
    told(&mut model, "shop/billing", vec![fewer.clone()]);
    assert_eq!(selected(&model), "session 4002");
    // What took its place.
    fewer.stragglers[0].sessions.remove(1);
    told(&mut model, "shop/billing", vec![fewer]);
    assert_eq!(selected(&model), "session 4003");
    told(
        &mut model,
        "shop/billing",
        vec![quiet_drain("shop/billing")],
    );
    assert_eq!(selected(&model), "node db-2.example:5432");
    told(&mut model, "shop/billing", Vec::new());
    run(&mut model, "j k G");
    // What was never moved stays at the top, where the worst is.
    let mut model = in_drain(active("shop/billing"));
    told(&mut model, "shop/billing", vec![late("shop/billing")]);
    assert_eq!(selected(&model), "group nightly-report");
}

#[test]
fn two_things_of_one_identity_do_not_hold_up_the_selection() {
    let mut drain = active("shop/billing");
    for session in &mut drain.stragglers[0].sessions {
        // Prepared transactions have no process, and may have been made at once.
        session.pid = 0;
        session.kind = "prepared transaction";
        session.started = None;
    }
    let mut model = in_drain(drain);
    run(&mut model, "enter j j j j j j");
    assert_eq!(selected(&model), "group psql");
}

#[test]
fn a_thousand_sessions_are_moved_through() {
    let mut model = in_drain(thousand("shop/billing"));
    run(&mut model, "enter <rows:40> pgdn pgdn");
    assert_eq!(selected(&model), "session 4039");
    run(&mut model, "G");
    assert_eq!(selected(&model), "node db-2.example:5432");
}

#[test]
fn home_takes_the_verdict_for_what_one_look_cannot_know() {
    use crate::console::model::Need;
    let need = |model: &Model, name: &str| {
        let target = target(name);
        let status = model.environment(&target.environment).expect("a status");
        model.need(status, model.path(&target))
    };
    let mut model = draining();
    for name in &WORST_FIRST[..5] {
        assert_eq!(need(&model, name), Need::Draining, "{name}");
    }
    assert_eq!(need(&model, "shop/stock"), Need::Healthy);
    // A look that sees nobody does not end a drain, and one that does not begin it anew.
    let message = Message::Looked {
        environment: named("shop/stock"),
        result: Ok(looked("shop/stock", 2)),
    };
    update(&mut model, message);
    assert_eq!(need(&model, "shop/stock"), Need::Healthy);
    failed(&mut model, "shop/stock");
    assert_eq!(need(&model, "shop/stock"), Need::Draining);
    // Without any report the look is all there is.
    model.drains.clear();
    assert_eq!(need(&model, "shop/stock"), Need::Draining);
    assert_eq!(need(&model, "shop/billing"), Need::Healthy);
}
