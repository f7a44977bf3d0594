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

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::effects::{Effects, ForTheLoop};
use self::message::Message;
use self::model::{Model, RunEnd};
use self::terminal::Screen;
use self::theme::Theme;
use crate::model::EnvironmentName;
use crate::operations::{Exit, Failure, Workspace};
use crate::process::{Signal, StopSignal};

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
    let stop = StopSignal::install(|signal| {
        terminal::give_back();
        let _ = writeln!(
            std::io::stderr(),
            "{signal} a second time: ended at once; what was begun is kept: handover recover"
        );
    })
    .map_err(|error| terminal_failed(&error))?;
    // The first signal is the loop's to answer.
    let _held = stop.hold();
    let mut screen = Screen::open().map_err(|error| terminal_failed(&error))?;
    let result = turn(&mut screen, workspace, options, &stop).await;
    drop(screen);
    let left = result.map_err(|error| terminal_failed(&error))?;
    for words in left.words {
        // A terminal that was closed takes no words.
        let _ = writeln!(std::io::stderr(), "{words}");
    }
    Ok(left.exit)
}

/// How the console was left.
struct Left {
    exit: Exit,
    /// What has to be said once the terminal is given back.
    words: Vec<String>,
}

impl Left {
    /// By the operator's own wish.
    fn wanted() -> Self {
        Self {
            exit: Exit::Done,
            words: Vec::new(),
        }
    }

    /// Because the system asked for it: how the hand-over that ran meanwhile ended, and
    /// how to go on with it.
    fn asked_for(model: &Model) -> Self {
        if let Some((deed, (exit, problem))) = model
            .deed
            .as_ref()
            .and_then(|deed| Some((deed, deed.ended.as_ref()?)))
        {
            let environment = &deed.target.environment;
            let words = match problem {
                Some(problem) => told(environment, &problem.message, &problem.remedy),
                None => vec![format!("{environment} is done")],
            };
            return Self { exit: *exit, words };
        }
        let run = model.run.as_ref().filter(|_| model.leaving);
        let Some((run, ended)) = run.and_then(|run| Some((run, run.ended.as_ref()?))) else {
            return Self {
                exit: Exit::Error,
                words: Vec::new(),
            };
        };
        let environment = &run.target.environment;
        let (exit, problem) = match ended {
            RunEnd::Report(report) => {
                let error = report.error.as_ref();
                let problem = error.map(|error| (&error.message, &error.remedy));
                (report.exit.0, problem)
            }
            RunEnd::Problem(problem) => {
                let words = (&problem.message, &problem.remedy);
                (Exit::Error, Some(words))
            }
        };
        let words = match problem {
            Some((message, remedy)) => told(environment, message, remedy),
            None => vec![format!("{environment} is done")],
        };
        Self { exit, words }
    }
}

/// An error for whoever waits behind the terminal.
fn told(environment: &EnvironmentName, message: &str, remedy: &str) -> Vec<String> {
    vec![
        format!("{environment}: {message}"),
        format!("remedy: {remedy}"),
    ]
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
    stop: &StopSignal,
) -> std::io::Result<Left> {
    let theme = match options.mono {
        true => Theme::mono(),
        false => Theme::dark(),
    };
    let mut model = Model::new(options.banner, Utc::now());
    let (answers, mut messages) = mpsc::channel(WAITING_MESSAGES);
    let mut effects = Effects::new(workspace, answers, stop.clone());
    screen.draw(|area, buffer| view::view(&model, &theme, area, buffer))?;
    for effect in update::start() {
        effects.begin(effect);
    }
    let mut events = terminal::listen()?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut is_asked_to_end = false;
    // A terminal that is gone is neither read nor written to any more: there is nobody to
    // show anything to, and what runs is told to stop.
    let mut is_gone = false;
    let left = 'turns: loop {
        let first = tokio::select! {
            biased;
            _ = stop.raised(), if !is_asked_to_end => {
                is_asked_to_end = true;
                Some(Message::Terminated)
            }
            event = events.recv(), if !is_gone => match event {
                Some(event) => terminal::message(event),
                None => {
                    is_gone = true;
                    None
                }
            },
            _ = resized.recv(), if !is_gone => terminal::resized(),
            message = messages.recv() => message,
        };
        let mut waiting = vec![Message::Clock(Utc::now())];
        waiting.extend(first);
        while let Ok(message) = messages.try_recv() {
            waiting.push(message);
        }
        for message in waiting {
            panic_for_tests(&message);
            for effect in update::update(&mut model, message) {
                match effects.begin(effect) {
                    ForTheLoop::Nothing => {}
                    ForTheLoop::Suspend => is_gone |= screen.suspend().is_err(),
                    ForTheLoop::Redraw => screen.forget(),
                    ForTheLoop::Quit if is_asked_to_end => break 'turns Left::asked_for(&model),
                    ForTheLoop::Quit => break 'turns Left::wanted(),
                }
            }
        }
        is_gone = is_gone
            || screen
                .draw(|area, buffer| view::view(&model, &theme, area, buffer))
                .is_err();
        if is_gone {
            stop.raise(Signal::HangUp);
        }
    };
    effects.end().await;
    Ok(left)
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
