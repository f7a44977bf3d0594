//! The console: the terminal interface of the operations.
//!
//! A pure core, `update(&mut Model, Message) -> Vec<Effect>` and `view(&Model, …)`.
//! Effects do all IO and answer with messages on one bounded channel. The loop drains
//! all waiting messages, then draws at most once, and writes nothing when nothing
//! changed. The first frame waits for no IO. No secret can reach the model: its types
//! come from reports that hold none.

mod commands;
mod effects;
mod input;
mod keys;
mod message;
mod model;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;
mod words;

use std::io::IsTerminal;
use std::sync::Arc;

use chrono::Utc;
use crossterm::event::EventStream;
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::effects::{Effects, ForTheLoop};
use self::message::Message;
use self::model::Model;
use self::terminal::Screen;
use self::theme::Theme;
use crate::operations::{Exit, Failure, Workspace};

/// Messages that may wait; an effect that answers when it is full waits.
const WAITING_MESSAGES: usize = 256;

/// How the console is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Words for the header, for example that this is the demo.
    pub banner: Option<String>,
    /// No colours.
    pub mono: bool,
}

/// Opens the console on a store and returns when the operator leaves it.
///
/// # Errors
/// When there is no terminal, or it fails.
pub async fn run(workspace: Arc<Workspace>, options: Options) -> Result<Exit, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            "no-terminal",
            Exit::Refused,
            "the console needs a terminal",
            "run it in one, or use a command: handover --help",
        ));
    }
    let mut screen = Screen::open().map_err(|error| terminal_failed(&error))?;
    let result = turn(&mut screen, workspace, options).await;
    drop(screen);
    result.map_err(|error| terminal_failed(&error))
}

fn terminal_failed(error: &std::io::Error) -> Failure {
    Failure::new(
        "terminal",
        Exit::Error,
        format!("the terminal failed: {error}"),
        "try another terminal, or use a command: handover --help",
    )
}

async fn turn(
    screen: &mut Screen,
    workspace: Arc<Workspace>,
    options: Options,
) -> std::io::Result<Exit> {
    let theme = match options.mono {
        true => Theme::mono(),
        false => Theme::dark(),
    };
    let mut model = Model::new(options.banner, Utc::now());
    let (answers, mut messages) = mpsc::channel(WAITING_MESSAGES);
    let effects = Effects::new(workspace, answers);
    screen.draw(|area, buffer| view::view(&model, &theme, area, buffer))?;
    for effect in update::start() {
        effects.begin(effect);
    }
    let mut events = EventStream::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        let first = tokio::select! {
            biased;
            _ = terminate.recv() => Some(Message::Terminated),
            _ = hang_up.recv() => Some(Message::Terminated),
            event = events.next() => match event {
                Some(Ok(event)) => terminal::message(event),
                // The terminal is gone: there is nobody to show anything to.
                Some(Err(_)) | None => Some(Message::Terminated),
            },
            message = messages.recv() => message,
        };
        let mut waiting = vec![Message::Clock(Utc::now())];
        waiting.extend(first);
        while let Ok(message) = messages.try_recv() {
            waiting.push(message);
        }
        for message in waiting {
            let terminated = matches!(message, Message::Terminated);
            panic_for_tests(&message);
            for effect in update::update(&mut model, message) {
                match effects.begin(effect) {
                    ForTheLoop::Nothing => {}
                    ForTheLoop::Suspend => screen.suspend()?,
                    ForTheLoop::Redraw => screen.forget(),
                    ForTheLoop::Quit if terminated => return Ok(Exit::Error),
                    ForTheLoop::Quit => return Ok(Exit::Done),
                }
            }
        }
        screen.draw(|area, buffer| view::view(&model, &theme, area, buffer))?;
    }
}

/// A journey has to see that a panic gives the terminal back. Release builds lack this.
fn panic_for_tests(message: &Message) {
    if cfg!(debug_assertions)
        && matches!(message, Message::Key(keys::Key::Ctrl('p')))
        && std::env::var_os("HANDOVER_TEST_PANIC").is_some()
    {
        panic!("a panic on purpose");
    }
}
