//! The schedules screen, and what other screens say of schedules.

use super::drain_tests::press;
use super::*;
use crate::console::tests::schedule_tests::{
    ORDER, answer as schedule_answer, freeze, listed, listing, missed, monthly, paused, scheduling,
    weekly,
};
use crate::console::words;
use crate::operations::ScheduleListing;

/// A store with one schedule, on its home screen.
fn with_one(listing: ScheduleListing) -> Model {
    let mut model = quiet();
    update(&mut model, listed(listing));
    model
}

fn nobody(mut listing: ScheduleListing) -> ScheduleListing {
    listing.agents.clear();
    listing
}

fn frozen(mut listing: ScheduleListing) -> ScheduleListing {
    listing.freeze = Some(freeze());
    listing
}

pub(super) fn schedules(add: &mut impl FnMut(&'static str, Model)) {
    add("schedules", scheduling());
    add("schedules_missed_selected", press(scheduling(), "j"));
    add(
        "schedules_planned_selected",
        press(scheduling(), "j j j j j"),
    );
    add("schedules_paused_selected", press(scheduling(), "G k"));
    add("schedules_without_selected", press(scheduling(), "G"));
    add(
        "schedules_filtered",
        press(scheduling(), "/ b e r l i n enter"),
    );
    let one = || listing(vec![missed("shop/alpha"), monthly("shop/beta")]);
    let all = with_one(frozen(nobody(one())));
    add("home_schedules_no_agent_frozen", all.clone());
    add("schedules_no_agent_frozen", press(all, "S"));
    add("schedules_none", press(with_one(listing(Vec::new())), "S"));
    let mut model = press(quiet(), "S");
    add("schedules_reading", model.clone());
    update(&mut model, Message::Schedules(Err(problem())));
    add("schedules_not_read", model);
    reviews(add);
    let of_beta = |view| entered(with_one(listing(vec![view])), "shop/beta");
    add("environment_scheduled", of_beta(weekly("shop/beta")));
    add("environment_paused", of_beta(paused("shop/beta")));
}

fn reviews(add: &mut impl FnMut(&'static str, Model)) {
    let ready = |verb, of: &str, answer: &str| {
        let model = with_one(nobody(listing(vec![
            paused("shop/alpha"),
            weekly("shop/beta"),
        ])));
        let answer = schedule_answer(answer, &target(of)).expect("an answer");
        let answer = match answer {
            Answer::Schedule(report) if !report.changed => Stage::Closed(Answer::Schedule(report)),
            answer => Stage::Ready(answer),
        };
        review(model, verb, of, answer)
    };
    let model = ready(Verb::Pause, "shop/beta", "to-pause");
    add("review_pause", model.clone());
    add("review_pause_reason", press(model, "up y e a r - e n d"));
    add(
        "review_pause_locked",
        ready(Verb::Pause, "shop/alpha", "to-pause"),
    );
    let unlocked = press(ready(Verb::Resume, "shop/alpha", "to-make-up"), "U");
    add("review_resume", press(unlocked, "s h o p"));
    add(
        "review_pause_already",
        ready(Verb::Pause, "shop/beta", "paused-already"),
    );
}

#[test]
fn small_terminals_keep_what_is_the_matter_and_when() {
    for (width, height) in [(60, 15), (40, 10)] {
        let (buffer, _) = draw(&scheduling(), &Theme::dark(), width, height);
        let text = lines(&buffer).join("\n");
        insta::assert_snapshot!(format!("schedules_{width}x{height}"), text);
    }
}

#[test]
fn without_colours_every_need_is_told_apart_by_its_text() {
    let (buffer, _) = draw(&scheduling(), &Theme::mono(), 80, 40);
    let all = lines(&buffer);
    let mut last = 0;
    for (need, name) in ORDER {
        let (glyph, word, _) = words::schedule(need);
        let told = format!("{glyph} {word}");
        let row = all.iter().position(|line| line.contains(name));
        let row = row.unwrap_or_else(|| panic!("no {name} in\n{}", all.join("\n")));
        assert!(all[row].contains(&told), "{told}: {}", all[row]);
        assert!(row > last, "{name} out of order in\n{}", all.join("\n"));
        last = row;
    }
    insta::assert_snapshot!("schedules_mono_80x40", all.join("\n"));
}

#[test]
fn a_thousand_schedules_show_the_selected_one() {
    let views = (0..1000).map(|number| weekly(&format!("shop/env{number:04}")));
    let model = press(with_one(listing(views.collect())), "S");
    for (keys, name) in [
        ("G", "shop/gamma"),
        ("G k k k", "shop/env0999"),
        ("j", "env0001"),
    ] {
        let (buffer, _) = draw(&press(model.clone(), keys), &Theme::dark(), 120, 40);
        let all = lines(&buffer);
        let selected = all.iter().find(|line| line.starts_with('▸'));
        let selected = selected.unwrap_or_else(|| panic!("none in\n{}", all.join("\n")));
        assert!(selected.contains(name), "after {keys}: {selected}");
    }
}

/// Of several rotated secrets the last one says when a step is done.
#[test]
fn a_step_of_several_secrets_is_done_when_it_is_done_of_each() {
    let mut model = quiet();
    let mut run = running(Verb::Rotate, target("shop/beta"));
    run.target.path = None;
    run.paths = 2;
    model.run = Some(run);
    model.screens.push(Screen::Run);
    let first = |model: &Model| {
        let (buffer, _) = draw(model, &Theme::mono(), 100, 24);
        let all = lines(&buffer);
        let first = all.iter().find(|line| line.contains("S1 "));
        first
            .unwrap_or_else(|| panic!("no S1 in\n{}", all.join("\n")))
            .clone()
    };
    assert!(!first(&model).contains("done"), "{}", first(&model));
    if let Some(run) = &mut model.run {
        let again = run.done[0];
        run.done.push(again);
    }
    assert!(first(&model).contains("✓ S1"), "{}", first(&model));
}
