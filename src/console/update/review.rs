//! Reviews: every change is a plan, then an agreement. The only place that lets an
//! effect through which changes something.

use crate::console::input::LineInput;
use crate::console::keys::Key;
use crate::console::message::Effect;
use crate::console::model::{
    Answer, Deed, Entry, Model, Overlay, Review, Run, Screen, SessionRef, Stage, Target, Verb,
};
use crate::operations::hand_over::{Confirmation, Report};

/// Opens the review of a verb and asks for its plan or its evidence.
pub(super) fn open(model: &mut Model, verb: Verb) -> Vec<Effect> {
    let Some(target) = model.target().cloned() else {
        return Vec::new();
    };
    let session = match (verb, model.selected_entry()) {
        (Verb::EndSession, Some(Entry::Session(_, session))) => Some(SessionRef {
            node: session.node.clone(),
            pid: session.pid,
            started: session.started,
        }),
        _ => None,
    };
    let number = model.reviews + 1;
    let Some(effect) = question(verb, &target, session.as_ref(), number) else {
        return Vec::new();
    };
    model.reviews = number;
    model.overlay = Some(Overlay::Review(Review {
        number,
        verb,
        target,
        session: session.map(Box::new),
        stage: Stage::Asking,
        way: None,
        typed: LineInput::default(),
        reason: LineInput::default(),
        on_reason: false,
        on_act: false,
    }));
    vec![effect]
}

/// What a review asks; nothing is changed by it.
fn question(
    verb: Verb,
    target: &Target,
    session: Option<&SessionRef>,
    review: u64,
) -> Option<Effect> {
    let target = target.clone();
    Some(match verb {
        Verb::Rotate => Effect::PlanRotation { target, review },
        Verb::Recover => Effect::GatherEvidence { target, review },
        Verb::RollBack => Effect::PlanRollBack { target, review },
        Verb::Retire | Verb::Undo => Effect::PlanRetire {
            target,
            undo: verb == Verb::Undo,
            review,
        },
        Verb::EndSession => Effect::PlanEndSession {
            target,
            session: session?.clone(),
            review,
        },
        Verb::Publish => Effect::PlanPublish { target, review },
        Verb::Pause | Verb::Resume => Effect::PlanPause {
            target,
            resume: verb == Verb::Resume,
            review,
        },
    })
}

/// Why the button that acts does nothing yet; `None` when it would act.
pub(in crate::console) fn blocked(model: &Model, review: &Review) -> Option<String> {
    let name = &review.target.environment;
    match &review.stage {
        Stage::Asking => return Some("still looking".to_owned()),
        Stage::Acting => return Some("it is being done".to_owned()),
        Stage::Closed(_) | Stage::Failed(_) => {
            return Some("there is nothing to agree to".to_owned());
        }
        Stage::Ready(_) => {}
    }
    if model.is_read_only(name) {
        return Some("READ-ONLY: press U to unlock it for 15 minutes".to_owned());
    }
    let wanted = must_type(model, review)?;
    (review.typed.text() != wanted).then(|| format!("type {wanted} to agree"))
}

/// What has to be typed, where the review has a line to type into: the number of a session that
/// is ended, and the name of a production environment, or of any one whose consumers are down.
pub(in crate::console) fn must_type(model: &Model, review: &Review) -> Option<String> {
    let name = &review.target.environment;
    let Stage::Ready(answer) = &review.stage else {
        return None;
    };
    if model.is_read_only(name) {
        return None;
    }
    let number = match answer {
        Answer::EndSession(report) => report.session.as_ref().map(|session| session.pid),
        Answer::HandOver(_) | Answer::Retire(_) | Answer::Publish(_) | Answer::Schedule(_) => None,
    };
    match (number, wants_name(model, review)) {
        (Some(number), true) => Some(format!("{number} {name}")),
        (Some(number), false) => Some(number.to_string()),
        (None, true) => Some(name.to_string()),
        (None, false) => None,
    }
}

/// Whether an agreement names the environment.
fn wants_name(model: &Model, review: &Review) -> bool {
    model.is_protected(&review.target.environment)
        || review.offer().is_some_and(|offer| offer.typed)
}

/// Chooses among the ways back; what was typed for one is no agreement to another.
fn choose(review: &mut Review, later: bool) {
    let ways = review.ways();
    let chosen = review.offer().map(|offer| offer.way);
    let Some(at) = ways.iter().position(|offer| Some(offer.way) == chosen) else {
        return;
    };
    let at = match later {
        true => (at + 1).min(ways.len() - 1),
        false => at.saturating_sub(1),
    };
    let way = ways[at].way;
    if Some(way) != chosen {
        review.way = Some(way);
        review.typed = LineInput::default();
        review.on_act = false;
    }
}

pub(super) fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(Overlay::Review(review)) = &model.overlay else {
        return Vec::new();
    };
    if review.on_reason {
        write_reason(model, key);
        return Vec::new();
    }
    let typing = must_type(model, review).is_some();
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
        Key::Up if review.takes_reason() => {
            if let Some(Overlay::Review(review)) = &mut model.overlay {
                review.on_reason = true;
                review.on_act = false;
            }
        }
        Key::Down | Key::Up => {
            if let Some(Overlay::Review(review)) = &mut model.overlay {
                choose(review, key == Key::Down);
            }
        }
        Key::Char(character) if typing => type_into(model, character),
        Key::Char('j' | 'k') => {
            if let Some(Overlay::Review(review)) = &mut model.overlay {
                choose(review, key == Key::Char('j'));
            }
        }
        Key::Char('y') => return act(model),
        Key::Char('n' | 'q') => model.overlay = None,
        Key::Char('U') => return super::unlock(model),
        Key::Char('Y') => return super::copy_command(model),
        _ => {}
    }
    Vec::new()
}

