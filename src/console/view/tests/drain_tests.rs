//! Drains and the monitor, state by state.

use super::*;
use crate::console::keys::Key;
use crate::console::tests::drain_tests::{
    WORST_FIRST, active, drained, draining, hostile, in_drain, late, leaked, leaked_and_shut,
    locked, masked, monitoring, not_sampled, quiet_drain, sampled, scrambled, thousand,
    unreachable,
};
use crate::drain::Drain;

pub(super) fn press(mut model: Model, keys: &str) -> Model {
    for key in keys.split(' ') {
        update(&mut model, Message::Key(Key::parse(key).expect("a key")));
    }
    model
}

pub(super) fn drains(add: &mut impl FnMut(&'static str, Model)) {
    let mut one = |name: &'static str, drain: fn(&str) -> Drain| {
        add(name, in_drain(drain("shop/billing")));
    };
    one("drain_active", active);
    one("drain_late", late);
    one("drain_quiet", quiet_drain);
    one("drain_drained", drained);
    one("drain_masked", masked);
    one("drain_unreachable", unreachable);
    one("drain_locked", locked);
    one("drain_scrambled", scrambled);
    one("drain_leaked", leaked);
    one("drain_leaked_and_shut", leaked_and_shut);
    one("drain_thousand", thousand);
    one("drain_hostile", hostile);
    let model = in_drain(late("shop/billing"));
    add("drain_late_unfolded", press(model.clone(), "j enter j"));
    add("drain_late_at_the_end", press(model.clone(), "G"));
    add("drain_beside_audit", press(model.clone(), "4"));
    add("drain_beside_sessions", press(model, "2"));
    let model = in_drain(thousand("shop/billing"));
    add(
        "drain_thousand_unfolded",
        press(model, "enter ctrl-d ctrl-d"),
    );
    add(
        "drain_hostile_unfolded",
        press(in_drain(hostile("shop/billing")), "enter j"),
    );
    let mut model = in_drain(quiet_drain("shop/billing"));
    update(&mut model, not_sampled("shop/billing"));
    add("drain_problem", model);
    let mut model = in_drain(active("shop/billing"));
    model.drains.clear();
    add("drain_not_sampled", model.clone());
    update(&mut model, sampled("shop/billing", Vec::new()));
    add("drain_no_overlap", model);

    add("monitor", monitoring());
    add("monitor_quiet_selected", press(monitoring(), "j j j j"));
    add("monitor_masked_selected", press(monitoring(), "j j"));
    let mut model = press(monitoring(), "p");
    model.toast = None;
    model.now = night() + Duration::minutes(7);
    add("monitor_frozen", model);
    add("monitor_filtered", press(monitoring(), "/ q u i e t enter"));
    let mut model = monitoring();
    model.drains.clear();
    add("monitor_not_sampled", model);
    let mut model = monitoring();
    update(&mut model, not_sampled("shop/zero"));
    add("monitor_problem", model);
    add("home_draining", draining());
    let stages = |mut model: Model| {
        update(
            &mut model,
            sampled("shop/catalogue", vec![leaked("shop/catalogue")]),
        );
        update(&mut model, sampled("shop/pay", vec![scrambled("shop/pay")]));
        let shut = leaked_and_shut("shop/orders");
        update(&mut model, sampled("shop/orders", vec![shut]));
        model
    };
    add("monitor_stages", press(stages(monitoring()), "g g"));
    add("home_stages", stages(draining()));
}

#[test]
fn a_tiny_terminal_shows_the_verdict_and_the_gate_before_anything_else() {
    for (name, model) in [
        ("drain_late", in_drain(late("shop/billing"))),
        ("monitor", monitoring()),
    ] {
        let (buffer, _) = draw(&model, &Theme::dark(), 40, 10);
        insta::assert_snapshot!(format!("{name}_40x10"), lines(&buffer).join("\n"));
    }
}

#[test]
fn without_colours_every_verdict_is_told_apart_by_its_text() {
    let (buffer, _) = draw(&monitoring(), &Theme::mono(), 80, 24);
    let all = lines(&buffer);
    for (name, told) in WORST_FIRST.iter().zip([
        "▲ active",
        "◑ active",
        "? unknown",
        "? unknown",
        "◔ quiet",
        "● drained",
    ]) {
        let row = all.iter().find(|line| line.contains(name));
        let row = row.unwrap_or_else(|| panic!("no {name} in\n{}", all.join("\n")));
        assert!(row.contains(told), "{row}");
    }
}

/// A zero is a promise; where some sessions may be hidden nobody can make it.
#[test]
fn an_unknown_drain_shows_no_zero() {
    for drain in [masked("shop/billing"), unreachable("shop/billing")] {
        let (buffer, _) = draw(&in_drain(drain), &Theme::dark(), 120, 40);
        let all = lines(&buffer);
        let line = all.iter().find(|line| line.starts_with("│ sessions  "));
        let line = line.unwrap_or_else(|| panic!("no sessions in\n{}", all.join("\n")));
        assert!(line.contains("none was seen"), "{line}");
    }
    let (buffer, _) = draw(&monitoring(), &Theme::dark(), 120, 40);
    let all = lines(&buffer);
    let unknown = all.iter().filter(|line| line.contains("? unknown"));
    let zeros: Vec<&String> = unknown.filter(|line| line.contains(" 0 ")).collect();
    assert!(zeros.is_empty(), "{zeros:?}");
}

#[test]
fn of_a_thousand_sessions_the_selected_one_is_on_the_screen() {
    for (keys, session) in [
        ("enter j", "4000"),
        ("enter G k k k", "4999"),
        ("enter G", "db-2"),
    ] {
        let model = press(in_drain(thousand("shop/billing")), keys);
        for (width, height) in [(80, 24), (120, 40)] {
            let (buffer, _) = draw(&model, &Theme::dark(), width, height);
            let all = lines(&buffer);
            let selected = all.iter().find(|line| line.contains("│ ▸ "));
            let selected = selected.unwrap_or_else(|| panic!("none in\n{}", all.join("\n")));
            assert!(selected.contains(session), "after {keys}: {selected}");
        }
    }
}
