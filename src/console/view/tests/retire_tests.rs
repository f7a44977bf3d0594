//! The reviews of retiring an outgoing user, and of ending a session.

use super::*;
use crate::console::model::{SessionRef, Target};
use crate::console::tests::drain_tests::{in_drain, late};
use crate::console::tests::retire_tests::{
    by_nobody, done, ended, listening, no_right, not_drained, planned as retiring, planned_leaked,
    remaining, to_end,
};
use crate::model::{RetireStep, Stage as OverlapStage};
use crate::operations::hand_over::{EndSessionReport, RetireReport};

fn shop() -> Target {
    target("shop/billing")
}

fn retire(verb: Verb, stage: fn(Answer) -> Stage, report: RetireReport) -> Model {
    let answer = Answer::Retire(Box::new(report));
    let model = in_drain(late("shop/billing"));
    review(model, verb, "shop/billing", stage(answer))
}

fn end(stage: fn(Answer) -> Stage, report: EndSessionReport) -> Model {
    let answer = Answer::EndSession(Box::new(report));
    let model = in_drain(late("shop/billing"));
    let mut model = review(model, Verb::EndSession, "shop/billing", stage(answer));
    if let Some(Overlay::Review(review)) = &mut model.overlay {
        review.session = Some(Box::new(SessionRef {
            node: "db-1.example:5432".to_owned(),
            pid: 4000,
            started: None,
        }));
    }
    model
}

pub(super) fn reviews(add: &mut impl FnMut(&'static str, Model)) {
    let step = |step| retiring(&shop(), step);
    let lock = retire(Verb::Retire, Stage::Ready, step(RetireStep::Lock));
    add("review_lock", lock.clone());
    add("review_lock_on_act", press(lock, "tab"));
    let leaked = planned_leaked(&shop());
    add(
        "review_lock_leaked",
        retire(Verb::Retire, Stage::Ready, leaked),
    );
    let scramble = step(RetireStep::Scramble);
    add(
        "review_scramble",
        retire(Verb::Retire, Stage::Ready, scramble),
    );
    let unlock = step(RetireStep::Unlock);
    add("review_undo", retire(Verb::Undo, Stage::Ready, unlock));
    let acting = step(RetireStep::Lock);
    add(
        "review_lock_acting",
        retire(Verb::Retire, |_| Stage::Acting, acting),
    );
    let closed = |report| retire(Verb::Retire, Stage::Closed, report);
    add("review_lock_not_drained", closed(not_drained(&shop())));
    add("review_lock_listening", closed(listening(&shop())));
    add("review_lock_none", closed(by_nobody(&shop())));
    add("review_lock_remaining", closed(remaining(&shop())));
    add(
        "review_lock_nothing",
        closed(done(&shop(), OverlapStage::Locked)),
    );
    let session = end(Stage::Ready, to_end(&shop()));
    add("review_end_session", session.clone());
    add(
        "review_end_session_typed",
        press(session.clone(), "4 0 0 0"),
    );
    let mut production = session;
    let status = production.status.as_mut().expect("a status");
    status.environments[0].protected = true;
    add("review_end_session_read_only", production.clone());
    add("review_end_session_production", press(production, "U"));
    add(
        "review_end_session_refused",
        end(Stage::Closed, no_right(&shop())),
    );
    add(
        "review_end_session_gone",
        end(Stage::Closed, ended(&shop())),
    );
}

fn press(model: Model, keys: &str) -> Model {
    drain_tests::press(model, keys)
}

/// Nobody may find the button that acts under their finger.
#[test]
fn the_safe_button_has_the_focus_first() {
    let answer = retiring(&shop(), RetireStep::Scramble);
    let model = retire(Verb::Retire, Stage::Ready, answer);
    let focused = |model: &Model| {
        let (buffer, _) = draw(model, &Theme::dark(), 80, 24);
        let button = Theme::dark().style(Role::ButtonFocus).bg;
        let cells = buffer.content().iter();
        let cells = cells.filter(|cell| Some(cell.bg) == button);
        cells.map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    assert_eq!(focused(&model), " Leave it (esc) ");
    assert_eq!(focused(&press(model, "tab")), " Scramble it (y) ");
}
