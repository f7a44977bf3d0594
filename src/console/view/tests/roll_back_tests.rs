//! The review of a rollback, and its run.

use super::*;
use crate::console::tests::roll_back_tests::{
    applications_fail, back_locked, compromised, current_dead, down, gate_holds, refused_at_submit,
    restored, rolled_back, without_ways,
};
use crate::model::Step;
use crate::rotation::Way;

const NAME: &str = "shop/beta";

fn roll_back(stage: fn(Answer) -> Stage, report: Report) -> Model {
    let answer = Answer::HandOver(Box::new(report));
    review(down(), Verb::RollBack, NAME, stage(answer))
}

fn press(model: Model, keys: &str) -> Model {
    match keys {
        "" => model,
        keys => drain_tests::press(model, keys),
    }
}

fn typed(mut model: Model, text: &str) -> Model {
    if let Some(Overlay::Review(review)) = &mut model.overlay {
        text.chars()
            .for_each(|character| review.typed.push(character));
    }
    model
}

fn run_of(way: Way) -> Model {
    let mut model = quiet();
    let mut run = running(Verb::RollBack, target(NAME));
    run.way = Some(way);
    if way.takes_known() {
        run.done.truncate(1);
        run.current = Some(Step::Verify);
        run.waiting = None;
    }
    model.run = Some(run);
    model.screens.push(Screen::Run);
    model
}

pub(super) fn reviews(add: &mut impl FnMut(&'static str, Model)) {
    let of = target(NAME);
    let ready = |report| roll_back(Stage::Ready, report);
    let closed = |report| roll_back(Stage::Closed, report);
    let fails = ready(applications_fail(&of));
    add("roll_back_applications_fail", fails.clone());
    add("roll_back_other_way", press(fails, "j tab"));
    add("roll_back_locked", ready(back_locked(&of)));
    let dead = ready(current_dead(&of));
    add("roll_back_current_dead", dead.clone());
    add("roll_back_last_way", press(dead.clone(), "down down"));
    add("roll_back_named", typed(dead, NAME));
    add("roll_back_restored", ready(restored(&of)));
    let mut production = ready(current_dead(&of));
    let status = production.status.as_mut().expect("a status");
    status.environments[1].protected = true;
    add("roll_back_read_only", production);
    add("roll_back_compromised", closed(compromised(&of)));
    add("roll_back_gate", closed(gate_holds(&of)));
    add("roll_back_without_ways", closed(without_ways(&of)));
    let mut failed = closed(without_ways(&of));
    if let Some(Overlay::Review(review)) = &mut failed.overlay {
        review.stage = Stage::Failed(problem());
    }
    add("roll_back_failed", failed);
    let mut live = run_of(Way::Repromote);
    add("roll_back_run", live.clone());
    add("roll_back_run_of_unretire", run_of(Way::Unretire));
    add("roll_back_run_of_reapply", run_of(Way::Reapply));
    let mut refused = live.clone();
    let run = live.run.as_mut().expect("runs");
    for step in [Step::Verify, Step::Promote] {
        run.done.push((step, night()));
    }
    update(&mut live, Message::Ended(Ok(Box::new(rolled_back(&of)))));
    add("roll_back_run_done", live);
    let report = refused_at_submit(&of);
    update(&mut refused, Message::Ended(Ok(Box::new(report))));
    add("roll_back_run_refused", refused);
}

fn text(model: &Model, theme: &Theme, width: u16, height: u16) -> String {
    let (buffer, _) = draw(model, theme, width, height);
    lines(&buffer).join("\n")
}

/// Without colours every finding, the choice and the button still have their words.
#[test]
fn mono_tells_it_all_in_words() {
    let model = roll_back(Stage::Ready, current_dead(&target(NAME)));
    let model = press(model, "down");
    let (buffer, _) = draw(&model, &Theme::mono(), 80, 24);
    insta::assert_snapshot!("roll_back_mono_80x24", lines(&buffer).join("\n"));
    let row = lines(&buffer)
        .iter()
        .position(|line| line.contains("▸ re-apply"));
    let row = u16::try_from(row.expect("the chosen way")).expect("few rows");
    let reversed = |row: u16| {
        let cells = (0..80).map(|column| &buffer[(column, row)]);
        let reversed = ratatui::style::Modifier::REVERSED;
        cells
            .filter(|cell| cell.modifier.contains(reversed))
            .count()
    };
    assert!(
        reversed(row) > 0,
        "the chosen way is shown by more than its mark"
    );
    assert_eq!(reversed(row + 1), 0, "another one is not");
}

/// On a small terminal what is agreed to stays, and what is left out is counted.
#[test]
fn what_is_agreed_to_stays_on_a_small_terminal() {
    let dead = roll_back(Stage::Ready, current_dead(&target(NAME)));
    for (keys, way) in [
        ("", "re-promote"),
        ("down", "re-apply"),
        ("down down", "re-issue"),
    ] {
        let model = press(dead.clone(), keys);
        for (width, height) in [(40, 12), (50, 14), (60, 15)] {
            let shown = text(&model, &Theme::dark(), width, height);
            assert!(shown.contains(&format!("▸ {way}")), "{shown}");
            assert!(shown.contains("type shop/beta to agree"), "{shown}");
            assert!(shown.contains("more lines: enlarge"), "{shown}");
            assert!(shown.contains("Leave it (esc)"), "{shown}");
        }
    }
    let longest = roll_back(Stage::Ready, restored(&target(NAME)));
    for model in [dead.clone(), press(dead.clone(), "down down"), longest] {
        let shown = text(&model, &Theme::dark(), 80, 24);
        for part in [
            "consumers",
            "found",
            "case",
            "means",
            "sends",
            "won't",
            "wrong if",
        ] {
            assert!(shown.contains(&format!("│ {part}")), "{part}: {shown}");
        }
        assert!(!shown.contains("more lines"), "{shown}");
    }
    let small = text(&dead, &Theme::dark(), 40, 12);
    insta::assert_snapshot!("roll_back_current_dead_40x12", small);
    let refused = roll_back(Stage::Closed, compromised(&target(NAME)));
    let small = text(&refused, &Theme::dark(), 40, 12);
    insta::assert_snapshot!("roll_back_compromised_40x12", small);
}

#[test]
fn the_safe_button_of_a_rollback_has_the_focus_first() {
    let model = roll_back(Stage::Ready, applications_fail(&target(NAME)));
    let focused = |model: &Model| {
        let (buffer, _) = draw(model, &Theme::dark(), 80, 24);
        let button = Theme::dark().style(Role::ButtonFocus).bg;
        let cells = buffer.content().iter();
        let cells = cells.filter(|cell| Some(cell.bg) == button);
        cells.map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    assert_eq!(focused(&model), " Leave it (esc) ");
    assert_eq!(focused(&press(model, "tab")), " Roll back (y) ");
}
