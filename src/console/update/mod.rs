//! `update(&mut Model, Message) -> Vec<Effect>`: what follows from what happened.
//!
//! Pure: no IO, no clock, no waiting. Whatever changes a database leaves this room
//! only from a review that was agreed to.

mod acted;
mod answers;
mod drains;
mod moves;
mod review;
mod schedules;
#[cfg(test)]
mod tests;

pub(super) use review::{blocked, must_type};
pub(super) use schedules::pause_or_resume;

use std::time::Duration;

use super::commands::{Command, Meaning, disabled, meaning};
use super::keys::Key;
use super::message::{Effect, Message, Timer};
use super::model::{
    self, Model, Overlay, Pane, Review, Screen, SessionRef, Target, Toast, UNLOCKED_FOR, Verb,
};
use crate::operations::hand_over::Depth;

/// How often the console looks by itself.
const REFRESH: Duration = Duration::from_secs(30);
/// How often texts with an age are looked at.
const MINUTE: Duration = Duration::from_secs(60);

/// What is asked for before anything happened.
pub(super) fn start() -> Vec<Effect> {
    vec![
        Effect::ReadStatus,
        Effect::ReadSchedules,
        Effect::WatchDrains,
        Effect::StartTimer {
            timer: Timer::Refresh,
            after: REFRESH,
        },
        Effect::StartTimer {
            timer: Timer::Minute,
            after: MINUTE,
        },
    ]
}

/// Takes one message.
pub(super) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Key(key) => press(model, key),
        Message::Pasted(text) => {
            for character in text.chars() {
                review::type_into(model, character);
            }
            Vec::new()
        }
        Message::Resized { rows } => {
            model.page = usize::from(rows / 2).max(1);
            vec![Effect::Redraw]
        }
        Message::Clock(now) => {
            model.now = now;
            Vec::new()
        }
        Message::TimeUp(timer) => time_up(model, timer),
        Message::Terminated => terminated(model),
        Message::Status(result) => answers::status(model, result),
        Message::Schedules(result) => schedules::listed(model, result),
        Message::Looked {
            environment,
            result,
        } => answers::looked(model, environment, result),
        Message::Drained(report) => drains::drained(model, *report),
        Message::Detail {
            environment,
            result,
        } => answers::detail(model, environment, result),
        Message::Reviewed { number, result } => answers::reviewed(model, number, result),
        Message::Acted { number, result } => acted::acted(model, number, result),
        Message::Exported(result) => answers::exported(model, result),
        Message::Told(progress) => answers::told(model, progress),
        Message::Ended(result) => answers::ended(model, result),
    }
}

fn time_up(model: &mut Model, timer: Timer) -> Vec<Effect> {
    match timer {
        Timer::Minute => vec![Effect::StartTimer {
            timer,
            after: MINUTE,
        }],
        Timer::Refresh => {
            let mut effects = vec![Effect::StartTimer {
                timer,
                after: REFRESH,
            }];
            if !model.frozen {
                effects.extend(refresh(model));
            }
            effects
        }
    }
}

/// Reads the store; what is on the screen is looked at when the status has arrived.
fn refresh(model: &Model) -> Vec<Effect> {
    let mut effects = vec![Effect::ReadStatus, Effect::ReadSchedules];
    if let Screen::Environment(target) = model.screen() {
        effects.push(Effect::ReadDetail(target.environment.clone()));
    }
    effects
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    model.toast = None;
    if key == Key::Ctrl('z') {
        return vec![Effect::Suspend];
    }
    if key == Key::Ctrl('l') {
        return vec![Effect::Redraw];
    }
    match &model.overlay {
        Some(Overlay::Help) => {
            // Any key closes the help; quitting from it is still quitting.
            model.overlay = None;
            return match key {
                Key::Ctrl('c') => quit(model),
                _ => Vec::new(),
            };
        }
        Some(Overlay::Review(_)) => return review::press(model, key),
        Some(Overlay::Leave) => return leave(model, key),
        None => {}
    }
    if model.filtering {
        return moves::type_filter(model, key);
    }
    let found = meaning(model, key);
    model.pending_key = None;
    match found {
        Meaning::Command(command) => obey(model, command, key),
        Meaning::Begins(first) => {
            model.pending_key = Some(first);
            Vec::new()
        }
        Meaning::Nothing => Vec::new(),
    }
}

