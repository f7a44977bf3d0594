//! What is drawn, state by state: snapshots at two sizes, and every size without a panic.

mod drain_tests;
mod retire_tests;
mod roll_back_tests;
mod schedule_tests;
mod sink_tests;

use std::collections::BTreeSet;

use chrono::Duration;
use ratatui::style::Color;

use super::*;
use crate::console::message::{Effect, Message};
use crate::console::model::{Answer, Need, Pane, Problem, Review, Stage, Verb};
use crate::console::tests::{
    NEEDS, console, done, entered, every_need, evidence, healthy, looked, named, night, parked,
    planned, problem, quiet, refused, running, silent, status, stopped, target,
};
use crate::console::update::update;
use crate::operations::hand_over::Report;

/// A state with its name.
struct State {
    name: &'static str,
    model: Model,
}

/// Every state that a screen can be in.
fn states() -> Vec<State> {
    let mut states = Vec::new();
    let mut add = |name: &'static str, model: Model| states.push(State { name, model });
    homes(&mut add);
    environments(&mut add);
    drain_tests::drains(&mut add);
    reviews(&mut add);
    retire_tests::reviews(&mut add);
    roll_back_tests::reviews(&mut add);
    runs(&mut add);
    sink_tests::files(&mut add);
    schedule_tests::schedules(&mut add);
    states
}