/// While the reason has the keys, letters are no commands.
fn write_reason(model: &mut Model, key: Key) {
    let Some(Overlay::Review(review)) = &mut model.overlay else {
        return;
    };
    match key {
        Key::Escape | Key::Ctrl('c') => model.overlay = None,
        Key::Enter | Key::Down | Key::Tab | Key::BackTab => review.on_reason = false,
        Key::Backspace => review.reason.backspace(),
        Key::Char(character) => review.reason.push(character),
        _ => {}
    }
}

/// Types into the line of a review that has the keys, if it has one.
pub(super) fn type_into(model: &mut Model, character: char) {
    if let Some(Overlay::Review(review)) = &mut model.overlay
        && review.on_reason
    {
        review.reason.push(character);
        return;
    }
    let typing = match &model.overlay {
        Some(Overlay::Review(review)) => must_type(model, review).is_some(),
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
    let reason = blocked(model, review)
        .or_else(|| model.busy())
        .or_else(|| changed_since(model, review));
    if let Some(reason) = reason {
        return super::refuse(model, reason);
    }
    let review = review.clone();
    let confirmation = match wants_name(model, &review) {
        true => Confirmation::Named(review.target.environment.to_string()),
        false => Confirmation::Yes,
    };
    match &review.stage {
        Stage::Ready(Answer::HandOver(report)) => begin_run(model, &review, report, confirmation),
        Stage::Ready(answer) => begin_deed(model, &review, answer, confirmation),
        _ => Vec::new(),
    }
}

/// What is done next to an outgoing user follows from how far its overlap has come: whoever
/// agreed to a lock must not get what comes after it because somebody else locked meanwhile.
///
/// The files of a newer revision may be other ones than those that were shown, and so may its
/// schedule.
fn changed_since(model: &Model, review: &Review) -> Option<String> {
    let revisions = |shown: u64| {
        let known = model.environment(&review.target.environment)?;
        let now = known.revision.max(shown);
        Some((format!("revision {shown}"), format!("revision {now}")))
    };
    let (shown, now) = match &review.stage {
        Stage::Ready(Answer::Retire(report)) => {
            let now = model.newest_stage(&review.target)?;
            (report.stage?.to_string(), now.to_string())
        }
        Stage::Ready(Answer::Publish(report)) => revisions(report.revision)?,
        Stage::Ready(Answer::Schedule(report)) => revisions(report.revision)?,
        _ => return None,
    };
    (shown != now).then(|| format!("it is {now} by now, and was {shown}: review it again"))
}

/// A hand-over has a screen of its own, where its steps are followed.
fn begin_run(
    model: &mut Model,
    review: &Review,
    report: &Report,
    confirmation: Confirmation,
) -> Vec<Effect> {
    let target = review.target.clone();
    let recovers = review.verb == Verb::Recover;
    let before = report.paths.first().filter(|_| recovers);
    let way = review.offer().map(|offer| offer.way);
    let effect = match (review.verb, way) {
        (Verb::Recover, _) => Effect::Recover {
            target: target.clone(),
            confirmation,
        },
        (Verb::RollBack, Some(way)) => Effect::RollBack {
            target: target.clone(),
            way,
            confirmation,
        },
        (Verb::RollBack, None) => return Vec::new(),
        _ => Effect::Rotate {
            target: target.clone(),
            confirmation,
        },
    };
    model.overlay = None;
    model.deed = None;
    let all = || model.environment(&target.environment);
    let paths = match target.path {
        Some(_) => 1,
        None => all().map_or(1, |known| known.paths.len()),
    };
    model.run = Some(Run {
        verb: review.verb,
        paths,
        target,
        before: before.map(|path| path.step),
        way,
        done: Vec::new(),
        current: None,
        waiting: None,
        started: model.now,
        ended: None,
    });
    if *model.screen() != Screen::Run {
        model.screens.push(Screen::Run);
    }
    vec![effect]
}

/// One change of the database: its review stays until the answer is here.
fn begin_deed(
    model: &mut Model,
    review: &Review,
    answer: &Answer,
    confirmation: Confirmation,
) -> Vec<Effect> {
    let target = review.target.clone();
    let number = review.number;
    let effect = match answer {
        Answer::EndSession(report) => {
            let Some(session) = &report.session else {
                return Vec::new();
            };
            Effect::EndSession {
                target: target.clone(),
                // The one that was shown: its number may be somebody else's by then.
                session: SessionRef {
                    node: session.node.clone(),
                    pid: session.pid,
                    started: session.since,
                },
                confirmation,
                review: number,
            }
        }
        Answer::Publish(_) => Effect::Publish {
            target: target.clone(),
            confirmation,
            review: number,
        },
        Answer::Schedule(_) if review.verb == Verb::Resume => Effect::Resume {
            target: target.clone(),
            confirmation,
            review: number,
        },
        Answer::Schedule(_) => Effect::Pause {
            target: target.clone(),
            reason: review.reason(),
            confirmation,
            review: number,
        },
        Answer::HandOver(_) | Answer::Retire(_) => Effect::Retire {
            target: target.clone(),
            undo: review.verb == Verb::Undo,
            confirmation,
            review: number,
        },
    };
    model.deed = Some(Deed {
        number,
        verb: review.verb,
        target,
        ended: None,
    });
    if let Some(Overlay::Review(review)) = &mut model.overlay {
        review.stage = Stage::Acting;
        review.on_act = false;
    }
    vec![effect]
}