fn obey(model: &mut Model, command: Command, key: Key) -> Vec<Effect> {
    if let Some(reason) = disabled(model, command) {
        return refuse(model, reason);
    }
    match command {
        Command::Down => moves::by(model, 1),
        Command::Up => moves::by(model, -1),
        Command::PageDown => moves::by(model, page(model)),
        Command::PageUp => moves::by(model, -page(model)),
        Command::Top => moves::by(model, isize::MIN),
        Command::Bottom => moves::by(model, isize::MAX),
        Command::NextPane => moves::pane(model, true),
        Command::PreviousPane => moves::pane(model, false),
        Command::NumberedPane => moves::numbered_pane(model, key),
        Command::Unfold => drains::unfold(model),
        Command::Drains => drains::monitor(model),
        Command::Schedules => schedules::open(model),
        Command::Open => open(model),
        Command::Back => moves::back(model),
        Command::Filter => {
            model.filtering = true;
            Vec::new()
        }
        Command::Rotate => review::open(model, Verb::Rotate),
        Command::Recover => review::open(model, Verb::Recover),
        Command::RollBack => review::open(model, Verb::RollBack),
        Command::Retire => review::open(model, Verb::Retire),
        Command::Undo => review::open(model, Verb::Undo),
        Command::EndSession => review::open(model, Verb::EndSession),
        Command::Publish => review::open(model, Verb::Publish),
        Command::Pause => review::open(model, pause_or_resume(model)),
        Command::Export => {
            let rotation = model.reported_rotation();
            rotation.map(Effect::Export).into_iter().collect()
        }
        Command::Refresh => {
            let mut effects = refresh(model);
            if let Screen::Environment(target) = model.screen().clone() {
                effects.extend(look_at(model, &target, Depth::Logins));
            }
            effects
        }
        Command::Freeze => {
            model.frozen = !model.frozen;
            let text = match model.frozen {
                true => "frozen: the picture holds and sampling goes on; p goes on with it",
                false => "live again",
            };
            if model.frozen {
                tell(model, text);
                return Vec::new();
            }
            drains::thaw(model);
            tell(model, text);
            refresh(model)
        }
        Command::Unlock => unlock(model),
        Command::Copy => copy_command(model),
        Command::Help => {
            model.overlay = Some(Overlay::Help);
            Vec::new()
        }
        Command::Quit => quit(model),
    }
}

fn page(model: &Model) -> isize {
    isize::try_from(model.page).unwrap_or(10)
}

fn open(model: &mut Model) -> Vec<Effect> {
    let Some(mut target) = model.target().cloned() else {
        return Vec::new();
    };
    if target.path.is_none() {
        // A schedule is of all rotated secrets; a screen shows one of them.
        let known = model.environment(&target.environment);
        let first = known.and_then(|known| known.paths.first());
        target.path = first.map(|path| path.path.clone());
    }
    let run = model.run.as_ref().filter(|run| run.ended.is_none());
    if run.is_some_and(|run| run.target.environment == target.environment) {
        // What runs there is what the operator wants to see.
        model.screens.push(Screen::Run);
        return Vec::new();
    }
    drains::choose_pane(model, &target);
    model.screens.push(Screen::Environment(target.clone()));
    model.scroll = 0;
    let mut effects = vec![Effect::ReadDetail(target.environment.clone())];
    effects.extend(look_at(model, &target, Depth::Logins));
    effects
}

/// Looks, unless a look is under way: a database that hangs is asked once.
pub(super) fn look_at(model: &mut Model, target: &Target, depth: Depth) -> Option<Effect> {
    let lookable = model
        .environment(&target.environment)
        .is_some_and(|status| status.paths.iter().any(|path| path.current.is_some()));
    let now = model.now;
    let known = model.known.entry(target.environment.clone()).or_default();
    if lookable && known.looking_since.is_some() {
        known.look_deeper |= depth == Depth::Logins;
    }
    if !lookable || known.looking_since.is_some() {
        return None;
    }
    known.looking_since = Some(now);
    Some(Effect::LookAt {
        environment: target.environment.clone(),
        depth,
    })
}

fn unlock(model: &mut Model) -> Vec<Effect> {
    let Some(target) = model.target().cloned() else {
        return Vec::new();
    };
    let until = model.now + UNLOCKED_FOR;
    model.unlocked.insert(target.environment.clone(), until);
    let text = format!(
        "{} is unlocked for {} minutes; each change still wants its name typed",
        target.environment,
        UNLOCKED_FOR.num_minutes()
    );
    tell(model, &text);
    Vec::new()
}

