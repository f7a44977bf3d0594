//! Reviews: every change is a plan, then an agreement. The only place that lets an
//! effect through which changes something.

use crate::console::input::LineInput;
use crate::console::keys::Key;
use crate::console::message::Effect;
use crate::console::model::{Model, Overlay, Review, Run, Screen, Stage, Verb};
use crate::operations::hand_over::Confirmation;

/// Opens the review of a verb and asks for its plan or its evidence.
pub(super) fn open(model: &mut Model, verb: Verb) -> Vec<Effect> {
    let Some(target) = model.target().cloned() else {
        return Vec::new();
    };
    model.reviews += 1;
    let review = model.reviews;
    model.overlay = Some(Overlay::Review(Review {
        number: review,
        verb,
        target: target.clone(),
        stage: Stage::Asking,
        typed: LineInput::default(),
        on_act: false,
    }));
    vec![match verb {
        Verb::Rotate => Effect::PlanRotation { target, review },
        Verb::Recover => Effect::GatherEvidence { target, review },
    }]
}

/// Why the button that acts does nothing yet; `None` when it would act.
pub(in crate::console) fn blocked(model: &Model, review: &Review) -> Option<String> {
    let name = &review.target.environment;
    match &review.stage {
        Stage::Asking => return Some("still looking".to_owned()),
        Stage::Closed(_) | Stage::Failed(_) => {
            return Some("there is nothing to agree to".to_owned());
        }
        Stage::Ready(_) => {}
    }
    if model.is_read_only(name) {
        return Some("READ-ONLY: press U to unlock it for 15 minutes".to_owned());
    }
    if model.is_protected(name) && review.typed.text() != name.to_string() {
        return Some(format!("type {name} to agree"));
    }
    None
}

/// Whether the review has a line to type into.
pub(in crate::console) fn wants_name(model: &Model, review: &Review) -> bool {
    let name = &review.target.environment;
    matches!(review.stage, Stage::Ready(_)) && model.is_protected(name) && !model.is_read_only(name)
}

pub(super) fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(Overlay::Review(review)) = &model.overlay else {
        return Vec::new();
    };
    let typing = wants_name(model, review);
    let on_act = review.on_act;
    match key {
        Key::Escape | Key::Ctrl('c') => model.overlay = None,
        Key::Enter if on_act || typing => return act(model),
        Key::Enter => model.overlay = None,
        Key::Tab | Key::BackTab | Key::Left | Key::Right => {
            if let Some(Overlay::Review(review)) = &mut model.overlay {
                review.on_act = !review.on_act;
            }
        }
        Key::Backspace => {
            if let Some(Overlay::Review(review)) = &mut model.overlay {
                review.typed.backspace();
            }
        }
        Key::Char(character) if typing => type_into(model, character),
        Key::Char('y') => return act(model),
        Key::Char('n' | 'q') => model.overlay = None,
        Key::Char('U') => return super::unlock(model),
        Key::Char('Y') => return super::copy_command(model),
        _ => {}
    }
    Vec::new()
}

/// Types into the line of a review, if it has one.
pub(super) fn type_into(model: &mut Model, character: char) {
    let typing = match &model.overlay {
        Some(Overlay::Review(review)) => wants_name(model, review),
        _ => false,
    };
    if !typing {
        if model.filtering {
            super::moves::type_filter(model, Key::Char(character));
        }
        return;
    }
    if let Some(Overlay::Review(review)) = &mut model.overlay {
        review.typed.push(character);
    }
}

/// Preconditions are checked again here, and once more by the operation itself.
fn act(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Review(review)) = &model.overlay else {
        return Vec::new();
    };
    if let Some(reason) = blocked(model, review) {
        return super::refuse(model, reason);
    }
    if model.is_running() {
        return super::refuse(model, "a rotation is running in this console".to_owned());
    }
    let verb = review.verb;
    let target = review.target.clone();
    let before = match (&review.stage, verb) {
        (Stage::Ready(report), Verb::Recover) => report.paths.first().map(|path| path.step),
        _ => None,
    };
    let confirmation = match model.is_protected(&target.environment) {
        true => Confirmation::Named(review.typed.text().to_owned()),
        false => Confirmation::Yes,
    };
    model.overlay = None;
    model.run = Some(Run {
        verb,
        target: target.clone(),
        before,
        done: Vec::new(),
        current: None,
        waiting: None,
        started: model.now,
        ended: None,
    });
    if *model.screen() != Screen::Run {
        model.screens.push(Screen::Run);
    }
    vec![match verb {
        Verb::Rotate => Effect::Rotate {
            target,
            confirmation,
        },
        Verb::Recover => Effect::Recover {
            target,
            confirmation,
        },
    }]
}