fn homes(add: &mut impl FnMut(&'static str, Model)) {
    add("home_every_need", every_need());
    add("home_empty_store", console(Vec::new()));
    let mut reading = Model::new(Some("DEMO".to_owned()), night());
    add("home_reading", reading.clone());
    reading.status_problem = Some(Problem {
        message: "the store is locked by process 4711".to_owned(),
        remedy: "end that process, or wait for it".to_owned(),
    });
    add("home_store_error", reading);
    let mut model = quiet();
    for known in model.known.values_mut() {
        known.look = None;
        known.looking_since = Some(night());
    }
    add("home_nothing_answers", model);
    let mut model = quiet();
    model.now = night() + Duration::minutes(7);
    model.frozen = true;
    model.filter.push('a');
    add("home_frozen_filtered", model);
    let mut model = quiet();
    model.filter.push('?');
    model.filtering = true;
    model.selected = None;
    add("home_filter_matches_nothing", model);
    let mut model = quiet();
    model
        .unlocked
        .insert(named("shop/alpha"), night() + Duration::minutes(15));
    super::super::update::tell(&mut model, "shop/alpha is unlocked");
    add("home_unlocked", model);
    let mut model = quiet();
    model.overlay = Some(Overlay::Help);
    add("help", model);
}

fn environments(add: &mut impl FnMut(&'static str, Model)) {
    let beta = || entered(quiet(), "shop/beta");
    add("environment_healthy", beta());
    let mut model = beta();
    model.pane = Pane::Revisions;
    add("environment_revisions", model.clone());
    model.pane = Pane::Audit;
    add("environment_audit", model);
    let with = |look| {
        let mut model = beta();
        model.known.entry(named("shop/beta")).or_default().look = Some(look);
        model
    };
    add("environment_draining", with(looked("shop/beta", 3)));
    add("environment_silent", with(silent("shop/beta")));
    let mut long = looked("shop/beta", 1);
    long.paths[0].current.standing = "no password known".to_owned();
    add("environment_no_password_known", with(long));
    let mut model = beta();
    model.known.clear();
    add("environment_not_looked_at", model);
    let mut new = healthy("shop/beta");
    new.paths[0].current = None;
    new.paths[0].previous = None;
    add(
        "environment_no_state",
        entered(console(vec![new]), "shop/beta"),
    );
    let crashed = console(vec![stopped("shop/pay")]);
    add("environment_crashed", entered(crashed, "shop/pay"));
    let mut broken = healthy("shop/beta");
    broken.problem = Some("the settings name a key that is not known".to_owned());
    add(
        "environment_broken",
        entered(console(vec![broken]), "shop/beta"),
    );
    let mut model = beta();
    model.status = Some(status(Vec::new()));
    add("environment_gone", model);
}

fn review(mut model: Model, verb: Verb, of: &str, stage: Stage) -> Model {
    model.overlay = Some(Overlay::Review(Review {
        number: 1,
        verb,
        target: target(of),
        session: None,
        stage,
        way: None,
        typed: crate::console::input::LineInput::default(),
        reason: crate::console::input::LineInput::default(),
        on_reason: false,
        on_act: false,
    }));
    model.selected = Some(target(of));
    model
}

fn reviews(add: &mut impl FnMut(&'static str, Model)) {
    let ready = |of: &str| Stage::Ready(Answer::HandOver(Box::new(planned(&target(of)))));
    let rotate = |of: &str, stage| review(quiet(), Verb::Rotate, of, stage);
    add("review_asking", rotate("shop/beta", Stage::Asking));
    let mut model = rotate("shop/beta", ready("shop/beta"));
    add("review_ready", model.clone());
    if let Some(Overlay::Review(review)) = &mut model.overlay {
        review.on_act = true;
    }
    add("review_ready_on_act", model);
    let mut first = planned(&target("shop/beta"));
    if let Some(plan) = &mut first.paths[0].plan {
        plan.first_promotion = true;
    }
    let stage = Stage::Ready(Answer::HandOver(Box::new(first)));
    add("review_first_promotion", rotate("shop/beta", stage));
    add(
        "review_production_locked",
        rotate("shop/alpha", ready("shop/alpha")),
    );
    let mut model = rotate("shop/alpha", ready("shop/alpha"));
    model
        .unlocked
        .insert(named("shop/alpha"), night() + Duration::minutes(15));
    let typed = |mut model: Model, text: &str| {
        if let Some(Overlay::Review(review)) = &mut model.overlay {
            text.chars()
                .for_each(|character| review.typed.push(character));
        }
        model
    };
    add("review_production_typing", typed(model.clone(), "shop/al"));
    add("review_production_typed", typed(model, "shop/alpha"));
    let closed = |report: Report| Stage::Closed(Answer::HandOver(Box::new(report)));
    add(
        "review_refused",
        rotate("shop/beta", closed(refused(&target("shop/beta")))),
    );
    add(
        "review_failed",
        rotate("shop/beta", Stage::Failed(problem())),
    );
    let recover = |stage| {
        let crashed = console(vec![stopped("shop/pay")]);
        review(crashed, Verb::Recover, "shop/pay", stage)
    };
    let stage = Stage::Ready(Answer::HandOver(Box::new(evidence(&target("shop/pay")))));
    add("review_recover", recover(stage));
    add(
        "review_recover_needs_a_human",
        recover(closed(parked(&target("shop/pay")))),
    );
    add(
        "review_nothing_open",
        recover(closed(Report::nothing_open())),
    );
}

fn runs(add: &mut impl FnMut(&'static str, Model)) {
    let mut model = quiet();
    model.run = Some(running(Verb::Rotate, target("shop/beta")));
    model.screens.push(Screen::Run);
    add("run_live", model.clone());
    let ended = |report: Report| {
        let mut model = model.clone();
        let message = Message::Ended(Ok(Box::new(report)));
        update(&mut model, message);
        model
    };
    add("run_done", ended(done(&target("shop/beta"))));
    add("run_parked", ended(parked(&target("shop/beta"))));
    let mut failed = model.clone();
    update(&mut failed, Message::Ended(Err(problem())));
    add("run_failed", failed);
    model.overlay = Some(Overlay::Leave);
    add("leave", model);
}

fn draw(model: &Model, theme: &Theme, width: u16, height: u16) -> (Buffer, Option<Position>) {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let cursor = view(model, theme, area, &mut buffer);
    (buffer, cursor)
}

/// The lines of a drawn screen, without the blanks at their ends.
fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    buffer
        .content()
        .chunks(width.max(1))
        .map(|row| {
            let text: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            text.trim_end().to_owned()
        })
        .collect()
}

#[test]
fn every_state_looks_as_it_did() {
    for (width, height) in [(80, 24), (120, 40)] {
        for State { name, model } in states() {
            let (buffer, cursor) = draw(&model, &Theme::dark(), width, height);
            let cursor = cursor.map_or(String::new(), |at| format!("\ncursor at {at}"));
            let text = format!("{}{cursor}", lines(&buffer).join("\n"));
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), text);
        }
    }
}

#[test]
fn every_state_can_be_drawn_at_every_size() {
    let sizes = [
        (0, 0),
        (1, 1),
        (20, 5),
        (39, 9),
        (40, 10),
        (60, 15),
        (80, 24),
        (120, 40),
        (250, 80),
    ];
    for theme in [Theme::dark(), Theme::mono()] {
        for (width, height) in sizes {
            for State { name, model } in states() {
                let (buffer, cursor) = draw(&model, &theme, width, height);
                let area = buffer.area;
                assert!(
                    cursor.is_none_or(|at| area.contains(at)),
                    "{name} at {area}: the cursor is outside"
                );
            }
        }
    }
}

#[test]
fn a_terminal_that_is_too_small_says_so() {
    let (buffer, _) = draw(&quiet(), &Theme::dark(), 39, 9);
    assert_eq!(lines(&buffer)[0], "enlarge to 40x10 (now 39x9)");
    let (buffer, _) = draw(&quiet(), &Theme::dark(), 40, 10);
    assert!(lines(&buffer)[0].contains("handover"), "{buffer:?}");
}

#[test]
fn without_colours_every_need_is_told_apart_by_its_text() {
    let (buffer, _) = draw(&every_need(), &Theme::mono(), 80, 24);
    let all = lines(&buffer);
    let mut told = BTreeSet::new();
    for (need, name) in NEEDS {
        let line = all.iter().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not shown in\n{}", all.join("\n")));
        let (glyph, word, _) = words::need(need);
        assert!(line.contains(&format!("{glyph} {word} ")), "{line}");
        told.insert(format!("{glyph} {word}"));
    }
    assert_eq!(told.len(), NEEDS.len(), "{told:?}");
}

#[test]
fn mono_draws_no_colour_and_still_shows_the_selection() {
    for State { name, model } in states() {
        let (buffer, _) = draw(&model, &Theme::mono(), 120, 40);
        let coloured =
            |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset);
        assert!(!buffer.content().iter().any(coloured), "{name}");
    }
    let (buffer, _) = draw(&quiet(), &Theme::mono(), 80, 24);
    let reversed: Vec<u16> = (1..23)
        .filter(|row| {
            let cell = &buffer[(40, *row)];
            cell.modifier.contains(ratatui::style::Modifier::REVERSED)
        })
        .collect();
    assert_eq!(reversed.len(), 1, "one row is selected: {reversed:?}");
    let row = &lines(&buffer)[usize::from(reversed[0])];
    assert!(row.contains("shop/alpha") && row.starts_with('▸'), "{row}");
}