/// The command line that does the same as the screen or the review.
pub(super) fn equivalent_command(model: &Model) -> Option<String> {
    let target = model.target()?;
    let name = &target.environment;
    let path = target
        .path
        .as_deref()
        .map(|path| format!(" {path}"))
        .unwrap_or_default();
    let open = model.open_rotation(target).is_some();
    let is_leaked = model
        .drain(target)
        .is_some_and(|(_, drain)| model::is_leaked(drain));
    Some(match (&model.overlay, model.screen()) {
        (Some(Overlay::Review(review)), _) => review_command(review),
        _ if open => format!("handover recover {name}"),
        (_, Screen::Environments) if is_leaked => format!("handover retire {name}{path}"),
        (_, Screen::Drains) => format!("handover drain {name}{path}"),
        (_, Screen::Schedules) => format!("handover schedule show {name}"),
        (_, Screen::Environment(_)) if model.pane == Pane::Drain => {
            format!("handover drain {name}{path}")
        }
        (_, Screen::Environment(_)) if target.path.is_some() => {
            format!("handover rotate {name}{path} --plan")
        }
        _ => format!("handover status {name}"),
    })
}

/// The command line that asks the same as a review.
fn review_command(review: &Review) -> String {
    let name = &review.target.environment;
    let path = review.target.path.as_deref();
    let path = path.map(|path| format!(" {path}")).unwrap_or_default();
    match review.verb {
        Verb::Rotate => format!("handover rotate {name}{path}"),
        Verb::Recover => format!("handover recover {name}"),
        Verb::RollBack => {
            // The recommended way is the one that is taken unless another one is named.
            let other = review.offer().filter(|offer| !offer.recommended);
            let way = other.map(|offer| format!(" --way {}", offer.way));
            format!("handover rollback {name}{path}{}", way.unwrap_or_default())
        }
        Verb::Retire => format!("handover retire {name}{path}"),
        Verb::Undo => format!("handover retire {name}{path} --undo"),
        Verb::Publish => format!("handover publish {name}"),
        Verb::Pause => {
            let reason = review.reason();
            let reason = reason.map(|reason| format!(" --reason {}", quoted(&reason)));
            format!("handover pause {name}{}", reason.unwrap_or_default())
        }
        Verb::Resume => format!("handover resume {name}"),
        Verb::EndSession => match review.session.as_deref() {
            Some(SessionRef { node, pid, .. }) => {
                format!("handover terminate {name}{path} --pid {pid} --node {node}")
            }
            None => format!("handover drain {name}{path}"),
        },
    }
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub(super) fn copy_command(model: &mut Model) -> Vec<Effect> {
    let Some(command) = equivalent_command(model) else {
        return Vec::new();
    };
    tell(model, &format!("copied: {command}"));
    vec![Effect::Copy(command)]
}

fn quit(model: &mut Model) -> Vec<Effect> {
    if model.busy().is_some() {
        model.overlay = Some(Overlay::Leave);
        return Vec::new();
    }
    vec![Effect::Quit]
}

/// The system asks the program to end. What runs was told as well and stops after its
/// running effect; leaving waits for that.
fn terminated(model: &mut Model) -> Vec<Effect> {
    if model.busy().is_none() {
        return vec![Effect::Quit];
    }
    model.leaving = true;
    model.overlay = None;
    tell(model, "stopping as soon as the running step has ended");
    Vec::new()
}

/// A rotation runs: staying is the default, leaving waits for its end.
fn leave(model: &mut Model, key: Key) -> Vec<Effect> {
    model.overlay = None;
    match key {
        Key::Char('w') => {
            model.leaving = true;
            if model.busy().is_some() {
                Vec::new()
            } else {
                vec![Effect::Quit]
            }
        }
        Key::Char('Q') => vec![Effect::Quit],
        _ => Vec::new(),
    }
}

pub(super) fn tell(model: &mut Model, text: &str) {
    model.toast = Some(Toast {
        good: true,
        text: text.to_owned(),
    });
}

pub(super) fn refuse(model: &mut Model, reason: String) -> Vec<Effect> {
    model.toast = Some(Toast {
        good: false,
        text: reason,
    });
    Vec::new()
}
