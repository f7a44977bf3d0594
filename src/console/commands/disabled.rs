//! Why a command has no sense where it stands, or now: said by the help, the footer and the key.

use super::Command;
use crate::console::model::{Entry, Model, Pane, Screen, Target};
use crate::model::Stage;

/// Why a command cannot be used now.
pub(in crate::console) fn disabled(model: &Model, command: Command) -> Option<String> {
    let target = model.target();
    match command {
        Command::Rotate
        | Command::Recover
        | Command::RollBack
        | Command::Retire
        | Command::Undo
        | Command::EndSession
        | Command::Publish
        | Command::Pause
            if model.busy().is_some() =>
        {
            model.busy()
        }
        Command::Rotate => {
            let Some(target) = target else {
                return Some("no environment is selected".to_owned());
            };
            let known = model.environment(&target.environment);
            if known.is_none_or(|known| known.paths.is_empty()) {
                return Some(format!("{} has no rotated secret", target.environment));
            }
            let rotation = model.open_rotation(target)?;
            Some(format!("{rotation} is open: V recovers it"))
        }
        Command::Recover => {
            let Some(target) = target else {
                return Some("no environment is selected".to_owned());
            };
            let open = model.open_rotation(target).is_some();
            (!open && !model.is_down(target))
                .then(|| format!("no rotation is open on {}", target.environment))
        }
        Command::RollBack => no_rollback(model, target),
        Command::Retire => no_retiring(model, target),
        Command::Undo => no_way_back(model, target),
        Command::EndSession => no_session(model),
        Command::Publish => {
            let Some(target) = target else {
                return Some("no environment is selected".to_owned());
            };
            let known = model.environment(&target.environment);
            known
                .is_none_or(|known| known.sinks.is_empty())
                .then(|| format!("{} is published to no file", target.environment))
        }
        Command::Pause => no_pausing(model, target),
        Command::Export => model
            .reported_rotation()
            .is_none()
            .then(|| "no rotation is known here that could be told of".to_owned()),
        Command::Unlock => {
            let Some(target) = target else {
                return Some("no environment is selected".to_owned());
            };
            (!model.is_read_only(&target.environment))
                .then(|| format!("{} is not read-only", target.environment))
        }
        Command::Open | Command::Copy => target
            .is_none()
            .then(|| "no environment is selected".to_owned()),
        Command::Unfold if model.pane != Pane::Drain => {
            Some("the drain has not got the keys: 1 gives them".to_owned())
        }
        Command::Unfold => {
            if target.and_then(|target| model.drain(target)).is_none() {
                return Some(NO_OVERLAP.to_owned());
            }
            let unfolds = matches!(
                model.selected_entry(),
                Some(Entry::Straggler(_) | Entry::Session(..))
            );
            (!unfolds).then(|| "only stragglers have sessions".to_owned())
        }
        Command::Drains => {
            (*model.screen() == Screen::Drains).then(|| "this is the drain monitor".to_owned())
        }
        Command::Schedules => {
            (*model.screen() == Screen::Schedules).then(|| "these are the schedules".to_owned())
        }
        _ => None,
    }
}

/// Why there is no way back. Where consumers are down there may be one out of everything; what
/// only the database or the journal knows is left to the review.
fn no_rollback(model: &Model, target: Option<&Target>) -> Option<String> {
    let Some(target) = target else {
        return Some("no environment is selected".to_owned());
    };
    let name = &target.environment;
    let Some(path) = model.path(target) else {
        let known = model.environment(name);
        let has_some = known.is_some_and(|known| !known.paths.is_empty());
        return Some(match has_some {
            true => format!("{name} has several rotated secrets: choose one on the home screen"),
            false => format!("{name} has no rotated secret"),
        });
    };
    if path.current.is_none() {
        return Some(format!("{name} has no state yet: R begins"));
    }
    if model.is_down(target) {
        return None;
    }
    if let Some(rotation) = model.open_rotation(target) {
        return Some(format!("{rotation} is open: V recovers it"));
    }
    let never = path.promoted_at.is_none();
    never.then(|| "handover never promoted it: there is nothing to go back from".to_owned())
}

const NO_OVERLAP: &str = "no overlap is open here";

/// Why the outgoing user cannot be retired. What only the database or the settings know is left
/// to the review.
fn no_retiring(model: &Model, target: Option<&Target>) -> Option<String> {
    let Some(target) = target else {
        return Some("no environment is selected".to_owned());
    };
    let promoted = model.path(target).and_then(|path| path.promoted_at);
    if promoted.is_none() {
        return Some(NO_OVERLAP.to_owned());
    }
    let (_, drain) = model.drain(target)?;
    (drain.stage == Stage::Scrambled)
        .then(|| format!("the password of {} is scrambled already", drain.user))
}

/// Why there is no lock that could be taken back.
fn no_way_back(model: &Model, target: Option<&Target>) -> Option<String> {
    let Some(target) = target else {
        return Some("no environment is selected".to_owned());
    };
    let Some((_, drain)) = model.drain(target) else {
        return Some(NO_OVERLAP.to_owned());
    };
    match drain.stage {
        Stage::Locking | Stage::Locked | Stage::Unlocking => None,
        Stage::Draining => Some(format!("{} is not locked", drain.user)),
        Stage::Scrambling | Stage::Scrambled => Some(format!(
            "the password of {} is gone: R gives it a new one",
            drain.user
        )),
    }
}

/// Why there is no schedule to be paused or resumed.
fn no_pausing(model: &Model, target: Option<&Target>) -> Option<String> {
    let Some(target) = target else {
        return Some("no environment is selected".to_owned());
    };
    let name = &target.environment;
    let Some(entry) = model.timetable.find(name) else {
        return Some(match model.timetable.at {
            Some(_) => format!("{name} has no schedule: handover schedule set {name}"),
            None => "the schedules are not known yet".to_owned(),
        });
    };
    let problem = entry.view.problem.as_ref()?;
    Some(format!("its settings cannot be used: {problem}"))
}

/// Why there is no session to end.
fn no_session(model: &Model) -> Option<String> {
    if model.pane != Pane::Drain {
        return Some("the drain has not got the keys: 1 gives them".to_owned());
    }
    match model.selected_entry() {
        Some(Entry::Session(_, session)) if session.pid != 0 => None,
        Some(Entry::Session(..)) => {
            Some("a prepared transaction has no session: finish it in the database".to_owned())
        }
        Some(Entry::Straggler(_)) => {
            Some("select one of its sessions: enter unfolds them".to_owned())
        }
        _ => Some("no session is selected".to_owned()),
    }
}