/// Whoever reads what to do must be able to read it at the smallest usual size.
#[test]
fn the_key_that_helps_is_never_cut_off() {
    let (buffer, _) = draw(&every_need(), &Theme::dark(), 80, 24);
    let all = lines(&buffer);
    for (need, key) in [
        (Need::Open, "V recovers"),
        (Need::Down, "V looks"),
        (Need::Sink, "W reviews"),
        (Need::Overdue, "R rotates"),
        (Need::NeverPromoted, "R rotates"),
    ] {
        let (_, word, _) = words::need(need);
        let line = all.iter().find(|line| line.contains(word));
        let line = line.unwrap_or_else(|| panic!("no {word} in\n{}", all.join("\n")));
        assert!(line.contains(key), "{line}");
    }
}

#[test]
fn what_is_left_out_of_a_review_is_counted() {
    let stage = Stage::Ready(Answer::HandOver(Box::new(planned(&target("shop/beta")))));
    let model = review(quiet(), Verb::Rotate, "shop/beta", stage);
    let (buffer, _) = draw(&model, &Theme::dark(), 60, 15);
    let text = lines(&buffer).join("\n");
    assert!(text.contains("more lines"), "{text}");
    assert!(text.contains("Leave it (esc)"), "{text}");
    let (buffer, _) = draw(&model, &Theme::dark(), 80, 24);
    let text = lines(&buffer).join("\n");
    assert!(!text.contains("more lines"), "{text}");
    assert!(text.contains("way back"), "{text}");
}

#[test]
fn the_header_does_not_call_live_what_was_never_seen() {
    let mut model = quiet();
    let head = |model: &Model| {
        let (buffer, _) = draw(model, &Theme::dark(), 80, 24);
        lines(&buffer)[0].clone()
    };
    assert!(head(&model).ends_with("● live"), "{}", head(&model));
    for known in model.known.values_mut() {
        known.look = None;
        known.looking_since = Some(night());
    }
    let (buffer, _) = draw(&model, &Theme::dark(), 80, 24);
    let text = lines(&buffer).join("\n");
    assert!(!text.contains("healthy"), "{text}");
    assert!(
        head(&model).ends_with("◌ 3 not seen yet"),
        "{}",
        head(&model)
    );
    model.now = night() + Duration::minutes(2);
    assert!(
        head(&model).ends_with("◌ 3 not seen yet, data 2 min old"),
        "{}",
        head(&model)
    );
    // The oldest of what is on the screen counts.
    let mut model = quiet();
    model.now = night() + Duration::minutes(9);
    model.status_at = Some(model.now);
    assert!(
        head(&model).ends_with("◌ data 9 min old"),
        "{}",
        head(&model)
    );
}

#[test]
fn of_many_rows_only_those_on_the_screen_are_built() {
    for (selected, count, visible) in [(0, 10_000, 20), (5_000, 10_000, 20), (9_999, 10_000, 20)] {
        let window = environments::window(selected, count, visible);
        assert_eq!(window.len(), visible);
        assert!(window.contains(&selected), "{window:?}");
    }
    assert_eq!(environments::window(2, 3, 20), 0..3);
    assert_eq!(environments::window(2, 3, 0), 2..2);
    let many = (0..10_000).map(|number| healthy(&format!("shop/number-{number:05}")));
    let mut model = console(many.collect());
    let effects = update(
        &mut model,
        Message::Key(crate::console::keys::Key::Char('G')),
    );
    assert_eq!(effects, Vec::<Effect>::new());
    let (buffer, _) = draw(&model, &Theme::dark(), 80, 24);
    let text = lines(&buffer).join("\n");
    assert!(
        text.contains("▸ ● healthy         shop/number-09999"),
        "{text}"
    );
}
